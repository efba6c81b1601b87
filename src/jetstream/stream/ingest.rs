//! Hot path: a published message is judged, stored and acknowledged.
//!
//! Before it stands the service's letter, after it the storage and `pub_ack.rs`. A message without
//! headers, to a stream without counters, is judged by two comparisons, any other in
//! `judgement.rs`.
//!
//! ```text
//! publish ─┬─ no headers ────────────────┬→ store → acknowledge now, or when durable
//!          └─ headers → batch? → judge ──┴→ duplicate, error
//! ```

use std::borrow::Cow;

use base::observed::Streamed;
use shard::{TraceKind, TraceMark};
use storage::{Mark, Place};

use super::fast_batch::SUFFIX as FAST_SUFFIX;
use super::judgement::Verdict;
use super::pub_ack::Also;
use super::publication::{Asked, OwnedPublication, Publication};
use super::store::{self, Entry};
use super::{Stream, Turn};
use crate::outlet::Way;
use crate::{ApiError, ErrorCode};

impl Stream {
    /// Takes a message that was published on one of the stream's subjects.
    #[inline]
    pub fn publish(&mut self, message: &Publication<'_>, turn: &mut Turn<'_>) {
        let is_plain = message.headers.is_empty()
            && self.is_plain
            && !message.reply.is_some_and(|reply| reply.ends_with(FAST_SUFFIX))
            && message.payload.len() <= self.rules.message_bytes_max;
        if !is_plain || !self.parked.is_empty() {
            return self.publish_unusual(message, turn);
        }
        if self.is_flooded() {
            return self.refuse_flood(message.reply, turn);
        }
        let entry = Entry::plain(message.subject, message.payload, message.shared);
        match self.store(&entry, turn) {
            Ok(stored) => self.acknowledge(message.reply, stored.seq.0, Also::Nothing, turn),
            Err(error) => self.refuse(message.reply, &error, turn),
        }
    }

    /// Everything but the plain case.
    fn publish_unusual(&mut self, message: &Publication<'_>, turn: &mut Turn<'_>) {
        if self.is_flooded() {
            let error = ApiError::new(ErrorCode::StreamTooManyRequests);
            self.tell_trace(message.trace, message.subject, Some(&error), turn);
            return self.refuse_flood(message.reply, turn);
        }
        if !self.parked.is_empty() || self.recovery.is_some() || self.is_republishing(turn) {
            return self.parked.push_back(OwnedPublication::of(message));
        }
        let asked = Asked::read(message.headers);
        if self.unread_ids.is_some()
            && (asked.msg_id.is_some() || asked.expected_last_msg_id.is_some())
        {
            self.begin_ids(turn.storage, turn.now);
            return self.parked.push_back(OwnedPublication::of(message));
        }
        if message.trace.is_some_and(|mark| mark.kind == TraceKind::Only) {
            return self.judge_only(message, &asked, turn);
        }
        if self.take_fast_batch(message, &asked, turn) {
            return;
        }
        if asked.batch_id.is_some() {
            self.tell_trace(message.trace, message.subject, None, turn);
            return self.take_batched(message, &asked, turn);
        }
        self.take_single(message, &asked, turn);
    }

    /// One message that is in no batch.
    pub(super) fn take_single(
        &mut self,
        message: &Publication<'_>,
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) {
        match self.judge_and_store(message, asked, turn) {
            Ok(Taken::Stored { seq, value }) => {
                let also = value.as_deref().map_or(Also::Nothing, Also::Value);
                self.acknowledge(message.reply, seq, also, turn);
            }
            Ok(Taken::Duplicate(seq)) => {
                self.acknowledge(message.reply, seq, Also::Duplicate, turn);
            }
            Ok(Taken::Wait) => self.parked.push_back(OwnedPublication::of(message)),
            Err(error) => self.refuse(message.reply, &error, turn),
        }
    }

    /// A message that is there for its trace only: it is judged, and neither stored nor answered.
    // spec/client-protocol.md §11, Nats-Trace-Only
    #[cold]
    fn judge_only(&mut self, message: &Publication<'_>, asked: &Asked<'_>, turn: &mut Turn<'_>) {
        let renamed = self.rename(message.subject);
        let subject = renamed.as_deref().unwrap_or(message.subject);
        let error = self.judge(subject, message, asked, turn).err();
        self.tell_trace(message.trace, subject, error.as_ref(), turn);
    }

    /// Tells the trace of a message, if it has one, what becomes of it under this subject.
    // spec/client-protocol.md §11: js | stream, subject?, nointerest?, error?
    fn tell_trace(
        &self,
        trace: Option<TraceMark>,
        subject: &[u8],
        error: Option<&ApiError>,
        turn: &mut Turn<'_>,
    ) {
        let Some(TraceMark { id, .. }) = trace else { return };
        let streamed = Streamed {
            stream: self.config.name.clone(),
            subject: subject.to_vec(),
            unwanted: error.is_none() && self.is_unwanted(subject, turn),
            error: error.map(|error| error.description.clone().into_owned()),
        };
        turn.outlet.tell_trace(id, streamed);
    }

    /// Judges one message against the stream as it is, and stores it.
    pub(super) fn judge_and_store(
        &mut self,
        message: &Publication<'_>,
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Taken, ApiError> {
        let renamed = self.rename(message.subject);
        let subject = renamed.as_deref().unwrap_or(message.subject);
        let taken = self.judge_and_store_as(subject, message, asked, turn);
        if !matches!(taken, Ok(Taken::Wait)) {
            self.tell_trace(message.trace, subject, taken.as_ref().err(), turn);
        }
        taken
    }

    fn judge_and_store_as(
        &mut self,
        subject: &[u8],
        message: &Publication<'_>,
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Taken, ApiError> {
        let judged = match self.judge(subject, message, asked, turn)? {
            Verdict::Store(judged) => judged,
            Verdict::Duplicate(seq) => return Ok(Taken::Duplicate(seq)),
            Verdict::Wait => return Ok(Taken::Wait),
        };
        let entry = Entry {
            subject,
            headers: &judged.headers,
            payload: &judged.payload,
            shared: message.shared.filter(|_| matches!(judged.payload, Cow::Borrowed(_))),
            expires_ns: judged.expires_ns,
            msg_id: judged.msg_id,
            rollup: judged.rollup,
            place: Place::Next,
            time_ns: None,
        };
        let stored = self.store(&entry, turn)?;
        self.note_schedule(subject, asked, stored.seq, turn);
        Ok(Taken::Stored { seq: stored.seq.0, value: judged.value })
    }

    /// What the stream's transform makes of a subject, if it takes it.
    pub(super) fn rename(&mut self, subject: &[u8]) -> Option<Vec<u8>> {
        let transform = self.rules.transform.as_ref()?;
        let mut renamed = Vec::with_capacity(subject.len() + 16);
        transform.apply(subject, &mut self.random, &mut renamed).then_some(renamed)
    }

    /// Whether as much waits to be stored as may.
    // spec/cli-and-config.md §7.7 max_buffered_msgs, max_buffered_size
    #[inline]
    fn is_flooded(&self) -> bool {
        let max = &self.bounds.ingest;
        self.acks.len() + self.parked.len() >= max.messages_max
            || self.acks.owed_bytes() + self.parked.bytes() >= max.bytes_max
    }

    /// Tells a publisher that it publishes faster than the stream can store.
    // spec/jetstream.md §5: status `NATS/1.0 429 Too Many Requests`
    #[cold]
    fn refuse_flood(&mut self, reply: Option<&[u8]>, turn: &mut Turn<'_>) {
        let Some(subject) = reply.filter(|_| self.rules.acknowledges) else { return };
        let error = ApiError::new(ErrorCode::StreamTooManyRequests);
        self.text_buffer.clear();
        self.text.write_error(&error, &mut self.text_buffer);
        let headers = Some(&b"NATS/1.0 429 Too Many Requests\r\n\r\n"[..]);
        let payload = &self.text_buffer;
        let message = protocol::MessageParts { subject, reply: None, headers, payload };
        turn.outlet.publish(self.account, &message);
    }

    /// Takes what was parked, as far as it can be judged now.
    pub(super) fn resume_parked(&mut self, turn: &mut Turn<'_>) {
        let mut parked = std::mem::take(&mut self.parked);
        while let Some(message) = parked.pop_front() {
            self.publish(&message.borrow(), turn);
            if !self.parked.is_empty() {
                // It waits again: it stands in `self.parked` alone, the rest behind it.
                self.parked.append(parked);
                break;
            }
        }
    }

    /// Acknowledges what is stored up to now, when that is durable.
    #[inline]
    pub(super) fn acknowledge(
        &mut self,
        reply: Option<&[u8]>,
        seq: u64,
        also: Also<'_>,
        turn: &mut Turn<'_>,
    ) {
        let Some(reply) = reply.filter(|_| self.rules.acknowledges) else { return };
        self.text_buffer.clear();
        self.text.write(seq, also, &mut self.text_buffer);
        self.send_when_durable(reply, turn);
    }

    /// Sends what stands in the text buffer, at once if nothing has to become durable first.
    #[inline]
    pub(super) fn send_when_durable(&mut self, reply: &[u8], turn: &mut Turn<'_>) {
        let is_safe = !self.rules.waits_for_disk || self.last_mark <= turn.storage.durable();
        if is_safe && self.acks.is_empty() {
            send(self.account, reply, &self.text_buffer, turn);
        } else {
            let bytes = std::mem::take(&mut self.last_size);
            self.acks.push(self.last_mark, reply, &self.text_buffer, bytes);
        }
    }

    /// Tells all who wait for the disk that it failed.
    #[cold]
    pub(super) fn refuse_waiting(&mut self, turn: &mut Turn<'_>) {
        self.text_buffer.clear();
        self.text.write_error(&store::disk_failed(), &mut self.text_buffer);
        let Stream { acks, account, text_buffer, congested, .. } = self;
        let way = acks.release(Mark(u64::MAX), |reply, _| send(*account, reply, text_buffer, turn));
        *congested = way.congested();
    }

    /// Tells the publisher why its message was not stored.
    #[cold]
    pub(super) fn refuse(&mut self, reply: Option<&[u8]>, error: &ApiError, turn: &mut Turn<'_>) {
        let Some(reply) = reply.filter(|_| self.rules.acknowledges) else { return };
        self.text_buffer.clear();
        self.text.write_error(error, &mut self.text_buffer);
        send(self.account, reply, &self.text_buffer, turn);
    }
}

/// What became of a judged message.
pub(super) enum Taken {
    /// It is stored.
    Stored {
        /// Its sequence.
        seq: u64,
        /// The counter's new value.
        value: Option<String>,
    },
    /// It was there before.
    Duplicate(u64),
    /// It waits.
    Wait,
}

/// Publishes a bare payload.
#[inline]
pub(super) fn send(
    account: base::AccountId,
    to: &[u8],
    payload: &[u8],
    turn: &mut Turn<'_>,
) -> Way {
    let message = protocol::MessageParts { subject: to, reply: None, headers: None, payload };
    turn.outlet.publish(account, &message)
}
