//! Segment files: made ahead of their use, opened when needed, marked free when nothing in them
//! is, and used again or removed.
//!
//! ```text
//! make:     open ".new" ─▶ allocate ─▶ flush ─▶ rename ".seg" ─▶ flush folder ─▶ usable
//!           ─▶ zeroes, in the background
//! release:  footer "free" ─▶ header "free" ─▶ usable again │ close ─▶ remove ─▶ flush folder
//! ```
//! Space is allocated before anything is appended to it, so a full disk is known early. Zeroes
//! make the first write as quick as the second; a segment that is needed sooner goes without.

use std::path::Path;
use std::rc::Rc;

use buffer::Block;
use config::limits;
use runtime::disk::{DiskError, Done, Durability, Opening, Operation};

use super::layout::{Footer, Header, SegmentUse};
use super::segments::{Segment, SegmentFile, Stage};
use super::writer::whole_sectors;
use super::{AppendError, Job, Key, KeyKind, Log, Slot, StreamNumber, Trouble};
use crate::keys::KeyNumber;

/// Ends the name of a segment file that is being made.
pub const UNFINISHED: &str = "new";

/// A segment file being made.
#[derive(Debug)]
pub struct Preparing {
    slot: Slot,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    Allocate,
    Flush,
    Rename,
    FlushFolder,
    /// It could not be made, though records wait for it.
    Again,
}

/// A segment file into which zeroes are written.
#[derive(Debug)]
pub struct Zeroing {
    slot: Slot,
    upto: u32,
}

impl Log {
    /// Whether data can be written to a segment now.
    pub(super) fn is_writable(&self, slot: Slot) -> bool {
        let segment = &self.segments[slot];
        let is_made = self.preparing.as_ref().is_none_or(|preparing| preparing.slot != slot);
        let is_quiet = self.zeroing.as_ref().is_none_or(|zeroing| zeroing.slot != slot);
        is_made && is_quiet && matches!(segment.file, SegmentFile::Open(_))
    }

    /// A segment to append to, with room for so many bytes. It may still be in preparation.
    pub(super) fn next_segment(&mut self, bytes: usize) -> Result<Slot, AppendError> {
        // Header, footer and the index of one record come on top.
        let needed = bytes + 6 * self.sector as usize;
        // What is sealed anew becomes longer, but never twice as long.
        if needed > 2 * self.settings.segment_bytes_max as usize {
            return Err(AppendError::TooLarge);
        }
        let fits = |slot: &Slot| self.segments[*slot].file_bytes as usize >= needed;
        if let Some(place) = self.spares.iter().position(fits) {
            return Ok(self.spares.remove(place).expect("just found"));
        }
        if self.is_full {
            return Err(AppendError::Full);
        }
        if self.preparing.is_none() {
            self.begin_preparing(needed);
        }
        let slot = self.preparing.as_ref().expect("begun above").slot;
        let is_free = self.segments[slot].stage == Stage::Preparing;
        if !is_free || (self.segments[slot].file_bytes as usize) < needed {
            return Err(AppendError::Behind);
        }
        self.segments[slot].stage = Stage::Active;
        Ok(slot)
    }

    /// Makes a segment ready before it is needed.
    pub(super) fn prepare_spares(&mut self) {
        if self.is_failed || self.is_full && self.now.mono_ns < self.retry_at_ns {
            return;
        }
        match &mut self.preparing {
            None if self.spares.len() < limits::JS_SEGMENTS_READY => self.begin_preparing(0),
            Some(Preparing { slot, step: step @ Step::Again }) => {
                *step = Step::Open;
                let slot = *slot;
                self.open_new(slot);
            }
            _ => {}
        }
    }

    fn begin_preparing(&mut self, bytes_min: usize) {
        let used = self.segments.iter().filter(|(_, s)| s.stage != Stage::Spare).count() as u32;
        let settings = &self.settings;
        let grown = u64::from(settings.segment_bytes_min)
            << (used * limits::JS_SEGMENT_GROWTH_SHIFT).min(32);
        let wanted = grown.max(bytes_min as u64 * 2).min(u64::from(settings.segment_bytes_max));
        let wanted = wanted.max(bytes_min as u64);
        let file_bytes = (wanted as u32).next_multiple_of(buffer::BLOCK_ALIGN as u32);
        let path = Rc::from(Path::new(""));
        let slot = self.segments.add(Segment::new(path, file_bytes, self.sector, Stage::Preparing));
        self.preparing = Some(Preparing { slot, step: Step::Open });
        self.open_new(slot);
    }

    fn open_new(&mut self, slot: Slot) {
        let path = self.settings.folder.join(format!("{:08}.seg", self.next_file));
        self.next_file += 1;
        let segment = &mut self.segments[slot];
        segment.path = path.into();
        segment.file = SegmentFile::Opening;
        let path = unfinished(&segment.path);
        self.ask(Job::Prepare { slot }, Operation::Open { path, opening: Opening::New });
    }

    /// A step of making a segment file is done.
    pub(super) fn prepared(&mut self, slot: Slot, result: Result<Done, DiskError>) {
        let done = match result {
            Ok(done) => done,
            Err(error) => return self.preparing_failed(slot, error),
        };
        if let Done::Opened(file) = done {
            self.segments[slot].file = SegmentFile::Open(file);
        }
        let segment = &self.segments[slot];
        let bytes = u64::from(segment.file_bytes);
        let SegmentFile::Open(file) = segment.file else { unreachable!("opened first") };
        let preparing = self.preparing.as_mut().expect("one is made at a time");
        let next = match preparing.step {
            Step::Open => (Step::Allocate, Operation::Allocate { file, bytes }),
            Step::Allocate => (Step::Flush, Operation::Flush { file }),
            Step::Flush => {
                let to = Rc::clone(&segment.path);
                (Step::Rename, Operation::Rename { from: unfinished(&to), to })
            }
            Step::Rename => {
                let path = Rc::from(self.settings.folder.as_path());
                (Step::FlushFolder, Operation::FlushFolder { path })
            }
            Step::FlushFolder => return self.became_usable(slot),
            Step::Again => unreachable!("nothing is under way for it"),
        };
        preparing.step = next.0;
        self.ask(Job::Prepare { slot }, next.1);
    }

    fn became_usable(&mut self, slot: Slot) {
        if std::mem::take(&mut self.is_full) {
            self.troubles.push(Trouble::SpaceAgain);
        }
        self.preparing = None;
        if self.segments[slot].stage == Stage::Preparing {
            self.segments[slot].stage = Stage::Spare;
            self.spares.push_back(slot);
            self.write_zeroes(slot, 0);
        }
    }

    fn write_zeroes(&mut self, slot: Slot, from: u32) {
        let segment = &self.segments[slot];
        let SegmentFile::Open(file) = segment.file else { unreachable!("it is usable") };
        let (left, stage) = ((segment.file_bytes - from) as usize, segment.stage);
        if left == 0 {
            self.ask(Job::Forget, Operation::Flush { file });
        }
        // A segment that is needed already goes without the rest.
        if left == 0 || stage != Stage::Spare || self.zeroing.is_some() {
            return;
        }
        let bytes = left.min(limits::JS_ZERO_BYTES);
        let zeroes = self.zeroes.get_or_insert_with(|| {
            let mut zeroes = Block::new(limits::JS_ZERO_BYTES);
            zeroes.claim(limits::JS_ZERO_BYTES).fill(0);
            zeroes.freeze()
        });
        let slice = zeroes.first(bytes);
        self.zeroing = Some(Zeroing { slot, upto: from + bytes as u32 });
        let (offset, durability) = (u64::from(from), Durability::AtFlush);
        self.ask(Job::Zero { slot }, Operation::Write { file, offset, bytes: slice, durability });
    }

    /// A piece of zeroes was written; a failure costs speed only, and the next write will tell.
    pub(super) fn zeroed(&mut self, slot: Slot, result: Result<Done, DiskError>) {
        let Some(Zeroing { upto, .. }) = self.zeroing.take() else { return };
        if result.is_ok() {
            self.write_zeroes(slot, upto);
        }
    }

    fn preparing_failed(&mut self, slot: Slot, error: DiskError) {
        let path = unfinished(&self.segments[slot].path);
        if let SegmentFile::Open(file) = self.segments[slot].file {
            self.ask(Job::Forget, Operation::Close { file });
            self.ask(Job::Forget, Operation::Remove { path });
        }
        match error {
            // Left over from another time: the next name.
            DiskError::Name => return self.open_new(slot),
            DiskError::Full => self.became_full(),
            DiskError::Failed(_) => self.fail(slot, error),
        }
        if self.segments[slot].stage == Stage::Preparing {
            self.preparing = None;
            self.segments.take(slot);
        } else {
            // Records wait for it; it may even be complete by now.
            self.segments[slot].file = SegmentFile::Closed;
            self.preparing = Some(Preparing { slot, step: Step::Again });
        }
    }

    fn became_full(&mut self) {
        self.retry_at_ns = self.now.mono_ns + limits::JS_FULL_RETRY.as_nanos() as u64;
        if !std::mem::replace(&mut self.is_full, true) {
            self.troubles.push(Trouble::Full);
        }
    }

    /// Asks for a segment's file, which is there, if it is not open.
    pub(super) fn open_file(&mut self, slot: Slot) {
        let segment = &mut self.segments[slot];
        if segment.file == SegmentFile::Closed {
            segment.file = SegmentFile::Opening;
            let path = Rc::clone(&segment.path);
            self.ask(Job::Open { slot }, Operation::Open { path, opening: Opening::Existing });
        }
    }

    /// A segment's file is open, or cannot be opened.
    pub(super) fn opened(&mut self, slot: Slot, result: Result<Done, DiskError>) {
        match result {
            Ok(Done::Opened(file)) => self.segments[slot].file = SegmentFile::Open(file),
            Ok(_) => unreachable!("an open gives a file"),
            Err(_) => self.segments[slot].file = SegmentFile::Closed,
        }
        self.file_opened(slot);
    }

    /// Begins to release the segments in which nothing is needed, once that is safe: what made
    /// them so may not be on disk yet.
    pub(super) fn release_dead(&mut self) {
        if self.is_failed {
            return;
        }
        while let Some(&(slot, mark)) = self.doomed.front()
            && self.is_settled(mark)
            && self.segments[slot].erasures == 0
        {
            self.doomed.pop_front();
            self.release_segment(slot);
        }
        if !self.segments.take_look_for_dead() {
            return;
        }
        let is_dead = |(slot, segment): (Slot, &Segment)| {
            let idle =
                segment.stage == Stage::Sealed && !segment.is_source && segment.replaces.is_empty();
            (idle && segment.live_messages == 0 && segment.erasures == 0).then_some(slot)
        };
        let candidates: Vec<Slot> = self.segments.iter().filter_map(is_dead).collect();
        for slot in candidates {
            // One after another: each counts what the ones before leave standing.
            if !self.needs_controls_of(slot) {
                self.doom(slot);
            }
        }
    }

    /// Nothing in a segment is needed when what was appended so far, or is owed, is safe.
    pub(super) fn doom(&mut self, slot: Slot) {
        self.segments[slot].stage = Stage::Doomed;
        self.doomed.push_back((slot, self.given()));
    }

    /// Whether something but messages in a segment is needed as long as other segments stand.
    pub(super) fn needs_controls_of(&self, slot: Slot) -> bool {
        let segment = &self.segments[slot];
        if segment.is_damaged {
            return true;
        }
        let but = [slot];
        let is_key_needed = |key: &Key| self.is_key_needed(*key, &but);
        segment.keys.iter().any(is_key_needed)
            || segment
                .reached
                .iter()
                .any(|(&stream, &reached)| self.is_reached_needed(stream, reached, &but))
            || segment.gone.iter().any(|&stream| self.is_gone_needed(stream, &but))
            || segment.streams.iter().any(|(&stream, of)| {
                let removed = (of.removed_first, of.removed_last);
                of.removed_first != 0 && self.segments.stand_elsewhere(&but, stream, removed)
                    || of.first != 0 && self.is_reached_needed(stream, of.last, &but)
            })
    }

    /// Whether the value of a key that stands in one of these segments is needed.
    pub(super) fn is_key_needed(&self, key: Key, of: &[Slot]) -> bool {
        key.kind != KeyKind::REACHED
            && self.keys.get(&key).is_some_and(|state| {
                let here =
                    of.iter().filter(|slot| self.segments[**slot].keys.contains(&key)).count();
                of.contains(&state.slot) && !(state.is_gone && state.segments as usize == here)
            })
    }

    /// Whether the end of a stream must be said as long as segments other than these stand.
    pub(super) fn is_gone_needed(&self, stream: StreamNumber, but: &[Slot]) -> bool {
        self.segments.iter().any(|(slot, segment)| {
            !but.contains(&slot)
                && (segment.streams.contains_key(&stream)
                    || segment.reached.contains_key(&stream)
                    || segment.keys.iter().any(|key| key.stream == stream))
        })
    }

    /// Whether only these segments tell that a stream has come so far.
    pub(super) fn is_reached_needed(&self, stream: StreamNumber, last: u64, but: &[Slot]) -> bool {
        !self.segments.iter().any(|(slot, segment)| {
            segment.gone.contains(&stream)
                || !but.contains(&slot)
                    && (segment.streams.get(&stream).is_some_and(|of| of.last >= last)
                        || segment.reached.get(&stream).is_some_and(|&reached| reached >= last))
        })
    }

    /// Marks a segment's file free; what stands in it is forgotten when that is done.
    fn release_segment(&mut self, slot: Slot) {
        self.segments[slot].stage = Stage::Releasing;
        match self.segments[slot].file {
            SegmentFile::Open(_) => self.write_free(slot),
            _ => self.open_file(slot),
        }
    }

    /// Writes the footer that says that a segment's file is free; the header follows.
    pub(super) fn write_free(&mut self, slot: Slot) {
        let segment = &self.segments[slot];
        let footer = Footer::free(segment.epoch).encode();
        let sector = segment.sector;
        let bytes = whole_sectors(&footer, sector as usize);
        let offset = segment.file_bytes - sector;
        self.write_ending(Job::ReleaseFooter { slot }, slot, offset, bytes);
    }

    /// The footer says that the file is free.
    pub(super) fn footer_released(&mut self, slot: Slot, result: Result<Done, DiskError>) {
        if let Err(error) = result {
            return self.fail(slot, error);
        }
        let segment = &self.segments[slot];
        let header = Header {
            used: SegmentUse::Free,
            sector_bytes: segment.sector,
            epoch: segment.epoch,
            file_bytes: u64::from(segment.file_bytes),
            run: self.run,
            first_batch: 0,
            log: self.settings.log,
            key: segment.key,
        };
        let bytes = whole_sectors(&header.encode(), segment.sector as usize);
        self.write_ending(Job::Release { slot }, slot, 0, bytes);
    }

    /// A segment's file is marked free.
    pub(super) fn released(&mut self, slot: Slot, result: Result<Done, DiskError>) {
        if let Err(error) = result {
            return self.fail(slot, error);
        }
        let keys: Vec<Key> = self.segments[slot].keys.iter().copied().collect();
        for key in keys {
            if let Some(state) = self.keys.get_mut(&key) {
                state.segments -= 1;
                if state.segments == 0 {
                    self.keys.remove(&key);
                }
            }
        }
        self.compaction.released(slot);
        self.segments.replaced_is_released(slot);
        self.forget_reads(slot);
        self.segments[slot].clear();
        self.segments[slot].stage = Stage::Released;
        // What was kept for this one's sake may be free now.
        self.segments.look_for_dead();
        self.use_again_or_remove(slot);
    }

    fn use_again_or_remove(&mut self, slot: Slot) {
        if self.segments[slot].reads > 0 {
            // The last read to end comes here again.
            return;
        }
        let segment = &self.segments[slot];
        let is_ours = segment.path.parent() == Some(self.settings.folder.as_path());
        let is_wanted = is_ours
            && segment.sector == self.sector
            && segment.file_bytes <= self.settings.segment_bytes_max
            && self.may_hold(segment.key)
            && self.spares.len() < limits::JS_SEGMENTS_SPARE_MAX
            && self
                .spares
                .iter()
                .all(|&spare| self.segments[spare].file_bytes <= segment.file_bytes);
        if is_wanted {
            self.segments[slot].stage = Stage::Spare;
            self.spares.push_back(slot);
            if std::mem::take(&mut self.is_full) {
                self.troubles.push(Trouble::SpaceAgain);
            }
            return;
        }
        let segment = self.segments.take(slot);
        if let SegmentFile::Open(file) = segment.file {
            self.ask(Job::Forget, Operation::Close { file });
        }
        let path = Rc::from(segment.path.parent().unwrap_or(Path::new(".")));
        self.ask(Job::Forget, Operation::Remove { path: segment.path });
        self.ask(Job::Forget, Operation::FlushFolder { path });
        // There may be space again.
        self.retry_at_ns = self.retry_at_ns.min(self.now.mono_ns);
    }

    /// Whether a free file may stay whose last records were under this key: in an encrypted store
    /// nothing stays that stands in the clear.
    pub(super) fn may_hold(&self, key: KeyNumber) -> bool {
        key != KeyNumber::NONE || self.settings.keys.is_empty()
    }

    /// The last read of a released segment has ended.
    pub(super) fn read_ended(&mut self, slot: Slot) {
        self.segments[slot].reads -= 1;
        let segment = &self.segments[slot];
        if segment.reads == 0 && segment.stage == Stage::Released {
            self.use_again_or_remove(slot);
        }
    }
}

/// The name of a segment file until it has its whole length: a short one that bears its final
/// name was cut.
fn unfinished(path: &Path) -> Rc<Path> {
    path.with_extension(UNFINISHED).into()
}
