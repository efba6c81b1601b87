//! Start-up: from what the log says is on disk to streams in memory.
//!
//! The log tells values, how far streams came and what was removed first, then every message it
//! has, by stream and sequence. A message that was removed, or that is told twice, is refused
//! here, and the log frees its space.

use base::AccountId;

use crate::bodies::{Bodies, InLog};
use crate::compression::{Compressor, Dictionary};
use crate::log::{At, Indexed, Key, KeyKind, Recover, Removed, StreamNumber};
use crate::space::Accounts;
use crate::stream::Stream;
use crate::streams::Streams;
use crate::subjects::SubjectId;
use crate::{Kind, Seq, StreamId, ValueKey};

/// The streams as far as they are told.
#[derive(Debug, Default)]
pub(crate) struct Restore {
    streams: Streams,
    accounts: Accounts,
    /// By stream id.
    told: Vec<Told>,
    /// The stream of the last message: most follow one of their own.
    recent: Option<(StreamNumber, StreamId)>,
}

/// What is told of one stream before its messages.
#[derive(Debug, Default)]
struct Told {
    values: Vec<(ValueKey, Box<[u8]>)>,
    dictionaries: Vec<Dictionary>,
    /// Ranges that are gone, both ends included.
    removed: Vec<(u64, u64)>,
    is_sorted: bool,
    /// Ranges below this place end before the next message.
    passed: usize,
    reached: u64,
    time_ns: u64,
    subject: Option<SubjectId>,
}

/// A value of a stream, found at start.
pub(crate) type FoundValues = Vec<(StreamId, Vec<(ValueKey, Box<[u8]>)>)>;

impl Restore {
    /// The stream with this number, made when it is told of first.
    fn stream_of(&mut self, number: StreamNumber) -> StreamId {
        if let Some((recent, id)) = self.recent
            && recent == number
        {
            return id;
        }
        let id = self.streams.numbered(number).unwrap_or_else(|| {
            // Whose it is the owner will say, who knows its configuration.
            let account = AccountId::GLOBAL;
            let space = self.accounts.place(account);
            let mut stream = Stream::new(account, space, Kind::File, Seq::FIRST);
            stream.bodies = Bodies::Log(number);
            stream.subjects.leave_order();
            self.told.push(Told::default());
            self.streams.insert(stream)
        });
        self.recent = Some((number, id));
        id
    }

    fn told_of(&mut self, number: StreamNumber) -> &mut Told {
        let id = self.stream_of(number);
        &mut self.told[id.0 as usize]
    }

    /// The streams, and the values kept beside them.
    pub(crate) fn finish(mut self) -> (Streams, Accounts, FoundValues) {
        let mut values = Vec::new();
        for (id, told) in (0..).map(StreamId).zip(self.told) {
            let stream = self.streams.get_mut(id);
            let removed = told.removed.iter().map(|&(_, last)| last).max();
            let last = told.reached.max(removed.unwrap_or_default());
            stream.skip(Seq(last));
            stream.subjects.set_in_order();
            stream.last_time_ns = stream.last_time_ns.max(told.time_ns);
            stream.compressor = Compressor::of(told.dictionaries);
            self.accounts.add(stream.space, Kind::File, stream.bytes());
            values.push((id, told.values));
        }
        (self.streams, self.accounts, values)
    }
}

impl Told {
    /// Whether the message `sequence`, above all before it, is gone.
    fn is_removed(&mut self, sequence: u64) -> bool {
        if !self.is_sorted {
            self.removed.sort_unstable();
            self.is_sorted = true;
        }
        // Ranges may overlap, so only those that end before it and begin before all others that
        // do not are passed for good.
        while self.removed.get(self.passed).is_some_and(|&(_, last)| last < sequence) {
            self.passed += 1;
        }
        let later = self.removed[self.passed.min(self.removed.len())..].iter();
        let mut begun = later.take_while(|&&(first, _)| first <= sequence);
        begun.any(|&(_, last)| last >= sequence)
    }
}

impl Recover for Restore {
    fn keyed(&mut self, key: Key, value: &[u8]) {
        let told = self.told_of(key.stream);
        if key.kind == KeyKind::DICTIONARY {
            told.dictionaries.extend(Dictionary::found(key.key, value));
            return;
        }
        let value_key = ValueKey { kind: key.kind.0, number: key.key };
        told.values.push((value_key, value.into()));
    }

    fn reached(&mut self, stream: StreamNumber, sequence: u64, time_ns: u64) {
        let told = self.told_of(stream);
        told.reached = told.reached.max(sequence);
        told.time_ns = told.time_ns.max(time_ns);
    }

    fn removed(&mut self, removed: Removed) {
        self.told_of(removed.stream).removed.push((removed.first, removed.last));
    }

    fn message(&mut self, number: StreamNumber, at: At, message: &Indexed<'_>) -> bool {
        let id = self.stream_of(number);
        let told = &mut self.told[id.0 as usize];
        let stream = self.streams.get_mut(id);
        let seq = Seq(message.sequence);
        let is_told = stream.messages() > 0 && seq <= stream.last_seq();
        if is_told || told.is_removed(message.sequence) {
            // It was there once: its sequence and its time are used.
            told.reached = told.reached.max(message.sequence);
            told.time_ns = told.time_ns.max(message.time_ns);
            return false;
        }
        let saved_bytes = message.saved_bytes;
        let place = InLog { at, has_due: message.due_ns != 0, saved_bytes };
        let headers = usize::from(message.has_headers);
        let content = message.content_bytes as usize;
        let size =
            Kind::File.size_of(message.subject.len(), headers, content.saturating_sub(headers));
        let (subject, before) = stream.subjects.add_near(told.subject, message.subject, seq);
        told.subject = Some(subject);
        let times = (message.time_ns, message.due_ns);
        stream.note(seq, (subject, before), size, times, place.pack());
        true
    }
}
