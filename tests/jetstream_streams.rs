//! Streams end to end, request by request on the wire: rows S01 to S22, B01 to B08 and D01 to D06.
//! The server is a process; everything goes through a plain connection of async-nats, so that
//! acknowledgements, statuses and headers are seen as they are sent.

use async_nats::{Client, HeaderMap, Message, Subscriber};
use futures_util::StreamExt;
use harness::{PATIENCE, Server};
use serde_json::{Value, json};
use tokio::time::timeout;

/// A server with JetStream, and a connection.
struct Bench {
    client: Client,
    _server: Server,
}

impl Bench {
    async fn new() -> Bench {
        let builder = Server::builder().cores(2);
        let folder = builder.folder().join("js").to_string_lossy().into_owned();
        let server = builder.args(&["-js", "-sd", &folder]).start();
        let client = async_nats::connect(server.url()).await.expect("async-nats connects");
        Bench { client, _server: server }
    }

    /// With the stream `S` on `s.>` and what `more` adds.
    async fn with(more: Value) -> Bench {
        let bench = Bench::new().await;
        bench.create(json!({"name": "S", "subjects": ["s.>"]}), more).await;
        bench
    }

    async fn create(&self, mut config: Value, more: Value) {
        let fields = more.as_object().expect("an object").clone();
        config.as_object_mut().expect("an object").extend(fields);
        let name = config["name"].as_str().expect("a name").to_owned();
        self.right(&format!("STREAM.CREATE.{name}"), config).await;
    }

    /// Asks the API.
    async fn ask(&self, subject: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.client.request(format!("$JS.API.{subject}"), body.into()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}"));
        serde_json::from_slice(&answer.payload).expect("an answer is JSON")
    }

    /// Asks for something that must be granted.
    async fn right(&self, subject: &str, body: Value) -> Value {
        let answer = self.ask(subject, body).await;
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
        answer
    }

    /// Asks for something that must be refused; the code and the reason.
    async fn wrong(&self, subject: &str, body: Value) -> (u64, String) {
        let answer = self.ask(subject, body).await;
        let error = &answer["error"];
        let code = error["err_code"].as_u64().unwrap_or_else(|| panic!("{subject}: {answer}"));
        (code, error["description"].as_str().unwrap_or_default().to_owned())
    }

    /// Publishes and waits for the acknowledgement, as text.
    async fn publish(&self, subject: &str, headers: &[(&str, &str)], payload: &str) -> String {
        let (subject, payload) = (subject.to_owned(), payload.to_owned());
        let answer = if headers.is_empty() {
            self.client.request(subject, payload.into()).await
        } else {
            self.client.request_with_headers(subject, map(headers), payload.into()).await
        };
        let answer = answer.expect("an acknowledgement");
        String::from_utf8(answer.payload.to_vec()).expect("text")
    }

    /// The code with which a publish is refused.
    async fn refused(&self, subject: &str, headers: &[(&str, &str)], payload: &str) -> u64 {
        let answer = self.publish(subject, headers, payload).await;
        let json: Value = serde_json::from_str(&answer).expect("JSON");
        json["error"]["err_code"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }

    async fn state(&self, stream: &str) -> Value {
        self.right(&format!("STREAM.INFO.{stream}"), Value::Null).await["state"].clone()
    }

    /// Sequence, subject and payload of all messages.
    async fn stored(&self, stream: &str) -> Vec<String> {
        let state = self.state(stream).await;
        let (first, last) = (state["first_seq"].as_u64(), state["last_seq"].as_u64());
        let mut found = Vec::new();
        for seq in first.expect("a number")..=last.expect("a number") {
            let body = json!({"seq": seq});
            let answer = self.ask(&format!("STREAM.MSG.GET.{stream}"), body).await;
            if let Some(message) = answer.get("message") {
                let data = message["data"].as_str().unwrap_or_default();
                found.push(format!(
                    "{seq} {} {}",
                    message["subject"].as_str().unwrap(),
                    text(data)
                ));
            }
        }
        found
    }

    async fn subscribe(&self, subject: &str) -> Subscriber {
        self.client.subscribe(subject.to_owned()).await.expect("subscribed")
    }

    /// Waits until the stream's state is as wanted.
    async fn until(&self, stream: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let attempts = async {
            loop {
                let state = self.state(stream).await;
                if wanted(&state) {
                    return state;
                }
            }
        };
        timeout(PATIENCE, attempts).await.expect("it comes to that in time")
    }
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    map
}

/// Base64 of short plain text, decoded.
fn text(base64: &str) -> String {
    let value = |char: u8| match char {
        b'A'..=b'Z' => char - b'A',
        b'a'..=b'z' => char - b'a' + 26,
        b'0'..=b'9' => char - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0u32, 0);
    for char in base64.bytes().filter(|&char| char != b'=') {
        held = held << 6 | u32::from(value(char));
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    String::from_utf8(bytes).expect("text")
}

async fn next(subscriber: &mut Subscriber) -> Message {
    timeout(PATIENCE, subscriber.next()).await.expect("a message in time").expect("open")
}

fn header<'a>(message: &'a Message, name: &str) -> &'a str {
    let headers = message.headers.as_ref().expect("headers");
    headers.get(name).unwrap_or_else(|| panic!("no {name}: {headers:?}")).as_str()
}

#[tokio::test]
async fn s01_streams_are_made_once_changed_described_and_deleted() {
    let bench = Bench::with(json!({})).await;
    let config = json!({"name": "S", "subjects": ["s.>"]});
    let again = bench.right("STREAM.CREATE.S", config).await;
    assert_eq!(again["did_create"], true, "as nats-server says it, made or found");
    let different = json!({"name": "S", "subjects": ["t.>"]});
    assert_eq!(bench.wrong("STREAM.CREATE.S", different).await.0, 10058);
    let more = json!({"name": "S", "subjects": ["s.>"], "description": "d"});
    let updated = bench.right("STREAM.UPDATE.S", more).await;
    assert_eq!(updated["config"]["description"], "d");
    assert_eq!(bench.right("STREAM.NAMES", Value::Null).await["streams"], json!(["S"]));
    assert_eq!(bench.right("STREAM.DELETE.S", Value::Null).await["success"], true);
    assert_eq!(bench.wrong("STREAM.INFO.S", Value::Null).await.0, 10059);
}

#[tokio::test]
async fn s02_an_update_may_not_change_everything() {
    let bench = Bench::with(json!({"deny_delete": true})).await;
    let refused = async |more: Value| {
        let mut config = json!({"name": "S", "subjects": ["s.>"], "deny_delete": true});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bench.wrong("STREAM.UPDATE.S", config).await
    };
    let cannot = "stream configuration update can not";
    let table = [
        (json!({"storage": "memory"}), "change storage type"),
        (json!({"retention": "workqueue"}), "change retention policy to/from workqueue"),
        (json!({"deny_delete": false}), "cancel deny message deletes"),
    ];
    for (more, what) in table {
        assert_eq!(refused(more).await, (10052, format!("{cannot} {what}")));
    }
    assert_eq!(bench.wrong("STREAM.UPDATE.NO", json!({"name": "NO"})).await.0, 10059);
}

#[tokio::test]
async fn s03_subjects_of_two_streams_never_overlap() {
    let bench = Bench::with(json!({})).await;
    let overlapping = json!({"name": "T", "subjects": ["s.*"]});
    assert_eq!(bench.wrong("STREAM.CREATE.T", overlapping).await.0, 10065);
    let inside = json!({"name": "T", "subjects": ["t.*", "t.a"]});
    assert_eq!(bench.wrong("STREAM.CREATE.T", inside).await.0, 10052);
}

#[tokio::test]
async fn s04_limits_remove_from_the_head() {
    let bench = Bench::with(json!({"max_msgs": 2})).await;
    for payload in ["1", "2", "3"] {
        bench.publish("s.a", &[], payload).await;
    }
    assert_eq!(bench.stored("S").await, ["2 s.a 2", "3 s.a 3"]);
    let aged = json!({"name": "AGED", "subjects": ["aged"], "max_age": 200_000_000});
    bench.right("STREAM.CREATE.AGED", aged).await;
    bench.publish("aged", &[], "x").await;
    let state = bench.until("AGED", |state| state["messages"] == 0).await;
    assert_eq!((&state["first_seq"], &state["last_seq"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn s05_subjects_and_sizes_are_limited() {
    let bench = Bench::with(json!({"max_msgs_per_subject": 1, "max_msg_size": 5})).await;
    for (subject, payload) in [("s.a", "1"), ("s.b", "2"), ("s.a", "3")] {
        bench.publish(subject, &[], payload).await;
    }
    assert_eq!(bench.stored("S").await, ["2 s.b 2", "3 s.a 3"]);
    assert_eq!(bench.refused("s.a", &[], "123456").await, 10054);
}

#[tokio::test]
async fn s06_discard_new_refuses() {
    let bench = Bench::with(json!({"max_msgs": 1, "discard": "new"})).await;
    bench.publish("s.a", &[], "1").await;
    assert_eq!(
        bench.publish("s.a", &[], "2").await,
        concat!(
            r#"{"error":{"code":503,"err_code":10077,"#,
            r#""description":"maximum messages exceeded"},"stream":"S","seq":0}"#
        )
    );
}

#[tokio::test]
async fn s07_s08_retention_by_interest_and_as_a_queue() {
    let bench = Bench::with(json!({"retention": "interest"})).await;
    assert_eq!(bench.publish("s.a", &[], "1").await, r#"{"stream":"S","seq":1}"#);
    let state = bench.state("S").await;
    assert_eq!((&state["messages"], &state["last_seq"]), (&json!(0), &json!(1)));
    let queue = json!({"name": "Q", "subjects": ["q"], "retention": "workqueue"});
    bench.right("STREAM.CREATE.Q", queue).await;
    for (stream, durable) in [("S", "c"), ("Q", "c")] {
        let consumer = json!({"stream_name": stream, "config":
            {"durable_name": durable, "ack_policy": "explicit"}});
        bench.right(&format!("CONSUMER.CREATE.{stream}.{durable}"), consumer).await;
    }
    let second = json!({"stream_name": "Q", "config":
        {"durable_name": "d", "ack_policy": "explicit"}});
    assert_eq!(bench.wrong("CONSUMER.CREATE.Q.d", second).await.0, 10099);
    for (stream, subject) in [("S", "s.a"), ("Q", "q")] {
        bench.publish(subject, &[], "kept").await;
        assert_eq!(bench.state(stream).await["messages"], 1);
        // A delivery keeps its own subject, so it is no answer that a client's requests know.
        let inbox = format!("inbox.{stream}");
        let mut delivered = bench.subscribe(&inbox).await;
        let pull = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.c");
        let asked = bench.client.publish_with_reply(pull, inbox, "".into()).await;
        asked.expect("asked");
        let message = next(&mut delivered).await;
        let ack_to = message.reply.expect("an ack subject");
        bench.client.request(ack_to, "+ACK".into()).await.expect("confirmed");
        bench.until(stream, |state| state["messages"] == 0).await;
    }
}

#[tokio::test]
async fn s09_no_ack_first_sequence_and_metadata() {
    let bench = Bench::with(json!({"first_seq": 50, "metadata": {"k": "v"}})).await;
    assert_eq!(bench.publish("s.a", &[], "1").await, r#"{"stream":"S","seq":50}"#);
    let info = bench.right("STREAM.INFO.S", Value::Null).await;
    assert_eq!(info["config"]["metadata"]["k"], "v");
    assert_eq!(info["config"]["metadata"]["_nats.req.level"], "0");
    bench.create(json!({"name": "N", "subjects": ["n"]}), json!({"no_ack": true})).await;
    bench.client.publish("n", "x".into()).await.expect("published");
    bench.until("N", |state| state["messages"] == 1).await;
}

#[tokio::test]
async fn s10_sealed_streams_and_forbidden_removals() {
    let bench = Bench::with(json!({"deny_delete": true, "deny_purge": true})).await;
    bench.publish("s.a", &[], "1").await;
    assert_eq!(bench.wrong("STREAM.MSG.DELETE.S", json!({"seq": 1})).await.0, 10057);
    assert_eq!(bench.wrong("STREAM.PURGE.S", Value::Null).await.0, 10110);
    let sealed = json!({"name": "S", "subjects": ["s.>"], "deny_delete": true,
        "deny_purge": true, "sealed": true});
    bench.right("STREAM.UPDATE.S", sealed).await;
    assert_eq!(bench.refused("s.a", &[], "2").await, 10109);
    assert_eq!(bench.wrong("STREAM.MSG.DELETE.S", json!({"seq": 1})).await.0, 10109);
    assert_eq!(bench.wrong("STREAM.PURGE.S", Value::Null).await.0, 10109);
}

#[tokio::test]
async fn s12_transforms_and_republish() {
    let bench = Bench::with(json!({
        "subject_transform": {"src": "s.*", "dest": "t.{{wildcard(1)}}"},
        "republish": {"src": ">", "dest": "again.>"},
    }))
    .await;
    let mut again = bench.subscribe("again.>").await;
    bench.publish("s.a", &[], "1").await;
    assert_eq!(bench.stored("S").await, ["1 t.a 1"]);
    let message = next(&mut again).await;
    assert_eq!((message.subject.as_str(), &message.payload[..]), ("again.t.a", &b"1"[..]));
    assert_eq!((header(&message, "Nats-Stream"), header(&message, "Nats-Subject")), ("S", "t.a"));
    assert_eq!(header(&message, "Nats-Sequence"), "1");
    assert_eq!(header(&message, "Nats-Last-Sequence"), "0");
}

#[tokio::test]
async fn s14_s15_times_to_live_and_markers() {
    let bench = Bench::with(json!({"allow_msg_ttl": true})).await;
    bench.publish("s.a", &[("Nats-TTL", "1s")], "short").await;
    bench.publish("s.b", &[], "long").await;
    assert_eq!(bench.refused("s.a", &[("Nats-TTL", "1ms")], "").await, 10165);
    bench.until("S", |state| state["messages"] == 1).await;
    assert_eq!(bench.stored("S").await, ["2 s.b long"]);
    let more = json!({"subject_delete_marker_ttl": 1_000_000_000, "max_age": 300_000_000});
    bench.create(json!({"name": "M", "subjects": ["m"]}), more).await;
    bench.publish("m", &[], "1").await;
    bench.until("M", |state| state["first_seq"] == 2).await;
    let marker = bench.right("STREAM.MSG.GET.M", json!({"seq": 2})).await;
    let headers = text(marker["message"]["hdrs"].as_str().expect("headers"));
    assert!(headers.contains("Nats-Marker-Reason: MaxAge"), "{headers}");
    bench.until("M", |state| state["messages"] == 0).await;
}

#[tokio::test]
async fn s16_b04_counters_and_roll_ups() {
    let bench = Bench::with(json!({"allow_msg_counter": true})).await;
    bench.publish("s.a", &[("Nats-Incr", "5")], "").await;
    assert_eq!(
        bench.publish("s.a", &[("Nats-Incr", "-7")], "").await,
        r#"{"stream":"S","seq":2,"val":"-2"}"#
    );
    assert_eq!(bench.refused("s.a", &[], "").await, 10169);
    let rollup = json!({"allow_rollup_hdrs": true});
    bench.create(json!({"name": "R", "subjects": ["r.>"]}), rollup).await;
    for subject in ["r.a", "r.b", "r.a"] {
        bench.publish(subject, &[], "x").await;
    }
    bench.publish("r.a", &[("Nats-Rollup", "sub")], "y").await;
    assert_eq!(bench.stored("R").await, ["2 r.b x", "4 r.a y"]);
}

#[tokio::test]
async fn s17_batches_need_their_permission() {
    let bench = Bench::with(json!({})).await;
    let batch = [("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", "1")];
    assert_eq!(bench.refused("s.a", &batch, "x").await, 10174);
}

#[tokio::test]
async fn s18_s19_scheduled_messages() {
    let bench = Bench::with(json!({"allow_msg_schedules": true})).await;
    let headers = [("Nats-Schedule", "@at 2020-01-01T00:00:00Z"), ("Nats-Schedule-Target", "s.t")];
    bench.publish("s.once", &headers, "now").await;
    bench.until("S", |state| state["last_seq"] == 2).await;
    assert_eq!(bench.stored("S").await, ["2 s.t now"]);
    let headers = [("Nats-Schedule", "* * * * * *"), ("Nats-Schedule-Target", "s.tick")];
    bench.publish("s.cron", &headers, "tick").await;
    bench.until("S", |state| state["last_seq"].as_u64() >= Some(4)).await;
    let message = bench.right("STREAM.MSG.GET.S", json!({"last_by_subj": "s.tick"})).await;
    let headers = text(message["message"]["hdrs"].as_str().expect("headers"));
    assert!(headers.contains("Nats-Scheduler: s.cron"), "{headers}");
    let other_zone = [
        ("Nats-Schedule", "0 0 0 * * *"),
        ("Nats-Schedule-Target", "s.t"),
        ("Nats-Schedule-Time-Zone", "Nowhere/Land"),
    ];
    assert_eq!(bench.refused("s.cron", &other_zone, "x").await, 10223);
}

#[tokio::test]
async fn s20_async_persistence_is_for_plain_file_streams() {
    let bench = Bench::with(json!({"persist_mode": "async"})).await;
    assert_eq!(bench.publish("s.a", &[], "1").await, r#"{"stream":"S","seq":1}"#);
    let memory = json!({"name": "M", "persist_mode": "async", "storage": "memory"});
    assert_eq!(bench.wrong("STREAM.CREATE.M", memory).await.0, 10052);
}

#[tokio::test]
async fn s21_purge_get_and_delete() {
    let bench = Bench::with(json!({})).await;
    for (subject, payload) in [("s.a", "1"), ("s.b", "2"), ("s.a", "3"), ("s.a", "4")] {
        bench.publish(subject, &[], payload).await;
    }
    let purged = bench.right("STREAM.PURGE.S", json!({"filter": "s.a", "keep": 1})).await;
    assert_eq!((&purged["success"], &purged["purged"]), (&json!(true), &json!(2)));
    assert_eq!(bench.stored("S").await, ["2 s.b 2", "4 s.a 4"]);
    assert_eq!(bench.wrong("STREAM.PURGE.S", json!({"seq": 1, "keep": 1})).await.0, 10003);
    assert_eq!(bench.right("STREAM.MSG.DELETE.S", json!({"seq": 2})).await["success"], true);
    assert_eq!(bench.wrong("STREAM.MSG.GET.S", json!({"seq": 2})).await.0, 10037);
    assert_eq!(bench.right("STREAM.PURGE.S", Value::Null).await["purged"], 1);
    assert_eq!(bench.state("S").await["first_seq"], 5);
}

#[tokio::test]
async fn s22_info_lists_subjects_and_gaps() {
    let bench = Bench::with(json!({})).await;
    for subject in ["s.a", "s.b", "s.a"] {
        bench.publish(subject, &[], "x").await;
    }
    bench.right("STREAM.MSG.DELETE.S", json!({"seq": 2})).await;
    let details = json!({"subjects_filter": ">", "deleted_details": true});
    let info = bench.right("STREAM.INFO.S", details).await;
    assert_eq!(info["state"]["subjects"], json!({"s.a": 2}));
    assert_eq!(info["state"]["deleted"], json!([2]));
    assert_eq!((&info["total"], &info["offset"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn s23_a_backup_brings_a_stream_back() {
    let bench = Bench::with(json!({})).await;
    for number in 0..200 {
        bench.publish("s.a", &[], &number.to_string()).await;
    }
    bench.right("STREAM.MSG.DELETE.S", json!({"seq": 7})).await;
    let mut chunks = bench.subscribe("chunks").await;
    let request = json!({"deliver_subject": "chunks", "chunk_size": 1024});
    let described = bench.right("STREAM.SNAPSHOT.S", request).await;
    let mut archive = Vec::new();
    loop {
        let chunk = next(&mut chunks).await;
        let Some(answer_to) = chunk.reply else {
            assert_eq!(chunk.status.expect("a status").as_u16(), 204);
            break;
        };
        archive.push(chunk.payload);
        bench.client.publish(answer_to, "".into()).await.expect("answered");
    }
    let restore = json!({"config": described["config"], "state": described["state"]});
    assert_eq!(bench.wrong("STREAM.RESTORE.S", restore.clone()).await.0, 10130);
    let before = bench.state("S").await;
    bench.right("STREAM.DELETE.S", Value::Null).await;
    let answer = bench.right("STREAM.RESTORE.S", restore.clone()).await;
    let to = answer["deliver_subject"].as_str().expect("a subject").to_owned();
    for chunk in &archive {
        bench.client.request(to.clone(), chunk.clone()).await.expect("an empty answer");
    }
    let end = bench.client.request(to, "".into()).await.expect("an answer");
    let end: Value = serde_json::from_slice(&end.payload).expect("JSON");
    assert_eq!(end["type"], "io.nats.jetstream.api.v1.stream_create_response", "{end}");
    assert_eq!(bench.state("S").await, before);
    assert_eq!(bench.wrong("STREAM.MSG.GET.S", json!({"seq": 7})).await.0, 10037);
    // What is damaged is refused, and leaves no stream.
    bench.right("STREAM.DELETE.S", Value::Null).await;
    let answer = bench.right("STREAM.RESTORE.S", restore).await;
    let to = answer["deliver_subject"].as_str().expect("a subject").to_owned();
    let end = bench.client.request(to, "no archive".repeat(100).into()).await.expect("an answer");
    let end: Value = serde_json::from_slice(&end.payload).expect("JSON");
    assert_eq!(end["error"]["err_code"], 10062);
    let gone = async {
        while bench.ask("STREAM.INFO.S", Value::Null).await["error"]["err_code"] != 10059 {}
    };
    timeout(PATIENCE, gone).await.expect("it is gone in time");
}

#[tokio::test]
async fn b01_b02_acknowledgements_and_duplicates() {
    let bench = Bench::with(json!({})).await;
    let id = [("Nats-Msg-Id", "one")];
    assert_eq!(bench.publish("s.a", &id, "1").await, r#"{"stream":"S","seq":1}"#);
    assert_eq!(bench.publish("s.a", &id, "1").await, r#"{"stream":"S","seq":1,"duplicate": true}"#);
}

#[tokio::test]
async fn b03_expectations() {
    let bench = Bench::with(json!({})).await;
    bench.publish("s.a", &[("Nats-Msg-Id", "one")], "1").await;
    for (name, value, code) in [
        ("Nats-Expected-Stream", "X", 10060),
        ("Nats-Expected-Last-Msg-Id", "two", 10070),
        ("Nats-Expected-Last-Sequence", "7", 10071),
        ("Nats-Expected-Last-Subject-Sequence", "7", 10071),
        ("Nats-Expected-Last-Subject-Sequence-Subject", "s.*", 10193),
    ] {
        assert_eq!(bench.refused("s.a", &[(name, value)], "2").await, code, "{name}");
    }
    let right = [("Nats-Expected-Last-Sequence", "1"), ("Nats-Expected-Last-Msg-Id", "one")];
    assert_eq!(bench.publish("s.a", &right, "2").await, r#"{"stream":"S","seq":2}"#);
}

#[tokio::test]
async fn b05_an_atomic_batch_is_stored_at_once_or_not() {
    let bench = Bench::with(json!({"allow_atomic": true})).await;
    let mut abandoned = bench.subscribe("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S").await;
    let message =
        |id: &'static str, seq: &'static str| [("Nats-Batch-Id", id), ("Nats-Batch-Sequence", seq)];
    assert_eq!(bench.publish("s.a", &message("b", "1"), "1").await, "");
    assert_eq!(bench.state("S").await["messages"], 0);
    let [id, seq] = message("b", "2");
    let last = [id, seq, ("Nats-Batch-Commit", "1")];
    assert_eq!(
        bench.publish("s.b", &last, "2").await,
        r#"{"stream":"S","seq":2,"batch":"b","count":2}"#
    );
    assert_eq!(bench.stored("S").await, ["1 s.a 1", "2 s.b 2"]);
    bench.publish("s.a", &message("c", "1"), "1").await;
    assert_eq!(bench.refused("s.a", &message("c", "3"), "3").await, 10176);
    let advisory: Value = serde_json::from_slice(&next(&mut abandoned).await.payload).unwrap();
    assert_eq!((&advisory["batch"], &advisory["reason"]), (&json!("c"), &json!("incomplete")));
}

#[tokio::test]
async fn b06_a_fast_batch_flows() {
    let bench = Bench::with(json!({"allow_batched": true})).await;
    let mut replies = bench.subscribe("flow.>").await;
    let send = async |seq: u64, op: u8, payload: &'static str| {
        let reply = format!("flow.id.2.fail.{seq}.{op}.$FI");
        let published = bench.client.publish_with_reply("s.a", reply, payload.into()).await;
        published.expect("published");
    };
    send(1, 0, "1").await;
    assert_eq!(next(&mut replies).await.payload, r#"{"type":"ack","seq":0,"msgs":2}"#);
    send(2, 1, "2").await;
    assert_eq!(next(&mut replies).await.payload, r#"{"type":"ack","seq":2,"msgs":2}"#);
    send(3, 2, "3").await;
    assert_eq!(
        next(&mut replies).await.payload,
        r#"{"stream":"S","seq":3,"batch":"id","count":3}"#
    );
}

#[tokio::test]
async fn b08_headers_are_limited_and_some_forbidden() {
    let bench = Bench::with(json!({})).await;
    let long = "x".repeat(65_535);
    assert_eq!(bench.refused("s.a", &[("X", &long)], "").await, 10097);
    assert_eq!(bench.refused("s.a", &[("Nats-Stream-Source", "A 1")], "").await, 10227);
}

#[tokio::test]
async fn d01_d02_direct_get() {
    let bench = Bench::with(json!({"allow_direct": true})).await;
    for (subject, payload) in [("s.a", "1"), ("s.b", "2"), ("s.a", "3")] {
        bench.publish(subject, &[], payload).await;
    }
    let get = async |subject: &'static str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        bench.client.request(format!("$JS.API.DIRECT.GET.{subject}"), body.into()).await
    };
    let message = get("S.s.a", Value::Null).await.expect("an answer");
    assert_eq!((&message.payload[..], header(&message, "Nats-Sequence")), (&b"3"[..], "3"));
    assert_eq!(header(&message, "Nats-Subject"), "s.a");
    let nothing = get("S", json!({"seq": 9})).await.expect("an answer");
    assert_eq!(nothing.status.expect("a status").as_u16(), 404);
    assert_eq!(nothing.description.as_deref(), Some("Message Not Found"));
    let mut inbox = bench.subscribe("many").await;
    let body = json!({"multi_last": ["s.>"]}).to_string();
    let asked = bench.client.publish_with_reply("$JS.API.DIRECT.GET.S", "many", body.into()).await;
    asked.expect("asked");
    let (first, second) = (next(&mut inbox).await, next(&mut inbox).await);
    assert_eq!((&first.payload[..], &second.payload[..]), (&b"2"[..], &b"3"[..]));
    assert_eq!(header(&first, "Nats-Num-Pending"), "1");
    let end = next(&mut inbox).await;
    assert_eq!(end.status.expect("a status").as_u16(), 204);
    assert_eq!(header(&end, "Nats-UpTo-Sequence"), "3");
    bench.create(json!({"name": "T", "subjects": ["t"]}), json!({})).await;
    let gone = get("T", json!({"seq": 1})).await.expect_err("nobody answers");
    assert_eq!(gone.kind(), async_nats::RequestErrorKind::NoResponders);
}

#[tokio::test]
async fn d03_d04_d06_mirrors_and_sources() {
    let bench = Bench::with(json!({})).await;
    bench.publish("s.x", &[], "0").await;
    bench.right("STREAM.PURGE.S", Value::Null).await;
    bench.publish("s.a", &[], "1").await;
    bench.create(json!({"name": "M", "mirror": {"name": "S"}}), json!({})).await;
    let transform = json!([{"src": "s.*", "dest": "n.{{wildcard(1)}}"}]);
    let source = json!([{"name": "S", "subject_transforms": transform}]);
    bench.create(json!({"name": "N", "sources": source}), json!({})).await;
    bench.publish("s.b", &[], "2").await;
    bench.until("M", |state| state["messages"] == 2).await;
    bench.until("N", |state| state["messages"] == 2).await;
    assert_eq!(bench.stored("M").await, ["2 s.a 1", "3 s.b 2"]);
    assert_eq!(bench.stored("N").await, ["1 n.a 1", "2 n.b 2"]);
    let message = bench.right("STREAM.MSG.GET.N", json!({"seq": 2})).await;
    let headers = text(message["message"]["hdrs"].as_str().expect("headers"));
    assert!(headers.contains("Nats-Stream-Source: S 3 s.* n.{{wildcard(1)}} s.b"), "{headers}");
    let info = bench.right("STREAM.INFO.S", Value::Null).await;
    assert_eq!(info["state"]["consumer_count"], 0, "what copies it is not shown");
    let names = bench.right("CONSUMER.NAMES.S", Value::Null).await;
    assert_eq!((&names["consumers"], &names["total"]), (&json!([]), &json!(0)));
    let info = bench.right("STREAM.INFO.M", Value::Null).await;
    assert_eq!((&info["mirror"]["name"], &info["mirror"]["lag"]), (&json!("S"), &json!(0)));
    let promoted = json!({"name": "M", "subjects": ["m"]});
    bench.right("STREAM.UPDATE.M", promoted).await;
    assert_eq!(bench.publish("m", &[], "own").await, r#"{"stream":"M","seq":4}"#);
    let cycle = json!({"name": "S", "subjects": ["s.>"], "sources": [{"name": "N"}]});
    assert_eq!(bench.wrong("STREAM.UPDATE.S", cycle).await, (10052, "detected cycle".to_owned()));
}
