//! `STREAM.SNAPSHOT`: the answer describes the stream, the chunks follow. Source:
//! spec/jetstream.md §2, §14.

use crate::api::answer::{Answer, Body};
use crate::api::stream_info;
use crate::request_json::decode;
use crate::service::held::{Held, Means};
use crate::stream::SnapshotRequest;

/// The answer; the first chunk leaves after it.
pub(crate) fn answer(body: &str, held: &mut Held, means: &mut Means<'_>) -> Answer {
    let strictness = means.settings.strictness;
    let request = decode::<SnapshotRequest>(body.as_bytes(), strictness)?.request;
    held.with_stream(means, |stream, turn| stream.begin_snapshot(&request, turn))?;
    let domain = means.settings.domain.as_deref();
    let facts = held.facts(means.storage, domain, means.now.wall_ns);
    Body::of(&stream_info::config_and_state(&facts))
}
