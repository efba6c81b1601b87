//! Hot path: what other shards send. Before it: a ring; after it: `delivery`.
//!
//! A message frame is matched against this shard's own subscriptions, and the queue picks that
//! it carries are honoured. If the group picked here has lost its last member meanwhile, the
//! message goes on to another shard that has one: a draining worker loses nothing, nor does a
//! group whose members all drain (`leaving`).

use base::{AccountId, Counter, QueueId, ShardId, ShardSet};
use bytes::Bytes;
use config::limits::RUN_BYTES_MAX;
use protocol::{Publish, Run, parse_publish};
use ring::mesh::{Drained, Receive};
use subject::Plan;

use crate::delivery::{Delivered, Origin};
use crate::dwell::{Arrival, Via};
use crate::frame::{DataRecord, InterestFrame, MessageFrame, Picks, Plain};
use crate::look_ahead::WITHOUT_LIMITS;
use crate::message::Message;
use crate::shard::Shard;

/// How often a queue pick is sent on at most. Each hop needs another member to have left at the
/// very moment.
const HOPS_MAX: u8 = 8;

/// A group of an account, as this shard numbers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub account: AccountId,
    pub queue: QueueId,
}

impl Shard {
    /// Handles all interest and then data from other shards, at most `data_bytes_max` from each.
    pub fn drain_rings(&mut self, data_bytes_max: usize) -> Drained {
        let mut incoming = std::mem::take(&mut self.mesh.incoming);
        let leavers_told = self.leavers_told();
        let drained = incoming.drain(data_bytes_max, self);
        if leavers_told && drained.data == 0 {
            self.leaving.clear();
        }
        self.mesh.incoming = incoming;
        self.arrived_now();
        self.counters().add(Counter::RingFramesIn, drained.interest + drained.data);
        drained
    }

    /// Delivers the messages of a batch to the plain subscriptions here.
    #[inline]
    fn arrived_batch(&mut self, origin: Origin, account: AccountId, wires: &[u8]) {
        let mut rest = wires;
        self.interest(account);
        while let Some((publish, _)) = parse_publish(rest, &WITHOUT_LIMITS) {
            let interest = &mut self.interests[account.index()];
            let (subs, subject) = (&self.subscriptions, publish.subject());
            let plan = self.arrived_memo.plan(account, interest, subs, subject, rest);
            let run = Run::of(publish, rest, RUN_BYTES_MAX);
            rest = &rest[run.bytes().len()..];
            self.deliver_run(&plan, origin, &run);
        }
        debug_assert!(rest.is_empty(), "a batch holds whole canonical messages");
    }

    fn arrived_message(
        &mut self,
        frame: MessageFrame,
        picks: Picks<'_>,
        message: &mut Message<'_>,
    ) {
        self.interest(frame.account);
        let interest = &mut self.interests[frame.account.index()];
        let subject = message.matched();
        let subs = &self.subscriptions;
        let plan = self.arrived_memo.plan(frame.account, interest, subs, subject, &[]);
        let MessageFrame { origin: shard, publisher: slot, echo, .. } = frame;
        // A queue pick that was sent on may have come back.
        let origin = match shard == self.id {
            true => Origin::Here { slot, echo },
            false => Origin::There { shard, slot },
        };
        if frame.plain == Plain::Yes {
            for &key in &plan.locals {
                self.deliver(key, origin, message);
            }
        }
        for queue in picks.iter() {
            self.honour(queue, frame, origin, &plan, message);
        }
    }

    /// Gives the message to one member of the group here, or sends it on.
    fn honour(
        &mut self,
        queue: QueueId,
        frame: MessageFrame,
        origin: Origin,
        plan: &Plan,
        message: &mut Message<'_>,
    ) {
        let Some(group) = plan.queue(queue) else {
            let pick = Pick { account: frame.account, queue };
            return self.deliver_to_leaver(pick, origin, message);
        };
        if !group.locals.is_empty() {
            let first = self.random.usize(0..group.locals.len());
            if self.deliver_to_one(&group.locals, first, origin, message) == Delivered::Yes {
                return;
            }
        }
        match self.pick_elsewhere(group) {
            Some((shard, queue)) if frame.hops < HOPS_MAX => {
                self.count(Counter::QueueReroutes);
                self.picks.clear();
                self.picks.push((shard, queue));
                let mut target = ShardSet::EMPTY;
                target.insert(shard);
                let frame = MessageFrame { hops: frame.hops + 1, ..frame };
                self.send_frames(frame, ShardSet::EMPTY, target, message);
            }
            _ => {
                let pick = Pick { account: frame.account, queue };
                self.deliver_to_leaver(pick, origin, message);
            }
        }
    }
}

impl Receive for Shard {
    fn interest(&mut self, from: ShardId, record: &[u8]) {
        let frame = InterestFrame::read(record);
        self.look_for_answers_in(frame.subject);
        self.interest(frame.account).set_remote(from, frame.subject, frame.queue, frame.count);
    }

    #[inline]
    fn data(&mut self, from: ShardId, record: &[u8], payload: Option<Bytes>) {
        match DataRecord::read(record) {
            DataRecord::Batch { account, publisher, since_ns, wires } => {
                self.arrived(Arrival { since_ns, via: Via::Ring });
                self.arrived_batch(Origin::There { shard: from, slot: publisher }, account, wires);
            }
            DataRecord::Stall(publisher) => self.stalled.push(publisher),
            DataRecord::Message { frame, picks, address, layout, wire } => {
                self.arrived(Arrival { since_ns: frame.since_ns, via: Via::Ring });
                let wire = payload.as_deref().unwrap_or(wire);
                let publish = Publish::from_layout(wire, layout);
                let mut message = match &payload {
                    None => Message::borrowed(&publish),
                    Some(shared) => Message::over(&publish, shared.clone()),
                };
                if !address.is_empty() {
                    message = message.addressed_to(address);
                    self.tally.handed_out += 1;
                }
                if let Some(mark) = frame.trace {
                    self.begin_trace_part(mark);
                }
                self.arrived_message(frame, picks, &mut message);
                if frame.trace.is_some() {
                    self.end_trace_part();
                }
            }
        }
    }
}
