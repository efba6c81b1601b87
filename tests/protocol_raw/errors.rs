//! Each `-ERR` text, what closes and what does not: rows C11, C12, C13, C14.

use harness::{Raw, Server};

/// Sends `input` on a quiet connection and gives everything said until the server closes.
fn said_before_closing(server: &Server, input: &str) -> String {
    let mut raw = server.quiet();
    raw.send_bytes(input.as_bytes());
    String::from_utf8(raw.rest()).expect("the server speaks UTF-8")
}

#[test]
fn c11_what_is_no_operation_is_said_and_closes() {
    let server = Server::start(&[]);
    let inputs = [
        "FOO\r\n",
        "PIXG\r\n",
        "SUB\r\n",
        "UNSUB\r\n",
        "PUB\r\n",
        "MSG a 1 0\r\n\r\n",
        "\r\n",
        "RS+ a b\r\n",
        "LS+ a b\r\n",
        "A+ a\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\0\0\0\0",
    ];
    for input in inputs {
        let said = said_before_closing(&server, input);
        assert_eq!(said, "-ERR 'Unknown Protocol Operation'\r\n", "after {input:?}");
    }
}

#[test]
fn c11_wrong_connect_options_are_named_and_close() {
    let server = Server::start(&[]);
    let cases = [
        (r#"{"protocol":2}"#, "invalid client protocol"),
        (r#"{"protocol":-1}"#, "invalid client protocol"),
        (r#"{"no_responders":true}"#, "no responders requires headers support"),
        (r#"{"account":"X"}"#, "Authorization Violation"),
        (r#"{"new_account":true}"#, "Authorization Violation"),
    ];
    for (options, error) in cases {
        let mut raw = server.connect();
        raw.send(&format!("CONNECT {options}\r\nPING"));
        raw.expect_error(error);
        raw.expect_eof();
    }
    server.wait_for_log("invalid client protocol");
    server.wait_for_log("authentication error");
}

#[test]
fn c11_reserved_queue_group_leaves_the_connection_open() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a _sys_ 1");
    raw.expect_error(r#"Permissions Violation for Subscription to "a" using queue "_sys_""#);
    raw.ping();
}

#[test]
fn c11_authorization_violation_closes() {
    let server = Server::start(&["--user", "ivy", "--pass", "secret"]);
    let refused = [
        "PING",
        "SUB a 1",
        "FOO",
        "CONNECT {}",
        r#"CONNECT {"user":"ivy","pass":"wrong"}"#,
        r#"CONNECT {"user":"oak","pass":"secret"}"#,
        r#"CONNECT {"auth_token":"secret"}"#,
    ];
    for first in refused {
        let mut raw = server.connect();
        raw.send(first);
        raw.expect_error("Authorization Violation");
        raw.expect_eof();
    }
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"user":"ivy","pass":"secret","verbose":false}"#);
    raw.ping();
}

#[test]
fn c11_a_token_opens_and_a_wrong_one_closes() {
    let server = Server::with_config("authorization { token: sesame }");
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"auth_token":"barley"}"#);
    raw.expect_error("Authorization Violation");
    raw.expect_eof();
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"auth_token":"sesame"}"#);
    raw.expect("+OK\r\n");
}

#[test]
fn c11_a_token_by_flag() {
    let server = Server::start(&["--auth", "sesame"]);
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"auth_token":"sesame"}"#);
    raw.expect("+OK\r\n");
}

#[test]
fn c12_wrong_arguments_close_without_a_word() {
    let server = Server::start(&[]);
    let inputs = [
        "PUB a\r\n",
        "PUB a b c 1\r\n",
        "PUB a -1\r\n",
        "PUB a +2\r\n",
        "PUB a x\r\n",
        "PUB a 1234567890\r\n",
        "SUB a\r\n",
        "SUB a b c d\r\n",
        "UNSUB 1 2 3\r\n",
        "HPUB a 1\r\n",
        "HPUB a b c 1 2\r\n",
        "-ERR 'from a client'\r\n",
    ];
    for input in inputs {
        assert_eq!(said_before_closing(&server, input), "", "after {input:?}");
    }
}

#[test]
fn c12_what_the_grammar_lets_pass() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send_bytes(b"PINGPONG\r\n");
    raw.expect("PONG\r\n");
    raw.send_bytes(b"PONG whatever\r\n+OK\r\nINFO {}\r\n");
    raw.ping();
    raw.send_bytes(b"PUB a 000000002\r\nhi\r\n");
    raw.ping();
}

/// A SUB whose argument has this many bytes.
fn sub_of(raw: &mut Raw, argument_len: usize) {
    raw.send(&format!("SUB {} 1", "a".repeat(argument_len - 2)));
}

#[test]
fn c13_an_argument_of_exactly_the_limit_passes() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    sub_of(&mut raw, 4096);
    raw.ping();
}

#[test]
fn c13_a_longer_argument_closes_with_or_without_line_end() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    sub_of(&mut raw, 5000);
    raw.expect_error("maximum control line exceeded");
    raw.expect_eof();
    let mut raw = server.quiet();
    raw.send_bytes(format!("SUB {}", "a".repeat(9000)).as_bytes());
    raw.expect_error("maximum control line exceeded");
    raw.expect_eof();
}

#[test]
fn c13_the_limit_is_configurable_and_holds_for_connect() {
    let server = Server::with_config("max_control_line: 64");
    let mut raw = server.connect();
    raw.send(&format!(r#"CONNECT {{"name":"{}"}}"#, "n".repeat(64)));
    raw.expect_error("maximum control line exceeded");
    raw.expect_eof();
}

#[test]
fn c14_a_payload_too_large_is_refused_on_the_control_line() {
    let server = Server::start(&[]);
    for line in ["PUB a 1048577", "PUB a 2000000", "PUB a 999999999"] {
        let mut raw = server.quiet();
        raw.send(line);
        raw.expect_error("Maximum Payload Violation");
        raw.expect_eof();
    }
}

#[test]
fn c14_headers_count() {
    let server = Server::with_config("max_payload: 100");
    let mut raw = server.connect();
    assert_eq!(raw.info()["max_payload"], 100);
    raw.send(r#"CONNECT {"verbose":false,"headers":true}"#);
    raw.send("HPUB a 50 101");
    raw.expect_error("Maximum Payload Violation");
    raw.expect_eof();
}
