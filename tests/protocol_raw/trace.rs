//! Log lines of connections: rows O04 and O05.

use harness::Server;

#[test]
fn o04_trace_shows_each_line_in_and_out() {
    let server = Server::start(&["-V"]);
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"user":"ivy","pass":"hunter2"}"#);
    raw.send("SUB foo 1");
    raw.publish("foo", "hello");
    raw.send("PUB foo rep 0\r\n\r\nUNSUB 1");
    raw.expect("MSG foo 1 5\r\nhello\r\nMSG foo 1 rep 0\r\n\r\n");
    raw.ping();
    raw.send("SUB a..b 2");
    raw.expect_error("Invalid Subject");
    let lines = [
        "<<- [SUB foo 1]",
        "<<- [PUB foo 5]",
        r#"<<- MSG_PAYLOAD: ["hello"]"#,
        "->> [MSG foo 1 5]",
        r#"->> MSG_PAYLOAD: ["hello"]"#,
        "<<- [PUB foo rep 0]",
        "<<- [UNSUB 1]",
        "<<- [PING]",
        "->> [PONG]",
        "->> [-ERR Invalid Subject]",
    ];
    for line in lines {
        let found = server.wait_for_log(line);
        assert!(found.contains("[TRC]") && found.ends_with(line), "{found}");
    }
    assert!(!server.log_text().contains("MSG_PAYLOAD: [\"\"]"), "nothing is no payload");
}

#[test]
fn o04_secrets_are_redacted() {
    let server = Server::start(&["-V"]);
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"user":"ivy","pass":"hunter2"}"#);
    raw.ping();
    let line = server.wait_for_log("<<- [CONNECT ");
    assert!(line.contains(r#""pass":"[REDACTED]""#), "{line}");
    assert!(!server.log_text().contains("hunter2"));
}

#[test]
fn o04_tokens_and_signatures_are_redacted() {
    let server = Server::start(&["-V"]);
    if server.subject().skips("2.10.0") {
        return;
    }
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"auth_token":"hunter2","sig":"hunter3"}"#);
    raw.ping();
    server.wait_for_log(r#""auth_token":"[REDACTED]""#);
    assert!(!server.log_text().contains("hunter"));
}

#[test]
fn o04_long_payloads_are_cut() {
    let server = Server::start(&["-V", "--max_traced_msg_len", "3"]);
    let mut raw = server.quiet();
    raw.publish("foo", "hello");
    server.wait_for_log(r#"<<- MSG_PAYLOAD: ["hel..."]"#);
}

#[test]
fn o04_debug_tells_of_connections_and_why_they_close() {
    let server = Server::start(&["-D"]);
    let mut raw = server.quiet();
    let cid = raw.cid();
    server.wait_for_log(&format!("cid:{cid} - Client connection created"));
    raw.finish_sending();
    raw.expect_eof();
    server.wait_for_log(&format!("cid:{cid} - Client connection closed: Client Closed"));
    let mut raw = server.quiet();
    raw.send("FOO");
    raw.expect_error("Unknown Protocol Operation");
    let closed = format!("cid:{} - Client connection closed: Protocol Violation", raw.cid());
    server.wait_for_log(&closed);
}

#[test]
fn o05_lines_name_address_cid_and_client() {
    let server = Server::start(&["-V"]);
    let mut raw = server.connect();
    let address = raw.stream().local_addr().expect("a connected socket");
    raw.send(r#"CONNECT {"verbose":false,"name":"n","lang":"go","version":"1","user":"ivy"}"#);
    raw.ping();
    let cid = raw.cid();
    let line = server.wait_for_log("<<- [PING]");
    let prefix = format!("[TRC] {address} - cid:{cid} - \"v1:go:n\" - \"$G/user:ivy\" - ");
    assert!(line.contains(&prefix), "{line}");
    raw.send("SUB a 1");
    raw.publish("a", "x");
    raw.message();
    let line = server.wait_for_log("->> [MSG a 1 1]");
    assert!(line.contains(&prefix), "{line}");
}

#[test]
fn o04_headers_alone_may_be_traced_and_the_delivered_line_is_what_was_sent() {
    if harness::Subject::from_env().skips("2.11.2") {
        return;
    }
    let server = Server::with_config("trace_headers: true");
    let mut plain = server.quiet();
    plain.send("SUB a 1");
    plain.ping();
    let mut raw = server.connect();
    raw.set_pings(harness::Pings::Answered);
    raw.send(r#"CONNECT {"verbose":false,"headers":true}"#);
    raw.send("SUB a 2");
    raw.send_bytes(b"HPUB a 18 24\r\nNATS/1.0\r\nK: v\r\n\r\nsecret\r\n");
    raw.message();
    raw.ping();
    server.wait_for_log(r#"<<- MSG_PAYLOAD: ["NATS/1.0\r\nK: v"]"#);
    server.wait_for_log("->> [HMSG a 2 18 24]");
    server.wait_for_log("->> [MSG a 1 6]");
    assert!(!server.log_text().contains("secret"));
}

#[test]
fn o04_quotes_in_a_payload_are_escaped() {
    let server = Server::start(&["-V"]);
    let mut raw = server.quiet();
    raw.publish("foo", "say \"hi\"");
    server.wait_for_log(r#"<<- MSG_PAYLOAD: ["say \"hi\""]"#);
}
