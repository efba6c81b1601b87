//! `STREAM.PURGE`: removes messages, all or some. Source: spec/jetstream.md §2, §12.

use serde::Serialize;

use crate::api::answer::{Answer, Body};
use crate::request_json::decode_if_any;
use crate::service::held::{Held, Means};
use crate::stream::PurgeRequest;

#[derive(Serialize)]
struct Response {
    success: bool,
    purged: u64,
}

/// The answer; the body may be empty.
pub(crate) fn answer(body: &str, held: &mut Held, means: &mut Means<'_>) -> Answer {
    let request: PurgeRequest = decode_if_any(body, means.settings.strictness)?;
    let purged = held.with_stream(means, |stream, turn| stream.purge(&request, turn))?;
    Body::of(&Response { success: true, purged })
}
