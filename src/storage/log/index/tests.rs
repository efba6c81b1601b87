//! What goes into an index comes out, and nonsense ends early instead of panicking.

use proptest::prelude::*;

use super::*;
use crate::log::KeyKind;
use crate::log::record::Compressed;

fn message<'a>(stream: u32, sequence: u64, subject: &'a [u8], payload: &'a [u8]) -> NewMessage<'a> {
    let stream = StreamNumber(stream);
    let time_ns = 1_700_000_000_000_000_000 + sequence * 1000;
    let content = Content::Plain { headers: b"", payload };
    NewMessage { stream, sequence, time_ns, due_ns: 0, subject, content }
}

/// As if this were what is left of ten times as much.
fn compressed(bytes: &[u8]) -> Content<'_> {
    let plain_bytes = bytes.len() as u32 * 10;
    Content::Compressed(Compressed { headers_bytes: 0, plain_bytes, dictionary: 1, bytes })
}

/// Adds messages one behind the other, each stream counting on its own.
fn build(of: &[(u32, Vec<u8>, Vec<u8>, bool)]) -> (IndexBuilder, Vec<(u32, u64, u32, usize)>) {
    let mut builder = IndexBuilder::default();
    let mut last = [0u64; 4];
    let (mut offset, mut expected) = (512, Vec::new());
    for (at, (stream, subject, payload, jump)) in of.iter().enumerate() {
        let sequence = last[*stream as usize] + 1 + u64::from(*jump) * 300;
        last[*stream as usize] = sequence;
        let mut message = message(*stream, sequence, subject, payload);
        message.due_ns = if *jump { sequence } else { 0 };
        if !*jump && payload.len() == 3 {
            message.content = compressed(payload);
        }
        let length = message.record_bytes() as u32;
        builder.add_message(&message, offset, length);
        expected.push((*stream, sequence, offset, at));
        offset += length + u32::from(*jump) * 60;
    }
    (builder, expected)
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in(
        of in proptest::collection::vec(
            (
                0u32..4,
                proptest::sample::select(vec![b"a".to_vec(), b"b.c".to_vec(), b"d".to_vec()]),
                proptest::collection::vec(any::<u8>(), 0..4),
                proptest::bool::weighted(0.2),
            ),
            0..60,
        )
    ) {
        let (builder, expected) = build(&of);
        let bytes = builder.encode();
        prop_assert!(bytes.len() <= builder.encoded_bytes());
        let index = Index::parse(&bytes).unwrap();
        let mut found = Vec::new();
        for stream in index.streams() {
            let messages: Vec<_> = stream.messages().collect();
            prop_assert_eq!(messages.len() as u32, stream.count);
            prop_assert_eq!(messages[0].sequence, stream.first);
            prop_assert_eq!(messages.last().unwrap().sequence, stream.last);
            found.extend(messages.into_iter().map(|message| (stream.number, message)));
        }
        found.sort_by_key(|(_, message)| message.offset);
        prop_assert_eq!(found.len(), expected.len());
        for ((number, found), (stream, sequence, offset, at)) in found.into_iter().zip(expected) {
            let (_, subject, payload, jump) = &of[at];
            prop_assert_eq!((number.0, found.sequence, found.offset), (stream, sequence, offset));
            prop_assert_eq!(found.subject, &subject[..]);
            let is_compressed = !*jump && payload.len() == 3;
            let content = if is_compressed { (30, 23) } else { (payload.len() as u32, 0) };
            prop_assert_eq!((found.content_bytes, found.saved_bytes), content);
            prop_assert_eq!(found.due_ns, if *jump { sequence } else { 0 });
        }
    }

    #[test]
    fn nonsense_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(index) = Index::parse(&bytes) {
            index.controls().count();
            for stream in index.streams() {
                stream.messages().count();
            }
        }
    }
}

#[test]
fn controls_keep_the_newest_of_each_key_and_join_neighbours() {
    let mut builder = IndexBuilder::default();
    let stream = StreamNumber(1);
    for (first, last) in [(1, 1), (2, 4), (9, 9)] {
        builder.add_removed(Removed { stream, first, last });
    }
    let key = Key { stream, kind: KeyKind::CONSUMER_STATE, key: 3 };
    builder.add_keyed(key, 5, Some(b"new"));
    builder.add_keyed(key, 4, Some(b"old"));
    builder.add_gone(StreamNumber(2), 6);
    builder.add_replaced(Epoch(40));
    builder.add_damaged(512, 60);
    let bytes = builder.encode();
    assert!(bytes.len() <= builder.encoded_bytes());
    let index = Index::parse(&bytes).unwrap();
    assert_eq!(index.replaced().collect::<Vec<_>>(), [Epoch(40)]);
    assert_eq!(index.damaged().collect::<Vec<_>>(), [(512, 60)]);
    let kinds: Vec<_> = index.controls().map(|record| record.head.kind).collect();
    use RecordKind::{Keyed, Remove, StreamGone};
    assert_eq!(kinds, [Remove, Remove, Keyed, StreamGone]);
    let first = index.controls().next().unwrap().head;
    assert_eq!((first.sequence, first.time), (1, 4));
    let keyed = index.controls().find_map(|record| record.keyed().map(|k| k.value)).unwrap();
    assert_eq!(keyed, Some(&b"new"[..]));
}
