//! What was once wrong in nats-server, class by class (issue 6, Holds against).

use harness::Raw;

use crate::visitor::{Visitor, one_core};

#[test]
fn spoofed_replies_and_reserved_subjects_are_refused() {
    let server = one_core("accounts { A { users: [{user: a, password: p}] } }");
    let mut a = Visitor::named(&server, "a", "p");
    for line in ["PUB x _R_.aaaaaa.bbbbbb 0\r\n", "PUB x $JS.ACK.s 0\r\n", "PUB _GR_.x 0\r\n"] {
        let told = a.tells(line);
        assert!(told.len() == 1 && told[0].contains("Permissions Violation"), "{line:?}: {told:?}");
    }
}

#[test]
fn nobody_is_let_in_by_a_nonce_that_was_signed_before() {
    let pair = nkeys::KeyPair::new_user();
    let key = pair.public_key();
    let server = one_core(&format!("authorization {{ users: [ {{ nkey: {key} }} ] }}"));
    let first = Raw::connect(server.client());
    let nonce = first.info()["nonce"].as_str().expect("a nonce").to_owned();
    let sig = pair.sign(nonce.as_bytes()).expect("signs");
    let sig = data_encoding::BASE64URL_NOPAD.encode(&sig);
    let mut second = Raw::connect(server.client());
    assert_ne!(second.info()["nonce"].as_str(), Some(nonce.as_str()));
    second.send(&format!(r#"CONNECT {{"verbose":false,"nkey":"{key}","sig":"{sig}"}}"#));
    second.expect_error("Authorization Violation");
}

#[test]
fn a_user_that_stands_for_nobody_opens_no_other_door() {
    let server = one_core(
        "no_auth_user: n\naccounts { A { users: [{user: n, password: p, \
         permissions: {publish: open}}] }, B { users: [{user: b, password: p}] } }",
    );
    for fields in
        [r#""user":"b""#, r#""user":"n","pass":"x""#, r#""auth_token":"p""#, r#""nkey":"U""#]
    {
        let mut visitor = Visitor::saying(server.client(), fields);
        visitor.raw.expect_error("Authorization Violation");
    }
    let mut b = Visitor::named(&server, "b", "p");
    assert!(b.tells("SUB > 1").is_empty());
    let mut nobody = Visitor::saying(server.client(), "");
    assert!(nobody.publishes("open").is_empty());
    assert!(b.tells("").is_empty());
}

#[test]
fn a_queue_group_is_no_way_around_a_denial() {
    let server = one_core(
        "authorization { users: [{user: a, password: p, permissions: { subscribe: \
         { deny: [\"d\", \"e.>\"] } }}] }",
    );
    let mut a = Visitor::named(&server, "a", "p");
    for line in ["SUB d q 1", "SUB e.x q 2", "SUB e.> q 3", "SUB e.* q 4"] {
        assert_eq!(a.tells(line).len(), 1, "{line}");
    }
    assert!(a.tells("SUB > q 5").is_empty());
    for subject in ["d", "e.x", "e.x.y"] {
        assert!(a.publishes(subject).is_empty(), "{subject} is not heard through >");
    }
    assert_eq!(a.publishes("f"), ["MSG f 5 0", ""]);
}

#[test]
fn no_secret_stands_in_the_log_or_in_monitoring() {
    let config = "authorization { users: [{user: ann, password: hunter2}] }";
    let server = harness::Server::builder().args(&["-DV"]).monitored().config(config).start();
    let mut ann = Visitor::named(&server, "ann", "hunter2");
    let mut wrong = Visitor::saying(server.client(), r#""user":"ann","pass":"hunter3""#);
    wrong.raw.expect_error("Authorization Violation");
    for path in ["/varz", "/connz?auth=1&subs=detail&state=all", "/accountz?acc=$G"] {
        let body = harness::get(server.monitor(), path).body;
        assert!(!body.contains("hunter"), "{path}");
    }
    assert!(ann.tells("").is_empty());
    assert!(!server.log_text().contains("hunter"));
}

#[test]
fn who_stands_for_nobody_comes_in_no_other_way_before_connect() {
    let server = one_core(
        "no_auth_user: n\nauthorization { users: [{user: n, password: p, \
         allowed_connection_types: [MQTT]}, {user: b, password: p}] }",
    );
    let mut early = Raw::connect(server.client());
    early.send("SUB > 1");
    early.expect_error("Authorization Violation");
    Visitor::saying(server.client(), "").raw.expect_error("Authorization Violation");
}
