//! Rows S23 and V03: backups with consumers, what is told of them, what may not come of them, and
//! backups that pass between Corewire and nats-server.

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt;
use harness::{Folder, PATIENCE, Server, Signal, Subject};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{ask, connect, enabled, server};

/// A stream's backup: its configuration and state, and the archive in chunks.
struct Backup {
    described: Value,
    chunks: Vec<Bytes>,
}

impl Backup {
    async fn of(client: &Client, stream: &str) -> Backup {
        let mut inbox = client.subscribe(client.new_inbox()).await.expect("subscribed");
        let to = client.new_inbox();
        let mut chunks_in = client.subscribe(to.clone()).await.expect("subscribed");
        let request = json!({"deliver_subject": to, "chunk_size": 1024}).to_string();
        let described = ask(client, &format!("STREAM.SNAPSHOT.{stream}"), &request).await;
        assert!(described.get("error").is_none(), "{described}");
        let mut chunks = Vec::new();
        loop {
            let chunk = timeout(PATIENCE, chunks_in.next()).await.expect("in time").expect("open");
            if chunk.payload.is_empty() {
                break;
            }
            chunks.push(chunk.payload);
            // nats-server 2.15 asks only now and then whether it may go on.
            if let Some(answer_to) = chunk.reply {
                client.publish(answer_to, "".into()).await.expect("answered");
            }
        }
        inbox.unsubscribe().await.expect("unsubscribed");
        Backup { described, chunks }
    }

    /// Asks for a stream to be made of it, under a name. Where the chunks go, or the error.
    async fn begin(&self, client: &Client, name: &str) -> Result<String, u64> {
        let mut config = self.described["config"].clone();
        config["name"] = name.into();
        let request = json!({"config": config, "state": self.described["state"]}).to_string();
        let answer = ask(client, &format!("STREAM.RESTORE.{name}"), &request).await;
        match answer["deliver_subject"].as_str() {
            Some(to) if !to.is_empty() => Ok(to.to_owned()),
            _ => Err(answer["error"]["err_code"].as_u64().expect("an error")),
        }
    }

    /// Sends the archive; the answer to its end, or to the chunk that is refused.
    async fn send(&self, client: &Client, to: &str) -> Value {
        for chunk in self.chunks.iter().cloned().chain([Bytes::new()]) {
            let answer = client.request(to.to_owned(), chunk).await.expect("an answer");
            if !answer.payload.is_empty() {
                return serde_json::from_slice(&answer.payload).expect("JSON");
            }
        }
        panic!("the end of an archive is answered");
    }

    async fn restore(&self, client: &Client, name: &str) -> Value {
        let to = self.begin(client, name).await.expect("it may be restored");
        self.send(client, &to).await
    }
}

/// Twenty messages, and two consumers: one that got ten and acknowledged four of them, one that
/// pushes and was never bound.
async fn fill(client: &Client) {
    ask(client, "STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"],"storage":"file"}"#).await;
    for number in 0..20 {
        let answer = client.request(format!("s.{}", number % 3), number.to_string().into()).await;
        answer.expect("stored");
    }
    let config = json!({"durable_name": "c", "ack_policy": "explicit", "filter_subject": "s.>"});
    create(client, "c", &config).await;
    let config = json!({"durable_name": "p", "deliver_subject": "to.p", "ack_policy": "none"});
    create(client, "p", &config).await;
    let mut inbox = client.subscribe("pulled").await.expect("subscribed");
    let next = "$JS.API.CONSUMER.MSG.NEXT.S.c";
    client.publish_with_reply(next, "pulled", "10".into()).await.expect("asked");
    for number in 0..10 {
        let message = timeout(PATIENCE, inbox.next()).await.expect("in time").expect("open");
        if [0, 1, 2, 5].contains(&number) {
            let acked = client.request(message.reply.expect("a subject"), "+ACK".into()).await;
            acked.expect("confirmed");
        }
    }
}

async fn create(client: &Client, name: &str, config: &Value) {
    let request = json!({"stream_name": "S", "config": config}).to_string();
    let answer = ask(client, &format!("CONSUMER.DURABLE.CREATE.S.{name}"), &request).await;
    assert!(answer.get("error").is_none(), "{answer}");
}

/// What must be the same of a stream and its consumers before and after.
async fn essence(client: &Client) -> Value {
    let stream = ask(client, "STREAM.INFO.S", "").await;
    let mut found = json!({"config": stream["config"], "state": stream["state"]});
    // Older servers know fewer fields.
    let known = ["name", "subjects", "retention", "max_msgs", "storage", "duplicate_window"];
    found["config"].as_object_mut().expect("one").retain(|key, _| known.contains(&key.as_str()));
    for name in ["c", "p"] {
        let info = ask(client, &format!("CONSUMER.INFO.S.{name}"), "").await;
        assert!(info.get("error").is_none(), "{info}");
        for field in ["num_ack_pending", "num_redelivered", "num_pending"] {
            found[name][field] = info[field].clone();
        }
        for (field, known) in [("delivered", "stream_seq"), ("ack_floor", "stream_seq")] {
            found[name][field] = info[field][known].clone();
        }
        found[name]["filter"] = info["config"]["filter_subject"].clone();
        found[name]["to"] = info["config"]["deliver_subject"].clone();
    }
    found
}

#[tokio::test]
async fn s23_consumers_come_back_with_their_stream() {
    let server = server();
    let (client, _) = connect(&server).await;
    fill(&client).await;
    let before = essence(&client).await;
    assert_eq!(before["c"]["ack_floor"], 3, "{before}");
    assert_eq!(before["c"]["num_ack_pending"], 6, "{before}");
    let backup = Backup::of(&client, "S").await;
    assert_eq!(backup.begin(&client, "S").await, Err(10130));
    ask(&client, "STREAM.DELETE.S", "").await;
    let end = backup.restore(&client, "S").await;
    assert_eq!(end["type"], "io.nats.jetstream.api.v1.stream_create_response", "{end}");
    // Every core knows when the answer comes: whoever reads it finds all of it.
    assert_eq!(essence(&client).await, before);
    let stored = client.request("s.new", "x".into()).await.expect("stored");
    assert_eq!(stored.payload, r#"{"stream":"S","seq":21}"#.as_bytes());
    let mut inbox = client.subscribe("after").await.expect("subscribed");
    let next = "$JS.API.CONSUMER.MSG.NEXT.S.c";
    client.publish_with_reply(next, "after", "1".into()).await.expect("asked");
    let message = timeout(PATIENCE, inbox.next()).await.expect("in time").expect("open");
    assert_eq!(message.payload, "10");
}

/// Row S11. In a backup messages are as they came.
#[tokio::test]
async fn s11_a_compressed_stream_comes_back_from_its_backup() {
    if Subject::from_env().skips("2.10.0") {
        return;
    }
    let server = server();
    let (client, context) = connect(&server).await;
    ask(&client, "STREAM.CREATE.S", r#"{"name":"S","subjects":["s"],"compression":"s2"}"#).await;
    let text = |number: u32| format!(r#"{{"number":{number},"said":"the same as ever"}}"#);
    for number in 1..=200 {
        client.request("s", text(number).into()).await.expect("stored");
    }
    let backup = Backup::of(&client, "S").await;
    let before = ask(&client, "STREAM.INFO.S", "").await;
    ask(&client, "STREAM.DELETE.S", "").await;
    let end = backup.restore(&client, "S").await;
    assert!(end.get("error").is_none(), "{end}");
    let after = ask(&client, "STREAM.INFO.S", "").await;
    assert_eq!((&after["config"], &after["state"]), (&before["config"], &before["state"]));
    assert_eq!(after["config"]["compression"], "s2");
    let stream = context.get_stream("S").await.expect("it is there");
    for number in [1, 100, 200] {
        let message = stream.get_raw_message(u64::from(number)).await.expect("a message");
        assert_eq!(message.payload, text(number));
    }
}

#[tokio::test]
async fn s23_a_backup_may_leave_consumers_out() {
    let server = server();
    let (client, _) = connect(&server).await;
    fill(&client).await;
    let to = client.new_inbox();
    let mut chunks_in = client.subscribe(to.clone()).await.expect("subscribed");
    if Subject::from_env().is_corewire() {
        // What has no place in a tar is not left out silently.
        let long = "n".repeat(200);
        create(&client, &long, &json!({"durable_name": long, "ack_policy": "explicit"})).await;
        let request = json!({"deliver_subject": to}).to_string();
        let refused = ask(&client, "STREAM.SNAPSHOT.S", &request).await;
        assert_eq!(refused["error"]["err_code"], 10064, "{refused}");
    }
    let request = json!({"deliver_subject": to, "no_consumers": true}).to_string();
    let described = ask(&client, "STREAM.SNAPSHOT.S", &request).await;
    let mut chunks = Vec::new();
    while let Some(chunk) = timeout(PATIENCE, chunks_in.next()).await.expect("in time")
        && let Some(answer_to) = chunk.reply
    {
        chunks.push(chunk.payload);
        client.publish(answer_to, "".into()).await.expect("answered");
    }
    ask(&client, "STREAM.DELETE.S", "").await;
    Backup { described, chunks }.restore(&client, "S").await;
    let names = ask(&client, "CONSUMER.NAMES.S", "").await;
    assert_eq!(names["total"], 0, "{names}");
    assert_eq!(ask(&client, "STREAM.INFO.S", "").await["state"]["messages"], 20);
}

#[tokio::test]
async fn s23_until_it_is_whole_nobody_sees_it_and_its_name_is_taken() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let server = server();
    let (client, _) = connect(&server).await;
    fill(&client).await;
    let backup = Backup::of(&client, "S").await;
    ask(&client, "STREAM.DELETE.S", "").await;
    let to = backup.begin(&client, "S").await.expect("it may be restored");
    let first = client.request(to.clone(), backup.chunks[0].clone()).await.expect("an answer");
    assert_eq!(first.payload, "");
    let code = |answer: Value| answer["error"]["err_code"].as_u64();
    assert_eq!(code(ask(&client, "STREAM.INFO.S", "").await), Some(10059));
    assert_eq!(code(ask(&client, "STREAM.DELETE.S", "").await), Some(10059));
    assert_eq!(code(ask(&client, "STREAM.CREATE.S", r#"{"name":"S"}"#).await), Some(10058));
    assert_eq!(backup.begin(&client, "S").await, Err(10130));
    let names = ask(&client, "STREAM.NAMES", "").await;
    assert_eq!(names["streams"], Value::Null, "{names}");
    let rest = Backup { described: Value::Null, chunks: backup.chunks[1..].to_vec() };
    let end = rest.send(&client, &to).await;
    assert!(end.get("error").is_none(), "{end}");
    assert_eq!(ask(&client, "STREAM.NAMES", "").await["streams"], json!(["S"]));
}

#[tokio::test]
async fn s23_a_backup_has_no_other_name() {
    let server = server();
    let (client, _) = connect(&server).await;
    fill(&client).await;
    let backup = Backup::of(&client, "S").await;
    ask(&client, "STREAM.DELETE.S", "").await;
    let end = backup.restore(&client, "OTHER").await;
    assert_eq!(end["error"]["err_code"], 10062, "{end}");
    let gone = async {
        while ask(&client, "STREAM.INFO.OTHER", "").await["error"]["err_code"] != 10059 {}
    };
    timeout(PATIENCE, gone).await.expect("nothing is left of it");
    // Nor may the request name one stream and ask for another.
    let request = json!({"config": backup.described["config"], "state": {}}).to_string();
    let answer = ask(&client, "STREAM.RESTORE.THIRD", &request).await;
    assert_eq!(answer["error"]["err_code"], 10056, "{answer}");
}

#[tokio::test]
async fn s23_a_kill_in_the_middle_leaves_nothing() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let path = folder.path().to_string_lossy().into_owned();
    let start = || Server::builder().cores(2).args(&["-js", "-sd", &path]).start();
    let server = start();
    let backup = {
        let (client, _) = connect(&server).await;
        fill(&client).await;
        let backup = Backup::of(&client, "S").await;
        ask(&client, "STREAM.DELETE.S", "").await;
        let to = backup.begin(&client, "S").await.expect("it may be restored");
        for chunk in &backup.chunks {
            client.request(to.clone(), chunk.clone()).await.expect("an answer");
        }
        // Something else that is safe: by then the messages of the restore are on disk as well.
        ask(&client, "STREAM.CREATE.SAFE", r#"{"name":"SAFE"}"#).await;
        backup
    };
    server.signal(Signal::KILL);
    server.finish();
    let server = start();
    let (client, _) = connect(&server).await;
    assert_eq!(ask(&client, "STREAM.NAMES", "").await["streams"], json!(["SAFE"]));
    let end = backup.restore(&client, "S").await;
    assert!(end.get("error").is_none(), "{end}");
    let info = ask(&client, "STREAM.INFO.S", "").await;
    assert_eq!(
        (&info["state"]["messages"], &info["state"]["consumer_count"]),
        (&20.into(), &2.into())
    );
}

#[tokio::test]
async fn v03_backups_and_restores_are_told_of() {
    let server = server();
    let (client, _) = connect(&server).await;
    fill(&client).await;
    let mut events = client.subscribe("$JS.EVENT.ADVISORY.STREAM.*.S").await.expect("subscribed");
    let backup = Backup::of(&client, "S").await;
    ask(&client, "STREAM.DELETE.S", "").await;
    backup.restore(&client, "S").await;
    let mut told = Vec::new();
    while told.len() < 6 {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("open");
        let body: Value = serde_json::from_slice(&event.payload).expect("JSON");
        assert_eq!(body["stream"], "S", "{body}");
        let kind = body["type"].as_str().expect("a type").to_owned();
        if kind.contains("snapshot") || kind.contains("restore") {
            assert_eq!(body["client"]["acc"], "$G", "{body}");
        }
        if kind.ends_with("complete") {
            assert!(body["start"].is_string() && body["end"].is_string(), "{body}");
            assert!(body.get("error").is_none(), "{body}");
        }
        match kind.rsplit('.').next() {
            Some("snapshot_create") => assert_eq!(body["state"]["messages"], 20, "{body}"),
            Some("restore_complete") => {
                let sent: usize = backup.chunks.iter().map(Bytes::len).sum();
                assert_eq!(body["bytes"], sent, "{body}");
            }
            _ => {}
        }
        told.push(event.subject.as_str().split('.').nth(4).expect("a token").to_owned());
    }
    told.sort();
    let expected = [
        "CREATED",
        "DELETED",
        "RESTORE_COMPLETE",
        "RESTORE_CREATE",
        "SNAPSHOT_COMPLETE",
        "SNAPSHOT_CREATE",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn s23_backups_pass_between_corewire_and_nats_server() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let Some(reference) = Subject::installed() else { return };
    let ours = server();
    let theirs = enabled(Server::builder_for(reference)).start();
    for (from, to) in [(&theirs, &ours), (&ours, &theirs)] {
        let (client, _) = connect(from).await;
        fill(&client).await;
        let before = essence(&client).await;
        let backup = Backup::of(&client, "S").await;
        ask(&client, "STREAM.DELETE.S", "").await;
        let (client, _) = connect(to).await;
        let end = backup.restore(&client, "S").await;
        assert!(end.get("error").is_none(), "{end}");
        let mut after = essence(&client).await;
        // Each server counts bytes in its own way, and an older one has no deletions to tell of.
        after["state"] = before["state"].clone();
        assert_eq!(after, before);
        let stored = client.request("s.new", "x".into()).await.expect("stored");
        let stored: Value = serde_json::from_slice(&stored.payload).expect("JSON");
        assert_eq!(stored, json!({"stream": "S","seq": 21}));
        ask(&client, "STREAM.DELETE.S", "").await;
    }
}
