//! The API level that a consumer needs. How it is kept in the metadata, and what answers add to
//! it, is the same for streams (`stream_config/level.rs`).
//!
//! Source: spec/jetstream.md §3 (metadata), §17.

use super::config::{AckPolicy, ConsumerConfig, PriorityPolicy};
use crate::stream_config::stamp_stored;

/// The lowest API level that understands this configuration.
#[must_use]
pub fn required(config: &ConsumerConfig) -> u32 {
    // spec/jetstream.md §1: 1 = 2.11, 2 = 2.12, 3/4 = 2.14.
    if config.ack_policy == AckPolicy::FlowControl || config.sourcing {
        return 4;
    }
    match config.priority_policy {
        PriorityPolicy::Prioritized | PriorityPolicy::Overflow | PriorityPolicy::PinnedClient => 1,
        PriorityPolicy::None => u32::from(config.pause_until.is_some()),
    }
}

/// Sets the level that is stored with the configuration.
pub fn stamp(config: &mut ConsumerConfig) {
    let required = required(config);
    stamp_stored(&mut config.metadata, required);
}
