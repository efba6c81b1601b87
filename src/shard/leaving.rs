//! Queue groups whose last member here has just said UNSUB: messages picked for it are still under
//! way from shards that have not heard. They go on to another member (`arrivals`); if there is
//! none anywhere, because the whole group drains at once, they go to the one that left after all.
//!
//! A client that drains listens until its PONG, and one that only left ignores the sid.

use std::collections::VecDeque;

use base::{ClientId, Counter, QueueId};
use config::limits::LEAVERS_MAX;
use ring::InterestSeq;
use subject::Change;

use crate::arrivals::Pick;
use crate::delivery::{Delivered, Origin, hand_over};
use crate::guard::Watch;
use crate::message::Message;
use crate::publish::Echo;
use crate::shard::Shard;
use crate::subscriptions::{Pattern, Removed, Subscription};

struct Leaver {
    sub: Subscription,
    pattern: Pattern,
    /// As this shard numbers the name of the group.
    queue: QueueId,
    /// Whose place `sub.connection` was.
    cid: ClientId,
    /// Once all have applied this, nobody picks it any more.
    told: InterestSeq,
}

/// In the order in which they left.
#[derive(Default)]
pub(crate) struct Leaving(VecDeque<Leaver>);

impl Leaving {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn push(&mut self, leaver: Leaver) {
        if self.0.len() == LEAVERS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(leaver);
    }
}

impl Shard {
    /// Remembers a member that has left, if it was the last of its group here and others may not
    /// have heard.
    pub(crate) fn remember_last(&mut self, removed: Removed) {
        let Removed { sub, pattern, change: Change::Queue { queue, count: 0 } } = removed else {
            return;
        };
        let told = self.interest_told();
        // What its permissions would say of each message can be asked of a live one only.
        if sub.watch == Watch::Always || self.is_visible(told) {
            return;
        }
        let Some(cid) = self.outbox(sub.connection).map(|outbox| outbox.cid()) else { return };
        self.leaving.push(Leaver { sub, pattern, queue, cid, told });
    }

    /// Whether there are any, and all others know that they left. What was picked for them lies in
    /// the rings by then.
    pub(crate) fn leavers_told(&mut self) -> bool {
        let last = self.leaving.0.back().map(|leaver| leaver.told);
        last.is_some_and(|told| self.is_visible(told))
    }

    /// Gives a message, picked for a group that has no member anywhere, to the one that left last.
    #[cold]
    pub(crate) fn deliver_to_leaver(
        &mut self,
        pick: Pick,
        origin: Origin,
        message: &mut Message<'_>,
    ) {
        if self.try_leaver(pick, origin, message) == Delivered::No {
            self.count(Counter::QueueOrphans);
        }
    }

    fn try_leaver(&mut self, pick: Pick, origin: Origin, message: &mut Message<'_>) -> Delivered {
        let subject = message.matched();
        let leaver = self.leaving.0.iter_mut().rev().find(|leaver| {
            leaver.sub.account == pick.account
                && leaver.queue == pick.queue
                && subject::name::matches(&leaver.pattern.subject, subject)
        });
        let Some(Leaver { sub, cid, .. }) = leaver else { return Delivered::No };
        let connection = sub.connection;
        let ends = sub.delivered == sub.max.get();
        let echoes = matches!(origin, Origin::Here { slot, echo: Echo::Off } if slot == connection);
        let Some(Some(outbox)) = self.outboxes.get_mut(connection.index()) else {
            return Delivered::No;
        };
        if ends || echoes || outbox.cid() != *cid || !outbox.is_open() {
            return Delivered::No;
        }
        sub.delivered += 1;
        let trace = self.settings.trace.as_ref();
        let appended = hand_over(message, &sub.sid, outbox, &mut self.tally, trace);
        self.note(connection, appended);
        Delivered::Yes
    }
}
