//! Trusted proxies: row A12.

use harness::{Pings, Raw, Server, Signal, get};
use nkeys::KeyPair;

use crate::visitor::one_core;

fn signed(pair: &KeyPair, text: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&pair.sign(text.as_bytes()).expect("signs"))
}

/// A client whose proxy signs the nonce, or adds nothing.
fn comes(server: &Server, proxy: Option<&KeyPair>, fields: &str) -> Raw {
    let mut raw = Raw::connect(server.client());
    raw.set_pings(Pings::Answered);
    let nonce = raw.info()["nonce"].as_str().expect("a nonce is always sent").to_owned();
    let sig = proxy.map(|pair| format!(",\"proxy_sig\":\"{}\"", signed(pair, &nonce)));
    let comma = if fields.is_empty() { "" } else { "," };
    let sig = sig.unwrap_or_default();
    raw.send(&format!("CONNECT {{\"verbose\":false,\"protocol\":1{comma}{fields}{sig}}}"));
    raw.send("PING");
    raw
}

/// The reasons of connections that ended, and how often each.
fn ended(server: &Server, reason: &str) -> usize {
    let closed = get(server.monitor(), "/connz?state=closed").body;
    closed.matches(&format!("\"reason\": \"{reason}\"")).count()
}

#[test]
fn a12_a_trusted_proxy_is_shown_and_another_is_refused() {
    let (proxy, other) = (KeyPair::new_server(), KeyPair::new_server());
    let key = proxy.public_key();
    let config = format!("proxies {{ trusted: [ {{ key: {key} }} ] }}");
    let server = Server::builder().monitored().config(&config).start();
    let mut direct = comes(&server, None, "");
    direct.expect("PONG\r\n");
    let mut passed_on = comes(&server, Some(&proxy), "");
    passed_on.expect("PONG\r\n");
    let mut stranger = comes(&server, Some(&other), "");
    stranger.expect_error("Authorization Violation");
    stranger.expect_eof();
    let connz = get(server.monitor(), &format!("/connz?cid={}", passed_on.cid())).body;
    let connz: serde_json::Value = serde_json::from_str(&connz).expect("JSON");
    assert_eq!(connz["connections"][0]["proxy"]["key"], key.as_str());
    let connz = get(server.monitor(), &format!("/connz?cid={}", direct.cid())).body;
    assert!(!connz.contains("proxy"), "{connz}");
    let varz: serde_json::Value =
        serde_json::from_str(&get(server.monitor(), "/varz").body).expect("JSON");
    assert_eq!(varz["proxies"]["trusted"][0]["key"], key.as_str());
    assert_eq!(ended(&server, "Proxy Not Trusted"), 1);
}

#[test]
fn a12_a_signature_counts_for_one_connection_only() {
    let proxy = KeyPair::new_server();
    let key = proxy.public_key();
    let server = one_core(&format!("proxies {{ trusted: [ {{ public_key: {key} }} ] }}"));
    let sig = signed(&proxy, Raw::connect(server.client()).info()["nonce"].as_str().expect("one"));
    let mut raw = Raw::connect(server.client());
    raw.send(&format!(r#"CONNECT {{"verbose":false,"proxy_sig":"{sig}"}}"#));
    raw.expect_error("Authorization Violation");
}

#[test]
fn a12_who_must_come_by_a_proxy_does_not_get_in_without_one() {
    let proxy = KeyPair::new_server();
    let config = format!(
        "proxies {{ trusted: [ {{ key: {} }} ] }}, no_auth_user: nobody, authorization {{ users: \
         [ {{user: ann, password: a, proxy_required: true}}, {{user: bob, password: b}}, \
         {{user: nobody, password: n, proxy_required: true}} ] }}",
        proxy.public_key()
    );
    let server = Server::builder().monitored().config(&config).start();
    let (ann, bob) = (r#""user":"ann","pass":"a""#, r#""user":"bob","pass":"b""#);
    comes(&server, Some(&proxy), ann).expect("PONG\r\n");
    comes(&server, Some(&proxy), bob).expect("PONG\r\n");
    comes(&server, None, bob).expect("PONG\r\n");
    comes(&server, Some(&proxy), "").expect("PONG\r\n");
    comes(&server, None, ann).expect_error("Authorization Violation");
    comes(&server, None, "").expect_error("Authorization Violation");
    server.wait_for_log("authentication error - User \"ann\"");
    // Neither by saying something else before CONNECT.
    let mut early = Raw::connect(server.client());
    early.send("SUB > 1");
    early.expect_error("Authorization Violation");
    harness::until("all ends are seen", || (ended(&server, "Proxy Required") == 2).then_some(()));
}

#[test]
fn a12_all_must_come_by_a_proxy_also_where_nobody_has_to_log_in() {
    let proxy = KeyPair::new_server();
    let server = one_core(&format!(
        "proxies {{ trusted: [ {{ key: {} }} ] }}, authorization {{ proxy_required: true }}",
        proxy.public_key()
    ));
    comes(&server, Some(&proxy), "").expect("PONG\r\n");
    // nats-server asks only those who have to log in.
    if server.subject().skips_ours() {
        return;
    }
    comes(&server, None, "").expect_error("Authorization Violation");
    let mut early = Raw::connect(server.client());
    early.send("PUB x 0\r\n");
    early.expect_error("Authorization Violation");
}

#[test]
fn a12_a_key_that_is_removed_closes_what_came_by_it() {
    let (stays, goes) = (KeyPair::new_server(), KeyPair::new_server());
    let config = |keys: &[&KeyPair]| {
        let keys: Vec<_> =
            keys.iter().map(|key| format!("{{ key: {} }}", key.public_key())).collect();
        format!("proxies {{ trusted: [ {} ] }}", keys.join(", "))
    };
    let server = Server::builder().monitored().config(&config(&[&stays, &goes])).start();
    let mut three = [Some(&stays), Some(&goes), None].map(|key| comes(&server, key, ""));
    three.iter_mut().for_each(|raw| raw.expect("PONG\r\n"));
    three.iter_mut().for_each(|raw| drop(raw.line()));
    std::fs::write(server.folder().join("server.conf"), config(&[&stays])).expect("writes");
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded: proxies");
    let [mut by_one, mut by_other, mut direct] = three;
    by_other.expect_error("Authorization Violation");
    by_other.expect_eof();
    by_one.ping();
    direct.ping();
    assert_eq!(ended(&server, "Proxy Not Trusted"), 1);
}
