//! Hot path: one message to one subscription. Before it: `publish` or `arrivals`; after it: the
//! subscriber's [`Outbox`].
//!
//! What is delivered is what was published, byte for byte, with the verb's first letters changed
//! and the sid put in behind the subject: three copies, no formatting.

use base::{ConnSlot, Counter, Level, ShardId, SubKey};
use config::options::SlowSubscriber;
use protocol::{Delivery, HeaderSupport, Publish, Run};
use subject::Plan;

use crate::frame;
use crate::guard::Watch;
use crate::message::Message;
use crate::outbox::{Appended, Outbox};
use crate::publish::Echo;
use crate::shard::{Shard, Tally};
use crate::subscriptions::{Pattern, Subscriptions};
use crate::trace_lines::Tracer;

/// Where a message comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// A connection of this shard.
    Here {
        /// Which one.
        slot: ConnSlot,
        /// Whether it gets its own messages.
        echo: Echo,
    },
    /// A connection of another shard.
    There {
        /// Its shard.
        shard: ShardId,
        /// Its place there.
        slot: ConnSlot,
    },
}

/// Whether a subscription took a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It did.
    Yes,
    /// It could not; a queue group tries its next member.
    No,
}

impl Shard {
    /// Delivers a message to one subscription, unless its connection cannot take it.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        key: SubKey,
        origin: Origin,
        message: &mut Message<'_>,
    ) -> Delivered {
        if self.tracing.is_some() {
            return self.deliver_traced(key, origin, message);
        }
        let Subscriptions { slots, patterns, .. } = &mut self.subscriptions;
        let Some(Some(sub)) = slots.get_mut(key.index()) else { return Delivered::No };
        let connection = sub.connection;
        if let Origin::Here { slot, echo: Echo::Off } = origin
            && slot == connection
        {
            return Delivered::No;
        }
        let Some(Some(outbox)) = self.outboxes.get_mut(connection.index()) else {
            return self.deliver_to_service(key, origin, message);
        };
        if !outbox.is_open() {
            return Delivered::No;
        }
        if sub.watch == Watch::Always
            && !guard_admits(outbox, &patterns[key.index()], message, self.turn_ns)
        {
            return Delivered::No;
        }
        let mut stall = false;
        if self.settings.slow != SlowSubscriber::Ignore && outbox.is_filling() {
            if self.settings.slow == SlowSubscriber::Drop {
                self.counters().add(Counter::DroppedForSlow, 1);
                return Delivered::No;
            }
            stall = true;
        }
        sub.delivered += 1;
        let ended = sub.delivered == sub.max.get();
        let trace = self.settings.trace.as_ref();
        let appended = hand_over(message, &sub.sid, outbox, &mut self.tally, trace);
        self.note(connection, appended);
        if stall {
            self.stall(origin);
        }
        if ended {
            self.end_subscription(key);
        }
        Delivered::Yes
    }

    /// Delivers messages that differ in their payload only to the plain subscriptions here: each
    /// to all before the next, as if they had come one by one.
    #[inline]
    pub(crate) fn deliver_run(&mut self, plan: &Plan, origin: Origin, run: &Run<'_>) {
        if plan.locals.is_empty() {
            return;
        }
        for publish in run.messages() {
            let mut message = Message::borrowed(&publish);
            for &key in &plan.locals {
                self.deliver(key, origin, &mut message);
            }
        }
    }

    #[cold]
    fn stall(&mut self, origin: Origin) {
        match origin {
            Origin::Here { slot, .. } => self.stalled.push(slot),
            Origin::There { shard, slot } => {
                self.send_batch(shard);
                // A stall that finds no room is one less; the next delivery asks again.
                let _ = self.mesh.outgoing.send_data(shard, frame::STALL_LEN, None, |record| {
                    frame::write_stall(slot, record);
                });
            }
        }
    }
}

/// What the connection's permissions say of a delivery to a subscription that is watched.
#[inline(never)]
fn guard_admits(
    outbox: &mut Outbox,
    pattern: &Pattern,
    message: &Message<'_>,
    now_ns: u64,
) -> bool {
    let Some(guard) = outbox.guard.as_mut() else { return true };
    let publish = message.publish();
    guard.admits(publish.subject(), pattern.queue.as_deref(), publish.reply(), now_ns)
}

/// A `->> [MSG …]` line and its payload, with `-V` (spec/cli-and-config.md §5).
#[cold]
fn trace(tracer: &Tracer, outbox: &Outbox, publish: &Publish<'_>, sid: &[u8]) {
    let subject = String::from_utf8_lossy(publish.subject());
    let sid = String::from_utf8_lossy(sid);
    let reply = publish.reply().map(|reply| format!(" {}", String::from_utf8_lossy(reply)));
    let reply = reply.unwrap_or_default();
    let line = match (publish.headers(), outbox.headers()) {
        (Some(headers), HeaderSupport::Supported) => {
            let (headers, total) = (headers.len(), publish.total_len());
            format!("HMSG {subject} {sid}{reply} {headers} {total}")
        }
        _ => format!("MSG {subject} {sid}{reply} {}", publish.payload().len()),
    };
    let label = outbox.trace_label.as_deref().unwrap_or_default();
    tracer.log.say(Level::Trace, format!("{label} - ->> [{line}]"));
    if let Some(payload) = tracer.lines.payload(publish, outbox.headers()) {
        tracer.log.say(Level::Trace, format!("{label} - ->> {payload}"));
    }
}

/// Puts a message for a subscription into the outbox of its connection, and counts it.
#[inline(always)]
pub(crate) fn hand_over(
    message: &Message<'_>,
    sid: &[u8],
    outbox: &mut Outbox,
    tally: &mut Tally,
    tracer: Option<&Tracer>,
) -> Appended {
    let publish = message.publish();
    let delivery = Delivery::new(publish, sid, outbox.headers());
    let rest_len = delivery.rest().len();
    let appended = match message.shared() {
        Some(shared) if rest_len > config::limits::INLINE_PAYLOAD_MAX => {
            outbox.append_shared(&delivery, shared.slice(shared.len() - rest_len..))
        }
        _ => outbox.append_delivery(&delivery),
    };
    if let Some(tracer) = tracer {
        trace(tracer, outbox, publish, sid);
    }
    let stripped = publish.has_headers() && outbox.headers() == HeaderSupport::Unsupported;
    let carried = if stripped { publish.payload().len() } else { publish.total_len() } as u64;
    outbox.out_msgs += 1;
    outbox.out_bytes += carried;
    tally.out_msgs += 1;
    tally.out_bytes += carried;
    appended
}
