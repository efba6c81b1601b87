//! The fields of the monitoring answers, in their order, as `spec/monitoring.md` lists them.
//! `since` is the first release that has the key.

use serde_json::Value;

/// Whether a field is there when it is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Always sent.
    Always,
    /// Left out when zero or empty.
    IfSet,
}

pub use Presence::{Always as ALWAYS, IfSet as IF_SET};

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Time,
    List,
    Object,
}

use Kind::{Boolean, Integer, List, Number, Object, Text, Time};

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub presence: Presence,
    pub since: &'static str,
}

const fn field(name: &'static str, kind: Kind, presence: Presence, since: &'static str) -> Field {
    Field { name, kind, presence, since }
}

impl Kind {
    /// Whether `value` is of this kind.
    pub fn holds(self, value: &Value) -> bool {
        match self {
            Text => value.is_string(),
            Integer => value.is_i64() || value.is_u64(),
            Number => value.is_number(),
            Boolean => value.is_boolean(),
            Time => value.as_str().is_some_and(is_time),
            List => value.is_array(),
            Object => value.is_object(),
        }
    }
}

/// RFC 3339, such as `2026-11-21T09:32:39.746670181Z`.
fn is_time(text: &str) -> bool {
    let shape: String =
        text.chars().map(|char| if char.is_ascii_digit() { '9' } else { char }).collect();
    shape.starts_with("9999-99-99T99:99:99") && (text.ends_with('Z') || text.len() > 24)
}

/// `/varz`.
#[rustfmt::skip]
pub const VARZ: &[Field] = &[
    field("server_id", Text, ALWAYS, "0.5.1"),
    field("server_name", Text, ALWAYS, "2.1.2"),
    field("version", Text, ALWAYS, "0.5.1"),
    field("proto", Integer, ALWAYS, "1.2.0"),
    field("git_commit", Text, IF_SET, "1.0.6"),
    field("go", Text, ALWAYS, "0.6.2"),
    field("host", Text, ALWAYS, "0.5.1"),
    field("port", Integer, ALWAYS, "0.5.1"),
    field("auth_required", Boolean, IF_SET, "0.5.1"),
    field("tls_required", Boolean, IF_SET, "0.7.0"),
    field("tls_verify", Boolean, IF_SET, "0.7.0"),
    field("tls_ocsp_peer_verify", Boolean, IF_SET, "2.9.21"),
    field("ip", Text, IF_SET, "0.5.1"),
    field("connect_urls", List, IF_SET, "0.9.2"),
    field("ws_connect_urls", List, IF_SET, "2.2.0"),
    field("max_connections", Integer, ALWAYS, "0.5.1"),
    field("max_subscriptions", Integer, IF_SET, "1.2.0"),
    field("ping_interval", Integer, ALWAYS, "0.5.1"),
    field("ping_max", Integer, ALWAYS, "0.5.1"),
    field("http_host", Text, ALWAYS, "0.8.1"),
    field("http_port", Integer, ALWAYS, "0.5.1"),
    field("http_base_path", Text, ALWAYS, "2.1.7"),
    field("https_port", Integer, ALWAYS, "0.7.0"),
    field("auth_timeout", Number, ALWAYS, "0.5.1"),
    field("max_control_line", Integer, ALWAYS, "0.5.1"),
    field("max_payload", Integer, ALWAYS, "0.5.1"),
    field("max_pending", Integer, ALWAYS, "1.2.0"),
    field("cluster", Object, ALWAYS, "0.9.6"),
    field("gateway", Object, ALWAYS, "2.0.0"),
    field("leaf", Object, ALWAYS, "2.0.0"),
    field("mqtt", Object, ALWAYS, "2.8.0"),
    field("websocket", Object, ALWAYS, "2.2.0"),
    field("jetstream", Object, ALWAYS, "2.2.0"),
    field("tls_timeout", Number, ALWAYS, "0.7.0"),
    field("write_deadline", Integer, ALWAYS, "1.2.0"),
    field("write_timeout", Text, IF_SET, "2.11.11"),
    field("start", Time, ALWAYS, "0.5.1"),
    field("now", Time, ALWAYS, "0.6.2"),
    field("uptime", Text, ALWAYS, "0.5.1"),
    field("mem", Integer, ALWAYS, "0.5.1"),
    field("cores", Integer, ALWAYS, "0.5.1"),
    field("gomaxprocs", Integer, ALWAYS, "2.1.6"),
    field("gomemlimit", Integer, IF_SET, "2.10.28"),
    field("cpu", Number, ALWAYS, "0.5.1"),
    field("connections", Integer, ALWAYS, "0.5.1"),
    field("total_connections", Integer, ALWAYS, "0.8.0"),
    field("routes", Integer, ALWAYS, "0.6.0"),
    field("remotes", Integer, ALWAYS, "0.6.0"),
    field("leafnodes", Integer, ALWAYS, "2.0.0"),
    field("in_msgs", Integer, ALWAYS, "0.5.1"),
    field("in_bytes", Integer, ALWAYS, "0.5.1"),
    field("in_client_msgs", Integer, ALWAYS, "2.12.9"),
    field("in_client_bytes", Integer, ALWAYS, "2.12.9"),
    field("out_msgs", Integer, ALWAYS, "0.5.1"),
    field("out_bytes", Integer, ALWAYS, "0.5.1"),
    field("out_client_msgs", Integer, ALWAYS, "2.12.9"),
    field("out_client_bytes", Integer, ALWAYS, "2.12.9"),
    field("slow_consumers", Integer, ALWAYS, "0.6.2"),
    field("stale_connections", Integer, ALWAYS, "2.12.0"),
    field("stalled_clients", Integer, ALWAYS, "2.12.0"),
    field("subscriptions", Integer, ALWAYS, "0.5.1"),
    field("http_req_stats", Object, ALWAYS, "0.8.0"),
    field("config_load_time", Time, ALWAYS, "1.0.0"),
    field("config_digest", Text, ALWAYS, "2.11.0"),
    field("tags", List, IF_SET, "2.2.0"),
    field("metadata", Object, IF_SET, "2.10.0"),
    field("feature_flags", Object, IF_SET, "2.14.0"),
    field("trusted_operators_jwt", List, IF_SET, "2.2.0"),
    field("trusted_operators_claim", List, IF_SET, "2.2.0"),
    field("system_account", Text, IF_SET, "2.2.0"),
    field("pinned_account_fails", Integer, IF_SET, "2.4.0"),
    field("ocsp_peer_cache", Object, IF_SET, "2.9.21"),
    field("slow_consumer_stats", Object, ALWAYS, "2.10.0"),
    field("stale_connection_stats", Object, ALWAYS, "2.12.0"),
    field("disk_io_wait_stats", Object, ALWAYS, "2.12.14"),
    field("proxies", Object, IF_SET, "2.12.0"),
    field("tls_cert_not_after", Time, IF_SET, "2.11.12"),
];

/// `/connz`.
#[rustfmt::skip]
pub const CONNZ: &[Field] = &[
    field("server_id", Text, ALWAYS, "0.5.1"),
    field("now", Time, ALWAYS, "0.6.2"),
    field("num_connections", Integer, ALWAYS, "0.5.1"),
    field("total", Integer, ALWAYS, "0.8.0"),
    field("offset", Integer, ALWAYS, "0.6.0"),
    field("limit", Integer, ALWAYS, "0.6.0"),
    field("connections", List, ALWAYS, "0.5.1"),
];

/// One connection of `/connz`.
#[rustfmt::skip]
pub const CONN_INFO: &[Field] = &[
    field("cid", Integer, ALWAYS, "0.5.1"),
    field("kind", Text, IF_SET, "2.3.3"),
    field("type", Text, IF_SET, "2.2.0"),
    field("ip", Text, ALWAYS, "0.5.1"),
    field("port", Integer, ALWAYS, "0.5.1"),
    field("start", Time, ALWAYS, "0.5.1"),
    field("last_activity", Time, ALWAYS, "0.8.0"),
    field("stop", Time, IF_SET, "1.2.0"),
    field("reason", Text, IF_SET, "1.2.0"),
    field("rtt", Text, IF_SET, "1.2.0"),
    field("uptime", Text, ALWAYS, "0.5.1"),
    field("idle", Text, ALWAYS, "0.8.0"),
    field("pending_bytes", Integer, ALWAYS, "0.6.2"),
    field("in_msgs", Integer, ALWAYS, "0.5.1"),
    field("out_msgs", Integer, ALWAYS, "0.5.1"),
    field("in_bytes", Integer, ALWAYS, "0.5.1"),
    field("out_bytes", Integer, ALWAYS, "0.5.1"),
    field("stalls", Integer, IF_SET, "2.12.0"),
    field("subscriptions", Integer, ALWAYS, "0.5.1"),
    field("name", Text, IF_SET, "0.5.1"),
    field("lang", Text, IF_SET, "0.6.0"),
    field("version", Text, IF_SET, "0.5.1"),
    field("tls_version", Text, IF_SET, "0.7.0"),
    field("tls_cipher_suite", Text, IF_SET, "0.7.0"),
    field("tls_peer_certs", List, IF_SET, "2.9.0"),
    field("tls_first", Boolean, IF_SET, "2.10.4"),
    field("authorized_user", Text, IF_SET, "0.8.1"),
    field("account", Text, IF_SET, "2.0.0"),
    field("subscriptions_list", List, IF_SET, "0.6.0"),
    field("subscriptions_list_detail", List, IF_SET, "2.1.6"),
    field("jwt", Text, IF_SET, "2.0.0"),
    field("issuer_key", Text, IF_SET, "2.2.0"),
    field("name_tag", Text, IF_SET, "2.2.0"),
    field("tags", List, IF_SET, "2.2.0"),
    field("mqtt_client", Text, IF_SET, "2.5.0"),
    field("proxy", Object, IF_SET, "2.12.0"),
];

/// One subscription of `/connz?subs=detail` and `/subsz?subs=1`.
#[rustfmt::skip]
pub const SUB_DETAIL: &[Field] = &[
    field("account", Text, IF_SET, "2.0.0"),
    field("account_tag", Text, IF_SET, "2.11.0"),
    field("subject", Text, ALWAYS, "1.2.0"),
    field("qgroup", Text, IF_SET, "1.2.0"),
    field("sid", Text, ALWAYS, "1.2.0"),
    field("msgs", Integer, ALWAYS, "1.2.0"),
    field("max", Integer, IF_SET, "1.2.0"),
    field("cid", Integer, ALWAYS, "0.5.1"),
];

/// `/subsz`.
#[rustfmt::skip]
pub const SUBSZ: &[Field] = &[
    field("server_id", Text, ALWAYS, "0.5.1"),
    field("now", Time, ALWAYS, "0.6.2"),
    field("num_subscriptions", Integer, ALWAYS, "0.8.0"),
    field("num_cache", Integer, ALWAYS, "0.8.0"),
    field("num_inserts", Integer, ALWAYS, "0.8.0"),
    field("num_removes", Integer, ALWAYS, "0.8.0"),
    field("num_matches", Integer, ALWAYS, "0.8.0"),
    field("cache_hit_rate", Number, ALWAYS, "0.8.0"),
    field("max_fanout", Integer, ALWAYS, "0.8.0"),
    field("avg_fanout", Number, ALWAYS, "0.8.0"),
    field("total", Integer, ALWAYS, "0.8.0"),
    field("offset", Integer, ALWAYS, "0.6.0"),
    field("limit", Integer, ALWAYS, "0.6.0"),
    field("subscriptions_list", List, IF_SET, "0.6.0"),
];
