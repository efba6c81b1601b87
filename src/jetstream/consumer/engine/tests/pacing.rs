//! A way that is full, and receivers that read slower than the storage delivers: what is not sent
//! waits here and comes later, once and in order.

use base::{ShardId, ShardSet};
use config::limits;
use shard::Backlog;

use super::*;

fn one_shard() -> ShardSet {
    let mut shards = ShardSet::EMPTY;
    shards.insert(ShardId(3));
    shards
}

fn unacknowledged() -> ConsumerConfig {
    ConsumerConfig { ack_policy: AckPolicy::None, ..push() }
}

fn stored(messages: u64, bytes: usize) -> Bench {
    let mut bench = Bench::new();
    for _ in 0..messages {
        bench.publish("a", &"x".repeat(bytes));
    }
    bench
}

#[test]
fn one_message_finds_a_ring_full_and_the_others_wait_for_it() {
    for config in [unacknowledged(), pull()] {
        let mut bench = stored(50, 10);
        bench.recorder.congested = one_shard();
        let place = bench.consumer(config.clone());
        if !config.is_push() {
            bench.pull(place, "r", "50");
        }
        let mut sent = bench.step();
        assert_eq!(seqs(&sent), [1], "what finds the ring full is on its way");
        assert!(bench.consumers.has_work(), "it is asked again without an event");
        assert_eq!(bench.step(), []);
        bench.recorder.congested = ShardSet::EMPTY;
        sent.extend(bench.turn());
        assert_eq!(seqs(&sent), (1..=50).collect::<Vec<_>>());
    }
}

#[test]
fn confirmations_wait_for_the_ring_too() {
    let mut bench = stored(3, 1);
    let place = bench.consumer(pull());
    bench.pull(place, "r", "3");
    let sent = bench.turn();
    for (message, reply) in sent.iter().zip(["c1", "c2", "c3"]) {
        bench.ack_with(place, message, "", Some(reply));
    }
    bench.recorder.congested = one_shard();
    bench.write();
    let mut confirmed = bench.step();
    assert_eq!(confirmed.len(), 1, "{confirmed:?}");
    assert!(bench.consumers.has_work());
    bench.write();
    assert_eq!(bench.step(), []);
    bench.recorder.congested = ShardSet::EMPTY;
    bench.write();
    confirmed.extend(bench.step());
    let to: Vec<_> = confirmed.iter().map(|sent| sent.to.as_str()).collect();
    assert_eq!(to, ["c1", "c2", "c3"]);
}

#[test]
fn a_slow_receiver_on_this_core_is_waited_for() {
    let mut bench = stored(600, 10);
    bench.consumer(unacknowledged());
    let mut sent = bench.step();
    assert_eq!(sent.len(), 256, "one turn's worth");
    bench.recorder.backlog = Some(Backlog::Deep);
    assert_eq!(bench.turn(), []);
    assert_eq!(bench.wait(SECOND), []);
    bench.recorder.backlog = None;
    for _ in 0..3 {
        sent.extend(bench.wait(MS));
    }
    assert_eq!(seqs(&sent), (1..=600).collect::<Vec<_>>());
}

#[test]
fn receivers_on_other_cores_are_asked_after() {
    let size = 64 << 10;
    let lead = limits::PUSH_LEAD_BYTES / size as u64;
    let mut bench = stored(4 * lead, size);
    bench.recorder.elsewhere = one_shard();
    let place = bench.consumer(unacknowledged());
    let all = |bench: &mut Bench| bench.turn();
    let mut sent = all(&mut bench);
    assert_eq!(sent.len() as u64, 2 * lead, "twice the lead and no more");
    assert_eq!(bench.recorder.asked, [1]);
    let now = bench.now;
    // An answer to another question says nothing.
    bench.consumers.backlog_told(place, 7, Backlog::Shallow, now);
    assert_eq!(all(&mut bench), []);
    bench.consumers.backlog_told(place, 1, Backlog::Deep, now);
    assert_eq!(all(&mut bench), []);
    assert_eq!(bench.recorder.asked, [1], "not at once");
    assert_eq!(bench.wait(MS), []);
    assert_eq!(bench.recorder.asked, [1, 2]);
    bench.consumers.backlog_told(place, 2, Backlog::Shallow, now);
    sent.extend(all(&mut bench));
    assert_eq!(bench.recorder.asked, [1, 2, 3]);
    bench.consumers.backlog_told(place, 3, Backlog::Shallow, now);
    sent.extend(all(&mut bench));
    assert_eq!(seqs(&sent), (1..=4 * lead).collect::<Vec<_>>());
}
