//! What is kept of a stream beside its messages: its configuration, as JSON. The log keeps the
//! newest. Consumers keep values of their own (`consumer/kept.rs`).

use serde::{Deserialize, Serialize};
use storage::ValueKey;

use crate::{StreamConfig, stream_config};

/// The version of the JSON below.
const VERSION: u32 = 1;

/// Where a stream's configuration is kept.
pub(crate) const STREAM: ValueKey = ValueKey { kind: 1, number: 0 };

/// A stream, but for its messages and consumers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptStream {
    version: u32,
    /// The account's name: its number is another after every start.
    pub(crate) account: String,
    /// When the stream was made, nanoseconds since the Unix epoch.
    pub(crate) created_ns: u64,
    pub(crate) config: StreamConfig,
}

impl KeptStream {
    /// As it is kept.
    pub(crate) fn write(account: &str, created_ns: u64, config: &StreamConfig) -> Vec<u8> {
        let (account, config) = (account.to_owned(), config.clone());
        let kept = KeptStream { version: VERSION, account, created_ns, config };
        serde_json::to_vec(&kept).expect("a configuration is text and numbers")
    }

    /// As it was kept; `None` when no version of Corewire so far wrote that.
    pub(crate) fn read(value: &[u8]) -> Option<KeptStream> {
        let kept: KeptStream = serde_json::from_slice(value).ok()?;
        (kept.version == VERSION).then_some(kept)
    }

    /// Whether all that it renames to are subjects: the rules may have been others when it was
    /// made.
    pub(crate) fn renames_to_subjects(&self) -> bool {
        let StreamConfig { subject_transform, republish, mirror, sources, .. } = &self.config;
        let copied = mirror.iter().chain(sources).flat_map(|source| &source.subject_transforms);
        let renamed = subject_transform.iter().chain(copied).map(|to| (&to.src, &to.dest));
        let published = republish.iter().map(|to| (&to.src, &to.dest));
        renamed.chain(published).all(|(src, dest)| stream_config::rename(src, dest).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_nothing_else_is() {
        let config = StreamConfig { name: "S".into(), ..StreamConfig::default() };
        let kept = KeptStream::read(&KeptStream::write("$G", 5, &config)).unwrap();
        assert_eq!((kept.account.as_str(), kept.created_ns, kept.config), ("$G", 5, config));
        for other in [&b""[..], b"{}", br#"{"version":2,"account":"","created_ns":1,"config":{}}"#]
        {
            assert!(KeptStream::read(other).is_none());
        }
    }

    #[test]
    fn what_is_kept_may_be_worth_nothing_today() {
        let kept = |json: &str| {
            let config = serde_json::from_str(json).expect("a configuration");
            KeptStream::read(&KeptStream::write("$G", 5, &config)).unwrap().renames_to_subjects()
        };
        assert!(kept(r#"{"name":"S","subject_transform":{"src":"","dest":"x.>"}}"#));
        assert!(kept(r#"{"name":"S","republish":{"src":"a","dest":""}}"#));
        let bad = r#"{"src":"a","dest":"b c"}"#;
        for field in [
            format!(r#""subject_transform":{bad}"#),
            format!(r#""republish":{bad}"#),
            format!(r#""mirror":{{"name":"M","subject_transforms":[{bad}]}}"#),
            format!(r#""sources":[{{"name":"M"}},{{"name":"N","subject_transforms":[{bad}]}}]"#),
        ] {
            assert!(!kept(&format!(r#"{{"name":"S",{field}}}"#)), "{field}");
        }
    }
}
