//! Queue groups: the members under one pattern that share one name.
//!
//! A group is found by (pattern, name) in one hash table, and its pattern holds all of its
//! groups in a ring, so that hundreds of thousands of groups on one pattern cost no more each
//! than one does.

use base::{QueueId, ShardId};

use crate::members::Ring;
use crate::pattern::Entry;
use crate::plan::{QueuePlan, RemoteMembers};
use crate::queue_name::QueueName;
use crate::slab::{Cell, Slab, Slot};
use crate::table::Table;

/// One group under one pattern.
pub(crate) struct Group {
    /// Nil marks a vacant record, which keeps the next one in `next`.
    pub(crate) entry: Slot<Entry>,
    pub(crate) name: Slot<QueueName>,
    /// Members of this shard.
    pub(crate) locals: Ring,
    /// Members of other shards: the first of a list.
    remotes: Slot<RemoteGroup>,
    prev: Slot<Group>,
    pub(crate) next: Slot<Group>,
}

/// The members of one other shard in one group.
pub(crate) struct RemoteGroup {
    members: u32,
    queue: QueueId,
    next: Slot<RemoteGroup>,
    /// `None` marks a vacant record.
    shard: Option<ShardId>,
}

/// All groups of one index.
pub(crate) struct Groups {
    groups: Slab<Group>,
    by_key: Table<Group>,
    remotes: Slab<RemoteGroup>,
    hasher: ahash::RandomState,
}

impl Groups {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        Groups { groups: Slab::new(), by_key: Table::new(), remotes: Slab::new(), hasher }
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.bytes() + self.by_key.bytes() + self.remotes.bytes()
    }

    pub(crate) fn get(&self, slot: Slot<Group>) -> &Group {
        &self.groups[slot]
    }

    pub(crate) fn get_mut(&mut self, slot: Slot<Group>) -> &mut Group {
        &mut self.groups[slot]
    }

    /// The group of `name` under `entry`.
    pub(crate) fn find(&self, entry: Slot<Entry>, name: Slot<QueueName>) -> Option<Slot<Group>> {
        self.by_key.find(self.hash(entry, name), |slot| {
            let group = &self.groups[slot];
            group.entry == entry && group.name == name
        })
    }

    /// Adds a group without members. `first` is the ring of the entry's groups.
    pub(crate) fn insert(
        &mut self,
        first: &mut Slot<Group>,
        entry: Slot<Entry>,
        name: Slot<QueueName>,
    ) -> Slot<Group> {
        let (nil, remotes) = (Slot::NIL, Slot::NIL);
        let group = Group { entry, name, locals: Ring::EMPTY, remotes, prev: nil, next: nil };
        let fresh = self.groups.insert(group);
        let (prev, next) = match first.some() {
            Some(first) => (self.groups[first].prev, first),
            None => (fresh, fresh),
        };
        self.groups[fresh].prev = prev;
        self.groups[fresh].next = next;
        self.groups[prev].next = fresh;
        self.groups[next].prev = fresh;
        if first.is_nil() {
            *first = fresh;
        }
        self.by_key.insert(self.hash(entry, name), fresh);
        fresh
    }

    /// Removes a group if it has no members left; whether it is gone.
    pub(crate) fn release(&mut self, first: &mut Slot<Group>, slot: Slot<Group>) -> bool {
        let group = &self.groups[slot];
        if group.locals.count() > 0 || !group.remotes.is_nil() {
            return false;
        }
        let Group { entry, name, prev, next, .. } = self.groups.remove(slot);
        self.by_key.remove(self.hash(entry, name), slot);
        if next == slot {
            *first = Slot::NIL;
            return true;
        }
        self.groups[prev].next = next;
        self.groups[next].prev = prev;
        if *first == slot {
            *first = next;
        }
        true
    }

    /// Notes the members of another shard, 0 for none; whether that changed anything.
    pub(crate) fn set_remote(&mut self, slot: Slot<Group>, told: RemoteMembers) -> bool {
        let mut last = Slot::NIL;
        let mut at = self.groups[slot].remotes;
        while let Some(have) = at.some() {
            let cell = &mut self.remotes[have];
            let next = cell.next;
            if cell.shard != Some(told.shard) {
                (last, at) = (have, next);
                continue;
            }
            if told.members == 0 {
                self.remotes.remove(have);
                self.link_remote(slot, last, next);
                return true;
            }
            let same = (cell.members, cell.queue) == (told.members, told.queue);
            (cell.members, cell.queue) = (told.members, told.queue);
            return !same;
        }
        if told.members == 0 {
            return false;
        }
        let RemoteMembers { shard, members, queue } = told;
        let fresh = RemoteGroup { members, queue, next: Slot::NIL, shard: Some(shard) };
        let fresh = self.remotes.insert(fresh);
        self.link_remote(slot, last, fresh);
        true
    }

    /// Adds the members of other shards to the group's part of a plan.
    pub(crate) fn collect_remotes(&self, slot: Slot<Group>, out: &mut QueuePlan) {
        let mut at = self.groups[slot].remotes;
        while let Some(have) = at.some() {
            let RemoteGroup { members, queue, next, shard } = self.remotes[have];
            let shard = shard.expect("a listed record is live");
            out.add_remote(RemoteMembers { shard, members, queue });
            at = next;
        }
    }

    /// Makes `next` follow `last` in the list of other shards, or begin it.
    fn link_remote(&mut self, slot: Slot<Group>, last: Slot<RemoteGroup>, next: Slot<RemoteGroup>) {
        match last.some() {
            Some(last) => self.remotes[last].next = next,
            None => self.groups[slot].remotes = next,
        }
    }

    fn hash(&self, entry: Slot<Entry>, name: Slot<QueueName>) -> u64 {
        self.hasher.hash_one((entry.number(), name.number()))
    }
}

impl Cell for Group {
    fn vacant(next: Slot<Self>) -> Self {
        Group {
            entry: Slot::NIL,
            name: Slot::NIL,
            locals: Ring::EMPTY,
            remotes: Slot::NIL,
            prev: Slot::NIL,
            next,
        }
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        self.entry.is_nil().then_some(self.next)
    }
}

impl Cell for RemoteGroup {
    fn vacant(next: Slot<Self>) -> Self {
        RemoteGroup { members: 0, queue: QueueId(0), next, shard: None }
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        self.shard.is_none().then_some(self.next)
    }
}
