//! JetStream of one account used from another, by importing its API, and streams that copy from
//! another account or domain: rows N03, J02, D05.

use async_nats::Client;
use futures_util::StreamExt;
use harness::{PATIENCE, Server};
use serde_json::{Value, json};

use crate::{ask, connect};

/// `A` has streams and lets `B` use them.
const ACCOUNTS: &str = r#"
accounts {
  A {
    users: [{user: a, password: p}], jetstream: enabled
    exports: [{service: "$JS.API.>"}, {service: "$JS.ACK.>"}]
  }
  B {
    users: [{user: b, password: p}]
    imports: [{service: {account: A, subject: "$JS.API.>"}}
              {service: {account: A, subject: "$JS.ACK.>"}}]
  }
}
"#;

/// `A` lets `B` copy its streams: its API and its flow control under a name of `B`'s own, and
/// what it delivers to subjects that begin with `deliver.B`.
const COPYING: &str = r#"
accounts {
  A {
    users: [{user: a, password: p}], jetstream: enabled
    exports: [{service: "$JS.API.>"}, {service: "$JS.FC.>"}, {stream: "deliver.B.>"}]
  }
  B {
    users: [{user: b, password: p}], jetstream: enabled
    imports: [{service: {account: A, subject: "$JS.API.>"}, to: "of.A.API.>"}
              {service: {account: A, subject: "$JS.FC.>"}}
              {stream: {account: A, subject: "deliver.B.>"}}]
  }
}
"#;

fn start(accounts: &str, inside: &str) -> Server {
    let builder = Server::builder().cores(2);
    let folder = builder.folder().join("js");
    let text = format!("jetstream {{ store_dir: {folder:?} {inside} }}\n{accounts}");
    builder.config(&text).start()
}

/// Waits until a stream has so many messages.
async fn wait_for_messages(client: &Client, stream: &str, count: u64) -> Value {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let info = ask(client, &format!("STREAM.INFO.{stream}"), "").await;
        if info["state"]["messages"] == count {
            return info;
        }
        assert!(tokio::time::Instant::now() < until, "{info}");
        tokio::task::yield_now().await;
    }
}

async fn login(server: &Server, user: &str) -> Client {
    let options = async_nats::ConnectOptions::with_user_and_password(user.into(), "p".into());
    options.connect(server.url()).await.expect("the user is let in")
}

#[tokio::test]
async fn n03_an_account_imports_the_api_of_another() {
    let server = start(ACCOUNTS, "");
    let (a, b) = (login(&server, "a").await, login(&server, "b").await);
    assert!(
        ask(&a, "STREAM.CREATE.S", r#"{"name":"S","subjects":["x"]}"#).await["error"].is_null()
    );
    for payload in ["one", "two"] {
        a.request("x", payload.into()).await.expect("stored");
    }
    // What B asks is asked of A, and answered once.
    let names = ask(&b, "STREAM.NAMES", "").await;
    assert_eq!(names["streams"], json!(["S"]), "{names}");
    let body = r#"{"stream_name":"S","config":{"durable_name":"d","ack_policy":"explicit"}}"#;
    let made = ask(&b, "CONSUMER.DURABLE.CREATE.S.d", body).await;
    assert_eq!(made["name"], "d", "{made}");
    let got = ask(&b, "STREAM.MSG.GET.S", r#"{"seq":1}"#).await;
    assert_eq!(got["message"]["subject"], "x", "{got}");
    // Messages keep their subject and the subject of their acknowledgement on the way.
    for (payload, seq) in [("one", 1), ("two", 2)] {
        let inbox = b.new_inbox();
        let mut messages = b.subscribe(inbox.clone()).await.expect("subscribed");
        let asked = b.publish_with_reply("$JS.API.CONSUMER.MSG.NEXT.S.d", inbox, "1".into());
        asked.await.expect("sent");
        let next = tokio::time::timeout(PATIENCE, messages.next()).await.expect("in time");
        let next = next.expect("a message");
        assert_eq!((next.subject.as_str(), &next.payload[..]), ("x", payload.as_bytes()));
        let ack = next.reply.expect("a subject to acknowledge on");
        assert!(ack.starts_with(&format!("$JS.ACK.S.d.1.{seq}.{seq}.")), "{ack}");
        let confirmed = b.request(ack, "+ACK".into()).await.expect("confirmed");
        assert!(confirmed.payload.is_empty());
    }
    let info = ask(&a, "CONSUMER.INFO.S.d", "").await;
    assert_eq!(
        (&info["num_ack_pending"], &info["ack_floor"]["stream_seq"]),
        (&json!(0), &json!(2))
    );
}

#[tokio::test]
async fn n03_who_imports_the_api_has_one_answer_also_with_streams_of_its_own() {
    let user = "users: [{user: b, password: p}]";
    let after = ACCOUNTS.replace(user, &format!("{user}, jetstream: enabled"));
    let builder = Server::builder().cores(2);
    let folder = builder.folder().join("js");
    let config = |accounts: &str| format!("jetstream {{ store_dir: {folder:?} }}\n{accounts}");
    // Before it imports the API of A, B makes the same stream and consumer as A has.
    let before = after.split("imports:").next().expect("text").to_owned() + "} }";
    let server = builder.config(&config(&before)).start();
    for user in ["a", "b"] {
        let client = login(&server, user).await;
        let stream = r#"{"name":"S","subjects":["x"],"allow_direct":true}"#;
        assert!(ask(&client, "STREAM.CREATE.S", stream).await["error"].is_null());
        let body = r#"{"stream_name":"S","config":{"durable_name":"d","ack_policy":"none"}}"#;
        assert!(ask(&client, "CONSUMER.DURABLE.CREATE.S.d", body).await["error"].is_null());
        client.request("x", user.into()).await.expect("stored");
    }
    std::fs::write(server.folder().join("server.conf"), config(&after)).expect("written");
    server.signal(harness::Signal::HUP);
    server.wait_for_log("Reloaded server configuration");
    let b = login(&server, "b").await;
    for (subject, body) in [
        ("$JS.API.CONSUMER.MSG.NEXT.S.d", "1"),
        ("$JS.API.DIRECT.GET.S", r#"{"seq":1}"#),
        ("$JS.API.DIRECT.GET.S.x", ""),
    ] {
        let inbox = b.new_inbox();
        let mut messages = b.subscribe(inbox.clone()).await.expect("subscribed");
        b.publish_with_reply(subject, inbox.clone(), body.into()).await.expect("sent");
        let next = tokio::time::timeout(PATIENCE, messages.next()).await.expect("in time");
        assert_eq!(next.expect("a message").payload, "a", "{subject}: of A");
        // What comes behind a round trip through both accounts comes behind all answers.
        ask(&b, "STREAM.INFO.S", "").await;
        b.publish(inbox, "end".into()).await.expect("sent");
        let next = tokio::time::timeout(PATIENCE, messages.next()).await.expect("in time");
        assert_eq!(next.expect("a message").payload, "end", "{subject}: one answer");
    }
}

#[tokio::test]
async fn d05_streams_copy_from_another_account() {
    let server = start(COPYING, "");
    let (a, b) = (login(&server, "a").await, login(&server, "b").await);
    assert!(
        ask(&a, "STREAM.CREATE.S", r#"{"name":"S","subjects":["x"]}"#).await["error"].is_null()
    );
    for number in 0..50 {
        a.request("x", format!("{number}").into()).await.expect("stored");
    }
    let external = json!({"api": "of.A.API", "deliver": "deliver.B"});
    let source = json!({"name": "S", "external": external});
    for (name, kind) in [("M", json!({"mirror": source})), ("T", json!({"sources": [source]}))] {
        let mut config = kind;
        config["name"] = name.into();
        let made = ask(&b, &format!("STREAM.CREATE.{name}"), &config.to_string()).await;
        assert!(made["error"].is_null(), "{made}");
        let info = wait_for_messages(&b, name, 50).await;
        assert_eq!(info["state"]["last_seq"], 50, "{info}");
    }
    a.request("x", "more".into()).await.expect("stored");
    wait_for_messages(&b, "M", 51).await;
    let info = wait_for_messages(&b, "T", 51).await;
    assert_eq!(info["sources"][0]["external"]["api"], "of.A.API", "{info}");
}

#[tokio::test]
async fn d05_a_domain_is_asked_by_its_name() {
    let server = start("", ", domain: hub");
    let (client, _) = connect(&server).await;
    assert!(
        ask(&client, "STREAM.CREATE.S", r#"{"name":"S","subjects":["x"]}"#).await["error"]
            .is_null()
    );
    client.request("x", "one".into()).await.expect("stored");
    let config = json!({"name": "M",
        "mirror": {"name": "S", "external": {"api": "$JS.hub.API", "deliver": ""}}});
    let made = ask(&client, "STREAM.CREATE.M", &config.to_string()).await;
    assert!(made["error"].is_null(), "{made}");
    let info = wait_for_messages(&client, "M", 1).await;
    assert_eq!((&info["domain"], &info["mirror"]["name"]), (&json!("hub"), &json!("S")));
}
