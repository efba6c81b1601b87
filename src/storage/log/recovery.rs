//! Start-up: from segment files to a log. Sealed segments tell by their index what they hold; of
//! what was being written at the end, the data is read, cut where it ends, and sealed.
//!
//! ```text
//! header free, absent          ─▶ spare
//! compacted, not sealed        ─▶ spare if its sources are all there; else its end was damaged
//! replaced by a compacted one  ─▶ spare
//! sealed                       ─▶ index read; rebuilt from the data if it is damaged
//! not sealed                   ─▶ data read to the tail, cut there, sealed
//! anything else                ─▶ damage: named, kept as it is, not used
//! ```
//! The tail is where the row of batches ends. Each batch says up to which batch all were safe
//! when it was written: what is broken up to there is damage, named and kept; what is broken
//! behind was never acknowledged, and is cut. Done twice, it finds what it left.

use std::path::Path;
use std::rc::Rc;

use ahash::RandomState;
use runtime::Files;
use runtime::disk::{FileEntry, Operation};

use super::damage::{Damage, OpenError, Report};
use super::found::{FoundSegment, is_segment, look_at, number_of};
use super::index::{Index, Indexed, Messages, Removed};
use super::layout::{Header, SegmentUse};
use super::pipeline::Pipeline;
use super::record::{Record, RecordKind};
use super::segments::{Segment, Segments, Stage, reached_of};
use super::{At, Epoch, Job, Key, KeyKind, Log, LogSettings, Map, Slot, StreamNumber, space, tail};
use crate::Mark;

/// Who takes what is found, in this order: values of keys, how far streams have come, what was
/// removed, and the messages, by stream and sequence.
pub trait Recover {
    /// The newest value of a key.
    fn keyed(&mut self, key: Key, value: &[u8]);

    /// A stream has used every sequence up to `sequence`; its last message is from `time_ns`.
    fn reached(&mut self, stream: StreamNumber, sequence: u64, time_ns: u64);

    /// Messages are gone.
    fn removed(&mut self, removed: Removed);

    /// A message stands on disk. Whether it is still there, for all that was said before.
    fn message(&mut self, stream: StreamNumber, at: At, message: &Indexed<'_>) -> bool;
}

impl Log {
    /// Opens the log in its folder, which is made if it is not there, and tells `recover` what is
    /// in it.
    ///
    /// # Errors
    /// [`OpenError`]; damage is none: it is in the report.
    pub fn open(
        settings: LogSettings,
        files: &dyn Files,
        recover: &mut dyn Recover,
    ) -> Result<(Log, Report), OpenError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |error| OpenError::System { path, error }
        };
        let folder = settings.folder.clone();
        files.make_folder(&folder).map_err(failed(&folder))?;
        let mut report = Report::default();
        let mut found = Vec::new();
        let mut spares = Vec::new();
        let mut unfinished = Vec::new();
        // Copies that were not finished, and segments that were copied.
        let mut needless = Vec::new();
        let (mut last_number, mut run, mut next_file) = (0, 0, 0);
        for folder in std::iter::once(&settings.folder).chain(&settings.adopted) {
            let entries = files.list(folder).map_err(failed(folder))?;
            let is_unfinished = |entry: &&FileEntry| {
                entry.path.extension().is_some_and(|kind| kind == space::UNFINISHED)
            };
            unfinished.extend(entries.iter().filter(is_unfinished).map(|e| e.path.clone()));
            let entries = entries.into_iter().filter(is_segment);
            let mut here = Vec::new();
            for entry in entries {
                report.files += 1;
                next_file = next_file.max(number_of(&entry.path) + 1);
                match look_at(files, &entry, &settings.keys, &mut report) {
                    Some(segment) if segment.header.used == SegmentUse::Free => {
                        spares.push(segment);
                    }
                    Some(segment) => here.push(segment),
                    None => {}
                }
            }
            // Nothing is written where something cannot be read for want of a key.
            report.locked()?;
            here.sort_by_key(|segment| segment.header.epoch);
            tail::finish(files, &mut here, &settings.keys, &mut report)?;
            drop_unfinished(&mut here, &mut needless, &mut report);
            found.append(&mut here);
        }
        drop_replaced(&mut found, &mut needless);
        for segment in &mut needless {
            tail::mark_free(files, segment)?;
        }
        spares.append(&mut needless);
        for segment in found.iter().chain(&spares) {
            run = run.max(segment.header.run);
            let last = segment.footer.as_ref().map_or(0, |footer| footer.last_batch);
            last_number = last_number.max(last);
        }
        let sector = files.block_bytes(&settings.folder) as u32;
        let mut log = Log::empty(settings, sector, run + 1, next_file, last_number);
        log.take_in(&found, &spares, recover, &mut report);
        for path in unfinished {
            log.ask(Job::Forget, Operation::Remove { path: path.into() });
        }
        Ok((log, report))
    }

    fn empty(
        settings: LogSettings,
        sector: u32,
        run: u64,
        next_file: u64,
        last_number: u64,
    ) -> Log {
        let drawn = RandomState::new().hash_one(run) as u32;
        // Under one key no two logs give the same epoch.
        let nonce = match settings.keys.is_empty() {
            true => drawn,
            false => drawn << 8 | settings.log & 0xFF,
        };
        Log {
            settings,
            sector,
            run,
            segments: Segments::default(),
            spares: Default::default(),
            doomed: Default::default(),
            preparing: None,
            zeroing: None,
            next_file,
            last_epoch: 0,
            nonce,
            writer: None,
            pipeline: Pipeline::after(last_number),
            appended: Mark::default(),
            promised: 0,
            durable: Mark::default(),
            written: Mark::default(),
            keys: Map::default(),
            next_order: 1,
            next_stream: 0,
            reads: Default::default(),
            compaction: Default::default(),
            erasures: Default::default(),
            zeroes: None,
            free_blocks: Vec::new(),
            jobs: Vec::new(),
            free_jobs: Vec::new(),
            requests: Vec::new(),
            troubles: Vec::new(),
            is_failed: false,
            is_full: false,
            retry_at_ns: 0,
            flush_at_ns: 0,
            now: base::Now::default(),
        }
    }

    fn take_in(
        &mut self,
        found: &[FoundSegment],
        spares: &[FoundSegment],
        recover: &mut dyn Recover,
        report: &mut Report,
    ) {
        for spare in spares {
            self.last_epoch = self.last_epoch.max(Log::epoch_count(spare.header.epoch));
            let slot = self.add_found(spare);
            let segment = &mut self.segments[slot];
            segment.sector = self.sector;
            // One that is not ours, or does not fit, holds nothing and goes.
            let is_ours = segment.path.parent() == Some(self.settings.folder.as_path());
            let is_whole = segment.file_bytes.is_multiple_of(buffer::BLOCK_ALIGN as u32);
            let (key, is_short) =
                (segment.key, segment.file_bytes <= self.settings.segment_bytes_max);
            if is_ours && is_whole && is_short && self.may_hold(key) {
                self.segments[slot].stage = Stage::Spare;
                self.spares.push_back(slot);
            }
        }
        let mut indexes = Vec::new();
        for segment in found {
            self.last_epoch = self.last_epoch.max(Log::epoch_count(segment.header.epoch));
            let slot = self.add_found(segment);
            if let Some(index) = Index::parse(&segment.index) {
                indexes.push((slot, index));
            }
        }
        let mut gathered = Gathered::default();
        for (slot, index) in &indexes {
            for record in index.controls() {
                self.take_control(*slot, &record, &mut gathered);
            }
        }
        gathered.tell(self, recover);
        self.take_messages(&indexes, &gathered, recover, report);
        self.segments.look_for_dead();
        self.compaction.look_again();
    }

    fn add_found(&mut self, found: &FoundSegment) -> Slot {
        let Header { file_bytes, sector_bytes, epoch, key, .. } = found.header;
        let path = Rc::clone(&found.path);
        let mut segment = Segment::new(path, file_bytes as u32, sector_bytes, Stage::Sealed);
        (segment.epoch, segment.key) = (epoch, key);
        segment.is_damaged = found.is_damaged;
        if let Some(footer) = &found.footer {
            segment.note_ending(footer);
        }
        self.segments.add(segment)
    }

    fn take_control<'a>(&mut self, slot: Slot, record: &Record<'a>, gathered: &mut Gathered<'a>) {
        let head = record.head;
        self.note_stream(head.stream);
        match head.kind {
            RecordKind::Remove => {
                let (first, last) = (head.sequence, head.time);
                let removed = Removed { stream: head.stream, first, last };
                self.segments[slot].add_removed(removed);
                gathered.removed.push(removed);
            }
            RecordKind::StreamGone => {
                self.next_order = self.next_order.max(head.sequence + 1);
                self.segments[slot].gone.push(head.stream);
                gathered.gone.push(head.stream);
            }
            RecordKind::Keyed => {
                let Some(keyed) = record.keyed() else { return };
                let key = Key::of(&keyed);
                self.next_order = self.next_order.max(keyed.order + 1);
                self.note_key(key, slot, keyed.order, keyed.value.is_none());
                if key.kind == KeyKind::REACHED
                    && let Some((sequence, time_ns)) = keyed.value.and_then(reached_of)
                {
                    self.segments[slot].add_reached(key.stream, sequence);
                    gathered.reach(key.stream, sequence, time_ns);
                } else if self.keys[&key].order == keyed.order {
                    gathered.values.insert(key, keyed.value);
                }
            }
            RecordKind::Batch
            | RecordKind::Pad
            | RecordKind::Message
            | RecordKind::Replaces
            | RecordKind::Erased => {}
        }
    }

    fn note_stream(&mut self, stream: StreamNumber) {
        if stream.0 >> 24 == self.settings.log {
            self.next_stream = self.next_stream.max(stream.0 & 0x00FF_FFFF);
        }
    }

    fn take_messages(
        &mut self,
        indexes: &[(Slot, Index<'_>)],
        gathered: &Gathered<'_>,
        recover: &mut dyn Recover,
        report: &mut Report,
    ) {
        let mut streams: Map<StreamNumber, Vec<_>> = Map::default();
        for (slot, index) in indexes {
            for stream in index.streams() {
                self.note_stream(stream.number);
                streams.entry(stream.number).or_default().push((*slot, stream));
            }
        }
        for (number, mut places) in streams {
            let is_gone = gathered.gone.contains(&number);
            places.sort_by_key(|(_, stream)| stream.first);
            // As a rule segments follow each other; compaction may leave them interleaved.
            let mut heads: Vec<_> =
                places.iter().map(|(slot, stream)| (*slot, stream.messages().peekable())).collect();
            while let Some(place) = lowest(&mut heads) {
                let (slot, messages) = &mut heads[place];
                let message = messages.next().expect("just peeked at");
                let at = At::new(*slot, message.offset);
                let segment = &mut self.segments[*slot];
                if !is_gone && recover.message(number, at, &message) {
                    segment.add_message(number, message.sequence, message.length);
                    report.messages += 1;
                } else {
                    segment.add_dead_message(number, message.sequence);
                }
            }
        }
    }
}

/// Of the messages that come next in each segment, the place of the one with the lowest number.
fn lowest(heads: &mut Vec<(Slot, std::iter::Peekable<Messages<'_>>)>) -> Option<usize> {
    // Segments at the front are used up first.
    while heads.first_mut().is_some_and(|(_, messages)| messages.peek().is_none()) {
        drop(heads.remove(0));
    }
    let mut found: Option<(usize, u64)> = None;
    for (place, (_, messages)) in heads.iter_mut().enumerate() {
        if let Some(message) = messages.peek()
            && found.is_none_or(|(_, lowest)| message.sequence < lowest)
        {
            found = Some((place, message.sequence));
        }
    }
    found.map(|(place, _)| place)
}

/// What the indexes say beside messages.
#[derive(Default)]
struct Gathered<'a> {
    values: Map<Key, Option<&'a [u8]>>,
    removed: Vec<Removed>,
    reached: Map<StreamNumber, (u64, u64)>,
    gone: Vec<StreamNumber>,
}

impl Gathered<'_> {
    fn reach(&mut self, stream: StreamNumber, sequence: u64, time_ns: u64) {
        let reached = self.reached.entry(stream).or_default();
        *reached = (sequence, time_ns).max(*reached);
    }

    fn tell(&mut self, log: &mut Log, recover: &mut dyn Recover) {
        let gone = &self.gone;
        log.keys.retain(|key, _| !gone.contains(&key.stream));
        self.values.retain(|key, _| !gone.contains(&key.stream));
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_by_key(|(key, _)| **key);
        for (key, value) in values {
            match value {
                Some(value) if key.kind == KeyKind::ERASING => log.recover_erasure(*key, value),
                Some(value) => recover.keyed(*key, value),
                None => {}
            }
        }
        for (&stream, &(sequence, time_ns)) in &self.reached {
            if !gone.contains(&stream) {
                recover.reached(stream, sequence, time_ns);
            }
        }
        for &removed in self.removed.iter().filter(|removed| !gone.contains(&removed.stream)) {
            recover.removed(removed);
        }
    }
}

/// Takes out copies that compaction did not finish: their sources are all there. Of one
/// that was finished some source is gone, so its end was damaged later.
fn drop_unfinished(
    here: &mut Vec<FoundSegment>,
    needless: &mut Vec<FoundSegment>,
    report: &mut Report,
) {
    let epochs: Vec<Epoch> = here.iter().map(|segment| segment.header.epoch).collect();
    for place in (0..here.len()).rev() {
        let segment = &mut here[place];
        if segment.header.used != SegmentUse::Compacted || segment.footer.is_some() {
            continue;
        }
        let index = Index::parse(&segment.index);
        if index.is_none_or(|index| index.replaced().all(|epoch| epochs.contains(&epoch))) {
            needless.push(here.remove(place));
        } else {
            segment.is_damaged = true;
            report.damages.push(Damage::Index { file: segment.path.to_path_buf() });
        }
    }
}

/// Takes out segments that compaction has replaced. A crash came before their release.
fn drop_replaced(found: &mut Vec<FoundSegment>, needless: &mut Vec<FoundSegment>) {
    let mut replaced = Vec::new();
    for segment in found.iter() {
        if let Some(index) = Index::parse(&segment.index) {
            replaced.extend(index.replaced());
        }
    }
    for place in (0..found.len()).rev() {
        if replaced.contains(&found[place].header.epoch) {
            let mut segment = found.swap_remove(place);
            segment.index = Vec::new();
            needless.push(segment);
        }
    }
}
