//! One message of an origin, as it is stored here.
//!
//! A mirror keeps sequence and time; a source gets new ones and says where it came from. What only
//! concerned the origin's publisher is left out. Source: spec/jetstream.md §11.

use std::borrow::Cow;
use std::collections::BTreeMap;

use num_bigint::BigInt;
use storage::{Place, Read, Seq};

use super::delivery_reply::Delivered;
use super::publication::Asked;
use super::rules::Ttl;
use super::source::SourceLetter;
use super::store::Entry;
use super::{Stream, Turn, counter, header_block};
use crate::{ApiError, ErrorCode};

/// Says from where a sourced message is.
const STREAM_SOURCE: &str = "Nats-Stream-Source";
/// What each origin has added to a counter.
const COUNTER_SOURCES: &str = "Nats-Counter-Sources";

/// By stream, by subject: the last value that was seen there.
type Seen = BTreeMap<String, BTreeMap<String, String>>;

impl Stream {
    pub(super) fn copy_to_mirror(
        &mut self,
        index: usize,
        letter: &SourceLetter<'_>,
        delivered: &Delivered,
        turn: &mut Turn<'_>,
    ) -> Result<(), ApiError> {
        let renamed = self.sources.list[index].rename(letter.subject, &mut self.random);
        let headers = without_conditions(letter.headers);
        let entry = Entry {
            subject: renamed.as_deref().unwrap_or(letter.subject),
            headers: &headers,
            payload: letter.payload,
            shared: None,
            expires_ns: self.copied_expiry(letter.headers, delivered.time_ns),
            msg_id: None,
            rollup: None,
            place: Place::At(Seq(delivered.stream_seq)),
            time_ns: Some(delivered.time_ns),
        };
        self.store(&entry, turn).map(drop)
    }

    pub(super) fn copy_from_source(
        &mut self,
        index: usize,
        letter: &SourceLetter<'_>,
        delivered: &Delivered,
        turn: &mut Turn<'_>,
    ) -> Result<(), ApiError> {
        let asked = Asked::read(letter.headers);
        // spec/jetstream.md §11: on sources dedupe only when duplicate_window is set
        let msg_id = asked.msg_id.filter(|_| self.dedupe.is_on());
        if msg_id.is_some_and(|id| self.dedupe.find(id, turn.now.wall_ns).is_some()) {
            return Ok(());
        }
        let rollup = self.judge_rollup(&asked).unwrap_or_default();
        let renamed = self.sources.list[index].rename(letter.subject, &mut self.random);
        let subject = renamed.as_deref().unwrap_or(letter.subject);
        let mut block = Vec::with_capacity(letter.headers.len() + 96);
        header_block::begin(&mut block);
        let is_ours =
            |name: &[u8]| name == STREAM_SOURCE.as_bytes() || name == COUNTER_SOURCES.as_bytes();
        header_block::add_from(&mut block, letter.headers, |name| {
            !is_condition(name) && !is_ours(name)
        });
        let source = &self.sources.list[index];
        let (filter, destination) = source.filter_and_destination();
        let origin = source.index_name();
        let subject_text = String::from_utf8_lossy(letter.subject).into_owned();
        let seq = delivered.stream_seq;
        let from = format_args!("{origin} {seq} {filter} {destination} {subject_text}");
        header_block::add_display(&mut block, STREAM_SOURCE, from);
        let mut payload = Cow::Borrowed(letter.payload);
        if self.is_count(letter.headers) {
            let (value, seen) = self.merge(subject, letter, (origin, subject_text), turn)?;
            payload = Cow::Owned(counter::payload(&value.to_string()));
            header_block::add(&mut block, COUNTER_SOURCES, seen.as_bytes());
        }
        header_block::end(&mut block);
        self.check_size(block.len(), payload.len())?;
        let entry = Entry {
            subject,
            headers: &block,
            payload: &payload,
            shared: None,
            expires_ns: self.copied_expiry(letter.headers, turn.now.wall_ns),
            msg_id,
            rollup,
            place: Place::Next,
            time_ns: None,
        };
        self.store(&entry, turn).map(drop)
    }

    // spec/jetstream.md §11: TTL honoured only if enabled locally
    fn copied_expiry(&self, headers: &[u8], stored_ns: u64) -> u64 {
        if !self.config.allow_msg_ttl {
            return 0;
        }
        match Asked::read(headers).ttl.and_then(Ttl::parse) {
            Some(Ttl::For(ttl)) => stored_ns.saturating_add(ttl.as_nanos() as u64),
            Some(Ttl::Never) | None => 0,
        }
    }

    /// The counter's value with what the origin has added since it was last seen, and the header
    /// that says what was seen.
    // spec/jetstream.md §11 Counters
    fn merge(
        &mut self,
        subject: &[u8],
        letter: &SourceLetter<'_>,
        (origin, origin_subject): (String, String),
        turn: &mut Turn<'_>,
    ) -> Result<(BigInt, String), ApiError> {
        let broken = || ApiError::new(ErrorCode::MessageCounterBroken);
        let theirs = counter::value_of(letter.payload).ok_or_else(broken)?;
        let (mut value, mut seen) = (BigInt::default(), Seen::new());
        if let Some(state) = turn.storage.stream(self.id).subject(subject) {
            match turn.storage.read(self.id, state.last, self.ingest_waiter()) {
                Read::Gone => {}
                // Asked again from here, when the disk has brought it.
                Read::Pending => return Err(ApiError::new(ErrorCode::StreamTooManyRequests)),
                Read::Ready(message) => {
                    value = counter::value_of(message.payload).ok_or_else(broken)?;
                    if let Some(json) = Asked::read(message.headers).counter_sources {
                        seen = serde_json::from_slice(json).map_err(|_| broken())?;
                    }
                }
            }
        }
        let last = seen.entry(origin).or_default().entry(origin_subject).or_default();
        let before = match last.is_empty() {
            true => BigInt::default(),
            false => last.parse().map_err(|_| broken())?,
        };
        value += &theirs - before;
        *last = theirs.to_string();
        Ok((value, serde_json::to_string(&seen).map_err(|_| broken())?))
    }

    /// What a stored message says about its origin: name, sequence, filter, destination.
    pub(super) fn origin_of(headers: &[u8]) -> Option<(String, u64, String, String)> {
        let value = Asked::read(headers).stream_source?;
        let mut words = std::str::from_utf8(value).ok()?.split(' ').map(str::to_owned);
        let (origin, seq) = (words.next()?, words.next()?.parse().ok()?);
        Some((origin, seq, words.next().unwrap_or_default(), words.next().unwrap_or_default()))
    }
}

// spec/jetstream.md §11: Nats-Expected-* and Nats-Batch-* headers are removed on replication
fn is_condition(name: &[u8]) -> bool {
    name.starts_with(b"Nats-Expected-") || name.starts_with(b"Nats-Batch-")
}

fn without_conditions(headers: &[u8]) -> Cow<'_, [u8]> {
    let any = super::publication::header_lines(headers).any(|(name, _)| is_condition(name));
    if !any {
        return Cow::Borrowed(headers);
    }
    let mut block = Vec::with_capacity(headers.len());
    header_block::begin(&mut block);
    header_block::add_from(&mut block, headers, |name| !is_condition(name));
    if header_block::is_bare(&block) {
        return Cow::Borrowed(&[]);
    }
    header_block::end(&mut block);
    Cow::Owned(block)
}
