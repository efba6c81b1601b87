//! Pull requests: what they get, and every status they can end with.

use super::*;

pub(super) fn statuses(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(Sent::status).filter(|status| !status.is_empty()).collect()
}

#[test]
fn an_expired_request_says_what_is_left() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    bench.publish("a", "12345");
    bench.pull(place, "i", r#"{"batch":3,"expires":2000000000,"max_bytes":1000}"#);
    let first = bench.turn();
    assert_eq!(seqs(&first), [1]);
    let size = "a".len() + first[0].reply.len() + 5;
    assert_eq!(bench.wait(2 * SECOND - 1), []);
    let sent = bench.wait(1);
    assert_eq!(statuses(&sent), ["408 Request Timeout"]);
    assert_eq!(sent[0].header("Nats-Pending-Messages"), Some("2"));
    let bytes = (1000 - size).to_string();
    assert_eq!(sent[0].header("Nats-Pending-Bytes"), Some(bytes.as_str()));
    assert_eq!(bench.info(place).num_waiting, 0);
}

#[test]
fn no_wait_is_answered_at_once() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    bench.pull(place, "i", r#"{"batch":5,"no_wait":true}"#);
    assert_eq!(statuses(&bench.turn()), ["404 No Messages"]);
    bench.publish("a", "x");
    bench.publish("a", "x");
    bench.pull(place, "i", r#"{"batch":5,"no_wait":true}"#);
    let sent = bench.turn();
    assert_eq!(seqs(&sent), [1, 2]);
    assert_eq!(statuses(&sent), ["404 No Messages"]);
}

#[test]
fn no_wait_with_expires_waits_while_it_got_nothing() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    bench.pull(place, "i", r#"{"batch":5,"no_wait":true,"expires":1000000000}"#);
    assert_eq!(bench.turn(), []);
    assert_eq!(statuses(&bench.wait(SECOND)), ["408 Request Timeout"]);
    bench.publish("a", "x");
    bench.pull(place, "i", r#"{"batch":5,"no_wait":true,"expires":1000000000}"#);
    let sent = bench.turn();
    assert_eq!(seqs(&sent), [1]);
    assert_eq!(statuses(&sent), ["404 No Messages"]);
}

#[test]
fn no_wait_with_a_part_ends_where_a_heartbeat_is_due() {
    let mut bench = Bench::new();
    let place = bench.consumer(ConsumerConfig { max_ack_pending: 1, ..pull() });
    bench.publish("a", "x");
    bench.publish("a", "x");
    let asked = r#"{"batch":5,"no_wait":true,"expires":1000000000,"idle_heartbeat":250000000}"#;
    bench.pull(place, "i", asked);
    assert_eq!(seqs(&bench.turn()), [1]);
    assert_eq!(statuses(&bench.wait(SECOND)), ["404 No Messages"]);
}

#[test]
fn no_wait_yields_to_those_who_wait() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    bench.publish("a", "x");
    bench.pull(place, "i", "2");
    bench.pull(place, "j", r#"{"batch":1,"no_wait":true}"#);
    let sent = bench.turn();
    assert_eq!(statuses(&sent), ["408 Requests Pending"]);
    assert_eq!(seqs(&sent), [1]);
}

#[test]
fn no_wait_joins_those_who_wait_for_no_more_than_there_is() {
    let mut bench = Bench::new();
    let place = bench.consumer(ConsumerConfig { max_ack_pending: 1, ..pull() });
    for _ in 0..3 {
        bench.publish("a", "x");
    }
    bench.pull(place, "i", "3");
    assert_eq!(seqs(&bench.turn()), [1], "two are there and two are asked for");
    let patient = r#"{"batch":1,"no_wait":true,"expires":1000000000}"#;
    for (payload, told) in [(patient, &[][..]), (patient, &["408 Requests Pending"])] {
        bench.pull(place, "j", payload);
        assert_eq!(statuses(&bench.turn()), told);
    }
}

#[test]
fn what_headers_only_sends_is_what_counts() {
    let mut bench = Bench::new();
    let place = bench.consumer(ConsumerConfig { headers_only: true, ..pull() });
    bench.publish("a", &"x".repeat(100));
    bench.pull(place, "i", r#"{"batch":1,"max_bytes":100}"#);
    let sent = bench.turn();
    let size = sent[0].subject.len() + sent[0].reply.len() + sent[0].headers.len();
    let left = (100 - size).to_string();
    assert_eq!(sent[1].header("Nats-Pending-Bytes"), Some(left.as_str()));
}

#[test]
fn requests_are_served_in_turn() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    bench.pull(place, "i", "3");
    bench.pull(place, "j", "2");
    for _ in 0..5 {
        bench.publish("a", "x");
    }
    let to: Vec<String> = bench.turn().into_iter().map(|sent| sent.to).collect();
    assert_eq!(to, ["i", "j", "i", "j", "i"]);
}

#[test]
fn max_bytes_ends_a_request_before_it_overflows() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    bench.publish("a", &"x".repeat(100));
    bench.publish("a", &"x".repeat(100));
    bench.pull(place, "i", r#"{"batch":5,"max_bytes":200}"#);
    let sent = bench.turn();
    assert_eq!(seqs(&sent), [1]);
    assert_eq!(statuses(&sent), ["409 Message Size Exceeds MaxBytes"]);
    assert_eq!(sent[1].header("Nats-Pending-Messages"), Some("4"));
    bench.pull(place, "i", r#"{"batch":1,"max_bytes":1000}"#);
    let sent = bench.turn();
    assert_eq!(seqs(&sent), [2]);
    assert_eq!(statuses(&sent), ["409 Batch Completed"]);
}

#[test]
fn bounds_of_the_consumer_are_told() {
    let mut bench = Bench::new();
    let config = ConsumerConfig {
        max_batch: 10,
        max_expires: SECOND as i64,
        max_bytes: 50,
        max_waiting: 1,
        ..pull()
    };
    let place = bench.consumer(config);
    bench.pull(place, "i", "{\"batch\":11}");
    bench.pull(place, "i", "{\"expires\":1000000001}");
    bench.pull(place, "i", "{\"max_bytes\":51}");
    bench.pull(place, "i", "{");
    bench.pull(place, "i", "1");
    bench.pull(place, "j", "1");
    bench.pull(place, "j", r#"{"expires":1000000000,"idle_heartbeat":500000000}"#);
    let sent = statuses(&bench.turn());
    assert_eq!(
        sent[..3],
        [
            "409 Exceeded MaxRequestBatch of 10",
            "409 Exceeded MaxRequestExpires of 1s",
            "409 Exceeded MaxRequestMaxBytes of 50",
        ]
    );
    assert!(sent[3].starts_with("400 Bad Request - invalid JSON"), "{}", sent[3]);
    // spec/jetstream.md §8: not sent to requests that carry idle_heartbeat.
    assert_eq!(sent[4..], ["409 Exceeded MaxWaiting"]);
}

#[test]
fn those_who_left_make_room_and_get_nothing() {
    let mut bench = Bench::new();
    let place = bench.consumer(ConsumerConfig { max_waiting: 1, ..pull() });
    bench.pull(place, "gone", "1");
    bench.recorder.deaf.push("gone".to_owned());
    bench.pull(place, "here", "1");
    bench.publish("a", "x");
    let sent = bench.turn();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].to, "here");
    bench.pull(place, "gone", "1");
    bench.publish("a", "x");
    assert_eq!(bench.turn(), []);
    assert_eq!(bench.info(place).num_waiting, 0);
}

#[test]
fn heartbeats_say_what_came_last() {
    let mut bench = Bench::new();
    let place = bench.consumer(pull());
    bench.publish("a", "x");
    bench.pull(place, "i", r#"{"batch":2,"expires":1000000000,"idle_heartbeat":300000000}"#);
    bench.turn();
    let sent = bench.wait(SECOND);
    let told = ["100 Idle Heartbeat", "100 Idle Heartbeat", "100 Idle Heartbeat"];
    assert_eq!(statuses(&sent)[..3], told);
    assert_eq!(statuses(&sent)[3], "408 Request Timeout");
    assert_eq!(sent[0].header("Nats-Last-Consumer"), Some("1"));
    assert_eq!(sent[0].header("Nats-Last-Stream"), Some("1"));
}

#[test]
fn push_consumers_newer_levels_and_the_end_are_told() {
    let mut bench = Bench::new();
    let pushed = bench.consumer(push());
    bench.pull(pushed, "i", "1");
    assert_eq!(statuses(&bench.turn()), ["409 Consumer is push based"]);
    let place = bench.consumer(ConsumerConfig { durable_name: "d".to_owned(), ..pull() });
    for (level, refused) in [("5", false), ("6", true), ("x", true)] {
        let headers = format!("NATS/1.0\r\nNats-Required-Api-Level: {level}\r\n\r\n");
        bench.with(|consumers, desk| {
            consumers.pull(place, b"j", b"1", Some(headers.as_bytes()), desk);
        });
        let told = statuses(&bench.turn());
        let wanted: &[&str] = if refused { &["412 Required Api Level"] } else { &[] };
        assert_eq!(told, wanted, "{level}");
    }
    bench.with(|consumers, desk| consumers.remove(place, super::super::super::End::Deleted, desk));
    assert_eq!(statuses(&bench.turn()), ["409 Consumer Deleted"]);
}

#[test]
fn overflow_serves_only_when_enough_is_pending() {
    let mut bench = Bench::new();
    let place = bench.consumer(grouped(PriorityPolicy::Overflow));
    bench.pull(place, "i", r#"{"batch":9,"group":"g","min_pending":3}"#);
    bench.publish("a", "x");
    bench.publish("a", "x");
    assert_eq!(bench.turn(), []);
    bench.publish("a", "x");
    assert_eq!(seqs(&bench.turn()), [1]);
    bench.pull(place, "j", r#"{"batch":9,"group":"g","min_ack_pending":1}"#);
    let sent = bench.turn();
    assert_eq!(seqs(&sent), [2, 3]);
    assert!(sent.iter().all(|sent| sent.to == "j"));
}

#[test]
fn the_lowest_number_is_served_first() {
    let mut bench = Bench::new();
    let place = bench.consumer(grouped(PriorityPolicy::Prioritized));
    bench.pull(place, "late", r#"{"batch":2,"group":"g","priority":2}"#);
    bench.pull(place, "soon", r#"{"batch":2,"group":"g","priority":1}"#);
    for _ in 0..3 {
        bench.publish("a", "x");
    }
    let to: Vec<String> = bench.turn().into_iter().map(|sent| sent.to).collect();
    assert_eq!(to, ["soon", "soon", "late"]);
}

#[test]
fn one_client_is_pinned_until_it_is_gone() {
    let mut bench = Bench::new();
    let place = bench.consumer(grouped(PriorityPolicy::PinnedClient));
    bench.pull(place, "i", r#"{"batch":1,"group":"g"}"#);
    bench.pull(place, "j", r#"{"batch":5,"group":"g"}"#);
    for _ in 0..3 {
        bench.publish("a", "x");
    }
    let sent = bench.turn_with_events();
    let pinned = sent.iter().find(|sent| sent.to.starts_with("$JS.EVENT")).unwrap();
    assert_eq!(pinned.to, "$JS.EVENT.ADVISORY.CONSUMER.PINNED.S.c");
    let message = sent.iter().find(|sent| sent.to == "i").unwrap();
    let pin = message.header("Nats-Pin-Id").unwrap().to_owned();
    assert_eq!((pin.len(), seqs(&sent)), (22, vec![1]));
    let group = bench.info(place).priority_groups[0].clone();
    assert_eq!(group.pinned_client_id.as_deref(), Some(pin.as_str()));
    bench.pull(place, "i", &format!(r#"{{"batch":1,"group":"g","id":"{pin}"}}"#));
    assert_eq!(seqs(&bench.turn()), [2]);
    bench.pull(place, "k", r#"{"batch":1,"group":"g","id":"someone else"}"#);
    assert_eq!(statuses(&bench.turn()), ["423 Nats-Pin-Id mismatch"]);
    // Without a word for two minutes the pin goes to who waits.
    assert_eq!(bench.wait(119 * SECOND), []);
    let sent = bench.wait(2 * SECOND);
    assert!(sent.iter().any(|sent| sent.to == "j"), "{sent:?}");
}

#[test]
fn who_is_not_pinned_and_does_not_wait_hears_so() {
    let mut bench = Bench::new();
    let place = bench.consumer(grouped(PriorityPolicy::PinnedClient));
    bench.publish("a", "x");
    bench.publish("a", "x");
    bench.pull(place, "i", r#"{"batch":1,"group":"g"}"#);
    assert_eq!(seqs(&bench.turn()), [1]);
    bench.pull(place, "j", r#"{"batch":1,"group":"g","no_wait":true}"#);
    assert_eq!(statuses(&bench.turn()), ["404 No Messages"]);
}

#[test]
fn what_the_overflow_rules_pass_over_ends_where_it_does_not_wait() {
    let mut bench = Bench::new();
    let place = bench.consumer(grouped(PriorityPolicy::Overflow));
    for _ in 0..3 {
        bench.publish("a", "x");
    }
    bench.pull(place, "i", r#"{"batch":1,"group":"g","min_pending":4,"expires":1000000000}"#);
    bench.pull(place, "j", r#"{"batch":1,"group":"g","min_pending":4,"no_wait":true}"#);
    let sent = bench.turn();
    assert_eq!((sent.len(), &*sent[0].to, &*statuses(&sent)[0]), (1, "j", "404 No Messages"));
    bench.pull(place, "k", r#"{"batch":1,"group":"g","min_pending":3,"no_wait":true}"#);
    assert_eq!(seqs(&bench.turn()), [1]);
}

#[test]
fn an_admin_takes_the_pin_away() {
    let mut bench = Bench::new();
    let place = bench.consumer(grouped(PriorityPolicy::PinnedClient));
    bench.publish("a", "x");
    bench.pull(place, "i", r#"{"batch":5,"group":"g"}"#);
    bench.turn();
    let unknown = bench.with(|consumers, desk| consumers.unpin(place, "h", desk));
    assert_eq!(unknown.unwrap_err().err_code, 10160);
    bench.with(|consumers, desk| consumers.unpin(place, "g", desk)).unwrap();
    let sent = bench.turn_with_events();
    assert_eq!(statuses(&sent), ["423 Nats-Wrong-Pin-Id"]);
    let told = sent.iter().find(|sent| sent.to.contains("UNPINNED")).unwrap();
    assert!(told.payload.contains(r#""reason":"admin""#), "{}", told.payload);
}

fn grouped(priority_policy: PriorityPolicy) -> ConsumerConfig {
    // Long enough that nothing comes back while a test waits for a pin.
    let ack_wait = 600 * SECOND as i64;
    ConsumerConfig { priority_policy, priority_groups: vec!["g".to_owned()], ack_wait, ..pull() }
}
