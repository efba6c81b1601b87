//! JetStream of configured accounts: who may use it, how much of it, and what a reload changes.
//! Rows J02, J09, Z08.

use async_nats::Client;
use harness::{Builder, Server, Signal};
use serde_json::{Value, json};

use crate::ask;

/// `A` with these limits, `B` without limits, `C` and `D` without JetStream.
fn accounts(builder: Builder, limits: &str) -> Builder {
    let text = config(&builder, limits);
    builder.cores(2).config(&text)
}

fn config(builder: &Builder, limits: &str) -> String {
    let folder = builder.folder().join("js");
    format!(
        r#"
jetstream {{ store_dir: {folder:?}, max_mem: 10MB, max_file: 20MB }}
accounts {{
  A {{ users: [{{user: a, password: p}}], jetstream: {{ {limits} }} }}
  B {{ users: [{{user: b, password: p}}], jetstream: enabled }}
  C {{ users: [{{user: c, password: p}}] }}
  D {{ users: [{{user: d, password: p}}], jetstream: disabled }}
  $SYS {{ users: [{{user: s, password: p}}] }}
}}
"#
    )
}

async fn login(server: &Server, user: &str) -> Client {
    let options = async_nats::ConnectOptions::with_user_and_password(user.into(), "p".into());
    options.connect(server.url()).await.expect("the user is let in")
}

/// Publishes and waits for the acknowledgement.
async fn store(client: &Client, subject: &str, bytes: usize) -> Value {
    let answer = client.request(subject.to_owned(), vec![b'x'; bytes].into()).await;
    serde_json::from_slice(&answer.expect("an answer").payload).expect("JSON")
}

async fn create(client: &Client, name: &str, more: &str) -> Value {
    let body = format!(r#"{{"name":"{name}"{more}}}"#);
    ask(client, &format!("STREAM.CREATE.{name}"), &body).await
}

async fn create_consumer(client: &Client, stream: &str, name: &str, more: &str) -> Value {
    let config = format!(r#"{{"durable_name":"{name}","ack_policy":"explicit"{more}}}"#);
    let body = format!(r#"{{"stream_name":"{stream}","config":{config}}}"#);
    ask(client, &format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &body).await
}

fn code(answer: &Value) -> Option<i64> {
    answer["error"]["err_code"].as_i64()
}

const SMALL: &str = "max_mem: 1MB, max_file: 2MB, max_streams: 2, max_consumers: 1";

#[tokio::test]
async fn j09_an_account_has_limits_of_its_own() {
    let server = accounts(Server::builder(), SMALL).start();
    let (a, b) = (login(&server, "a").await, login(&server, "b").await);
    let refused = create(&a, "S1", r#","storage":"memory","max_bytes":2000000"#).await;
    assert_eq!(code(&refused), Some(10028), "{refused}");
    let refused = create(&a, "S1", r#","storage":"file","max_bytes":3000000"#).await;
    assert_eq!(code(&refused), Some(10047), "{refused}");
    for name in ["S1", "S2"] {
        let made = create(&a, name, r#","storage":"memory""#).await;
        assert_eq!(code(&made), None, "{made}");
    }
    assert_eq!(code(&create(&a, "S3", "").await), Some(10027));
    assert_eq!(code(&create(&b, "S3", "").await), None);
    assert_eq!(code(&create_consumer(&a, "S1", "c1", "").await), None);
    assert_eq!(code(&create_consumer(&a, "S1", "c2", "").await), Some(10026));
    // Ten such messages fit into a megabyte, whichever of the streams has them.
    for number in 0..10 {
        let stream = if number % 2 == 0 { "S1" } else { "S2" };
        let ack = store(&a, stream, 100_000).await;
        assert_eq!(code(&ack), None, "{number}: {ack}");
    }
    let refused = store(&a, "S1", 100_000).await;
    let error = json!({"code": 400, "err_code": 10002,
        "description": "resource limits exceeded for account"});
    assert_eq!(refused["error"], error, "{refused}");
    assert_eq!(code(&store(&b, "S3", 100_000).await), None, "its neighbour has room");
    let info = ask(&a, "INFO", "").await;
    assert_eq!((&info["streams"], &info["consumers"]), (&json!(2), &json!(1)));
    assert_eq!(info["limits"]["max_memory"], 1 << 20);
    assert_eq!(info["limits"]["max_storage"], 2 << 20);
    let memory = info["memory"].as_u64().expect("a number");
    assert!((1_000_000..1 << 20).contains(&memory), "{info}");
    let other = ask(&b, "INFO", "").await;
    assert_eq!((&other["memory"], &other["streams"]), (&json!(0), &json!(1)));
    assert_eq!(other["limits"]["max_memory"], -1);
    // What is purged may be stored again.
    ask(&a, "STREAM.PURGE.S1", "").await;
    assert_eq!(code(&store(&a, "S2", 100_000).await), None);
}

#[tokio::test]
async fn j09_streams_and_consumers_of_an_account_stay_within_its_bounds() {
    let limits = "max_bytes_required: true, mem_max_stream_bytes: 1000, \
                  disk_max_stream_bytes: 2000, max_ack_pending: 5";
    let server = accounts(Server::builder(), limits).start();
    let a = login(&server, "a").await;
    let cases = [
        ("", Some(10113)),
        (r#","max_bytes":2001"#, Some(10122)),
        (r#","storage":"memory","max_bytes":1001"#, Some(10122)),
        (r#","max_bytes":2000"#, None),
    ];
    for (more, expected) in cases {
        let answer = create(&a, "S", more).await;
        assert_eq!(code(&answer), expected, "{more}: {answer}");
    }
    let answer = create_consumer(&a, "S", "many", r#","max_ack_pending":6"#).await;
    assert_eq!(code(&answer), Some(10121), "{answer}");
    let answer = create_consumer(&a, "S", "few", "").await;
    assert_eq!(answer["config"]["max_ack_pending"], 5, "{answer}");
}

#[tokio::test]
async fn j02_an_account_without_jetstream_is_told_so() {
    let server = accounts(Server::builder(), SMALL).start();
    for user in ["c", "d"] {
        let client = login(&server, user).await;
        for subject in ["INFO", "STREAM.NAMES", "STREAM.CREATE.S"] {
            let answer = ask(&client, subject, "").await;
            assert_eq!(code(&answer), Some(10039), "{user} {subject}: {answer}");
            assert_eq!(answer["error"]["code"], 503);
        }
    }
    let system = login(&server, "s").await;
    assert_eq!(code(&ask(&system, "INFO", "").await), Some(10039));
}

#[tokio::test]
async fn z08_the_system_account_purges_another() {
    let server = accounts(Server::builder(), SMALL).start();
    let (a, b) = (login(&server, "a").await, login(&server, "b").await);
    for client in [&a, &b] {
        assert_eq!(code(&create(client, "S", "").await), None);
    }
    let system = login(&server, "s").await;
    let answer = ask(&system, "ACCOUNT.PURGE.A", "").await;
    assert_eq!(answer["type"], "io.nats.jetstream.api.v1.account_purge_response");
    assert_eq!(answer["initiated"], true);
    assert_eq!(ask(&system, "ACCOUNT.PURGE.NONE", "").await["initiated"], true);
    // Whoever asks again waits for the deletion.
    assert_eq!(code(&create(&a, "S", r#","subjects":["other"]"#).await), None);
    assert_eq!(ask(&b, "STREAM.NAMES", "").await["streams"], json!(["S"]));
    // The purge is not for others to ask.
    let quiet = a.request("$JS.API.ACCOUNT.PURGE.B", "".into());
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(300), quiet).await;
    assert!(!matches!(quiet, Ok(Ok(_))), "{quiet:?}");
}

#[tokio::test]
async fn j09_a_reload_changes_limits_and_lets_accounts_in() {
    let server = accounts(Server::builder(), SMALL).start();
    let a = login(&server, "a").await;
    for name in ["S1", "S2"] {
        assert_eq!(code(&create(&a, name, "").await), None);
    }
    assert_eq!(code(&create(&a, "S3", "").await), Some(10027));
    let path = server.folder().join("server.conf");
    let text = std::fs::read_to_string(&path).expect("the file is ours");
    let more = text.replace("max_streams: 2", "max_streams: 3").replace("disabled", "enabled");
    std::fs::write(&path, more).expect("the file is ours");
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded server configuration");
    assert_eq!(code(&create(&a, "S3", "").await), None);
    assert_eq!(code(&create(&a, "S4", "").await), Some(10027));
    let d = login(&server, "d").await;
    assert_eq!(code(&create(&d, "S", "").await), None);
    assert_eq!(code(&store(&d, "S", 10).await), None);
}

#[tokio::test]
async fn j01_streams_of_accounts_outlive_a_stop() {
    let builder = Server::builder();
    let folder = harness::Folder::new();
    let store_dir = folder.path().to_string_lossy().into_owned();
    let text = config(&builder, SMALL)
        .replace(&format!("{:?}", builder.folder().join("js")), &format!("{store_dir:?}"));
    let server = builder.cores(2).config(&text).start();
    let (a, b) = (login(&server, "a").await, login(&server, "b").await);
    for (client, bytes) in [(&a, 10), (&b, 20)] {
        assert_eq!(code(&create(client, "S", "").await), None);
        assert_eq!(code(&store(client, "S", bytes).await), None);
    }
    let used = ask(&a, "INFO", "").await["storage"].clone();
    drop((a, b));
    server.signal(Signal::TERM);
    server.finish();
    let without_b = text.replace("jetstream: enabled", "jetstream: disabled");
    let server = Server::builder().cores(2).config(&without_b).start();
    if server.subject().is_corewire() {
        server.wait_for_log("stream 'B > S' has no account; it is kept");
    }
    // Its streams come back with its right to use them.
    std::fs::write(server.folder().join("server.conf"), &text).expect("the file is ours");
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded server configuration");
    for (user, data) in [("a", 10), ("b", 20)] {
        let client = login(&server, user).await;
        let info = ask(&client, "STREAM.INFO.S", "").await;
        assert_eq!(info["state"]["messages"], 1, "{user}: {info}");
        let bytes = info["state"]["bytes"].as_u64().expect("a number");
        assert!(bytes >= data, "{info}");
    }
    let a = login(&server, "a").await;
    assert_eq!(ask(&a, "INFO", "").await["storage"], used);
}
