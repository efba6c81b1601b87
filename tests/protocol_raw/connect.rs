//! INFO, CONNECT, verbose, pedantic, echo, second CONNECT: rows C01, C02, C07 to C09, C15, C16.

use harness::{Server, keys_in_order};

/// spec/client-protocol.md §2.3: key order = table order. Those that a standalone server without
/// TLS or authentication always sends.
const INFO_KEYS: [&str; 10] = [
    "server_id",
    "server_name",
    "version",
    "proto",
    "go",
    "host",
    "port",
    "headers",
    "max_payload",
    "client_id",
];

#[test]
fn c01_info_has_the_keys_in_order_and_a_space_before_its_end() {
    let server = Server::start(&[]);
    let raw = server.connect();
    let line = raw.info_line();
    assert!(line.starts_with("INFO {") && line.ends_with("} "), "{line:?}");
    let keys: Vec<_> =
        keys_in_order(line).into_iter().filter(|key| INFO_KEYS.contains(key)).collect();
    assert_eq!(keys, INFO_KEYS);
}

#[test]
fn c01_info_says_who_and_where() {
    let server = Server::start(&["-n", "north"]);
    let raw = server.connect();
    let info = raw.info();
    let id = info["server_id"].as_str().expect("a string");
    assert!(id.len() == 56 && id.starts_with('N'), "a server's public nkey: {id}");
    assert_eq!(info["server_name"], "north");
    assert_eq!(info["proto"], 1);
    assert_eq!(info["host"], "127.0.0.1");
    assert_eq!(info["port"], server.client().port());
    assert_eq!(info["headers"], true);
    assert_eq!(info["max_payload"], 1_048_576);
    assert_eq!(info["client_ip"], "127.0.0.1");
    for absent in ["auth_required", "tls_required", "jetstream", "nonce", "connect_urls", "ldm"] {
        assert!(info.get(absent).is_none(), "{absent} has no place here: {info}");
    }
}

#[test]
fn c01_the_name_defaults_to_the_id_and_each_connection_has_its_own_cid() {
    let server = Server::start(&[]);
    let (first, second) = (server.connect(), server.connect());
    assert_eq!(first.info()["server_name"], first.info()["server_id"]);
    assert!(first.cid() < second.cid(), "cids rise");
}

#[test]
fn c01_info_tells_that_authentication_is_needed() {
    let server = Server::start(&["--auth", "token"]);
    assert_eq!(server.connect().info()["auth_required"], true);
}

#[test]
fn c02_verbose_and_pedantic_before_connect() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send("SUB a 1");
    raw.expect("+OK\r\n");
    raw.publish("a.*", "");
    raw.expect("-ERR 'Invalid Publish Subject'\r\n+OK\r\n");
}

#[test]
fn c02_fields_left_out_of_connect_keep_their_defaults() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send("CONNECT {}");
    raw.expect("+OK\r\n");
    raw.send(r#"CONNECT {"verbose":false}"#);
    raw.publish("a.*", "");
    raw.expect_error("Invalid Publish Subject");
    raw.ping();
}

#[test]
fn c02_unknown_fields_are_ignored_and_blanks_before_json_are_optional() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send(r#"CONNECT{"verbose":false,"name":null,"no_such_field":{"a":[1]}}"#);
    raw.ping();
}

#[test]
fn c02_malformed_json_closes_without_a_word() {
    let server = Server::start(&[]);
    for json in ["", "[]", r#"{"verbose":"#, r#"{"verbose":"no"}"#, r#"{"verbose":false} more"#] {
        let mut raw = server.connect();
        raw.send(&format!("CONNECT {json}"));
        raw.expect_eof();
    }
}

#[test]
fn c07_verbose_answers_each_operation_once_and_ping_only_with_pong() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":true,"pedantic":false}"#);
    raw.expect("+OK\r\n");
    raw.send("SUB a 1\r\nUNSUB 1\r\nUNSUB 99");
    raw.expect("+OK\r\n+OK\r\n+OK\r\n");
    raw.publish("b", "x");
    raw.expect("+OK\r\n");
    raw.send("PING\r\nPONG\r\n+OK");
    raw.expect("PONG\r\n");
    raw.ping();
}

#[test]
fn c07_a_refused_publish_is_not_acknowledged() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.publish("_GR_.x", "");
    raw.expect_error(r#"Permissions Violation for Publish to "_GR_.x""#);
    raw.ping();
}

#[test]
fn c07_the_ok_comes_before_the_delivery() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send("SUB a 1");
    raw.expect("+OK\r\n");
    raw.publish("a", "hi");
    raw.expect("+OK\r\nMSG a 1 2\r\nhi\r\n");
}

#[test]
fn c08_pedantic_warns_and_still_delivers() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"pedantic":true}"#);
    raw.send("SUB > 1");
    raw.publish("a.*", "x");
    raw.expect("-ERR 'Invalid Publish Subject'\r\nMSG a.* 1 1\r\nx\r\n");
    raw.publish("a..b", "");
    raw.expect_error("Invalid Publish Subject");
    raw.ping();
}

#[test]
fn c08_pedantic_warns_first_even_of_what_is_refused() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.publish("_GR_.*", "");
    raw.expect_error("Invalid Publish Subject");
    raw.expect_error(r#"Permissions Violation for Publish to "_GR_.*""#);
    raw.ping();
}

#[test]
fn c09_without_echo_an_own_message_goes_to_others_only() {
    let server = Server::start(&[]);
    let mut other = server.quiet();
    other.send("SUB a 5");
    other.ping();
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"echo":false}"#);
    raw.send("SUB a 1");
    raw.publish("a", "x");
    raw.ping();
    other.expect("MSG a 5 1\r\nx\r\n");
}

#[test]
fn c09_without_echo_a_queue_group_picks_another_member() {
    let server = Server::start(&[]);
    let mut other = server.quiet();
    other.send("SUB a group 5");
    other.ping();
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"echo":false}"#);
    raw.send("SUB a group 1");
    for _ in 0..20 {
        raw.publish("a", "x");
    }
    raw.ping();
    for _ in 0..20 {
        other.expect("MSG a 5 1\r\nx\r\n");
    }
}

#[test]
fn c15_a_second_connect_drops_the_subscriptions() {
    let server = Server::start(&[]);
    // spec/client-protocol.md §1; 2.9.10 keeps them within one account.
    if server.subject().skips("2.10.0") {
        return;
    }
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    raw.send(r#"CONNECT {"verbose":false}"#);
    raw.publish("a", "x");
    raw.ping();
    raw.send("SUB a 2");
    raw.publish("a", "y");
    raw.expect("MSG a 2 1\r\ny\r\n");
}

#[test]
fn c15_a_second_connect_changes_the_options() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send(r#"CONNECT {"verbose":true}"#);
    raw.expect("+OK\r\n");
    raw.send("UNSUB 1");
    raw.expect("+OK\r\n");
}

#[test]
fn c16_the_first_ping_of_protocol_1_is_followed_by_an_info() {
    let server = Server::start(&[]);
    if server.subject().skips("2.12.0") {
        return;
    }
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"protocol":1}"#);
    raw.ping();
    let line = raw.line();
    let keys = keys_in_order(&line);
    assert!(line.starts_with("INFO {") && line.ends_with("} "), "{line:?}");
    assert!(line.contains(r#""connect_info":true,"remote_account":"$G""#), "{line:?}");
    assert!(!line.contains("acc_is_sys"), "$G is not the system account: {line:?}");
    assert_eq!(keys.iter().filter(|key| **key == "client_id").count(), 1);
    raw.ping();
}

#[test]
fn c16_protocol_0_gets_no_second_info() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"protocol":0}"#);
    raw.ping();
    raw.ping();
}

#[test]
fn c02_who_may_not_come_in_is_told_so_first() {
    let server = Server::start(&["--auth", "token"]);
    for options in [r#""protocol":5"#, r#""no_responders":true"#] {
        let mut raw = server.connect();
        raw.send(&format!(r#"CONNECT {{"verbose":false,"auth_token":"no",{options}}}"#));
        raw.expect_error("Authorization Violation");
        raw.expect_eof();
    }
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"auth_token":"token","protocol":5}"#);
    raw.expect_error("invalid client protocol");
    raw.expect_eof();
}
