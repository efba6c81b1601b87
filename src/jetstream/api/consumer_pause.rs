//! `CONSUMER.PAUSE`: nothing is delivered until then; no time, or one that is over, lets it go on.
//! Source: spec/jetstream.md §2 (2.11).

use serde::{Deserialize, Serialize};

use crate::WireTime;
use crate::api::answer::{Answer, Body};
use crate::api::kind::Asked;
use crate::api::place_of;
use crate::request_json::decode_if_any;
use crate::service::held::{Held, Means};

/// The body; may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    pause_until: WireTime,
}

#[derive(Serialize)]
struct Response {
    paused: bool,
    pause_until: WireTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_remaining: Option<u64>,
}

/// The answer.
pub(crate) fn answer(
    asked: Asked<'_>,
    body: &str,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Answer {
    let request: Request = decode_if_any(body, means.settings.strictness)?;
    let place = place_of(asked, held)?;
    let until = (!request.pause_until.is_zero()).then_some(request.pause_until);
    let left = held.consumers.pause(place, until, &mut means.of_consumers())?;
    Body::of(&Response {
        paused: left.is_some(),
        pause_until: request.pause_until,
        pause_remaining: left,
    })
}
