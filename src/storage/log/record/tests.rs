//! Records come back as they were; what was changed, moved or left behind is none.

use super::*;

const EPOCH: Epoch = Epoch(77);

fn message() -> NewMessage<'static> {
    NewMessage {
        stream: StreamNumber(3),
        sequence: 9,
        time_ns: 1_700_000_000_000_000_000,
        due_ns: 0,
        subject: b"orders.eu",
        content: Content::Plain { headers: b"", payload: b"hello" },
    }
}

fn written(message: &NewMessage<'_>, offset: u32) -> Vec<u8> {
    let mut out = vec![0xAA; message.record_bytes()];
    message.write(&mut out);
    sign(&mut out, EPOCH, offset);
    out
}

#[test]
fn messages_come_back_with_all_their_parts() {
    for due_ns in [0, 5] {
        for headers in [&b""[..], b"NATS/1.0\r\nA: b\r\n\r\n"] {
            for (subject, payload) in [(&b"a"[..], &b""[..]), (b"orders.eu", b"hello")] {
                let plain = Content::Plain { headers, payload };
                let compressed = Content::Compressed(Compressed {
                    headers_bytes: headers.len() as u32,
                    plain_bytes: (1 << 24) - 1,
                    dictionary: 255,
                    bytes: payload,
                });
                for content in [plain, compressed] {
                    let message = NewMessage { due_ns, subject, content, ..message() };
                    let bytes = written(&message, 512);
                    let back = Record::verified(&bytes, EPOCH, 512).and_then(|r| r.message());
                    let back = back.expect("what was written");
                    assert_eq!((back.stream, back.sequence), (message.stream, message.sequence));
                    assert_eq!((back.time_ns, back.due_ns), (message.time_ns, due_ns));
                    assert_eq!((back.subject, back.content), (subject, content));
                }
            }
        }
    }
}

#[test]
fn any_flipped_bit_another_epoch_and_another_place_are_seen() {
    let mut bytes = written(&message(), 512);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Record::verified(&bytes, EPOCH, 512).is_none(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(Record::verified(&bytes, EPOCH, 512).is_some());
    assert!(Record::verified(&bytes, Epoch(78), 512).is_none());
    assert!(Record::verified(&bytes, EPOCH, 1024).is_none());
    assert!(Record::verified(&bytes[..bytes.len() - 1], EPOCH, 512).is_none());
}

#[test]
fn keyed_values_and_their_end_come_back() {
    for value in [Some(&b"state"[..]), Some(b""), None] {
        let stream = StreamNumber(1);
        let keyed = NewKeyed { stream, key_kind: 4, key: 8, order: 15, value };
        let mut bytes = vec![0; keyed.record_bytes()];
        keyed.write(&mut bytes);
        sign(&mut bytes, EPOCH, 0);
        let back = Record::verified(&bytes, EPOCH, 0).and_then(|r| r.keyed()).unwrap();
        assert_eq!((back.key_kind, back.key, back.order, back.value), (4, 8, 15, value));
    }
}

#[test]
fn a_pad_covers_what_it_does_not_look_at() {
    let mut bytes = vec![0; 100];
    write_bare(RecordKind::Pad, StreamNumber(0), 0, 0, &mut bytes);
    sign_free(&mut bytes, EPOCH, 8);
    bytes[99] = 1;
    let pad = Record::verified(&bytes, EPOCH, 8).unwrap();
    assert_eq!((pad.head.kind, pad.head.length), (RecordKind::Pad, 100));
    let mut batch = [0; BATCH_BYTES];
    let about = Batch { epoch: EPOCH, bytes: 4096, key: KeyNumber(3) };
    write_batch(5, 4, about, &mut batch);
    sign(&mut batch, EPOCH, 8);
    let back = Record::verified(&batch, EPOCH, 8).unwrap();
    assert_eq!((back.head.sequence, back.head.time), (5, 4));
    assert_eq!(back.batch(), Some(about));
}
