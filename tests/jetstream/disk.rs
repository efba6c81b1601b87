//! A disk that is full, and one that fails: publishes are refused with the documented error, what
//! was acknowledged is there, reads and core traffic go on, and space that comes back is used.
//!
//! The full disk is a small filesystem in memory, mounted for the test; where that is not allowed
//! the test says so and ends. The failing one is a limit on the length of files.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use async_nats::jetstream::{Context, stream};
use async_nats::{Client, jetstream};
use futures_util::StreamExt as _;
use harness::{Builder, Folder, PATIENCE, Server, Signal, Subject};
use serde_json::Value;
use tokio::time::timeout;

use crate::connect;

/// Bytes of a message.
const PAYLOAD: usize = 8000;

/// A small filesystem, gone with its owner.
struct SmallDisk {
    folder: Folder,
}

impl SmallDisk {
    fn mount(size: &str) -> Option<SmallDisk> {
        let folder = Folder::new();
        let options = format!("size={size}");
        let how = ["-t", "tmpfs", "-o", &options, "tmpfs"];
        let mounted = Command::new("mount").args(how).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk { folder });
        }
        eprintln!("SKIPPED: no filesystem can be mounted here");
        None
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        let grown = Command::new("mount").args(["-o", &options]).arg(self.folder.path()).status();
        assert!(grown.is_ok_and(|status| status.success()), "what was mounted can grow");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still have files open when a test fails.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// A server whose own limits are far away.
fn start(builder: Builder, folder: &Folder) -> Server {
    let path = folder.path();
    let config = format!("jetstream {{ store_dir: {path:?}, max_file: 1GB }}");
    builder.cores(1).config(&config).monitored().start()
}

async fn stream_of(context: &Context) -> stream::Stream {
    let config =
        stream::Config { name: "KEPT".into(), subjects: vec!["k.>".into()], ..<_>::default() };
    context.create_stream(config).await.expect("a stream")
}

/// Publishes and gives the answer, whatever it is.
async fn publish(client: &Client, number: usize) -> Value {
    let payload = format!("{number:0PAYLOAD$}");
    let answer = client.request("k.a", payload.into()).await.expect("an answer");
    serde_json::from_slice(&answer.payload).expect("JSON")
}

/// Publishes until one is refused: what was acknowledged, by sequence, and the refusal.
async fn fill(client: &Client) -> (HashMap<u64, usize>, Value) {
    let mut acknowledged = HashMap::new();
    for number in 0..20_000 {
        let answer = publish(client, number).await;
        match answer["seq"].as_u64() {
            Some(seq) if seq > 0 => acknowledged.insert(seq, number),
            _ => return (acknowledged, answer),
        };
    }
    panic!("the disk takes everything");
}

async fn assert_all_is_read(stream: &stream::Stream, acknowledged: &HashMap<u64, usize>) {
    for (&seq, number) in acknowledged {
        let message = stream.get_raw_message(seq).await.expect("it was acknowledged");
        assert_eq!(message.payload, format!("{number:0PAYLOAD$}"), "message {seq}");
    }
}

/// Core traffic does not care.
async fn assert_core_traffic_goes_on(client: &Client) {
    let mut subscription = client.subscribe("core").await.expect("subscribed");
    client.publish("core", "on".into()).await.expect("sent");
    let message = timeout(PATIENCE, subscription.next()).await.expect("in time");
    assert_eq!(message.expect("a message").payload, "on");
}

#[tokio::test]
async fn a_full_disk_refuses_publishes_until_there_is_space() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let server = start(Server::builder(), &disk.folder);
    let (client, context) = connect(&server).await;
    let stream = stream_of(&context).await;
    let (mut acknowledged, refusal) = fill(&client).await;
    assert_eq!(refusal["error"]["err_code"], 10023, "{refusal}");
    assert_eq!(refusal["error"]["code"], 503);
    server.wait_for_log("no space is left on the device");
    assert_eq!(harness::get(server.monitor(), "/healthz").status, 503);
    assert_all_is_read(&stream, &acknowledged).await;
    assert_core_traffic_goes_on(&client).await;
    // A removal is still taken, and is safe when it is answered.
    assert!(stream.delete_message(1).await.expect("deleted"));
    acknowledged.remove(&1);

    disk.grow("64m");
    server.wait_for_log("there is space again");
    let answer = publish(&client, 7).await;
    acknowledged.insert(answer["seq"].as_u64().expect("stored"), 7);
    assert_eq!(harness::get(server.monitor(), "/healthz").status, 200);
    server.signal(Signal::KILL);
    server.finish();
    let server = start(Server::builder(), &disk.folder);
    let (_, context) = connect(&server).await;
    let stream = context.get_stream("KEPT").await.expect("it is back");
    assert_all_is_read(&stream, &acknowledged).await;
    assert!(stream.get_raw_message(1).await.is_err(), "it was deleted");
}

#[tokio::test]
async fn a_failed_write_refuses_publishes_and_nothing_else() {
    let subject = Subject::from_env();
    if subject.skips_ours() {
        return;
    }
    let folder = Folder::new();
    // Segments become longer one after another, until one would be longer than a file may be.
    let program = subject.path().display();
    let text = format!("#!/bin/bash\ntrap '' XFSZ\nulimit -f 8192\nexec {program} \"$@\"\n");
    let script = folder.write("corewire-limited", &text);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("ours");
    let server = start(Server::builder_for(Subject::of(script)), &folder);
    let (client, context) = connect(&server).await;
    let stream = stream_of(&context).await;
    let (acknowledged, refusal) = fill(&client).await;
    assert_eq!(refusal["error"]["err_code"], 10077, "{refusal}");
    assert_eq!(refusal["error"]["description"], "a write to disk failed");
    server.wait_for_log("nothing more is stored in this run");
    assert_eq!(harness::get(server.monitor(), "/healthz").status, 503);
    let again = publish(&client, 1).await;
    assert_eq!(again["error"]["err_code"], 10077, "it is not tried again");
    assert_all_is_read(&stream, &acknowledged).await;
    assert_core_traffic_goes_on(&client).await;
    // A purge that cannot be written is not confirmed, and is not found after the restart.
    let purged = client.request("$JS.API.STREAM.PURGE.KEPT", "".into()).await.expect("answered");
    let purged: Value = serde_json::from_slice(&purged.payload).expect("JSON");
    assert_eq!(purged["error"]["err_code"], 10077, "{purged}");
    server.signal(Signal::KILL);
    server.finish();
    // Without the limit all is well, and what was acknowledged is there.
    let server = start(Server::builder(), &folder);
    let client = async_nats::connect(server.url()).await.expect("connects");
    let context = jetstream::new(client.clone());
    let stream = context.get_stream("KEPT").await.expect("it is back");
    assert_all_is_read(&stream, &acknowledged).await;
    let answer = timeout(Duration::from_secs(5), publish(&client, 2)).await.expect("in time");
    assert!(answer["seq"].as_u64() > Some(0), "{answer}");
}
