//! Whether a published message may be stored, and as what.
//!
//! Before it stands `ingest.rs`, after it the storage; messages of atomic batches are judged in
//! `staged.rs`, by the same rules in another order. The order decides which error a message with
//! several faults gets.

use std::borrow::Cow;

use num_bigint::BigInt;
use storage::{Filter, Seq};

use super::publication::{Asked, Publication};
use super::rules::Ttl;
use super::store::Rollup;
use super::{Stream, Turn, counter, header_block, schedule};
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

impl Judged<'_> {
    /// Gives it the counter's new value.
    pub(super) fn count(&mut self, value: &BigInt) {
        let value = value.to_string();
        self.payload = Cow::Owned(counter::payload(&value));
        self.value = Some(value);
    }
}

impl Stream {
    /// Judges a message that is in no batch.
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
        self.check_subject_sequence(subject, asked, turn)?;
        self.check_last_sequence(asked, 0, turn)?;
        let is_schedule = schedule::check(&self.config, subject, asked)?;
        if let Some(scheduler) = self.cancelled(subject, asked)?
            && !self.may_cancel(scheduler, turn)
        {
            return Err(schedule::not_a_schedule());
        }
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
        let ttl = match ttl {
            // What nobody wants is not kept, however long it was to live.
            Some(None) if !self.is_unwanted(subject, turn) => {
                return Err(ApiError::new(ErrorCode::MessageTtlInvalid));
            }
            ttl => ttl.flatten(),
        };
        let mut judged = self.judged(message, asked, rollup, ttl, turn);
        if let Some(increment) = asked.increment {
            let Some(before) = self.counted(subject, turn)? else {
                return Ok(Verdict::Wait);
            };
            judged.count(&(before + counter::increment(increment)?));
            self.check_size(judged.headers.len(), judged.payload.len())?;
        }
        Ok(Verdict::Store(judged))
    }

    /// A message that passed every check, as it is stored; what it counts comes on top.
    pub(super) fn judged<'a>(
        &self,
        message: &Publication<'a>,
        asked: &Asked<'a>,
        rollup: Option<Rollup>,
        ttl: Option<Ttl>,
        turn: &Turn<'_>,
    ) -> Judged<'a> {
        let life = ttl.map_or(Life::AsAsked(0), |ttl| self.life(ttl, turn));
        Judged {
            headers: self.stored_headers(message.headers, asked, rollup, life),
            payload: Cow::Borrowed(message.payload),
            expires_ns: life.expires_ns(),
            msg_id: asked.msg_id,
            rollup,
            value: None,
        }
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

    // spec/jetstream.md §5 Nats-Expected-Last-Subject-Sequence
    pub(super) fn check_subject_sequence(
        &self,
        subject: &[u8],
        asked: &Asked<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), ApiError> {
        let stored = turn.storage.stream(self.id);
        match (asked.expected_last_subject_seq, asked.expected_last_subject) {
            (Some(value), None) => {
                expect(value, stored.subject(subject).map_or(Seq::NONE, |state| state.last))
            }
            (Some(value), Some(pattern)) => {
                let filter = Filter::new([pattern]);
                expect(value, stored.last_matching(&filter, Seq::MAX).unwrap_or(Seq::NONE))
            }
            (None, Some(_)) => {
                Err(ApiError::new(ErrorCode::StreamExpectedLastSeqPerSubjectInvalid))
            }
            (None, None) => Ok(()),
        }
    }

    /// `ahead` is how many messages of its batch go before it.
    // spec/jetstream.md §5 Nats-Expected-Last-Sequence
    pub(super) fn check_last_sequence(
        &self,
        asked: &Asked<'_>,
        ahead: u64,
        turn: &Turn<'_>,
    ) -> Result<(), ApiError> {
        let last = Seq(turn.storage.stream(self.id).last_seq().0 + ahead);
        asked.expected_last_seq.map_or(Ok(()), |value| expect(value, last))
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
}

/// Whether a sequence is the one that was expected.
fn expect(value: &[u8], actual: Seq) -> Result<(), ApiError> {
    let wanted = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    match wanted == Some(actual.0) {
        true => Ok(()),
        false => Err(ApiError::with(ErrorCode::StreamWrongLastSequence, actual)),
    }
}
