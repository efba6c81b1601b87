//! Who listens on a subject, and whether they keep up: for services that send much unasked.
//!
//! Beside the hot path: a service asks once for many messages. What waits for connections here is
//! known; of other shards it is only known that somebody listens there. They are asked.

use base::{AccountId, ShardSet, SubKey};
use config::limits;

use crate::outbox::Outbox;
use crate::shard::Shard;

/// Those whom a message would reach now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Whether there is anybody.
    pub presence: Presence,
    /// Those on this shard.
    pub here: Listeners,
    /// The other shards where somebody listens.
    pub elsewhere: ShardSet,
    /// Bytes that may be sent there before those shards are asked how much waits: less than a
    /// connection may have pending.
    pub lead_bytes: u64,
}

/// Whether anybody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nobody, on any shard.
    Nobody,
    /// Somebody, here or elsewhere.
    Somebody,
}

/// Those who listen on one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    /// How many there are.
    pub all: u32,
    /// For how many so much waits that whoever sends should wait too.
    pub lagging: u32,
}

impl Shard {
    /// Whom a message on `subject` would reach, also in accounts that import it.
    pub fn audience(&mut self, account: AccountId, subject: &[u8]) -> Audience {
        let mut all = self.audience_in(account, subject);
        self.visit_beyond(account, subject, |shard, account, subject| {
            let there = shard.audience_in(account, subject);
            all.here.all += there.here.all;
            all.here.lagging += there.here.lagging;
            all.elsewhere = all.elsewhere.union(there.elsewhere);
            if there.presence == Presence::Somebody {
                all.presence = Presence::Somebody;
            }
        });
        all
    }

    fn audience_in(&mut self, account: AccountId, subject: &[u8]) -> Audience {
        let plan = self.interest(account).plan(subject);
        let mut elsewhere = plan.shards;
        let remotes = plan.queues.iter().flat_map(|group| &group.remotes);
        remotes.for_each(|remote| elsewhere.insert(remote.shard));
        let members = plan.queues.iter().flat_map(|group| &group.locals);
        let mut here = Listeners::default();
        for &key in plan.locals.iter().chain(members) {
            here.all += 1;
            here.lagging += u32::from(self.is_lagging(key));
        }
        let presence = if plan.is_empty() { Presence::Nobody } else { Presence::Somebody };
        let lead_bytes = (self.settings.pending_max as u64 / 8).min(limits::PUSH_LEAD_BYTES);
        Audience { presence, here, elsewhere, lead_bytes }
    }

    fn is_lagging(&self, key: SubKey) -> bool {
        let slot = self.subscriptions.get(key).map(|sub| sub.connection);
        let outbox = slot.and_then(|slot| self.outboxes.get(slot.index())?.as_ref());
        outbox.is_some_and(Outbox::is_lagging)
    }
}

impl Outbox {
    /// Whether much waits here.
    fn is_lagging(&self) -> bool {
        let share = self.pending_max() / 100 * limits::PUSH_BACKLOG_PERCENT;
        self.pending_bytes() > share.min(limits::PUSH_BACKLOG_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use base::ClientId;

    use super::*;

    #[test]
    fn a_backlog_is_deep_above_its_share_or_its_bytes() {
        let mut small = Outbox::new(ClientId(1), 1000);
        assert!(!small.is_lagging());
        small.append(&[0; 250]);
        assert!(!small.is_lagging(), "a quarter of what it may hold");
        small.append(&[0; 1]);
        assert!(small.is_lagging());
        let mut large = Outbox::new(ClientId(2), limits::PENDING_MAX);
        large.append(&vec![0; limits::PUSH_BACKLOG_BYTES]);
        assert!(!large.is_lagging());
        large.append(&[0; 1]);
        assert!(large.is_lagging());
    }
}
