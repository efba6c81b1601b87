//! `/accountz`: the accounts, or one of them in detail (spec/monitoring.md §9).

use serde::{Deserialize, Serialize};

use crate::accstatz::usage;
use crate::answer::Scene;
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::Source;
use crate::subsz::IndexStats;
use crate::text::rfc3339;

/// What a system request may ask for (spec/monitoring.md §13, AccountzOptions).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    account: String,
}

/// What is asked for.
pub(crate) struct Request {
    /// The account to show; all names when there is none.
    account: Option<String>,
}

impl Request {
    pub(crate) fn from_query(params: &Params<'_>) -> Request {
        Request { account: params.some_text("acc").map(str::to_owned) }
    }

    pub(crate) fn from_options(options: Options) -> Request {
        Request { account: Some(options.account).filter(|name| !name.is_empty()) }
    }
}

pub(crate) async fn answer<S: Source>(
    scene: &Scene<'_, S>,
    request: &Request,
) -> Result<Reply, BadRequest> {
    let facts = scene.source.facts();
    let (accounts, account_detail) = match &request.account {
        None => {
            let accounts = scene.source.accounts();
            (accounts.iter().map(|account| account.name.clone()).collect(), None)
        }
        Some(name) => (Vec::new(), Some(info(scene, name).await?)),
    };
    Ok(scene.json(&Accountz {
        server_id: &facts.server_id,
        now: rfc3339(scene.now_ns),
        system_account: facts.system_account.as_deref(),
        accounts,
        account_detail,
    }))
}

/// One account in detail.
pub(crate) async fn info<S: Source>(
    scene: &Scene<'_, S>,
    name: &str,
) -> Result<AccountInfo, BadRequest> {
    let Some(account) = scene.account(name) else {
        return Err(BadRequest::UnknownAccount(name.to_owned()));
    };
    let usage = usage(scene.source).await.get(name).copied().unwrap_or_default();
    let index = scene.source.index(Some(account.id)).await;
    Ok(AccountInfo {
        update_time: rfc3339(account.update_ns),
        is_system: scene.source.facts().system_account.as_ref() == Some(&account.name),
        account_name: account.name,
        expired: false,
        complete: true,
        jetstream_enabled: false,
        leafnode_connections: 0,
        client_connections: usage.connections,
        subscriptions: index.subscriptions,
        sublist_stats: IndexStats::of(&index),
    })
}

#[derive(Serialize)]
struct Accountz<'a> {
    server_id: &'a str,
    now: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_account: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_detail: Option<AccountInfo>,
}

/// One account. Mappings, exports, imports and JWTs come with accounts that are configured.
#[derive(Serialize)]
pub(crate) struct AccountInfo {
    account_name: String,
    update_time: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_system: bool,
    expired: bool,
    complete: bool,
    jetstream_enabled: bool,
    leafnode_connections: u64,
    client_connections: u64,
    subscriptions: u64,
    sublist_stats: IndexStats,
}
