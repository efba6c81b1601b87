//! Row V01: what is said on `$JS.EVENT.>`.

use futures_util::StreamExt;
use harness::PATIENCE;
use serde_json::Value;
use tokio::time::timeout;

use crate::{ask, connect, server};

#[tokio::test]
async fn v01_streams_consumers_and_requests_are_told_of() {
    let server = server();
    let (client, _) = connect(&server).await;
    let mut events = client.subscribe("$JS.EVENT.ADVISORY.>").await.expect("subscribed");
    // A request behind the subscription on one connection: when it is answered, both stand.
    ask(&client, "INFO", "").await;
    ask(&client, "STREAM.CREATE.S", r#"{"name":"S"}"#).await;
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"c","ack_policy":"explicit"}}"#;
    ask(&client, "CONSUMER.DURABLE.CREATE.S.c", consumer).await;
    ask(&client, "CONSUMER.DELETE.S.c", "").await;
    ask(&client, "STREAM.DELETE.S", "").await;
    let wanted = [
        ("$JS.EVENT.ADVISORY.STREAM.CREATED.S", "stream_action", "create"),
        ("$JS.EVENT.ADVISORY.CONSUMER.CREATED.S.c", "consumer_action", "create"),
        ("$JS.EVENT.ADVISORY.CONSUMER.DELETED.S.c", "consumer_action", "delete"),
        ("$JS.EVENT.ADVISORY.STREAM.DELETED.S", "stream_action", "delete"),
    ];
    let mut seen = Vec::new();
    let mut audited = Vec::new();
    while seen.len() < wanted.len() || audited.len() < 4 {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("open");
        let body: Value = serde_json::from_slice(&event.payload).expect("JSON");
        assert!(body["id"].as_str().is_some_and(|id| id.len() == 22), "{body}");
        assert!(body["timestamp"].is_string(), "{body}");
        if event.subject.as_str() == "$JS.EVENT.ADVISORY.API" {
            assert_eq!(body["type"], "io.nats.jetstream.advisory.v1.api_audit");
            assert_eq!(body["client"]["acc"], "$G");
            assert_eq!(body["client"]["id"], client.server_info().client_id, "{body}");
            assert_eq!(body["client"]["lang"], "rust", "{body}");
            assert!(body["response"].as_str().is_some_and(|said| said.contains("_response")));
            audited.push(body["subject"].clone());
        } else {
            seen.push((event.subject.to_string(), body));
        }
    }
    for ((subject, kind, action), (told, body)) in wanted.iter().zip(&seen) {
        assert_eq!(told, subject);
        assert_eq!(body["type"], format!("io.nats.jetstream.advisory.v1.{kind}"));
        assert_eq!(body["action"], *action);
        assert_eq!(body["stream"], "S");
    }
    assert!(audited.iter().any(|subject| subject == "$JS.API.STREAM.CREATE.S"), "{audited:?}");
}
