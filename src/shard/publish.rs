//! Hot path: one message from a connection of this core. Before it: `client::publish`; after it:
//! `delivery` for subscribers here, a ring for those on other cores.
//!
//! A message is matched once. Every plain subscription here gets it; each other shard with
//! interest gets one frame, with the queue picks that fell on its members.

use base::{AccountId, ConnSlot, Counter, QueueId, ServiceId, ShardId, ShardSet};
use protocol::{Delivery, MessageParts, Publish, Run};
use ring::{SendError, Sent};
use subject::{Plan, QueuePlan};

use crate::crossing::{Answering, Came};
use crate::delivery::{Delivered, Origin};
use crate::frame::{MessageBody, MessageFrame, Plain};
use crate::message::Message;
use crate::shard::Shard;

/// Whether a connection gets its own messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// It does.
    On,
    /// It does not.
    Off,
}

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub struct Publisher {
    /// Where it lives on this shard.
    pub slot: ConnSlot,
    /// Its account.
    pub account: AccountId,
    /// Whether it gets its own messages.
    pub echo: Echo,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Whether anybody gets it.
    pub reached: Reached,
    /// The shards it goes to whose ring is full: stop reading from this publisher until they
    /// have room.
    pub congested: ShardSet,
}

impl Published {
    /// To nobody.
    pub(crate) const NOWHERE: Published =
        Published { reached: Reached::Nobody, congested: ShardSet::EMPTY };

    fn here(reached: Reached) -> Published {
        Published { reached, congested: ShardSet::EMPTY }
    }
}

/// Whether anybody gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Somebody, here or on another shard.
    Somebody,
    /// Nobody.
    Nobody,
}

impl Shard {
    /// Publishes a connection's message to everyone with interest.
    #[inline]
    pub fn publish(&mut self, publisher: &Publisher, message: &mut Message<'_>) -> Published {
        self.tally.in_msgs += 1;
        self.tally.in_bytes += message.publish().total_len() as u64;
        self.route(publisher, message, Came::AT_HOME)
    }

    /// Counts a connection's message that goes nowhere: the server got it nevertheless.
    pub fn count_refused(&mut self, publish: &Publish<'_>) {
        self.tally.in_msgs += 1;
        self.tally.in_bytes += publish.total_len() as u64;
    }

    /// Publishes a service's message to everyone with interest.
    pub fn publish_for(
        &mut self,
        service: ServiceId,
        account: AccountId,
        message: &mut Message<'_>,
    ) -> Published {
        let slot = ConnSlot::of_service(service);
        self.route(&Publisher { slot, account, echo: Echo::On }, message, Came::AT_HOME)
    }

    /// Publishes an answer that came home to `account`.
    pub(crate) fn publish_answer(
        &mut self,
        service: ServiceId,
        account: AccountId,
        answering: Answering,
        message: &mut Message<'_>,
    ) -> Published {
        let slot = ConnSlot::of_service(service);
        let publisher = &Publisher { slot, account, echo: Echo::On };
        self.route(publisher, message, Came::as_answer(answering))
    }

    /// Publishes messages that differ in their payload only, without replies, as one. `None` when
    /// each must be looked at by itself: a queue group picks a member for each, and what leaves
    /// its account may change on the way.
    #[inline]
    pub fn publish_run(&mut self, publisher: &Publisher, run: &Run<'_>) -> Option<Published> {
        let first = run.first();
        if self.tracing.is_some() || self.crossings.takes(publisher.account, first.subject()) {
            return None;
        }
        self.interest(publisher.account);
        let interest = &mut self.interests[publisher.account.index()];
        let (subs, memo) = (&self.subscriptions, &mut self.published_memo);
        let plan = memo.plan(publisher.account, interest, subs, first.subject(), run.bytes());
        if !plan.queues.is_empty() {
            return None;
        }
        self.tally.in_msgs += run.count() as u64;
        self.tally.in_bytes += (run.count() * first.total_len()) as u64;
        let origin = Origin::Here { slot: publisher.slot, echo: publisher.echo };
        self.deliver_run(&plan, origin, run);
        for shard in plan.shards {
            self.add_to_batch(shard, publisher, run.bytes());
        }
        let congested = self.congested.intersection(plan.shards);
        // Nobody waits to hear whether somebody was reached: none of them has a reply.
        Some(Published { reached: Reached::Somebody, congested })
    }

    #[inline]
    fn route(&mut self, publisher: &Publisher, message: &mut Message<'_>, came: Came) -> Published {
        match self.crossings.leaves(publisher.account) {
            false => self.route_within(publisher, message),
            true => self.route_across(publisher, message, came),
        }
    }

    /// Publishes a message to everyone of its account.
    #[inline]
    pub(crate) fn route_within(
        &mut self,
        publisher: &Publisher,
        message: &mut Message<'_>,
    ) -> Published {
        let publish = message.publish();
        self.interest(publisher.account);
        let interest = &mut self.interests[publisher.account.index()];
        let (subs, ahead) = (&self.subscriptions, message.ahead());
        let memo = &mut self.published_memo;
        let plan = memo.plan(publisher.account, interest, subs, message.matched(), ahead);
        if plan.is_empty() {
            return Published::here(Reached::Nobody);
        }
        let origin = Origin::Here { slot: publisher.slot, echo: publisher.echo };
        let mut reached = Reached::Nobody;
        if plan.locals.len() > 1 && publish.tail().len() > config::limits::INLINE_PAYLOAD_MAX {
            message.share();
        }
        for &key in &plan.locals {
            if self.deliver(key, origin, message) == Delivered::Yes {
                reached = Reached::Somebody;
            }
        }
        if plan.shards.is_empty() && plan.queues.is_empty() {
            return Published::here(reached);
        }
        self.publish_beyond(publisher, &plan, message, reached)
    }

    /// The part that not every message has: queue groups and other shards.
    fn publish_beyond(
        &mut self,
        publisher: &Publisher,
        plan: &Plan,
        message: &mut Message<'_>,
        mut reached: Reached,
    ) -> Published {
        let origin = Origin::Here { slot: publisher.slot, echo: publisher.echo };
        let mut targets = plan.shards;
        self.picks.clear();
        for group in &plan.queues {
            match self.pick(group, origin, message) {
                Pick::Delivered => reached = Reached::Somebody,
                Pick::Elsewhere(shard, queue) => {
                    self.picks.push((shard, queue));
                    targets.insert(shard);
                }
                Pick::Nobody => {}
            }
        }
        if targets.is_empty() {
            return Published::here(reached);
        }
        let wire = message.publish().wire();
        let is_small = wire.len() <= config::limits::INLINE_PAYLOAD_MAX;
        let is_plain = self.picks.is_empty() && message.address().is_none();
        if is_small && is_plain && self.tracing.is_none() {
            for shard in targets {
                self.add_to_batch(shard, publisher, wire);
            }
        } else {
            let frame = MessageFrame {
                plain: Plain::Yes,
                account: publisher.account,
                origin: self.id,
                publisher: publisher.slot,
                echo: publisher.echo,
                hops: 0,
                since_ns: self.dwell.since_ns(),
                trace: None,
            };
            self.send_frames(frame, plan.shards, targets, message);
        }
        Published { reached: Reached::Somebody, congested: self.congested.intersection(targets) }
    }

    #[inline]
    fn add_to_batch(&mut self, to: ShardId, publisher: &Publisher, wires: &[u8]) {
        let batch = &self.batches[to.index()];
        if !batch.takes(publisher.account, publisher.slot) {
            self.send_batch(to);
        }
        let since_ns = self.dwell.since_ns();
        self.batches[to.index()].add(publisher.account, publisher.slot, since_ns, wires);
        self.batched.insert(to);
    }

    /// Hands the batch towards `to`, if there is one, to the ring. Whatever is sent to a shard
    /// beside its batch comes after it.
    pub(crate) fn send_batch(&mut self, to: ShardId) {
        let batch = &mut self.batches[to.index()];
        let record = batch.record();
        if !record.is_empty() {
            let sent = self.mesh.outgoing.send_data(to, record.len(), None, |place| {
                place.copy_from_slice(record);
            });
            batch.clear();
            self.note_sent(to, sent);
        }
    }

    /// Sends one frame to each of `targets`, with the picks that `self.picks` holds for it.
    pub(crate) fn send_frames(
        &mut self,
        frame: MessageFrame,
        plain: ShardSet,
        targets: ShardSet,
        message: &mut Message<'_>,
    ) {
        for shard in targets {
            self.frame_picks.clear();
            let picks = self.picks.iter().filter(|(to, _)| *to == shard);
            self.frame_picks.extend(picks.map(|(_, queue)| *queue));
            let plain = if plain.contains(shard) { Plain::Yes } else { Plain::No };
            self.send_batch(shard);
            let trace = self.mark_sent_on();
            self.send_frame(MessageFrame { plain, trace, ..frame }, shard, message);
        }
    }

    fn send_frame(&mut self, frame: MessageFrame, to: ShardId, message: &mut Message<'_>) {
        let publish = message.publish();
        let wire = publish.wire();
        let layout = publish.layout();
        let picks = &self.frame_picks;
        // design §5: small payloads are copied inline, large ones travel as a refcounted slice.
        let (inline, payload) = match wire.len() > config::limits::INLINE_PAYLOAD_MAX {
            false => (wire, None),
            true => (&wire[..0], Some(message.share())),
        };
        let address = message.address().unwrap_or_default();
        let body = MessageBody { picks, address, layout, wire: inline };
        let len = frame.len(&body);
        let sent = self.mesh.outgoing.send_data(to, len, payload, |record| {
            frame.write(&body, record);
        });
        self.note_sent(to, sent);
    }

    /// Counts a record, and notes that publishers are to be paused when it found no room.
    #[inline]
    fn note_sent(&mut self, to: ShardId, sent: Result<Sent, SendError>) {
        match sent {
            Ok(Sent::InRing) => self.count(Counter::RingFramesOut),
            Ok(Sent::Spilled) => {
                self.count(Counter::RingFramesOut);
                self.count(Counter::RingSpilled);
                self.congested.insert(to);
            }
            Err(_) => {
                self.count(Counter::RingDropped);
                self.congested.insert(to);
            }
        }
    }

    /// Finds one member of a group. Uniform over all shards; a member here that cannot take the
    /// message leaves it to the next (spec/client-protocol.md §6).
    fn pick(&mut self, group: &QueuePlan, origin: Origin, message: &mut Message<'_>) -> Pick {
        let first = self.random.u32(0..group.members) as usize;
        if first < group.locals.len()
            && self.deliver_to_one(&group.locals, first, origin, message) == Delivered::Yes
        {
            return Pick::Delivered;
        }
        match self.pick_elsewhere(group) {
            Some((shard, queue)) => Pick::Elsewhere(shard, queue),
            None => Pick::Nobody,
        }
    }

    /// Delivers to the first of `members`, from `first` around, that can take the message.
    pub(crate) fn deliver_to_one(
        &mut self,
        members: &[base::SubKey],
        first: usize,
        origin: Origin,
        message: &mut Message<'_>,
    ) -> Delivered {
        let (before, after) = members.split_at(first);
        for &key in after.iter().chain(before) {
            if self.deliver(key, origin, message) == Delivered::Yes {
                return Delivered::Yes;
            }
        }
        Delivered::No
    }

    /// Another shard with members of the group, by weight.
    pub(crate) fn pick_elsewhere(&mut self, group: &QueuePlan) -> Option<(ShardId, QueueId)> {
        let members = group.remotes.iter().map(|remote| remote.members).sum::<u32>();
        if members == 0 {
            return None;
        }
        let mut nth = self.random.u32(0..members);
        for remote in &group.remotes {
            if nth < remote.members {
                return Some((remote.shard, remote.queue));
            }
            nth -= remote.members;
        }
        None
    }

    /// Tells a requestor that nobody listens: on its own plain subscription that matches the
    /// reply, if it has one (spec/client-protocol.md §6, no_responders). It is no message: it does
    /// not count, and no subscription ends with it.
    pub fn answer_no_responders(&mut self, publisher: &Publisher, message: &Message<'_>) {
        let Some(reply) = message.publish().reply() else { return };
        let plan = self.interest(publisher.account).plan(reply);
        let own = plan.locals.iter().filter_map(|&key| self.subscriptions.get(key));
        let mut own = own.filter(|sub| sub.connection == publisher.slot);
        let Some(sub) = own.next() else { return };
        let mut headers = Vec::new();
        protocol::headers::write_no_responders(message.publish().subject(), &mut headers);
        let parts =
            MessageParts { subject: reply, reply: None, headers: Some(&headers), payload: b"" };
        let mut wire = Vec::new();
        let publish = protocol::canonical(parts, &mut wire);
        let outbox = self.outboxes.get_mut(publisher.slot.index()).and_then(Option::as_mut);
        let Some(outbox) = outbox.filter(|outbox| outbox.is_open()) else { return };
        let appended = outbox.append_delivery(&Delivery::new(&publish, &sub.sid, outbox.headers()));
        self.note(publisher.slot, appended);
    }
}

/// Who gets a queue group's message.
enum Pick {
    /// A member here got it.
    Delivered,
    /// A member of that shard will, under that shard's number for the group.
    Elsewhere(ShardId, QueueId),
    /// No member can take it.
    Nobody,
}
