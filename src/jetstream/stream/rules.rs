//! What a stream's hot path works with: the configuration, derived once.

use std::time::Duration;

use subject::Transform;

use crate::stream_config::{self, Discard, PersistMode, Retention, StreamConfig};

/// A configuration as the hot path wants it: no limit is the highest number.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) retention: Retention,
    pub(super) messages_max: u64,
    pub(super) bytes_max: u64,
    pub(super) per_subject_max: u64,
    /// Headers and payload together.
    pub(super) message_bytes_max: usize,
    pub(super) discard: Discard,
    pub(super) new_per_subject: bool,
    /// Whether any of the limits above the size of a message is set.
    pub(super) is_limited: bool,
    /// Nanoseconds; 0 is for ever.
    pub(super) age_max_ns: u64,
    /// Nanoseconds; 0 leaves no markers.
    pub(super) marker_ttl_ns: u64,
    pub(super) acknowledges: bool,
    /// Whether an acknowledgement waits for the disk.
    pub(super) waits_for_disk: bool,
    pub(super) sealed: bool,
    pub(super) counter: bool,
    pub(super) transform: Option<Transform>,
    pub(super) republish: Option<RepublishRule>,
}

/// Where what is stored is published again.
#[derive(Clone, Debug)]
pub(super) struct RepublishRule {
    pub(super) transform: Transform,
    pub(super) headers_only: bool,
}

/// A limit where -1 is none.
fn limit(value: i64) -> u64 {
    u64::try_from(value).ok().filter(|&value| value > 0).unwrap_or(u64::MAX)
}

fn nanoseconds(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Rules {
    pub(super) fn of(config: &StreamConfig) -> Rules {
        let [messages_max, bytes_max, per_subject_max] =
            [config.max_msgs, config.max_bytes, config.max_msgs_per_subject].map(limit);
        let transform = |src: &str, dest: &str| {
            stream_config::rename(src, dest).expect("a configuration in use was checked")
        };
        Rules {
            retention: config.retention,
            messages_max,
            bytes_max,
            per_subject_max,
            message_bytes_max: usize::try_from(config.max_msg_size).unwrap_or(usize::MAX),
            discard: config.discard,
            new_per_subject: config.discard_new_per_subject,
            is_limited: [messages_max, bytes_max, per_subject_max] != [u64::MAX; 3],
            age_max_ns: nanoseconds(config.max_age),
            marker_ttl_ns: nanoseconds(config.subject_delete_marker_ttl),
            acknowledges: !config.no_ack,
            waits_for_disk: config.persist_mode == PersistMode::Default,
            sealed: config.sealed,
            counter: config.allow_msg_counter,
            transform: config
                .subject_transform
                .as_ref()
                .and_then(|rename| transform(&rename.src, &rename.dest)),
            republish: config.republish.as_ref().and_then(|republish| {
                let transform = transform(&republish.src, &republish.dest)?;
                Some(RepublishRule { transform, headers_only: republish.headers_only })
            }),
        }
    }
}

/// `Nats-TTL`: how long a message lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ttl {
    /// For ever, whatever `max_age` says.
    Never,
    /// So long.
    For(Duration),
}

impl Ttl {
    /// Reads `never`, a Go duration of a second or more, or whole seconds.
    // spec/jetstream.md §5 Nats-TTL
    pub(super) fn parse(value: &[u8]) -> Option<Ttl> {
        let text = std::str::from_utf8(value).ok()?;
        if text.eq_ignore_ascii_case("never") {
            return Some(Ttl::Never);
        }
        let duration = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => config::duration::parse(text).ok()?,
        };
        (duration >= config::limits::JS_TTL_MIN).then_some(Ttl::For(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_are_never_a_duration_or_seconds() {
        let seconds = |seconds| Some(Ttl::For(Duration::from_secs(seconds)));
        let table = [
            ("never", Some(Ttl::Never)),
            ("5", seconds(5)),
            ("1s", seconds(1)),
            ("1h30m", seconds(5400)),
            ("99999999999", seconds(99_999_999_999)),
            ("999ms", None),
            ("0", None),
            ("-1", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(Ttl::parse(text.as_bytes()), expected, "{text}");
        }
    }
}
