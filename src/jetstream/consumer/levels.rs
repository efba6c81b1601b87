//! The API level that a consumer needs, kept in its metadata, and what answers add to it.
//!
//! Source: spec/jetstream.md §3 (metadata), §17. `_nats.req.level` is stored; `_nats.ver` and
//! `_nats.level` stand in answers only. What clients send under these keys is dropped.

use std::collections::BTreeMap;

use super::config::{AckPolicy, ConsumerConfig, PriorityPolicy};

const REQUIRED: &str = "_nats.req.level";
const VERSION: &str = "_nats.ver";
const LEVEL: &str = "_nats.level";

/// The lowest API level that understands this configuration.
#[must_use]
pub fn required(config: &ConsumerConfig) -> u8 {
    // spec/jetstream.md §1: 1 = 2.11, 2 = 2.12, 3/4 = 2.14.
    if config.ack_policy == AckPolicy::FlowControl || config.sourcing {
        return 4;
    }
    match config.priority_policy {
        PriorityPolicy::Prioritized => 2,
        PriorityPolicy::Overflow | PriorityPolicy::PinnedClient => 1,
        PriorityPolicy::None => u8::from(config.pause_until.is_some()),
    }
}

/// Sets the level that is stored with the configuration.
pub fn stamp(config: &mut ConsumerConfig) {
    strip(&mut config.metadata);
    let level = required(config).to_string();
    config.metadata.insert(REQUIRED.to_owned(), level);
}

/// Adds to a copy of the configuration what answers say about the server.
pub fn describe(config: &mut ConsumerConfig, version: &str, level: u8) {
    config.metadata.insert(VERSION.to_owned(), version.to_owned());
    config.metadata.insert(LEVEL.to_owned(), level.to_string());
}

/// Takes the server's own keys away.
pub fn strip(metadata: &mut BTreeMap<String, String>) {
    for key in [REQUIRED, VERSION, LEVEL] {
        metadata.remove(key);
    }
}
