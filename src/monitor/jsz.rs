//! `/jsz`: JetStream, which is not built into this server yet (spec/monitoring.md §10).

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::Source;
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

/// What nats-server answers with JetStream switched off.
pub(crate) fn answer<S: Source>(scene: &Scene<'_, S>) -> Reply {
    let facts = scene.source.facts();
    scene.json(&serde_json::json!({
        "server_id": facts.server_id,
        "now": rfc3339(scene.now_ns),
        "disabled": true,
        "config": { "max_memory": 0, "max_storage": 0 },
        "memory": 0,
        "storage": 0,
        "reserved_memory": 0,
        "reserved_storage": 0,
        "accounts": 0,
        "ha_assets": 0,
        "api": { "level": 0, "total": 0, "errors": 0 },
        "streams": 0,
        "consumers": 0,
        "messages": 0,
        "bytes": 0,
        "total": 0,
    }))
}
