//! The API as such: envelope, strict JSON, paging, levels, what only clusters have.

use harness::Subject;
use serde_json::json;

use crate::{ask, connect, server};

#[tokio::test]
async fn j03_errors_stand_in_an_envelope_with_their_codes() {
    let server = server();
    let (client, _) = connect(&server).await;
    let answer = ask(&client, "STREAM.INFO.NONE", "").await;
    assert_eq!(answer["type"], "io.nats.jetstream.api.v1.stream_info_response");
    let error = json!({"code": 404, "err_code": 10059, "description": "stream not found"});
    assert_eq!(answer["error"], error);
    let answer = ask(&client, "STREAM.CREATE.S", r#"{"name":"T","subjects":["a"]}"#).await;
    assert_eq!(answer["error"]["err_code"], 10056);
    let answer = ask(&client, "STREAM.CREATE.S", "{").await;
    assert_eq!(answer["error"]["err_code"], 10025);
    ask(&client, "STREAM.CREATE.S", r#"{"name":"S"}"#).await;
    let answer = ask(&client, "STREAM.DELETE.S", "x").await;
    assert_eq!(answer["error"]["err_code"], 10038);
}

#[tokio::test]
async fn j03_what_nobody_knows_is_a_bad_request() {
    let server = server();
    if server.subject().skips("2.10.0") {
        return;
    }
    let (client, _) = connect(&server).await;
    let answer = ask(&client, "BOGUS", "").await;
    assert_eq!(answer["type"], "io.nats.jetstream.api.v1.system_response");
    assert_eq!(answer["error"]["err_code"], 10003);
}

#[tokio::test]
async fn j04_unknown_fields_are_refused_by_name() {
    let server = server();
    if server.subject().skips("2.12.0") {
        return;
    }
    let (client, _) = connect(&server).await;
    let body = r#"{"name":"S","subjects":["a"],"colour":"red"}"#;
    let answer = ask(&client, "STREAM.CREATE.S", body).await;
    assert_eq!(answer["error"]["code"], 400);
    assert_eq!(answer["error"]["err_code"], 10025);
    let said = r#"invalid JSON: json: unknown field "colour""#;
    assert_eq!(answer["error"]["description"], said);
}

#[tokio::test]
async fn j04_a_lenient_server_takes_them() {
    if Subject::from_env().skips("2.11.0") {
        return;
    }
    let builder = harness::Server::builder();
    let folder = builder.folder().join("js").to_string_lossy().into_owned();
    let server =
        builder.config(&format!("jetstream {{ strict: false, store_dir: {folder:?} }}")).start();
    let (client, _) = connect(&server).await;
    let body = r#"{"name":"S","subjects":["a"],"colour":"red"}"#;
    let answer = ask(&client, "STREAM.CREATE.S", body).await;
    assert_eq!(answer["config"]["name"], "S", "{answer}");
    if server.subject().is_corewire() {
        // nats-server says it in other words.
        server.wait_for_log("Invalid JetStream request '$G > $JS.API.STREAM.CREATE.S'");
    }
}

#[tokio::test]
async fn j05_three_hundred_streams_come_in_pages() {
    let server = server();
    let (client, _) = connect(&server).await;
    for number in 0..300 {
        let body = format!(r#"{{"name":"S{number:03}","storage":"memory"}}"#);
        let answer = ask(&client, &format!("STREAM.CREATE.S{number:03}"), &body).await;
        assert!(answer["error"].is_null(), "{answer}");
    }
    let names = ask(&client, "STREAM.NAMES", "").await;
    assert_eq!((&names["total"], &names["limit"]), (&json!(300), &json!(1024)));
    assert_eq!(names["streams"].as_array().map(Vec::len), Some(300));
    let first = ask(&client, "STREAM.LIST", "").await;
    assert_eq!(first["streams"].as_array().map(Vec::len), Some(256));
    let second = ask(&client, "STREAM.LIST", r#"{"offset":256}"#).await;
    assert_eq!((&second["total"], &second["offset"]), (&json!(300), &json!(256)));
    let shown = second["streams"].as_array().expect("a list");
    assert_eq!(shown.len(), 44);
    assert_eq!(shown[0]["config"]["name"], "S256");
    let one = ask(&client, "STREAM.NAMES", r#"{"subject":"S042"}"#).await;
    assert_eq!(one["streams"], json!(["S042"]));
}

#[tokio::test]
async fn j06_a_level_above_the_servers_is_refused() {
    let server = server();
    if server.subject().skips("2.12.0") {
        return;
    }
    let (client, _) = connect(&server).await;
    for (level, code) in [("99", Some(10185)), ("x", Some(10185)), ("1", None)] {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Required-Api-Level", level);
        let answer = client
            .request_with_headers("$JS.API.INFO", headers, "".into())
            .await
            .expect("an answer");
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).expect("JSON");
        assert_eq!(answer["error"]["err_code"].as_i64(), code, "level {level}: {answer}");
    }
    let made = ask(&client, "STREAM.CREATE.S", r#"{"name":"S"}"#).await;
    assert_eq!(made["config"]["metadata"]["_nats.req.level"], "0");
    assert_eq!(made["config"]["metadata"]["_nats.level"], "5");
}

#[tokio::test]
async fn j08_a_domain_has_an_api_of_its_own() {
    let builder = harness::Server::builder();
    let folder = builder.folder().join("js").to_string_lossy().into_owned();
    let server =
        builder.config(&format!("jetstream {{ domain: hub, store_dir: {folder:?} }}")).start();
    let (client, _) = connect(&server).await;
    assert_eq!(client.server_info().domain.as_deref(), Some("hub"));
    for subject in ["$JS.hub.API.INFO", "$JS.API.INFO"] {
        let answer = client.request(subject, "".into()).await.expect("an answer");
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).expect("JSON");
        assert_eq!(answer["domain"], "hub");
    }
    let hub = async_nats::jetstream::with_domain(client, "hub");
    let config = async_nats::jetstream::stream::Config {
        name: "S".into(),
        subjects: vec!["s".into()],
        ..Default::default()
    };
    hub.create_stream(config).await.expect("a stream");
    let ack = hub.publish("s", "x".into()).await.expect("sent").await.expect("stored");
    assert_eq!(ack.domain, "hub");
    // Buckets are written to by the domain's name.
    let bucket = async_nats::jetstream::kv::Config { bucket: "b".into(), ..Default::default() };
    let bucket = hub.create_key_value(bucket).await.expect("a bucket");
    bucket.put("key", "value".into()).await.expect("put");
    assert_eq!(bucket.get("key").await.expect("an answer").as_deref(), Some(&b"value"[..]));
    let subject = "$JS.hub.API.$KV.b.key";
    let ack = hub.publish(subject, "more".into()).await.expect("sent").await.expect("stored");
    assert_eq!((ack.stream.as_str(), ack.sequence), ("KV_b", 2));
}

#[tokio::test]
async fn z05_what_only_clusters_have_says_so() {
    let server = server();
    let (client, _) = connect(&server).await;
    ask(&client, "STREAM.CREATE.S", r#"{"name":"S"}"#).await;
    let requests = [
        ("STREAM.LEADER.STEPDOWN.S", "stream_leader_stepdown_response"),
        ("STREAM.PEER.REMOVE.S", "stream_remove_peer_response"),
        ("CONSUMER.LEADER.STEPDOWN.S.c", "consumer_leader_stepdown_response"),
    ];
    for (subject, kind) in requests {
        let answer = ask(&client, subject, "").await;
        assert_eq!(answer["type"], format!("io.nats.jetstream.api.v1.{kind}"));
        assert_eq!(answer["error"]["err_code"], 10010, "{answer}");
    }
}

#[tokio::test]
async fn s01_creating_the_same_again_is_no_error_and_another_is() {
    let server = server();
    let (client, _) = connect(&server).await;
    let body = r#"{"name":"S","subjects":["s.>"]}"#;
    let made = ask(&client, "STREAM.CREATE.S", body).await;
    assert_eq!(made["did_create"], true);
    let again = ask(&client, "STREAM.CREATE.S", body).await;
    assert_eq!((&again["created"], &again["config"]), (&made["created"], &made["config"]));
    let other = ask(&client, "STREAM.CREATE.S", r#"{"name":"S","subjects":["t"]}"#).await;
    assert_eq!(other["error"]["err_code"], 10058);
    let overlap = ask(&client, "STREAM.CREATE.T", r#"{"name":"T","subjects":["s.x"]}"#).await;
    assert_eq!(overlap["error"]["err_code"], 10065);
    assert_eq!(ask(&client, "STREAM.DELETE.S", "").await["success"], true);
    let after = ask(&client, "STREAM.CREATE.T", r#"{"name":"T","subjects":["s.x"]}"#).await;
    assert_eq!(after["did_create"], true);
}

#[test]
fn j07_more_requests_at_once_than_may_wait_are_dropped() {
    let builder = harness::Server::builder();
    let folder = builder.folder().join("js").to_string_lossy().into_owned();
    let config = format!("jetstream {{ request_queue_limit: 2, store_dir: {folder:?} }}");
    if Subject::from_env().skips_ours() {
        return;
    }
    let server = builder.config(&config).start();
    let mut raw = server.quiet();
    raw.send("SUB inbox 1");
    // In one write, so that they come in one turn.
    raw.send_bytes("PUB $JS.API.INFO inbox 0\r\n\r\n".repeat(50).as_bytes());
    server.wait_for_log("JetStream API queue limit reached, dropping ");
    raw.ping();
    raw.send("PUB $JS.API.INFO inbox 0\r\n");
    let (_, answer) = raw.message();
    assert!(String::from_utf8_lossy(&answer).contains("account_info_response"));
}

/// What only asks has a queue of its own: a flood of it leaves the others alone.
#[test]
fn j07_requests_for_information_have_a_limit_of_their_own() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let builder = harness::Server::builder();
    let folder = builder.folder().join("js").to_string_lossy().into_owned();
    let config = format!("jetstream {{ info_queue_limit: 2, store_dir: {folder:?} }}");
    let server = builder.config(&config).start();
    let mut raw = server.quiet();
    raw.send("SUB inbox 1");
    let create = r#"{"name":"S"}"#;
    let create = format!("PUB $JS.API.STREAM.CREATE.S inbox {}\r\n{create}\r\n", create.len());
    let asked = "PUB $JS.API.INFO inbox 0\r\n\r\n".repeat(50);
    raw.send_bytes(format!("{asked}{}", create.repeat(3)).as_bytes());
    for _ in 0..3 {
        let (_, answer) = raw.message();
        assert!(String::from_utf8_lossy(&answer).contains("stream_create_response"));
    }
    server.wait_for_log("JetStream API queue limit reached, dropping 50 requests");
}

#[tokio::test]
async fn j09_reservations_above_the_servers_limit_are_refused_and_so_is_what_would_exceed_it() {
    let builder = harness::Server::builder();
    let folder = builder.folder().join("js").to_string_lossy().into_owned();
    let config = format!("jetstream {{ max_mem: 100KB, max_file: 1MB, store_dir: {folder:?} }}");
    let server = builder.config(&config).start();
    let (client, context) = connect(&server).await;
    let create = |name: &str, storage: &str, bytes: u32| {
        format!(r#"{{"name":"{name}","storage":"{storage}","max_bytes":{bytes}}}"#)
    };
    let answer = ask(&client, "STREAM.CREATE.F", &create("F", "file", 2_000_000)).await;
    assert_eq!(answer["error"]["err_code"], 10047, "{answer}");
    let answer = ask(&client, "STREAM.CREATE.M", &create("M", "memory", 200_000)).await;
    assert_eq!(answer["error"]["err_code"], 10028, "{answer}");
    let answer = ask(&client, "STREAM.CREATE.M", r#"{"name":"M","storage":"memory"}"#).await;
    assert!(answer["error"].is_null(), "{answer}");
    let mut stored = 0;
    let refused = loop {
        let ack = context.publish("M", vec![b'x'; 10_000].into()).await.expect("sent");
        match ack.await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!((8..=10).contains(&stored), "{stored} messages of 10 KB fit into 100 KB: {refused}");
}
