//! `/accountz`: the accounts, or one of them in detail (spec/monitoring.md §9).

use serde::{Deserialize, Serialize};

use crate::accstatz::usage;
use crate::answer::Scene;
use crate::exchange::{self, ExtExport, ExtImport, ExtMap};
use crate::params::{BadRequest, Params};
use crate::reply::Reply;
use crate::source::{AccountFacts, Source};
use crate::subsz::IndexStats;
use crate::system_exchange::Asker;
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
    let (known, mut accounts) = (scene.source.accounts(), Vec::new());
    let mut account_detail = None;
    match &request.account {
        None => accounts = known.iter().map(|account| account.name.as_str()).collect(),
        Some(name) => account_detail = Some(info(scene, &known, name).await?),
    }
    Ok(scene.json(&Accountz {
        server_id: &facts.server_id,
        now: rfc3339(scene.now_ns),
        system_account: facts.system_account.as_deref(),
        accounts,
        account_detail,
    }))
}

/// One account of those that are known in detail.
pub(crate) async fn info<'a, S: Source>(
    scene: &Scene<'_, S>,
    known: &'a [AccountFacts],
    name: &str,
) -> Result<AccountInfo<'a>, BadRequest> {
    let Some(account) = known.iter().find(|account| account.name == name) else {
        return Err(BadRequest::UnknownAccount(name.to_owned()));
    };
    let usage = usage(scene.source).await.get(name).copied().unwrap_or_default();
    let index = scene.source.index(Some(account.id)).await;
    let inside = scene.source.jetstream_accounts();
    let facts = scene.source.facts();
    let system = known.iter().find(|known| facts.system_account.as_ref() == Some(&known.name));
    let asker = system.map(|system| Asker {
        account: &account.name,
        system: &system.name,
        jetstream: facts.jetstream,
    });
    let mut exports: Vec<_> = account.exports.iter().map(ExtExport::of).collect();
    let mut imports: Vec<_> = account.imports.iter().map(ExtImport::of).collect();
    if let Some(asker) = asker {
        exports.extend(asker.exports());
        imports.extend(asker.imports());
    }
    Ok(AccountInfo {
        update_time: rfc3339(account.update_ns),
        is_system: facts.system_account.as_ref() == Some(&account.name),
        account_name: &account.name,
        expired: false,
        complete: true,
        jetstream_enabled: inside.iter().any(|used| used.id == account.id),
        leafnode_connections: 0,
        client_connections: usage.connections,
        subscriptions: index.subscriptions,
        mappings: exchange::mappings(&account.mappings),
        exports,
        imports,
        name_tag: &account.tag,
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
    accounts: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_detail: Option<AccountInfo<'a>>,
}

/// One account. JWTs come with accounts that have them.
#[derive(Serialize)]
pub(crate) struct AccountInfo<'a> {
    account_name: &'a str,
    update_time: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_system: bool,
    expired: bool,
    complete: bool,
    jetstream_enabled: bool,
    leafnode_connections: u64,
    client_connections: u64,
    subscriptions: u64,
    #[serde(skip_serializing_if = "ExtMap::is_empty")]
    mappings: ExtMap<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exports: Vec<ExtExport<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imports: Vec<ExtImport<'a>>,
    name_tag: &'a str,
    sublist_stats: IndexStats,
}
