//! What monitoring asks of the server, and the only way it learns anything: the [`Source`] trait
//! and the plain data that it hands over. Room `server` implements it on the control thread.

use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::snapshot::{
    ClosedSnapshot, ConnectionSnapshot, StreamQuery, StreamSnapshot, SubscriptionSnapshot,
};
use base::{AccountId, ClientId, Counters};
use config::accounts::{Export, Import, Mapping};
use serde::Serialize;

/// The server as monitoring sees it. All calls come from the control thread; the futures need not
/// be `Send` and may be dropped at any await (a client that hangs up): nothing may be left locked.
pub trait Source {
    /// Identity, addresses and limits. Cheap: called for every request.
    fn facts(&self) -> Rc<ServerFacts>;

    /// The counters of every shard, by shard id.
    fn shards(&self) -> &[Arc<Counters>];

    /// Every open connection, in any order, with an empty `subscriptions_list`.
    fn connections(&self) -> impl Future<Output = Vec<ConnectionSnapshot>>;

    /// The connections that ended lately, oldest first; see [`crate::ClosedRing`].
    fn closed(&self) -> Vec<Arc<ClosedSnapshot>>;

    /// The subscriptions that `query` admits, in an order that stays the same while nothing
    /// changes, so that paging works. See [`SubscriptionQuery`] for how to visit the shards.
    fn subscriptions(&self, query: SubscriptionQuery) -> impl Future<Output = SubscriptionPage>;

    /// What the interest indexes of all shards count, of one account or of all.
    fn index(&self, account: Option<AccountId>) -> impl Future<Output = IndexFigures>;

    /// Brings those counters of the shards up to date that they do not count themselves.
    fn refresh(&self) -> impl Future<Output = ()>;

    /// The accounts that exist, `$G` first. Cheap: called for many requests.
    fn accounts(&self) -> Rc<[AccountFacts]>;

    /// What the connections that ended did, by account.
    fn past_usage(&self) -> Rc<UsageByAccount>;

    /// The queues towards and inside the control thread.
    fn queues(&self) -> Vec<QueueDepth>;

    /// Whether the server can do its work now.
    fn health(&self) -> Health;

    /// What OCSP responders said of clients, in numbers; `None` where nothing of it is kept.
    fn ocsp_cache(&self) -> Option<OcspCacheFigures> {
        None
    }

    /// JetStream in numbers; `None` where it is switched off.
    fn jetstream(&self) -> Option<JetStreamFigures> {
        None
    }

    /// What each account that may use JetStream holds.
    fn jetstream_accounts(&self) -> Vec<JetStreamUse> {
        Vec::new()
    }

    /// The streams that are asked for, by account and name.
    fn streams(&self, _query: StreamQuery) -> impl Future<Output = Vec<StreamSnapshot>> {
        std::future::ready(Vec::new())
    }

    /// Log lines dropped so far because the queue was full (`base::Log::dropped`).
    fn log_lines_dropped(&self) -> u64;
}

/// What does not change between two configuration reloads. Times are nanoseconds since the Unix
/// epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFacts {
    /// The server's nkey, `N…`.
    pub server_id: String,
    /// Its name; the id when none was given.
    pub server_name: String,
    /// The NATS release whose protocol it speaks.
    pub version: String,
    /// The Git commit of the build; empty when unknown.
    pub git_commit: String,
    /// What built it, shown as `go`; for instance `rust1.95.0`.
    pub toolchain: String,
    /// Where clients are listened for.
    pub host: String,
    /// The client port that is bound.
    pub port: u16,
    /// URLs of this and other servers that clients are told.
    pub connect_urls: Vec<String>,
    /// Whether clients must authenticate.
    pub auth_required: bool,
    /// Whether clients must use TLS.
    pub tls_required: bool,
    /// Whether clients must show a certificate.
    pub tls_verify: bool,
    /// Whether those who issued it are asked whether they still stand for it.
    pub tls_ocsp_peer_verify: bool,
    /// Until when the certificate that clients see is good, as RFC 3339; empty without one.
    pub tls_cert_not_after: String,
    /// Public keys of trusted proxies.
    pub proxies: Vec<String>,
    /// Time for CONNECT to arrive.
    pub auth_timeout: Duration,
    /// Time for a TLS handshake.
    pub tls_timeout: Duration,
    /// Where monitoring listens.
    pub http_host: String,
    /// The monitoring port that is bound; 0 without.
    pub http_port: u16,
    /// The port of monitoring over TLS; 0 when there is none.
    pub https_port: u16,
    /// What all paths begin with, as configured; empty for none.
    pub http_base_path: String,
    /// Open connections at most.
    pub max_connections: u32,
    /// Subscriptions of one connection at most; `None` without limit.
    pub max_subscriptions: Option<u32>,
    /// Silence after which a PING is sent.
    pub ping_interval: Duration,
    /// PINGs that may be unanswered.
    pub ping_max: u32,
    /// Bytes in a control line's arguments.
    pub max_control_line: usize,
    /// Bytes in a message.
    pub max_payload: usize,
    /// Bytes queued towards a client.
    pub max_pending: usize,
    /// How long one write batch may take.
    pub write_deadline: Duration,
    /// What happens when it takes longer (`close`, `retry`); empty for the default.
    pub write_timeout: String,
    /// Processors that the process may run on.
    pub cores: usize,
    /// When the server started.
    pub start_ns: u64,
    /// When the configuration was last read.
    pub config_load_ns: u64,
    /// `sha256:…` of the configuration; empty without a file.
    pub config_digest: String,
    /// Tags from the configuration.
    pub tags: Vec<String>,
    /// Key and value pairs from the configuration.
    pub metadata: BTreeMap<String, String>,
    /// Features of nats-server that can be switched, and how they stand.
    pub feature_flags: BTreeMap<String, bool>,
    /// JetStream's domain; empty without.
    pub domain: String,
    /// The system account's name, where there is one.
    pub system_account: Option<String>,
    /// Whether there is JetStream.
    pub jetstream: bool,
}

/// An account, as far as it does not change between two configuration reloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its number.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// What it is called: by the operator, or the name again.
    pub tag: Arc<str>,
    /// When it was last changed, nanoseconds since the Unix epoch.
    pub update_ns: u64,
    /// What it may use of JetStream; nothing where it may not use it.
    pub jetstream: Option<config::accounts::JetStreamLimits>,
    /// What it lets others have.
    pub exports: Rc<[Export]>,
    /// What it has of others.
    pub imports: Rc<[Import]>,
    /// What its subjects become when they are published.
    pub mappings: Rc<[Mapping]>,
}

/// Messages and bytes one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages.
    pub msgs: u64,
    /// Bytes of headers and payload.
    pub bytes: u64,
}

impl Traffic {
    /// Adds another's figures.
    pub fn add(&mut self, msgs: u64, bytes: u64) {
        self.msgs += msgs;
        self.bytes += bytes;
    }
}

/// What an account's connections are and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountUsage {
    /// Clients connected now.
    pub connections: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
    /// Delivered to clients since the start.
    pub sent: Traffic,
    /// Published by clients since the start.
    pub received: Traffic,
    /// Clients closed because they did not keep up.
    pub slow_consumers: u64,
}

impl AccountUsage {
    /// Adds what a connection did, whether it is open or was.
    pub fn add_traffic(&mut self, connection: &ConnectionSnapshot) {
        self.sent.add(connection.out_msgs, connection.out_bytes);
        self.received.add(connection.in_msgs, connection.in_bytes);
    }
}

/// Usage by the account's name.
pub type UsageByAccount = BTreeMap<String, AccountUsage>;

/// What waits in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// What it is for.
    pub name: String,
    /// Entries that wait.
    pub pending: usize,
}

/// What interest indexes count. Several shards' figures add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexFigures {
    /// Subscriptions.
    pub subscriptions: u64,
    /// Subjects in the match caches.
    pub cached: u64,
    /// Subscriptions ever inserted.
    pub inserts: u64,
    /// Subscriptions ever removed.
    pub removes: u64,
    /// Subjects matched, answered from the cache or not.
    pub matches: u64,
    /// Those of them that the cache answered.
    pub cache_hits: u64,
    /// How wide messages fan out.
    pub fanout: Fanout,
}

impl IndexFigures {
    /// Adds another shard's figures.
    pub fn add(&mut self, other: IndexFigures) {
        self.subscriptions += other.subscriptions;
        self.cached += other.cached;
        self.inserts += other.inserts;
        self.removes += other.removes;
        self.matches += other.matches;
        self.cache_hits += other.cache_hits;
        self.fanout.add(other.fanout);
    }
}

/// Which subscriptions are wanted. A shard answers with [`SubscriptionPage::gather`]; whoever
/// visits several shards passes [`SubscriptionQuery::rest`] to the next and
/// [`SubscriptionPage::append`]s what it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionQuery {
    /// Only those of this account.
    pub account: Option<String>,
    /// Only those that a message on this valid literal subject reaches.
    pub test: Option<String>,
    /// Only those that some message reaches which a subscription to this subject gets too.
    pub overlapping: Option<String>,
    /// Only those of these connections, ascending.
    pub held_by: Option<Arc<[ClientId]>>,
    /// How many admitted ones to pass over first.
    pub skip: usize,
    /// How many to hand over at most.
    pub take: usize,
}

impl SubscriptionQuery {
    /// Whether a subscription passes the filters.
    pub fn admits(&self, cid: ClientId, account: &str, subject: &[u8]) -> bool {
        self.held_by.as_ref().is_none_or(|cids| cids.binary_search(&cid).is_ok())
            && self.account.as_deref().is_none_or(|wanted| wanted == account)
            && self
                .test
                .as_ref()
                .is_none_or(|test| subject::name::matches(subject, test.as_bytes()))
            && self
                .overlapping
                .as_ref()
                .is_none_or(|other| subject::name::overlap(subject, other.as_bytes()))
    }

    /// What remains to be asked of the next shard after `page`.
    pub fn rest(mut self, page: &SubscriptionPage) -> SubscriptionQuery {
        self.skip = self.skip.saturating_sub(page.passed_over);
        self.take = self.take.saturating_sub(page.subscriptions.len());
        self
    }
}

/// Part of an answer to a [`SubscriptionQuery`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionPage {
    /// Admitted ones that stood before the page.
    pub passed_over: usize,
    /// The page itself.
    pub subscriptions: Vec<SubscriptionSnapshot>,
}

impl SubscriptionPage {
    /// Takes from `admitted`, which the caller has filtered by [`SubscriptionQuery::admits`],
    /// what `query` asks for, and stops there. `describe` runs only for what is handed over.
    pub fn gather<T>(
        query: &SubscriptionQuery,
        admitted: impl Iterator<Item = T>,
        describe: impl FnMut(T) -> SubscriptionSnapshot,
    ) -> SubscriptionPage {
        let mut admitted = admitted;
        let passed_over = admitted.by_ref().take(query.skip).count();
        let subscriptions = admitted.take(query.take).map(describe).collect();
        SubscriptionPage { passed_over, subscriptions }
    }

    /// Adds what the next shard answered.
    pub fn append(&mut self, mut next: SubscriptionPage) {
        self.passed_over += next.passed_over;
        self.subscriptions.append(&mut next.subscriptions);
    }
}

/// Subscribers per cached subject. The average is `deliveries / subjects`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fanout {
    /// Subjects in the match caches.
    pub subjects: u64,
    /// Their subscribers, added up.
    pub deliveries: u64,
    /// The most subscribers that one of them has.
    pub widest: u64,
}

impl Fanout {
    /// Adds another shard's figures.
    pub fn add(&mut self, other: Fanout) {
        self.subjects += other.subjects;
        self.deliveries += other.deliveries;
        self.widest = self.widest.max(other.widest);
    }
}

/// Whether the server can do its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    #[default]
    Ok,
    /// The client listener is not up (yet, or no more): HTTP 500.
    NotListening,
    /// Something the server needs has failed, said in one sentence: HTTP 503.
    Unavailable(String),
}

/// JetStream in numbers (spec/monitoring.md §4, §10): what the operator set, what all cores hold.
/// Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JetStreamFigures {
    /// Of all memory streams at most.
    pub memory_max: u64,
    /// Of all file streams at most.
    pub storage_max: u64,
    /// Where streams are kept.
    pub store_dir: String,
    /// Nanoseconds between flushes; `None` when what is acknowledged is flushed.
    pub sync_interval_ns: Option<u64>,
    /// The name of this JetStream among others; empty for none.
    pub domain: String,
    /// Whether unknown fields in API requests are refused.
    pub strict: bool,
    /// In memory streams.
    pub memory: u64,
    /// In file streams.
    pub storage: u64,
    /// That memory streams may take.
    pub reserved_memory: u64,
    /// That file streams may take.
    pub reserved_storage: u64,
    /// Accounts that may use it.
    pub accounts: u64,
    /// The API level.
    pub api_level: u32,
    /// Requests of the API.
    pub api_total: u64,
    /// Those that were answered with an error.
    pub api_errors: u64,
    /// Streams.
    pub streams: u64,
    /// Their consumers.
    pub consumers: u64,
    /// Their messages.
    pub messages: u64,
    /// Cores that can store nothing: the disk is full, or a write failed.
    pub stuck_cores: u64,
    /// What the tags begin with that replicas must not share; empty for none.
    pub unique_tag: String,
    /// The bounds that hold for all streams and consumers.
    pub limits: JetStreamLimits,
}

/// Answers of OCSP responders that are kept (spec/monitoring.md §3, OCSPResponseCacheVarz).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the table is the list")]
pub struct OcspCacheFigures {
    pub cache_type: &'static str,
    #[serde(skip_serializing_if = "crate::subsz::is_zero")]
    pub cache_hits: u64,
    #[serde(skip_serializing_if = "crate::subsz::is_zero")]
    pub cache_misses: u64,
    #[serde(skip_serializing_if = "crate::subsz::is_zero")]
    pub cached_responses: u64,
    #[serde(skip_serializing_if = "crate::subsz::is_zero")]
    pub cached_revoked_responses: u64,
    #[serde(skip_serializing_if = "crate::subsz::is_zero")]
    pub cached_good_responses: u64,
    #[serde(skip_serializing_if = "crate::subsz::is_zero")]
    pub cached_unknown_responses: u64,
}

/// The bounds of streams and consumers; all but one only where the operator named them
/// (spec/monitoring.md §3, JSLimitOpts). Times are nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the table is the list")]
pub struct JetStreamLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_batch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ack_pending: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ha_assets: Option<u64>,
    /// -1 without a bound.
    pub default_max_consumers: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duplicate_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch_inflight_per_stream: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch_inflight_total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_batch_timeout: Option<u64>,
}

/// What an account holds in JetStream. Sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JetStreamUse {
    /// The account.
    pub id: AccountId,
    /// In memory streams.
    pub memory: u64,
    /// In file streams.
    pub storage: u64,
    /// Requests of the API.
    pub api_total: u64,
    /// Those that were answered with an error.
    pub api_errors: u64,
}
