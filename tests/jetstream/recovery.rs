//! Row J01: what was acknowledged is there after a stop, and after a kill.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{Context, stream};
use futures_util::{StreamExt, TryStreamExt};
use harness::{Folder, PATIENCE, Server, Signal};
use tokio::time::timeout;

use crate::connect;

/// Rounds of the test that kills.
const ROUNDS: u32 = 20;
/// Publishes that may wait for their acknowledgement in it.
const WINDOW: usize = 64;
/// Acknowledgements after which it kills.
const ACKS_PER_ROUND: usize = 150;

/// A server whose streams outlive it.
fn server_on(folder: &Folder) -> Server {
    let path = folder.path().to_string_lossy().into_owned();
    Server::builder().cores(2).args(&["-js", "-sd", &path]).start()
}

async fn stream_of(context: &Context) -> stream::Stream {
    let config =
        stream::Config { name: "KEPT".into(), subjects: vec!["k.>".into()], ..Default::default() };
    context.create_stream(config).await.expect("a stream")
}

async fn all_messages(stream: &stream::Stream) -> HashMap<u64, String> {
    let config = pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let expected = consumer.cached_info().num_pending as usize;
    let messages = consumer.messages().await.expect("messages").take(expected);
    let read = messages
        .map_ok(|message| {
            let seq = message.info().expect("an ack subject").stream_sequence;
            (seq, String::from_utf8_lossy(&message.payload).into_owned())
        })
        .try_collect();
    timeout(PATIENCE, read).await.expect("in time").expect("no error")
}

#[tokio::test]
async fn j01_streams_and_consumers_outlive_a_stop() {
    let folder = Folder::new();
    let server = server_on(&folder);
    {
        let (_, context) = connect(&server).await;
        let stream = stream_of(&context).await;
        for number in 0..300 {
            let ack = context.publish(format!("k.{number}"), number.to_string().into()).await;
            ack.expect("sent").await.expect("stored");
        }
        let config = pull::Config { durable_name: Some("c".into()), ..Default::default() };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        // No more than these is delivered.
        let mut messages = consumer.fetch().max_messages(100).messages().await.expect("a batch");
        while let Some(message) = messages.try_next().await.expect("no error") {
            message.double_ack().await.expect("acknowledged");
        }
        stream.delete_message(250).await.expect("deleted");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.finish().code, Some(0));

    let server = server_on(&folder);
    let (_, context) = connect(&server).await;
    let mut stream = context.get_stream("KEPT").await.expect("it is back");
    let state = stream.info().await.expect("there").state.clone();
    assert_eq!((state.messages, state.first_sequence, state.last_sequence), (299, 1, 300));
    assert_eq!(state.consumer_count, 1);
    let consumer = stream.get_consumer::<pull::Config>("c").await.expect("it is back");
    let info = consumer.cached_info();
    assert_eq!((info.ack_floor.stream_sequence, info.num_pending), (100, 199));
    let next = consumer.fetch().max_messages(1).messages().await.expect("a batch");
    let next: Vec<_> = next.try_collect().await.expect("no error");
    assert_eq!(next[0].payload, "100");
    let ack = context.publish("k.more", "more".into()).await.expect("sent");
    assert_eq!(ack.await.expect("stored").sequence, 301);
}

#[tokio::test]
async fn j01_nothing_acknowledged_is_lost_by_a_kill() {
    let folder = Folder::new();
    let mut acknowledged: HashMap<u64, String> = HashMap::new();
    let mut sent = 0;
    for round in 0..ROUNDS {
        let server = server_on(&folder);
        let (_, context) = connect(&server).await;
        let mut stream = stream_of(&context).await;
        let state = stream.info().await.expect("there").state.clone();
        let newest = acknowledged.keys().max().copied().unwrap_or_default();
        assert!(state.last_sequence >= newest, "round {round}: {newest} was acknowledged");
        let mut under_way = std::collections::VecDeque::new();
        let goal = acknowledged.len() + ACKS_PER_ROUND;
        while acknowledged.len() < goal {
            let payload = format!("m{sent}");
            let ack = context.publish("k.a", payload.clone().into()).await.expect("sent");
            under_way.push_back((payload, ack.into_future()));
            sent += 1;
            if under_way.len() >= WINDOW
                && let Some((payload, ack)) = under_way.pop_front()
            {
                let ack = timeout(PATIENCE, ack).await.expect("in time").expect("stored");
                acknowledged.insert(ack.sequence, payload);
            }
        }
        // With a window full of publishes under way.
        server.signal(Signal::KILL);
        server.finish();
    }
    let server = server_on(&folder);
    let (_, context) = connect(&server).await;
    let stream = context.get_stream("KEPT").await.expect("it is back");
    let stored = all_messages(&stream).await;
    for (seq, payload) in &acknowledged {
        assert_eq!(stored.get(seq), Some(payload), "message {seq} was acknowledged");
    }
    for payload in stored.values() {
        let number: Option<u32> = payload.strip_prefix('m').and_then(|text| text.parse().ok());
        assert!(number.is_some_and(|number| number < sent), "{payload} was never sent");
    }
    assert_eq!(acknowledged.len(), ROUNDS as usize * ACKS_PER_ROUND);
}

#[tokio::test]
async fn j01_memory_streams_and_deleted_ones_are_gone_after_a_restart() {
    let folder = Folder::new();
    let server = server_on(&folder);
    {
        let (_, context) = connect(&server).await;
        stream_of(&context).await;
        let config = stream::Config {
            name: "MEMORY".into(),
            storage: stream::StorageType::Memory,
            ..Default::default()
        };
        context.create_stream(config).await.expect("a stream");
        context.delete_stream("KEPT").await.expect("deleted");
    }
    server.signal(Signal::KILL);
    server.finish();
    let server = server_on(&folder);
    let (_, context) = connect(&server).await;
    let names: Vec<String> = context.stream_names().try_collect().await.expect("names");
    assert_eq!(names, Vec::<String>::new());
    stream_of(&context).await;
}

#[test]
fn j01_two_servers_do_not_share_a_folder() {
    if harness::Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let _first = server_on(&folder);
    let path = folder.path().to_string_lossy().into_owned();
    let args = ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", &path];
    let second = Server::run_to_end(&args);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains("Can't start JetStream: another server"), "{}", second.stderr);
}

#[tokio::test]
async fn j11_an_interval_instead_of_always_acknowledges_before_the_flush() {
    let folder = Folder::new();
    let path = folder.path().to_string_lossy().into_owned();
    let config = format!("jetstream {{ sync_interval: \"100ms\", store_dir: {path:?} }}");
    let server = Server::builder().config(&config).start();
    let (_, context) = connect(&server).await;
    stream_of(&context).await;
    for number in 1..=50 {
        let ack = context.publish("k.a", "x".into()).await.expect("sent");
        let ack = timeout(Duration::from_secs(5), ack.into_future()).await.expect("in time");
        assert_eq!(ack.expect("stored").sequence, number);
    }
}
