//! `STREAM.SNAPSHOT`: the answer describes the stream, the chunks follow. Source:
//! spec/jetstream.md §2, §14.

use crate::ErrorCode;
use crate::advisory;
use crate::api::answer::{Answer, Body};
use crate::api::stream_info;
use crate::request_json::{decode, is_empty};
use crate::service::held::{Held, Means};
use crate::stream::{SnapshotEnd, SnapshotRequest};

/// The answer; the first chunk leaves after it.
pub(crate) fn answer(body: &str, held: &mut Held, means: &mut Means<'_>) -> Answer {
    if is_empty(body) {
        return Err(ErrorCode::BadRequest.into());
    }
    let strictness = means.settings.strictness;
    let request = decode::<SnapshotRequest>(body.as_bytes(), strictness)?.request;
    let created_ns = held.created_ns;
    held.with_stream(means, |stream, turn| stream.begin_snapshot(&request, created_ns, turn))?;
    let domain = means.settings.domain.as_deref();
    let wall_ns = means.now.wall_ns;
    let described = stream_info::config_and_state(&held.facts(means.storage, domain, wall_ns));
    let body = Body::of(&described);
    let (account, parties) = (held.account(), means.parties());
    let stream = &held.stream.config().name;
    advisory::snapshot_create(means.outlet, account, parties, stream, &described.state, wall_ns);
    body
}

/// Tells of those that are over.
pub(crate) fn tell_ended(held: &mut Held, means: &mut Means<'_>) {
    for SnapshotEnd { started_ns, error } in held.stream.take_ended_snapshots() {
        let (account, parties) = (held.account(), means.parties());
        let stream = &held.stream.config().name;
        let times = (started_ns, means.now.wall_ns);
        advisory::snapshot_complete(means.outlet, account, parties, stream, times, error);
    }
}
