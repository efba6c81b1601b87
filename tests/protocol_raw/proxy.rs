//! PROXY protocol: row C20.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use harness::{Raw, Server, Subject, get};

/// None where the program is older than the PROXY protocol there.
fn behind_proxies() -> Option<Server> {
    if Subject::from_env().skips("2.14.0") {
        return None;
    }
    let server = Server::builder().monitored().args(&["-D"]).config("proxy_protocol: true").start();
    Some(server)
}

/// Bytes of a header of version 2 with these addresses.
fn second(command: u8, family: u8, after: &[u8]) -> Vec<u8> {
    let len = (after.len() as u16).to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &len, after].concat()
}

/// What `/connz` says of the address of a connection.
fn address_of(server: &Server, cid: u64) -> (String, u64) {
    let body = get(server.monitor(), &format!("/connz?cid={cid}")).body;
    let connz: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let connection = &connz["connections"][0];
    let ip = connection["ip"].as_str().expect("an address").to_owned();
    (ip, connection["port"].as_u64().expect("a port"))
}

#[test]
fn c20_the_address_is_the_one_that_the_proxy_says() {
    let Some(server) = behind_proxies() else { return };
    server.wait_for_log("PROXY protocol enabled for client connections");
    let four = [192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 4, 0x10, 0x7e];
    let mut six = [0; 36];
    (six[0], six[1], six[15], six[33]) = (0x20, 0x01, 9, 77);
    for (header, ip, port) in [
        (b"PROXY TCP4 192.0.2.9 10.0.0.1 56324 4222\r\n".to_vec(), "192.0.2.9", 56324),
        (b"PROXY TCP6 2001:db8::1 ::1 1 4222\r\n".to_vec(), "2001:db8::1", 1),
        (second(0x21, 0x11, &four), "192.0.2.7", 56324),
        (second(0x21, 0x11, &[&four[..], &[4; 300]].concat()), "192.0.2.7", 56324),
        (second(0x21, 0x21, &six), "2001::9", 77),
    ] {
        let mut raw = Raw::connect(server.client());
        assert!(raw.info().get("client_ip").is_none(), "not known yet: {}", raw.info_line());
        raw.send_bytes(&header);
        raw.send(r#"CONNECT {"verbose":false,"protocol":1}"#);
        raw.ping();
        let info = raw.line();
        assert!(info.contains(&format!("\"client_ip\":\"{ip}\"")), "{info}");
        assert_eq!(address_of(&server, raw.cid()), (ip.to_owned(), port));
    }
    // nats-server names the address of the proxy in its log.
    if server.subject().is_corewire() {
        server.wait_for_log("192.0.2.9:56324 - cid:");
    }
}

#[test]
fn c20_whoever_has_no_header_or_one_without_an_address_is_itself() {
    let Some(server) = behind_proxies() else { return };
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), second(0x20, 0, b"local"), Vec::new()] {
        let mut raw = Raw::connect(server.client());
        let port = raw.stream().local_addr().expect("bound").port();
        raw.send_bytes(&header);
        raw.send(r#"CONNECT {"verbose":false}"#);
        raw.ping();
        assert_eq!(address_of(&server, raw.cid()), ("127.0.0.1".to_owned(), u64::from(port)));
    }
}

#[test]
fn c20_a_header_may_come_byte_by_byte() {
    let Some(server) = behind_proxies() else { return };
    let mut raw = Raw::connect(server.client());
    let tail = b"CONNECT {\"verbose\":false}\r\nPING\r\n";
    let bytes = [&second(0x21, 0x11, &[[192, 0, 2, 7].as_slice(), &[1; 20]].concat()), &tail[..]];
    for byte in bytes.concat() {
        raw.send_bytes(&[byte]);
    }
    raw.expect("PONG\r\n");
    assert_eq!(address_of(&server, raw.cid()).0, "192.0.2.7");
}

#[test]
fn c20_a_wrong_header_closes_and_nothing_behind_it_is_obeyed() {
    let Some(server) = behind_proxies() else { return };
    let mut witness = server.quiet();
    witness.send("SUB > 1");
    witness.ping();
    for header in [
        b"PROXY TCP4 1.2.3.4.5 10.0.0.1 1 2\r\n".to_vec(),
        [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat(),
        second(0x22, 0x11, &[0; 12]),
        second(0x21, 0x11, &[0; 4]),
        second(0x21, 0x31, &[0; 216]),
    ] {
        let mut raw = Raw::connect(server.client());
        raw.send_bytes(&[&header[..], b"PUB x 0\r\n\r\nPING\r\n"].concat());
        raw.expect_eof();
    }
    assert!(witness.messages_until_pong().is_empty());
    let closed = get(server.monitor(), "/connz?state=closed").body;
    assert_eq!(closed.matches("\"reason\": \"Protocol Violation\"").count(), 5, "{closed}");
}

#[test]
fn c20_half_a_header_ends_after_five_seconds() {
    let Some(server) = behind_proxies() else { return };
    let mut raw = Raw::connect(server.client());
    raw.send_bytes(b"PROXY TCP4 ");
    assert!(raw.is_silent_for(Duration::from_secs(4)));
    raw.expect_eof();
    if server.subject().is_corewire() {
        server.wait_for_log("PROXY protocol header did not come in time");
    }
}

#[test]
fn c20_without_the_option_a_header_is_no_operation() {
    let server = Server::start(&[]);
    let mut raw = server.connect();
    raw.send_bytes(b"PROXY TCP4 192.0.2.9 10.0.0.1 56324 4222\r\n");
    raw.expect_error("Unknown Protocol Operation");
}

#[test]
fn c20_who_is_gone_inside_a_header_leaves_nothing() {
    let Some(server) = behind_proxies() else { return };
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.client()).expect("the server accepts");
        stream.write_all(b"\r\n\r\n\0\r\nQU").expect("takes it");
    }
    harness::until("all are gone", || {
        let varz = get(server.monitor(), "/varz").body;
        varz.contains("\"connections\": 0,").then_some(())
    });
}
