//! What has meaning in a cluster only: step-downs, moves, removal of peers. On one node each is
//! answered as nats-server answers it when it is not clustered.
//! Source: spec/jetstream.md §2.

use crate::api::answer::Answer;
use crate::{ApiError, ErrorCode};

/// The answer to all of them: 10010.
pub fn answer() -> Answer {
    Err(ApiError::new(ErrorCode::ClusterRequired))
}
