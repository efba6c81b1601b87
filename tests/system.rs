//! The system account end to end: requests on `$SYS` subjects, and the events told there. Rows
//! E01 to E09 and R14; on nats-server too, as far as it is new enough.

use harness::{Pings, Raw, Server, Signal, get, until};
use serde_json::{Value, json};

const CONFIG: &str = r#"
accounts {
    SYS: { users: [ { user: admin, password: x } ] }
    A: { users: [
        { user: a, password: a }
        { user: limited, password: l, permissions: {
            publish: ["$SYS.REQ.USER.INFO", "own.>"], subscribe: { deny: "secret.>" }
        } }
    ] }
}
system_account: SYS
server_name: north-1
server_tags: ["region:north"]
"#;

fn server() -> Server {
    Server::with_config(CONFIG)
}

/// A client that logged in and answers PINGs.
fn login(server: &Server, user: &str, pass: &str) -> Raw {
    let mut raw = server.connect();
    raw.set_pings(Pings::Answered);
    let options = json!({
        "verbose": false, "user": user, "pass": pass, "name": "n", "lang": "l", "version": "v",
        "headers": true, "no_responders": true,
    });
    raw.send(&format!("CONNECT {options}"));
    raw.ping();
    raw
}

fn admin(server: &Server) -> Raw {
    login(server, "admin", "x")
}

/// Asks, and says what comes back: the control line and the payload.
fn exchange(raw: &mut Raw, subject: &str, payload: &str) -> (String, String) {
    raw.send("SUB answer 99\r\nUNSUB 99 1");
    raw.send(&format!("PUB {subject} answer {}\r\n{payload}", payload.len()));
    let (line, payload) = raw.message();
    (line, String::from_utf8(payload).expect("text"))
}

fn ask(raw: &mut Raw, subject: &str, payload: &str) -> Value {
    let (_, text) = exchange(raw, subject, payload);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{subject}: {error}: {text}"))
}

/// Whether the server says at once that nobody answers on `subject`.
fn is_unheard(raw: &mut Raw, subject: &str) -> bool {
    let (line, headers) = exchange(raw, subject, "");
    line.starts_with("HMSG ") && headers.starts_with("NATS/1.0 503")
}

/// The next event, with its subject.
fn event(raw: &mut Raw) -> (String, Value) {
    let (line, payload) = raw.message();
    let subject = line.split(' ').nth(1).expect("a subject").to_owned();
    (subject, serde_json::from_slice(&payload).expect("JSON"))
}

/// The next event on a subject that ends so.
fn event_on(raw: &mut Raw, end: &str) -> Value {
    loop {
        let (subject, told) = event(raw);
        if subject.ends_with(end) {
            return told;
        }
    }
}

#[test]
fn e01_every_server_or_one_is_asked_for_what_http_shows() {
    let server = server();
    let mut admin = admin(&server);
    let id = admin.info()["server_id"].as_str().expect("an id").to_owned();
    let topics = ["VARZ", "CONNZ", "SUBSZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "JSZ"];
    for topic in topics {
        for server in ["PING", &id] {
            let answer = ask(&mut admin, &format!("$SYS.REQ.SERVER.{server}.{topic}"), "");
            assert_eq!(answer["server"]["name"], "north-1", "{topic}");
            assert_eq!(answer["data"]["server_id"], id.as_str(), "{topic}");
        }
    }
    let healthz = ask(&mut admin, "$SYS.REQ.SERVER.PING.HEALTHZ", "");
    assert_eq!(healthz["data"]["status"], "ok");
    for subject in ["$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.STATSZ"] {
        let stats = ask(&mut admin, subject, "");
        assert_eq!(stats["server"]["id"], id.as_str());
        assert_eq!(stats["statsz"]["connections"], 1);
        assert_eq!(stats["statsz"]["active_accounts"], 1);
    }
    let connz = ask(&mut admin, "$SYS.REQ.SERVER.PING.CONNZ", r#"{"auth":true}"#);
    let own = &connz["data"]["connections"][0];
    assert_eq!((&own["cid"], &own["account"]), (&admin.cid().into(), &"SYS".into()));
    assert!(own["rtt"].as_str().is_some_and(|rtt| rtt != "0s"), "{own}");
    assert!(is_unheard(&mut admin, "$SYS.REQ.SERVER.PING.NONE"));
    assert!(is_unheard(&mut admin, "$SYS.REQ.SERVER.OTHER.VARZ"));
    assert!(is_unheard(&mut admin, "$SYS.REQ.SERVER.PING.KICK"));
    if server.subject().skips("2.12.0") {
        return;
    }
    let card = ask(&mut admin, "$SYS.REQ.SERVER.PING.IDZ", "");
    assert_eq!(card, json!({ "name": "north-1", "host": "127.0.0.1", "id": id }));
}

#[test]
fn e02_servers_that_are_not_meant_are_silent_and_answers_are_compressed() {
    let server = server();
    let mut admin = admin(&server);
    let subject = "$SYS.REQ.SERVER.PING.VARZ";
    for filter in [r#"{"server_name":"other"}"#, r#"{"tags":["slow"]}"#, r#"{"cluster":"c"}"#] {
        admin.send("SUB none 7");
        admin.send(&format!("PUB {subject} none {}\r\n{filter}", filter.len()));
    }
    let filter = r#"{"server_name":"north","tags":["region:north"]}"#;
    let (line, _) = exchange(&mut admin, subject, filter);
    assert!(line.starts_with("MSG answer "), "the first that is answered: {line}");
    let refused = ask(&mut admin, subject, r#"{"tags":7}"#);
    assert_eq!(refused["error"]["code"], 400);
    let head = "NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n";
    admin.send("SUB zipped 8");
    admin.send(&format!("HPUB {subject} zipped {0} {0}\r\n{head}", head.len()));
    let (line, payload) = admin.message();
    assert!(line.starts_with("HMSG zipped "), "{line}");
    let text = String::from_utf8_lossy(&payload).into_owned();
    assert!(text.starts_with("NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n"), "{text}");
    let zipped = payload.windows(2).any(|two| two == [0x1f, 0x8b]);
    assert!(zipped, "gzip's magic number: {text}");
}

#[test]
fn e03_a_server_tells_its_figures_by_itself() {
    let server = server();
    let mut admin = admin(&server);
    admin.send("SUB $SYS.SERVER.*.STATSZ 1");
    let (subject, told) = event(&mut admin);
    assert_eq!(
        subject,
        format!("$SYS.SERVER.{}.STATSZ", admin.info()["server_id"].as_str().unwrap())
    );
    assert!(told["statsz"]["mem"].as_u64() > Some(0));
    let (_, next) = event(&mut admin);
    assert!(next["server"]["seq"].as_u64() > told["server"]["seq"].as_u64());
}

#[test]
fn e04_connections_that_come_go_and_fail_are_told() {
    let server = server();
    let mut admin = admin(&server);
    admin.send("SUB $SYS.ACCOUNT.*.CONNECT 1\r\nSUB $SYS.ACCOUNT.*.DISCONNECT 2");
    admin.send("SUB $SYS.SERVER.*.CLIENT.AUTH.ERR 3");
    admin.ping();
    let mut client = login(&server, "a", "a");
    let (subject, told) = event(&mut admin);
    assert_eq!(subject, "$SYS.ACCOUNT.A.CONNECT");
    assert_eq!(told["type"], "io.nats.server.advisory.v1.client_connect");
    let about = &told["client"];
    assert_eq!((&about["id"], &about["acc"]), (&client.cid().into(), &"A".into()));
    assert_eq!((&about["user"], &about["name"]), (&"a".into(), &"n".into()));
    client.publish("x", "123");
    client.ping();
    client.finish_sending();
    client.expect_eof();
    let (subject, told) = event(&mut admin);
    assert_eq!(subject, "$SYS.ACCOUNT.A.DISCONNECT");
    assert_eq!(told["reason"], "Client Closed");
    assert_eq!(told["sent"], json!({ "msgs": 1, "bytes": 3 }));
    assert!(told["client"]["stop"].is_string());
    let mut stranger = server.connect();
    stranger.send(r#"CONNECT {"verbose":false,"user":"a","pass":"wrong"}"#);
    stranger.expect_error("Authorization Violation");
    let (subject, told) = event(&mut admin);
    assert!(subject.ends_with(".CLIENT.AUTH.ERR"), "{subject}");
    assert_eq!(told["reason"], "Authentication Failure");
    assert_eq!(told["client"]["id"], stranger.cid());
    // Who is turned away has gone too: from the account in which connections begin.
    let (subject, told) = event(&mut admin);
    assert_eq!(subject, "$SYS.ACCOUNT.$G.DISCONNECT");
    assert_eq!(told["reason"], "Authentication Failure");
    let scan = server.connect();
    let cid = scan.cid();
    drop(scan);
    let (subject, told) = event(&mut admin);
    assert_eq!(subject, "$SYS.ACCOUNT.$G.DISCONNECT");
    assert_eq!((&told["client"]["id"], &told["reason"]), (&cid.into(), &"Client Closed".into()));
}

#[test]
fn e04_who_finds_an_account_full_is_told_of_as_gone_from_it() {
    let config = r#"
        system_account: SYS
        accounts {
            SYS: { users: [ { user: s, password: s } ] }
            A: { users: [ { user: a, password: a } ], limits: { max_connections: 1 } }
        }"#;
    let server = Server::builder().monitored().config(config).start();
    if server.subject().skips("2.12.0") {
        return;
    }
    let mut admin = login(&server, "s", "s");
    admin.send("SUB $SYS.ACCOUNT.A.DISCONNECT 1");
    admin.ping();
    let _first = login(&server, "a", "a");
    let mut second = server.connect();
    second.send(r#"CONNECT {"verbose":false,"user":"a","pass":"a"}"#);
    second.expect_error("maximum account active connections exceeded");
    let (subject, told) = event(&mut admin);
    assert_eq!(subject, "$SYS.ACCOUNT.A.DISCONNECT");
    assert_eq!(told["reason"], "Maximum Account Connections Exceeded");
    assert_eq!(told["client"]["id"], second.cid());
    let closed = until("the second among the closed", || {
        let all = get(server.monitor(), "/connz?state=closed&auth=1").json();
        all["connections"].get(0).cloned()
    });
    assert_eq!((&closed["cid"], &closed["account"]), (&second.cid().into(), &"A".into()));
}

#[test]
fn e05_the_number_of_an_accounts_connections_is_told_when_it_changes() {
    let server = server();
    let mut admin = admin(&server);
    admin.send("SUB $SYS.ACCOUNT.A.SERVER.CONNS 1");
    admin.ping();
    let mut client = login(&server, "a", "a");
    let told = event_on(&mut admin, ".SERVER.CONNS");
    assert_eq!(told["type"], "io.nats.server.advisory.v1.account_connections");
    assert_eq!((&told["acc"], &told["conns"]), (&"A".into(), &1.into()));
    client.finish_sending();
    client.expect_eof();
    assert_eq!(event_on(&mut admin, ".SERVER.CONNS")["conns"], 0);
}

#[test]
fn e06_the_servers_end_is_told() {
    let server = Server::builder().cores(2).config(CONFIG).start();
    let mut admins: Vec<Raw> = (0..4).map(|_| admin(&server)).collect();
    for admin in &mut admins {
        admin.send("SUB $SYS.SERVER.*.SHUTDOWN 1");
        admin.ping();
    }
    server.signal(Signal::INT);
    for admin in &mut admins {
        let (subject, told) = event(admin);
        let id = admin.info()["server_id"].as_str().expect("an id");
        assert_eq!(subject, format!("$SYS.SERVER.{id}.SHUTDOWN"));
        assert_eq!(told["id"], id);
    }
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn e06_lame_duck_is_told() {
    let config = format!("{CONFIG}\nlame_duck_duration: 30s\nlame_duck_grace_period: 1s\n");
    let server = Server::with_config(&config);
    if server.subject().skips("2.10.0") {
        return;
    }
    let mut admin = admin(&server);
    admin.send("SUB $SYS.SERVER.*.LAMEDUCK 1");
    admin.ping();
    server.signal(Signal::USR2);
    let (subject, told) = event(&mut admin);
    let id = admin.info()["server_id"].as_str().expect("an id");
    assert_eq!(subject, format!("$SYS.SERVER.{id}.LAMEDUCK"));
    assert_eq!(told["id"], id);
}

#[test]
fn e07_a_client_is_kicked_or_warned_and_the_configuration_reloaded() {
    let server = server();
    if server.subject().skips("2.10.0") {
        return;
    }
    let mut admin = admin(&server);
    let id = admin.info()["server_id"].as_str().expect("an id").to_owned();
    let mut client = server.connect();
    // Only clients of protocol 1 take INFO later, first behind the first PONG.
    client.send(r#"CONNECT {"verbose":false,"user":"a","pass":"a","protocol":1}"#);
    client.ping();
    assert!(client.line().starts_with("INFO "));
    let cid = client.cid();
    let mut order = |topic: &str, options: &str| {
        ask(&mut admin, &format!("$SYS.REQ.SERVER.{id}.{topic}"), options)
    };
    assert!(order("LDM", &format!(r#"{{"cid":{cid}}}"#)).get("error").is_none());
    assert!(client.line().contains(r#""ldm":true"#));
    assert!(order("KICK", &format!(r#"{{"cid":{cid}}}"#)).get("error").is_none());
    client.expect_eof();
    assert_eq!(order("KICK", &format!(r#"{{"cid":{cid}}}"#))["error"]["code"], 500);
    assert!(order("RELOAD", "").get("error").is_none());
    let file = server.folder().join("server.conf");
    std::fs::write(&file, format!("{CONFIG}\nport: wrong")).expect("written");
    let refused = order("RELOAD", "");
    assert_eq!(refused["error"]["code"], 500, "{refused}");
    std::fs::write(&file, format!("{CONFIG}\nmax_payload: 1024")).expect("written");
    assert!(order("RELOAD", "").get("error").is_none());
    let varz = order("VARZ", "");
    assert_eq!(varz["data"]["max_payload"], 1024);
    let closed = order("CONNZ", r#"{"state":1}"#);
    assert_eq!(closed["data"]["connections"][0]["reason"], "Kicked");
}

#[test]
fn e08_users_learn_who_they_are() {
    let server = server();
    if server.subject().skips("2.10.0") {
        return;
    }
    let own = |user: &str, pass: &str| {
        let answer = ask(&mut login(&server, user, pass), "$SYS.REQ.USER.INFO", "");
        answer["data"].clone()
    };
    assert_eq!(own("a", "a")["account"], "A");
    assert_eq!(own("admin", "x")["user"], "admin");
    let limited = own("limited", "l");
    let permissions = &limited["permissions"];
    assert_eq!(permissions["publish"]["allow"], json!(["$SYS.REQ.USER.INFO", "own.>"]));
    assert_eq!(permissions["subscribe"]["deny"], json!(["secret.>"]));
}

#[test]
fn n09_every_account_may_ask_about_itself_at_once_on_every_core() {
    let server = Server::builder().cores(2).config(CONFIG).start();
    let own = [
        ("$SYS.REQ.USER.INFO", "/data/account"),
        ("$SYS.REQ.ACCOUNT.PING.CONNZ", "/data/num_connections"),
        ("$SYS.REQ.SERVER.PING.CONNZ", "/data/num_connections"),
        ("$SYS.REQ.ACCOUNT.PING.STATZ", "/data/account_statz/0/acc"),
    ];
    for _ in 0..4 {
        let mut raw = server.connect();
        raw.set_pings(Pings::Answered);
        // In one breath: the account's first client on this core asks before its first PONG.
        let ask =
            |(at, (subject, _)): (usize, &(&str, &str))| format!("PUB {subject} answer.{at} 0\r\n");
        let asked: Vec<String> = own.iter().enumerate().map(ask).collect();
        let (options, asked) = (r#"{"verbose":false,"user":"a","pass":"a"}"#, asked.join("\r\n"));
        raw.send(&format!("CONNECT {options}\r\nSUB answer.* 1\r\n{asked}"));
        // Each core answers in order, but one may be ahead of the other.
        let mut waiting: Vec<&str> = own.iter().map(|(_, place)| *place).collect();
        for _ in own {
            let (line, payload) = raw.message();
            let at = line.split(' ').nth(1).and_then(|subject| subject.strip_prefix("answer."));
            let at: usize = at.and_then(|at| at.parse().ok()).expect("an answer");
            let answer: Value = serde_json::from_slice(&payload).expect("JSON");
            let said = answer.pointer(std::mem::take(&mut waiting[at]));
            assert!(said.is_some_and(|said| said == "A" || said.is_u64()), "{line}: {answer}");
        }
        // One answer each: what comes next was asked for now.
        raw.send("SUB marked 2\r\nPUB $SYS.REQ.USER.INFO marked 0\r\n");
        assert!(raw.message().0.starts_with("MSG marked 2 "));
    }
}

#[test]
fn e09_accounts_are_asked_about_one_by_one() {
    let server = server();
    let mut admin = admin(&server);
    let mut client = login(&server, "a", "a");
    client.send("SUB a.> 1");
    client.ping();
    let mut about = |topic: &str, options: &str| {
        ask(&mut admin, &format!("$SYS.REQ.ACCOUNT.A.{topic}"), options)["data"].clone()
    };
    assert_eq!(about("INFO", "")["account_name"], "A");
    assert_eq!(about("INFO", "")["client_connections"], 1);
    assert_eq!(about("CONNZ", "")["connections"][0]["cid"], client.cid());
    let subjects = about("SUBSZ", r#"{"subscriptions":true}"#)["subscriptions_list"].clone();
    let subjects = subjects.as_array().expect("a list");
    assert!(subjects.iter().any(|one| one["subject"] == "a.>"), "{subjects:?}");
    assert_eq!(about("LEAFZ", "")["leafnodes"], 0);
    assert_eq!(about("STATZ", "")["account_statz"][0]["conns"], 1);
    let all = ask(&mut admin, "$SYS.REQ.ACCOUNT.PING.STATZ", r#"{"include_unused":true}"#);
    let all = all["data"]["account_statz"].as_array().expect("a list").clone();
    assert_eq!(all.len(), 3, "{all:?}");
    let unknown = ask(&mut admin, "$SYS.REQ.ACCOUNT.NOPE.INFO", "");
    assert_eq!(unknown["error"]["description"], "Account NOPE does not exist");
    for subject in ["$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ"] {
        let own = ask(&mut client, subject, "");
        assert_eq!(own["data"]["num_connections"], 1, "one's own account only");
    }
    assert_eq!(
        ask(&mut client, "$SYS.REQ.ACCOUNT.PING.STATZ", "")["data"]["account_statz"][0]["acc"],
        "A"
    );
    assert!(is_unheard(&mut client, "$SYS.REQ.SERVER.PING.VARZ"));
    assert!(is_unheard(&mut client, "$SYS.REQ.ACCOUNT.SYS.CONNZ"));
}

#[test]
fn r14_subscribers_are_counted() {
    let server = server();
    let mut admin = admin(&server);
    let mut others: Vec<Raw> = (0..3).map(|_| login(&server, "admin", "x")).collect();
    others[0].send("SUB foo 1");
    others[1].send("SUB foo.* q 1");
    others[2].send("SUB foo.> 1");
    others.iter_mut().for_each(Raw::ping);
    for (subject, count) in [
        ("foo", "1"),
        ("foo.x", "2"),
        ("foo.*", "1"),
        ("foo.>", "2"),
        ("foo.x q", "1"),
        ("foo.x z", "0"),
        ("none", "0"),
        ("a..b", "0"),
    ] {
        let (_, counted) = exchange(&mut admin, "$SYS.DEBUG.SUBSCRIBERS", subject);
        assert_eq!(counted, count, "{subject}");
    }
}

#[test]
fn an_account_that_a_reload_brings_may_ask_about_itself() {
    let server = server();
    if server.subject().skips_ours() {
        return;
    }
    let file = server.folder().join("server.conf");
    let more = CONFIG.replace("accounts {", "accounts {\n B: { users: [{user: b, password: b}] }");
    std::fs::write(&file, more).expect("written");
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded server configuration");
    let mut client = login(&server, "b", "b");
    let own = until("the new account is listened to", || {
        (!is_unheard(&mut client, "$SYS.REQ.USER.INFO"))
            .then(|| ask(&mut client, "$SYS.REQ.USER.INFO", ""))
    });
    assert_eq!(own["data"]["account"], "B");
}
