//! Hot path: what clients say about what they got. Before it stands the service that read the
//! letter, after it the stream's retention and the confirmation.
//!
//! Source: spec/jetstream.md §9. The ack floor is the last delivery before which everything is
//! acknowledged, as consumer and as stream sequence.

use base::Now;

use super::ack::{Delivery, Verb};
use super::advisory::{Event, Sequences};
use super::config::AckPolicy;
use super::engine::{Consumer, Desk, Home, Progress};
use super::pending::Entry;
use crate::stream_config::Retention;
use crate::wire_time::WireTime;

/// What every reply subject begins with.
pub(crate) const ACK_PREFIX: &str = "$JS.ACK.";

impl Consumer {
    /// An acknowledgement came on `subject`; with a `reply` it is confirmed there.
    pub fn ack(
        &mut self,
        subject: &[u8],
        payload: &[u8],
        reply: Option<&[u8]>,
        home: &Home,
        desk: &mut Desk<'_>,
    ) {
        let Some(delivery) = Delivery::parse(subject) else { return };
        if !self.is_named_in(subject, home) {
            return;
        }
        let seq = delivery.stream_seq;
        self.used(desk.now);
        match Verb::parse(payload) {
            // Seen of nats-server 2.14.5 and 2.15.2: what was not delivered is not confirmed. Who
            // speaks of what a consumer of this name once delivered is not misled.
            Verb::Ack if seq > self.delivered.stream_seq && !self.config.flow_control => return,
            Verb::Ack => self.acknowledge(&delivery, home, desk),
            Verb::Nak(delay_ns) => self.nak(&delivery, delay_ns, home, desk),
            Verb::Progress => self.progress(seq, desk.now),
            Verb::Term(reason) => self.terminate(&delivery, reason, home, desk),
            Verb::Next(request) => {
                self.acknowledge(&delivery, home, desk);
                // The messages asked for are the answer.
                if let Some(reply) = reply {
                    self.pull(reply, request, None, home, desk);
                }
                return;
            }
            Verb::Unknown => {}
        }
        if let Some(reply) = reply {
            self.confirm(reply, home, desk);
        }
    }

    /// Whether a valid reply subject is this consumer's: one that had its place before may still be
    /// answered.
    #[inline]
    fn is_named_in(&self, subject: &[u8], home: &Home) -> bool {
        if subject.starts_with(&self.ack_prefix) {
            return true;
        }
        // Behind `$JS.ACK.`, and behind domain and account in the second form.
        let names = &self.ack_prefix[ACK_PREFIX.len() + home.scope.as_str().len()..];
        subject.get(ACK_PREFIX.len()..).is_some_and(|rest| rest.starts_with(names))
            || memchr::memchr_iter(b'.', subject)
                .nth(3)
                .is_some_and(|dot| subject[dot + 1..].starts_with(names))
    }

    /// A message is done with.
    #[inline]
    fn acknowledge(&mut self, delivery: &Delivery, home: &Home, desk: &mut Desk<'_>) {
        match self.config.ack_policy {
            // spec/jetstream.md §9: ack policy none ignores.
            AckPolicy::None => {}
            AckPolicy::Explicit => {
                if let Some(entry) = self.take(delivery.stream_seq, desk.now) {
                    self.release(entry.seq, home);
                    self.sample(&entry, delivery, home, desk);
                }
            }
            AckPolicy::All | AckPolicy::FlowControl => {
                if let Some(entry) = self.pending.get(delivery.stream_seq).copied() {
                    self.sample(&entry, delivery, home, desk);
                }
                self.acknowledge_upto(delivery.stream_seq, home, desk);
            }
        }
    }

    /// Everything that was delivered up to `seq` is done with.
    pub(crate) fn acknowledge_upto(&mut self, seq: u64, home: &Home, desk: &mut Desk<'_>) {
        if seq <= self.floor.stream_seq || seq > self.delivered.stream_seq {
            return;
        }
        let mut consumer_seq = self.floor.consumer_seq;
        while let Some(entry) = self.pending.remove_first_upto(seq) {
            consumer_seq = consumer_seq.max(entry.consumer_seq);
            self.release(entry.seq, home);
        }
        let last_active = WireTime::from_wall_ns(desk.now.wall_ns);
        self.floor = Progress { consumer_seq, stream_seq: seq, last_active };
        self.raise_floor();
        self.changed(desk.now);
    }

    /// A message is wanted again.
    fn nak(&mut self, delivery: &Delivery, delay_ns: u64, home: &Home, desk: &mut Desk<'_>) {
        let seq = delivery.stream_seq;
        if self.pending.get(seq).is_none() {
            return;
        }
        let event = Event::Naked(delivery.sequences());
        if delay_ns > 0 {
            self.pending.postpone(seq, desk.now.mono_ns.saturating_add(delay_ns));
        } else {
            self.deliver_again(seq, home, desk);
        }
        self.changed(desk.now);
        self.tell(event, home, desk);
    }

    /// The time to acknowledge starts again.
    fn progress(&mut self, seq: u64, now: Now) {
        if self.config.ack_policy == AckPolicy::FlowControl {
            return;
        }
        if let Some(entry) = self.pending.get(seq) {
            let wait_ns = self.config.ack_wait_ns(entry.deliveries);
            self.pending.postpone(seq, now.mono_ns.saturating_add(wait_ns));
        }
    }

    /// A message is never wanted again.
    fn terminate(&mut self, delivery: &Delivery, reason: &[u8], home: &Home, desk: &mut Desk<'_>) {
        let Some(entry) = self.pending.get(delivery.stream_seq).copied() else { return };
        match self.config.ack_policy {
            // Seen of nats-server 2.15.2: it ends all before it, as an acknowledgement does.
            AckPolicy::All => self.acknowledge_upto(entry.seq, home, desk),
            AckPolicy::None | AckPolicy::Explicit | AckPolicy::FlowControl => {
                self.settle(entry.seq, desk.now);
                self.release(entry.seq, home);
            }
        }
        let reason = String::from_utf8_lossy(reason);
        self.tell(Event::Terminated(delivery.sequences(), &reason), home, desk);
    }

    /// Queues a message to be delivered again, unless it was delivered as often as it may be.
    pub(crate) fn deliver_again(&mut self, seq: u64, home: &Home, desk: &mut Desk<'_>) {
        let Some(entry) = self.pending.get(seq) else { return };
        let deliveries = entry.deliveries;
        if self.config.deliveries_max().is_none_or(|most| deliveries < most) {
            return self.pending.queue(seq);
        }
        // spec/jetstream.md §9: the message stays in the stream and is skipped.
        self.settle(seq, desk.now);
        self.tell(Event::MaxDeliveries { stream_seq: seq, deliveries }, home, desk);
    }

    /// Nothing more is expected for a message.
    pub(crate) fn settle(&mut self, seq: u64, now: Now) {
        self.take(seq, now);
    }

    /// Takes a message out of what is pending, and moves the floor if it stood there.
    #[inline]
    fn take(&mut self, seq: u64, now: Now) -> Option<Entry> {
        let entry = self.pending.remove(seq)?;
        self.floor.last_active = WireTime::from_wall_ns(now.wall_ns);
        self.raise_floor();
        self.changed(now);
        Some(entry)
    }

    /// The floor is just below the first message that is pending; with none, at the last delivery.
    #[inline]
    fn raise_floor(&mut self) {
        let (consumer_seq, stream_seq) = match self.pending.first() {
            Some(first) => (first.consumer_seq - 1, first.seq - 1),
            None => (self.delivered.consumer_seq, self.delivered.stream_seq),
        };
        self.floor.consumer_seq = self.floor.consumer_seq.max(consumer_seq);
        self.floor.stream_seq = self.floor.stream_seq.max(stream_seq);
    }

    /// Tells the stream's retention that a message is done with.
    #[inline]
    pub(crate) fn release(&mut self, seq: u64, home: &Home) {
        if home.retention == Retention::Limits {
            return;
        }
        match self.settled.last_mut() {
            Some((_, upto)) if *upto + 1 == seq => *upto = seq,
            _ => self.settled.push((seq, seq)),
        }
    }

    /// Reports a share of the acknowledgements.
    #[inline]
    fn sample(&mut self, entry: &Entry, delivery: &Delivery, home: &Home, desk: &mut Desk<'_>) {
        if self.sampling > 0 && self.random.u8(0..100) < self.sampling {
            let took_ns = desk.now.mono_ns.saturating_sub(entry.sent_ns);
            self.tell(Event::Acknowledged(delivery.sequences(), took_ns), home, desk);
        }
    }
}

impl Delivery {
    /// What is told of it: the delivery that a client speaks of, which need not be the last one.
    fn sequences(&self) -> Sequences {
        Sequences {
            consumer_seq: self.consumer_seq,
            stream_seq: self.stream_seq,
            deliveries: self.deliveries,
        }
    }
}
