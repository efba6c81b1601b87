//! How long a service of another account took to answer (spec/client-protocol.md §12).

use std::collections::BTreeMap;

use base::ClientInfo;
use base::observed::{Place, ServiceOutcome, ServiceSample, Told};
use base::snapshot::ConnectionSnapshot;
use serde::Serialize;

use super::envelope::json;
use super::events::{event_id, with_distance};
use super::{Announcement, Operator, SystemDesk};
use crate::source::Source;
use crate::text::rfc3339;

/// ServiceLatency. Durations are nanoseconds.
#[derive(Serialize)]
struct ServiceLatency<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    timestamp: String,
    status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    requestor: Option<Requestor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responder: Option<ClientInfo<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    header: BTreeMap<&'a str, [&'a str; 1]>,
    start: String,
    service: u64,
    system: u64,
    total: u64,
}

/// As much of who asks as the importer shares.
#[derive(Serialize)]
#[serde(untagged)]
enum Requestor<'a> {
    Distance {
        acc: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        rtt: Option<u64>,
    },
    All(Box<ClientInfo<'a>>),
}

impl<S: Source + Operator> SystemDesk<S> {
    /// One request that was measured, told where the exporter wants to hear of it.
    pub async fn of_service(&self, sample: &ServiceSample, now_ns: u64) -> Announcement {
        let requestor = self.one_at(Some(sample.requestor)).await;
        let responder = self.one_at(sample.responder).await;
        let payload = json(&worded(sample, requestor.as_ref(), responder.as_ref(), now_ns));
        let (account, subject) = (sample.exporter, sample.subject.clone());
        Announcement { account, subject, reply: None, headers: Vec::new(), payload }
    }

    /// The connection at a place, if it is still there; services have none.
    async fn one_at(&self, place: Option<Place>) -> Option<ConnectionSnapshot> {
        let Place { shard, slot } = place.filter(|place| place.slot.service().is_none())?;
        self.source.connections_at(shard, vec![slot]).await.pop().flatten()
    }
}

fn worded<'a>(
    sample: &'a ServiceSample,
    requestor: Option<&'a ConnectionSnapshot>,
    responder: Option<&'a ConnectionSnapshot>,
    now_ns: u64,
) -> ServiceLatency<'a> {
    let (status, description) = match sample.outcome {
        ServiceOutcome::Answered => (200, ""),
        ServiceOutcome::NoReply => (400, "Bad Request"),
        ServiceOutcome::RequestorGone => (408, "Request Timeout"),
        ServiceOutcome::NobodyThere => (503, "Service Unavailable"),
        ServiceOutcome::TooLate => (504, "Service Timeout"),
    };
    let rtt = |connection: Option<&ConnectionSnapshot>| connection.and_then(|one| one.rtt_ns);
    let (asker_ns, answerer_ns) =
        (rtt(requestor).unwrap_or_default(), rtt(responder).unwrap_or_default());
    let service = match sample.outcome {
        ServiceOutcome::Answered => sample.took_ns.saturating_sub(answerer_ns),
        _ => 0,
    };
    let pairs = sample.headers.iter().map(|(key, value)| (key.as_str(), [value.as_str()]));
    ServiceLatency {
        kind: "io.nats.server.metric.v1.service_latency",
        id: event_id(),
        timestamp: rfc3339(now_ns),
        status,
        description,
        requestor: requestor.map(|connection| match sample.told {
            Told::Distance => {
                Requestor::Distance { acc: &connection.account, rtt: connection.rtt_ns }
            }
            Told::All => Requestor::All(Box::new(with_distance(connection))),
        }),
        responder: responder.map(with_distance),
        header: pairs.collect(),
        start: rfc3339(sample.asked_wall_ns.saturating_sub(asker_ns)),
        service,
        system: sample.system_ns,
        total: sample.took_ns + sample.system_ns + asker_ns,
    }
}

#[cfg(test)]
mod tests {
    use base::{AccountId, ConnSlot, ShardId};

    use super::*;
    use crate::fake::connection;

    fn sample(outcome: ServiceOutcome, told: Told) -> ServiceSample {
        ServiceSample {
            exporter: AccountId(7),
            subject: b"latency".to_vec(),
            outcome,
            asked_wall_ns: 1_000_000_000,
            took_ns: 5_000,
            system_ns: 700,
            requestor: Place { shard: ShardId(0), slot: ConnSlot(1) },
            told,
            responder: None,
            headers: vec![("B3".into(), "1-1-1".into())],
        }
    }

    #[test]
    fn times_leave_out_the_way_to_the_responder_and_add_that_to_the_requestor() {
        let (mut asks, mut answers) = (connection(1), connection(2));
        (asks.rtt_ns, answers.rtt_ns) = (Some(1_000), Some(2_000));
        let answered = sample(ServiceOutcome::Answered, Told::Distance);
        let worded = serde_json::to_value(worded(&answered, Some(&asks), Some(&answers), 0));
        let worded = worded.expect("JSON");
        assert_eq!(worded["status"], 200);
        assert_eq!(worded["service"], 3_000);
        assert_eq!(worded["system"], 700);
        assert_eq!(worded["total"], 6_700, "both round trips, the service and the server");
        assert_eq!(worded["start"], "1970-01-01T00:00:00.999999Z");
        assert_eq!(worded["requestor"], serde_json::json!({ "acc": "$G", "rtt": 1_000 }));
        assert_eq!(worded["responder"]["rtt"], 2_000);
        assert_eq!(worded["header"], serde_json::json!({ "B3": ["1-1-1"] }));
    }

    #[test]
    fn what_failed_says_how() {
        for (outcome, status) in [
            (ServiceOutcome::NoReply, 400),
            (ServiceOutcome::RequestorGone, 408),
            (ServiceOutcome::NobodyThere, 503),
            (ServiceOutcome::TooLate, 504),
        ] {
            let failed = sample(outcome, Told::All);
            let asks = connection(1);
            let worded = serde_json::to_value(worded(&failed, Some(&asks), None, 0)).expect("JSON");
            assert_eq!((&worded["status"], &worded["service"]), (&status.into(), &0.into()));
            assert_eq!(worded["requestor"]["id"], 1, "it is shared");
            assert!(worded["description"].is_string() && worded.get("responder").is_none());
        }
    }
}
