//! `CONSUMER.INFO`, `CONSUMER.NAMES` and `CONSUMER.LIST`: consumers described.
//! Source: spec/jetstream.md §2, §4 ConsumerInfo.

use serde::{Deserialize, Serialize};

use crate::api::answer::{Answer, Body};
use crate::api::kind::Asked;
use crate::api::page::{self, Page};
use crate::api::{consumer_create, place_of};
use crate::consumer::{Consumer, ConsumerInfo};
use crate::request_json::{decode_if_any, is_empty};
use crate::service::held::{Held, Means};
use crate::{ApiError, ErrorCode};

/// The body of the lists; may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    offset: i64,
}

#[derive(Serialize)]
struct Names<'a> {
    #[serde(flatten)]
    page: Page,
    consumers: Vec<&'a str>,
}

#[derive(Serialize)]
struct List {
    #[serde(flatten)]
    page: Page,
    consumers: Vec<ConsumerInfo>,
}

/// `CONSUMER.INFO`
pub(crate) fn answer(
    asked: Asked<'_>,
    body: &str,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Answer {
    if !is_empty(body) {
        return Err(ErrorCode::NotEmptyRequest.into());
    }
    consumer_create::describe(place_of(asked, held)?, held, means)
}

/// `CONSUMER.NAMES`
pub(crate) fn names(body: &str, held: &Held, means: &Means<'_>) -> Answer {
    let names = sorted(held);
    let page = page_of(body, names.len(), page::NAMES_MAX, means)?;
    Body::of(&Names { page, consumers: page.of(names.into_iter()).collect() })
}

/// `CONSUMER.LIST`
pub(crate) fn list(body: &str, held: &mut Held, means: &mut Means<'_>) -> Answer {
    let names: Vec<String> = sorted(held).into_iter().map(str::to_owned).collect();
    let page = page_of(body, names.len(), page::LIST_MAX, means)?;
    let mut consumers = Vec::new();
    for name in page.of(names.iter()) {
        let Some(place) = held.consumers.find(name) else { continue };
        consumers.push(held.consumers.info(place, &mut means.of_consumers())?);
    }
    Body::of(&List { page, consumers })
}

fn sorted(held: &Held) -> Vec<&str> {
    let mut names: Vec<&str> = held.consumers.public().map(Consumer::name).collect();
    names.sort_unstable();
    names
}

fn page_of(body: &str, total: usize, limit: usize, means: &Means<'_>) -> Result<Page, ApiError> {
    let request: Request = decode_if_any(body, means.settings.strictness)?;
    Ok(Page::new(total, page::offset_of(request.offset), limit))
}
