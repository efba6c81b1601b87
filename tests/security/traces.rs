//! R12: messages that are traced (spec/client-protocol.md §11).

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Subscriber};
use futures_util::StreamExt;
use harness::Server;
use serde_json::Value;

use crate::visitor::{Visitor, one_core};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn client(server: &Server, user: &str) -> Client {
    let options = ConnectOptions::with_user_and_password(user.into(), "p".into()).name(user);
    options.connect(server.url()).await.expect("connected")
}

async fn listen(client: &Client, subject: &str) -> Subscriber {
    let subscriber = client.subscribe(subject.to_owned()).await.expect("subscribed");
    // That nobody answers is said after the subscription stands.
    let nobody = client.request("nobody.listens", "".into()).await;
    assert!(nobody.is_err());
    subscriber
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (key, value) in pairs {
        headers.insert(*key, *value);
    }
    headers
}

async fn publish(client: &Client, subject: &str, pairs: &[(&str, &str)]) {
    let (subject, headers) = (subject.to_owned(), headers(pairs));
    client.publish_with_headers(subject, headers, "hello".into()).await.expect("published");
    client.flush().await.expect("flushed");
}

async fn next(subscriber: &mut Subscriber) -> async_nats::Message {
    let came = tokio::time::timeout(Duration::from_secs(10), subscriber.next()).await;
    came.expect("in time").expect("a message")
}

async fn trace(subscriber: &mut Subscriber) -> Value {
    serde_json::from_slice(&next(subscriber).await.payload).expect("JSON")
}

/// The events of a trace, without their times and numbers.
fn told(trace: &Value) -> Vec<Value> {
    let events = trace["events"].as_array().expect("a list").clone();
    let mut events: Vec<Value> = events
        .into_iter()
        .map(|mut event| {
            let fields = event.as_object_mut().expect("fields");
            assert!(fields.remove("ts").is_some_and(|at| at.is_string()));
            if let Some(cid) = fields.remove("cid") {
                assert!(cid.is_u64());
            }
            event
        })
        .collect();
    // Cores are told of in any order behind the first.
    events[1..].sort_by_key(|event| event["sub"].as_str().unwrap_or_default().to_owned());
    events
}

#[tokio::test]
async fn r12_a_trace_tells_whom_a_message_reached_on_all_cores() {
    let server = Server::builder()
        .cores(2)
        .config("authorization { users: [{user: a, password: p}, {user: b, password: p}] }")
        .start();
    let publisher = client(&server, "a").await;
    let mut traces = listen(&publisher, "traces").await;
    let mut subscribers = Vec::new();
    for lines in ["SUB x.* 1", "SUB x.> 1\r\nSUB x.y q 2"] {
        let fields = r#""user":"b","pass":"p","name":"b""#;
        let mut subscriber = Visitor::saying(server.client(), fields);
        // A PONG says that it is heard on all cores.
        assert!(subscriber.tells(lines).is_empty());
        subscribers.push(subscriber);
    }
    publish(&publisher, "x.y", &[("Nats-Trace-Dest", "traces"), ("X", "1")]).await;
    let trace = trace(&mut traces).await;
    assert!(trace["server"]["id"].is_string() && trace.get("hops").is_none(), "{trace}");
    assert_eq!(trace["request"]["header"]["X"], serde_json::json!(["1"]));
    assert!(trace["request"]["msgsize"].as_u64().is_some_and(|size| size > 5), "{trace}");
    let expected = [
        serde_json::json!({"type": "in", "kind": 0, "name": "a", "acc": "$G", "subj": "x.y"}),
        serde_json::json!({"type": "eg", "kind": 0, "name": "b", "sub": "x.*"}),
        serde_json::json!({"type": "eg", "kind": 0, "name": "b", "sub": "x.>"}),
        serde_json::json!({"type": "eg", "kind": 0, "name": "b", "sub": "x.y", "queue": "q"}),
    ];
    assert_eq!(told(&trace), expected);
    for subscriber in &mut subscribers {
        // It is delivered, too.
        while !subscriber.raw.line().starts_with("HMSG x.y ") {}
    }
}

#[tokio::test]
async fn r12_a_message_for_its_trace_only_is_not_delivered() {
    let server = Server::builder().cores(2).start();
    let publisher = client(&server, "a").await;
    let other = client(&server, "b").await;
    let mut traces = listen(&publisher, "traces").await;
    let mut got = listen(&other, "x").await;
    let only =
        [("Nats-Trace-Dest", "traces"), ("Nats-Trace-Only", "On"), ("Accept-Encoding", "gzip")];
    publish(&publisher, "x", &only).await;
    let message = next(&mut traces).await;
    let encoding = message.headers.as_ref().and_then(|headers| headers.get("Content-Encoding"));
    assert_eq!(encoding.map(|value| value.as_str()), Some("gzip"));
    assert_eq!(&message.payload[..2], [0x1f, 0x8b], "gzip");
    // What comes next is what is sent next.
    publisher.publish("x", "second".into()).await.expect("published");
    assert_eq!(next(&mut got).await.payload, "second");
}

#[tokio::test]
async fn r12_a_sampled_traceparent_is_traced_where_the_account_says() {
    let server = one_core(
        "accounts { A { users: [{user: a, password: p}], msg_trace: {dest: t.acc, sampling: 100},
           mappings: {m: n} } }",
    );
    let a = client(&server, "a").await;
    let mut traces = listen(&a, "t.acc").await;
    publish(&a, "m", &[("traceparent", &PARENT.replace("-01", "-00"))]).await;
    publish(&a, "m", &[("Traceparent", PARENT), ("N", "second")]).await;
    let trace = trace(&mut traces).await;
    assert_eq!(trace["request"]["header"]["N"], serde_json::json!(["second"]));
    let expected = [
        serde_json::json!({"type": "in", "kind": 0, "name": "a", "acc": "A", "subj": "m"}),
        serde_json::json!({"type": "sm", "to": "n"}),
    ];
    assert_eq!(told(&trace), expected);
}

#[tokio::test]
async fn r12_a_trace_follows_into_another_account_where_it_is_allowed() {
    for (allow, follows) in [("allow_trace: true", true), ("allow_trace: false", false)] {
        let server = one_core(&format!(
            "accounts {{
               S {{ users: [{{user: s, password: p}}], exports: [{{service: ask, {allow}}},
                    {{stream: news}}] }}
               I {{ users: [{{user: i, password: p}}], imports: [
                    {{service: {{account: S, subject: ask}}, to: please}},
                    {{stream: {{account: S, subject: news}}, to: paper, {allow}}}] }}
             }}"
        ));
        let (s, i) = (client(&server, "s").await, client(&server, "i").await);
        let _heard = [listen(&s, "ask").await, listen(&i, "paper").await];
        let (mut s_traces, mut i_traces) = (listen(&s, "t").await, listen(&i, "t").await);
        publish(&i, "please", &[("Nats-Trace-Dest", "t")]).await;
        let request = told(&trace(&mut i_traces).await);
        publish(&s, "news", &[("Nats-Trace-Dest", "t")]).await;
        let news = told(&trace(&mut s_traces).await);
        assert_eq!((request.len(), news.len()), if follows { (3, 3) } else { (2, 2) }, "{allow}");
        let step = serde_json::json!({"type": "si", "acc": "S", "from": "please", "to": "ask"});
        assert_eq!(request[1], step);
        let step = serde_json::json!({"type": "se", "acc": "I", "to": "paper"});
        assert_eq!(news[1], step);
        if follows {
            assert_eq!((&request[2]["type"], &request[2]["acc"]), (&"eg".into(), &"S".into()));
            // nats-server names the subject as the exporter has it.
            let named = if server.subject().is_corewire() { "paper" } else { "news" };
            assert_eq!((&news[2]["sub"], &news[2]["acc"]), (&named.into(), &"I".into()));
        }
    }
}

#[tokio::test]
async fn r12_a_stream_that_keeps_a_message_is_told() {
    let folder = harness::Folder::new();
    let server = one_core(&format!("jetstream {{ store_dir: \"{}\" }}", folder.path().display()));
    let a = client(&server, "a").await;
    let stream = async_nats::jetstream::new(a.clone());
    let config = async_nats::jetstream::stream::Config {
        name: "KEPT".into(),
        subjects: vec!["kept.*".into()],
        ..Default::default()
    };
    stream.create_stream(config).await.expect("created");
    let mut traces = listen(&a, "t").await;
    publish(&a, "kept.x", &[("Nats-Trace-Dest", "t")]).await;
    let kept = told(&trace(&mut traces).await);
    let expected = serde_json::json!({"type": "js", "stream": "KEPT", "subject": "kept.x"});
    assert_eq!(kept[1..], [expected]);
}

#[tokio::test]
async fn r12_a_stream_tells_what_it_does_with_a_message() {
    let folder = harness::Folder::new();
    let config = format!("jetstream {{ store_dir: \"{}\" }}", folder.path().display());
    let server = Server::builder().cores(2).config(&config).start();
    let a = client(&server, "a").await;
    let context = async_nats::jetstream::new(a.clone());
    let stream = |name: &str| async_nats::jetstream::stream::Config {
        name: name.into(),
        subjects: vec![format!("{name}.*")],
        storage: async_nats::jetstream::stream::StorageType::Memory,
        ..Default::default()
    };
    let renamed = async_nats::jetstream::stream::SubjectTransform {
        source: "moved.*".into(),
        destination: "there.{{wildcard(1)}}".into(),
    };
    let moved = async_nats::jetstream::stream::Config {
        subject_transform: Some(renamed),
        ..stream("moved")
    };
    let wanted = async_nats::jetstream::stream::Config {
        retention: async_nats::jetstream::stream::RetentionPolicy::Interest,
        ..stream("wanted")
    };
    for config in [moved, wanted] {
        context.create_stream(config).await.expect("created");
    }
    let mut traces = listen(&a, "t").await;
    let only = ("Nats-Trace-Only", "1");
    let wrong = ("Nats-Expected-Stream", "other");
    let js = |fields: Value| {
        let mut event = serde_json::json!({"type": "js"});
        let all = event.as_object_mut().expect("fields");
        all.extend(fields.as_object().expect("fields").clone());
        event
    };
    let taken = js(serde_json::json!({"stream": "moved", "subject": "there.x"}));
    let refused = js(serde_json::json!(
        {"stream": "moved", "error": "expected stream does not match"}));
    let passed = js(serde_json::json!(
        {"stream": "wanted", "subject": "wanted.x", "nointerest": true}));
    for (subject, header, event) in [
        ("moved.x", None, &taken),
        ("moved.x", Some(only), &taken),
        ("moved.x", Some(wrong), &refused),
        ("wanted.x", None, &passed),
        ("wanted.x", Some(only), &passed),
    ] {
        let pairs: Vec<_> = [("Nats-Trace-Dest", "t")].into_iter().chain(header).collect();
        publish(&a, subject, &pairs).await;
        let told = told(&trace(&mut traces).await);
        assert_eq!((told.len(), &told[1]), (2, event), "{subject} {header:?}");
    }
    let moved = context.get_stream("moved").await.expect("there");
    assert_eq!(moved.get_info().await.expect("info").state.messages, 1, "one was to be kept");
}

#[test]
fn trace_redirect_a_trace_goes_only_where_its_publisher_may_publish() {
    let server = one_core(
        "authorization { users: [
           {user: a, password: p, permissions: {publish: {allow: [\"x\", \"t.>\"]}}},
           {user: b, password: p}] }",
    );
    let (mut a, mut b) = (Visitor::named(&server, "a", "p"), Visitor::named(&server, "b", "p"));
    assert!(b.tells("SUB > 1").is_empty());
    let hpub = |subject: &str, destination: &str| {
        let block = format!("NATS/1.0\r\nNats-Trace-Dest: {destination}\r\n\r\n");
        format!("HPUB {subject} {0} {0}\r\n{block}", block.len())
    };
    // nats-server lets a message pass, without a trace, whose destination is no subject.
    let no_subjects = ["t.*", "t.>", "a b"].iter().filter(|_| server.subject().is_corewire());
    for destination in ["secret", "$NRG.x", "_GR_.x"].iter().chain(no_subjects) {
        let told = a.tells(&hpub("x", destination));
        assert_eq!(told.len(), 1, "{destination}: {told:?}");
        assert!(told[0].contains("Permissions Violation for Publish to"), "{told:?}");
    }
    assert!(b.tells("").is_empty(), "none was processed");
    // A message that may not be published tells so, to whom it may.
    let told = a.tells(&hpub("y", "t.own"));
    assert!(told[0].contains("Permissions Violation for Publish to \"y\""), "{told:?}");
    let line = b.raw.line();
    assert!(line.starts_with("MSG t.own 1 "), "{line}");
    let payload = b.raw.line();
    assert!(payload.contains("\"error\":\"Permissions Violation for Publish to"), "{payload}");
}
