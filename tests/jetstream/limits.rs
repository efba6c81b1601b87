//! What the operator bounds beside bytes: rows S13, B05, B07, J12.

use harness::{Server, Subject};
use serde_json::{Value, json};

use crate::{ask, connect, server};

/// A server with this inside its block `jetstream`.
fn limited(inside: &str) -> Server {
    let builder = Server::builder().cores(2);
    let folder = builder.folder().join("js");
    let text = format!("jetstream {{ store_dir: {folder:?}, {inside} }}");
    builder.monitored().config(&text).start()
}

async fn consumer(client: &async_nats::Client, name: &str, more: Value) -> Value {
    let mut config = json!({"durable_name": name, "ack_policy": "explicit"});
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    let body = json!({"stream_name": "S", "config": config}).to_string();
    ask(client, &format!("CONSUMER.DURABLE.CREATE.S.{name}"), &body).await
}

fn code(answer: &Value) -> Option<i64> {
    answer["error"]["err_code"].as_i64()
}

#[tokio::test]
async fn s13_consumers_keep_to_the_limits_of_their_stream() {
    let server = server();
    if server.subject().skips("2.10.0") {
        return;
    }
    let (client, _) = connect(&server).await;
    let second: i64 = 1_000_000_000;
    let with = |ack: i64, seconds: i64| {
        let limits = json!({"max_ack_pending": ack, "inactive_threshold": seconds * second});
        json!({"name": "S", "consumer_limits": limits}).to_string()
    };
    let made = ask(&client, "STREAM.CREATE.S", &with(10, 60)).await;
    assert_eq!(made["config"]["consumer_limits"]["max_ack_pending"], 10, "{made}");
    // They are the defaults, and the most.
    let made = consumer(&client, "usual", Value::Null).await;
    assert_eq!(made["config"]["max_ack_pending"], 10, "{made}");
    assert_eq!(made["config"]["inactive_threshold"], 60 * second, "{made}");
    let refused = consumer(&client, "many", json!({"max_ack_pending": 11})).await;
    assert_eq!(code(&refused), Some(10121), "{refused}");
    let refused = consumer(&client, "long", json!({"inactive_threshold": 61 * second})).await;
    assert_eq!(code(&refused), Some(10153), "{refused}");
    // What a consumer uses already cannot be taken from it.
    let refused = ask(&client, "STREAM.UPDATE.S", &with(9, 60)).await;
    assert_eq!(code(&refused), Some(10069), "{refused}");
    let said = refused["error"]["description"].as_str().unwrap_or_default();
    assert!(said.ends_with("change to limits violates consumers: usual"), "{said}");
    assert_eq!(code(&ask(&client, "STREAM.UPDATE.S", &with(20, 120)).await), None);
    let info = ask(&client, "STREAM.INFO.S", "").await;
    assert_eq!(info["config"]["consumer_limits"]["max_ack_pending"], 20);
}

#[tokio::test]
async fn j12_the_operators_limits_bound_consumers_and_windows() {
    let server = limited(
        "limits { max_ack_pending: 7, max_request_batch: 5, duplicate_window: \"30s\", \
         max_ha_assets: 3 }",
    );
    let (client, _) = connect(&server).await;
    let refused = ask(
        &client,
        "STREAM.CREATE.S",
        &json!({"name": "S", "duplicate_window": 60_000_000_000_i64}).to_string(),
    )
    .await;
    assert_eq!(code(&refused), Some(10052), "{refused}");
    let made = ask(&client, "STREAM.CREATE.S", r#"{"name":"S"}"#).await;
    assert_eq!(made["config"]["duplicate_window"], 30_000_000_000_i64, "{made}");
    let refused = consumer(&client, "many", json!({"max_ack_pending": 8})).await;
    assert_eq!(code(&refused), Some(10121), "{refused}");
    let refused = consumer(&client, "wide", json!({"max_batch": 6})).await;
    assert_eq!(code(&refused), Some(10125), "{refused}");
    let made = consumer(&client, "usual", Value::Null).await;
    assert_eq!(made["config"]["max_ack_pending"], 7, "{made}");
    if server.subject().skips("2.11.0") {
        return;
    }
    let limits = harness::get(server.monitor(), "/jsz").json()["limits"].clone();
    let expected = json!({"max_request_batch": 5, "max_ack_pending": 7, "max_ha_assets": 3,
        "max_duplicate_window": 30_000_000_000_i64});
    for (key, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(&limits[key], value, "{key}: {limits}");
    }
}

#[tokio::test]
async fn j12_the_operator_bounds_consumers_of_streams_that_nobody_else_bounds() {
    if Subject::from_env().skips("2.15.0") {
        return;
    }
    let server = limited("limits { default_max_consumers: 1 }");
    let (client, _) = connect(&server).await;
    assert_eq!(code(&ask(&client, "STREAM.CREATE.S", r#"{"name":"S"}"#).await), None);
    assert_eq!(code(&consumer(&client, "first", Value::Null).await), None);
    let refused = consumer(&client, "second", Value::Null).await;
    assert_eq!(code(&refused), Some(10026), "{refused}");
    let wide = ask(&client, "STREAM.CREATE.W", r#"{"name":"W","max_consumers":2}"#).await;
    assert_eq!(code(&wide), None, "{wide}");
    for name in ["first", "second"] {
        let body = json!({"stream_name": "W", "config": {"durable_name": name}}).to_string();
        let made = ask(&client, &format!("CONSUMER.DURABLE.CREATE.W.{name}"), &body).await;
        assert_eq!(code(&made), None, "{made}");
    }
    let limits = harness::get(server.monitor(), "/varz").json()["jetstream"]["limits"].clone();
    assert_eq!(limits["default_max_consumers"], 1, "{limits}");
}

#[tokio::test]
async fn b05_batches_are_bounded_in_each_stream_and_on_the_server() {
    if Subject::from_env().skips("2.12.0") {
        return;
    }
    let server = limited(
        "limits { batch { max_inflight_per_stream: 2, max_inflight_total: 3, \
                          max_msgs: 2 } }",
    );
    let (client, _) = connect(&server).await;
    for name in ["S", "T"] {
        let body = json!({"name": name, "allow_atomic": true}).to_string();
        assert_eq!(code(&ask(&client, &format!("STREAM.CREATE.{name}"), &body).await), None);
    }
    let batch = async |subject: &str, id: &str, sequence: u32| {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Batch-Id", id);
        headers.insert("Nats-Batch-Sequence", sequence.to_string());
        let sent = client.request_with_headers(subject.to_owned(), headers, "x".into()).await;
        let answer = sent.expect("an answer").payload;
        match answer.is_empty() {
            true => None,
            false => code(&serde_json::from_slice(&answer).expect("JSON")),
        }
    };
    assert_eq!(batch("S", "a", 1).await, None);
    assert_eq!(batch("S", "b", 1).await, None);
    assert_eq!(batch("S", "c", 1).await, Some(10210), "a third in this stream");
    assert_eq!(batch("T", "d", 1).await, None);
    assert_eq!(batch("T", "e", 1).await, Some(10210), "a fourth on this server");
    assert_eq!(batch("S", "a", 2).await, None);
    assert_eq!(batch("S", "a", 3).await, Some(10199), "too many messages");
    // The place of the one that was abandoned is free.
    assert_eq!(batch("T", "e", 1).await, None);
}

#[test]
fn b07_who_publishes_faster_than_the_stream_stores_is_told_so() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let server = limited("max_buffered_msgs: 1");
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"headers":true,"no_responders":true}"#);
    raw.send("SUB inbox 1");
    let body = r#"{"name":"S"}"#;
    raw.send(&format!("PUB $JS.API.STREAM.CREATE.S inbox {}\r\n{body}", body.len()));
    raw.message();
    // In one write, so that they come faster than any disk.
    raw.send_bytes("PUB S inbox 1\r\nx\r\n".repeat(100).as_bytes());
    let (mut stored, mut refused) = (0, 0);
    for _ in 0..100 {
        let (line, answer) = raw.message();
        let text = String::from_utf8_lossy(&answer);
        if line.starts_with("HMSG") {
            assert!(text.starts_with("NATS/1.0 429 Too Many Requests\r\n"), "{text}");
            assert!(text.contains(r#""err_code":10167"#), "{text}");
            refused += 1;
        } else {
            assert!(text.starts_with(r#"{"stream":"S","seq":"#), "{text}");
            stored += 1;
        }
    }
    assert!(stored >= 1 && refused >= 1, "{stored} stored, {refused} refused");
    raw.send("PUB S inbox 1\r\nx");
    let (_, answer) = raw.message();
    let expected = format!(r#"{{"stream":"S","seq":{}}}"#, stored + 1);
    assert_eq!(String::from_utf8_lossy(&answer), expected);
}
