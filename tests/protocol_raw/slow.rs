//! Subscribers that do not keep up: row R05.

use harness::{Raw, Server};

/// One message of 60,000 bytes, as it is published.
fn large_message() -> Vec<u8> {
    let mut message = b"PUB flood 60000\r\n".to_vec();
    message.resize(message.len() + 60_000, b'x');
    message.extend_from_slice(b"\r\n");
    message
}

/// Fills a subscriber that does not read until `enough` is seen in the log.
fn flood(server: &Server, publisher: &mut Raw, enough: &str) {
    let message = large_message();
    harness::until(enough, || {
        for _ in 0..50 {
            publisher.send_bytes(&message);
        }
        publisher.ping();
        server.log_text().contains(enough).then_some(())
    });
}

#[test]
fn r05_pending_bytes_above_the_limit_close_only_the_slow_one() {
    let server = Server::with_config("max_pending: 65536\nmax_payload: 65536");
    let mut slow = server.connect();
    slow.send(r#"CONNECT {"verbose":false,"pedantic":false,"name":"slow"}"#);
    slow.send("SUB flood 1");
    slow.ping();
    let mut other = server.quiet();
    other.send("SUB other 9");
    other.ping();
    let mut publisher = server.quiet();
    let line = format!("cid:{} - \"slow\" - Slow Consumer Detected", slow.cid());
    flood(&server, &mut publisher, &line);
    let line = server.wait_for_log("Slow Consumer Detected");
    assert!(line.contains("[INF]") && line.ends_with("MaxPending of 65536 Exceeded"), "{line}");
    // No -ERR and no final flush: what is left ends inside the flood.
    let rest = slow.rest();
    assert!(!rest.windows(4).any(|bytes| bytes == b"-ERR"), "no word to the slow one");
    publisher.publish("other", "x");
    other.expect("MSG other 9 1\r\nx\r\n");
}

#[test]
fn r05_a_write_that_takes_too_long_closes() {
    let server = Server::with_config("write_deadline: \"300ms\"");
    let mut slow = server.quiet();
    slow.send("SUB flood 1");
    slow.ping();
    // More than the kernel takes for one that does not read, less than `max_pending`.
    let message = large_message();
    let mut publisher = server.quiet();
    for _ in 0..500 {
        publisher.send_bytes(&message);
    }
    publisher.ping();
    server.wait_for_log("Slow Consumer Detected: WriteDeadline of 300ms");
    assert!(!server.log_text().contains("MaxPending"), "{}", server.log_text());
    slow.rest();
    publisher.ping();
}
