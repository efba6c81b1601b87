//! `$JS.API.INFO`: what an account uses, and what it may use.
//!
//! Every core knows its own streams only, so the answer is put together from all cores' parts.
//! Source: spec/jetstream.md §2, JetStreamAccountStats.

use std::collections::BTreeMap;

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

/// The tier of streams with one replica.
pub const ONE_REPLICA: &str = "R1";

impl AccountLimits {
    /// What stands for an account's own limits where each tier has some.
    pub const BY_TIER: AccountLimits = AccountLimits {
        max_memory: 0,
        max_storage: 0,
        max_streams: 0,
        max_consumers: 0,
        max_ack_pending: 0,
        memory_max_stream_bytes: 0,
        storage_max_stream_bytes: 0,
        max_bytes_required: false,
    };
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

/// What the streams of one tier use, or all of them.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "spec/jetstream.md §2 is the list")]
pub struct TierInfo {
    pub memory: u64,
    pub storage: u64,
    pub reserved_memory: u64,
    pub reserved_storage: u64,
    pub streams: u64,
    pub consumers: u64,
    pub limits: AccountLimits,
}

impl TierInfo {
    /// A tier of which there are no streams.
    fn unused(limits: AccountLimits) -> TierInfo {
        TierInfo {
            memory: 0,
            storage: 0,
            reserved_memory: 0,
            reserved_storage: 0,
            streams: 0,
            consumers: 0,
            limits,
        }
    }
}

/// The body of the answer.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "spec/jetstream.md §2 is the list")]
pub struct AccountInfo {
    #[serde(flatten)]
    pub total: TierInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    pub api: ApiStats,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, TierInfo>,
}

/// What each tier of an account uses, where it has some: all streams are of `R1` here.
// spec/jetstream.md §2 tiers
#[must_use]
pub fn tiers(total: &TierInfo, limits: &[(String, AccountLimits)]) -> BTreeMap<String, TierInfo> {
    let tier = |(name, limits): &(String, AccountLimits)| {
        let used = match name == ONE_REPLICA {
            true => TierInfo { limits: *limits, ..*total },
            false => TierInfo::unused(*limits),
        };
        (name.clone(), used)
    };
    limits.iter().map(tier).collect()
}
