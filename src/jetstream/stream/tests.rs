//! A stream over a storage in memory, with a recorder where the way out is.

use base::observed::{Streamed, TraceId};
use base::{AccountId, Now, ShardSet};
use protocol::MessageParts;
use shard::Audience;
use storage::{Kind, Seq, Storage};

use super::*;
use crate::consumer::ConsumerBackup;
use crate::outlet::Way;
use crate::request_json::Strictness;
use crate::stream_config::{ServerLimits, Storage as Kept, decode_request, for_create};
use crate::{Outlet, Token, WireTime};

mod backup;
mod batches;
mod ingest;
mod limits;
mod reading;
mod sourcing;
mod time;

/// A message that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) subject: String,
    pub(super) reply: String,
    pub(super) headers: String,
    pub(super) payload: String,
}

/// Keeps what leaves.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) sent: Vec<Sent>,
    pub(super) subscribed: Vec<(String, Token)>,
    /// The payloads of what was sent, as bytes.
    pub(super) raw: Vec<Vec<u8>>,
    /// The shards whose rings are full.
    pub(super) congested: ShardSet,
    /// What traces were told.
    pub(super) told: Vec<(TraceId, Streamed)>,
}

impl Outlet for Recorder {
    fn publish(&mut self, _: AccountId, message: &MessageParts<'_>) -> Way {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.raw.push(message.payload.to_vec());
        self.sent.push(Sent {
            subject: text(message.subject),
            reply: text(message.reply.unwrap_or_default()),
            headers: text(message.headers.unwrap_or_default()),
            payload: text(message.payload),
        });
        match self.congested.is_empty() {
            true => Way::Clear,
            false => Way::Congested(self.congested),
        }
    }

    fn publish_to(&mut self, _: AccountId, _: &[u8], _: &MessageParts<'_>) -> Way {
        panic!("a stream delivers nothing itself");
    }

    fn is_congested(&self, shards: ShardSet) -> bool {
        self.congested.meets(shards)
    }

    fn is_subscribed(&mut self, _: AccountId, _: &[u8], _: Option<&[u8]>) -> bool {
        panic!("a stream delivers nothing itself");
    }

    fn audience(&mut self, _: AccountId, _: &[u8]) -> Audience {
        panic!("a stream has no audience of its own");
    }

    fn ask_backlog(&mut self, _: ShardSet, _: AccountId, _: &str, _: (Token, u64)) {
        panic!("a stream asks nobody");
    }

    fn has_interest(&mut self, _: AccountId, _: &[u8]) -> bool {
        true
    }

    fn subscribe(&mut self, _: AccountId, subject: &[u8], token: Token) {
        self.subscribed.push((String::from_utf8_lossy(subject).into_owned(), token));
    }

    fn subscribe_shared(&mut self, _: AccountId, _: &[u8], _: &[u8], _: Token) {
        panic!("a stream shares no subscription");
    }

    fn subscribe_stream(&mut self, account: AccountId, subject: &[u8], token: Token) {
        self.subscribe(account, subject, token);
    }

    fn tell_trace(&mut self, trace: TraceId, streamed: Streamed) {
        self.told.push((trace, streamed));
    }

    fn unsubscribe(&mut self, token: Token) {
        self.subscribed.retain(|(_, other)| *other != token);
    }
}

/// Consumers with filters, and what they still need.
#[derive(Debug, Default)]
pub(super) struct Filters {
    pub(super) filters: Vec<String>,
    pub(super) needed: Vec<u64>,
    pub(super) appended: Vec<u64>,
    pub(super) removed: Vec<u64>,
}

impl Readers for Filters {
    fn count(&self) -> usize {
        self.filters.len()
    }

    fn wants(&self, subject: &[u8]) -> bool {
        self.filters.iter().any(|filter| subject::name::matches(filter.as_bytes(), subject))
    }

    fn backups(&self, _: Now) -> Vec<ConsumerBackup> {
        Vec::new()
    }

    fn needs(&self, seq: u64, _: &[u8]) -> bool {
        self.needed.contains(&seq)
    }

    fn appended(&mut self, seq: u64, _: &[u8]) {
        self.appended.push(seq);
    }

    fn removed(&mut self, seq: u64, _: &[u8]) {
        self.removed.push(seq);
    }

    fn recount(&mut self, _: u64) {}
}

/// Who the stream of a test is.
pub(super) fn identity() -> Identity {
    let (account, bounds) = (AccountId::GLOBAL, Bounds::default());
    Identity { account, domain: None, place: 3, bounds }
}

/// One stream and its surroundings.
pub(super) struct Rig {
    pub(super) stream: Stream,
    pub(super) storage: Storage,
    pub(super) readers: Filters,
    pub(super) out: Recorder,
    pub(super) quota: Quota,
    pub(super) now: Now,
}

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const START_NS: u64 = 1_700_000_000 * SECOND;

impl Rig {
    /// A stream `S` on `s.>` with what `more` adds to its configuration.
    pub(super) fn new(more: &str) -> Rig {
        let comma = if more.is_empty() { "" } else { "," };
        Rig::of(&format!(r#"{{"name":"S","subjects":["s.>"]{comma}{more}}}"#))
    }

    pub(super) fn of(json: &str) -> Rig {
        let request = decode_request(json.as_bytes(), Strictness::Strict).expect(json).request;
        let server = ServerLimits { duplicate_window_max: None };
        let config = for_create(request.config, &server, request.pedantry).expect(json);
        let mut storage = Storage::without_disk();
        let kind = if config.storage == Kept::File { Kind::File } else { Kind::Memory };
        let id = storage.create(AccountId::GLOBAL, kind, Seq(config.first_seq));
        let identity = identity();
        let now = Now { mono_ns: SECOND, wall_ns: START_NS };
        let stream = Stream::new(identity, config, id, &storage, now);
        let (readers, out) = (Filters::default(), Recorder::default());
        Rig { stream, storage, readers, out, quota: Quota::UNLIMITED, now }
    }

    /// Calls the stream with its surroundings.
    pub(super) fn with<T>(&mut self, call: impl FnOnce(&mut Stream, &mut Turn<'_>) -> T) -> T {
        let mut turn = Turn {
            storage: &mut self.storage,
            readers: &mut self.readers,
            outlet: &mut self.out,
            quota: &mut self.quota,
            now: self.now,
        };
        call(&mut self.stream, &mut turn)
    }

    /// Publishes with headers (`Name: value` lines, or none); what came back to the reply.
    pub(super) fn publish(&mut self, subject: &str, headers: &str, payload: &str) -> String {
        self.publish_to("reply", subject, headers, payload)
    }

    pub(super) fn publish_to(
        &mut self,
        reply: &str,
        subject: &str,
        headers: &str,
        payload: &str,
    ) -> String {
        let block = block(headers);
        let message = Publication {
            subject: subject.as_bytes(),
            reply: Some(reply.as_bytes()),
            headers: block.as_bytes(),
            payload: payload.as_bytes(),
            shared: None,
            trace: None,
        };
        let before = self.out.sent.len();
        self.with(|stream, turn| stream.publish(&message, turn));
        let answers = self.out.sent[before..].iter().filter(|sent| sent.subject == reply);
        answers.map(|sent| sent.payload.clone()).collect::<Vec<_>>().join("|")
    }

    /// The error that a publish gets, as `err_code description`.
    pub(super) fn refused(&mut self, subject: &str, headers: &str, payload: &str) -> String {
        error_of(&self.publish(subject, headers, payload))
    }

    /// Lets time pass, and the stream have a turn.
    pub(super) fn pass(&mut self, ns: u64) {
        self.now.mono_ns += ns;
        self.now.wall_ns += ns;
        self.with(Stream::turn);
    }

    /// What is stored, as `sequence subject payload`.
    pub(super) fn stored(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        let last = self.storage.stream(self.stream.id()).last_seq();
        for seq in 1..=last.0 {
            if let Some((subject, _, payload)) = self.message(seq) {
                found.push(format!("{seq} {subject} {payload}"));
            }
        }
        found
    }

    /// Subject, headers and payload of a stored message.
    pub(super) fn message(&mut self, seq: u64) -> Option<(String, String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self.storage.read(self.stream.id(), Seq(seq), storage::Waiter(0)) {
            storage::Read::Ready(message) => {
                Some((text(message.subject), text(message.headers), text(message.payload)))
            }
            _ => None,
        }
    }
}

/// A header block from `Name: value` lines.
pub(super) fn block(headers: &str) -> String {
    if headers.is_empty() {
        return String::new();
    }
    let lines: Vec<&str> = headers.lines().map(str::trim).collect();
    format!("NATS/1.0\r\n{}\r\n\r\n", lines.join("\r\n"))
}

pub(super) fn error_of(answer: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(answer).expect(answer);
    let error = &json["error"];
    assert_eq!((&json["stream"], &json["seq"]), (&"S".into(), &0.into()), "{answer}");
    format!("{} {}", error["err_code"], error["description"].as_str().unwrap_or_default())
}
