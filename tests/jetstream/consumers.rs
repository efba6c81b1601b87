//! Streams and consumers as applications use them, through async-nats.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull, push};
use async_nats::jetstream::{AckKind, Context, stream};
use futures_util::{StreamExt, TryStreamExt};
use harness::PATIENCE;
use tokio::time::timeout;

use crate::{connect, server};

async fn stream_of(context: &Context, config: stream::Config) -> stream::Stream {
    context.create_stream(config).await.expect("a stream")
}

fn orders() -> stream::Config {
    stream::Config {
        name: "ORDERS".into(),
        subjects: vec!["orders.>".into()],
        ..Default::default()
    }
}

async fn publish(context: &Context, count: usize) {
    let mut acks = Vec::new();
    for number in 0..count {
        let payload = number.to_string();
        acks.push(context.publish(format!("orders.{number}"), payload.into()).await.expect("sent"));
    }
    for (number, ack) in acks.into_iter().enumerate() {
        let ack = timeout(PATIENCE, ack).await.expect("in time").expect("stored");
        assert_eq!((ack.stream.as_str(), ack.sequence), ("ORDERS", number as u64 + 1));
    }
}

#[tokio::test]
async fn k12_a_pull_consumer_gets_everything_once_and_in_order() {
    let server = server();
    let (_, context) = connect(&server).await;
    let stream = stream_of(&context, orders()).await;
    publish(&context, 1000).await;
    let config = pull::Config { durable_name: Some("worker".into()), ..Default::default() };
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages").take(1000);
    for number in 0..1000 {
        let message = timeout(PATIENCE, messages.try_next()).await.expect("in time");
        let message = message.expect("no error").expect("a message");
        assert_eq!(message.payload, number.to_string().as_bytes());
        assert_eq!(message.info().expect("an ack subject").stream_sequence, number + 1);
        message.double_ack().await.expect("acknowledged");
    }
    let info = stream.get_consumer::<pull::Config>("worker").await.expect("there");
    let info = info.cached_info();
    assert_eq!((info.num_pending, info.num_ack_pending), (0, 0));
    assert_eq!(info.ack_floor.stream_sequence, 1000);
}

#[tokio::test]
async fn k04_what_is_not_wanted_now_comes_again() {
    let server = server();
    let (_, context) = connect(&server).await;
    let stream = stream_of(&context, orders()).await;
    publish(&context, 1).await;
    let config = pull::Config {
        durable_name: Some("worker".into()),
        ack_wait: Duration::from_millis(300),
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages");
    let mut next = async || {
        let message = timeout(PATIENCE, messages.try_next()).await.expect("in time");
        message.expect("no error").expect("a message")
    };
    let first = next().await;
    assert_eq!(first.info().expect("an ack subject").delivered, 1);
    first.ack_with(AckKind::Nak(None)).await.expect("sent");
    // Neither acknowledged nor refused: it comes when its time is over.
    assert_eq!(next().await.info().expect("an ack subject").delivered, 2);
    let third = next().await;
    assert_eq!(third.info().expect("an ack subject").delivered, 3);
    third.ack_with(AckKind::Term).await.expect("sent");
}

#[tokio::test]
async fn k10_a_push_consumer_and_an_ordered_one_see_the_same() {
    let server = server();
    let (client, context) = connect(&server).await;
    let stream = stream_of(&context, orders()).await;
    publish(&context, 500).await;
    let pushed = stream
        .create_consumer(push::Config {
            deliver_subject: client.new_inbox(),
            ack_policy: AckPolicy::None,
            ..Default::default()
        })
        .await
        .expect("a push consumer");
    let ordered = stream
        .create_consumer(push::OrderedConfig {
            deliver_subject: client.new_inbox(),
            ..Default::default()
        })
        .await
        .expect("an ordered consumer");
    let pushed = pushed.messages().await.expect("messages").take(500);
    let ordered = ordered.messages().await.expect("messages").take(500);
    let payload = |message: async_nats::jetstream::Message| message.payload.clone();
    let pushed = pushed.map_ok(payload).try_collect::<Vec<_>>();
    let ordered = ordered.map_ok(payload).try_collect::<Vec<_>>();
    let pushed = timeout(PATIENCE, pushed).await.expect("in time").expect("no error");
    let ordered = timeout(PATIENCE, ordered).await.expect("in time").expect("no error");
    let expected: Vec<_> = (0..500).map(|number| number.to_string().into_bytes()).collect();
    assert_eq!(pushed, expected);
    assert_eq!(ordered, expected);
}

#[tokio::test]
async fn s08_a_work_queue_gives_each_message_to_one_and_forgets_it() {
    let server = server();
    let (_, context) = connect(&server).await;
    let retention = stream::RetentionPolicy::WorkQueue;
    let mut stream = stream_of(&context, stream::Config { retention, ..orders() }).await;
    publish(&context, 100).await;
    let config = pull::Config { durable_name: Some("workers".into()), ..Default::default() };
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let halves = [consumer.clone(), consumer];
    let halves = halves.map(|consumer| async move {
        let batch = consumer.fetch().max_messages(50).messages().await.expect("a batch");
        let batch: Vec<_> = batch.try_collect().await.expect("no error");
        for message in &batch {
            message.double_ack().await.expect("acknowledged");
        }
        batch.len()
    });
    let taken: usize = futures_util::future::join_all(halves).await.into_iter().sum();
    assert_eq!(taken, 100);
    assert_eq!(stream.info().await.expect("there").state.messages, 0);
}

#[tokio::test]
async fn b02_the_same_message_id_is_stored_once() {
    let server = server();
    let (_, context) = connect(&server).await;
    let mut stream = stream_of(&context, orders()).await;
    for expected in [false, true] {
        let message = async_nats::jetstream::message::PublishMessage::build()
            .payload("once".into())
            .message_id("id-1");
        let ack = context.send_publish("orders.1", message).await.expect("sent");
        let ack = ack.await.expect("stored");
        assert_eq!((ack.sequence, ack.duplicate), (1, expected));
    }
    assert_eq!(stream.info().await.expect("there").state.messages, 1);
}
