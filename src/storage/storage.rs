//! Hot path: one core's streams. Messages come from the stream engine and go to consumers.
//!
//! Each call names its stream. What is appended is not durable yet: an answer to the publisher
//! waits until [`Storage::durable`] has reached the append's [`Mark`].

use base::AccountId;

use crate::space::Accounts;
use crate::stream::Stream;
use crate::{Filter, Incoming, Message, Read, Seq, Space, Waiter};

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

/// A point in the core's log. What was appended at or before [`Storage::durable`] is safe.
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
    /// When [`Storage::durable`] is here or beyond, the message is safe.
    pub mark: Mark,
}

/// Why a message was not stored; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The caller: the sequence asked for was used already.
    SequenceUsed,
    /// The caller: a subject above 65,535 bytes, or a message above 4 GiB.
    TooLarge,
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
    /// What kind of value it is.
    pub kind: u16,
    /// Which one of that kind.
    pub number: u64,
}

/// One core's streams.
#[derive(Debug, Default)]
pub struct Storage {
    streams: Vec<Option<Stream>>,
    vacant: Vec<StreamId>,
    accounts: Accounts,
}

impl Storage {
    /// A storage without a disk: everything is kept in memory, file streams too (they count
    /// their bytes as file streams do). For tests and the simulator.
    #[must_use]
    pub fn without_disk() -> Storage {
        Storage::default()
    }

    /// Makes an empty stream whose first message gets the sequence `first`.
    pub fn create(&mut self, account: AccountId, kind: Kind, first: Seq) -> StreamId {
        let space = self.accounts.place(account);
        let stream = Some(Stream::new(account, space, kind, first.max(Seq::FIRST)));
        match self.vacant.pop() {
            Some(id) => {
                self.streams[id.0 as usize] = stream;
                id
            }
            None => {
                self.streams.push(stream);
                StreamId(self.streams.len() as u32 - 1)
            }
        }
    }

    /// Deletes a stream with all its messages.
    pub fn delete(&mut self, id: StreamId) {
        let stream = self.streams[id.0 as usize].take().expect("a stream is deleted once");
        self.accounts.subtract(stream.space, stream.kind(), stream.bytes());
        self.vacant.push(id);
    }

    /// A stream that exists.
    #[inline]
    #[must_use]
    pub fn stream(&self, id: StreamId) -> &Stream {
        self.streams[id.0 as usize].as_ref().expect("a stream id names a stream")
    }

    #[inline]
    fn stream_mut(&mut self, id: StreamId) -> &mut Stream {
        self.streams[id.0 as usize].as_mut().expect("a stream id names a stream")
    }

    /// Stores a message. It can be read at once, and is safe when [`Storage::durable`] has
    /// reached the mark.
    pub fn append(
        &mut self,
        id: StreamId,
        message: &Incoming<'_>,
        place: Place,
    ) -> Result<Appended, Refused> {
        let stream = self.streams[id.0 as usize].as_mut().expect("a stream id names a stream");
        let seq = match place {
            Place::Next => stream.last_seq().next(),
            Place::At(seq) if seq > stream.last_seq() => seq,
            Place::At(_) => return Err(Refused::SequenceUsed),
        };
        let len = message.headers.len() + message.payload.len();
        if message.subject.len() > usize::from(u16::MAX) || len > u32::MAX as usize - (1 << 20) {
            return Err(Refused::TooLarge);
        }
        let size = stream.append(seq, message);
        self.accounts.add(stream.space, stream.kind(), size);
        Ok(Appended { seq, size, mark: Mark::default() })
    }

    /// Uses up every sequence to `upto` without storing anything.
    pub fn skip(&mut self, id: StreamId, upto: Seq) -> Mark {
        self.stream_mut(id).skip(upto);
        Mark::default()
    }

    /// Reads a message. If it must come from the disk, `waiter` is told when to ask again.
    #[must_use]
    pub fn read(&mut self, id: StreamId, seq: Seq, _waiter: Waiter) -> Read<'_> {
        let Some((entry, subject, body)) = self.stream(id).body(seq) else { return Read::Gone };
        Read::Ready(Message {
            seq,
            subject,
            headers: body.headers,
            payload: body.payload,
            shared: body.shared,
            time_ns: entry.time_ns,
        })
    }

    /// The next waiter whose pending read can succeed now.
    pub fn next_arrived(&mut self) -> Option<Waiter> {
        None
    }

    /// Removes one message; its size, or nothing if it is not there. That it is gone is safe when
    /// [`Storage::durable`] has reached [`Storage::appended`].
    pub fn remove(&mut self, id: StreamId, seq: Seq, erase: Erase) -> Option<u64> {
        let stream = self.stream_mut(id);
        let size = stream.remove(seq, erase)?;
        let (space, kind) = (stream.space, stream.kind());
        self.accounts.subtract(space, kind, size);
        Some(size)
    }

    /// Removes many.
    pub fn purge(&mut self, id: StreamId, purge: &Purge<'_>) -> Purged {
        let stream = self.stream_mut(id);
        let purged = stream.purge(purge);
        let (space, kind) = (stream.space, stream.kind());
        self.accounts.subtract(space, kind, purged.bytes);
        purged
    }

    /// Keeps a value of a file stream under a key, instead of the one before. A value of a memory
    /// stream is not kept: it would be gone with its stream.
    pub fn put(&mut self, id: StreamId, key: ValueKey, value: &[u8]) -> Result<Mark, Refused> {
        let _ = (self.stream(id), key, value);
        Ok(Mark::default())
    }

    /// Keeps nothing under a key any longer.
    pub fn forget(&mut self, id: StreamId, key: ValueKey) -> Result<Mark, Refused> {
        let _ = (self.stream(id), key);
        Ok(Mark::default())
    }

    /// What an account stores on this core.
    #[must_use]
    pub fn space(&self, account: AccountId) -> Space {
        self.accounts.of(account)
    }

    /// The message of a stream that goes next because its own time is up: when, in nanoseconds
    /// since the Unix epoch, and which. It stays until it is removed.
    pub fn next_expiry(&mut self, id: StreamId) -> Option<(u64, Seq)> {
        self.stream_mut(id).next_expiry()
    }

    /// Up to where the log goes; what was done so far is safe when [`Storage::durable`] is here.
    #[inline]
    #[must_use]
    pub fn appended(&self) -> Mark {
        Mark::default()
    }

    /// Up to where the log is safe on disk.
    #[inline]
    #[must_use]
    pub fn durable(&self) -> Mark {
        Mark::default()
    }
}

#[cfg(test)]
mod tests;
