//! What the values are that stand beside a stream's messages, for tools that read a stopped
//! server's files.

use serde::Deserialize;
use storage::ValueKey;

use crate::consumer::kept::KEPT_CONFIG;
use crate::service::kept::{KeptStream, STREAM};

/// What a value names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptValue {
    /// The stream itself.
    Stream {
        /// Whose it is, by name.
        account: String,
        /// The stream's.
        name: String,
    },
    /// One of its consumers, by name.
    Consumer(String),
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl KeptValue {
    /// Reads a value; `None` when it names nothing, or cannot be read.
    #[must_use]
    pub fn read(key: ValueKey, value: &[u8]) -> Option<KeptValue> {
        if key == STREAM {
            let kept = KeptStream::read(value)?;
            return Some(KeptValue::Stream { account: kept.account, name: kept.config.name });
        }
        let is_config = key.kind == KEPT_CONFIG;
        let named: Option<Named> = is_config.then(|| serde_json::from_slice(value).ok()).flatten();
        named.map(|named| KeptValue::Consumer(named.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamConfig;

    #[test]
    fn streams_and_consumers_have_names_and_states_have_none() {
        let config = StreamConfig { name: "S".into(), ..StreamConfig::default() };
        let stream = KeptValue::Stream { account: "A".into(), name: "S".into() };
        assert_eq!(KeptValue::read(STREAM, &KeptStream::write("A", 5, &config)), Some(stream));
        let key = ValueKey { kind: KEPT_CONFIG, number: 3 };
        let consumer = KeptValue::Consumer("c".into());
        assert_eq!(KeptValue::read(key, br#"{"name":"c","config":{}}"#), Some(consumer));
        let state = ValueKey { kind: KEPT_CONFIG + 1, number: 3 };
        assert_eq!(KeptValue::read(state, br#"{"name":"c"}"#), None);
        assert_eq!(KeptValue::read(key, b"{"), None);
    }
}
