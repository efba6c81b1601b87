//! The interest of one account on one shard: who must get a message on a subject.
//!
//! The index has this shard's own subscriptions in full and the other shards' as presence and
//! queue-group counts. Changes come in by [`Interest::insert_local`], [`Interest::remove_local`]
//! and [`Interest::set_remote`]; publishes ask [`Interest::plan`]. Each change leaves a tick in
//! `generation.rs`; no change ever looks at the plans.

use std::ops::Range;
use std::rc::Rc;

use base::{QueueId, ShardId, SubKey};
use smallvec::SmallVec;

use crate::cache::PlanCache;
use crate::door::Door;
use crate::generation::Generations;
use crate::group::{Group, Groups};
use crate::members::{Link, Members, Owner};
use crate::name;
use crate::pattern::{Entry, Kind, Patterns, Wanted};
use crate::plan::{Plan, PlanSpace, RemoteMembers};
use crate::queue_name::QueueNames;
use crate::remote::RemoteSets;
use crate::slab::Slot;

/// How many plans an index keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// None: each publish walks the index.
    Off,
    /// At most so many. Memory is taken as plans come.
    Entries(usize),
}

impl Default for CachePolicy {
    /// 128 Ki plans, 48 MiB at most, so that a hundred thousand live subjects stay hits: 110 ns
    /// against 790 ns for a walk on a busy two-core host (`examples/index_bench.rs`).
    fn default() -> Self {
        CachePolicy::Entries(128 * 1024)
    }
}

/// The subject is not one that can be subscribed to: the client gets `Invalid Subject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSubject;

/// One subscription of this shard, for its removal. Valid until then, and reused after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalHandle(Slot<Link>);

/// What the other shards must be told after a change on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that they see has changed.
    None,
    /// Plain interest has begun (1) or ended (0).
    Plain {
        /// 1 or 0.
        count: u32,
    },
    /// A queue group has so many members here now; 0 when it has ended.
    Queue {
        /// The group, as this shard numbers it.
        queue: QueueId,
        /// Its members on this shard, under this pattern.
        count: u32,
    },
}

/// Sizes and counts of one index, for monitoring.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct InterestStats {
    /// Subscriptions of this shard.
    pub subscriptions: usize,
    /// Different patterns, other shards' included.
    pub patterns: usize,
    /// Trie nodes of wildcard patterns.
    pub nodes: usize,
    /// Queue groups, counted once for each pattern.
    pub groups: usize,
    /// Heap bytes of the index without its cache: an estimate without allocator overhead.
    pub index_bytes: usize,
    /// Plans in the cache, stale ones included.
    pub cache_plans: usize,
    /// Heap bytes of the cache and its plans, likewise.
    pub cache_bytes: usize,
    /// Local insertions since the start.
    pub inserts: u64,
    /// Local removals since the start.
    pub removes: u64,
    /// Calls of [`Interest::plan`].
    pub plans: u64,
    /// Those of them that the cache answered.
    pub cache_hits: u64,
}

/// What [`Interest::remove_local`] removed last.
#[derive(Default)]
struct Removed {
    subject: Vec<u8>,
    queue: Option<Vec<u8>>,
}

#[derive(Default)]
struct Tally {
    inserts: u64,
    removes: u64,
    plans: u64,
    cache_hits: u64,
}

/// The interest of one account on one shard.
pub struct Interest {
    patterns: Patterns,
    members: Members,
    groups: Groups,
    names: QueueNames,
    remotes: RemoteSets,
    generations: Generations,
    cache: PlanCache,
    door: Door,
    /// The plan made last that the cache does not keep: its memory serves the next one.
    spare: Option<Rc<Plan>>,
    space: PlanSpace,
    removed: Removed,
    tally: Tally,
    hasher: ahash::RandomState,
}

impl Interest {
    /// An empty index.
    #[must_use]
    pub fn new(cache: CachePolicy) -> Self {
        let hasher = ahash::RandomState::new();
        let plans = match cache {
            CachePolicy::Off => 0,
            CachePolicy::Entries(plans) => plans,
        };
        Interest {
            patterns: Patterns::new(hasher.clone()),
            members: Members::new(),
            groups: Groups::new(hasher.clone()),
            names: QueueNames::new(hasher.clone()),
            remotes: RemoteSets::new(),
            generations: Generations::new(hasher.clone()),
            cache: PlanCache::new(plans),
            door: Door::new(plans),
            spare: None,
            space: PlanSpace::default(),
            removed: Removed::default(),
            tally: Tally::default(),
            hasher,
        }
    }

    /// The plan for a message published on `subject`, from the cache if it is still current.
    ///
    /// Any bytes may be asked for; a subject with an empty token reaches nobody. A caller that
    /// keeps a plan should drop a stale one before it asks: the memory is then used again.
    #[inline]
    pub fn plan(&mut self, subject: &[u8]) -> Rc<Plan> {
        let hash = self.hasher.hash_one(subject);
        self.tally.plans += 1;
        if let Some(plan) = self.cache.get(hash, subject)
            && self.generations.is_current(&plan.stamp)
        {
            self.tally.cache_hits += 1;
            return Rc::clone(plan);
        }
        self.plan_anew(subject, hash)
    }

    /// Whether somebody on any shard subscribes to this very subject: as a member of the queue
    /// group `queue`, or of none. Who gets its messages by a wildcard does not count.
    #[must_use]
    pub fn is_subscribed(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let hash = self.hasher.hash_one(subject);
        let Some(slot) = self.patterns.find_literal(hash, subject) else { return false };
        let Some(queue) = queue else {
            let entry = self.patterns.entry(slot);
            return entry.locals.count() > 0 || !entry.remotes.is_empty();
        };
        self.names.find(queue).is_some_and(|name| self.groups.find(slot, name).is_some())
    }

    /// Plans in the cache.
    #[inline]
    pub fn cached_plans(&self) -> usize {
        self.cache.len()
    }

    /// Reads what [`Interest::plan`] would read for each of `subjects`, all at once, so that
    /// their cache misses overlap; gives one subscription of each that has some. Changes nothing.
    pub fn bring_near(&self, subjects: &[&[u8]]) -> impl Iterator<Item = SubKey> {
        let hashes: SmallVec<[u64; 16]> =
            subjects.iter().map(|subject| self.hasher.hash_one(subject)).collect();
        for &hash in &hashes {
            // The load is the point.
            std::hint::black_box(self.cache.first_hash(hash));
        }
        let plans: SmallVec<[&Rc<Plan>; 16]> =
            hashes.iter().filter_map(|&hash| self.cache.candidate(hash)).collect();
        for plan in &plans {
            let current = self.generations.is_current(&plan.stamp);
            std::hint::black_box((plan.subject.first(), current));
        }
        let keys: SmallVec<[SubKey; 16]> =
            plans.iter().filter_map(|plan| plan.locals.first().copied()).collect();
        keys.into_iter()
    }

    /// Whether `plan`, which this very index made, is what [`Interest::plan`] would answer for
    /// `subject` now. Never true for a stale plan; a current one may be taken for stale.
    #[inline]
    #[must_use]
    pub fn is_current(&self, subject: &[u8], plan: &Plan) -> bool {
        name::is_same(plan.subject(), subject) && self.generations.is_current(&plan.stamp)
    }

    /// Adds a subscription of this shard: the handle that removes it, and what the other shards
    /// must be told.
    ///
    /// # Errors
    /// [`InvalidSubject`] if no one may subscribe to `subject`; nothing has changed then.
    pub fn insert_local(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        sub: SubKey,
    ) -> Result<(LocalHandle, Change), InvalidSubject> {
        // spec/client-protocol.md §5: SUB is always validated.
        if !name::is_valid_subscription(subject) {
            return Err(InvalidSubject);
        }
        let wanted = self.wanted(subject);
        let entry = self.patterns.find_or_insert(wanted);
        let (link, change) = match queue {
            None => {
                let ring = &mut self.patterns.entry_mut(entry).locals;
                let link = self.members.push(ring, Owner::Entry(entry), sub);
                (link, Change::plain(ring.count(), 1))
            }
            Some(name) => {
                let slot = self.find_or_insert_group(entry, name);
                let group = self.groups.get_mut(slot);
                let link = self.members.push(&mut group.locals, Owner::Group(slot), sub);
                let queue = self.names.get(group.name).id;
                (link, Change::Queue { queue, count: group.locals.count() })
            }
        };
        self.tally.inserts += 1;
        self.touch(wanted);
        Ok((LocalHandle(link), change))
    }

    /// Removes a subscription of this shard; what the other shards must be told. Its subject
    /// and queue name stay readable by [`Interest::last_removed`]. O(1) but for the length of
    /// the subject.
    ///
    /// # Panics
    /// If `handle` is not live.
    pub fn remove_local(&mut self, handle: LocalHandle) -> Change {
        let owner = self.members.owner(handle.0).expect("a removed handle is live");
        let entry = match owner {
            Owner::Entry(entry) => entry,
            Owner::Group(group) => self.groups.get(group).entry,
        };
        let mut subject = std::mem::take(&mut self.removed.subject);
        subject.clear();
        let kind = self.patterns.write_pattern(entry, &mut subject);
        let wanted = Wanted { bytes: &subject, hash: self.hasher.hash_one(&*subject), kind };
        let change = match owner {
            Owner::Entry(_) => {
                self.removed.queue = None;
                let ring = &mut self.patterns.entry_mut(entry).locals;
                self.members.remove(ring, handle.0);
                Change::plain(ring.count(), 0)
            }
            Owner::Group(slot) => self.remove_from_group(slot, handle.0),
        };
        self.patterns.release(entry, wanted.hash);
        self.tally.removes += 1;
        self.touch(wanted);
        self.removed.subject = subject;
        change
    }

    /// Subject and queue name of what [`Interest::remove_local`] removed last: what the other
    /// shards must be told beside its [`Change`].
    #[must_use]
    pub fn last_removed(&self) -> (&[u8], Option<&[u8]>) {
        (&self.removed.subject, self.removed.queue.as_deref())
    }

    /// Notes the interest of another shard: its members under `subject` as an absolute count,
    /// 0 to remove. `queue` is the group's name and that shard's own id for it.
    ///
    /// # Panics
    /// If `subject` is invalid: a shard tells only what it has accepted.
    pub fn set_remote(
        &mut self,
        shard: ShardId,
        subject: &[u8],
        queue: Option<(&[u8], QueueId)>,
        count: u32,
    ) {
        assert!(name::is_valid_subscription(subject), "another shard told an invalid subject");
        let wanted = self.wanted(subject);
        let entry = self.patterns.find_or_insert(wanted);
        let changed = match queue {
            None => self.set_remote_plain(entry, shard, count),
            Some((name, queue)) => {
                let told = RemoteMembers { shard, members: count, queue };
                self.set_remote_group(entry, name, told)
            }
        };
        self.patterns.release(entry, wanted.hash);
        if changed {
            self.touch(wanted);
        }
    }

    /// The subscription behind a live handle.
    #[must_use]
    pub fn sub(&self, handle: LocalHandle) -> SubKey {
        self.members.sub(handle.0)
    }

    /// The name of a queue group that this shard numbers `queue`, while it has members anywhere.
    #[must_use]
    pub fn queue_name(&self, queue: QueueId) -> Option<&[u8]> {
        self.names.by_id(queue).map(|slot| self.names.spelling(slot))
    }

    /// The number of a queue group, while it has members anywhere.
    #[must_use]
    pub fn queue_id(&self, name: &[u8]) -> Option<QueueId> {
        self.names.find(name).map(|slot| self.names.get(slot).id)
    }

    /// Sizes and counts. O(1) but for the number of allocated chunks.
    #[must_use]
    pub fn stats(&self) -> InterestStats {
        InterestStats {
            subscriptions: self.members.len(),
            patterns: self.patterns.len(),
            nodes: self.patterns.nodes() - 1,
            groups: self.groups.len(),
            index_bytes: self.patterns.bytes()
                + self.members.bytes()
                + self.groups.bytes()
                + self.names.bytes()
                + self.remotes.bytes()
                + self.generations.bytes(),
            cache_plans: self.cache.len(),
            cache_bytes: self.cache.bytes() + self.door.bytes(),
            inserts: self.tally.inserts,
            removes: self.tally.removes,
            plans: self.tally.plans,
            cache_hits: self.tally.cache_hits,
        }
    }

    /// How many sets of plans the cache has; none while it is empty.
    #[must_use]
    pub fn cache_sets(&self) -> usize {
        self.cache.sets()
    }

    /// For each plan in these sets of the cache, how many subscriptions of this shard it reaches
    /// at most: plain ones and one a queue group. For monitoring, some sets at a time.
    pub fn fanouts_in(&self, sets: Range<usize>) -> impl Iterator<Item = usize> {
        self.cache.plans_in(sets).map(|plan| plan.locals.len() + plan.queues.len())
    }

    /// Builds the plan of `subject`, in the memory of an old one where nobody else holds it.
    #[cold]
    fn plan_anew(&mut self, subject: &[u8], hash: u64) -> Rc<Plan> {
        let comes_again = self.cache.get(hash, subject).is_some() || self.door.was_here(hash);
        let seat = if comes_again { self.cache.vacate(hash, subject) } else { None };
        let (seat, old) = match seat {
            Some((seat, old)) => (Some(seat), old),
            None => (None, self.spare.take()),
        };
        let mut plan = old.filter(|old| Rc::strong_count(old) == 1).unwrap_or_default();
        let fresh = Rc::get_mut(&mut plan).expect("nobody else holds a plan to be built");
        self.space.restart(fresh, subject, self.generations.stamp(subject, hash));
        self.fill(fresh, hash);
        match seat {
            Some(seat) => self.cache.seat(seat, hash, &plan),
            None => self.spare = Some(Rc::clone(&plan)),
        }
        plan
    }

    /// Fills an empty plan from the index.
    fn fill(&mut self, plan: &mut Plan, hash: u64) {
        self.patterns.matching(&plan.subject, hash, &mut self.space.found);
        for at in 0..self.space.found.len() {
            let entry = self.patterns.entry(self.space.found[at]);
            plan.shards = plan.shards.union(self.remotes.get(entry.remotes));
            self.members.collect(entry.locals, &mut plan.locals);
            let first = entry.groups;
            let mut group = first;
            while !group.is_nil() {
                self.add_group(plan, group);
                group = self.groups.get(group).next;
                if group == first {
                    break;
                }
            }
        }
        plan.finish();
    }

    /// Adds one pattern's group to the plan's group of that name.
    fn add_group(&mut self, plan: &mut Plan, slot: Slot<Group>) {
        // spec/client-protocol.md §6: one member for each distinct queue name among the
        // matching subscriptions, so groups of several patterns are one here.
        let group = self.groups.get(slot);
        let name = self.names.get_mut(group.name);
        let out = self.space.queue(plan, name);
        self.members.collect(group.locals, &mut out.locals);
        out.members = out.members.saturating_add(group.locals.count());
        self.groups.collect_remotes(slot, out);
    }

    fn wanted<'a>(&self, subject: &'a [u8]) -> Wanted<'a> {
        Wanted { bytes: subject, hash: self.hasher.hash_one(subject), kind: Kind::of(subject) }
    }

    fn touch(&mut self, changed: Wanted<'_>) {
        match changed.kind {
            Kind::Literal => self.generations.touch_literal(changed.hash),
            Kind::Wildcard => self.generations.touch_wildcard(changed.bytes),
        }
        self.generations.grow_for(self.patterns.len());
    }

    fn find_or_insert_group(&mut self, entry: Slot<Entry>, name: &[u8]) -> Slot<Group> {
        let known = self.names.find(name);
        if let Some(group) = known.and_then(|name| self.groups.find(entry, name)) {
            return group;
        }
        let name = self.names.acquire(name);
        self.groups.insert(&mut self.patterns.entry_mut(entry).groups, entry, name)
    }

    fn remove_from_group(&mut self, slot: Slot<Group>, link: Slot<Link>) -> Change {
        let group = self.groups.get_mut(slot);
        self.members.remove(&mut group.locals, link);
        let name = group.name;
        let change = Change::Queue { queue: self.names.get(name).id, count: group.locals.count() };
        let told = self.removed.queue.get_or_insert_default();
        told.clear();
        told.extend_from_slice(self.names.spelling(name));
        self.release_group(slot);
        change
    }

    /// Frees a group without members, and its name if it was the last to bear it.
    fn release_group(&mut self, slot: Slot<Group>) {
        let Group { entry, name, .. } = *self.groups.get(slot);
        if self.groups.release(&mut self.patterns.entry_mut(entry).groups, slot) {
            self.names.release(name);
        }
    }

    fn set_remote_plain(&mut self, entry: Slot<Entry>, shard: ShardId, count: u32) -> bool {
        let set = &mut self.patterns.entry_mut(entry).remotes;
        let before = self.remotes.get(*set);
        let mut after = before;
        if count == 0 {
            after.remove(shard);
        } else {
            after.insert(shard);
        }
        if before != after {
            self.remotes.put(set, after);
        }
        before != after
    }

    fn set_remote_group(&mut self, entry: Slot<Entry>, name: &[u8], told: RemoteMembers) -> bool {
        let group = self.find_or_insert_group(entry, name);
        let changed = self.groups.set_remote(group, told);
        self.release_group(group);
        changed
    }
}

impl Change {
    /// What a plain subscription's coming or going tells the others: only the first and the
    /// last one do, at `edge` members.
    fn plain(count: u32, edge: u32) -> Change {
        if count == edge { Change::Plain { count } } else { Change::None }
    }
}

#[cfg(test)]
mod tests;
