//! `$JS.API.INFO`: what an account uses, and what it may use.
//!
//! Every core knows its own streams only, so the answer is put together from all cores' parts.
//! Source: spec/jetstream.md §2, JetStreamAccountStats.

use config::accounts::JetStreamLimits;
use serde::{Deserialize, Serialize};

use crate::API_LEVEL;

/// What an account may use; -1 is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "spec/jetstream.md §2 is the list")]
pub struct AccountLimits {
    pub max_memory: i64,
    pub max_storage: i64,
    pub max_streams: i64,
    pub max_consumers: i64,
    pub max_ack_pending: i64,
    pub memory_max_stream_bytes: i64,
    pub storage_max_stream_bytes: i64,
    pub max_bytes_required: bool,
}

impl Default for AccountLimits {
    fn default() -> AccountLimits {
        AccountLimits {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

impl From<JetStreamLimits> for AccountLimits {
    fn from(limits: JetStreamLimits) -> AccountLimits {
        let or_none = |limit: Option<u64>| limit.map_or(-1, |l| i64::try_from(l).unwrap_or(-1));
        AccountLimits {
            max_memory: or_none(limits.memory),
            max_storage: or_none(limits.storage),
            max_streams: or_none(limits.streams),
            max_consumers: or_none(limits.consumers),
            max_ack_pending: or_none(limits.ack_pending),
            memory_max_stream_bytes: or_none(limits.memory_stream),
            storage_max_stream_bytes: or_none(limits.storage_stream),
            max_bytes_required: limits.max_bytes_required,
        }
    }
}

/// What one core stores for an account, or all cores together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes in memory streams.
    pub memory: u64,
    /// Bytes in file streams.
    pub storage: u64,
    /// Streams.
    pub streams: u64,
    /// Their consumers.
    pub consumers: u64,
}

impl Usage {
    /// Adds another core's part.
    pub fn add(&mut self, other: Usage) {
        self.memory += other.memory;
        self.storage += other.storage;
        self.streams += other.streams;
        self.consumers += other.consumers;
    }
}

/// How often an account asked the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ApiStats {
    /// [`crate::API_LEVEL`]
    pub level: u32,
    /// Requests.
    pub total: u64,
    /// Those that were answered with an error.
    pub errors: u64,
}

impl Default for ApiStats {
    fn default() -> ApiStats {
        ApiStats { level: API_LEVEL, total: 0, errors: 0 }
    }
}

/// The body of the answer.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "spec/jetstream.md §2 is the list")]
pub struct AccountInfo {
    pub memory: u64,
    pub storage: u64,
    pub reserved_memory: u64,
    pub reserved_storage: u64,
    pub streams: u64,
    pub consumers: u64,
    pub limits: AccountLimits,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    pub api: ApiStats,
}
