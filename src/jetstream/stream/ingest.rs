//! Hot path: a published message is judged, stored and acknowledged.
//!
//! Before it stands the service's letter, after it the storage and `pub_ack.rs`. A message without
//! headers, to a stream without counters, is judged by two comparisons. The order of the checks
//! decides which error a message with several faults gets.
//!
//! ```text
//! publish ─┬─ no headers ────────────────┬→ store → acknowledge now, or when durable
//!          └─ headers → batch? → judge ──┴→ duplicate, error
//! ```

use std::borrow::Cow;

use base::observed::Streamed;
use shard::{TraceKind, TraceMark};
use storage::{Filter, Mark, Place, Seq};

use super::fast_batch::SUFFIX as FAST_SUFFIX;
use super::pub_ack::Also;
use super::publication::{Asked, OwnedPublication, Publication};
use super::rules::Ttl;
use super::store::{self, Entry, Rollup};
use super::{Stream, Turn, counter, header_block, schedule};
use crate::outlet::Way;
use crate::{ApiError, ErrorCode};

/// What becomes of a message that may be stored.
pub(super) enum Verdict<'a> {
    /// It is stored so.
    Store(Judged<'a>),
    /// It was stored before, under this sequence.
    Duplicate(u64),
    /// It cannot be judged before a message has come from the disk.
    Wait,
}

/// When a message goes by itself, Unix nanoseconds; 0 for never.
#[derive(Clone, Copy)]
enum Life {
    /// As its header says.
    AsAsked(u64),
    /// Later: its header is to say so many seconds.
    Raised { seconds: u64, expires_ns: u64 },
}

impl Life {
    fn expires_ns(self) -> u64 {
        let (Life::AsAsked(expires_ns) | Life::Raised { expires_ns, .. }) = self;
        expires_ns
    }
}

/// A message that passed every check.
pub(super) struct Judged<'a> {
    pub(super) headers: Cow<'a, [u8]>,
    pub(super) payload: Cow<'a, [u8]>,
    pub(super) expires_ns: u64,
    pub(super) msg_id: Option<&'a [u8]>,
    pub(super) rollup: Option<Rollup>,
    /// The counter's new value.
    pub(super) value: Option<String>,
}

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

    // spec/jetstream.md §5 Order of checks (single server): size, sealed, counter, expected
    // stream, TTL allowed, last subject seq, last seq, schedules, source header, dedupe, last msg
    // id, rollup, counter apply, TTL, sizes, resources
    pub(super) fn judge<'a>(
        &mut self,
        subject: &[u8],
        message: &Publication<'a>,
        asked: &Asked<'a>,
        turn: &mut Turn<'_>,
    ) -> Result<Verdict<'a>, ApiError> {
        self.check_size(message.headers.len(), message.payload.len())?;
        if self.rules.sealed {
            return Err(ApiError::new(ErrorCode::StreamSealed));
        }
        counter::check(&self.config, message, asked)?;
        if asked.expected_stream.is_some_and(|name| name != self.config.name.as_bytes()) {
            return Err(ApiError::new(ErrorCode::StreamNotMatch));
        }
        let ttl = asked.ttl.map(Ttl::parse);
        if matches!(ttl, Some(Some(_))) && !self.config.allow_msg_ttl {
            return Err(ApiError::new(ErrorCode::MessageTtlDisabled));
        }
        self.check_sequences(subject, asked, turn)?;
        let is_schedule = schedule::check(&self.config, subject, asked)?;
        self.check_cancelled_schedule(subject, asked, turn)?;
        if asked.stream_source.is_some() {
            return Err(ApiError::new(ErrorCode::MessageSourceHdrNotAllowed));
        }
        if let Some(id) = asked.msg_id.filter(|_| self.dedupe.is_on())
            && let Some(seq) = self.dedupe.find(id, turn.now.wall_ns)
        {
            return Ok(Verdict::Duplicate(seq));
        }
        if let Some(expected) = asked.expected_last_msg_id {
            let last = self.dedupe.of_last(turn.storage.stream(self.id).last_seq().0);
            if expected != last {
                let last = String::from_utf8_lossy(last);
                return Err(ApiError::with(ErrorCode::StreamWrongLastMsgId, last));
            }
        }
        let mut rollup = self.judge_rollup(asked)?;
        if is_schedule {
            // spec/jetstream.md §7: schedule messages get rollup `sub`
            rollup = Some(Rollup::Subject);
        }
        if self.rules.counter && asked.increment.is_none() {
            return Err(ApiError::new(ErrorCode::MessageIncrMissing));
        }
        let life = match ttl {
            None => Life::AsAsked(0),
            Some(None) => return Err(ApiError::new(ErrorCode::MessageTtlInvalid)),
            Some(Some(ttl)) => self.life(ttl, turn),
        };
        let mut judged = Judged {
            headers: self.stored_headers(message.headers, asked, rollup, life),
            payload: Cow::Borrowed(message.payload),
            expires_ns: life.expires_ns(),
            msg_id: asked.msg_id,
            rollup,
            value: None,
        };
        if let Some(increment) = asked.increment {
            let Some(value) = self.count(subject, increment, turn)? else {
                return Ok(Verdict::Wait);
            };
            judged.payload = Cow::Owned(counter::payload(&value));
            judged.value = Some(value);
            self.check_size(judged.headers.len(), judged.payload.len())?;
        }
        Ok(Verdict::Store(judged))
    }

    /// A message as it is stored: `Nats-Request-Info` says where it came from, not what it is, a
    /// schedule says that it replaces the one before it, and a time that was raised is told.
    fn stored_headers<'a>(
        &self,
        block: &'a [u8],
        asked: &Asked<'_>,
        rollup: Option<Rollup>,
        life: Life,
    ) -> Cow<'a, [u8]> {
        let rolls_up = rollup.is_some() && asked.rollup.is_none();
        let raised = match life {
            Life::AsAsked(_) => None,
            Life::Raised { seconds, .. } => Some(seconds),
        };
        if asked.request_info.is_none() && !rolls_up && raised.is_none() {
            return Cow::Borrowed(block);
        }
        let mut kept = Vec::with_capacity(block.len() + 32);
        header_block::begin(&mut kept);
        header_block::add_from(&mut kept, block, |name| {
            name != b"Nats-Request-Info" && (raised.is_none() || name != b"Nats-TTL")
        });
        if rolls_up {
            header_block::add(&mut kept, "Nats-Rollup", b"sub");
        }
        if let Some(seconds) = raised {
            header_block::add_number(&mut kept, "Nats-TTL", seconds);
        }
        if header_block::is_bare(&kept) {
            return Cow::Borrowed(&[]);
        }
        header_block::end(&mut kept);
        Cow::Owned(kept)
    }

    // spec/jetstream.md §5: header block larger than 65535 bytes -> 10097; headers+payload >
    // max_msg_size -> 10054
    pub(super) fn check_size(&self, headers: usize, payload: usize) -> Result<(), ApiError> {
        if headers + payload > self.rules.message_bytes_max {
            return Err(ApiError::new(ErrorCode::StreamMessageExceedsMaximum));
        }
        if headers > config::limits::JS_HEADER_BYTES_MAX {
            return Err(ApiError::new(ErrorCode::StreamHeaderExceedsMaximum));
        }
        Ok(())
    }

    /// How long a message lives that asks for so much.
    // spec/jetstream.md §5 Nats-TTL: with delete markers enabled raised to the marker TTL unless
    // max_msgs_per_subject is 1. Seen of nats-server 2.15.2: the header is raised with it, and
    // both are compared in whole seconds.
    fn life(&self, ttl: Ttl, turn: &Turn<'_>) -> Life {
        let Ttl::For(ttl) = ttl else { return Life::AsAsked(0) };
        let after = |ttl_ns| turn.now.wall_ns.saturating_add(ttl_ns);
        let seconds = self.rules.marker_ttl_ns / 1_000_000_000;
        if self.rules.per_subject_max != 1 && ttl.as_secs() < seconds {
            return Life::Raised { seconds, expires_ns: after(self.rules.marker_ttl_ns) };
        }
        Life::AsAsked(after(u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX)))
    }

    // spec/jetstream.md §5 Nats-Expected-Last-Subject-Sequence, Nats-Expected-Last-Sequence
    pub(super) fn check_sequences(
        &self,
        subject: &[u8],
        asked: &Asked<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), ApiError> {
        let stored = turn.storage.stream(self.id);
        let expect = |value: &[u8], actual: Seq| {
            let wanted = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            match wanted == Some(actual.0) {
                true => Ok(()),
                false => Err(ApiError::with(ErrorCode::StreamWrongLastSequence, actual)),
            }
        };
        match (asked.expected_last_subject_seq, asked.expected_last_subject) {
            (Some(value), None) => {
                expect(value, stored.subject(subject).map_or(Seq::NONE, |state| state.last))?;
            }
            (Some(value), Some(pattern)) => {
                let filter = Filter::new([pattern]);
                expect(value, stored.last_matching(&filter, Seq::MAX).unwrap_or(Seq::NONE))?;
            }
            (None, Some(_)) => {
                return Err(ApiError::new(ErrorCode::StreamExpectedLastSeqPerSubjectInvalid));
            }
            (None, None) => {}
        }
        match asked.expected_last_seq {
            Some(value) => expect(value, stored.last_seq()),
            None => Ok(()),
        }
    }

    // spec/jetstream.md §5 Nats-Rollup: `sub` or `all` (any case); not allowed 10111
    pub(super) fn judge_rollup(&self, asked: &Asked<'_>) -> Result<Option<Rollup>, ApiError> {
        let Some(value) = asked.rollup else { return Ok(None) };
        if !self.config.allow_rollup_hdrs || self.config.deny_purge {
            return Err(ApiError::with(ErrorCode::StreamRollupFailed, "rollup not permitted"));
        }
        if value.eq_ignore_ascii_case(b"sub") {
            return Ok(Some(Rollup::Subject));
        }
        if value.eq_ignore_ascii_case(b"all") {
            return Ok(Some(Rollup::All));
        }
        let value = String::from_utf8_lossy(value);
        let reason = format_args!("rollup value invalid: \"{value}\"");
        Err(ApiError::with(ErrorCode::StreamRollupFailed, reason))
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
