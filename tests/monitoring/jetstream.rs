//! JetStream by account, stream and consumer: rows H08, H09, H10.

use harness::{Builder, Pings, Raw, Server, Subject, get, until};
use serde_json::{Value, json};

/// Two accounts, both with JetStream, one with limits, exports, imports and mappings.
fn config(builder: &Builder) -> String {
    let folder = builder.folder().join("js");
    format!(
        r#"
server_name: alone
jetstream {{ store_dir: {folder:?}, max_mem: 10MB, max_file: 20MB }}
accounts {{
  A {{
    users: [{{user: a, password: p}}]
    jetstream: {{ max_mem: 1MB, max_file: 2MB, max_streams: 10 }}
    exports: [{{service: "q.*", response: stream}}
              {{service: only.b, accounts: [B]}}
              {{stream: "s.>"}}]
    mappings: {{ "m.*": "mapped.$1" }}
  }}
  B {{
    users: [{{user: b, password: p}}]
    jetstream: enabled
    imports: [{{stream: {{account: A, subject: "s.>"}}, prefix: from}}
              {{service: {{account: A, subject: "q.*"}}, to: "ask.$1", share: true}}]
  }}
  C {{ users: [{{user: c, password: p}}] }}
  $SYS {{ users: [{{user: sys, password: p}}] }}
}}
"#
    )
}

fn login(server: &Server, user: &str) -> Raw {
    let mut raw = server.connect();
    raw.set_pings(Pings::Answered);
    raw.send(&format!(r#"CONNECT {{"verbose":false,"user":"{user}","pass":"p"}}"#));
    raw.send("SUB inbox 1");
    raw.ping();
    raw
}

fn ask(raw: &mut Raw, subject: &str, body: &str) -> Value {
    raw.send(&format!("PUB {subject} inbox {}\r\n{body}", body.len()));
    // INFO may come again behind the first PONG, to name the account.
    let line = std::iter::repeat_with(|| raw.line()).find(|line| line.starts_with("MSG "));
    let size = line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a size");
    let answer = raw.bytes(size);
    raw.bytes(2);
    serde_json::from_slice(&answer).expect("JSON")
}

/// A server with a stream `S` of two messages and a consumer `c` in A, a mirror of it beside, and
/// a memory stream in B.
pub fn filled(subject: Subject) -> Server {
    let builder = Server::builder_for(subject).monitored().cores(2);
    let text = config(&builder);
    let server = builder.config(&text).start();
    let (mut a, mut b) = (login(&server, "a"), login(&server, "b"));
    let api = |raw: &mut Raw, subject: &str, body: &str| {
        let answer = ask(raw, &format!("$JS.API.{subject}"), body);
        assert!(answer["error"].is_null(), "{subject}: {answer}");
    };
    api(&mut a, "STREAM.CREATE.S", r#"{"name":"S","subjects":["x"],"max_bytes":100000}"#);
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"c","ack_policy":"explicit"}}"#;
    api(&mut a, "CONSUMER.DURABLE.CREATE.S.c", consumer);
    for payload in ["1", "22"] {
        assert_eq!(ask(&mut a, "x", payload)["stream"], "S");
    }
    api(&mut b, "STREAM.CREATE.M", r#"{"name":"M","subjects":["m"],"storage":"memory"}"#);
    server
}

fn jsz(server: &Server, query: &str) -> Value {
    get(server.monitor(), &format!("/jsz{query}")).json()
}

#[test]
fn h09_jsz_goes_as_deep_as_it_is_asked() {
    let server = filled(Subject::from_env());
    let all = until("the figures are told", || {
        let jsz = jsz(&server, "");
        (jsz["messages"] == 2 && jsz["streams"] == 2).then_some(jsz)
    });
    assert!(all.get("account_details").is_none(), "{all}");
    assert_eq!((&all["accounts"], &all["consumers"]), (&json!(2), &json!(1)));
    assert_eq!(all["reserved_storage"], 100_000);
    let accounts = jsz(&server, "?accounts=1");
    let details = accounts["account_details"].as_array().expect("a list");
    let names: Vec<_> = details.iter().map(|detail| detail["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["A", "B"]);
    assert_eq!((&details[0]["id"], &details[0]["reserved_memory"]), (&json!("A"), &json!(1 << 20)));
    assert_eq!(details[0]["storage"], all["storage"]);
    assert_eq!(details[1]["reserved_memory"], u64::MAX, "no limit, as nats-server shows it");
    assert!(details[0].get("stream_detail").is_none());
    let deep = jsz(&server, "?acc=A&consumers=1&config=1");
    let details = deep["account_details"].as_array().expect("a list");
    assert_eq!(details.len(), 1);
    let stream = &details[0]["stream_detail"][0];
    assert_eq!((&stream["name"], &stream["cluster"]["leader"]), (&json!("S"), &json!("alone")));
    assert_eq!(
        (&stream["state"]["messages"], &stream["state"]["consumer_count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(stream["config"]["subjects"], json!(["x"]));
    let consumer = &stream["consumer_detail"][0];
    assert_eq!((&consumer["name"], &consumer["num_pending"]), (&json!("c"), &json!(2)));
    assert_eq!(consumer["config"]["durable_name"], "c");
    let bare = jsz(&server, "?consumers=1");
    let stream = &bare["account_details"][0]["stream_detail"][0];
    assert!(stream.get("config").is_none(), "{stream}");
    assert!(stream["consumer_detail"][0].get("config").is_none(), "{stream}");
    let page = jsz(&server, "?streams=1&offset=1&limit=1");
    let details = page["account_details"].as_array().expect("a list");
    assert_eq!((details.len(), &details[0]["name"]), (1, &json!("B")));
    assert_eq!(details[0]["stream_detail"][0]["name"], "M");
    for bare in ["?acc=NOPE", "?acc=NOPE&streams=1", "?direct-consumers=1"] {
        assert!(jsz(&server, bare).get("account_details").is_none(), "{bare}");
    }
    let accounts = |query| jsz(&server, query)["account_details"].as_array().map_or(0, Vec::len);
    // Where there is no such account, all are shown if all are asked for.
    assert_eq!(accounts("?acc=NOPE&accounts=1"), 2);
    // No limit is no page either.
    assert_eq!(accounts("?accounts=1&limit=-1&offset=1"), 2);
    if server.subject().skips("2.12.0") {
        return;
    }
    assert_eq!(jsz(&server, "?accounts=1")["account_details"][0]["api"]["level"], 0);
    let led = jsz(&server, "?raft=1");
    assert_eq!((&led["streams_leader"], &led["consumers_leader"]), (&json!(2), &json!(1)));
    assert!(all.get("streams_leader").is_none(), "{all}");
}

#[test]
fn h09_many_streams_and_consumers_come_whole() {
    let server = filled(Subject::from_env());
    let mut a = login(&server, "b");
    for number in 0..100 {
        let body = format!(r#"{{"name":"T{number:03}","storage":"memory"}}"#);
        let made = ask(&mut a, &format!("$JS.API.STREAM.CREATE.T{number:03}"), &body);
        assert!(made["error"].is_null(), "{made}");
    }
    for number in 0..150 {
        let body = format!(
            r#"{{"stream_name":"M","config":{{"durable_name":"c{number}","ack_policy":"none",
                "mem_storage":true}}}}"#
        );
        let made = ask(&mut a, &format!("$JS.API.CONSUMER.DURABLE.CREATE.M.c{number}"), &body);
        assert!(made["error"].is_null(), "{made}");
    }
    let shown = jsz(&server, "?acc=B&consumers=1");
    let streams = shown["account_details"][0]["stream_detail"].as_array().expect("a list");
    assert_eq!(streams.len(), 101);
    let m = streams.iter().find(|stream| stream["name"] == "M").expect("M is there");
    assert_eq!(m["consumer_detail"].as_array().map(Vec::len), Some(150));
}

#[test]
fn h09_the_system_account_asks_the_same() {
    let server = filled(Subject::from_env());
    let mut sys = login(&server, "sys");
    let answer = ask(&mut sys, "$SYS.REQ.SERVER.PING.JSZ", r#"{"accounts":true,"streams":true}"#);
    let names: Vec<_> = answer["data"]["account_details"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|detail| detail["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"A".to_owned()) && names.contains(&"B".to_owned()), "{names:?}");
    if server.subject().skips("2.12.0") {
        return;
    }
    // Where the files lie is told over HTTP only.
    let answer = ask(&mut sys, "$SYS.REQ.SERVER.PING.STATSZ", "");
    let config = &answer["statsz"]["jetstream"]["config"];
    assert!(config["max_storage"].is_u64() && config["store_dir"].is_null(), "{answer}");
    let answer = ask(&mut sys, "$SYS.REQ.ACCOUNT.A.JSZ", r#"{"streams":true}"#);
    assert_eq!(answer["data"]["name"], "A", "{answer}");
    assert_eq!(answer["data"]["stream_detail"][0]["name"], "S", "{answer}");
}

#[test]
fn h08_accountz_shows_what_accounts_have_of_each_other() {
    let server = filled(Subject::from_env());
    let of = |account: &str| {
        let target = format!("/accountz?acc={account}");
        get(server.monitor(), &target).json()["account_detail"].clone()
    };
    let (a, b, c) = (of("A"), of("B"), of("C"));
    assert_eq!((&a["jetstream_enabled"], &c["jetstream_enabled"]), (&json!(true), &json!(false)));
    assert_eq!(a["mappings"]["m.*"], json!([{"subject": "mapped.$1", "weight": 100}]));
    let exports = a["exports"].as_array().expect("a list");
    let private = json!({"subject": "only.b", "type": "service", "response_type": "Singleton",
        "approved_accounts": ["B"]});
    assert!(exports.contains(&private), "{exports:?}");
    assert!(exports.contains(&json!({"subject": "s.>", "type": "stream"})), "{exports:?}");
    let imports = b["imports"].as_array().expect("a list");
    let service = json!({"subject": "q.*", "account": "A", "to": "ask.*",
        "local_subject": "ask.*", "type": "service", "invalid": false, "share": true,
        "tracking": false});
    assert!(imports.contains(&service), "{imports:?}");
    let stream = json!({"subject": "s.>", "account": "A", "local_subject": "from.s.>",
        "type": "stream", "invalid": false, "share": false, "tracking": false});
    assert!(imports.contains(&stream), "{imports:?}");
    let of_all = json!({"subject": "$SYS.REQ.USER.B.INFO", "account": "$SYS",
        "to": "$SYS.REQ.USER.INFO", "local_subject": "$SYS.REQ.USER.INFO", "type": "service",
        "invalid": false, "share": true, "tracking": false});
    assert!(imports.contains(&of_all), "{imports:?}");
}

#[test]
fn h10_healthz_looks_for_accounts_streams_and_consumers() {
    if Subject::from_env().skips("2.10.0") {
        return;
    }
    let server = filled(Subject::from_env());
    let cases = [
        ("account=A", 200, ""),
        ("account=A&stream=S", 200, ""),
        ("account=A&stream=S&consumer=c", 200, ""),
        ("account=X", 404, "ACCOUNT"),
        ("account=A&stream=X", 404, "STREAM"),
        ("account=A&stream=S&consumer=x", 404, "CONSUMER"),
        ("js-enabled-only=true&account=X", 200, ""),
        ("js-server-only=true&account=X", 200, ""),
        // It is about the meta layer of clusters.
        ("js-meta-only=true&account=X", 404, "ACCOUNT"),
    ];
    for (query, status, kind) in cases {
        let answer = get(server.monitor(), &format!("/healthz?details=1&{query}"));
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        if status != 200 {
            assert_eq!(answer.json()["errors"][0]["type"], kind, "{query}");
            assert_eq!(answer.json()["status"], "error", "{query}");
        }
    }
}
