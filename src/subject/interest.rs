//! The interest of one account on one shard: who must get a message on a subject.
//!
//! First version: a plain list, matched one by one, so that the rooms above can be built
//! against the real door. The index that replaces it keeps this as its oracle.

use std::collections::BTreeMap;
use std::rc::Rc;

use base::{QueueId, ShardId, SubKey};

use crate::generation::Generations;
use crate::name;
use crate::plan::{Plan, QueuePlan, RemoteMembers};

/// How many plans an index keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// None: each publish walks the index.
    Off,
    /// At most so many.
    Entries(usize),
}

/// The subject is not one that can be subscribed to: the client gets `Invalid Subject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSubject;

/// One subscription of this shard, for its removal. Valid until then, and reused after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalHandle(u32);

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

struct Local {
    subject: Vec<u8>,
    queue: Option<Vec<u8>>,
    sub: SubKey,
}

type RemoteKey = (ShardId, Vec<u8>, Option<Vec<u8>>);

/// The interest of one account on one shard.
pub struct Interest {
    locals: Vec<Option<Local>>,
    remotes: BTreeMap<RemoteKey, (QueueId, u32)>,
    names: BTreeMap<Vec<u8>, QueueId>,
    queue_next: u32,
    removed: (Vec<u8>, Option<Vec<u8>>),
    generations: Generations,
    hasher: ahash::RandomState,
}

impl Interest {
    /// An empty index.
    #[must_use]
    pub fn new(_cache: CachePolicy) -> Self {
        let hasher = ahash::RandomState::new();
        Interest {
            locals: Vec::new(),
            remotes: BTreeMap::new(),
            names: BTreeMap::new(),
            queue_next: 0,
            removed: (Vec::new(), None),
            generations: Generations::new(hasher.clone()),
            hasher,
        }
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
        if !name::is_valid_subscription(subject) {
            return Err(InvalidSubject);
        }
        let handle = LocalHandle(self.locals.len() as u32);
        let (subject, queue) = (subject.to_vec(), queue.map(<[u8]>::to_vec));
        if let Some(name) = &queue {
            self.intern(name);
        }
        self.locals.push(Some(Local { subject: subject.clone(), queue: queue.clone(), sub }));
        let count = self.members(&subject, queue.as_deref());
        let change = match queue {
            None if count == 1 => Change::Plain { count },
            None => Change::None,
            Some(name) => Change::Queue { queue: self.names[&name], count },
        };
        self.touch(&subject);
        Ok((handle, change))
    }

    /// Removes a subscription of this shard; what the other shards must be told. Its subject
    /// and queue name stay readable by [`Interest::last_removed`].
    ///
    /// # Panics
    /// If `handle` was removed before.
    pub fn remove_local(&mut self, handle: LocalHandle) -> Change {
        let local = self.locals[handle.0 as usize].take().expect("handle is live");
        let count = self.members(&local.subject, local.queue.as_deref());
        let change = match &local.queue {
            None if count == 0 => Change::Plain { count },
            None => Change::None,
            Some(name) => Change::Queue { queue: self.names[name], count },
        };
        self.touch(&local.subject);
        self.removed = (local.subject, local.queue);
        self.forget_names();
        change
    }

    /// Subject and queue name of what the last [`Interest::remove_local`] removed, for telling
    /// the other shards. Meaningful only if that call returned something other than
    /// [`Change::None`].
    #[must_use]
    pub fn last_removed(&self) -> (&[u8], Option<&[u8]>) {
        (&self.removed.0, self.removed.1.as_deref())
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
        let key = (shard, subject.to_vec(), queue.map(|(name, _)| name.to_vec()));
        if count == 0 {
            self.remotes.remove(&key);
        } else {
            if let Some((name, _)) = queue {
                self.intern(name);
            }
            self.remotes.insert(key, (queue.map_or(QueueId(0), |(_, id)| id), count));
        }
        self.touch(subject);
        self.forget_names();
    }

    /// The plan for a message published on `subject`, from the cache if it is still current.
    pub fn plan(&mut self, subject: &[u8]) -> Rc<Plan> {
        let stamp = self.generations.stamp(subject, self.hasher.hash_one(subject));
        let mut plan = Plan { subject: subject.to_vec(), stamp, ..Plan::default() };
        let mut queues: BTreeMap<QueueId, QueuePlan> = BTreeMap::new();
        for local in self.locals.iter().flatten() {
            if !name::matches(&local.subject, subject) {
                continue;
            }
            match &local.queue {
                None => plan.locals.push(local.sub),
                Some(name) => {
                    let group = queues.entry(self.names[name]).or_default();
                    group.locals.push(local.sub);
                    group.members += 1;
                }
            }
        }
        for ((shard, pattern, queue), &(id, members)) in &self.remotes {
            if !name::matches(pattern, subject) {
                continue;
            }
            match queue {
                None => plan.shards.insert(*shard),
                Some(name) => queues
                    .entry(self.names[name])
                    .or_default()
                    .add_remote(RemoteMembers { shard: *shard, members, queue: id }),
            }
        }
        plan.queues =
            queues.into_iter().map(|(queue, group)| QueuePlan { queue, ..group }).collect();
        Rc::new(plan)
    }

    /// Whether `plan`, which this index made, is what [`Interest::plan`] would answer for
    /// `subject` now.
    #[inline]
    #[must_use]
    pub fn is_current(&self, subject: &[u8], plan: &Plan) -> bool {
        self.generations.is_current(&plan.stamp) && plan.subject() == subject
    }

    /// The name of a queue group that this shard numbers `queue`, while it has members anywhere.
    #[must_use]
    pub fn queue_name(&self, queue: QueueId) -> Option<&[u8]> {
        self.names.iter().find(|(_, id)| **id == queue).map(|(name, _)| name.as_slice())
    }

    fn members(&self, subject: &[u8], queue: Option<&[u8]>) -> u32 {
        let same = |local: &&Local| local.subject == subject && local.queue.as_deref() == queue;
        self.locals.iter().flatten().filter(same).count() as u32
    }

    fn touch(&mut self, subject: &[u8]) {
        if name::has_wildcard(subject) {
            self.generations.touch_wildcard(subject);
        } else {
            self.generations.touch_literal(self.hasher.hash_one(subject));
        }
    }

    fn intern(&mut self, name: &[u8]) {
        if !self.names.contains_key(name) {
            self.names.insert(name.to_vec(), QueueId(self.queue_next));
            self.queue_next += 1;
        }
    }

    fn forget_names(&mut self) {
        let (locals, remotes) = (&self.locals, &self.remotes);
        self.names.retain(|name, _| {
            locals.iter().flatten().any(|local| local.queue.as_ref() == Some(name))
                || remotes.keys().any(|(_, _, queue)| queue.as_ref() == Some(name))
        });
    }
}
