//! A server for the tests: whatever they put into it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::snapshot::{
    ClosedSnapshot, ConnectionSnapshot, PermissionsSnapshot, ResponsesSnapshot, RulesSnapshot,
    SubscriptionSnapshot, TokenSnapshot, UserSnapshot,
};
use base::{AccountId, ClientId, ConnSlot, Counters, ShardId};

use crate::source::{
    AccountFacts, Health, IndexFigures, OcspCacheFigures, QueueDepth, ServerFacts, Source,
    SubscriptionPage, SubscriptionQuery, UsageByAccount,
};
use crate::wording::Wording;
use crate::{Asker, Claims, ClaimsAnswer, ClaimsRequest, ClosedRing, Desk, Operator};

/// What each core of a full server took, each twice, nanoseconds.
pub const TIMES_NS: [u64; 4] = [400, 1024, 3_000_000, 60_000_000_000];

/// 2026-11-21T09:17:57Z, when the fake server started.
pub const START_NS: u64 = 1_795_252_677_000_000_000;

/// Where this server's monitoring is asked.
pub fn desk(server: FakeServer) -> Desk<FakeServer> {
    Desk::new(Rc::new(server), Wording::at_once())
}

/// A server that stands still. Shard `n` of two holds the subscriptions of even or odd clients.
pub struct FakeServer {
    pub facts: Rc<ServerFacts>,
    pub shards: Vec<Arc<Counters>>,
    pub connections: Vec<ConnectionSnapshot>,
    pub closed: Vec<Arc<ClosedSnapshot>>,
    pub subscriptions: Vec<SubscriptionSnapshot>,
    pub index: IndexFigures,
    pub accounts: Rc<[AccountFacts]>,
    pub health: Health,
}

impl Source for FakeServer {
    fn facts(&self) -> Rc<ServerFacts> {
        Rc::clone(&self.facts)
    }

    fn shards(&self) -> &[Arc<Counters>] {
        &self.shards
    }

    async fn connections(&self) -> Vec<ConnectionSnapshot> {
        tokio::task::yield_now().await;
        self.connections.clone()
    }

    fn closed(&self) -> Vec<Arc<ClosedSnapshot>> {
        self.closed.clone()
    }

    async fn subscriptions(&self, mut query: SubscriptionQuery) -> SubscriptionPage {
        let mut page = SubscriptionPage::default();
        for shard in 0..2 {
            tokio::task::yield_now().await;
            let admitted = self.subscriptions.iter().filter(|one| {
                one.cid.0 % 2 == shard
                    && query.admits(one.cid, &one.account, one.subject.as_bytes())
            });
            let next = SubscriptionPage::gather(&query, admitted, Clone::clone);
            query = query.rest(&next);
            page.append(next);
        }
        page
    }

    async fn index(&self, account: Option<AccountId>) -> IndexFigures {
        match account {
            Some(AccountId(2)) | None => self.index,
            Some(_) => IndexFigures::default(),
        }
    }

    async fn refresh(&self) {}

    fn accounts(&self) -> Rc<[AccountFacts]> {
        Rc::clone(&self.accounts)
    }

    fn past_usage(&self) -> Rc<UsageByAccount> {
        let mut ring = ClosedRing::new(0);
        self.closed.iter().for_each(|closed| ring.push(ClosedSnapshot::clone(closed)));
        ring.usage()
    }

    fn queues(&self) -> Vec<QueueDepth> {
        let depth = |name: &str, pending| QueueDepth { name: name.into(), pending };
        vec![depth("Commands to core 0", 0), depth("Commands to core 1", 3)]
    }

    fn health(&self) -> Health {
        self.health.clone()
    }

    fn ocsp_cache(&self) -> Option<OcspCacheFigures> {
        let figures = OcspCacheFigures { cache_type: "local", cache_hits: 7, ..Default::default() };
        self.facts.tls_ocsp_peer_verify.then_some(figures)
    }

    fn log_lines_dropped(&self) -> u64 {
        5
    }
}

impl FakeServer {
    /// Two shards, nobody connected.
    pub fn idle() -> FakeServer {
        FakeServer {
            facts: Rc::new(facts()),
            shards: vec![Arc::default(), Arc::default()],
            connections: Vec::new(),
            closed: Vec::new(),
            subscriptions: Vec::new(),
            index: IndexFigures::default(),
            accounts: accounts(&["$G", "$SYS"]),
            health: Health::Ok,
        }
    }

    /// Every fact set and every field of every connection and subscription in use.
    pub fn full() -> FakeServer {
        let mut server = FakeServer::idle();
        server.facts = Rc::new(full_facts());
        server.accounts = accounts(&["$G", "$SYS", "A"]);
        server.shards.iter().for_each(|shard| count_everything(shard));
        server.connections = vec![full_connection(4), full_connection(5)];
        server.closed = vec![Arc::new(ClosedSnapshot {
            connection: ConnectionSnapshot {
                subscriptions_list: vec![subscription(3, "gone")],
                ..full_connection(3)
            },
            stop_ns: START_NS + 7_000_000_000,
            reason: "Client Closed",
        })];
        server.subscriptions =
            vec![subscription(4, "a.*"), subscription(5, "a.b"), subscription(5, "c")];
        server
    }
}

fn accounts(names: &[&str]) -> Rc<[AccountFacts]> {
    let account = |(id, name): (usize, &&str)| AccountFacts {
        id: AccountId(id as u32),
        name: (*name).into(),
        tag: (*name).into(),
        update_ns: START_NS,
        jetstream: None,
        exports: Rc::default(),
        imports: Rc::default(),
        mappings: Rc::default(),
    };
    names.iter().enumerate().map(account).collect()
}

/// A server with defaults.
pub fn facts() -> ServerFacts {
    ServerFacts {
        server_id: "NFAKE".into(),
        server_name: "fake".into(),
        version: "2.14.5".into(),
        toolchain: "rust1.95.0".into(),
        host: "0.0.0.0".into(),
        port: 4222,
        auth_timeout: Duration::from_secs(2),
        tls_timeout: Duration::from_secs(2),
        http_host: "0.0.0.0".into(),
        http_port: 8222,
        max_connections: 65_536,
        ping_interval: Duration::from_secs(120),
        ping_max: 2,
        max_control_line: 4096,
        max_payload: 1 << 20,
        max_pending: 64 << 20,
        write_deadline: Duration::from_secs(10),
        cores: 2,
        start_ns: START_NS,
        config_load_ns: START_NS,
        ..ServerFacts::default()
    }
}

fn full_facts() -> ServerFacts {
    ServerFacts {
        git_commit: "abc".into(),
        connect_urls: vec!["10.0.0.1:4222".into()],
        auth_required: true,
        tls_ocsp_peer_verify: true,
        max_subscriptions: Some(9),
        write_timeout: "retry".into(),
        config_digest: "sha256:00".into(),
        tags: vec!["t".into()],
        tls_cert_not_after: "2030-01-01T00:00:00Z".into(),
        proxies: vec!["NPROXY".into()],
        metadata: [("k".into(), "v".into())].into(),
        domain: "hub".into(),
        feature_flags: [("js_ack_fc_v2".into(), false)].into(),
        system_account: Some("$SYS".into()),
        ..facts()
    }
}

/// Counter number n counts n + 1.
fn count_everything(shard: &Counters) {
    for (n, &counter) in base::Counter::ALL.iter().enumerate() {
        shard.set(counter, n as u64 + 1);
    }
    for &timing in base::Timing::ALL {
        TIMES_NS.iter().for_each(|&ns| shard.timing(timing).record(ns, 2));
    }
}

fn full_connection(cid: u64) -> ConnectionSnapshot {
    ConnectionSnapshot {
        rtt_ns: Some(379_123),
        stalls: 1,
        name: "n".into(),
        lang: "go".into(),
        version: "1".into(),
        authorized_user: "u".into(),
        account: "A".into(),
        account_tag: "A".into(),
        subscriptions: 1,
        in_msgs: 7,
        in_bytes: 70,
        out_msgs: 9,
        out_bytes: 90,
        proxy: Some("NPROXY".into()),
        token: Some(Arc::new(TokenSnapshot {
            jwt: "eyJ.eyJ.sig".into(),
            issuer_key: "ASIGNS".into(),
            name_tag: "joe".into(),
            tags: vec!["team:a".into()],
        })),
        ..connection(cid)
    }
}

/// A queue subscription of client `cid` with a limit, in account A.
pub fn subscription(cid: u64, subject: &str) -> SubscriptionSnapshot {
    SubscriptionSnapshot {
        cid: ClientId(cid),
        account: "A".into(),
        subject: subject.into(),
        queue: "q".into(),
        sid: "1".into(),
        delivered: 6,
        max: 9,
    }
}

/// A connection of client `cid` that did nothing.
pub fn connection(cid: u64) -> ConnectionSnapshot {
    ConnectionSnapshot {
        cid: ClientId(cid),
        shard: ShardId(0),
        peer: "127.0.0.1:5000".parse().unwrap(),
        start_ns: START_NS,
        last_activity_ns: START_NS,
        rtt_ns: None,
        pending_bytes: 0,
        in_msgs: 0,
        in_bytes: 0,
        out_msgs: 0,
        out_bytes: 0,
        stalls: 0,
        tls: None,
        subscriptions: 0,
        name: String::new(),
        lang: String::new(),
        version: String::new(),
        authorized_user: String::new(),
        account: "$G".into(),
        account_tag: "$G".into(),
        proxy: None,
        token: None,
        subscriptions_list: Vec::new(),
    }
}

impl Operator for FakeServer {
    async fn kick(&self, client: ClientId) -> bool {
        self.connections.iter().any(|connection| connection.cid == client)
    }

    async fn warn_of_end(&self, client: ClientId) -> bool {
        self.connections.iter().any(|connection| connection.cid == client)
    }

    async fn reload(&self) -> Result<(), String> {
        match self.health {
            Health::Ok => Ok(()),
            _ => Err("no file".into()),
        }
    }

    async fn connections_at(
        &self,
        _: ShardId,
        slots: Vec<ConnSlot>,
    ) -> Vec<Option<ConnectionSnapshot>> {
        slots.iter().map(|slot| self.connections.get(slot.index()).cloned()).collect()
    }

    async fn who(&self, asker: Asker) -> Option<UserSnapshot> {
        let connection = self.connections.get(asker.slot.index())?;
        Some(UserSnapshot {
            user: connection.authorized_user.clone(),
            name: connection.token.as_ref().map(|token| token.name_tag.clone()).unwrap_or_default(),
            account: connection.account.clone(),
            account_tag: Arc::clone(&connection.account_tag),
            permissions: Some(PermissionsSnapshot {
                publish: RulesSnapshot { allow: vec!["a.>".into()], deny: Vec::new() },
                subscribe: RulesSnapshot::default(),
                responses: Some(ResponsesSnapshot { max: 1, ttl_ns: 5_000_000_000 }),
            }),
            expires_ns: Some(START_NS),
        })
    }
}

impl Claims for FakeServer {
    async fn claims(&self, request: ClaimsRequest) -> ClaimsAnswer {
        match request {
            ClaimsRequest::Update(account, token) if token == "good" => {
                ClaimsAnswer::Done(account, "jwt updated".to_owned())
            }
            ClaimsRequest::Update(account, _) => {
                ClaimsAnswer::Failed(account, "jwt update resulted in error - no".to_owned())
            }
            ClaimsRequest::List => ClaimsAnswer::Names(vec!["A".to_owned(), "B".to_owned()]),
            ClaimsRequest::Pack(_) => {
                ClaimsAnswer::Raw([&b"A|a.b.c"[..], b"B|d.e.f", b""].map(Vec::from).to_vec())
            }
            ClaimsRequest::Lookup(_) => ClaimsAnswer::Raw(vec![b"a.b.c".to_vec()]),
            ClaimsRequest::Delete(_) => {
                ClaimsAnswer::Failed(None, "delete accounts request failed".to_owned())
            }
        }
    }
}
