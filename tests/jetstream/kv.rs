//! Row D07: the key-value store of async-nats.

use async_nats::jetstream::kv::{Config, Operation, Store};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use harness::PATIENCE;
use tokio::time::timeout;

use crate::{connect, server};

/// A bucket; none on servers that async-nats' key-value store does not know any more.
async fn bucket(server: &harness::Server, history: i64) -> Option<Store> {
    if server.subject().skips("2.10.0") {
        return None;
    }
    let (_, context) = connect(server).await;
    let config = Config { bucket: "things".into(), history, ..Default::default() };
    Some(context.create_key_value(config).await.expect("a bucket"))
}

#[tokio::test]
async fn d07_values_are_put_got_and_deleted() {
    let server = server();
    let Some(bucket) = bucket(&server, 1).await else { return };
    assert_eq!(bucket.get("a").await.expect("asked"), None);
    assert_eq!(bucket.put("a", "1".into()).await.expect("put"), 1);
    assert_eq!(bucket.put("a", "2".into()).await.expect("put"), 2);
    assert_eq!(bucket.get("a").await.expect("asked"), Some(Bytes::from("2")));
    bucket.delete("a").await.expect("deleted");
    assert_eq!(bucket.get("a").await.expect("asked"), None);
    let entry = bucket.entry("a").await.expect("asked").expect("a marker");
    assert_eq!((entry.operation, entry.revision), (Operation::Delete, 3));
    bucket.put("b.c", "x".into()).await.expect("put");
    let keys: Vec<String> =
        bucket.keys().await.expect("keys").try_collect().await.expect("no error");
    assert_eq!(keys, ["b.c"]);
}

#[tokio::test]
async fn d07_only_the_expected_revision_is_replaced() {
    let server = server();
    let Some(bucket) = bucket(&server, 1).await else { return };
    let first = bucket.create("lock", "me".into()).await.expect("created");
    assert!(bucket.create("lock", "you".into()).await.is_err(), "it is taken");
    assert!(bucket.update("lock", "you".into(), first + 7).await.is_err(), "another revision");
    let second = bucket.update("lock", "me again".into(), first).await.expect("updated");
    assert!(second > first);
    assert_eq!(bucket.get("lock").await.expect("asked"), Some(Bytes::from("me again")));
    bucket.purge("lock").await.expect("purged");
    bucket.create("lock", "free again".into()).await.expect("created after a purge");
}

#[tokio::test]
async fn d07_history_keeps_so_many_and_a_watcher_sees_all() {
    let server = server();
    let Some(bucket) = bucket(&server, 3).await else { return };
    let mut watcher = bucket.watch("k").await.expect("a watcher");
    for number in 0..5 {
        bucket.put("k", number.to_string().into()).await.expect("put");
    }
    for number in 0..5 {
        let entry = timeout(PATIENCE, watcher.next()).await.expect("in time");
        let entry = entry.expect("open").expect("no error");
        assert_eq!(entry.value, number.to_string().as_bytes());
    }
    let history = bucket.history("k").await.expect("history");
    let values: Vec<Bytes> =
        history.map_ok(|entry| entry.value).try_collect().await.expect("no error");
    assert_eq!(values, ["2", "3", "4"]);
}

#[tokio::test]
async fn d07_a_bucket_of_thousand_keys_is_listed_whole() {
    let server = server();
    let Some(bucket) = bucket(&server, 1).await else { return };
    for number in 0..1000 {
        bucket.put(format!("key.{number:04}"), "v".into()).await.expect("put");
    }
    let mut keys: Vec<String> =
        bucket.keys().await.expect("keys").try_collect().await.expect("no error");
    keys.sort_unstable();
    let expected: Vec<String> = (0..1000).map(|number| format!("key.{number:04}")).collect();
    assert_eq!(keys, expected);
}
