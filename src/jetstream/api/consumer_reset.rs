//! `CONSUMER.RESET`: starts a consumer over, at its ack floor or at a sequence.
//! Source: spec/jetstream.md §2 (2.14).

use serde::{Deserialize, Serialize};

use crate::api::answer::{Answer, Body};
use crate::api::kind::Asked;
use crate::api::place_of;
use crate::consumer::ConsumerInfo;
use crate::request_json::{Strictness, decode};
use crate::service::held::{Held, Means};

/// The body; may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    seq: u64,
}

#[derive(Serialize)]
struct Response {
    #[serde(flatten)]
    info: ConsumerInfo,
    reset_seq: u64,
}

/// The answer.
pub(crate) fn answer(
    asked: Asked<'_>,
    body: &str,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Answer {
    // Seen of nats-server 2.15.2: never strict here.
    let request = decode::<Request>(body.as_bytes(), Strictness::Lenient)?.request;
    let place = place_of(asked, held)?;
    let desk = &mut means.of_consumers();
    let reset_seq = held.consumers.reset(place, request.seq, desk)?;
    let info = held.consumers.info(place, desk)?;
    Body::of(&Response { info, reset_seq })
}
