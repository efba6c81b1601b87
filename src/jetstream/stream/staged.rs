//! An atomic batch between its commit and the storage: every message is judged against the stream
//! as it stands and against those before it, so that once the first is appended nothing refuses
//! another but the disk. If that does, those before go again; what any of them replaces goes after
//! the last of them is there.
//!
//! Before it stands `batch.rs`, after it `store.rs`. The order of the checks decides which error a
//! batch with several faults gets: seen of nats-server 2.15.2.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use hashbrown::HashMap;
use num_bigint::BigInt;
use storage::{Erase, Place, Seq};

use super::judgement::Judged;
use super::publication::{Asked, OwnedPublication, Publication};
use super::rules::Ttl;
use super::store::{Entry, Full, Rollup, check_quota};
use super::{Stream, Turn, counter, header_block, schedule};
use crate::stream_config::Discard;
use crate::{ApiError, ErrorCode};

/// The messages of a batch, each judged.
#[derive(Default)]
pub(super) struct Staged<'a> {
    messages: Vec<StagedMessage<'a>>,
    ids: HashSet<&'a [u8]>,
    subjects: HashMap<Cow<'a, [u8]>, StagedSubject, ahash::RandomState>,
    /// What they count for.
    bytes: u64,
}

struct StagedMessage<'a> {
    subject: Cow<'a, [u8]>,
    asked: Asked<'a>,
    judged: Judged<'a>,
    shared: Option<&'a Bytes>,
}

/// What the messages so far do to one subject.
#[derive(Default)]
struct StagedSubject {
    messages: u64,
    /// Whether the last of them is a schedule.
    is_schedule: bool,
    /// The counter's value after them.
    value: Option<BigInt>,
}

impl StagedMessage<'_> {
    fn entry(&self) -> Entry<'_> {
        let judged = &self.judged;
        Entry {
            subject: &self.subject,
            headers: &judged.headers,
            payload: &judged.payload,
            shared: self.shared.filter(|_| matches!(judged.payload, Cow::Borrowed(_))),
            expires_ns: judged.expires_ns,
            msg_id: judged.msg_id,
            rollup: judged.rollup,
            place: Place::Next,
            time_ns: None,
        }
    }
}

impl Staged<'_> {
    /// Marks the last message as such, where it did not say so itself.
    pub(super) fn close(&mut self) {
        let Some(last) = self.messages.last_mut() else { return };
        let mut block = Vec::with_capacity(last.judged.headers.len() + 24);
        header_block::begin(&mut block);
        header_block::add_from(&mut block, &last.judged.headers, |_| true);
        header_block::add(&mut block, "Nats-Batch-Commit", b"1");
        header_block::end(&mut block);
        last.judged.headers = Cow::Owned(block);
    }

    /// What a message may expect of the stream: its last sequence only as the first one, that of
    /// a subject only where no other message has it.
    fn may_expect(&self, subject: &[u8], asked: &Asked<'_>) -> Result<(), ApiError> {
        let looked_at = asked.expected_last_subject.unwrap_or(subject);
        let is_written = self.subjects.contains_key(looked_at);
        let is_stale = asked.expected_last_subject_seq.is_some() && is_written;
        if is_stale || (asked.expected_last_seq.is_some() && !self.messages.is_empty()) {
            return Err(ApiError::new(ErrorCode::StreamWrongLastSequenceConstant));
        }
        Ok(())
    }

    /// A roll-up never takes messages of its own batch.
    fn may_roll_up(&self, subject: &[u8], rollup: Option<Rollup>) -> Result<(), ApiError> {
        let (takes_its_own, word) = match rollup {
            None => return Ok(()),
            Some(Rollup::Subject) => (self.subjects.contains_key(subject), "sub"),
            Some(Rollup::All) => (!self.messages.is_empty(), "all"),
        };
        if !takes_its_own {
            return Ok(());
        }
        let reason = format_args!("batch rollup {word} invalid");
        Err(ApiError::with(ErrorCode::StreamRollupFailed, reason))
    }
}

impl Stream {
    /// Judges a batch; `None` while a message has to come from the disk first.
    pub(super) fn stage<'a>(
        &mut self,
        messages: &'a [OwnedPublication],
        turn: &mut Turn<'_>,
    ) -> Result<Option<Staged<'a>>, ApiError> {
        let mut staged = Staged::default();
        let kind = turn.storage.stream(self.id).kind();
        for message in messages {
            let message = message.borrow();
            let asked = Asked::read(message.headers);
            let subject = match self.rename(message.subject) {
                Some(renamed) => Cow::Owned(renamed),
                None => Cow::Borrowed(message.subject),
            };
            let judged = self.judge_staged(&mut staged, &subject, &message, &asked, turn)?;
            let Some(judged) = judged else { return Ok(None) };
            let (headers, payload) = (judged.headers.len(), judged.payload.len());
            staged.bytes += kind.size_of(subject.len(), headers, payload);
            let written = staged.subjects.entry(subject.clone()).or_default();
            written.messages += 1;
            written.is_schedule = asked.schedule.is_some();
            let shared = message.shared;
            staged.messages.push(StagedMessage { subject, asked, judged, shared });
            self.check_staged_room(&staged, turn)?;
        }
        check_quota(staged.bytes, turn)?;
        Ok(Some(staged))
    }

    fn judge_staged<'a>(
        &mut self,
        staged: &mut Staged<'a>,
        subject: &[u8],
        message: &Publication<'a>,
        asked: &Asked<'a>,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Judged<'a>>, ApiError> {
        let refuse = |code| Err(ApiError::new(code));
        // spec/jetstream.md §6: unsupported header (Nats-Expected-Last-Msg-Id) 10177
        if asked.expected_last_msg_id.is_some() {
            let code = ErrorCode::AtomicPublishUnsupportedHeaderBatch;
            return Err(ApiError::with(code, "Nats-Expected-Last-Msg-Id"));
        }
        self.check_size(message.headers.len(), message.payload.len())?;
        counter::check(&self.config, message, asked)?;
        if asked.expected_stream.is_some_and(|name| name != self.config.name.as_bytes()) {
            return refuse(ErrorCode::StreamNotMatch);
        }
        if asked.ttl.is_some() && !self.config.allow_msg_ttl {
            return refuse(ErrorCode::MessageTtlDisabled);
        }
        let invalid_ttl = || ApiError::new(ErrorCode::MessageTtlInvalid);
        let ttl = asked.ttl.map(|ttl| Ttl::parse(ttl).ok_or_else(invalid_ttl)).transpose()?;
        if let Some(id) = asked.msg_id {
            let is_known = self.dedupe.is_on() && self.dedupe.find(id, turn.now.wall_ns).is_some();
            if is_known || !staged.ids.insert(id) {
                return refuse(ErrorCode::AtomicPublishContainsDuplicateMessage);
            }
        }
        if asked.stream_source.is_some() {
            return refuse(ErrorCode::MessageSourceHdrNotAllowed);
        }
        let value = match asked.increment {
            None if self.rules.counter => return refuse(ErrorCode::MessageIncrMissing),
            None => None,
            Some(increment) => {
                let so_far = staged.subjects.get(subject).and_then(|so_far| so_far.value.clone());
                let before = match so_far {
                    Some(value) => Some(value),
                    None => self.counted(subject, turn)?,
                };
                let Some(before) = before else { return Ok(None) };
                Some(before + counter::increment(increment)?)
            }
        };
        self.check_last_sequence(asked, staged.messages.len() as u64, turn)?;
        staged.may_expect(subject, asked)?;
        self.check_subject_sequence(subject, asked, turn)?;
        let is_schedule = schedule::check(&self.config, subject, asked)?;
        if let Some(scheduler) = self.cancelled(subject, asked)? {
            let may_cancel = match staged.subjects.get(scheduler) {
                Some(written) => written.is_schedule,
                None => self.may_cancel(scheduler, turn),
            };
            if !may_cancel {
                return Err(schedule::not_a_schedule());
            }
        }
        let asked_rollup = self.judge_rollup(asked)?;
        // spec/jetstream.md §7: schedule messages get rollup `sub`
        let rollup = if is_schedule { Some(Rollup::Subject) } else { asked_rollup };
        staged.may_roll_up(subject, rollup)?;
        let mut judged = self.judged(message, asked, rollup, ttl, turn);
        if let Some(value) = value {
            judged.count(&value);
            self.check_size(judged.headers.len(), judged.payload.len())?;
            staged.subjects.entry(Cow::Owned(subject.to_vec())).or_default().value = Some(value);
        }
        Ok(Some(judged))
    }

    /// Whether a stream that takes nothing new when it is full has room for the messages so far.
    fn check_staged_room(&self, staged: &Staged<'_>, turn: &Turn<'_>) -> Result<(), ApiError> {
        if self.rules.discard != Discard::New {
            return Ok(());
        }
        let stored = turn.storage.stream(self.id);
        let state = stored.state();
        if state.messages + staged.messages.len() as u64 > self.rules.messages_max {
            return Err(Full::Messages.into());
        }
        if state.bytes + staged.bytes > self.rules.bytes_max {
            return Err(Full::Bytes.into());
        }
        let Some(last) = staged.messages.last() else { return Ok(()) };
        if self.rules.new_per_subject && last.judged.rollup.is_none() {
            let before = stored.subject(&last.subject).map_or(0, |state| state.messages);
            if before + staged.subjects[&last.subject].messages > self.rules.per_subject_max {
                return Err(Full::Subject.into());
            }
        }
        Ok(())
    }

    /// Stores a batch; the last message's sequence.
    pub(super) fn store_staged(
        &mut self,
        staged: &Staged<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Seq, ApiError> {
        let mut appended = Vec::with_capacity(staged.messages.len());
        for message in &staged.messages {
            match self.append(&message.entry(), turn) {
                Ok(stored) => appended.push(stored),
                Err(error) => {
                    for stored in appended {
                        if let Some(size) = turn.storage.remove(self.id, stored.seq, Erase::Forget)
                        {
                            turn.quota.give(size);
                        }
                    }
                    return Err(error);
                }
            }
        }
        for (message, stored) in staged.messages.iter().zip(&appended) {
            self.settle(&message.entry(), stored, turn);
            self.note_schedule(&message.subject, &message.asked, stored.seq, turn);
        }
        Ok(appended.last().map_or(Seq::NONE, |stored| stored.seq))
    }
}
