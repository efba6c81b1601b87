//! Accounts, their imports, exports and mappings: rows N01 to N06.

use harness::Server;

use crate::visitor::{Visitor, one_core};

const ACCOUNTS: &str = r#"
accounts {
  A {
    users: [{user: a, password: p}]
    exports: [{stream: "s.>"}, {service: "q.*"}, {stream: "own.*.x", account_token_position: 2}
              {service: "only.c", accounts: [C]}]
    mappings: { "m.*": "mapped.$1", half: [{dest: other, weight: 50}] }
  }
  B {
    users: [{user: b, password: p}]
    imports: [{stream: {account: A, subject: "s.>"}, prefix: from}
              {service: {account: A, subject: "q.*"}, to: "ask.$1", share: true}
              {stream: {account: A, subject: "own.B.x"}}]
  }
  C { users: [{user: c, password: p}], imports: [{service: {account: A, subject: only.c}}] }
  SYS { users: [{user: s, password: p}] }
}
system_account: SYS
"#;

#[test]
fn n01_accounts_hear_only_themselves() {
    let server = one_core(ACCOUNTS);
    let mut a = Visitor::named(&server, "a", "p");
    let mut c = Visitor::named(&server, "c", "p");
    assert!(c.tells("SUB > 1").is_empty());
    a.publishes("s.x");
    a.publishes("other");
    assert!(c.tells("").is_empty());
    c.publishes("own");
    assert_eq!(c.tells(""), Vec::<String>::new(), "its own came before its PONG");
}

#[test]
fn n01_the_first_pong_names_the_account() {
    let server = one_core(ACCOUNTS);
    for (user, account, system) in [("a", "A", false), ("s", "SYS", true)] {
        let mut visitor =
            Visitor::saying(server.client(), &format!(r#""user":"{user}","pass":"p""#));
        visitor.raw.send("PING");
        assert_eq!(visitor.raw.line(), "PONG");
        let info = visitor.raw.line();
        assert!(info.contains(&format!(r#""remote_account":"{account}""#)), "{info}");
        assert_eq!(info.contains(r#""acc_is_sys":true"#), system, "{info}");
    }
}

#[test]
fn n02_a_stream_arrives_under_its_own_name() {
    let server = one_core(ACCOUNTS);
    let mut a = Visitor::named(&server, "a", "p");
    let mut b = Visitor::named(&server, "b", "p");
    assert!(b.tells("SUB from.s.* 1\r\nSUB own.*.x 2\r\nSUB s.> 3").is_empty());
    for subject in ["s.x", "s.x.y", "own.B.x", "own.C.x"] {
        a.publishes(subject);
    }
    assert_eq!(b.tells(""), ["MSG from.s.x 1 0", "", "MSG own.B.x 2 0", ""]);
}

#[test]
fn n03_n06_a_request_crosses_with_who_asks_and_its_answer_comes_back() {
    let server = one_core(ACCOUNTS);
    let mut a = Visitor::named(&server, "a", "p");
    let mut b = Visitor::named(&server, "b", "p");
    assert!(a.tells("SUB q.* 1").is_empty());
    assert!(b.tells("SUB inbox 1").is_empty());
    let spoofed = "NATS/1.0\r\nNats-Request-Info: {\"acc\":\"SYS\"}\r\n\r\n";
    b.raw
        .send_bytes(format!("HPUB ask.7 inbox {0} {0}\r\n{spoofed}\r\n", spoofed.len()).as_bytes());
    assert!(b.tells("").is_empty());
    let (line, body) = a.raw.message();
    let body = String::from_utf8(body).expect("text");
    assert!(line.starts_with("HMSG q.7 1 _R_."), "{line}");
    assert!(body.contains(r#""acc":"B""#) && body.contains(r#""user":"b""#), "{body}");
    assert!(!body.contains("SYS"), "{body}");
    assert!(body.contains(r#"{"start":"20"#), "when it came: {body}");
    let reply = line.split(' ').nth(3).expect("a reply").to_owned();
    assert!(a.publishes(&reply).is_empty());
    assert_eq!(b.tells(""), ["MSG inbox 1 0", ""]);
    assert!(a.publishes(&reply).is_empty());
    assert!(b.tells("").is_empty(), "one answer");
}

#[test]
fn n03_the_importer_maps_the_answers_that_come_home() {
    let server = one_core(
        r#"accounts {
          A { users: [{user: a, password: p}], exports: [{service: q}] }
          B { users: [{user: b, password: p}], imports: [{service: {account: A, subject: q}}],
              mappings: { "old.*": "new.$1" } }
        }"#,
    );
    let mut a = Visitor::named(&server, "a", "p");
    let mut b = Visitor::named(&server, "b", "p");
    assert!(a.tells("SUB q 1").is_empty());
    assert!(b.tells("SUB *.* 1\r\nPUB q old.1 0\r\n").is_empty());
    let (line, _) = a.raw.message();
    a.publishes(line.split(' ').nth(3).expect("a reply"));
    assert_eq!(b.tells(""), ["MSG new.1 1 0", ""]);
}

#[test]
fn n06_an_account_between_is_named_beside_who_asks() {
    let server = one_core(
        r#"accounts {
          A { users: [{user: a, password: p}], exports: [{service: q}] }
          'B"' { imports: [{service: {account: A, subject: q}}], exports: [{service: q}] }
          C { users: [{user: c, password: p}], imports: [{service: {account: 'B"', subject: q}}] }
        }"#,
    );
    let mut a = Visitor::named(&server, "a", "p");
    let mut c = Visitor::named(&server, "c", "p");
    assert!(a.tells("SUB q 1").is_empty());
    assert!(c.tells("PUB q 0\r\n").is_empty());
    let (_, body) = a.raw.message();
    let body = String::from_utf8(body).expect("text");
    assert!(body.contains(r#""acc":"C""#) && body.contains(r#","svc":"B\""}"#), "{body}");
}

#[test]
fn n04_n05_what_is_not_offered_or_would_come_back_stops_the_start() {
    let refused_among = |others: &str, imports_of_b: &str, imports_of_a: &str| {
        let config = format!(
            "accounts {{ A {{ exports: [{{service: x, accounts: [C]}}, {{service: y}}], imports: \
             [{imports_of_a}] }}, B {{ exports: [{{service: y}}], imports: [{imports_of_b}] \
             }}{others} }}"
        );
        let folder = harness::Folder::new();
        let file = folder.write("bad.conf", &config);
        let end =
            Server::run_to_end(&["-c", &file.to_string_lossy(), "-a", "127.0.0.1", "-p", "-1"]);
        assert_ne!(end.code, Some(0));
        end.stderr
    };
    let refused = |of_b: &str, of_a: &str| refused_among(", C {}", of_b, of_a);
    let missing = refused_among("", "", "");
    assert!(missing.contains("\"C\" account not defined for service export"), "{missing}");
    let x = refused("{service: {account: A, subject: x}}", "");
    assert!(x.contains("service import") && x.contains("\"x\""), "{x}");
    assert!(x.contains("not authorized"), "{x}");
    let unknown = refused("{service: {account: Z, subject: x}}", "");
    assert!(unknown.contains("\"Z\" account not defined for service import"), "{unknown}");
    let cycle =
        refused("{service: {account: A, subject: y}}", "{service: {account: B, subject: y}}");
    assert!(cycle.contains("forms a cycle"), "{cycle}");
}

#[test]
fn mappings_change_what_is_published() {
    let server = one_core(ACCOUNTS);
    let mut a = Visitor::named(&server, "a", "p");
    assert!(a.tells("SUB > 1").is_empty());
    assert_eq!(a.publishes("m.7"), ["MSG mapped.7 1 0", ""]);
    let subjects: Vec<String> = (0..200).map(|_| a.publishes("half")[0].clone()).collect();
    let mapped = subjects.iter().filter(|line| *line == "MSG other 1 0").count();
    let kept = subjects.iter().filter(|line| *line == "MSG half 1 0").count();
    assert!(mapped > 40 && kept > 40 && mapped + kept == 200, "{mapped} and {kept}");
}
