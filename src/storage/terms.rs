//! The words of this room's door: ids, kinds, marks, what is asked for and what comes back.

use crate::log::AppendError;
use crate::{Filter, Seq};

/// The place of a stream in its core's storage. Used again after the stream is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Where a stream keeps its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// In memory; gone when the server stops.
    Memory,
    /// In the core's log on disk.
    File,
}

impl Kind {
    /// The bytes a message counts for, in streams of this kind: what `max_bytes`, account limits
    /// and the state's `bytes` are made of. The same numbers as nats-server's, whatever the
    /// message takes here.
    #[inline]
    #[must_use]
    pub fn size_of(self, subject: usize, headers: usize, payload: usize) -> u64 {
        let overhead = match self {
            Kind::Memory => 16,
            Kind::File if headers == 0 => 30,
            Kind::File => 34,
        };
        (subject + headers + payload + overhead) as u64
    }
}

/// How the messages of a file stream are written to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they come.
    #[default]
    Off,
    /// Compressed, each by itself, where that makes them shorter.
    On,
}

/// A point in the core's log. What was appended at or before [`crate::Storage::durable`] is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u64);

/// Which sequence a message gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one after the last.
    Next,
    /// This one, above the last; those between hold nothing. Mirrors and restores use it.
    At(Seq),
}

/// A message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number.
    pub seq: Seq,
    /// Its bytes as the stream counts them.
    pub size: u64,
    /// When [`crate::Storage::durable`] is here or beyond, the message is safe.
    pub mark: Mark,
}

/// Why a message was not stored; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The caller: the sequence asked for was used already.
    SequenceUsed,
    /// The caller: a subject above 65,535 bytes, or a message longer than the log takes.
    TooLarge,
    /// The disk is full. Removals are still taken, and space may come back.
    Full,
    /// The disk is slower than what comes in; later.
    Behind,
    /// A write to disk failed: the log takes nothing more in this run.
    Failed,
}

/// What becomes of a removed message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    /// Their space comes back in time.
    Forget,
    /// They are overwritten.
    Overwrite,
}

/// What to purge: the messages in `filter` below `below`, except the newest `keep` in `filter`.
#[derive(Clone, Copy, Debug)]
pub struct Purge<'a> {
    /// Of which subjects.
    pub filter: &'a Filter,
    /// Only those below this sequence; [`Seq::MAX`] for all.
    pub below: Seq,
    /// How many of the newest in the filter stay.
    pub keep: u64,
}

/// What a purge removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Messages.
    pub messages: u64,
    /// Bytes as the stream counts them.
    pub bytes: u64,
}

/// What the owner of a stream keeps beside its messages: a configuration, a consumer's state. The
/// newest value of each key survives; what values mean is the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueKey {
    /// What kind of value it is; 0, 4 and 5 are the storage's own.
    pub kind: u16,
    /// Which one of that kind.
    pub number: u64,
}

impl From<AppendError> for Refused {
    fn from(error: AppendError) -> Refused {
        match error {
            AppendError::TooLarge => Refused::TooLarge,
            AppendError::Full => Refused::Full,
            AppendError::Behind => Refused::Behind,
            AppendError::Failed => Refused::Failed,
        }
    }
}
