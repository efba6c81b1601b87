//! The consumer configuration as it stands in requests, answers and on disk.
//!
//! Source: spec/jetstream.md §4. Field names and which fields are left out when unset are those
//! of the API. Durations are integer nanoseconds, times RFC 3339. What may be combined with what
//! is said in `rules.rs`, what may be changed later in `update.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire_time::WireTime;

/// Where a consumer starts in its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliverPolicy {
    /// At the first message.
    #[default]
    #[serde(alias = "undefined")]
    All,
    /// At the last message that matches.
    Last,
    /// At the next message that will be stored.
    New,
    /// At `opt_start_seq`.
    ByStartSequence,
    /// At the first message stored at `opt_start_time` or later.
    ByStartTime,
    /// At the last message of every subject that matches, then at what is new.
    LastPerSubject,
}

/// What has to be acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckPolicy {
    /// Nothing: delivered is acknowledged.
    #[default]
    None,
    /// One acknowledgement counts for everything delivered before it.
    All,
    /// Every message by itself.
    Explicit,
    /// Like `All`, by the answers to flow control (2.14).
    FlowControl,
}

/// How fast stored messages are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayPolicy {
    /// As fast as they are taken.
    #[default]
    Instant,
    /// With the pauses in which they were stored.
    Original,
}

/// Whose pull request is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriorityPolicy {
    /// Everyone's in turn.
    #[default]
    None,
    /// Those who ask for it only when enough is pending.
    Overflow,
    /// One client's, until it is gone.
    PinnedClient,
    /// Those with the lowest number first.
    Prioritized,
}

/// A consumer's configuration. An empty string, a zero or an empty list is an unset field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerConfig {
    /// Set for consumers that stay when nobody uses them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub durable_name: String,
    /// The name that the client chose.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it starts.
    pub deliver_policy: DeliverPolicy,
    /// With [`DeliverPolicy::ByStartSequence`] only.
    #[serde(skip_serializing_if = "is_unset")]
    pub opt_start_seq: u64,
    /// With [`DeliverPolicy::ByStartTime`] only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<WireTime>,
    /// What has to be acknowledged.
    pub ack_policy: AckPolicy,
    /// Nanoseconds after which an unacknowledged message is delivered again.
    #[serde(skip_serializing_if = "is_unset")]
    pub ack_wait: i64,
    /// How often a message is delivered at most; -1 without bound.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_deliver: i64,
    /// Nanoseconds to wait after each delivery; the last one counts for all that follow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backoff: Vec<i64>,
    /// The one pattern that messages must match.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// The patterns of which messages must match one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filter_subjects: Vec<String>,
    /// How fast stored messages come.
    pub replay_policy: ReplayPolicy,
    /// Bits a second that are pushed at most.
    #[serde(skip_serializing_if = "is_unset")]
    pub rate_limit_bps: u64,
    /// Percent of acknowledgements that are reported, `"30"` or `"30%"`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sample_freq: String,
    /// Pull requests that may wait.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_waiting: i64,
    /// Messages that may be unacknowledged; -1 without bound.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_ack_pending: i64,
    /// Whether the server asks the receiver for signs of life between messages.
    #[serde(skip_serializing_if = "is_unset")]
    pub flow_control: bool,
    /// Nanoseconds of silence after which a push consumer gets a heartbeat.
    #[serde(skip_serializing_if = "is_unset")]
    pub idle_heartbeat: i64,
    /// Whether payloads are left out.
    #[serde(skip_serializing_if = "is_unset")]
    pub headers_only: bool,
    /// Messages that one pull request may ask for.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_batch: i64,
    /// Nanoseconds that one pull request may wait.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_expires: i64,
    /// Bytes that one pull request may ask for.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_bytes: i64,
    /// Where a push consumer's messages go; unset for a pull consumer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
    /// The queue group that shares the deliver subject.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_group: String,
    /// Nanoseconds without use after which the consumer is deleted.
    #[serde(skip_serializing_if = "is_unset")]
    pub inactive_threshold: i64,
    /// 0 inherits the stream's.
    pub num_replicas: i64,
    /// Whether its state is kept in memory though the stream's messages are not.
    #[serde(skip_serializing_if = "is_unset")]
    pub mem_storage: bool,
    /// Internal: a mirror's or source's consumer.
    #[serde(skip_serializing_if = "is_unset")]
    pub direct: bool,
    /// Internal: a mirror's or source's consumer (2.14).
    #[serde(skip_serializing_if = "is_unset")]
    pub sourcing: bool,
    /// For people and programs; the server adds its own keys to answers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Nothing is delivered before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<WireTime>,
    /// With a priority policy: the one group that pull requests name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<String>,
    /// Whose pull request is served.
    #[serde(skip_serializing_if = "is_unset")]
    pub priority_policy: PriorityPolicy,
    /// Nanoseconds without a request after which a pinned client loses its pin.
    #[serde(skip_serializing_if = "is_unset")]
    pub priority_timeout: i64,
}

impl ConsumerConfig {
    /// Whether messages are pushed to a subject.
    #[must_use]
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// Whether it stays when nobody uses it.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        !self.durable_name.is_empty()
    }

    /// Whether a mirror or source made it: exempt from the rules for work queues.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.direct || self.sourcing
    }

    /// The patterns of which a message must match one; none means every message.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        let single = (!self.filter_subject.is_empty()).then_some(self.filter_subject.as_str());
        single.into_iter().chain(self.filter_subjects.iter().map(String::as_str))
    }

    /// The percent of acknowledgements that are reported.
    ///
    /// # Errors
    /// The text that is no number from 0.
    pub fn sampling(&self) -> Result<u8, &str> {
        if self.sample_freq.is_empty() {
            return Ok(0);
        }
        let digits = self.sample_freq.strip_suffix('%').unwrap_or(&self.sample_freq);
        digits.parse::<u32>().map(|percent| percent.min(100) as u8).map_err(|_| digits)
    }

    /// Nanoseconds to wait for an acknowledgement of the `deliveries`-th delivery, from 1.
    #[must_use]
    pub fn ack_wait_ns(&self, deliveries: u32) -> u64 {
        let wait = match self.backoff.as_slice() {
            [] => self.ack_wait,
            waits => waits[(deliveries.max(1) as usize - 1).min(waits.len() - 1)],
        };
        wait.max(0) as u64
    }

    /// How often a message is delivered at most.
    #[must_use]
    pub fn deliveries_max(&self) -> Option<u32> {
        u32::try_from(self.max_deliver).ok().filter(|&most| most > 0)
    }

    /// How many messages may be unacknowledged.
    #[must_use]
    pub fn ack_pending_max(&self) -> Option<usize> {
        usize::try_from(self.max_ack_pending).ok().filter(|&most| most > 0)
    }
}

/// Whether a field has the value that stands for "not set".
fn is_unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
