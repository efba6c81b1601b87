//! What NATS knows inside the blocks that Corewire has not built yet (spec/cli-and-config.md §7).
//! Each line is a key and its aliases. A block moves from here to `table.rs` when it is built.

use crate::declaration::{Inside, Known};

pub(crate) const fn key(names: &'static [&'static str]) -> Known {
    Known::refused(names, Inside::Anything)
}

const fn block(names: &'static [&'static str], inside: &'static [Known]) -> Known {
    Known::refused(names, Inside::Block(inside))
}

const fn list(names: &'static [&'static str], inside: &'static [Known]) -> Known {
    Known::refused(names, Inside::List(inside))
}

/// §7.9
pub const TLS: Inside = Inside::Block(&TLS_KEYS);

const TLS_KEYS: [Known; 22] = [
    key(&["cert_file"]),
    key(&["key_file"]),
    key(&["ca_file"]),
    list(&["certs", "certificates"], &[key(&["cert_file"]), key(&["key_file"])]),
    key(&["verify"]),
    key(&["verify_and_map"]),
    key(&["verify_cert_and_check_known_urls"]),
    key(&["insecure"]),
    key(&["timeout"]),
    key(&["min_version"]),
    key(&["cipher_suites"]),
    key(&["curve_preferences"]),
    key(&["allow_insecure_cipher_suites"]),
    key(&["pinned_certs"]),
    key(&["connection_rate_limit"]),
    key(&["handshake_first", "first", "immediate"]),
    block(
        &["ocsp_peer"],
        &[
            key(&["verify"]),
            key(&["ca_timeout"]),
            key(&["allowed_clockskew"]),
            key(&["warn_only"]),
            key(&["unknown_is_good"]),
            key(&["allow_when_ca_unreachable"]),
            key(&["cache_ttl_when_next_update_unset"]),
        ],
    ),
    key(&["cert_store"]),
    key(&["cert_match_by"]),
    key(&["cert_match"]),
    key(&["cert_match_skip_invalid"]),
    key(&["ca_certs_match"]),
];

const COMPRESSION: Known =
    block(&["compression", "compress"], &[key(&["mode"]), key(&["rtt_thresholds"])]);

const TLS_BLOCK: Known = Known::refused(&["tls"], TLS);

/// §7.2, as far as server-to-server blocks have it.
const SIMPLE_AUTHORIZATION: Known = block(
    &["authorization", "authentication"],
    &[
        key(&["user", "username"]),
        key(&["pass", "password"]),
        key(&["token"]),
        key(&["nkey"]),
        key(&["account"]),
        key(&["timeout"]),
        key(&["proxy_required"]),
        list(
            &["users"],
            &[
                key(&["user", "username"]),
                key(&["pass", "password"]),
                key(&["nkey"]),
                key(&["account"]),
                key(&["proxy_required"]),
            ],
        ),
    ],
);

const RESPONSES: [Known; 2] = [
    key(&["max", "max_msgs", "max_messages", "max_responses"]),
    key(&["expires", "expiration", "ttl"]),
];

const ALLOW_DENY: [Known; 2] = [key(&["allow"]), key(&["deny"])];

/// §7.2
pub const PERMISSIONS: Inside = Inside::Block(&[
    block(&["publish", "pub", "import"], &ALLOW_DENY),
    block(&["subscribe", "sub", "export"], &ALLOW_DENY),
    block(&["allow_responses", "publish_allow_responses"], &RESPONSES),
]);

/// §7.4
pub const CLUSTER: Inside = Inside::Block(&[
    key(&["name"]),
    key(&["listen"]),
    key(&["host", "net"]),
    key(&["port"]),
    SIMPLE_AUTHORIZATION,
    Known::refused(&["permissions"], PERMISSIONS),
    key(&["routes"]),
    TLS_BLOCK,
    key(&["advertise", "cluster_advertise"]),
    key(&["no_advertise"]),
    key(&["connect_retries"]),
    key(&["connect_backoff"]),
    key(&["pool_size"]),
    key(&["accounts"]),
    COMPRESSION,
    key(&["ping_interval"]),
    key(&["ping_max"]),
    key(&["write_deadline"]),
    key(&["write_timeout"]),
]);

/// §7.5
pub const LEAFNODES: Inside = Inside::Block(&[
    key(&["listen"]),
    key(&["host", "net"]),
    key(&["port"]),
    SIMPLE_AUTHORIZATION,
    TLS_BLOCK,
    key(&["advertise", "leafnode_advertise"]),
    key(&["no_advertise"]),
    key(&["min_version", "minimum_version"]),
    key(&["reconnect", "reconnect_delay", "reconnect_interval"]),
    key(&["dial_timeout"]),
    COMPRESSION,
    key(&["isolate_leafnode_interest", "isolate"]),
    key(&["write_deadline"]),
    key(&["write_timeout"]),
    list(&["remotes"], &LEAF_REMOTE),
]);

const LEAF_REMOTE: [Known; 21] = [
    key(&["url"]),
    key(&["urls"]),
    key(&["account", "local"]),
    key(&["credentials", "creds"]),
    key(&["nkey", "seed"]),
    TLS_BLOCK,
    key(&["hub"]),
    key(&["deny_imports", "deny_import"]),
    key(&["deny_exports", "deny_export"]),
    key(&["no_randomize", "dont_randomize"]),
    key(&["ws_compression", "ws_compress", "websocket_compression", "websocket_compress"]),
    key(&["ws_no_masking", "websocket_no_masking"]),
    block(&["jetstream_cluster_migrate", "js_cluster_migrate"], &[key(&["leader_migrate_delay"])]),
    key(&["isolate_leafnode_interest", "isolate"]),
    key(&["request_isolation"]),
    COMPRESSION,
    key(&["first_info_timeout"]),
    key(&["dial_timeout"]),
    key(&["disabled"]),
    block(&["proxy"], &[key(&["url"]), key(&["username"]), key(&["password"]), key(&["timeout"])]),
    key(&["ignore_discovered_servers"]),
];

/// §7.6
pub const GATEWAY: Inside = Inside::Block(&[
    key(&["name"]),
    key(&["listen"]),
    key(&["host", "net"]),
    key(&["port"]),
    SIMPLE_AUTHORIZATION,
    TLS_BLOCK,
    key(&["advertise"]),
    key(&["connect_retries"]),
    key(&["connect_backoff"]),
    key(&["reject_unknown_cluster", "reject_unknown"]),
    key(&["write_deadline"]),
    key(&["write_timeout"]),
    list(&["gateways"], &[key(&["name"]), key(&["url"]), key(&["urls"]), TLS_BLOCK]),
]);

/// §7.8
pub const WEBSOCKET: Inside = Inside::Block(&[
    key(&["listen"]),
    key(&["host", "net"]),
    key(&["port"]),
    key(&["advertise"]),
    key(&["no_tls"]),
    TLS_BLOCK,
    key(&["same_origin"]),
    key(&[
        "allowed_origins",
        "allowed_origin",
        "allow_origins",
        "allow_origin",
        "origins",
        "origin",
    ]),
    key(&["handshake_timeout"]),
    key(&["compression", "compress"]),
    SIMPLE_AUTHORIZATION,
    key(&["no_auth_user"]),
    key(&["jwt_cookie"]),
    key(&["user_cookie"]),
    key(&["pass_cookie"]),
    key(&["token_cookie"]),
    key(&["headers"]),
    key(&["ping_interval"]),
]);

/// §7.8
pub const MQTT: Inside = Inside::Block(&[
    key(&["listen"]),
    key(&["host", "net"]),
    key(&["port"]),
    TLS_BLOCK,
    SIMPLE_AUTHORIZATION,
    key(&["no_auth_user"]),
    key(&["ack_wait", "ackwait"]),
    key(&["js_api_timeout", "api_timeout"]),
    key(&["max_ack_pending", "max_pending", "max_inflight"]),
    key(&["js_domain"]),
    key(&["stream_replicas"]),
    key(&["consumer_replicas"]),
    key(&["consumer_memory_storage"]),
    key(&["consumer_inactive_threshold", "consumer_auto_cleanup"]),
    key(&["reject_qos2_publish"]),
    key(&["downgrade_qos2_subscribe"]),
]);
