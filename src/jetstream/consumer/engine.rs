//! One consumer: its parts, its birth, its timers and its end.
//!
//! What happens is told by calls (a message was stored, a letter came, it is time); what follows
//! leaves through the [`Desk`]. Delivery stands in `delivery.rs`, acknowledgements in `acks.rs`,
//! pull requests in `pulls.rs`, push consumers' heartbeats and flow control in `push.rs`.

use std::collections::VecDeque;

use base::{AccountId, Now, ShardSet};
use protocol::MessageParts;
use storage::{Filter, Mark, Seq, Storage, StreamId, Waiter};

use super::acks::ACK_PREFIX;
use super::advisory::Event;
use super::budget::Budget;
use super::config::{AckPolicy, ConsumerConfig, PriorityPolicy, ReplayPolicy};
use super::cursor::Cursor;
use super::levels;
use super::pace::{Rate, Replay};
use super::pending::{NEVER, Pending};
use super::pins::Group;
use super::push::Push;
use super::reply_form::ReplyScope;
use super::request::Subject;
use super::status::Status;
use super::waiting::Waiting;
use crate::Outlet;
use crate::outlet::is_held_back;
use crate::stream_config::Retention;
use crate::wire_time::WireTime;

/// How long a state with few bytes may wait to be written, when nobody waits for it.
const WRITE_AFTER_NS: u64 = 20_000_000;
/// Nanoseconds that each byte of state above [`SMALL_STATE`] adds to the time until it is written
/// again: so that a large one costs no more than 50 MB a second.
const WRITE_NS_PER_BYTE: u64 = 20;
/// Bytes of a state that may be written with every turn.
const SMALL_STATE: u64 = 4096;

/// The stream that consumers read.
#[derive(Clone, Debug)]
pub struct Home {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub stream: String,
    /// Its place in the storage.
    pub id: StreamId,
    /// How it retains.
    pub retention: Retention,
    /// The server's JetStream domain.
    pub domain: Option<String>,
    /// What stands before its name in the subjects that its consumers write.
    pub scope: ReplyScope,
}

/// What a call works with.
pub struct Desk<'a> {
    /// The core's streams.
    pub storage: &'a mut Storage,
    /// The way out.
    pub outlet: &'a mut dyn Outlet,
    /// What all consumers of the core may deliver in this turn.
    pub budget: &'a mut Budget,
    /// The time.
    pub now: Now,
}

/// What a consumer's state survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It is written to the log.
    Log,
    /// It is kept in memory: of memory streams, and with `mem_storage`.
    Memory,
}

/// How far deliveries or acknowledgements are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) consumer_seq: u64,
    pub(crate) stream_seq: u64,
    pub(crate) last_active: WireTime,
}

/// Who takes the messages.
pub(crate) enum Reception {
    Pull(Waiting),
    Push(Push),
}

/// What a consumer is doing when it is asked to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Waits for an event or a time.
    Idle,
    /// Has more to deliver and stopped to let others work.
    Busy,
    /// Nobody used it for longer than `inactive_threshold`: it is to be deleted.
    Abandoned,
}

/// One consumer.
pub struct Consumer {
    pub(crate) name: Box<str>,
    pub(crate) config: ConsumerConfig,
    pub(crate) created: WireTime,
    pub(crate) persistence: Persistence,
    pub(crate) waiter: Waiter,
    pub(crate) filter: Filter,
    pub(crate) cursor: Cursor,
    /// The last consumer sequence, and when it was delivered.
    pub(crate) delivered: Progress,
    pub(crate) floor: Progress,
    pub(crate) pending: Pending,
    pub(crate) reception: Reception,
    pub(crate) groups: Vec<Group>,
    pub(crate) replay: Option<Replay>,
    pub(crate) rate: Option<Rate>,
    /// Until when it is paused, monotonic nanoseconds.
    pub(crate) paused_until_ns: Option<u64>,
    /// A body is being fetched; nothing is delivered before it arrives.
    pub(crate) reading: bool,
    /// Shards whose rings were full when something was delivered there; empty when there is room.
    pub(crate) congested: ShardSet,
    /// The same of confirmations.
    confirmed_to: ShardSet,
    /// Messages were purged or filters changed: counts are wrong until counted again.
    pub(crate) recount: bool,
    /// When it was last of use to somebody.
    pub(crate) used_at_ns: u64,
    /// Stream sequences that are acknowledged, for the stream's retention; both ends included.
    pub(crate) settled: Vec<(u64, u64)>,
    /// `$JS.ACK.<stream>.<consumer>.`, with the scope before the stream.
    pub(crate) ack_prefix: Box<[u8]>,
    pub(crate) sampling: u8,
    pub(crate) random: fastrand::Rng,
    pub(crate) reply: Vec<u8>,
    pub(crate) headers: Vec<u8>,
    /// Whether the state changed since it was written, and since when.
    changed_at_ns: Option<u64>,
    written_bytes: u64,
    /// Acknowledgements to be confirmed when what follows is written.
    unwritten: Vec<Subject>,
    /// Those that are written, and when they are safe.
    unconfirmed: VecDeque<(Mark, Subject)>,
}

/// What a new or recovered consumer is made of.
pub struct Birth {
    /// Its name.
    pub name: String,
    /// Its complete configuration.
    pub config: ConsumerConfig,
    /// When it was created.
    pub created: WireTime,
    /// What its state survives.
    pub persistence: Persistence,
    /// Who is told when a pending read can succeed.
    pub waiter: Waiter,
}

impl Consumer {
    /// A new consumer, at the place that its deliver policy says.
    pub(crate) fn new(birth: Birth, home: &Home, storage: &Storage, now: Now) -> Consumer {
        let filter = Filter::new(birth.config.filters());
        let cursor = Cursor::start(&birth.config, &filter, storage.stream(home.id));
        let mut consumer = Consumer::at(birth, filter, cursor, home, now);
        consumer.delivered.stream_seq = consumer.cursor.last_seen();
        consumer.floor = consumer.delivered;
        consumer.changed(now);
        consumer
    }

    pub(crate) fn at(
        birth: Birth,
        filter: Filter,
        cursor: Cursor,
        home: &Home,
        now: Now,
    ) -> Consumer {
        let Birth { name, config, created, persistence, waiter } = birth;
        let (scope, stream) = (home.scope.as_str(), &home.stream);
        let ack_prefix = format!("{ACK_PREFIX}{scope}{stream}.{name}.").into_bytes().into();
        let mut consumer = Consumer {
            reception: Reception::Pull(Waiting::default()),
            groups: Vec::new(),
            replay: (config.replay_policy == ReplayPolicy::Original).then(Replay::default),
            rate: None,
            sampling: 0,
            ack_prefix,
            name: name.into(),
            config,
            created,
            persistence,
            waiter,
            filter,
            cursor,
            delivered: Progress::default(),
            floor: Progress::default(),
            pending: Pending::default(),
            paused_until_ns: None,
            reading: false,
            congested: ShardSet::EMPTY,
            confirmed_to: ShardSet::EMPTY,
            recount: false,
            used_at_ns: now.mono_ns,
            settled: Vec::new(),
            random: fastrand::Rng::with_seed(now.wall_ns ^ waiter.0.rotate_left(32)),
            reply: Vec::new(),
            headers: Vec::new(),
            changed_at_ns: None,
            written_bytes: 0,
            unwritten: Vec::new(),
            unconfirmed: VecDeque::new(),
        };
        if consumer.config.is_push() {
            consumer.reception = Reception::Push(Push::new(&consumer.config, now));
        }
        consumer.derive(now);
        consumer
    }

    /// Computes what follows from the configuration.
    fn derive(&mut self, now: Now) {
        let groups = match self.config.priority_policy {
            PriorityPolicy::PinnedClient => self.config.priority_groups.len(),
            _ => 0,
        };
        self.groups.resize_with(groups, Group::default);
        self.rate = (self.config.rate_limit_bps > 0)
            .then(|| Rate::new(self.config.rate_limit_bps, now.mono_ns));
        self.sampling = self.config.sampling().unwrap_or(0);
        self.paused_until_ns = self.config.pause_until.and_then(|until| {
            let left = until.wall_ns().checked_sub(now.wall_ns).filter(|&left| left > 0)?;
            Some(now.mono_ns.saturating_add(left))
        });
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its configuration, complete.
    #[must_use]
    pub fn config(&self) -> &ConsumerConfig {
        &self.config
    }

    /// When it was created.
    #[must_use]
    pub fn created(&self) -> WireTime {
        self.created
    }

    /// Takes over a configuration that passed `check_update`.
    pub(crate) fn update(&mut self, config: ConsumerConfig, now: Now) {
        let refiltered = !self.config.filters().eq(config.filters());
        let moved = self.config.deliver_subject != config.deliver_subject;
        if self.config.priority_groups != config.priority_groups {
            self.groups.clear();
        }
        self.config = config;
        if refiltered {
            self.filter = Filter::new(self.config.filters());
            self.recount = true;
        }
        if moved && self.config.is_push() {
            self.reception = Reception::Push(Push::new(&self.config, now));
        }
        self.derive(now);
        self.changed(now);
    }

    /// Pauses until then, or goes on: `None` or a time that is over.
    pub(crate) fn pause(&mut self, until: Option<WireTime>, home: &Home, desk: &mut Desk<'_>) {
        self.config.pause_until = until.filter(|until| !until.is_zero());
        levels::stamp(&mut self.config);
        self.derive(desk.now);
        let paused = self.paused_until_ns.is_some();
        self.changed(desk.now);
        let event = Event::Pause { paused, until: self.config.pause_until };
        self.tell(event, home, desk);
    }

    /// Nanoseconds until it goes on, when it is paused.
    #[must_use]
    pub fn pause_left_ns(&self, now: Now) -> Option<u64> {
        self.paused_until_ns
            .and_then(|until| until.checked_sub(now.mono_ns))
            .filter(|&left| left > 0)
    }

    /// Does everything whose time has come, then delivers.
    pub(crate) fn turn(&mut self, home: &Home, desk: &mut Desk<'_>) -> Outcome {
        if self.recount {
            self.count_again(home, desk);
        }
        let now_ns = desk.now.mono_ns;
        if let Some(replay) = &mut self.replay {
            replay.release();
        }
        if let Some(rate) = &mut self.rate {
            rate.release();
        }
        if self.paused_until_ns.is_some_and(|until| until <= now_ns) {
            self.paused_until_ns = None;
            self.tell(Event::Pause { paused: false, until: None }, home, desk);
        }
        while let Some(seq) = self.pending.next_expired(now_ns) {
            self.deliver_again(seq, home, desk);
        }
        self.keep_pins(home, desk);
        self.keep_company(home, desk);
        self.look_after_laggards(home, desk);
        let outcome = match self.paused_until_ns {
            // Requests that do not wait do not wait for the end of a pause.
            Some(_) => {
                self.end_hasty(home, desk.outlet);
                Outcome::Idle
            }
            None => self.deliver(home, desk),
        };
        self.beat(home, desk);
        match outcome {
            Outcome::Idle if self.is_abandoned(now_ns) => Outcome::Abandoned,
            outcome => outcome,
        }
    }

    /// When it wants to be asked again, monotonic nanoseconds.
    pub(crate) fn next_deadline_ns(&self) -> u64 {
        let receiving = match &self.reception {
            Reception::Pull(waiting) => waiting.wanted_at_ns(),
            Reception::Push(push) => push.due_ns(),
        };
        let pins = self.groups.iter().map(Group::until_ns).min().unwrap_or(NEVER);
        let pace = [self.replay.as_ref().map(Replay::due_ns), self.rate.as_ref().map(Rate::due_ns)];
        let pace = pace.into_iter().flatten().min().unwrap_or(NEVER);
        let paused = self.paused_until_ns.unwrap_or(NEVER);
        let others = [pins, pace, paused, self.abandoned_at_ns(), self.write_at_ns()];
        others.into_iter().fold(self.pending.next_due_ns().min(receiving), u64::min)
    }

    /// Counts what is to come again, and forgets what is pending and gone.
    pub(crate) fn count_again(&mut self, home: &Home, desk: &mut Desk<'_>) {
        self.recount = false;
        let stream = desk.storage.stream(home.id);
        self.cursor.recount(&self.filter, stream);
        let gone = |seq: &u64| stream.look(Seq(*seq)).is_none();
        let gone: Vec<u64> = self.pending.iter().map(|entry| entry.seq).filter(gone).collect();
        for seq in gone {
            self.settle(seq, desk.now);
        }
        let below = stream.first_seq().0.saturating_sub(1);
        self.delivered.stream_seq = self.delivered.stream_seq.max(below);
        if self.pending.len() == 0 {
            self.floor.stream_seq = self.floor.stream_seq.max(below);
        }
        self.changed(desk.now);
    }

    /// Whether it takes messages on `subject`.
    #[inline]
    #[must_use]
    pub fn wants(&self, subject: &[u8]) -> bool {
        self.filter.matches(subject)
    }

    /// Whether it has yet to acknowledge a message of a subject that it takes.
    #[must_use]
    pub fn needs(&self, seq: u64) -> bool {
        self.cursor.is_to_come(seq)
            || match self.config.ack_policy {
                AckPolicy::None => false,
                AckPolicy::All | AckPolicy::FlowControl => seq > self.floor.stream_seq,
                AckPolicy::Explicit => self.pending.get(seq).is_some(),
            }
    }

    /// A message was stored. Whether there is something to do about it.
    #[inline]
    pub(crate) fn appended(&mut self, seq: u64, subject: &[u8]) -> bool {
        let wanted = self.filter.matches(subject);
        if wanted {
            self.cursor.appended(seq);
        }
        wanted && self.can_deliver()
    }

    /// Whether it would deliver a message if there was one.
    #[inline]
    fn can_deliver(&self) -> bool {
        let taken = match &self.reception {
            Reception::Pull(waiting) => !waiting.is_empty(),
            // Where nobody listened it is asked again: somebody may have come since.
            Reception::Push(_) => true,
        };
        taken && !self.reading && self.has_room()
    }

    /// Whether another message may be unacknowledged.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.config.ack_policy == AckPolicy::None
            || self.config.ack_pending_max().is_none_or(|most| self.pending.len() < most)
    }

    /// A message is gone, and not because it was acknowledged here. Whether that makes room for
    /// another.
    pub(crate) fn removed(&mut self, seq: u64, subject: &[u8], now: Now) -> bool {
        if !self.filter.matches(subject) {
            return false;
        }
        self.cursor.removed(seq);
        let full = !self.has_room();
        self.settle(seq, now);
        full && self.has_room()
    }

    /// Sends a status message.
    pub(crate) fn say(
        &mut self,
        to: &[u8],
        status: &Status<'_>,
        home: &Home,
        outlet: &mut dyn Outlet,
    ) {
        status.write(&mut self.headers);
        outlet.publish(home.account, &headers_only(to, None, &self.headers));
    }

    /// Publishes an advisory.
    pub(crate) fn tell(&mut self, event: Event<'_>, home: &Home, desk: &mut Desk<'_>) {
        event.publish(home, &self.name, desk);
    }

    /// The state is another than the one that was written.
    #[inline]
    pub(crate) fn changed(&mut self, now: Now) {
        if self.changed_at_ns.is_none() && self.persistence == Persistence::Log {
            self.changed_at_ns = Some(now.mono_ns);
        }
    }

    /// An acknowledgement is confirmed as soon as what it changed is safe.
    pub(crate) fn confirm(&mut self, reply: &[u8], home: &Home, desk: &mut Desk<'_>) {
        match self.persistence {
            Persistence::Memory => {
                desk.outlet.publish(home.account, &headers_only(reply, None, b""));
            }
            Persistence::Log => {
                self.changed(desk.now);
                self.unwritten.push(Subject::from_slice(reply));
            }
        }
    }

    /// When the state should be written.
    fn write_at_ns(&self) -> u64 {
        let Some(changed_at_ns) = self.changed_at_ns else { return NEVER };
        let cost = self.written_bytes.saturating_sub(SMALL_STATE) * WRITE_NS_PER_BYTE;
        let patience = if self.unwritten.is_empty() { WRITE_AFTER_NS } else { 0 };
        changed_at_ns + patience.max(cost)
    }

    /// Whether the state should be written now.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        self.write_at_ns() <= now.mono_ns
    }

    /// The state could not be written; it is tried again then.
    pub(crate) fn write_later(&mut self, at_ns: u64) {
        self.changed_at_ns = Some(at_ns);
    }

    /// The state as it was just written is safe at `mark`.
    pub(crate) fn written(&mut self, bytes: usize, mark: Mark) {
        self.changed_at_ns = None;
        self.written_bytes = bytes as u64;
        self.unconfirmed.extend(self.unwritten.drain(..).map(|reply| (mark, reply)));
    }

    /// Confirms the acknowledgements that are safe by now.
    pub(crate) fn confirm_durable(&mut self, durable: Mark, home: &Home, outlet: &mut dyn Outlet) {
        while !is_held_back(&mut self.confirmed_to, outlet)
            && let Some((mark, _)) = self.unconfirmed.front()
            && *mark <= durable
            && let Some((_, reply)) = self.unconfirmed.pop_front()
        {
            let way = outlet.publish(home.account, &headers_only(&reply, None, b""));
            self.confirmed_to = way.congested();
        }
    }

    /// Whether confirmations that are safe wait for room in a ring.
    pub(crate) fn is_confirming(&self) -> bool {
        !self.confirmed_to.is_empty()
    }

    /// Whether confirmations wait for the log.
    pub(crate) fn awaits_durability(&self) -> bool {
        !self.unconfirmed.is_empty()
    }

    /// Notes that somebody uses it.
    #[inline]
    pub(crate) fn used(&mut self, now: Now) {
        self.used_at_ns = now.mono_ns;
    }

    /// When it will be abandoned if nobody uses it until then.
    fn abandoned_at_ns(&self) -> u64 {
        let busy = match &self.reception {
            Reception::Pull(waiting) => !waiting.is_empty(),
            Reception::Push(push) => push.is_active(),
        };
        match self.config.inactive_threshold {
            threshold if threshold > 0 && !busy => self.used_at_ns.saturating_add(threshold as u64),
            _ => NEVER,
        }
    }

    fn is_abandoned(&self, now_ns: u64) -> bool {
        self.abandoned_at_ns() <= now_ns
    }
}

/// A message without payload.
pub(crate) fn headers_only<'a>(
    subject: &'a [u8],
    reply: Option<&'a [u8]>,
    headers: &'a [u8],
) -> MessageParts<'a> {
    MessageParts { subject, reply, headers: (!headers.is_empty()).then_some(headers), payload: b"" }
}

#[cfg(test)]
mod tests;
