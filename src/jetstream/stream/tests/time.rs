//! What time does: ages, times to live, markers, schedules.

use super::*;

#[test]
fn messages_go_when_they_are_too_old() {
    let mut rig = Rig::new(r#""max_age":5000000000"#);
    rig.publish("s.a", "", "1");
    rig.pass(2 * SECOND);
    rig.publish("s.a", "", "2");
    let due = rig.stream.next_deadline_ns(&mut rig.storage, rig.now).unwrap();
    assert_eq!(due, rig.now.mono_ns + 3 * SECOND);
    rig.pass(3 * SECOND - 1);
    assert_eq!(rig.stored().len(), 2);
    rig.pass(1);
    assert_eq!(rig.stored(), ["2 s.a 2"]);
    assert_eq!(rig.readers.removed, [1]);
    rig.pass(2 * SECOND);
    assert_eq!(rig.stored(), [""; 0]);
}

#[test]
fn a_message_may_live_its_own_time() {
    let mut rig = Rig::new(r#""allow_msg_ttl":true,"max_age":10000000000"#);
    rig.publish("s.a", "Nats-TTL: 2s", "short");
    rig.publish("s.b", "Nats-TTL: never", "for ever");
    rig.publish("s.c", "Nats-TTL: 3600", "an hour");
    rig.publish("s.d", "", "ten seconds");
    assert_eq!(rig.refused("s.a", "Nats-TTL: 1ms", ""), "10165 invalid per-message TTL");
    rig.pass(2 * SECOND);
    assert_eq!(rig.stored().len(), 3);
    rig.pass(8 * SECOND);
    assert_eq!(rig.stored(), ["2 s.b for ever"], "max_age counts for the others");
    rig.pass(3600 * SECOND);
    assert_eq!(rig.stored(), ["2 s.b for ever"]);
}

#[test]
fn the_last_message_of_a_subject_leaves_a_marker() {
    let mut rig = Rig::new(r#""max_age":10000000000,"subject_delete_marker_ttl":5000000000"#);
    rig.publish("s.a", "", "1");
    rig.publish("s.b", "", "2");
    rig.pass(SECOND);
    rig.publish("s.b", "", "3");
    rig.pass(9 * SECOND);
    assert_eq!(rig.stored(), ["3 s.b 3", "4 s.a "]);
    let (_, headers, _) = rig.message(4).unwrap();
    assert_eq!(
        headers,
        "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 5s\r\nNats-Rollup: sub\r\n\r\n"
    );
    rig.pass(4 * SECOND);
    assert_eq!(rig.stored(), ["4 s.a ", "5 s.b "], "one each, as each subject went");
    rig.pass(SECOND);
    assert_eq!(rig.stored(), ["5 s.b "], "a marker leaves no marker");
}

#[test]
fn markers_raise_shorter_times_to_live() {
    let mut rig = Rig::new(r#""subject_delete_marker_ttl":5000000000"#);
    rig.publish("s.a", "Nats-TTL: 1\nX: y", "1");
    assert_eq!(rig.message(1).unwrap().1, "NATS/1.0\r\nX: y\r\nNats-TTL: 5\r\n\r\n", "raised");
    rig.pass(2 * SECOND);
    assert_eq!(rig.stored(), ["1 s.a 1"]);
    rig.pass(3 * SECOND);
    assert_eq!(rig.stored(), ["2 s.a "]);
    let mut rig = Rig::new(r#""subject_delete_marker_ttl":5000000000,"max_msgs_per_subject":1"#);
    rig.publish("s.a", "Nats-TTL: 1", "1");
    rig.pass(SECOND);
    assert_eq!(rig.stored(), ["2 s.a "]);
}

#[test]
fn a_schedule_produces_once_and_is_gone() {
    let mut rig = Rig::new(r#""allow_msg_schedules":true,"allow_msg_ttl":true"#);
    let at = WireTime::from_wall_ns(START_NS + 5 * SECOND);
    let headers = format!(
        "Nats-Schedule: @at {at}\nNats-Schedule-Target: s.out\nNats-Schedule-TTL: 60\nX: y"
    );
    rig.publish("s.when", &headers, "do it");
    rig.pass(4 * SECOND);
    assert_eq!(rig.stored(), ["1 s.when do it"]);
    let due = rig.stream.next_deadline_ns(&mut rig.storage, rig.now).unwrap();
    assert_eq!(due, rig.now.mono_ns + SECOND);
    rig.pass(SECOND);
    assert_eq!(rig.stored(), ["2 s.out do it"]);
    assert_eq!(
        rig.message(2).unwrap().1,
        "NATS/1.0\r\nX: y\r\nNats-Scheduler: s.when\r\nNats-Schedule-Next: purge\r\n\
         Nats-TTL: 60\r\n\r\n"
    );
    rig.pass(60 * SECOND);
    assert_eq!(rig.stored(), [""; 0]);
}

#[test]
fn a_schedule_repeats_until_it_is_cancelled() {
    let mut rig = Rig::new(r#""allow_msg_schedules":true"#);
    rig.publish("s.data", "D: 1", "latest");
    let headers = "Nats-Schedule: @every 10s\nNats-Schedule-Target: s.out\n\
                   Nats-Schedule-Source: s.data\nNats-Schedule-Rollup: sub";
    rig.publish("s.when", headers, "order");
    rig.pass(10 * SECOND);
    rig.pass(10 * SECOND);
    assert_eq!(rig.stored(), ["1 s.data latest", "2 s.when order", "4 s.out latest"]);
    let (_, headers, _) = rig.message(4).unwrap();
    let next = WireTime::from_wall_ns(START_NS + 30 * SECOND);
    let expected = format!(
        "NATS/1.0\r\nD: 1\r\nNats-Scheduler: s.when\r\nNats-Schedule-Next: {next}\r\n\
         Nats-Rollup: sub\r\n\r\n"
    );
    assert_eq!(headers, expected);
    // A restart forgets nothing.
    let identity = identity();
    let config = rig.stream.config().clone();
    rig.stream = Stream::new(identity, config, rig.stream.id(), &rig.storage, rig.now);
    rig.pass(0);
    rig.pass(10 * SECOND);
    assert_eq!(rig.stored().last().unwrap(), "5 s.out latest");
    rig.publish("s.x", "Nats-Scheduler: s.when\nNats-Schedule-Next: purge", "stop");
    rig.pass(60 * SECOND);
    assert_eq!(rig.stored(), ["1 s.data latest", "5 s.out latest", "6 s.x stop"]);
}

#[test]
fn bad_schedules_are_refused() {
    let mut rig = Rig::new(r#""allow_msg_schedules":true"#);
    let daily = "Nats-Schedule: @daily\nNats-Schedule-Target: s.out";
    let table = [
        ("Nats-Schedule: @sometimes\nNats-Schedule-Target: s.out".to_owned(), 10189),
        ("Nats-Schedule: @daily".to_owned(), 10190),
        ("Nats-Schedule: @daily\nNats-Schedule-Target: other".to_owned(), 10190),
        ("Nats-Schedule: @daily\nNats-Schedule-Target: s.*".to_owned(), 10190),
        ("Nats-Schedule: @daily\nNats-Schedule-Target: s.when".to_owned(), 10190),
        (format!("{daily}\nNats-Schedule-TTL: x"), 10191),
        (format!("{daily}\nNats-Schedule-TTL: 5"), 10166),
        (format!("{daily}\nNats-Schedule-Rollup: all"), 10192),
        (format!("{daily}\nNats-Rollup: all"), 10192),
        (format!("{daily}\nNats-Schedule-Source: s.*"), 10203),
        (format!("{daily}\nNats-Schedule-Source: s.out"), 10203),
        (format!("{daily}\nNats-Schedule-Time-Zone: Mars/Olympus"), 10223),
        ("Nats-Scheduler: s.x\nNats-Schedule-Next: soon".to_owned(), 10212),
        ("Nats-Scheduler: s.x".to_owned(), 10212),
        ("Nats-Schedule-Next: purge".to_owned(), 10212),
        ("Nats-Scheduler: s.when\nNats-Schedule-Next: purge".to_owned(), 10212),
        ("Nats-Scheduler: s.*\nNats-Schedule-Next: purge".to_owned(), 10212),
        ("Nats-Scheduler: s.plain\nNats-Schedule-Next: purge".to_owned(), 10212),
    ];
    rig.publish("s.plain", "", "no schedule");
    for (headers, code) in table {
        let refused = rig.refused("s.when", &headers, "x");
        assert!(refused.starts_with(&code.to_string()), "{headers}: {refused}");
    }
    rig.publish("s.when", "Nats-Scheduler: s.x\nNats-Schedule-Next: purge", "nothing there");
    assert_eq!(rig.stored().len(), 2);
    let mut rig = Rig::new("");
    let cancel = "Nats-Scheduler: s.x\nNats-Schedule-Next: purge";
    assert!(rig.refused("s.when", cancel, "x").starts_with("10188"));
}

#[test]
fn a_schedule_says_that_it_replaces_the_one_before() {
    let mut rig = Rig::new(r#""allow_msg_schedules":true"#);
    let daily = "Nats-Schedule: @daily\nNats-Schedule-Target: s.out";
    rig.publish("s.when", daily, "1");
    rig.publish("s.when", &format!("Nats-Rollup: sub\n{daily}"), "2");
    assert_eq!(rig.stored(), ["2 s.when 2"]);
    let (_, headers, _) = rig.message(2).unwrap();
    assert_eq!(headers.matches("Nats-Rollup: sub\r\n").count(), 1, "{headers}");
    rig.publish("s.when", daily, "3");
    let (_, headers, _) = rig.message(3).unwrap();
    assert!(headers.ends_with("s.out\r\nNats-Rollup: sub\r\n\r\n"), "{headers}");
}
