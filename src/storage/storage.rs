//! Hot path: one core's streams. Messages come from the stream engine and go to consumers; bodies
//! come from the arena or the log.
//!
//! Each call names its stream. What is appended is not safe yet: an answer to the publisher waits
//! until [`Storage::durable`] has reached the append's [`Mark`].

use base::{AccountId, Now};
use runtime::{Disk, Files};

use crate::bodies::{Bodies, BodyPlace, InLog};
use crate::compression::Compressor;
use crate::durable::Durable;
use crate::log::{Key, KeyKind, Log, LogSettings, OpenError, Report, Trouble};
use crate::restore::{FoundValues, Restore};
use crate::space::Accounts;
use crate::stream::Stream;
use crate::streams::{Movers, Streams};
use crate::{
    Appended, Compression, Erase, Incoming, Kind, Mark, Message, Place, Purge, Purged, Read,
    Refused, Seq, Space, StreamId, ValueKey, Waiter,
};

/// One core's streams.
#[derive(Debug, Default)]
pub struct Storage {
    streams: Streams,
    accounts: Accounts,
    durable: Option<Durable>,
    found: FoundValues,
}

impl Storage {
    /// A storage without a disk: everything is kept in memory, file streams too (they count
    /// their bytes as file streams do). For servers without JetStream's folder, and for tests.
    #[must_use]
    pub fn without_disk() -> Storage {
        Storage::default()
    }

    /// Opens a core's log, and with it the file streams that are in it. Whose they are must be
    /// said before they are used: [`Storage::recovered`], [`Storage::assign`].
    ///
    /// # Errors
    /// [`OpenError`]; damage is none: it is in the report.
    pub fn open(settings: LogSettings, files: &dyn Files) -> Result<(Storage, Report), OpenError> {
        let mut restore = Restore::default();
        let (log, report) = Log::open(settings, files, &mut restore)?;
        let (streams, accounts, found) = restore.finish();
        let durable = Some(Durable::new(log));
        Ok((Storage { streams, accounts, durable, found }, report))
    }

    /// The streams that were found at start, each with its values; given once.
    pub fn recovered(&mut self) -> FoundValues {
        std::mem::take(&mut self.found)
    }

    /// The log and the streams of a storage that has a log.
    pub(crate) fn parts(&self) -> (&Log, &Streams) {
        let durable = self.durable.as_ref().expect("it was opened from a log");
        (&durable.log, &self.streams)
    }

    /// What the log is still to be told.
    #[cfg(test)]
    pub(crate) fn owed(&self) -> usize {
        self.durable.as_ref().map_or(0, Durable::owed)
    }

    /// Says whose a stream is that was found at start.
    pub fn assign(&mut self, id: StreamId, account: AccountId) {
        let space = self.accounts.place(account);
        let stream = self.streams.get_mut(id);
        self.accounts.subtract(stream.space, stream.kind(), stream.bytes());
        self.accounts.add(space, stream.kind(), stream.bytes());
        (stream.account, stream.space) = (account, space);
    }

    /// Makes an empty stream whose first message gets the sequence `first`. A file stream is
    /// found again at start once something of it is in the log: a value or a message.
    pub fn create(&mut self, account: AccountId, kind: Kind, first: Seq) -> StreamId {
        let first = first.max(Seq::FIRST);
        let space = self.accounts.place(account);
        let mut stream = Stream::new(account, space, kind, first);
        if let (Kind::File, Some(durable)) = (kind, &mut self.durable) {
            let number = durable.log.new_stream();
            stream.bodies = Bodies::Log(number);
            if first > Seq::FIRST {
                durable.reached(number, first.previous(), 0);
            }
        }
        self.streams.insert(stream)
    }

    /// Deletes a stream with all its messages and values.
    pub fn delete(&mut self, id: StreamId) {
        let stream = self.streams.remove(id);
        self.accounts.subtract(stream.space, stream.kind(), stream.bytes());
        if let (Bodies::Log(number), Some(durable)) = (&stream.bodies, &mut self.durable) {
            durable.gone(*number);
        }
    }

    /// Says how the messages of a stream are written from now on; those that are there stay as
    /// they are. Messages in memory are never compressed.
    pub fn set_compression(&mut self, id: StreamId, compression: Compression) {
        let stream = self.streams.get_mut(id);
        if let (Bodies::Log(_), Some(_)) = (&stream.bodies, &self.durable) {
            Compressor::set(&mut stream.compressor, compression);
        }
    }

    /// A stream that exists.
    #[inline]
    #[must_use]
    pub fn stream(&self, id: StreamId) -> &Stream {
        self.streams.get(id)
    }

    /// Stores a message. It can be read at once, and is safe when [`Storage::durable`] has
    /// reached the mark.
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed.
    pub fn append(
        &mut self,
        id: StreamId,
        message: &Incoming<'_>,
        place: Place,
    ) -> Result<Appended, Refused> {
        let stream = self.streams.get_mut(id);
        let seq = match place {
            Place::Next => stream.last_seq().next(),
            Place::At(seq) if seq > stream.last_seq() => seq,
            Place::At(_) => return Err(Refused::SequenceUsed),
        };
        let len = message.headers.len() + message.payload.len();
        if message.subject.len() > usize::from(u16::MAX) || len > u32::MAX as usize - (1 << 20) {
            return Err(Refused::TooLarge);
        }
        let (body, mark) = match &mut stream.bodies {
            Bodies::Arena(arena) => {
                let Incoming { headers, payload, shared, .. } = *message;
                let at = arena.push(seq, headers, payload, shared);
                (BodyPlace { at, saved_bytes: 0 }, Mark::default())
            }
            Bodies::Log(number) => {
                let durable = self.durable.as_mut().expect("a stream in the log has a log");
                let compressor = stream.compressor.as_deref_mut();
                let (place, mark) = durable.append(*number, seq, message, compressor)?;
                (place.pack(), mark)
            }
        };
        let size = stream.append(seq, message, body);
        self.accounts.add(stream.space, stream.kind(), size);
        Ok(Appended { seq, size, mark })
    }

    /// Uses up every sequence to `upto` without storing anything; when that is safe. `time_ns` is
    /// that of a message which came and is not kept.
    pub fn skip(&mut self, id: StreamId, upto: Seq, time_ns: Option<u64>) -> Mark {
        let stream = self.streams.get_mut(id);
        stream.skip(upto);
        stream.last_time_ns = time_ns.unwrap_or(stream.last_time_ns);
        if let (Bodies::Log(number), Some(durable)) = (&stream.bodies, &mut self.durable) {
            durable.reached(*number, stream.last_seq(), stream.last_time_ns);
            return durable.appended();
        }
        Mark::default()
    }

    /// Reads a message. If it must come from the disk, `waiter` is told when to ask again. A
    /// message whose bytes on disk are damaged reads as gone.
    #[must_use]
    pub fn read(&mut self, id: StreamId, seq: Seq, waiter: Waiter) -> Read<'_> {
        let stream = self.streams.get(id);
        let Some(entry) = stream.blocks.get(seq) else { return Read::Gone };
        let arena = match &stream.bodies {
            Bodies::Arena(arena) => arena,
            Bodies::Log(_) => {
                let durable = self.durable.as_mut().expect("a stream in the log has a log");
                let compressor = stream.compressor.as_deref();
                return durable.read(InLog::of(&entry), entry.size, compressor, waiter);
            }
        };
        let body = arena.get(entry.at);
        Read::Ready(Message {
            seq,
            subject: stream.subjects.name(entry.subject),
            headers: body.headers,
            payload: body.payload,
            shared: body.shared,
            time_ns: entry.time_ns,
        })
    }

    /// The next waiter whose pending read can succeed now.
    pub fn next_arrived(&mut self) -> Option<Waiter> {
        self.durable.as_mut()?.log.next_arrived()
    }

    /// Removes one message; its size, or nothing if it is not there. That it is gone is safe when
    /// [`Storage::durable`] has reached [`Storage::appended`].
    pub fn remove(&mut self, id: StreamId, seq: Seq, erase: Erase) -> Option<u64> {
        let stream = self.streams.get_mut(id);
        let size = stream.remove(seq, erase, self.durable.as_mut())?;
        self.accounts.subtract(stream.space, stream.kind(), size);
        Some(size)
    }

    /// Removes many.
    pub fn purge(&mut self, id: StreamId, purge: &Purge<'_>) -> Purged {
        let stream = self.streams.get_mut(id);
        let purged = stream.purge(purge, self.durable.as_mut());
        self.accounts.subtract(stream.space, stream.kind(), purged.bytes);
        purged
    }

    /// Keeps a value of a file stream under a key, instead of the one before; when that is safe.
    /// A value of a memory stream is not kept: it would be gone with its stream.
    ///
    /// # Errors
    /// [`Refused`]; the value before is kept.
    pub fn put(&mut self, id: StreamId, key: ValueKey, value: &[u8]) -> Result<Mark, Refused> {
        match (self.key_of(id, key), &mut self.durable) {
            (Some(key), Some(durable)) => durable.put(key, value),
            _ => Ok(Mark::default()),
        }
    }

    /// Keeps nothing under a key any longer.
    pub fn forget(&mut self, id: StreamId, key: ValueKey) {
        if let (Some(key), Some(durable)) = (self.key_of(id, key), &mut self.durable) {
            durable.forgotten(key);
        }
    }

    fn key_of(&self, id: StreamId, key: ValueKey) -> Option<Key> {
        match self.streams.get(id).bodies {
            Bodies::Log(stream) => Some(Key { stream, kind: KeyKind(key.kind), key: key.number }),
            Bodies::Arena(_) => None,
        }
    }

    /// What an account stores on this core.
    #[must_use]
    pub fn space(&self, account: AccountId) -> Space {
        self.accounts.of(account)
    }

    /// The message of a stream that goes next because its own time is up: when, in nanoseconds
    /// since the Unix epoch, and which. It stays until it is removed.
    pub fn next_expiry(&mut self, id: StreamId) -> Option<(u64, Seq)> {
        self.streams.get_mut(id).next_expiry()
    }

    /// What was done so far, removals too, is safe when [`Storage::durable`] is here; never, once
    /// a write to disk has failed.
    pub fn appended(&mut self) -> Mark {
        let Some(durable) = &mut self.durable else { return Mark::default() };
        durable.settle(&mut self.streams);
        durable.appended()
    }

    /// Up to where the log is safe, so that it may be acknowledged; what safe means the log's
    /// settings say.
    #[inline]
    #[must_use]
    pub fn durable(&self) -> Mark {
        self.durable.as_ref().map_or(Mark::default(), |durable| durable.log.acknowledged())
    }

    /// Whether a write to disk failed: what is not safe by now never will be in this run.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.log.has_failed())
    }

    /// Takes in what the disk has done, and gives it what there is to do. Once a turn, after the
    /// streams.
    pub fn turn(&mut self, disk: &mut dyn Disk, now: Now) {
        let Some(durable) = &mut self.durable else { return };
        durable.settle(&mut self.streams);
        let mut movers = Movers { streams: &self.streams, moves: Vec::new() };
        durable.log.turn(disk, now, &mut movers);
        durable.catch_up();
        let moves = movers.moves;
        self.streams.relocate(moves);
    }

    /// Whether a turn has something to do that no event announces.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.durable.as_ref().is_some_and(Durable::has_work)
    }

    /// When a turn is wanted at the latest, monotonic nanoseconds.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.durable.as_ref()?.log.next_deadline_ns()
    }

    /// What happened on disk that people should know, once.
    pub fn take_troubles(&mut self) -> Vec<Trouble> {
        self.durable.as_mut().map(|durable| durable.log.take_troubles()).unwrap_or_default()
    }

    /// Bytes of all files of the log.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.durable.as_ref().map_or(0, |durable| durable.log.disk_bytes())
    }

    /// Ends the log in an orderly way, so that the next start reads no data: turns go on until
    /// [`Storage::is_at_rest`].
    pub fn finish(&mut self) {
        if let Some(durable) = &mut self.durable {
            durable.settle(&mut self.streams);
            durable.log.finish();
        }
    }

    /// Whether the disk owes the log nothing, and the log the disk nothing.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.durable.as_ref().is_none_or(Durable::is_at_rest)
    }
}

#[cfg(test)]
mod tests;
