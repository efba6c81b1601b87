//! Pauses, resets, restarts and the end of those whom nobody uses.

use super::super::super::{ConsumerPlace, Consumers, KEPT_CONFIG, KEPT_STATE, Lost};
use proptest::prelude::*;

use super::pulling::statuses;
use super::*;
use crate::wire_time::WireTime;

#[test]
fn nothing_is_delivered_while_paused() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    let until = WireTime::from_wall_ns(bench.now.wall_ns + 10 * SECOND);
    let left = bench.with(|consumers, desk| consumers.pause(place, Some(until), desk)).unwrap();
    assert_eq!(left, Some(10 * SECOND));
    bench.publish("a", "x");
    bench.pull(place, "i", "1");
    let told = bench.turn_with_events();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].to, "$JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.c");
    assert!(told[0].payload.contains(r#""paused":true"#), "{}", told[0].payload);
    let info = bench.info(place);
    assert!(info.paused && info.pause_remaining == Some(10 * SECOND));
    assert_eq!(seqs(&bench.wait(10 * SECOND - 1)), [] as [u64; 0]);
    assert_eq!(seqs(&bench.wait(1)), [1]);
    assert!(!bench.info(place).paused);
}

#[test]
fn who_does_not_wait_does_not_wait_for_the_end_of_a_pause() {
    let mut bench = Bench::new();
    let until = Some(WireTime::from_wall_ns(bench.now.wall_ns + 10 * SECOND));
    let place = bench.consumer(ConsumerConfig { pause_until: until, ..pull() });
    bench.publish("a", "x");
    bench.pull(place, "i", r#"{"batch":1,"no_wait":true}"#);
    assert_eq!(statuses(&bench.turn()), ["404 No Messages"]);
    bench.pull(place, "i", r#"{"batch":1,"no_wait":true,"expires":20000000000}"#);
    assert_eq!(seqs(&bench.wait(10 * SECOND)), [1]);
}

#[test]
fn a_pause_can_be_ended_early() {
    let mut bench = Bench::new();
    let until = Some(WireTime::from_wall_ns(bench.now.wall_ns + 10 * SECOND));
    let place = bench.consumer(ConsumerConfig { pause_until: until, ..pull() });
    bench.publish("a", "x");
    bench.pull(place, "i", "1");
    assert_eq!(bench.turn(), []);
    let left = bench.with(|consumers, desk| consumers.pause(place, None, desk)).unwrap();
    assert_eq!(left, None);
    assert_eq!(seqs(&bench.turn()), [1]);
}

#[test]
fn those_nobody_uses_are_to_be_deleted() {
    let mut bench = Bench::new();
    let ephemeral = |deliver_subject: &str, name: &str| ConsumerConfig {
        durable_name: String::new(),
        name: name.to_owned(),
        deliver_subject: deliver_subject.to_owned(),
        ..pull()
    };
    let pulled = bench.consumer(ephemeral("", "p"));
    let pushed = bench.consumer(ephemeral("d", "q"));
    let durable = bench.consumer(pull());
    bench.pull(pulled, "i", r#"{"expires":4000000000}"#);
    bench.wait(4 * SECOND + 4 * SECOND);
    assert_eq!(bench.consumers.next_abandoned(), None);
    bench.recorder.deaf.push("d".to_owned());
    bench.wait(SECOND);
    assert_eq!(bench.consumers.next_abandoned(), Some(pulled));
    bench.wait(6 * SECOND);
    assert_eq!(bench.consumers.next_abandoned(), Some(pushed));
    bench.wait(1000 * SECOND);
    assert!(bench.consumers.get(durable).is_some());
    assert_eq!(bench.consumers.next_abandoned(), None);
}

#[test]
fn a_reset_starts_over() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    for _ in 0..5 {
        bench.publish("a", "x");
    }
    bench.pull(place, "i", "4");
    let sent = bench.turn();
    bench.ack(place, &sent[0], "");
    let reset =
        |bench: &mut Bench, seq| bench.with(|consumers, desk| consumers.reset(place, seq, desk));
    assert_eq!(reset(&mut bench, 0), Ok(2));
    let info = bench.info(place);
    assert_eq!((info.num_pending, info.num_ack_pending), (4, 0));
    bench.pull(place, "i", "1");
    let again = bench.turn();
    assert_eq!((again[0].delivery().stream_seq, again[0].delivery().consumer_seq), (2, 1));
    assert_eq!(reset(&mut bench, 4), Ok(4));
    bench.pull(place, "i", "9");
    assert_eq!(seqs(&bench.turn()), [4, 5]);
    let place = bench.consumer(ConsumerConfig {
        durable_name: "n".to_owned(),
        deliver_policy: DeliverPolicy::New,
        ..pull()
    });
    let refused = bench.with(|consumers, desk| consumers.reset(place, 3, desk)).unwrap_err();
    assert_eq!(refused.err_code, 10204);
    let place = bench.consumer(ConsumerConfig {
        durable_name: "s".to_owned(),
        deliver_policy: DeliverPolicy::ByStartSequence,
        opt_start_seq: 3,
        ..pull()
    });
    assert!(bench.with(|consumers, desk| consumers.reset(place, 2, desk)).is_err());
    assert_eq!(bench.with(|consumers, desk| consumers.reset(place, 3, desk)), Ok(3));
}

/// The consumers of the stream as they come back from what was kept, and what was lost.
fn restarted(bench: &mut Bench, config: &[u8], state: &[u8]) -> Vec<Lost> {
    let home = bench.consumers.home().clone();
    let values = [(KEPT_CONFIG, config), (KEPT_STATE, state)]
        .map(|(kind, value)| (storage::ValueKey { kind, number: 3 }, value));
    bench.consumers = Consumers::new(home);
    bench.with(|consumers, desk| consumers.recover(values, 0, desk))
}

/// A kept configuration.
fn kept(config: &ConsumerConfig) -> Vec<u8> {
    let config = serde_json::to_string(config).unwrap();
    format!(r#"{{"name":"c","created":"2026-01-01T00:00:00Z","config":{config}}}"#).into_bytes()
}

#[test]
fn a_restart_brings_back_what_was_written() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    for _ in 0..300 {
        bench.publish("a", "x");
    }
    bench.pull(place, "i", "200");
    let sent = bench.turn();
    for number in (0..200).filter(|number| number % 3 != 0) {
        bench.ack(place, &sent[number], "");
    }
    bench.ack(place, &sent[0], "-NAK");
    bench.pull(place, "i", "1");
    bench.turn();
    bench.wait(SECOND);
    let before = bench.info(place);
    let state = bench.state(place);
    assert!(state.len() < 1000, "{} bytes for 67 pending", state.len());
    let config = kept(bench.consumers.get(place).unwrap().config());
    assert_eq!(restarted(&mut bench, &config, &state), []);
    let place = bench.consumers.find("c").expect("it is back");
    assert_eq!(place, ConsumerPlace(3));
    let after = bench.info(place);
    assert_eq!((after.delivered, after.ack_floor), (before.delivered, before.ack_floor));
    assert_eq!(after.num_ack_pending, before.num_ack_pending);
    assert_eq!(after.num_redelivered, before.num_redelivered);
    assert_eq!(after.num_pending, before.num_pending);
    bench.pull(place, "j", "1000");
    let fresh = bench.turn();
    assert_eq!(seqs(&fresh)[..3], [201, 202, 203]);
    bench.wait(28 * SECOND);
    bench.pull(place, "j", "1000");
    let again: Vec<u64> = seqs(&bench.wait(2 * SECOND));
    assert!(again.iter().take(67).all(|seq| seq % 3 == 1), "{again:?}");
}

#[test]
fn what_is_damaged_is_named_and_never_a_panic() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    for _ in 0..20 {
        bench.publish("a", "x");
    }
    bench.pull(place, "i", "10");
    bench.turn();
    let (config, state) = (kept(&pull()), bench.state(place));
    for end in 0..state.len() {
        let lost = restarted(&mut bench, &config, &state[..end]);
        assert_eq!(lost, [Lost::State("c".to_owned())], "{end} bytes of {}", state.len());
    }
    for end in 0..config.len() {
        let lost = restarted(&mut bench, &config[..end], &state);
        assert_eq!(lost, [Lost::Config(ConsumerPlace(3))]);
    }
    // Free places are used again.
    assert_eq!(restarted(&mut bench, &config, &state), []);
    let next = bench.consumer(ConsumerConfig { durable_name: "n".to_owned(), ..pull() });
    assert!(next.0 < 3, "{next:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_for_a_state_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bench = Bench::new();
        for _ in 0..5 {
            bench.publish("a", "x");
        }
        let state = [&[1], &bytes[..]].concat();
        restarted(&mut bench, &kept(&pull()), &state);
        let place = bench.consumers.find("c").expect("it is there in any case");
        bench.pull(place, "i", "9");
        bench.turn();
        bench.info(place);
    }
}
