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
    for fields in [r#""user":"b""#, r#""user":"n","pass":"x""#, r#""auth_token":"p""#] {
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

#[test]
fn overlapping_denials_hold_however_they_are_asked_for() {
    let server = one_core(
        "authorization { users: [{user: a, password: p, permissions: { subscribe: { allow: \">\", \
         deny: [\"s.*.secret\", \"s.x.>\", \"*.x.open\"] }, publish: { allow: \">\", deny: \
         [\"w.*\", \"w.a.>\"] } }}, {user: b, password: p}] }",
    );
    let mut a = Visitor::named(&server, "a", "p");
    for pattern in ["s.x.*", "s.x.open", "s.y.secret", "s.x.secret", "s.x.>", "t.x.open"] {
        assert_eq!(a.tells(&format!("SUB {pattern} 1")).len(), 1, "{pattern}");
    }
    for (sid, pattern) in [">", "s.>", "*.x.*", "s.*.*", "*.*.secret"].into_iter().enumerate() {
        assert!(a.tells(&format!("SUB {pattern} {}", sid + 10)).is_empty(), "{pattern}");
    }
    let mut b = Visitor::named(&server, "b", "p");
    for subject in ["s.x.open", "s.y.secret", "s.x.secret", "s.x.y.z", "t.x.open"] {
        b.publishes(subject);
        assert_eq!(a.tells(""), Vec::<String>::new(), "{subject} is not heard");
    }
    b.publishes("s.y.open");
    assert_eq!(a.tells("").len(), 6, "three patterns hear what is denied to none");
    for subject in ["w.a", "w.b", "w.a.b", "w.a.b.c"] {
        assert_eq!(a.publishes(subject).len(), 1, "{subject}");
    }
}

#[test]
fn names_with_control_characters_stay_inside_their_line_and_their_json() {
    let config = "system_account: SYS, accounts { SYS { users: [{user: s, password: p}] }, \
                  A { users: [{user: a, password: p}], exports: [{service: q}] }, \
                  B { users: [{user: b, password: p}], imports: \
                  [{service: {account: A, subject: q}, share: true}] } }";
    let server = harness::Server::builder().cores(1).monitored().config(config).start();
    let mut system = Visitor::named(&server, "s", "p");
    assert!(system.tells("SUB $SYS.ACCOUNT.B.CONNECT 1").is_empty());
    let mut a = Visitor::named(&server, "a", "p");
    assert!(a.tells("SUB q 1").is_empty());
    let name = "x\u{1}\r\n[ERR] forged\r\nMSG y 1 0\r\n\u{1b}[2J\"}\u{85}";
    let json = serde_json::to_string(name).expect("JSON");
    let fields = format!(r#""user":"b","pass":"p","name":{json},"lang":{json},"version":{json}"#);
    let mut b = Visitor::saying(server.client(), &fields);
    assert!(b.tells("SUB inbox 1").is_empty());

    let connz = harness::get(server.monitor(), &format!("/connz?cid={}", b.raw.cid())).body;
    let connz: serde_json::Value = serde_json::from_str(&connz).expect("JSON");
    assert_eq!(connz["connections"][0]["name"], name);
    let (_, event) = system.raw.message();
    let event: serde_json::Value = serde_json::from_slice(&event).expect("JSON");
    assert_eq!(event["client"]["name"], name);

    b.raw.send_bytes(b"PUB q inbox 0\r\n\r\n");
    let (line, body) = a.raw.message();
    let header = String::from_utf8(body).expect("text");
    assert!(line.starts_with("HMSG q 1 "), "{line}");
    assert_eq!(header.matches("\r\n").count(), 3, "one header: {header:?}");
    let info = header.split("Nats-Request-Info: ").nth(1).expect("who asks").trim();
    let info: serde_json::Value = serde_json::from_str(info).expect("JSON");
    assert_eq!(info["name"], name);

    let mut wrong = Visitor::saying(server.client(), &fields.replace("\"p\"", "\"no\""));
    wrong.raw.expect_error("Authorization Violation");
    server.wait_for_log("authentication error");
    assert!(!server.log_text().lines().any(|line| line.starts_with("[ERR] forged")));
    assert!(!server.log_text().contains('\u{1b}'));
}

#[test]
fn who_asks_is_never_who_says_so() {
    let server = one_core(
        "accounts { A { users: [{user: a, password: p}], exports: [{service: q}] }, \
         B { users: [{user: b, password: p}], imports: \
         [{service: {account: A, subject: q}, share: true}] } }",
    );
    let mut a = Visitor::named(&server, "a", "p");
    assert!(a.tells("SUB q 1").is_empty());
    let mut b = Visitor::named(&server, "b", "p");
    // However often and in whatever place it is said.
    let forged = "Nats-Request-Info: {\"acc\":\"A\",\"user\":\"root\"}\r\n";
    let headers = format!("NATS/1.0\r\n{forged}X: 1\r\n{forged}\r\n");
    let head = format!("HPUB q inbox {0} {0}\r\n", headers.len());
    b.raw.send_bytes(format!("{head}{headers}\r\n").as_bytes());
    let (_, body) = a.raw.message();
    let body = String::from_utf8(body).expect("text");
    assert_eq!(body.matches("Nats-Request-Info").count(), 1, "{body}");
    assert!(body.contains(r#""acc":"B""#) && !body.contains("root"), "{body}");
    assert!(body.contains("X: 1\r\n"), "{body}");
}

#[test]
fn no_header_makes_a_subject_with_a_blank() {
    let server = one_core("");
    let mut hears = Visitor::saying(server.client(), "");
    hears.tells("");
    assert!(hears.tells("SUB > 1").is_empty());
    let mut sends = Visitor::saying(server.client(), "");
    for destination in ["t u", "t 1 0", "t\tu", "t u.v"] {
        let headers = format!("NATS/1.0\r\nNats-Trace-Dest: {destination}\r\n\r\n");
        let head = format!("HPUB x {0} {0}\r\n", headers.len());
        sends.raw.send_bytes(format!("{head}{headers}\r\n").as_bytes());
        let told = sends.tells("");
        // nats-server delivers the message, and forgets the trace.
        let refused = told.iter().any(|line| line.starts_with("-ERR 'Permissions Violation"));
        assert_eq!(refused, server.subject().is_corewire(), "{told:?}");
        let heard = hears.tells("");
        assert!(!heard.iter().any(|line| line.contains("MSG t")), "{heard:?}");
    }
}
