//! `/subsz`, `/subscriptionsz`: the interest index and who is subscribed (spec/monitoring.md §8).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base::snapshot::SubscriptionSnapshot;
use serde::{Deserialize, Serialize, Serializer};

use crate::answer::Scene;
use crate::params::{BadRequest, Paging, Params};
use crate::reply::Reply;
use crate::source::{IndexFigures, Source, SubscriptionQuery};
use crate::text::Moment;

/// What a system request may ask for (spec/monitoring.md §13, SubszOptions).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    offset: i64,
    limit: i64,
    subscriptions: bool,
    account: String,
    test: String,
}

/// What is asked for, checked.
pub(crate) struct Request {
    list: List,
    paging: Paging,
    test: Option<String>,
    account: Option<String>,
}

/// Whether the subscriptions themselves are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Hidden,
    Shown,
}

impl Request {
    pub(crate) fn from_query(params: &Params<'_>) -> Result<Request, BadRequest> {
        Request {
            list: if params.boolean("subs")? { List::Shown } else { List::Hidden },
            paging: params.paging()?,
            test: params.some_text("test").map(str::to_owned),
            account: params.some_text("acc").map(str::to_owned),
        }
        .checked()
    }

    pub(crate) fn from_options(options: Options) -> Result<Request, BadRequest> {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        Request {
            list: if options.subscriptions { List::Shown } else { List::Hidden },
            paging: Paging::of(options.offset, options.limit),
            test: text(options.test),
            account: text(options.account),
        }
        .checked()
    }

    /// One account's subscriptions, shown.
    pub(crate) fn of_account(mut self, name: &str) -> Request {
        self.account = Some(name.to_owned());
        self.list = List::Shown;
        self
    }

    fn checked(self) -> Result<Request, BadRequest> {
        match &self.test {
            Some(subject) if !subject::name::is_valid_literal(subject.as_bytes()) => {
                Err(BadRequest::TestSubject(subject.clone()))
            }
            _ => Ok(self),
        }
    }
}

pub(crate) async fn answer<S: Source>(scene: &Scene<'_, S>, request: &Request) -> Reply {
    let facts = scene.source.facts();
    let account = request.account.as_deref().map(|name| scene.account(name));
    let (figures, listed) = match account {
        // nats-server answers an unknown account with an empty index.
        Some(None) => (IndexFigures::default(), Vec::new()),
        account => {
            let id = account.flatten().map(|account| account.id);
            (scene.source.index(id).await, list(scene.source, request).await)
        }
    };
    let rows = listed.len();
    let shown: HashSet<&str> = listed.iter().map(|one| one.account.as_str()).collect();
    let known = scene.source.accounts();
    let shown = known.iter().filter(|account| shown.contains(account.name.as_str()));
    let tags = shown.map(|account| (account.name.clone(), Arc::clone(&account.tag))).collect();
    let listing = Listing {
        server_id: facts.server_id.clone(),
        now_ns: scene.now_ns,
        figures,
        paging: request.paging,
        listed,
        tags,
    };
    scene.worded(listing, rows).await
}

/// The subscriptions on the page that is asked for.
async fn list<S: Source>(source: &S, request: &Request) -> Vec<SubscriptionSnapshot> {
    if request.list == List::Hidden {
        return Vec::new();
    }
    let query = SubscriptionQuery {
        account: request.account.clone(),
        test: request.test.clone(),
        skip: request.paging.offset,
        take: request.paging.limit,
        ..SubscriptionQuery::default()
    };
    source.subscriptions(query).await.subscriptions
}

/// All that the answer is made of: its words are written somewhere else.
struct Listing {
    server_id: String,
    now_ns: u64,
    figures: IndexFigures,
    paging: Paging,
    listed: Vec<SubscriptionSnapshot>,
    /// What the accounts of those are called.
    tags: HashMap<String, Arc<str>>,
}

impl Serialize for Listing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tag = |name: &str| self.tags.get(name).map_or("", |tag| tag);
        let detail = |one| SubDetail::with_account(one, tag(&one.account));
        Subsz {
            server_id: &self.server_id,
            now: Moment(self.now_ns),
            stats: IndexStats::of(&self.figures),
            total: self.listed.len(),
            offset: self.paging.offset,
            limit: self.paging.limit,
            subscriptions_list: self.listed.iter().map(detail).collect(),
        }
        .serialize(serializer)
    }
}

/// `total` counts the page, as nats-server does.
#[derive(Serialize)]
struct Subsz<'a> {
    server_id: &'a str,
    now: Moment,
    #[serde(flatten)]
    stats: IndexStats,
    total: usize,
    offset: usize,
    limit: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<SubDetail<'a>>,
}

/// SublistStats, added up over the shards. Each subscription is counted where it lives; a message
/// is matched on the core of its publisher and again on every other core that it goes to.
#[derive(Serialize, Default)]
pub(crate) struct IndexStats {
    num_subscriptions: u64,
    num_cache: u64,
    num_inserts: u64,
    num_removes: u64,
    num_matches: u64,
    cache_hit_rate: f64,
    max_fanout: u64,
    avg_fanout: f64,
}

impl IndexStats {
    pub(crate) fn of(figures: &IndexFigures) -> IndexStats {
        let fanout = figures.fanout;
        IndexStats {
            num_subscriptions: figures.subscriptions,
            num_cache: figures.cached,
            num_inserts: figures.inserts,
            num_removes: figures.removes,
            num_matches: figures.matches,
            cache_hit_rate: ratio(figures.cache_hits, figures.matches),
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
    #[serde(skip_serializing_if = "str::is_empty")]
    account_tag: &'a str,
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
    /// As `/subsz` shows it, and `/connz` of a connection that ended.
    pub(crate) fn with_account(
        subscription: &'a SubscriptionSnapshot,
        account_tag: &'a str,
    ) -> SubDetail<'a> {
        let account = subscription.account.as_str();
        SubDetail { account, account_tag, ..SubDetail::bare(subscription) }
    }

    /// As `/connz` shows it, where the account stands with the connection.
    pub(crate) fn bare(subscription: &'a SubscriptionSnapshot) -> SubDetail<'a> {
        SubDetail {
            account: "",
            account_tag: "",
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
