//! N07: how long services take to answer (spec/client-protocol.md §12).

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Subscriber};
use futures_util::StreamExt;
use harness::Server;
use serde_json::Value;

use crate::visitor::Visitor;

async fn client(server: &Server, user: &str) -> Client {
    let options = ConnectOptions::with_user_and_password(user.into(), "p".into()).name(user);
    let client = options.connect(server.url()).await.expect("connected");
    client.flush().await.expect("flushed");
    client
}

fn server(export: &str, import: &str) -> Server {
    Server::builder()
        .cores(2)
        .config(&format!(
            "accounts {{
               S {{ users: [{{user: s, password: p}}],
                    exports: [{{service: \"ask.*\", {export}}}] }}
               I {{ users: [{{user: i, password: p}}], imports: [
                    {{service: {{account: S, subject: \"ask.*\"}}, {import}}}] }}
             }}"
        ))
        .start()
}

async fn listen(client: &Client, subject: &str) -> Subscriber {
    let subscriber = client.subscribe(subject.to_owned()).await.expect("subscribed");
    // That nobody answers is said after the subscription stands.
    let nobody = client.request("nobody.listens", "".into()).await;
    assert!(nobody.is_err());
    subscriber
}

/// The next of a request that was heard.
async fn metric(subscriber: &mut Subscriber) -> Value {
    loop {
        let came = tokio::time::timeout(Duration::from_secs(10), subscriber.next()).await;
        let message = came.expect("in time").expect("a message");
        let metric: Value = serde_json::from_slice(&message.payload).expect("JSON");
        if metric["status"] != 503 {
            return metric;
        }
    }
}

/// Until the service is heard on the requestor's core, too.
async fn is_heard(client: &Client) {
    while client.request("ask.now", "?".into()).await.is_err() {}
}

/// Answers everything on `ask.now`, until the task ends with its runtime.
async fn answer(client: &Client) {
    let (client, mut asked) = (client.clone(), listen(client, "ask.now").await);
    tokio::spawn(async move {
        while let Some(request) = asked.next().await {
            if let Some(reply) = request.reply {
                client.publish(reply, "yes".into()).await.expect("published");
            }
        }
    });
}

#[tokio::test]
async fn n07_answers_are_measured_on_all_cores() {
    for (import, shared) in [("share: true", true), ("share: false", false)] {
        let server = server("latency: {subject: took, sampling: 100}", import);
        let (s, i) = (client(&server, "s").await, client(&server, "i").await);
        let mut metrics = listen(&s, "took").await;
        answer(&s).await;
        is_heard(&i).await;
        let reply = i.request("ask.now", "?".into()).await.expect("an answer");
        assert_eq!(reply.payload, "yes");
        let metric = metric(&mut metrics).await;
        assert_eq!(metric["type"], "io.nats.server.metric.v1.service_latency");
        assert_eq!((&metric["status"], metric.get("description")), (&200.into(), None));
        assert_eq!(metric["id"].as_str().map(str::len), Some(22));
        assert_eq!(metric["responder"]["name"], "s", "{metric}");
        assert_eq!(metric["responder"]["acc"], "S");
        for field in ["service", "system", "total"] {
            assert!(metric[field].is_u64(), "{field}: {metric}");
        }
        let of = |field: &str| metric[field].as_u64().unwrap_or_default();
        assert!(of("system") > 0, "the server needed some time, too: {metric}");
        let rtts = metric["requestor"]["rtt"].as_u64().unwrap_or_default()
            + metric["responder"]["rtt"].as_u64().unwrap_or_default();
        assert!(of("total") >= of("service") + of("system"), "{metric}");
        assert!(of("total") <= of("service") + of("system") + rtts, "{metric}");
        let requestor = metric["requestor"].as_object().expect("an object");
        assert_eq!(requestor.contains_key("name"), shared, "{metric}");
        assert_eq!(requestor["acc"], "I", "{metric}");
    }
}

#[tokio::test]
async fn n07_requests_that_ask_for_it_are_measured_by_their_headers() {
    let server = server("latency: {subject: took, sampling: headers}", "share: false");
    let (s, i) = (client(&server, "s").await, client(&server, "i").await);
    let mut metrics = listen(&s, "took").await;
    answer(&s).await;
    is_heard(&i).await;
    let mut headers = HeaderMap::new();
    headers.insert("X-B3-Sampled", "1");
    headers.insert("X-B3-TraceId", "80f198ee56343ba864fe8b2a57d3eff7");
    i.request_with_headers("ask.now", headers, "?".into()).await.expect("an answer");
    // The first that comes is that of the last request.
    let metric = metric(&mut metrics).await;
    assert_eq!(metric["header"]["X-B3-Sampled"], serde_json::json!(["1"]));
    assert_eq!(metric["header"]["X-B3-Traceid"][0], "80f198ee56343ba864fe8b2a57d3eff7");
}

#[test]
fn n07_requests_that_fail_are_told_with_their_status() {
    let server = server("latency: took, threshold: 50ms", "share: true");
    let (mut s, mut i) = (Visitor::named(&server, "s", "p"), Visitor::named(&server, "i", "p"));
    // A PONG says that it is heard on all cores.
    assert!(s.tells("SUB took 1\r\nSUB ask.never 2").is_empty());
    assert!(i.tells("SUB inbox 1").is_empty());
    let mut told = |status: u16, description: &str| loop {
        let line = s.raw.line();
        if line.starts_with('{') {
            let metric: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(
                (&metric["status"], &metric["description"]),
                (&status.into(), &description.into())
            );
            assert_eq!(metric["requestor"]["acc"], "I", "{metric}");
            return;
        }
    };
    i.raw.send("PUB ask.nobody inbox 1\r\n?");
    told(503, "Service Unavailable");
    i.raw.send("PUB ask.never 1\r\n?");
    told(400, "Bad Request");
    i.raw.send("PUB ask.never inbox 1\r\n?");
    told(504, "Service Timeout");
    i.raw.send("PUB ask.never inbox 1\r\n?\r\nUNSUB 1");
    told(408, "Request Timeout");
    // Nobody listened from the beginning.
    i.raw.send("PUB ask.never inbox 1\r\n?");
    told(504, "Service Timeout");
}
