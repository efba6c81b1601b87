//! Queue groups on one server: row R02.

use std::collections::HashMap;

use harness::{Raw, Server};

#[test]
fn r02_each_group_gets_each_message_once() {
    const COUNT: usize = 1000;
    let server = Server::start(&[]);
    let mut members: Vec<Raw> = (0..6).map(|_| server.quiet()).collect();
    for (at, member) in members.iter_mut().enumerate() {
        let group = ["red", "blue"][at % 2];
        member.send(&format!("SUB work.* {group} {at}\r\nSUB done done"));
        member.ping();
    }
    let mut plain = server.quiet();
    plain.send("SUB work.* 99");
    plain.ping();
    let mut publisher = server.quiet();
    for number in 0..COUNT {
        publisher.publish("work.a", &number.to_string());
    }
    // One publisher's messages keep their order: who has `done` has all.
    publisher.publish("done", "");
    for _ in 0..COUNT {
        plain.message();
    }
    let mut taken: [HashMap<Vec<u8>, usize>; 2] = Default::default();
    for (at, member) in members.iter_mut().enumerate() {
        let mut own = 0;
        loop {
            let (line, body) = member.message();
            if line == "MSG done done 0" {
                break;
            }
            *taken[at % 2].entry(body).or_default() += 1;
            own += 1;
        }
        // A uniform pick among three gives each about 333; 200 is nine deviations away.
        assert!((200..470).contains(&own), "member {at} got {own} of {COUNT}");
    }
    for group in taken {
        assert_eq!(group.len(), COUNT, "each message reaches each group");
        assert!(group.values().all(|times| *times == 1), "and only once");
    }
}

#[test]
fn r02_a_group_on_one_connection_shares_too() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a group 1\r\nSUB a group 2");
    let mut seen = HashMap::new();
    for _ in 0..200 {
        raw.publish("a", "");
        *seen.entry(raw.message().0).or_insert(0) += 1;
    }
    raw.ping();
    assert_eq!(seen.len(), 2, "both members get some: {seen:?}");
}

#[test]
fn r02_groups_of_the_same_name_on_other_subjects_are_one() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a.b group 1\r\nSUB a.* group 2");
    for _ in 0..50 {
        raw.publish("a.b", "");
        let (line, _) = raw.message();
        assert!(line == "MSG a.b 1 0" || line == "MSG a.b 2 0", "{line}");
    }
    raw.ping();
}
