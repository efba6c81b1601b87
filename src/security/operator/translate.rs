//! Claims in the words of the configuration, so that the rooms behind it need not know where an
//! account came from.

use std::time::Duration;

use config::accounts::{
    Account, AccountLimits, Destination, Export, ExportKind, Import, ImportKind, JetStreamLimits,
    Latency, Mapping, ResponseKind, Sampling, Service, TraceDestination,
};
use config::limits;
use config::permissions::{Permissions, Responses, SubjectRules};

use crate::jwt::{self, Claims, ExchangeKind, Grant, LatencySampling, ResponseType, Weighted};

/// The account that is claimed.
pub(super) fn account(claims: &Claims<jwt::Account>) -> Account {
    let content = &claims.content;
    let number = |limit: i64| u32::try_from(limit.min(i64::from(u32::MAX))).ok();
    let mappings = content.mappings.iter().map(|(source, list)| Mapping {
        source: source.clone(),
        destinations: list.iter().map(destination).collect(),
    });
    let trace = content.trace.as_ref().map(|trace| TraceDestination {
        subject: trace.destination.clone(),
        sampling: u8::try_from(trace.sampling)
            .ok()
            .filter(|s| (1..=100).contains(s))
            .unwrap_or(100),
    });
    Account {
        default_permissions: permissions(&said(&content.default_permissions)),
        exports: content.exports.iter().map(export).collect(),
        imports: content.imports.iter().map(import).collect(),
        mappings: mappings.collect(),
        limits: AccountLimits {
            connections: number(content.limits.connections),
            subscriptions: number(content.limits.subscriptions),
            payload: number(content.limits.payload),
            leafnodes: number(content.limits.leafnodes),
        },
        trace,
        jetstream: jetstream(&content.limits),
        tiers: tiers(&content.limits),
        ..Account::new(&claims.subject)
    }
}

/// What an account may use of JetStream: nothing where it may store nothing. Limits by tier count
/// where there are some: what has one replica, as all of one server, is of the tier `R1`.
// spec/jetstream.md §15 Account limits per tier
fn jetstream(said: &jwt::AccountLimits) -> Option<JetStreamLimits> {
    let is_some = |own: &jwt::JetStreamLimits| own.memory != 0 || own.disk != 0;
    if said.tiers.is_empty() {
        return is_some(&said.jetstream).then(|| storing(&said.jetstream));
    }
    let own = said.tiers.get("R1").map(storing);
    said.tiers.values().any(is_some).then(|| own.unwrap_or_default())
}

fn tiers(said: &jwt::AccountLimits) -> Vec<(String, JetStreamLimits)> {
    said.tiers.iter().map(|(name, own)| (name.clone(), storing(own))).collect()
}

fn storing(own: &jwt::JetStreamLimits) -> JetStreamLimits {
    // Below zero is without limit; where it is no size, 0 is too.
    let number = |number: i64| u64::try_from(number).ok();
    let above_zero = |bytes: i64| number(bytes).filter(|bytes| *bytes > 0);
    JetStreamLimits {
        memory: number(own.memory),
        storage: number(own.disk),
        streams: above_zero(own.streams),
        consumers: above_zero(own.consumers),
        ack_pending: above_zero(own.max_ack_pending),
        memory_stream: above_zero(own.memory_stream),
        storage_stream: above_zero(own.disk_stream),
        max_bytes_required: own.max_bytes_required,
    }
}

/// Permissions as a grant says them.
pub(super) fn said(permissions: &jwt::Permissions) -> Grant {
    Grant {
        publish: permissions.publish.clone(),
        subscribe: permissions.subscribe.clone(),
        responses: permissions.responses,
        ..Grant::default()
    }
}

/// What a grant lets its user publish and subscribe to; everything when it says nothing of that.
pub(super) fn permissions(grant: &Grant) -> Option<Permissions> {
    let rules =
        |said: &jwt::Subjects| SubjectRules { allow: said.allow.clone(), deny: said.deny.clone() };
    let mut permissions = Permissions {
        publish: rules(&grant.publish),
        subscribe: rules(&grant.subscribe),
        responses: grant.responses.as_ref().map(responses),
    };
    if permissions == Permissions::default() {
        return None;
    }
    // spec/security.md §4: answers are all that it may publish, unless more is allowed.
    if permissions.responses.is_some() {
        permissions.publish.allow.get_or_insert_default();
    }
    Some(permissions)
}

fn responses(said: &jwt::Responses) -> Responses {
    let max = match said.max {
        ..0 => None,
        0 => Some(limits::RESPONSES_MAX),
        max => Some(u32::try_from(max).unwrap_or(u32::MAX)),
    };
    let ttl = match u64::try_from(said.ttl_ns) {
        Ok(0) => limits::RESPONSES_TTL,
        Ok(ns) => Duration::from_nanos(ns),
        // Below zero it never ends.
        Err(_) => Duration::from_nanos(i64::MAX as u64),
    };
    Responses { max, ttl }
}

/// Percent of the messages.
pub(super) fn weight(weighted: &Weighted) -> u8 {
    if weighted.weight == 0 { 100 } else { weighted.weight }
}

fn destination(weighted: &Weighted) -> Destination {
    Destination {
        subject: weighted.subject.clone(),
        weight: weight(weighted),
        cluster: (!weighted.cluster.is_empty()).then(|| weighted.cluster.clone()),
    }
}

fn export(export: &jwt::Export) -> Export {
    let kind = match export.kind {
        ExchangeKind::Stream => ExportKind::Stream,
        ExchangeKind::Service => ExportKind::Service(service(export)),
    };
    Export {
        subject: export.subject.clone(),
        kind,
        // Those whose activations are good are added when accounts are put together.
        accounts: export.token_req.then(Vec::new),
        account_token: usize::try_from(export.account_token_position).ok().filter(|at| *at > 0),
        allow_trace: export.allow_trace,
    }
}

fn service(export: &jwt::Export) -> Service {
    Service {
        response: match export.response_type {
            None | Some(ResponseType::Singleton) => ResponseKind::Singleton,
            Some(ResponseType::Stream) => ResponseKind::Stream,
            Some(ResponseType::Chunked) => ResponseKind::Chunked,
        },
        threshold: match u64::try_from(export.response_threshold_ns) {
            Ok(0) | Err(_) => limits::SERVICE_RESPONSE_MAX,
            Ok(ns) => Duration::from_nanos(ns),
        },
        latency: export.service_latency.as_ref().map(|latency| Latency {
            subject: latency.results.clone(),
            sampling: match latency.sampling {
                LatencySampling::Headers => Sampling::Headers,
                LatencySampling::Percent(percent) => Sampling::Percent(percent),
            },
        }),
    }
}

/// `to` is older than `local_subject`: a prefix of streams, and the exporter's subject of
/// services, whose `subject` is then the one here.
fn import(import: &jwt::Import) -> Import {
    let jwt::Import { subject, to, local_subject, share, allow_trace, .. } = import;
    let local = (!local_subject.is_empty()).then(|| local_subject.clone());
    let (subject, kind) = match import.kind {
        ExchangeKind::Stream => {
            let prefixed = || format!("{}.{subject}", to.trim_end_matches('.'));
            let to = local.or_else(|| (!to.is_empty()).then(prefixed));
            (subject, ImportKind::Stream { to, allow_trace: *allow_trace })
        }
        ExchangeKind::Service if local.is_none() && !to.is_empty() => {
            (to, ImportKind::Service { to: Some(subject.clone()), share: *share })
        }
        ExchangeKind::Service => (subject, ImportKind::Service { to: local, share: *share }),
    };
    Import { account: import.account.clone(), subject: subject.clone(), kind }
}
