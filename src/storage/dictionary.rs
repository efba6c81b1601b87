//! What messages of a stream have in common: learned from a few, and then referred to by all
//! others instead of being repeated.
//!
//! Text is common when each six bytes in a row of it stand in a quarter of the messages looked at,
//! four at least. So it is what a feed's messages are made of (names of fields, spellings, dates),
//! not what one of them says: that must not outlive the message in a dictionary.

use ahash::RandomState;
use config::limits;
use hashbrown::{HashMap, HashSet};

/// Bytes in a row that are looked at as one. LZ4 refers to four or more; for fewer than six it
/// hardly pays.
const GRAM: usize = 6;

/// Text stands in one message of so many to be common.
const COMMON_SHARE: u32 = 4;

/// Text stands in so many messages at least.
const COMMON_MIN: u32 = 4;

/// A shorter dictionary is not worth having, bytes.
const TEXT_MIN: usize = 16;

/// The most that is looked at of one message, bytes.
const SAMPLE_BYTES_MAX: usize =
    limits::JS_DICTIONARY_SAMPLES_BYTES / (2 * COMMON_MIN * COMMON_SHARE) as usize;

type Gram = [u8; GRAM];

/// Messages to learn from: the beginnings of them.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Samples {
    /// Adds a message.
    pub(crate) fn add(&mut self, headers: &[u8], payload: &[u8]) {
        let start = self.bytes.len();
        for part in [headers, payload] {
            let room = SAMPLE_BYTES_MAX - (self.bytes.len() - start);
            self.bytes.extend_from_slice(&part[..part.len().min(room)]);
        }
        self.ends.push(self.bytes.len());
    }

    /// Whether these are enough to learn from.
    pub(crate) fn is_enough(&self) -> bool {
        self.ends.len() >= limits::JS_DICTIONARY_SAMPLES
            || self.bytes.len() + SAMPLE_BYTES_MAX > limits::JS_DICTIONARY_SAMPLES_BYTES
    }

    /// What they have in common, each part once; `None` if that is not worth anything.
    pub(crate) fn common(&self) -> Option<Vec<u8>> {
        let least = (self.ends.len() as u32 / COMMON_SHARE).max(COMMON_MIN);
        let counts = self.counts();
        let is_common = |gram: &Gram| counts.get(gram).is_some_and(|count| count.messages >= least);
        let mut text = Vec::new();
        let mut held: HashSet<Gram, RandomState> = HashSet::default();
        for sample in self.iter() {
            let mut rest = sample;
            while rest.len() >= GRAM {
                let run = grams(rest).take_while(is_common).count();
                // A run of grams is as many bytes, and those of the last one.
                let piece = if run > 0 { &rest[..run + GRAM - 1] } else { &[] };
                let new = grams(piece).filter(|gram| !held.contains(gram)).count();
                let fits = text.len() + piece.len() <= limits::JS_DICTIONARY_BYTES_MAX;
                if new * 2 > run && fits {
                    text.extend_from_slice(piece);
                    held.extend(grams(piece));
                }
                rest = &rest[run + 1..];
            }
        }
        (text.len() >= TEXT_MIN).then_some(text)
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// In how many messages each gram stands.
    fn counts(&self) -> HashMap<Gram, Count, RandomState> {
        let mut counts: HashMap<Gram, Count, RandomState> = HashMap::default();
        for (message, sample) in (1..).zip(self.iter()) {
            for gram in grams(sample) {
                let count = counts.entry(gram).or_default();
                if count.last != message {
                    *count = Count { messages: count.messages + 1, last: message };
                }
            }
        }
        counts
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// In how many messages, and which was the last, from 1 on.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    messages: u32,
    last: u32,
}

fn grams(bytes: &[u8]) -> impl Iterator<Item = Gram> {
    bytes.windows(GRAM).filter_map(|window| window.first_chunk().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(messages: impl IntoIterator<Item = String>) -> Option<String> {
        let mut samples = Samples::default();
        for message in messages {
            samples.add(b"", message.as_bytes());
        }
        samples.common().map(|text| String::from_utf8(text).expect("text"))
    }

    #[test]
    fn what_is_common_is_learned_once_and_what_is_said_is_not() {
        let message = |n: u32| {
            let (secret, price) = (n * 7_919, n * 31 % 97);
            format!(r#"{{"symbol":"CORE.{secret:08}","price":{price:.2},"venue":"XETRA"}}"#)
        };
        let text = learned((1000..1064).map(message)).expect("they have much in common");
        for part in [r#"{"symbol":"CORE.0"#, r#","price":"#, r#","venue":"XETRA"}"#] {
            assert_eq!(text.matches(part).count(), 1, "{part} in {text}");
        }
        for n in 1000..1064 {
            let secret = format!("{:08}", n * 7_919);
            assert!(!text.contains(&secret), "{secret} in {text}");
        }
    }

    #[test]
    fn nothing_in_common_is_no_dictionary() {
        let noise = |_| (0..100).map(|_| fastrand::alphanumeric()).collect();
        assert_eq!(learned((0..64).map(noise)), None);
        assert_eq!(learned([]), None);
        assert_eq!(learned((0..64).map(|_| "short".to_owned())), None);
    }

    #[test]
    fn long_messages_are_enough_soon_and_no_dictionary_is_too_long() {
        let mut samples = Samples::default();
        let long: String = (0..4_000).map(|_| fastrand::alphanumeric()).collect();
        let mut count = 0;
        while !samples.is_enough() {
            samples.add(b"NATS/1.0\r\nA: b\r\n\r\n", long.as_bytes());
            count += 1;
        }
        assert!((16..=64).contains(&count), "{count}");
        assert!(samples.bytes.len() <= limits::JS_DICTIONARY_SAMPLES_BYTES);
        let text = samples.common().expect("they are all the same");
        assert!(text.len() <= limits::JS_DICTIONARY_BYTES_MAX);
        assert!(text.starts_with(b"NATS/1.0\r\n"));
    }
}
