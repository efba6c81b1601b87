//! What the server was told to do: plain data, complete, checked. Whoever holds an [`Options`]
//! need not look at flags or files again, and finds no "unset" that would still need a default.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::accounts::{Account, Accounts};
use crate::cores::CoreList;
use crate::feature_flags::FeatureFlags;
use crate::limits;
use crate::ocsp::Ocsp;
use crate::ocsp_peer::OcspCache;
use crate::operator::Operators;
use crate::permissions::Permissions;
use crate::profile::{ProfileName, Tuning};
use crate::proxies::Proxies;
use crate::resolver::{Resolver, ResolverTls};
use crate::tls::{Tls, Verify};

/// Everything that flags and configuration file decide. `Options::default()` is the server
/// without either.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where clients are listened for.
    pub host: String,
    /// The port for clients.
    pub port: Port,
    /// The server's name; its id when none is given.
    pub server_name: Option<String>,
    /// `host:port` that clients are told instead of the listening address.
    pub client_advertise: Option<Advertise>,
    /// File that gets the process id.
    pub pid_file: Option<PathBuf>,
    /// Directory that gets the ports file.
    pub ports_file_dir: Option<PathBuf>,

    /// Where monitoring listens; [`Options::host`] when none is given.
    pub http_host: Option<String>,
    /// The port for monitoring; no monitoring without it.
    pub http_port: Option<Port>,
    /// The port for monitoring over TLS, instead of [`Options::http_port`].
    pub https_port: Option<Port>,
    /// What all monitoring paths begin with: empty, or `/something` without a slash at its end.
    pub http_base_path: String,

    /// `[DBG]` lines.
    pub debug: bool,
    /// `[TRC]` lines.
    pub trace: bool,
    /// `[TRC]` lines of the system account too.
    pub trace_verbose: bool,
    /// Time stamps in the log.
    pub logtime: bool,
    /// Time stamps in UTC.
    pub logtime_utc: bool,
    /// The log file; standard error without it.
    pub log_file: Option<PathBuf>,
    /// Bytes at which the log file is rotated; 0 never.
    pub log_size_limit: u64,
    /// Log files kept, the current one included; 0 keeps all.
    pub log_max_num: u64,
    /// Log to the local syslog.
    pub syslog: bool,
    /// Log to a syslog elsewhere: a `udp://`, `tcp://` or `unix://` address.
    pub remote_syslog: Option<String>,
    /// Payload bytes shown in a trace line; 0 all.
    pub max_traced_msg_len: usize,
    /// Of a traced message, show only the headers.
    pub trace_headers: bool,
    /// Of the failed first connects to another server, one in so many is logged.
    pub connect_error_reports: u32,
    /// The same for connects after a connection was lost.
    pub reconnect_error_reports: u32,

    /// Who may connect.
    pub auth: Auth,
    /// Time for CONNECT to arrive where authentication is required.
    pub auth_timeout: Duration,
    /// Accounts, their users, and what they have of each other.
    pub accounts: Accounts,

    /// Whose word is taken for accounts, in operator mode.
    pub operator: Operators,
    /// Where account JWTs come from.
    pub resolver: Option<Resolver>,
    /// TLS towards that.
    pub resolver_tls: Option<ResolverTls>,
    /// Public keys of the accounts whose JWTs are taken; all are when empty.
    pub resolver_pinned: BTreeSet<String>,

    /// TLS for clients and monitoring.
    pub tls: Option<Tls>,
    /// Clients without TLS may connect too.
    pub allow_non_tls: bool,
    /// Clients may begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Proxies that are trusted.
    pub proxies: Proxies,
    /// Whether certificates are shown with what their issuer says of them.
    pub ocsp: Ocsp,
    /// Where answers about clients' certificates are kept.
    pub ocsp_cache: OcspCache,

    /// Bytes in a control line's arguments.
    pub max_control_line: usize,
    /// Bytes in a message, headers included.
    pub max_payload: usize,
    /// Bytes queued towards a client.
    pub max_pending: usize,
    /// Open client connections; 0 refuses every one.
    pub max_connections: u32,
    /// Subscriptions of one connection; `None` without limit.
    pub max_subscriptions: Option<u32>,
    /// Tokens in a subscription's subject; `None` without limit.
    pub max_sub_tokens: Option<u8>,
    /// Closed connections remembered for monitoring.
    pub max_closed_clients: usize,

    /// Silence after which a PING is sent.
    pub ping_interval: Duration,
    /// PINGs that may be unanswered.
    pub ping_max: u32,
    /// How long one write batch may take.
    pub write_deadline: Duration,
    /// What happens when it takes longer.
    pub write_timeout: WriteTimeout,
    /// What a publisher meets when a subscriber is slow.
    pub slow_subscriber: SlowSubscriber,

    /// Time over which lame duck closes the clients, grace included.
    pub lame_duck_duration: Duration,
    /// Time between the lame-duck INFO and the first close.
    pub lame_duck_grace_period: Duration,

    /// Do not offer headers to clients.
    pub no_header_support: bool,
    /// Match without the cache.
    pub disable_sublist_cache: bool,
    /// Tags shown in monitoring, in the order given.
    pub server_tags: Vec<String>,
    /// Key and value pairs shown in monitoring.
    pub server_metadata: BTreeMap<String, String>,
    /// Features of nats-server to switch on or off, by their names there.
    pub feature_flags: FeatureFlags,

    /// JetStream, switched on or not.
    pub jetstream: JetStream,

    /// The configuration file as it was named.
    pub config_file: Option<PathBuf>,
    /// `sha256:…` of the configuration; empty without a file.
    pub config_digest: String,

    /// Corewire's own.
    pub corewire: Corewire,
}

/// Options that nats-server does not have: the block `corewire { … }`, `--cores`, and
/// `--profile` with a name or a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corewire {
    /// The cores to run on, one shard each; all that the process may use when not given.
    pub cores: Option<CoreList>,
    /// Which profile was asked for.
    pub profile: ProfileName,
    /// What that profile says.
    pub tuning: Tuning,
}

/// The block `jetstream`, `-js` and `-sd`. spec/cli-and-config.md §7.7
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JetStream {
    /// Whether there is JetStream at all.
    pub enabled: bool,
    /// Refuse API requests with unknown fields.
    pub strict: bool,
    /// Where streams are kept, in a folder `jetstream` of its own; see [`JetStream::folder`].
    pub store_dir: Option<PathBuf>,
    /// Bytes of all memory streams.
    pub memory_max: Option<u64>,
    /// Bytes of all file streams.
    pub file_max: Option<u64>,
    /// When what was written is flushed: what the file says, or else the profile.
    pub flush: Flush,
    /// The name of this JetStream among others.
    pub domain: Option<String>,
    /// What file streams are encrypted with.
    pub encryption: Encryption,
    /// API requests that may wait and change something.
    pub requests_max: usize,
    /// Those that may wait and only ask for information; as many if it is not said.
    pub infos_max: Option<usize>,
    /// The most `max_ack_pending` of a consumer.
    pub ack_pending_max: Option<u32>,
    /// Consumers of a stream for which neither its configuration nor its account names a bound.
    pub consumers_default_max: Option<u32>,
    /// Disk operations of all cores that the kernel has at a time.
    pub disk_operations_max: usize,
    /// Messages that one pull request may ask for.
    pub request_batch_max: Option<u32>,
    /// The longest `duplicate_window` of a stream.
    pub duplicate_window_max: Option<Duration>,
    /// Replicated streams and consumers here at most. One server alone has none.
    pub ha_assets_max: Option<u32>,
    /// What the tags begin with that replicas of one stream must not share.
    pub unique_tag: Option<String>,
    /// What a stream may be owed by the disk.
    pub ingest: Ingest,
    /// Bounds of atomic publishes.
    pub batches: Batches,
}

/// Encryption at rest: `encryption_key`, `prev_encryption_key` and `cipher`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// The key; empty where nothing is encrypted.
    pub key: Secret,
    /// The key before it was changed; empty for none.
    pub previous: Secret,
    /// How what comes is encrypted. What is there stays readable.
    pub cipher: Cipher,
}

/// What encryption at rest seals with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cipher {
    /// ChaCha20-Poly1305.
    #[default]
    ChaCha,
    /// AES-256-GCM.
    Aes,
}

/// What of one stream may wait to be stored. Above it publishes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingest {
    /// Messages.
    pub messages_max: usize,
    /// Their bytes.
    pub bytes_max: u64,
}

impl Default for Ingest {
    fn default() -> Ingest {
        Ingest {
            messages_max: limits::JS_INGEST_MESSAGES_MAX,
            bytes_max: limits::JS_INGEST_BYTES_MAX,
        }
    }
}

/// `jetstream.limits.batch`: bounds of atomic publishes, and of their silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Under way in one stream.
    pub per_stream_max: usize,
    /// Under way on the whole server.
    pub total_max: usize,
    /// Messages in one.
    pub messages_max: u64,
    /// Silence after which one is abandoned.
    pub timeout: Duration,
}

impl Default for Batches {
    fn default() -> Batches {
        Batches {
            per_stream_max: limits::JS_BATCHES_PER_STREAM_MAX,
            total_max: limits::JS_BATCHES_MAX,
            messages_max: limits::JS_BATCH_MESSAGES_MAX,
            timeout: limits::JS_BATCH_TIMEOUT,
        }
    }
}

/// When files are flushed (`sync_interval`). An ack means durable unless the operator chose
/// otherwise (design §6); nats-server's default is two minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// Before anything is acknowledged.
    #[default]
    Always,
    /// So often; acknowledged before.
    Every(Duration),
}

impl JetStream {
    /// The folder with everything in it: `<store_dir>/jetstream`.
    pub fn folder(&self) -> PathBuf {
        let temporary = || std::env::temp_dir().join("nats");
        self.store_dir.clone().unwrap_or_else(temporary).join("jetstream")
    }
}

impl Default for JetStream {
    fn default() -> JetStream {
        JetStream {
            enabled: false,
            strict: true,
            store_dir: None,
            memory_max: None,
            file_max: None,
            flush: Flush::Always,
            domain: None,
            encryption: Encryption::default(),
            requests_max: limits::API_REQUESTS_MAX,
            infos_max: None,
            ack_pending_max: None,
            consumers_default_max: None,
            disk_operations_max: limits::DISK_OPERATIONS_MAX,
            request_batch_max: None,
            duplicate_window_max: None,
            ha_assets_max: None,
            unique_tag: None,
            ingest: Ingest::default(),
            batches: Batches::default(),
        }
    }
}

/// A port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Any free one; written `-1`.
    Random,
    /// This one, never 0.
    Fixed(u16),
}

impl Port {
    /// The number to bind to: 0 asks the system for a free port.
    pub const fn to_bind(self) -> u16 {
        match self {
            Port::Random => 0,
            Port::Fixed(port) => port,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Port::Random => f.write_str("-1"),
            Port::Fixed(port) => port.fmt(f),
        }
    }
}

/// What clients are told to connect to instead of the listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertise {
    /// Name or address, without brackets.
    pub host: String,
    /// The port; the one that is listened on when none is given.
    pub port: Option<u16>,
}

/// Who may connect, and how they prove it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Anyone.
    #[default]
    None,
    /// Whoever knows the token.
    Token(Secret),
    /// One user.
    User(User),
    /// Several users, no name twice. An empty list lets nobody in.
    Users(Vec<User>),
}

impl Auth {
    /// The users of this block.
    pub fn users(&self) -> &[User] {
        match self {
            Auth::None | Auth::Token(_) => &[],
            Auth::User(user) => std::slice::from_ref(user),
            Auth::Users(users) => users,
        }
    }
}

impl Options {
    /// Whether a password or token stands in plain text.
    pub fn has_plain_secrets(&self) -> bool {
        let is_plain = |user: &User| match &user.login {
            Login::Password { password, .. } => password.is_plain(),
            Login::Nkey(_) => false,
        };
        let declared = self.accounts.declared.iter().flat_map(|account| &account.users);
        matches!(&self.auth, Auth::Token(token) if token.is_plain())
            || self.auth.users().iter().chain(declared).any(is_plain)
    }

    /// Whether a client must speak TLS.
    pub fn is_tls_required(&self) -> bool {
        self.tls.is_some() && !self.allow_non_tls
    }

    /// Whether a client must show a certificate.
    pub fn is_certificate_required(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.verify != Verify::No)
    }

    /// Whether a client must authenticate. spec/security.md §1
    pub fn is_auth_required(&self) -> bool {
        let has_users = |account: &Account| !account.users.is_empty();
        self.auth != Auth::None
            || self.operator.is_on()
            || self.accounts.declared.iter().any(has_users)
    }
}

/// A user, what it must say, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who it is.
    pub login: Login,
    /// What it may publish and subscribe to; everything without it, unless there are defaults.
    pub permissions: Option<Box<Permissions>>,
    /// How it may connect.
    pub connections: ConnectionKinds,
    /// Only by a trusted proxy.
    pub proxy_required: bool,
}

/// Who a user is and how it proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// By a password, plain or a bcrypt hash.
    Password {
        /// The user's name. Shared, since there may be very many.
        name: Arc<str>,
        /// The password; empty where a certificate proves who it is.
        password: Secret,
    },
    /// By the signature of this public nkey.
    Nkey(Arc<str>),
}

impl User {
    /// A user with a password that may do everything.
    pub fn with_password(name: impl Into<Arc<str>>, password: impl Into<String>) -> User {
        let login = Login::Password { name: name.into(), password: Secret::new(password) };
        User { login, permissions: None, connections: ConnectionKinds::ANY, proxy_required: false }
    }

    /// Its name or public key.
    pub fn name(&self) -> &str {
        match &self.login {
            Login::Password { name, .. } => name,
            Login::Nkey(key) => key,
        }
    }
}

/// A set of ways to connect. spec/security.md §7
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionKinds(u8);

impl ConnectionKinds {
    /// No way.
    pub const NONE: ConnectionKinds = ConnectionKinds(0);
    /// Plain TCP or TLS.
    pub const STANDARD: ConnectionKinds = ConnectionKinds(1);
    /// Over websocket.
    pub const WEBSOCKET: ConnectionKinds = ConnectionKinds(1 << 1);
    /// As a leafnode.
    pub const LEAFNODE: ConnectionKinds = ConnectionKinds(1 << 2);
    /// As a leafnode over websocket.
    pub const LEAFNODE_WS: ConnectionKinds = ConnectionKinds(1 << 3);
    /// By MQTT.
    pub const MQTT: ConnectionKinds = ConnectionKinds(1 << 4);
    /// By MQTT over websocket.
    pub const MQTT_WS: ConnectionKinds = ConnectionKinds(1 << 5);
    /// Inside the process; Corewire has none, but the word is known.
    pub const IN_PROCESS: ConnectionKinds = ConnectionKinds(1 << 6);
    /// Every way.
    pub const ANY: ConnectionKinds = ConnectionKinds(0x7f);

    /// These and those of `other`.
    #[must_use]
    pub const fn with(self, other: ConnectionKinds) -> ConnectionKinds {
        ConnectionKinds(self.0 | other.0)
    }

    /// Whether all of `other` are among them.
    pub const fn contains(self, other: ConnectionKinds) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A password or token. It never shows in `Debug`, so that no log line can carry it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into().into())
    }

    /// Whether it is a bcrypt hash of the secret: `^\$2[abxy]\$\d{2}\$`.
    pub fn is_bcrypt(&self) -> bool {
        // spec/security.md §1
        match self.0.as_bytes() {
            [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', tens, ones, b'$', ..] => {
                tens.is_ascii_digit() && ones.is_ascii_digit()
            }
            _ => false,
        }
    }

    /// Whether it stands in plain text.
    pub fn is_plain(&self) -> bool {
        !self.0.is_empty() && !self.is_bcrypt()
    }

    /// The secret itself, to compare with (in constant time) and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// What happens to a connection whose write took longer than `write_deadline`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteTimeout {
    /// Close for clients, retry for other servers.
    #[default]
    Default,
    /// Close.
    Close,
    /// Keep the connection if some bytes were written.
    Retry,
}

/// What a publisher meets when one of its subscribers has more than
/// [`limits::STALL_PENDING_PERCENT`] of its `max_pending` queued (`no_fast_producer_stall`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowSubscriber {
    /// Nothing: the subscriber is closed at `max_pending`, the publisher goes on. The default
    /// of Corewire, where nats-server stalls.
    #[default]
    Ignore,
    /// The publisher is put to sleep: `no_fast_producer_stall: false`.
    Stall,
    /// The message is dropped for that subscriber: `no_fast_producer_stall: true`.
    Drop,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            host: limits::HOST.to_owned(),
            port: Port::Fixed(limits::CLIENT_PORT),
            server_name: None,
            client_advertise: None,
            pid_file: None,
            ports_file_dir: None,
            http_host: None,
            http_port: None,
            https_port: None,
            http_base_path: String::new(),
            debug: false,
            trace: false,
            trace_verbose: false,
            logtime: true,
            logtime_utc: false,
            log_file: None,
            log_size_limit: 0,
            log_max_num: 0,
            syslog: false,
            remote_syslog: None,
            max_traced_msg_len: 0,
            trace_headers: false,
            connect_error_reports: limits::CONNECT_ERROR_REPORTS,
            reconnect_error_reports: limits::RECONNECT_ERROR_REPORTS,
            auth: Auth::None,
            auth_timeout: limits::AUTH_TIMEOUT,
            accounts: Accounts::default(),
            operator: Operators::default(),
            resolver: None,
            resolver_tls: None,
            resolver_pinned: BTreeSet::new(),
            tls: None,
            allow_non_tls: false,
            proxy_protocol: false,
            proxies: Proxies::default(),
            ocsp: Ocsp::default(),
            ocsp_cache: OcspCache::default(),
            max_control_line: limits::CONTROL_LINE_MAX,
            max_payload: limits::PAYLOAD_MAX,
            max_pending: limits::PENDING_MAX,
            max_connections: limits::CONNECTIONS_MAX,
            max_subscriptions: None,
            max_sub_tokens: None,
            max_closed_clients: limits::CLOSED_CLIENTS_MAX,
            ping_interval: limits::PING_INTERVAL,
            ping_max: limits::PING_MAX,
            write_deadline: limits::WRITE_DEADLINE,
            write_timeout: WriteTimeout::Default,
            slow_subscriber: SlowSubscriber::Ignore,
            lame_duck_duration: limits::LAME_DUCK_DURATION,
            lame_duck_grace_period: limits::LAME_DUCK_GRACE_PERIOD,
            no_header_support: false,
            disable_sublist_cache: false,
            server_tags: Vec::new(),
            server_metadata: BTreeMap::new(),
            jetstream: JetStream::default(),
            feature_flags: FeatureFlags::default(),
            config_file: None,
            config_digest: String::new(),
            corewire: Corewire::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let options = Options {
            auth: Auth::User(User::with_password("ann", "hunter2")),
            ..Options::default()
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("ann") && shown.contains("[REDACTED]"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
