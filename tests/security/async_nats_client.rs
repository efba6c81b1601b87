//! A client of today logs in, asks across accounts and is told what it may not do.

use std::time::Duration;

use async_nats::ConnectOptions;
use futures_util::StreamExt;

use harness::Server;

use crate::operator::World;

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

#[tokio::test(flavor = "current_thread")]
async fn a04_a_user_with_a_credentials_file() {
    let world = World::new(|_| {});
    let server = world.start();
    let user = nkeys::KeyPair::new_user();
    let token = world.token(&user, &world.account, |_| {});
    let seed = user.seed().expect("has one");
    let file = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    let options = ConnectOptions::with_credentials(&file).expect("credentials");
    let client = options.connect(server.url()).await.expect("is let in");
    let mut heard = client.subscribe("a").await.expect("subscribes");
    client.publish("a", "b".into()).await.expect("publishes");
    let message = tokio::time::timeout(Duration::from_secs(5), heard.next()).await;
    assert_eq!(&message.expect("in time").expect("a message").payload[..], b"b");
    let stranger = nkeys::KeyPair::new_user().seed().expect("has one");
    let file = file.replace(&seed, &stranger);
    let options = ConnectOptions::with_credentials(&file).expect("credentials");
    assert!(options.connect(server.url()).await.is_err(), "with the key of another");
}
