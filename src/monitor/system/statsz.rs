//! STATSZ: the figures that servers tell each other and the operator (spec/monitoring.md §14,
//! ServerStats).

use base::Counter;
use serde::Serialize;

use super::envelope::json;
use crate::accstatz::{DataStats, usage};
use crate::answer::Scene;
use crate::source::{Source, Traffic};
use crate::text::rfc3339;
use crate::varz::{ByKind, JetStream};

/// In the order of the table. Routes and gateways come with them.
#[derive(Serialize)]
struct ServerStats<'a> {
    start: String,
    mem: u64,
    cores: usize,
    cpu: f64,
    connections: u64,
    total_connections: u64,
    active_accounts: usize,
    subscriptions: u64,
    sent: DataStats,
    sent_to_clients: DataStats,
    received: DataStats,
    received_from_clients: DataStats,
    slow_consumers: u64,
    #[serde(skip_serializing_if = "ByKind::is_zero")]
    slow_consumer_stats: ByKind,
    #[serde(skip_serializing_if = "crate::subsz::is_zero")]
    stale_connections: u64,
    #[serde(skip_serializing_if = "ByKind::is_zero")]
    stale_connection_stats: ByKind,
    #[serde(skip_serializing_if = "crate::subsz::is_zero")]
    stalled_clients: u64,
    active_servers: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jetstream: Option<JetStream<'a>>,
    gomaxprocs: usize,
}

/// The figures now, as JSON.
pub(super) async fn stats<S: Source>(scene: &Scene<'_, S>) -> Vec<u8> {
    let figures = scene.source.jetstream();
    let facts = scene.source.facts();
    let total = |counter| scene.total(counter);
    let traffic = |msgs, bytes| Traffic { msgs: total(msgs), bytes: total(bytes) };
    let sent = traffic(Counter::OutMsgs, Counter::OutBytes);
    let received = traffic(Counter::InMsgs, Counter::InBytes);
    let used = usage(scene.source).await;
    json(&ServerStats {
        start: rfc3339(facts.start_ns),
        mem: scene.process.resident_bytes(),
        cores: facts.cores,
        cpu: scene.process.cpu_percent(scene.now_ns),
        connections: total(Counter::Connections),
        total_connections: total(Counter::ConnectionsTotal),
        active_accounts: used.values().filter(|usage| usage.connections > 0).count(),
        subscriptions: total(Counter::Subscriptions),
        sent: DataStats::of(sent),
        sent_to_clients: DataStats::of(sent),
        received: DataStats::of(received),
        received_from_clients: DataStats::of(received),
        slow_consumers: total(Counter::SlowConsumers),
        slow_consumer_stats: ByKind::clients(total(Counter::SlowConsumers)),
        stale_connections: total(Counter::StaleConnections),
        stale_connection_stats: ByKind::clients(total(Counter::StaleConnections)),
        stalled_clients: total(Counter::StalledClients),
        active_servers: 1,
        jetstream: figures.as_ref().map(JetStream::announced),
        gomaxprocs: scene.source.shards().len(),
    })
}
