//! `/jsz`: JetStream in numbers, of the server and of its accounts, streams and consumers
//! (spec/monitoring.md §10).
//!
//! What describes a stream comes as JSON from its core, and is shown as it comes.

use std::collections::HashMap;

use base::AccountId;
use base::snapshot::{ConsumerSnapshot, StreamQuery, StreamSnapshot};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::answer::Scene;
use crate::params::{BadRequest, Paging, Params};
use crate::reply::Reply;
use crate::source::{AccountFacts, JetStreamFigures, JetStreamLimits, JetStreamUse, Source};
use crate::subsz::is_zero;
use crate::text::Moment;

/// What a system request may ask for (spec/monitoring.md §13, JSzOptions).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    account: String,
    accounts: bool,
    streams: bool,
    consumer: bool,
    direct_consumer: bool,
    config: bool,
    raft: bool,
    // Read, so that a wrong value is an error; a server alone leads all that it has.
    leader_only: bool,
    stream_leader_only: bool,
    offset: i64,
    limit: i64,
}

/// What is asked for.
#[derive(Clone)]
pub(crate) struct Request {
    /// Only this account, if JetStream has it.
    account: Option<String>,
    /// Those that are shown where no such account is.
    others: Others,
    depth: Depth,
    configs: bool,
    consumers: bool,
    direct_consumers: bool,
    leaders: Leaders,
}

/// Whether it is said how many streams and consumers this server leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaders {
    Hidden,
    Counted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    None,
    /// A page of them, by name.
    Page(Paging),
    /// All of them: seen of nats-server 2.14.5 where the limit is negative.
    All,
}

/// How far down the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Accounts,
    Streams,
}

impl Request {
    pub(crate) fn from_query(params: &Params<'_>) -> Result<Request, BadRequest> {
        let options = Options {
            account: params.text("acc").to_owned(),
            accounts: params.boolean("accounts")?,
            streams: params.boolean("streams")?,
            consumer: params.boolean("consumers")?,
            direct_consumer: params.boolean("direct-consumers")?,
            config: params.boolean("config")?,
            offset: params.int("offset")?,
            limit: params.int("limit")?,
            leader_only: params.boolean("leader-only")?,
            raft: params.boolean("raft")?,
            stream_leader_only: params.boolean("stream-leader-only")?,
        };
        Ok(Request::from_options(options))
    }

    // spec/monitoring.md §10: account_details only with accounts/streams/consumers/acc; consumers
    // implies streams implies accounts
    pub(crate) fn from_options(options: Options) -> Request {
        // Seen of nats-server 2.14.5: direct consumers go into the streams that are shown, and show
        // none themselves.
        let streams = options.streams || options.consumer;
        let account = Some(options.account).filter(|name| !name.is_empty());
        let others = match options.accounts || streams && account.is_none() {
            false => Others::None,
            true if options.limit < 0 => Others::All,
            true => Others::Page(Paging::of(options.offset, options.limit)),
        };
        Request {
            account,
            others,
            depth: if streams { Depth::Streams } else { Depth::Accounts },
            configs: options.config,
            consumers: options.consumer,
            direct_consumers: options.direct_consumer,
            leaders: if options.raft { Leaders::Counted } else { Leaders::Hidden },
        }
    }
}

/// The block `config`, here and in `/varz`.
#[derive(Serialize)]
pub(crate) struct Config<'a> {
    max_memory: u64,
    max_storage: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    store_dir: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_interval: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sync_always: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    unique_tag: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Api {
    level: u32,
    total: u64,
    errors: u64,
}

/// JetStreamStats, here and in `/varz`.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Stats {
    memory: u64,
    storage: u64,
    reserved_memory: u64,
    reserved_storage: u64,
    accounts: u64,
    ha_assets: u64,
    api: Api,
}

#[derive(Serialize)]
struct JsInfo<'a> {
    #[serde(flatten)]
    stats: Stats,
    server_id: &'a str,
    now: Moment,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    config: Config<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<JetStreamLimits>,
    streams: u64,
    #[serde(skip_serializing_if = "is_zero")]
    streams_leader: u64,
    consumers: u64,
    #[serde(skip_serializing_if = "is_zero")]
    consumers_leader: u64,
    messages: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    account_details: Vec<AccountDetail<'a>>,
    total: u64,
}

/// One account.
#[derive(Serialize)]
struct AccountDetail<'a> {
    name: &'a str,
    id: &'a str,
    #[serde(flatten)]
    stats: Stats,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stream_detail: Vec<StreamDetail<'a>>,
}

/// One stream.
#[derive(Serialize)]
struct StreamDetail<'a> {
    name: &'a str,
    created: &'a RawValue,
    cluster: Leader<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a RawValue>,
    state: &'a RawValue,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consumer_detail: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    direct_consumer_detail: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<&'a RawValue>,
}

/// The block `cluster` of a stream: a server alone leads it.
#[derive(Serialize)]
struct Leader<'a> {
    leader: &'a str,
}

/// What nats-server shows as its interval where everything is flushed at once, and no interval is.
const UNUSED_SYNC_INTERVAL_NS: u64 = 120_000_000_000;

impl<'a> Config<'a> {
    /// As it is told of on the bus: the server's folders are nobody's business there.
    pub(crate) fn without_folder(figures: &'a JetStreamFigures) -> Config<'a> {
        Config { store_dir: "", ..Config::of(figures) }
    }

    pub(crate) fn of(figures: &'a JetStreamFigures) -> Config<'a> {
        let on_disk = !figures.store_dir.is_empty();
        let interval = figures.sync_interval_ns.unwrap_or(UNUSED_SYNC_INTERVAL_NS);
        Config {
            max_memory: figures.memory_max,
            max_storage: figures.storage_max,
            store_dir: &figures.store_dir,
            sync_interval: on_disk.then_some(interval),
            sync_always: on_disk && figures.sync_interval_ns.is_none(),
            domain: &figures.domain,
            unique_tag: &figures.unique_tag,
            strict: figures.strict,
        }
    }
}

impl Stats {
    pub(crate) fn of(figures: &JetStreamFigures) -> Stats {
        Stats {
            memory: figures.memory,
            storage: figures.storage,
            reserved_memory: figures.reserved_memory,
            reserved_storage: figures.reserved_storage,
            accounts: figures.accounts,
            ha_assets: 0,
            api: Api {
                level: figures.api_level,
                total: figures.api_total,
                errors: figures.api_errors,
            },
        }
    }

    /// Those of one account. What it may use counts as reserved, as in nats-server, which shows -1
    /// for no limit as the highest number, and tells of the API's level with the server only.
    fn of_account(facts: &AccountFacts, used: &JetStreamUse) -> Stats {
        let limits = facts.jetstream.unwrap_or_default();
        Stats {
            memory: used.memory,
            storage: used.storage,
            reserved_memory: limits.memory.unwrap_or(u64::MAX),
            reserved_storage: limits.storage.unwrap_or(u64::MAX),
            accounts: 0,
            ha_assets: 0,
            api: Api { level: 0, total: used.api_total, errors: used.api_errors },
        }
    }
}

impl<'a> StreamDetail<'a> {
    fn of(stream: &'a StreamSnapshot, server: &'a str, request: &Request) -> Self {
        let listed = |direct| {
            let consumers = stream.consumers.iter();
            consumers.filter(move |one: &&ConsumerSnapshot| one.direct == direct)
        };
        let shown = |direct| listed(direct).map(|consumer| raw(&consumer.info)).collect();
        StreamDetail {
            name: &stream.name,
            created: raw(&stream.created),
            cluster: Leader { leader: server },
            config: stream.config.as_deref().map(raw),
            state: raw(&stream.state),
            consumer_detail: if request.consumers { shown(false) } else { Vec::new() },
            direct_consumer_detail: if request.direct_consumers { shown(true) } else { Vec::new() },
            mirror: stream.mirror.as_deref().map(raw),
            sources: stream.sources.as_deref().map(raw),
        }
    }
}

/// What a core wrote.
fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).expect("cores write JSON")
}

/// All that an answer is made of: its words are written somewhere else.
struct Overview {
    server_id: String,
    now_ns: u64,
    /// `None` with JetStream switched off.
    figures: Option<JetStreamFigures>,
    details: Details,
}

/// As much of it as is about accounts.
struct Details {
    server_name: String,
    accounts: Vec<OneAccount>,
    streams: Vec<StreamSnapshot>,
    request: Request,
}

struct OneAccount {
    id: AccountId,
    name: String,
    stats: Stats,
}

impl Serialize for Overview {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let none = JetStreamFigures::default();
        let figures = self.figures.as_ref().unwrap_or(&none);
        // A server alone leads all that it has.
        let led = |count| match self.details.request.leaders {
            Leaders::Counted => count,
            Leaders::Hidden => 0,
        };
        JsInfo {
            stats: Stats::of(figures),
            server_id: &self.server_id,
            now: Moment(self.now_ns),
            disabled: self.figures.is_none(),
            config: Config::of(figures),
            limits: self.figures.as_ref().map(|figures| figures.limits),
            streams: figures.streams,
            streams_leader: led(figures.streams),
            consumers: figures.consumers,
            consumers_leader: led(figures.consumers),
            messages: figures.messages,
            bytes: figures.memory + figures.storage,
            account_details: self.details.of_accounts().collect(),
            total: figures.accounts,
        }
        .serialize(serializer)
    }
}

impl Details {
    fn rows(&self) -> usize {
        let consumers: usize = self.streams.iter().map(|stream| stream.consumers.len()).sum();
        self.accounts.len() + self.streams.len() + consumers
    }

    fn of_accounts(&self) -> impl Iterator<Item = AccountDetail<'_>> {
        self.accounts.iter().map(move |account| AccountDetail {
            name: &account.name,
            id: &account.name,
            stats: account.stats,
            stream_detail: self
                .streams
                .iter()
                .filter(|stream| stream.account == account.id)
                .map(|stream| StreamDetail::of(stream, &self.server_name, &self.request))
                .collect(),
        })
    }
}

/// Of the one account that is in it.
impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.of_accounts().next().serialize(serializer)
    }
}

/// The answer; with JetStream switched off all is 0, and it says so.
pub(crate) async fn answer<S: Source>(scene: &Scene<'_, S>, request: &Request) -> Reply {
    let accounts = chosen(scene, request);
    let overview = Overview {
        server_id: scene.source.facts().server_id.clone(),
        now_ns: scene.now_ns,
        details: details(scene, request, accounts).await,
        figures: scene.source.jetstream(),
    };
    let rows = overview.details.rows();
    scene.worded(overview, rows).await
}

/// `$SYS.REQ.ACCOUNT.<account>.JSZ`: the same of one account, without the server's figures.
pub(crate) async fn answer_of_account<S: Source>(
    scene: &Scene<'_, S>,
    name: &str,
    options: Options,
) -> Result<Reply, String> {
    let only = Options { account: name.to_owned(), accounts: false, ..options };
    let request = Request::from_options(only);
    if scene.source.jetstream().is_none() {
        return Err("jetstream not enabled".into());
    }
    if scene.account(name).is_none() {
        return Err(format!("account {name:?} not found"));
    }
    let accounts = chosen(scene, &request);
    if accounts.is_empty() {
        return Err(format!("account {name:?} not jetstream enabled"));
    }
    let details = details(scene, &request, accounts).await;
    let rows = details.rows();
    Ok(scene.worded(details, rows).await)
}

async fn details<S: Source>(
    scene: &Scene<'_, S>,
    request: &Request,
    accounts: Vec<OneAccount>,
) -> Details {
    let streams = streams(scene, request, &accounts).await;
    let (server_name, request) = (scene.source.facts().server_name.clone(), request.clone());
    Details { server_name, accounts, streams, request }
}

/// The account that is asked for or, where there is none, those on the page, by name, with what
/// they use.
// spec/monitoring.md §10: offset/limit page over accounts
fn chosen<S: Source>(scene: &Scene<'_, S>, request: &Request) -> Vec<OneAccount> {
    let used: HashMap<AccountId, JetStreamUse> =
        scene.source.jetstream_accounts().into_iter().map(|used| (used.id, used)).collect();
    let accounts = scene.source.accounts();
    let one = |account: &AccountFacts| {
        let stats = Stats::of_account(account, used.get(&account.id)?);
        Some(OneAccount { id: account.id, name: account.name.clone(), stats })
    };
    let mut found: Vec<OneAccount> = accounts.iter().filter_map(one).collect();
    let wanted = |one: &OneAccount| Some(&one.name) == request.account.as_ref();
    if let Some(place) = found.iter().position(wanted) {
        return vec![found.swap_remove(place)];
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    match request.others {
        Others::None => Vec::new(),
        Others::All => found,
        Others::Page(Paging { offset, limit }) => {
            found.into_iter().skip(offset).take(limit).collect()
        }
    }
}

/// The streams of these accounts, as far as they are asked for.
async fn streams<S: Source>(
    scene: &Scene<'_, S>,
    request: &Request,
    accounts: &[OneAccount],
) -> Vec<StreamSnapshot> {
    if request.depth < Depth::Streams || accounts.is_empty() {
        return Vec::new();
    }
    let query = StreamQuery {
        // One account is asked for, several are picked out of all.
        account: (accounts.len() == 1).then(|| accounts[0].id),
        stream: None,
        consumers: request.consumers || request.direct_consumers,
        configs: request.configs,
    };
    scene.source.streams(query).await
}
