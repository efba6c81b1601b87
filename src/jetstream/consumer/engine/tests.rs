//! What consumers do, event by event: policies, acknowledgements, times, status messages.

mod allocation;
mod lifetime;
mod model;
mod pacing;
mod pulling;
mod pushing;
mod redelivery;
mod start;

use super::super::ConsumerPlace as Place;
use super::super::simulation::{Bench, MS, SECOND, Sent, seqs};
use super::super::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy};

/// A durable pull consumer with explicit acknowledgement.
fn pull() -> ConsumerConfig {
    ConsumerConfig {
        durable_name: "c".to_owned(),
        ack_policy: AckPolicy::Explicit,
        ..ConsumerConfig::default()
    }
}

/// A durable push consumer with explicit acknowledgement.
fn push() -> ConsumerConfig {
    ConsumerConfig { deliver_subject: "d".to_owned(), ..pull() }
}
