//! The other shards with plain interest in one pattern, in four bytes.
//!
//! Most patterns have none or one; only two and more take a record of their own.

use base::{SHARDS_MAX, ShardId, ShardSet};

use crate::slab::{Cell, Slab, Slot};

const NONE: u32 = u32::MAX;
const MANY_BIT: u32 = 1 << 31;

/// None, one, or the slot of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RemoteSet(u32);

/// A set of two and more.
pub(crate) enum ManyShards {
    Used(ShardSet),
    Vacant(Slot<ManyShards>),
}

/// The sets of two and more of one index.
pub(crate) struct RemoteSets {
    many: Slab<ManyShards>,
}

impl RemoteSet {
    pub(crate) const EMPTY: RemoteSet = RemoteSet(NONE);

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == NONE
    }
}

impl RemoteSets {
    pub(crate) const fn new() -> Self {
        RemoteSets { many: Slab::new() }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.many.bytes()
    }

    /// The shards in `set`.
    #[inline]
    pub(crate) fn get(&self, set: RemoteSet) -> ShardSet {
        match set.0 {
            NONE => ShardSet::EMPTY,
            word if word & MANY_BIT == 0 => {
                let mut one = ShardSet::EMPTY;
                one.insert(ShardId(word as u16));
                one
            }
            word => match self.many[Slot::from_number(word & !MANY_BIT)] {
                ManyShards::Used(shards) => shards,
                ManyShards::Vacant(_) => unreachable!("a set's record is live"),
            },
        }
    }

    /// Makes `set` hold exactly `shards`.
    pub(crate) fn put(&mut self, set: &mut RemoteSet, shards: ShardSet) {
        if set.0 != NONE && set.0 & MANY_BIT != 0 {
            self.many.remove(Slot::from_number(set.0 & !MANY_BIT));
        }
        set.0 = match shards.len() {
            0 => NONE,
            1 => shards.map(|shard| u32::from(shard.0)).sum(),
            _ => self.many.insert(ManyShards::Used(shards)).number() | MANY_BIT,
        };
    }
}

const _: () = assert!(SHARDS_MAX < MANY_BIT as usize);

impl Cell for ManyShards {
    fn vacant(next: Slot<Self>) -> Self {
        ManyShards::Vacant(next)
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        match self {
            ManyShards::Used(_) => None,
            ManyShards::Vacant(next) => Some(*next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_any_size_come_back_and_free_their_records() {
        let mut sets = RemoteSets::new();
        let mut set = RemoteSet::EMPTY;
        let mut shards = ShardSet::EMPTY;
        for shard in [0, 127, 5] {
            shards.insert(ShardId(shard));
            sets.put(&mut set, shards);
            assert_eq!(sets.get(set), shards);
        }
        for shard in [127, 5, 0] {
            shards.remove(ShardId(shard));
            sets.put(&mut set, shards);
            assert_eq!(sets.get(set), shards);
        }
        assert!(set.is_empty());
        assert_eq!(sets.many.len(), 0);
    }
}
