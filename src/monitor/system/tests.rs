//! Every service and event against a fake server: subjects, envelopes, options, refusals.

use base::Counter;
use base::snapshot::{ConnectionEvent, Happening};
use serde_json::{Value, json};

use super::*;
use crate::fake::{self, FakeServer, START_NS};
use crate::source::Health;
use crate::wording::Wording;

/// ServerInfo (spec/monitoring.md §14) of a full server, in order.
const SERVER_INFO: [&str; 12] = [
    "name",
    "host",
    "id",
    "domain",
    "ver",
    "tags",
    "metadata",
    "feature_flags",
    "jetstream",
    "flags",
    "seq",
    "time",
];

const ACCOUNT_A: AccountId = AccountId(2);

fn desk(server: FakeServer) -> SystemDesk<FakeServer> {
    let source = Rc::new(server);
    let desk = Rc::new(Desk::new(Rc::clone(&source), Wording::at_once()));
    SystemDesk::new(source, desk)
}

fn request(account: AccountId, subject: &str, payload: &str) -> SystemRequest {
    SystemRequest {
        account,
        asker: Asker { shard: ShardId(0), slot: ConnSlot(1) },
        subject: subject.into(),
        reply: Some(b"_INBOX.1".to_vec()),
        headers: Vec::new(),
        payload: payload.into(),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The answer, of which there is one at most.
fn answer(desk: &SystemDesk<FakeServer>, request: &SystemRequest) -> Option<Announcement> {
    let mut answers = block_on(desk.answer(request));
    assert!(answers.len() <= 1, "one answer at most: {answers:?}");
    answers.pop()
}

/// The payload of the answer, which goes where it was asked to.
fn ask_as(account: AccountId, server: FakeServer, subject: &str, payload: &str) -> Option<String> {
    let answer = answer(&desk(server), &request(account, subject, payload))?;
    assert_eq!((answer.account, &answer.subject[..]), (account, &b"_INBOX.1"[..]));
    assert!(answer.headers.is_empty());
    Some(String::from_utf8(answer.payload).unwrap())
}

/// The same in the system account of a full server, as JSON.
fn ask(subject: &str, payload: &str) -> Option<Value> {
    let text = ask_as(AccountId::SYSTEM, FakeServer::full(), subject, payload)?;
    assert!(!text.contains('\n'), "on one line: {text}");
    Some(serde_json::from_str(&text).unwrap())
}

/// What `$SYS.REQ.SERVER.PING.<topic>` says, in its envelope.
fn data(topic: &str, payload: &str) -> Value {
    let answer = ask(&format!("$SYS.REQ.SERVER.PING.{topic}"), payload).unwrap();
    check_server(&answer["server"]);
    assert_eq!(answer.as_object().unwrap().len(), 2, "{answer}");
    answer["data"].clone()
}

fn refusal(topic: &str, payload: &str) -> (u64, String) {
    let answer = ask(&format!("$SYS.REQ.SERVER.NFAKE.{topic}"), payload).unwrap();
    check_server(&answer["server"]);
    assert_eq!(answer.get("data"), None);
    let error = &answer["error"];
    (error["code"].as_u64().unwrap(), error["description"].as_str().unwrap().to_owned())
}

fn check_server(server: &Value) {
    let fields = server.as_object().unwrap();
    for name in SERVER_INFO {
        assert!(fields.contains_key(name), "{name} is missing: {server}");
    }
    assert_eq!(fields.len(), SERVER_INFO.len());
    assert_eq!((&server["id"], &server["ver"]), (&"NFAKE".into(), &"2.14.5".into()));
    assert!(server["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn the_introduction_keeps_the_order_of_the_table_and_counts() {
    let desk = desk(FakeServer::full());
    let text = |n: u64| {
        let request = request(AccountId::SYSTEM, "$SYS.REQ.SERVER.PING.VARZ", "");
        let answer = answer(&desk, &request).unwrap();
        let text = String::from_utf8(answer.payload).unwrap();
        assert!(text.contains(&format!(r#""seq":{n},"#)), "{text}");
        text
    };
    let first = text(1);
    let places: Vec<_> =
        SERVER_INFO.iter().map(|name| first.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{first}");
    text(2);
}

#[test]
fn servers_answer_as_over_http() {
    assert_eq!(data("VARZ", "")["server_id"], "NFAKE");
    assert_eq!(data("VARZ", "{}")["cluster"], json!({}));
    assert_eq!(data("ROUTEZ", "")["num_routes"], 0);
    assert_eq!(data("GATEWAYZ", "")["outbound_gateways"], json!({}));
    assert_eq!(data("LEAFZ", "")["leafnodes"], 0);
    assert_eq!(data("JSZ", "")["disabled"], true);
    assert_eq!(data("HEALTHZ", ""), json!({ "status": "ok", "status_code": 200 }));
    assert_eq!(data("ACCOUNTZ", "")["accounts"], json!(["$G", "$SYS", "A"]));
    let detail = &data("ACCOUNTZ", r#"{"account":"A"}"#)["account_detail"];
    assert_eq!(detail["account_name"], "A");
    assert_eq!(data("IPQUEUESZ", r#"{"all":true}"#).as_object().unwrap().len(), 2);
    assert_eq!(data("RAFTZ", ""), json!({}));
    assert!(data("EXPVARZ", "")["memstats"].is_object());
    assert!(data("PROFILEZ", r#"{"name":"heap"}"#)["error"].is_string());
    let subsz = data("SUBSZ", "");
    assert_eq!((&subsz["server_id"], &subsz["total"]), (&"NFAKE".into(), &0.into()));
    assert_eq!(data("SUBSZ", r#"{"subscriptions":true,"test":"a.b"}"#)["total"], 2);
    assert_eq!(data("SUBSZ", r#"{"account":"NOPE","subscriptions":true}"#)["total"], 0);
}

#[test]
fn connections_are_chosen_by_options() {
    let cids = |options: &str| -> Vec<u64> {
        let connz = data("CONNZ", options);
        let connections = connz["connections"].as_array().unwrap();
        connections.iter().map(|one| one["cid"].as_u64().unwrap()).collect()
    };
    let choices: [(&str, &[u64]); 9] = [
        ("", &[4, 5]),
        (r#"{"state":1}"#, &[3]),
        (r#"{"state":2,"sort":"start"}"#, &[3, 4, 5]),
        (r#"{"state":9}"#, &[]),
        (r#"{"offset":1,"limit":5}"#, &[5]),
        (r#"{"cid":5}"#, &[5]),
        (r#"{"acc":"A","filter_subject":"c"}"#, &[5]),
        (r#"{"acc":"A","filter_subject":"a.*","state":2}"#, &[4, 5]),
        (r#"{"acc":"A","user":"nobody"}"#, &[]),
    ];
    for (options, expected) in choices {
        assert_eq!(cids(options), expected, "{options}");
    }
    let detailed = data("CONNZ", r#"{"auth":true,"subscriptions_detail":true,"cid":4}"#);
    let connection = &detailed["connections"][0];
    assert_eq!(connection["account"], "A");
    assert_eq!(connection["subscriptions_list_detail"][0]["subject"], "a.*");
    let listed = data("CONNZ", r#"{"subscriptions":true,"cid":4}"#);
    assert_eq!(listed["connections"][0]["subscriptions_list"], json!(["a.*"]));
}

#[test]
fn what_cannot_be_answered_says_why() {
    assert_eq!(refusal("CONNZ", "{").0, 400);
    assert_eq!(refusal("CONNZ", r#"{"auth":1}"#).0, 400);
    for (topic, options) in [
        ("ROUTEZ", r#"{"subscriptions":1}"#),
        ("GATEWAYZ", r#"{"accounts":"x"}"#),
        ("LEAFZ", r#"{"account":1}"#),
        ("PROFILEZ", r#"{"debug":"x"}"#),
        ("RAFTZ", " "),
    ] {
        assert_eq!(refusal(topic, options).0, 400, "{topic} {options}");
    }
    for filter in [">", "a..b"] {
        let body = format!(r#"{{"filter_subject":"{filter}"}}"#);
        let answer = ask("$SYS.REQ.ACCOUNT.A.CONNZ", &body).unwrap();
        assert!(answer["error"].is_null(), "{answer}");
    }
    let refusals = [
        ("CONNZ", r#"{"sort":"x"}"#, "invalid sorting option: x"),
        ("CONNZ", r#"{"sort":"stop"}"#, "sort by stop only valid on closed connections"),
        (
            "CONNZ",
            r#"{"filter_subject":"a"}"#,
            "filter by subject only valid with account filtering",
        ),
        ("SUBSZ", r#"{"test":"a.*"}"#, "invalid test subject, must be valid publish subject: a.*"),
        ("ACCOUNTZ", r#"{"account":"NOPE"}"#, "Account NOPE does not exist"),
        ("KICK", r#"{"cid":77}"#, "no such client or leafnode id"),
        ("LDM", "", "no such client id"),
    ];
    for (topic, options, text) in refusals {
        assert_eq!(refusal(topic, options), (500, text.to_owned()), "{topic} {options}");
    }
    let unknown = ask("$SYS.REQ.ACCOUNT.NOPE.INFO", "").unwrap();
    assert_eq!(unknown["error"]["description"], "Account NOPE does not exist");
    let jsz = ask("$SYS.REQ.ACCOUNT.A.JSZ", "").unwrap();
    assert_eq!(jsz["error"]["description"], "jetstream not enabled");
}

#[test]
fn orders_are_obeyed_without_data() {
    for (topic, options) in [("KICK", r#"{"cid":4}"#), ("LDM", r#"{"cid":5}"#), ("RELOAD", "")] {
        let answer = ask(&format!("$SYS.REQ.SERVER.NFAKE.{topic}"), options).unwrap();
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        check_server(&answer["server"]);
    }
    let mut server = FakeServer::full();
    server.health = Health::NotListening;
    let subject = "$SYS.REQ.SERVER.NFAKE.RELOAD";
    let text = ask_as(AccountId::SYSTEM, server, subject, "").unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["error"], json!({ "code": 500, "description": "no file" }));
}

#[test]
fn figures_of_the_server_stand_in_no_envelope() {
    let subjects = ["PING", "PING.STATSZ", "NFAKE.STATSZ"];
    for subject in subjects.map(|rest| format!("$SYS.REQ.SERVER.{rest}")) {
        let answer = ask(&subject, "").unwrap();
        check_server(&answer["server"]);
        let stats = &answer["statsz"];
        let expected = |counter: Counter| 2 * (counter as u64 + 1);
        assert_eq!(stats["connections"], expected(Counter::Connections));
        let sent = json!({
            "msgs": expected(Counter::OutMsgs), "bytes": expected(Counter::OutBytes),
        });
        assert_eq!((&stats["sent"], &stats["sent_to_clients"]), (&sent, &sent));
        assert_eq!(stats["active_accounts"], 1);
        assert_eq!(stats["active_servers"], 1);
        assert_eq!(stats["slow_consumer_stats"]["clients"], stats["slow_consumers"]);
        assert_eq!(stats["start"], "2026-11-21T09:17:57Z");
    }
    let card = ask("$SYS.REQ.SERVER.PING.IDZ", "").unwrap();
    assert_eq!(card, json!({ "name": "fake", "host": "0.0.0.0", "id": "NFAKE" }));
}

#[test]
fn servers_that_are_not_meant_stay_silent() {
    for topic in ["PING", "PING.STATSZ", "PING.VARZ", "NFAKE.KICK"] {
        let subject = format!("$SYS.REQ.SERVER.{topic}");
        assert_eq!(ask(&subject, r#"{"server_name":"other"}"#), None, "{subject}");
    }
    assert!(ask("$SYS.REQ.SERVER.PING.VARZ", r#"{"server_name":"ake","tags":["T"]}"#).is_some());
    for subject in ["$SYS.REQ.SERVER.PING.IDZ", "$SYS.REQ.USER.INFO"] {
        assert!(ask(subject, r#"{"server_name":"other"}"#).is_some(), "{subject}");
    }
    assert_eq!(ask("$SYS.REQ.SERVER.OTHER.VARZ", ""), None);
}

#[test]
fn a_question_without_a_place_for_the_answer_is_none_but_for_figures() {
    let desk = desk(FakeServer::full());
    let mut request = request(AccountId::SYSTEM, "$SYS.REQ.SERVER.PING.VARZ", "");
    request.reply = None;
    assert_eq!(answer(&desk, &request), None);
    request.subject = b"$SYS.REQ.SERVER.PING.STATSZ".to_vec();
    let told = answer(&desk, &request).unwrap();
    assert_eq!(told.subject, b"$SYS.SERVER.NFAKE.STATSZ");
}

#[test]
fn accounts_are_asked_about_one_by_one() {
    let of_account = |topic: &str, options: &str| {
        ask(&format!("$SYS.REQ.ACCOUNT.A.{topic}"), options).unwrap()["data"].clone()
    };
    assert_eq!(of_account("INFO", "")["account_name"], "A");
    assert_eq!(of_account("CONNZ", r#"{"acc":"$G"}"#)["num_connections"], 2);
    assert_eq!(of_account("SUBSZ", "")["total"], 3);
    assert_eq!(of_account("LEAFZ", "")["leafnodes"], 0);
    assert_eq!(of_account("STATZ", "")["account_statz"][0]["acc"], "A");
    let conns = ask("$SYS.REQ.ACCOUNT.A.CONNS", "").unwrap();
    assert_eq!((&conns["acc"], &conns["conns"]), (&"A".into(), &2.into()));
    // Servers with nothing to tell stay silent.
    assert_eq!(ask("$SYS.REQ.ACCOUNT.$G.CONNS", ""), None);
    assert_eq!(ask("$SYS.REQ.ACCOUNT.$G.STATZ", ""), None);
    assert_eq!(ask("$SYS.REQ.ACCOUNT.PING.STATZ", r#"{"accounts":["$G"]}"#), None);
    let names = |options: &str| -> Vec<Value> {
        let answer = ask("$SYS.REQ.ACCOUNT.PING.STATZ", options).unwrap();
        let list = answer["data"]["account_statz"].as_array().unwrap().clone();
        list.iter().map(|stat| stat["acc"].clone()).collect()
    };
    assert_eq!(names(r#"{"accounts":null}"#), ["A"]);
    assert_eq!(names(r#"{"include_unused":true}"#), ["$G", "$SYS", "A"]);
    assert_eq!(names(r#"{"accounts":["$SYS"],"include_unused":true}"#), ["$SYS"]);
}

#[test]
fn a_normal_account_learns_of_itself_only() {
    let ask = |subject: &str, options: &str| {
        let text = ask_as(ACCOUNT_A, FakeServer::full(), subject, options)?;
        Some(serde_json::from_str::<Value>(&text).unwrap()["data"].clone())
    };
    for subject in ["$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ"] {
        let connz = ask(subject, r#"{"acc":"$G","auth":true}"#).unwrap();
        assert_eq!(connz["num_connections"], 2, "{subject}");
        assert_eq!(connz["connections"][0]["account"], "A");
    }
    let statz = ask("$SYS.REQ.ACCOUNT.PING.STATZ", r#"{"accounts":["$G"]}"#).unwrap();
    assert_eq!(statz["account_statz"][0]["acc"], "A");
    let user = ask("$SYS.REQ.USER.INFO", "").unwrap();
    let permissions = json!({
        "publish": { "allow": ["a.>"] },
        "subscribe": null,
        "responses": { "max": 1, "ttl": 5_000_000_000_u64 },
    });
    let expected = json!({
        "user": "u", "account": "A", "account_name": "A", "user_name": "joe",
        "permissions": permissions, "expires": 0,
    });
    assert_eq!(user, expected);
    for options in ["no JSON", r#"{"server_name":"another"}"#] {
        assert_eq!(ask("$SYS.REQ.USER.INFO", options).unwrap(), expected, "{options}");
    }
    for subject in ["$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.ACCOUNT.$G.CONNZ"] {
        assert_eq!(ask(subject, ""), None, "{subject}");
    }
    let nobody = ask_as(AccountId(9), FakeServer::full(), "$SYS.REQ.USER.INFO", "");
    assert_eq!(nobody, None, "an account that is no more");
}

#[test]
fn subscribers_are_counted() {
    let subject = "$SYS.DEBUG.SUBSCRIBERS";
    let counted = |payload: &str| {
        let mut server = FakeServer::full();
        server.subscriptions.push(fake::subscription(5, "a.>"));
        for one in &mut server.subscriptions {
            one.account = "$SYS".into();
        }
        ask_as(AccountId::SYSTEM, server, subject, payload).unwrap()
    };
    // a.* and a.b and c and a.>, all in queue group q.
    for (payload, count) in [
        ("a.b", "3"),
        ("a.b q", "3"),
        ("a.b z", "0"),
        ("a.*", "2"),
        ("a.>", "3"),
        (">", "4"),
        ("c", "1"),
        ("", "0"),
        ("a..b", "0"),
    ] {
        assert_eq!(counted(payload), count, "{payload}");
    }
}

#[test]
fn answers_are_compressed_for_those_who_ask_for_it() {
    let mut request = request(AccountId::SYSTEM, "$SYS.REQ.SERVER.PING.VARZ", "");
    request.headers = b"NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n".to_vec();
    let answer = answer(&desk(FakeServer::full()), &request).unwrap();
    assert_eq!(answer.headers, b"NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n");
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&answer.payload[..]);
    std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
    assert!(text.starts_with("{\"server\":"), "{text}");
}

/// Client 4 of a full server.
fn event(what: Happening) -> ConnectionEvent {
    let connection = FakeServer::full().connections[0].clone();
    let at_ns = START_NS + 5_000_000_000;
    ConnectionEvent {
        what,
        at_ns,
        connection,
        wanted: true,
        count_wanted: false,
        refused: Some(base::snapshot::RefusedLogin { account: AccountId(7), why: "no".into() }),
    }
}

/// Subject and payload of an event, which is told in the system account.
fn told(announcement: &Announcement) -> (String, Value) {
    assert_eq!(announcement.account, AccountId::SYSTEM);
    let subject = String::from_utf8(announcement.subject.clone()).unwrap();
    (subject, serde_json::from_slice(&announcement.payload).unwrap())
}

#[test]
fn connections_that_come_and_go_are_told() {
    let desk = desk(FakeServer::full());
    let (subject, connected) = told(&desk.of_connection(&event(Happening::Connected)));
    assert_eq!(subject, "$SYS.ACCOUNT.A.CONNECT");
    assert_eq!(connected["type"], "io.nats.server.advisory.v1.client_connect");
    assert_eq!(connected["timestamp"], "2026-11-21T09:18:02Z");
    assert_eq!(connected["id"].as_str().unwrap().len(), 22);
    check_server(&connected["server"]);
    let client = json!({
        "start": "2026-11-21T09:17:57Z", "host": "127.0.0.1", "id": 4, "acc": "A", "user": "u",
        "name": "n", "lang": "go", "ver": "1", "jwt": "eyJ.eyJ.sig", "issuer_key": "ASIGNS",
        "name_tag": "A", "tags": ["team:a"], "kind": "Client", "client_type": "nats",
    });
    assert_eq!(connected["client"], client);

    let event_of = |what| told(&desk.of_connection(&event(what)));
    let (subject, gone) = event_of(Happening::Disconnected("Client Closed"));
    assert_eq!(subject, "$SYS.ACCOUNT.A.DISCONNECT");
    assert_eq!(gone["type"], "io.nats.server.advisory.v1.client_disconnect");
    assert_eq!(gone["reason"], "Client Closed");
    assert_eq!(gone["client"]["stop"], "2026-11-21T09:18:02Z");
    assert_eq!(gone["client"]["rtt"], 379_123);
    assert_eq!(gone["sent"], json!({ "msgs": 7, "bytes": 70 }));
    assert_eq!(gone["received"], json!({ "msgs": 9, "bytes": 90 }));
    assert_ne!(gone["id"], connected["id"]);

    let (subject, failed) = event_of(Happening::LoginFailed("Authentication Failure"));
    assert_eq!(subject, "$SYS.SERVER.NFAKE.CLIENT.AUTH.ERR");
    assert_eq!(failed["type"], gone["type"]);
    assert_eq!(failed["reason"], "Authentication Failure");
}

#[test]
fn accounts_and_the_servers_end_are_told() {
    let desk = desk(FakeServer::full());
    let told_of = block_on(desk.of_accounts(&["A".into()]));
    let subjects: Vec<String> = told_of.iter().map(|one| told(one).0).collect();
    assert_eq!(subjects, ["$SYS.ACCOUNT.A.SERVER.CONNS", "$SYS.SERVER.ACCOUNT.A.CONNS"]);
    let (_, conns) = told(&told_of[0]);
    assert_eq!(conns["type"], "io.nats.server.advisory.v1.account_connections");
    let figures = (&conns["acc"], &conns["conns"], &conns["total_conns"]);
    assert_eq!(figures, (&"A".into(), &2.into(), &2.into()));
    assert_eq!(block_on(desk.accounts_in_use()), ["A"]);
    assert_eq!(desk.accounts(), ["$G", "$SYS", "A"]);

    let (subject, stats) = told(&block_on(desk.of_server()));
    assert_eq!(subject, "$SYS.SERVER.NFAKE.STATSZ");
    assert!(stats["statsz"].is_object());
    for (happened, last) in [(Happened::LameDuck, "LAMEDUCK"), (Happened::Shutdown, "SHUTDOWN")] {
        let (subject, server) = told(&desk.of_end(happened));
        assert_eq!(subject, format!("$SYS.SERVER.NFAKE.{last}"));
        check_server(&server);
    }
}

#[test]
fn tokens_of_accounts_are_the_system_accounts_business() {
    let update = "$SYS.REQ.ACCOUNT.A.CLAIMS.UPDATE";
    let done = ask(update, "good").unwrap();
    check_server(&done["server"]);
    let expected = json!({"account": "A", "code": 200, "message": "jwt updated"});
    assert_eq!(done["data"], expected);
    let failed = ask("$SYS.REQ.CLAIMS.UPDATE", "bad").unwrap();
    let expected = json!({"code": 500, "description": "jwt update resulted in error - no"});
    assert_eq!(failed["error"], expected);
    assert_eq!(ask("$SYS.REQ.CLAIMS.LIST", "").unwrap()["data"], json!(["A", "B"]));
    let pack = request(AccountId::SYSTEM, "$SYS.REQ.CLAIMS.PACK", "");
    let packed = block_on(desk(FakeServer::full()).answer(&pack));
    let payloads: Vec<_> = packed.iter().map(|answer| &answer.payload[..]).collect();
    assert_eq!(payloads, [&b"A|a.b.c"[..], b"B|d.e.f", b""]);
    for subject in [update, "$SYS.REQ.CLAIMS.LIST", "$SYS.REQ.CLAIMS.PACK"] {
        assert_eq!(ask_as(ACCOUNT_A, FakeServer::full(), subject, "good"), None, "{subject}");
    }
}
