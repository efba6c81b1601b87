//! Hot path: the messages of a stream in order of sequence: subject, size, time and place of
//! each, in blocks of 256 sequences.
//!
//! The newest block is plain entries; when the next one begins it is packed ([`Packed`]). A block
//! whose messages are mostly gone is packed again without them, and dropped with its last one.
//! Where messages of a subject stand far apart, each links to the next, so that nobody must look
//! through what lies between.

use std::collections::VecDeque;

use crate::Seq;
use crate::offsets::Offsets;
use crate::packed::{Packed, PackedSubjects};
use crate::pick::Pick;
use crate::subjects::SubjectId;

/// Sequences in a block.
pub(crate) const SPAN: u64 = 256;

/// Messages of one subject further apart than this are linked; others are found by looking.
const NEAR: u64 = 1024;

/// A block with at least this many entries is packed again when half of them are gone.
const REPACK_MIN: u32 = 16;

/// What is known of one message without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) subject: SubjectId,
    /// Bytes as the stream counts them.
    pub(crate) size: u32,
    pub(crate) time_ns: u64,
    /// Where the body lies, in the terms of the store that has it.
    pub(crate) at: u64,
    /// By how much its record in the log is shorter for being compressed.
    pub(crate) saved_bytes: u32,
}

/// The messages of a stream.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// By number, none without a live message; only the last can be the tail.
    blocks: VecDeque<Block>,
    /// The entries of the newest block, the dead ones included.
    tail: Vec<Entry>,
    /// At which offsets the tail's entries stand.
    tail_present: Offsets,
}

/// Up to 256 neighbouring messages.
#[derive(Debug)]
struct Block {
    /// Its sequences are `number * SPAN` and those after it.
    number: u64,
    /// Which of them hold a message.
    live: Offsets,
    /// One bit for each subject in it, by the subject's id; a bit may stand for many.
    subjects: u64,
    /// Nothing for the tail.
    packed: Option<Packed>,
    /// For each packed entry how far it is to the next message of its subject; 0 for no link.
    links: Option<Box<[u32]>>,
}

impl Blocks {
    /// Adds a message after all others.
    pub(crate) fn push(&mut self, seq: Seq, entry: Entry) {
        let (number, offset) = split(seq);
        match self.blocks.back() {
            Some(last) if last.number == number && last.packed.is_none() => {}
            last => {
                debug_assert!(last.is_none_or(|last| last.number < number), "sequences rise");
                self.begin(number);
            }
        }
        self.tail.push(entry);
        self.tail_present.insert(offset);
        let block = self.blocks.back_mut().expect("one was just begun");
        block.live.insert(offset);
        block.subjects |= subject_bit(entry.subject);
    }

    /// Packs the tail and begins another.
    fn begin(&mut self, number: u64) {
        if let Some(last) = self.blocks.back_mut()
            && last.packed.is_none()
        {
            let live = last.live;
            let mut present = self.tail_present.iter();
            self.tail.retain(|_| present.next().is_some_and(|offset| live.contains(offset)));
            last.packed = Some(Packed::new(&live, &self.tail));
        }
        self.tail.clear();
        self.tail_present = Offsets::default();
        self.blocks.push_back(Block {
            number,
            live: Offsets::default(),
            subjects: 0,
            packed: None,
            links: None,
        });
    }

    /// The message `seq`, unless it is gone.
    pub(crate) fn get(&self, seq: Seq) -> Option<Entry> {
        let (number, offset) = split(seq);
        let block = &self.blocks[self.find(number)?];
        block.live.contains(offset).then(|| match &block.packed {
            Some(packed) => packed.entry(index_of(packed, offset)),
            None => self.tail[self.tail_present.below(offset) as usize],
        })
    }

    /// Tells `each` every message, the lowest sequence first.
    pub(crate) fn for_each(&self, mut each: impl FnMut(Seq, Entry)) {
        for block in &self.blocks {
            for offset in block.live.iter() {
                let entry = match &block.packed {
                    Some(packed) => packed.entry(index_of(packed, offset)),
                    None => self.tail[self.tail_present.below(offset) as usize],
                };
                each(Seq(block.number * SPAN + u64::from(offset)), entry);
            }
        }
    }

    /// Takes the message `seq` out.
    pub(crate) fn remove(&mut self, seq: Seq) -> Option<Entry> {
        let entry = self.get(seq)?;
        let (number, offset) = split(seq);
        let at = self.find(number)?;
        let block = &mut self.blocks[at];
        block.live.remove(offset);
        let left = block.live.count();
        if left == 0 {
            if block.packed.is_none() {
                self.tail.clear();
                self.tail_present = Offsets::default();
            }
            self.blocks.remove(at);
        } else if let Some(packed) = &block.packed
            && packed.count() >= REPACK_MIN
            && packed.count() > 2 * left
        {
            block.repack(|_, entry| entry);
        }
        Some(entry)
    }

    /// Says where bodies lie now. `moves` are messages that are there, by sequence.
    pub(crate) fn relocate(&mut self, moves: &[(Seq, u64)]) {
        for moved in moves.chunk_by(|a, b| split(a.0).0 == split(b.0).0) {
            let at = self.find(split(moved[0].0).0).expect("what moves is there");
            let block = &mut self.blocks[at];
            let place = |offset: u8| {
                let found = moved.binary_search_by_key(&offset, |&(seq, _)| split(seq).1);
                found.ok().map(|found| moved[found].1)
            };
            if block.packed.is_none() {
                for (offset, entry) in self.tail_present.iter().zip(&mut self.tail) {
                    entry.at = place(offset).unwrap_or(entry.at);
                }
            } else {
                block.repack(|offset, entry| Entry {
                    at: place(offset).unwrap_or(entry.at),
                    ..entry
                });
            }
        }
    }

    /// Links `from` to `to`, the next message of the same subject, if they stand far apart.
    pub(crate) fn link(&mut self, from: Seq, to: Seq) {
        let distance = to.0 - from.0;
        let (number, offset) = split(from);
        if distance > NEAR
            && let Ok(distance) = u32::try_from(distance)
            && let Some(at) = self.find(number)
            && let Block { packed: Some(packed), links, .. } = &mut self.blocks[at]
            && let Some(index) = packed.index_of(offset)
        {
            let none = || vec![0; packed.count() as usize].into_boxed_slice();
            links.get_or_insert_with(none)[index as usize] = distance;
        }
    }

    /// Where the message at `seq`, gone or not, links to, if it is of this subject.
    pub(crate) fn linked(&self, seq: Seq, subject: SubjectId) -> Option<Seq> {
        let (number, offset) = split(seq);
        let block = &self.blocks[self.find(number)?];
        let (packed, links) = block.packed.as_ref().zip(block.links.as_ref())?;
        let index = packed.index_of(offset).filter(|&index| packed.subject(index) == subject)?;
        let distance = links[index as usize];
        (distance > 0).then_some(Seq(seq.0 + u64::from(distance)))
    }

    /// The first message at `from` or later that `pick` takes.
    pub(crate) fn first(&self, from: Seq, pick: &mut impl Pick) -> Option<Seq> {
        self.first_within(from, Seq::MAX, pick)
    }

    /// The first message at `from` or later that `pick` takes, looked for up to the block of
    /// `upto`.
    pub(crate) fn first_within(&self, from: Seq, upto: Seq, pick: &mut impl Pick) -> Option<Seq> {
        let (number, mut offset) = split(from);
        let end = split(upto).0;
        let start = self.find(number).unwrap_or_else(|| self.at_or_above(number));
        for block in self.blocks.range(start..).take_while(|block| block.number <= end) {
            if block.number > number {
                offset = 0;
            }
            if pick.may_take_of(block.subjects)
                && let Some(found) = self.nearest_in(block, offset, Towards::Later, pick)
            {
                return Some(Seq(block.number * SPAN + u64::from(found)));
            }
        }
        None
    }

    /// The last message at `upto` or earlier that `pick` takes.
    pub(crate) fn last(&self, upto: Seq, pick: &mut impl Pick) -> Option<Seq> {
        let (number, mut offset) = split(upto);
        let end = self.blocks.partition_point(|block| block.number <= number);
        for block in self.blocks.range(..end).rev() {
            if block.number < number {
                offset = u8::MAX;
            }
            if pick.may_take_of(block.subjects)
                && let Some(found) = self.nearest_in(block, offset, Towards::Earlier, pick)
            {
                return Some(Seq(block.number * SPAN + u64::from(found)));
            }
        }
        None
    }

    /// How many messages from `from` to `upto`, both included, `pick` takes.
    pub(crate) fn count(&self, from: Seq, upto: Seq, pick: &mut impl Pick) -> u64 {
        let ((first, low), (last, high)) = (split(from), split(upto));
        let start = self.at_or_above(first);
        let mut count = 0;
        for block in self.blocks.range(start..).take_while(|block| block.number <= last) {
            if !pick.may_take_of(block.subjects) {
                continue;
            }
            let low = if block.number == first { low } else { 0 };
            let high = if block.number == last { high } else { u8::MAX };
            count += u64::from(self.count_in(block, low, high, pick));
        }
        count
    }

    /// The first message whose time is `time_ns` or later, where times rise with sequences.
    pub(crate) fn first_at(&self, time_ns: u64) -> Option<Seq> {
        let earlier = |block: &Block| self.last_time_of(block) < time_ns;
        let block = self.blocks.get(self.blocks.partition_point(earlier))?;
        let seqs = block.live.iter().map(|offset| Seq(block.number * SPAN + u64::from(offset)));
        let mut late = seqs.filter(|&seq| self.get(seq).is_some_and(|e| e.time_ns >= time_ns));
        late.next()
    }

    fn last_time_of(&self, block: &Block) -> u64 {
        let last = block.live.last().map(|offset| Seq(block.number * SPAN + u64::from(offset)));
        last.and_then(|last| self.get(last)).map_or(0, |entry| entry.time_ns)
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let packed = |block: &Block| {
            let links = block.links.as_ref().map_or(0, |links| size_of_val(&**links));
            block.packed.as_ref().map_or(0, Packed::memory) + links
        };
        self.blocks.iter().map(packed).sum::<usize>()
            + self.blocks.capacity() * size_of::<Block>()
            + self.tail.capacity() * size_of::<Entry>()
    }

    /// The index of the block with this number.
    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        let guess = number.checked_sub(self.blocks.front()?.number)?;
        // Without gaps the number says where it is.
        let guess = usize::try_from(guess).unwrap_or(usize::MAX);
        if self.blocks.get(guess).is_some_and(|block| block.number == number) {
            return Some(guess);
        }
        self.blocks.binary_search_by_key(&number, |block| block.number).ok()
    }

    /// The index of the first block with this number or a higher one.
    fn at_or_above(&self, number: u64) -> usize {
        self.blocks.partition_point(|block| block.number < number)
    }

    /// The live message nearest to `from`, itself included, that `pick` takes.
    fn nearest_in(
        &self,
        block: &Block,
        from: u8,
        towards: Towards,
        pick: &mut impl Pick,
    ) -> Option<u8> {
        let mut next = towards.nearest(&block.live, from);
        if pick.takes_all() {
            return next;
        }
        let subjects = self.subjects_of(block);
        if let Some(only) = subjects.only() {
            return next.filter(|_| pick.takes(only));
        }
        while let Some(offset) = next {
            if pick.takes(subjects.at(offset)) {
                return Some(offset);
            }
            next = towards.beyond(offset).and_then(|beyond| towards.nearest(&block.live, beyond));
        }
        None
    }

    fn count_in(&self, block: &Block, low: u8, high: u8, pick: &mut impl Pick) -> u32 {
        let within = Offsets::row(low, u32::from(high) - u32::from(low) + 1);
        let live = block.live.and(&within);
        if pick.takes_all() {
            return live.count();
        }
        let subjects = self.subjects_of(block);
        if let Some(only) = subjects.only() {
            return if pick.takes(only) { live.count() } else { 0 };
        }
        live.iter().filter(|&offset| pick.takes(subjects.at(offset))).count() as u32
    }

    fn subjects_of<'a>(&'a self, block: &'a Block) -> Subjects<'a> {
        match &block.packed {
            Some(packed) => match packed.row() {
                Some(first) => Subjects::Row(first, packed.subjects()),
                None => Subjects::Scattered(packed.present(), packed.subjects()),
            },
            None => Subjects::Tail(self.tail_present, &self.tail),
        }
    }
}

/// Which way a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Towards {
    Later,
    Earlier,
}

impl Towards {
    #[inline]
    fn nearest(self, live: &Offsets, from: u8) -> Option<u8> {
        match self {
            Towards::Later => live.at_or_after(from),
            Towards::Earlier => live.at_or_before(from),
        }
    }

    #[inline]
    fn beyond(self, offset: u8) -> Option<u8> {
        match self {
            Towards::Later => offset.checked_add(1),
            Towards::Earlier => offset.checked_sub(1),
        }
    }
}

impl Block {
    /// Packs what is live again, each entry as `change` gives it for its offset.
    fn repack(&mut self, change: impl Fn(u8, Entry) -> Entry) {
        let Some(packed) = &self.packed else { return };
        let indexes = || self.live.iter().map(|offset| (offset, index_of(packed, offset)));
        let entries = indexes().map(|(offset, index)| change(offset, packed.entry(index)));
        let entries: Vec<Entry> = entries.collect();
        let links = self
            .links
            .as_ref()
            .map(|links| indexes().map(|(_, index)| links[index as usize]).collect::<Box<[u32]>>());
        self.links = links.filter(|links| links.iter().any(|&distance| distance > 0));
        self.subjects = entries.iter().fold(0, |all, entry| all | subject_bit(entry.subject));
        self.packed = Some(Packed::new(&self.live, &entries));
    }
}

/// The subjects of a block's entries by offset.
enum Subjects<'a> {
    /// All in a row from an offset.
    Row(u8, PackedSubjects<'a>),
    Scattered(Offsets, PackedSubjects<'a>),
    Tail(Offsets, &'a [Entry]),
}

impl Subjects<'_> {
    /// The subject of the live entry at `offset`.
    #[inline]
    fn at(&self, offset: u8) -> SubjectId {
        match self {
            Subjects::Row(first, subjects) => subjects.get(u32::from(offset - first)),
            Subjects::Scattered(present, subjects) => subjects.get(present.below(offset)),
            Subjects::Tail(present, entries) => entries[present.below(offset) as usize].subject,
        }
    }

    /// The one subject of all entries, if that is known at once.
    fn only(&self) -> Option<SubjectId> {
        match self {
            Subjects::Row(_, subjects) | Subjects::Scattered(_, subjects) => subjects.only(),
            Subjects::Tail(..) => None,
        }
    }
}

/// The index of an entry that is there.
#[inline]
fn index_of(packed: &Packed, offset: u8) -> u32 {
    packed.index_of(offset).expect("what is live is present")
}

/// A subject's bit in its blocks.
#[inline]
pub(crate) fn subject_bit(subject: SubjectId) -> u64 {
    1 << (subject.0 & 63)
}

/// A sequence's block and its offset in it.
#[inline]
fn split(seq: Seq) -> (u64, u8) {
    (seq.0 / SPAN, (seq.0 % SPAN) as u8)
}
