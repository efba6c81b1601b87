//! Hot path: parts of segments that are in memory, found by the places that they cover.
//!
//! Parts may overlap: a record that ends behind one part is read again with what follows it. So a
//! look goes back from the last part that begins at or before the place, no further than the
//! longest part reaches.

use std::collections::BTreeMap;

use buffer::Block;

use super::Slot;
use super::record::Head;

/// A part of a segment, and what is noted of it.
pub struct Part<T> {
    pub block: Block,
    pub note: T,
}

/// Parts by segment and start.
pub struct Parts<T> {
    by_start: BTreeMap<(Slot, u32), Part<T>>,
    /// Bytes of memory that they take.
    bytes: usize,
    /// No part is longer, bytes.
    longest: u32,
}

impl<T> Default for Parts<T> {
    fn default() -> Parts<T> {
        Parts { by_start: BTreeMap::new(), bytes: 0, longest: 0 }
    }
}

impl<T> Parts<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_start.len()
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a part; what began at the same place is given back.
    pub fn insert(&mut self, slot: Slot, start: u32, part: Part<T>) -> Option<Part<T>> {
        self.bytes += part.block.capacity();
        self.longest = self.longest.max(part.block.len() as u32);
        let before = self.by_start.insert((slot, start), part);
        self.bytes -= before.as_ref().map_or(0, |part| part.block.capacity());
        before
    }

    /// Takes a part out.
    pub fn remove(&mut self, slot: Slot, start: u32) -> Option<Part<T>> {
        let part = self.by_start.remove(&(slot, start))?;
        self.bytes -= part.block.capacity();
        if self.by_start.is_empty() {
            self.longest = 0;
        }
        Some(part)
    }

    /// The part that begins there.
    #[inline]
    pub fn get(&self, slot: Slot, start: u32) -> Option<&Part<T>> {
        self.by_start.get(&(slot, start))
    }

    /// [`Parts::get`], to change what is noted.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot, start: u32) -> Option<&mut Part<T>> {
        self.by_start.get_mut(&(slot, start))
    }

    /// Where the part begins that has these bytes from `offset` on and satisfies `holds`.
    #[inline]
    pub fn find(&self, slot: Slot, offset: u32, holds: impl Fn(&[u8]) -> bool) -> Option<u32> {
        let first = offset.saturating_sub(self.longest);
        let before = self.by_start.range((slot, first)..=(slot, offset)).rev();
        let holds = |part: &Part<T>, start: u32| {
            part.block.bytes().get((offset - start) as usize..).is_some_and(&holds)
        };
        before
            .map(|(&(_, start), part)| (start, part))
            .find(|&(start, part)| holds(part, start))
            .map(|found| found.0)
    }

    /// Their places and what is noted of each.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, u32, &T)> {
        self.by_start.iter().map(|(&(slot, start), part)| (slot, start, &part.note))
    }
}

/// Whether a whole record stands at the start of these bytes.
#[inline]
pub fn holds_record(bytes: &[u8]) -> bool {
    Head::decode(bytes).is_some_and(|head| head.length as usize <= bytes.len())
}

/// Where the first record begins that these bytes do not hold whole, when one begins at `offset`.
pub fn first_cut(bytes: &[u8], offset: usize) -> usize {
    let mut at = offset;
    while let Some(head) = bytes.get(at..).and_then(Head::decode)
        && head.length as usize <= bytes.len() - at
    {
        at += head.length as usize;
    }
    at
}
