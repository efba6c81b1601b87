//! Limits: rows M01, M02, M06 and the port of M04's closed connections is in `monitoring.rs`.

use harness::{Server, until};

#[test]
fn m01_one_connection_too_many_is_told_after_info_and_closed() {
    let server = Server::with_config("max_connections: 1");
    let mut first = server.quiet();
    let mut second = server.connect();
    second.expect_error("maximum connections exceeded");
    second.expect_eof();
    server.wait_for_log(&format!("cid:{} - maximum connections exceeded", second.cid()));
    first.ping();
    first.finish_sending();
    first.expect_eof();
    // The place is free once the server has noticed.
    until("a free place", || {
        let mut third = server.connect();
        third.send("PING");
        (third.line() == "PONG").then_some(())
    });
}

#[test]
fn m01_max_subscriptions_refuses_and_leaves_open() {
    let server = Server::with_config("max_subscriptions: 2");
    let mut raw = server.quiet();
    raw.send("SUB a 1\r\nSUB b 2\r\nSUB c 3");
    raw.expect_error("maximum subscriptions exceeded");
    server.wait_for_log("maximum subscriptions exceeded");
    raw.publish("c", "");
    raw.send("UNSUB 1\r\nSUB c 3");
    raw.publish("c", "");
    raw.expect("MSG c 3 0\r\n\r\n");
    raw.ping();
}

#[test]
fn m02_max_payload_above_max_pending_is_refused() {
    let folder = harness::Folder::new();
    let file = folder.write("c.conf", "max_payload: 10\nmax_pending: 5\n");
    let end = Server::run_to_end(&["-a", "127.0.0.1", "-p", "-1", "-c", &file.to_string_lossy()]);
    assert_eq!(end.code, Some(1));
    let said = "nats-server: max_payload (10) cannot be higher than max_pending (5)";
    assert!(end.stderr.contains(said), "{}", end.stderr);
}

#[test]
fn m02_a_large_max_payload_is_warned_about() {
    let server = Server::with_config("max_payload: 9MB");
    let line = server.wait_for_log("[WRN]");
    assert!(line.to_lowercase().contains("payload"), "{line}");
}

#[test]
fn m06_no_header_support() {
    let server = Server::with_config("no_header_support: true");
    let mut raw = server.connect();
    assert_eq!(raw.info()["headers"], false);
    raw.send(r#"CONNECT {"verbose":false,"headers":true}"#);
    raw.send_bytes(b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    raw.expect_eof();
}

#[test]
fn m06_without_a_match_cache_messages_still_arrive() {
    let server = Server::with_config("disable_sublist_cache: true");
    let mut raw = server.quiet();
    raw.send("SUB a.* 1\r\nSUB a.b group 2");
    for _ in 0..3 {
        raw.publish("a.b", "");
        let mut lines = [raw.message().0, raw.message().0];
        lines.sort();
        assert_eq!(lines, ["MSG a.b 1 0", "MSG a.b 2 0"]);
    }
    raw.send("UNSUB 1");
    raw.publish("a.b", "");
    raw.expect("MSG a.b 2 0\r\n\r\n");
}
