//! `corewire store` on files that a server left: what it finds, what it finds wrong, and what
//! repair makes of it. A server starts on what was repaired and serves the rest.

use std::fs;
use std::path::{Path, PathBuf};

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream;
use harness::{Folder, Server, Signal, Subject};
use serde_json::Value;

use crate::connect;

/// Messages in the stream.
const MESSAGES: u64 = 300;

fn server_on(folder: &Folder) -> Server {
    let path = folder.path().to_string_lossy().into_owned();
    Server::builder().cores(1).args(&["-js", "-sd", &path]).start()
}

/// The text of a message: nothing else on disk is like it.
fn text(number: u64) -> String {
    format!("needle-{number:05}-{}", "hay".repeat(40))
}

/// A store with one stream and a consumer; how the server was ended.
async fn filled(end: Signal) -> Folder {
    let folder = Folder::new();
    let server = server_on(&folder);
    {
        let (_, context) = connect(&server).await;
        let config =
            stream::Config { name: "KEPT".into(), subjects: vec!["k.>".into()], ..<_>::default() };
        let stream = context.create_stream(config).await.expect("a stream");
        for number in 1..=MESSAGES {
            let ack = context.publish("k.a", text(number).into()).await;
            ack.expect("sent").await.expect("stored");
        }
        let config = pull::Config { durable_name: Some("c".into()), ..<_>::default() };
        stream.create_consumer(config).await.expect("a consumer");
    }
    server.signal(end);
    server.finish();
    folder
}

/// Runs the tool: its exit code, and its JSON.
pub(crate) fn store(action: &str, folder: &Folder) -> (Option<i32>, Value) {
    let path = folder.path().to_string_lossy().into_owned();
    let done = Server::run_to_end(&["store", action, &path, "--json"]);
    let json = serde_json::from_str(&done.stdout);
    (done.code, json.unwrap_or_else(|error| panic!("{error}: {done:?}")))
}

/// The segment with the messages, and its bytes.
fn segment(folder: &Folder) -> (PathBuf, Vec<u8>) {
    let log = folder.path().join("jetstream/core-0");
    for entry in fs::read_dir(log).expect("the core's log") {
        let path = entry.expect("an entry").path();
        if !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path).expect("a segment");
        if find(&bytes, &text(1)).is_some() {
            return (path, bytes);
        }
    }
    panic!("no segment holds the messages");
}

fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text.as_bytes())
}

/// The messages that a server serves from this store, and the last sequence.
async fn served(folder: &Folder) -> (u64, u64) {
    let server = server_on(folder);
    let (_, context) = connect(&server).await;
    let mut stream = context.get_stream("KEPT").await.expect("it is there");
    let state = stream.info().await.expect("there").state.clone();
    let mut served = 0;
    for seq in 1..=MESSAGES {
        if let Ok(message) = stream.get_raw_message(seq).await {
            assert_eq!(message.payload, text(seq), "what is served is what was sent");
            served += 1;
        }
    }
    assert_eq!(state.messages, served, "what is counted is there");
    server.signal(Signal::TERM);
    server.finish();
    (served, state.last_sequence)
}

/// Whether a file of this name is kept aside.
fn is_kept_aside(file: &Path) -> bool {
    let folder = file.parent().expect("a folder").join("damaged");
    folder.join(file.file_name().expect("a name")).is_file()
}

#[tokio::test]
async fn a_store_says_what_is_in_it_and_is_left_as_it_is() {
    if Subject::from_env().skips_ours() {
        return;
    }
    for end in [Signal::TERM, Signal::KILL] {
        let folder = filled(end).await;
        let (_, before) = segment(&folder);
        for action in ["inspect", "verify"] {
            let (code, found) = store(action, &folder);
            assert_eq!((code, &found["sound"]), (Some(0), &Value::Bool(true)), "{found:#}");
            let stream = &found["streams"][0];
            assert_eq!(stream["name"], "KEPT");
            assert_eq!(stream["account"], "$G");
            assert_eq!(stream["messages"], MESSAGES);
            assert_eq!((&stream["first_seq"], &stream["last_seq"]), (&1.into(), &MESSAGES.into()));
            assert_eq!(stream["consumers"][0], "c");
            let read = if action == "verify" { MESSAGES } else { 0 };
            assert_eq!(found["messages_read"], read, "{action}");
            let segments = found["logs"][0]["segments"].as_array().expect("segments");
            let live: u64 = segments.iter().filter_map(|s| s["live_messages"].as_u64()).sum();
            assert_eq!(live, MESSAGES);
            assert!(segments.iter().all(|segment| segment["version"] == 2), "{found:#}");
        }
        assert!(segment(&folder).1 == before, "nothing was written");
    }
}

#[tokio::test]
async fn a_store_in_use_and_what_is_no_store_are_refused() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let path = folder.path().to_string_lossy().into_owned();
    let refused = Server::run_to_end(&["store", "verify", &path]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("no storage folder"), "{}", refused.stderr);
    let _server = server_on(&folder);
    let refused = Server::run_to_end(&["store", "repair", &path]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("another server uses this folder"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_flipped_bit_is_found_and_repaired() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = filled(Signal::TERM).await;
    let (file, mut bytes) = segment(&folder);
    // The last, so that its sequence must be remembered without it.
    let at = find(&bytes, &text(MESSAGES)).expect("the message");
    bytes[at + 9] ^= 4;
    fs::write(&file, &bytes).expect("damaged");
    assert_eq!(store("inspect", &folder).0, Some(0), "a start reads no messages");
    let (code, found) = store("verify", &folder);
    assert_eq!(code, Some(1));
    let damage = &found["damage"][0];
    assert_eq!((&damage["kind"], &damage["stream"]), (&"message".into(), &"KEPT".into()));
    assert_eq!(damage["sequence"], MESSAGES);
    let offset = damage["offset"].as_u64().expect("a place") as usize;
    assert!((offset..offset + 200).contains(&at), "{damage}");

    let (code, found) = store("repair", &folder);
    assert_eq!((code, &found["sound"]), (Some(0), &Value::Bool(true)), "{found:#}");
    assert!(found["repaired"][0]["text"].as_str().is_some_and(|t| t.contains("1 are lost")));
    assert!(is_kept_aside(&file), "the file as it was is kept");
    assert_eq!(served(&folder).await, (MESSAGES - 1, MESSAGES));
}

#[tokio::test]
async fn a_damaged_header_index_or_footer_costs_no_message() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = filled(Signal::TERM).await;
    let (file, whole) = segment(&folder);
    let footer = find(&whole, "CWEND").expect("a footer");
    // src/storage/log/layout.rs says where the index lies.
    let index: [u8; 4] = whole[footer + 28..][..4].try_into().expect("four bytes");
    let index = u32::from_le_bytes(index) as usize;
    let places = [("header", 0, 64), ("index", index, index + 16), ("footer", footer, footer + 64)];
    for (what, from, upto) in places {
        let mut bytes = whole.clone();
        bytes[from..upto].fill(0xAA);
        fs::write(&file, &bytes).expect("damaged");
        let (code, found) = store("verify", &folder);
        assert_eq!(code, Some(1), "{what}: {found:#}");
        let (code, found) = store("repair", &folder);
        assert_eq!(code, Some(0), "{what}: {found:#}");
        assert_eq!(store("verify", &folder).1["messages_read"], MESSAGES, "{what}");
    }
    assert!(is_kept_aside(&file));
    assert_eq!(served(&folder).await, (MESSAGES, MESSAGES));
}

#[tokio::test]
async fn a_cut_file_and_zeroed_blocks_lose_what_stood_there() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = filled(Signal::TERM).await;
    let (file, whole) = segment(&folder);
    let middle = find(&whole, &text(MESSAGES / 2)).expect("a message") / 512 * 512;
    let mut zeroed = whole.clone();
    zeroed[middle..middle + 512].fill(0);
    for (what, bytes) in [("cut", &whole[..middle]), ("zeroed", &zeroed[..])] {
        fs::write(&file, bytes).expect("damaged");
        let (code, found) = store("verify", &folder);
        assert_eq!(code, Some(1), "{what}: {found:#}");
        let (code, found) = store("repair", &folder);
        assert_eq!(code, Some(0), "{what}: {found:#}");
        let read = store("verify", &folder).1["messages_read"].as_u64().expect("a number");
        let least = if what == "cut" { MESSAGES / 2 - 10 } else { MESSAGES - 10 };
        assert!((least..MESSAGES).contains(&read), "{what}: {read} are left");
    }
    let (served, last) = served(&folder).await;
    assert!((MESSAGES - 10..MESSAGES).contains(&served), "{served} of {MESSAGES}");
    assert_eq!(last, MESSAGES);
}

#[tokio::test]
async fn a_file_that_tells_nothing_is_moved_aside() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = filled(Signal::TERM).await;
    let (file, mut bytes) = segment(&folder);
    bytes.fill(0xAA);
    fs::write(&file, &bytes).expect("damaged");
    let (code, found) = store("verify", &folder);
    assert_eq!((code, &found["damage"][0]["kind"]), (Some(1), &"header".into()));
    let (code, found) = store("repair", &folder);
    assert_eq!(code, Some(0), "{found:#}");
    assert!(is_kept_aside(&file) && !file.exists());
    assert_eq!(fs::read(&file).ok(), None);
}

#[tokio::test]
async fn what_is_erased_is_nowhere_on_disk() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = filled(Signal::KILL).await;
    let server = server_on(&folder);
    {
        let (_, context) = connect(&server).await;
        let stream = context.get_stream("KEPT").await.expect("it is back");
        let ack = context.publish("k.a", text(MESSAGES + 1).into()).await.expect("sent");
        ack.await.expect("stored");
        // One in a segment that is complete, one in the one that is appended to.
        for seq in [17, MESSAGES + 1] {
            assert!(stream.delete_message(seq).await.expect("deleted"));
        }
    }
    server.signal(Signal::TERM);
    server.finish();
    let log = folder.path().join("jetstream/core-0");
    for entry in fs::read_dir(log).expect("the core's log") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("a segment");
        for number in [17, MESSAGES + 1] {
            assert_eq!(find(&bytes, &text(number)), None, "message {number}");
        }
    }
    let (code, found) = store("verify", &folder);
    assert_eq!((code, &found["messages_read"]), (Some(0), &(MESSAGES - 1).into()), "{found:#}");
}
