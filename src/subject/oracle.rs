//! The naive twin of the index, for tests: a list of subscriptions, matched one by one.

use std::collections::BTreeMap;

use base::{QueueId, ShardId, SubKey};

use crate::interest::Interest;
use crate::name;
use crate::plan::Plan;

/// One thing that another shard tells: its id, the pattern, the group's name.
pub(crate) type RemoteKey = (ShardId, Vec<u8>, Option<Vec<u8>>);

/// Everyone with interest, in no order.
#[derive(Default)]
pub(crate) struct Oracle {
    pub(crate) locals: Vec<Local>,
    remotes: BTreeMap<RemoteKey, (u32, QueueId)>,
}

/// One subscription of this shard.
pub(crate) struct Local {
    pub(crate) pattern: Vec<u8>,
    pub(crate) queue: Option<Vec<u8>>,
    pub(crate) sub: SubKey,
}

/// A plan in a form that can be compared: sorted, and groups by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    locals: Vec<SubKey>,
    shards: Vec<ShardId>,
    groups: BTreeMap<Vec<u8>, GroupOutcome>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct GroupOutcome {
    locals: Vec<SubKey>,
    remotes: BTreeMap<ShardId, (u32, QueueId)>,
    members: u32,
}

impl Oracle {
    /// Members of this shard under one pattern and name.
    pub(crate) fn count(&self, pattern: &[u8], queue: Option<&[u8]>) -> u32 {
        let same = |local: &&Local| local.pattern == pattern && local.queue.as_deref() == queue;
        self.locals.iter().filter(same).count() as u32
    }

    /// The twin of [`Interest::is_subscribed`].
    pub(crate) fn is_subscribed(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let is_told = |(_, pattern, name): &RemoteKey| {
            pattern.as_slice() == subject && name.as_deref() == queue
        };
        !name::has_wildcard(subject)
            && (self.count(subject, queue) > 0 || self.remotes.keys().any(is_told))
    }

    /// The twin of [`Interest::set_remote`].
    pub(crate) fn set_remote(
        &mut self,
        shard: ShardId,
        pattern: &[u8],
        queue: Option<(&[u8], QueueId)>,
        count: u32,
    ) {
        let key = (shard, pattern.to_vec(), queue.map(|(name, _)| name.to_vec()));
        if count == 0 {
            self.remotes.remove(&key);
        } else {
            self.remotes.insert(key, (count, queue.map_or(QueueId(0), |(_, id)| id)));
        }
    }

    /// All that the other shards have told and not taken back.
    pub(crate) fn remote_keys(&self) -> Vec<RemoteKey> {
        self.remotes.keys().cloned().collect()
    }

    /// Whether anybody anywhere is in a group of this name.
    pub(crate) fn has_queue(&self, name: &[u8]) -> bool {
        self.locals.iter().any(|local| local.queue.as_deref() == Some(name))
            || self.remotes.keys().any(|(_, _, queue)| queue.as_deref() == Some(name))
    }

    /// Whom a message on `subject` reaches.
    pub(crate) fn outcome(&self, subject: &[u8]) -> Outcome {
        let mut outcome = Outcome::default();
        for Local { queue, sub, .. } in
            self.locals.iter().filter(|local| name::matches(&local.pattern, subject))
        {
            match queue {
                None => outcome.locals.push(*sub),
                Some(name) => {
                    let group = outcome.groups.entry(name.clone()).or_default();
                    group.locals.push(*sub);
                    group.members += 1;
                }
            }
        }
        for ((shard, pattern, queue), &(count, id)) in &self.remotes {
            if !name::matches(pattern, subject) {
                continue;
            }
            match queue {
                None => outcome.shards.push(*shard),
                Some(name) => {
                    let group = outcome.groups.entry(name.clone()).or_default();
                    let (members, _) = group.remotes.entry(*shard).or_insert((0, id));
                    *members += count;
                    group.members += count;
                }
            }
        }
        outcome.shards.dedup();
        outcome.sorted()
    }
}

impl Outcome {
    /// What a plan of `index` says. Panics if the plan breaks one of its own rules.
    pub(crate) fn of(plan: &Plan, index: &Interest) -> Outcome {
        assert!(plan.queues.is_sorted_by(|a, b| a.queue < b.queue), "groups ascend by id");
        let mut outcome = Outcome { locals: plan.locals.to_vec(), ..Outcome::default() };
        outcome.shards = plan.shards.collect();
        for group in &plan.queues {
            let name = index.queue_name(group.queue).expect("a planned group has a name");
            let remotes = group.remotes.iter();
            let told = GroupOutcome {
                locals: group.locals.clone(),
                remotes: remotes.map(|r| (r.shard, (r.members, r.queue))).collect(),
                members: group.members,
            };
            assert_eq!(plan.queue(group.queue), Some(group));
            assert_eq!(told.remotes.len(), group.remotes.len(), "a shard stands once");
            assert!(outcome.groups.insert(name.to_vec(), told).is_none(), "a name stands once");
        }
        outcome.sorted()
    }

    fn sorted(mut self) -> Self {
        self.locals.sort();
        self.shards.sort();
        for group in self.groups.values_mut() {
            group.locals.sort();
        }
        self
    }
}
