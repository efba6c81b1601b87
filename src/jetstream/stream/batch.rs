//! Atomic batches: messages that are all stored or none, at the commit.
//!
//! ```text
//! first ──→ open ──next──→ open ──commit──→ stored, one acknowledgement
//!             │ gap, error, too large, 10 s without a message
//!             └──→ abandoned: an error to whoever asks, an advisory
//! ```
//!
//! Until the commit a batch is only here; after it, nothing stands between its messages. A crash
//! in the middle of writing one is undone at recovery: the last stored message of a batch carries
//! `Nats-Batch-Commit`. Source: spec/jetstream.md §6; ADR-50.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use config::limits;
use hashbrown::HashMap;
use serde::Serialize;
use storage::Place;

use super::ingest::{Verdict, send};
use super::pub_ack::Also;
use super::publication::{Asked, OwnedPublication, Publication};
use super::store::{Entry, Rollup};
use super::{Stream, Turn, header_block};
use crate::stream_config::{self, Discard};
use crate::{ApiError, ErrorCode, advisory};

/// The open batches of one stream.
#[derive(Debug, Default)]
pub(super) struct Batches {
    by_id: HashMap<Box<[u8]>, Batch, ahash::RandomState>,
}

#[derive(Debug)]
struct Batch {
    messages: Vec<OwnedPublication>,
    /// Monotonic nanoseconds of the last message.
    heard_ns: u64,
}

/// `ADVISORY.STREAM.BATCH_ABANDONED.<stream>`
#[derive(Serialize)]
struct Abandoned<'a> {
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    batch: &'a str,
    reason: &'a str,
}

/// How a batch is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// This message is the last one.
    Stored,
    /// The message before was the last one.
    EndOfBatch,
}

impl Batches {
    /// When the next silent batch is abandoned, monotonic nanoseconds.
    pub(super) fn next_deadline_ns(&self, timeout: Duration) -> Option<u64> {
        let timeout_ns = timeout.as_nanos() as u64;
        self.by_id.values().map(|batch| batch.heard_ns.saturating_add(timeout_ns)).min()
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

impl Stream {
    /// Takes a message with `Nats-Batch-Id`.
    pub(super) fn take_batched(
        &mut self,
        message: &Publication<'_>,
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) {
        let id = asked.batch_id.unwrap_or_default();
        match self.collect(id, message, asked, turn) {
            Err(error) => self.refuse(message.reply, &error, turn),
            // spec/jetstream.md §6: every batch message with a reply gets an empty ack
            Ok(None) => {
                if let Some(reply) = message.reply.filter(|_| self.rules.acknowledges) {
                    send(self.account, reply, b"", turn);
                }
            }
            Ok(Some(commit)) => self.commit(id, commit, message, turn),
        }
    }

    /// Adds a message to its batch. `Some` if it also closes it.
    fn collect(
        &mut self,
        id: &[u8],
        message: &Publication<'_>,
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Commit>, ApiError> {
        let fail = |code| Err(ApiError::new(code));
        if self.rules.sealed {
            return fail(ErrorCode::StreamSealed);
        }
        self.check_size(message.headers.len(), message.payload.len())?;
        if !self.config.allow_atomic {
            return fail(ErrorCode::AtomicPublishDisabled);
        }
        if id.is_empty() || id.len() > limits::JS_BATCH_ID_MAX {
            return fail(ErrorCode::AtomicPublishInvalidBatchId);
        }
        if asked.required_level.is_some_and(|level| !stream_config::serves(level)) {
            self.abandon(id, "unsupported", turn);
            return fail(ErrorCode::RequiredApiLevel);
        }
        let sequence = asked.batch_sequence.and_then(|text| std::str::from_utf8(text).ok());
        let Some(sequence) = sequence.and_then(|text| text.parse::<u64>().ok()) else {
            return fail(ErrorCode::AtomicPublishMissingSeq);
        };
        let commit = match asked.batch_commit {
            None => None,
            Some(b"1") => Some(Commit::Stored),
            Some(b"eob") => Some(Commit::EndOfBatch),
            Some(_) => {
                self.abandon(id, "unsupported", turn);
                return fail(ErrorCode::AtomicPublishInvalidBatchCommit);
            }
        };
        self.check_batch_headers(id, asked, turn)?;
        if sequence == 1 && commit != Some(Commit::EndOfBatch) {
            self.open_batch(id, turn)?;
        }
        let open = self.batches.by_id.get_mut(id);
        let Some(batch) = open.filter(|batch| batch.messages.len() as u64 + 1 == sequence) else {
            self.abandon(id, "incomplete", turn);
            return fail(ErrorCode::AtomicPublishIncompleteBatch);
        };
        let counts = u64::from(commit != Some(Commit::EndOfBatch));
        let max = self.bounds.batches.messages_max;
        if sequence - 1 + counts > max {
            self.abandon(id, "large", turn);
            return Err(ApiError::with(ErrorCode::AtomicPublishTooLargeBatch, max));
        }
        batch.heard_ns = turn.now.mono_ns;
        if commit != Some(Commit::EndOfBatch) {
            batch.messages.push(OwnedPublication::of(message));
        }
        Ok(commit)
    }

    // spec/jetstream.md §6: unsupported header (Nats-Expected-Last-Msg-Id) 10177
    fn check_batch_headers(
        &mut self,
        id: &[u8],
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), ApiError> {
        if asked.expected_last_msg_id.is_none() {
            return Ok(());
        }
        self.abandon(id, "unsupported", turn);
        let unsupported = "Nats-Expected-Last-Msg-Id";
        Err(ApiError::with(ErrorCode::AtomicPublishUnsupportedHeaderBatch, unsupported))
    }

    fn open_batch(&mut self, id: &[u8], turn: &mut Turn<'_>) -> Result<(), ApiError> {
        // Seen of nats-server 2.15.2: one that is open cannot begin anew.
        if self.batches.by_id.contains_key(id) {
            self.abandon(id, "incomplete", turn);
            return Err(ApiError::new(ErrorCode::AtomicPublishIncompleteBatch));
        }
        // spec/jetstream.md §6: too many in flight (50/stream, 1000/server) 10210
        if self.batches.len() >= self.bounds.batches.per_stream_max || turn.quota.batches == 0 {
            return Err(ApiError::new(ErrorCode::AtomicPublishTooManyInflight));
        }
        turn.quota.batches -= 1;
        let batch = Batch { messages: Vec::new(), heard_ns: turn.now.mono_ns };
        self.batches.by_id.insert(id.into(), batch);
        Ok(())
    }

    /// Stores the whole batch, or nothing of it.
    fn commit(
        &mut self,
        id: &[u8],
        commit: Commit,
        message: &Publication<'_>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut batch) = self.batches.by_id.remove(id) else { return };
        match self.check_batch(&batch.messages, turn) {
            Ok(Readiness::Ready) => {
                let count = batch.messages.len() as u64;
                match self.store_batch(&batch.messages, commit, turn) {
                    Ok(seq) => {
                        self.acknowledge(message.reply, seq, Also::Batch(id, count), turn);
                    }
                    Err(error) => self.refuse(message.reply, &error, turn),
                }
            }
            Ok(Readiness::Wait) => {
                // The commit comes again when the disk has answered.
                if commit == Commit::Stored {
                    batch.messages.pop();
                }
                self.batches.by_id.insert(id.into(), batch);
                self.parked.push_back(OwnedPublication::of(message));
            }
            Err(error) => self.refuse(message.reply, &error, turn),
        }
    }

    /// Judges every message against the stream as it was before the batch, and against those of
    /// the batch before it.
    fn check_batch(
        &mut self,
        messages: &[OwnedPublication],
        turn: &mut Turn<'_>,
    ) -> Result<Readiness, ApiError> {
        let mut ids: Vec<&[u8]> = Vec::new();
        let mut written: HashSet<Vec<u8>> = HashSet::new();
        let kind = turn.storage.stream(self.id).kind();
        let mut bytes = 0;
        for message in messages {
            let message = message.borrow();
            let asked = Asked::read(message.headers);
            if let Some(id) = asked.msg_id {
                if ids.contains(&id) {
                    return Err(duplicate());
                }
                ids.push(id);
            }
            let renamed = self.rename(message.subject);
            let subject = renamed.as_deref().unwrap_or(message.subject);
            check_within(&written, subject, &asked)?;
            match self.judge(subject, &message, &asked, turn)? {
                Verdict::Wait => return Ok(Readiness::Wait),
                Verdict::Duplicate(_) => return Err(duplicate()),
                Verdict::Store(judged) => {
                    check_rollup_within(&written, subject, judged.rollup)?;
                    let payload = judged.payload.len();
                    bytes += kind.size_of(subject.len(), judged.headers.len(), payload);
                }
            }
            written.insert(subject.to_vec());
        }
        self.check_batch_room(messages.len() as u64, bytes, turn)?;
        Ok(Readiness::Ready)
    }

    fn check_batch_room(&self, messages: u64, bytes: u64, turn: &Turn<'_>) -> Result<(), ApiError> {
        if bytes > turn.quota.account_bytes {
            return Err(ApiError::new(ErrorCode::AccountResourcesExceeded));
        }
        if bytes > turn.quota.server_bytes {
            return Err(ApiError::new(ErrorCode::InsufficientResources));
        }
        if self.rules.discard == Discard::New {
            let state = turn.storage.stream(self.id).state();
            let full = |what| Err(ApiError::with(ErrorCode::StreamStoreFailed, what));
            if state.messages + messages > self.rules.messages_max {
                return full("maximum messages exceeded");
            }
            if state.bytes + bytes > self.rules.bytes_max {
                return full("maximum bytes exceeded");
            }
        }
        Ok(())
    }

    /// Stores messages that were judged; the last one's sequence.
    fn store_batch(
        &mut self,
        messages: &[OwnedPublication],
        commit: Commit,
        turn: &mut Turn<'_>,
    ) -> Result<u64, ApiError> {
        let mut last = 0;
        for (index, message) in messages.iter().enumerate() {
            let message = message.borrow();
            let asked = Asked::read(message.headers);
            let renamed = self.rename(message.subject);
            let subject = renamed.as_deref().unwrap_or(message.subject);
            // Judged against the stream before the batch; now only what is made of it counts.
            let made = Asked {
                expected_last_seq: None,
                expected_last_subject_seq: None,
                expected_last_subject: None,
                scheduler: None,
                schedule_next: None,
                ..asked
            };
            let Verdict::Store(judged) = self.judge(subject, &message, &made, turn)? else {
                return Err(ApiError::new(ErrorCode::AtomicPublishIncompleteBatch));
            };
            let is_last = index + 1 == messages.len();
            let headers = match is_last && commit == Commit::EndOfBatch {
                true => Cow::Owned(committed(&judged.headers)),
                false => judged.headers,
            };
            let entry = Entry {
                subject,
                headers: &headers,
                payload: &judged.payload,
                shared: message.shared.filter(|_| matches!(judged.payload, Cow::Borrowed(_))),
                expires_ns: judged.expires_ns,
                msg_id: judged.msg_id,
                rollup: judged.rollup,
                place: Place::Next,
                time_ns: None,
            };
            let stored = self.store(&entry, turn)?;
            self.note_schedule(subject, &asked, stored.seq, turn);
            last = stored.seq.0;
        }
        Ok(last)
    }

    /// Gives up a batch, if it is open, and says so.
    fn abandon(&mut self, id: &[u8], reason: &str, turn: &mut Turn<'_>) {
        if self.batches.by_id.remove(id).is_some() {
            self.tell_abandoned(id, reason, turn);
        }
    }

    // spec/jetstream.md §16 STREAM.BATCH_ABANDONED
    fn tell_abandoned(&self, id: &[u8], reason: &str, turn: &mut Turn<'_>) {
        let stream = &*self.config.name;
        let batch = String::from_utf8_lossy(id);
        let fields = Abandoned { stream, domain: self.domain.as_deref(), batch: &batch, reason };
        let subject = format!("ADVISORY.STREAM.BATCH_ABANDONED.{stream}");
        let kind = "advisory.v1.stream_batch_abandoned";
        advisory::say(turn.outlet, self.account, &subject, kind, turn.now.wall_ns, &fields);
    }

    /// Gives up the batches that went silent.
    pub(super) fn abandon_silent(&mut self, turn: &mut Turn<'_>) {
        let timeout_ns = self.bounds.batches.timeout.as_nanos() as u64;
        let is_silent =
            |batch: &Batch| batch.heard_ns.saturating_add(timeout_ns) <= turn.now.mono_ns;
        let silent: Vec<Box<[u8]>> = self
            .batches
            .by_id
            .iter()
            .filter(|(_, batch)| is_silent(batch))
            .map(|(id, _)| id.clone())
            .collect();
        for id in silent {
            self.abandon(&id, "timeout", turn);
        }
    }
}

/// What a message may expect of the stream where its batch has `written` to it: the last sequence
/// only as the first message, that of a subject only where no other message has it.
// Seen of nats-server 2.15.2
fn check_within(
    written: &HashSet<Vec<u8>>,
    subject: &[u8],
    asked: &Asked<'_>,
) -> Result<(), ApiError> {
    let looked_at = asked.expected_last_subject.unwrap_or(subject);
    let is_stale = asked.expected_last_subject_seq.is_some() && written.contains(looked_at);
    if is_stale || (asked.expected_last_seq.is_some() && !written.is_empty()) {
        return Err(ApiError::new(ErrorCode::StreamWrongLastSequenceConstant));
    }
    Ok(())
}

/// A roll-up never takes messages of its own batch.
fn check_rollup_within(
    written: &HashSet<Vec<u8>>,
    subject: &[u8],
    rollup: Option<Rollup>,
) -> Result<(), ApiError> {
    let (takes_its_own, word) = match rollup {
        None => return Ok(()),
        Some(Rollup::Subject) => (written.contains(subject), "sub"),
        Some(Rollup::All) => (!written.is_empty(), "all"),
    };
    if !takes_its_own {
        return Ok(());
    }
    let reason = format_args!("batch rollup {word} invalid");
    Err(ApiError::with(ErrorCode::StreamRollupFailed, reason))
}

/// Whether a batch can be stored now.
enum Readiness {
    Ready,
    /// A message has to come from the disk first.
    Wait,
}

fn duplicate() -> ApiError {
    ApiError::new(ErrorCode::AtomicPublishContainsDuplicateMessage)
}

/// The headers of a message that turns out to be the last of its batch.
fn committed(headers: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(headers.len() + 24);
    header_block::begin(&mut block);
    header_block::add_from(&mut block, headers, |_| true);
    header_block::add(&mut block, "Nats-Batch-Commit", b"1");
    header_block::end(&mut block);
    block
}
