//! Records in chunks, named by a four-byte slot, so that growing never moves what is there.
//!
//! A plain `Vec` would double: at a million subscriptions one insert would copy tens of
//! megabytes. Here the first chunk grows like a `Vec` (a small account stays small) and each
//! further one is allocated whole. A vacant cell carries the next vacant one in its own bytes.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// Cells of one chunk.
const CHUNK: usize = 4096;
const NIL: u32 = u32::MAX;

/// The place of one `T` in its slab, or [`Slot::NIL`] for none.
pub struct Slot<T>(u32, PhantomData<fn() -> T>);

/// A record that can say that it is vacant.
pub trait Cell {
    /// A vacant cell; `next` is the next vacant one.
    fn vacant(next: Slot<Self>) -> Self
    where
        Self: Sized;

    /// The next vacant cell if this one is vacant.
    fn next_vacant(&self) -> Option<Slot<Self>>
    where
        Self: Sized;
}

/// The records. Slots are reused after removal.
pub struct Slab<T> {
    chunks: Vec<Vec<T>>,
    vacant: Slot<T>,
    live: usize,
}

impl<T> Slot<T> {
    /// No record.
    pub const NIL: Slot<T> = Slot(NIL, PhantomData);

    /// The slot with this number, as given by [`Slot::number`].
    #[inline]
    pub const fn from_number(number: u32) -> Self {
        Slot(number, PhantomData)
    }

    /// The slot's number.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether this is [`Slot::NIL`].
    #[inline]
    #[must_use]
    pub const fn is_nil(self) -> bool {
        self.0 == NIL
    }

    /// The slot unless it is [`Slot::NIL`].
    #[inline]
    pub fn some(self) -> Option<Self> {
        (!self.is_nil()).then_some(self)
    }
}

impl<T: Cell> Default for Slab<T> {
    fn default() -> Self {
        Slab::new()
    }
}

impl<T: Cell> Slab<T> {
    /// An empty slab.
    #[must_use]
    pub const fn new() -> Self {
        Slab { chunks: Vec::new(), vacant: Slot::NIL, live: 0 }
    }

    /// How many records are in use.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no record is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Heap bytes held.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<T>()).sum()
    }

    /// Stores `record`. Amortised O(1); moves at most one chunk.
    pub fn insert(&mut self, record: T) -> Slot<T> {
        self.live += 1;
        if let Some(slot) = self.vacant.some() {
            self.vacant = self[slot].next_vacant().expect("the vacant list holds vacant cells");
            self[slot] = record;
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            let cells = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(cells));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("a chunk was pushed");
        let number = full + chunk.len();
        assert!(number < NIL as usize / 2, "a slab holds at most 2^31 records");
        chunk.push(record);
        Slot(number as u32, PhantomData)
    }

    /// Takes the record out; the slot may be used again. The last one out frees the chunks.
    pub fn remove(&mut self, slot: Slot<T>) -> T {
        let vacant = T::vacant(self.vacant);
        let record = std::mem::replace(&mut self[slot], vacant);
        self.vacant = slot;
        self.live -= 1;
        if self.live == 0 {
            // One chunk of moderate size stays, so that a lone record that comes and goes
            // allocates nothing.
            self.chunks.truncate(1);
            for chunk in &mut self.chunks {
                chunk.clear();
                chunk.shrink_to(CHUNK / 64);
            }
            self.vacant = Slot::NIL;
        }
        record
    }
}

impl<T> Index<Slot<T>> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: Slot<T>) -> &T {
        &self.chunks[slot.0 as usize / CHUNK][slot.0 as usize % CHUNK]
    }
}

impl<T> IndexMut<Slot<T>> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, slot: Slot<T>) -> &mut T {
        &mut self.chunks[slot.0 as usize / CHUNK][slot.0 as usize % CHUNK]
    }
}

impl<T> Clone for Slot<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slot<T> {}

impl<T> PartialEq for Slot<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Slot<T> {}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Number {
        Used(u64),
        Vacant(Slot<Number>),
    }

    impl Cell for Number {
        fn vacant(next: Slot<Self>) -> Self {
            Number::Vacant(next)
        }

        fn next_vacant(&self) -> Option<Slot<Self>> {
            match self {
                Number::Used(_) => None,
                Number::Vacant(next) => Some(*next),
            }
        }
    }

    #[test]
    fn slots_are_reused_and_chunks_freed() {
        let mut slab = Slab::new();
        let slots: Vec<_> = (0..10_000).map(|n| slab.insert(Number::Used(n))).collect();
        assert_eq!(slab.len(), 10_000);
        for (n, &slot) in slots.iter().enumerate() {
            assert_eq!(slab[slot], Number::Used(n as u64));
        }
        assert_eq!(slab.remove(slots[77]), Number::Used(77));
        assert_eq!(slab.insert(Number::Used(1)), slots[77]);
        let full = slab.bytes();
        for &slot in &slots {
            slab.remove(slot);
        }
        assert_eq!(slab.len(), 0);
        assert!(slab.bytes() <= full / 100, "{} of {full} bytes stay", slab.bytes());
    }
}
