//! `/jsz`: JetStream in numbers (spec/monitoring.md §10).
//!
//! The figures of the whole server; what single accounts and streams hold is answered by the
//! API itself, and not shown here yet.

use serde::Serialize;

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::{JetStreamFigures, Source};
use crate::text::rfc3339;

/// Checks the parameters; there is nothing that they could choose.
pub(crate) fn check(params: &Params<'_>) -> Result<(), BadRequest> {
    const SWITCHES: [&str; 8] = [
        "accounts",
        "streams",
        "consumers",
        "direct-consumers",
        "config",
        "leader-only",
        "raft",
        "stream-leader-only",
    ];
    for switch in SWITCHES {
        params.boolean(switch)?;
    }
    params.paging().map(drop)
}

/// The block `config`, here and in `/varz`.
#[derive(Serialize)]
pub(crate) struct Config<'a> {
    max_memory: u64,
    max_storage: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    store_dir: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_interval: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sync_always: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Default, Serialize)]
struct Api {
    level: u32,
    total: u64,
    errors: u64,
}

/// JetStreamStats, here and in `/varz`.
#[derive(Default, Serialize)]
pub(crate) struct Stats {
    memory: u64,
    storage: u64,
    reserved_memory: u64,
    reserved_storage: u64,
    accounts: u64,
    ha_assets: u64,
    api: Api,
}

#[derive(Serialize)]
struct JsInfo<'a> {
    #[serde(flatten)]
    stats: Stats,
    server_id: &'a str,
    now: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    config: Config<'a>,
    streams: u64,
    consumers: u64,
    messages: u64,
    bytes: u64,
    total: u64,
}

impl<'a> Config<'a> {
    pub(crate) fn of(figures: &'a JetStreamFigures) -> Config<'a> {
        Config {
            max_memory: figures.memory_max,
            max_storage: figures.storage_max,
            store_dir: &figures.store_dir,
            sync_interval: figures.sync_interval_ns,
            sync_always: figures.sync_interval_ns.is_none() && !figures.store_dir.is_empty(),
            domain: &figures.domain,
            strict: figures.strict,
        }
    }
}

impl Stats {
    pub(crate) fn of(figures: &JetStreamFigures) -> Stats {
        Stats {
            memory: figures.memory,
            storage: figures.storage,
            reserved_memory: figures.reserved_memory,
            reserved_storage: figures.reserved_storage,
            accounts: figures.accounts,
            ha_assets: 0,
            api: Api {
                level: figures.api_level,
                total: figures.api_total,
                errors: figures.api_errors,
            },
        }
    }
}

/// The answer; with JetStream switched off all is 0, and it says so.
pub(crate) fn answer<S: Source>(scene: &Scene<'_, S>) -> Reply {
    let facts = scene.source.facts();
    let figures = scene.source.jetstream();
    let disabled = figures.is_none();
    let figures = figures.unwrap_or_default();
    scene.json(&JsInfo {
        stats: Stats::of(&figures),
        server_id: &facts.server_id,
        now: rfc3339(scene.now_ns),
        disabled,
        config: Config::of(&figures),
        streams: figures.streams,
        consumers: figures.consumers,
        messages: figures.messages,
        bytes: figures.memory + figures.storage,
        total: figures.accounts,
    })
}
