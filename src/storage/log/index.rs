//! A segment's index: what start-up reads instead of the data. Grows with each append (hot path:
//! after `writer.rs`), and stands at the end of a sealed segment, under the footer's checksum.
//!
//! ```text
//! index    streams u32 │ controls_bytes u32 │ replaced u32 │ damaged u32 │
//!          replaced × epoch u64 │ damaged × (offset u32, length u32) │
//!          controls: records, one behind the other │ streams × stream
//! stream   number u32 │ count u32 │ bytes u32 │ zero u32 │ first u64 │ last u64 │ count × entry
//! entry    flags u8 │ [sequence - before] [gap] [subject] [length] [plain] time - before [due]
//! ```
//! An entry's numbers are variable-length, seven bits a byte; what flags make plain is left out: a
//! flood of equal messages takes about four bytes each. A subject's text stands at its first use.

use ahash::RandomState;
use hashbrown::{HashMap, HashTable};

use crate::log::layout::{u32_at, u64_at};
use crate::log::record::{self, Content, NewMessage, Record, RecordKind};
use crate::log::{Epoch, Key, StreamNumber};

const HEAD_BYTES: usize = 16;
const STREAM_BYTES: usize = 32;

/// The sequence is the one after the entry before.
const NEXT: u8 = 1;
/// The record begins where the one before ended.
const CLOSE: u8 = 2;
/// The subject is that of the entry before.
const SAME_SUBJECT: u8 = 4;
/// The length is that of the entry before.
const SAME_LENGTH: u8 = 8;
/// There is a due time.
const HAS_DUE: u8 = 16;
/// The message has headers.
const HAS_HEADERS: u8 = 32;
/// The subject stands here for the first time.
const NEW_SUBJECT: u8 = 64;
/// The content is compressed: how many bytes it comes to stands here.
const COMPRESSED: u8 = 128;

/// A segment's index while the segment is written.
#[derive(Debug, Default)]
pub struct IndexBuilder {
    streams: Vec<StreamEntries>,
    places: HashMap<StreamNumber, usize, RandomState>,
    /// The stream of the last message: most messages follow one of their own stream.
    recent: usize,
    removes: Vec<Removed>,
    keyed: HashMap<Key, KeyedValue, RandomState>,
    gone: Vec<(StreamNumber, u64)>,
    replaced: Vec<Epoch>,
    damaged: Vec<(u32, u32)>,
    /// Bytes of all entries and controls so far.
    bytes: usize,
}

/// Messages of a stream that are gone, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Whose.
    pub stream: StreamNumber,
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

#[derive(Debug)]
struct KeyedValue {
    order: u64,
    value: Option<Vec<u8>>,
}

#[derive(Debug)]
struct StreamEntries {
    number: StreamNumber,
    count: u32,
    first: u64,
    last: u64,
    entries: Vec<u8>,
    time_ns: u64,
    length: u32,
    end: u32,
    subject: u32,
    texts: Texts,
}

/// Subjects by the order of their first use.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Texts {
    fn get(&self, ordinal: u32) -> &[u8] {
        let at = ordinal as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[at] as usize]
    }

    /// The subject's number, and whether it is new.
    fn number(&mut self, text: &[u8]) -> (u32, bool) {
        let hash = self.hasher.hash_one(text);
        if let Some(&found) = self.table.find(hash, |&ordinal| self.get(ordinal) == text) {
            return (found, false);
        }
        let ordinal = self.ends.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
        let Texts { bytes, ends, table, hasher } = self;
        let rehash = |&ordinal: &u32| {
            let at = ordinal as usize;
            let start = at.checked_sub(1).map_or(0, |before| ends[before] as usize);
            hasher.hash_one(&bytes[start..ends[at] as usize])
        };
        table.insert_unique(hash, ordinal, rehash);
        (ordinal, true)
    }
}

impl IndexBuilder {
    /// The index's length if it were written now, bytes; never too low.
    #[inline]
    pub fn encoded_bytes(&self) -> usize {
        HEAD_BYTES + self.bytes
    }

    /// The most that a message can add, bytes.
    #[inline]
    pub fn growth_max(subject: usize) -> usize {
        // A stream's head, flags, six numbers and the subject with its length.
        STREAM_BYTES + 1 + 6 * 10 + 5 + subject
    }

    /// Adds a message whose record of `length` bytes stands at `offset`, behind all others.
    #[inline]
    pub fn add_message(&mut self, message: &NewMessage<'_>, offset: u32, length: u32) {
        if self.streams.get(self.recent).is_none_or(|stream| stream.number != message.stream) {
            self.recent = self.place_of(message.stream);
        }
        let stream = &mut self.streams[self.recent];
        let before = stream.entries.len();
        stream.add(message, offset, length);
        self.bytes += stream.entries.len() - before;
    }

    fn place_of(&mut self, number: StreamNumber) -> usize {
        let place = *self.places.entry(number).or_insert(self.streams.len());
        if place == self.streams.len() {
            self.streams.push(StreamEntries::new(number));
            self.bytes += STREAM_BYTES;
        }
        place
    }

    /// How many messages it names.
    pub fn messages(&self) -> u64 {
        self.streams.iter().map(|stream| u64::from(stream.count)).sum()
    }

    /// Adds that messages are gone.
    pub fn add_removed(&mut self, removed: Removed) {
        if let Some(before) = self.removes.last_mut()
            && before.stream == removed.stream
            && before.last + 1 == removed.first
        {
            before.last = removed.last;
            return;
        }
        self.removes.push(removed);
        self.bytes += record::HEADER_BYTES;
    }

    /// Adds a key's value, unless a later one is known.
    pub fn add_keyed(&mut self, key: Key, order: u64, value: Option<&[u8]>) {
        let size = |value: Option<usize>| record::HEADER_BYTES + value.unwrap_or(0);
        match self.keyed.entry(key) {
            hashbrown::hash_map::Entry::Vacant(place) => {
                place.insert(KeyedValue { order, value: value.map(<[u8]>::to_vec) });
                self.bytes += size(value.map(<[u8]>::len));
            }
            hashbrown::hash_map::Entry::Occupied(mut place) if place.get().order <= order => {
                let known = place.get_mut();
                self.bytes -= size(known.value.as_ref().map(Vec::len));
                self.bytes += size(value.map(<[u8]>::len));
                known.order = order;
                match (&mut known.value, value) {
                    (Some(memory), Some(value)) => {
                        memory.clear();
                        memory.extend_from_slice(value);
                    }
                    (memory, value) => *memory = value.map(<[u8]>::to_vec),
                }
            }
            hashbrown::hash_map::Entry::Occupied(_) => {}
        }
    }

    /// Adds that a stream is gone.
    pub fn add_gone(&mut self, stream: StreamNumber, order: u64) {
        self.gone.push((stream, order));
        self.bytes += record::HEADER_BYTES;
    }

    /// Says that this segment holds what is worth keeping of another.
    pub fn add_replaced(&mut self, epoch: Epoch) {
        self.replaced.push(epoch);
        self.bytes += 8;
    }

    /// Says that a part of the data was found damaged: where, and how long it is.
    pub fn add_damaged(&mut self, offset: u32, length: u32) {
        self.damaged.push((offset, length));
        self.bytes += 8;
    }

    /// Adds a record of any kind, as it is found in the data.
    pub fn add_record(&mut self, record: &Record<'_>, offset: u32) {
        let head = record.head;
        match head.kind {
            RecordKind::Message => {
                if let Some(message) = record.message() {
                    self.add_message(&message, offset, head.length);
                }
            }
            RecordKind::Remove => self.add_removed(Removed {
                stream: head.stream,
                first: head.sequence,
                last: head.time,
            }),
            RecordKind::Keyed => {
                if let Some(keyed) = record.keyed() {
                    self.add_keyed(Key::of(&keyed), keyed.order, keyed.value);
                }
            }
            RecordKind::StreamGone => self.add_gone(head.stream, head.sequence),
            RecordKind::Replaces => self.add_replaced(Epoch(head.sequence)),
            RecordKind::Batch | RecordKind::Pad | RecordKind::Erased => {}
        }
    }

    /// The index as it stands in the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_bytes());
        let mut controls = Vec::new();
        for removed in &self.removes {
            let place = claim(&mut controls, record::HEADER_BYTES);
            let Removed { stream, first, last } = *removed;
            record::write_bare(RecordKind::Remove, stream, first, last, place);
        }
        for (key, KeyedValue { order, value }) in &self.keyed {
            let keyed = key.value(*order, value.as_deref());
            keyed.write(claim(&mut controls, keyed.record_bytes()));
        }
        for &(stream, order) in &self.gone {
            let place = claim(&mut controls, record::HEADER_BYTES);
            record::write_bare(RecordKind::StreamGone, stream, order, 0, place);
        }
        let counts = [self.streams.len(), controls.len(), self.replaced.len(), self.damaged.len()];
        for number in counts {
            out.extend_from_slice(&(number as u32).to_le_bytes());
        }
        for epoch in &self.replaced {
            out.extend_from_slice(&epoch.0.to_le_bytes());
        }
        for (offset, length) in &self.damaged {
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
        }
        out.extend_from_slice(&controls);
        for stream in &self.streams {
            for number in [stream.number.0, stream.count, stream.entries.len() as u32, 0] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&stream.first.to_le_bytes());
            out.extend_from_slice(&stream.last.to_le_bytes());
            out.extend_from_slice(&stream.entries);
        }
        debug_assert!(out.len() <= self.encoded_bytes(), "room is kept by the estimate");
        out
    }
}

fn claim(out: &mut Vec<u8>, len: usize) -> &mut [u8] {
    let start = out.len();
    out.resize(start + len, 0);
    &mut out[start..]
}

impl StreamEntries {
    fn new(number: StreamNumber) -> StreamEntries {
        StreamEntries {
            number,
            count: 0,
            first: 0,
            last: 0,
            entries: Vec::new(),
            time_ns: 0,
            length: 0,
            end: 0,
            subject: u32::MAX,
            texts: Texts::default(),
        }
    }

    #[inline]
    fn add(&mut self, message: &NewMessage<'_>, offset: u32, length: u32) {
        let mut flags = 0;
        if message.sequence == self.last + 1 {
            flags |= NEXT;
        }
        if offset == self.end {
            flags |= CLOSE;
        }
        if length == self.length {
            flags |= SAME_LENGTH;
        }
        if message.due_ns != 0 {
            flags |= HAS_DUE;
        }
        if message.content.headers_bytes() > 0 {
            flags |= HAS_HEADERS;
        }
        if let Content::Compressed(_) = message.content {
            flags |= COMPRESSED;
        }
        let is_same = self.subject != u32::MAX && self.texts.get(self.subject) == message.subject;
        let mut is_new = false;
        if is_same {
            flags |= SAME_SUBJECT;
        } else {
            (self.subject, is_new) = self.texts.number(message.subject);
            if is_new {
                flags |= NEW_SUBJECT;
            }
        }
        let out = &mut self.entries;
        out.push(flags);
        if flags & NEXT == 0 {
            push_number(out, message.sequence.wrapping_sub(self.last));
        }
        if flags & CLOSE == 0 {
            push_number(out, u64::from(offset - self.end));
        }
        if is_new {
            push_number(out, message.subject.len() as u64);
            out.extend_from_slice(message.subject);
        } else if !is_same {
            push_number(out, u64::from(self.subject));
        }
        if flags & SAME_LENGTH == 0 {
            push_number(out, u64::from(length));
        }
        if flags & COMPRESSED != 0 {
            push_number(out, message.content.plain_bytes() as u64);
        }
        push_number(out, folded(message.time_ns.wrapping_sub(self.time_ns)));
        if message.due_ns != 0 {
            push_number(out, message.due_ns);
        }
        if self.count == 0 {
            self.first = message.sequence;
        }
        self.count += 1;
        self.last = message.sequence;
        self.time_ns = message.time_ns;
        self.length = length;
        self.end = offset + length;
    }
}

/// Small numbers of either sign become small numbers.
fn folded(difference: u64) -> u64 {
    let signed = difference as i64;
    ((signed << 1) ^ (signed >> 63)) as u64
}

fn unfolded(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

#[inline]
fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A sealed segment's index.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    replaced: &'a [u8],
    damaged: &'a [u8],
    controls: &'a [u8],
    streams: &'a [u8],
    count: u32,
}

impl<'a> Index<'a> {
    /// Reads an index whose checksum was found right; `None` if it contradicts itself.
    pub fn parse(bytes: &'a [u8]) -> Option<Index<'a>> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let replaced_bytes = (u32_at(head, 8) as usize).checked_mul(8)?;
        let (replaced, rest) = rest.split_at_checked(replaced_bytes)?;
        let damaged_bytes = (u32_at(head, 12) as usize).checked_mul(8)?;
        let (damaged, rest) = rest.split_at_checked(damaged_bytes)?;
        let (controls, streams) = rest.split_at_checked(u32_at(head, 4) as usize)?;
        Some(Index { replaced, damaged, controls, streams, count: u32_at(head, 0) })
    }

    /// The segments that this one replaces.
    pub fn replaced(&self) -> impl Iterator<Item = Epoch> + 'a {
        self.replaced.chunks_exact(8).map(|bytes| Epoch(u64_at(bytes, 0)))
    }

    /// The parts of the data that were found damaged: where each begins, and how long it is.
    pub fn damaged(&self) -> impl Iterator<Item = (u32, u32)> + 'a {
        self.damaged.chunks_exact(8).map(|bytes| (u32_at(bytes, 0), u32_at(bytes, 4)))
    }

    /// Everything but messages.
    pub fn controls(&self) -> impl Iterator<Item = Record<'a>> + 'a {
        let mut rest = self.controls;
        std::iter::from_fn(move || {
            let record = Record::trusted(rest)?;
            rest = &rest[record.head.length as usize..];
            Some(record)
        })
    }

    /// The streams that have messages here.
    pub fn streams(&self) -> impl Iterator<Item = IndexedStream<'a>> + 'a {
        let mut rest = self.streams;
        (0..self.count).map_while(move |_| {
            let (head, behind) = rest.split_at_checked(STREAM_BYTES)?;
            let (entries, behind) = behind.split_at_checked(u32_at(head, 8) as usize)?;
            rest = behind;
            Some(IndexedStream {
                number: StreamNumber(u32_at(head, 0)),
                count: u32_at(head, 4),
                first: u64_at(head, 16),
                last: u64_at(head, 24),
                entries,
            })
        })
    }
}

/// A stream's messages in one segment.
#[derive(Clone, Copy, Debug)]
pub struct IndexedStream<'a> {
    /// Which stream.
    pub number: StreamNumber,
    /// How many messages.
    pub count: u32,
    /// The lowest sequence.
    pub first: u64,
    /// The highest.
    pub last: u64,
    entries: &'a [u8],
}

/// One message as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexed<'a> {
    /// Its number.
    pub sequence: u64,
    /// When it was stored, nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// When it is due, nanoseconds since the Unix epoch; 0 for never.
    pub due_ns: u64,
    /// The subject it is stored under.
    pub subject: &'a [u8],
    /// Headers and payload as they came, bytes.
    pub content_bytes: u32,
    /// By how much compression made the record shorter, bytes.
    pub saved_bytes: u32,
    /// Whether it has headers.
    pub has_headers: bool,
    /// Where its record lies in the segment.
    pub offset: u32,
    /// The record's length.
    pub length: u32,
}

impl<'a> IndexedStream<'a> {
    /// The messages, by sequence. Ends early where entries contradict themselves.
    pub fn messages(&self) -> Messages<'a> {
        Messages { entries: self.entries, decoder: self.decoder() }
    }

    /// What reads the messages one by one, and can be put aside in between.
    pub fn decoder(&self) -> Decoder {
        Decoder { left: self.count, ..Decoder::default() }
    }
}

/// The messages of a stream in a segment, from its index.
#[derive(Debug)]
pub struct Messages<'a> {
    entries: &'a [u8],
    decoder: Decoder,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Indexed<'a>;

    #[inline]
    fn next(&mut self) -> Option<Indexed<'a>> {
        self.decoder.next(self.entries)
    }
}

/// How far the entries of a stream have been read.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    at: usize,
    left: u32,
    sequence: u64,
    time_ns: u64,
    offset: u32,
    length: u32,
    /// Where the last subject lies in the entries, and its length.
    subject: (u32, u32),
    subjects: Vec<(u32, u32)>,
}

impl Decoder {
    /// The next message of the stream whose entries these are.
    #[inline]
    pub fn next_of<'a>(&mut self, stream: &IndexedStream<'a>) -> Option<Indexed<'a>> {
        self.next(stream.entries)
    }

    fn next<'a>(&mut self, entries: &'a [u8]) -> Option<Indexed<'a>> {
        self.left = self.left.checked_sub(1)?;
        let flags = *entries.get(self.at)?;
        self.at += 1;
        let step = if flags & NEXT == 0 { self.number(entries)? } else { 1 };
        let end = self.offset.checked_add(self.length)?;
        let gap = if flags & CLOSE == 0 { self.number(entries)? } else { 0 };
        if flags & NEW_SUBJECT != 0 {
            let len = u32::try_from(self.number(entries)?).ok()?;
            self.subject = (self.at as u32, len);
            self.subjects.push(self.subject);
            self.at = self.at.checked_add(len as usize)?;
        } else if flags & SAME_SUBJECT == 0 {
            let ordinal = usize::try_from(self.number(entries)?).ok()?;
            self.subject = *self.subjects.get(ordinal)?;
        }
        let (start, len) = self.subject;
        let subject = entries.get(start as usize..)?.get(..len as usize)?;
        if flags & SAME_LENGTH == 0 {
            self.length = u32::try_from(self.number(entries)?).ok()?;
        }
        let plain = if flags & COMPRESSED != 0 { Some(self.number(entries)?) } else { None };
        self.time_ns = self.time_ns.wrapping_add(unfolded(self.number(entries)?));
        let due_ns = if flags & HAS_DUE != 0 { self.number(entries)? } else { 0 };
        let has_headers = flags & HAS_HEADERS != 0;
        self.sequence = self.sequence.wrapping_add(step);
        self.offset = end.checked_add(u32::try_from(gap).ok()?)?;
        let around = record::HEADER_BYTES
            + if due_ns == 0 { 0 } else { 8 }
            + if has_headers { 4 } else { 0 }
            + subject.len();
        let stored = self.length.checked_sub(around as u32)?;
        let content_bytes = match plain {
            Some(plain) => u32::try_from(plain).ok()?,
            None => stored,
        };
        Some(Indexed {
            sequence: self.sequence,
            time_ns: self.time_ns,
            due_ns,
            subject,
            content_bytes,
            saved_bytes: content_bytes.checked_sub(stored)?,
            has_headers,
            offset: self.offset,
            length: self.length,
        })
    }

    #[inline]
    fn number(&mut self, entries: &[u8]) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *entries.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
