//! Limits, discard and retention: cases with their errors, and a naive twin under random use.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::stream_config::Discard;

#[test]
fn discard_old_makes_room_at_the_head() {
    let mut rig = Rig::new(r#""max_msgs":2"#);
    for payload in ["1", "2", "3"] {
        rig.publish("s.a", "", payload);
    }
    assert_eq!(rig.stored(), ["2 s.a 2", "3 s.a 3"]);
    assert_eq!(rig.readers.removed, [1]);
    let mut rig = Rig::new(r#""max_bytes":70"#);
    for payload in ["1", "2", "3"] {
        rig.publish("s.a", "", payload);
    }
    assert_eq!(rig.stored(), ["2 s.a 2", "3 s.a 3"], "a message counts 34 bytes");
    let mut rig = Rig::new(r#""max_msgs_per_subject":1"#);
    for (subject, payload) in [("s.a", "1"), ("s.b", "2"), ("s.a", "3")] {
        rig.publish(subject, "", payload);
    }
    assert_eq!(rig.stored(), ["2 s.b 2", "3 s.a 3"]);
}

#[test]
fn discard_new_refuses() {
    let full = |more: &str, expected: &str| {
        let mut rig = Rig::new(&format!(r#""discard":"new",{more}"#));
        rig.publish("s.a", "", "1");
        assert_eq!(rig.refused("s.a", "", "2"), expected, "{more}");
        assert_eq!(rig.stored(), ["1 s.a 1"]);
    };
    full(r#""max_msgs":1"#, "10077 maximum messages exceeded");
    full(r#""max_bytes":40"#, "10077 maximum bytes exceeded");
    full(
        r#""max_msgs_per_subject":1,"discard_new_per_subject":true"#,
        "10077 maximum messages per subject exceeded",
    );
    // What replaces an old message of its subject fits.
    let mut rig = Rig::new(r#""discard":"new","max_msgs":1,"max_msgs_per_subject":1"#);
    rig.publish("s.a", "", "1");
    rig.publish("s.a", "", "2");
    assert_eq!(rig.stored(), ["2 s.a 2"]);
    assert_eq!(rig.refused("s.b", "", "3"), "10077 maximum messages exceeded");
    let per_subject = r#""discard":"new","max_msgs_per_subject":1,"discard_new_per_subject":true"#;
    let mut rig = Rig::new(&format!("{per_subject},\"allow_rollup_hdrs\":true"));
    rig.publish("s.a", "", "1");
    rig.publish("s.a", "Nats-Rollup: sub", "2");
    assert_eq!(rig.stored(), ["2 s.a 2"], "what is rolled up makes room itself");
}

#[test]
fn an_update_applies_to_what_is_there() {
    let mut rig = Rig::new("");
    for (subject, payload) in [("s.a", "1"), ("s.b", "2"), ("s.a", "3"), ("s.b", "4")] {
        rig.publish(subject, "", payload);
    }
    let config = StreamConfig { max_msgs_per_subject: 1, ..rig.stream.config().clone() };
    rig.with(|stream, turn| stream.update(config, turn));
    assert_eq!(rig.stored(), ["3 s.a 3", "4 s.b 4"]);
    let config = StreamConfig { max_msgs: 1, ..rig.stream.config().clone() };
    rig.with(|stream, turn| stream.update(config, turn));
    assert_eq!(rig.stored(), ["4 s.b 4"]);
}

#[test]
fn interest_keeps_what_somebody_wants_until_nobody_needs_it() {
    let mut rig = Rig::new(r#""retention":"interest""#);
    assert_eq!(rig.publish("s.a", "", "1"), r#"{"stream":"S","seq":1}"#);
    assert_eq!(rig.stored(), [""; 0], "nobody wanted it, its sequence is used up");
    rig.readers.filters = vec!["s.a".to_owned()];
    rig.publish("s.b", "", "2");
    rig.publish("s.a", "", "3");
    assert_eq!(rig.stored(), ["3 s.a 3"]);
    rig.readers.needed = vec![3];
    rig.with(|stream, turn| stream.acknowledged(3, turn));
    assert_eq!(rig.stored(), ["3 s.a 3"], "another consumer needs it");
    rig.readers.needed.clear();
    rig.with(|stream, turn| stream.acknowledged(3, turn));
    assert_eq!(rig.stored(), [""; 0]);
    rig.publish("s.a", "", "4");
    rig.with(|stream, turn| stream.readers_changed(turn));
    assert!(rig.stream.has_work());
    rig.pass(0);
    assert_eq!(rig.stored(), [""; 0], "its consumer is gone");
}

#[test]
fn a_work_queue_forgets_at_the_first_acknowledgement() {
    let mut rig = Rig::new(r#""retention":"workqueue""#);
    rig.publish("s.a", "", "1");
    rig.publish("s.a", "", "2");
    rig.readers.needed = vec![1, 2];
    rig.with(|stream, turn| stream.acknowledged(1, turn));
    assert_eq!(rig.stored(), ["2 s.a 2"]);
    let mut rig = Rig::new("");
    rig.publish("s.a", "", "1");
    rig.with(|stream, turn| stream.acknowledged(1, turn));
    assert_eq!(rig.stored(), ["1 s.a 1"], "limits keep it");
}

#[test]
fn purge_and_delete_say_what_they_removed() {
    let fill = || {
        let mut rig = Rig::new("");
        for (subject, payload) in [("s.a", "1"), ("s.b", "2"), ("s.a", "3"), ("s.a", "4")] {
            rig.publish(subject, "", payload);
        }
        rig
    };
    let purged = |request: PurgeRequest| {
        let mut rig = fill();
        let count = rig.with(|stream, turn| stream.purge(&request, turn)).unwrap();
        (count, rig.stored().join(", "))
    };
    let filter = |filter: &str| PurgeRequest { filter: filter.to_owned(), ..Default::default() };
    assert_eq!(purged(PurgeRequest::default()), (4, String::new()));
    assert_eq!(purged(filter("s.a")), (3, "2 s.b 2".to_owned()));
    assert_eq!(
        purged(PurgeRequest { seq: 3, ..Default::default() }),
        (2, "3 s.a 3, 4 s.a 4".to_owned())
    );
    assert_eq!(
        purged(PurgeRequest { keep: 1, ..filter("s.a") }),
        (2, "2 s.b 2, 4 s.a 4".to_owned())
    );
    let mut rig = fill();
    let both = PurgeRequest { seq: 1, keep: 1, ..Default::default() };
    let error = rig.with(|stream, turn| stream.purge(&both, turn)).unwrap_err();
    assert_eq!(error.err_code, 10003);
    let ahead = PurgeRequest { seq: 10, ..Default::default() };
    rig.with(|stream, turn| stream.purge(&ahead, turn)).unwrap();
    assert_eq!(rig.publish("s.a", "", "5"), r#"{"stream":"S","seq":10}"#);

    let mut rig = fill();
    let mut delete = |seq| {
        let request = DeleteRequest { seq, no_erase: true };
        rig.with(|stream, turn| stream.delete_message(&request, turn)).map_err(|e| e.to_string())
    };
    assert_eq!(delete(2), Ok(()));
    assert_eq!(delete(2), Err("sequence 2 not found (10043)".to_owned()));
    assert_eq!(delete(9), Err("stream store EOF (10057)".to_owned()));
    assert_eq!(delete(0), Err("no message found (10057)".to_owned()));
    let mut rig = Rig::new(r#""storage":"memory""#);
    rig.publish("s.a", "", "1");
    for seq in [0, 9] {
        let request = DeleteRequest { seq, no_erase: true };
        let refused = rig.with(|stream, turn| stream.delete_message(&request, turn));
        assert_eq!(refused.unwrap_err().err_code, 10043, "{seq}");
    }
    let mut rig = Rig::new(r#""deny_delete":true,"deny_purge":true"#);
    rig.publish("s.a", "", "1");
    let request = DeleteRequest { seq: 1, no_erase: true };
    let error = rig.with(|stream, turn| stream.delete_message(&request, turn)).unwrap_err();
    assert_eq!(error.to_string(), "message delete not permitted (10057)");
    let purge = PurgeRequest::default();
    let error = rig.with(|stream, turn| stream.purge(&purge, turn)).unwrap_err();
    assert_eq!(error.to_string(), "stream purge not permitted (10110)");
}

#[test]
fn the_first_sequence_is_what_was_asked_for() {
    let mut rig = Rig::new(r#""first_seq":100"#);
    assert_eq!(rig.publish("s.a", "", "1"), r#"{"stream":"S","seq":100}"#);
}

/// The plain reading of the rules over a list.
#[derive(Debug, Default)]
struct Twin {
    held: BTreeMap<u64, (usize, u64)>,
    last: u64,
}

impl Twin {
    fn publish(&mut self, config: &StreamConfig, subject: usize, size: u64) -> bool {
        let limit = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
        let of_subject: Vec<u64> =
            self.held.iter().filter(|(_, held)| held.0 == subject).map(|(seq, _)| *seq).collect();
        let per_subject = limit(config.max_msgs_per_subject);
        let replaces = of_subject.len() as u64 >= per_subject;
        let mut after = self.held.clone();
        after.insert(self.last + 1, (subject, size));
        if replaces {
            after.remove(&of_subject[0]);
        }
        let bytes = |held: &BTreeMap<u64, (usize, u64)>| held.values().map(|held| held.1).sum();
        let over = |held: &BTreeMap<u64, (usize, u64)>| {
            let bytes: u64 = bytes(held);
            held.len() as u64 > limit(config.max_msgs) || bytes > limit(config.max_bytes)
        };
        if config.discard == Discard::New
            && (over(&after) || (replaces && config.discard_new_per_subject))
        {
            return false;
        }
        while over(&after) {
            after.pop_first();
        }
        self.held = after;
        self.last += 1;
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn limits_are_those_of_the_naive_twin(
        messages in prop_oneof![Just(-1i64), 1..6i64],
        bytes in prop_oneof![Just(-1i64), 30..300i64],
        per_subject in prop_oneof![Just(-1i64), 1..4i64],
        new in any::<bool>(),
        new_per_subject in any::<bool>(),
        publishes in prop::collection::vec((0..3usize, 0..40usize, 0..8u8), 1..60),
    ) {
        let new_per_subject = new && new_per_subject && per_subject > 0;
        let mut rig = Rig::new(&format!(
            r#""max_msgs":{messages},"max_bytes":{bytes},"max_msgs_per_subject":{per_subject},
               "discard":"{}","discard_new_per_subject":{new_per_subject}"#,
            if new { "new" } else { "old" },
        ));
        let mut twin = Twin::default();
        for (subject, len, what) in publishes {
            let name = format!("s.{subject}");
            if what == 0 {
                // Somebody deletes the newest message of the subject.
                let newest = twin.held.iter().rev().find(|(_, held)| held.0 == subject);
                if let Some(seq) = newest.map(|(seq, _)| *seq) {
                    let request = DeleteRequest { seq, no_erase: true };
                    rig.with(|stream, turn| stream.delete_message(&request, turn)).unwrap();
                    twin.held.remove(&seq);
                }
                continue;
            }
            let taken = twin.publish(rig.stream.config(), subject, (30 + name.len() + len) as u64);
            let answer = rig.publish(&name, "", &"x".repeat(len));
            prop_assert_eq!(!answer.contains("error"), taken, "{}", answer);
            let expected: Vec<u64> = twin.held.keys().copied().collect();
            let stored: Vec<u64> = rig.stored().iter()
                .map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
            prop_assert_eq!(stored, expected);
            let state = rig.storage.stream(rig.stream.id()).state();
            prop_assert_eq!(state.bytes, twin.held.values().map(|held| held.1).sum::<u64>());
        }
    }
}
