//! Hot path: records on their way out. Before it: the segments; after it: `Storage::read`.
//!
//! A record is looked for where it was written (the writer's block), then among the blocks written
//! last, then among the pieces read from disk last. What is in none is asked of the disk; whoever
//! waits is named once it has come. Reads that follow each other get larger pieces, and the next
//! two before they ask:
//!
//! ```text
//! piece     1, being read │ 2, asked │ 3, asked     once a quarter of 3 is read, 4 and 5 are asked
//!                       ├─┤        ├─┤ twice in memory: a record that 1 cuts off lies whole in 2
//! ```
//! What was only read forward is given up early, so that neither replays nor scattered look-ups
//! leave much in memory: a piece of a row when the next is begun, one by itself when there are
//! more than [`limits::JS_READ_ALONE_BYTES`] of them. What was read again stays while there is
//! room.

use std::collections::VecDeque;

use buffer::Block;
use config::limits;
use runtime::disk::{Completion, DiskError, Done, Operation};

use super::damage::Damage;
use super::parts::{Part, Parts, holds_record};
use super::record::{NewMessage, Record};
use super::sealed::Seal;
use super::segments::{Segment, SegmentFile, Stage};
use super::{At, Job, Log, Slot, Trouble};
use crate::Waiter;
use crate::keys::KeyNumber;

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
    /// Bytes of the pieces that are [`Manner::Alone`].
    alone_bytes: usize,
    arrived: VecDeque<Waiter>,
    /// Places that cannot be read, and were said to be.
    bad: Vec<At>,
    clock: u64,
    /// Memory for the next pieces.
    free: VecDeque<Block>,
    free_bytes: usize,
    /// The record that was read last, if it had to be opened.
    plain: Vec<u8>,
    /// Kept for the next turn, so that no turn allocates.
    pub completions: Vec<Completion>,
}

/// How a piece is used.
struct Use {
    last: u64,
    manner: Manner,
    /// How far into the segment it was read.
    upto: u32,
    /// Its length if what follows it shall be read ahead; 0 if not, or if that was done.
    ahead: u32,
}

/// What a piece is to its readers.
///
/// ```text
/// Ahead ──first use──▶ Row ──┐
///                     Alone ─┴─read again─▶ Again
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Of a row, and not come to yet.
    Ahead,
    /// Of a row, in which a reader goes forward.
    Row,
    /// By itself; read forward, if it was read.
    Alone,
    /// A reader came back to it.
    Again,
}

struct Pending {
    id: u64,
    slot: Slot,
    start: u32,
    len: u32,
    ahead: u32,
    manner: Manner,
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
            self.use_piece(slot, start, (offset, length));
            let epoch = self.segments[slot].epoch;
            let bytes = self.bytes_of(found, slot, offset).unwrap_or_default();
            if Record::verified(bytes, epoch, offset).is_none() {
                self.say_damaged(at);
                return RecordRead::Damaged;
            }
        }
        if !self.settings.keys.is_empty() && self.segments[slot].key != KeyNumber::NONE {
            return self.open_record(found, at);
        }
        let bytes = self.bytes_of(found, slot, offset).unwrap_or_default();
        Record::trusted(bytes).map_or(RecordRead::Damaged, RecordRead::Ready)
    }

    /// A record of a segment that is encrypted.
    fn open_record(&mut self, found: Found, at: At) -> RecordRead<'_> {
        let (slot, offset) = (at.slot(), at.offset());
        let mut plain = std::mem::take(&mut self.reads.plain);
        let Segment { key, epoch, .. } = self.segments[slot];
        let seal = Seal { keys: &self.settings.keys, key, epoch };
        let record = self.bytes_of(found, slot, offset).and_then(Record::trusted);
        let is_opened = record.is_some_and(|record| seal.open_into(record, offset, &mut plain));
        self.reads.plain = plain;
        if !is_opened {
            self.say_damaged(at);
            return RecordRead::Damaged;
        }
        Record::trusted(&self.reads.plain).map_or(RecordRead::Damaged, RecordRead::Ready)
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

    /// Notes that the record at `offset` is read, which is at most `length` bytes long; asks for
    /// what comes next when a piece that shall be followed is begun.
    #[inline]
    fn use_piece(&mut self, slot: Slot, start: u32, (offset, length): (u32, u32)) {
        let reads = &mut self.reads;
        reads.clock += 1;
        let Some(piece) = reads.pieces.get_mut(slot, start) else { return };
        let (bytes, note) = (piece.block.len() as u32, &mut piece.note);
        note.last = reads.clock;
        let manner = note.manner;
        note.manner = match manner {
            Manner::Ahead => Manner::Row,
            Manner::Row | Manner::Alone if offset < note.upto => Manner::Again,
            manner => manner,
        };
        if manner == Manner::Alone && note.manner == Manner::Again {
            reads.alone_bytes -= piece.block.capacity();
        }
        note.upto = offset;
        if note.ahead > 0 && offset - start > bytes / 4 {
            let step = std::mem::take(&mut note.ahead);
            self.read_ahead(slot, start + bytes, step, length);
        }
        if manner == Manner::Ahead {
            self.reads.leave_behind(slot, start);
        }
    }

    /// Asks for two pieces behind one of `step` bytes that ends at `end`. Each begins so far
    /// before the end of the one before that a record which that cuts off lies whole in it, if it
    /// is about as long as others.
    #[cold]
    fn read_ahead(&mut self, slot: Slot, end: u32, step: u32, length: u32) {
        let segment = &self.segments[slot];
        if segment.stage != Stage::Sealed {
            return;
        }
        let sector = segment.sector;
        let step = self.longer(step);
        let twice = (4 * length).clamp(sector, step / 4).next_multiple_of(sector);
        let first = end.saturating_sub(twice) / sector * sector;
        let second = first.saturating_add(step - twice);
        self.follow(slot, Some(end), second.saturating_add(step), step);
        self.ask_piece(slot, first, step, 0, None);
        self.ask_piece(slot, second, step, step, None);
    }

    /// The length of the next read of a row: less where many rows fill the memory.
    fn longer(&self, step: u32) -> u32 {
        let is_crowded = self.reads.ahead_bytes() > self.settings.cache_bytes / 2;
        let most = match is_crowded {
            true => limits::JS_READ_AHEAD_BYTES_MAX / limits::JS_READ_GROWTH,
            false => limits::JS_READ_AHEAD_BYTES_MAX,
        };
        (step * limits::JS_READ_GROWTH).min(most)
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
        let (sector, length) = (segment.sector, length + segment.key.tag_bytes() as u32);
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
                && offset < c.next.saturating_add(c.step * limits::JS_READ_GROWTH)
        };
        let step = match self.reads.cursors.iter().position(near) {
            Some(place) => {
                let cursor = self.reads.cursors.remove(place).expect("just found");
                self.longer(cursor.step)
            }
            None => 0,
        };
        let len = needed.max(step).max(limits::JS_READ_BYTES_MIN);
        self.follow(slot, None, start + len, len);
        self.ask_piece(slot, start, len, step, Some((at, offset + length)));
        if let Some(pending) = self.reads.pending.last_mut() {
            pending.waiters.extend(waiter);
        }
        RecordRead::Pending
    }

    /// A row of reads has come to `next`, from `before` if it was followed already.
    fn follow(&mut self, slot: Slot, before: Option<u32>, next: u32, step: u32) {
        let cursors = &mut self.reads.cursors;
        cursors.retain(|cursor| cursor.slot != slot || Some(cursor.next) != before);
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
        let is_ahead = wanted.is_none();
        let end = if is_ahead { segment.index_at } else { segment.file_bytes };
        if start >= end {
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
            manner: if is_ahead || ahead > 0 { Manner::Ahead } else { Manner::Alone },
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
            let into = self.reads.take_free(len).unwrap_or_else(|| Block::new(len));
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
        reads.drop_piece(slot, start);
        let manner = pending.manner;
        if manner == Manner::Alone {
            reads.alone_bytes += block.capacity();
        }
        let note = Use { last: reads.clock, manner, upto: 0, ahead };
        reads.pieces.insert(Part { slot, start, block, note });
        reads.give_up(self.settings.cache_bytes);
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

impl Reads {
    /// A reader has begun the piece at `start`: what it read forward before is done with.
    fn leave_behind(&mut self, slot: Slot, start: u32) {
        let before = self.pieces.before(slot, start);
        let is_left = |piece: &&Part<Use>| {
            let end = piece.start + piece.block.len() as u32;
            piece.note.manner == Manner::Row && end >= start
        };
        if let Some(left) = before.filter(is_left).map(|piece| piece.start) {
            self.drop_piece(slot, left);
        }
    }

    /// What rows have ahead of their readers. What they left behind, at the ends of segments, is
    /// not in their way.
    fn ahead_bytes(&self) -> usize {
        let ahead = self.pieces.iter().filter(|piece| piece.note.manner == Manner::Ahead);
        let coming = self.pending.iter().map(|pending| pending.len as usize);
        ahead.map(|piece| piece.block.capacity()).chain(coming).sum()
    }

    /// Gives up pieces until no more is kept than shall be, the one first that was not used for
    /// longest.
    fn give_up(&mut self, cache_bytes: usize) {
        // What nobody has read yet somebody waits for.
        let is_done =
            |piece: &&Part<Use>| piece.note.manner == Manner::Alone && piece.note.upto > 0;
        while self.alone_bytes > limits::JS_READ_ALONE_BYTES
            && let Some(oldest) = self.pieces.iter().filter(is_done).min_by_key(|p| p.note.last)
        {
            let (slot, start) = (oldest.slot, oldest.start);
            self.drop_piece(slot, start);
        }
        while self.pieces.bytes() > cache_bytes && self.pieces.len() > 2 {
            let oldest = self.pieces.iter().min_by_key(|piece| piece.note.last);
            let (slot, start) = oldest.map(|p| (p.slot, p.start)).expect("there are some");
            self.drop_piece(slot, start);
        }
    }

    /// Forgets a piece, if there is one, and keeps its memory for the next ones.
    fn drop_piece(&mut self, slot: Slot, start: u32) {
        let Some(piece) = self.pieces.remove(slot, start) else { return };
        let bytes = piece.block.capacity();
        if piece.note.manner == Manner::Alone {
            self.alone_bytes -= bytes;
        }
        let Some(block) = piece.block.reuse() else { return };
        self.free_bytes += bytes;
        self.free.push_back(block);
        // Lengths that nobody asks for any more go first.
        while self.free_bytes > limits::JS_READ_FREE_BYTES
            && let Some(oldest) = self.free.pop_front()
        {
            self.free_bytes -= oldest.capacity();
        }
    }

    /// Memory for a piece of `len` bytes that another had before.
    fn take_free(&mut self, len: usize) -> Option<Block> {
        let place = self.free.iter().position(|block| block.capacity() == len)?;
        self.free_bytes -= len;
        self.free.remove(place)
    }
}
