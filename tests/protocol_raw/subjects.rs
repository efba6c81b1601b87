//! What matches what, and what is no subject: row R01.

use harness::Server;

/// Subscription, published subject, whether it is delivered. spec/client-protocol.md §5.
const MATCHES: &[(&str, &str, bool)] = &[
    ("a", "a", true),
    ("a", "A", false),
    ("a", "a.b", false),
    ("a.b", "a", false),
    ("*", "a", true),
    ("*", "a.b", false),
    ("a.*", "a.b", true),
    ("a.*", "a", false),
    ("a.*", "a.b.c", false),
    ("*.b", "a.b", true),
    ("*.*", "a.b", true),
    ("a.*.c", "a.b.c", true),
    ("a.*.c", "a.b.d", false),
    (">", "a", true),
    (">", "a.b.c", true),
    ("a.>", "a.b", true),
    ("a.>", "a.b.c.d", true),
    ("a.>", "a", false),
    ("a.*.>", "a.b.c", true),
    ("a.*.>", "a.b", false),
    // A wildcard only as a whole token, `>` only as the last.
    ("foo*", "foo*", true),
    ("foo*", "fooo", false),
    ("f*o", "f*o", true),
    ("f*o", "fxo", false),
    ("foo>", "foo>", true),
    ("a.b>", "a.bc", false),
    // A published wildcard is a literal token.
    ("a.*", "a.*", true),
    ("a.*", "a.>", true),
    ("a.b", "a.*", false),
    ("a.>", "a.*.>", true),
    // Any byte but blanks and line ends may stand in a token.
    ("größe.ü", "größe.ü", true),
    ("$a-b_c.{}", "$a-b_c.{}", true),
    // A published subject with an empty token matches nothing.
    (">", "a..b", false),
    (">", ".a", false),
    (">", "a.", false),
    ("a.>", "a.", false),
];

#[test]
fn r01_wildcards_match_as_the_table_says() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    for (at, (subscription, subject, matches)) in MATCHES.iter().enumerate() {
        raw.send(&format!("SUB {subscription} {at}"));
        raw.publish(subject, "");
        if *matches {
            raw.expect(&format!("MSG {subject} {at} 0\r\n\r\n"));
        }
        raw.ping();
        raw.send(&format!("UNSUB {at}"));
    }
}

#[test]
fn r01_the_table_also_holds_between_connections() {
    let server = Server::start(&[]);
    let mut subscriber = server.quiet();
    let mut publisher = server.quiet();
    for (at, (subscription, subject, matches)) in MATCHES.iter().enumerate() {
        subscriber.send(&format!("SUB {subscription} {at}"));
        subscriber.ping();
        publisher.publish(subject, "");
        publisher.publish("all.of.it.came", "");
        publisher.ping();
        if *matches {
            subscriber.expect(&format!("MSG {subject} {at} 0\r\n\r\n"));
        }
        if *subscription == ">" {
            subscriber.expect(&format!("MSG all.of.it.came {at} 0\r\n\r\n"));
        }
        subscriber.send(&format!("UNSUB {at}"));
        subscriber.ping();
    }
}

#[test]
fn r01_malformed_subscriptions_are_refused_and_the_connection_stays() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    for subject in ["a..b", ".a", "a.", "a.>.b", ">.a", ".", "a...b"] {
        raw.send(&format!("SUB {subject} 1"));
        raw.expect_error("Invalid Subject");
    }
    raw.send("SUB a 1");
    raw.publish("a", "");
    raw.expect("MSG a 1 0\r\n\r\n");
}

#[test]
fn r01_deep_subjects_match() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    let deep = vec!["t"; 300].join(".");
    raw.send(&format!("SUB {deep} 1\r\nSUB {deep}.> 2\r\nSUB t.> 3"));
    raw.publish(&deep, "");
    let mut lines = [raw.message().0, raw.message().0];
    lines.sort();
    assert_eq!(lines, [format!("MSG {deep} 1 0"), format!("MSG {deep} 3 0")]);
    raw.ping();
}
