//! Messages whose publishers, or whose account, want to see which way they take
//! (spec/client-protocol.md §11). Only messages with headers come here.

use base::Level;
use base::observed::{Place, TraceStart};
use bytes::Bytes;
use connection::Context;
use protocol::{Publish, headers};
use shard::TraceKind;

use crate::client::{Client, Flow};

const DESTINATION: &[u8] = b"Nats-Trace-Dest";
const ONLY: &[u8] = b"Nats-Trace-Only";
const ORIGIN_ACCOUNT: &[u8] = b"Nats-Trace-Origin-Account";
const TRACEPARENT: &[u8] = b"traceparent";
/// What a server writes as destination to switch a trace off.
const DISABLED: &[u8] = b"trace disabled";

/// What is to be traced, and where it is told.
struct Order {
    destination: Vec<u8>,
    kind: TraceKind,
    by: OrderedBy,
}

/// Who wants a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OrderedBy {
    /// The publisher, who must have the right to publish to the destination.
    Publisher,
    /// The account's configuration.
    Account,
}

impl Client {
    /// Publishes a message that is to be traced; nothing for any other.
    pub(crate) fn publish_traced(
        &mut self,
        context: &mut Context<'_>,
        publish: &Publish<'_>,
        shared: Option<&Bytes>,
    ) -> Option<Flow> {
        let block = publish.headers()?;
        let Order { destination, kind, by } = self.trace_order(block)?;
        if headers::get(block, ORIGIN_ACCOUNT).is_some() {
            self.say(context, Level::Error, "message with Nats-Trace-Origin-Account: not traced");
            return None;
        }
        if by == OrderedBy::Publisher && !self.may_trace_to(&destination) {
            // The message is not processed.
            context.shard.count_refused(publish);
            self.deny_publish(context, &destination);
            return Some(Flow::Continue);
        }
        let id = context.shard.begin_trace(kind);
        let flow = self.publish_untraced(context, publish, shared, &[]);
        let start = TraceStart {
            id,
            publisher: Place { shard: context.shard.id(), slot: context.slot },
            cid: context.link.cid,
            account: self.publisher.account,
            destination,
            subject: publish.subject().to_vec(),
            headers: block.to_vec(),
            message_bytes: publish.total_len(),
            error: None,
            wall_ns: context.now.wall_ns,
            mono_ns: context.now.mono_ns,
        };
        context.shard.end_trace(start);
        Some(flow)
    }

    fn trace_order(&self, block: &[u8]) -> Option<Order> {
        if let Some(destination) = headers::get(block, DESTINATION) {
            let destination = destination.trim_ascii();
            if destination.is_empty() || destination == DISABLED {
                return None;
            }
            let only = headers::get(block, ONLY).is_some_and(is_on);
            let kind = if only { TraceKind::Only } else { TraceKind::Delivering };
            let by = OrderedBy::Publisher;
            return Some(Order { destination: destination.to_vec(), kind, by });
        }
        let account = self.trace_destination.as_deref()?;
        let parent = headers::get_in_any_case(block, TRACEPARENT)?;
        let sampled = headers::is_sampled_traceparent(std::str::from_utf8(parent).ok()?);
        let drawn = account.sampling == 100 || fastrand::u8(0..100) < account.sampling;
        (sampled && drawn).then(|| Order {
            destination: account.subject.clone().into_bytes(),
            kind: TraceKind::Delivering,
            by: OrderedBy::Account,
        })
    }

    /// Whether the publisher could publish there itself.
    fn may_trace_to(&mut self, destination: &[u8]) -> bool {
        subject::name::is_sound_literal(destination)
            && !self.is_reserved(destination)
            && self.gate.as_mut().is_none_or(|gate| gate.admits(destination))
    }
}

/// `1`, `true` or `on`, in any case.
fn is_on(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    value == b"1" || value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"on")
}
