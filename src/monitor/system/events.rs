//! What is told without being asked: connections that come and go, figures of accounts and of the
//! server, and its end (spec/monitoring.md §14).

use std::collections::HashSet;

use base::snapshot::{
    ACCOUNT_AUTH_ERROR, ConnectionEvent, ConnectionSnapshot, Happening, RefusedLogin,
};
use base::{AccountId, ClientInfo};
use serde::Serialize;

use super::envelope::{ServerInfo, json};
use super::statsz;
use super::{Announcement, Operator, SystemDesk};
use crate::accstatz::{AccountStat, DataStats, usage};
use crate::answer::Scene;
use crate::reply::Layout;
use crate::source::{AccountFacts, AccountUsage, ServerFacts, Source, Traffic};
use crate::text::rfc3339;

/// What happens to a whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It takes no more clients and will end.
    LameDuck,
    /// It ends now.
    Shutdown,
}

/// TypedEvent: what every event begins with.
#[derive(Serialize)]
pub(super) struct Typed<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    timestamp: String,
    server: ServerInfo<'a>,
}

/// A connection with its round trip, and with the name of its user instead of its account's.
pub(super) fn with_distance(connection: &ConnectionSnapshot) -> ClientInfo<'_> {
    let name_tag = connection.token.as_ref().map_or("", |token| &token.name_tag);
    ClientInfo { rtt: connection.rtt_ns, name_tag, ..client_info(connection, None) }
}

fn client_info(connection: &ConnectionSnapshot, stop_ns: Option<u64>) -> ClientInfo<'_> {
    ClientInfo {
        start: Some(rfc3339(connection.start_ns)),
        host: Some(connection.peer.ip().to_canonical().to_string()),
        id: Some(connection.cid.0),
        acc: &connection.account,
        user: &connection.authorized_user,
        name: &connection.name,
        lang: &connection.lang,
        ver: &connection.version,
        // Seen of nats-server 2.9.10: the round trip stands at the end only.
        rtt: connection.rtt_ns.filter(|_| stop_ns.is_some()),
        server: "",
        stop: stop_ns.map(rfc3339),
        token: connection.token.as_deref(),
        name_tag: &connection.account_tag,
        kind: "Client",
        client_type: "nats",
    }
}

#[derive(Serialize)]
struct ConnectEvent<'a> {
    #[serde(flatten)]
    typed: Typed<'a>,
    client: ClientInfo<'a>,
}

/// `sent` is what the client sent.
#[derive(Serialize)]
struct DisconnectEvent<'a> {
    #[serde(flatten)]
    typed: Typed<'a>,
    client: ClientInfo<'a>,
    sent: DataStats,
    received: DataStats,
    reason: &'a str,
}

#[derive(Serialize)]
struct AccountConnections<'a> {
    #[serde(flatten)]
    typed: Typed<'a>,
    #[serde(flatten)]
    stat: AccountStat,
}

/// Where a server's figures are told.
pub(super) fn statsz_subject(facts: &ServerFacts) -> Vec<u8> {
    format!("$SYS.SERVER.{}.STATSZ", facts.server_id).into_bytes()
}

/// Where an account's connections are told, the new place and the old.
fn connections_subjects(account: &str) -> [String; 2] {
    [format!("$SYS.ACCOUNT.{account}.SERVER.CONNS"), format!("$SYS.SERVER.ACCOUNT.{account}.CONNS")]
}

fn told(subject: impl Into<Vec<u8>>, payload: Vec<u8>) -> Announcement {
    let account = AccountId::SYSTEM;
    let subject = subject.into();
    Announcement { account, subject, reply: None, headers: Vec::new(), payload }
}

impl<S: Source + Operator> SystemDesk<S> {
    /// A connection that came or went.
    pub fn of_connection(&self, event: &ConnectionEvent) -> Announcement {
        let facts = self.source.facts();
        let connection = &event.connection;
        let account = &connection.account;
        match event.what {
            Happening::Connected => {
                let typed = self.typed(&facts, "client_connect", event.at_ns);
                let client = client_info(connection, None);
                let body = json(&ConnectEvent { typed, client });
                told(format!("$SYS.ACCOUNT.{account}.CONNECT"), body)
            }
            Happening::Disconnected(reason) | Happening::TurnedAway(reason) => {
                let body = self.disconnect(&facts, event, reason);
                told(format!("$SYS.ACCOUNT.{account}.DISCONNECT"), body)
            }
            Happening::LoginFailed(reason) => {
                let body = self.disconnect(&facts, event, reason);
                told(format!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", facts.server_id), body)
            }
        }
    }

    /// The same of a login that an account's service refused, as that account hears it.
    pub fn of_refused_login(&self, event: &ConnectionEvent) -> Option<Announcement> {
        let RefusedLogin { account, why } = event.refused.as_ref()?;
        let payload = self.disconnect(&self.source.facts(), event, why);
        let (account, subject) = (*account, ACCOUNT_AUTH_ERROR.as_bytes().to_vec());
        Some(Announcement { account, subject, reply: None, headers: Vec::new(), payload })
    }

    fn disconnect(&self, facts: &ServerFacts, event: &ConnectionEvent, reason: &str) -> Vec<u8> {
        let connection = &event.connection;
        let traffic = |msgs, bytes| DataStats::of(Traffic { msgs, bytes });
        json(&DisconnectEvent {
            typed: self.typed(facts, "client_disconnect", event.at_ns),
            client: client_info(connection, Some(event.at_ns)),
            sent: traffic(connection.in_msgs, connection.in_bytes),
            received: traffic(connection.out_msgs, connection.out_bytes),
            reason,
        })
    }

    /// The subjects on which `account`'s connections are told, of which one may be listened to.
    pub fn connections_subjects(&self, account: &str) -> [String; 2] {
        connections_subjects(account)
    }

    /// How many connections each of `accounts` has, once on each of its subjects.
    pub async fn of_accounts(&self, accounts: &[String]) -> Vec<Announcement> {
        let scene = self.desk.scene(Layout::Compact);
        let usage = usage(scene.source).await;
        let wanted: HashSet<&str> = accounts.iter().map(String::as_str).collect();
        let (known, mut all) = (scene.source.accounts(), Vec::new());
        for account in known.iter().filter(|account| wanted.contains(account.name.as_str())) {
            let usage = usage.get(&account.name).copied().unwrap_or_default();
            for subject in connections_subjects(&account.name) {
                all.push(told(subject, self.connections_event(&scene, account, &usage)));
            }
        }
        all
    }

    /// The names of all accounts.
    pub fn accounts(&self) -> Vec<String> {
        self.source.accounts().iter().map(|account| account.name.clone()).collect()
    }

    /// The accounts that have connections now.
    pub async fn accounts_in_use(&self) -> Vec<String> {
        let usage = usage(&*self.source).await;
        let used = usage.into_iter().filter(|(_, usage)| usage.connections > 0);
        used.map(|(account, _)| account).collect()
    }

    pub(super) fn connections_event(
        &self,
        scene: &Scene<'_, S>,
        account: &AccountFacts,
        usage: &AccountUsage,
    ) -> Vec<u8> {
        let facts = scene.source.facts();
        let typed = self.typed(&facts, "account_connections", scene.now_ns);
        json(&AccountConnections { typed, stat: AccountStat::of(account, usage) })
    }

    /// Where this server's figures are told.
    pub fn statsz_subject(&self) -> Vec<u8> {
        statsz_subject(&self.source.facts())
    }

    /// This server's figures.
    pub async fn of_server(&self) -> Announcement {
        let scene = self.desk.scene(Layout::Compact);
        let facts = scene.source.facts();
        let stats = statsz::stats(&scene).await;
        told(statsz_subject(&facts), self.envelope.with_stats(&facts, scene.now_ns, &stats))
    }

    /// The server's end, near or here.
    pub fn of_end(&self, happened: Happened) -> Announcement {
        let scene = self.desk.scene(Layout::Compact);
        let facts = scene.source.facts();
        let last_token = match happened {
            Happened::LameDuck => "LAMEDUCK",
            Happened::Shutdown => "SHUTDOWN",
        };
        // Seen of nats-server 2.9.10: the introduction itself, in no envelope.
        let body = json(&self.envelope.introduce(&facts, scene.now_ns));
        told(format!("$SYS.SERVER.{}.{last_token}", facts.server_id), body)
    }

    pub(super) fn typed<'a>(&self, facts: &'a ServerFacts, kind: &str, at_ns: u64) -> Typed<'a> {
        Typed {
            kind: schema(kind),
            id: event_id(),
            timestamp: rfc3339(at_ns),
            server: self.envelope.introduce(facts, at_ns),
        }
    }
}

/// The full name of an event's schema.
fn schema(kind: &str) -> &'static str {
    match kind {
        "client_connect" => "io.nats.server.advisory.v1.client_connect",
        "client_disconnect" => "io.nats.server.advisory.v1.client_disconnect",
        "ocsp_peer_reject" => "io.nats.server.advisory.v1.ocsp_peer_reject",
        "ocsp_peer_link_invalid" => "io.nats.server.advisory.v1.ocsp_peer_link_invalid",
        _ => "io.nats.server.advisory.v1.account_connections",
    }
}

/// 22 letters and digits that no other event has.
pub(super) fn event_id() -> String {
    (0..22).map(|_| fastrand::alphanumeric()).collect()
}
