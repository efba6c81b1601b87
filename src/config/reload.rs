//! What a reload changes: two sets of options compared, option by option, and what of that a
//! server that runs can take over. spec/cli-and-config.md §7 and §8
//!
//! Whether a change applies is said where the option is declared (`table.rs`); here stands how
//! its value is read back from [`Options`], and what the log calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::accounts::{Account, Mapping};
use crate::callout::Callout;
use crate::cores::CoreList;
use crate::declaration::Reload;
use crate::duration;
use crate::ocsp::{Ocsp, OcspMode};
use crate::ocsp_peer::{CacheKind, OcspCache};
use crate::options::{Advertise, Auth, JetStream, Options, Port, SlowSubscriber, WriteTimeout};
use crate::permissions::Permissions;
use crate::profile::Tuning;
use crate::resolver::{Resolver, ResolverTls};
use crate::table;
use crate::tls::Tls;

/// A change that a server that runs takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The option's key.
    pub key: &'static str,
    /// What stands behind `Reloaded: ` in the log; no secret.
    pub text: String,
}

/// Changes that need a restart, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused(Vec<Refusal>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    name: &'static str,
    old: String,
    new: String,
}

impl fmt::Display for Refused {
    /// In nats-server's words, which names the first only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Refusal { name, old, new }) in self.0.iter().enumerate() {
            let comma = if place > 0 { "; " } else { "" };
            write!(f, "{comma}config reload not supported for {name}: old={old}, new={new}")?;
        }
        Ok(())
    }
}

/// What `new` changes in `old`.
///
/// # Errors
/// [`Refused`] when any of it needs a restart: then nothing is to be changed.
pub fn diff(old: &Options, new: &Options) -> Result<Vec<Change>, Refused> {
    let (mut changes, mut refused) = (Vec::new(), Vec::new());
    for field in FIELDS.iter().filter(|field| !(field.same)(old, new)) {
        let applies = table::find(field.key).is_some_and(|found| found.reload == Reload::Applies);
        if applies && (field.allowed)(old, new) {
            changes.push(Change { key: field.key, text: (field.line)(field.key, new) });
        } else {
            let (old, new) = ((field.show)(old), (field.show)(new));
            refused.push(Refusal { name: field.name, old, new });
        }
    }
    if refused.is_empty() { Ok(changes) } else { Err(Refused(refused)) }
}

/// One field of [`Options`]: which option sets it, and how its value is read back.
struct Field {
    /// The key of the option's declaration.
    key: &'static str,
    /// nats-server's name for it, which refusals show.
    name: &'static str,
    /// The field, for the test that none is missing.
    #[cfg(test)]
    path: &'static str,
    same: fn(&Options, &Options) -> bool,
    show: fn(&Options) -> String,
    /// What the log says of a change.
    line: fn(&str, &Options) -> String,
    /// Whether this change applies, where the option's changes may.
    allowed: fn(&Options, &Options) -> bool,
}

macro_rules! field {
    ($key:literal, $name:literal, $($path:ident).+) => {
        Field {
            key: $key,
            name: $name,
            #[cfg(test)]
            path: stringify!($($path).+),
            same: |old, new| old.$($path).+ == new.$($path).+,
            show: |options| options.$($path).+.show(),
            line: |key, options| format!("{key} = {}", options.$($path).+.show()),
            allowed: |_, _| true,
        }
    };
    // What the log says instead of key and value.
    ($key:literal, $name:literal, $($path:ident).+, $line:literal) => {
        Field { line: |_, _| $line.to_owned(), ..field!($key, $name, $($path).+) }
    };
}

/// Every field of [`Options`] but those that only name the file.
static FIELDS: &[Field] = &[
    field!("host", "Host", host),
    field!("port", "Port", port),
    field!("server_name", "ServerName", server_name),
    field!("client_advertise", "ClientAdvertise", client_advertise),
    field!("trace", "Trace", trace),
    field!("debug", "Debug", debug),
    field!("trace_verbose", "TraceVerbose", trace_verbose),
    field!("trace_headers", "TraceHeaders", trace_headers),
    field!("logtime", "Logtime", logtime),
    field!("logtime_utc", "LogtimeUTC", logtime_utc),
    Field {
        line: |_, options| format!("log_file = {}", options.log_file.show()),
        ..field!("logfile", "LogFile", log_file)
    },
    field!("logfile_size_limit", "LogSizeLimit", log_size_limit),
    field!("logfile_max_num", "LogMaxFiles", log_max_num),
    field!("syslog", "Syslog", syslog),
    field!("remote_syslog", "RemoteSyslog", remote_syslog),
    field!("max_traced_msg_len", "MaxTracedMsgLen", max_traced_msg_len),
    Field {
        line: |_, options| format!("pid_file = {}", options.pid_file.show()),
        ..field!("pidfile", "PidFile", pid_file)
    },
    field!("ports_file_dir", "PortsFileDir", ports_file_dir),
    field!("authorization", "Authorization", auth, "authorization users"),
    Field {
        line: |_, options| format!("authorization timeout = {}", options.auth_timeout.show()),
        ..field!("authorization.timeout", "AuthTimeout", auth_timeout)
    },
    field!("accounts", "Accounts", accounts.declared, "accounts"),
    // Streams cannot be put away while the server runs.
    Field {
        same: |old, new| with_jetstream(old) == with_jetstream(new),
        allowed: |old, new| {
            let now = with_jetstream(new);
            with_jetstream(old).iter().all(|account| now.contains(account))
        },
        show: |options| with_jetstream(options).join(" "),
        ..field!("accounts", "AccountsJetStream", accounts.declared, "accounts jetstream")
    },
    field!("mappings", "Mappings", accounts.global_mappings, "mappings"),
    field!("system_account", "SystemAccount", accounts.system),
    field!("no_system_account", "NoSystemAccount", accounts.no_system),
    field!("no_auth_user", "NoAuthUser", accounts.no_auth_user),
    field!(
        "authorization.default_permissions",
        "DefaultPermissions",
        accounts.default_permissions,
        "authorization default permissions"
    ),
    field!("operator", "TrustedOperators", operator.tokens, "operator"),
    field!("trusted", "TrustedKeys", operator.trusted_keys),
    field!("resolver_preload", "resolverPreloads", operator.preload, "resolver_preload"),
    field!("default_sentinel", "DefaultSentinel", operator.sentinel, "default_sentinel"),
    Field {
        // spec/cli-and-config.md §7.3: within the same kind.
        allowed: |old, new| match (&old.resolver, &new.resolver) {
            (Some(old), Some(new)) => old.kind() == new.kind(),
            (old, new) => old == new,
        },
        ..field!("resolver", "AccountResolver", resolver)
    },
    Field {
        // The files may hold other certificates under the same names.
        same: |old, new| old.resolver_tls.is_none() && new.resolver_tls.is_none(),
        ..field!("resolver_tls", "AccountResolverTLSConfig", resolver_tls, "resolver_tls")
    },
    field!("resolver_pinned_accounts", "resolverPinnedAccounts", resolver_pinned),
    field!("max_control_line", "MaxControlLine", max_control_line),
    field!("max_payload", "MaxPayload", max_payload),
    field!("max_pending", "MaxPending", max_pending),
    field!("max_connections", "MaxConn", max_connections),
    field!("max_subscriptions", "MaxSubs", max_subscriptions),
    field!("max_sub_tokens", "MaxSubTokens", max_sub_tokens),
    field!("max_closed_clients", "MaxClosedClients", max_closed_clients),
    field!("ping_interval", "PingInterval", ping_interval),
    field!("ping_max", "MaxPingsOut", ping_max),
    field!("write_deadline", "WriteDeadline", write_deadline),
    field!("write_timeout", "WriteTimeout", write_timeout),
    field!("no_fast_producer_stall", "NoFastProducerStall", slow_subscriber),
    field!("lame_duck_duration", "LameDuckDuration", lame_duck_duration),
    field!("lame_duck_grace_period", "LameDuckGracePeriod", lame_duck_grace_period),
    field!("connect_error_reports", "ConnectErrorReports", connect_error_reports),
    field!("reconnect_error_reports", "ReconnectErrorReports", reconnect_error_reports),
    field!("no_header_support", "NoHeaderSupport", no_header_support),
    field!("disable_sublist_cache", "NoSublistCache", disable_sublist_cache),
    field!("http", "HTTPHost", http_host),
    field!("http_port", "HTTPPort", http_port),
    field!("https_port", "HTTPSPort", https_port),
    Field {
        allowed: |old, new| old.tls.is_some() == new.tls.is_some(),
        // The files may hold other certificates under the same names.
        same: |old, new| old.tls.is_none() && new.tls.is_none(),
        ..field!("tls", "TLSConfig", tls, "tls")
    },
    field!("allow_non_tls", "AllowNonTLS", allow_non_tls),
    field!("proxy_protocol", "ProxyProtocol", proxy_protocol),
    field!("proxies", "Proxies", proxies.trusted, "proxies"),
    field!("authorization.auth_callout", "AuthCallout", accounts.callout, "auth_callout"),
    field!("authorization.proxy_required", "ProxyRequired", proxies.required),
    field!("ocsp", "OCSP", ocsp),
    field!("ocsp_cache", "OCSPCacheConfig", ocsp_cache),
    field!("http_base_path", "HTTPBasePath", http_base_path),
    field!("server_tags", "Tags", server_tags, "tags"),
    field!("server_metadata", "Metadata", server_metadata, "metadata"),
    field!("feature_flags", "FeatureFlags", feature_flags.said),
    Field {
        allowed: |old, new| is_raised(old.jetstream.memory_max, new.jetstream.memory_max),
        ..field!("jetstream.max_memory_store", "JetStreamMaxMemory", jetstream.memory_max)
    },
    Field {
        allowed: |old, new| is_raised(old.jetstream.file_max, new.jetstream.file_max),
        ..field!("jetstream.max_file_store", "JetStreamMaxStore", jetstream.file_max)
    },
    // The rest of it needs a restart.
    Field {
        same: |old, new| {
            let JetStream { memory_max, file_max, .. } = new.jetstream;
            JetStream { memory_max, file_max, ..old.jetstream.clone() } == new.jetstream
        },
        ..field!("jetstream", "JetStream", jetstream)
    },
    field!("corewire.cores", "Cores", corewire.cores),
    Field {
        allowed: |old, new| is_live(&old.corewire.tuning, &new.corewire.tuning),
        line: |_, options| format!("profile = {}", options.corewire.profile),
        show: |options| options.corewire.profile.to_string(),
        same: |old, new| {
            let (old, new) = (&old.corewire, &new.corewire);
            old.tuning == new.tuning && old.profile == new.profile
        },
        ..field!("corewire.profile", "Profile", corewire.tuning)
    },
];

/// The accounts that may use JetStream.
fn with_jetstream(options: &Options) -> Vec<&str> {
    let accounts = options.accounts.declared.iter();
    accounts
        .filter(|account| account.jetstream.is_some())
        .map(|account| &account.name[..])
        .collect()
}

/// spec/cli-and-config.md §7.7: only an explicit value can change, and only upwards.
fn is_raised(old: Option<u64>, new: Option<u64>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if old <= new)
}

/// Whether a server that runs can go from one tuning to the other: what a core with nothing to
/// do does can change, what it was built with cannot.
fn is_live(old: &Tuning, new: &Tuning) -> bool {
    let Tuning { idle, spin_before_park_us, .. } = *new;
    Tuning { idle, spin_before_park_us, ..old.clone() } == *new
}

/// A value as nats-server's log shows it. Nothing of a secret.
trait Show {
    fn show(&self) -> String;
}

macro_rules! show_as_text {
    ($($kind:ty),*) => { $(impl Show for $kind {
        fn show(&self) -> String {
            self.to_string()
        }
    })* };
}

show_as_text!(bool, u8, u32, u64, usize, String, Port);

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map(Show::show).unwrap_or_default()
    }
}

impl Show for PathBuf {
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Show for Duration {
    fn show(&self) -> String {
        duration::print(*self)
    }
}

impl Show for Tls {
    /// Only what tells one from another; nothing is secret but the key itself.
    fn show(&self) -> String {
        let files = self.pairs().into_iter().map(|pair| pair.cert_file.display().to_string());
        files.collect::<Vec<_>>().join(", ")
    }
}

impl Show for Ocsp {
    fn show(&self) -> String {
        let mode = match self.mode {
            OcspMode::Auto => "auto",
            OcspMode::Always => "always",
            OcspMode::Must => "must",
            OcspMode::Never => "never",
        };
        mode.to_owned()
    }
}

impl Show for OcspCache {
    fn show(&self) -> String {
        match self.kind {
            CacheKind::None => "none".to_owned(),
            CacheKind::Local => format!("local {}", self.local_store.display()),
        }
    }
}

impl Show for Advertise {
    fn show(&self) -> String {
        let Advertise { host, port } = self;
        port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }
}

impl Show for WriteTimeout {
    fn show(&self) -> String {
        let word = match self {
            WriteTimeout::Default => "default",
            WriteTimeout::Close => "close",
            WriteTimeout::Retry => "retry",
        };
        word.to_owned()
    }
}

impl Show for SlowSubscriber {
    fn show(&self) -> String {
        let word = match self {
            SlowSubscriber::Ignore => "unset",
            SlowSubscriber::Stall => "false",
            SlowSubscriber::Drop => "true",
        };
        word.to_owned()
    }
}

impl Show for Vec<Account> {
    fn show(&self) -> String {
        format!("{:?}", self.iter().map(|account| &account.name).collect::<Vec<_>>())
    }
}

impl Show for Vec<Mapping> {
    fn show(&self) -> String {
        format!("{:?}", self.iter().map(|mapping| &mapping.source).collect::<Vec<_>>())
    }
}

impl Show for Callout {
    fn show(&self) -> String {
        self.issuer.clone()
    }
}

impl Show for Permissions {
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Show for Auth {
    fn show(&self) -> String {
        let kind = match self {
            Auth::None => "none",
            Auth::Token(_) => "token",
            Auth::User(_) => "user",
            Auth::Users(_) => "users",
        };
        kind.to_owned()
    }
}

impl Show for Vec<String> {
    fn show(&self) -> String {
        format!("[{}]", self.join(" "))
    }
}

impl<V: fmt::Display> Show for BTreeMap<String, V> {
    fn show(&self) -> String {
        let entries: Vec<String> =
            self.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        format!("[{}]", entries.join(" "))
    }
}

impl Show for CoreList {
    fn show(&self) -> String {
        format!("{:?}", self.as_slice())
    }
}

impl Show for JetStream {
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Show for Resolver {
    fn show(&self) -> String {
        self.kind().to_owned()
    }
}

impl Show for ResolverTls {
    fn show(&self) -> String {
        "resolver_tls".to_owned()
    }
}

impl Show for BTreeSet<String> {
    fn show(&self) -> String {
        let all: Vec<&str> = self.iter().map(String::as_str).collect();
        format!("[{}]", all.join(" "))
    }
}

impl Show for Tuning {
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

#[cfg(test)]
mod tests;
