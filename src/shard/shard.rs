//! The shard's parts, its connections' doors, and the housekeeping of a turn.

use std::rc::Rc;
use std::sync::Arc;

use base::observed::Observer;
use base::{
    AccountId, ClientId, ConnSlot, Counter, Counters, SHARDS_MAX, ShardId, ShardSet, SubKey,
};
use config::options::SlowSubscriber;
use ring::mesh::MeshEnd;
use ring::{Doorbell, InterestSeq};
use security::Directory;
use subject::{CachePolicy, Interest, Plan};

use crate::answers::{self, Answers};
use crate::batch::Batch;
use crate::crossing::Crossings;
use crate::dwell::{Arrival, Dwell, Via};
use crate::leaving::Leaving;
use crate::look_ahead::LookAhead;
use crate::outbox::{Appended, Outbox};
use crate::service::Mailbox;
use crate::subscriptions::Subscriptions;
use crate::trace_lines::Tracer;
use crate::tracing::Tracing;
use crate::with_clients::WithClients;

/// Subscriptions of closed connections that one turn removes at most.
const REAP_PER_TURN: usize = 1024;

/// What the operator chose, as far as a shard needs it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether matches are cached.
    pub cache: CachePolicy,
    /// Most bytes queued towards one connection.
    pub pending_max: usize,
    /// What happens before that.
    pub slow: SlowSubscriber,
    /// Where deliveries are traced, if they are.
    pub trace: Option<Tracer>,
    /// Which accounts and users there are.
    pub directory: Arc<Directory>,
}

/// The plan of the last subject, which the next message very often has too.
#[derive(Default)]
pub(crate) struct Memo {
    account: AccountId,
    plan: Option<Rc<Plan>>,
    look_ahead: LookAhead,
    /// Somebody may get one answer that goes home and not another, see [`answers::family`].
    answers_differ: bool,
}

/// What this turn counted; added to the shared counters once a turn.
#[derive(Default)]
pub(crate) struct Tally {
    pub in_msgs: u64,
    pub in_bytes: u64,
    pub out_msgs: u64,
    pub out_bytes: u64,
    /// What streams on other shards handed out to somebody here.
    pub handed_out: u64,
}

/// The subscriptions of a connection that is gone, on their way out of the index.
struct Reaping {
    slot: ConnSlot,
    subscriptions: hashbrown::hash_table::IntoIter<SubKey>,
}

/// One core's heart.
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) mesh: MeshEnd,
    pub(crate) interests: Vec<Interest>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) outboxes: Vec<Option<Outbox>>,
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) with_clients: WithClients,
    pub(crate) settings: Settings,
    pub(crate) random: fastrand::Rng,
    pub(crate) tally: Tally,
    pub(crate) published_memo: Memo,
    pub(crate) arrived_memo: Memo,
    /// For what leaves its account.
    pub(crate) crossed_memo: Memo,
    pub(crate) leaving: Leaving,
    pub(crate) picks: Vec<(ShardId, base::QueueId)>,
    pub(crate) frame_picks: Vec<base::QueueId>,
    /// By shard: what is to be sent there.
    pub(crate) batches: Vec<Batch>,
    pub(crate) batched: ShardSet,
    /// The shards whose rings were full when this was last looked at.
    pub(crate) congested: ShardSet,
    pub(crate) dwell: Dwell,
    /// When this turn began, monotonic nanoseconds.
    pub(crate) turn_ns: u64,
    pub(crate) crossings: Crossings,
    /// The traced message under way, if there is one.
    pub(crate) tracing: Option<Box<Tracing>>,
    /// Traces begun here so far.
    pub(crate) traces: u64,
    pub(crate) observer: Option<Observer>,
    /// For messages that are written again, and their headers.
    pub(crate) wire: Vec<u8>,
    pub(crate) headers: Vec<u8>,
    counters: Arc<Counters>,
    dirty: Vec<ConnSlot>,
    overflowed: Vec<ConnSlot>,
    pub(crate) stalled: Vec<ConnSlot>,
    reaping: Vec<Reaping>,
    reaped: Vec<ConnSlot>,
}

impl Shard {
    /// A shard without connections. `seed` decides the queue picks.
    pub fn new(mesh: MeshEnd, settings: Settings, counters: Arc<Counters>, seed: u64) -> Shard {
        let mut shard = Shard {
            id: mesh.shard(),
            mesh,
            interests: Vec::new(),
            subscriptions: Subscriptions::default(),
            outboxes: Vec::new(),
            mailboxes: Vec::new(),
            with_clients: WithClients::default(),
            settings,
            random: fastrand::Rng::with_seed(seed),
            tally: Tally::default(),
            published_memo: Memo::default(),
            arrived_memo: Memo::default(),
            crossed_memo: Memo::default(),
            leaving: Leaving::default(),
            picks: Vec::new(),
            frame_picks: Vec::new(),
            batches: (0..SHARDS_MAX).map(|_| Batch::default()).collect(),
            batched: ShardSet::EMPTY,
            congested: ShardSet::EMPTY,
            dwell: Dwell::default(),
            turn_ns: 0,
            crossings: Crossings::default(),
            tracing: None,
            traces: 0,
            observer: None,
            wire: Vec::new(),
            headers: Vec::new(),
            counters,
            dirty: Vec::new(),
            overflowed: Vec::new(),
            stalled: Vec::new(),
            reaping: Vec::new(),
            reaped: Vec::new(),
        };
        let service = shard.add_service();
        shard.crossings.answers = Answers::new(service, &mut shard.random);
        shard.open_ways();
        shard
    }

    /// Lets messages take the ways between the accounts of the directory.
    fn open_ways(&mut self) {
        let directory = Arc::clone(&self.settings.directory);
        self.crossings.take(&directory);
        self.listen_for_answers(&directory);
    }

    /// Obeys new settings from now on. Whether matches are cached stays as it was.
    pub fn reconfigure(&mut self, settings: Settings) {
        let same = Arc::ptr_eq(&self.settings.directory, &settings.directory);
        self.settings = Settings { cache: self.settings.cache, ..settings };
        if !same {
            self.open_ways();
        }
    }

    /// Lets a connection that is open obey the settings too.
    pub fn reconfigure_outbox(&mut self, slot: ConnSlot) {
        let pending_max = self.settings.pending_max;
        if let Some(outbox) = self.outbox(slot) {
            outbox.set_pending_max(pending_max);
        }
    }

    /// Which shard this is.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The counters of this shard.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A turn begins, at this monotonic time. What the last one delivered is out.
    pub fn begin_turn(&mut self, now_ns: u64) {
        self.out(now_ns);
        self.dwell.begin_turn(now_ns);
        self.turn_ns = now_ns;
    }

    /// What was delivered is out, or leaves as the core lies down to sleep.
    pub fn out(&mut self, now_ns: u64) {
        self.dwell.out(now_ns, &self.counters);
    }

    /// What is published from now on came at this monotonic time, and had to wait until now.
    pub fn arrived_at(&mut self, since_ns: u64) {
        self.arrived(Arrival { since_ns, via: Via::Socket });
    }

    /// What is published from now on came at the beginning of this turn.
    pub fn arrived_now(&mut self) {
        self.dwell.arrived_now(self.tally.out_msgs, &self.counters);
    }

    #[inline]
    pub(crate) fn arrived(&mut self, arrival: Arrival) {
        self.dwell.arrived(arrival, self.tally.out_msgs, &self.counters);
    }

    /// Whether a connection here was sent a message in this turn that no stream handed out; to be
    /// asked before the services have their turn.
    pub fn has_delivered(&self) -> bool {
        self.tally.out_msgs > self.tally.handed_out
    }

    /// Opens a door for a connection.
    pub fn attach(&mut self, slot: ConnSlot, cid: ClientId) {
        if self.outboxes.len() <= slot.index() {
            self.outboxes.resize_with(slot.index() + 1, || None);
        }
        let place = &mut self.outboxes[slot.index()];
        assert!(place.is_none(), "a slot is attached once");
        *place = Some(Outbox::new(cid, self.settings.pending_max));
        self.counters.add(Counter::Connections, 1);
        self.counters.add(Counter::ConnectionsTotal, 1);
    }

    /// Delivers nothing more to a connection and lets go of its subscriptions, a bounded number
    /// a turn. The slot comes back by [`Shard::next_reaped`].
    pub fn detach(&mut self, slot: ConnSlot) {
        let Some(outbox) = self.outboxes[slot.index()].as_mut() else { return };
        outbox.shut();
        let account = outbox.account.take();
        let subscriptions = std::mem::take(&mut outbox.sids).into_iter();
        self.counters.sub(Counter::Connections, 1);
        self.reaping.push(Reaping { slot, subscriptions });
        if let Some(account) = account {
            self.directory().accounts().get(account).leave();
        }
    }

    /// A connection without subscriptions left, whose slot may be given to another once
    /// [`Shard::release`] was called.
    pub fn next_reaped(&mut self) -> Option<ConnSlot> {
        self.reaped.pop()
    }

    /// Forgets a connection that was detached and reaped.
    pub fn release(&mut self, slot: ConnSlot) {
        if let Some(outbox) = self.outboxes[slot.index()].take() {
            self.counters.sub(Counter::PendingBytes, outbox.counted_bytes() as u64);
        }
    }

    /// A connection's door.
    #[inline]
    pub fn outbox(&mut self, slot: ConnSlot) -> Option<&mut Outbox> {
        self.outboxes.get_mut(slot.index())?.as_mut()
    }

    /// Queues protocol bytes for a connection.
    pub fn write(&mut self, slot: ConnSlot, bytes: &[u8]) {
        let Some(outbox) = self.outboxes.get_mut(slot.index()).and_then(Option::as_mut) else {
            return;
        };
        if outbox.is_open() {
            let appended = outbox.append(bytes);
            self.note(slot, appended);
        }
    }

    #[inline]
    pub(crate) fn note(&mut self, slot: ConnSlot, appended: Appended) {
        match appended {
            Appended::Known => {}
            Appended::NewlyDirty => self.dirty.push(slot),
            Appended::Overflowed => self.overflowed.push(slot),
        }
    }

    /// A connection with something to send. It is not dirty any more.
    pub fn next_dirty(&mut self) -> Option<ConnSlot> {
        let slot = self.dirty.pop()?;
        if let Some(outbox) = self.outboxes[slot.index()].as_mut() {
            outbox.mark_clean();
            count_pending(outbox, &self.counters);
        }
        Some(slot)
    }

    /// Notes that the kernel took `bytes` of what was queued for a connection.
    pub fn sent(&mut self, slot: ConnSlot, bytes: usize) {
        if let Some(outbox) = self.outboxes.get_mut(slot.index()).and_then(Option::as_mut) {
            outbox.sent(bytes);
            count_pending(outbox, &self.counters);
        }
    }

    /// A connection whose outbox went over its bound: close it.
    pub fn next_overflowed(&mut self) -> Option<ConnSlot> {
        self.overflowed.pop()
    }

    /// A publisher that is to sleep for a slow subscriber.
    pub fn next_stalled(&mut self) -> Option<ConnSlot> {
        self.stalled.pop()
    }

    /// The last interest that this shard told the others; what a PONG waits for.
    pub fn interest_told(&self) -> InterestSeq {
        self.mesh.outgoing.interest_sent()
    }

    /// Whether every other shard has applied `told`. If not, this shard will be awake when they
    /// have; ask again each turn.
    pub fn is_visible(&mut self, told: InterestSeq) -> bool {
        self.mesh.outgoing.await_applied(told)
    }

    /// Whether connections that feed one of `shards` must still not be read: records wait for
    /// room in their rings, or interest does, which nothing may overtake.
    pub fn is_congested(&self, shards: ShardSet) -> bool {
        self.congested.meets(shards) || self.holds_interest()
    }

    /// Whether interest waits in a spill queue. Until it has left, nothing may be published here:
    /// whoever gets it, on this shard too, may answer by way of a shard that does not know the
    /// inbox (design §4 rule 2).
    #[inline]
    pub fn holds_interest(&self) -> bool {
        self.mesh.outgoing.holds_interest()
    }

    /// Lets other cores see what was sent to them so far.
    #[inline]
    pub fn flush_rings(&mut self) {
        for shard in std::mem::take(&mut self.batched) {
            self.send_batch(shard);
        }
        self.mesh.outgoing.flush();
        for shard in self.congested {
            if self.mesh.outgoing.spilled_to(shard).records == 0 {
                self.congested.remove(shard);
            }
        }
    }

    /// The end of a turn: removes what closed connections left, publishes what was sent to other
    /// shards, rings those that sleep, and adds up the counters.
    pub fn finish_turn(&mut self, doorbell: &mut dyn Doorbell) {
        self.reap();
        self.flush_rings();
        let rung = self.mesh.wake_peers(doorbell);
        self.counters.add(Counter::DoorbellsOut, rung as u64);
        let tally = std::mem::take(&mut self.tally);
        self.dwell.close_turn(tally.out_msgs, &self.counters);
        self.counters.add(Counter::InMsgs, tally.in_msgs);
        self.counters.add(Counter::InBytes, tally.in_bytes);
        self.counters.add(Counter::OutMsgs, tally.out_msgs);
        self.counters.add(Counter::OutBytes, tally.out_bytes);
        self.counters.set(Counter::Subscriptions, self.subscriptions.len() as u64);
        self.counters.set(Counter::RingSpillDepth, self.mesh.outgoing.spilled().records as u64);
    }

    /// Copies what the index counts into the shared counters. For the control thread; not every
    /// turn.
    pub fn publish_index_stats(&mut self) {
        let total = self.index_stats(None);
        let counters = &self.counters;
        counters.set(Counter::IndexInserts, total.inserts);
        counters.set(Counter::IndexRemoves, total.removes);
        counters.set(Counter::IndexMatches, total.plans);
        counters.set(Counter::IndexCacheHits, total.cache_hits);
        counters.set(Counter::IndexCacheEntries, total.cache_plans as u64);
    }

    /// What the index of one account, or all of them, counts; not its sizes.
    pub fn index_stats(&self, account: Option<AccountId>) -> subject::InterestStats {
        let mut total = subject::InterestStats::default();
        for interest in self.interests_of(account) {
            let stats = interest.stats();
            total.subscriptions += stats.subscriptions;
            total.inserts += stats.inserts;
            total.removes += stats.removes;
            total.plans += stats.plans;
            total.cache_hits += stats.cache_hits;
            total.cache_plans += stats.cache_plans;
        }
        total
    }

    /// One account's index, or all of them.
    pub(crate) fn interests_of(
        &self,
        account: Option<AccountId>,
    ) -> impl Iterator<Item = &Interest> + '_ {
        let range = match account {
            None => 0..self.interests.len(),
            Some(id) => id.index()..(id.index() + 1).min(self.interests.len()),
        };
        self.interests.get(range).unwrap_or_default().iter()
    }

    /// Whether this shard has something to do that no event will announce.
    pub fn has_work(&self) -> bool {
        !self.reaping.is_empty()
            || !self.dirty.is_empty()
            || self.has_letters()
            || self.crossings.answers.has_untold()
    }

    /// Says that this core is about to sleep; see [`MeshEnd::prepare_sleep`].
    #[must_use]
    pub fn prepare_sleep(&mut self) -> bool {
        self.mesh.prepare_sleep()
    }

    /// Says that this core is awake.
    pub fn woke(&mut self) {
        self.mesh.woke();
    }

    fn reap(&mut self) {
        let mut budget = REAP_PER_TURN;
        while budget > 0
            && let Some(reaping) = self.reaping.last_mut()
        {
            match reaping.subscriptions.next() {
                Some(key) => {
                    self.remove_subscription(key);
                    budget -= 1;
                }
                None => {
                    self.reaped.push(reaping.slot);
                    self.reaping.pop();
                }
            }
        }
    }

    pub(crate) fn interest(&mut self, account: AccountId) -> &mut Interest {
        if self.interests.len() <= account.index() {
            let cache = self.settings.cache;
            self.interests.resize_with(account.index() + 1, || Interest::new(cache));
        }
        &mut self.interests[account.index()]
    }

    #[inline]
    pub(crate) fn count(&self, counter: Counter) {
        self.counters.add(counter, 1);
    }
}

/// Brings the gauge of pending bytes up to date with one outbox.
#[inline]
fn count_pending(outbox: &mut Outbox, counters: &Counters) {
    let before = outbox.counted_bytes();
    let now = outbox.count_bytes();
    counters.add(Counter::PendingBytes, (now as u64).wrapping_sub(before as u64));
}

impl Memo {
    /// The plan of `subject`: the last one if it still stands, else from the index. `ahead`
    /// begins with the message and is what will be asked for next.
    #[inline]
    pub fn plan(
        &mut self,
        account: AccountId,
        interest: &mut Interest,
        subscriptions: &Subscriptions,
        subject: &[u8],
        ahead: &[u8],
    ) -> Rc<Plan> {
        match &self.plan {
            Some(plan) if self.account == account && interest.is_current(subject, plan) => {
                Rc::clone(plan)
            }
            _ => {
                let family = self.family_of(subject);
                let subject = family.as_ref().map_or(subject, |family| &family[..]);
                if family.is_some()
                    && let Some(plan) = &self.plan
                    && self.account == account
                    && interest.is_current(subject, plan)
                {
                    return Rc::clone(plan);
                }
                // Let go first, so that the index can rebuild a stale plan in place.
                self.plan = None;
                self.look_ahead.step(interest, subscriptions, ahead);
                let plan = interest.plan(subject);
                self.account = account;
                self.plan = Some(Rc::clone(&plan));
                plan
            }
        }
    }

    /// For an answer that goes home, the subject whose plan is also its own.
    #[inline]
    fn family_of(&self, subject: &[u8]) -> Option<[u8; answers::SUBJECT_LEN]> {
        if self.answers_differ { None } else { answers::family(subject) }
    }
}

impl Shard {
    /// Whoever subscribes to `pattern` may get one answer that goes home and not another: from now
    /// on each has a plan of its own.
    pub(crate) fn look_for_answers_in(&mut self, pattern: &[u8]) {
        if answers::tells_answers_apart(pattern) {
            for memo in [&mut self.published_memo, &mut self.arrived_memo, &mut self.crossed_memo] {
                memo.answers_differ = true;
            }
        }
    }
}
