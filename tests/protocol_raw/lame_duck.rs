//! Lame duck mode as a client sees it: row C18.

use std::net::TcpStream;
use std::time::Duration;

use harness::{Server, Signal, keys_in_order, until};

#[test]
fn c18_clients_are_told_new_ones_refused_and_all_closed_in_the_end() {
    let server = Server::with_config("lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"");
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"protocol":1}"#);
    raw.ping();
    if !server.subject().skips("2.10.0") {
        // The INFO after the first PING, which 2.9.10 does not send to $G.
        assert!(raw.line().contains("connect_info"));
    }
    let mut old = server.connect();
    old.send(r#"CONNECT {"verbose":false,"protocol":0}"#);
    old.ping();
    server.signal(Signal::USR2);
    server.wait_for_log("Entering lame duck mode, stop accepting new clients");
    let info = raw.line();
    assert!(info.contains(r#""ldm":true"#), "{info}");
    assert!(keys_in_order(&info).contains(&"server_id"), "a whole INFO: {info}");
    let address = server.client();
    until("the listener is closed", || TcpStream::connect(address).is_err().then_some(()));
    // Until the grace period ends, messages flow.
    raw.send("SUB a 1");
    raw.ping();
    old.publish("a", "still");
    raw.expect("MSG a 1 5\r\nstill\r\n");
    assert!(old.is_silent_for(Duration::from_millis(50)), "protocol 0 knows no INFO");
    server.wait_for_log("Closing existing clients");
    old.finish_sending();
    raw.finish_sending();
    let end = server.finish();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.contains("Server Exiting.."), "{}", end.stderr);
}

#[test]
fn c18_sigterm_is_ignored_meanwhile() {
    // 2.11 on: spec/cli-and-config.md §3.
    let server = Server::with_config("lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"3s\"");
    if server.subject().skips("2.11.0") {
        return;
    }
    let mut raw = server.quiet();
    server.signal(Signal::USR2);
    server.wait_for_log("Entering lame duck mode");
    server.signal(Signal::TERM);
    raw.ping();
    assert!(raw.is_silent_for(Duration::from_millis(300)));
    raw.ping();
}
