//! Atomic and fast batches, and counters.

use super::*;

fn batch(id: &str, sequence: u64, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!("\n{more}") };
    format!("Nats-Batch-Id: {id}\nNats-Batch-Sequence: {sequence}{more}")
}

const COMMIT: &str = "Nats-Batch-Commit: 1";

#[test]
fn a_batch_is_stored_at_its_commit() {
    let mut rig = Rig::new(r#""allow_atomic":true"#);
    let before = rig.out.sent.len();
    assert_eq!(rig.publish("s.a", &batch("b", 1, ""), "1"), "");
    assert_eq!(rig.out.sent.len(), before + 1, "an empty acknowledgement");
    rig.publish("s.x", "", "between");
    rig.publish("s.b", &batch("b", 2, ""), "2");
    assert_eq!(rig.stored(), ["1 s.x between"]);
    let answer = rig.publish("s.c", &batch("b", 3, COMMIT), "3");
    assert_eq!(answer, r#"{"stream":"S","seq":4,"batch":"b","count":3}"#);
    assert_eq!(rig.stored(), ["1 s.x between", "2 s.a 1", "3 s.b 2", "4 s.c 3"]);
    assert!(rig.message(4).unwrap().1.contains("Nats-Batch-Commit: 1"));
}

#[test]
fn an_end_without_message_closes_a_batch_too() {
    let mut rig = Rig::new(r#""allow_atomic":true"#);
    rig.publish("s.a", &batch("b", 1, ""), "1");
    let answer = rig.publish("s.a", &batch("b", 2, "Nats-Batch-Commit: eob"), "ignored");
    assert_eq!(answer, r#"{"stream":"S","seq":1,"batch":"b","count":1}"#);
    assert_eq!(rig.stored(), ["1 s.a 1"]);
    assert!(rig.message(1).unwrap().1.contains("Nats-Batch-Commit: 1"));
}

#[test]
fn what_is_wrong_with_a_batch_is_said() {
    let mut rig = Rig::new(r#""allow_atomic":true"#);
    let long = "i".repeat(65);
    let last_id = "Nats-Expected-Last-Msg-Id: x";
    let incomplete = "10176 atomic publish batch is incomplete";
    let table = [
        (batch(&long, 1, ""), "10179 atomic publish batch ID is invalid".to_owned()),
        ("Nats-Batch-Id: b".to_owned(), "10175 atomic publish sequence is missing".to_owned()),
        (batch("b", 2, ""), incomplete.to_owned()),
        (
            batch("b", 1, "Nats-Batch-Commit: 2"),
            "10200 atomic publish batch commit is invalid".to_owned(),
        ),
        (
            batch("b", 1, "Nats-Batch-Commit:"),
            "10200 atomic publish batch commit is invalid".to_owned(),
        ),
        (batch("b", 1, "Nats-Batch-Commit: eob"), incomplete.to_owned()),
        (
            batch("b", 1, &format!("{last_id}\n{COMMIT}")),
            "10177 atomic publish unsupported header used: Nats-Expected-Last-Msg-Id".to_owned(),
        ),
        // What no batch waits for is missing whatever else is wrong with it.
        (batch("b", 2, "Nats-Batch-Commit: 2"), incomplete.to_owned()),
        (batch("b", 2, "Nats-Required-Api-Level: 99"), incomplete.to_owned()),
        (
            batch("b", 1, "Nats-Required-Api-Level: 99"),
            "10185 JetStream minimum api level required".to_owned(),
        ),
        (batch("b", 1000, ""), incomplete.to_owned()),
        (batch("b", 1001, ""), "10199 atomic publish batch is too large: 1000".to_owned()),
    ];
    for (headers, expected) in table {
        assert_eq!(rig.refused("s.a", &headers, "x"), expected, "{headers}");
    }
    rig.publish("s.a", &batch("b", 1, ""), "1");
    let refused = rig.refused("s.a", &batch("b", 1, ""), "2");
    assert!(refused.starts_with("10176"), "an open batch does not begin anew: {refused}");
    for id in 0..50 {
        rig.publish("s.a", &batch(&format!("b{id}"), 1, ""), "1");
    }
    assert_eq!(
        rig.refused("s.a", &batch("one more", 1, ""), "1"),
        "10210 atomic publish too many inflight"
    );
    assert_eq!(rig.stored(), [""; 0]);
}

#[test]
fn a_batch_that_breaks_a_rule_is_not_stored_at_all() {
    let mut rig = Rig::new(r#""allow_atomic":true"#);
    rig.publish("s.a", "Nats-Msg-Id: known", "0");
    let attempt = |rig: &mut Rig, first: &str, second: &str| {
        rig.publish("s.a", &batch("b", 1, first), "1");
        let second = format!("{second}\n{COMMIT}");
        rig.refused("s.b", &batch("b", 2, second.trim_start()), "2")
    };
    let duplicate = "10201 atomic publish batch contains duplicate message id";
    assert_eq!(attempt(&mut rig, "Nats-Msg-Id: x", "Nats-Msg-Id: x"), duplicate);
    assert_eq!(attempt(&mut rig, "Nats-Msg-Id: known", ""), duplicate);
    let refused = attempt(&mut rig, "", "Nats-Expected-Last-Subject-Sequence: 7");
    assert_eq!(refused, "10071 wrong last sequence: 0");
    assert_eq!(
        attempt(&mut rig, "Nats-Expected-Last-Sequence: 9", ""),
        "10071 wrong last sequence: 1"
    );
    assert_eq!(rig.stored(), ["1 s.a 0"]);
    let mut rig = Rig::new(r#""allow_atomic":true,"max_msgs":1,"discard":"new""#);
    assert_eq!(attempt(&mut rig, "", ""), "10077 maximum messages exceeded");
    let per_subject = r#""allow_atomic":true,"discard":"new","max_msgs_per_subject":1,
           "discard_new_per_subject":true"#;
    let mut rig = Rig::new(per_subject);
    rig.publish("s.a", &batch("b", 1, ""), "1");
    let refused = rig.refused("s.a", &batch("b", 2, COMMIT), "2");
    assert_eq!(refused, "10077 maximum messages per subject exceeded");
    assert_eq!(rig.stored(), [""; 0], "one fits, both do not");
    let mut rig = Rig::new(r#""allow_atomic":true,"max_msg_size":100"#);
    let refused = rig.refused("s.a", &batch("b", 1, ""), &"x".repeat(100));
    assert!(refused.starts_with("10054"), "before the commit: {refused}");
    let mut rig = Rig::new(r#""max_msg_size":1"#);
    let refused = rig.refused("s.a", &batch("b", 1, ""), "large");
    assert!(refused.starts_with("10054"), "also where there are no batches: {refused}");
}

#[test]
fn a_batch_that_the_store_refuses_halfway_has_replaced_nothing() {
    let mut rig = Rig::new(r#""allow_atomic":true,"allow_rollup_hdrs":true"#);
    rig.publish("s.old", "", "0");
    rig.publish("s.a", &batch("b", 1, "Nats-Rollup: all"), "1");
    let too_long = format!("s.{}", "x".repeat(70_000));
    let refused = rig.refused(&too_long, &batch("b", 2, COMMIT), "2");
    assert!(refused.starts_with("10054"), "{refused}");
    assert_eq!(rig.stored(), ["1 s.old 0"]);
}

#[test]
fn what_a_batch_required_of_the_server_is_not_stored() {
    let mut rig = Rig::new(r#""allow_atomic":true"#);
    let required = format!("Nats-Required-Api-Level: 1\nX: y\n{COMMIT}");
    rig.publish("s.a", &batch("b", 1, &required), "1");
    let (_, headers, _) = rig.message(1).expect("stored");
    assert!(headers.contains("X: y") && !headers.contains("Required"), "{headers}");
}

#[test]
fn a_batch_expects_nothing_of_what_it_writes_itself() {
    let mut rig = Rig::new(r#""allow_atomic":true,"allow_rollup_hdrs":true"#);
    let attempt = |rig: &mut Rig, second: &str| {
        rig.publish("s.a", &batch("b", 1, ""), "1");
        rig.refused("s.a", &batch("b", 2, &format!("{second}\n{COMMIT}")), "2")
    };
    let stale = "10164 wrong last sequence";
    let last = "10071 wrong last sequence: 1";
    assert_eq!(attempt(&mut rig, "Nats-Expected-Last-Sequence: 0"), last);
    assert_eq!(attempt(&mut rig, "Nats-Expected-Last-Sequence: 1"), stale);
    assert_eq!(attempt(&mut rig, "Nats-Expected-Last-Subject-Sequence: 0"), stale);
    assert_eq!(attempt(&mut rig, "Nats-Rollup: sub"), "10111 batch rollup sub invalid");
    assert_eq!(attempt(&mut rig, "Nats-Rollup: all"), "10111 batch rollup all invalid");
    assert_eq!(rig.stored(), [""; 0]);
    rig.publish("s.old", "", "0");
    rig.publish("s.a", &batch("b", 1, "Nats-Rollup: all"), "1");
    let more = format!("Nats-Expected-Last-Subject-Sequence: 0\nNats-Rollup: sub\n{COMMIT}");
    rig.publish("s.b", &batch("b", 2, &more), "2");
    assert_eq!(rig.stored(), ["2 s.a 1", "3 s.b 2"]);
}

#[test]
fn too_large_and_silent_batches_are_abandoned_with_an_advisory() {
    let mut rig = Rig::new(r#""allow_atomic":true"#);
    for sequence in 1..=1000 {
        rig.publish("s.a", &batch("large", sequence, ""), "x");
    }
    let refused = rig.refused("s.a", &batch("large", 1001, ""), "x");
    assert_eq!(refused, "10199 atomic publish batch is too large: 1000");
    rig.publish("s.a", &batch("silent", 1, ""), "x");
    let due = rig.stream.next_deadline_ns(&mut rig.storage, rig.now).unwrap();
    assert_eq!(due, rig.now.mono_ns + 10 * SECOND);
    rig.pass(10 * SECOND);
    let advisories: Vec<serde_json::Value> = rig
        .out
        .sent
        .iter()
        .filter(|sent| sent.subject == "$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S")
        .map(|sent| serde_json::from_str(&sent.payload).unwrap())
        .collect();
    let said: Vec<_> = advisories
        .iter()
        .map(|one| (one["batch"].as_str().unwrap(), one["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [("large", "large"), ("silent", "timeout")]);
    let kind = "io.nats.jetstream.advisory.v1.stream_batch_abandoned";
    assert_eq!(advisories[0]["type"], kind);
    let refused = rig.refused("s.a", &batch("silent", 2, COMMIT), "x");
    assert_eq!(refused, "10176 atomic publish batch is incomplete");
}

#[test]
fn open_batches_hold_no_more_than_may_wait_to_be_stored() {
    let mut rig = Rig::new(r#""allow_atomic":true"#);
    let max = Bounds::default().ingest.bytes_max;
    let payload = "x".repeat(1 << 20);
    let fitting = max / (1 << 20) - 1;
    for sequence in 1..=fitting {
        assert_eq!(rig.publish("s.a", &batch("b", sequence, ""), &payload), "");
    }
    let refused = rig.refused("s.a", &batch("c", 1, ""), &"x".repeat(2 << 20));
    assert_eq!(refused, "10167 too many requests");
    let answer = rig.publish("s.a", &batch("b", fitting + 1, "Nats-Batch-Commit: eob"), "");
    assert!(answer.contains(&format!("\"count\":{fitting}")), "what is open goes on: {answer}");
}

#[test]
fn half_a_batch_is_cut_off_after_a_crash() {
    let mut rig = Rig::new(r#""allow_atomic":true"#);
    rig.publish("s.a", "", "0");
    rig.publish("s.a", &batch("b", 1, ""), "1");
    rig.publish("s.a", &batch("b", 2, ""), "2");
    rig.publish("s.a", &batch("b", 3, COMMIT), "3");
    // As if the last record had not reached the disk.
    let id = rig.stream.id();
    rig.storage.remove(id, Seq(4), storage::Erase::Forget);
    let identity = identity();
    let config = rig.stream.config().clone();
    rig.stream = Stream::new(identity, config, id, &rig.storage, rig.now);
    rig.pass(0);
    assert_eq!(rig.stored(), ["1 s.a 0"]);
}

#[test]
fn a_fast_batch_flows_and_ends_with_what_was_stored() {
    let mut rig = Rig::new(r#""allow_batched":true"#);
    let mut send = |sequence: u64, op: u8, gap: &str, payload: &str| {
        let reply = format!("r.id.2.{gap}.{sequence}.{op}.$FI");
        rig.publish_to(&reply, "s.a", "", payload)
    };
    assert_eq!(send(1, 0, "ok", "1"), r#"{"type":"ack","seq":0,"msgs":2}"#);
    assert_eq!(send(2, 1, "ok", "2"), r#"{"type":"ack","seq":2,"msgs":2}"#);
    assert_eq!(send(3, 1, "ok", "3"), "");
    assert_eq!(send(3, 4, "ok", ""), r#"{"type":"ack","seq":3,"msgs":2}"#);
    assert_eq!(
        send(6, 1, "ok", "6"),
        r#"{"type":"gap","last_seq":4,"seq":6}|{"type":"ack","seq":6,"msgs":2}"#
    );
    assert_eq!(send(7, 2, "ok", "7"), r#"{"stream":"S","seq":5,"batch":"id","count":7}"#);
    assert_eq!(
        send(8, 1, "ok", "8"),
        concat!(
            r#"{"error":{"code":400,"err_code":10208,"#,
            r#""description":"batch publish ID unknown"},"stream":"S","seq":0}"#
        )
    );
    assert_eq!(send(1, 0, "fail", "a"), r#"{"type":"ack","seq":0,"msgs":2}"#);
    assert_eq!(
        send(3, 1, "fail", "c"),
        r#"{"type":"gap","last_seq":2,"seq":3}|{"stream":"S","seq":6,"batch":"id","count":1}"#
    );
    send(1, 0, "ok", "x");
    assert_eq!(send(2, 3, "ok", ""), r#"{"stream":"S","seq":7,"batch":"id","count":1}"#);
    assert_eq!(send(1, 2, "ok", "alone"), r#"{"stream":"S","seq":8,"batch":"id","count":1}"#);
    send(1, 0, "ok", "y");
    assert_eq!(
        send(1, 0, "ok", "again"),
        r#"{"type":"gap","last_seq":2,"seq":1}|{"stream":"S","seq":9,"batch":"id","count":1}"#,
        "a batch that goes back is over"
    );
    assert_eq!(rig.stored().len(), 9);
}

#[test]
fn what_a_fast_batch_may_not_store_it_goes_past_or_ends_at() {
    let mut rig = Rig::new(r#""allow_batched":true"#);
    let mut send = |sequence: u64, op: u8, gap: &str, headers: &str| {
        let reply = format!("r.id.10.{gap}.{sequence}.{op}.$FI");
        rig.publish_to(&reply, "s.a", headers, "x")
    };
    let wrong = "Nats-Expected-Last-Sequence: 9";
    let error = |last: u64| {
        format!(r#"{{"code":400,"err_code":10071,"description":"wrong last sequence: {last}"}}"#)
    };
    let begun = r#"{"type":"ack","seq":0,"msgs":10}"#;
    let refused = format!(r#"{{"error":{},"stream":"S","seq":0}}"#, error(0));
    assert_eq!(send(1, 0, "fail", wrong), format!("{begun}|{refused}"));
    let told =
        |seq: u64, last: u64| format!(r#"{{"type":"err","seq":{seq},"error":{}}}"#, error(last));
    assert_eq!(send(1, 0, "ok", wrong), format!("{begun}|{}", told(1, 0)));
    let end = r#"{"stream":"S","seq":1,"batch":"id","count":2}"#;
    assert_eq!(send(2, 2, "ok", ""), end, "what was refused is counted");
    assert_eq!(send(1, 0, "fail", ""), begun);
    let end = r#"{"stream":"S","seq":2,"batch":"id","count":1}"#;
    assert_eq!(send(2, 1, "fail", wrong), format!("{}|{end}", told(2, 2)));
}

#[test]
fn fast_batches_have_their_errors() {
    let refused = |rig: &mut Rig, reply: &str, headers: &str| {
        let answer = rig.publish_to(reply, "s.a", headers, "x");
        let code = answer.split("\"err_code\":").nth(1).map(|rest| rest[..5].to_owned());
        (code.unwrap_or_default(), answer)
    };
    let mut off = Rig::new("");
    for headers in ["", "X: y"] {
        assert_eq!(refused(&mut off, "r.id.2.ok.1.0.$FI", headers).0, "10205");
    }
    let mut rig = Rig::new(r#""allow_batched":true"#);
    let long = format!("r.{}.2.ok.1.0.$FI", "i".repeat(65));
    for (reply, expected) in
        [("r.id.2.ok.1.7.$FI", "10206"), (&long, "10207"), ("r.id.2.ok.2.1.$FI", "10208")]
    {
        assert_eq!(refused(&mut rig, reply, "").0, expected, "{reply}");
    }
    refused(&mut rig, "r.id.2.ok.1.0.$FI", "");
    let (code, answer) = refused(&mut rig, "r.id.2.ok.2.1.$FI", "Nats-Expected-Stream: X");
    assert_eq!(code, "10060");
    assert!(answer.starts_with(r#"{"type":"err","seq":2,"error":{"#), "{answer}");
    for id in 0..999 {
        refused(&mut rig, &format!("r.i{id}.2.ok.1.0.$FI"), "");
    }
    assert_eq!(refused(&mut rig, "r.more.2.ok.1.0.$FI", "").0, "10211");
    rig.pass(10 * SECOND);
    assert_eq!(refused(&mut rig, "r.id.2.ok.3.1.$FI", "").0, "10208", "silent for too long");
}

#[test]
fn counters_add_up() {
    let mut rig = Rig::new(r#""allow_msg_counter":true"#);
    let answer = rig.publish("s.a", "Nats-Incr: 5", "");
    assert_eq!(answer, r#"{"stream":"S","seq":1,"val":"5"}"#);
    rig.publish("s.b", "Nats-Incr: +1", "");
    let large = "99999999999999999999999999999999999999";
    let answer = rig.publish("s.a", &format!("Nats-Incr: -{large}"), "");
    assert_eq!(answer, r#"{"stream":"S","seq":3,"val":"-99999999999999999999999999999999999994"}"#);
    assert_eq!(rig.message(1).unwrap().2, r#"{"val":"5"}"#);
    let table = [
        ("", "", "10169 message counter increment is missing"),
        ("Nats-Incr: x", "", "10171 message counter increment is invalid"),
        ("Nats-Incr: ", "", "10169 message counter increment is missing"),
        ("Nats-Expected-Stream: T", "", "10060 expected stream does not match"),
        ("Nats-Rollup: sub", "", "10111 rollup not permitted"),
        ("Nats-Incr: x", "x", "10171 message counter increment is invalid"),
        ("Nats-Incr: 1", "x", "10170 message counter has payload"),
        ("Nats-Incr: 1\nNats-Rollup: sub", "", "10171 message counter increment is invalid"),
        (
            "Nats-Incr: 1\nNats-Expected-Last-Sequence: 3",
            "",
            "10171 message counter increment is invalid",
        ),
    ];
    for (headers, payload, expected) in table {
        assert_eq!(rig.refused("s.a", headers, payload), expected, "{headers}");
    }
    let id = rig.stream.id();
    let broken = storage::Incoming {
        subject: b"s.c",
        headers: b"",
        payload: b"no counter",
        shared: None,
        time_ns: START_NS,
        expires_ns: 0,
    };
    rig.storage.append(id, &broken, storage::Place::Next).unwrap();
    assert_eq!(rig.refused("s.c", "Nats-Incr: 1", ""), "10172 message counter is broken");
}

#[test]
fn counters_add_up_within_a_batch() {
    let mut rig = Rig::new(r#""allow_msg_counter":true,"allow_atomic":true"#);
    rig.publish("s.a", &batch("b", 1, "Nats-Incr: 1"), "");
    rig.publish("s.a", &batch("b", 2, "Nats-Incr: 2"), "");
    rig.publish("s.a", &batch("b", 3, &format!("Nats-Incr: 3\n{COMMIT}")), "");
    assert_eq!(rig.message(3).unwrap().2, r#"{"val":"6"}"#);
}
