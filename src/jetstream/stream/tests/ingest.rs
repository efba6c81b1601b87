//! Publish: acknowledgements, expectations, dedupe, roll-up, sizes, and their exact errors.

use super::*;

#[test]
fn a_message_is_stored_and_acknowledged() {
    let mut rig = Rig::new("");
    assert_eq!(rig.publish("s.a", "", "one"), r#"{"stream":"S","seq":1}"#);
    assert_eq!(rig.publish("s.b", "", "two"), r#"{"stream":"S","seq":2}"#);
    assert_eq!(rig.stored(), ["1 s.a one", "2 s.b two"]);
    assert_eq!(rig.readers.appended, [1, 2]);
}

#[test]
fn without_acknowledgements_nobody_is_answered() {
    let mut rig = Rig::new(r#""no_ack":true"#);
    assert_eq!(rig.publish("s.a", "", "one"), "");
    assert_eq!(rig.publish("s.a", "Nats-Expected-Stream: X", "two"), "");
    assert_eq!(rig.stored(), ["1 s.a one"]);
}

#[test]
fn a_message_id_counts_once_within_the_window() {
    let mut rig = Rig::new(r#""duplicate_window":1000000000"#);
    assert_eq!(rig.publish("s.a", "Nats-Msg-Id: x", "one"), r#"{"stream":"S","seq":1}"#);
    let again = rig.publish("s.b", "Nats-Msg-Id: x", "two");
    assert_eq!(again, r#"{"stream":"S","seq":1,"duplicate": true}"#);
    rig.pass(SECOND);
    assert_eq!(rig.publish("s.a", "Nats-Msg-Id: x", "three"), r#"{"stream":"S","seq":2}"#);
}

#[test]
fn ids_within_the_window_survive_a_restart() {
    let mut rig = Rig::new(r#""duplicate_window":10000000000"#);
    rig.publish("s.a", "Nats-Msg-Id: old", "one");
    rig.pass(11 * SECOND);
    rig.publish("s.a", "Nats-Msg-Id: young", "two");
    let identity = identity();
    let config = rig.stream.config().clone();
    rig.stream = Stream::new(identity, config, rig.stream.id(), &rig.storage, rig.now);
    assert_eq!(rig.publish("s.a", "Nats-Msg-Id: young", "x"), "", "it waits for the recovery");
    assert!(rig.stream.has_work());
    rig.pass(0);
    let answer = rig.out.sent.last().unwrap();
    assert_eq!(answer.payload, r#"{"stream":"S","seq":2,"duplicate": true}"#);
    assert_eq!(rig.publish("s.a", "Nats-Msg-Id: old", "x"), r#"{"stream":"S","seq":3}"#);
}

#[test]
fn after_a_restart_only_who_asks_about_ids_waits() {
    let mut rig = Rig::new("");
    rig.publish("s.a", "Nats-Msg-Id: x", "one");
    let config = rig.stream.config().clone();
    rig.stream = Stream::new(identity(), config, rig.stream.id(), &rig.storage, rig.now);
    assert!(!rig.stream.has_work(), "nothing is read");
    assert_eq!(rig.publish("s.a", "", "two"), r#"{"stream":"S","seq":2}"#);
    assert_eq!(rig.publish("s.a", "Other: x", "three"), r#"{"stream":"S","seq":3}"#);
    assert_eq!(rig.publish("s.a", "Nats-Expected-Last-Msg-Id: x", "four"), "");
    rig.pass(0);
    let refused = &rig.out.sent.last().unwrap().payload;
    assert!(refused.contains(r#""wrong last msg ID: ""#), "the last one has none: {refused}");
    rig.publish("s.a", "Nats-Msg-Id: y", "four");
    let config = rig.stream.config().clone();
    rig.stream = Stream::new(identity(), config, rig.stream.id(), &rig.storage, rig.now);
    assert_eq!(rig.publish("s.a", "Nats-Expected-Last-Msg-Id: y", "five"), "");
    rig.pass(0);
    assert_eq!(rig.out.sent.last().unwrap().payload, r#"{"stream":"S","seq":5}"#);
}

#[test]
fn ids_are_read_at_once_where_consumers_take_messages_away() {
    let mut rig = Rig::new(r#""retention":"workqueue""#);
    rig.publish("s.a", "Nats-Msg-Id: x", "one");
    let config = rig.stream.config().clone();
    rig.stream = Stream::new(identity(), config, rig.stream.id(), &rig.storage, rig.now);
    assert!(rig.stream.has_work());
    rig.pass(0);
    let again = rig.publish("s.a", "Nats-Msg-Id: x", "two");
    assert_eq!(again, r#"{"stream":"S","seq":1,"duplicate": true}"#);
}

#[test]
fn expectations_that_fail_are_refused() {
    let mut rig = Rig::new("");
    rig.publish("s.a", "Nats-Msg-Id: first", "one");
    rig.publish("s.b", "", "two");
    let table = [
        ("Nats-Expected-Stream: X", "10060 expected stream does not match"),
        ("Nats-Expected-Last-Sequence: 5", "10071 wrong last sequence: 2"),
        ("Nats-Expected-Last-Sequence: x", "10071 wrong last sequence: 2"),
        ("Nats-Expected-Last-Subject-Sequence: 2", "10071 wrong last sequence: 1"),
        (
            "Nats-Expected-Last-Subject-Sequence: 1\n\
             Nats-Expected-Last-Subject-Sequence-Subject: s.*",
            "10071 wrong last sequence: 2",
        ),
        (
            "Nats-Expected-Last-Subject-Sequence-Subject: s.*",
            "10193 missing sequence for expected last sequence per subject",
        ),
        ("Nats-Expected-Last-Msg-Id: first", "10070 wrong last msg ID: "),
        ("Nats-Rollup: sub", "10111 rollup not permitted"),
        ("Nats-TTL: 5", "10166 per-message TTL is disabled"),
        ("Nats-Incr: 5", "10168 message counters is disabled"),
        ("Nats-Schedule: @daily", "10188 message schedules is disabled"),
        ("Nats-Stream-Source: A 1", "10227 message stream source header is not allowed"),
        ("Nats-Batch-Id: x\nNats-Batch-Sequence: 1", "10174 atomic publish is disabled"),
    ];
    for (headers, expected) in table {
        assert_eq!(rig.refused("s.a", headers, "x"), expected, "{headers}");
    }
    for headers in [
        "Nats-Expected-Stream: S\nNats-Expected-Last-Sequence: 2",
        "Nats-Expected-Last-Subject-Sequence: 3",
        "Nats-Expected-Last-Subject-Sequence: 2\nNats-Expected-Last-Subject-Sequence-Subject: s.b",
        "Nats-Msg-Id: second",
    ] {
        assert!(rig.publish("s.a", headers, "x").contains("\"seq\":"), "{headers}");
    }
    let wrong = rig.refused("s.a", "Nats-Expected-Last-Msg-Id: first", "x");
    assert_eq!(wrong, "10070 wrong last msg ID: second");
    let right = rig.publish("s.a", "Nats-Expected-Last-Msg-Id: second", "x");
    assert_eq!(right, r#"{"stream":"S","seq":7}"#);
    let mut empty = Rig::new("");
    let headers = "Nats-Expected-Last-Subject-Sequence: 0\nNats-Expected-Last-Sequence: 0";
    assert_eq!(empty.publish("s.a", headers, "x"), r#"{"stream":"S","seq":1}"#);
}

#[test]
fn sizes_are_bounded() {
    let mut rig = Rig::new(r#""max_msg_size":10"#);
    assert_eq!(rig.refused("s.a", "", "01234567890"), "10054 message size exceeds maximum allowed");
    assert_eq!(rig.publish("s.a", "", "0123456789"), r#"{"stream":"S","seq":1}"#);
    let mut rig = Rig::new("");
    let headers = format!("X: {}", "x".repeat(65_535));
    assert_eq!(
        rig.refused("s.a", &headers, ""),
        "10097 header size exceeds maximum allowed of 64k"
    );
}

#[test]
fn roll_ups_keep_the_new_message() {
    let mut rig = Rig::new(r#""allow_rollup_hdrs":true"#);
    for (subject, payload) in [("s.a", "1"), ("s.b", "2"), ("s.a", "3")] {
        rig.publish(subject, "", payload);
    }
    assert_eq!(rig.publish("s.a", "Nats-Rollup: SUB", "4"), r#"{"stream":"S","seq":4}"#);
    assert_eq!(rig.stored(), ["2 s.b 2", "4 s.a 4"]);
    assert_eq!(rig.readers.removed, [1, 3]);
    assert_eq!(
        rig.refused("s.a", "Nats-Rollup: some", "x"),
        "10111 rollup value invalid: \"some\""
    );
    rig.publish("s.c", "Nats-Rollup: all", "5");
    assert_eq!(rig.stored(), ["5 s.c 5"]);
}

#[test]
fn a_roll_up_of_a_pattern_takes_all_that_match() {
    let mut rig = Rig::new(r#""allow_rollup_hdrs":true"#);
    for (subject, payload) in [("s.k.a", "1"), ("s.b", "2"), ("s.k.b", "3"), ("s.k.a.b", "4")] {
        rig.publish(subject, "", payload);
    }
    rig.publish("s.k.*", "Nats-Rollup: sub", "");
    assert_eq!(rig.stored(), ["2 s.b 2", "4 s.k.a.b 4", "5 s.k.* "]);
}

#[test]
fn quotas_of_account_and_server_are_kept() {
    let mut rig = Rig::new("");
    rig.quota = Quota { account_bytes: 40, ..Quota::UNLIMITED };
    assert_eq!(rig.publish("s.a", "", "one"), r#"{"stream":"S","seq":1}"#);
    assert_eq!(rig.refused("s.a", "", "two"), "10002 resource limits exceeded for account");
    rig.quota = Quota { server_bytes: 3, ..Quota::UNLIMITED };
    assert_eq!(rig.refused("s.a", "", "two"), "10023 insufficient resources");
}

#[test]
fn a_transform_renames_before_all_else() {
    let mut rig = Rig::new(r#""subject_transform":{"src":"s.*","dest":"t.{{wildcard(1)}}"}"#);
    rig.publish("s.a", "", "one");
    rig.publish("s.a.b", "", "two");
    assert_eq!(rig.stored(), ["1 t.a one", "2 s.a.b two"]);
    let headers = "Nats-Expected-Last-Subject-Sequence: 1";
    assert_eq!(rig.publish("s.a", headers, "three"), r#"{"stream":"S","seq":3}"#);
}

#[test]
fn what_is_stored_is_published_again() {
    let mut rig = Rig::new(r#""republish":{"src":"s.*","dest":"r.{{wildcard(1)}}"}"#);
    rig.publish("s.a", "", "one");
    rig.publish("s.a", "X: y", "two");
    rig.publish("s.b.c", "", "three");
    let again: Vec<_> = rig.out.sent.iter().filter(|sent| sent.subject == "r.a").collect();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].payload, "one");
    assert_eq!(
        again[1].headers,
        "NATS/1.0\r\nX: y\r\nNats-Stream: S\r\nNats-Subject: s.a\r\nNats-Sequence: 2\r\n\
         Nats-Time-Stamp: 2023-11-14T22:13:20Z\r\nNats-Last-Sequence: 1\r\n\r\n"
    );
    let mut rig = Rig::new(r#""republish":{"src":"","dest":"r.>","headers_only":true}"#);
    rig.publish("s.a", "", "four");
    let again = &rig.out.sent[0];
    assert_eq!((&*again.subject, &*again.payload), ("r.s.a", ""));
    assert!(again.headers.contains("\r\nNats-Msg-Size: 4\r\n"), "{}", again.headers);
}

#[test]
fn a_stream_that_republishes_waits_for_a_full_ring() {
    let mut rig = Rig::new(r#""storage":"memory","republish":{"src":">","dest":"r.>"}"#);
    rig.out.congested.insert(base::ShardId(1));
    assert_eq!(rig.publish("s.a", "", "1"), r#"{"stream":"S","seq":1}"#);
    assert_eq!(rig.publish("s.a", "", "2"), "", "what found the ring full went, this waits");
    assert_eq!(rig.publish("s.a", "X: y", "3"), "");
    assert_eq!(rig.stored(), ["1 s.a 1"]);
    rig.pass(SECOND);
    assert_eq!(rig.stored().len(), 1);
    assert!(rig.stream.has_work(), "room in a ring announces itself by no event");
    rig.out.congested = ShardSet::EMPTY;
    rig.pass(1);
    assert!(!rig.stream.has_work());
    let again = rig.out.sent.iter().filter(|sent| sent.subject == "r.s.a");
    assert_eq!(again.map(|sent| &*sent.payload).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(rig.publish("s.a", "", "4"), r#"{"stream":"S","seq":4}"#);
}

#[test]
fn what_waits_to_be_republished_is_bounded() {
    let mut rig = Rig::new(r#""republish":{"src":">","dest":"r.>"}"#);
    rig.out.congested.insert(base::ShardId(1));
    rig.publish("s.a", "", "1");
    let payload = "x".repeat(1 << 20);
    let mut taken = 0;
    while rig.publish("s.a", "", &payload).is_empty() {
        taken += 1;
    }
    assert_eq!(taken, config::limits::JS_INGEST_BYTES_MAX >> 20);
    assert!(rig.refused("s.a", "", &payload).starts_with("10167 "));
}

#[test]
fn request_info_is_not_stored() {
    let mut rig = Rig::new("");
    rig.publish("s.a", "Nats-Request-Info: {}\nX: y", "one");
    rig.publish("s.a", "Nats-Request-Info: {}", "two");
    assert_eq!(rig.message(1).unwrap().1, "NATS/1.0\r\nX: y\r\n\r\n");
    assert_eq!(rig.message(2).unwrap().1, "");
}

#[test]
fn a_sealed_stream_takes_nothing() {
    let mut rig = Rig::new("");
    rig.publish("s.a", "", "one");
    let sealed = StreamConfig { sealed: true, ..rig.stream.config().clone() };
    rig.with(|stream, turn| stream.update(sealed, turn));
    assert_eq!(rig.refused("s.a", "", "two"), "10109 invalid operation on sealed stream");
    let purge = rig.with(|stream, turn| stream.purge(&PurgeRequest::default(), turn));
    assert_eq!(purge.unwrap_err().err_code, 10109);
    let delete = DeleteRequest { seq: 1, no_erase: false };
    let delete = rig.with(|stream, turn| stream.delete_message(&delete, turn));
    assert_eq!(delete.unwrap_err().err_code, 10109);
}
