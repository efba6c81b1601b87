//! Space that comes back: what is still needed of segments with little of it is copied into one
//! segment, by stream and sequence, so that replays read it in a row; the others are released.
//!
//! ```text
//! Idle ─▶ Indexes ─▶ Gathering ─▶ Copying ─▶ Copied ─▶ Flushing ─▶ Flushed ─▶ Sealing ─▶ Moving
//!  ▲         any of these ─▶ GivingUp                                                      │
//!  └─────────────────────────────┴──────────────────────────────────────────────────────────┘
//! ```
//! The copy means nothing before it is sealed; once it is, its sources mean nothing. So a crash at
//! any point leaves each message once. It is sealed only when all that made other messages
//! needless is safe. Every step is bounded, and a budget of bytes a second holds it back.
//!
//! In a store that was encrypted later, segments in the clear are copied first, one by one, however
//! much of them is needed.

use buffer::{Block, BlockSlice};
use config::limits;
use runtime::disk::{DiskError, Done, Durability, Operation};

use super::checksum;
use super::index::{Decoder, Index};
use super::layout::{Header, SegmentUse};
use super::reads::RecordRead;
use super::record::{self, HEADER_BYTES, RecordKind};
use super::sealed::Seal;
use super::segments::{Segment, SegmentFile, Stage};
use super::writer::Writer;
use super::{AppendError, At, Epoch, Job, Key, Log, Owner, Removed, Slot, StreamNumber};
use crate::Mark;
use crate::keys::TAG_BYTES;

/// What is being compacted.
#[derive(Default)]
pub struct Compaction {
    step: Step,
    plan: Plan,
    look: bool,
    /// Operations of the disk.
    under_way: u32,
    next_at_ns: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Idle,
    Indexes,
    Gathering,
    Copying,
    Copied,
    Flushing,
    Flushed,
    Sealing,
    Moving,
    GivingUp,
}

#[derive(Default)]
struct Plan {
    sources: Vec<Source>,
    /// The source and the stream of it being gathered.
    gathering: (usize, usize, Option<Decoder>),
    moves: Vec<Move>,
    /// How many of them are copied, or told.
    done: usize,
    output: Option<Output>,
    /// Where the footer goes, and what it is, once the index is safe.
    footer: Option<(u32, BlockSlice)>,
    /// The output's segment once it is sealed.
    sealed: Option<Slot>,
    /// The output's segment while it is released because it will not be finished.
    releasing: Option<Slot>,
    /// What was appended, or owed, when the last message was looked at.
    after: Mark,
}

/// A segment that is copied from.
pub struct Source {
    pub slot: Slot,
    epoch: Epoch,
    pub index: Vec<u8>,
}

/// The segment that is copied to, and what of other things than messages stands in it.
pub struct Output {
    slot: Slot,
    pub writer: Writer,
    pub keys: Vec<(Key, u64, bool)>,
    pub removes: Vec<Removed>,
    pub reached: Vec<(StreamNumber, u64)>,
    pub gone: Vec<StreamNumber>,
    batches: u64,
}

/// A message that is needed.
struct Move {
    stream: StreamNumber,
    sequence: u64,
    from: At,
    length: u32,
    /// Where it was copied to; `None` if it was needed no more by then.
    to: Option<At>,
}

impl Compaction {
    /// There may be something to compact now.
    pub fn look_again(&mut self) {
        self.look = true;
    }

    /// A segment was released.
    pub fn released(&mut self, slot: Slot) {
        if self.plan.releasing == Some(slot) {
            self.plan.releasing = None;
        }
    }

    /// When there is something to do, monotonic nanoseconds.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        let is_busy = self.step != Step::Idle && self.under_way == 0;
        is_busy.then_some(self.next_at_ns)
    }
}

impl Log {
    /// Goes on compacting, if it is time and there is something to compact.
    pub(super) fn compact(&mut self, owner: &mut dyn Owner) {
        let Compaction { under_way, next_at_ns, .. } = self.compaction;
        if self.is_failed || under_way > 0 || self.now.mono_ns < next_at_ns {
            return;
        }
        match self.compaction.step {
            Step::Idle => self.choose_sources(),
            Step::Indexes => self.read_next_index(),
            Step::Gathering => self.gather(owner),
            Step::Copying => self.copy(owner),
            Step::Copied => self.flush_copy(),
            Step::Flushed => self.seal_copy(),
            Step::Flushing | Step::Sealing => {}
            Step::Moving => self.tell_moves(owner),
            Step::GivingUp => self.give_up_compaction(),
        }
    }

    /// An operation of compaction is done.
    pub(super) fn compaction_completed(&mut self, result: Result<Done, DiskError>) {
        self.compaction.under_way -= 1;
        match (result, self.compaction.step) {
            (Ok(Done::Read(block)), Step::Indexes) => self.take_index(&block),
            (Ok(_), Step::Flushing) => self.compaction.step = Step::Flushed,
            (Ok(_), Step::Sealing) => self.copy_sealed_more(),
            (Ok(_), _) => {}
            (Err(_), Step::Indexes) => self.give_up_on_damage(),
            (Err(error), _) => {
                let slot = self.compaction.plan.output.as_ref().map_or(Slot(0), |o| o.slot);
                self.fail(slot, error);
            }
        }
    }

    /// Picks segments of which little is needed, if that frees more than it takes.
    fn choose_sources(&mut self) {
        if !std::mem::take(&mut self.compaction.look) {
            return;
        }
        if let Some(source) = self.source_in_the_clear() {
            return self.begin_compaction(vec![source]);
        }
        let max = u64::from(self.settings.segment_bytes_max);
        let is_candidate = |(_, segment): &(Slot, &Segment)| {
            segment.stage == Stage::Sealed
                && !segment.is_damaged
                && segment.replaces.is_empty()
                && segment.erasures == 0
                && segment.live_bytes * 2 <= u64::from(segment.file_bytes)
        };
        let is_needed = |(slot, segment): &(Slot, &Segment)| {
            segment.live_messages > 0 || self.needs_controls_of(*slot)
        };
        let candidates = self.segments.iter().filter(is_candidate);
        let mut candidates: Vec<_> = candidates.filter(is_needed).collect();
        candidates.sort_by_key(|(_, s)| s.live_bytes * 1024 / u64::from(s.file_bytes));
        let (mut live, mut freed) = (0, 0);
        let mut sources = Vec::new();
        for (slot, segment) in candidates {
            live += segment.live_bytes + u64::from(segment.index_bytes);
            if live * 8 > max * limits::JS_COMPACTION_FILLED_EIGHTHS
                || sources.len() == limits::JS_COMPACTION_SOURCES_MAX
            {
                break;
            }
            freed += u64::from(segment.file_bytes);
            sources.push(Source { slot, epoch: segment.epoch, index: Vec::new() });
        }
        if freed < 2 * max {
            return;
        }
        self.begin_compaction(sources);
    }

    /// A segment that must not stay as it is because the store is encrypted.
    fn source_in_the_clear(&self) -> Option<Source> {
        let is_one = |(_, segment): &(Slot, &Segment)| {
            segment.stage == Stage::Sealed
                && !segment.is_damaged
                && !self.may_hold(segment.key)
                && segment.replaces.is_empty()
                && segment.erasures == 0
        };
        let is_needed = |(slot, segment): &(Slot, &Segment)| {
            segment.live_messages > 0 || self.needs_controls_of(*slot)
        };
        let (slot, segment) = self.segments.iter().filter(is_one).find(is_needed)?;
        Some(Source { slot, epoch: segment.epoch, index: Vec::new() })
    }

    fn begin_compaction(&mut self, sources: Vec<Source>) {
        for source in &sources {
            self.segments[source.slot].is_source = true;
        }
        self.compaction.plan = Plan { sources, ..Plan::default() };
        self.compaction.step = Step::Indexes;
    }

    fn read_next_index(&mut self) {
        let plan = &self.compaction.plan;
        let Some(source) = plan.sources.iter().find(|source| source.index.is_empty()) else {
            self.compaction.step = Step::Gathering;
            return;
        };
        let slot = source.slot;
        self.open_file(slot);
        let segment = &self.segments[slot];
        let SegmentFile::Open(file) = segment.file else {
            return self.pause_compaction(limits::JS_COMPACTION_PAUSE.as_nanos() as u64);
        };
        let offset = u64::from(segment.index_at);
        let bytes = (segment.index_bytes as usize).next_multiple_of(buffer::BLOCK_ALIGN);
        self.compaction.under_way += 1;
        let into = Block::new(bytes);
        self.ask(Job::Compaction, Operation::Read { file, offset, into });
    }

    fn take_index(&mut self, block: &Block) {
        let sources = &mut self.compaction.plan.sources;
        let source = sources.iter_mut().find(|source| source.index.is_empty());
        let source = source.expect("one was being read");
        let segment = &self.segments[source.slot];
        let index = block.bytes().get(..segment.index_bytes as usize).unwrap_or_default();
        let is_whole = checksum(index) == segment.index_crc;
        let (keys, key, epoch) = (&self.settings.keys, segment.index_key, segment.epoch);
        let plain = Seal { keys, key, epoch }.open_index(index.to_vec());
        match plain.filter(|index| is_whole && Index::parse(index).is_some()) {
            Some(index) => source.index = index,
            None => self.give_up_on_damage(),
        }
    }

    /// A source cannot be read as it should: it is kept, and the others are tried another time.
    fn give_up_on_damage(&mut self) {
        let sources = &self.compaction.plan.sources;
        if let Some(source) = sources.iter().find(|source| source.index.is_empty()) {
            self.segments[source.slot].is_damaged = true;
        }
        self.give_up_compaction();
    }

    fn give_up_compaction(&mut self) {
        if self.compaction.under_way > 0 {
            self.compaction.step = Step::GivingUp;
            return;
        }
        if let Some(output) = self.compaction.plan.output.take() {
            // As long as its file is not free it must have its sources beside it.
            self.compaction.plan.releasing = Some(output.slot);
            self.compaction.step = Step::GivingUp;
            self.doom(output.slot);
        }
        if self.compaction.plan.releasing.is_some() {
            return self.pause_compaction(limits::JS_COMPACTION_PAUSE.as_nanos() as u64);
        }
        let plan = std::mem::take(&mut self.compaction.plan);
        for source in &plan.sources {
            self.segments[source.slot].is_source = false;
        }
        self.compaction.step = Step::Idle;
        self.segments.look_for_dead();
    }

    fn pause_compaction(&mut self, ns: u64) {
        self.compaction.next_at_ns = self.now.mono_ns + ns;
    }

    /// Finds the messages that are needed.
    fn gather(&mut self, owner: &dyn Owner) {
        let plan = &mut self.compaction.plan;
        let mut left = limits::JS_COMPACTION_LOOKS_PER_TURN;
        while left > 0 {
            let (at, nth, decoder) = &mut plan.gathering;
            let Some(source) = plan.sources.get(*at) else {
                plan.moves.sort_unstable_by_key(|found| (found.stream, found.sequence));
                self.compaction.step = Step::Copying;
                return;
            };
            let index = Index::parse(&source.index).expect("it was parsed before");
            let Some(stream) = index.streams().nth(*nth) else {
                (*at, *nth, *decoder) = (*at + 1, 0, None);
                continue;
            };
            let decoder = decoder.get_or_insert_with(|| stream.decoder());
            let mut is_done = false;
            while left > 0 && !is_done {
                left -= 1;
                let Some(message) = decoder.next_of(&stream) else {
                    is_done = true;
                    break;
                };
                let (sequence, length) = (message.sequence, message.length);
                let from = At::new(source.slot, message.offset);
                if owner.is_live(stream.number, sequence, from) {
                    let stream = stream.number;
                    plan.moves.push(Move { stream, sequence, from, length, to: None });
                }
            }
            if is_done {
                plan.gathering = (plan.gathering.0, plan.gathering.1 + 1, None);
            }
        }
    }

    fn begin_output(&mut self) -> Result<Output, AppendError> {
        let plan = &self.compaction.plan;
        let live: u64 = plan.moves.iter().map(|found| u64::from(found.length)).sum();
        let indexes: usize = plan.sources.iter().map(|source| source.index.len()).sum();
        let max = self.settings.segment_bytes_max as usize;
        let is_sealed_anew = plan.sources.iter().any(|s| !self.may_hold(self.segments[s.slot].key));
        let needed = if is_sealed_anew {
            // All of it, with what sealing adds to each record, and room for the pads of batches.
            let sealed = live as usize + plan.moves.len() * TAG_BYTES;
            sealed + sealed / 8 + 2 * indexes
        } else {
            (live as usize + live as usize / 16 + 2 * indexes).min(max / 2)
        };
        let slot = self.next_segment(needed)?;
        let epoch = self.take_epoch();
        let segment = &mut self.segments[slot];
        segment.stage = Stage::Active;
        segment.epoch = epoch;
        segment.key = self.settings.keys.newest();
        let header = Header {
            used: SegmentUse::Compacted,
            sector_bytes: segment.sector,
            epoch,
            file_bytes: u64::from(segment.file_bytes),
            run: self.run,
            first_batch: 1,
            log: self.settings.log,
            key: segment.key,
        };
        let block = self.block(0);
        let mut writer = Writer::new(slot, &header, self.settings.keys.clone(), block);
        for source in &self.compaction.plan.sources {
            writer.put(HEADER_BYTES, |out| {
                let (stream, epoch) = (StreamNumber(0), source.epoch.0);
                record::write_bare(RecordKind::Replaces, stream, epoch, 0, out);
            });
            writer.index.add_replaced(source.epoch);
        }
        Ok(Output {
            slot,
            writer,
            keys: Vec::new(),
            removes: Vec::new(),
            reached: Vec::new(),
            gone: Vec::new(),
            batches: 0,
        })
    }

    /// Copies messages, as many as a turn and the budget allow.
    fn copy(&mut self, owner: &dyn Owner) {
        let mut output = match self.compaction.plan.output.take() {
            Some(output) => output,
            None => match self.begin_output() {
                Ok(output) => output,
                Err(AppendError::Full | AppendError::TooLarge) => {
                    return self.give_up_compaction();
                }
                Err(_) => {
                    return self.pause_compaction(limits::JS_COMPACTION_PAUSE.as_nanos() as u64);
                }
            },
        };
        if !self.is_writable(output.slot) {
            self.compaction.plan.output = Some(output);
            return self.pause_compaction(limits::JS_COMPACTION_PAUSE.as_nanos() as u64);
        }
        let mut moves = std::mem::take(&mut self.compaction.plan.moves);
        let copied = self.copy_some(owner, &mut moves, &mut output);
        self.compaction.plan.moves = moves;
        self.compaction.plan.output = Some(output);
        match copied {
            Ok(bytes) => {
                let rate = self.settings.compaction_bytes_per_s.max(1);
                // Each byte is read and written.
                self.pause_compaction(2 * bytes as u64 * 1_000_000_000 / rate);
            }
            Err(Stuck) => self.give_up_compaction(),
        }
    }

    fn copy_some(
        &mut self,
        owner: &dyn Owner,
        moves: &mut [Move],
        output: &mut Output,
    ) -> Result<usize, Stuck> {
        let mut bytes = 0;
        while bytes < limits::JS_COMPACTION_BYTES_PER_TURN {
            let Some(next) = moves.get_mut(self.compaction.plan.done) else {
                let sources = std::mem::take(&mut self.compaction.plan.sources);
                let copied = self.copy_controls(&sources, output);
                self.compaction.plan.sources = sources;
                copied?;
                // Written even if nothing was worth copying: the sources go together by it.
                self.write_copy(output, None);
                self.compaction.plan.after = self.given();
                self.compaction.plan.done = 0;
                self.compaction.step = Step::Copied;
                break;
            };
            let length = next.length as usize;
            if !owner.is_live(next.stream, next.sequence, next.from) {
                self.compaction.plan.done += 1;
                continue;
            }
            if !output.writer.fits_block(length) {
                self.write_copy(output, Some(length));
                break;
            }
            let (stream, sequence) = (next.stream, next.sequence);
            match self.record(next.from, next.length, None) {
                RecordRead::Pending => break,
                RecordRead::Damaged => return Err(Stuck),
                RecordRead::Ready(record) => {
                    let message = record.message().ok_or(Stuck)?;
                    if (message.stream, message.sequence) != (stream, sequence)
                        || !output.writer.fits_segment(length, message.subject.len())
                    {
                        return Err(Stuck);
                    }
                    let offset = output.writer.put(length, |out| out.copy_from_slice(record.bytes));
                    output.writer.index.add_message(&message, offset, next.length);
                    next.to = Some(At::new(output.slot, offset));
                }
            }
            bytes += length;
            self.compaction.plan.done += 1;
        }
        Ok(bytes)
    }

    /// Writes what was copied so far; goes on in a block with room for such a record.
    pub(super) fn write_copy(&mut self, output: &mut Output, room_for: Option<usize>) {
        output.batches += 1;
        let closed = output.writer.close(output.batches, 0);
        if let Some(length) = room_for {
            let block = self.block(Writer::block_bytes(length));
            let (_, full) = output.writer.next_block(block);
            self.keep_block(full);
        }
        let Some(closed) = closed else { return };
        let SegmentFile::Open(file) = self.segments[output.slot].file else {
            unreachable!("a writable segment is open")
        };
        self.compaction.under_way += 1;
        let (offset, bytes) = (u64::from(closed.offset), closed.bytes);
        let durability = Durability::AtFlush;
        self.ask(Job::Compaction, Operation::Write { file, offset, bytes, durability });
    }

    fn flush_copy(&mut self) {
        let slot = self.compaction.plan.output.as_ref().expect("it was filled").slot;
        let SegmentFile::Open(file) = self.segments[slot].file else {
            unreachable!("it was written to")
        };
        self.compaction.under_way += 1;
        self.compaction.step = Step::Flushing;
        self.ask(Job::Compaction, Operation::Flush { file });
    }

    /// Writes index and footer, once all that made the rest needless is safe.
    fn seal_copy(&mut self) {
        let plan = &self.compaction.plan;
        if !self.is_settled(plan.after) {
            return self.pause_compaction(limits::JS_COMPACTION_PAUSE.as_nanos() as u64);
        }
        let output = plan.output.as_ref().expect("it was filled");
        let ending = output.writer.ending(output.batches);
        let slot = output.slot;
        self.segments[slot].note_ending(&ending.footer);
        self.compaction.under_way += 1;
        self.compaction.plan.footer = Some((ending.footer_at, ending.footer_sector));
        self.compaction.step = Step::Sealing;
        self.write_ending(Job::Compaction, slot, ending.footer.index_at, ending.index);
    }

    /// A part of what seals the copy is written.
    fn copy_sealed_more(&mut self) {
        let slot = self.compaction.plan.output.as_ref().expect("it was filled").slot;
        match self.compaction.plan.footer.take() {
            Some((offset, bytes)) => {
                self.compaction.under_way += 1;
                self.write_ending(Job::Compaction, slot, offset, bytes);
            }
            None => self.copy_sealed(),
        }
    }

    /// From here on the copy counts, and the sources do not.
    fn copy_sealed(&mut self) {
        let output = self.compaction.plan.output.take().expect("it was filled");
        let slot = output.slot;
        self.segments[slot].stage = Stage::Sealed;
        self.segments[slot].is_source = true;
        for (key, order, is_gone) in output.keys {
            if self.keys.contains_key(&key) {
                self.note_key(key, slot, order, is_gone);
            } else {
                // Its stream is gone by now; that must be known as long as it stands here.
                self.segments[slot].add_key(key);
            }
        }
        for removed in output.removes {
            self.segments[slot].add_removed(removed);
        }
        for (stream, sequence) in output.reached {
            self.segments[slot].add_reached(stream, sequence);
        }
        self.segments[slot].gone = output.gone;
        self.compaction.plan.sealed = Some(slot);
        self.compaction.step = Step::Moving;
    }

    /// Tells the owner where its messages lie now.
    fn tell_moves(&mut self, owner: &mut dyn Owner) {
        let plan = &mut self.compaction.plan;
        let upto = plan.moves.len().min(plan.done + limits::JS_COMPACTION_LOOKS_PER_TURN);
        let mut needless = Vec::new();
        for found in &plan.moves[plan.done..upto] {
            let &Move { stream, sequence, from, length, to } = found;
            let Some(to) = to else { continue };
            if owner.is_live(stream, sequence, from) {
                owner.moved(stream, sequence, from, to);
                self.segments[to.slot()].add_message(stream, sequence, length);
                self.segments[from.slot()].release_message(stream, length);
            } else {
                self.segments[to.slot()].add_dead_message(stream, sequence);
                needless.push((stream, sequence, to, length));
            }
        }
        plan.done = upto;
        let is_done = upto == plan.moves.len();
        for (stream, sequence, to, length) in needless {
            self.erase_copy(stream, sequence, to, length);
        }
        if !is_done {
            return;
        }
        let plan = std::mem::take(&mut self.compaction.plan);
        if let Some(slot) = plan.sealed {
            self.segments[slot].is_source = false;
            self.segments[slot].replaces = plan.sources.iter().map(|s| s.slot).collect();
        }
        for source in &plan.sources {
            self.doom(source.slot);
        }
        self.compaction.step = Step::Idle;
        self.compaction.look = true;
        self.segments.look_for_dead();
    }
}

/// The copy cannot be completed.
pub struct Stuck;
