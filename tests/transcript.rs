//! Plays the conversations of `tests/transcripts/*.in` and compares what the clients received with
//! the `.out` beside each, byte for byte where bytes are defined. Where a real `nats-server` is
//! installed, the same is played to it: the `.out` must be what it says, too.
//!
//! `COREWIRE_RECORD=1 cargo test --test transcript` writes the `.out` files anew from the real
//! server. The format is described in `tests/transcripts/README.md`.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use harness::{Pings, Raw, Server, Subject, keys_in_order};

/// Keys whose values differ between any two servers.
const VARYING: [&str; 7] =
    ["server_id", "server_name", "version", "git_commit", "go", "port", "client_id"];

/// Keys that 2.9.10 does not have.
const NEWER: [&str; 3] = ["git_commit", "api_lvl", "xkey"];

/// A conversation.
#[derive(Debug, Default)]
struct Script {
    flags: Vec<String>,
    config: String,
    newer: bool,
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    name: String,
    /// Frames that other connections caused, read before anything is sent.
    receives: usize,
    end: End,
    order: Order,
    input: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Pong,
    Closed,
}

#[derive(Debug, PartialEq, Eq)]
enum Order {
    Defined,
    Undefined,
}

#[test]
fn what_clients_receive_is_what_is_written_down() {
    let subject = Subject::from_env();
    for file in scripts() {
        let script = parse(&std::fs::read_to_string(&file).expect("a script"));
        if script.newer && subject.skips("2.12.0") {
            continue;
        }
        compare(&file, &play(&script, subject.clone()));
    }
}

#[test]
fn a_real_server_says_the_same() {
    let Some(reference) = Subject::installed() else { return };
    let record = std::env::var_os("COREWIRE_RECORD").is_some();
    for file in scripts() {
        let script = parse(&std::fs::read_to_string(&file).expect("a script"));
        if script.newer && reference.skips("2.12.0") {
            continue;
        }
        let said = play(&script, reference.clone());
        if record {
            std::fs::write(file.with_extension("out"), said).expect("a transcript is written");
        } else {
            compare(&file, &said);
        }
    }
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let entries = std::fs::read_dir(folder).expect("the transcripts");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|kind| kind == "in")).collect();
    files.sort();
    assert!(!files.is_empty(), "there are scripts");
    files
}

#[track_caller]
fn compare(file: &Path, said: &str) {
    let written = std::fs::read_to_string(file.with_extension("out")).expect("an .out file");
    for (number, (said, written)) in said.lines().zip(written.lines()).enumerate() {
        assert_eq!(said, written, "line {} of {}", number + 1, file.display());
    }
    let lengths = (said.lines().count(), written.lines().count());
    assert_eq!(lengths.0, lengths.1, "lines of {}:\n{said}", file.display());
}

fn parse(text: &str) -> Script {
    let mut script = Script::default();
    for line in text.lines() {
        if let Some(flags) = line.strip_prefix("## flags: ") {
            script.flags.extend(flags.split(' ').map(String::from));
        } else if let Some(config) = line.strip_prefix("## config: ") {
            writeln!(script.config, "{config}").expect("a string grows");
        } else if line == "## newer" {
            script.newer = true;
        } else if let Some(head) = line.strip_prefix('[') {
            script.sections.push(parse_head(head));
        } else if !line.is_empty() && !line.starts_with('#') {
            let section = script.sections.last_mut().expect("a [name] before input");
            section.input.extend(unescape(line));
        }
    }
    script
}

fn parse_head(head: &str) -> Section {
    let (name, words) = head.split_once(']').expect("a closing bracket");
    let mut section = Section {
        name: name.to_owned(),
        receives: 0,
        end: End::Pong,
        order: Order::Defined,
        input: Vec::new(),
    };
    let mut words = words.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "closes" => section.end = End::Closed,
            "unordered" => section.order = Order::Undefined,
            "receives" => {
                let count = words.next().and_then(|count| count.parse().ok());
                section.receives = count.expect("a number after `receives`");
            }
            other => panic!("unknown word {other}"),
        }
    }
    section
}

/// The bytes of one line: escapes resolved, CRLF added unless it ends in a backslash.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'r') => bytes.push(b'\r'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'\\') => bytes.push(b'\\'),
            Some(b'x') => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.expect("two digits"));
                let digits = std::str::from_utf8(&digits).expect("hexadecimal");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
            }
            None => return bytes,
            Some(other) => panic!("unknown escape \\{}", other as char),
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Plays a script and writes down what came, one frame a line.
fn play(script: &Script, subject: Subject) -> String {
    let mut builder = Server::builder_for(subject);
    let flags: Vec<&str> = script.flags.iter().map(String::as_str).collect();
    builder = builder.args(&flags);
    if !script.config.is_empty() {
        builder = builder.config(&script.config);
    }
    let server = builder.start();
    let mut connections: HashMap<&str, Raw> = HashMap::new();
    let mut transcript = String::new();
    for section in &script.sections {
        let mut frames = Vec::new();
        let raw = connections.entry(&section.name).or_insert_with(|| {
            let mut raw = server.connect();
            raw.set_pings(Pings::Answered);
            frames.push(normalised_info(raw.info_line()));
            raw
        });
        let opened = frames.len();
        frames.extend((0..section.receives).map(|_| shown(raw.frame())));
        raw.send_bytes(&section.input);
        if section.end == End::Pong {
            raw.send_bytes(b"PING\r\n");
        }
        let last = if section.end == End::Pong { r"PONG\r\n" } else { "<end>" };
        while frames.last().is_none_or(|frame| frame != last) || frames.len() == opened {
            frames.push(shown(raw.frame()));
        }
        if section.order == Order::Undefined {
            frames[opened..].sort();
        }
        for frame in frames {
            writeln!(transcript, "[{}] {frame}", section.name).expect("a string grows");
        }
    }
    transcript
}

/// A frame in one printable line.
fn shown(frame: Option<Vec<u8>>) -> String {
    let Some(frame) = frame else { return "<end>".to_owned() };
    if frame.starts_with(b"INFO ") {
        return normalised_info(String::from_utf8_lossy(&frame).trim_end_matches("\r\n"));
    }
    frame.escape_ascii().to_string()
}

/// INFO as an ordered list of keys and those values that every server must send alike.
fn normalised_info(line: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(&line[5..]).expect("INFO carries JSON");
    let keys = keys_in_order(line).into_iter().filter(|key| !NEWER.contains(key));
    let list: Vec<String> =
        keys.map(|key| {
            if VARYING.contains(&key) { key.to_owned() } else { format!("{key}={}", json[key]) }
        })
        .collect();
    format!("INFO {}", list.join(" "))
}

#[test]
fn a_difference_is_seen() {
    let folder = harness::Folder::new();
    let file = folder.write("sample.in", "");
    folder.write("sample.out", "[a] PONG\\r\\n\n");
    compare(&file, "[a] PONG\\r\\n\n");
    let differs = |said: &str| {
        let (file, said) = (file.clone(), said.to_owned());
        std::panic::catch_unwind(move || compare(&file, &said)).is_err()
    };
    assert!(differs("[a] PING\\r\\n\n") && differs("[a] PONG\\r\\n\n[a] <end>\n") && differs(""));
}

#[test]
fn scripts_are_read_as_described() {
    let script =
        parse("# c\n## flags: -V\n[a] receives 2 unordered\nPUB a 1\nx\\x00\\\n\n[b] closes\n");
    assert_eq!(script.flags, ["-V"]);
    let first = &script.sections[0];
    assert_eq!((first.receives, &first.order, &first.end), (2, &Order::Undefined, &End::Pong));
    assert_eq!(first.input, b"PUB a 1\r\nx\0");
    assert_eq!(script.sections[1].end, End::Closed);
}
