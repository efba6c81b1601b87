//! Endpoints whose feature is not built: what nats-server answers with the feature switched off
//! where that is the truth, else a plain refusal (spec/monitoring.md §5-§7, §9, §10, §12).

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::Serialize;

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::Source;
use crate::text::rfc3339;

/// An endpoint of nats-server that Corewire does not have yet.
pub(crate) fn not_built_yet() -> Reply {
    Reply::text(StatusCode::NOT_FOUND, "this endpoint is not built yet\n")
}

pub(crate) fn routez<S: Source>(
    scene: &Scene<'_, S>,
    params: &Params<'_>,
) -> Result<Reply, BadRequest> {
    #[derive(Serialize)]
    struct Routez<'a> {
        server_id: &'a str,
        server_name: &'a str,
        now: String,
        num_routes: u64,
        routes: [(); 0],
    }
    check_subs(params)?;
    let facts = scene.source.facts();
    Ok(Reply::json(&Routez {
        server_id: &facts.server_id,
        server_name: &facts.server_name,
        now: rfc3339(scene.now_ns),
        num_routes: 0,
        routes: [],
    }))
}

pub(crate) fn gatewayz<S: Source>(
    scene: &Scene<'_, S>,
    params: &Params<'_>,
) -> Result<Reply, BadRequest> {
    #[derive(Serialize)]
    struct Gatewayz<'a> {
        server_id: &'a str,
        now: String,
        outbound_gateways: BTreeMap<String, ()>,
        inbound_gateways: BTreeMap<String, ()>,
    }
    check_subs(params)?;
    params.boolean("accs")?;
    let facts = scene.source.facts();
    Ok(Reply::json(&Gatewayz {
        server_id: &facts.server_id,
        now: rfc3339(scene.now_ns),
        outbound_gateways: BTreeMap::new(),
        inbound_gateways: BTreeMap::new(),
    }))
}

pub(crate) fn leafz<S: Source>(
    scene: &Scene<'_, S>,
    params: &Params<'_>,
) -> Result<Reply, BadRequest> {
    #[derive(Serialize)]
    struct Leafz<'a> {
        server_id: &'a str,
        now: String,
        leafnodes: u64,
        /// nats-server writes null for an empty list here, so clients take it.
        leafs: Option<()>,
    }
    params.boolean("subs")?;
    let facts = scene.source.facts();
    Ok(Reply::json(&Leafz {
        server_id: &facts.server_id,
        now: rfc3339(scene.now_ns),
        leafnodes: 0,
        leafs: None,
    }))
}

pub(crate) fn jsz<S: Source>(
    scene: &Scene<'_, S>,
    params: &Params<'_>,
) -> Result<Reply, BadRequest> {
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
    params.paging()?;
    let facts = scene.source.facts();
    Ok(Reply::json(&serde_json::json!({
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
    })))
}

/// The list of accounts. Details of one account come with accounts.
pub(crate) fn accountz<S: Source>(
    scene: &Scene<'_, S>,
    params: &Params<'_>,
) -> Result<Reply, BadRequest> {
    #[derive(Serialize)]
    struct Accountz<'a> {
        server_id: &'a str,
        now: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        system_account: Option<&'a str>,
        accounts: &'a [String],
    }
    let facts = scene.source.facts();
    match params.some_text("acc") {
        Some(name) if facts.accounts.iter().any(|known| known == name) => Ok(not_built_yet()),
        Some(name) => Err(BadRequest::UnknownAccount(name.into())),
        None => Ok(Reply::json(&Accountz {
            server_id: &facts.server_id,
            now: rfc3339(scene.now_ns),
            system_account: facts.system_account.as_deref(),
            accounts: &facts.accounts,
        })),
    }
}

// spec/monitoring.md §12: 404 with plain text when nothing matches.
pub(crate) fn raftz() -> Reply {
    Reply::text(StatusCode::NOT_FOUND, "No Raft nodes registered")
}

/// `subs` is a boolean or `detail`.
fn check_subs(params: &Params<'_>) -> Result<(), BadRequest> {
    if params.text("subs") != "detail" {
        params.boolean("subs")?;
    }
    Ok(())
}
