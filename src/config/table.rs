//! Every option of the configuration file, declared once. spec/cli-and-config.md §7
//!
//! The parser, the flags, the help text and the reference all read these tables. What a value of
//! 0 means is nats-server's: the default, unless the line says otherwise.

use std::time::Duration;

use crate::account_block;
use crate::address;
use crate::authorization::AUTHORIZATION;
use crate::corewire::COREWIRE;
use crate::declaration::Reload::{Applies, NeedsRestart};
use crate::declaration::{BareNumber, Declaration, Inside, Kind, Off, built, not_built};
use crate::draft::Draft;
use crate::feature_flags::FeatureFlags;
use crate::jetstream;
use crate::known;
use crate::limits;
use crate::mapping;
use crate::ocsp;
use crate::ocsp_peer;
use crate::operator;
use crate::options::{SlowSubscriber, WriteTimeout};
use crate::problem::ValueError;
use crate::proxies;
use crate::resolver;
use crate::tls;

const INT32_MAX: i64 = i32::MAX as i64;

const fn count(min: i64, max: i64, set: fn(&mut Draft, i64)) -> Kind {
    Kind::Count { min, max, set }
}

const fn span(min: Duration, bare: BareNumber, set: fn(&mut Draft, Duration)) -> Kind {
    Kind::Span { min, bare, set }
}

/// A number that is not below zero, or `default` for 0.
fn or_default(number: i64, default: usize) -> usize {
    match usize::try_from(number) {
        Ok(0) | Err(_) => default,
        Ok(number) => number,
    }
}

fn span_or_default(span: Duration, default: Duration) -> Duration {
    if span.is_zero() { default } else { span }
}

fn server_name(draft: &mut Draft, name: &str) -> Result<(), ValueError> {
    // spec/cli-and-config.md §9
    if name.contains(char::is_whitespace) {
        return Err(ValueError::NameWithSpaces);
    }
    draft.options.server_name = (!name.is_empty()).then(|| name.to_owned());
    Ok(())
}

fn base_path(path: &str) -> String {
    match path.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

fn remote_syslog(draft: &mut Draft, address: &str) -> Result<(), ValueError> {
    let known = ["udp://", "tcp://", "unix://"];
    if !address.is_empty() && !known.iter().any(|scheme| address.starts_with(scheme)) {
        return Err(ValueError::SyslogAddress(address.to_owned()));
    }
    draft.options.remote_syslog = (!address.is_empty()).then(|| address.to_owned());
    Ok(())
}

fn path(text: &str) -> Option<std::path::PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

/// Tags are trimmed, in lower case, and none is there twice.
fn tags(draft: &mut Draft, tags: Vec<String>) -> Result<(), ValueError> {
    draft.options.server_tags.clear();
    for tag in tags {
        let tag = tag.trim().to_lowercase();
        if !tag.is_empty() && !draft.options.server_tags.contains(&tag) {
            draft.options.server_tags.push(tag);
        }
    }
    Ok(())
}

fn host(draft: &mut Draft, host: &str) {
    let host = if host.is_empty() { limits::HOST } else { host };
    draft.options.host = host.to_owned();
}

fn port(draft: &mut Draft, port: Option<crate::options::Port>) {
    draft.options.port = port.unwrap_or(crate::options::Port::Fixed(limits::CLIENT_PORT));
}

/// Bounds are checked before a setter runs, so a port that is none cannot come here.
fn checked_port(number: i64) -> Option<crate::options::Port> {
    address::port(number).unwrap_or(None)
}

/// §7.1
pub static TOP_LEVEL: &[Declaration] = &[
    built(
        "listen",
        "",
        NeedsRestart,
        "Port, or host:port, for clients",
        Kind::Listen(|d, h, p| {
            host(d, h.unwrap_or(""));
            port(d, p);
        }),
    ),
    built(
        "host",
        "0.0.0.0",
        NeedsRestart,
        "Bind to host address",
        Kind::Text(|d, text| {
            host(d, text);
            Ok(())
        }),
    )
    .or(&["net"]),
    built(
        "port",
        "4222",
        NeedsRestart,
        "Use port for clients, -1 for any free one",
        count(address::PORT_MIN, address::PORT_MAX, |d, n| port(d, checked_port(n))),
    ),
    built(
        "client_advertise",
        "",
        Applies,
        "Client address to advertise to other servers",
        Kind::Text(|d, text| {
            d.options.client_advertise = match text {
                "" => None,
                text => Some(address::advertise(text)?),
            };
            Ok(())
        }),
    ),
    built("server_name", "", NeedsRestart, "Server name, without spaces", Kind::Text(server_name)),
    built(
        "debug",
        "false",
        Applies,
        "Enable debugging output",
        Kind::Switch(|d, on| {
            d.options.debug = on;
        }),
    ),
    built(
        "trace",
        "false",
        Applies,
        "Trace the raw protocol",
        Kind::Switch(|d, on| {
            d.options.trace = on;
        }),
    ),
    built(
        "trace_verbose",
        "false",
        Applies,
        "Verbose trace (traces system account as well)",
        Kind::Switch(|d, on| {
            d.options.trace_verbose = on;
            d.options.trace |= on;
        }),
    ),
    built(
        "trace_headers",
        "false",
        Applies,
        "Trace of messages only their headers; switches trace on too",
        Kind::Switch(|d, on| {
            d.options.trace_headers = on;
            d.options.trace |= on;
        }),
    ),
    built(
        "logtime",
        "true",
        Applies,
        "Timestamp log entries",
        Kind::Switch(|d, on| {
            d.options.logtime = on;
        }),
    ),
    built(
        "logtime_utc",
        "false",
        Applies,
        "Timestamps in UTC",
        Kind::Switch(|d, on| {
            d.options.logtime_utc = on;
        }),
    ),
    built(
        "logfile",
        "",
        Applies,
        "File to redirect log output",
        Kind::Text(|d, text| {
            d.options.log_file = path(text);
            Ok(())
        }),
    )
    .or(&["log_file"]),
    built(
        "logfile_size_limit",
        "0",
        Applies,
        "Log file size limit in bytes, 0 for none",
        count(0, i64::MAX, |d, n| d.options.log_size_limit = n.unsigned_abs()),
    )
    .or(&["log_size_limit"]),
    built(
        "logfile_max_num",
        "0",
        Applies,
        "Log files to keep, the current one included, 0 for all",
        count(0, i64::MAX, |d, n| d.options.log_max_num = n.unsigned_abs()),
    )
    .or(&["log_max_num"]),
    built(
        "syslog",
        "false",
        Applies,
        "Log to syslog",
        Kind::Switch(|d, on| {
            d.options.syslog = on;
        }),
    ),
    built(
        "remote_syslog",
        "",
        Applies,
        "Syslog server address (udp://localhost:514)",
        Kind::Text(remote_syslog),
    ),
    built(
        "pidfile",
        "",
        Applies,
        "File to store PID",
        Kind::Text(|d, text| {
            d.options.pid_file = path(text);
            Ok(())
        }),
    )
    .or(&["pid_file"]),
    built(
        "ports_file_dir",
        "",
        Applies,
        "Create a ports file in this directory (<executable_name>_<pid>.ports)",
        Kind::Text(|d, text| {
            d.options.ports_file_dir = path(text);
            Ok(())
        }),
    ),
    not_built("prof_port", Off::Zero, "Profiling HTTP port"),
    not_built("prof_block_rate", Off::Zero, "Block profile rate"),
    built(
        "max_control_line",
        "4096",
        Applies,
        "Bytes in the arguments of a protocol line",
        count(0, INT32_MAX, |d, n| {
            d.options.max_control_line = or_default(n, limits::CONTROL_LINE_MAX);
        }),
    ),
    built(
        "max_payload",
        "1MB",
        Applies,
        "Bytes in a message, headers included",
        count(0, limits::PAYLOAD_CEILING as i64, |d, n| {
            d.options.max_payload = or_default(n, limits::PAYLOAD_MAX);
        }),
    ),
    built(
        "max_pending",
        "64MB",
        Applies,
        "Bytes queued towards a client before it is closed",
        count(0, i64::MAX, |d, n| {
            d.options.max_pending = or_default(n, limits::PENDING_MAX);
        }),
    ),
    built(
        "max_connections",
        "65536",
        Applies,
        "Client connections; 0 refuses all",
        count(-1, INT32_MAX, |d, n| {
            d.options.max_connections = u32::try_from(n).unwrap_or(0);
        }),
    )
    .or(&["max_conn"]),
    built(
        "max_subscriptions",
        "0",
        Applies,
        "Subscriptions of one connection, 0 for no limit",
        count(-1, INT32_MAX, |d, n| {
            d.options.max_subscriptions = u32::try_from(n).ok().filter(|n| *n > 0);
        }),
    )
    .or(&["max_subs"]),
    built(
        "max_sub_tokens",
        "",
        Applies,
        "Tokens in a subscription's subject",
        count(1, limits::SUB_TOKENS_CEILING as i64, |d, n| {
            d.options.max_sub_tokens = u8::try_from(n).ok();
        }),
    )
    .or(&["max_subscription_tokens"]),
    built(
        "max_traced_msg_len",
        "0",
        Applies,
        "Maximum printable length for traced messages, 0 for no limit",
        count(0, INT32_MAX, |d, n| d.options.max_traced_msg_len = or_default(n, 0)),
    ),
    built(
        "max_closed_clients",
        "10000",
        Applies,
        "Closed connections kept for monitoring",
        count(0, INT32_MAX, |d, n| {
            d.options.max_closed_clients = or_default(n, limits::CLOSED_CLIENTS_MAX);
        }),
    ),
    built(
        "ping_interval",
        "\"2m\"",
        Applies,
        "Silence after which a client is sent PING",
        span(Duration::ZERO, BareNumber::SecondsWithWarning, |d, span| {
            d.options.ping_interval = span_or_default(span, limits::PING_INTERVAL);
        }),
    ),
    built(
        "ping_max",
        "2",
        Applies,
        "PINGs without answer before a client is closed",
        count(0, INT32_MAX, |d, n| {
            d.options.ping_max = or_default(n, limits::PING_MAX as usize) as u32;
        }),
    ),
    built(
        "write_deadline",
        "10s",
        Applies,
        "How long one write to a client may take",
        span(Duration::ZERO, BareNumber::SecondsWithWarning, |d, span| {
            d.options.write_deadline = span_or_default(span, limits::WRITE_DEADLINE);
        }),
    ),
    built(
        "write_timeout",
        "default",
        Applies,
        "What a write that takes too long does: default, close or retry",
        Kind::Choice(&["default", "close", "retry"], |d, word| {
            d.options.write_timeout = match word {
                "close" => WriteTimeout::Close,
                "retry" => WriteTimeout::Retry,
                _ => WriteTimeout::Default,
            };
        }),
    ),
    built(
        "no_fast_producer_stall",
        "",
        Applies,
        "For a slow subscriber: false stalls the publisher, true drops the message, unset neither",
        Kind::Switch(|d, drop| {
            let (stall, drop_it) = (SlowSubscriber::Stall, SlowSubscriber::Drop);
            d.options.slow_subscriber = if drop { drop_it } else { stall };
        }),
    ),
    built(
        "lame_duck_duration",
        "\"2m\"",
        Applies,
        "Time over which lame duck mode closes the clients, at least 30s",
        span(limits::LAME_DUCK_DURATION_MIN, BareNumber::Refused, |d, span| {
            d.options.lame_duck_duration = span;
        }),
    ),
    built(
        "lame_duck_grace_period",
        "10s",
        Applies,
        "Time before lame duck mode closes the first client",
        span(Duration::ZERO, BareNumber::Refused, |d, span| {
            d.options.lame_duck_grace_period =
                span_or_default(span, limits::LAME_DUCK_GRACE_PERIOD);
        }),
    ),
    built(
        "connect_error_reports",
        "3600",
        Applies,
        "Of the failed first connects to another server, log one in so many",
        count(0, INT32_MAX, |d, n| {
            let default = limits::CONNECT_ERROR_REPORTS as usize;
            d.options.connect_error_reports = or_default(n, default) as u32;
        }),
    ),
    built(
        "reconnect_error_reports",
        "1",
        Applies,
        "The same for connects after a connection was lost",
        count(0, INT32_MAX, |d, n| {
            let default = limits::RECONNECT_ERROR_REPORTS as usize;
            d.options.reconnect_error_reports = or_default(n, default) as u32;
        }),
    ),
    built(
        "no_header_support",
        "false",
        NeedsRestart,
        "Offer no headers",
        Kind::Switch(|d, on| {
            d.options.no_header_support = on;
        }),
    ),
    built(
        "disable_sublist_cache",
        "false",
        NeedsRestart,
        "Match subjects without the cache",
        Kind::Switch(|d, on| d.options.disable_sublist_cache = on),
    )
    .or(&["no_sublist_cache"]),
    built(
        "proxy_protocol",
        "false",
        NeedsRestart,
        "Let proxies say whose connection they pass on, by a PROXY header (version 1 or 2)",
        Kind::Switch(|d, on| d.options.proxy_protocol = on),
    ),
    built(
        "proxies",
        "",
        Applies,
        "Trusted proxies",
        Kind::Tree("a block", Inside::Block(proxies::KEYS), |draft, tree, entry| {
            draft.options.proxies.trusted = proxies::read(entry, tree);
        }),
    ),
    built(
        "http",
        "",
        NeedsRestart,
        "Port, or host:port, for monitoring",
        Kind::Listen(|d, h, p| {
            d.options.http_host = h.map(str::to_owned);
            d.options.http_port = p;
        }),
    ),
    built(
        "https",
        "",
        NeedsRestart,
        "Port, or host:port, for monitoring over TLS",
        Kind::Listen(|d, h, p| {
            d.options.http_host = h.map(str::to_owned);
            d.options.https_port = p;
        }),
    ),
    built(
        "http_port",
        "0",
        NeedsRestart,
        "Use port for http monitoring, -1 for any free one",
        count(address::PORT_MIN, address::PORT_MAX, |d, n| {
            d.options.http_port = checked_port(n);
        }),
    )
    .or(&["monitor_port"]),
    built(
        "https_port",
        "0",
        NeedsRestart,
        "Use port for https monitoring, -1 for any free one",
        count(address::PORT_MIN, address::PORT_MAX, |d, n| {
            d.options.https_port = checked_port(n);
        }),
    ),
    built(
        "http_base_path",
        "/",
        NeedsRestart,
        "Path before all of monitoring",
        Kind::Text(|d, text| {
            d.options.http_base_path = base_path(text);
            Ok(())
        }),
    ),
    built("server_tags", "", Applies, "Tags of this server", Kind::TextList(tags)),
    built(
        "server_metadata",
        "",
        Applies,
        "Keys and values shown in monitoring",
        Kind::TextMap(|d, map| d.options.server_metadata = map),
    ),
    built(
        "feature_flags",
        "",
        NeedsRestart,
        "Features of nats-server to switch on or off; those that Corewire lacks are logged",
        Kind::SwitchMap(|d, map| d.options.feature_flags = FeatureFlags { said: map }),
    ),
    built(
        "mappings",
        "",
        Applies,
        "Subject mappings of the global account",
        Kind::Tree("a block of mappings", Inside::Named(mapping::KEYS), |draft, tree, entry| {
            draft.options.accounts.global_mappings = mapping::read(entry, tree);
        }),
    )
    .or(&["maps"]),
    built(
        "accounts",
        "",
        Applies,
        "Accounts, their users, imports and exports",
        Kind::Tree(
            "a block or a list of names",
            Inside::Named(account_block::KEYS),
            |draft, tree, entry| {
                draft.declared = account_block::read(entry, tree);
            },
        ),
    ),
    built("authorization", "", Applies, "Who may connect", Kind::Block(AUTHORIZATION)),
    built(
        "no_auth_user",
        "",
        NeedsRestart,
        "User of clients without credentials",
        Kind::Text(|d, text| {
            d.options.accounts.no_auth_user = (!text.is_empty()).then(|| text.to_owned());
            Ok(())
        }),
    ),
    built(
        "system_account",
        "",
        NeedsRestart,
        "The account of system events",
        Kind::Text(|d, text| {
            d.options.accounts.system = (!text.is_empty()).then(|| text.to_owned());
            Ok(())
        }),
    )
    .or(&["system"]),
    built(
        "no_system_account",
        "false",
        NeedsRestart,
        "No account for system events",
        Kind::Switch(|d, on| d.options.accounts.no_system = on),
    )
    .or(&["no_system", "no_sys_acc"]),
    operator::SENTINEL,
    operator::TOKENS,
    operator::TRUSTED_KEYS,
    resolver::RESOLVER,
    resolver::TLS,
    operator::PRELOAD,
    resolver::PINNED,
    built(
        "tls",
        "",
        Applies,
        "TLS for clients, and for monitoring at https_port",
        Kind::Block(tls::TLS),
    ),
    built(
        "allow_non_tls",
        "false",
        NeedsRestart,
        "Accept clients without TLS too",
        Kind::Switch(|d, on| d.options.allow_non_tls = on),
    ),
    built(
        "ocsp",
        "true",
        Applies,
        "OCSP stapling: a boolean, or a block",
        Kind::Toggled(ocsp::switch, ocsp::OCSP),
    ),
    built(
        "ocsp_cache",
        "true",
        Applies,
        "Where answers about clients' certificates are kept: a boolean, or a block",
        Kind::Toggled(ocsp_peer::switch_cache, ocsp_peer::OCSP_CACHE),
    ),
    built(
        "store_dir",
        "",
        NeedsRestart,
        "Set the storage directory",
        Kind::Text(jetstream::store_dir),
    )
    .or(&["storedir"]),
    not_built("default_js_domain", Off::Empty, "JetStream domains of accounts"),
    not_built("cluster", Off::Empty, "Routes to other servers").with(known::CLUSTER),
    not_built("gateway", Off::Empty, "Links to other clusters").with(known::GATEWAY),
    not_built("leafnodes", Off::Empty, "Leafnode connections").or(&["leaf"]).with(known::LEAFNODES),
    built(
        "jetstream",
        "",
        NeedsRestart,
        "Enable JetStream functionality",
        Kind::Toggled(|d, on| d.options.jetstream.enabled = on, jetstream::JETSTREAM),
    ),
    not_built("websocket", Off::Empty, "Clients over websocket").or(&["ws"]).with(known::WEBSOCKET),
    not_built("mqtt", Off::Empty, "Clients that speak MQTT").with(known::MQTT),
    built("corewire", "", NeedsRestart, "Corewire's own options", Kind::Block(COREWIRE)),
];

/// The declaration at a path such as `port` or `authorization.user`.
pub fn find(path: &str) -> Option<&'static Declaration> {
    let (block, key) = match path.split_once('.') {
        Some(("authorization", key)) => (AUTHORIZATION, key),
        Some(("corewire", key)) => (COREWIRE, key),
        Some(("jetstream", key)) => (jetstream::JETSTREAM, key),
        Some(("ocsp", key)) => (ocsp::OCSP, key),
        Some(("ocsp_cache", key)) => (ocsp_peer::OCSP_CACHE, key),
        Some(("tls", key)) => (tls::TLS, key),
        Some(_) => return None,
        None => (TOP_LEVEL, path),
    };
    block.iter().find(|declaration| declaration.is_named(key))
}

#[cfg(test)]
mod tests;
