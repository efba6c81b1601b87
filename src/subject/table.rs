//! Hash to slot, in segments, so that no insertion ever moves more than one of them.
//!
//! A flat hash table that doubles at a million cells stops its core for ten milliseconds.
//! Here the top bits of a hash choose a segment of at most a few thousand cells, and a full
//! segment splits in two (extendible hashing): the directory doubles, the cells stay.
//!
//! Each cell keeps 32 bits of its hash beside the slot: a split reads no records, and a probe
//! that meets a stranger seldom follows it. What equality means is the caller's. Hashes must be
//! keyed where outside bytes choose them.

use hashbrown::HashTable;

use crate::slab::Slot;

/// Cells at which a segment splits: what a hash table of 4096 buckets takes.
const SEGMENT_MAX: usize = 4096 / 8 * 7;
/// Past this many leading bits a segment just grows: 2^16 segments hold 10^8 cells.
const DEPTH_MAX: u32 = 16;
/// Shrinking starts above this capacity.
const SHRINK_ABOVE: usize = 64;

type Cells<T> = HashTable<(u32, Slot<T>)>;

/// Slots of `T`, found by hash.
pub struct Table<T> {
    /// Which segment holds the hashes with these `depth` leading bits.
    directory: Vec<u32>,
    depth: u32,
    segments: Vec<Segment<T>>,
    len: usize,
}

struct Segment<T> {
    cells: Cells<T>,
    /// How many leading bits all hashes in it share.
    depth: u32,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table::new()
    }
}

impl<T> Table<T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        let segments = vec![Segment { cells: Cells::new(), depth: 0 }];
        Table { directory: vec![0], depth: 0, segments, len: 0 }
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let cells = self.segments.iter().map(|segment| segment.cells.allocation_size());
        cells.sum::<usize>()
            + self.segments.capacity() * size_of::<Segment<T>>()
            + self.directory.capacity() * size_of::<u32>()
    }

    /// The slot under `hash` for which `is_it` holds.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(Slot<T>) -> bool) -> Option<Slot<T>> {
        let short = hash as u32;
        let cells = &self.segments[self.segment_of(short)].cells;
        let cell = cells.find(spread(short), |&(have, slot)| have == short && is_it(slot))?;
        Some(cell.1)
    }

    /// Adds `slot`, which must not be in the table.
    pub fn insert(&mut self, hash: u64, slot: Slot<T>) {
        let short = hash as u32;
        let mut at = self.segment_of(short);
        let Segment { cells, depth } = &self.segments[at];
        if cells.len() >= SEGMENT_MAX && *depth < DEPTH_MAX {
            self.split(at);
            at = self.segment_of(short);
        }
        let cells = &mut self.segments[at].cells;
        cells.insert_unique(spread(short), (short, slot), |&(have, _)| spread(have));
        self.len += 1;
    }

    /// Removes `slot`, which must be in the table under `hash`.
    pub fn remove(&mut self, hash: u64, slot: Slot<T>) {
        let short = hash as u32;
        let at = self.segment_of(short);
        let cells = &mut self.segments[at].cells;
        let found = cells.find_entry(spread(short), |&(_, have)| have == slot);
        found.expect("a removed slot is in its table").remove();
        self.len -= 1;
        if self.len == 0 && self.depth > 0 {
            *self = Table::new();
        } else if cells.capacity() > SHRINK_ABOVE && cells.len() < cells.capacity() / 8 {
            cells.shrink_to(cells.len() * 2, |&(have, _)| spread(have));
        }
    }

    #[inline]
    fn segment_of(&self, short: u32) -> usize {
        let leading = (u64::from(short) << self.depth) >> 32;
        self.directory[leading as usize] as usize
    }

    /// Parts a full segment by one more bit of the hash.
    #[cold]
    fn split(&mut self, at: usize) {
        let depth = self.segments[at].depth + 1;
        if depth > self.depth {
            self.directory = self.directory.iter().flat_map(|&segment| [segment; 2]).collect();
            self.depth = depth;
        }
        let is_upper = |short: u32| (short >> (32 - depth)) & 1 == 1;
        let mut upper = Cells::new();
        for cell in self.segments[at].cells.extract_if(|&mut (short, _)| is_upper(short)) {
            upper.insert_unique(spread(cell.0), cell, |&(have, _)| spread(have));
        }
        self.segments[at].depth = depth;
        let fresh = self.segments.len() as u32;
        self.segments.push(Segment { cells: upper, depth });
        // The leading bits that led to the old segment and now continue with a one.
        let odd = 1 << (self.depth - depth);
        for (leading, segment) in self.directory.iter_mut().enumerate() {
            if *segment == at as u32 && leading & odd != 0 {
                *segment = fresh;
            }
        }
    }
}

/// Fills 64 bits from the 32 that are kept: a segment takes its tag from the top ones.
#[inline]
fn spread(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;

    #[test]
    fn segments_split_and_keep_every_cell() {
        let mut table = Table::<Thing>::new();
        let hash = |number: u32| u64::from(number).wrapping_mul(0xA076_1D64_78BD_642F) >> 13;
        let find = |table: &Table<Thing>, number: u32| {
            table.find(hash(number), |slot| slot.number() == number)
        };
        let count = 100_000;
        for number in 0..count {
            assert!(find(&table, number).is_none());
            table.insert(hash(number), Slot::from_number(number));
        }
        assert!(table.depth > 3, "{} leading bits", table.depth);
        for number in 0..count {
            assert_eq!(find(&table, number), Some(Slot::from_number(number)));
        }
        for number in (0..count).filter(|number| number % 10 != 0) {
            table.remove(hash(number), Slot::from_number(number));
        }
        for number in 0..count {
            assert_eq!(find(&table, number).is_some(), number % 10 == 0);
        }
        for number in (0..count).step_by(10) {
            table.remove(hash(number), Slot::from_number(number));
        }
        assert!(table.bytes() < 1024, "{} bytes stay", table.bytes());
    }

    #[test]
    fn equal_hashes_do_not_split_forever() {
        let mut table = Table::<Thing>::new();
        for number in 0..8000 {
            table.insert(77, Slot::from_number(number));
        }
        assert!(table.segments.len() <= DEPTH_MAX as usize + 1);
        assert!(table.find(77, |slot| slot.number() == 7999).is_some());
    }
}
