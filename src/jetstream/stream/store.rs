//! Hot path: one message into the storage, within the stream's limits.
//!
//! Before it stands `ingest.rs` (and mirrors, sources, schedules), after it the storage. Discard
//! new is decided before, discard old makes room after. Source: spec/jetstream.md §12.

use bytes::Bytes;
use storage::{Erase, Filter, Incoming, Place, Purge, Refused, Seq};

use super::{Stream, Turn, republish};
use crate::stream_config::{Discard, Retention};
use crate::{ApiError, ErrorCode};

/// What a message replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rollup {
    /// All messages of its subject.
    Subject,
    /// All messages.
    All,
}

/// A message as it is to be stored.
pub(super) struct Entry<'a> {
    pub(super) subject: &'a [u8],
    pub(super) headers: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) shared: Option<&'a Bytes>,
    /// When it goes by itself, Unix nanoseconds; 0 for never.
    pub(super) expires_ns: u64,
    pub(super) msg_id: Option<&'a [u8]>,
    pub(super) rollup: Option<Rollup>,
    pub(super) place: Place,
    /// The time it is stored under; `None` is now.
    pub(super) time_ns: Option<u64>,
}

impl<'a> Entry<'a> {
    /// A message without headers or wishes.
    #[inline]
    pub(super) fn plain(
        subject: &'a [u8],
        payload: &'a [u8],
        shared: Option<&'a Bytes>,
    ) -> Entry<'a> {
        Entry {
            subject,
            headers: &[],
            payload,
            shared,
            expires_ns: 0,
            msg_id: None,
            rollup: None,
            place: Place::Next,
            time_ns: None,
        }
    }
}

/// A message has its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) seq: Seq,
    time_ns: u64,
    kept: Kept,
}

/// Whether a message is in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It is; `before` is the subject's last sequence before it, if it is to be republished.
    Yes { before: Option<Seq> },
    /// Nobody wants it: it only used its sequence.
    No,
}

impl Stream {
    /// Stores a message, or says why not. Its mark becomes the stream's last one.
    #[inline]
    pub(super) fn store(
        &mut self,
        entry: &Entry<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Stored, ApiError> {
        if !self.is_unwanted(entry.subject, turn) {
            let Entry { subject, headers, payload, .. } = entry;
            let kind = turn.storage.stream(self.id).kind();
            let size = kind.size_of(subject.len(), headers.len(), payload.len());
            if self.rules.is_limited && self.rules.discard == Discard::New {
                self.check_room(entry, size, turn)?;
            }
            check_quota(size, turn)?;
        }
        let stored = self.append(entry, turn)?;
        self.settle(entry, &stored, turn);
        Ok(stored)
    }

    /// Appends a message that there is room for. Until it is settled, nothing else has changed.
    #[inline]
    pub(super) fn append(
        &mut self,
        entry: &Entry<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Stored, ApiError> {
        let time_ns = entry.time_ns.unwrap_or(turn.now.wall_ns);
        if self.is_unwanted(entry.subject, turn) {
            let seq = self.pass_over(entry.place, time_ns, turn);
            return Ok(Stored { seq, time_ns, kept: Kept::No });
        }
        let before = self.before_republish(entry, turn);
        let incoming = Incoming {
            subject: entry.subject,
            headers: entry.headers,
            payload: entry.payload,
            shared: entry.shared,
            time_ns,
            expires_ns: entry.expires_ns,
        };
        let appended = turn.storage.append(self.id, &incoming, entry.place).map_err(refused)?;
        self.last_mark = appended.mark;
        self.last_size = appended.size;
        turn.quota.take(appended.size);
        Ok(Stored { seq: appended.seq, time_ns, kept: Kept::Yes { before } })
    }

    /// Does what follows from an appended message: its readers, what it replaces, who else gets it.
    #[inline]
    pub(super) fn settle(&mut self, entry: &Entry<'_>, stored: &Stored, turn: &mut Turn<'_>) {
        let &Stored { seq, time_ns, kept } = stored;
        if let Some(id) = entry.msg_id {
            self.dedupe.insert(id, seq.0, time_ns);
        }
        let Kept::Yes { before } = kept else { return };
        turn.readers.appended(seq.0, entry.subject);
        if let Some(rollup) = entry.rollup {
            self.roll_up(rollup, entry.subject, seq, turn);
        }
        if self.rules.is_limited {
            self.make_room(entry.subject, turn);
        }
        if let Some(before) = before {
            republish::send(self, entry, seq, time_ns, before, turn);
        }
    }

    /// Whether no consumer wants a message, where that decides.
    #[inline]
    pub(super) fn is_unwanted(&self, subject: &[u8], turn: &Turn<'_>) -> bool {
        self.rules.retention == Retention::Interest && !turn.readers.wants(subject)
    }

    /// The subject's last sequence before this message, if it is going to be republished.
    fn before_republish(&self, entry: &Entry<'_>, turn: &Turn<'_>) -> Option<Seq> {
        self.rules.republish.as_ref()?;
        let state = turn.storage.stream(self.id).subject(entry.subject);
        Some(state.map_or(Seq::NONE, |state| state.last))
    }

    // spec/jetstream.md §12 interest: no matching consumer at publish time -> ack with advancing
    // sequence, not stored
    fn pass_over(&mut self, place: Place, time_ns: u64, turn: &mut Turn<'_>) -> Seq {
        let seq = match place {
            Place::Next => turn.storage.stream(self.id).last_seq().next(),
            Place::At(seq) => seq,
        };
        self.last_mark = turn.storage.skip(self.id, seq, Some(time_ns));
        seq
    }

    // spec/jetstream.md §12 discard new: publish rejected 10077; discard_new_per_subject also
    // rejects per-subject overflow instead of replacing
    fn check_room(&self, entry: &Entry<'_>, size: u64, turn: &Turn<'_>) -> Result<(), ApiError> {
        let stored = turn.storage.stream(self.id);
        let of_subject = match self.rules.per_subject_max {
            u64::MAX => None,
            max => stored.subject(entry.subject).filter(|state| state.messages >= max),
        };
        // What replaces the subject's messages makes room itself.
        let is_refused = self.rules.new_per_subject && entry.rollup.is_none();
        if is_refused && of_subject.is_some() {
            return Err(Full::Subject.into());
        }
        let replaced = of_subject.and_then(|state| stored.look(state.first));
        let state = stored.state();
        let messages = state.messages + 1 - u64::from(replaced.is_some());
        if messages > self.rules.messages_max {
            return Err(Full::Messages.into());
        }
        let bytes = state.bytes + size - replaced.map_or(0, |known| known.size);
        if bytes > self.rules.bytes_max {
            return Err(Full::Bytes.into());
        }
        Ok(())
    }

    // spec/jetstream.md §12 limits: discard old removes from the head; max_msgs_per_subject
    // removes the oldest of that subject
    fn make_room(&mut self, subject: &[u8], turn: &mut Turn<'_>) {
        if self.rules.per_subject_max != u64::MAX {
            while let Some(state) = turn.storage.stream(self.id).subject(subject)
                && state.messages > self.rules.per_subject_max
            {
                self.drop_message(state.first, turn);
            }
        }
        self.drop_from_head(turn);
    }

    /// Removes from every subject what is over `max_msgs_per_subject`: after an update.
    pub(super) fn keep_per_subject(&mut self, turn: &mut Turn<'_>) {
        let max = self.rules.per_subject_max;
        if max == u64::MAX {
            return;
        }
        let mut over = Vec::new();
        turn.storage.stream(self.id).for_each_subject(&Filter::all(), |subject, state| {
            if state.messages > max {
                over.push(subject.to_vec());
            }
        });
        for subject in over {
            while let Some(state) = turn.storage.stream(self.id).subject(&subject)
                && state.messages > max
            {
                self.drop_message(state.first, turn);
            }
        }
    }

    /// Removes the oldest messages until the stream is within its limits.
    pub(super) fn drop_from_head(&mut self, turn: &mut Turn<'_>) {
        if self.rules.messages_max == u64::MAX && self.rules.bytes_max == u64::MAX {
            return;
        }
        loop {
            let state = turn.storage.stream(self.id).state();
            let over =
                state.messages > self.rules.messages_max || state.bytes > self.rules.bytes_max;
            if !over || state.messages == 0 {
                return;
            }
            self.drop_message(state.first_seq, turn);
        }
    }

    /// Removes one message for a reason of the stream's own, and tells the readers.
    pub(super) fn drop_message(&mut self, seq: Seq, turn: &mut Turn<'_>) {
        if let Some(known) = turn.storage.stream(self.id).look(seq) {
            turn.readers.removed(seq.0, known.subject);
            self.schedules.forget(known.subject, seq);
        }
        if let Some(size) = turn.storage.remove(self.id, seq, Erase::Forget) {
            turn.quota.give(size);
        }
    }

    // spec/jetstream.md §9 Nats-Rollup; nats-server takes a subject with wildcards, which a client
    // may publish to, for all that match it: so a key-value store purges keys by pattern.
    fn roll_up(&mut self, rollup: Rollup, subject: &[u8], seq: Seq, turn: &mut Turn<'_>) {
        match rollup {
            Rollup::Subject if subject::name::has_wildcard(subject) => {
                self.purge_below(seq, &Filter::new([subject]), turn);
            }
            Rollup::Subject => {
                while let Some(state) = turn.storage.stream(self.id).subject(subject)
                    && state.first < seq
                {
                    self.drop_message(state.first, turn);
                }
            }
            Rollup::All => {
                self.purge_below(seq, &Filter::all(), turn);
            }
        }
    }

    fn purge_below(&mut self, seq: Seq, filter: &Filter, turn: &mut Turn<'_>) {
        self.purge_stored(&Purge { filter, below: seq, keep: 0 }, turn);
    }
}

/// What of a stream is full that takes nothing new then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// It has as many messages as it may.
    Messages,
    /// It has as many bytes as it may.
    Bytes,
    /// The subject has as many messages as it may.
    Subject,
}

impl From<Full> for ApiError {
    fn from(full: Full) -> ApiError {
        let what = match full {
            Full::Messages => "maximum messages exceeded",
            Full::Bytes => "maximum bytes exceeded",
            Full::Subject => "maximum messages per subject exceeded",
        };
        ApiError::with(ErrorCode::StreamStoreFailed, what)
    }
}

/// Whether the account and the server have room for so many bytes.
pub(super) fn check_quota(size: u64, turn: &Turn<'_>) -> Result<(), ApiError> {
    if size > turn.quota.account_bytes {
        return Err(ApiError::new(ErrorCode::AccountResourcesExceeded));
    }
    if size > turn.quota.server_bytes {
        return Err(ApiError::new(ErrorCode::InsufficientResources));
    }
    Ok(())
}

#[cold]
fn refused(refused: Refused) -> ApiError {
    match refused {
        Refused::SequenceUsed => ApiError::new(ErrorCode::StreamSequenceNotMatch),
        Refused::TooLarge => ApiError::new(ErrorCode::StreamMessageExceedsMaximum),
        Refused::Full => ApiError::new(ErrorCode::InsufficientResources),
        Refused::Behind => ApiError::new(ErrorCode::StreamTooManyRequests),
        Refused::Failed => disk_failed(),
    }
}

/// A write to disk failed: nothing is stored any more in this run.
pub(crate) fn disk_failed() -> ApiError {
    ApiError::with(ErrorCode::StreamStoreFailed, "a write to disk failed")
}
