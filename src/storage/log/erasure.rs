//! Secure erase: the bytes of a message that was removed are overwritten where they lie.
//!
//! ```text
//! Asked ─▶ Told (a record names the place) ─safe, segment complete─▶ Reading ─▶ Writing ─▶ done
//!                                                                     the record is taken back
//! ```
//! The record that names the place comes after the removal, so that a message is never half gone
//! and still there; after a crash it is found, and the overwriting done again. What is written
//! over a message is a record of its own, of the same length. Only sectors of complete segments
//! are written again, and what stands beside the message in them stays as it is. A segment is
//! neither compacted nor released before its erasures are done.

use std::collections::VecDeque;

use buffer::{Block, BlockSlice};
use config::limits;
use runtime::disk::{DiskError, Done, Durability, Operation};

use super::damage::Damage;
use super::layout::{u32_at, u64_at};
use super::record::{Record, erase};
use super::segments::{Segment, SegmentFile, Stage};
use super::{At, Epoch, Job, Key, KeyKind, Log, Map, Slot, StreamNumber, Trouble};
use crate::Mark;

/// What is to be erased.
#[derive(Default)]
pub struct Erasures {
    waiting: VecDeque<Erasure>,
    /// How many at the back of `waiting` are not told: none before them is.
    untold: usize,
    /// How often a message stands in `waiting`: a copy that compaction made does so, too.
    places: Map<(StreamNumber, u64), u32>,
    /// The one at the front is being read or written.
    is_under_way: bool,
    /// When a segment that is still appended to is completed for an erasure's sake.
    seal_at_ns: Option<u64>,
}

/// One message that was removed.
#[derive(Clone, Copy, Debug)]
struct Erasure {
    stream: StreamNumber,
    sequence: u64,
    /// Where it lies; `None` when the segment is gone, and only the record is to be taken back.
    at: Option<At>,
    length: u32,
    /// When the record that names the place is safe.
    told: Option<Mark>,
}

/// The value that names a place: epoch, offset, length.
type Named = [u8; 16];

fn name(epoch: Epoch, offset: u32, length: u32) -> Named {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&epoch.0.to_le_bytes());
    value[8..12].copy_from_slice(&offset.to_le_bytes());
    value[12..].copy_from_slice(&length.to_le_bytes());
    value
}

impl Erasures {
    fn push(&mut self, erasure: Erasure) {
        *self.places.entry((erasure.stream, erasure.sequence)).or_default() += 1;
        self.untold += usize::from(erasure.told.is_none());
        self.waiting.push_back(erasure);
    }

    /// Whether nothing is to be erased.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When there is something to do that no event announces, monotonic nanoseconds.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.seal_at_ns
    }
}

impl Log {
    /// The message at `at` was removed, and its bytes shall be overwritten. Its segment stays
    /// until that is done.
    pub fn erase(&mut self, stream: StreamNumber, sequence: u64, at: At, record_bytes: u32) {
        let segment = &mut self.segments[at.slot()];
        segment.erasures += 1;
        let length = record_bytes + segment.key.tag_bytes() as u32;
        let erasure = Erasure { stream, sequence, at: Some(at), length, told: None };
        self.erasures.push(erasure);
    }

    /// Appends where messages lie that are to be erased. Called when their removals were appended.
    pub fn tell_erasures(&mut self) {
        while self.erasures.untold > 0 {
            let place = self.erasures.waiting.len() - self.erasures.untold;
            let Erasure { stream, sequence, at, length, .. } = self.erasures.waiting[place];
            let at = at.expect("it is taken once the erasure was told and done");
            let value = name(self.segments[at.slot()].epoch, at.offset(), length);
            let key = Key { stream, kind: KeyKind::ERASING, key: sequence };
            let Ok(mark) = self.put(key, Some(&value)) else { return };
            self.erasures.waiting[place].told = Some(mark);
            self.erasures.untold -= 1;
        }
    }

    /// A record was found at start that names a place: the overwriting may not have been done.
    pub(super) fn recover_erasure(&mut self, key: Key, value: &[u8]) {
        let Ok(value) = <&Named>::try_from(value) else { return };
        let (epoch, offset, length) =
            (Epoch(u64_at(value, 0)), u32_at(value, 8), u32_at(value, 12));
        let end = offset.checked_add(length);
        let of_epoch = |(slot, segment): (Slot, &Segment)| {
            let is_within = end.is_some_and(|end| end <= segment.file_bytes);
            (is_within && segment.epoch == epoch && segment.stage == Stage::Sealed).then_some(slot)
        };
        let slot = self.segments.iter().find_map(of_epoch);
        if let Some(slot) = slot {
            self.segments[slot].erasures += 1;
        }
        self.erasures.push(Erasure {
            stream: key.stream,
            sequence: key.key,
            at: slot.map(|slot| At::new(slot, offset)),
            length,
            told: Some(Mark::default()),
        });
    }

    /// A message that was removed while compaction copied it lies in two places.
    pub(super) fn erase_copy(&mut self, stream: StreamNumber, sequence: u64, to: At, length: u32) {
        if self.erasures.places.contains_key(&(stream, sequence)) {
            self.erase(stream, sequence, to, length);
        }
    }

    /// Goes on with the first erasure, if it can.
    pub(super) fn erase_next(&mut self) {
        if self.is_failed || self.erasures.is_under_way {
            return;
        }
        while let Some(&next) = self.erasures.waiting.front() {
            if next.told.is_none_or(|mark| mark > self.durable) {
                return;
            }
            let Some(at) = next.at else {
                if !self.take_back() {
                    return;
                }
                continue;
            };
            match self.segments[at.slot()].stage {
                Stage::Sealed | Stage::Doomed => self.read_to_erase(at, next.length),
                Stage::Active => self.seal_soon(at.slot()),
                _ => {}
            }
            return;
        }
    }

    /// The segment is still appended to: it is completed for this, but not for each message.
    fn seal_soon(&mut self, slot: Slot) {
        if self.writer.as_ref().is_none_or(|writer| writer.slot != slot) {
            // Compaction fills it, and will complete it.
            return;
        }
        let wait_ns = limits::JS_ERASE_WAIT.as_nanos() as u64;
        let at_ns = *self.erasures.seal_at_ns.get_or_insert(self.now.mono_ns + wait_ns);
        if self.now.mono_ns >= at_ns {
            self.erasures.seal_at_ns = None;
            self.end_writer();
        }
    }

    fn read_to_erase(&mut self, at: At, length: u32) {
        self.erasures.seal_at_ns = None;
        let slot = at.slot();
        let segment = &self.segments[slot];
        let SegmentFile::Open(file) = segment.file else { return self.open_file(slot) };
        // The disk may be another one than that which the segment was made on.
        let sector = segment.sector.max(self.sector);
        let start = at.offset() / sector * sector;
        let bytes = (at.offset() + length - start).next_multiple_of(sector) as usize;
        let into = Block::new(bytes.next_multiple_of(buffer::BLOCK_ALIGN));
        self.erasures.is_under_way = true;
        self.ask(Job::EraseRead, Operation::Read { file, offset: u64::from(start), into });
    }

    /// The sectors around a message were read: they are written again without it.
    pub(super) fn erase_read(&mut self, result: Result<Done, DiskError>) {
        self.erasures.is_under_way = false;
        let Some(&Erasure { at: Some(at), length, stream, sequence, .. }) =
            self.erasures.waiting.front()
        else {
            return;
        };
        let segment = &self.segments[at.slot()];
        let (epoch, sector) = (segment.epoch, segment.sector.max(self.sector));
        let start = at.offset() / sector * sector;
        let written = match (result, segment.file) {
            (Ok(Done::Read(block)), SegmentFile::Open(file)) => {
                let record = (at.offset(), length, epoch);
                without(block, start, record, (stream, sequence)).map(|bytes| (file, bytes))
            }
            _ => None,
        };
        let Some((file, sectors)) = written else {
            // It cannot be read, or something else stands there: nothing is overwritten.
            let file = self.segments[at.slot()].path.to_path_buf();
            let (offset, len) = (u64::from(at.offset()), u64::from(length));
            self.troubles.push(Trouble::Damaged(Damage::Record { file, offset, len }));
            return self.erased();
        };
        let bytes = (at.offset() + length - start).next_multiple_of(sector) as usize;
        let (offset, bytes) = (u64::from(start), sectors.first(bytes));
        let durability = Durability::AtCompletion;
        self.erasures.is_under_way = true;
        self.ask(Job::EraseWrite, Operation::Write { file, offset, bytes, durability });
    }

    /// The message is overwritten.
    pub(super) fn erase_written(&mut self, result: Result<Done, DiskError>) {
        self.erasures.is_under_way = false;
        let Some(Erasure { at: Some(at), .. }) = self.erasures.waiting.front() else { return };
        match result {
            Ok(_) => self.erased(),
            Err(error) => self.fail(at.slot(), error),
        }
    }

    /// Nothing is left to do at the place of the first erasure.
    fn erased(&mut self) {
        let Some(front) = self.erasures.waiting.front_mut() else { return };
        if let Some(at) = front.at.take() {
            self.segments[at.slot()].erasures -= 1;
            self.segments.look_for_dead();
        }
        self.take_back();
    }

    /// Takes the record of the first erasure back; whether that was appended.
    fn take_back(&mut self) -> bool {
        let Some(front) = self.erasures.waiting.front() else { return false };
        if self.promised > 0 {
            // What the owner promised comes first: its marks count on that.
            return false;
        }
        let key = Key { stream: front.stream, kind: KeyKind::ERASING, key: front.sequence };
        // A stream that is gone took the record with it. A copy has the same one.
        let message = (front.stream, front.sequence);
        let places = self.erasures.places.get(&message).copied().unwrap_or_default();
        if places <= 1 && self.keys.contains_key(&key) && self.put(key, None).is_err() {
            return false;
        }
        match places {
            0 | 1 => drop(self.erasures.places.remove(&message)),
            places => drop(self.erasures.places.insert(message, places - 1)),
        }
        self.erasures.waiting.pop_front();
        true
    }
}

/// The sectors that begin at `start`, with an erased record in the place of a message; `None` when
/// something else stands there whole.
fn without(
    mut sectors: Block,
    start: u32,
    (offset, length, epoch): (u32, u32, Epoch),
    (stream, sequence): (StreamNumber, u64),
) -> Option<BlockSlice> {
    let from = (offset - start) as usize;
    let bytes = sectors.unfrozen_mut().get_mut(from..from + length as usize)?;
    if let Some(Record { head, .. }) = Record::verified(bytes, epoch, offset)
        && (head.stream, head.sequence, head.length) != (stream, sequence, length)
    {
        return None;
    }
    erase(bytes, stream, sequence, epoch, offset);
    Some(sectors.freeze())
}
