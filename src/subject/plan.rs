//! Hot path: what one published subject means on this shard, between match and fan-out.
//!
//! Station before: the index walk (`interest.rs`) or its cache. Station after: delivery, which
//! writes to `locals`, sends one frame to each of `shards`, and picks one member of each queue
//! group. A plan is immutable once handed out; it carries what is needed to tell whether it is
//! still current.

use base::{QueueId, ShardId, ShardSet, SubKey};
use smallvec::SmallVec;

use crate::generation::Stamp;

/// Everyone that a message on one subject reaches, as this shard sees it.
#[derive(Debug, Default)]
pub struct Plan {
    /// Plain subscriptions of this shard, one entry each; oldest first within one pattern.
    pub locals: Vec<SubKey>,
    /// The other shards that have at least one matching plain subscription.
    pub shards: ShardSet,
    /// The queue groups, joined by name over all matching patterns, ascending by id.
    pub queues: Vec<QueuePlan>,
    pub(crate) subject: Vec<u8>,
    pub(crate) stamp: Stamp,
}

/// One queue group that a message reaches: exactly one of its members gets it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct QueuePlan {
    /// The group, as this shard numbers it.
    pub queue: QueueId,
    /// The members on this shard.
    pub locals: Vec<SubKey>,
    /// The members elsewhere, one record a shard.
    pub remotes: SmallVec<[RemoteMembers; 2]>,
    /// All members, here and elsewhere: the weight for a uniform pick. Never 0.
    pub members: u32,
}

/// The members of one queue group on one other shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteMembers {
    /// Where they are.
    pub shard: ShardId,
    /// How many, summed over the matching patterns. Never 0.
    pub members: u32,
    /// The group, as that shard numbers it: what a frame to it must name.
    pub queue: QueueId,
}

impl Plan {
    /// The published subject this plan is for.
    #[inline]
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// Whether the message reaches nobody on any shard.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.locals.is_empty() && self.shards.is_empty() && self.queues.is_empty()
    }

    /// The group that this shard numbers `queue`, if it matches the subject.
    #[must_use]
    pub fn queue(&self, queue: QueueId) -> Option<&QueuePlan> {
        let place = self.queues.binary_search_by_key(&queue, |group| group.queue).ok()?;
        self.queues.get(place)
    }

    /// Heap bytes held by this plan, its own size included. An estimate from capacities.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Plan>()
            + self.subject.capacity()
            + self.locals.capacity() * size_of::<SubKey>()
            + self.queues.iter().map(QueuePlan::heap_bytes).sum::<usize>()
            + self.queues.capacity() * size_of::<QueuePlan>()
    }
}

impl QueuePlan {
    /// Forgets all members and keeps the allocations, for the next group.
    pub(crate) fn restart(&mut self, queue: QueueId) {
        self.queue = queue;
        self.locals.clear();
        self.remotes.clear();
        self.members = 0;
    }

    /// Adds `members` of another shard; a shard that is known already gets them on top.
    pub(crate) fn add_remote(&mut self, add: RemoteMembers) {
        self.members = self.members.saturating_add(add.members);
        match self.remotes.iter_mut().find(|known| known.shard == add.shard) {
            Some(known) => known.members = known.members.saturating_add(add.members),
            None => self.remotes.push(add),
        }
    }

    fn heap_bytes(&self) -> usize {
        let spilled = if self.remotes.spilled() { self.remotes.capacity() } else { 0 };
        self.locals.capacity() * size_of::<SubKey>() + spilled * size_of::<RemoteMembers>()
    }
}
