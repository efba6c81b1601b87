//! Snapshot and restore: what is sent, what comes back, and what is noticed.

use super::*;

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
    rig.with(|stream, turn| stream.begin_snapshot(&request, turn)).unwrap();
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
    assert_eq!(restore(&mut other, &chunks, 300), Restored::Whole);
    other.pass(0);
    assert_eq!(other.stored(), rig.stored());
    assert_eq!(other.message(2), rig.message(2));
    assert_eq!(other.publish("s.a", "", "next"), r#"{"stream":"S", "seq":301}"#);
    assert_eq!(other.out.sent.iter().filter(|sent| sent.subject == "r").count(), chunks.len());
}

#[test]
fn damage_ends_a_restore() {
    let (chunks, _) = receive(&mut filled());
    let mut damaged = chunks.clone();
    let at = damaged[1].len() / 2;
    damaged[1][at] ^= 1;
    let Restored::Failed(error) = restore(&mut Rig::new(""), &damaged, 300) else {
        panic!("it is damaged");
    };
    assert_eq!(error.err_code, 10062);
    let Restored::Failed(error) = restore(&mut Rig::new(""), &chunks[..1], 300) else {
        panic!("it is cut short");
    };
    assert_eq!(error.description, "restore failed: the archive ends too early");
    let mut silent = Rig::new("");
    silent.with(|stream, turn| stream.begin_restore(1, turn));
    assert!(!silent.stream.restore_is_silent(silent.now));
    silent.now.mono_ns += 5 * SECOND;
    assert!(silent.stream.restore_is_silent(silent.now));
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
    rig.with(|stream, turn| stream.begin_snapshot(&request, turn)).unwrap();
    rig.pass(SECOND);
    rig.pass(5 * SECOND);
    let last = rig.out.sent.last().unwrap();
    assert_eq!(last.headers, "NATS/1.0 408 No Flow Response\r\n\r\n");
    let nowhere = SnapshotRequest::default();
    let error = rig.with(|stream, turn| stream.begin_snapshot(&nowhere, turn)).unwrap_err();
    assert_eq!(error.err_code, 10015);
}
