//! A way that is full, and receivers that read slower than the storage delivers: what is not sent
//! waits here and comes later, once and in order.

use base::{ShardId, ShardSet};
use config::limits;
use shard::Listeners;

use super::*;
use crate::consumer::Company;

const QUICK: Listeners = Listeners { all: 1, lagging: 0 };
const SLOW: Listeners = Listeners { all: 1, lagging: 1 };

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
    assert_eq!(sent.len(), limits::JS_DELIVERIES_PER_TURN, "one turn's worth");
    bench.recorder.lagging = true;
    assert_eq!(bench.turn(), []);
    assert_eq!(bench.wait(SECOND), []);
    bench.recorder.lagging = false;
    for _ in 0..3 {
        sent.extend(bench.wait(MS));
    }
    assert_eq!(seqs(&sent), (1..=600).collect::<Vec<_>>());
}

#[test]
fn a_request_whose_receiver_lags_leaves_the_messages_to_others() {
    let mut bench = stored(1000, 10);
    let place = bench.consumer(pull());
    bench.pull(place, "slow", "500");
    bench.recorder.lagging = true;
    assert_eq!(bench.turn(), [], "it is waited for");
    bench.recorder.lagging = false;
    bench.pull(place, "quick", "100");
    let sent = bench.turn();
    assert_eq!(sent.len(), 100);
    assert!(sent.iter().all(|sent| sent.to == "quick"));
    let late = bench.wait(MS);
    assert_eq!(late.len(), 500, "looked at again after a moment");
    assert!(late.iter().all(|sent| sent.to == "slow"));
}

#[test]
fn receivers_of_a_request_on_other_cores_are_asked_after() {
    let size = 64 << 10;
    let lead = limits::PUSH_LEAD_BYTES / size as u64;
    let mut bench = stored(6 * lead, size);
    bench.recorder.elsewhere = one_shard();
    let place = bench.consumer(pull());
    bench.pull(place, "r", "1000");
    assert_eq!(bench.turn().len() as u64, 2 * lead, "twice the lead and no more");
    assert_eq!(bench.recorder.asked, [1]);
    let now = bench.now;
    bench.consumers.backlog_told(place, 1, SLOW, now);
    assert_eq!(bench.turn(), []);
    bench.wait(MS);
    assert_eq!(bench.recorder.asked, [1, 2], "not at once");
    bench.consumers.backlog_told(place, 2, QUICK, now);
    assert!(!bench.turn().is_empty());
}

#[test]
fn all_consumers_share_a_turns_budget_and_none_is_left_out() {
    let mut bench = stored(200, 10);
    bench.company = Company::Others;
    for name in ["a", "b", "c"] {
        let config = ConsumerConfig {
            durable_name: name.to_owned(),
            deliver_subject: name.to_owned(),
            ..unacknowledged()
        };
        bench.consumer(config);
    }
    let mut sent: Vec<Sent> = Vec::new();
    for turn in 1..=3 {
        let step = bench.step();
        assert_eq!(step.len(), limits::JS_DELIVERIES_BESIDE_OTHERS, "turn {turn}");
        sent.extend(step);
    }
    let first_of = |name: &str| sent.iter().filter(|sent| sent.to == name).count();
    for name in ["a", "b", "c"] {
        assert_eq!(first_of(name), limits::JS_DELIVERIES_BESIDE_OTHERS, "each had its turn");
    }
    sent.extend(bench.turn());
    for name in ["a", "b", "c"] {
        let own: Vec<Sent> = sent.iter().filter(|sent| sent.to == name).cloned().collect();
        assert_eq!(seqs(&own), (1..=200).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn large_messages_spend_the_budget_by_their_bytes() {
    let mut bench = stored(100, 4096);
    bench.company = Company::Others;
    bench.consumer(unacknowledged());
    let most = limits::JS_DELIVERED_BESIDE_OTHERS_BYTES as usize / 4096;
    let sent = bench.step().len();
    assert!((most - 1..=most).contains(&sent), "{sent} of {most}");
    assert_eq!(sent + bench.turn().len(), 100);
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
    bench.consumers.backlog_told(place, 7, QUICK, now);
    assert_eq!(all(&mut bench), []);
    bench.consumers.backlog_told(place, 1, SLOW, now);
    assert_eq!(all(&mut bench), []);
    assert_eq!(bench.recorder.asked, [1], "not at once");
    assert_eq!(bench.wait(MS), []);
    assert_eq!(bench.recorder.asked, [1, 2]);
    bench.consumers.backlog_told(place, 2, QUICK, now);
    sent.extend(all(&mut bench));
    assert_eq!(bench.recorder.asked, [1, 2, 3]);
    bench.consumers.backlog_told(place, 3, QUICK, now);
    sent.extend(all(&mut bench));
    assert_eq!(seqs(&sent), (1..=4 * lead).collect::<Vec<_>>());
}
