//! Subscribe, unsubscribe, and the table of all subscriptions of a shard.

use std::num::NonZeroU64;

use base::snapshot::SubscriptionSnapshot;
use base::{AccountId, ClientId, ConnSlot, Counter, QueueId, SubKey};
use smallvec::SmallVec;
use subject::{Change, LocalHandle};

use crate::frame::InterestFrame;
use crate::guard::Watch;
use crate::shard::Shard;

/// Sets of cached plans that one visit looks through: some 20 µs.
const CACHE_SETS_VISITED: usize = 128;
/// A place in the caches is a set, and above it the index whose cache it is.
const CACHE_SETS_LOG2: u32 = 24;

/// One subscription of a connection of this shard: what a delivery needs, in one cache line.
#[repr(align(64))]
pub struct Subscription {
    /// Who subscribed.
    pub connection: ConnSlot,
    /// In which account.
    pub account: AccountId,
    /// The id that the client chose.
    pub sid: SmallVec<[u8; 16]>,
    /// Messages delivered.
    pub delivered: u64,
    /// Deliveries after which it ends; [`NonZeroU64::MAX`] for never.
    pub max: NonZeroU64,
    handle: LocalHandle,
    /// Whether its connection's permissions look at each delivery.
    pub(crate) watch: Watch,
}

const _: () = assert!(size_of::<Option<Subscription>>() == 64, "one cache line a delivery");

/// What it subscribed to, which deliveries do not need.
#[derive(Default)]
pub(crate) struct Pattern {
    pub subject: Box<[u8]>,
    pub queue: Option<Box<[u8]>>,
}

impl Subscription {
    fn snapshot(&self, cid: ClientId, account: &str, pattern: &Pattern) -> SubscriptionSnapshot {
        SubscriptionSnapshot {
            cid,
            account: account.to_owned(),
            subject: lossy(&pattern.subject),
            queue: pattern.queue.as_deref().map(lossy).unwrap_or_default(),
            sid: lossy(&self.sid),
            delivered: self.delivered,
            max: if self.max == NonZeroU64::MAX { 0 } else { self.max.get() },
        }
    }
}

/// A subscription that is in no index any more, and what the other shards were told.
pub(crate) struct Removed {
    pub sub: Subscription,
    pub pattern: Pattern,
    pub change: Change,
}

/// A subscription as it is found in the table; a snapshot is made of those that are shown.
pub struct Listed<'a> {
    /// Where it is in the table.
    pub place: usize,
    /// The connection that holds it.
    pub cid: ClientId,
    /// Its account's name.
    pub account: &'a str,
    sub: &'a Subscription,
    pattern: &'a Pattern,
}

impl Listed<'_> {
    /// What it subscribed to.
    pub fn subject(&self) -> &[u8] {
        &self.pattern.subject
    }

    /// What monitoring shows of it.
    pub fn snapshot(&self) -> SubscriptionSnapshot {
        self.sub.snapshot(self.cid, self.account, self.pattern)
    }
}

/// What SUB led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeOutcome {
    /// The subscription stands.
    Added,
    /// The connection has one of that sid already; it stays as it is.
    Known,
    /// Nobody may subscribe to such a subject.
    InvalidSubject,
    /// The connection's permissions do not allow it.
    Denied,
}

#[derive(Default)]
pub(crate) struct Subscriptions {
    pub slots: Vec<Option<Subscription>>,
    /// By the same places.
    pub patterns: Vec<Pattern>,
    free: Vec<SubKey>,
    hasher: ahash::RandomState,
}

impl Subscriptions {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    #[inline]
    pub fn get(&self, key: SubKey) -> Option<&Subscription> {
        self.slots.get(key.index())?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, key: SubKey) -> Option<&mut Subscription> {
        self.slots.get_mut(key.index())?.as_mut()
    }

    /// What a live subscription is to: subject and queue group.
    pub fn pattern(&self, key: SubKey) -> (&[u8], Option<&[u8]>) {
        let Pattern { subject, queue } = &self.patterns[key.index()];
        (subject, queue.as_deref())
    }

    fn reserve(&mut self) -> SubKey {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.patterns.push(Pattern::default());
            SubKey(self.slots.len() as u32 - 1)
        })
    }

    fn hash(&self, sid: &[u8]) -> u64 {
        self.hasher.hash_one(sid)
    }
}

impl Shard {
    /// Adds a subscription to a connection that is attached, and tells the other shards.
    pub fn subscribe(
        &mut self,
        connection: ConnSlot,
        account: AccountId,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) -> SubscribeOutcome {
        let guard = self.outbox(connection).and_then(|outbox| outbox.guard.as_ref());
        let watch = match guard {
            None => Watch::Never,
            Some(guard) => match guard.may_subscribe(subject, queue) {
                Some(watch) => watch,
                None => return SubscribeOutcome::Denied,
            },
        };
        // A sid that is taken is not looked at any further.
        if self.find(connection, sid).is_some() {
            return SubscribeOutcome::Known;
        }
        if !subject::name::is_valid_subscription(subject) {
            return SubscribeOutcome::InvalidSubject;
        }
        let key = self.insert_subscription(connection, account, subject, queue, sid);
        self.subscriptions.get_mut(key).expect("inserted").watch = watch;
        let subscriptions = &self.subscriptions;
        let outbox = self.outboxes[connection.index()].as_mut().expect("attached");
        outbox.sids.insert_unique(subscriptions.hash(sid), key, |&key| {
            subscriptions.hash(&subscriptions.get(key).expect("live").sid)
        });
        SubscribeOutcome::Added
    }

    /// Puts a subscription to a valid subject into the table and the index, and tells the other
    /// shards.
    pub(crate) fn insert_subscription(
        &mut self,
        connection: ConnSlot,
        account: AccountId,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) -> SubKey {
        self.look_for_answers_in(subject);
        let key = self.subscriptions.reserve();
        let inserted = self.interest(account).insert_local(subject, queue, key);
        let (handle, change) = inserted.expect("the subject was checked");
        self.subscriptions.slots[key.index()] = Some(Subscription {
            connection,
            account,
            sid: SmallVec::from_slice(sid),
            delivered: 0,
            max: NonZeroU64::MAX,
            handle,
            watch: Watch::Never,
        });
        self.subscriptions.patterns[key.index()] =
            Pattern { subject: subject.into(), queue: queue.map(Into::into) };
        self.tell(account, change, subject, queue);
        key
    }

    /// Ends a subscription, at once or once `max` messages were delivered since SUB. An unknown
    /// sid is no error (spec/client-protocol.md §2.1).
    pub fn unsubscribe(&mut self, connection: ConnSlot, sid: &[u8], max: Option<u64>) {
        let Some(key) = self.find(connection, sid) else { return };
        let sub = self.subscriptions.get_mut(key).expect("found");
        match max.and_then(NonZeroU64::new) {
            Some(max) if max.get() > sub.delivered => sub.max = max,
            _ if max.is_some() => self.end_subscription(key),
            _ => self.leave(key),
        }
    }

    /// Ends all subscriptions of a connection that stays (a second CONNECT).
    pub fn unsubscribe_all(&mut self, connection: ConnSlot) {
        let Some(outbox) = self.outbox(connection) else { return };
        let all = std::mem::take(&mut outbox.sids);
        for key in all {
            self.remove_subscription(key);
        }
    }

    /// The subscriptions at these places of the table, for monitoring page by page.
    pub fn subscriptions_in(
        &self,
        places: std::ops::Range<usize>,
    ) -> impl Iterator<Item = Listed<'_>> + '_ {
        let Subscriptions { slots, patterns, .. } = &self.subscriptions;
        (places.start..places.end.min(slots.len())).filter_map(|at| {
            let sub = slots[at].as_ref()?;
            let outbox = self.outboxes.get(sub.connection.index())?.as_ref()?;
            let account = self.directory().accounts().name(sub.account);
            let pattern = &patterns[at];
            let (place, cid) = (at, outbox.cid());
            outbox.is_open().then(|| Listed { place, cid, account, sub, pattern })
        })
    }

    /// The first `max` subscriptions of a connection, in no order, for the memory of it when it
    /// is gone.
    pub fn subscriptions_of(&self, slot: ConnSlot, max: usize) -> Vec<SubscriptionSnapshot> {
        let Some(outbox) = self.outboxes.get(slot.index()).and_then(Option::as_ref) else {
            return Vec::new();
        };
        let listed = outbox.sids.iter().take(max).filter_map(|&key| {
            let sub = self.subscriptions.get(key)?;
            let account = self.directory().accounts().name(sub.account);
            let pattern = &self.subscriptions.patterns[key.index()];
            Some(sub.snapshot(outbox.cid(), account, pattern))
        });
        listed.collect()
    }

    /// How many places the table has.
    pub fn subscription_places(&self) -> usize {
        self.subscriptions.slots.len()
    }

    /// How many subscriptions each cached subject of an account, or of all, reaches: of the part of
    /// the caches that begins at `from` (0 at first). Also says where the next part begins.
    pub fn visit_fanouts(
        &self,
        account: Option<AccountId>,
        from: usize,
        mut visit: impl FnMut(usize),
    ) -> Option<usize> {
        let indexes = match account {
            None => 0..self.interests.len(),
            Some(id) => id.index()..(id.index() + 1).min(self.interests.len()),
        };
        let (first, mut set) = (from >> CACHE_SETS_LOG2, from & ((1 << CACHE_SETS_LOG2) - 1));
        let mut left = CACHE_SETS_VISITED;
        for index in indexes.start.max(first)..indexes.end {
            let interest = &self.interests[index];
            let sets = interest.cache_sets();
            let until = sets.min(set + left);
            interest.fanouts_in(set..until).for_each(&mut visit);
            if until < sets {
                return Some(index << CACHE_SETS_LOG2 | until);
            }
            // One that is empty has to be looked at, too.
            left = left.saturating_sub((until - set.min(until)).max(1));
            set = 0;
            if left == 0 && index + 1 < indexes.end {
                return Some((index + 1) << CACHE_SETS_LOG2);
            }
        }
        None
    }

    fn find(&self, connection: ConnSlot, sid: &[u8]) -> Option<SubKey> {
        let outbox = self.outboxes[connection.index()].as_ref()?;
        let hash = self.subscriptions.hash(sid);
        let same = |key: &SubKey| self.subscriptions.get(*key).is_some_and(|s| *s.sid == *sid);
        outbox.sids.find(hash, same).copied()
    }

    /// Takes a subscription from its connection and from the index.
    pub(crate) fn end_subscription(&mut self, key: SubKey) {
        self.unlist(key);
        self.remove_subscription(key);
    }

    /// As [`Shard::end_subscription`], for a client that may still listen for what is under way.
    fn leave(&mut self, key: SubKey) {
        self.unlist(key);
        let removed = self.remove_subscription(key);
        self.remember_last(removed);
    }

    /// Takes a subscription from its connection.
    fn unlist(&mut self, key: SubKey) {
        let sub = self.subscriptions.get(key).expect("live");
        let hash = self.subscriptions.hash(&sub.sid);
        let outbox = self.outboxes[sub.connection.index()].as_mut().expect("attached");
        if let Ok(entry) = outbox.sids.find_entry(hash, |&known| known == key) {
            entry.remove();
        }
    }

    /// Takes a subscription that its connection no longer lists from the index.
    pub(crate) fn remove_subscription(&mut self, key: SubKey) -> Removed {
        let sub = self.subscriptions.slots[key.index()].take().expect("removed once");
        self.subscriptions.free.push(key);
        let change = self.interest(sub.account).remove_local(sub.handle);
        let pattern = std::mem::take(&mut self.subscriptions.patterns[key.index()]);
        self.tell(sub.account, change, &pattern.subject, pattern.queue.as_deref());
        Removed { sub, pattern, change }
    }

    /// Tells the other shards what changed for them.
    fn tell(&mut self, account: AccountId, change: Change, subject: &[u8], queue: Option<&[u8]>) {
        let (count, id) = match change {
            Change::None => return,
            Change::Plain { count } => (count, QueueId(0)),
            Change::Queue { queue, count } => (count, queue),
        };
        let queue = queue.map(|name| (name, id));
        let frame = InterestFrame { account, count, subject, queue };
        let told = self.mesh.outgoing.send_interest(frame.len(), |record| frame.write(record));
        // Subjects are bounded by the control line, far below half an interest ring.
        told.expect("an interest record fits its ring");
        self.count(Counter::RingFramesOut);
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
