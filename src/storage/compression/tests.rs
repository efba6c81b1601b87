//! What is compressed comes out again; what is damaged does not, and takes no memory.

use proptest::prelude::*;

use super::*;

/// A message of a feed.
fn quote(n: u64) -> Vec<u8> {
    let (bid, size) = (10_000 + n * 37 % 900, n * 7_919 % 1000);
    let symbol = ["SAP", "SIE", "BMW", "ALV"][n as usize % 4];
    format!(
        r#"{{"type":"quote","symbol":"{symbol}","bid":{bid},"ask":{},"size":{size},"seq":{n}}}"#,
        bid + 2
    )
    .into_bytes()
}

/// A compressor that has learned from such messages.
fn learned() -> Compressor {
    let mut of_stream = None;
    Compressor::set(&mut of_stream, Compression::On);
    let mut compressor = *of_stream.expect("it is on");
    let dictionary = (0..).find_map(|n| compressor.learn(b"", &quote(n)));
    compressor.take(dictionary.expect("they have much in common"));
    compressor
}

fn owned(content: Compressed<'_>) -> (Compressed<'static>, Vec<u8>) {
    (Compressed { bytes: &[], ..content }, content.bytes.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..<_>::default() })]

    #[test]
    fn what_goes_in_comes_out(
        headers in proptest::collection::vec(any::<u8>(), 0..80),
        mut payload in proptest::collection::vec(0u8..4, 0..400),
        feed in proptest::option::of(0u64..1000),
        knows in any::<bool>(),
    ) {
        let compressor = if knows { learned() } else { Compressor::default() };
        payload.extend(feed.map(quote).unwrap_or_default());
        let mut codec = Codec::default();
        let Some(content) = codec.compress(&headers, &payload, &compressor) else {
            return Ok(());
        };
        prop_assert!(content.bytes.len() + PLAIN_BYTES < headers.len() + payload.len());
        let (content, bytes) = owned(content);
        let content = Compressed { bytes: &bytes, ..content };
        let back = codec.expand(&content, Some(&compressor));
        prop_assert_eq!(back, Some((&headers[..], &payload[..])));
        prop_assert_eq!(codec.expand(&content, None).is_some(), !knows);
    }

    #[test]
    fn nonsense_comes_out_as_nothing_or_as_long_as_it_says(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        plain_bytes in 0u32..2000,
        headers_bytes in 0u32..3000,
        dictionary in 0u8..3,
    ) {
        let compressor = learned();
        let content = Compressed { headers_bytes, plain_bytes, dictionary, bytes: &bytes };
        let mut codec = Codec::default();
        if let Some((headers, payload)) = codec.expand(&content, Some(&compressor)) {
            prop_assert_eq!(headers.len() as u32, headers_bytes);
            prop_assert_eq!((headers.len() + payload.len()) as u32, plain_bytes);
        }
        prop_assert!(codec.plain.len() <= 2048);
    }
}

#[test]
fn small_messages_of_a_feed_need_what_they_share() {
    let (mut codec, knowing) = (Codec::default(), learned());
    let mut bytes = |compressor: &Compressor| -> usize {
        let feed = (5_000..6_000).map(quote);
        let stored = feed.map(|message| {
            let content = codec.compress(b"", &message, compressor);
            content.map_or(message.len(), |content| content.bytes.len())
        });
        stored.sum()
    };
    let plain: usize = (5_000..6_000).map(|n| quote(n).len()).sum();
    let (alone, together) = (bytes(&Compressor::default()), bytes(&knowing));
    assert!(alone * 10 > plain * 9, "{alone} of {plain} bytes alone");
    assert!(together * 2 < plain, "{together} of {plain} bytes with what they share");
}

#[test]
fn what_has_changed_is_learned_again() {
    let mut compressor = learned();
    let mut feed = |messages: u64, record_bytes: usize| {
        let mut dictionaries = 0;
        for n in 0..messages {
            if let Some(dictionary) = compressor.learn(b"", &quote(n)) {
                dictionaries = dictionary.number();
                compressor.take(dictionary);
            }
            compressor.count(200, record_bytes);
        }
        dictionaries
    };
    let window = limits::JS_DICTIONARY_WINDOW;
    assert_eq!(feed(10 * window, 100), 0, "nothing changes");
    assert_eq!(feed(2 * window, 120), 0, "a little is no reason");
    assert_eq!(feed(2 * window, 150), 2, "they have become others");
    for n in 0..40 {
        feed(4 * window, 100 + n * 50);
    }
    assert_eq!(compressor.dictionaries.len(), limits::JS_DICTIONARIES_MAX);
}

#[test]
fn what_is_too_short_or_too_long_stays_as_it_is() {
    let mut codec = Codec::default();
    let compressor = Compressor::default();
    assert!(codec.compress(b"", &[0; limits::JS_COMPRESSED_BYTES_MIN - 1], &compressor).is_none());
    assert!(codec.compress(b"", &[0; 100], &compressor).is_some());
    let long = vec![0; limits::JS_COMPRESSED_BYTES_MAX];
    let content = codec.compress(b"", &long, &compressor).map(owned);
    let (content, bytes) = content.expect("it has room");
    let content = Compressed { bytes: &bytes, ..content };
    assert_eq!(codec.expand(&content, None), Some((&b""[..], &long[..])));
    assert!(codec.compress(b"h", &long, &compressor).is_none());
    // The memory for it goes with the next that is shorter.
    assert!(codec.compress(b"", &[0; 100], &compressor).is_some());
    assert!(codec.compressed.len() <= limits::JS_COMPRESSION_MEMORY);
}
