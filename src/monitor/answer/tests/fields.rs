//! The field tables of spec/monitoring.md §3, §4, §8 and §9 as data, for the tests.

/// A JSON type, as the specification names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Time,
    Texts,
    Map,
    Object,
    List,
}

/// When a field is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Always.
    Always,
    /// When it has a value; the full fake server gives it one.
    IfSet,
    /// When a feature has been built that is not: never yet.
    NotYet,
}

use Kind::*;
use Presence::*;

pub type Field = (&'static str, Kind, Presence);

pub const VARZ: &[Field] = &[
    ("server_id", Text, Always),
    ("server_name", Text, Always),
    ("version", Text, Always),
    ("proto", Int, Always),
    ("git_commit", Text, IfSet),
    ("go", Text, Always),
    ("host", Text, Always),
    ("port", Int, Always),
    ("auth_required", Bool, IfSet),
    ("tls_required", Bool, NotYet),
    ("tls_verify", Bool, NotYet),
    ("tls_ocsp_peer_verify", Bool, IfSet),
    ("ip", Text, NotYet),
    ("connect_urls", Texts, IfSet),
    ("ws_connect_urls", Texts, NotYet),
    ("max_connections", Int, Always),
    ("max_subscriptions", Int, IfSet),
    ("ping_interval", Int, Always),
    ("ping_max", Int, Always),
    ("http_host", Text, Always),
    ("http_port", Int, Always),
    ("http_base_path", Text, Always),
    ("https_port", Int, Always),
    ("auth_timeout", Float, Always),
    ("max_control_line", Int, Always),
    ("max_payload", Int, Always),
    ("max_pending", Int, Always),
    ("cluster", Object, Always),
    ("gateway", Object, Always),
    ("leaf", Object, Always),
    ("mqtt", Object, Always),
    ("websocket", Object, Always),
    ("jetstream", Object, Always),
    ("tls_timeout", Float, Always),
    ("write_deadline", Int, Always),
    ("write_timeout", Text, IfSet),
    ("start", Time, Always),
    ("now", Time, Always),
    ("uptime", Text, Always),
    ("mem", Int, Always),
    ("cores", Int, Always),
    ("gomaxprocs", Int, Always),
    ("gomemlimit", Int, NotYet),
    ("cpu", Float, Always),
    ("connections", Int, Always),
    ("total_connections", Int, Always),
    ("routes", Int, Always),
    ("remotes", Int, Always),
    ("leafnodes", Int, Always),
    ("in_msgs", Int, Always),
    ("in_bytes", Int, Always),
    ("in_client_msgs", Int, Always),
    ("in_client_bytes", Int, Always),
    ("out_msgs", Int, Always),
    ("out_bytes", Int, Always),
    ("out_client_msgs", Int, Always),
    ("out_client_bytes", Int, Always),
    ("slow_consumers", Int, Always),
    ("stale_connections", Int, Always),
    ("stalled_clients", Int, Always),
    ("subscriptions", Int, Always),
    ("http_req_stats", Map, Always),
    ("config_load_time", Time, Always),
    ("config_digest", Text, Always),
    ("tags", Texts, IfSet),
    ("metadata", Map, IfSet),
    ("feature_flags", Map, IfSet),
    ("trusted_operators_jwt", Texts, NotYet),
    ("trusted_operators_claim", List, NotYet),
    ("system_account", Text, IfSet),
    ("pinned_account_fails", Int, IfSet),
    ("ocsp_peer_cache", Object, IfSet),
    ("slow_consumer_stats", Object, Always),
    ("stale_connection_stats", Object, Always),
    ("disk_io_wait_stats", Object, Always),
    ("proxies", Object, IfSet),
    ("tls_cert_not_after", Time, IfSet),
];

/// SlowConsumersStats and StaleConnectionStats.
pub const BY_KIND: &[Field] = &[
    ("clients", Int, Always),
    ("routes", Int, Always),
    ("gateways", Int, Always),
    ("leafs", Int, Always),
];

pub const DISK_IO_WAITS: &[Field] = &[
    ("waiters", Int, Always),
    ("waits", Int, Always),
    ("wait_time", Int, Always),
    ("max_wait_time", Int, Always),
];

pub const CONNZ: &[Field] = &[
    ("server_id", Text, Always),
    ("now", Time, Always),
    ("num_connections", Int, Always),
    ("total", Int, Always),
    ("offset", Int, Always),
    ("limit", Int, Always),
    ("connections", List, Always),
];

/// ConnInfo. `stop` and `reason` stand with closed connections only, `authorized_user`,
/// `account` and what a token says with `auth=1`, the lists with `subs`.
pub const CONN_INFO: &[Field] = &[
    ("cid", Int, Always),
    ("kind", Text, IfSet),
    ("type", Text, IfSet),
    ("ip", Text, Always),
    ("port", Int, Always),
    ("start", Time, Always),
    ("last_activity", Time, Always),
    ("stop", Time, IfSet),
    ("reason", Text, IfSet),
    ("rtt", Text, IfSet),
    ("uptime", Text, Always),
    ("idle", Text, Always),
    ("pending_bytes", Int, Always),
    ("in_msgs", Int, Always),
    ("out_msgs", Int, Always),
    ("in_bytes", Int, Always),
    ("out_bytes", Int, Always),
    ("stalls", Int, IfSet),
    ("subscriptions", Int, Always),
    ("name", Text, IfSet),
    ("lang", Text, IfSet),
    ("version", Text, IfSet),
    ("tls_version", Text, NotYet),
    ("tls_cipher_suite", Text, NotYet),
    ("tls_peer_certs", List, NotYet),
    ("tls_first", Bool, NotYet),
    ("authorized_user", Text, IfSet),
    ("account", Text, IfSet),
    ("subscriptions_list", Texts, IfSet),
    ("subscriptions_list_detail", List, IfSet),
    ("jwt", Text, IfSet),
    ("issuer_key", Text, IfSet),
    ("name_tag", Text, IfSet),
    ("tags", Texts, IfSet),
    ("mqtt_client", Text, NotYet),
    ("proxy", Object, IfSet),
];

pub const SUB_DETAIL: &[Field] = &[
    ("account", Text, IfSet),
    ("account_tag", Text, IfSet),
    ("subject", Text, Always),
    ("qgroup", Text, IfSet),
    ("sid", Text, Always),
    ("msgs", Int, Always),
    ("max", Int, IfSet),
    ("cid", Int, Always),
];

/// Subsz with the embedded SublistStats.
pub const SUBSZ: &[Field] = &[
    ("server_id", Text, Always),
    ("now", Time, Always),
    ("num_subscriptions", Int, Always),
    ("num_cache", Int, Always),
    ("num_inserts", Int, Always),
    ("num_removes", Int, Always),
    ("num_matches", Int, Always),
    ("cache_hit_rate", Float, Always),
    ("max_fanout", Int, Always),
    ("avg_fanout", Float, Always),
    ("total", Int, Always),
    ("offset", Int, Always),
    ("limit", Int, Always),
    ("subscriptions_list", List, IfSet),
];

pub const ACCOUNTZ: &[Field] = &[
    ("server_id", Text, Always),
    ("now", Time, Always),
    ("system_account", Text, IfSet),
    ("accounts", Texts, IfSet),
    ("account_detail", Object, IfSet),
];

pub const ACCOUNT_INFO: &[Field] = &[
    ("account_name", Text, Always),
    ("update_time", Time, Always),
    ("is_system", Bool, IfSet),
    ("expired", Bool, Always),
    ("complete", Bool, Always),
    ("jetstream_enabled", Bool, Always),
    ("leafnode_connections", Int, Always),
    ("client_connections", Int, Always),
    ("subscriptions", Int, Always),
    ("mappings", Object, NotYet),
    ("exports", List, IfSet),
    ("imports", List, Always),
    ("jwt", Text, NotYet),
    ("issuer_key", Text, NotYet),
    ("name_tag", Text, Always),
    ("tags", Texts, NotYet),
    ("decoded_jwt", Object, NotYet),
    ("validation_result_jwt", List, NotYet),
    ("revoked_user", Map, NotYet),
    ("sublist_stats", Object, IfSet),
    ("responses", Map, NotYet),
];

pub const ACCOUNT_STATZ: &[Field] =
    &[("server_id", Text, Always), ("now", Time, Always), ("account_statz", List, Always)];

pub const ACCOUNT_STAT: &[Field] = &[
    ("acc", Text, Always),
    ("name", Text, Always),
    ("conns", Int, Always),
    ("leafnodes", Int, Always),
    ("total_conns", Int, Always),
    ("num_subscriptions", Int, Always),
    ("sent", Object, Always),
    ("received", Object, Always),
    ("slow_consumers", Int, Always),
];
