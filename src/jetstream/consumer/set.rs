//! All consumers of one stream: by place and by name, who has something to do, and when.
//!
//! The service of the core holds one beside each stream. It brings letters to the consumer that
//! the token names, calls [`Consumers::turn`] once a turn and [`Consumers::write_states`] after
//! it, and hands what is settled to the stream's retention.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use base::Now;
use hashbrown::HashMap;
use shard::Listeners;
use storage::Waiter;

use super::advisory::Event;
use super::backup::ConsumerBackup;
use super::config::{AckPolicy, ConsumerConfig};
use super::engine::{Birth, Consumer, Desk, Home, Outcome, Reception};
use super::info::ConsumerInfo;
use super::pending::NEVER;
use super::status::Status;
use super::update::{self, Bound};
use crate::outlet::Token;
use crate::rota::Rota;
use crate::stream::Readers;
use crate::stream_config::ConsumerLimits;
use crate::wire_time::WireTime;
use crate::{ApiError, ErrorCode};

/// A consumer's place among its stream's. Used again after it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerPlace(pub u32);

/// Why a consumer ends, which those who wait for messages are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was deleted, or its stream was.
    Deleted,
    /// The server stops; the consumer comes back with it.
    Shutdown,
}

struct Slot {
    consumer: Consumer,
    /// Whether it stands in `rota`.
    ready: bool,
    /// The earliest time that stands in `times` for it.
    timed_ns: u64,
}

/// The consumers of one stream.
pub struct Consumers {
    home: Home,
    slots: Vec<Option<Slot>>,
    vacant: Vec<ConsumerPlace>,
    names: HashMap<Box<str>, ConsumerPlace, ahash::RandomState>,
    rota: Rota<ConsumerPlace>,
    times: BinaryHeap<Reverse<(u64, ConsumerPlace)>>,
    abandoned: Vec<ConsumerPlace>,
    /// Those with acknowledgements to confirm.
    pub(super) awaiting: Vec<ConsumerPlace>,
    settled: Vec<(u64, u64)>,
    now: Now,
    pub(super) scratch: Vec<u8>,
}

impl Consumers {
    /// A stream without consumers.
    #[must_use]
    pub fn new(home: Home) -> Consumers {
        Consumers {
            home,
            slots: Vec::new(),
            vacant: Vec::new(),
            names: HashMap::default(),
            rota: Rota::default(),
            times: BinaryHeap::new(),
            abandoned: Vec::new(),
            awaiting: Vec::new(),
            settled: Vec::new(),
            now: Now::default(),
            scratch: Vec::new(),
        }
    }

    /// The stream as its consumers know it.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The stream, to be changed with an update of its configuration.
    pub fn home_mut(&mut self) -> &mut Home {
        &mut self.home
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The place of a consumer.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ConsumerPlace> {
        self.names.get(name).copied()
    }

    /// The consumer at a place, if there is one.
    #[must_use]
    pub fn get(&self, place: ConsumerPlace) -> Option<&Consumer> {
        self.slots.get(place.0 as usize)?.as_ref().map(|slot| &slot.consumer)
    }

    /// All of them with their places, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ConsumerPlace, &Consumer)> {
        let numbered = self.slots.iter().enumerate();
        numbered.filter_map(|(at, slot)| {
            slot.as_ref().map(|slot| (ConsumerPlace(at as u32), &slot.consumer))
        })
    }

    /// The names of those that use more than these limits, in order.
    #[must_use]
    pub fn over(&self, limits: &ConsumerLimits) -> Vec<&str> {
        let (ack_pending, inactive) = (limits.max_ack_pending, limits.inactive_threshold);
        let is_over = |config: &ConsumerConfig| {
            let unbounded = config.max_ack_pending < 0 || config.max_ack_pending > ack_pending;
            ack_pending > 0 && config.ack_policy != AckPolicy::None && unbounded
                || inactive > 0 && config.inactive_threshold > inactive
        };
        let over = self.iter().filter(|(_, consumer)| is_over(consumer.config()));
        let mut names: Vec<&str> = over.map(|(_, consumer)| consumer.name()).collect();
        names.sort_unstable();
        names
    }

    /// All configurations, to judge a new one against; without that of `except`.
    #[must_use]
    pub fn configs(&self, except: Option<&str>) -> Vec<&ConsumerConfig> {
        let others = self.iter().filter(|(_, consumer)| Some(consumer.name()) != except);
        others.map(|(_, consumer)| consumer.config()).collect()
    }

    /// The place that the next new consumer gets: for its subscriptions and its waiter.
    #[must_use]
    pub fn next_place(&self) -> ConsumerPlace {
        self.vacant.last().copied().unwrap_or(ConsumerPlace(self.slots.len() as u32))
    }

    /// Adds a new consumer, whose configuration `admit` completed and whose name is free.
    pub fn create(&mut self, birth: Birth, desk: &mut Desk<'_>) -> ConsumerPlace {
        let consumer = Consumer::new(birth, &self.home, desk.storage, desk.now);
        let place = self.next_place();
        self.vacant.pop();
        self.add_at(place, consumer);
        self.keep(place, desk);
        place
    }

    /// Adds a consumer at a place that nobody has.
    pub(super) fn add_at(&mut self, place: ConsumerPlace, consumer: Consumer) {
        let at = place.0 as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        assert!(self.slots[at].is_none(), "a place has one consumer");
        let before = self.names.insert(consumer.name.clone(), place);
        assert!(before.is_none(), "a consumer's name is free when it is created");
        self.slots[at] = Some(Slot { consumer, ready: false, timed_ns: NEVER });
        self.wake(place);
    }

    /// Notes which places are free, after a restart.
    pub(super) fn find_vacant(&mut self) {
        let free = (0..self.places()).map(ConsumerPlace).filter(|&place| self.get(place).is_none());
        self.vacant = free.collect();
    }

    /// Those that are shown: what copies a stream for a mirror or a source is not.
    // Seen of nats-server 2.14.5 and 2.15.2
    pub fn public(&self) -> impl Iterator<Item = &Consumer> {
        self.iter().map(|(_, consumer)| consumer).filter(|consumer| !consumer.config.direct)
    }

    /// How many places there are, free ones included.
    pub(super) fn places(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Gives a consumer a configuration that `admit` completed.
    ///
    /// # Errors
    /// A field that cannot be changed; a consumer that is not there.
    pub fn update(
        &mut self,
        place: ConsumerPlace,
        config: ConsumerConfig,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        let (home, consumer) = self.at(place)?;
        let bound = match consumer.push_bound(home, desk.outlet) {
            Some(true) => Bound::Active,
            _ => Bound::Idle,
        };
        update::check_update(consumer.config(), &config, bound)?;
        consumer.update(config, desk.now);
        self.keep(place, desk);
        self.wake(place);
        Ok(())
    }

    /// Takes a consumer away; those who wait for its messages are told why. Its subscriptions are
    /// the caller's. Gives the configuration it had.
    pub fn remove(
        &mut self,
        place: ConsumerPlace,
        end: End,
        desk: &mut Desk<'_>,
    ) -> Option<ConsumerConfig> {
        let slot = self.slots.get_mut(place.0 as usize)?.take()?;
        let mut consumer = slot.consumer;
        self.names.remove(&consumer.name);
        self.vacant.push(place);
        let status = match end {
            End::Deleted => {
                self.forget(place, desk);
                Status::ConsumerDeleted
            }
            End::Shutdown => Status::ServerShutdown,
        };
        consumer.dismiss(&status, &self.home, desk.outlet);
        self.settled.append(&mut consumer.settled);
        Some(consumer.config)
    }

    /// A pull request came. A message for a consumer that is gone is dropped, here and below.
    pub fn pull(
        &mut self,
        place: ConsumerPlace,
        reply: &[u8],
        payload: &[u8],
        headers: Option<&[u8]>,
        desk: &mut Desk<'_>,
    ) {
        let Ok((home, consumer)) = self.at(place) else { return };
        consumer.pull(reply, payload, headers, home, desk);
        self.wake(place);
    }

    /// An acknowledgement came.
    pub fn ack(
        &mut self,
        place: ConsumerPlace,
        subject: &[u8],
        payload: &[u8],
        reply: Option<&[u8]>,
        desk: &mut Desk<'_>,
    ) {
        let Ok((home, consumer)) = self.at(place) else { return };
        consumer.ack(subject, payload, reply, home, desk);
        self.wake(place);
    }

    /// A flow-control request was answered.
    pub fn flow_answered(
        &mut self,
        place: ConsumerPlace,
        subject: &[u8],
        headers: Option<&[u8]>,
        desk: &mut Desk<'_>,
    ) {
        let Ok((home, consumer)) = self.at(place) else { return };
        consumer.flow_answered(subject, headers, home, desk);
        self.wake(place);
    }

    /// The services of other cores said whether a consumer's receivers there keep up.
    pub fn backlog_told(&mut self, place: ConsumerPlace, number: u64, there: Listeners, now: Now) {
        let Ok((_, consumer)) = self.at(place) else { return };
        match &mut consumer.reception {
            Reception::Push(push) => push.backlog_told(number, there, now.mono_ns),
            Reception::Pull(waiting) => waiting.backlog_told(number, there, now.mono_ns),
        }
        self.wake(place);
    }

    /// The body that a consumer waited for can be read now.
    pub fn arrived(&mut self, waiter: Waiter) {
        let place = ConsumerPlace(Token(waiter.0).index());
        if let Ok((_, consumer)) = self.at(place) {
            consumer.reading = false;
        }
        self.wake(place);
    }

    /// Pauses a consumer until then; `None` or a time that is over lets it go on. Nanoseconds that
    /// it stays paused, if it does.
    ///
    /// # Errors
    /// A consumer that is not there.
    pub fn pause(
        &mut self,
        place: ConsumerPlace,
        until: Option<WireTime>,
        desk: &mut Desk<'_>,
    ) -> Result<Option<u64>, ApiError> {
        let (home, consumer) = self.at(place)?;
        consumer.pause(until, home, desk);
        let left = consumer.pause_left_ns(desk.now);
        self.keep(place, desk);
        self.wake(place);
        Ok(left)
    }

    /// Starts a consumer over at `seq`, or behind its ack floor if that is 0; where it goes on.
    ///
    /// # Errors
    /// 10204 when its deliver policy forbids that; a consumer that is not there.
    pub fn reset(
        &mut self,
        place: ConsumerPlace,
        seq: u64,
        desk: &mut Desk<'_>,
    ) -> Result<u64, ApiError> {
        let (home, consumer) = self.at(place)?;
        let next = consumer.reset(seq, home, desk)?;
        self.wake(place);
        Ok(next)
    }

    /// Takes the pin of a priority group away.
    ///
    /// # Errors
    /// 10160 for a group that the consumer does not have; a consumer that is not there.
    pub fn unpin(
        &mut self,
        place: ConsumerPlace,
        group: &str,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        let (home, consumer) = self.at(place)?;
        let groups = &consumer.config.priority_groups;
        let number = groups.iter().position(|name| name == group);
        let number = number.filter(|&number| number < consumer.groups.len());
        let number = number.ok_or(ErrorCode::ConsumerInvalidPriorityGroup)?;
        consumer.unpin(number, "admin", home, desk);
        self.wake(place);
        Ok(())
    }

    /// What is told about a consumer.
    pub fn info(
        &mut self,
        place: ConsumerPlace,
        desk: &mut Desk<'_>,
    ) -> Result<ConsumerInfo, ApiError> {
        let (home, consumer) = self.at(place)?;
        Ok(consumer.info(home, desk))
    }

    /// Publishes an advisory about a consumer, for what the API does to it.
    pub fn tell(&mut self, place: ConsumerPlace, event: Event<'_>, desk: &mut Desk<'_>) {
        if let Ok((home, consumer)) = self.at(place) {
            consumer.tell(event, home, desk);
        }
    }

    /// Lets every consumer go on that has something to do.
    pub fn turn(&mut self, desk: &mut Desk<'_>) {
        self.now = desk.now;
        while let Some(&Reverse((time_ns, place))) = self.times.peek()
            && time_ns <= desk.now.mono_ns
        {
            self.times.pop();
            if let Some(Some(slot)) = self.slots.get_mut(place.0 as usize)
                && slot.timed_ns == time_ns
            {
                slot.timed_ns = NEVER;
                self.wake(place);
            }
        }
        self.rota.begin();
        while let Some(place) = self.rota.next() {
            self.run(place, desk);
        }
    }

    fn run(&mut self, place: ConsumerPlace, desk: &mut Desk<'_>) {
        let Some(Some(slot)) = self.slots.get_mut(place.0 as usize) else { return };
        slot.ready = false;
        let is_late = desk.budget.is_spent();
        let outcome = slot.consumer.turn(&self.home, desk);
        self.settled.append(&mut slot.consumer.settled);
        match outcome {
            Outcome::Busy => {
                slot.ready = true;
                match is_late {
                    true => self.rota.push_unserved(place),
                    false => self.rota.push(place),
                }
            }
            Outcome::Abandoned => self.abandoned.push(place),
            Outcome::Idle => self.schedule(place),
        }
    }

    /// Notes when a consumer wants to be asked again.
    fn schedule(&mut self, place: ConsumerPlace) {
        let Some(Some(slot)) = self.slots.get_mut(place.0 as usize) else { return };
        let time_ns = slot.consumer.next_deadline_ns();
        if time_ns < slot.timed_ns {
            slot.timed_ns = time_ns;
            self.times.push(Reverse((time_ns, place)));
        }
    }

    fn wake(&mut self, place: ConsumerPlace) {
        if let Some(Some(slot)) = self.slots.get_mut(place.0 as usize)
            && !slot.ready
        {
            slot.ready = true;
            self.rota.push(place);
        }
    }

    /// Whether a consumer has something to do that no event will announce.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let confirming =
            |&place: &ConsumerPlace| self.get(place).is_some_and(Consumer::is_confirming);
        !self.rota.is_empty() || self.awaiting.iter().any(confirming)
    }

    /// When the next turn is wanted at the latest, monotonic nanoseconds.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.times.peek().map(|Reverse((time_ns, _))| *time_ns)
    }

    /// A consumer that nobody used for too long: to be deleted. Each is named once.
    pub fn next_abandoned(&mut self) -> Option<ConsumerPlace> {
        self.abandoned.pop()
    }

    /// Stream sequences that were acknowledged since this was last asked, as ranges with both
    /// ends included. Always empty with limits retention.
    pub fn drain_settled(&mut self) -> impl Iterator<Item = (u64, u64)> {
        self.settled.drain(..)
    }

    pub(super) fn consumer_mut(&mut self, place: ConsumerPlace) -> Option<&mut Consumer> {
        self.at(place).ok().map(|(_, consumer)| consumer)
    }

    pub(super) fn at(&mut self, place: ConsumerPlace) -> Result<(&Home, &mut Consumer), ApiError> {
        let slot = self.slots.get_mut(place.0 as usize).and_then(Option::as_mut);
        let slot = slot.ok_or(ErrorCode::ConsumerNotFound)?;
        Ok((&self.home, &mut slot.consumer))
    }
}

impl Readers for Consumers {
    fn count(&self) -> usize {
        self.len()
    }

    fn wants(&self, subject: &[u8]) -> bool {
        self.iter().any(|(_, consumer)| consumer.wants(subject))
    }

    fn needs(&self, seq: u64, subject: &[u8]) -> bool {
        self.iter().any(|(_, consumer)| consumer.wants(subject) && consumer.needs(seq))
    }

    #[inline]
    fn appended(&mut self, seq: u64, subject: &[u8]) {
        for at in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[at] else { continue };
            if slot.consumer.appended(seq, subject) && !slot.ready {
                slot.ready = true;
                self.rota.push(ConsumerPlace(at as u32));
            }
        }
    }

    fn removed(&mut self, seq: u64, subject: &[u8]) {
        let now = self.now;
        for at in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[at] else { continue };
            if slot.consumer.removed(seq, subject, now) {
                self.wake(ConsumerPlace(at as u32));
            }
        }
    }

    fn backups(&self, now: Now) -> Vec<ConsumerBackup> {
        Consumers::backups(self, now)
    }

    fn recount(&mut self, _first_seq: u64) {
        for at in 0..self.slots.len() {
            if let Some(slot) = &mut self.slots[at] {
                slot.consumer.recount = true;
                self.wake(ConsumerPlace(at as u32));
            }
        }
    }
}
