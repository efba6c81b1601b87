//! STREAM.RESTORE: an archive comes in chunks and becomes the messages of a new stream.
//!
//! Nothing else reaches the stream meanwhile: its subjects are listened to when the archive has
//! ended well. Sequences and times are the archive's. Source: spec/jetstream.md §14.

use std::time::Duration;

use storage::{Incoming, Place, Seq};

use super::archive::{self, Record, Unpacker, Unreadable};
use super::ingest::send;
use super::publication::Asked;
use super::rules::Ttl;
use super::{Stream, Turn};
use crate::{ApiError, ErrorCode};

/// How long a sender may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// A restore under way.
#[derive(Debug, Default)]
pub(super) struct Restore {
    unpacker: Unpacker,
    /// Where the stream ended; what was removed from its end is not used again.
    last_seq: u64,
    /// When the sender was last heard, monotonic nanoseconds.
    heard_ns: u64,
}

/// How a restore goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// More chunks are to come.
    More,
    /// It is complete.
    Whole,
    /// It cannot be; the stream has to be deleted.
    Failed(ApiError),
}

fn failed(reason: impl std::fmt::Display) -> ApiError {
    ApiError::with(ErrorCode::StreamRestore, reason)
}

impl Stream {
    /// Waits for an archive whose last sequence is `last_seq`.
    pub fn begin_restore(&mut self, last_seq: u64, turn: &Turn<'_>) {
        let unpacker = Unpacker::default();
        self.restore = Some(Restore { unpacker, last_seq, heard_ns: turn.now.mono_ns });
    }

    /// Takes a chunk; an empty one ends the archive. Chunks are answered here, the end is not.
    pub fn restore_chunk(
        &mut self,
        chunk: &[u8],
        reply: Option<&[u8]>,
        turn: &mut Turn<'_>,
    ) -> Restored {
        let Some(mut restore) = self.restore.take() else { return Restored::More };
        if chunk.is_empty() {
            return match self.finish_restore(&restore, turn) {
                Ok(()) => Restored::Whole,
                Err(error) => Restored::Failed(error),
            };
        }
        restore.heard_ns = turn.now.mono_ns;
        let mut refused = None;
        let unpacked = restore.unpacker.feed(chunk, |name, content| {
            let Some(block) = block_number(name) else { return Ok(()) };
            let stream = self.config.name.clone();
            archive::read_block(&stream, block, content, |record| {
                if refused.is_none() {
                    refused = self.restore_record(record, turn).err();
                }
            })
        });
        if let Err(error) = unpacked.map_err(failed) {
            return Restored::Failed(error);
        }
        if let Some(error) = refused {
            return Restored::Failed(error);
        }
        self.restore = Some(restore);
        if let Some(reply) = reply {
            send(self.account, reply, b"", turn);
        }
        Restored::More
    }

    fn restore_record(&mut self, record: &Record<'_>, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let ttl = Asked::read(record.headers).ttl.and_then(Ttl::parse);
        let expires_ns = match ttl.filter(|_| self.config.allow_msg_ttl) {
            Some(Ttl::For(ttl)) => record.time_ns.saturating_add(ttl.as_nanos() as u64),
            Some(Ttl::Never) | None => 0,
        };
        let incoming = Incoming {
            subject: record.subject,
            headers: record.headers,
            payload: record.payload,
            shared: None,
            time_ns: record.time_ns,
            expires_ns,
        };
        let place = Place::At(Seq(record.seq));
        let appended = turn
            .storage
            .append(self.id, &incoming, place)
            .map_err(|refused| failed(format_args!("message {}: {refused:?}", record.seq)))?;
        self.last_mark = appended.mark;
        turn.quota.take(appended.size);
        Ok(())
    }

    fn finish_restore(&mut self, restore: &Restore, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        restore.unpacker.finish().map_err(|unreadable: Unreadable| failed(unreadable))?;
        if restore.last_seq > turn.storage.stream(self.id).last_seq().0 {
            self.last_mark = turn.storage.skip(self.id, Seq(restore.last_seq));
        }
        self.begin_recovery(turn.storage, turn.now);
        Ok(())
    }

    /// Gives up a restore whose sender has been silent for too long; whether there was one.
    #[must_use]
    pub fn restore_is_silent(&mut self, now: base::Now) -> bool {
        let is_late = |deadline_ns| deadline_ns <= now.mono_ns;
        let is_silent = self.restore_deadline_ns().is_some_and(is_late);
        if is_silent {
            self.restore = None;
        }
        is_silent
    }

    /// When a restore is given up, monotonic nanoseconds.
    pub(super) fn restore_deadline_ns(&self) -> Option<u64> {
        let restore = self.restore.as_ref()?;
        Some(restore.heard_ns + PATIENCE.as_nanos() as u64)
    }
}

/// The number of a block of messages, from its name in the archive.
fn block_number(name: &str) -> Option<u64> {
    name.strip_prefix("msgs/")?.strip_suffix(".blk")?.parse().ok()
}
