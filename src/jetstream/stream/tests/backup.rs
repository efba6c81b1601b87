//! Snapshot and restore: what is sent, what comes back, and what is noticed.

use super::super::archive::{blocks, tar};
use super::*;
use crate::varint;

fn filled() -> Rig {
    let mut rig = Rig::new("");
    for number in 0..300 {
        rig.publish(&format!("s.{}", number % 7), "X: y", &number.to_string().repeat(50));
    }
    for seq in [1, 5, 300] {
        let request = DeleteRequest { seq, no_erase: true };
        rig.with(|stream, turn| stream.delete_message(&request, turn)).unwrap();
    }
    rig
}

/// Receives a snapshot in chunks of a kibibyte, and answers each.
fn receive(rig: &mut Rig) -> (Vec<Vec<u8>>, String) {
    let request = SnapshotRequest {
        deliver_subject: "to".to_owned(),
        chunk_size: 1024,
        window_size: 4096,
        ..SnapshotRequest::default()
    };
    rig.out.raw.clear();
    rig.with(|stream, turn| stream.begin_snapshot(&request, 7, turn)).unwrap();
    let token = rig.out.subscribed.last().unwrap().1;
    rig.pass(SECOND / 8);
    assert!(rig.out.raw.is_empty(), "the receiver has time to subscribe");
    rig.now.mono_ns += SECOND;
    let mut chunks = Vec::new();
    loop {
        rig.out.sent.clear();
        rig.pass(0);
        assert!(rig.out.sent.len() <= 4, "no more than the window");
        let sent = std::mem::take(&mut rig.out.sent);
        let raw = std::mem::take(&mut rig.out.raw);
        for (sent, payload) in sent.iter().zip(raw) {
            assert_eq!(sent.subject, "to");
            if sent.reply.is_empty() {
                assert!(rig.out.subscribed.is_empty());
                return (chunks, sent.headers.clone());
            }
            chunks.push(payload);
            let answer = sent.reply.as_bytes().to_vec();
            rig.with(|stream, turn| stream.snapshot_answered(token, &answer, turn));
        }
    }
}

fn restore(rig: &mut Rig, chunks: &[Vec<u8>], last_seq: u64) -> Restored {
    rig.with(|stream, turn| stream.begin_restore(last_seq, turn));
    for chunk in chunks {
        let step = rig.with(|stream, turn| stream.restore_chunk(chunk, Some(b"r"), turn));
        if step != Restored::More {
            return step;
        }
    }
    rig.with(|stream, turn| stream.restore_chunk(b"", None, turn))
}

#[test]
fn a_stream_comes_back_as_it_was() {
    let mut rig = filled();
    let (chunks, status) = receive(&mut rig);
    assert_eq!(status, "NATS/1.0 204\r\n\r\n");
    assert!(chunks.len() > 1, "{}", chunks.len());
    let mut other = Rig::new("");
    let bytes = chunks.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(restore(&mut other, &chunks, 300), Restored::Ended(bytes, Ok(Vec::new())));
    other.pass(0);
    assert_eq!(other.stored(), rig.stored());
    assert_eq!(other.message(2), rig.message(2));
    assert_eq!(other.publish("s.a", "", "next"), r#"{"stream":"S","seq":301}"#);
    assert_eq!(other.out.sent.iter().filter(|sent| sent.subject == "r").count(), chunks.len());
}

#[test]
fn damage_ends_a_restore() {
    let (chunks, _) = receive(&mut filled());
    let mut damaged = chunks.clone();
    let at = damaged[1].len() / 2;
    damaged[1][at] ^= 1;
    let Restored::Ended(_, Err(error)) = restore(&mut Rig::new(""), &damaged, 300) else {
        panic!("it is damaged");
    };
    assert_eq!(error.err_code, 10062);
    let Restored::Ended(_, Err(error)) = restore(&mut Rig::new(""), &chunks[..1], 300) else {
        panic!("it is cut short");
    };
    assert_eq!(error.description, "restore failed: the archive ends too early");
    let mut silent = Rig::new("");
    silent.with(|stream, turn| stream.begin_restore(1, turn));
    assert_eq!(silent.stream.lapsed_restore(silent.now), None);
    silent.now.mono_ns += 5 * SECOND;
    let Some(Restored::Ended(0, Err(error))) = silent.stream.lapsed_restore(silent.now) else {
        panic!("five seconds are too long");
    };
    assert_eq!(error.description, "restore failed: nothing came for too long");
}

#[test]
fn an_archive_is_not_believed() {
    let packed = |seq: u64, subject: &[u8], headers: &[u8]| {
        let record = blocks::Record { seq, time_ns: 9, subject, headers, payload: b"x" };
        let (mut block, mut plain) = (Vec::new(), Vec::new());
        blocks::push_record("S", 1, &record, &mut block);
        tar::push_entry("msgs/1.blk", &block, &mut plain);
        vec![compressed(plain)]
    };
    let wrong = |chunks: &[Vec<u8>]| match restore(&mut Rig::new(""), chunks, 0) {
        Restored::Ended(_, Err(error)) => error.description,
        other => panic!("{other:?}"),
    };
    let block = b"NATS/1.0\r\nX: y\r\n\r\n";
    assert!(matches!(
        restore(&mut Rig::new(""), &packed(1, b"s.a", block), 0),
        Restored::Ended(_, Ok(_))
    ));
    for subject in [&b"s.*"[..], b"s a", b"s\r\nPUB x", b"s..a"] {
        assert_eq!(wrong(&packed(1, subject, block)), "restore failed: message 1: it is none");
    }
    for headers in [&b"X: y"[..], b"NATS/1.0\r\nX: y", b"\r\n\r\n"] {
        assert_eq!(wrong(&packed(1, b"s.a", headers)), "restore failed: message 1: it is none");
    }
    // A backup of another stream does not become this one, whatever the request says.
    let mut plain = Vec::new();
    tar::push_entry("meta.inf", br#"{"name":"OTHER"}"#, &mut plain);
    let text = "restore failed: the archive is that of another stream";
    assert_eq!(wrong(&[compressed(plain)]), text);
    let mut plain = Vec::new();
    tar::push_entry("meta.inf", br#"{"name":"S"}"#, &mut plain);
    tar::push_entry("meta.sum", b"0123456789abcdef", &mut plain);
    assert_eq!(wrong(&[compressed(plain)]), "restore failed: the archive is damaged");
}

/// With the end of a tar behind it.
fn compressed(mut plain: Vec<u8>) -> Vec<u8> {
    tar::push_end(&mut plain);
    packed(&plain)
}

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut packer = minlz::Writer::new(Vec::new());
    std::io::Write::write_all(&mut packer, plain).unwrap();
    std::io::Write::flush(&mut packer).unwrap();
    std::mem::take(packer.get_mut())
}

/// The newer archive of three messages and one consumer.
fn container() -> Vec<u8> {
    let mut plain = b"NATSARC1".to_vec();
    let mut push = |name: &str, time: i64, seq: u64, headers: &[u8], payload: &[u8]| {
        varint::push(&mut plain, name.len() as u64);
        varint::push(&mut plain, varint::unsigned(time));
        for number in [seq, headers.len() as u64, payload.len() as u64] {
            varint::push(&mut plain, number);
        }
        plain.extend_from_slice(name.as_bytes());
        plain.extend_from_slice(headers);
        plain.extend_from_slice(payload);
    };
    let state = br#"{"messages":3,"first_seq":2,"last_seq":9,"consumer_count":1}"#;
    push("state.json", 7, 0, b"", state);
    let consumer = br#"{"config":{"durable_name":"c","ack_policy":"explicit"},
        "state":{"delivered":{"consumer_seq":1,"stream_seq":2},
        "ack_floor":{"consumer_seq":1,"stream_seq":2}}}"#;
    push("consumers/c", 7, 0, b"", consumer);
    push("s.a", 1000, 2, b"", b"two");
    push("s.b", 2000, 3, b"NATS/1.0\r\nX: y\r\n\r\n", b"three");
    push("s.a", 3000, 7, b"", b"");
    push("", 0, 0, b"", b"");
    plain
}

#[test]
fn the_newer_archive_is_read() {
    let plain = container();
    // Whatever the chunks are.
    for size in [1, 100, 100_000] {
        let chunks: Vec<_> = packed(&plain).chunks(size).map(<[u8]>::to_vec).collect();
        let mut rig = Rig::new("");
        let Restored::Ended(_, Ok(consumers)) = restore(&mut rig, &chunks, 9) else {
            panic!("it is whole");
        };
        let names: Vec<_> = consumers.iter().map(|consumer| consumer.name.as_str()).collect();
        assert_eq!(names, ["c"]);
        rig.pass(0);
        assert_eq!(rig.stored(), ["2 s.a two", "3 s.b three", "7 s.a "]);
        assert_eq!(rig.publish("s.a", "", "next"), r#"{"stream":"S","seq":10}"#);
    }
    // Cut short anywhere, it is no stream.
    for cut in [8, 30, plain.len() - 1] {
        let Restored::Ended(_, Err(_)) = restore(&mut Rig::new(""), &[packed(&plain[..cut])], 9)
        else {
            panic!("{cut} bytes are not whole");
        };
    }
}

#[test]
fn a_receiver_that_does_not_answer_is_given_up() {
    let mut rig = filled();
    let request = SnapshotRequest {
        deliver_subject: "to".to_owned(),
        chunk_size: 1024,
        window_size: 1024,
        ..SnapshotRequest::default()
    };
    rig.with(|stream, turn| stream.begin_snapshot(&request, 7, turn)).unwrap();
    rig.pass(SECOND);
    rig.pass(5 * SECOND);
    let last = rig.out.sent.last().unwrap();
    assert_eq!(last.headers, "NATS/1.0 408 No Flow Response\r\n\r\n");
    let nowhere = SnapshotRequest::default();
    let error = rig.with(|stream, turn| stream.begin_snapshot(&nowhere, 7, turn)).unwrap_err();
    assert_eq!(error.err_code, 10015);
}
