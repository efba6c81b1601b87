//! Answers that are put together from what several cores say.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::account_info::Usage;
use crate::api::page::Page;
use crate::note::Question;

/// An answer that waits for some cores' parts.
#[derive(Debug)]
pub struct Gather {
    /// What was asked.
    pub question: Question,
    /// How many parts are still to come.
    pub missing: usize,
    /// Added up so far.
    pub usage: Usage,
    /// Requests that cores answered with an error, added up so far.
    pub errors: u64,
    /// The streams to be shown, in this order.
    pub shown: Vec<String>,
    /// Which page they are.
    pub page: Page,
    described: HashMap<String, Box<RawValue>>,
}

/// `STREAM.LIST`
#[derive(Serialize)]
pub struct StreamList<'a> {
    #[serde(flatten)]
    page: Page,
    streams: Vec<&'a RawValue>,
}

impl Gather {
    /// Nothing yet.
    #[must_use]
    pub fn new(question: Question, missing: usize) -> Gather {
        Gather {
            question,
            missing,
            usage: Usage::default(),
            errors: 0,
            shown: Vec::new(),
            page: Page::default(),
            described: HashMap::new(),
        }
    }

    /// Takes one core's part; whether that was the last.
    pub fn add(
        &mut self,
        usage: Usage,
        errors: u64,
        described: Vec<(String, Box<RawValue>)>,
    ) -> bool {
        self.usage.add(usage);
        self.errors += errors;
        self.described.extend(described);
        self.missing = self.missing.saturating_sub(1);
        self.missing == 0
    }

    /// The list of all streams on the page that still exist.
    #[must_use]
    pub fn stream_list(&self) -> StreamList<'_> {
        let described = self.shown.iter().filter_map(|name| self.described.get(name));
        StreamList { page: self.page, streams: described.map(|info| &**info).collect() }
    }
}
