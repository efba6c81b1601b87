//! Hash to slot: one hash table that keeps 32 bits of each hash beside the slot.
//!
//! With the hash at hand a resize reads the table only, never the records, and a probe that
//! meets a stranger with the same tag seldom follows it. What equality means is the caller's.
//! Hashes must be keyed: outside bytes choose what goes in here.

use hashbrown::HashTable;

use crate::slab::Slot;

/// Shrinking starts above this capacity.
const SHRINK_ABOVE: usize = 1024;

/// Slots of `T`, found by hash.
pub(crate) struct Table<T> {
    cells: HashTable<(u32, Slot<T>)>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Table { cells: HashTable::new() }
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.allocation_size()
    }

    /// The slot under `hash` for which `is_it` holds.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: u64,
        mut is_it: impl FnMut(Slot<T>) -> bool,
    ) -> Option<Slot<T>> {
        let short = hash as u32;
        let cell = self.cells.find(spread(short), |&(have, slot)| have == short && is_it(slot))?;
        Some(cell.1)
    }

    /// Adds `slot`, which must not be in the table.
    pub(crate) fn insert(&mut self, hash: u64, slot: Slot<T>) {
        let short = hash as u32;
        self.cells.insert_unique(spread(short), (short, slot), |&(have, _)| spread(have));
    }

    /// Removes `slot`, which must be in the table under `hash`.
    pub(crate) fn remove(&mut self, hash: u64, slot: Slot<T>) {
        let short = hash as u32;
        let found = self.cells.find_entry(spread(short), |&(_, have)| have == slot);
        found.expect("a removed slot is in its table").remove();
        let capacity = self.cells.capacity();
        if capacity > SHRINK_ABOVE && self.cells.len() < capacity / 8 {
            self.cells.shrink_to(self.cells.len() * 2, |&(have, _)| spread(have));
        }
    }
}

/// Fills 64 bits from the 32 that are kept: the table takes its tag from the top ones.
#[inline]
fn spread(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
