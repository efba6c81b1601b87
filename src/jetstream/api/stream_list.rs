//! `STREAM.LIST`: an account's streams described, a page at a time. The registry knows which,
//! their cores describe them. Source: spec/jetstream.md §2.

use crate::ApiError;
use crate::api::page::{self, Page};
use crate::api::stream_names;
use crate::meta::registry::Account;
use crate::request_json::{Strictness, decode_if_any};

/// The page that is asked for, and the names on it.
pub fn choose(
    account: &Account,
    body: &str,
    strictness: Strictness,
) -> Result<(Page, Vec<String>), ApiError> {
    let request = decode_if_any(body, strictness)?;
    let (page, names) = stream_names::choose(account, &request, page::LIST_MAX);
    Ok((page, names.into_iter().map(str::to_owned).collect()))
}
