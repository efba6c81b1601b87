//! The way that a traced message took on this server, worded as one event
//! (spec/client-protocol.md §11).

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use base::observed::{Egress, Receiver, Streamed, TracePart, TraceStart, TraceStep};
use base::{AccountId, ClientId, ConnSlot, ShardId};
use serde::Serialize;

use super::encoding::Encoding;
use super::envelope::{ServerInfo, json};
use super::{Announcement, Operator, SystemDesk};
use crate::source::{AccountFacts, Source};
use crate::text::rfc3339;

/// `kind` of a client in events.
const CLIENT: u8 = 0;
/// `kind` of what answers inside the server.
const SYSTEM: u8 = 3;

#[derive(Serialize)]
struct MessageTrace<'a> {
    server: ServerInfo<'a>,
    request: Request,
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Request {
    header: BTreeMap<String, Vec<String>>,
    msgsize: usize,
}

/// What happened, and when.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    ts: String,
    #[serde(flatten)]
    what: What<'a>,
}

/// The fields of each type of event.
#[derive(Serialize)]
#[serde(untagged)]
enum What<'a> {
    Ingress {
        kind: u8,
        cid: u64,
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        acc: &'a str,
        subj: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    Mapped {
        to: String,
    },
    Exported {
        acc: &'a str,
        to: String,
    },
    Imported {
        acc: &'a str,
        from: String,
        to: String,
    },
    Streamed {
        stream: &'a str,
        #[serde(skip_serializing_if = "String::is_empty")]
        subject: String,
        #[serde(rename = "nointerest", skip_serializing_if = "std::ops::Not::not")]
        unwanted: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    Egress {
        kind: u8,
        cid: u64,
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        /// Where it is not the publisher's.
        #[serde(skip_serializing_if = "Option::is_none")]
        acc: Option<&'a str>,
        sub: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        queue: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'static str>,
    },
}

/// What the words of a trace are made of.
struct Words<'a> {
    start: &'a TraceStart,
    accounts: &'a [AccountFacts],
    names: &'a HashMap<ClientId, String>,
}

impl<S: Source + Operator> SystemDesk<S> {
    /// The trace of a message, from all cores that it came to.
    pub async fn of_trace(&self, start: &TraceStart, parts: &[TracePart]) -> Announcement {
        let names = self.names(start, parts).await;
        let accounts: Rc<[AccountFacts]> = self.source.accounts();
        let words = Words { start, accounts: &accounts, names: &names };
        let facts = self.source.facts();
        let server = self.envelope.introduce(&facts, start.wall_ns);
        let request = Request { header: header_map(&start.headers), msgsize: start.message_bytes };
        let payload = json(&MessageTrace { server, request, events: words.events(parts) });
        let (headers, payload) = Encoding::wanted_by(&start.headers).apply(payload);
        let (account, subject) = (start.account, start.destination.clone());
        Announcement { account, subject, reply: None, headers, payload }
    }

    /// What the clients call themselves that are still there.
    async fn names(&self, start: &TraceStart, parts: &[TracePart]) -> HashMap<ClientId, String> {
        let mut places: BTreeMap<ShardId, Vec<ConnSlot>> = BTreeMap::new();
        places.entry(start.publisher.shard).or_default().push(start.publisher.slot);
        for part in parts {
            for step in &part.steps {
                if let TraceStep::Reached(Egress { to: Receiver::Client { slot, .. }, .. }) = step {
                    places.entry(part.shard).or_default().push(*slot);
                }
            }
        }
        let mut names = HashMap::new();
        for (shard, mut slots) in places {
            slots.sort_unstable_by_key(|slot| slot.0);
            slots.dedup();
            let found = self.source.connections_at(shard, slots).await;
            names.extend(found.into_iter().flatten().map(|one| (one.cid, one.name)));
        }
        names
    }
}

impl<'a> Words<'a> {
    fn events(&self, parts: &'a [TracePart]) -> Vec<Event<'a>> {
        let start = self.start;
        let ingress = What::Ingress {
            kind: CLIENT,
            cid: start.cid.0,
            name: self.name(start.cid),
            acc: self.account(start.account),
            subj: lossy(&start.subject),
            error: start.error.as_deref(),
        };
        let mut events = vec![Event { kind: "in", ts: rfc3339(start.wall_ns), what: ingress }];
        for part in parts {
            let later_ns = part.mono_ns.saturating_sub(start.mono_ns);
            let ts = rfc3339(start.wall_ns + later_ns);
            for step in &part.steps {
                let (kind, what) = self.step(step);
                events.push(Event { kind, ts: ts.clone(), what });
            }
        }
        events
    }

    fn step(&self, step: &'a TraceStep) -> (&'static str, What<'a>) {
        match step {
            TraceStep::Mapped { to } => ("sm", What::Mapped { to: lossy(to) }),
            TraceStep::Exported { account, to } => {
                ("se", What::Exported { acc: self.account(*account), to: lossy(to) })
            }
            TraceStep::Imported { account, from, to } => {
                let (acc, from, to) = (self.account(*account), lossy(from), lossy(to));
                ("si", What::Imported { acc, from, to })
            }
            TraceStep::Streamed(streamed) => {
                let Streamed { stream, subject, unwanted, error } = streamed;
                let (error, unwanted) = (error.as_deref(), *unwanted);
                // Seen of nats-server 2.15.2: what is not kept has no subject there.
                let subject = if error.is_none() { lossy(subject) } else { String::new() };
                ("js", What::Streamed { stream, subject, unwanted, error })
            }
            TraceStep::Reached(egress) => ("eg", self.egress(egress)),
        }
    }

    fn egress(&self, egress: &'a Egress) -> What<'a> {
        let (kind, cid) = match egress.to {
            Receiver::Client { cid, .. } => (CLIENT, cid),
            Receiver::Service(_) => (SYSTEM, ClientId(0)),
        };
        let is_elsewhere = egress.account != self.start.account;
        What::Egress {
            kind,
            cid: cid.0,
            name: self.name(cid),
            acc: is_elsewhere.then(|| self.account(egress.account)),
            sub: lossy(&egress.subject),
            queue: egress.queue.as_deref().map(lossy),
            error: egress.refused,
        }
    }

    fn name(&self, cid: ClientId) -> &'a str {
        self.names.get(&cid).map(String::as_str).unwrap_or_default()
    }

    fn account(&self, id: AccountId) -> &'a str {
        let found = self.accounts.iter().find(|account| account.id == id);
        found.map(|account| account.name.as_str()).unwrap_or_default()
    }
}

/// All headers with all their values.
fn header_map(block: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(block).lines().skip(1) {
        if let Some((key, value)) = line.split_once(':') {
            map.entry(key.to_owned()).or_default().push(value.trim().to_owned());
        }
    }
    map
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
