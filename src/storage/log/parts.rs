//! Hot path: parts of segments that are in memory, found by the places that they cover.
//!
//! Parts may overlap: a record that ends behind one part is read again with what follows it. So a
//! look goes back from the last part that begins at or before the place, no further than the
//! longest part reaches.

use std::cell::Cell;

use buffer::Block;

use super::Slot;
use super::record::Head;

/// A part of a segment, and what is noted of it.
pub struct Part<T> {
    pub slot: Slot,
    pub start: u32,
    pub block: Block,
    pub note: T,
}

/// Parts by segment and start.
pub struct Parts<T> {
    /// Ascending by segment and start.
    parts: Vec<Part<T>>,
    /// The one that was found last: who reads on finds it again.
    hot: Cell<usize>,
    /// Bytes of memory that they take.
    bytes: usize,
    /// No part is longer, bytes.
    longest: u32,
}

impl<T> Part<T> {
    #[inline]
    fn bytes_at(&self, slot: Slot, offset: u32) -> Option<&[u8]> {
        if self.slot != slot {
            return None;
        }
        self.block.bytes().get(offset.checked_sub(self.start)? as usize..)
    }
}

impl<T> Default for Parts<T> {
    fn default() -> Parts<T> {
        Parts { parts: Vec::new(), hot: Cell::new(0), bytes: 0, longest: 0 }
    }
}

impl<T> Parts<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a part; what began at the same place is given back.
    pub fn insert(&mut self, part: Part<T>) -> Option<Part<T>> {
        self.bytes += part.block.capacity();
        self.longest = self.longest.max(part.block.len() as u32);
        match self.place(part.slot, part.start) {
            Ok(place) => {
                let before = std::mem::replace(&mut self.parts[place], part);
                self.bytes -= before.block.capacity();
                Some(before)
            }
            Err(place) => {
                self.parts.insert(place, part);
                None
            }
        }
    }

    /// Takes a part out.
    pub fn remove(&mut self, slot: Slot, start: u32) -> Option<Part<T>> {
        let part = self.parts.remove(self.place(slot, start).ok()?);
        self.bytes -= part.block.capacity();
        if self.parts.is_empty() {
            self.longest = 0;
        }
        Some(part)
    }

    /// The part that begins there.
    #[inline]
    pub fn get(&self, slot: Slot, start: u32) -> Option<&Part<T>> {
        self.parts.get(self.place(slot, start).ok()?)
    }

    /// [`Parts::get`], to change what is noted.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot, start: u32) -> Option<&mut Part<T>> {
        let place = self.place(slot, start).ok()?;
        self.parts.get_mut(place)
    }

    /// Where the part begins that has these bytes from `offset` on and satisfies `holds`.
    #[inline]
    pub fn find(&self, slot: Slot, offset: u32, holds: impl Fn(&[u8]) -> bool) -> Option<u32> {
        let holds = |part: &Part<T>| part.bytes_at(slot, offset).is_some_and(&holds);
        if let Some(hot) = self.parts.get(self.hot.get())
            && holds(hot)
        {
            return Some(hot.start);
        }
        let behind = self.parts.partition_point(|part| (part.slot, part.start) <= (slot, offset));
        let reaches = |part: &Part<T>| part.slot == slot && offset - part.start < self.longest;
        let place = (0..behind)
            .rev()
            .take_while(|&place| reaches(&self.parts[place]))
            .find(|&place| holds(&self.parts[place]))?;
        self.hot.set(place);
        Some(self.parts[place].start)
    }

    /// The last part of the same segment that begins before this place.
    pub fn before(&self, slot: Slot, start: u32) -> Option<&Part<T>> {
        let behind = self.parts.partition_point(|part| (part.slot, part.start) < (slot, start));
        self.parts[..behind].last().filter(|part| part.slot == slot)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Part<T>> {
        self.parts.iter()
    }

    /// The place of the part that begins there, or where it would be inserted.
    #[inline]
    fn place(&self, slot: Slot, start: u32) -> Result<usize, usize> {
        let hot = self.hot.get();
        if self.parts.get(hot).is_some_and(|part| (part.slot, part.start) == (slot, start)) {
            return Ok(hot);
        }
        self.parts.binary_search_by_key(&(slot, start), |part| (part.slot, part.start))
    }
}

/// Whether a whole record stands at the start of these bytes.
#[inline]
pub fn holds_record(bytes: &[u8]) -> bool {
    Head::decode(bytes).is_some_and(|head| head.length as usize <= bytes.len())
}
