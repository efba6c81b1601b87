//! Messages that their publishers want to see traced (spec/client-protocol.md §11): which way each
//! takes is noted on every core it comes to, and told to the control thread, which words it.
//!
//! While a shard is not busy with such a message it has no [`Tracing`], and a delivery pays one
//! look for that.

use base::observed::{
    Egress, Observed, Observer, Receiver, Streamed, TraceId, TracePart, TraceStart, TraceStep,
};
use base::{Counter, ServiceId, SubKey};
use config::limits;
use config::options::SlowSubscriber;

use crate::delivery::{Delivered, Origin};
use crate::guard::Watch;
use crate::message::Message;
use crate::publish::Echo;
use crate::shard::Shard;

/// What becomes of the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceKind {
    /// It is delivered too.
    Delivering,
    /// It is not: `Nats-Trace-Only`.
    Only,
}

/// What travels with a traced message to other cores and into streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceMark {
    /// Which trace it belongs to.
    pub id: TraceId,
    /// What becomes of the message.
    pub kind: TraceKind,
}

/// The traced message that a shard is busy with.
pub(crate) struct Tracing {
    pub mark: TraceMark,
    steps: Vec<TraceStep>,
    sent_on: u32,
    refused: Option<String>,
}

/// Whether a trace follows its message into another account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// It does, or there is none.
    Yes,
    /// It ends here, and the message goes on.
    No,
    /// The message was there for the trace only: both end here.
    Neither,
}

impl Tracing {
    fn new(mark: TraceMark) -> Box<Tracing> {
        Box::new(Tracing { mark, steps: Vec::new(), sent_on: 0, refused: None })
    }

    /// Notes a step. Beyond the limit a trace says no more than that it is long.
    fn note(&mut self, step: TraceStep) {
        if self.steps.len() < limits::TRACE_STEPS_MAX {
            self.steps.push(step);
        }
    }
}

impl Shard {
    /// Where what this shard sees for others goes.
    pub fn set_observer(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// Tells the control thread; what it has no room for is counted.
    pub(crate) fn observe(&self, observed: Observed) {
        let taken = self.observer.as_ref().is_some_and(|observer| observer(observed));
        if !taken {
            self.counters().add(Counter::SystemDropped, 1);
        }
    }

    /// What is published from now on is traced, until [`Shard::end_trace`].
    pub fn begin_trace(&mut self, kind: TraceKind) -> TraceId {
        self.traces += 1;
        let id = TraceId(u64::from(self.id.0) << 48 | self.traces);
        self.tracing = Some(Tracing::new(TraceMark { id, kind }));
        id
    }

    /// The traced message was mapped to another subject.
    pub fn trace_mapped(&mut self, to: &[u8]) {
        if let Some(tracing) = &mut self.tracing {
            tracing.note(TraceStep::Mapped { to: to.to_vec() });
        }
    }

    /// The traced message may not be published; `why` is worded if there is one.
    pub fn trace_refused(&mut self, why: impl FnOnce() -> String) {
        if let Some(tracing) = &mut self.tracing {
            tracing.refused = Some(why());
        }
    }

    /// The traced message is where it goes to from here.
    pub fn end_trace(&mut self, mut start: TraceStart) {
        start.error = self.tracing.as_mut().and_then(|tracing| tracing.refused.take());
        self.observe(Observed::Traced(Box::new(start)));
        self.end_trace_part();
    }

    /// A traced message came from another core.
    pub(crate) fn begin_trace_part(&mut self, mark: TraceMark) {
        self.tracing = Some(Tracing::new(mark));
    }

    /// Tells where the traced message went from this core on.
    pub(crate) fn end_trace_part(&mut self) {
        let Some(tracing) = self.tracing.take() else { return };
        let Tracing { mark, steps, sent_on, .. } = *tracing;
        let (shard, mono_ns) = (self.id, self.turn_ns);
        let part = TracePart { id: mark.id, shard, mono_ns, steps, sent_on };
        self.observe(Observed::Went(Box::new(part)));
    }

    /// The mark for a frame to another core, which will have a part of the trace.
    pub(crate) fn mark_sent_on(&mut self) -> Option<TraceMark> {
        let tracing = self.tracing.as_mut()?;
        tracing.sent_on += 1;
        Some(tracing.mark)
    }

    /// Whether the trace follows into another account, where the way lets it (`allow_trace`);
    /// notes the step in any case.
    pub(crate) fn trace_follows(
        &mut self,
        allowed: security::TraceBeyond,
        step: impl FnOnce() -> TraceStep,
    ) -> Follows {
        let Some(tracing) = &mut self.tracing else { return Follows::Yes };
        tracing.note(step());
        match (allowed, tracing.mark.kind) {
            (security::TraceBeyond::Allowed, _) => Follows::Yes,
            (security::TraceBeyond::Refused, TraceKind::Delivering) => Follows::No,
            (security::TraceBeyond::Refused, TraceKind::Only) => Follows::Neither,
        }
    }

    /// `deliver` for a message that is traced.
    #[cold]
    #[inline(never)]
    pub(crate) fn deliver_traced(
        &mut self,
        key: SubKey,
        origin: Origin,
        message: &mut Message<'_>,
    ) -> Delivered {
        if self.tells_itself(key) {
            return self.deliver_to_teller(key, origin, message);
        }
        let egress = self.egress(key, origin, message);
        let Some(mut tracing) = self.tracing.take() else { return Delivered::No };
        let delivered = match tracing.mark.kind {
            TraceKind::Delivering => self.deliver(key, origin, message),
            TraceKind::Only if egress.as_ref().is_some_and(|egress| egress.refused.is_none()) => {
                Delivered::Yes
            }
            TraceKind::Only => Delivered::No,
        };
        if let Some(egress) = egress {
            tracing.note(TraceStep::Reached(egress));
        }
        self.tracing = Some(tracing);
        delivered
    }

    /// Delivers to a stream, which tells itself what it does: its letter says of which trace. What
    /// is for the trace only comes to it, too, to be judged.
    fn deliver_to_teller(
        &mut self,
        key: SubKey,
        origin: Origin,
        message: &mut Message<'_>,
    ) -> Delivered {
        let Some(mut tracing) = self.tracing.take() else { return Delivered::No };
        let delivered = self.deliver(key, origin, message);
        if delivered == Delivered::Yes {
            tracing.sent_on += 1;
            self.mark_letter(key, tracing.mark);
        }
        self.tracing = Some(tracing);
        delivered
    }

    /// What a service did with a traced message that came to it.
    pub fn trace_streamed(&self, id: TraceId, streamed: Streamed) {
        let steps = vec![TraceStep::Streamed(streamed)];
        let part = TracePart { id, shard: self.id, mono_ns: self.turn_ns, steps, sent_on: 0 };
        self.observe(Observed::Went(Box::new(part)));
    }

    /// Whom a delivery would reach, and why it would not be made.
    fn egress(&self, key: SubKey, origin: Origin, message: &Message<'_>) -> Option<Egress> {
        let sub = self.subscriptions.get(key)?;
        let (subject, queue) = self.subscriptions.pattern(key);
        let mut egress = Egress {
            account: sub.account,
            to: Receiver::Service(ServiceId(0)),
            subject: subject.to_vec(),
            queue: queue.map(<[u8]>::to_vec),
            refused: None,
        };
        if let Some(service) = sub.connection.service() {
            egress.to = Receiver::Service(service);
            return Some(egress);
        }
        let outbox = self.outboxes.get(sub.connection.index())?.as_ref()?;
        egress.to = Receiver::Client { cid: outbox.cid(), slot: sub.connection };
        let own =
            matches!(origin, Origin::Here { slot, echo: Echo::Off } if slot == sub.connection);
        let guard = outbox.guard.as_ref().filter(|_| sub.watch == Watch::Always);
        let denied = guard.is_some_and(|guard| !guard.may_get(message.publish().subject(), queue));
        // spec/client-protocol.md §11, egress error texts
        egress.refused = match () {
            () if own => Some("Not delivered because of no echo"),
            () if !outbox.is_open() => Some("Not delivered because client is closed"),
            () if denied => Some("Not delivered because subscription denies this subject"),
            () if self.settings.slow == SlowSubscriber::Drop && outbox.is_filling() => {
                Some("Not delivered because fast producer not stalled and consumer is slow")
            }
            () => None,
        };
        Some(egress)
    }
}

#[cfg(test)]
mod tests {
    use base::AccountId;

    use super::*;

    #[test]
    fn a_trace_has_an_end() {
        let mark = TraceMark { id: TraceId(1), kind: TraceKind::Only };
        let mut tracing = Tracing::new(mark);
        for _ in 0..limits::TRACE_STEPS_MAX + 5 {
            tracing.note(TraceStep::Imported {
                account: AccountId::GLOBAL,
                from: Vec::new(),
                to: Vec::new(),
            });
        }
        assert_eq!(tracing.steps.len(), limits::TRACE_STEPS_MAX);
    }
}
