//! PING of the server, stale connections, the time for authentication: rows C06, C19, M03.

use std::time::{Duration, Instant};

use harness::{Pings, Raw, Server};

/// A quiet connection whose PINGs the test sees.
fn watched(server: &Server) -> Raw {
    let mut raw = server.quiet();
    raw.set_pings(Pings::Shown);
    raw
}

#[test]
fn c06_the_first_ping_comes_after_about_two_seconds() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    let start = Instant::now();
    raw.send(r#"CONNECT {"verbose":false}"#);
    raw.expect_line("PING");
    let after = start.elapsed();
    let about_two_seconds = Duration::from_millis(1500)..Duration::from_millis(3500);
    assert!(about_two_seconds.contains(&after), "min(interval, 2 s) plus 0-20 %: {after:?}");
    raw.send("PONG");
    raw.ping();
}

#[test]
fn c06_pongs_keep_the_connection() {
    let server = Server::with_config("ping_interval: \"200ms\"\nping_max: 1");
    let mut raw = watched(&server);
    for _ in 0..8 {
        raw.expect_line("PING");
        raw.send("PONG");
    }
    raw.ping();
}

#[test]
fn c06_no_ping_to_a_connection_that_was_heard() {
    let server = Server::with_config("ping_interval: \"500ms\"");
    let mut raw = watched(&server);
    raw.expect_line("PING");
    raw.send("PONG");
    raw.ping();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        raw.publish("a", "x");
        raw.ping();
        assert!(raw.is_silent_for(Duration::from_millis(50)), "a busy connection is not pinged");
    }
}

#[test]
fn c19_unanswered_pings_make_a_stale_connection() {
    let server = Server::with_config("ping_interval: \"200ms\"\nping_max: 2");
    let mut raw = watched(&server);
    raw.expect("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    raw.expect_eof();
}

#[test]
fn m03_ping_max_is_how_many_go_unanswered() {
    let server = Server::with_config("ping_interval: \"200ms\"\nping_max: 4");
    let mut raw = watched(&server);
    raw.expect("PING\r\nPING\r\nPING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    raw.expect_eof();
}

#[test]
fn c19_who_does_not_authenticate_in_time_is_told_and_closed() {
    let server = Server::with_config("authorization { token: sesame, timeout: 0.4 }");
    let mut raw = server.connect();
    let start = Instant::now();
    raw.expect_error("Authentication Timeout");
    raw.expect_eof();
    assert!(start.elapsed() > Duration::from_millis(300), "not before its time");
}

#[test]
fn c19_no_timeout_where_no_authentication_is_needed() {
    let server = Server::with_config("authorization { timeout: 0.2 }");
    let mut raw = server.connect();
    assert!(raw.is_silent_for(Duration::from_millis(600)));
    raw.ping();
}
