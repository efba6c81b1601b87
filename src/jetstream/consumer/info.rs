//! What is told about a consumer: the body of `consumer_info_response` and of its kin.
//!
//! Source: spec/jetstream.md §4, ConsumerInfo.

use serde::Serialize;

use super::config::ConsumerConfig;
use super::engine::{Consumer, Desk, Home, Progress, Reception};

use crate::stream_config::stamp_answer;
use crate::wire_time::WireTime;

/// A consumer in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConsumerInfo {
    /// The stream it reads.
    pub stream_name: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: WireTime,
    /// Its configuration, with the server's version in the metadata; left out where it was not
    /// asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ConsumerConfig>,
    /// The last delivery.
    pub delivered: SequenceInfo,
    /// The delivery up to which everything is acknowledged.
    pub ack_floor: SequenceInfo,
    /// Messages delivered and not acknowledged.
    pub num_ack_pending: usize,
    /// Those of them that were delivered more than once.
    pub num_redelivered: usize,
    /// Pull requests that wait.
    pub num_waiting: usize,
    /// Messages still to come.
    pub num_pending: u64,
    /// Whether somebody listens on the deliver subject.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub push_bound: bool,
    /// Whether it is paused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Nanoseconds until it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_remaining: Option<u64>,
    /// When this was true.
    pub ts: WireTime,
    /// The priority groups and who is pinned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<PriorityGroupState>,
}

/// Two sequences and a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SequenceInfo {
    /// As the consumer counts.
    pub consumer_seq: u64,
    /// As the stream counts.
    pub stream_seq: u64,
    /// When this last changed.
    #[serde(skip_serializing_if = "WireTime::is_zero")]
    pub last_active: WireTime,
}

/// A priority group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriorityGroupState {
    /// Its name.
    pub group: String,
    /// The client that is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_client_id: Option<String>,
    /// Since when.
    pub pinned_ts: WireTime,
}

impl From<Progress> for SequenceInfo {
    fn from(progress: Progress) -> Self {
        let Progress { consumer_seq, stream_seq, last_active } = progress;
        SequenceInfo { consumer_seq, stream_seq, last_active }
    }
}

impl Consumer {
    /// What is told about it.
    pub fn info(&mut self, home: &Home, desk: &mut Desk<'_>) -> ConsumerInfo {
        if self.recount {
            self.count_again(home, desk);
        }
        let mut config = self.config.clone();
        stamp_answer(&mut config.metadata);
        let waiting = match &self.reception {
            Reception::Pull(waiting) => waiting.len(),
            Reception::Push(_) => 0,
        };
        let pause_remaining = self.pause_left_ns(desk.now);
        ConsumerInfo {
            stream_name: home.stream.clone(),
            name: self.name.to_string(),
            created: self.created,
            config: Some(config),
            delivered: self.delivered.into(),
            ack_floor: self.floor.into(),
            num_ack_pending: self.pending.len(),
            num_redelivered: self.pending.redelivered(),
            num_waiting: waiting,
            num_pending: self.cursor.pending,
            push_bound: self.push_bound(home, desk.outlet).unwrap_or(false),
            paused: pause_remaining.is_some(),
            pause_remaining,
            ts: WireTime::from_wall_ns(desk.now.wall_ns),
            priority_groups: self.group_states(),
        }
    }

    fn group_states(&self) -> Vec<PriorityGroupState> {
        let state = |(number, group): (usize, &String)| {
            let pin = self.groups.get(number).and_then(|group| group.pin.as_ref());
            PriorityGroupState {
                group: group.clone(),
                pinned_client_id: pin.map(|pin| pin.id.to_string()),
                pinned_ts: pin.map_or(WireTime::ZERO, |pin| pin.since),
            }
        };
        self.config.priority_groups.iter().enumerate().map(state).collect()
    }
}
