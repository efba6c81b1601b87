//! One pull request: what it asks for, read from its payload and checked against the consumer.
//!
//! Source: spec/jetstream.md §8. The payload is empty, a number of messages, or JSON.

use std::time::Duration;

use config::duration;
use serde::Deserialize;
use smallvec::SmallVec;

use super::config::{ConsumerConfig, PriorityPolicy};
use super::lead::{Lead, WaitsFor};
use super::pending::NEVER;
use super::status::{Left, Status};
use crate::request_json::{Strictness, decode};

/// A subject that is usually an inbox.
pub(crate) type Subject = SmallVec<[u8; 64]>;

/// The highest number of a prioritized request.
const PRIORITY_MAX: i64 = 9;

/// The payload as JSON. Unset is zero.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    batch: i64,
    expires: i64,
    no_wait: bool,
    max_bytes: i64,
    idle_heartbeat: i64,
    group: String,
    min_pending: i64,
    min_ack_pending: i64,
    id: String,
    priority: i64,
}

/// How a request was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As JSON.
    Json,
    /// As a number of messages, or as nothing.
    Count,
}

/// A pull request that is being served.
#[derive(Debug)]
pub(crate) struct Request {
    /// Where its messages go.
    pub(crate) reply: Subject,
    /// Messages still to come.
    pub(crate) left: u64,
    /// Messages delivered.
    pub(crate) delivered: u64,
    /// Bytes still to come, when bounded.
    pub(crate) bytes_left: Option<u64>,
    /// When it ends, monotonic nanoseconds.
    pub(crate) expires_at_ns: u64,
    /// Whether it ends when there is nothing more.
    pub(crate) wait: Wait,
    /// The interval of heartbeats; 0 for none.
    pub(crate) heartbeat_ns: u64,
    /// When the next heartbeat is due.
    pub(crate) beat_at_ns: u64,
    /// Which of the consumer's priority groups it names.
    pub(crate) group: usize,
    /// The pin it carries.
    pub(crate) pin: Option<Box<str>>,
    /// Lower is served first.
    pub(crate) priority: u8,
    /// Served only when so many messages are to come, or
    pub(crate) pending_min: u64,
    /// so many are unacknowledged.
    pub(crate) ack_pending_min: u64,
    /// When somebody was last seen to listen on `reply`.
    pub(crate) heard_at_ns: u64,
    /// Whether they keep up.
    pub(crate) lead: Lead,
}

/// What a request does when there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Waits until it expires.
    UntilExpired,
    /// Ends at once (`no_wait`).
    Never,
}

/// Why a request is not taken: what its sender is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its time was over before it came.
    Late(Left),
    Bad(&'static str),
    Json(String),
    Batch(u64),
    Expires(String),
    Bytes(u64),
}

impl Refusal {
    pub(crate) fn status(&self) -> Status<'_> {
        match self {
            Refusal::Late(left) => Status::RequestTimeout(*left),
            Refusal::Bad(why) => Status::BadRequest(why),
            Refusal::Json(why) => Status::BadRequest(why),
            Refusal::Batch(most) => Status::RequestBatch(*most),
            Refusal::Expires(most) => Status::RequestExpires(most),
            Refusal::Bytes(most) => Status::RequestMaxBytes(*most),
        }
    }
}

impl Request {
    /// Reads a request that came at `now_ns`.
    pub(crate) fn read(
        reply: &[u8],
        payload: &[u8],
        config: &ConsumerConfig,
        now_ns: u64,
    ) -> Result<Request, Refusal> {
        let (body, form) = Body::read(payload.trim_ascii())?;
        body.check(config)?;
        // Seen of nats-server 2.15.2: what names no group since it is no JSON needs none.
        let group = match form {
            Form::Json => body.group(config)?,
            Form::Count => 0,
        };
        let left = Left { messages: body.batch.max(1) as u64, bytes: body.max_bytes.max(0) as u64 };
        if body.expires < 0 {
            return Err(Refusal::Late(left));
        }
        let heartbeat_ns = body.idle_heartbeat.max(0) as u64;
        Ok(Request {
            reply: Subject::from_slice(reply),
            left: left.messages,
            delivered: 0,
            bytes_left: (left.bytes > 0).then_some(left.bytes),
            expires_at_ns: match body.expires {
                0 => NEVER,
                expires => now_ns.saturating_add(expires as u64),
            },
            wait: if body.no_wait { Wait::Never } else { Wait::UntilExpired },
            heartbeat_ns,
            beat_at_ns: if heartbeat_ns == 0 { NEVER } else { now_ns + heartbeat_ns },
            group,
            pin: (!body.id.is_empty()).then(|| body.id.into_boxed_str()),
            priority: body.priority as u8,
            pending_min: body.min_pending.max(0) as u64,
            ack_pending_min: body.min_ack_pending.max(0) as u64,
            heard_at_ns: NEVER,
            lead: Lead::new(WaitsFor::TheOnlyOne),
        })
    }

    /// What of it was not served.
    pub(crate) fn left(&self) -> Left {
        Left { messages: self.left, bytes: self.bytes_left.unwrap_or(0) }
    }

    /// Whether it ends now that there is nothing more to deliver.
    pub(crate) fn ends_when_empty(&self) -> bool {
        // spec/jetstream.md §8: no_wait + expires waits until expiry when nothing was delivered.
        self.wait == Wait::Never && (self.expires_at_ns == NEVER || self.delivered > 0)
    }

    /// When something has to be done about it.
    pub(crate) fn due_ns(&self) -> u64 {
        self.expires_at_ns.min(self.beat_at_ns)
    }
}

impl Body {
    fn read(payload: &[u8]) -> Result<(Body, Form), Refusal> {
        if payload.first() == Some(&b'{') {
            // Only what is not read at once is worth a second look: fields that are `null`.
            let read = serde_json::from_slice(payload).or_else(|_| {
                let decoded = decode::<Body>(payload, Strictness::Lenient);
                decoded.map(|decoded| decoded.request).map_err(|error| {
                    let reason = error.description.into_owned();
                    Refusal::Json(reason)
                })
            });
            return read.map(|body| (body, Form::Json));
        }
        // Seen of nats-server 2.15.2: what is no number asks for one message.
        let batch = std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
        Ok((Body { batch: batch.unwrap_or(1), ..Body::default() }, Form::Count))
    }

    fn check(&self, config: &ConsumerConfig) -> Result<(), Refusal> {
        let positive = |bound: i64| u64::try_from(bound).ok().filter(|&bound| bound > 0);
        let over = |asked: i64, bound: i64| positive(bound).filter(|&most| asked > most as i64);
        // spec/jetstream.md §8: heartbeat*2 must be <= expires (400).
        if self.idle_heartbeat > 0 && self.idle_heartbeat > self.expires / 2 {
            return Err(Refusal::Bad("heartbeat value too large"));
        }
        if let Some(most) = over(self.batch, config.max_batch) {
            return Err(Refusal::Batch(most));
        }
        if let Some(most) = over(self.expires, config.max_expires) {
            return Err(Refusal::Expires(duration::print(Duration::from_nanos(most))));
        }
        if let Some(most) = over(self.max_bytes, config.max_bytes) {
            return Err(Refusal::Bytes(most));
        }
        if !(0..=PRIORITY_MAX).contains(&self.priority) {
            return Err(Refusal::Bad("Priority must be between 0 and 9"));
        }
        Ok(())
    }

    /// The place of the group in the configuration; options that need a policy are refused
    /// without it. Seen of nats-server 2.15.2: a group and a priority are not, they do nothing.
    fn group(&self, config: &ConsumerConfig) -> Result<usize, Refusal> {
        let policy = config.priority_policy;
        let overflow = self.min_pending != 0 || self.min_ack_pending != 0;
        let refused = if overflow && policy != PriorityPolicy::Overflow {
            "Not a Overflow Priority consumer"
        } else if !self.id.is_empty() && policy != PriorityPolicy::PinnedClient {
            "Not a Pinned Client Priority consumer"
        } else if policy != PriorityPolicy::None && self.group.is_empty() {
            "Priority Group missing"
        } else if policy == PriorityPolicy::None {
            return Ok(0);
        } else {
            let at = config.priority_groups.iter().position(|group| *group == self.group);
            return at.ok_or(Refusal::Bad("Invalid Priority Group"));
        };
        Err(Refusal::Bad(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &str, config: &ConsumerConfig) -> Result<Request, Refusal> {
        Request::read(b"_INBOX.x", payload.as_bytes(), config, 1000)
    }

    fn plain() -> ConsumerConfig {
        ConsumerConfig::default()
    }

    #[test]
    fn payloads_are_empty_numbers_or_json() {
        for (payload, batch) in [
            ("", 1),
            ("7", 7),
            (" 7\r\n", 7),
            ("0", 1),
            ("-3", 1),
            ("1.5", 1),
            ("x", 1),
            ("\u{fe}", 1),
            ("{}", 1),
            (r#"{"batch":500}"#, 500),
            (r#"{"batch":-1,"max_bytes":-1,"idle_heartbeat":-1}"#, 1),
        ] {
            assert_eq!(read(payload, &plain()).map(|request| request.left), Ok(batch), "{payload}");
        }
        let full = r#"{"batch":2,"expires":5000,"no_wait":true,"max_bytes":10}"#;
        let request = read(full, &plain()).unwrap();
        assert_eq!((request.expires_at_ns, request.bytes_left), (6000, Some(10)));
        assert_eq!(request.wait, Wait::Never);
        for payload in ["{", r#"{"batch":"x"}"#] {
            let status = read(payload, &plain()).unwrap_err();
            assert!(matches!(status.status(), Status::BadRequest(_)), "{payload}");
        }
    }

    #[test]
    fn bounds_of_the_consumer_are_kept() {
        let bounded = ConsumerConfig {
            max_batch: 10,
            max_expires: 2_000_000_000,
            max_bytes: 100,
            ..ConsumerConfig::default()
        };
        let refused = [
            (r#"{"batch":11}"#, Refusal::Batch(10)),
            (r#"{"expires":2000000001}"#, Refusal::Expires("2s".to_owned())),
            (r#"{"max_bytes":101}"#, Refusal::Bytes(100)),
            (r#"{"expires":10,"idle_heartbeat":6}"#, Refusal::Bad("heartbeat value too large")),
            (r#"{"expires":-1}"#, Refusal::Late(Left { messages: 1, bytes: 0 })),
            (r#"{"priority":10}"#, Refusal::Bad("Priority must be between 0 and 9")),
            (r#"{"id":"g"}"#, Refusal::Bad("Not a Pinned Client Priority consumer")),
        ];
        for (payload, refusal) in refused {
            assert_eq!(read(payload, &bounded).unwrap_err(), refusal, "{payload}");
        }
        let at_the_bound = r#"{"batch":10,"expires":2000000000,"max_bytes":100}"#;
        assert!(read(at_the_bound, &bounded).is_ok());
    }

    #[test]
    fn groups_are_those_of_the_consumer() {
        let config = ConsumerConfig {
            priority_policy: PriorityPolicy::Overflow,
            priority_groups: vec!["a".to_owned(), "b".to_owned()],
            ..ConsumerConfig::default()
        };
        assert_eq!(read(r#"{"group":"b","min_pending":5}"#, &config).unwrap().group, 1);
        assert!(read("", &config).is_ok(), "names none");
        for (payload, why) in [
            ("{}", "Priority Group missing"),
            (r#"{"group":"c"}"#, "Invalid Priority Group"),
            (r#"{"group":"a","id":"x"}"#, "Not a Pinned Client Priority consumer"),
        ] {
            assert_eq!(read(payload, &config).unwrap_err(), Refusal::Bad(why), "{payload}");
        }
    }
}
