//! Encryption at rest: nothing of a stream stands on disk in the clear, everything comes back with
//! the key, nothing is touched without it, and the key can be changed. Row J10.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream;
use harness::{Finished, Folder, Server, Signal, Subject};
use serde_json::Value;

use crate::connect;

/// Messages in the stream.
const MESSAGES: u64 = 100;
/// What nobody may read on disk: of messages, and of what is kept of streams and consumers.
const SECRETS: [&str; 5] =
    ["needle-in-payload", "needle-in-header", "needle.subject", "NEEDLESTREAM", "NEEDLECONSUMER"];

fn config(folder: &Folder, keys: &str) -> String {
    format!("jetstream {{ store_dir: {:?}\n {keys} }}", folder.path())
}

fn start(folder: &Folder, keys: &str) -> Server {
    Server::builder().cores(2).config(&config(folder, keys)).start()
}

/// A start that comes to nothing.
fn refused(folder: &Folder, keys: &str) -> Finished {
    let before = files(folder.path());
    let file = Folder::new();
    let file = file.write("refused.conf", &config(folder, keys));
    let done = Server::run_to_end(&["-p", "-1", "-c", &file.to_string_lossy()]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(files(folder.path()) == before, "the files are as they were");
    done
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            // It may be removed meanwhile.
            found.extend(fs::read(&path).ok().map(|bytes| (path, bytes)));
        }
    }
    found
}

/// Which of the secrets stand on disk.
fn readable(folder: &Folder) -> Vec<&'static str> {
    let files = files(folder.path());
    let stands = |secret: &&str| {
        let secret = secret.as_bytes();
        files.values().any(|file| file.windows(secret.len()).any(|window| window == secret))
    };
    SECRETS.iter().copied().filter(stands).collect()
}

async fn fill(server: &Server) {
    let (_, context) = connect(server).await;
    let config = stream::Config {
        name: SECRETS[3].into(),
        subjects: vec!["needle.>".into()],
        ..<_>::default()
    };
    let stream = context.create_stream(config).await.expect("a stream");
    for number in 0..MESSAGES {
        let mut headers = HeaderMap::new();
        headers.insert("About", SECRETS[1]);
        let payload = format!("{}-{number}", SECRETS[0]);
        let ack = context.publish_with_headers(SECRETS[2], headers, payload.into()).await;
        ack.expect("sent").await.expect("stored");
    }
    let config = pull::Config { durable_name: Some(SECRETS[4].into()), ..<_>::default() };
    stream.create_consumer(config).await.expect("a consumer");
}

async fn assert_all_is_served(server: &Server) {
    let (_, context) = connect(server).await;
    let stream = context.get_stream(SECRETS[3]).await.expect("it is there");
    for number in 0..MESSAGES {
        let message = stream.get_raw_message(number + 1).await.expect("it is there");
        assert_eq!(message.payload, format!("{}-{number}", SECRETS[0]));
        assert_eq!(message.headers.get("About").expect("a header").as_str(), SECRETS[1]);
    }
    let consumer = stream.get_consumer::<pull::Config>(SECRETS[4]).await;
    assert_eq!(consumer.expect("it is there").cached_info().num_pending, MESSAGES);
}

fn end(server: Server, signal: Signal) {
    server.signal(signal);
    server.finish();
}

#[tokio::test]
async fn j10_nothing_stands_on_disk_in_the_clear_and_everything_comes_back() {
    if Subject::from_env().skips_ours() {
        return;
    }
    for cipher in ["chacha", "aes"] {
        let keys = format!("key: \"correct horse\", cipher: {cipher}");
        let folder = Folder::new();
        let server = start(&folder, &keys);
        let name = if cipher == "aes" { "AES-GCM" } else { "ChaCha20-Poly1305" };
        assert!(server.log_text().contains(&format!("Encryption:      {name}")));
        fill(&server).await;
        assert_eq!(readable(&folder), [""; 0], "while it runs");
        end(server, Signal::KILL);
        let server = start(&folder, &keys);
        assert_all_is_served(&server).await;
        end(server, Signal::TERM);
        assert_eq!(readable(&folder), [""; 0], "once it has ended");
        // What is read by its index, and under the other cipher from now on.
        let server = start(&folder, "key: \"correct horse\"");
        assert_all_is_served(&server).await;
        end(server, Signal::TERM);
    }
}

#[tokio::test]
async fn j10_a_wrong_key_is_named_and_nothing_is_touched() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let server = start(&folder, "key: right");
    fill(&server).await;
    end(server, Signal::KILL);
    let wrong = refused(&folder, "key: wrong, prev_key: other");
    assert!(wrong.stderr.contains("the encryption_key is not the one"), "{wrong:?}");
    let missing = refused(&folder, "");
    assert!(missing.stderr.contains("encryption_key is not set"), "{missing:?}");
    let server = start(&folder, "key: right");
    assert_all_is_served(&server).await;
    end(server, Signal::TERM);
    // Without the key file the key is of no use, and a new one would hide that.
    for name in ["keys", "keys.copy"] {
        fs::remove_file(folder.path().join("jetstream").join(name)).expect("it was there");
    }
    let file = Folder::new();
    let file = file.write("lost.conf", &config(&folder, "key: right"));
    let lost = Server::run_to_end(&["-p", "-1", "-c", &file.to_string_lossy()]);
    assert!(lost.code == Some(1) && lost.stderr.contains("bring that file back"), "{lost:?}");
}

#[tokio::test]
async fn j10_the_key_can_be_changed() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let server = start(&folder, "encryption_key: first");
    fill(&server).await;
    end(server, Signal::TERM);
    let server = start(&folder, "encryption_key: second, prev_encryption_key: first");
    assert_all_is_served(&server).await;
    end(server, Signal::KILL);
    refused(&folder, "encryption_key: first");
    let server = start(&folder, "encryption_key: second");
    assert_all_is_served(&server).await;
    end(server, Signal::TERM);
}

#[tokio::test]
async fn j10_a_store_in_the_clear_is_encrypted_while_it_serves() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let server = start(&folder, "");
    fill(&server).await;
    end(server, Signal::TERM);
    assert_eq!(readable(&folder), SECRETS);
    let server = start(&folder, "key: k");
    harness::until("nothing is readable any more", || readable(&folder).is_empty().then_some(()));
    assert_all_is_served(&server).await;
    end(server, Signal::KILL);
    let server = start(&folder, "key: k");
    assert_all_is_served(&server).await;
    end(server, Signal::TERM);
}

#[tokio::test]
async fn j10_the_store_tool_takes_the_key() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let server = start(&folder, "key: right");
    fill(&server).await;
    end(server, Signal::KILL);
    let path = folder.path().to_string_lossy().into_owned();
    let (right, wrong) = (folder.write("right.key", "right\n"), folder.write("wrong.key", "no\n"));
    let run = |action: &str, key: Option<&Path>| {
        let key = key.map(|key| key.to_string_lossy().into_owned());
        let mut words = vec!["store", action, &path, "--json"];
        words.extend(key.iter().flat_map(|key| ["--key-file", key.as_str()]));
        Server::run_to_end(&words)
    };
    for action in ["inspect", "verify"] {
        let done = run(action, Some(&right));
        let found: Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!((done.code, &found["sound"]), (Some(0), &Value::Bool(true)), "{found:#}");
        assert_eq!(found["streams"][0]["name"], SECRETS[3]);
        let segments = found["logs"].as_array().expect("logs").iter();
        let mut segments = segments.flat_map(|log| log["segments"].as_array().expect("a list"));
        assert!(segments.any(|segment| segment["encrypted"] == true), "{found:#}");
        for key in [None, Some(&*wrong)] {
            let done = run(action, key);
            assert!(done.code == Some(2) && done.stderr.contains("--key-file"), "{done:?}");
        }
    }
    // A byte of a message is changed: it is named, and repair gets past it.
    let (file, mut bytes) = segment(&folder);
    // Each message was a write of its own, in a sector of its own, behind the batch's record.
    let sector = 1 << bytes[11];
    let middle = used(&bytes) / 2 / sector * sector;
    bytes[middle + 48 + 40] ^= 1;
    fs::write(&file, &bytes).expect("ours");
    let done = run("verify", Some(&right));
    assert_eq!(done.code, Some(1), "{done:?}");
    let done = run("repair", Some(&right));
    assert_eq!(done.code, Some(0), "{done:?}");
    let server = start(&folder, "key: right");
    let (_, context) = connect(&server).await;
    let mut stream = context.get_stream(SECRETS[3]).await.expect("it is there");
    assert_eq!(stream.info().await.expect("there").state.messages, MESSAGES - 1);
    end(server, Signal::TERM);
}

/// The segment with the messages, and its bytes.
fn segment(folder: &Folder) -> (PathBuf, Vec<u8>) {
    let logs = (0..2).map(|core| folder.path().join(format!("jetstream/core-{core}")));
    let segments = logs.flat_map(|log| files(&log));
    segments.max_by_key(|(_, bytes)| used(bytes)).expect("there are segments")
}

/// How far a segment's data goes: what is behind it is zero.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}
