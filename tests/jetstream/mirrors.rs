//! Rows D01 and D03: mirrors that answer direct gets of their origin, and sources that drain a work
//! queue and acknowledge only what is safe with them.

use std::collections::HashSet;

use harness::{PATIENCE, Subject};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{ask, connect, server};

#[tokio::test]
async fn d03_a_mirror_answers_direct_gets_of_its_origin() {
    let server = server();
    let (client, _) = connect(&server).await;
    let origin = json!({"name": "O", "subjects": ["o.>"], "allow_direct": true});
    ask(&client, "STREAM.CREATE.O", &origin.to_string()).await;
    client.request("o.key", "value".into()).await.expect("stored");
    let mirror = json!({"name": "M", "mirror": {"name": "O"}, "mirror_direct": true});
    let made = ask(&client, "STREAM.CREATE.M", &mirror.to_string()).await;
    assert_eq!(made["config"]["mirror_direct"], true, "{made}");
    // Both share the requests, by the subject and by the body.
    let both = async {
        let mut seen = HashSet::new();
        while seen.len() < 2 {
            for (subject, body) in [
                ("$JS.API.DIRECT.GET.O.o.key", ""),
                ("$JS.API.DIRECT.GET.O", r#"{"last_by_subj":"o.key"}"#),
            ] {
                let got = client.request(subject, body.into()).await.expect("an answer");
                assert_eq!(got.payload, "value");
                let headers = got.headers.expect("headers");
                assert_eq!(headers.get("Nats-Subject").expect("it").as_str(), "o.key");
                assert_eq!(headers.get("Nats-Sequence").expect("it").as_str(), "1");
                seen.insert(headers.get("Nats-Stream").expect("it").to_string());
            }
        }
    };
    timeout(PATIENCE, both).await.expect("both answer in time");
    // Without the origin the mirror answers alone.
    ask(&client, "STREAM.DELETE.O", "").await;
    let got = client.request("$JS.API.DIRECT.GET.O.o.key", "".into()).await.expect("an answer");
    assert_eq!(got.headers.expect("headers").get("Nats-Stream").expect("it").as_str(), "M");
    ask(&client, "STREAM.DELETE.M", "").await;
    let nobody = client.request("$JS.API.DIRECT.GET.O.o.key", "".into()).await;
    assert!(nobody.is_err(), "{nobody:?}");
}

#[tokio::test]
async fn d03_a_source_drains_a_work_queue_by_acknowledging() {
    if Subject::from_env().skips("2.14.0") {
        return;
    }
    let server = server();
    let (client, _) = connect(&server).await;
    let origin = json!({"name": "O", "subjects": ["o.>"], "retention": "workqueue"});
    ask(&client, "STREAM.CREATE.O", &origin.to_string()).await;
    let consumer = json!({"stream_name": "O", "config": {
        "durable_name": "d", "deliver_subject": "to.s", "ack_policy": "flow_control",
        "flow_control": true, "idle_heartbeat": 1_000_000_000, "max_ack_pending": 100}});
    let made = ask(&client, "CONSUMER.DURABLE.CREATE.O.d", &consumer.to_string()).await;
    assert!(made.get("error").is_none(), "{made}");
    for number in 0..250 {
        client.request("o.a", number.to_string().into()).await.expect("stored");
    }
    let source = json!({"name": "O", "consumer": {"name": "d", "deliver_subject": "to.s"}});
    let stream = json!({"name": "S", "sources": [source]});
    let made = ask(&client, "STREAM.CREATE.S", &stream.to_string()).await;
    assert!(made.get("error").is_none(), "{made}");
    let messages = async |stream: &str| -> Value {
        ask(&client, &format!("STREAM.INFO.{stream}"), "").await["state"]["messages"].clone()
    };
    let drained = async { while messages("O").await != 0 || messages("S").await != 250 {} };
    timeout(PATIENCE, drained).await.expect("everything moves in time");
    let last = ask(&client, "STREAM.MSG.GET.S", r#"{"seq":250}"#).await;
    assert_eq!(last["message"]["data"], "MjQ5", "{last}");
    // A consumer that acknowledges in another way is of no use.
    ask(&client, "STREAM.CREATE.P", r#"{"name":"P","subjects":["p"]}"#).await;
    let consumer = json!({"stream_name": "P", "config": {
        "durable_name": "d", "deliver_subject": "to.t", "ack_policy": "none"}});
    ask(&client, "CONSUMER.DURABLE.CREATE.P.d", &consumer.to_string()).await;
    let source = json!({"name": "P", "consumer": {"name": "d", "deliver_subject": "to.t"}});
    ask(&client, "STREAM.CREATE.T", &json!({"name": "T", "sources": [source]}).to_string()).await;
    let told = async {
        while ask(&client, "STREAM.INFO.T", "").await["sources"][0]["error"]["err_code"] != 10217 {}
    };
    timeout(PATIENCE, told).await.expect("the error is shown");
}
