//! The stream configuration as JSON: each field in NATS's order, under NATS's name.
//!
//! What is absent in a request has its zero value here; [`super::create`] turns that into the
//! defaults. -1 means unlimited. Durations are nanoseconds. Source: spec/jetstream.md §3.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire_time::WireTime;

/// Unlimited, in every field that has a limit.
pub const UNLIMITED: i64 = -1;

/// Which messages a stream keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// All, within the limits.
    #[default]
    Limits,
    /// Until every consumer that wants it has acknowledged.
    Interest,
    /// Until the first acknowledgement.
    #[serde(rename = "workqueue")]
    WorkQueue,
}

/// What happens at a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    /// The oldest message goes.
    #[default]
    Old,
    /// The new one is refused.
    New,
}

/// Where messages are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In the core's log.
    #[default]
    File,
    /// In memory; gone after a restart.
    Memory,
}

/// How messages are compressed on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Each message by itself. The word is nats-server's; what stands on disk is Corewire's own.
    S2,
}

impl Compression {
    /// The same for the storage.
    pub(crate) fn of_storage(self) -> storage::Compression {
        match self {
            Compression::None => storage::Compression::Off,
            Compression::S2 => storage::Compression::On,
        }
    }
}

/// When a publish is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersistMode {
    /// When it is durable.
    #[default]
    #[serde(alias = "")]
    Default,
    /// When it is written, before it is durable.
    Async,
}

/// Where a stream should live in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// The cluster's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Tags that a server must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The server that should lead; not allowed in a configuration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub preferred: String,
}

/// A subject transform: what matches `src` is renamed to `dest`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectTransform {
    /// The pattern; empty is `>`.
    pub src: String,
    /// The new name, with mapping functions; empty keeps the subject.
    pub dest: String,
}

/// What is stored is published again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Republish {
    /// The pattern; empty is `>`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub src: String,
    /// The new subject.
    pub dest: String,
    /// Without the payload.
    #[serde(skip_serializing_if = "is_default")]
    pub headers_only: bool,
}

/// A stream in another account or domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalStream {
    /// The prefix of its API: `$JS.<domain>.API`, or as imported.
    pub api: String,
    /// The prefix of what it delivers to; empty for `$JS.M` and `$JS.S`.
    pub deliver: String,
}

/// A consumer that was made for this mirror or source (2.14).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceConsumer {
    /// Its durable name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it delivers to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
}

/// Another stream whose messages are copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSource {
    /// The origin.
    pub name: String,
    /// The first sequence to copy; 0 from the start.
    #[serde(skip_serializing_if = "is_default")]
    pub opt_start_seq: u64,
    /// The time from which to copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<WireTime>,
    /// Only these.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Only these, and renamed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
    /// Where the origin is when it is not in this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    /// The consumer to use instead of an own one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<SourceConsumer>,
}

/// Defaults and caps for consumers of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerLimits {
    /// Nanoseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub inactive_threshold: i64,
    /// Messages.
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: i64,
}

/// A stream's configuration, as in a request, in a response, and as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "spec/jetstream.md §3 is the list")]
pub struct StreamConfig {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    pub retention: Retention,
    pub max_consumers: i64,
    pub max_msgs: i64,
    pub max_bytes: i64,
    pub max_age: i64,
    pub max_msgs_per_subject: i64,
    pub max_msg_size: i32,
    pub discard: Discard,
    pub storage: Storage,
    pub num_replicas: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub no_ack: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate_window: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSource>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StreamSource>,
    pub compression: Compression,
    #[serde(skip_serializing_if = "is_default")]
    pub first_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_transform: Option<SubjectTransform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub republish: Option<Republish>,
    pub allow_direct: bool,
    pub mirror_direct: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub discard_new_per_subject: bool,
    pub sealed: bool,
    pub deny_delete: bool,
    pub deny_purge: bool,
    pub allow_rollup_hdrs: bool,
    pub consumer_limits: ConsumerLimits,
    pub allow_msg_ttl: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub subject_delete_marker_ttl: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub allow_msg_counter: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub allow_atomic: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub allow_msg_schedules: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub allow_batched: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub persist_mode: PersistMode,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl StreamConfig {
    /// Whether messages come from other streams only.
    #[must_use]
    pub fn is_mirror(&self) -> bool {
        self.mirror.is_some()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
