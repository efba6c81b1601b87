//! What accounts have of each other, and what their subjects become, as `/accountz` shows it
//! (spec/monitoring.md §9, ExtExport, ExtImport, ExtMap).

use std::borrow::Cow;
use std::collections::BTreeMap;

use config::accounts::{
    Destination, Export, ExportKind, Import, ImportKind, Latency, Mapping, ResponseKind, Sampling,
};
use serde::Serialize;
use subject::Transform;

#[derive(Serialize)]
pub(crate) struct ExtExport<'a> {
    subject: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_latency: Option<ExtLatency<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_token_position: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_accounts: Option<&'a [String]>,
}

#[derive(Serialize)]
struct ExtLatency<'a> {
    sampling: u8,
    results: &'a str,
}

#[derive(Serialize)]
pub(crate) struct ExtImport<'a> {
    subject: Cow<'a, str>,
    account: &'a str,
    /// Of services, the same again under the name that older readers know.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Cow<'a, str>>,
    local_subject: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    invalid: bool,
    share: bool,
    tracking: bool,
}

#[derive(Serialize)]
pub(crate) struct ExtDestination<'a> {
    subject: &'a str,
    weight: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
}

impl<'a> ExtDestination<'a> {
    fn of(destination: &'a Destination) -> ExtDestination<'a> {
        let Destination { subject, weight, cluster } = destination;
        ExtDestination { subject, weight: *weight, cluster: cluster.as_deref() }
    }
}

/// Destinations by source.
pub(crate) type ExtMap<'a> = BTreeMap<&'a str, Vec<ExtDestination<'a>>>;

impl<'a> ExtExport<'a> {
    pub(crate) fn of(export: &'a Export) -> ExtExport<'a> {
        let service = match &export.kind {
            ExportKind::Stream => None,
            ExportKind::Service(service) => Some(service),
        };
        let latency = service.and_then(|service| service.latency.as_ref());
        ExtExport {
            subject: &export.subject,
            kind: if service.is_some() { "service" } else { "stream" },
            response_type: service.map(|service| match service.response {
                ResponseKind::Singleton => "Singleton",
                ResponseKind::Stream => "Streamed",
                ResponseKind::Chunked => "Chunked",
            }),
            service_latency: latency.map(ExtLatency::of),
            account_token_position: export.account_token,
            approved_accounts: export.accounts.as_deref(),
        }
    }

    /// What the system account offers to all, answered in the way that has this name.
    pub(crate) fn of_system(subject: &'a str, response: &'static str) -> ExtExport<'a> {
        ExtExport {
            subject,
            kind: "service",
            response_type: Some(response),
            service_latency: None,
            account_token_position: None,
            approved_accounts: None,
        }
    }
}

impl<'a> ExtLatency<'a> {
    fn of(latency: &'a Latency) -> ExtLatency<'a> {
        let sampling = match latency.sampling {
            Sampling::Percent(percent) => percent,
            // Headers decide: nats-server shows 0.
            Sampling::Headers => 0,
        };
        ExtLatency { sampling, results: &latency.subject }
    }
}

impl<'a> ExtImport<'a> {
    /// The subject is the exporter's, the local one the importer's.
    pub(crate) fn of(import: &'a Import) -> ExtImport<'a> {
        let Import { account, subject, kind } = import;
        let (to, local_subject, kind, share) = match kind {
            ImportKind::Service { to, share } => {
                let own =
                    to.as_deref().map_or(Cow::Borrowed(&subject[..]), |to| leaving(subject, to));
                (Some(own.clone()), own, "service", *share)
            }
            ImportKind::Stream { to, .. } => {
                let own = to.as_deref().unwrap_or(subject);
                (None, arriving(subject, own).into(), "stream", false)
            }
        };
        let (invalid, tracking, subject) = (false, false, Cow::Borrowed(&subject[..]));
        ExtImport { subject, account, to, local_subject, kind, invalid, share, tracking }
    }

    /// What an account asks of the system account on a subject of its own.
    pub(crate) fn of_system(
        subject: Cow<'a, str>,
        account: &'a str,
        own: &'a str,
    ) -> ExtImport<'a> {
        let (to, local_subject, kind) = (Some(own.into()), own.into(), "service");
        let (invalid, share, tracking) = (false, false, false);
        ExtImport { subject, account, to, local_subject, kind, invalid, share, tracking }
    }

    /// The same, where the exporter is told who asks.
    pub(crate) fn shared(self) -> ExtImport<'a> {
        ExtImport { share: true, ..self }
    }
}

/// What a service's importer publishes on: the pattern, not the transform's notation.
fn leaving<'a>(subject: &str, own: &'a str) -> Cow<'a, str> {
    match Transform::import_reversed(subject, own) {
        Ok(transform) => String::from_utf8_lossy(transform.source()).into_owned().into(),
        Err(_) => own.into(),
    }
}

/// What subscribers of a stream's importer see: the pattern, not the transform's notation.
fn arriving(subject: &str, own: &str) -> String {
    let pattern = Transform::import(subject, own).map(|transform| transform.destination_pattern());
    pattern.map_or_else(|_| own.to_owned(), |text| String::from_utf8_lossy(&text).into_owned())
}

/// The mappings of an account.
pub(crate) fn mappings<'a>(mappings: &'a [Mapping]) -> ExtMap<'a> {
    let shown = |mapping: &'a Mapping| mapping.destinations.iter().map(ExtDestination::of);
    mappings.iter().map(|one| (&one.source[..], shown(one).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &impl Serialize) -> serde_json::Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn imports_are_shown_as_nats_server_shows_them() {
        let import =
            |subject: &str, kind| Import { account: "A".into(), subject: subject.into(), kind };
        let service = import("q.*", ImportKind::Service { to: Some("ask.$1".into()), share: true });
        let expected = serde_json::json!({"subject": "q.*", "account": "A", "to": "ask.*",
            "local_subject": "ask.*", "type": "service", "invalid": false, "share": true,
            "tracking": false});
        assert_eq!(shown(&ExtImport::of(&service)), expected);
        let to = Some("from.s.>".into());
        let stream = import("s.>", ImportKind::Stream { to, allow_trace: false });
        let expected = serde_json::json!({"subject": "s.>", "account": "A",
            "local_subject": "from.s.>", "type": "stream", "invalid": false, "share": false,
            "tracking": false});
        assert_eq!(shown(&ExtImport::of(&stream)), expected);
    }

    #[test]
    fn mappings_stand_by_source() {
        let all = [Mapping {
            source: "a.*".into(),
            destinations: vec![Destination { subject: "b.$1".into(), weight: 50, cluster: None }],
        }];
        let expected = serde_json::json!({"a.*": [{"subject": "b.$1", "weight": 50}]});
        assert_eq!(shown(&mappings(&all)), expected);
    }
}
