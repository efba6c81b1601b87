//! A set of shards in one word: which other cores have interest in a subject.

use crate::ShardId;

/// The most shards one server can have, so that a [`ShardSet`] is one machine word pair.
pub const SHARDS_MAX: usize = 128;

/// A set of shards. Copy, no allocation, iteration in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ShardSet(u128);

impl ShardSet {
    /// The empty set.
    pub const EMPTY: ShardSet = ShardSet(0);

    /// Adds `shard`.
    #[inline]
    pub fn insert(&mut self, shard: ShardId) {
        self.0 |= 1 << shard.0;
    }

    /// Removes `shard`, which need not be in the set.
    #[inline]
    pub fn remove(&mut self, shard: ShardId) {
        self.0 &= !(1 << shard.0);
    }

    /// Whether `shard` is in the set.
    #[inline]
    pub fn contains(self, shard: ShardId) -> bool {
        self.0 & (1 << shard.0) != 0
    }

    /// Whether nobody is in the set.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many shards are in the set.
    #[inline]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether some shard is in both sets.
    #[inline]
    pub fn meets(self, other: ShardSet) -> bool {
        self.0 & other.0 != 0
    }

    /// All that are in both sets.
    #[inline]
    #[must_use]
    pub fn intersection(self, other: ShardSet) -> ShardSet {
        ShardSet(self.0 & other.0)
    }

    /// All that are in either set.
    #[inline]
    #[must_use]
    pub fn union(self, other: ShardSet) -> ShardSet {
        ShardSet(self.0 | other.0)
    }
}

impl Iterator for ShardSet {
    type Item = ShardId;

    #[inline]
    fn next(&mut self) -> Option<ShardId> {
        if self.0 == 0 {
            return None;
        }
        let lowest = self.0.trailing_zeros() as u16;
        self.0 &= self.0 - 1;
        Some(ShardId(lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_first_and_last_shard_and_iterates_in_order() {
        let mut set = ShardSet::EMPTY;
        for shard in [127, 0, 64, 5] {
            set.insert(ShardId(shard));
        }
        set.remove(ShardId(5));
        set.remove(ShardId(6));
        assert!(set.contains(ShardId(127)) && !set.contains(ShardId(5)));
        assert_eq!(set.len(), 3);
        assert_eq!(set.map(|shard| shard.0).collect::<Vec<_>>(), [0, 64, 127]);
    }
}
