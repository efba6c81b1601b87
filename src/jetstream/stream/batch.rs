//! Atomic batches: messages that are all stored or none, at the commit.
//!
//! ```text
//! first ──→ open ──next──→ open ──commit──→ stored, one acknowledgement
//!             │ gap, error, too large, 10 s without a message
//!             └──→ abandoned: an error to whoever asks, an advisory
//! ```
//!
//! Until the commit a batch is only here; then it is judged as a whole (`staged.rs`), and nothing
//! stands between its messages. A crash in the middle of writing one is undone at recovery: the
//! last stored message of a batch carries `Nats-Batch-Commit`. Source: spec/jetstream.md §6;
//! ADR-50.

use std::borrow::Cow;
use std::time::Duration;

use config::limits;
use hashbrown::HashMap;
use serde::Serialize;
use storage::Seq;

use super::ingest::send;
use super::pub_ack::Also;
use super::publication::{Asked, OwnedPublication, Publication};
use super::{Stream, Turn, header_block};
use crate::stream_config;
use crate::{ApiError, ErrorCode, advisory};

/// The open batches of one stream.
#[derive(Debug, Default)]
pub(super) struct Batches {
    by_id: HashMap<Box<[u8]>, Batch, ahash::RandomState>,
}

#[derive(Debug)]
struct Batch {
    messages: Vec<OwnedPublication>,
    /// Of their headers and payloads, as they came.
    bytes: u64,
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

impl Batch {
    fn add(&mut self, message: &Publication<'_>, asked: &Asked<'_>) {
        let headers = &without_level(message.headers, asked);
        self.messages.push(OwnedPublication::of(&Publication { headers, ..*message }));
        self.bytes += message.bytes();
    }
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

    /// What their messages hold of memory.
    fn bytes(&self) -> u64 {
        self.by_id.values().map(|batch| batch.bytes).sum()
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
        let sequence = asked.batch_sequence.and_then(|text| std::str::from_utf8(text).ok());
        let Some(sequence) = sequence.and_then(|text| text.parse::<u64>().ok()) else {
            return fail(ErrorCode::AtomicPublishMissingSeq);
        };
        let max = self.bounds.batches.messages_max;
        let closes_before = asked.batch_commit == Some(b"eob");
        let is_too_large = sequence.saturating_sub(u64::from(closes_before)) > max;
        let too_large = || Err(ApiError::with(ErrorCode::AtomicPublishTooLargeBatch, max));
        if !self.batches.by_id.contains_key(id) {
            match sequence {
                1 => self.open_batch(id, turn)?,
                _ if is_too_large => return too_large(),
                _ => return fail(ErrorCode::AtomicPublishIncompleteBatch),
            }
        }
        let commit = match asked.batch_commit {
            None => None,
            Some(b"1") => Some(Commit::Stored),
            Some(b"eob") => Some(Commit::EndOfBatch),
            Some(_) => {
                self.abandon(id, "unsupported", turn);
                return fail(ErrorCode::AtomicPublishInvalidBatchCommit);
            }
        };
        if asked.required_level.is_some_and(|level| !stream_config::serves(level)) {
            self.abandon(id, "unsupported", turn);
            return fail(ErrorCode::RequiredApiLevel);
        }
        let ends_nothing = closes_before && sequence == 1;
        let held = self.batches.bytes() + if closes_before { 0 } else { message.bytes() };
        let open = self.batches.by_id.get_mut(id);
        let next = |batch: &&mut Batch| batch.messages.len() as u64 + 1;
        let Some(batch) = open.filter(|batch| next(batch) == sequence && !ends_nothing) else {
            self.abandon(id, "incomplete", turn);
            return fail(ErrorCode::AtomicPublishIncompleteBatch);
        };
        if is_too_large {
            self.abandon(id, "large", turn);
            return too_large();
        }
        if held > self.bounds.ingest.bytes_max {
            self.abandon(id, "large", turn);
            return fail(ErrorCode::StreamTooManyRequests);
        }
        batch.heard_ns = turn.now.mono_ns;
        if !closes_before {
            batch.add(message, asked);
        }
        Ok(commit)
    }

    fn open_batch(&mut self, id: &[u8], turn: &mut Turn<'_>) -> Result<(), ApiError> {
        // spec/jetstream.md §6: too many in flight (50/stream, 1000/server) 10210
        if self.batches.len() >= self.bounds.batches.per_stream_max || turn.quota.batches == 0 {
            return Err(ApiError::new(ErrorCode::AtomicPublishTooManyInflight));
        }
        turn.quota.batches -= 1;
        let batch = Batch { messages: Vec::new(), bytes: 0, heard_ns: turn.now.mono_ns };
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
        match self.take_whole(&batch.messages, commit, turn) {
            Ok(Some(seq)) => {
                let count = batch.messages.len() as u64;
                self.acknowledge(message.reply, seq.0, Also::Batch(id, count), turn);
            }
            Ok(None) => {
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

    /// Judges and stores a batch: the last message's sequence. `None` while one has to come from
    /// the disk first.
    fn take_whole(
        &mut self,
        messages: &[OwnedPublication],
        commit: Commit,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Seq>, ApiError> {
        let Some(mut staged) = self.stage(messages, turn)? else { return Ok(None) };
        if commit == Commit::EndOfBatch {
            staged.close();
        }
        self.store_staged(&staged, turn).map(Some)
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

/// The headers of a message in a batch without what it required of the server, which was met.
pub(super) fn without_level<'a>(headers: &'a [u8], asked: &Asked<'_>) -> Cow<'a, [u8]> {
    if asked.required_level.is_none() {
        return Cow::Borrowed(headers);
    }
    let mut kept = Vec::with_capacity(headers.len());
    header_block::begin(&mut kept);
    header_block::add_from(&mut kept, headers, |name| name != b"Nats-Required-Api-Level");
    header_block::end(&mut kept);
    Cow::Owned(kept)
}
