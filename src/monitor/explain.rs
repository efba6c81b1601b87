//! `/explain`: where a client or the subscribers of a subject live, who of them is slow, and what
//! was dropped or closed for that. Corewire's own, a text for people; `corewire explain` shows it.

use std::collections::{BTreeMap, HashMap};

use base::snapshot::{ClosedSnapshot, ConnectionSnapshot};
use base::{ClientId, Counter, ShardId};
use hyper::StatusCode;

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::{Source, SubscriptionQuery};
use crate::text::{rfc3339, rtt, uptime};

/// Subscribers that are looked at.
const SUBSCRIBERS_MAX: usize = 262_144;
/// Clients that are listed one by one.
const LISTED_MAX: usize = 20;
/// Of `max_pending`: from here on a client counts as slow, in percent.
const SLOW_PERCENT: u64 = 1;

/// What is to be explained.
pub(crate) enum Request {
    Client(ClientId),
    Subject { subject: String, account: String },
}

impl Request {
    pub(crate) fn from_query(params: &Params<'_>) -> Result<Request, BadRequest> {
        let client = params.uint("client")?;
        if client > 0 {
            return Ok(Request::Client(ClientId(client)));
        }
        match params.some_text("subject") {
            Some(subject) if subject::name::is_valid_subscription(subject.as_bytes()) => {
                let account = params.some_text("acc").unwrap_or("$G").to_owned();
                Ok(Request::Subject { subject: subject.to_owned(), account })
            }
            _ => Err(BadRequest::Unexplained),
        }
    }
}

pub(crate) async fn answer<S: Source>(scene: &Scene<'_, S>, request: &Request) -> Reply {
    let lines = match request {
        Request::Client(cid) => client(scene, *cid).await,
        Request::Subject { subject, account } => subscribers(scene, subject, account).await,
    };
    Reply::text(StatusCode::OK, lines.join("\n") + "\n")
}

async fn client<S: Source>(scene: &Scene<'_, S>, cid: ClientId) -> Vec<String> {
    if let Some(open) = scene.source.connections().await.iter().find(|one| one.cid == cid) {
        return of_open(scene, open);
    }
    match scene.source.closed().iter().find(|closed| closed.connection.cid == cid) {
        Some(closed) => of_closed(scene, closed),
        None => {
            vec![format!("client {cid} is not connected, and not among those that ended lately")]
        }
    }
}

fn of_open<S: Source>(scene: &Scene<'_, S>, open: &ConnectionSnapshot) -> Vec<String> {
    let waits = match slowness(scene, open) {
        None if open.pending_bytes == 0 => String::from("nothing waits for it"),
        None => format!("{} wait for it", bytes(open.pending_bytes)),
        Some(percent) => format!(
            "SLOW: {} wait for it, {percent}% of max_pending; at 100% it is closed",
            bytes(open.pending_bytes)
        ),
    };
    let stalls = match open.stalls {
        0 => String::from("it never had to wait for slow subscribers of what it publishes"),
        stalls => {
            format!("it had to wait {stalls} times for slow subscribers of what it publishes")
        }
    };
    vec![
        format!("client {}", who(open)),
        format!(
            "  lives on core {}, connected {}, idle {}, round trip {}",
            open.shard,
            uptime(open.start_ns, scene.now_ns),
            uptime(open.last_activity_ns, scene.now_ns),
            rtt(open.rtt_ns)
        ),
        format!("  {}", traffic(open)),
        format!("  {waits}"),
        format!("  {stalls}"),
    ]
}

fn of_closed<S: Source>(scene: &Scene<'_, S>, closed: &ClosedSnapshot) -> Vec<String> {
    let connection = &closed.connection;
    let max = bytes(scene.source.facts().max_pending as u64);
    let why = match closed.reason {
        "Slow Consumer (Pending Bytes)" => format!("more than max_pending ({max}) waited for it"),
        "Slow Consumer (Write Deadline)" => {
            String::from("it took nothing for as long as write_deadline says")
        }
        "Stale Connection" => String::from("it left ping_max PINGs unanswered"),
        "Client Closed" => String::from("it hung up"),
        "Kicked" => String::from("an operator ended it"),
        reason => reason.to_lowercase(),
    };
    let stop_ns = closed.stop_ns;
    vec![
        format!("client {}", who(connection)),
        format!(
            "  lived on core {}, ended {} after {}: {}",
            connection.shard,
            rfc3339(stop_ns),
            uptime(connection.start_ns, stop_ns),
            closed.reason
        ),
        format!("  {why}"),
        format!("  {}", traffic(connection)),
        format!("  {} waited for it at the end", bytes(connection.pending_bytes)),
    ]
}

async fn subscribers<S: Source>(scene: &Scene<'_, S>, subject: &str, account: &str) -> Vec<String> {
    if scene.account(account).is_none() {
        return vec![format!("there is no account {account}")];
    }
    let query = SubscriptionQuery {
        account: Some(account.to_owned()),
        overlapping: Some(subject.to_owned()),
        take: SUBSCRIBERS_MAX,
        ..SubscriptionQuery::default()
    };
    let found = scene.source.subscriptions(query).await.subscriptions;
    let open = scene.source.connections().await;
    let open: HashMap<ClientId, &ConnectionSnapshot> =
        open.iter().map(|connection| (connection.cid, connection)).collect();
    let mut cores: BTreeMap<ShardId, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut slow: BTreeMap<ClientId, &ConnectionSnapshot> = BTreeMap::new();
    for subscription in &found {
        // One that left meanwhile lives nowhere.
        let Some(connection) = open.get(&subscription.cid) else { continue };
        let groups = cores.entry(connection.shard).or_default();
        *groups.entry(&subscription.queue).or_default() += 1;
        if slowness(scene, connection).is_some() {
            slow.insert(connection.cid, connection);
        }
    }
    let mut lines =
        vec![format!("subject {subject} in account {account}: {} subscriptions", found.len())];
    lines.extend(cores.iter().map(|(core, groups)| format!("  core {core}: {}", kinds(groups))));
    lines.extend(slow.values().take(LISTED_MAX).map(|one| {
        format!(
            "  SLOW: client {} on core {}, {} wait",
            who(one),
            one.shard,
            bytes(one.pending_bytes)
        )
    }));
    if slow.is_empty() && !found.is_empty() {
        lines.push(String::from("  none of its subscribers is slow now"));
    }
    lines.extend(dropped(scene));
    lines
}

/// What was done for slow subscribers, whatever the subject: it is counted by core only.
fn dropped<S: Source>(scene: &Scene<'_, S>) -> Vec<String> {
    let shards = scene.source.shards().iter().enumerate();
    let told = shards.filter_map(|(core, shard)| {
        let closed = shard.get(Counter::SlowConsumers);
        let dropped = shard.get(Counter::DroppedForSlow);
        let lost = shard.get(Counter::RingDropped);
        (closed + dropped + lost > 0).then(|| {
            format!(
                "  core {core} since the start, all subjects: {closed} slow clients closed, \
                 {dropped} deliveries dropped for slow ones, {lost} lost on full ways between cores"
            )
        })
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => vec![String::from("  nothing was dropped since the start, on any core")],
        false => told,
    }
}

/// Of `max_pending`, what waits for a client, in percent, when that is worth a word.
fn slowness<S: Source>(scene: &Scene<'_, S>, open: &ConnectionSnapshot) -> Option<u64> {
    let max = (scene.source.facts().max_pending as u64).max(1);
    let percent = open.pending_bytes.saturating_mul(100) / max;
    (percent >= SLOW_PERCENT).then_some(percent)
}

fn who(connection: &ConnectionSnapshot) -> String {
    let mut text = connection.cid.to_string();
    let ConnectionSnapshot { name, lang, version, authorized_user: user, .. } = connection;
    if !name.is_empty() {
        text.push_str(&format!(" {name:?}"));
    }
    if !lang.is_empty() {
        text.push_str(&format!(" ({lang} {version})"));
    }
    if !user.is_empty() {
        text.push_str(&format!(", user {user:?}"));
    }
    text + &format!(", account {}, from {}", connection.account, connection.peer)
}

fn traffic(connection: &ConnectionSnapshot) -> String {
    format!(
        "published {} messages ({}), got {} ({}), {} subscriptions",
        connection.in_msgs,
        bytes(connection.in_bytes),
        connection.out_msgs,
        bytes(connection.out_bytes),
        connection.subscriptions
    )
}

/// Plain subscriptions and those of each queue group.
fn kinds(groups: &BTreeMap<&str, usize>) -> String {
    let named = |(group, count): (&&str, &usize)| match *group {
        "" => format!("{count} plain"),
        group => format!("{count} in queue group {group}"),
    };
    groups.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// Bytes as people read them, in powers of 1024.
fn bytes(count: u64) -> String {
    let mut left = count as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if left < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{left:.1} {unit}") };
        }
        left /= 1024.0;
    }
    format!("{left:.1} TB")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fake::{self, FakeServer};

    /// Client 4 is slow; 3 was cut off.
    fn laden() -> FakeServer {
        let mut server = FakeServer::full();
        server.connections[0].pending_bytes = 32 << 20;
        server.connections[0].shard = ShardId(1);
        let mut cut = ClosedSnapshot::clone(&server.closed[0]);
        cut.reason = "Slow Consumer (Pending Bytes)";
        server.closed = vec![Arc::new(cut)];
        server
    }

    fn get(query: &str) -> (u16, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let desk = fake::desk(laden());
        let reply = runtime.block_on(desk.answer("/explain", query));
        (reply.status.as_u16(), String::from_utf8(reply.body).unwrap())
    }

    #[test]
    fn a_client_is_found_on_its_core_with_what_slows_it() {
        let (status, text) = get("client=4");
        assert_eq!(status, 200);
        for part in [
            "client 4 \"n\" (go 1), user \"u\", account A, from 127.0.0.1:5000\n",
            "lives on core 1,",
            "published 7 messages (70 B), got 9 (90 B), 1 subscriptions",
            "SLOW: 32.0 MB wait for it, 50% of max_pending; at 100% it is closed",
            "it had to wait 1 times",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        assert!(get("client=5").1.contains("nothing waits for it"));
    }

    #[test]
    fn a_client_that_ended_says_why() {
        let text = get("client=3").1;
        assert!(text.contains("after 7s: Slow Consumer (Pending Bytes)\n"), "{text}");
        assert!(text.contains("more than max_pending (64.0 MB) waited for it"), "{text}");
        assert!(get("client=99").1.contains("client 99 is not connected"));
    }

    #[test]
    fn the_subscribers_of_a_subject_are_found_core_by_core() {
        let text = get("subject=a.b&acc=A").1;
        for part in [
            "subject a.b in account A: 2 subscriptions\n",
            "  core 0: 1 in queue group q\n  core 1: 1 in queue group q\n",
            "  SLOW: client 4 \"n\"",
            "on core 1, 32.0 MB wait\n",
            "slow clients closed",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        assert!(get("subject=c&acc=A").1.contains("none of its subscribers is slow now"));
        assert_eq!(get("subject=c&acc=NOPE").1, "there is no account NOPE\n");
        assert!(get("subject=none").1.starts_with("subject none in account $G: 0 subscriptions\n"));
    }

    #[test]
    fn a_question_without_a_thing_is_refused() {
        for query in ["", "client=0", "subject=", "subject=a..b"] {
            assert_eq!(get(query).0, 400, "{query}");
        }
    }
}
