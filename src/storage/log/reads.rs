//! Hot path: records on their way out. Before it: the segments; after it: `Storage::read`.
//!
//! A record is looked for where it was written (the writer's block), then among the blocks written
//! last, then among the pieces read from disk last. What is in none is asked of the disk; whoever
//! waits is named once it has come. Reads that follow each other get larger pieces, and the next
//! piece before they ask.

use std::collections::VecDeque;

use buffer::Block;
use config::limits;
use runtime::disk::{Completion, DiskError, Done, Operation};

use super::damage::Damage;
use super::parts::{self, Part, Parts, holds_record};
use super::record::{NewMessage, Record};
use super::segments::{SegmentFile, Stage};
use super::{At, Job, Log, Slot, Trouble};
use crate::Waiter;

/// What a read of the log gives.
#[derive(Debug)]
pub enum LogRead<'a> {
    /// The message.
    Ready(NewMessage<'a>),
    /// It is asked of the disk.
    Pending,
    /// What lies there is not what was written.
    Damaged,
}

/// [`LogRead`] of any record.
pub enum RecordRead<'a> {
    Ready(Record<'a>),
    Pending,
    Damaged,
}

/// What of the segments is in memory, and what is on its way.
#[derive(Default)]
pub struct Reads {
    /// Blocks that were written last, and in which order.
    recent: Parts<()>,
    recent_order: VecDeque<(Slot, u32)>,
    /// Pieces that were read last.
    pieces: Parts<Use>,
    pending: Vec<Pending>,
    last_pending: u64,
    cursors: VecDeque<Cursor>,
    arrived: VecDeque<Waiter>,
    /// Places that cannot be read, and were said to be.
    bad: Vec<At>,
    clock: u64,
    free: Vec<Block>,
    /// Kept for the next turn, so that no turn allocates.
    pub completions: Vec<Completion>,
}

/// How a piece is used.
struct Use {
    last: u64,
    /// The next piece's length if it shall be read ahead; 0 if not, or if that was done.
    ahead: u32,
}

struct Pending {
    id: u64,
    slot: Slot,
    start: u32,
    len: u32,
    ahead: u32,
    /// For which record it was asked, and where that ends at the latest.
    wanted: Option<(At, u32)>,
    waiters: Vec<Waiter>,
    is_asked: bool,
    is_forgotten: bool,
}

/// Where a sequence of reads has come to.
struct Cursor {
    slot: Slot,
    next: u32,
    step: u32,
}

/// Where a record is in memory; a part is named by its start.
#[derive(Clone, Copy)]
enum Found {
    Writer,
    Recent(u32),
    Piece(u32),
}

impl Log {
    /// Reads the message at `at`, whose record is at most `length` bytes long. If it must come
    /// from the disk, `waiter` is named by [`Log::next_arrived`] when asking again is worth it.
    #[inline]
    pub fn read(&mut self, at: At, length: u32, waiter: Waiter) -> LogRead<'_> {
        match self.record(at, length, Some(waiter)) {
            RecordRead::Pending => LogRead::Pending,
            RecordRead::Damaged => LogRead::Damaged,
            RecordRead::Ready(record) => match record.message() {
                Some(message) => LogRead::Ready(message),
                None => LogRead::Damaged,
            },
        }
    }

    /// [`Log::read`] for any record; without a waiter, whoever asks looks again by itself.
    #[inline]
    pub(super) fn record(&mut self, at: At, length: u32, waiter: Option<Waiter>) -> RecordRead<'_> {
        let (slot, offset) = (at.slot(), at.offset());
        let Some(found) = self.find(slot, offset) else {
            return self.read_from_disk(at, length, waiter);
        };
        if let Found::Piece(start) = found {
            self.use_piece(slot, start, offset);
            let epoch = self.segments[slot].epoch;
            let bytes = self.bytes_of(found, slot, offset).unwrap_or_default();
            if Record::verified(bytes, epoch, offset).is_none() {
                self.say_damaged(at);
                return RecordRead::Damaged;
            }
        }
        let bytes = self.bytes_of(found, slot, offset).unwrap_or_default();
        Record::trusted(bytes).map_or(RecordRead::Damaged, RecordRead::Ready)
    }

    /// The next waiter whose read can succeed now.
    pub fn next_arrived(&mut self) -> Option<Waiter> {
        self.reads.arrived.pop_front()
    }

    #[inline]
    fn find(&self, slot: Slot, offset: u32) -> Option<Found> {
        let reads = &self.reads;
        if self.bytes_of(Found::Writer, slot, offset).is_some_and(holds_record) {
            return Some(Found::Writer);
        }
        if let Some(start) = reads.recent.find(slot, offset, holds_record) {
            return Some(Found::Recent(start));
        }
        reads.pieces.find(slot, offset, holds_record).map(Found::Piece)
    }

    #[inline]
    fn bytes_of(&self, found: Found, slot: Slot, offset: u32) -> Option<&[u8]> {
        let (block, start) = match found {
            Found::Writer => {
                let writer = self.writer.as_ref().filter(|writer| writer.slot == slot)?;
                return writer.bytes_at(offset);
            }
            Found::Recent(start) => (&self.reads.recent.get(slot, start)?.block, start),
            Found::Piece(start) => (&self.reads.pieces.get(slot, start)?.block, start),
        };
        block.bytes().get(offset.checked_sub(start)? as usize..)
    }

    /// Notes a use, and asks for what comes next once half of the piece is used: from the first
    /// record on that the piece does not hold whole.
    #[inline]
    fn use_piece(&mut self, slot: Slot, start: u32, offset: u32) {
        self.reads.clock += 1;
        let Some(piece) = self.reads.pieces.get_mut(slot, start) else { return };
        piece.note.last = self.reads.clock;
        let bytes = piece.block.bytes();
        if piece.note.ahead > 0 && (offset - start) as usize > bytes.len() / 2 {
            let step = longer(std::mem::take(&mut piece.note.ahead));
            let cut = start + parts::first_cut(bytes, (offset - start) as usize) as u32;
            let sector = self.segments[slot].sector;
            let next = cut / sector * sector;
            self.follow(slot, next + step, step);
            self.ask_piece(slot, next, step, step, None);
        }
    }

    fn read_from_disk(
        &mut self,
        at: At,
        length: u32,
        waiter: Option<Waiter>,
    ) -> RecordRead<'static> {
        if self.reads.bad.contains(&at) {
            return RecordRead::Damaged;
        }
        let (slot, offset) = (at.slot(), at.offset());
        let segment = &self.segments[slot];
        let sector = segment.sector;
        let covers = |p: &&mut Pending| {
            p.slot == slot && p.start <= offset && offset + length <= p.start + p.len
        };
        if let Some(pending) = self.reads.pending.iter_mut().find(covers) {
            pending.waiters.extend(waiter);
            return RecordRead::Pending;
        }
        let is_whole = |bytes: &[u8]| bytes.len() >= length as usize;
        if self.reads.pieces.find(slot, offset, is_whole).is_some() {
            // It is all there, and is no record.
            self.say_damaged(at);
            return RecordRead::Damaged;
        }
        let start = offset / sector * sector;
        let needed = offset - start + length;
        let near = |c: &Cursor| {
            c.slot == slot
                && c.next <= offset + length.max(sector)
                && offset < c.next + limits::JS_READ_AHEAD_BYTES_MAX
        };
        let step = match self.reads.cursors.iter().position(near) {
            Some(place) => {
                let cursor = self.reads.cursors.remove(place).expect("just found");
                longer(cursor.step)
            }
            None => 0,
        };
        let len = needed.max(step).max(limits::JS_READ_BYTES_MIN);
        self.follow(slot, start + len, len);
        self.ask_piece(slot, start, len, step, Some((at, offset + length)));
        if let Some(pending) = self.reads.pending.last_mut() {
            pending.waiters.extend(waiter);
        }
        RecordRead::Pending
    }

    fn follow(&mut self, slot: Slot, next: u32, step: u32) {
        let cursors = &mut self.reads.cursors;
        cursors.retain(|cursor| cursor.slot != slot || cursor.next + step != next);
        if cursors.len() == limits::JS_READ_ROWS_MAX {
            cursors.pop_front();
        }
        cursors.push_back(Cursor { slot, next, step });
    }

    /// Asks for a part of a segment, if it has one there.
    fn ask_piece(
        &mut self,
        slot: Slot,
        start: u32,
        len: u32,
        ahead: u32,
        wanted: Option<(At, u32)>,
    ) {
        let segment = &mut self.segments[slot];
        if start >= segment.file_bytes || wanted.is_none() && segment.stage != Stage::Sealed {
            return;
        }
        segment.reads += 1;
        let len = len.next_multiple_of(buffer::BLOCK_ALIGN as u32);
        self.reads.last_pending += 1;
        self.reads.pending.push(Pending {
            id: self.reads.last_pending,
            slot,
            start,
            len,
            ahead,
            wanted,
            waiters: Vec::new(),
            is_asked: false,
            is_forgotten: false,
        });
        self.open_file(slot);
        self.ask_pending(slot);
    }

    /// Gives the disk the reads of a segment that wait for its file.
    fn ask_pending(&mut self, slot: Slot) {
        let SegmentFile::Open(file) = self.segments[slot].file else { return };
        for at in 0..self.reads.pending.len() {
            let pending = &mut self.reads.pending[at];
            if pending.slot != slot || std::mem::replace(&mut pending.is_asked, true) {
                continue;
            }
            let (id, offset, len) = (pending.id, u64::from(pending.start), pending.len as usize);
            let free = self.reads.free.iter().position(|block| block.capacity() == len);
            let into = match free {
                Some(place) => self.reads.free.swap_remove(place),
                None => Block::new(len),
            };
            self.ask(Job::Read { pending: id }, Operation::Read { file, offset, into });
        }
    }

    /// A segment's file is open; or is not, and then its reads fail.
    pub(super) fn file_opened(&mut self, slot: Slot) {
        let segment = &self.segments[slot];
        if matches!(segment.file, SegmentFile::Open(_)) {
            if segment.stage == Stage::Releasing {
                self.write_free(slot);
            }
            self.ask_pending(slot);
            return;
        }
        let of_slot = |p: &Pending| p.slot == slot && !p.is_asked;
        while let Some(place) = self.reads.pending.iter().position(of_slot) {
            let id = self.reads.pending[place].id;
            self.read_completed(id, Err(DiskError::Name));
        }
    }

    /// A read has ended.
    pub(super) fn read_completed(&mut self, id: u64, result: Result<Done, DiskError>) {
        let reads = &mut self.reads;
        let place = reads.pending.iter().position(|p| p.id == id).expect("it is pending");
        let pending = reads.pending.swap_remove(place);
        let block = match result {
            Ok(Done::Read(block)) => block,
            // An empty piece: whoever asks finds nothing there.
            _ => Block::new(buffer::BLOCK_ALIGN),
        };
        reads.arrived.extend(&pending.waiters);
        if !pending.is_forgotten {
            self.add_piece(&pending, block);
        }
        self.read_ended(pending.slot);
    }

    fn add_piece(&mut self, pending: &Pending, block: Block) {
        let reads = &mut self.reads;
        reads.clock += 1;
        let Pending { slot, start, ahead, wanted, .. } = *pending;
        let end = start + block.len() as u32;
        let ahead = if block.is_empty() { 0 } else { ahead };
        let note = Use { last: reads.clock, ahead };
        let before = reads.pieces.insert(Part { slot, start, block, note });
        reads.use_again(before);
        while reads.pieces.bytes() > self.settings.cache_bytes && reads.pieces.len() > 2 {
            let oldest = reads.pieces.iter().min_by_key(|piece| piece.note.last);
            let (slot, start) = oldest.map(|p| (p.slot, p.start)).expect("there are some");
            reads.drop_piece(slot, start);
        }
        if let Some((at, wanted_end)) = wanted
            && end < wanted_end
        {
            // The file is shorter than it was, or the disk failed.
            self.say_damaged(at);
        }
    }

    /// What lies there is not what was written: said once.
    pub fn say_damaged(&mut self, at: At) {
        if !self.reads.bad.contains(&at) {
            self.reads.bad.push(at);
            let segment = &mut self.segments[at.slot()];
            segment.is_damaged = true;
            let (file, offset) = (segment.path.to_path_buf(), u64::from(at.offset()));
            self.troubles.push(Trouble::Damaged(Damage::Record { file, offset, len: 0 }));
        }
    }

    /// Keeps a block that was written for those who read soon.
    pub(super) fn keep_recent(&mut self, slot: Slot, base: u32, block: Block) {
        self.reads.recent.insert(Part { slot, start: base, block, note: () });
        self.reads.recent_order.push_back((slot, base));
        while self.reads.recent.bytes() > self.settings.recent_bytes {
            // What is not written yet is found nowhere else; who writes it holds it.
            let &(slot, base) = self.reads.recent_order.front().expect("they have bytes");
            let is_shared = |part: &Part<()>| part.block.is_shared();
            if self.reads.recent.get(slot, base).is_some_and(is_shared) && !self.is_failed {
                return;
            }
            self.reads.recent_order.pop_front();
            if let Some(oldest) = self.reads.recent.remove(slot, base) {
                self.keep_block(oldest.block);
            }
        }
    }

    /// A segment was released: what was read of it means nothing any more.
    pub(super) fn forget_reads(&mut self, slot: Slot) {
        let reads = &mut self.reads;
        let of_slot = reads.pieces.iter().filter(|piece| piece.slot == slot);
        let of_slot: Vec<u32> = of_slot.map(|piece| piece.start).collect();
        for start in of_slot {
            reads.drop_piece(slot, start);
        }
        for &(_, base) in reads.recent_order.iter().filter(|recent| recent.0 == slot) {
            reads.recent.remove(slot, base);
        }
        reads.recent_order.retain(|recent| recent.0 != slot);
        for pending in reads.pending.iter_mut().filter(|pending| pending.slot == slot) {
            pending.is_forgotten = true;
        }
        reads.cursors.retain(|cursor| cursor.slot != slot);
        reads.bad.retain(|at| at.slot() != slot);
    }
}

/// The length of the next read of a row.
fn longer(step: u32) -> u32 {
    (step * limits::JS_READ_GROWTH).min(limits::JS_READ_AHEAD_BYTES_MAX)
}

impl Reads {
    fn drop_piece(&mut self, slot: Slot, start: u32) {
        let piece = self.pieces.remove(slot, start);
        self.use_again(piece);
    }

    /// Keeps the memory of a piece for the next ones.
    fn use_again(&mut self, piece: Option<Part<Use>>) {
        if self.free.len() < limits::JS_READ_ROWS_MAX {
            self.free.extend(piece.and_then(|piece| piece.block.reuse()));
        }
    }
}
