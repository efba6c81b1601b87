//! `STREAM.MSG.GET`: one message as JSON. Source: spec/jetstream.md §2, §10.

use storage::Waiter;

use crate::ErrorCode;
use crate::api::answer::{Answer, Body};
use crate::request_json::decode;
use crate::service::held::{Held, Means};
use crate::stream::MessageGetRequest;

/// The answer; `None` when the message must come from the disk first, which `waiter` is told.
pub(crate) fn answer(
    body: &str,
    held: &Held,
    means: &mut Means<'_>,
    waiter: Waiter,
) -> Option<Answer> {
    if body.trim().is_empty() {
        return Some(Err(ErrorCode::BadRequest.into()));
    }
    let request = match decode::<MessageGetRequest>(body.as_bytes(), means.settings.strictness) {
        Ok(decoded) => decoded.request,
        Err(error) => return Some(Err(error)),
    };
    match held.stream.message_get(&request, means.storage, waiter) {
        Ok(None) => None,
        Ok(Some(found)) => Some(Body::of(&found)),
        Err(error) => Some(Err(error)),
    }
}
