//! What is known of each segment in memory: what stands in it, and how much of that is needed.

use std::ops::{Index, IndexMut};

use ahash::RandomState;
use hashbrown::HashSet;
use runtime::disk::FileId;

use super::index::Removed;
use super::layout::Footer;
use super::{Epoch, Key, Map, SharedPath, Slot, StreamNumber};
use crate::keys::KeyNumber;

/// Where a segment stands in its life; see `log.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its file is being made.
    Preparing,
    /// Its file can be used.
    Spare,
    /// It is being appended to, or compaction fills it.
    Active,
    /// Its data is complete; index and footer are on their way.
    Sealing,
    /// It is complete.
    Sealed,
    /// Nothing in it is needed once what was appended so far is safe.
    Doomed,
    /// Nothing in it is needed; its file is being marked free.
    Releasing,
    /// Its file is free, but someone still reads it.
    Released,
}

/// A segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentFile {
    /// Not open.
    Closed,
    /// Being opened.
    Opening,
    /// Open.
    Open(FileId),
}

/// One segment.
#[derive(Debug)]
pub struct Segment {
    pub path: SharedPath,
    pub file: SegmentFile,
    pub file_bytes: u32,
    pub sector: u32,
    pub epoch: Epoch,
    /// What its records are sealed under; of a free file, what its last ones were.
    pub key: KeyNumber,
    pub stage: Stage,
    /// Where the index lies once the segment is sealed.
    pub index_at: u32,
    pub index_bytes: u32,
    pub index_crc: u32,
    pub index_key: KeyNumber,
    /// Streams that have messages or removals here.
    pub streams: Map<StreamNumber, InSegment>,
    /// Keys that have a value here.
    pub keys: HashSet<Key, RandomState>,
    /// Streams whose end is said here.
    pub gone: Vec<StreamNumber>,
    /// The sequence that a stream is said here to have reached.
    pub reached: Map<StreamNumber, u64>,
    pub live_messages: u32,
    pub live_bytes: u64,
    /// Writes of data not yet complete.
    pub writes_left: u32,
    /// Reads under way.
    pub reads: u32,
    /// Something in it could not be read: it is kept as it is.
    pub is_damaged: bool,
    /// Compaction has it in hand.
    pub is_source: bool,
    /// Messages in it that are to be overwritten: it must not go before.
    pub erasures: u32,
    /// Segments that this one replaces and that are not released yet: it must outlive them.
    pub replaces: Vec<Slot>,
}

/// One stream in one segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct InSegment {
    /// The lowest and highest sequence of messages that stand here, needed or not; first is 0
    /// when there is none.
    pub first: u64,
    pub last: u64,
    pub live: u32,
    /// Removals that stand here lie within; first is 0 when there are none.
    pub removed_first: u64,
    pub removed_last: u64,
}

impl Segment {
    /// A segment of which nothing is known but its file.
    pub fn new(path: SharedPath, file_bytes: u32, sector: u32, stage: Stage) -> Segment {
        Segment {
            path,
            file: SegmentFile::Closed,
            file_bytes,
            sector,
            epoch: Epoch(0),
            key: KeyNumber::NONE,
            stage,
            index_at: 0,
            index_bytes: 0,
            index_crc: 0,
            index_key: KeyNumber::NONE,
            streams: Map::default(),
            keys: HashSet::default(),
            gone: Vec::new(),
            reached: Map::default(),
            live_messages: 0,
            live_bytes: 0,
            writes_left: 0,
            reads: 0,
            is_damaged: false,
            is_source: false,
            erasures: 0,
            replaces: Vec::new(),
        }
    }

    /// Forgets what stood here.
    pub fn clear(&mut self) {
        self.streams.clear();
        self.keys.clear();
        self.gone.clear();
        self.reached.clear();
        self.live_messages = 0;
        self.live_bytes = 0;
        self.is_source = false;
    }

    /// A message that is needed stands here.
    #[inline]
    pub fn add_message(&mut self, stream: StreamNumber, sequence: u64, record_bytes: u32) {
        self.add_dead_message(stream, sequence);
        let of = self.streams.get_mut(&stream).expect("just added");
        of.live += 1;
        self.live_messages += 1;
        self.live_bytes += u64::from(record_bytes);
    }

    /// A message that is not needed stands here.
    #[inline]
    pub fn add_dead_message(&mut self, stream: StreamNumber, sequence: u64) {
        let of = self.streams.entry(stream).or_default();
        if of.first == 0 {
            of.first = sequence;
        }
        of.first = of.first.min(sequence);
        of.last = of.last.max(sequence);
    }

    /// A message that stands here is needed no more.
    #[inline]
    pub fn release_message(&mut self, stream: StreamNumber, record_bytes: u32) {
        let of = self.streams.get_mut(&stream).expect("the stream has messages here");
        of.live -= 1;
        self.live_messages -= 1;
        self.live_bytes = self.live_bytes.saturating_sub(u64::from(record_bytes));
        if self.live_messages == 0 {
            self.live_bytes = 0;
        }
    }

    /// A removal stands here.
    pub fn add_removed(&mut self, removed: Removed) {
        let of = self.streams.entry(removed.stream).or_default();
        if of.removed_first == 0 {
            of.removed_first = removed.first;
        }
        of.removed_first = of.removed_first.min(removed.first);
        of.removed_last = of.removed_last.max(removed.last);
    }

    /// A stream is said here to have used every sequence up to this one.
    pub fn add_reached(&mut self, stream: StreamNumber, sequence: u64) {
        let reached = self.reached.entry(stream).or_default();
        *reached = sequence.max(*reached);
    }

    /// Remembers where the index lies.
    pub fn note_ending(&mut self, footer: &Footer) {
        (self.index_at, self.index_bytes) = (footer.index_at, footer.index_bytes);
        (self.index_crc, self.index_key) = (footer.index_crc, footer.key);
    }

    /// A key has a value here; whether it had none.
    pub fn add_key(&mut self, key: Key) -> bool {
        self.keys.insert(key)
    }
}

/// All segments of a log.
#[derive(Debug, Default)]
pub struct Segments {
    slots: Vec<Option<Segment>>,
    look_for_dead: bool,
}

impl Segments {
    /// Adds a segment.
    pub fn add(&mut self, segment: Segment) -> Slot {
        let free = self.slots.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[place] = Some(segment);
        Slot(place as u32)
    }

    /// Something may be needed no more.
    pub fn look_for_dead(&mut self) {
        self.look_for_dead = true;
    }

    /// Whether something may be needed no more since the last call.
    pub fn take_look_for_dead(&mut self) -> bool {
        std::mem::take(&mut self.look_for_dead)
    }

    /// Takes a segment out.
    pub fn take(&mut self, slot: Slot) -> Segment {
        self.slots[slot.0 as usize].take().expect("a slot names a segment")
    }

    /// The segments.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Segment)> {
        let numbered = self.slots.iter().enumerate();
        numbered.filter_map(|(at, segment)| Some((Slot(at as u32), segment.as_ref()?)))
    }

    /// A segment was released: what replaces it may go, too.
    pub fn replaced_is_released(&mut self, released: Slot) {
        for segment in self.slots.iter_mut().flatten() {
            segment.replaces.retain(|&slot| slot != released);
        }
    }

    /// A stream is gone: nothing of it is needed.
    pub fn drop_stream(&mut self, stream: StreamNumber) {
        self.look_for_dead = true;
        for segment in self.slots.iter_mut().flatten() {
            if let Some(of) = segment.streams.get_mut(&stream) {
                segment.live_messages -= of.live;
                // The bytes are not known by stream: a share of them, and none when all is gone.
                let left = u64::from(segment.live_messages);
                let share = segment.live_bytes * left / (left + u64::from(of.live)).max(1);
                segment.live_bytes = share;
                of.live = 0;
            }
        }
    }

    /// Whether messages of a stream within these sequences stand in a segment other than `but`.
    pub fn stand_elsewhere(&self, but: &[Slot], stream: StreamNumber, within: (u64, u64)) -> bool {
        self.iter().any(|(slot, segment)| {
            !but.contains(&slot)
                && segment
                    .streams
                    .get(&stream)
                    .is_some_and(|of| of.first != 0 && of.first <= within.1 && within.0 <= of.last)
        })
    }
}

impl Index<Slot> for Segments {
    type Output = Segment;

    #[inline]
    fn index(&self, slot: Slot) -> &Segment {
        self.slots[slot.0 as usize].as_ref().expect("a slot names a segment")
    }
}

impl IndexMut<Slot> for Segments {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Segment {
        self.slots[slot.0 as usize].as_mut().expect("a slot names a segment")
    }
}

/// The value of a stream's `REACHED` key: the sequence, and when the last message was stored.
pub fn reached_value(sequence: u64, time_ns: u64) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&sequence.to_le_bytes());
    value[8..].copy_from_slice(&time_ns.to_le_bytes());
    value
}

/// Reads such a value; `None` if it is none.
pub fn reached_of(value: &[u8]) -> Option<(u64, u64)> {
    let (sequence, time_ns) = value.split_first_chunk::<8>()?;
    let time_ns = time_ns.first_chunk::<8>()?;
    Some((u64::from_le_bytes(*sequence), u64::from_le_bytes(*time_ns)))
}
