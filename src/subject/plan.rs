//! Hot path: what one published subject means on this shard, between match and fan-out.
//!
//! Station before: the index walk (`interest.rs`) or its cache. Station after: delivery, which
//! writes to `locals`, sends one frame to each of `shards`, and picks one member of each queue
//! group. A plan is immutable once handed out; it carries what is needed to tell whether it is
//! still current.

use base::{QueueId, ShardId, ShardSet, SubKey};
use smallvec::SmallVec;

use crate::generation::Stamp;
use crate::pattern::Entry;
use crate::queue_name::{Mark, QueueName};
use crate::slab::Slot;

/// Group records kept for the next plans, and the most members whose memory is kept with them.
const SPARE_QUEUES_MAX: usize = 64;
const SPARE_MEMBERS_MAX: usize = 256;
/// A list this long that is mostly empty gives its memory back.
const SHRINK_ABOVE: usize = 1024;

/// Everyone that a message on one subject reaches, as this shard sees it.
#[derive(Debug, Default)]
pub struct Plan {
    /// Plain subscriptions of this shard, one entry each; oldest first within one pattern.
    pub locals: SmallVec<[SubKey; 4]>,
    /// The other shards that have at least one matching plain subscription.
    pub shards: ShardSet,
    /// The queue groups, joined by name over all matching patterns, ascending by id.
    pub queues: Vec<QueuePlan>,
    /// Mostly inline, so that a cache hit compares it without another cache miss.
    pub(crate) subject: SmallVec<[u8; 32]>,
    pub(crate) stamp: Stamp,
    /// Heap bytes when it was finished.
    pub(crate) weight: usize,
}

/// What building plans needs besides the index, kept so that a rebuild allocates nothing.
#[derive(Default)]
pub(crate) struct PlanSpace {
    /// The entries that match the subject.
    pub(crate) found: Vec<Slot<Entry>>,
    /// Group records without members.
    spare: Vec<QueuePlan>,
    /// Counts plans, so that a mark of an earlier one is told from this one's.
    build: u64,
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

    /// Puts the groups in order and weighs the plan.
    pub(crate) fn finish(&mut self) {
        self.queues.sort_unstable_by_key(|group| group.queue);
        if self.locals.capacity() > SHRINK_ABOVE && self.locals.capacity() / 4 > self.locals.len() {
            self.locals.shrink_to_fit();
        }
        let subject = if self.subject.spilled() { self.subject.capacity() } else { 0 };
        let locals = if self.locals.spilled() { self.locals.capacity() } else { 0 };
        self.weight = size_of::<Plan>()
            + subject
            + locals * size_of::<SubKey>()
            + self.queues.iter().map(QueuePlan::heap_bytes).sum::<usize>()
            + self.queues.capacity() * size_of::<QueuePlan>();
    }
}

impl PlanSpace {
    /// Empties `plan` for `subject`, keeping its memory.
    pub(crate) fn restart(&mut self, plan: &mut Plan, subject: &[u8], stamp: Stamp) {
        self.build += 1;
        plan.locals.clear();
        plan.shards = ShardSet::EMPTY;
        for group in plan.queues.drain(..) {
            if self.spare.len() < SPARE_QUEUES_MAX && group.locals.capacity() <= SPARE_MEMBERS_MAX {
                self.spare.push(group);
            }
        }
        if plan.queues.capacity() > SHRINK_ABOVE {
            plan.queues = Vec::new();
        }
        plan.subject.clear();
        plan.subject.extend_from_slice(subject);
        plan.stamp = stamp;
    }

    /// The group of `name` in the plan being built, begun if it is not there yet. O(1): the
    /// name remembers where its group stands.
    pub(crate) fn queue<'a>(
        &mut self,
        plan: &'a mut Plan,
        name: &mut QueueName,
    ) -> &'a mut QueuePlan {
        if name.mark.build != self.build {
            name.mark = Mark { build: self.build, place: plan.queues.len() as u32 };
            let mut group = self.spare.pop().unwrap_or_default();
            group.restart(name.id);
            plan.queues.push(group);
        }
        &mut plan.queues[name.mark.place as usize]
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
