//! Immutable pictures that a shard hands to the control thread when monitoring asks.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::{AccountId, ClientId, ShardId};

/// One connection, as `/connz` shows it. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSnapshot {
    /// Its id for the whole server.
    pub cid: ClientId,
    /// The shard it lives on.
    pub shard: ShardId,
    /// The other end.
    pub peer: SocketAddr,
    /// When it was accepted.
    pub start_ns: u64,
    /// When the last message, subscription or ping went through it.
    pub last_activity_ns: u64,
    /// Round-trip time by PING, once measured.
    pub rtt_ns: Option<u64>,
    /// Bytes queued towards it.
    pub pending_bytes: u64,
    /// Messages it published.
    pub in_msgs: u64,
    /// Bytes it published.
    pub in_bytes: u64,
    /// Messages delivered to it.
    pub out_msgs: u64,
    /// Bytes delivered to it.
    pub out_bytes: u64,
    /// Times it was put to sleep for a slow subscriber.
    pub stalls: u64,
    /// What a TLS handshake agreed on, if there was one.
    pub tls: Option<TlsSnapshot>,
    /// How many subscriptions it has.
    pub subscriptions: u64,
    /// `name` from CONNECT.
    pub name: String,
    /// `lang` from CONNECT.
    pub lang: String,
    /// `version` from CONNECT.
    pub version: String,
    /// The user it authenticated as; empty when it did not.
    pub authorized_user: String,
    /// Its account's name.
    pub account: String,
    /// What its account is called: by the operator, or the name again.
    pub account_tag: Arc<str>,
    /// The public key of the trusted proxy that passed it on.
    pub proxy: Option<Arc<str>>,
    /// What the token of its user says, if it has one.
    pub token: Option<Arc<TokenSnapshot>>,
    /// Its subscriptions, when asked for.
    pub subscriptions_list: Vec<SubscriptionSnapshot>,
}

/// What a user's token says of it (spec/monitoring.md §4, ConnInfo; §14, ClientInfo). What
/// is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenSnapshot {
    /// The token as it came; empty where whoever has it would be the user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwt: String,
    /// The public key that signed it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer_key: String,
    /// The user's name. What is told of a client has one name: this, or that of the account.
    #[serde(skip)]
    pub name_tag: String,
    /// Words about the user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSnapshot {
    /// Whether the handshake came before INFO.
    pub first: bool,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite, by the name that Go has for it.
    pub cipher_suite: String,
}

/// One subscription, as `/subsz` and `/connz?subs=detail` show it. Text is the wire's bytes,
/// lossily decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSnapshot {
    /// The connection that holds it.
    pub cid: ClientId,
    /// Its account's name.
    pub account: String,
    /// Subject, wildcards included.
    pub subject: String,
    /// Queue group; empty when plain.
    pub queue: String,
    /// The subscription id that the client chose.
    pub sid: String,
    /// Messages delivered.
    pub delivered: u64,
    /// Auto-unsubscribe limit; 0 when there is none.
    pub max: u64,
}

/// A connection that is no more, as `/connz?state=closed` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedSnapshot {
    /// What it was at its end.
    pub connection: ConnectionSnapshot,
    /// When it ended, nanoseconds since the Unix epoch.
    pub stop_ns: u64,
    /// Why: one of NATS's close reasons.
    pub reason: &'static str,
}

/// Who a connection's user is, as `$SYS.REQ.USER.INFO` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSnapshot {
    /// The user it authenticated as; empty when it did not.
    pub user: String,
    /// The name that its token gives it; empty without.
    pub name: String,
    /// Its account's name.
    pub account: String,
    /// What its account is called: by the operator, or the name again.
    pub account_tag: Arc<str>,
    /// What it may do; everything without it.
    pub permissions: Option<PermissionsSnapshot>,
    /// When it must leave, nanoseconds since the Unix epoch.
    pub expires_ns: Option<u64>,
}

/// What a user may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionsSnapshot {
    /// To what it may publish.
    pub publish: RulesSnapshot,
    /// To what it may subscribe.
    pub subscribe: RulesSnapshot,
    /// Whether it may answer requests that it got.
    pub responses: Option<ResponsesSnapshot>,
}

/// What is allowed and what is not; nothing in a list means that it does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesSnapshot {
    /// Only this.
    pub allow: Vec<String>,
    /// Not this.
    pub deny: Vec<String>,
}

/// Answers to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponsesSnapshot {
    /// To one request; negative without limit.
    pub max: i64,
    /// For how long, nanoseconds.
    pub ttl_ns: u64,
}

/// Where an account hears of logins that its service refused (spec/monitoring.md §14).
pub const ACCOUNT_AUTH_ERROR: &str = "$SYS.ACCOUNT.CLIENT.AUTH.ERR";

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It logged in.
    Connected,
    /// It ended after it had logged in, for this of NATS's close reasons.
    Disconnected(&'static str),
    /// It ended because it could not log in, for this of NATS's close reasons.
    LoginFailed(&'static str),
    /// It ended before it had logged in, for this of NATS's close reasons.
    TurnedAway(&'static str),
}

/// A login that the service of an account refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLogin {
    /// Which account.
    pub account: AccountId,
    /// Why, in words; empty where it did not say so in time.
    pub why: Arc<str>,
}

/// Something that happened to a connection and that somebody listens for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEvent {
    /// What.
    pub what: Happening,
    /// When, nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// What the connection was then.
    pub connection: ConnectionSnapshot,
    /// Whether the event itself is listened for.
    pub wanted: bool,
    /// Whether the number of the account's connections is.
    pub count_wanted: bool,
    /// The refusal of which the account hears besides whose service refused it.
    pub refused: Option<RefusedLogin>,
}

/// Which of its streams a core is to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamQuery {
    /// Only those of this account.
    pub account: Option<AccountId>,
    /// Only that of this name.
    pub stream: Option<String>,
    /// Their consumers, too.
    pub consumers: bool,
    /// Configurations, too.
    pub configs: bool,
}

/// A stream, as `/jsz` shows it. What is JSON is written by its core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSnapshot {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// When it was made: JSON.
    pub created: String,
    /// Its configuration, when asked for: JSON.
    pub config: Option<String>,
    /// What is in it: JSON.
    pub state: String,
    /// The origin of a mirror: JSON.
    pub mirror: Option<String>,
    /// The origins of a stream with sources: JSON.
    pub sources: Option<String>,
    /// Its consumers, when asked for.
    pub consumers: Vec<ConsumerSnapshot>,
}

/// A consumer, as `/jsz` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSnapshot {
    /// Its name.
    pub name: String,
    /// Whether a client made it for itself, past the lists of consumers.
    pub direct: bool,
    /// What there is to tell: JSON.
    pub info: String,
}
