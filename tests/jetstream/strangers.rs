//! What accounts may not do to each other by the JetStream API: the classes of nats-server's
//! advisories about it (issue 6, `src/security/README.md`).

use async_nats::Client;
use harness::Server;
use serde_json::{Value, json};

use crate::ask;

/// `A` has a stream `S`, with one message and a consumer `c`; `B` has JetStream as well.
async fn server() -> (Server, Client, Client) {
    let builder = Server::builder().cores(2);
    let folder = builder.folder().join("js");
    let config = format!(
        "jetstream {{ store_dir: {folder:?} }}
         accounts {{
           A {{ users: [{{user: a, password: p}}], jetstream: enabled }}
           B {{ users: [{{user: b, password: p}}], jetstream: enabled }}
           $SYS {{ users: [{{user: s, password: p}}] }}
         }}"
    );
    let server = builder.config(&config).start();
    let (a, b) = (login(&server, "a").await, login(&server, "b").await);
    let stream = r#"{"name":"S","subjects":["x"],"allow_direct":true}"#;
    assert!(ask(&a, "STREAM.CREATE.S", stream).await["error"].is_null());
    a.request("x", "one".into()).await.expect("stored");
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"c","ack_policy":"explicit"}}"#;
    assert!(ask(&a, "CONSUMER.DURABLE.CREATE.S.c", consumer).await["error"].is_null());
    (server, a, b)
}

async fn login(server: &Server, user: &str) -> Client {
    let options = async_nats::ConnectOptions::with_user_and_password(user.into(), "p".into());
    options.connect(server.url()).await.expect("the user is let in")
}

/// An error is answered, or nobody answers at all.
async fn is_refused(client: &Client, subject: &str, body: &str) -> bool {
    let answer = client.request(subject.to_owned(), body.to_owned().into()).await;
    let Ok(answer) = answer else { return true };
    // A direct get answers in its headers.
    let status = answer.status.is_some_and(|status| !status.is_success());
    let body: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
    status || !body["error"].is_null()
}

/// What is told of the stream and its consumer to the account that has them.
async fn state(a: &Client) -> (Value, Value) {
    let stream = ask(a, "STREAM.INFO.S", "").await;
    let consumer = ask(a, "CONSUMER.INFO.S.c", "").await;
    let (pending, floor) = (&consumer["num_pending"], &consumer["ack_floor"]["stream_seq"]);
    (stream["state"]["messages"].clone(), json!([pending, floor]))
}

#[tokio::test]
async fn streams_of_another_account_are_out_of_reach() {
    let (_server, a, b) = server().await;
    let before = state(&a).await;
    assert_eq!(before, (json!(1), json!([1, 0])));
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"d","ack_policy":"explicit"}}"#;
    for (subject, body) in [
        ("STREAM.INFO.S", ""),
        ("STREAM.UPDATE.S", r#"{"name":"S","subjects":["y"]}"#),
        ("STREAM.PURGE.S", ""),
        ("STREAM.DELETE.S", ""),
        ("STREAM.MSG.GET.S", r#"{"seq":1}"#),
        ("STREAM.MSG.DELETE.S", r#"{"seq":1}"#),
        ("STREAM.SNAPSHOT.S", r#"{"deliver_subject":"here"}"#),
        ("STREAM.LEADER.STEPDOWN.S", ""),
        ("CONSUMER.DURABLE.CREATE.S.d", consumer),
        ("CONSUMER.INFO.S.c", ""),
        ("CONSUMER.DELETE.S.c", ""),
        ("CONSUMER.PAUSE.S.c", r#"{"pause_until":"2100-01-01T00:00:00Z"}"#),
        ("DIRECT.GET.S", r#"{"seq":1}"#),
        ("DIRECT.GET.S.x", ""),
    ] {
        assert!(is_refused(&b, &format!("$JS.API.{subject}"), body).await, "{subject}");
    }
    assert_eq!(ask(&b, "STREAM.NAMES", "").await["streams"], Value::Null);
    // Nobody who is not asked is told, or acknowledges.
    let next = b.request("$JS.API.CONSUMER.MSG.NEXT.S.c", r#"{"no_wait":true}"#.into()).await;
    assert!(next.is_err() || next.is_ok_and(|message| message.payload.is_empty()));
    for ack in ["$JS.ACK.S.c.1.1.1.1.0", "$JS.ACK._.A.S.c.1.1.1.1.0.x"] {
        let confirmed = b.request(ack.to_owned(), "+ACK".into()).await;
        assert!(confirmed.is_err(), "{ack}");
    }
    assert_eq!(state(&a).await, before);
}

#[tokio::test]
async fn what_the_system_account_may_ask_is_for_nobody_else() {
    let (_server, a, b) = server().await;
    let before = state(&a).await;
    let subjects = [
        "ACCOUNT.PURGE.A",
        "ACCOUNT.STREAM.MOVE.A.S",
        "ACCOUNT.STREAM.CANCEL_MOVE.A.S",
        "SERVER.REMOVE",
        "META.LEADER.STEPDOWN",
    ];
    // All at once: some of them nobody answers, and each then waits for its whole time.
    let asked = subjects.iter().flat_map(|subject| {
        [&a, &b].map(|client| async move {
            let refused = is_refused(client, &format!("$JS.API.{subject}"), "{}").await;
            assert!(refused, "{subject}");
        })
    });
    futures_util::future::join_all(asked).await;
    assert_eq!(state(&a).await, before);
}

#[tokio::test]
async fn no_stream_makes_a_subject_with_a_blank() {
    let (server, a, _) = server().await;
    let forged = "x\r\nMSG forged 1 0\r\n.>";
    for config in [
        json!({"subjects": ["t t.>"]}),
        json!({"subjects": ["t.>"], "subject_transform": {"src": "t.>", "dest": forged}}),
        json!({"subjects": ["t.>"], "republish": {"src": "t.>", "dest": forged}}),
        json!({"sources": [{"name": "S", "subject_transforms": [{"src": "x.>", "dest": forged}]}]}),
        json!({"mirror": {"name": "S", "subject_transforms": [{"src": "x.>", "dest": forged}]}}),
        json!({"sources": [{"name": "S", "external": {"api": "$JS. API"}}]}),
    ] {
        let mut named = config.clone();
        named["name"] = json!("T");
        let answer = ask(&a, "STREAM.CREATE.T", &named.to_string()).await;
        assert!(!answer["error"].is_null(), "{config}: {answer}");
    }
    // A function may be written with blanks.
    let halves = json!({"name": "T", "subjects": ["t.*"], "subject_transform":
        {"src": "t.*", "dest": "half.{{ partition(2, 1) }}"}});
    let answer = ask(&a, "STREAM.CREATE.T", &halves.to_string()).await;
    assert!(answer["error"].is_null(), "{answer}");
    drop(server);
}
