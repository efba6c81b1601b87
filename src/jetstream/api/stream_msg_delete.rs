//! `STREAM.MSG.DELETE`: removes one message, and overwrites its bytes unless told not to.
//! Source: spec/jetstream.md §2, §12.

use crate::ErrorCode;
use crate::api::answer::{Answer, Body};
use crate::request_json::{decode, is_empty};
use crate::service::held::{Held, Means};
use crate::stream::DeleteRequest;

/// The answer.
pub(crate) fn answer(body: &str, held: &mut Held, means: &mut Means<'_>) -> Answer {
    if is_empty(body) {
        return Err(ErrorCode::BadRequest.into());
    }
    let decoded = decode::<DeleteRequest>(body.as_bytes(), means.settings.strictness)?;
    let request = decoded.request;
    held.with_stream(means, |stream, turn| stream.delete_message(&request, turn))?;
    Body::success()
}
