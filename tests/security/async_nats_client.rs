//! A client of today logs in, asks across accounts and is told what it may not do.

use std::time::Duration;

use async_nats::ConnectOptions;
use futures_util::StreamExt;

use harness::Server;

#[tokio::test(flavor = "current_thread")]
async fn an_nkey_user_asks_a_service_of_another_account() {
    let pair = nkeys::KeyPair::new_user();
    let (key, seed) = (pair.public_key(), pair.seed().expect("has one"));
    let server = Server::with_config(&format!(
        "accounts {{ A {{ users: [{{user: a, password: p}}], exports: [{{service: q}}] }}, \
         B {{ users: [{{nkey: {key}}}], imports: [{{service: {{account: A, subject: q}}}}] }} }}"
    ));
    let url = server.url();
    let a = ConnectOptions::with_user_and_password("a".into(), "p".into());
    let a = a.connect(&url).await.expect("a connects");
    let mut asked = a.subscribe("q").await.expect("subscribes");
    a.flush().await.expect("flushes");
    tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            let reply = message.reply.expect("a request");
            a.publish(reply, "yes".into()).await.expect("answers");
        }
    });
    let b = ConnectOptions::with_nkey(seed).connect(&url).await.expect("the key is let in");
    for _ in 0..50 {
        let answer = tokio::time::timeout(Duration::from_secs(5), b.request("q", "?".into())).await;
        assert_eq!(&answer.expect("in time").expect("an answer").payload[..], b"yes");
    }
    let nobody = b.request("nowhere", "?".into()).await;
    assert!(nobody.is_err());
}
