//! PUB, HPUB, MSG, HMSG and their framing: rows C03, C04, C10, R04, R13.

use harness::{Raw, Server};

fn with_headers(server: &Server) -> Raw {
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}"#);
    raw.ping();
    raw
}

#[test]
fn c03_verbs_of_any_case_tabs_and_bare_line_feeds() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send_bytes(b"sUb\t \ta\t 1 \n");
    raw.send_bytes(b"pUb\ta  2\r\nhi\r\n");
    raw.expect("MSG a 1 2\r\nhi\r\n");
    raw.send_bytes(b"pub a 0\n\r\npInG\n");
    raw.expect("MSG a 1 0\r\n\r\nPONG\r\n");
}

#[test]
fn c03_a_reply_is_passed_on() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    raw.send("PUB a in.box 2\r\nhi");
    raw.expect("MSG a 1 in.box 2\r\nhi\r\n");
}

#[test]
fn c03_payload_bytes_are_not_looked_at() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    raw.send_bytes(b"PUB a 9\r\n\r\nPING\r\n\0\r\n");
    let (line, payload) = raw.message();
    assert_eq!((line.as_str(), payload.as_slice()), ("MSG a 1 9", &b"\r\nPING\r\n\0"[..]));
    raw.ping();
}

#[test]
fn c03_any_split_of_the_input_means_the_same() {
    let server = Server::start(&[]);
    let input = b"SUB a.> q 1\r\nPUB a.b r 5\r\nhello\r\nUNSUB 1\r\nPUB a.b 0\r\n\r\nPING\r\n";
    for split in 1..input.len() {
        let mut raw = server.quiet();
        raw.send_bytes(&input[..split]);
        // What the first part completes is answered before the second part is sent, so that the
        // parts really arrive apart.
        if split >= b"SUB a.> q 1\r\nPUB a.b r 5\r\nhello\r\n".len() {
            raw.expect("MSG a.b 1 r 5\r\nhello\r\n");
            raw.send_bytes(&input[split..]);
        } else {
            raw.send_bytes(&input[split..]);
            raw.expect("MSG a.b 1 r 5\r\nhello\r\n");
        }
        raw.expect("PONG\r\n");
    }
}

#[test]
fn c03_a_megabyte_passes_unchanged() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    let payload: Vec<u8> = (0..1_048_576_u32).map(|at| (at.wrapping_mul(31) >> 3) as u8).collect();
    raw.send("SUB big 1");
    raw.send_bytes(b"PUB big 1048576\r\n");
    raw.send_bytes(&payload);
    raw.send_bytes(b"\r\n");
    let (line, got) = raw.message();
    assert_eq!(line, "MSG big 1 1048576");
    assert!(got == payload, "the payload arrives unchanged");
}

#[test]
fn c03_what_follows_a_payload_must_be_crlf() {
    let server = Server::start(&[]);
    for wrong in ["PUB a 2\r\nhixx", "PUB a 2\r\nhi\nPING\r\n", "PUB a 0\n\nPING\r\n"] {
        let mut raw = server.quiet();
        raw.send_bytes(wrong.as_bytes());
        raw.expect_error("Unknown Protocol Operation");
        raw.expect_eof();
    }
}

#[test]
fn c04_headers_reach_who_wants_them_and_are_stripped_for_others() {
    let server = Server::start(&[]);
    let mut plain = server.quiet();
    plain.send("SUB a 3");
    plain.ping();
    let mut raw = with_headers(&server);
    raw.send("SUB a 1");
    raw.send_bytes(b"HPUB a in.box 18 20\r\nNATS/1.0\r\nK: v\r\n\r\nhi\r\n");
    raw.expect("HMSG a 1 in.box 18 20\r\nNATS/1.0\r\nK: v\r\n\r\nhi\r\n");
    plain.expect("MSG a 3 in.box 2\r\nhi\r\n");
}

#[test]
fn c04_headers_without_payload_and_payload_without_headers() {
    let server = Server::start(&[]);
    let mut raw = with_headers(&server);
    raw.send("SUB a 1");
    raw.send_bytes(b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    raw.expect("HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    raw.send_bytes(b"HPUB a 0 2\r\nhi\r\n");
    raw.expect("MSG a 1 2\r\nhi\r\n");
    raw.publish("a", "hi");
    raw.expect("MSG a 1 2\r\nhi\r\n");
}

#[test]
fn c04_headers_are_not_checked_by_the_server() {
    let server = Server::start(&[]);
    let mut raw = with_headers(&server);
    raw.send("SUB a 1");
    raw.send_bytes(b"HPUB a 3 5\r\nabchi\r\n");
    raw.expect("HMSG a 1 3 5\r\nabchi\r\n");
}

#[test]
fn c04_hpub_closes_where_headers_were_not_negotiated() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send_bytes(b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    raw.expect_eof();
    server.wait_for_log("message headers not supported");
}

#[test]
fn c04_hpub_with_more_headers_than_total_closes() {
    let server = Server::start(&[]);
    let mut raw = with_headers(&server);
    raw.send_bytes(b"HPUB a 15 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    raw.expect_eof();
}

/// The 503 of this server: the subject was added to it in 2.10 (spec/client-protocol.md §6).
fn no_responders(server: &Server, sid: u32, reply: &str, subject: &str) -> String {
    if server.subject().skips("2.10.0") {
        return format!("HMSG {reply} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
    }
    let size = 32 + subject.len();
    let headers = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
    format!("HMSG {reply} {sid} {size} {size}\r\n{headers}\r\n")
}

#[test]
fn c10_a_request_that_nobody_hears_is_answered_503() {
    let server = Server::start(&[]);
    let mut raw = with_headers(&server);
    raw.send("SUB in.box 7");
    raw.send("PUB nobody in.box 0\r\n");
    raw.expect(&no_responders(&server, 7, "in.box", "nobody"));
    raw.ping();
}

#[test]
fn c10_a_wildcard_inbox_gets_the_503_too() {
    let server = Server::start(&[]);
    let mut raw = with_headers(&server);
    raw.send("SUB _INBOX.abc.* 7");
    raw.send("PUB no.body _INBOX.abc.1 3\r\nabc");
    raw.expect(&no_responders(&server, 7, "_INBOX.abc.1", "no.body"));
    raw.ping();
}

#[test]
fn c10_no_503_without_a_plain_subscription_on_the_reply_or_without_asking() {
    let server = Server::start(&[]);
    let mut raw = with_headers(&server);
    raw.send("SUB in.box group 7");
    raw.send("PUB nobody in.box 0\r\n");
    raw.send("PUB nobody 0\r\n");
    raw.send("PUB nobody other.box 0\r\n");
    raw.ping();
    let mut quiet = server.quiet();
    quiet.send("SUB in.box 7");
    quiet.send("PUB nobody in.box 0\r\n");
    quiet.ping();
}

#[test]
fn c10_no_503_when_somebody_heard() {
    let server = Server::start(&[]);
    let mut other = server.quiet();
    other.send("SUB service group 1");
    other.ping();
    let mut raw = with_headers(&server);
    raw.send("SUB in.box 7");
    raw.send("PUB service in.box 0\r\n");
    raw.ping();
    other.expect("MSG service 1 in.box 0\r\n\r\n");
}

#[test]
fn c10_an_own_subscription_without_echo_is_nobody() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    let options = r#""headers":true,"no_responders":true,"echo":false"#;
    raw.send(&format!(r#"CONNECT {{"verbose":false,{options}}}"#));
    raw.send("SUB in.box 7\r\nSUB service 8");
    raw.send("PUB service in.box 0\r\n");
    raw.expect(&no_responders(&server, 7, "in.box", "service"));
}

#[test]
fn r04_messages_of_one_publisher_keep_their_order() {
    const COUNT: u32 = 20_000;
    let server = Server::start(&[]);
    let mut subscriber = server.quiet();
    subscriber.send("SUB n.> 1");
    subscriber.ping();
    let mut publisher = server.quiet();
    let mut batch = Vec::new();
    for number in 0..COUNT {
        let text = number.to_string();
        let line = format!("PUB n.{} {}\r\n{text}\r\n", number % 7, text.len());
        batch.extend_from_slice(line.as_bytes());
    }
    publisher.send_bytes(&batch);
    for number in 0..COUNT {
        let (line, payload) = subscriber.message();
        assert_eq!(payload, number.to_string().as_bytes(), "in {line}");
    }
}

#[test]
fn c10_that_nobody_listens_is_no_message_of_those_that_a_subscription_waits_for() {
    let server = Server::start(&[]);
    let mut raw = with_headers(&server);
    raw.send("SUB in.box 7\r\nUNSUB 7 1");
    for _ in 0..2 {
        raw.send("PUB nobody in.box 0\r\n");
        raw.expect(&no_responders(&server, 7, "in.box", "nobody"));
    }
    raw.publish("in.box", "x");
    raw.expect("MSG in.box 7 1\r\nx\r\n");
    raw.send("PUB nobody in.box 0\r\n");
    raw.ping();
}

#[test]
fn r13_reserved_replies_and_subjects_are_refused() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    for reply in ["$JS.ACK.x", "_R_.abc", "_GR_.abc"] {
        raw.send(&format!("PUB x {reply} 1\r\ny"));
        raw.expect_error(&format!(r#"Permissions Violation for Publish with Reply of "{reply}""#));
    }
    raw.publish("_GR_.a", "y");
    raw.expect_error(r#"Permissions Violation for Publish to "_GR_.a""#);
    raw.ping();
}

#[test]
fn r13_an_ack_subject_may_be_published_to() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send("SUB $JS.ACK.> 1");
    raw.publish("$JS.ACK.x", "y");
    raw.expect("MSG $JS.ACK.x 1 1\r\ny\r\n");
}

#[test]
fn r13_raft_subjects_are_not_for_clients() {
    let server = Server::start(&[]);
    if server.subject().skips("2.10.0") {
        return;
    }
    let mut raw = server.quiet();
    raw.publish("$NRG.a", "y");
    raw.expect_error(r#"Permissions Violation for Publish to "$NRG.a""#);
    raw.ping();
}

#[test]
fn r13_a_refused_name_is_quoted_as_go_does() {
    let server = Server::start(&[]);
    let mut raw = server.quiet();
    raw.send_bytes(b"PUB x $JS.ACK.\"a\\\x01\xc3\xa9 1\r\ny\r\n");
    raw.expect_error(
        "Permissions Violation for Publish with Reply of \"$JS.ACK.\\\"a\\\\\\x01\u{e9}\"",
    );
    raw.ping();
}
