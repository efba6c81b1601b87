//! What is acknowledged, what comes back, and where the floor stands.

use super::*;
use crate::stream::Readers;
use crate::stream_config::Retention;

/// A consumer that was delivered `count` messages; the deliveries.
fn served(bench: &mut Bench, config: ConsumerConfig, count: usize) -> (super::Place, Vec<Sent>) {
    for _ in 0..count {
        bench.publish("a", "x");
    }
    let place = bench.consumer(config);
    bench.pull(place, "i", "1000");
    let sent = bench.turn();
    assert_eq!(sent.len(), count);
    (place, sent)
}

fn floor(bench: &mut Bench, place: super::Place) -> (u64, u64, usize) {
    let info = bench.info(place);
    (info.ack_floor.consumer_seq, info.ack_floor.stream_seq, info.num_ack_pending)
}

#[test]
fn explicit_acknowledgements_raise_the_floor_without_gaps() {
    let mut bench = Bench::new();
    let (place, sent) = served(&mut bench, pull(), 4);
    bench.ack(place, &sent[1], "+ACK");
    assert_eq!(floor(&mut bench, place), (0, 0, 3));
    bench.ack(place, &sent[0], "");
    assert_eq!(floor(&mut bench, place), (2, 2, 2));
    bench.ack(place, &sent[0], "");
    bench.ack(place, &sent[3], "+OK");
    bench.ack(place, &sent[2], "+ACK");
    assert_eq!(floor(&mut bench, place), (4, 4, 0));
    assert_eq!(bench.wait(60 * SECOND), []);
}

#[test]
fn answers_to_another_consumer_change_nothing() {
    let mut bench = Bench::new();
    let (place, sent) = served(&mut bench, pull(), 1);
    for (from, to, pending) in
        [("S.c.", "S.d.", 1), ("$JS.ACK.S.", "$JS.ACK.T.", 1), ("$JS.ACK.", "$JS.ACK._.hash.", 0)]
    {
        let mut other = sent[0].clone();
        other.reply = other.reply.replacen(from, to, 1);
        bench.ack(place, &other, "");
        assert_eq!(bench.info(place).num_ack_pending, pending, "{}", other.reply);
    }
}

#[test]
fn one_acknowledgement_counts_for_all_before_it() {
    let mut bench = Bench::new();
    let config = ConsumerConfig { ack_policy: AckPolicy::All, ..pull() };
    let (place, sent) = served(&mut bench, config, 5);
    bench.ack(place, &sent[2], "");
    assert_eq!(floor(&mut bench, place), (3, 3, 2));
    bench.ack(place, &sent[1], "");
    assert_eq!(floor(&mut bench, place), (3, 3, 2));
    let again = bench.wait(30 * SECOND);
    assert_eq!(seqs(&again), [4, 5]);
    bench.ack(place, &again[1], "");
    assert_eq!(floor(&mut bench, place).1, 5);
}

#[test]
fn without_acknowledgement_delivered_is_done() {
    let mut bench = Bench::new();
    let config = ConsumerConfig { ack_policy: AckPolicy::None, ..pull() };
    let (place, sent) = served(&mut bench, config, 3);
    assert_eq!(floor(&mut bench, place), (3, 3, 0));
    bench.ack(place, &sent[0], "-NAK");
    assert_eq!(bench.wait(60 * SECOND), []);
}

#[test]
fn what_is_not_acknowledged_comes_back_and_says_how_often() {
    let mut bench = Bench::new();
    let config = ConsumerConfig { ack_wait: SECOND as i64, max_deliver: 3, ..pull() };
    let (place, sent) = served(&mut bench, config, 2);
    bench.ack(place, &sent[0], "");
    let again = bench.wait(SECOND);
    assert_eq!(seqs(&again), [2]);
    assert_eq!((again[0].delivery().deliveries, again[0].delivery().consumer_seq), (2, 3));
    assert_eq!(bench.info(place).num_redelivered, 1);
    assert_eq!(bench.wait(SECOND)[0].delivery().deliveries, 3);
    bench.wait(SECOND - 1);
    bench.now.mono_ns += 1;
    let told = bench.turn_with_events();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].to, "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.c");
    for part in [r#""stream_seq":2"#, r#""deliveries":3"#, "advisory.v1.max_deliver"] {
        assert!(told[0].payload.contains(part), "{}", told[0].payload);
    }
    assert_eq!(floor(&mut bench, place), (4, 2, 0));
    assert_eq!(bench.wait(60 * SECOND), []);
}

#[test]
fn backoff_gives_each_delivery_its_own_time() {
    let mut bench = Bench::new();
    let backoff = vec![SECOND as i64, 5 * SECOND as i64];
    served(&mut bench, ConsumerConfig { backoff, ..pull() }, 1);
    assert_eq!(seqs(&bench.wait(SECOND)), [1]);
    assert_eq!(bench.wait(5 * SECOND - 1), []);
    assert_eq!(seqs(&bench.wait(1)), [1]);
    assert_eq!(seqs(&bench.wait(5 * SECOND)), [1]);
}

#[test]
fn a_nak_brings_it_back_at_once_or_later() {
    let mut bench = Bench::new();
    let (place, sent) = served(&mut bench, pull(), 3);
    bench.ack(place, &sent[2], "-NAK");
    bench.ack(place, &sent[0], "-NAK");
    bench.ack(place, &sent[1], r#"-NAK {"delay": 1000000000}"#);
    let told = bench.turn_with_events();
    let naked: Vec<_> = told.iter().filter(|sent| sent.to.contains("MSG_NAKED")).collect();
    assert_eq!(naked.len(), 3);
    assert!(naked[0].payload.contains("advisory.v1.nak"), "{}", naked[0].payload);
    assert_eq!(seqs(&told), [3, 1]);
    assert_eq!(bench.wait(SECOND - 1), []);
    assert_eq!(seqs(&bench.wait(1)), [2]);
}

#[test]
fn term_ends_all_before_it_where_one_acknowledgement_is_for_all() {
    let mut bench = Bench::new();
    let config = ConsumerConfig { ack_policy: AckPolicy::All, ..pull() };
    let (place, sent) = served(&mut bench, config, 4);
    bench.ack(place, &sent[2], "+TERM");
    assert_eq!(floor(&mut bench, place), (3, 3, 1));
}

#[test]
fn progress_starts_the_time_again_and_term_ends_it() {
    let mut bench = Bench::new();
    let (place, sent) = served(&mut bench, pull(), 2);
    bench.wait(20 * SECOND);
    bench.ack(place, &sent[0], "+WPI");
    bench.ack(place, &sent[1], "+TERM not mine");
    let told = bench.turn_with_events();
    assert_eq!(told[0].to, "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c");
    assert!(told[0].payload.contains(r#""reason":"not mine""#), "{}", told[0].payload);
    assert_eq!(bench.wait(30 * SECOND - 1), []);
    assert_eq!(seqs(&bench.wait(1)), [1]);
}

#[test]
fn next_acknowledges_and_asks_for_more() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    for _ in 0..4 {
        bench.publish("a", "x");
    }
    bench.pull(place, "i", "1");
    let first = bench.turn();
    bench.ack_with(place, &first[0], "+NXT", Some("j"));
    let second = bench.turn();
    assert_eq!((second[0].to.as_str(), seqs(&second)), ("j", vec![2]));
    bench.ack_with(place, &second[0], r#"+NXT {"batch":9,"no_wait":true}"#, Some("k"));
    let rest = bench.turn();
    assert_eq!(seqs(&rest), [3, 4]);
    assert_eq!(rest[2].status(), "404 No Messages");
    bench.write();
    assert_eq!(bench.turn(), [], "the messages are the answer");
}

#[test]
fn a_confirmation_waits_until_what_it_confirms_is_safe() {
    let mut bench = Bench::new();
    let (place, sent) = served(&mut bench, pull(), 2);
    bench.write();
    bench.ack_with(place, &sent[0], "+ACK", Some("confirm"));
    assert_eq!(bench.turn(), []);
    bench.consumers.consumer_mut(place).unwrap().written(10, storage::Mark(7));
    bench.consumers.awaiting.push(place);
    bench.consumers.confirm(storage::Mark(6), &mut bench.recorder);
    assert_eq!(bench.turn(), []);
    bench.consumers.confirm(storage::Mark(7), &mut bench.recorder);
    let told = bench.turn();
    assert_eq!((told.len(), told[0].to.as_str(), told[0].payload.as_str()), (1, "confirm", ""));
    // Once more, for what is done already.
    bench.ack_with(place, &sent[0], "+ACK", Some("confirm"));
    bench.write();
    assert_eq!(bench.turn().len(), 1);
}

#[test]
fn what_was_not_delivered_is_not_confirmed() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    bench.publish("a", "x");
    bench.pull(place, "i", "1");
    let sent = bench.turn();
    bench.with(|consumers, desk| consumers.reset(place, 1, desk)).unwrap();
    bench.ack_with(place, &sent[0], "+ACK", Some("confirm"));
    bench.write();
    assert_eq!(bench.turn(), []);
    bench.ack_with(place, &sent[0], "+WPI", Some("confirm"));
    bench.write();
    assert_eq!(bench.turn().len(), 1);
}

#[test]
fn no_more_than_max_ack_pending_are_out() {
    let mut bench = Bench::new();
    let config = ConsumerConfig { max_ack_pending: 2, ..pull() };
    let place = bench.consumer(config);
    for _ in 0..5 {
        bench.publish("a", "x");
    }
    bench.pull(place, "i", "10");
    let sent = bench.turn();
    assert_eq!(seqs(&sent), [1, 2]);
    bench.ack(place, &sent[1], "");
    assert_eq!(seqs(&bench.turn()), [3]);
    bench.ack(place, &sent[0], "-NAK");
    assert_eq!(seqs(&bench.turn()), [1]);
}

#[test]
fn retention_hears_what_is_acknowledged() {
    let settled = |bench: &mut Bench| bench.consumers.drain_settled().collect::<Vec<_>>();
    let mut bench = Bench::retaining(Retention::WorkQueue);
    let (place, sent) = served(&mut bench, pull(), 3);
    bench.ack(place, &sent[2], "");
    bench.ack(place, &sent[0], "+TERM");
    bench.ack(place, &sent[1], "-NAK");
    bench.turn();
    assert_eq!(settled(&mut bench), [(3, 3), (1, 1)]);
    assert!(bench.consumers.needs(2, b"a") && !bench.consumers.needs(1, b"a"));

    let mut bench = Bench::retaining(Retention::Interest);
    let (place, sent) =
        served(&mut bench, ConsumerConfig { ack_policy: AckPolicy::All, ..pull() }, 4);
    bench.ack(place, &sent[2], "");
    bench.turn();
    assert_eq!(settled(&mut bench), [(1, 3)]);
    assert!(bench.consumers.needs(4, b"a") && !bench.consumers.needs(3, b"a"));
    assert!(bench.consumers.wants(b"anything"));
}

#[test]
fn what_reaches_max_deliver_stays_in_a_work_queue() {
    let mut bench = Bench::retaining(Retention::WorkQueue);
    let config = ConsumerConfig { max_deliver: 1, ack_wait: SECOND as i64, ..pull() };
    served(&mut bench, config, 1);
    assert_eq!(bench.wait(3 * SECOND), []);
    assert_eq!(bench.consumers.drain_settled().count(), 0);
}

#[test]
fn sampled_acknowledgements_are_reported() {
    let mut bench = Bench::new();
    let config = ConsumerConfig { sample_freq: "100%".to_owned(), ..pull() };
    let (place, sent) = served(&mut bench, config, 1);
    bench.wait(SECOND);
    bench.ack(place, &sent[0], "");
    let told = bench.turn_with_events();
    assert_eq!(told[0].to, "$JS.EVENT.METRIC.CONSUMER.ACK.S.c");
    assert!(told[0].payload.contains(r#""ack_time":1000000000"#), "{}", told[0].payload);
    // The second delivery of the second message is the third that the consumer made.
    bench.publish("a", "x");
    let sent = bench.turn();
    bench.ack(place, &sent[0], "-NAK");
    let again = bench.turn();
    bench.ack(place, &again[0], "");
    let told = bench.turn_with_events();
    assert!(told[0].payload.contains(r#""consumer_seq":3"#), "{}", told[0].payload);
}

#[test]
fn what_is_gone_from_the_stream_is_not_asked_for_again() {
    let mut bench = Bench::new();
    let (place, sent) = served(&mut bench, pull(), 3);
    bench.remove(2);
    bench.ack(place, &sent[0], "");
    assert_eq!(floor(&mut bench, place), (2, 2, 1));
    bench.purge_below(4);
    assert_eq!(floor(&mut bench, place), (3, 3, 0));
    assert_eq!(bench.wait(60 * SECOND), []);
}

#[test]
fn who_asks_by_next_waits_for_what_comes_back() {
    let mut bench = Bench::new();
    let place = bench.consumer(ConsumerConfig { ack_wait: SECOND as i64, ..pull() });
    for _ in 0..2 {
        bench.publish("a", "x");
    }
    bench.pull(place, "i", "2");
    let sent = bench.turn();
    bench.ack_with(place, &sent[0], "+NXT", Some("j"));
    assert_eq!(bench.wait(SECOND - 1), []);
    let again = bench.wait(1);
    assert_eq!((again[0].to.as_str(), seqs(&again)), ("j", vec![2]));
}
