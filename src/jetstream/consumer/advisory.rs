//! What a consumer tells about itself on `$JS.EVENT`: advisories and the ack metric, as JSON.
//!
//! Source: spec/jetstream.md §16. Nothing is written when nobody listens.

use protocol::MessageParts;
use serde::Serialize;

use super::engine::{Desk, Home};
use super::pins;
use crate::wire_time::WireTime;

/// Something worth telling.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It was created.
    Created,
    /// It was deleted.
    Deleted,
    /// It was paused until then, or goes on.
    Pause {
        /// Whether it is paused now.
        paused: bool,
        /// Until when.
        until: Option<WireTime>,
    },
    /// A message was delivered as often as it may be.
    MaxDeliveries {
        /// Which.
        stream_seq: u64,
        /// How often.
        deliveries: u32,
    },
    /// A client wants a message again.
    Naked(Sequences),
    /// A client never wants a message again.
    Terminated(Sequences, &'a str),
    /// A client was pinned.
    Pinned {
        /// To which group.
        group: &'a str,
        /// Its id.
        pin: &'a str,
    },
    /// A client lost its pin.
    Unpinned {
        /// In which group.
        group: &'a str,
        /// `admin` or `timeout`.
        reason: &'static str,
    },
    /// A sampled acknowledgement, and nanoseconds from delivery to it.
    Acknowledged(Sequences, u64),
}

/// A delivery in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Sequences {
    /// The consumer sequence.
    pub consumer_seq: u64,
    /// The stream sequence.
    pub stream_seq: u64,
    /// How often it was delivered.
    pub deliveries: u32,
}

#[derive(Default, Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    timestamp: WireTime,
    stream: &'a str,
    consumer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_until: Option<WireTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
}

impl<'a> Event<'a> {
    /// Publishes it in the stream's account, if anybody listens.
    pub fn publish(
        &self,
        home: &Home,
        consumer: &str,
        random: &mut fastrand::Rng,
        desk: &mut Desk<'_>,
    ) {
        let (branch, kind) = self.names();
        let subject = format!("$JS.EVENT.{branch}.{}.{consumer}", home.stream);
        if !desk.outlet.has_interest(home.account, subject.as_bytes()) {
            return;
        }
        let id = pins::new_id(random);
        let mut body = Body {
            kind,
            id: &id,
            timestamp: WireTime::from_wall_ns(desk.now.wall_ns),
            stream: &home.stream,
            consumer,
            domain: home.domain.as_deref(),
            ..Body::default()
        };
        self.fill(&mut body);
        let payload = serde_json::to_vec(&body).expect("plain fields have JSON");
        let subject = subject.as_bytes();
        let message = MessageParts { subject, reply: None, headers: None, payload: &payload };
        desk.outlet.publish(home.account, &message);
    }

    /// The subject's middle and the type.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Event::Created => {
                ("ADVISORY.CONSUMER.CREATED", "io.nats.jetstream.advisory.v1.consumer_action")
            }
            Event::Deleted => {
                ("ADVISORY.CONSUMER.DELETED", "io.nats.jetstream.advisory.v1.consumer_action")
            }
            Event::Pause { .. } => {
                ("ADVISORY.CONSUMER.PAUSE", "io.nats.jetstream.advisory.v1.consumer_pause")
            }
            Event::MaxDeliveries { .. } => {
                ("ADVISORY.CONSUMER.MAX_DELIVERIES", "io.nats.jetstream.advisory.v1.max_deliver")
            }
            Event::Naked(_) => ("ADVISORY.CONSUMER.MSG_NAKED", "io.nats.jetstream.advisory.v1.nak"),
            Event::Terminated(..) => {
                ("ADVISORY.CONSUMER.MSG_TERMINATED", "io.nats.jetstream.advisory.v1.terminated")
            }
            Event::Pinned { .. } => {
                ("ADVISORY.CONSUMER.PINNED", "io.nats.jetstream.advisory.v1.consumer_group_pinned")
            }
            Event::Unpinned { .. } => (
                "ADVISORY.CONSUMER.UNPINNED",
                "io.nats.jetstream.advisory.v1.consumer_group_unpinned",
            ),
            Event::Acknowledged(..) => {
                ("METRIC.CONSUMER.ACK", "io.nats.jetstream.metric.v1.consumer_ack")
            }
        }
    }

    fn fill(&self, body: &mut Body<'a>) {
        match *self {
            Event::Created => body.action = Some("create"),
            Event::Deleted => body.action = Some("delete"),
            Event::Pause { paused, until } => {
                (body.paused, body.pause_until) = (Some(paused), until);
            }
            Event::MaxDeliveries { stream_seq, deliveries } => {
                (body.stream_seq, body.deliveries) = (Some(stream_seq), Some(deliveries));
            }
            Event::Naked(sequences) => sequences.fill(body),
            Event::Terminated(sequences, reason) => {
                sequences.fill(body);
                body.reason = (!reason.is_empty()).then_some(reason);
            }
            Event::Pinned { group, pin } => {
                (body.group, body.pinned_id) = (Some(group), Some(pin));
            }
            Event::Unpinned { group, reason } => {
                (body.group, body.reason) = (Some(group), Some(reason));
            }
            Event::Acknowledged(sequences, ack_time) => {
                sequences.fill(body);
                body.ack_time = Some(ack_time);
            }
        }
    }
}

impl Sequences {
    fn fill(self, body: &mut Body<'_>) {
        body.consumer_seq = Some(self.consumer_seq);
        body.stream_seq = Some(self.stream_seq);
        body.deliveries = Some(self.deliveries);
    }
}
