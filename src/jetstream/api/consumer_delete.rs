//! `CONSUMER.DELETE`. Source: spec/jetstream.md §2.

use crate::ErrorCode;
use crate::advisory::Action;
use crate::api::answer::{Answer, Body};
use crate::api::kind::Asked;
use crate::api::{consumer_create, place_of};
use crate::consumer::End;
use crate::request_json::is_empty;
use crate::service::held::{Held, Means};

/// The answer.
pub(crate) fn answer(
    asked: Asked<'_>,
    body: &str,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Answer {
    if !is_empty(body) {
        return Err(ErrorCode::NotEmptyRequest.into());
    }
    let place = place_of(asked, held)?;
    consumer_create::tell(place, Action::Deleted, held, means);
    held.remove_consumer(place, End::Deleted, means);
    Body::success()
}
