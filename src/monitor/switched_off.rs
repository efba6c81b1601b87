//! Endpoints whose feature is not built: what nats-server answers with the feature switched off
//! (spec/monitoring.md §5-§7, §12). Parameters are checked as if it were on.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::Source;
use crate::text::rfc3339;

/// What a system request may ask of routes. Read, here and below, so that a wrong value is an
/// error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RoutezOptions {
    subscriptions: bool,
    subscriptions_detail: bool,
}

/// What it may ask of gateways.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GatewayzOptions {
    name: String,
    accounts: bool,
    account_name: String,
    subscriptions: bool,
}

/// What it may ask of leafnodes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LeafzOptions {
    subscriptions: bool,
    account: String,
}

/// What it may ask of Go's profiles.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProfilezOptions {
    name: String,
    debug: i64,
    duration: i64,
}

/// What it may ask of Raft groups.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RaftzOptions {
    account: String,
    group: String,
}

pub(crate) fn routez<S: Source>(scene: &Scene<'_, S>) -> Reply {
    #[derive(Serialize)]
    struct Routez<'a> {
        server_id: &'a str,
        server_name: &'a str,
        now: String,
        num_routes: u64,
        routes: [(); 0],
    }
    let facts = scene.source.facts();
    scene.json(&Routez {
        server_id: &facts.server_id,
        server_name: &facts.server_name,
        now: rfc3339(scene.now_ns),
        num_routes: 0,
        routes: [],
    })
}

pub(crate) fn gatewayz<S: Source>(scene: &Scene<'_, S>) -> Reply {
    #[derive(Serialize)]
    struct Gatewayz<'a> {
        server_id: &'a str,
        now: String,
        outbound_gateways: BTreeMap<String, ()>,
        inbound_gateways: BTreeMap<String, ()>,
    }
    let facts = scene.source.facts();
    scene.json(&Gatewayz {
        server_id: &facts.server_id,
        now: rfc3339(scene.now_ns),
        outbound_gateways: BTreeMap::new(),
        inbound_gateways: BTreeMap::new(),
    })
}

pub(crate) fn leafz<S: Source>(scene: &Scene<'_, S>) -> Reply {
    #[derive(Serialize)]
    struct Leafz<'a> {
        server_id: &'a str,
        now: String,
        leafnodes: u64,
        leafs: [(); 0],
    }
    let facts = scene.source.facts();
    scene.json(&Leafz {
        server_id: &facts.server_id,
        now: rfc3339(scene.now_ns),
        leafnodes: 0,
        leafs: [],
    })
}

// spec/monitoring.md §12: 404 with plain text when nothing matches.
pub(crate) fn raftz() -> Reply {
    Reply::text(StatusCode::NOT_FOUND, "No Raft nodes registered")
}

/// Groups by account: there are none.
pub(crate) fn raftz_groups<S: Source>(scene: &Scene<'_, S>) -> Reply {
    scene.json(&BTreeMap::<String, ()>::new())
}

/// Go's profiles, which this program cannot have.
pub(crate) fn profilez<S: Source>(scene: &Scene<'_, S>) -> Reply {
    #[derive(Serialize)]
    struct Profilez {
        profile: &'static str,
        error: &'static str,
    }
    let error = "there are no Go profiles of this server; its /metrics has histograms";
    scene.json(&Profilez { profile: "", error })
}

/// What the parameters of `/routez` say; nothing, since there are no routes.
pub(crate) fn check_routez(params: &Params<'_>) -> Result<(), BadRequest> {
    check_subs(params)
}

/// Likewise for `/gatewayz`.
pub(crate) fn check_gatewayz(params: &Params<'_>) -> Result<(), BadRequest> {
    check_subs(params)?;
    params.boolean("accs").map(drop)
}

/// Likewise for `/leafz`.
pub(crate) fn check_leafz(params: &Params<'_>) -> Result<(), BadRequest> {
    params.boolean("subs").map(drop)
}

/// `subs` is a boolean or `detail`.
fn check_subs(params: &Params<'_>) -> Result<(), BadRequest> {
    if params.text("subs") != "detail" {
        params.boolean("subs")?;
    }
    Ok(())
}
