//! The same configuration on Corewire and on an installed nats-server: whoever comes in there comes
//! in here, into the same account, and nobody else does. Each configuration against each CONNECT.

use harness::{Raw, Server, Subject};

use crate::visitor::Visitor;

/// bcrypt of `secret`.
const HASH: &str = "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

/// `HASH` stands for the hash.
const CONFIGS: [&str; 12] = [
    "",
    "authorization { token: tok }",
    r#"authorization { token: "HASH" }"#,
    "authorization { user: u, password: p }",
    r#"authorization { user: u, password: "HASH" }"#,
    r#"authorization { users: [
        {user: u, password: p}, {user: e, password: ""}, {user: h, password: "HASH"}
    ] }"#,
    "authorization { users: [{user: u, password: p}, {user: n, password: q}] }, no_auth_user: n",
    r#"accounts {
        A { users: [{user: u, password: p}] }, B { users: [{user: h, password: "HASH"}] }
    }"#,
    "accounts {
        A { users: [{user: u, password: p}] }, B { users: [{user: n, password: q}] }
    }
    no_auth_user: n",
    "authorization { users: [
        {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4}, {user: u, password: p}
    ] }",
    "authorization { users: [
        {user: u, password: p, allowed_connection_types: [WEBSOCKET]}
        {user: s, password: p, allowed_connection_types: [STANDARD, MQTT]}
    ] }",
    "accounts { $SYS { users: [{user: s, password: p}] } }",
];

/// Fields of CONNECT. `HASH` stands for the hash.
const CONNECTS: [&str; 30] = [
    "",
    r#""user":"u","pass":"p""#,
    r#""user":"u","pass":"x""#,
    r#""user":"u""#,
    r#""user":"u","pass":"""#,
    r#""user":"U","pass":"p""#,
    r#""user":"u ","pass":"p""#,
    r#""user":"nobody","pass":"p""#,
    r#""pass":"p""#,
    r#""user":"n","pass":"q""#,
    r#""user":"n""#,
    r#""user":"e""#,
    r#""user":"e","pass":"""#,
    r#""user":"e","pass":"x""#,
    r#""user":"s","pass":"p""#,
    r#""user":"h","pass":"secret""#,
    r#""user":"h","pass":"HASH""#,
    r#""user":"u","pass":"secret""#,
    r#""auth_token":"tok""#,
    r#""auth_token":"secret""#,
    r#""auth_token":"HASH""#,
    r#""auth_token":"x""#,
    r#""auth_token":"""#,
    r#""user":"tok""#,
    r#""pass":"tok""#,
    r#""user":"u","pass":"p","auth_token":"x""#,
    r#""user":"x","pass":"x","auth_token":"tok""#,
    r#""nkey":"UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4","sig":"AAAA""#,
    r#""nkey":"bogus","user":"u","pass":"p""#,
    r#""jwt":"x.y.z""#,
];

/// What comes next but INFO.
fn next(raw: &mut Raw) -> String {
    loop {
        let frame = raw.frame().expect("an answer");
        if !frame.starts_with(b"INFO") {
            return String::from_utf8_lossy(&frame).into_owned();
        }
    }
}

/// The account that it comes into, or what it is told instead.
fn verdict(server: &Server, fields: &str) -> String {
    let mut raw = Visitor::saying(server.client(), fields).raw;
    raw.send("PING");
    let first = next(&mut raw);
    if first != "PONG\r\n" {
        return first;
    }
    raw.send("SUB i 1\r\nPUB $SYS.REQ.USER.INFO i 0\r\n");
    let message = next(&mut raw);
    let (_, body) = message.split_once("\r\n").expect("a message");
    let told: serde_json::Value = serde_json::from_str(body.trim_end()).expect("JSON");
    told["data"]["account"].to_string()
}

fn verdicts(subject: &Subject, config: &str) -> Vec<String> {
    let config = config.replace("HASH", HASH);
    let server = Server::builder_for(subject.clone()).cores(1).config(&config).start();
    CONNECTS.iter().map(|fields| verdict(&server, &fields.replace("HASH", HASH))).collect()
}

#[test]
fn who_comes_in_is_the_same_as_on_nats_server() {
    let Some(reference) = Subject::installed() else { return };
    // Before, nobody says into which account one came.
    if reference.skips("2.10.0") {
        return;
    }
    let mut different = Vec::new();
    for config in CONFIGS {
        let (ours, theirs) = (verdicts(&Subject::from_env(), config), verdicts(&reference, config));
        for ((fields, ours), theirs) in CONNECTS.iter().zip(&ours).zip(&theirs) {
            if ours != theirs {
                different.push(format!("{config}\n {fields}\n ours: {ours}\n theirs: {theirs}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
