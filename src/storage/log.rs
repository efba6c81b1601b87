//! Hot path: one core's append-only log. Before it: `Storage::append`; after it: the disk.
//!
//! ```text
//! append ──▶ open batch ──close──▶ waiting ──submit──▶ under way (two at most) ──▶ durable
//!              └ one block after another, each a piece of the active segment
//! segment: Preparing ─▶ Spare ─▶ Active ─▶ Sealing ─▶ Sealed ─▶ Doomed ─▶ Releasing ─▶ Released
//!             ▲                                                                  │ file removed
//!             └──────────────────────────────────────────────────────────────────┘
//! ```
//! Nothing here waits and nothing here calls the disk but [`Log::turn`]: what was asked for in
//! between leaves with it. What is appended can be read at once; it is safe when
//! [`Log::durable`] has reached its mark. Marks count records, in the order of their appends.
//!
//! Invariants: a byte that is safe is never written again before its segment is released, but for
//! messages that are to be erased; a segment is released only when nothing in it is needed;
//! removals are kept as long as what they removed may still stand in another segment.

mod compaction;
mod controls;
mod damage;
mod erasure;
mod found;
mod index;
mod layout;
mod mend;
mod overlay;
mod parts;
mod pipeline;
mod reads;
mod record;
mod recovery;
mod sealed;
mod segments;
mod settings;
mod space;
mod survey;
mod tail;
mod writer;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;

use ahash::RandomState;
use base::Now;
use buffer::{Block, BlockSlice};
use hashbrown::HashMap;
use runtime::Disk;
use runtime::disk::{DiskError, DiskToken, Durability, Operation};

use self::compaction::Compaction;
use self::erasure::Erasures;
use self::pipeline::Pipeline;
use self::reads::Reads;
use self::record::{NewKeyed, RecordKind};
use self::segments::Segments;
use self::space::{Preparing, Zeroing};
use self::writer::Writer;
use crate::Mark;

pub use self::damage::{Damage, OpenError, Report};
pub use self::index::{Indexed, Removed};
pub(crate) use self::layout::{u16_at, u32_at};
pub use self::mend::{MendError, Mended, mend};
pub use self::overlay::Overlay;
pub use self::reads::LogRead;
pub use self::record::{Compressed, Content, NewMessage, PLAIN_BYTES};
pub use self::recovery::Recover;
pub use self::settings::{LogSettings, Sync};
pub use self::survey::{BrokenMessage, SegmentState, SegmentSurvey};

/// Which use of a segment file: a count that rises in the upper half, and a number drawn for the
/// run in the lower, so that none is given twice. Where the log is encrypted the lowest eight bits
/// are the log's number: no two logs give the same under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A stream as the log numbers it: never used again while anything of the stream is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamNumber(pub u32);

/// Where a record lies: the segment's place in memory in the upper half, the offset in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(pub u64);

impl At {
    #[inline]
    fn new(slot: Slot, offset: u32) -> At {
        At(u64::from(slot.0) << 32 | u64::from(offset))
    }

    #[inline]
    fn slot(self) -> Slot {
        Slot((self.0 >> 32) as u32)
    }

    #[inline]
    fn offset(self) -> u32 {
        self.0 as u32
    }
}

/// The place of a segment in memory. Used again after the segment is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Slot(u32);

/// What a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyKind(pub u16);

impl KeyKind {
    /// The last sequence that a stream has used; the log's own.
    pub(crate) const REACHED: KeyKind = KeyKind(0);
    /// Where a message lies that is being erased; the log's own.
    pub(crate) const ERASING: KeyKind = KeyKind(4);
    /// What a stream's messages have in common, to compress them with.
    pub(crate) const DICTIONARY: KeyKind = KeyKind(5);
    /// A stream's configuration.
    pub const STREAM: KeyKind = KeyKind(1);
    /// A consumer's configuration.
    pub const CONSUMER: KeyKind = KeyKind(2);
    /// A consumer's state.
    pub const CONSUMER_STATE: KeyKind = KeyKind(3);
}

/// Names a value of which the log keeps the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose; everything goes with the stream.
    pub stream: StreamNumber,
    /// What it is.
    pub kind: KeyKind,
    /// Which of its kind: a consumer's number.
    pub key: u64,
}

impl Key {
    fn of(keyed: &NewKeyed<'_>) -> Key {
        Key { stream: keyed.stream, kind: KeyKind(keyed.key_kind), key: keyed.key }
    }

    fn value(self, order: u64, value: Option<&[u8]>) -> NewKeyed<'_> {
        NewKeyed { stream: self.stream, key_kind: self.kind.0, key: self.key, order, value }
    }
}

/// Why nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The caller: a record longer than a quarter of a segment, or than its fields can say.
    TooLarge,
    /// The disk is full. Removals are still taken, and space may come back.
    Full,
    /// The disk is slower than what comes in; later.
    Behind,
    /// A write or a flush failed; nothing is ever appended again in this run.
    Failed,
}

impl std::fmt::Display for AppendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AppendError::TooLarge => "message too large for the log",
            AppendError::Full => "no space left on device",
            AppendError::Behind => "the disk is behind",
            AppendError::Failed => "a write to disk failed",
        })
    }
}

impl std::error::Error for AppendError {}

/// Something that healthz and the log should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The first failed write: the log takes nothing more.
    Failed {
        /// What was being written.
        file: PathBuf,
        /// What the disk said.
        error: DiskError,
    },
    /// The disk is full; said again only after it was not.
    Full,
    /// There is space again.
    SpaceAgain,
    /// What was read is not what was written.
    Damaged(Damage),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Failed { file, error } => {
                write!(f, "{}: {error}; nothing more is stored in this run", file.display())
            }
            Trouble::Full => f.write_str("no space is left on the device; publishes are refused"),
            Trouble::SpaceAgain => f.write_str("there is space again; publishes are taken"),
            Trouble::Damaged(damage) => damage.fmt(f),
        }
    }
}

/// What the owner of the messages knows and must be told.
pub trait Owner {
    /// Whether the message is still there, and is the one at `at`.
    fn is_live(&self, stream: StreamNumber, sequence: u64, at: At) -> bool;

    /// Whether the content of a message comes out of what was read.
    fn is_readable(&self, message: &NewMessage<'_>) -> bool;

    /// The message at `from`, which is still there, lies at `to` now.
    fn moved(&mut self, stream: StreamNumber, sequence: u64, from: At, to: At);
}

/// What an operation of the disk is for.
#[derive(Debug)]
enum Job {
    Batch { number: u64 },
    Flush { upto: Mark, batch: u64 },
    Seal { slot: Slot },
    SealFlush { slot: Slot },
    Read { pending: u64 },
    Open { slot: Slot },
    Prepare { slot: Slot },
    Zero { slot: Slot },
    ReleaseFooter { slot: Slot },
    Release { slot: Slot },
    Forget,
    Compaction,
    EraseRead,
    EraseWrite,
}

/// Where the newest value of a key lies.
#[derive(Clone, Copy, Debug)]
struct KeyState {
    slot: Slot,
    order: u64,
    is_gone: bool,
    /// Segments that hold some value of the key.
    segments: u32,
}

/// One core's log.
pub struct Log {
    settings: LogSettings,
    sector: u32,
    run: u64,
    segments: Segments,
    spares: VecDeque<Slot>,
    /// Segments to be released when what was appended up to a mark is safe.
    doomed: VecDeque<(Slot, Mark)>,
    preparing: Option<Preparing>,
    zeroing: Option<Zeroing>,
    next_file: u64,
    /// The count of the last epoch given, and what tells this run's from all others'.
    last_epoch: u64,
    nonce: u32,
    writer: Option<Writer>,
    pipeline: Pipeline,
    appended: Mark,
    /// Records that the owner will append before anything else: their marks are given already.
    promised: u64,
    durable: Mark,
    written: Mark,
    keys: Map<Key, KeyState>,
    next_order: u64,
    next_stream: u32,
    reads: Reads,
    compaction: Compaction,
    erasures: Erasures,
    zeroes: Option<BlockSlice>,
    free_blocks: Vec<Block>,
    jobs: Vec<Option<Job>>,
    free_jobs: Vec<u32>,
    requests: Vec<(DiskToken, Operation)>,
    troubles: Vec<Trouble>,
    is_failed: bool,
    is_full: bool,
    retry_at_ns: u64,
    flush_at_ns: u64,
    now: Now,
}

impl Log {
    /// A number for a new stream.
    pub fn new_stream(&mut self) -> StreamNumber {
        self.next_stream += 1;
        // The log's number in the upper bits: a log that was adopted has others.
        StreamNumber(self.settings.log << 24 | self.next_stream & 0x00FF_FFFF)
    }

    /// Up to where everything is safe.
    #[inline]
    pub fn durable(&self) -> Mark {
        self.durable
    }

    /// Up to where everything may be acknowledged: what [`Sync`] says.
    #[inline]
    pub fn acknowledged(&self) -> Mark {
        match self.settings.sync {
            Sync::Always => self.durable,
            Sync::Every { .. } => self.written,
        }
    }

    /// The last mark given: the last append's, or that of the last record promised. Once a write
    /// has failed, one that is never reached.
    pub fn appended(&self) -> Mark {
        if self.is_failed { Mark(u64::MAX) } else { self.given() }
    }

    /// The last mark given, whatever has failed.
    fn given(&self) -> Mark {
        Mark(self.appended.0 + self.promised)
    }

    /// Whether what made a segment needless up to this mark is safe. On a full disk that cannot
    /// be waited for where it is owed: the segment is the space to say it in. Nobody was told that
    /// it is done, so a crash in between may find a part of it done.
    fn is_settled(&self, mark: Mark) -> bool {
        let owed = if self.is_full { self.promised } else { 0 };
        mark.0 <= self.durable.0 + owed
    }

    /// The owner has so many records that the log does not take now, and appends them before
    /// anything else.
    pub fn promise(&mut self, records: usize) {
        self.promised = records as u64;
    }

    /// Whether a write or flush failed: nothing is ever appended again in this run.
    pub fn has_failed(&self) -> bool {
        self.is_failed
    }

    /// Whether the disk had no space left when it was last asked for some.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// What happened that people should know, once.
    pub fn take_troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// Bytes of all segment files.
    pub fn disk_bytes(&self) -> u64 {
        self.segments.iter().map(|(_, segment)| u64::from(segment.file_bytes)).sum()
    }

    /// Appends a message. Where it lies, and its mark.
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed.
    #[inline]
    pub fn append(&mut self, message: &NewMessage<'_>) -> Result<(At, Mark), AppendError> {
        let length = message.record_bytes();
        self.make_room(length, message.subject.len(), RecordKind::Message)?;
        let writer = self.writer.as_mut().expect("room was made");
        let offset = writer.put(length, |out| message.write(out));
        writer.index.add_message(message, offset, length as u32);
        let slot = writer.slot;
        self.segments[slot].add_message(message.stream, message.sequence, length as u32);
        Ok((At::new(slot, offset), self.count_append()))
    }

    /// Appends that messages are gone. Each must be released too: [`Log::release`].
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed.
    pub fn remove(&mut self, removed: Removed) -> Result<Mark, AppendError> {
        self.make_room(record::HEADER_BYTES, 0, RecordKind::Remove)?;
        let writer = self.writer.as_mut().expect("room was made");
        let Removed { stream, first, last } = removed;
        writer.put(record::HEADER_BYTES, |out| {
            record::write_bare(RecordKind::Remove, stream, first, last, out);
        });
        writer.index.add_removed(removed);
        let slot = writer.slot;
        self.segments[slot].add_removed(removed);
        Ok(self.count_append())
    }

    /// The message at `at` is needed no more.
    #[inline]
    pub fn release(&mut self, stream: StreamNumber, at: At, record_bytes: u32) {
        let segment = &mut self.segments[at.slot()];
        segment.release_message(stream, record_bytes);
        if segment.live_messages == 0 {
            self.segments.look_for_dead();
        }
    }

    /// Appends a key's newest value, or that it has none any more.
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed.
    pub fn put(&mut self, key: Key, value: Option<&[u8]>) -> Result<Mark, AppendError> {
        let order = self.next_order;
        let keyed = key.value(order, value);
        let length = keyed.record_bytes();
        self.make_room(length, length, RecordKind::Keyed)?;
        self.next_order += 1;
        let writer = self.writer.as_mut().expect("room was made");
        writer.put(length, |out| keyed.write(out));
        writer.index.add_keyed(key, order, value);
        let slot = writer.slot;
        self.note_key(key, slot, order, value.is_none());
        Ok(self.count_append())
    }

    /// Appends that every sequence of a stream up to this one is used.
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed.
    pub fn reach(
        &mut self,
        stream: StreamNumber,
        sequence: u64,
        time_ns: u64,
    ) -> Result<Mark, AppendError> {
        let key = Key { stream, kind: KeyKind::REACHED, key: 0 };
        let mark = self.put(key, Some(&segments::reached_value(sequence, time_ns)))?;
        let slot = self.writer.as_ref().expect("just appended to").slot;
        self.segments[slot].add_reached(stream, sequence);
        Ok(mark)
    }

    /// Appends that a stream is gone, with all it had. Its messages need not be released.
    ///
    /// # Errors
    /// [`AppendError`]; nothing has changed.
    pub fn drop_stream(&mut self, stream: StreamNumber) -> Result<Mark, AppendError> {
        self.make_room(record::HEADER_BYTES, 0, RecordKind::StreamGone)?;
        let order = self.next_order;
        self.next_order += 1;
        let writer = self.writer.as_mut().expect("room was made");
        writer.put(record::HEADER_BYTES, |out| {
            record::write_bare(RecordKind::StreamGone, stream, order, 0, out);
        });
        writer.index.add_gone(stream, order);
        let slot = writer.slot;
        self.segments.drop_stream(stream);
        self.segments[slot].gone.push(stream);
        self.keys.retain(|key, _| key.stream != stream);
        Ok(self.count_append())
    }

    /// Whether a turn has something to do that no event announces.
    pub fn has_work(&self) -> bool {
        !self.requests.is_empty() || self.can_submit_now()
    }

    /// When a turn is wanted at the latest, monotonic nanoseconds.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        let flush = (self.durable < self.appended && self.settings.sync != Sync::Always)
            .then_some(self.flush_at_ns);
        let retry = (self.is_full && !self.is_failed).then_some(self.retry_at_ns);
        let erasure = self.erasures.next_deadline_ns().filter(|_| !self.is_failed);
        [flush, retry, erasure, self.compaction.next_deadline_ns()].into_iter().flatten().min()
    }

    /// Takes in what the disk has done, and gives it what there is to do.
    pub fn turn(&mut self, disk: &mut dyn Disk, now: Now, owner: &mut dyn Owner) {
        self.now = now;
        self.take_completions(disk);
        self.advance();
        self.prepare_spares();
        self.release_dead();
        self.erase_next();
        self.compact(owner);
        self.submit_batches();
        self.flush_on_time();
        for (token, operation) in self.requests.drain(..) {
            disk.submit(token, operation);
        }
    }

    #[inline]
    fn count_append(&mut self) -> Mark {
        self.appended = Mark(self.appended.0 + 1);
        self.appended
    }

    /// Sees to it that the writer has room for a record.
    #[inline]
    fn make_room(
        &mut self,
        length: usize,
        subject: usize,
        kind: RecordKind,
    ) -> Result<(), AppendError> {
        if let Some(writer) = &self.writer
            && !self.is_failed
            && writer.fits_block(length)
            && writer.fits_segment(length, subject)
            && (!self.is_full || kind != RecordKind::Message)
        {
            return Ok(());
        }
        self.make_room_slowly(length, subject, kind)
    }

    fn note_key(&mut self, key: Key, slot: Slot, order: u64, is_gone: bool) {
        let is_new_here = self.segments[slot].add_key(key);
        let state = KeyState { slot, order, is_gone, segments: 0 };
        let known = self.keys.entry(key).or_insert(state);
        let segments = known.segments + u32::from(is_new_here);
        if order >= known.order {
            *known = KeyState { segments, ..state };
        } else {
            known.segments = segments;
        }
    }

    /// Queues an operation for the end of the turn.
    fn ask(&mut self, job: Job, operation: Operation) {
        let place = self.free_jobs.pop().unwrap_or_else(|| {
            self.jobs.push(None);
            self.jobs.len() as u32 - 1
        });
        self.jobs[place as usize] = Some(job);
        self.requests.push((DiskToken(u64::from(place)), operation));
    }

    /// The first failure ends all appending: what the disk has is unknown from there on.
    fn fail(&mut self, slot: Slot, error: DiskError) {
        if !self.is_failed {
            self.is_failed = true;
            let file = self.segments[slot].path.to_path_buf();
            self.troubles.push(Trouble::Failed { file, error });
        }
    }

    /// A block of the usual size: one that was used before, if nobody holds it any more.
    fn block(&mut self, bytes: usize) -> Block {
        if bytes <= self.settings.write_bytes_max {
            return self
                .free_blocks
                .pop()
                .unwrap_or_else(|| Block::new(self.settings.write_bytes_max));
        }
        Block::new(bytes.next_multiple_of(buffer::BLOCK_ALIGN))
    }

    fn keep_block(&mut self, block: Block) {
        if block.capacity() == self.settings.write_bytes_max
            && let Some(block) = block.reuse()
        {
            self.free_blocks.push(block);
        }
    }
}

/// How writes become safe in this mode.
fn durability(sync: Sync) -> Durability {
    match sync {
        Sync::Always => Durability::AtCompletion,
        Sync::Every { .. } => Durability::AtFlush,
    }
}

/// CRC-32C.
#[inline]
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// A hash map in memory.
type Map<K, V> = HashMap<K, V, RandomState>;

/// A path that many hold.
type SharedPath = Rc<std::path::Path>;

#[cfg(test)]
pub(crate) mod crash;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
