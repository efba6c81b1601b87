//! API levels: what a configuration needs, what this server has, and the metadata that says so.
//!
//! `_nats.req.level` is stored with an asset; `_nats.ver` and `_nats.level` are added to answers
//! only and taken out of requests. Source: spec/jetstream.md §3 metadata, §17; ADR-44.

use std::collections::BTreeMap;

use protocol::headers;

use super::{PersistMode, StreamConfig};

/// The API level of this server.
pub const API_LEVEL: u32 = 5;

/// The level that an asset needs; stored.
const REQUIRED: &str = "_nats.req.level";
/// The server's release; in answers.
const SERVER_VERSION: &str = "_nats.ver";
/// The server's level; in answers.
const SERVER_LEVEL: &str = "_nats.level";

/// The level that a stream with this configuration needs.
#[must_use]
pub fn required_by_stream(config: &StreamConfig) -> u32 {
    let ttl = config.allow_msg_ttl || config.subject_delete_marker_ttl > 0;
    let level_2 = config.allow_msg_counter
        || config.allow_atomic
        || config.allow_msg_schedules
        || config.persist_mode == PersistMode::Async;
    let durable_sources =
        config.mirror.iter().chain(&config.sources).any(|source| source.consumer.is_some());
    if config.allow_batched || durable_sources {
        4
    } else if level_2 {
        2
    } else {
        u32::from(ttl)
    }
}

/// Sets what is stored, and removes what only answers carry.
pub fn stamp_stored(metadata: &mut BTreeMap<String, String>, required: u32) {
    remove_dynamic(metadata);
    metadata.insert(REQUIRED.to_owned(), required.to_string());
}

/// Adds what answers carry.
pub fn stamp_answer(metadata: &mut BTreeMap<String, String>) {
    metadata.insert(SERVER_VERSION.to_owned(), config::version::NATS_VERSION.to_owned());
    metadata.insert(SERVER_LEVEL.to_owned(), API_LEVEL.to_string());
}

/// Removes what only answers carry: clients send back what they were sent.
pub fn remove_dynamic(metadata: &mut BTreeMap<String, String>) {
    metadata.remove(SERVER_VERSION);
    metadata.remove(SERVER_LEVEL);
}

/// Removes all of it, to compare what clients wrote themselves.
pub fn remove_level(metadata: &mut BTreeMap<String, String>) {
    remove_dynamic(metadata);
    metadata.remove(REQUIRED);
}

/// Whether a request with the header `Nats-Required-Api-Level: value` can be served.
// spec/jetstream.md §1: larger than the server's level, or not a number -> 10185
#[must_use]
pub fn serves(value: &[u8]) -> bool {
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.trim().parse::<i64>().is_ok_and(|level| level <= i64::from(API_LEVEL))
}

/// Whether a request with this header block, or none, can be served.
#[must_use]
pub fn serves_request(headers: Option<&[u8]>) -> bool {
    let asked = headers.and_then(|block| headers::get(block, b"Nats-Required-Api-Level"));
    asked.is_none_or(serves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_up_to_the_servers_level_is_served() {
        for (value, served) in [
            ("5", true),
            ("+5", true),
            (" 3 ", true),
            ("-1", true),
            ("6", false),
            ("99999999999999999999", false),
            ("five", false),
            ("", false),
        ] {
            let block = format!("NATS/1.0\r\nNats-Required-Api-Level: {value}\r\n\r\n");
            assert_eq!(serves_request(Some(block.as_bytes())), served, "{value:?}");
        }
        assert!(serves_request(None));
        assert!(serves_request(Some(b"NATS/1.0\r\nOther: 9\r\n\r\n")));
    }
}
