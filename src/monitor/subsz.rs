//! `/subsz`, `/subscriptionsz`: the interest index and who is subscribed (spec/monitoring.md §8).

use base::Counter;
use base::snapshot::SubscriptionSnapshot;
use serde::Serialize;

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::{Fanout, Source, SubscriptionQuery};
use crate::text::rfc3339;

pub(crate) async fn answer<S: Source>(
    scene: &Scene<'_, S>,
    params: &Params<'_>,
) -> Result<Reply, BadRequest> {
    let with_list = params.boolean("subs")?;
    let paging = params.paging()?;
    let test = params.some_text("test");
    if let Some(subject) = test
        && !subject::name::is_valid_literal(subject.as_bytes())
    {
        return Err(BadRequest::TestSubject(subject.into()));
    }
    let facts = scene.source.facts();
    let account = params.some_text("acc");
    if account.is_some_and(|name| !facts.accounts.iter().any(|known| known == name)) {
        // nats-server answers an unknown account with an empty index.
        return Ok(Reply::json(&Stats::default()));
    }
    let stats = Stats::of(scene, scene.source.fanout().await);
    if !with_list {
        return Ok(Reply::json(&stats));
    }
    let query = SubscriptionQuery {
        account: account.map(Into::into),
        test: test.map(Into::into),
        held_by: None,
        skip: paging.offset,
        take: paging.limit,
    };
    let listed = scene.source.subscriptions(query).await.subscriptions;
    if listed.is_empty() {
        // Seen of nats-server 2.9.10: without a list the index's figures stand alone.
        return Ok(Reply::json(&stats));
    }
    Ok(Reply::json(&Subsz {
        server_id: &facts.server_id,
        now: rfc3339(scene.now_ns),
        stats,
        total: listed.len(),
        offset: paging.offset,
        limit: paging.limit,
        subscriptions_list: listed.iter().map(SubDetail::with_account).collect(),
    }))
}

/// `total` counts the page, as nats-server does.
#[derive(Serialize)]
struct Subsz<'a> {
    server_id: &'a str,
    now: String,
    #[serde(flatten)]
    stats: Stats,
    total: usize,
    offset: usize,
    limit: usize,
    subscriptions_list: Vec<SubDetail<'a>>,
}

/// SublistStats. Inserts, removes and matches are added up over the shards, each of which holds
/// a replica: one subscription is inserted on every core.
#[derive(Serialize, Default)]
struct Stats {
    num_subscriptions: u64,
    num_cache: u64,
    num_inserts: u64,
    num_removes: u64,
    num_matches: u64,
    cache_hit_rate: f64,
    max_fanout: u64,
    avg_fanout: f64,
}

impl Stats {
    fn of<S: Source>(scene: &Scene<'_, S>, fanout: Fanout) -> Stats {
        let matches = scene.total(Counter::IndexMatches);
        Stats {
            num_subscriptions: scene.total(Counter::Subscriptions),
            num_cache: scene.total(Counter::IndexCacheEntries),
            num_inserts: scene.total(Counter::IndexInserts),
            num_removes: scene.total(Counter::IndexRemoves),
            num_matches: matches,
            cache_hit_rate: ratio(scene.total(Counter::IndexCacheHits), matches),
            max_fanout: fanout.widest,
            avg_fanout: ratio(fanout.deliveries, fanout.subjects),
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// One subscription, also in `/connz?subs=detail`.
#[derive(Serialize)]
pub(crate) struct SubDetail<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    account: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    qgroup: &'a str,
    sid: &'a str,
    msgs: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max: u64,
    cid: u64,
}

impl<'a> SubDetail<'a> {
    /// As `/subsz` shows it.
    pub(crate) fn with_account(subscription: &'a SubscriptionSnapshot) -> SubDetail<'a> {
        SubDetail { account: &subscription.account, ..SubDetail::bare(subscription) }
    }

    /// As `/connz` shows it, where the account stands with the connection.
    pub(crate) fn bare(subscription: &'a SubscriptionSnapshot) -> SubDetail<'a> {
        SubDetail {
            account: "",
            subject: &subscription.subject,
            qgroup: &subscription.queue,
            sid: &subscription.sid,
            msgs: subscription.delivered,
            max: subscription.max,
            cid: subscription.cid.0,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}
