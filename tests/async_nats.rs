//! The async-nats client against the server: what applications do every day.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_nats::{Client, Event, HeaderMap, RequestErrorKind};
use futures_util::{StreamExt, future::join_all};
use harness::{PATIENCE, Server};
use tokio::time::timeout;

async fn connect(server: &Server) -> Client {
    async_nats::connect(server.url()).await.expect("async-nats connects")
}

/// Waits until `publisher` heard `subscriber`: by the order of one connection, and since interest
/// is never behind data, it then knows all of `subscriber`'s subscriptions. The flush of
/// async-nats is no round trip, so it cannot be used for that.
async fn visible(subscriber: &Client, publisher: &Client) {
    let inbox = subscriber.new_inbox();
    let mut heard = publisher.subscribe(inbox.clone()).await.expect("subscribed");
    let attempts = async {
        loop {
            subscriber.publish(inbox.clone(), "".into()).await.expect("published");
            if timeout(Duration::from_millis(50), heard.next()).await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, attempts).await.expect("heard in time");
}

/// The next message; panics when none comes.
async fn next(subscriber: &mut async_nats::Subscriber) -> async_nats::Message {
    let message = timeout(PATIENCE, subscriber.next()).await.expect("a message in time");
    message.expect("an open subscription")
}

#[tokio::test]
async fn publishes_and_subscribes() {
    let server = Server::builder().cores(2).start();
    let (one, two) = (connect(&server).await, connect(&server).await);
    let mut subscriber = one.subscribe("orders.*.eu").await.expect("subscribed");
    visible(&one, &two).await;
    two.publish("orders.7.eu", "seven".into()).await.expect("published");
    two.publish("orders.7.us", "not for us".into()).await.expect("published");
    two.publish("orders.8.eu", "eight".into()).await.expect("published");
    let first = next(&mut subscriber).await;
    assert_eq!((first.subject.as_str(), &first.payload[..]), ("orders.7.eu", &b"seven"[..]));
    assert_eq!(next(&mut subscriber).await.payload, "eight");
}

#[tokio::test]
async fn answers_requests() {
    let server = Server::builder().cores(2).start();
    let service = connect(&server).await;
    let mut requests = service.subscribe("double").await.expect("subscribed");
    let clients = join_all((0..8).map(|_| connect(&server))).await;
    for client in &clients {
        visible(&service, client).await;
    }
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let number: u64 = std::str::from_utf8(&request.payload).unwrap().parse().unwrap();
            let reply = request.reply.expect("a request has a reply");
            service.publish(reply, (number * 2).to_string().into()).await.expect("published");
        }
    });
    let asking = clients.iter().enumerate().map(|(at, client)| async move {
        for number in 0..100_u64 {
            let number = number + at as u64 * 1000;
            let answer = client.request("double", number.to_string().into()).await;
            assert_eq!(answer.expect("an answer").payload, (number * 2).to_string());
        }
    });
    join_all(asking).await;
    answering.abort();
}

#[tokio::test]
async fn a_request_without_a_service_fails_at_once() {
    let server = Server::start(&[]);
    let client = connect(&server).await;
    let error = timeout(PATIENCE, client.request("nobody", "".into())).await.expect("in time");
    assert_eq!(error.expect_err("nobody is there").kind(), RequestErrorKind::NoResponders);
}

#[tokio::test]
async fn queue_groups_spread_over_all_members() {
    const MEMBERS: usize = 8;
    const MESSAGES: usize = 4000;
    let server = Server::builder().cores(2).start();
    let clients = join_all((0..MEMBERS).map(|_| connect(&server))).await;
    let publisher = connect(&server).await;
    let mut members = Vec::new();
    for client in &clients {
        let group = "workers".to_owned();
        members.push(client.queue_subscribe("work", group).await.expect("subscribed"));
        visible(client, &publisher).await;
    }
    for number in 0..MESSAGES {
        publisher.publish("work", number.to_string().into()).await.expect("published");
    }
    publisher.flush().await.expect("flushed");
    let (sender, mut taken) = tokio::sync::mpsc::unbounded_channel();
    for (at, mut member) in members.into_iter().enumerate() {
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(message) = member.next().await {
                // The receiver is gone once it has enough.
                let _ = sender.send((at, message.payload));
            }
        });
    }
    let mut counts = [0; MEMBERS];
    let mut seen = HashSet::new();
    for _ in 0..MESSAGES {
        let (at, payload) = timeout(PATIENCE, taken.recv()).await.expect("in time").unwrap();
        counts[at] += 1;
        assert!(seen.insert(payload), "each message once");
    }
    // 500 each when uniform; 350 is seven deviations away.
    assert!(counts.iter().all(|count| (350..650).contains(count)), "{counts:?}");
}

#[tokio::test]
async fn headers_pass_unchanged() {
    let server = Server::builder().cores(2).start();
    let (one, two) = (connect(&server).await, connect(&server).await);
    let mut subscriber = one.subscribe("with.headers").await.expect("subscribed");
    visible(&one, &two).await;
    let mut headers = HeaderMap::new();
    headers.append("Trace-Id", "abc");
    headers.append("Many", "first");
    headers.append("Many", "second");
    let sent = two.publish_with_headers("with.headers", headers.clone(), "body".into());
    sent.await.expect("published");
    let message = next(&mut subscriber).await;
    assert_eq!(message.payload, "body");
    assert_eq!(message.headers, Some(headers));
}

#[tokio::test]
async fn a_megabyte_passes_and_more_is_refused_by_the_client() {
    let server = Server::builder().cores(2).start();
    let (one, two) = (connect(&server).await, connect(&server).await);
    assert_eq!(two.server_info().max_payload, 1_048_576);
    let mut subscriber = one.subscribe("big").await.expect("subscribed");
    visible(&one, &two).await;
    for round in 0..16_u8 {
        let payload: Vec<u8> = (0..1_048_576_usize).map(|at| (at % 251) as u8 ^ round).collect();
        two.publish("big", payload.clone().into()).await.expect("published");
        let got = next(&mut subscriber).await.payload;
        assert!(got == payload, "the payload of round {round} arrives unchanged");
    }
    two.publish("big", vec![0; 1_048_577].into()).await.expect_err("above max_payload");
}

#[tokio::test]
async fn a_thousand_subjects_each_get_their_own() {
    let server = Server::builder().cores(2).start();
    let (one, two) = (connect(&server).await, connect(&server).await);
    let mut subscribers = Vec::new();
    for number in 0..1000 {
        subscribers.push(one.subscribe(format!("price.{number}")).await.expect("subscribed"));
    }
    visible(&one, &two).await;
    for number in 0..1000 {
        let subject = format!("price.{number}");
        two.publish(subject.clone(), subject.into()).await.expect("published");
    }
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        assert_eq!(next(subscriber).await.payload, format!("price.{number}"));
    }
}

#[tokio::test]
async fn many_connections_all_hear() {
    let server = Server::builder().cores(2).start();
    let clients = join_all((0..200).map(|_| connect(&server))).await;
    let publisher = connect(&server).await;
    let mut subscribers = Vec::new();
    for client in &clients {
        subscribers.push(client.subscribe("all").await.expect("subscribed"));
        visible(client, &publisher).await;
    }
    for number in 0..10 {
        publisher.publish("all", number.to_string().into()).await.expect("published");
    }
    for subscriber in &mut subscribers {
        for number in 0..10 {
            assert_eq!(next(subscriber).await.payload, number.to_string());
        }
    }
}

#[tokio::test]
async fn each_publishers_messages_keep_their_order() {
    const PUBLISHERS: usize = 4;
    const EACH: u64 = 5000;
    let server = Server::builder().cores(2).start();
    let listener = connect(&server).await;
    let mut subscriber = listener.subscribe("from.>").await.expect("subscribed");
    let clients = join_all((0..PUBLISHERS).map(|_| connect(&server))).await;
    for client in &clients {
        visible(&listener, client).await;
    }
    let publishing = clients.into_iter().enumerate().map(|(at, client)| {
        tokio::spawn(async move {
            for number in 0..EACH {
                let subject = format!("from.{at}.{}", number % 3);
                client.publish(subject, number.to_string().into()).await.expect("published");
            }
            client.flush().await.expect("flushed");
        })
    });
    let publishing: Vec<_> = publishing.collect();
    let mut expected: HashMap<String, u64> = HashMap::new();
    for _ in 0..PUBLISHERS as u64 * EACH {
        let message = next(&mut subscriber).await;
        let publisher = message.subject.split('.').nth(1).expect("a publisher").to_owned();
        let expected = expected.entry(publisher).or_default();
        assert_eq!(message.payload, expected.to_string(), "on {}", message.subject);
        *expected += 1;
    }
    for task in publishing {
        task.await.expect("the publisher ended well");
    }
}

#[tokio::test]
async fn unsubscribe_after_ends_the_stream() {
    let server = Server::builder().cores(2).start();
    let (one, two) = (connect(&server).await, connect(&server).await);
    let mut subscriber = one.subscribe("few").await.expect("subscribed");
    subscriber.unsubscribe_after(3).await.expect("sent");
    visible(&one, &two).await;
    for number in 0..5 {
        two.publish("few", number.to_string().into()).await.expect("published");
    }
    two.flush().await.expect("flushed");
    for number in 0..3 {
        assert_eq!(next(&mut subscriber).await.payload, number.to_string());
    }
    let end = timeout(PATIENCE, subscriber.next()).await.expect("the stream ends");
    assert!(end.is_none());
}

#[tokio::test]
async fn drain_delivers_what_was_sent_before() {
    let server = Server::builder().cores(2).start();
    let (one, two) = (connect(&server).await, connect(&server).await);
    let mut subscriber = one.subscribe("drained").await.expect("subscribed");
    visible(&one, &two).await;
    for number in 0..100 {
        two.publish("drained", number.to_string().into()).await.expect("published");
    }
    two.flush().await.expect("flushed");
    // The last one has come to this client before it drains; half of them wait in its queue.
    let mut last = one.subscribe("last").await.expect("subscribed");
    visible(&one, &two).await;
    two.publish("last", "".into()).await.expect("published");
    next(&mut last).await;
    for number in 0..50 {
        assert_eq!(next(&mut subscriber).await.payload, number.to_string());
    }
    subscriber.drain().await.expect("drained");
    let mut left = Vec::new();
    while let Some(message) = timeout(PATIENCE, subscriber.next()).await.expect("it ends") {
        left.push(message.payload);
    }
    let expected: Vec<_> = (50..100).map(|number| number.to_string()).collect();
    assert_eq!(left, expected);
}

#[tokio::test]
async fn the_client_is_told_of_lame_duck_mode() {
    let server = Server::with_config("lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"5s\"");
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let options = async_nats::ConnectOptions::new().event_callback(move |event| {
        let sender = sender.clone();
        async move {
            // The test ends before the client does.
            let _ = sender.send(event);
        }
    });
    let client = options.connect(server.url()).await.expect("connected");
    client.flush().await.expect("flushed");
    server.signal(harness::Signal::USR2);
    let told = async {
        while let Some(event) = events.recv().await {
            if matches!(event, Event::LameDuckMode) {
                return true;
            }
        }
        false
    };
    assert!(timeout(Duration::from_secs(4), told).await.expect("told in time"));
}
