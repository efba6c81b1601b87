//! Row K10: a push consumer waits for a client that reads slower than the storage delivers. Without
//! that the client's queue would pass `max_pending` and its connection would be cut off.

use harness::{Raw, Server};
use serde_json::Value;

use crate::{ask, connect, enabled};

/// Twenty times what may wait for one client.
const MESSAGES: usize = 20_000;
const RECEIVERS: usize = 3;

async fn a_slow_client_gets_everything(cores: usize) {
    let builder = Server::builder().cores(cores);
    let server = enabled(builder.config("max_payload: 100000\nmax_pending: 1000000\n")).start();
    let (client, _) = connect(&server).await;
    let stream = r#"{"name":"S","subjects":["s"],"storage":"memory","no_ack":true}"#;
    ask(&client, "STREAM.CREATE.S", stream).await;
    let payload = "x".repeat(1000);
    for _ in 0..MESSAGES {
        client.publish("s", payload.clone().into()).await.expect("sent");
    }
    client.flush().await.expect("flushed");
    let stored = async || ask(&client, "STREAM.INFO.S", "").await["state"]["messages"].clone();
    while stored().await != MESSAGES {}
    // Several, so that some live on the stream's core and some do not.
    let mut receivers: Vec<Raw> = (0..RECEIVERS).map(|_| server.quiet()).collect();
    for (number, receiver) in receivers.iter_mut().enumerate() {
        receiver.send(&format!("SUB d.{number} 1"));
        receiver.ping();
        let config = format!(
            r#"{{"stream_name":"S","config":{{"durable_name":"c{number}",
                "deliver_subject":"d.{number}","ack_policy":"none"}}}}"#
        );
        let made = ask(&client, &format!("CONSUMER.DURABLE.CREATE.S.c{number}"), &config).await;
        assert!(made.get("error").is_none(), "{made}");
    }
    // Nobody reads until nothing more is delivered.
    let delivered = async || {
        let mut all = Vec::new();
        for number in 0..RECEIVERS {
            let info: Value = ask(&client, &format!("CONSUMER.INFO.S.c{number}"), "").await;
            all.push(info["delivered"]["stream_seq"].as_u64().expect("a number"));
        }
        all
    };
    let (mut before, mut same) = (delivered().await, 0);
    while same < 100 {
        let now = delivered().await;
        same = if now == before && now.iter().all(|&seq| seq > 0) { same + 1 } else { 0 };
        before = now;
    }
    for (number, mut receiver) in receivers.into_iter().enumerate() {
        for seq in 1..=MESSAGES {
            let (line, body) = receiver.message();
            assert_eq!(body.len(), 1000);
            let stood = format!("$JS.ACK.S.c{number}.1.{seq}.{seq}.");
            assert!(line.contains(&stood), "{seq} of receiver {number}: {line}");
        }
    }
}

#[tokio::test]
async fn k10_a_slow_client_on_the_streams_core_gets_everything() {
    a_slow_client_gets_everything(1).await;
}

#[tokio::test]
async fn k10_slow_clients_on_any_core_get_everything() {
    a_slow_client_gets_everything(2).await;
}
