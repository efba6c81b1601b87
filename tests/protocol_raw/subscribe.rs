//! SUB, UNSUB and their limits on deliveries: row C05, R08.

use harness::{Server, until};

#[test]
fn c05_unsub_ends_the_deliveries() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    raw.publish("a", "");
    raw.send("UNSUB 1");
    raw.publish("a", "");
    raw.expect("MSG a 1 0\r\n\r\n");
    raw.ping();
}

#[test]
fn c05_unsub_max_counts_and_the_last_one_is_delivered() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1\r\nUNSUB 1 2");
    for _ in 0..3 {
        raw.publish("a", "");
    }
    raw.expect("MSG a 1 0\r\n\r\nMSG a 1 0\r\n\r\n");
    raw.ping();
}

#[test]
fn c05_unsub_max_counts_since_sub() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    raw.publish("a", "");
    raw.publish("a", "");
    raw.expect("MSG a 1 0\r\n\r\nMSG a 1 0\r\n\r\n");
    raw.send("UNSUB 1 2");
    raw.publish("a", "");
    raw.ping();
}

#[test]
fn c05_unsub_max_holds_for_messages_of_other_connections() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1\r\nUNSUB 1 5");
    raw.ping();
    let mut publishers: Vec<_> = (0..4).map(|_| server.quiet()).collect();
    for publisher in &mut publishers {
        for _ in 0..5 {
            publisher.publish("a", "");
        }
    }
    for publisher in &mut publishers {
        publisher.ping();
    }
    raw.expect(&"MSG a 1 0\r\n\r\n".repeat(5));
    raw.ping();
}

#[test]
fn c05_a_second_sub_with_the_same_sid_is_ignored() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1\r\nSUB b 1\r\nSUB no..subject 1");
    raw.publish("b", "");
    raw.publish("a", "");
    raw.expect("MSG a 1 0\r\n\r\n");
    raw.ping();
}

#[test]
fn c05_a_sid_is_any_token_and_may_be_used_again() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a an-Opaque_sid~9");
    raw.publish("a", "");
    raw.expect("MSG a an-Opaque_sid~9 0\r\n\r\n");
    raw.send("UNSUB an-Opaque_sid~9\r\nSUB b an-Opaque_sid~9");
    raw.publish("b", "");
    raw.expect("MSG b an-Opaque_sid~9 0\r\n\r\n");
}

#[test]
fn c05_overlapping_subscriptions_each_get_their_copy() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a.b 1\r\nSUB a.* 2\r\nSUB > 3\r\nSUB a.b 4");
    raw.publish("a.b", "x");
    let mut lines: Vec<_> = (0..4).map(|_| raw.message().0).collect();
    lines.sort();
    assert_eq!(lines, ["MSG a.b 1 1", "MSG a.b 2 1", "MSG a.b 3 1", "MSG a.b 4 1"]);
    raw.ping();
}

#[test]
fn c05_a_closed_connection_is_forgotten() {
    let server = Server::start(&[]);
    let mut leaving = server.quiet();
    leaving.send("SUB a 1");
    leaving.ping();
    leaving.finish_sending();
    leaving.expect_eof();
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"headers":true,"no_responders":true}"#);
    raw.send("SUB in.box 7");
    // The end of the stream is no promise that its interest is gone already.
    until("nobody is left on `a`", || {
        raw.send("PUB a in.box 0\r\n\r\nPING");
        let line = raw.line();
        if line == "PONG" {
            return None;
        }
        assert!(line.starts_with("HMSG in.box 7 "), "{line}");
        Some(())
    });
}

#[test]
fn r08_max_subscription_tokens() {
    let server = Server::with_config("max_subscription_tokens: 3");
    let mut raw = server.quiet();
    raw.send("SUB a.b.c.d 1");
    raw.expect_error(r#"Permissions Violation for Subscription to "a.b.c.d", too many tokens"#);
    raw.send("SUB a.b.c 2\r\nSUB a.b.c.> 3");
    raw.expect_error(r#"Permissions Violation for Subscription to "a.b.c.>", too many tokens"#);
    raw.publish("a.b.c", "");
    raw.expect("MSG a.b.c 2 0\r\n\r\n");
    raw.ping();
}
