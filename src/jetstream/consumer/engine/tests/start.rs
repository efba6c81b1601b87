//! Where consumers start, what they filter, and what is still to come.

use super::*;
use crate::wire_time::WireTime;

/// Ten messages: a.0, b.1, a.2, b.3 ... a second apart; then a consumer and what it delivers.
fn delivered(config: ConsumerConfig) -> Vec<u64> {
    let mut bench = filled();
    let place = bench.consumer(config);
    bench.pull(place, "i", "100");
    seqs(&bench.turn())
}

fn filled() -> Bench {
    let mut bench = Bench::new();
    for number in 0..10 {
        let subject = if number % 2 == 0 { "a" } else { "b" };
        bench.publish(&format!("{subject}.{}", number % 4), "x");
        bench.wait(SECOND);
    }
    bench
}

#[test]
fn deliver_policies_choose_the_first_message() {
    let policy = |deliver_policy| ConsumerConfig { deliver_policy, ..pull() };
    assert_eq!(delivered(policy(DeliverPolicy::All)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(delivered(policy(DeliverPolicy::Last)), [10]);
    assert_eq!(delivered(policy(DeliverPolicy::New)), [] as [u64; 0]);
    let from =
        |opt_start_seq| ConsumerConfig { opt_start_seq, ..policy(DeliverPolicy::ByStartSequence) };
    assert_eq!(delivered(from(8)), [8, 9, 10]);
    assert_eq!(delivered(from(99)), [] as [u64; 0]);
    let fourth = Bench::new().now.wall_ns + 3 * SECOND - 1;
    let since = ConsumerConfig {
        opt_start_time: Some(WireTime::from_wall_ns(fourth)),
        ..policy(DeliverPolicy::ByStartTime)
    };
    assert_eq!(delivered(since), [4, 5, 6, 7, 8, 9, 10]);
    let filtered =
        ConsumerConfig { filter_subject: "a.*".to_owned(), ..policy(DeliverPolicy::Last) };
    assert_eq!(delivered(filtered), [9]);
}

#[test]
fn what_is_looked_at_and_does_not_match_is_not_delivered() {
    let mut bench = filled();
    let none = || ConsumerConfig { filter_subject: "z".to_owned(), ..pull() };
    for (deliver_policy, stands) in [
        (DeliverPolicy::All, 0),
        (DeliverPolicy::Last, 0),
        (DeliverPolicy::LastPerSubject, 9),
        (DeliverPolicy::New, 10),
    ] {
        let mut fresh = filled();
        let place = fresh.consumer(ConsumerConfig { deliver_policy, ..none() });
        let info = fresh.info(place);
        assert_eq!((info.delivered.stream_seq, info.ack_floor.stream_seq), (stands, stands));
    }
    let place = bench.consumer(none());
    bench.pull(place, "i", "1");
    bench.turn();
    assert_eq!(bench.info(place).delivered.stream_seq, 0);
    bench.publish("z", "x");
    assert_eq!(seqs(&bench.turn()), [11]);
    assert_eq!(bench.info(place).delivered.stream_seq, 11);
}

#[test]
fn a_start_behind_the_end_is_waited_for() {
    let mut bench = Bench::new();
    let deliver_policy = DeliverPolicy::ByStartSequence;
    let place = bench.consumer(ConsumerConfig { deliver_policy, opt_start_seq: 3, ..pull() });
    assert_eq!(bench.info(place).ack_floor.stream_seq, 2);
    bench.pull(place, "i", "100");
    for _ in 0..4 {
        bench.publish("a", "x");
    }
    assert_eq!(bench.info(place).num_pending, 2);
    assert_eq!(seqs(&bench.turn()), [3, 4]);
}

#[test]
fn the_last_of_each_subject_comes_first_and_then_what_is_new() {
    let mut bench = filled();
    let place = bench.consumer(ConsumerConfig {
        deliver_policy: DeliverPolicy::LastPerSubject,
        filter_subject: ">".to_owned(),
        ..pull()
    });
    assert_eq!(bench.info(place).num_pending, 4);
    bench.publish("a.0", "new");
    bench.pull(place, "i", "3");
    // a.2 is last at 7, b.3 at 8, a.0 at 9 (before the new one), b.1 at 10.
    assert_eq!(seqs(&bench.turn()), [7, 8, 9]);
    assert_eq!(bench.info(place).num_pending, 2);
    bench.pull(place, "i", "10");
    assert_eq!(seqs(&bench.turn()), [10, 11]);
}

#[test]
fn filters_let_through_what_matches_one_of_them() {
    let one = ConsumerConfig { filter_subject: "a.*".to_owned(), ..pull() };
    assert_eq!(delivered(one), [1, 3, 5, 7, 9]);
    let filter_subjects = vec!["a.0".to_owned(), "b.3".to_owned()];
    let two = ConsumerConfig { filter_subjects, ..pull() };
    assert_eq!(delivered(two), [1, 4, 5, 8, 9]);
}

#[test]
fn deliveries_say_where_they_stand() {
    let mut bench = filled();
    let place = bench.consumer(ConsumerConfig { filter_subject: "a.*".to_owned(), ..pull() });
    bench.pull(place, "i", "2");
    let sent = bench.turn();
    assert_eq!((sent[1].to.as_str(), sent[1].subject.as_str()), ("i", "a.2"));
    assert!(sent[1].reply.starts_with("$JS.ACK.S.c.1.3.2."), "{}", sent[1].reply);
    assert_eq!(sent[1].delivery().pending, 3);
    let info = bench.info(place);
    assert_eq!((info.delivered.consumer_seq, info.delivered.stream_seq), (2, 3));
    assert_eq!((info.num_pending, info.num_ack_pending), (3, 2));
}

#[test]
fn what_is_to_come_is_counted_through_everything() {
    let mut bench = filled();
    let place = bench.consumer(ConsumerConfig { filter_subject: "a.*".to_owned(), ..pull() });
    let pending = |bench: &mut Bench| bench.info(place).num_pending;
    assert_eq!(pending(&mut bench), 5);
    bench.publish("a.0", "x");
    bench.publish("b.0", "x");
    assert_eq!(pending(&mut bench), 6);
    bench.remove(5);
    bench.remove(6);
    assert_eq!(pending(&mut bench), 5);
    bench.pull(place, "i", "1");
    assert_eq!(seqs(&bench.turn()), [1]);
    bench.remove(1);
    assert_eq!(pending(&mut bench), 4);
    assert_eq!(bench.info(place).num_ack_pending, 0);
    bench.purge_below(9);
    assert_eq!(pending(&mut bench), 2);
    bench.pull(place, "i", "9");
    assert_eq!(seqs(&bench.turn()), [9, 11]);
    assert_eq!(pending(&mut bench), 0);
}

#[test]
fn a_change_of_filters_counts_again() {
    let mut bench = filled();
    let place = bench.consumer(ConsumerConfig { filter_subject: "a.*".to_owned(), ..pull() });
    bench.consumer(ConsumerConfig { filter_subject: "b.1".to_owned(), ..pull() });
    assert_eq!(bench.info(place).num_pending, 3);
    bench.pull(place, "i", "9");
    assert_eq!(seqs(&bench.turn()), [2, 6, 10]);
}

#[test]
fn headers_only_leaves_the_payload_out_and_says_its_size() {
    let mut bench = Bench::new();
    bench.publish("a", "12345");
    bench.publish_with("a", "NATS/1.0\r\nX: y\r\n\r\n", "123");
    let place = bench.consumer(ConsumerConfig { headers_only: true, ..pull() });
    bench.pull(place, "i", "2");
    let sent = bench.turn();
    assert_eq!(sent[0].headers, "NATS/1.0\r\nNats-Msg-Size: 5\r\n\r\n");
    assert_eq!(sent[1].headers, "NATS/1.0\r\nX: y\r\nNats-Msg-Size: 3\r\n\r\n");
    assert!(sent.iter().all(|sent| sent.payload.is_empty()));
}

#[test]
fn replays_keep_the_original_pauses() {
    let mut bench = filled();
    let place = bench.consumer(ConsumerConfig {
        replay_policy: ReplayPolicy::Original,
        deliver_policy: DeliverPolicy::ByStartSequence,
        opt_start_seq: 8,
        ..pull()
    });
    bench.pull(place, "i", "10");
    assert_eq!(seqs(&bench.turn()), [8]);
    assert_eq!(seqs(&bench.wait(SECOND - 1)), [] as [u64; 0]);
    assert_eq!(seqs(&bench.wait(1)), [9]);
    assert_eq!(seqs(&bench.wait(SECOND)), [10]);
    // From the end on, messages come as they are published.
    bench.turn();
    bench.publish("a", "now");
    assert_eq!(seqs(&bench.turn()), [11]);
}
