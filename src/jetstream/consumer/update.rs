//! What of a consumer may be changed once it exists, and which create requests mean the same.
//!
//! Source: spec/jetstream.md §4, column "updatable". A refused change is answered 10012 with the
//! name of what was to be changed.

use super::config::ConsumerConfig;

use crate::stream_config::remove_level;
use crate::{ApiError, ErrorCode};

/// Whether somebody listens on a push consumer's deliver subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Someone does: the subject cannot be moved away from under them.
    Active,
    /// Nobody does.
    Idle,
}

/// What an update means for a running consumer; both configurations are complete (`admit`).
///
/// # Errors
/// The field that cannot be changed.
pub fn check_update(
    old: &ConsumerConfig,
    new: &ConsumerConfig,
    bound: Bound,
) -> Result<(), ApiError> {
    let refused = |text: &str| Err(ApiError::with(ErrorCode::ConsumerCreate, text));
    let fixed = [
        (old.deliver_policy == new.deliver_policy, "deliver policy can not be updated"),
        (old.opt_start_seq == new.opt_start_seq, "start sequence can not be updated"),
        (old.opt_start_time == new.opt_start_time, "start time can not be updated"),
        (old.ack_policy == new.ack_policy, "ack policy can not be updated"),
        (old.replay_policy == new.replay_policy, "replay policy can not be updated"),
        (old.flow_control == new.flow_control, "flow control can not be updated"),
        (old.idle_heartbeat == new.idle_heartbeat, "heart beats can not be updated"),
        (old.mem_storage == new.mem_storage, "storage type can not be updated"),
        (old.is_push() || !new.is_push(), "can not update pull consumer to push based"),
        (!old.is_push() || new.is_push(), "can not update push consumer to pull based"),
        (old.max_waiting == new.max_waiting, "max waiting can not be updated"),
    ];
    if let Some((_, text)) = fixed.into_iter().find(|(same, _)| !same) {
        return refused(text);
    }
    if old.deliver_subject != new.deliver_subject && bound == Bound::Active {
        return Err(ErrorCode::ConsumerNameExist.into());
    }
    Ok(())
}

/// Whether a create request asks for what is there already: then it succeeds.
#[must_use]
pub fn is_same(old: &ConsumerConfig, new: &ConsumerConfig) -> bool {
    let comparable = |config: &ConsumerConfig| {
        let mut config = config.clone();
        remove_level(&mut config.metadata);
        // A create of what is there keeps its pause.
        config.pause_until = None;
        // `name` repeats `durable_name` or is left out.
        config.name = String::new();
        config
    };
    comparable(old) == comparable(new)
}
