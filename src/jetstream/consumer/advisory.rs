//! What a consumer tells about itself on `$JS.EVENT`: advisories and the ack metric, as JSON.
//!
//! Source: spec/jetstream.md §16. Nothing is written when nobody listens.

use serde::Serialize;

use super::engine::{Desk, Home};
use crate::advisory;
use crate::wire_time::WireTime;

/// Something worth telling.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
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
    pub deliveries: u64,
}

#[derive(Default, Serialize)]
struct Fields<'a> {
    stream: &'a str,
    consumer: &'a str,
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
    deliveries: Option<u64>,
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
    pub(crate) fn publish(&self, home: &Home, consumer: &str, desk: &mut Desk<'_>) {
        let (branch, kind) = self.names();
        let mut fields = Fields {
            stream: &home.stream,
            consumer,
            domain: home.domain.as_deref(),
            ..Fields::default()
        };
        self.fill(&mut fields);
        let subject = format!("{branch}.{}.{consumer}", home.stream);
        advisory::say(desk.outlet, home.account, &subject, kind, desk.now.wall_ns, &fields);
    }

    /// The subject's middle and the type.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Event::Pause { .. } => ("ADVISORY.CONSUMER.PAUSE", "advisory.v1.consumer_pause"),
            Event::MaxDeliveries { .. } => {
                ("ADVISORY.CONSUMER.MAX_DELIVERIES", "advisory.v1.max_deliver")
            }
            Event::Naked(_) => ("ADVISORY.CONSUMER.MSG_NAKED", "advisory.v1.nak"),
            Event::Terminated(..) => ("ADVISORY.CONSUMER.MSG_TERMINATED", "advisory.v1.terminated"),
            Event::Pinned { .. } => {
                ("ADVISORY.CONSUMER.PINNED", "advisory.v1.consumer_group_pinned")
            }
            Event::Unpinned { .. } => {
                ("ADVISORY.CONSUMER.UNPINNED", "advisory.v1.consumer_group_unpinned")
            }
            Event::Acknowledged(..) => ("METRIC.CONSUMER.ACK", "metric.v1.consumer_ack"),
        }
    }

    fn fill(&self, fields: &mut Fields<'a>) {
        match *self {
            Event::Pause { paused, until } => {
                (fields.paused, fields.pause_until) = (Some(paused), until);
            }
            Event::MaxDeliveries { stream_seq, deliveries } => {
                (fields.stream_seq, fields.deliveries) =
                    (Some(stream_seq), Some(deliveries.into()));
            }
            Event::Naked(sequences) => sequences.fill(fields),
            Event::Terminated(sequences, reason) => {
                sequences.fill(fields);
                fields.reason = (!reason.is_empty()).then_some(reason);
            }
            Event::Pinned { group, pin } => {
                (fields.group, fields.pinned_id) = (Some(group), Some(pin));
            }
            Event::Unpinned { group, reason } => {
                (fields.group, fields.reason) = (Some(group), Some(reason));
            }
            Event::Acknowledged(sequences, ack_time) => {
                sequences.fill(fields);
                fields.ack_time = Some(ack_time);
            }
        }
    }
}

impl Sequences {
    fn fill(self, fields: &mut Fields<'_>) {
        fields.consumer_seq = Some(self.consumer_seq);
        fields.stream_seq = Some(self.stream_seq);
        fields.deliveries = Some(self.deliveries);
    }
}
