//! `/varz`: the server's identity, limits and totals (spec/monitoring.md §3).

use std::collections::BTreeMap;

use base::Counter;
use serde::Serialize;

use crate::answer::Scene;
use crate::connz::Proxy;
use crate::jsz;
use crate::reply::Reply;
use crate::source::{JetStreamFigures, JetStreamLimits, OcspCacheFigures, ServerFacts, Source};
use crate::subsz::is_zero;
use crate::text::{nanos, rfc3339, uptime};

pub(crate) fn answer<S: Source>(scene: &Scene<'_, S>) -> Reply {
    let facts = scene.source.facts();
    let totals = Totals::of(scene);
    let figures = scene.source.jetstream();
    let slow_consumer_stats = ByKind::clients(totals.slow_consumers);
    let stale_connection_stats = ByKind::clients(totals.stale_connections);
    scene.json(&Varz {
        identity: Identity::of(&facts),
        limits: Limits::of(&facts, JetStream::of(figures.as_ref())),
        moment: Moment::of(scene, &facts),
        totals,
        http_req_stats: scene.requests.all().collect(),
        config_load_time: rfc3339(facts.config_load_ns),
        config_digest: &facts.config_digest,
        tags: &facts.tags,
        metadata: &facts.metadata,
        feature_flags: &facts.feature_flags,
        system_account: facts.system_account.as_deref(),
        pinned_account_fails: scene.total(Counter::PinnedAccountFails),
        ocsp_peer_cache: scene.source.ocsp_cache(),
        slow_consumer_stats,
        stale_connection_stats,
        disk_io_wait_stats: DiskIoWaits::default(),
        proxies: Proxies::of(&facts),
        tls_cert_not_after: &facts.tls_cert_not_after,
    })
}

/// In the order of the table.
#[derive(Serialize)]
struct Varz<'a> {
    #[serde(flatten)]
    identity: Identity<'a>,
    #[serde(flatten)]
    limits: Limits<'a>,
    #[serde(flatten)]
    moment: Moment,
    #[serde(flatten)]
    totals: Totals,
    http_req_stats: BTreeMap<&'static str, u64>,
    config_load_time: String,
    config_digest: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    feature_flags: &'a BTreeMap<String, bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_account: Option<&'a str>,
    #[serde(skip_serializing_if = "is_zero")]
    pinned_account_fails: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ocsp_peer_cache: Option<OcspCacheFigures>,
    slow_consumer_stats: ByKind,
    stale_connection_stats: ByKind,
    disk_io_wait_stats: DiskIoWaits,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxies: Option<Proxies<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tls_cert_not_after: &'a str,
}

/// Proxies that are trusted, when there are any.
#[derive(Serialize)]
struct Proxies<'a> {
    trusted: Vec<Proxy<'a>>,
}

impl<'a> Proxies<'a> {
    fn of(facts: &'a ServerFacts) -> Option<Proxies<'a>> {
        let trusted: Vec<Proxy<'a>> = facts.proxies.iter().map(|key| Proxy { key }).collect();
        (!trusted.is_empty()).then_some(Proxies { trusted })
    }
}

/// Who the server is and where clients find it.
#[derive(Serialize)]
struct Identity<'a> {
    server_id: &'a str,
    server_name: &'a str,
    version: &'a str,
    proto: u8,
    #[serde(skip_serializing_if = "str::is_empty")]
    git_commit: &'a str,
    go: &'a str,
    host: &'a str,
    port: u16,
    #[serde(skip_serializing_if = "is_false")]
    auth_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_verify: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_ocsp_peer_verify: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    connect_urls: &'a [String],
}

impl<'a> Identity<'a> {
    fn of(facts: &'a ServerFacts) -> Identity<'a> {
        Identity {
            server_id: &facts.server_id,
            server_name: &facts.server_name,
            version: &facts.version,
            proto: 1,
            git_commit: &facts.git_commit,
            go: &facts.toolchain,
            host: &facts.host,
            port: facts.port,
            auth_required: facts.auth_required,
            tls_required: facts.tls_required,
            tls_verify: facts.tls_verify,
            tls_ocsp_peer_verify: facts.tls_ocsp_peer_verify,
            connect_urls: &facts.connect_urls,
        }
    }
}

/// A feature that is off: nats-server shows an empty object.
#[derive(Serialize)]
struct Off {}

/// JetStream; an empty object when it is switched off.
#[derive(Serialize)]
pub(crate) struct JetStream<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<jsz::Config<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<jsz::Stats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<JetStreamLimits>,
}

impl<'a> JetStream<'a> {
    pub(crate) fn of(figures: Option<&'a JetStreamFigures>) -> JetStream<'a> {
        let (config, stats) = (figures.map(jsz::Config::of), figures.map(jsz::Stats::of));
        let limits = figures.map(|figures| figures.limits);
        JetStream { config, stats, limits }
    }

    /// As it is told of to all who listen.
    pub(crate) fn announced(figures: &'a JetStreamFigures) -> JetStream<'a> {
        let config = Some(jsz::Config::without_folder(figures));
        JetStream { config, ..JetStream::of(Some(figures)) }
    }
}

/// What was configured, with the features that are not.
#[derive(Serialize)]
struct Limits<'a> {
    max_connections: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_subscriptions: Option<u32>,
    ping_interval: u64,
    ping_max: u32,
    http_host: &'a str,
    http_port: u16,
    http_base_path: &'a str,
    https_port: u16,
    auth_timeout: f64,
    max_control_line: usize,
    max_payload: usize,
    max_pending: usize,
    cluster: Off,
    gateway: Off,
    leaf: Off,
    mqtt: Off,
    websocket: Off,
    jetstream: JetStream<'a>,
    tls_timeout: f64,
    write_deadline: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    write_timeout: &'a str,
}

impl<'a> Limits<'a> {
    fn of(facts: &'a ServerFacts, jetstream: JetStream<'a>) -> Limits<'a> {
        Limits {
            max_connections: facts.max_connections,
            max_subscriptions: facts.max_subscriptions,
            ping_interval: nanos(facts.ping_interval),
            ping_max: facts.ping_max,
            http_host: &facts.http_host,
            http_port: facts.http_port,
            http_base_path: &facts.http_base_path,
            https_port: facts.https_port,
            auth_timeout: facts.auth_timeout.as_secs_f64(),
            max_control_line: facts.max_control_line,
            max_payload: facts.max_payload,
            max_pending: facts.max_pending,
            cluster: Off {},
            gateway: Off {},
            leaf: Off {},
            mqtt: Off {},
            websocket: Off {},
            jetstream,
            tls_timeout: facts.tls_timeout.as_secs_f64(),
            write_deadline: nanos(facts.write_deadline),
            write_timeout: &facts.write_timeout,
        }
    }
}

/// The time and the machine now.
#[derive(Serialize)]
struct Moment {
    start: String,
    now: String,
    uptime: String,
    mem: u64,
    cores: usize,
    gomaxprocs: usize,
    cpu: f64,
}

impl Moment {
    fn of<S: Source>(scene: &Scene<'_, S>, facts: &ServerFacts) -> Moment {
        Moment {
            start: rfc3339(facts.start_ns),
            now: rfc3339(scene.now_ns),
            uptime: uptime(facts.start_ns, scene.now_ns),
            mem: scene.process.resident_bytes(),
            cores: facts.cores,
            // What works in parallel here is shards.
            gomaxprocs: scene.source.shards().len(),
            cpu: scene.process.cpu_percent(scene.now_ns),
        }
    }
}

/// Slow or stale connections by kind.
#[derive(Serialize, PartialEq, Eq)]
pub(crate) struct ByKind {
    clients: u64,
    routes: u64,
    gateways: u64,
    leafs: u64,
}

impl ByKind {
    pub(crate) fn clients(clients: u64) -> ByKind {
        ByKind { clients, routes: 0, gateways: 0, leafs: 0 }
    }

    pub(crate) fn is_zero(&self) -> bool {
        *self == ByKind::clients(0)
    }
}

/// nats-server's disk semaphore, which this server does not have.
#[derive(Serialize, Default)]
struct DiskIoWaits {
    waiters: u64,
    waits: u64,
    wait_time: u64,
    max_wait_time: u64,
}

/// Added up over the shards. Clients are the only connections there are so far.
#[derive(Serialize)]
struct Totals {
    connections: u64,
    total_connections: u64,
    routes: u64,
    remotes: u64,
    leafnodes: u64,
    in_msgs: u64,
    in_bytes: u64,
    in_client_msgs: u64,
    in_client_bytes: u64,
    out_msgs: u64,
    out_bytes: u64,
    out_client_msgs: u64,
    out_client_bytes: u64,
    slow_consumers: u64,
    stale_connections: u64,
    stalled_clients: u64,
    subscriptions: u64,
}

impl Totals {
    fn of<S: Source>(scene: &Scene<'_, S>) -> Totals {
        let total = |counter| scene.total(counter);
        Totals {
            connections: total(Counter::Connections),
            total_connections: total(Counter::ConnectionsTotal),
            routes: 0,
            remotes: 0,
            leafnodes: 0,
            in_msgs: total(Counter::InMsgs),
            in_bytes: total(Counter::InBytes),
            in_client_msgs: total(Counter::InMsgs),
            in_client_bytes: total(Counter::InBytes),
            out_msgs: total(Counter::OutMsgs),
            out_bytes: total(Counter::OutBytes),
            out_client_msgs: total(Counter::OutMsgs),
            out_client_bytes: total(Counter::OutBytes),
            slow_consumers: total(Counter::SlowConsumers),
            stale_connections: total(Counter::StaleConnections),
            stalled_clients: total(Counter::StalledClients),
            subscriptions: total(Counter::Subscriptions),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}
