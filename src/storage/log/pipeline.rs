//! Hot path: batches on their way to the disk, two at a time, acknowledged in order. Before it:
//! the writer; after it: the disk, and then whoever waits for a mark.
//!
//! A batch is closed when the disk can take it, so traffic sets its size: thin traffic makes
//! writes of one record, a flood fills whole blocks while two of them are under way. The first
//! batch of a segment waits until all before it are safe: a segment that is there says so, and
//! what a crash leaves out is missing in the last segment only.

use std::collections::VecDeque;

use buffer::{Block, BlockSlice};
use config::limits;
use runtime::Disk;
use runtime::disk::{Completion, DiskError, Done, Durability, Operation};

use super::layout::{Header, SegmentUse};
use super::record::RecordKind;
use super::segments::{SegmentFile, Stage};
use super::writer::Writer;
use super::{AppendError, Epoch, Job, Log, Slot, Sync, durability};
use crate::Mark;

/// What was closed, and is not yet safe.
#[derive(Default)]
pub struct Pipeline {
    batches: VecDeque<Batch>,
    under_way: usize,
    /// Closed and not yet given to the disk, bytes.
    waiting_bytes: usize,
    /// The last batch given a number.
    last_number: u64,
    /// All batches up to here are safe.
    safe_number: u64,
    /// Complete segments whose index is still to be written, in order.
    sealing: VecDeque<Sealing>,
    /// Segments written to since the last flush (only where writes are not safe by themselves).
    unflushed: Vec<Slot>,
    /// Flushes under way, and what is safe when all are done.
    flushing: Option<Flushing>,
}

struct Batch {
    number: u64,
    mark: Mark,
    slot: Slot,
    state: BatchState,
}

enum BatchState {
    Waiting { offset: u32, bytes: BlockSlice },
    UnderWay,
    Written,
}

struct Sealing {
    writer: Writer,
    last_batch: u64,
    /// What was appended up to its end.
    mark: Mark,
    step: SealStep,
}

enum SealStep {
    Waiting,
    Flushing,
    Index { footer_at: u32, footer: BlockSlice },
    Footer,
}

struct Flushing {
    left: usize,
    upto: Mark,
    batch: u64,
}

impl Pipeline {
    /// A pipeline whose batches go on after this number.
    pub fn after(number: u64) -> Pipeline {
        Pipeline { last_number: number, safe_number: number, ..Pipeline::default() }
    }
}

impl Log {
    /// [`Log::make_room`] where something must be closed or begun first.
    pub(super) fn make_room_slowly(
        &mut self,
        length: usize,
        subject: usize,
        kind: RecordKind,
    ) -> Result<(), AppendError> {
        if self.is_failed {
            return Err(AppendError::Failed);
        }
        if length > (self.settings.segment_bytes_max / limits::JS_RECORD_SHARE) as usize {
            return Err(AppendError::TooLarge);
        }
        if self.is_full && kind == RecordKind::Message && !self.has_room_though_full(length) {
            return Err(AppendError::Full);
        }
        if self.pipeline.waiting_bytes > self.settings.behind_bytes_max {
            return Err(AppendError::Behind);
        }
        let fits = |writer: &Writer| writer.fits_segment(length, subject);
        if !self.writer.as_ref().is_some_and(fits) {
            let needed = Writer::block_bytes(length) + subject;
            let slot = self.next_segment(needed)?;
            self.end_writer();
            self.begin_writer(slot, Writer::block_bytes(length));
        }
        let writer = self.writer.as_ref().expect("begun above");
        if !writer.fits_block(length) {
            self.close_batch();
            let block = self.block(Writer::block_bytes(length));
            let writer = self.writer.as_mut().expect("begun above");
            let (base, full) = writer.next_block(block);
            let slot = writer.slot;
            self.keep_recent(slot, base, full);
        }
        Ok(())
    }

    fn has_room_though_full(&self, length: usize) -> bool {
        !self.spares.is_empty()
            || self.writer.as_ref().is_some_and(|writer| {
                let file_bytes = self.segments[writer.slot].file_bytes;
                writer.position() as usize + length < (file_bytes / limits::JS_FULL_SHARE) as usize
            })
    }

    fn begin_writer(&mut self, slot: Slot, block_bytes: usize) {
        let epoch = self.take_epoch();
        let segment = &mut self.segments[slot];
        if segment.stage == Stage::Spare {
            segment.stage = Stage::Active;
        }
        segment.sector = self.sector;
        segment.epoch = epoch;
        segment.key = self.settings.keys.newest();
        let header = Header {
            used: SegmentUse::Log,
            sector_bytes: segment.sector,
            epoch,
            file_bytes: u64::from(segment.file_bytes),
            run: self.run,
            first_batch: self.pipeline.last_number + 1,
            log: self.settings.log,
            key: segment.key,
        };
        let block = self.block(block_bytes + header.sector_bytes as usize);
        self.writer = Some(Writer::new(slot, &header, self.settings.keys.clone(), block));
        // A spare that was found at start is not open yet.
        self.open_file(slot);
    }

    /// An epoch that was never given, not even in a run of which nothing but stray batches came
    /// to the disk: they would count as this run's if they bore its epoch.
    pub(super) fn take_epoch(&mut self) -> Epoch {
        self.last_epoch += 1;
        Epoch(self.last_epoch << 32 | u64::from(self.nonce))
    }

    /// The part of an epoch that is counted.
    pub(super) fn epoch_count(epoch: Epoch) -> u64 {
        epoch.0 >> 32
    }

    /// Closes the active segment: what is left is to write its index.
    pub(super) fn end_writer(&mut self) {
        self.close_batch();
        let Some(mut writer) = self.writer.take() else { return };
        let spare = Block::new(buffer::BLOCK_ALIGN);
        let (base, full) = writer.next_block(spare);
        self.keep_recent(writer.slot, base, full);
        self.segments[writer.slot].stage = Stage::Sealing;
        let (last_batch, mark) = (self.pipeline.last_number, self.appended);
        let step = SealStep::Waiting;
        self.pipeline.sealing.push_back(Sealing { writer, last_batch, mark, step });
    }

    fn close_batch(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let pipeline = &mut self.pipeline;
        let number = pipeline.last_number + 1;
        let Some(closed) = writer.close(number, pipeline.safe_number) else { return };
        pipeline.last_number = number;
        pipeline.waiting_bytes += closed.bytes.len();
        self.segments[writer.slot].writes_left += 1;
        pipeline.batches.push_back(Batch {
            number,
            mark: self.appended,
            slot: writer.slot,
            state: BatchState::Waiting { offset: closed.offset, bytes: closed.bytes },
        });
    }

    /// Whether [`Log::submit_batches`] would submit something.
    pub(super) fn can_submit_now(&self) -> bool {
        if self.is_failed || self.pipeline.under_way >= limits::JS_WRITES_UNDER_WAY_MAX {
            return false;
        }
        let pipeline = &self.pipeline;
        match pipeline.batches.get(pipeline.under_way_end()) {
            Some(Batch { slot, number, state: BatchState::Waiting { offset, .. }, .. }) => {
                self.is_writable(*slot) && (*offset > 0 || pipeline.is_next_safe(*number))
            }
            Some(_) => unreachable!("behind those under way all wait"),
            None => self.writer.as_ref().is_some_and(|writer| {
                let is_safe = || pipeline.is_next_safe(pipeline.last_number + 1);
                writer.has_open_batch()
                    && self.is_writable(writer.slot)
                    && (writer.has_closed() || is_safe())
            }),
        }
    }

    /// Gives the disk what it can take.
    pub(super) fn submit_batches(&mut self) {
        while self.can_submit_now() {
            let place = self.pipeline.under_way_end();
            if place == self.pipeline.batches.len() {
                self.close_batch();
            }
            let batch = &mut self.pipeline.batches[place];
            let waiting = std::mem::replace(&mut batch.state, BatchState::UnderWay);
            let BatchState::Waiting { offset, bytes } = waiting else {
                unreachable!("behind those under way all wait")
            };
            let (slot, number) = (batch.slot, batch.number);
            self.pipeline.under_way += 1;
            self.pipeline.waiting_bytes -= bytes.len();
            let SegmentFile::Open(file) = self.segments[slot].file else {
                unreachable!("a writable segment is open")
            };
            if self.settings.sync != Sync::Always && !self.pipeline.unflushed.contains(&slot) {
                self.pipeline.unflushed.push(slot);
            }
            let durability = durability(self.settings.sync);
            let offset = u64::from(offset);
            self.ask(Job::Batch { number }, Operation::Write { file, offset, bytes, durability });
        }
    }

    /// Handles what the disk has done.
    pub(super) fn take_completions(&mut self, disk: &mut dyn Disk) {
        let mut completed = std::mem::take(&mut self.reads.completions);
        disk.take_completed(&mut completed);
        for Completion { token, result } in completed.drain(..) {
            let place = token.0 as u32;
            let job = self.jobs[place as usize].take().expect("a job completes once");
            self.free_jobs.push(place);
            self.completed(job, result);
        }
        self.reads.completions = completed;
    }

    fn completed(&mut self, job: Job, result: Result<Done, DiskError>) {
        match job {
            Job::Batch { number } => self.batch_completed(number, result),
            Job::Flush { upto, batch } => self.flush_completed(upto, batch, result),
            Job::SealFlush { slot } => match result {
                Ok(_) => self.seal_flushed(slot),
                Err(error) => self.fail(slot, error),
            },
            Job::Seal { slot } => match result {
                Ok(_) => self.sealed_more(slot),
                Err(error) => self.fail(slot, error),
            },
            Job::Read { pending } => self.read_completed(pending, result),
            Job::Open { slot } => self.opened(slot, result),
            Job::Prepare { slot } => self.prepared(slot, result),
            Job::Zero { slot } => self.zeroed(slot, result),
            Job::ReleaseFooter { slot } => self.footer_released(slot, result),
            Job::Release { slot } => self.released(slot, result),
            Job::Compaction => self.compaction_completed(result),
            Job::EraseRead => self.erase_read(result),
            Job::EraseWrite => self.erase_written(result),
            Job::Forget => {}
        }
    }

    fn batch_completed(&mut self, number: u64, result: Result<Done, DiskError>) {
        let pipeline = &mut self.pipeline;
        pipeline.under_way -= 1;
        let front = pipeline.batches.front().expect("a batch under way is known").number;
        let batch = &mut pipeline.batches[(number - front) as usize];
        let slot = batch.slot;
        match result {
            Ok(_) => {
                batch.state = BatchState::Written;
                self.segments[slot].writes_left -= 1;
            }
            Err(error) => self.fail(slot, error),
        }
    }

    /// Moves the marks over what is complete, in order, and goes on with the seals.
    pub(super) fn advance(&mut self) {
        let pipeline = &mut self.pipeline;
        while pipeline.batches.front().is_some_and(|b| matches!(b.state, BatchState::Written)) {
            let batch = pipeline.batches.pop_front().expect("just seen");
            self.written = batch.mark;
            if self.settings.sync == Sync::Always {
                self.durable = batch.mark;
                pipeline.safe_number = batch.number;
            }
        }
        self.seal_next();
    }

    /// Writes the index of the oldest complete segment, once all its data is written.
    fn seal_next(&mut self) {
        let Some(front) = self.pipeline.sealing.front_mut() else { return };
        let slot = front.writer.slot;
        let segment = &self.segments[slot];
        let is_waiting = matches!(front.step, SealStep::Waiting);
        if !is_waiting || segment.writes_left > 0 || self.is_failed {
            return;
        }
        let SegmentFile::Open(file) = segment.file else { return };
        if self.settings.sync == Sync::Always {
            self.write_index(slot);
        } else {
            front.step = SealStep::Flushing;
            self.ask(Job::SealFlush { slot }, Operation::Flush { file });
        }
    }

    /// All data of the segment is safe, and that of all before was when it began.
    fn seal_flushed(&mut self, slot: Slot) {
        let front = self.pipeline.sealing.front().expect("the seal under way is the front");
        let (mark, last_batch) = (front.mark, front.last_batch);
        self.durable = self.durable.max(mark);
        self.pipeline.safe_number = self.pipeline.safe_number.max(last_batch);
        self.write_index(slot);
    }

    fn write_index(&mut self, slot: Slot) {
        let front = self.pipeline.sealing.front_mut().expect("the seal under way is the front");
        let ending = front.writer.ending(front.last_batch);
        front.step = SealStep::Index { footer_at: ending.footer_at, footer: ending.footer_sector };
        self.segments[slot].note_ending(&ending.footer);
        self.write_ending(Job::Seal { slot }, slot, ending.footer.index_at, ending.index);
    }

    /// Writes a part of what seals a segment.
    pub(super) fn write_ending(&mut self, job: Job, slot: Slot, offset: u32, bytes: BlockSlice) {
        let SegmentFile::Open(file) = self.segments[slot].file else {
            unreachable!("its data was written")
        };
        let (offset, durability) = (u64::from(offset), Durability::AtCompletion);
        self.ask(job, Operation::Write { file, offset, bytes, durability });
    }

    fn sealed_more(&mut self, slot: Slot) {
        let front = self.pipeline.sealing.front_mut().expect("the seal under way is the front");
        match std::mem::replace(&mut front.step, SealStep::Footer) {
            SealStep::Index { footer_at, footer } => {
                self.write_ending(Job::Seal { slot }, slot, footer_at, footer);
            }
            _ => self.sealed(slot),
        }
    }

    fn sealed(&mut self, slot: Slot) {
        self.pipeline.sealing.pop_front();
        self.pipeline.unflushed.retain(|&unflushed| unflushed != slot);
        self.segments[slot].stage = Stage::Sealed;
        self.compaction.look_again();
        self.segments.look_for_dead();
    }

    /// Flushes what was written, when its time has come.
    pub(super) fn flush_on_time(&mut self) {
        let Sync::Every { interval_ns } = self.settings.sync else { return };
        if self.is_failed || self.pipeline.flushing.is_some() || self.now.mono_ns < self.flush_at_ns
        {
            return;
        }
        self.flush_at_ns = self.now.mono_ns + interval_ns;
        self.flush_written();
    }

    fn flush_written(&mut self) {
        if self.written == self.durable {
            return;
        }
        let batch = self.pipeline.batches.front().map(|batch| batch.number - 1);
        let batch = batch.unwrap_or(self.pipeline.last_number);
        let slots = std::mem::take(&mut self.pipeline.unflushed);
        let upto = self.written;
        let mut left = 0;
        for &slot in &slots {
            // One that was sealed in between was flushed then.
            if let SegmentFile::Open(file) = self.segments[slot].file {
                left += 1;
                self.ask(Job::Flush { upto, batch }, Operation::Flush { file });
            }
        }
        // What goes on being written is not covered by this flush.
        self.pipeline.unflushed = slots;
        self.pipeline.flushing = Some(Flushing { left, upto, batch });
        if left == 0 {
            self.flush_done();
        }
    }

    fn flush_completed(&mut self, upto: Mark, batch: u64, result: Result<Done, DiskError>) {
        if let Err(error) = result {
            let slot = self.writer.as_ref().map_or(Slot(0), |writer| writer.slot);
            return self.fail(slot, error);
        }
        let Some(flushing) = &mut self.pipeline.flushing else { return };
        debug_assert!((flushing.upto, flushing.batch) == (upto, batch), "one flush at a time");
        flushing.left -= 1;
        if flushing.left == 0 {
            self.flush_done();
        }
    }

    fn flush_done(&mut self) {
        let Some(Flushing { upto, batch, .. }) = self.pipeline.flushing.take() else { return };
        self.durable = self.durable.max(upto);
        self.pipeline.safe_number = self.pipeline.safe_number.max(batch);
        let active = self.writer.as_ref().map(|writer| writer.slot);
        let sealing = &self.pipeline.sealing;
        self.pipeline.unflushed.retain(|&slot| {
            Some(slot) == active || sealing.iter().any(|sealing| sealing.writer.slot == slot)
        });
    }

    /// Seals the active segment, so that the next start reads no data. For an orderly end; until
    /// [`Log::is_at_rest`], turns go on.
    pub fn finish(&mut self) {
        self.end_writer();
        self.flush_at_ns = 0;
    }

    /// Whether the disk owes the log nothing, and the log the disk nothing.
    pub fn is_at_rest(&self) -> bool {
        self.is_failed
            || self.pipeline.batches.is_empty()
                && self.pipeline.sealing.is_empty()
                && (self.erasures.is_empty() || self.is_full)
                && self.writer.as_ref().is_none_or(|writer| !writer.has_open_batch())
    }
}

impl Pipeline {
    /// Whether all before this batch are safe.
    fn is_next_safe(&self, number: u64) -> bool {
        self.safe_number + 1 == number
    }

    /// The place of the first batch that waits.
    fn under_way_end(&self) -> usize {
        self.batches
            .iter()
            .take_while(|batch| !matches!(batch.state, BatchState::Waiting { .. }))
            .count()
    }
}
