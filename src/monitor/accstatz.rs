//! `/accstatz`: what the connections of each account are and did (spec/monitoring.md §9).

use serde::{Deserialize, Serialize};

use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::{AccountFacts, AccountUsage, Source, Traffic, UsageByAccount};
use crate::text::rfc3339;

/// What a system request may ask for (spec/monitoring.md §13, AccountStatzOptions).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    accounts: Vec<String>,
    include_unused: bool,
}

/// What is asked for, checked.
pub(crate) struct Request {
    /// Only these; all when empty.
    accounts: Vec<String>,
    unused: Unused,
}

/// What becomes of accounts without connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unused {
    LeftOut,
    Shown,
}

impl Unused {
    fn of(shown: bool) -> Unused {
        if shown { Unused::Shown } else { Unused::LeftOut }
    }
}

impl Request {
    pub(crate) fn from_query(params: &Params<'_>) -> Result<Request, BadRequest> {
        Ok(Request { accounts: Vec::new(), unused: Unused::of(params.boolean("unused")?) })
    }

    pub(crate) fn from_options(options: Options) -> Request {
        Request { accounts: options.accounts, unused: Unused::of(options.include_unused) }
    }

    /// One account only.
    pub(crate) fn of_account(mut self, name: &str) -> Request {
        self.accounts = vec![name.to_owned()];
        self
    }

    fn admits(&self, name: &str, usage: &AccountUsage) -> bool {
        (self.accounts.is_empty() || self.accounts.iter().any(|wanted| wanted == name))
            && (self.unused == Unused::Shown || usage.connections > 0)
    }
}

pub(crate) async fn answer<S: Source>(scene: &Scene<'_, S>, request: &Request) -> Reply {
    let statz = statz(scene, request).await;
    let rows = statz.account_statz.len();
    scene.worded(statz, rows).await
}

/// The same, or nothing where no account is in it: servers with nothing to say stay silent.
pub(crate) async fn answer_if_any<S: Source>(
    scene: &Scene<'_, S>,
    request: &Request,
) -> Option<Reply> {
    let statz = statz(scene, request).await;
    match statz.account_statz.len() {
        0 => None,
        rows => Some(scene.worded(statz, rows).await),
    }
}

async fn statz<S: Source>(scene: &Scene<'_, S>, request: &Request) -> AccountStatz {
    let usage = usage(scene.source).await;
    let accounts = scene.source.accounts();
    let stat_of = |account: &AccountFacts| {
        let usage = usage.get(&account.name).copied().unwrap_or_default();
        request.admits(&account.name, &usage).then(|| AccountStat::of(account, &usage))
    };
    AccountStatz {
        server_id: scene.source.facts().server_id.clone(),
        now: rfc3339(scene.now_ns),
        account_statz: accounts.iter().filter_map(stat_of).collect(),
    }
}

/// What the connections of every account are and did since the start.
pub(crate) async fn usage<S: Source>(source: &S) -> UsageByAccount {
    let mut usage = UsageByAccount::clone(&source.past_usage());
    for connection in source.connections().await {
        let usage = usage.entry(connection.account.clone()).or_default();
        usage.connections += 1;
        usage.subscriptions += connection.subscriptions;
        usage.add_traffic(&connection);
    }
    usage
}

#[derive(Serialize)]
struct AccountStatz {
    server_id: String,
    now: String,
    account_statz: Vec<AccountStat>,
}

/// One account's figures, here and in the account's own events.
#[derive(Serialize)]
pub(crate) struct AccountStat {
    acc: String,
    /// What it is called: by the operator, or the name again.
    name: String,
    conns: u64,
    leafnodes: u64,
    total_conns: u64,
    num_subscriptions: u64,
    sent: ByLink,
    received: ByLink,
    slow_consumers: u64,
}

impl AccountStat {
    pub(crate) fn of(account: &AccountFacts, usage: &AccountUsage) -> AccountStat {
        AccountStat {
            acc: account.name.clone(),
            name: account.tag.as_ref().to_owned(),
            conns: usage.connections,
            leafnodes: 0,
            total_conns: usage.connections,
            num_subscriptions: usage.subscriptions,
            sent: ByLink::clients(usage.sent),
            received: ByLink::clients(usage.received),
            slow_consumers: usage.slow_consumers,
        }
    }
}

/// All of an account's traffic, and of it what went by each kind of link: there are none.
#[derive(Serialize)]
struct ByLink {
    #[serde(flatten)]
    all: DataStats,
    gateways: DataStats,
    routes: DataStats,
    leafs: DataStats,
}

impl ByLink {
    fn clients(traffic: Traffic) -> ByLink {
        let none = || DataStats::of(Traffic::default());
        ByLink { all: DataStats::of(traffic), gateways: none(), routes: none(), leafs: none() }
    }
}

/// Messages and bytes.
#[derive(Serialize)]
pub(crate) struct DataStats {
    msgs: u64,
    bytes: u64,
}

impl DataStats {
    pub(crate) fn of(traffic: Traffic) -> DataStats {
        DataStats { msgs: traffic.msgs, bytes: traffic.bytes }
    }
}
