//! Row D07: the object store of async-nats.

use async_nats::jetstream::object_store::{Config, ObjectStore};
use futures_util::TryStreamExt;
use tokio::io::AsyncReadExt;

use crate::{connect, server};

async fn bucket(server: &harness::Server) -> ObjectStore {
    let (_, context) = connect(server).await;
    let config = Config { bucket: "files".into(), ..Default::default() };
    context.create_object_store(config).await.expect("a bucket")
}

async fn content(bucket: &ObjectStore, name: &str) -> Vec<u8> {
    let mut object = bucket.get(name).await.expect("an object");
    let mut content = Vec::new();
    object.read_to_end(&mut content).await.expect("its bytes match its digest");
    content
}

#[tokio::test]
async fn d07_objects_come_back_as_they_went() {
    let server = server();
    let bucket = bucket(&server).await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| ((number * 7) >> 3) as u8).collect();
    for (name, bytes) in [("large", &large[..]), ("small", b"few"), ("empty", b"")] {
        let info = bucket.put(name, &mut &bytes[..]).await.expect("put");
        assert_eq!(info.size, bytes.len());
        assert_eq!(content(&bucket, name).await, bytes, "{name}");
    }
    let mut names: Vec<String> = bucket
        .list()
        .await
        .expect("a list")
        .map_ok(|info| info.name)
        .try_collect()
        .await
        .expect("no error");
    names.sort_unstable();
    assert_eq!(names, ["empty", "large", "small"]);
}

#[tokio::test]
async fn d07_a_new_version_replaces_the_old_and_deletion_frees_the_space() {
    let server = server();
    let bucket = bucket(&server).await;
    let (_, context) = connect(&server).await;
    let bytes = vec![7_u8; 500_000];
    bucket.put("it", &mut &bytes[..]).await.expect("put");
    bucket.put("it", &mut &b"second"[..]).await.expect("put");
    assert_eq!(content(&bucket, "it").await, b"second");
    let mut stream = context.get_stream("OBJ_files").await.expect("its stream");
    let state = stream.info().await.expect("there").state.clone();
    assert!(state.bytes < 10_000, "the first version is gone: {} bytes", state.bytes);
    bucket.delete("it").await.expect("deleted");
    assert!(bucket.get("it").await.is_err(), "deleted");
}
