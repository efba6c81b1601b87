//! `STREAM.INFO`: a stream described, as the answers to its creation and change describe it too.
//! Source: spec/jetstream.md §2, §3 StreamInfo and StreamState.

use std::collections::BTreeMap;

use base::AccountId;
use base::snapshot::{StreamQuery, StreamSnapshot};
use serde::{Deserialize, Serialize};
use storage::{Filter, Stream};

use crate::api::answer::{Answer, Body};
use crate::api::page::{self, Page};
use crate::request_json::{Strictness, decode_if_any};
use crate::stream::StreamSourceInfo;
use crate::stream_config::stamp_answer;
use crate::{StreamConfig, WireTime};

/// The body; may be empty.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Request {
    offset: i64,
    deleted_details: bool,
    subjects_filter: String,
}

/// What is known of a stream and stands in every description.
pub struct Facts<'a> {
    /// Complete.
    pub config: &'a StreamConfig,
    /// Nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// Its messages.
    pub messages: &'a Stream,
    /// How many consumers it has.
    pub consumers: usize,
    /// This JetStream's domain.
    pub domain: Option<&'a str>,
    /// The origin of a mirror.
    pub mirror: Option<StreamSourceInfo>,
    /// The origins of a stream with sources.
    pub sources: Vec<StreamSourceInfo>,
    /// Now, nanoseconds since the Unix epoch.
    pub wall_ns: u64,
}

/// A stream described.
#[derive(Serialize)]
pub struct StreamInfo<'a> {
    config: StreamConfig,
    created: WireTime,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<StreamSourceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<StreamSourceInfo>,
    ts: WireTime,
    #[serde(skip_serializing_if = "is_false")]
    did_create: bool,
}

/// What a stream holds, in figures.
#[derive(Serialize)]
pub struct State {
    messages: u64,
    bytes: u64,
    first_seq: u64,
    first_ts: WireTime,
    last_seq: u64,
    last_ts: WireTime,
    #[serde(skip_serializing_if = "is_zero")]
    num_subjects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    subjects: Option<BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "is_zero")]
    num_deleted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<Vec<u64>>,
    consumer_count: usize,
}

/// `STREAM.INFO`, with paging where subjects are shown.
#[derive(Serialize)]
struct Response<'a> {
    #[serde(flatten)]
    page: Page,
    #[serde(flatten)]
    info: StreamInfo<'a>,
    cluster: Cluster<'a>,
}

/// Who leads the stream. Seen of nats-server 2.15.2: without a cluster it is the server itself,
/// and only this answer says so.
#[derive(Serialize)]
struct Cluster<'a> {
    leader: &'a str,
}

/// Whether a description is the answer to what made the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was made just now.
    Now,
    /// It was there.
    Before,
}

/// A description that leaves out everything but what a backup needs.
#[derive(Serialize)]
pub struct ConfigAndState {
    config: StreamConfig,
    /// Also what the advisory says of a backup.
    pub state: State,
}

/// What the answer to STREAM.SNAPSHOT says.
#[must_use]
pub fn config_and_state(facts: &Facts<'_>) -> ConfigAndState {
    let StreamInfo { config, state, .. } = describe(facts, Made::Before);
    ConfigAndState { config, state }
}

/// The stream described without details.
#[must_use]
pub fn describe<'a>(facts: &Facts<'a>, made: Made) -> StreamInfo<'a> {
    let mut config = facts.config.clone();
    stamp_answer(&mut config.metadata);
    let numbers = facts.messages.state();
    let time = |ns: u64| if ns == 0 { WireTime::ZERO } else { WireTime::from_wall_ns(ns) };
    let state = State {
        messages: numbers.messages,
        bytes: numbers.bytes,
        // As nats-server shows a stream that never held anything and starts anywhere.
        first_seq: match numbers.last_seq.is_none() && config.first_seq == 0 {
            true => 0,
            false => numbers.first_seq.0,
        },
        first_ts: time(numbers.first_time_ns),
        last_seq: numbers.last_seq.0,
        last_ts: time(numbers.last_time_ns),
        num_subjects: numbers.subjects,
        subjects: None,
        num_deleted: numbers.deleted,
        deleted: None,
        consumer_count: facts.consumers,
    };
    StreamInfo {
        config,
        created: time(facts.created_ns),
        state,
        domain: facts.domain,
        mirror: facts.mirror.clone(),
        sources: facts.sources.clone(),
        ts: WireTime::from_wall_ns(facts.wall_ns),
        did_create: made == Made::Now,
    }
}

/// The stream as monitoring shows it, without its consumers.
#[must_use]
pub fn snapshot(facts: &Facts<'_>, account: AccountId, query: &StreamQuery) -> StreamSnapshot {
    let StreamInfo { config, created, state, mirror, sources, .. } = describe(facts, Made::Before);
    StreamSnapshot {
        account,
        name: config.name.clone(),
        created: json(&created),
        config: query.configs.then(|| json(&config)),
        state: json(&state),
        mirror: mirror.map(|mirror| json(&mirror)),
        sources: (!sources.is_empty()).then(|| json(&sources)),
        consumers: Vec::new(),
    }
}

/// What describes a stream or a consumer, as JSON.
#[must_use]
pub fn json(described: &impl Serialize) -> String {
    serde_json::to_string(described).expect("a description is text and numbers")
}

/// The answer; `leader` is this server.
pub fn answer(facts: &Facts<'_>, body: &str, leader: &str, strictness: Strictness) -> Answer {
    let request: Request = decode_if_any(body, strictness)?;
    let mut info = describe(facts, Made::Before);
    if request.deleted_details {
        let ranges = facts.messages.deleted();
        let deleted: Vec<u64> = ranges.flat_map(|(from, to)| from.0..=to.0).collect();
        info.state.deleted = (!deleted.is_empty()).then_some(deleted);
    }
    let mut page = Page::default();
    if !request.subjects_filter.is_empty() {
        (page, info.state.subjects) = subjects(facts.messages, &request);
    }
    Body::of(&Response { page, info, cluster: Cluster { leader } })
}

/// The subjects that are asked for, each with its messages; a filter that is no subject meets
/// none.
fn subjects(messages: &Stream, request: &Request) -> (Page, Option<BTreeMap<String, u64>>) {
    if !subject::name::is_valid_subscription(request.subjects_filter.as_bytes()) {
        return (Page::default(), None);
    }
    let filter = Filter::new([request.subjects_filter.as_bytes()]);
    let mut all = Vec::new();
    messages.for_each_subject(&filter, |subject, state| {
        all.push((String::from_utf8_lossy(subject).into_owned(), state.messages));
    });
    if all.is_empty() {
        return (Page::default(), None);
    }
    let page = Page::new(all.len(), page::offset_of(request.offset), page::SUBJECTS_MAX);
    (page, Some(page.of(all.into_iter()).collect()))
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}
