//! Consumers end to end, request by request on the wire: rows K01 to K22, V02 and V04. The server
//! is a process; everything goes through a plain connection of async-nats, so that statuses,
//! headers and reply subjects are seen as they are sent.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use harness::{Builder, Folder, PATIENCE, Server, Signal};
use serde_json::{Value, json};
use tokio::time::timeout;

/// A server with the stream `S` on `a.>`, and a connection.
struct Bench {
    client: Client,
    server: Server,
}

impl Bench {
    async fn new() -> Bench {
        let builder = Server::builder().cores(2);
        let folder = builder.folder().join("js");
        let bench = Bench::start(builder, &folder).await;
        bench.right("STREAM.CREATE.S", json!({"name": "S", "subjects": ["a.>"]})).await;
        bench
    }

    /// A server that stores in this folder.
    async fn start(builder: Builder, folder: &Path) -> Bench {
        let folder = folder.to_string_lossy().into_owned();
        let server = builder.args(&["-js", "-sd", &folder]).start();
        let client = async_nats::connect(server.url()).await.expect("async-nats connects");
        Bench { client, server }
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

    /// Asks for something that must be refused; the code.
    async fn wrong(&self, subject: &str, body: Value) -> u64 {
        let answer = self.ask(subject, body).await;
        answer["error"]["err_code"].as_u64().unwrap_or_else(|| panic!("{subject}: {answer}"))
    }

    /// Makes the durable consumer `c` with these fields besides explicit acknowledgement.
    async fn consumer(&self, fields: Value) -> Value {
        let mut config = json!({"durable_name": "c", "ack_policy": "explicit"});
        let fields = fields.as_object().expect("fields").clone();
        config.as_object_mut().expect("an object").extend(fields);
        let body = json!({"stream_name": "S", "config": config});
        self.right("CONSUMER.CREATE.S.c", body).await
    }

    async fn info(&self) -> Value {
        self.right("CONSUMER.INFO.S.c", Value::Null).await
    }

    /// Stores messages; each is acknowledged.
    async fn store(&self, messages: &[(&str, &str)]) {
        for (subject, payload) in messages {
            let ack = self.client.request(subject.to_string(), payload.to_string().into()).await;
            let ack: Value = serde_json::from_slice(&ack.expect("stored").payload).expect("JSON");
            assert!(ack["seq"].as_u64() > Some(0), "{ack}");
        }
    }

    /// Asks `c` for messages.
    async fn pull(&self, request: Value) -> Subscriber {
        let inbox = self.client.new_inbox();
        let subscriber = self.client.subscribe(inbox.clone()).await.expect("subscribed");
        let subject = "$JS.API.CONSUMER.MSG.NEXT.S.c";
        let body = request.to_string().into();
        self.client.publish_with_reply(subject, inbox, body).await.expect("sent");
        subscriber
    }

    /// Answers a delivery and waits until that is confirmed.
    async fn ack(&self, message: &Message, payload: &str) {
        let reply = message.reply.clone().expect("an ack subject");
        let confirmed = self.client.request(reply, payload.to_owned().into()).await;
        assert!(confirmed.expect("confirmed").payload.is_empty());
    }

    async fn listen(&self, subject: &str) -> Subscriber {
        let heard = self.client.subscribe(subject.to_owned()).await.expect("subscribed");
        self.flush().await;
        heard
    }

    /// Waits until the server has seen all that was sent.
    async fn flush(&self) {
        self.ask("INFO", Value::Null).await;
    }
}

async fn next(subscriber: &mut Subscriber) -> Message {
    let message = timeout(PATIENCE, subscriber.next()).await.expect("a message in time");
    message.expect("an open subscription")
}

/// The next message's status and its text.
async fn status(subscriber: &mut Subscriber) -> String {
    let message = next(subscriber).await;
    let code = message.status.unwrap_or_else(|| panic!("no status: {message:?}"));
    format!("{code} {}", message.description.unwrap_or_default()).trim_end().to_owned()
}

/// The number at `at` from the end of a delivery's reply subject.
fn token(message: &Message, at: usize) -> u64 {
    let reply = message.reply.as_ref().expect("an ack subject");
    let token = reply.rsplit('.').nth(at).expect("nine tokens");
    token.parse().expect("a number")
}

fn stream_seq(message: &Message) -> u64 {
    token(message, 3)
}

fn deliveries(message: &Message) -> u64 {
    token(message, 4)
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.as_ref()?.get(name).map(|value| value.as_str())
}

#[tokio::test]
async fn k01_each_form_of_create_and_its_rules() {
    let bench = Bench::new().await;
    let body = |config: Value| json!({"stream_name": "S", "config": config});
    let ephemeral = bench.right("CONSUMER.CREATE.S", body(json!({}))).await;
    assert_eq!(ephemeral["name"].as_str().map(str::len), Some(8), "{ephemeral}");
    bench.right("CONSUMER.CREATE.S.n", body(json!({"name": "n"}))).await;
    let filtered = body(json!({"name": "f", "filter_subject": "a.b"}));
    bench.right("CONSUMER.CREATE.S.f.a.b", filtered.clone()).await;
    bench.right("CONSUMER.DURABLE.CREATE.S.d", body(json!({"durable_name": "d"}))).await;
    assert_eq!(bench.wrong("CONSUMER.CREATE.S.f.a.c", filtered).await, 10131);
    assert_eq!(bench.wrong("CONSUMER.CREATE.S", body(json!({"durable_name": "d"}))).await, 10020);
    assert_eq!(bench.wrong("CONSUMER.DURABLE.CREATE.S.x", body(json!({}))).await, 10018);
    assert_eq!(bench.wrong("CONSUMER.CREATE.S.x", body(json!({"durable_name": "y"}))).await, 10017);
    let mut create = body(json!({"durable_name": "d", "description": "other"}));
    create["action"] = json!("create");
    assert_eq!(bench.wrong("CONSUMER.CREATE.S.d", create.clone()).await, 10148);
    create["action"] = json!("update");
    let updated = bench.right("CONSUMER.CREATE.S.d", create).await;
    assert_eq!(updated["config"]["description"], "other");
    let mut missing = body(json!({"durable_name": "m"}));
    missing["action"] = json!("update");
    assert_eq!(bench.wrong("CONSUMER.CREATE.S.m", missing).await, 10149);
    assert_eq!(bench.wrong("CONSUMER.CREATE.T.m", body(json!({"name": "m"}))).await, 10059);
    let unknown = body(json!({"name": "u", "colour": "red"}));
    assert_eq!(bench.wrong("CONSUMER.CREATE.S.u", unknown).await, 10025);
}

#[tokio::test]
async fn k02_k07_policies_and_filters_choose_the_messages() {
    let bench = Bench::new().await;
    bench.store(&[("a.x", "1"), ("a.y", "2"), ("a.x", "3"), ("a.y", "4")]).await;
    let table = [
        (json!({}), vec![1, 2, 3, 4]),
        (json!({"deliver_policy": "last"}), vec![4]),
        (json!({"deliver_policy": "last", "filter_subject": "a.x"}), vec![3]),
        (json!({"deliver_policy": "new"}), vec![]),
        (json!({"deliver_policy": "by_start_sequence", "opt_start_seq": 3}), vec![3, 4]),
        (
            json!({"deliver_policy": "by_start_time", "opt_start_time": "2020-01-01T00:00:00Z"}),
            vec![1, 2, 3, 4],
        ),
        (json!({"deliver_policy": "last_per_subject", "filter_subject": "a.>"}), vec![3, 4]),
        (json!({"filter_subject": "a.y"}), vec![2, 4]),
        (json!({"filter_subjects": ["a.x", "a.z"]}), vec![1, 3]),
    ];
    for (fields, wanted) in table {
        let made = bench.consumer(fields.clone()).await;
        assert_eq!(made["num_pending"], wanted.len(), "{fields}");
        let mut pulled = bench.pull(json!({"batch": 9, "no_wait": true})).await;
        for seq in wanted {
            assert_eq!(stream_seq(&next(&mut pulled).await), seq, "{fields}");
        }
        assert_eq!(status(&mut pulled).await, "404 No Messages", "{fields}");
        bench.right("CONSUMER.DELETE.S.c", Value::Null).await;
    }
    let overlap = json!({"stream_name": "S", "config": {"filter_subjects": ["a.*", "a.x"]}});
    assert_eq!(bench.wrong("CONSUMER.CREATE.S", overlap).await, 10138);
}

#[tokio::test]
async fn k03_k04_verbs_move_the_floor_or_bring_back() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1"), ("a.2", "2"), ("a.3", "3"), ("a.4", "4"), ("a.5", "5")]).await;
    bench.consumer(json!({"ack_wait": 1_000_000_000})).await;
    let mut terminated = bench.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c").await;
    let mut naked = bench.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.c").await;
    let mut pulled = bench.pull(json!({"batch": 4})).await;
    let mut got = Vec::new();
    for _ in 0..4 {
        got.push(next(&mut pulled).await);
    }
    bench.ack(&got[1], "+ACK").await;
    assert_eq!(bench.info().await["ack_floor"]["stream_seq"], 0);
    bench.ack(&got[0], "").await;
    let info = bench.info().await;
    assert_eq!(
        (&info["ack_floor"]["stream_seq"], &info["num_ack_pending"]),
        (&json!(2), &json!(2))
    );
    bench.ack(&got[2], "+TERM not for us").await;
    let told: Value = serde_json::from_slice(&next(&mut terminated).await.payload).expect("JSON");
    assert_eq!((&told["stream_seq"], &told["reason"]), (&json!(3), &json!("not for us")));
    let mut again = bench.pull(json!({"batch": 2, "expires": 5_000_000_000u64})).await;
    assert_eq!(stream_seq(&next(&mut again).await), 5);
    bench.ack(&got[3], "-NAK").await;
    let told: Value = serde_json::from_slice(&next(&mut naked).await.payload).expect("JSON");
    assert_eq!((&told["stream_seq"], &told["deliveries"]), (&json!(4), &json!(1)));
    let second = next(&mut again).await;
    assert_eq!((stream_seq(&second), deliveries(&second)), (4, 2));
    // +NXT is answered by the next message: here the fifth, when its time is over.
    let reply = second.reply.clone().expect("an ack subject");
    let inbox = bench.client.new_inbox();
    let mut asked = bench.client.subscribe(inbox.clone()).await.expect("subscribed");
    bench.client.publish_with_reply(reply, inbox, "+NXT".into()).await.expect("sent");
    let fifth = next(&mut asked).await;
    assert_eq!((stream_seq(&fifth), deliveries(&fifth)), (5, 2));
    bench.ack(&fifth, "+ACK").await;
    let info = bench.info().await;
    assert_eq!(
        (&info["ack_floor"]["stream_seq"], &info["num_ack_pending"]),
        (&json!(5), &json!(0))
    );
}

#[tokio::test]
async fn k03_one_acknowledgement_for_all_and_none_at_all() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1"), ("a.2", "2"), ("a.3", "3")]).await;
    bench.consumer(json!({"ack_policy": "all"})).await;
    let mut pulled = bench.pull(json!({"batch": 3})).await;
    next(&mut pulled).await;
    let second = next(&mut pulled).await;
    bench.ack(&second, "").await;
    let info = bench.info().await;
    assert_eq!(
        (&info["ack_floor"]["stream_seq"], &info["num_ack_pending"]),
        (&json!(2), &json!(1))
    );
    bench.right("CONSUMER.DELETE.S.c", Value::Null).await;
    bench.consumer(json!({"ack_policy": "none"})).await;
    let mut pulled = bench.pull(json!({"batch": 3})).await;
    for _ in 0..3 {
        next(&mut pulled).await;
    }
    let info = bench.info().await;
    assert_eq!(
        (&info["ack_floor"]["stream_seq"], &info["num_ack_pending"]),
        (&json!(3), &json!(0))
    );
}

#[tokio::test]
async fn k05_v02_waits_backs_off_and_gives_up() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1")]).await;
    let mut told = bench.listen("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.c").await;
    let backoff = json!([100_000_000, 200_000_000]);
    let made = bench.consumer(json!({"max_deliver": 3, "backoff": backoff})).await;
    assert_eq!(made["config"]["ack_wait"], 100_000_000);
    let mut pulled = bench.pull(json!({"batch": 9, "expires": 20_000_000_000u64})).await;
    for delivery in 1..=3 {
        assert_eq!(deliveries(&next(&mut pulled).await), delivery);
    }
    let told: Value = serde_json::from_slice(&next(&mut told).await.payload).expect("JSON");
    assert_eq!(told["type"], "io.nats.jetstream.advisory.v1.max_deliver");
    assert_eq!((&told["stream_seq"], &told["deliveries"]), (&json!(1), &json!(3)));
    assert_eq!(bench.info().await["num_ack_pending"], 0);
}

#[tokio::test]
async fn k06_stops_at_max_ack_pending() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1"), ("a.2", "2"), ("a.3", "3")]).await;
    bench.consumer(json!({"max_ack_pending": 2})).await;
    let mut pulled = bench.pull(json!({"batch": 3, "expires": 20_000_000_000u64})).await;
    let first = next(&mut pulled).await;
    next(&mut pulled).await;
    let info = bench.info().await;
    assert_eq!((&info["num_ack_pending"], &info["num_pending"]), (&json!(2), &json!(1)));
    bench.ack(&first, "").await;
    assert_eq!(stream_seq(&next(&mut pulled).await), 3);
}

#[tokio::test]
async fn k08_k09_metrics_rates_and_headers_only() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "12345")]).await;
    let mut metrics = bench.listen("$JS.EVENT.METRIC.CONSUMER.ACK.S.c").await;
    bench.consumer(json!({"sample_freq": "100", "headers_only": true})).await;
    let mut pulled = bench.pull(json!({"batch": 1})).await;
    let message = next(&mut pulled).await;
    assert_eq!((header(&message, "Nats-Msg-Size"), message.payload.len()), (Some("5"), 0));
    bench.ack(&message, "").await;
    let metric: Value = serde_json::from_slice(&next(&mut metrics).await.payload).expect("JSON");
    assert_eq!(metric["type"], "io.nats.jetstream.metric.v1.consumer_ack");
    assert!(metric["ack_time"].as_u64() > Some(0), "{metric}");
    let body = json!({"stream_name": "S", "config": {"rate_limit_bps": 100}});
    assert_eq!(bench.wrong("CONSUMER.CREATE.S", body).await, 10086);
}

#[tokio::test]
async fn k08_replays_with_the_original_pauses() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1")]).await;
    // The pause is whatever the clock says; it is read back from the messages.
    tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>()).await.ok();
    bench.store(&[("a.2", "2")]).await;
    bench.consumer(json!({"replay_policy": "original"})).await;
    let mut pulled = bench.pull(json!({"batch": 2, "expires": 20_000_000_000u64})).await;
    let first = next(&mut pulled).await;
    let began = std::time::Instant::now();
    let second = next(&mut pulled).await;
    let pause = Duration::from_nanos(token(&second, 1) - token(&first, 1));
    assert!(began.elapsed() + Duration::from_millis(50) > pause, "{pause:?}");
}

#[tokio::test]
async fn k10_k11_pushes_to_a_group_with_heartbeats_and_flow_control() {
    let bench = Bench::new().await;
    let group = json!({"deliver_subject": "d", "deliver_group": "g", "ack_policy": "none"});
    let made = bench.consumer(group).await;
    assert!(made.get("push_bound").is_none());
    let subscribe = || bench.client.queue_subscribe("d", "g".into());
    let (mut one, mut two) = (subscribe().await.expect("one"), subscribe().await.expect("two"));
    bench.flush().await;
    let messages: Vec<_> = (0..40).map(|_| ("a.1", "x")).collect();
    bench.store(&messages).await;
    for _ in 0..40 {
        let either = futures_util::future::select(Box::pin(one.next()), Box::pin(two.next()));
        let message = timeout(PATIENCE, either).await.expect("in time").factor_first().0;
        assert!(message.is_some());
    }
    assert_eq!(bench.info().await["push_bound"], true);
    bench.right("CONSUMER.DELETE.S.c", Value::Null).await;

    let mut heard = bench.client.subscribe("e").await.expect("subscribed");
    let flow = json!({
        "deliver_subject": "e", "ack_policy": "none", "deliver_policy": "new",
        "flow_control": true, "idle_heartbeat": 200_000_000,
    });
    bench.consumer(flow).await;
    assert_eq!(status(&mut heard).await, "100 Idle Heartbeat");
    let large = "x".repeat(30_000);
    let messages: Vec<_> = (0..30).map(|_| ("a.1", large.as_str())).collect();
    bench.store(&messages).await;
    let (mut got, mut stalled) = (0, false);
    while got < 30 {
        let message = next(&mut heard).await;
        match (message.status, &message.reply) {
            (None, _) => got += 1,
            (Some(_), Some(asked)) => {
                // Answered only once the server says that it waits for that.
                let asked = asked.clone();
                while !stalled {
                    let beat = next(&mut heard).await;
                    got += usize::from(beat.status.is_none());
                    stalled = header(&beat, "Nats-Consumer-Stalled") == Some(asked.as_str());
                }
                bench.client.publish(asked, "".into()).await.expect("answered");
            }
            (Some(_), None) => assert_eq!(message.description.as_deref(), Some("Idle Heartbeat")),
        }
    }
    assert!(stalled);
}

#[tokio::test]
async fn k10_who_listens_to_everything_takes_no_messages_of_a_consumer() {
    let bench = Bench::new().await;
    let mut tap = bench.listen("d.>").await;
    bench.consumer(json!({"deliver_subject": "d.x", "ack_policy": "none"})).await;
    bench.store(&[("a.1", "x")]).await;
    let info = bench.info().await;
    assert_eq!((&info["push_bound"], &info["num_pending"]), (&Value::Null, &json!(1)));
    let mut group = bench.client.queue_subscribe("d.x", "g".into()).await.expect("subscribed");
    bench.flush().await;
    assert_eq!(bench.info().await["push_bound"], Value::Null);
    let mut heard = bench.listen("d.x").await;
    assert_eq!(bench.info().await["push_bound"], true);
    for subscriber in [&mut heard, &mut group, &mut tap] {
        assert_eq!(stream_seq(&next(subscriber).await), 1);
    }
    let mut asked = bench.pull(json!({"batch": 1})).await;
    assert_eq!(status(&mut asked).await, "409 Consumer is push based");
}

#[tokio::test]
async fn k12_k13_k14_every_status_of_a_pull_request() {
    let bench = Bench::new().await;
    bench
        .consumer(json!({
            "max_batch": 10, "max_expires": 2_000_000_000u64, "max_bytes": 500, "max_waiting": 1,
        }))
        .await;
    let table = [
        (json!({"batch": 11}), "409 Exceeded MaxRequestBatch of 10"),
        (json!({"expires": 3_000_000_000u64}), "409 Exceeded MaxRequestExpires of 2s"),
        (json!({"max_bytes": 501}), "409 Exceeded MaxRequestMaxBytes of 500"),
        (json!({"batch": 2, "no_wait": true}), "404 No Messages"),
        (
            json!({"expires": 100, "idle_heartbeat": 60}),
            "400 Bad Request - heartbeat value too large",
        ),
        (json!({"priority": 10}), "400 Bad Request - Priority must be between 0 and 9"),
    ];
    for (request, wanted) in table {
        assert_eq!(status(&mut bench.pull(request.clone()).await).await, wanted, "{request}");
    }
    let mut waits = bench.pull(json!({"batch": 2, "expires": 200_000_000, "max_bytes": 400})).await;
    bench.flush().await;
    let mut refused = bench.pull(json!({"batch": 1, "expires": 1_000_000_000})).await;
    assert_eq!(status(&mut refused).await, "409 Exceeded MaxWaiting");
    let ended = next(&mut waits).await;
    assert_eq!(ended.description.as_deref(), Some("Request Timeout"));
    assert_eq!(header(&ended, "Nats-Pending-Messages"), Some("2"));
    assert_eq!(header(&ended, "Nats-Pending-Bytes"), Some("400"));
    let large = "x".repeat(300);
    bench.store(&[("a.1", "1"), ("a.2", &large)]).await;
    let mut sized = bench.pull(json!({"batch": 2, "max_bytes": 300})).await;
    assert_eq!(stream_seq(&next(&mut sized).await), 1);
    assert_eq!(status(&mut sized).await, "409 Message Size Exceeds MaxBytes");
    let mut beats =
        bench.pull(json!({"expires": 1_000_000_000, "idle_heartbeat": 100_000_000})).await;
    assert_eq!(stream_seq(&next(&mut beats).await), 2);
    let mut beats =
        bench.pull(json!({"expires": 1_000_000_000, "idle_heartbeat": 100_000_000})).await;
    assert_eq!(status(&mut beats).await, "100 Idle Heartbeat");
    bench.right("CONSUMER.DELETE.S.c", Value::Null).await;
    assert_eq!(
        status(&mut beats).await.trim_start_matches("100 Idle Heartbeat"),
        "409 Consumer Deleted"
    );
    assert_eq!(status(&mut bench.pull(json!({"batch": 1})).await).await, "503");
}

#[tokio::test]
async fn k15_those_nobody_uses_are_deleted() {
    let bench = Bench::new().await;
    let mut told = bench.listen("$JS.EVENT.ADVISORY.CONSUMER.DELETED.S.*").await;
    let config = json!({"name": "e", "inactive_threshold": 200_000_000});
    let body = json!({"stream_name": "S", "config": config});
    bench.right("CONSUMER.CREATE.S.e", body).await;
    let told: Value = serde_json::from_slice(&next(&mut told).await.payload).expect("JSON");
    assert_eq!((&told["consumer"], &told["action"]), (&json!("e"), &json!("delete")));
    assert_eq!(bench.wrong("CONSUMER.INFO.S.e", Value::Null).await, 10014);
}

#[tokio::test]
async fn k17_v04_paused_consumers_wait() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1")]).await;
    bench.consumer(json!({})).await;
    let mut told = bench.listen("$JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.c").await;
    let until = json!({"pause_until": "2100-01-01T00:00:00Z"});
    let paused = bench.right("CONSUMER.PAUSE.S.c", until).await;
    assert_eq!(paused["paused"], true);
    assert!(paused["pause_remaining"].as_u64() > Some(0), "{paused}");
    let event: Value = serde_json::from_slice(&next(&mut told).await.payload).expect("JSON");
    assert_eq!((&event["paused"], &event["consumer"]), (&json!(true), &json!("c")));
    let mut pulled = bench.pull(json!({"batch": 1, "expires": 300_000_000})).await;
    assert_eq!(status(&mut pulled).await, "408 Request Timeout");
    assert_eq!(bench.info().await["paused"], true);
    let mut pulled = bench.pull(json!({"batch": 1, "expires": 20_000_000_000u64})).await;
    let resumed = bench.right("CONSUMER.PAUSE.S.c", json!({})).await;
    assert_eq!(resumed["paused"], false);
    assert_eq!(stream_seq(&next(&mut pulled).await), 1);
}

#[tokio::test]
async fn k18_v04_one_client_is_pinned() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1"), ("a.2", "2"), ("a.3", "3")]).await;
    let mut told = bench.listen("$JS.EVENT.ADVISORY.CONSUMER.*.S.c").await;
    let fields = json!({"priority_policy": "pinned_client", "priority_groups": ["g"]});
    bench.consumer(fields).await;
    let mut without = bench.pull(json!({"batch": 1})).await;
    assert_eq!(status(&mut without).await, "400 Bad Request - Priority Group missing");
    let mut one = bench.pull(json!({"batch": 1, "group": "g"})).await;
    let message = next(&mut one).await;
    let pin = header(&message, "Nats-Pin-Id").expect("a pin").to_owned();
    let created = next(&mut told).await;
    assert!(created.subject.ends_with("CREATED.S.c"), "{}", created.subject);
    let pinned: Value = serde_json::from_slice(&next(&mut told).await.payload).expect("JSON");
    assert_eq!(pinned["pinned_id"], pin.as_str());
    let mut other = bench.pull(json!({"batch": 1, "group": "g"})).await;
    let mut one = bench.pull(json!({"batch": 1, "group": "g", "id": pin})).await;
    assert_eq!(stream_seq(&next(&mut one).await), 2);
    let mut wrong = bench.pull(json!({"batch": 1, "group": "g", "id": "else"})).await;
    assert_eq!(status(&mut wrong).await, "423 Nats-Pin-Id mismatch");
    let state = &bench.info().await["priority_groups"][0];
    assert_eq!((&state["group"], &state["pinned_client_id"]), (&json!("g"), &json!(pin)));
    bench.right("CONSUMER.UNPIN.S.c", json!({"group": "g"})).await;
    let unpinned: Value = serde_json::from_slice(&next(&mut told).await.payload).expect("JSON");
    assert_eq!(unpinned["reason"], "admin");
    let message = next(&mut other).await;
    assert_eq!(stream_seq(&message), 3);
    assert_ne!(header(&message, "Nats-Pin-Id"), Some(pin.as_str()));
    assert_eq!(bench.wrong("CONSUMER.UNPIN.S.c", json!({"group": "x"})).await, 10160);
}

#[tokio::test]
async fn k19_a_reset_starts_over() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1"), ("a.2", "2"), ("a.3", "3")]).await;
    bench.consumer(json!({})).await;
    let mut pulled = bench.pull(json!({"batch": 3})).await;
    let first = next(&mut pulled).await;
    next(&mut pulled).await;
    next(&mut pulled).await;
    bench.ack(&first, "").await;
    let reset = bench.right("CONSUMER.RESET.S.c", json!({})).await;
    assert_eq!((&reset["reset_seq"], &reset["num_pending"]), (&json!(2), &json!(2)));
    let mut pulled = bench.pull(json!({"batch": 1})).await;
    assert_eq!(stream_seq(&next(&mut pulled).await), 2);
    let reset = bench.right("CONSUMER.RESET.S.c", json!({"seq": 1})).await;
    assert_eq!(reset["reset_seq"], 1);
    let mut pulled = bench.pull(json!({"batch": 1})).await;
    assert_eq!(stream_seq(&next(&mut pulled).await), 1);
}

#[tokio::test]
async fn k20_both_forms_of_ack_subjects_count() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1")]).await;
    bench.consumer(json!({})).await;
    let message = next(&mut bench.pull(json!({"batch": 1})).await).await;
    let reply = message.reply.expect("an ack subject");
    assert_eq!(reply.split('.').count(), 9, "{reply}");
    let second = reply.replacen("$JS.ACK.", "$JS.ACK._.hash.", 1);
    bench.client.request(second, "+ACK".into()).await.expect("confirmed");
    assert_eq!(bench.info().await["ack_floor"]["stream_seq"], 1);
}

#[tokio::test]
async fn k20_the_second_form_is_written_where_the_flag_says_so() {
    if harness::Subject::from_env().skips("2.14.0") {
        return;
    }
    let builder = Server::builder().cores(2).config("feature_flags { js_ack_fc_v2: true }");
    let folder = builder.folder().join("js");
    let bench = Bench::start(builder, &folder).await;
    bench.right("STREAM.CREATE.S", json!({"name": "S", "subjects": ["a.>"]})).await;
    let payload = "x".repeat(64 << 10);
    bench.store(&[("a.1", &payload), ("a.2", &payload), ("a.3", &payload)]).await;
    bench.consumer(json!({})).await;
    let mut deliveries = bench.pull(json!({"batch": 2})).await;
    let (first, second) = (next(&mut deliveries).await, next(&mut deliveries).await);
    // The account's name, hashed as nats-server hashes it.
    let scope = "_.szMpdrwD.";
    let reply = first.reply.clone().expect("an ack subject");
    assert!(reply.starts_with(&format!("$JS.ACK.{scope}S.c.1.1.1.")), "{reply}");
    bench.ack(&first, "+ACK").await;
    assert_eq!(bench.info().await["ack_floor"]["stream_seq"], 1);
    let short = second.reply.expect("an ack subject").replacen(scope, "", 1);
    bench.client.request(short, "+ACK".into()).await.expect("confirmed");
    assert_eq!(bench.info().await["ack_floor"]["stream_seq"], 2, "the first form counts as well");
    let mut pushed = bench.listen("pushed").await;
    let config = json!({
        "deliver_subject": "pushed", "flow_control": true, "idle_heartbeat": 1_000_000_000,
    });
    bench.right("CONSUMER.CREATE.S", json!({"stream_name": "S", "config": config})).await;
    let asked = loop {
        let message = next(&mut pushed).await;
        if message.description.as_deref() == Some("FlowControl Request") {
            break message.reply.expect("an answer is asked for");
        }
    };
    assert!(asked.starts_with(&format!("$JS.FC.{scope}S.")), "{asked}");
}

#[tokio::test]
async fn k21_an_ordered_consumer_is_made_again_behind_a_gap() {
    let bench = Bench::new().await;
    bench.store(&[("a.1", "1"), ("a.2", "2"), ("a.3", "3")]).await;
    // As clients make it: ephemeral, pushed, unacknowledged, in memory, once each.
    let ordered = |name: &str, inbox: &str, start: u64| {
        let config = json!({
            "name": name, "deliver_subject": inbox, "ack_policy": "none", "max_deliver": 1,
            "mem_storage": true, "num_replicas": 1, "flow_control": true,
            "idle_heartbeat": 5_000_000_000u64, "inactive_threshold": 300_000_000_000u64,
            "deliver_policy": "by_start_sequence", "opt_start_seq": start,
        });
        json!({"stream_name": "S", "config": config})
    };
    let mut first = bench.listen("one").await;
    bench.right("CONSUMER.CREATE.S.o1", ordered("o1", "one", 1)).await;
    for seq in 1..=3 {
        let message = next(&mut first).await;
        assert_eq!((stream_seq(&message), token(&message, 2)), (seq, seq));
    }
    // The client missed the third: it deletes the consumer and starts again there.
    bench.right("CONSUMER.DELETE.S.o1", Value::Null).await;
    let mut second = bench.listen("two").await;
    bench.right("CONSUMER.CREATE.S.o2", ordered("o2", "two", 3)).await;
    let message = next(&mut second).await;
    assert_eq!((stream_seq(&message), token(&message, 2)), (3, 1));
}

#[tokio::test]
async fn k22_lists_names_and_deletes() {
    let bench = Bench::new().await;
    for name in ["x", "y", "z"] {
        let body = json!({"stream_name": "S", "config": {"durable_name": name}});
        bench.right(&format!("CONSUMER.CREATE.S.{name}"), body).await;
    }
    let names = bench.right("CONSUMER.NAMES.S", Value::Null).await;
    assert_eq!((&names["consumers"], &names["total"]), (&json!(["x", "y", "z"]), &json!(3)));
    let list = bench.right("CONSUMER.LIST.S", json!({"offset": 1})).await;
    assert_eq!((list["consumers"].as_array().map(Vec::len), &list["offset"]), (Some(2), &json!(1)));
    assert_eq!(list["consumers"][0]["name"], "y");
    bench.right("CONSUMER.DELETE.S.y", Value::Null).await;
    assert_eq!(bench.wrong("CONSUMER.DELETE.S.y", Value::Null).await, 10014);
    assert_eq!(bench.wrong("CONSUMER.INFO.S.x", json!({"a": 1})).await, 10038);
    let names = bench.right("CONSUMER.NAMES.S", Value::Null).await;
    assert_eq!(names["consumers"], json!(["x", "z"]));
}

#[tokio::test]
async fn what_was_confirmed_never_comes_back_after_a_kill() {
    let folder = Folder::new();
    let bench = Bench::start(Server::builder().cores(2), folder.path()).await;
    bench.right("STREAM.CREATE.S", json!({"name": "S", "subjects": ["a.>"]})).await;
    let messages: Vec<_> = (0..60).map(|_| ("a.1", "x")).collect();
    bench.store(&messages).await;
    bench.consumer(json!({"ack_wait": 300_000_000})).await;
    let mut pulled = bench.pull(json!({"batch": 40})).await;
    let mut confirmed = BTreeSet::new();
    for number in 0..40 {
        let message = next(&mut pulled).await;
        if number % 3 == 0 {
            bench.ack(&message, "+ACK").await;
            confirmed.insert(stream_seq(&message));
        }
    }
    bench.server.signal(Signal::KILL);
    bench.server.finish();

    let bench = Bench::start(Server::builder().cores(2), folder.path()).await;
    let info = bench.info().await;
    assert_eq!(info["config"]["ack_wait"], 300_000_000);
    let open = info["num_ack_pending"].as_u64().zip(info["num_pending"].as_u64());
    assert_eq!(open.map(|(out, left)| out + left), Some(60 - confirmed.len() as u64), "{info}");
    let mut pulled = bench.pull(json!({"batch": 100, "expires": 20_000_000_000u64})).await;
    let mut again = BTreeSet::new();
    while again.len() < 60 - confirmed.len() {
        let message = next(&mut pulled).await;
        assert!(!confirmed.contains(&stream_seq(&message)), "{}", stream_seq(&message));
        bench.ack(&message, "+ACK").await;
        again.insert(stream_seq(&message));
    }
    let info = bench.info().await;
    assert_eq!(info["ack_floor"]["stream_seq"], 60);
}
