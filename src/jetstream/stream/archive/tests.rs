//! Archives of both formats, whole and damaged.

use super::blocks::{meta_sum, push_record, read_block};
use super::*;

#[test]
fn a_backup_of_nats_server_is_read() {
    let archive = include_bytes!("../tests/nats_server_2_9_10.tar.s2");
    let mut messages = Vec::new();
    let mut unpacker = Unpacker::default();
    let mut sum = (String::new(), String::new());
    // In pieces of any size.
    for piece in archive.chunks(100) {
        let read = unpacker.feed(piece, |entry| {
            match entry {
                Entry::Meta(content) => sum.0 = meta_sum("A", content),
                Entry::MetaSum(content) => sum.1 = String::from_utf8(content.to_vec()).unwrap(),
                Entry::Block(1, content) => {
                    return read_block("A", 1, content, |record| {
                        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                        let (subject, payload) = (text(record.subject), text(record.payload));
                        messages.push((record.seq, subject, text(record.headers), payload));
                    });
                }
                _ => {}
            }
            Ok(())
        });
        assert_eq!(read, Ok(()));
    }
    assert_eq!(unpacker.finish(), Ok(()));
    assert_eq!(sum.0, sum.1);
    let expected = [
        (1, "a.1", "", "hello"),
        (2, "a.2", "NATS/1.0\r\nX: y\r\n\r\n", "world"),
        (4, "a.4", "", "four"),
    ];
    let expected = expected.map(|(seq, a, b, c)| (seq, a.into(), b.into(), c.into()));
    assert_eq!(messages, expected);
}

#[test]
fn damage_is_noticed() {
    let record =
        Record { seq: 7, time_ns: 9, subject: b"a", headers: b"NATS/1.0\r\n\r\n", payload: b"x" };
    let mut block = Vec::new();
    push_record("S", 1, &record, &mut block);
    let mut read = Vec::new();
    read_block("S", 1, &block, |found| read.push(found.seq)).unwrap();
    assert_eq!(read, [7]);
    for at in 0..block.len() {
        let mut damaged = block.clone();
        damaged[at] ^= 0x10;
        let mut whole = Vec::new();
        let result = read_block("S", 1, &damaged, |found| whole.push(found.payload.to_vec()));
        assert!(result.is_err() || whole.is_empty(), "bit flip at {at}");
    }
    assert!(read_block("S", 2, &block, |_| {}).is_err(), "another block's key");
    let mut unpacker = Unpacker::default();
    assert!(unpacker.feed(b"\xff\x06\x00\x00S2sTwO", |_| Ok(())).is_ok());
    assert!(unpacker.feed(b"\x00\x04\x00\x00abcd", |_| Ok(())).is_err());
    assert!(Unpacker::default().feed(b"no archive", |_| Ok(())).is_err());
}

#[test]
fn names_longer_than_a_hundred_bytes_are_split() {
    let name = "c".repeat(140);
    let path = format!("obs/{name}/meta.inf");
    assert!(tar::takes(&path) && !tar::takes(&format!("obs/{}/meta.inf", "c".repeat(200))));
    let mut plain = Vec::new();
    tar::push_entry(&path, b"{}", &mut plain);
    let Ok(Some((Some(entry), len))) = tar::next(&plain) else { panic!("it is whole") };
    assert_eq!((entry, len), (Entry::ConsumerMeta(&name, b"{}"), plain.len()));
    // No path leads out of the archive.
    let mut plain = Vec::new();
    tar::push_entry("obs/../x/meta.inf", b"{}", &mut plain);
    assert_eq!(tar::next(&plain), Ok(Some((None, plain.len()))));
}
