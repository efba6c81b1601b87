//! Who answers: the introduction of the server that stands before every answer and event.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::Serialize;

use super::Refusal;
use crate::source::ServerFacts;
use crate::text::rfc3339;

/// Words answers, and counts them. Control thread only.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// Messages of the system services so far.
    sequence: Cell<u64>,
}

/// ServerInfo (spec/monitoring.md §14).
#[derive(Serialize)]
pub(super) struct ServerInfo<'a> {
    name: &'a str,
    host: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
    ver: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    feature_flags: &'a BTreeMap<String, bool>,
    jetstream: bool,
    /// Bit 0 JetStream; bit 1 binary stream snapshots and bit 2 account NRG are for clusters.
    flags: u64,
    seq: u64,
    time: String,
}

#[derive(Serialize)]
struct ApiError<'a> {
    code: u16,
    description: &'a str,
}

impl Envelope {
    /// The introduction to one more message.
    pub(super) fn introduce<'a>(&self, facts: &'a ServerFacts, now_ns: u64) -> ServerInfo<'a> {
        let seq = self.sequence.get() + 1;
        self.sequence.set(seq);
        ServerInfo {
            name: &facts.server_name,
            host: &facts.host,
            id: &facts.server_id,
            domain: &facts.domain,
            ver: &facts.version,
            tags: &facts.tags,
            metadata: &facts.metadata,
            feature_flags: &facts.feature_flags,
            jetstream: facts.jetstream,
            flags: u64::from(facts.jetstream),
            seq,
            time: rfc3339(now_ns),
        }
    }

    /// `{"server":…,"data":…}`. `data` is JSON.
    pub(super) fn with_data(&self, facts: &ServerFacts, now_ns: u64, data: &[u8]) -> Vec<u8> {
        let server = json(&self.introduce(facts, now_ns));
        [b"{\"server\":", &server[..], b",\"data\":", data, b"}"].concat()
    }

    /// `{"server":…}`.
    pub(super) fn alone(&self, facts: &ServerFacts, now_ns: u64) -> Vec<u8> {
        let server = json(&self.introduce(facts, now_ns));
        [b"{\"server\":", &server[..], b"}"].concat()
    }

    /// `{"server":…,"error":{…}}`.
    pub(super) fn with_refusal(
        &self,
        facts: &ServerFacts,
        now_ns: u64,
        refusal: &Refusal,
    ) -> Vec<u8> {
        // spec/monitoring.md §13: code 400 or 500.
        let error = match refusal {
            Refusal::Unreadable(description) => ApiError { code: 400, description },
            Refusal::Failed(description) => ApiError { code: 500, description },
        };
        self.with_error(facts, now_ns, &json(&error))
    }

    /// `{"server":…,"error":…}`. `error` is JSON.
    pub(super) fn with_error(&self, facts: &ServerFacts, now_ns: u64, error: &[u8]) -> Vec<u8> {
        let server = json(&self.introduce(facts, now_ns));
        [b"{\"server\":", &server[..], b",\"error\":", error, b"}"].concat()
    }

    /// ServerStatsMsg. `stats` is JSON.
    pub(super) fn with_stats(&self, facts: &ServerFacts, now_ns: u64, stats: &[u8]) -> Vec<u8> {
        let server = json(&self.introduce(facts, now_ns));
        [b"{\"server\":", &server[..], b",\"statsz\":", stats, b"}"].concat()
    }
}

/// `{"name","host","id"}`, raw.
pub(super) fn id_card(facts: &ServerFacts) -> Vec<u8> {
    #[derive(Serialize)]
    struct IdCard<'a> {
        name: &'a str,
        host: &'a str,
        id: &'a str,
    }
    json(&IdCard { name: &facts.server_name, host: &facts.host, id: &facts.server_id })
}

/// Compact JSON of one of our own structs.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("our own structs have string keys only")
}
