//! Row S11: streams with `compression: s2` take less of the disk, count what they count without,
//! and give back what was sent, through updates, restarts, backups, mirrors and sources.

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{Context, stream};
use async_nats::{Client, HeaderMap};
use futures_util::{StreamExt, TryStreamExt};
use harness::{Folder, PATIENCE, Server, Signal, Subject};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::store::store;
use crate::{ask, connect, server};

/// Messages in each stream.
const MESSAGES: u64 = 500;

fn server_on(folder: &Folder) -> Server {
    let path = folder.path().to_string_lossy().into_owned();
    Server::builder().cores(1).args(&["-js", "-sd", &path]).start()
}

/// A message as a feed sends them.
fn quote(n: u64) -> String {
    let (bid, symbol) = (10_000 + n * 37 % 900, ["SAP", "SIE", "BMW", "ALV"][n as usize % 4]);
    let size = n * 7_919 % 1000;
    json!({"type": "quote", "symbol": symbol, "bid": bid, "ask": bid + 2, "size": size, "seq": n})
        .to_string()
}

/// Makes or changes the stream `S`; its answer.
async fn set(client: &Client, what: &str, compression: &str) -> Value {
    let config = json!({"name": "S", "subjects": ["s.>"], "compression": compression,
        "allow_direct": true});
    let answer = ask(client, &format!("STREAM.{what}.S"), &config.to_string()).await;
    assert!(answer.get("error").is_none(), "{answer}");
    assert_eq!(answer["config"]["compression"], compression, "{answer}");
    answer
}

/// Publishes quotes; one in five has headers.
async fn publish(context: &Context, numbers: std::ops::Range<u64>) {
    let mut acks = Vec::new();
    for n in numbers {
        let mut headers = HeaderMap::new();
        if n % 5 == 0 {
            headers.insert("Trace-Of-The-Feed", format!("desk-{}", n % 3));
        }
        let subject = format!("s.{}", n % 7);
        let sent = context.publish_with_headers(subject, headers, quote(n).into()).await;
        acks.push(sent.expect("sent"));
    }
    for ack in acks {
        timeout(PATIENCE, ack.into_future()).await.expect("in time").expect("stored");
    }
}

/// All messages of a stream are there in their order, and are what was sent.
async fn check_all(context: &Context, name: &str, messages: u64) {
    let stream = context.get_stream(name).await.expect("it is there");
    let consumer = stream.create_consumer(pull::OrderedConfig::default()).await;
    let read = consumer.expect("a consumer").messages().await.expect("messages");
    let read = read.take(messages as usize).try_collect();
    let read: Vec<_> = timeout(PATIENCE, read).await.expect("in time").expect("no error");
    for (n, message) in (0..).zip(read) {
        assert_eq!(message.payload, quote(n), "message {n} of {name}");
        let header = message.headers.as_ref().and_then(|headers| headers.get("Trace-Of-The-Feed"));
        let expected = (n % 5 == 0).then(|| format!("desk-{}", n % 3));
        assert_eq!(header.map(ToString::to_string), expected, "message {n} of {name}");
    }
    let last = stream.direct_get(messages).await.expect("the last");
    assert_eq!(last.payload, quote(messages - 1));
}

/// The bytes that a stopped server's streams take of its logs.
fn live_bytes(folder: &Folder, messages: u64) -> u64 {
    let (code, found) = store("verify", folder);
    assert_eq!((code, &found["messages_read"]), (Some(0), &messages.into()), "{found:#}");
    let segments = found["logs"][0]["segments"].as_array().expect("segments");
    assert!(segments.iter().all(|segment| segment["version"] == 2), "{found:#}");
    segments.iter().filter_map(|segment| segment["live_bytes"].as_u64()).sum()
}

#[tokio::test]
async fn s11_compressed_messages_take_less_and_count_the_same() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let mut found = Vec::new();
    for compression in ["none", "s2"] {
        let folder = Folder::new();
        let server = server_on(&folder);
        let bytes = {
            let (client, context) = connect(&server).await;
            set(&client, "CREATE", compression).await;
            publish(&context, 0..MESSAGES).await;
            check_all(&context, "S", MESSAGES).await;
            ask(&client, "STREAM.INFO.S", "").await["state"]["bytes"].clone()
        };
        server.signal(Signal::TERM);
        server.finish();
        found.push((bytes, live_bytes(&folder, MESSAGES)));
    }
    let [(plain, plain_on_disk), (bytes, on_disk)] = &found[..] else { unreachable!("two runs") };
    assert_eq!(plain, bytes, "max_bytes means the same");
    // The messages are as short as what the log notes of each: subject, time, sequence and sum.
    assert!(on_disk * 5 < plain_on_disk * 4, "{on_disk} of {plain_on_disk} bytes on disk");
}

#[tokio::test]
async fn s11_an_update_counts_from_then_on_and_all_is_read_after_a_kill() {
    if Subject::from_env().skips("2.10.0") {
        return;
    }
    let folder = Folder::new();
    let rounds = [("none", Signal::KILL), ("s2", Signal::KILL), ("s2", Signal::TERM)];
    let rounds = rounds.into_iter().chain([("none", Signal::KILL), ("none", Signal::TERM)]);
    for (round, (compression, end)) in (0..).zip(rounds) {
        let server = server_on(&folder);
        {
            let (client, context) = connect(&server).await;
            let what = if round == 0 { "CREATE" } else { "UPDATE" };
            set(&client, what, compression).await;
            publish(&context, round * MESSAGES..(round + 1) * MESSAGES).await;
            check_all(&context, "S", (round + 1) * MESSAGES).await;
        }
        server.signal(end);
        server.finish();
    }
    let server = server_on(&folder);
    let (client, context) = connect(&server).await;
    check_all(&context, "S", 5 * MESSAGES).await;
    let info = ask(&client, "STREAM.INFO.S", "").await;
    assert_eq!(info["config"]["compression"], "none", "{info}");
}

#[tokio::test]
async fn s11_others_read_a_compressed_stream_as_any_other() {
    if Subject::from_env().skips("2.10.0") {
        return;
    }
    let server = server();
    let (client, context) = connect(&server).await;
    set(&client, "CREATE", "s2").await;
    publish(&context, 0..MESSAGES).await;
    let compression = Some(stream::Compression::S2);
    let mirror = stream::Config {
        name: "M".into(),
        mirror: Some(stream::Source { name: "S".into(), ..<_>::default() }),
        allow_direct: true,
        ..<_>::default()
    };
    let sourced = stream::Config {
        name: "N".into(),
        sources: Some(vec![stream::Source { name: "S".into(), ..<_>::default() }]),
        allow_direct: true,
        compression: compression.clone(),
        ..<_>::default()
    };
    // In memory nothing is compressed, and the wish is no mistake.
    let in_memory = stream::Config {
        name: "K".into(),
        storage: stream::StorageType::Memory,
        compression: compression.clone(),
        ..sourced.clone()
    };
    for config in [mirror, sourced, in_memory] {
        let name = config.name.clone();
        let wanted = config.compression.clone().unwrap_or(stream::Compression::None);
        let mut stream = context.create_stream(config).await.expect("a stream");
        let copied =
            async { while stream.info().await.expect("there").state.messages < MESSAGES {} };
        timeout(PATIENCE, copied).await.expect("all is copied");
        assert_eq!(stream.cached_info().config.compression, Some(wanted));
        if name == "M" {
            check_all(&context, &name, MESSAGES).await;
        }
        let last = stream.direct_get(MESSAGES).await.expect("the last");
        assert_eq!(last.payload, quote(MESSAGES - 1));
    }
}
