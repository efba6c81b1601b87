//! `CONSUMER.UNPIN`: takes the pin of a priority group away. Source: spec/jetstream.md §2 (2.11).

use serde::Deserialize;

use crate::api::answer::{Answer, Body};
use crate::api::kind::Asked;
use crate::api::place_of;
use crate::request_json::decode;
use crate::service::held::{Held, Means};
use crate::{ApiError, ErrorCode};

/// The body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    group: String,
}

/// The answer, which has no fields of its own.
pub(crate) fn answer(
    asked: Asked<'_>,
    body: &str,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Answer {
    let request = decode::<Request>(body.as_bytes(), means.settings.strictness)?.request;
    if request.group.is_empty() {
        let reason = "consumer group not specified";
        return Err(ApiError::with(ErrorCode::InvalidJson, reason));
    }
    let place = place_of(asked, held)?;
    held.consumers.unpin(place, &request.group, &mut means.of_consumers())?;
    Body::empty()
}
