//! What is removed because somebody asked: purge, delete, acknowledgements of work queues and
//! interest streams. Source: spec/jetstream.md §2, §12.

use serde::Deserialize;
use storage::{Erase, Filter, Kind, Purge, Purged, Seq};

use super::{Stream, Turn};
use crate::stream_config::Retention;
use crate::{ApiError, ErrorCode};

/// Messages that one turn looks at when retention by interest has to be applied to all.
const SWEEP_PER_TURN: u64 = 8192;

/// The body of STREAM.PURGE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PurgeRequest {
    /// Only these subjects; empty for all.
    pub filter: String,
    /// Everything below this sequence; 0 for all.
    pub seq: u64,
    /// How many of the newest stay.
    pub keep: u64,
}

/// The body of STREAM.MSG.DELETE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DeleteRequest {
    /// Which message.
    pub seq: u64,
    /// Whether its bytes may stay until their space is used again.
    pub no_erase: bool,
}

impl Stream {
    /// Purges; how many messages went.
    // spec/jetstream.md §2: seq and keep exclusive; §12: sealed / deny_purge rejected
    pub fn purge(&mut self, request: &PurgeRequest, turn: &mut Turn<'_>) -> Result<u64, ApiError> {
        if request.seq > 0 && request.keep > 0 {
            return Err(ApiError::new(ErrorCode::BadRequest));
        }
        if self.config.sealed {
            return Err(ApiError::new(ErrorCode::StreamSealed));
        }
        if self.config.deny_purge {
            return Err(ApiError::with(ErrorCode::StreamPurgeFailed, "stream purge not permitted"));
        }
        let filter_is_bad = !request.filter.is_empty()
            && !subject::name::is_valid_subscription(request.filter.as_bytes());
        if filter_is_bad {
            return Err(ApiError::new(ErrorCode::BadRequest));
        }
        let filter = Filter::new([&request.filter]);
        let below = if request.seq > 0 { Seq(request.seq) } else { Seq::MAX };
        let purge = Purge { filter: &filter, below, keep: request.keep };
        let purged = self.purge_stored(&purge, turn);
        let stored = turn.storage.stream(self.id);
        // A purge below a sequence that is not there yet begins the stream there.
        if filter.is_all() && request.seq > stored.last_seq().next().0 {
            self.last_mark = turn.storage.skip(self.id, Seq(request.seq - 1), None);
            turn.readers.recount(turn.storage.stream(self.id).first_seq().0);
        }
        Ok(purged.messages)
    }

    /// Purges what is stored, and tells those who count it.
    pub(super) fn purge_stored(&mut self, purge: &Purge<'_>, turn: &mut Turn<'_>) -> Purged {
        let purged = turn.storage.purge(self.id, purge);
        turn.quota.give(purged.bytes);
        let stored = turn.storage.stream(self.id);
        self.schedules.forget_where(|_, seq| stored.look(seq).is_none());
        turn.readers.recount(stored.first_seq().0);
        purged
    }

    /// Deletes one message.
    // spec/jetstream.md §12: erase overwrites data unless no_erase; deny_delete / sealed rejected
    pub fn delete_message(
        &mut self,
        request: &DeleteRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), ApiError> {
        if self.config.sealed {
            return Err(ApiError::new(ErrorCode::StreamSealed));
        }
        let failed = |reason| Err(ApiError::with(ErrorCode::StreamMsgDeleteFailed, reason));
        if self.config.deny_delete {
            return failed("message delete not permitted");
        }
        let seq = Seq(request.seq);
        let stored = turn.storage.stream(self.id);
        let Some(known) = stored.look(seq) else {
            // Seen of nats-server 2.15.2: only its files know what lies beyond their ends.
            return match stored.kind() {
                Kind::File if seq > stored.last_seq() => failed("stream store EOF"),
                Kind::File if seq.is_none() || seq < stored.first_seq() => {
                    failed("no message found")
                }
                _ => Err(ApiError::with(ErrorCode::SequenceNotFound, seq)),
            };
        };
        turn.readers.removed(seq.0, known.subject);
        self.schedules.forget(known.subject, seq);
        let erase = if request.no_erase { Erase::Forget } else { Erase::Overwrite };
        if let Some(size) = turn.storage.remove(self.id, seq, erase) {
            turn.quota.give(size);
        }
        Ok(())
    }

    /// A consumer is done with a message: acknowledged, terminated, or nothing to acknowledge.
    // spec/jetstream.md §12: interest: removed when all consumers whose filter matches acked;
    // workqueue: removed on first ack
    pub fn acknowledged(&mut self, seq: u64, turn: &mut Turn<'_>) {
        let seq = Seq(seq);
        match self.rules.retention {
            Retention::Limits => {}
            Retention::WorkQueue => self.drop_message(seq, turn),
            Retention::Interest => {
                let known = turn.storage.stream(self.id).look(seq);
                if known.is_some_and(|known| !turn.readers.needs(seq.0, known.subject)) {
                    self.drop_message(seq, turn);
                }
            }
        }
    }

    /// A consumer came, went or changed its filters: what nobody waits for any more is removed, in
    /// this turn and the next ones.
    pub fn readers_changed(&mut self, turn: &Turn<'_>) {
        if self.rules.retention == Retention::Interest {
            self.sweep_from = Some(turn.storage.stream(self.id).first_seq());
        }
    }

    /// Goes on with a sweep that [`Stream::readers_changed`] began.
    pub(super) fn sweep(&mut self, turn: &mut Turn<'_>) {
        let Some(from) = self.sweep_from.take() else { return };
        let mut next = from;
        for _ in 0..SWEEP_PER_TURN {
            let stored = turn.storage.stream(self.id);
            let Some(seq) = stored.first_matching(&Filter::all(), next) else { return };
            let unwanted =
                stored.look(seq).is_some_and(|known| !turn.readers.needs(seq.0, known.subject));
            if unwanted {
                self.drop_message(seq, turn);
            }
            next = seq.next();
        }
        self.sweep_from = Some(next);
    }
}
