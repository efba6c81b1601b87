//! What the rest of the process hears of connections that come and go. Events are for those who
//! listen for them on `$SYS` subjects; while nobody does, they cost a look at the index.

use std::fmt::Write;
use std::sync::Arc;

use base::snapshot::{
    ACCOUNT_AUTH_ERROR, ClosedSnapshot, ConnectionEvent, ConnectionSnapshot, Happening,
    RefusedLogin, TlsSnapshot,
};
use base::{AccountId, ConnSlot, Counter, Log, Now};
use crossbeam_channel::Sender;
use protocol::CloseReason;
use shard::Shard;

use crate::connection::Link;
use crate::dialect::{Context, Dialect};

/// Where a core tells the rest of the process about its connections.
#[derive(Clone)]
pub struct Outside {
    /// The log.
    pub log: Log,
    /// Connections that ended, for monitoring. When it is full the record is lost.
    pub closed: Sender<Box<ClosedSnapshot>>,
    /// The server's id, which stands in subjects.
    pub server_id: Arc<str>,
    /// Where events go. Must not wait.
    pub events: Tell,
}

/// Takes an event, if there is room.
pub type Tell = Arc<dyn Fn(ConnectionEvent) -> Taken + Send + Sync>;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It will be told.
    Yes,
    /// There was no room: it is lost, and counted.
    No,
}

/// Whether a connection's login was told to those who listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToldLogin {
    No,
    Yes,
}

impl Context<'_> {
    /// Tells those who listen that the connection has logged in. `dialect` is the caller.
    pub fn logged_in(&mut self, dialect: &dyn Dialect) {
        self.link.told_login = ToldLogin::Yes;
        if let Some(connection) = snapshot(self.shard, self.link, self.slot, dialect) {
            self.outside.tell(self.shard, self.now, Happening::Connected, None, &connection);
        }
    }
}

/// What the end of a connection is to those who listen, in this order.
pub(crate) fn end_of(link: &Link, reason: CloseReason) -> impl Iterator<Item = Happening> + use<> {
    let word = reason.as_str();
    let (failed, ended) = match (link.told_login, reason) {
        (ToldLogin::Yes, _) => (None, Happening::Disconnected(word)),
        (
            ToldLogin::No,
            CloseReason::AuthenticationFailure
            | CloseReason::ProxyNotTrusted
            | CloseReason::ProxyRequired,
        ) => (Some(Happening::LoginFailed(word)), Happening::TurnedAway(word)),
        (ToldLogin::No, _) => (None, Happening::TurnedAway(word)),
    };
    failed.into_iter().chain([ended])
}

impl Outside {
    /// Tells what happened to a connection, if anybody listens.
    pub(crate) fn tell(
        &self,
        shard: &mut Shard,
        now: Now,
        what: Happening,
        refused: Option<&RefusedLogin>,
        connection: &ConnectionSnapshot,
    ) {
        let account = &connection.account;
        let mut hears = Listening { shard, subject: String::with_capacity(128) };
        // spec/monitoring.md §14
        let wanted = match what {
            Happening::Connected => hears.on(format_args!("$SYS.ACCOUNT.{account}.CONNECT")),
            Happening::Disconnected(_) | Happening::TurnedAway(_) => {
                hears.on(format_args!("$SYS.ACCOUNT.{account}.DISCONNECT"))
            }
            Happening::LoginFailed(_) => {
                hears.on(format_args!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", self.server_id))
            }
        };
        let refused = refused
            .filter(|refused| hears.in_account(refused.account, ACCOUNT_AUTH_ERROR))
            .cloned();
        let changes_count = matches!(what, Happening::Connected | Happening::Disconnected(_));
        let count_wanted = changes_count
            && (hears.on(format_args!("$SYS.ACCOUNT.{account}.SERVER.CONNS"))
                || hears.on(format_args!("$SYS.SERVER.ACCOUNT.{account}.CONNS")));
        if !wanted && !count_wanted && refused.is_none() {
            return;
        }
        let at_ns = now.wall_ns;
        let connection = connection.clone();
        let event = ConnectionEvent { what, at_ns, connection, wanted, count_wanted, refused };
        if (self.events)(event) == Taken::No {
            shard.counters().add(Counter::SystemDropped, 1);
        }
    }
}

/// Asks who listens in the system account.
struct Listening<'a> {
    shard: &'a mut Shard,
    subject: String,
}

impl Listening<'_> {
    fn in_account(&mut self, account: AccountId, subject: &str) -> bool {
        self.shard.has_interest(account, subject.as_bytes())
    }

    fn on(&mut self, subject: std::fmt::Arguments<'_>) -> bool {
        self.subject.clear();
        // A String takes everything.
        let _ = self.subject.write_fmt(subject);
        self.shard.has_interest(AccountId::SYSTEM, self.subject.as_bytes())
    }
}

/// What monitoring shows of a connection; `None` for one that is no more.
pub(crate) fn snapshot(
    shard: &mut Shard,
    link: &Link,
    slot: ConnSlot,
    dialect: &dyn Dialect,
) -> Option<ConnectionSnapshot> {
    let id = shard.id();
    let outbox = shard.outbox(slot)?;
    let mut snapshot = ConnectionSnapshot {
        cid: link.cid,
        shard: id,
        peer: link.peer,
        start_ns: link.start_ns,
        last_activity_ns: link.liveness.worked_wall_ns(),
        rtt_ns: link.liveness.rtt_ns(),
        pending_bytes: outbox.pending_bytes() as u64,
        in_msgs: link.in_msgs,
        in_bytes: link.in_bytes,
        out_msgs: outbox.out_msgs,
        out_bytes: outbox.out_bytes,
        stalls: link.stalls,
        tls: link.tls.as_deref().map(|agreed| TlsSnapshot {
            first: agreed.first,
            version: agreed.version,
            cipher_suite: agreed.cipher_suite.clone(),
        }),
        subscriptions: outbox.subscriptions() as u64,
        name: String::new(),
        lang: String::new(),
        version: String::new(),
        authorized_user: String::new(),
        account: String::new(),
        account_tag: Arc::from(""),
        proxy: None,
        token: None,
        subscriptions_list: Vec::new(),
    };
    dialect.describe(&mut snapshot);
    Some(snapshot)
}
