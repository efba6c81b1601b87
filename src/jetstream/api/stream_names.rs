//! `STREAM.NAMES`: the names of an account's streams, a page at a time.
//! Source: spec/jetstream.md §2.

use serde::{Deserialize, Serialize};
use subject::name;

use crate::api::answer::{Answer, Body};
use crate::api::page::{self, Page};
use crate::meta::registry::Account;
use crate::request_json::{Strictness, decode_if_any};

/// The body of `STREAM.NAMES` and `STREAM.LIST`; may be empty.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Request {
    offset: i64,
    subject: String,
}

#[derive(Serialize)]
struct Response<'a> {
    #[serde(flatten)]
    page: Page,
    /// As nats-server writes none: `null`.
    streams: Option<Vec<&'a str>>,
}

/// The answer.
pub fn answer(account: &Account, body: &str, strictness: Strictness) -> Answer {
    let request = decode_if_any(body, strictness)?;
    let (page, streams) = choose(account, &request, page::NAMES_MAX);
    Body::of(&Response { page, streams: (!streams.is_empty()).then_some(streams) })
}

/// The page of names that is asked for.
pub(crate) fn choose<'a>(
    account: &'a Account,
    request: &Request,
    limit: usize,
) -> (Page, Vec<&'a str>) {
    let wanted = request.subject.as_bytes();
    let meets = |subject: &String| name::overlap(subject.as_bytes(), wanted);
    let chosen = account
        .streams
        .iter()
        .filter(|(_, entry)| entry.is_there())
        .filter(|(_, entry)| wanted.is_empty() || entry.config.subjects.iter().any(meets));
    let names: Vec<&str> = chosen.map(|(name, _)| name.as_str()).collect();
    let page = Page::new(names.len(), page::offset_of(request.offset), limit);
    (page, page.of(names.into_iter()).collect())
}
