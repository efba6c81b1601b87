//! Accounts as the configuration says them: plain data. Room `security` makes of them who sees
//! what. spec/cli-and-config.md §7.3, spec/security.md §6

use std::time::Duration;

use crate::callout::Callout;
use crate::options::User;
use crate::permissions::Permissions;

/// The account of everyone who was put in no other.
pub const GLOBAL: &str = "$G";
/// The account of the server's own events, unless another is named.
pub const SYSTEM: &str = "$SYS";

/// Everything about accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The declared ones, in the order written.
    pub declared: Vec<Account>,
    /// `mappings` at the top level: those of [`GLOBAL`].
    pub global_mappings: Vec<Mapping>,
    /// `system_account`; [`SYSTEM`] when not given.
    pub system: Option<String>,
    /// `no_system_account`
    pub no_system: bool,
    /// `no_auth_user`: a user's name or public key.
    pub no_auth_user: Option<String>,
    /// `default_permissions` of `authorization`.
    pub default_permissions: Option<Permissions>,
    /// `auth_callout` of `authorization`.
    pub callout: Option<Callout>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// `nkey`: its public key.
    pub nkey: Option<String>,
    /// Its users.
    pub users: Vec<User>,
    /// Permissions of users without their own.
    pub default_permissions: Option<Permissions>,
    /// What it lets others have.
    pub exports: Vec<Export>,
    /// What it has of others.
    pub imports: Vec<Import>,
    /// Subjects that become others when they are published.
    pub mappings: Vec<Mapping>,
    /// How much it may use.
    pub limits: AccountLimits,
    /// Where its messages are traced.
    pub trace: Option<TraceDestination>,
    /// What it may use of JetStream; nothing where it may not use it.
    pub jetstream: Option<JetStreamLimits>,
    /// The same by tier, where an operator says it so: the streams of one replica are of `R1`.
    pub tiers: Vec<(String, JetStreamLimits)>,
}

impl Accounts {
    /// The system account's name.
    #[must_use]
    pub fn system_name(&self) -> &str {
        self.system.as_deref().unwrap_or(SYSTEM)
    }

    /// Whether nobody declared an account beside the system account: then the global account has
    /// all of JetStream.
    #[must_use]
    pub fn is_global_only(&self) -> bool {
        self.declared.iter().all(|account| account.name == self.system_name())
    }
}

impl Account {
    /// An account with nothing in it.
    pub fn new(name: &str) -> Account {
        Account {
            name: name.to_owned(),
            nkey: None,
            users: Vec::new(),
            default_permissions: None,
            exports: Vec::new(),
            imports: Vec::new(),
            mappings: Vec::new(),
            limits: AccountLimits::default(),
            trace: None,
            jetstream: None,
            tiers: Vec::new(),
        }
    }
}

/// How much an account may use; `None` without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Client connections.
    pub connections: Option<u32>,
    /// Subscriptions of one connection.
    pub subscriptions: Option<u32>,
    /// Bytes in a message.
    pub payload: Option<u32>,
    /// Leafnode connections.
    pub leafnodes: Option<u32>,
}

/// How much of JetStream an account may use; `None` without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JetStreamLimits {
    /// Bytes of its memory streams.
    pub memory: Option<u64>,
    /// Bytes of its file streams.
    pub storage: Option<u64>,
    /// Streams.
    pub streams: Option<u64>,
    /// Consumers of one stream.
    pub consumers: Option<u64>,
    /// The most `max_ack_pending` of a consumer.
    pub ack_pending: Option<u64>,
    /// The most `max_bytes` of a memory stream.
    pub memory_stream: Option<u64>,
    /// The most `max_bytes` of a file stream.
    pub storage_stream: Option<u64>,
    /// Whether a stream must name its `max_bytes`.
    pub max_bytes_required: bool,
}

/// `msg_trace`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceDestination {
    /// A literal subject.
    pub subject: String,
    /// Percent of the messages, 1 to 100.
    pub sampling: u8,
}

/// What an account lets others have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The subject, wildcards included.
    pub subject: String,
    /// Messages or answers.
    pub kind: ExportKind,
    /// Only these accounts, when given.
    pub accounts: Option<Vec<String>>,
    /// The token, counted from 1, in which the importing account's name must stand.
    pub account_token: Option<usize>,
    /// Whether traces go on behind it.
    pub allow_trace: bool,
}

/// Messages or answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// Messages flow to the importer.
    Stream,
    /// Requests flow from the importer, answers to it.
    Service(Service),
}

/// How an exported service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// How many answers a request has.
    pub response: ResponseKind,
    /// How long answers may take, or pause.
    pub threshold: Duration,
    /// Whether its times are published.
    pub latency: Option<Latency>,
}

/// How many answers a request has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseKind {
    /// One.
    #[default]
    Singleton,
    /// Any number, until silence.
    Stream,
    /// One in pieces, the last of them empty.
    Chunked,
}

/// Where a service's times are published, and of how many requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// A literal subject of the exporting account.
    pub subject: String,
    /// Which requests.
    pub sampling: Sampling,
}

/// Which requests of a service are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// So many percent, 1 to 100.
    Percent(u8),
    /// Those whose headers ask for it.
    Headers,
}

/// What an account has of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The exporting account.
    pub account: String,
    /// The subject there, wildcards included.
    pub subject: String,
    /// Messages or answers, and what they are called here.
    pub kind: ImportKind,
}

/// What is imported, and its name here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// Messages.
    Stream {
        /// The subject here; the same when not given. A `prefix` has become one.
        to: Option<String>,
        /// Whether traces go on behind it.
        allow_trace: bool,
    },
    /// Answers.
    Service {
        /// The subject here; the same when not given.
        to: Option<String>,
        /// Whether the exporter is told who asks.
        share: bool,
    },
}

/// A subject that becomes others when it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What is published, wildcards included.
    pub source: String,
    /// What it becomes, each with its share.
    pub destinations: Vec<Destination>,
}

/// What a mapped subject becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The subject, with functions.
    pub subject: String,
    /// Percent of the messages.
    pub weight: u8,
    /// Only on servers of this cluster.
    pub cluster: Option<String>,
}
