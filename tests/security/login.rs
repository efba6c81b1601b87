//! Ways to log in: rows A02, A03, A08, A14, N08.

use std::time::Duration;

use harness::{Raw, Server};

use crate::visitor::{Visitor, one_core};

/// Whether the server lets in who says this.
fn lets_in(server: &Server, fields: &str) -> bool {
    let mut visitor = Visitor::saying(server.client(), fields);
    visitor.raw.send("PING");
    visitor.raw.line() == "PONG"
}

#[test]
fn a02_hashed_passwords_and_tokens() {
    let hash = bcrypt::hash("secret", 4).expect("hashes");
    let server = one_core(&format!("authorization {{ user: ann, password: \"{hash}\" }}"));
    assert!(lets_in(&server, r#""user":"ann","pass":"secret""#));
    assert!(!lets_in(&server, r#""user":"ann","pass":"other""#));
    assert!(!lets_in(&server, r#""user":"bob","pass":"secret""#));
    assert!(!lets_in(&server, &format!(r#""user":"ann","pass":"{hash}""#)));
    assert!(!server.log_text().contains("Plaintext passwords"));
    let server = one_core(&format!("authorization {{ token: \"{hash}\" }}"));
    assert!(lets_in(&server, r#""auth_token":"secret""#));
    assert!(!lets_in(&server, r#""auth_token":"other""#));
    let server = one_core("authorization { user: ann, password: secret }");
    server.wait_for_log("Plaintext passwords detected, use nkeys or bcrypt");
}

#[test]
fn a02_what_follows_a_slow_login_waits_for_it_and_others_do_not() {
    let hash = bcrypt::hash("secret", 9).expect("hashes");
    let server = one_core(&format!(
        "authorization {{ users: [ {{user: ann, password: \"{hash}\"}}, \
         {{user: bob, password: \"{hash}\"}} ] }}"
    ));
    let mut bob = Visitor::named(&server, "bob", "secret");
    let mut storm: Vec<Visitor> = (0..8)
        .map(|_| Visitor::saying(server.client(), r#""user":"ann","pass":"secret""#))
        .collect();
    for visitor in &mut storm {
        visitor.raw.send("SUB a 1\r\nPING");
    }
    assert!(bob.tells("").is_empty(), "answered while the others are checked");
    for visitor in &mut storm {
        assert_eq!(visitor.raw.line(), "PONG");
    }
    bob.publishes("a");
    assert_eq!(storm[0].tells(""), ["MSG a 1 0", ""]);
}

#[test]
fn a02_a_check_that_takes_longer_than_a_client_may_is_not_its_fault() {
    let hash = bcrypt::hash("secret", 10).expect("hashes");
    // Far less than a comparison takes, and enough for a CONNECT that follows at once to be in time
    // on a machine that is not too busy: who is too late tries again, as clients do.
    let server =
        one_core(&format!("authorization {{ user: ann, password: \"{hash}\", timeout: 0.02 }}"));
    harness::until("ann is let in", || {
        let mut raw = Raw::connect(server.client());
        raw.send(r#"CONNECT {"verbose":false,"user":"ann","pass":"secret"}"#);
        raw.send("PING");
        (raw.line() == "PONG").then_some(())
    });
}

#[test]
fn a03_a_key_signs_the_nonce() {
    let pair = nkeys::KeyPair::new_user();
    let key = pair.public_key();
    let server = one_core(&format!("authorization {{ users: [ {{ nkey: {key} }} ] }}"));
    let log_in = |sign: &dyn Fn(&str) -> Vec<u8>| {
        let mut raw = Raw::connect(server.client());
        let nonce = raw.info()["nonce"].as_str().expect("a nonce").to_owned();
        assert_eq!(nonce.len(), 15);
        let sig = data_encoding::BASE64URL_NOPAD.encode(&sign(&nonce));
        raw.send(&format!(r#"CONNECT {{"verbose":false,"nkey":"{key}","sig":"{sig}"}}"#));
        raw.send("PING");
        raw.line()
    };
    assert_eq!(log_in(&|nonce| pair.sign(nonce.as_bytes()).expect("signs")), "PONG");
    let refused = "-ERR 'Authorization Violation'";
    assert_eq!(log_in(&|_| pair.sign(b"another").expect("signs")), refused);
    let other = nkeys::KeyPair::new_user();
    assert_eq!(log_in(&|nonce| other.sign(nonce.as_bytes()).expect("signs")), refused);
    assert_eq!(log_in(&|_| Vec::new()), refused);
    server.wait_for_log(&format!("authentication error - Nkey \"{key}\""));
}

#[test]
fn a08_who_says_nothing_is_the_user_that_stands_for_such() {
    let server = one_core(
        "no_auth_user: nobody\nauthorization { users: [ {user: ann, password: a}, \
         {user: nobody, password: n, permissions: { publish: open }} ] }",
    );
    let mut raw = Raw::connect(server.client());
    assert!(raw.info().get("auth_required").is_none());
    raw.send("PUB closed 0\r\n\r\nPING");
    // spec/client-protocol.md §2.2: what is refused is not acknowledged.
    raw.expect_error("Permissions Violation for Publish to \"closed\"");
    drop(raw);
    let mut visitor = Visitor::saying(server.client(), "");
    assert!(visitor.publishes("open").is_empty());
    assert_eq!(visitor.publishes("closed").len(), 1);
    assert!(lets_in(&server, r#""user":"ann","pass":"a""#));
    assert!(!lets_in(&server, r#""user":"ann","pass":"b""#));
    assert!(!lets_in(&server, r#""user":"nobody""#), "its own password is wanted of who names it");
}

#[test]
fn a14_a_user_of_other_kinds_of_connections_stays_out() {
    let server = one_core(
        "authorization { users: [ {user: web, password: p, allowed_connection_types: [websocket]}, \
         {user: any, password: p, allowed_connection_types: [STANDARD, mqtt]} ] }",
    );
    assert!(!lets_in(&server, r#""user":"web","pass":"p""#));
    assert!(lets_in(&server, r#""user":"any","pass":"p""#));
}

#[test]
fn n08_an_account_has_only_so_many_connections_payload_and_subscriptions() {
    let server = Server::with_config(
        "accounts { A { users: [{user: ann, password: a}], \
         limits { max_connections: 2, max_payload: 10, max_subscriptions: 1 } }, \
         B { users: [{user: bob, password: b}] } }",
    );
    let mut first = Visitor::named(&server, "ann", "a");
    let second = Visitor::named(&server, "ann", "a");
    let mut third = Visitor::saying(server.client(), r#""user":"ann","pass":"a""#);
    third.raw.expect_error("maximum account active connections exceeded");
    third.raw.expect_eof();
    assert!(lets_in(&server, r#""user":"bob","pass":"b""#));
    let refused = first.tells("SUB a 1\r\nSUB b 2");
    assert_eq!(refused, ["-ERR 'maximum subscriptions exceeded'"]);
    drop(second);
    harness::until("a place in the account", || {
        lets_in(&server, r#""user":"ann","pass":"a""#).then_some(())
    });
    first.raw.send("PUB a 11\r\n12345678901");
    first.raw.expect_error("Maximum Payload Violation");
}

#[test]
fn a_client_that_says_nothing_is_closed_in_time() {
    let server = one_core("authorization { user: ann, password: a, timeout: 0.2 }");
    let mut raw = Raw::connect(server.client());
    raw.expect_error("Authentication Timeout");
    raw.expect_eof();
    let mut ann = Visitor::named(&server, "ann", "a");
    assert!(ann.tells("").is_empty());
    assert!(ann.raw.is_silent_for(Duration::from_millis(400)), "who logged in may be silent");
}
