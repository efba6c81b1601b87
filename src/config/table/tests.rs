//! The tables against the options, and against a file that names every key.

use super::*;
use crate::accounts::{Account, Accounts, Destination, Mapping};
use crate::apply;
use crate::callout::Callout;
use crate::declaration::{Inside, Known, Status};
use crate::feature_flags::FeatureFlags;
use crate::jetstream::{BATCH, JETSTREAM, LIMITS};
use crate::limits;
use crate::ocsp::{OCSP, Ocsp, OcspMode};
use crate::ocsp_peer::{CacheKind, Faults, OCSP_CACHE, OCSP_PEER, OcspCache, OcspPeer};
use crate::operator::Operators;
use crate::options::User;
use crate::options::{Advertise, Auth, Batches, Corewire, Flush, Ingest, JetStream, Options, Port};
use crate::options::{Cipher, Encryption, Secret};
use crate::parser::{self, Files};
use crate::permissions::{Permissions, SubjectRules};
use crate::place::Sources;
use crate::problem::{Diagnostics, Problem};
use crate::profile::ProfileName;
use crate::proxies::Proxies;
use crate::resolver::{JwtFolder, Keeps, RESOLVER_TLS, Resolver, ResolverTls, ResolverTrust};
use crate::tls::{First, TLS, Tls, Verify, Version};
use std::io;
use std::path::Path;

struct One<'t>(&'t str);

impl Files for One<'_> {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.as_bytes().to_vec())
    }
}

fn read(text: &str) -> (Draft, Diagnostics) {
    let mut sources = Sources::default();
    let root = match parser::load(Path::new("t"), &One(text), &|_| None, &mut sources) {
        Ok(root) => root,
        Err(problem) => panic!("{text}: {}", problem.show(&sources)),
    };
    let (mut draft, mut found) = (Draft::default(), Diagnostics::default());
    apply::apply(&root, &mut draft, &mut found);
    (draft, found)
}

/// Every option that is built, none at its default.
const EVERYTHING: &str = r#"
listen: 127.0.0.1:5000
client_advertise: "[::1]:6000"
server_name: one
debug: on, trace: yes, trace_verbose: true, trace_headers: true, logtime: false, logtime_utc: true
log_file: "/l", log_size_limit: 10MB, log_max_num: 3
syslog: true, remote_syslog: "udp://h:514"
pid_file: "/p", ports_file_dir: "/d"
max_control_line: 2kb, max_payload: 2MB, max_pending: 32MB, max_conn: 100, max_subs: 7
max_subscription_tokens: 9, max_traced_msg_len: 11, max_closed_clients: 12
ping_interval: "30s", ping_max: 5, write_deadline: 2s, write_timeout: Retry
no_fast_producer_stall: false
lame_duck_duration: "1m", lame_duck_grace_period: 5s
no_header_support: true, no_sublist_cache: true
connect_error_reports: 17, reconnect_error_reports: 18
feature_flags { js_ack_fc_v2: true, other: off }
https: 0, https_port: 0, http: "localhost:8222", http_base_path: "nats/"
server_tags: [" Aa b", "x:Y", "aa b"], server_metadata { Key: "Value" }
authorization {
  users: [{user: a, password: b}, {username: c}], timeout: 0.5, default_permissions: { publish: p }
  proxy_required: true
  auth_callout { issuer: ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU, auth_users: a }
}
accounts { A { users: [{user: d, password: e}] }, S {} }
no_auth_user: d, system_account: S, no_system_account: no, mappings: { m: n }
ocsp { mode: must, urls: ["http://o:1"] }
ocsp_cache { type: none, local_store: "/rc", preserve_revoked: true, save_interval: 7 }
tls {
  cert_file: "/c", key_file: "/k", ca_file: "/a", verify: true
  verify_and_map: false, certs: [], timeout: 0.25, min_version: "1.3"
  cipher_suites: [TLS_AES_128_GCM_SHA256], curve_preferences: X25519, handshake_first: 70ms
  connection_rate_limit: 19
  pinned_certs: ["A000000000000000000000000000000000000000000000000000000000000001"]
  ocsp_peer {
    verify: true, ca_timeout: 0.5, allowed_clockskew: "5s", warn_only: true, unknown_is_good: true
    allow_when_ca_unreachable: true, cache_ttl_when_next_update_unset: 60
  }
}
resolver { type: cache, dir: "/jwt", limit: 8, ttl: "1h", timeout: "3s" }
resolver_tls {
  certs: [{ cert_file: "/rc", key_file: "/rk" }], ca_file: "/ra", insecure: true, timeout: 1
  min_version: "1.3", cipher_suites: TLS_AES_128_GCM_SHA256, curve_preferences: X25519
}
resolver_pinned_accounts: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
allow_non_tls: true, proxy_protocol: true
proxies { trusted: [{ key: OB64VL3KXSAMXEWZ2I42GTZTTWMMBAZSV7E2JWT5S2IA2TVQ63Z2UZVB }] }
corewire { cores: "3,0-1", profile: throughput }
jetstream {
  store_dir: "/s", strict: false, max_mem: 1K, max_file_store: "2G", sync_interval: 3s, domain: hub
  encryption_key: k, prev_encryption_key: o, cipher: AES
  request_queue_limit: 4, info_queue_limit: 27
  max_concurrent_io: 28
  max_buffered_msgs: 20, max_buffered_size: 21, unique_tag: "AZ:"
  limits {
    default_max_consumers: 29
    max_ack_pending: 6, max_request_batch: 7, duplicate_window: "8s", max_ha_assets: 22
    batch { max_inflight_per_stream: 23, max_inflight_total: 24, max_msgs: 25, timeout: 26s }
  }
}
"#;

/// What excludes the users and accounts of [`EVERYTHING`].
const OPERATOR_MODE: &str = r#"
operator: ["/o.jwt", " eyJ.x.y\n"], resolver: MEMORY, resolver_preload: { A: "eyJ.a.b" }
default_sentinel: eyJ.s.t
"#;

const TRUSTED: &str = "trusted_keys: OB64VL3KXSAMXEWZ2I42GTZTTWMMBAZSV7E2JWT5S2IA2TVQ63Z2UZVB";

#[test]
fn every_option_of_operator_mode_is_set() {
    let (draft, mut found) = read(OPERATOR_MODE);
    let options = draft.finish(&mut found);
    assert_eq!((found.errors, found.warnings), (vec![], vec![]));
    let expected = Operators {
        tokens: vec!["/o.jwt".into(), "eyJ.x.y".into()],
        trusted_keys: vec![],
        preload: [("A".into(), "eyJ.a.b".into())].into(),
        sentinel: Some("eyJ.s.t".into()),
    };
    assert_eq!(options.operator, expected);
    assert!(options.is_auth_required());
    let (draft, mut found) = read(&format!("{TRUSTED}\nresolver: MEMORY"));
    assert_eq!(draft.finish(&mut found).operator.trusted_keys.len(), 1);
    assert_eq!(found.errors, []);
}

#[test]
fn operators_leave_no_room_for_accounts_and_users_of_others() {
    let told = |more: &str| {
        let (draft, mut found) = read(more);
        draft.finish(&mut found);
        found.errors.iter().map(|found| found.problem.to_string()).collect::<Vec<_>>().join("; ")
    };
    let table = [
        ("operator: o, resolver: MEMORY", ""),
        ("operator: o, resolver: MEMORY, system_account: A", ""),
        ("operator: o, resolver: MEMORY, accounts { A {} }", "operators do not allow Accounts"),
        ("operator: o, authorization { users: [{user: a, password: b}] }", "do not allow users"),
        ("operator: o, authorization { token: t }", "do not allow users"),
        ("operator: o, no_auth_user: a", "no_auth_user not compatible with Trusted Operator"),
        ("default_sentinel: a", "default sentinel requires operators"),
        (TRUSTED, "operators require an account resolver"),
        ("trusted: x, resolver: MEMORY", "valid public operator nkey"),
    ];
    for (config, expected) in table {
        let said = told(config);
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
    }
    let both = told(&format!("operator: o\n{TRUSTED}"));
    assert!(both.contains("conflicting options for 'TrustedKeys'"), "{both}");
}

#[test]
fn every_option_that_is_built_is_set() {
    let (draft, mut found) = read(EVERYTHING);
    let options = draft.finish(&mut found);
    assert_eq!((found.errors, found.warnings), (vec![], vec![]));
    let user = |name: &str, password: &str| User::with_password(name, password);
    let expected = Options {
        host: "127.0.0.1".into(),
        port: Port::Fixed(5000),
        server_name: Some("one".into()),
        client_advertise: Some(Advertise { host: "::1".into(), port: Some(6000) }),
        pid_file: Some("/p".into()),
        ports_file_dir: Some("/d".into()),
        http_host: Some("localhost".into()),
        http_port: Some(Port::Fixed(8222)),
        https_port: None,
        tls: Some(Tls {
            cert_file: "/c".into(),
            key_file: "/k".into(),
            certs: Vec::new(),
            ca_file: Some("/a".into()),
            verify: Verify::Certificate,
            timeout: Duration::from_millis(250),
            min_version: Version::V13,
            cipher_suites: vec!["TLS_AES_128_GCM_SHA256".into()],
            curve_preferences: vec!["X25519".into()],
            pinned_certs: [format!("a{}1", "0".repeat(62))].into(),
            first: First::HandshakeWithin(Duration::from_millis(70)),
            connections_per_second: Some(19),
            ocsp_peer: OcspPeer {
                verify: true,
                responder_timeout: Duration::from_millis(500),
                clock_skew: Duration::from_secs(5),
                faults: Faults::Logged,
                unknown_is_good: true,
                allow_when_unreachable: true,
                unsaid_life: Duration::from_secs(60),
            },
        }),
        ocsp: Ocsp { mode: OcspMode::Must, urls: vec!["http://o:1".into()] },
        ocsp_cache: OcspCache {
            kind: CacheKind::None,
            local_store: "/rc".into(),
            preserve_revoked: true,
            save_interval: Duration::from_secs(7),
        },
        operator: Operators::default(),
        resolver: Some(Resolver::Folder(JwtFolder {
            dir: "/jwt".into(),
            keeps: Keeps::WhatIsUsed { ttl: Some(Duration::from_secs(3600)) },
            limit: 8,
            timeout: Duration::from_secs(3),
        })),
        resolver_tls: Some(ResolverTls {
            cert_file: Some("/rc".into()),
            key_file: Some("/rk".into()),
            ca_file: Some("/ra".into()),
            trust: ResolverTrust::Anybody,
            timeout: Some(Duration::from_secs(1)),
            min_version: Version::V13,
            cipher_suites: vec!["TLS_AES_128_GCM_SHA256".into()],
            curve_preferences: vec!["X25519".into()],
        }),
        resolver_pinned: ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()].into(),
        allow_non_tls: true,
        proxy_protocol: true,
        proxies: Proxies {
            trusted: vec!["OB64VL3KXSAMXEWZ2I42GTZTTWMMBAZSV7E2JWT5S2IA2TVQ63Z2UZVB".into()],
            required: true,
        },
        http_base_path: "/nats".into(),
        debug: true,
        trace: true,
        trace_verbose: true,
        logtime: false,
        logtime_utc: true,
        log_file: Some("/l".into()),
        log_size_limit: 10 << 20,
        log_max_num: 3,
        syslog: true,
        remote_syslog: Some("udp://h:514".into()),
        max_traced_msg_len: 11,
        trace_headers: true,
        connect_error_reports: 17,
        reconnect_error_reports: 18,
        auth: Auth::Users(vec![user("a", "b"), user("c", "")]),
        auth_timeout: Duration::from_millis(500),
        accounts: Accounts {
            declared: vec![
                Account { users: vec![user("d", "e")], ..Account::new("A") },
                Account::new("S"),
            ],
            global_mappings: vec![Mapping {
                source: "m".into(),
                destinations: vec![Destination { subject: "n".into(), weight: 100, cluster: None }],
            }],
            system: Some("S".into()),
            no_system: false,
            no_auth_user: Some("d".into()),
            callout: Some(Callout {
                issuer: "ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU".into(),
                auth_users: vec!["a".into()],
                ..Callout::default()
            }),
            default_permissions: Some(Permissions {
                publish: SubjectRules { allow: Some(vec!["p".into()]), deny: vec![] },
                ..Permissions::default()
            }),
        },
        max_control_line: 2048,
        max_payload: 2 << 20,
        max_pending: 32 << 20,
        max_connections: 100,
        max_subscriptions: Some(7),
        max_sub_tokens: Some(9),
        max_closed_clients: 12,
        ping_interval: Duration::from_secs(30),
        ping_max: 5,
        write_deadline: Duration::from_secs(2),
        write_timeout: WriteTimeout::Retry,
        slow_subscriber: SlowSubscriber::Stall,
        lame_duck_duration: Duration::from_secs(60),
        lame_duck_grace_period: Duration::from_secs(5),
        no_header_support: true,
        disable_sublist_cache: true,
        server_tags: vec!["aa b".into(), "x:y".into()],
        server_metadata: [("Key".into(), "Value".into())].into(),
        jetstream: JetStream {
            enabled: true,
            strict: false,
            store_dir: Some("/s".into()),
            memory_max: Some(1000),
            file_max: Some(2 << 30),
            flush: Flush::Every(Duration::from_secs(3)),
            domain: Some("hub".into()),
            encryption: Encryption {
                key: Secret::new("k"),
                previous: Secret::new("o"),
                cipher: Cipher::Aes,
            },
            requests_max: 4,
            infos_max: Some(27),
            ack_pending_max: Some(6),
            consumers_default_max: Some(29),
            disk_operations_max: 28,
            request_batch_max: Some(7),
            duplicate_window_max: Some(Duration::from_secs(8)),
            ha_assets_max: Some(22),
            unique_tag: Some("az:".into()),
            ingest: Ingest { messages_max: 20, bytes_max: 21 },
            batches: Batches {
                per_stream_max: 23,
                total_max: 24,
                messages_max: 25,
                timeout: Duration::from_secs(26),
            },
        },
        feature_flags: FeatureFlags {
            said: [("js_ack_fc_v2".into(), true), ("other".into(), false)].into(),
        },
        config_file: None,
        config_digest: String::new(),
        corewire: Corewire {
            cores: "0,1,3".parse().ok(),
            profile: ProfileName::parse("throughput").unwrap(),
            ..Corewire::default()
        },
    };
    assert_eq!(options, expected);
}

#[test]
fn the_file_of_everything_names_every_option() {
    let lower = [EVERYTHING, OPERATOR_MODE, TRUSTED].concat().to_lowercase();
    let all = TOP_LEVEL.iter();
    let all =
        all.chain(COREWIRE).chain(JETSTREAM).chain(LIMITS).chain(BATCH).chain(TLS).chain(OCSP);
    let all = all.chain(OCSP_PEER).chain(OCSP_CACHE).chain(RESOLVER_TLS);
    for declaration in all.filter(|found| matches!(found.status, Status::Built(_))) {
        let other = ["host", "port", "http_port", "enabled"].contains(&declaration.key);
        let named = declaration.names().any(|name| lower.contains(&format!("{name}:")));
        let block = lower.contains(&format!("{} {{", declaration.key));
        assert!(other || named || block, "{}", declaration.key);
    }
}

#[test]
fn the_last_setting_of_a_kind_wins_and_zero_is_the_default() {
    let (draft, found) = read("listen: 1\nport: 2\nhost: a\nlisten: \"b:-1\"");
    assert_eq!(found.errors, []);
    // The first `listen` was replaced, and the second stands behind `port` and `host`.
    assert_eq!((draft.options.host.as_str(), draft.options.port), ("b", Port::Random));
    let zeros = "port: 0\nmax_payload: 0\nmax_pending: 0\nping_max: 0\nmax_control_line: 0\n\
                 write_deadline: \"0s\"\nmax_closed_clients: 0\nauthorization { timeout: 0 }";
    assert_eq!(read(zeros).0.options, Options::default());
    assert_eq!(read("max_connections: 0").0.options.max_connections, 0);
    assert_eq!(read("max_connections: -1").0.options.max_connections, 0);
    let drop = read("no_fast_producer_stall: true").0.options.slow_subscriber;
    assert_eq!(drop, SlowSubscriber::Drop);
}

#[test]
fn a_long_authorization_timeout_is_warned_of() {
    let (_, found) = read("authorization { token: t, timeout: 61 }");
    let [warning] = &found.warnings[..] else { panic!("{found:?}") };
    assert!(warning.problem.to_string().contains("1m1s is longer than a minute"));
    assert!(read("authorization { token: t, timeout: \"1m\" }").1.warnings.is_empty());
}

#[test]
fn a_handshake_comes_first_at_once_or_within_a_time() {
    let first = |text: &str| {
        let (draft, found) = read(&format!("tls {{ handshake_first: {text} }}"));
        assert!(found.errors.is_empty(), "{text}: {found:?}");
        draft.options.tls.expect("a block").first
    };
    let auto = First::HandshakeWithin(limits::TLS_FIRST_FALLBACK);
    assert_eq!([first("auto"), first("auto_fallback")], [auto; 2]);
    assert_eq!(first("\"70ms\""), First::HandshakeWithin(Duration::from_millis(70)));
    assert_eq!([first("on"), first("off")], [First::Handshake, First::Info]);
}

#[test]
fn a_large_payload_is_warned_of_in_the_log_only() {
    let (draft, mut found) = read("max_payload: 9MB");
    let options = draft.finish(&mut found);
    assert!(found.warnings.is_empty());
    let warnings: Vec<_> = options.log_warnings().iter().map(ToString::to_string).collect();
    let text = "Maximum payloads over 8.00 MB are generally discouraged and could lead to poor \
                performance";
    assert_eq!(warnings, [text]);
    assert!(Options::default().log_warnings().is_empty());
}

fn each_block() -> [(&'static str, &'static [Declaration]); 6] {
    [
        ("", TOP_LEVEL),
        ("authorization", AUTHORIZATION),
        ("corewire", COREWIRE),
        ("jetstream", JETSTREAM),
        ("jetstream.limits", LIMITS),
        ("jetstream.limits.batch", BATCH),
    ]
}

/// `line` inside the block at that path.
fn inside_block(path: &str, line: &str) -> String {
    path.rsplit('.')
        .filter(|block| !block.is_empty())
        .fold(line.to_owned(), |text, block| format!("{block} {{ {text} }}"))
}

#[test]
fn declared_defaults_are_the_defaults_of_the_options() {
    for (block, table) in each_block() {
        for declaration in table.iter().filter(|declaration| !declaration.default.is_empty()) {
            for name in declaration.names() {
                let line = format!("{name}: {}", declaration.default);
                let text = inside_block(block, &line);
                let (draft, found) = read(&text);
                assert_eq!(found.errors, [], "{text}");
                let mut expected = Draft::default().options;
                // A block enables.
                expected.jetstream.enabled = block.starts_with("jetstream");
                assert_eq!(draft.options, expected, "{text}");
            }
        }
    }
}

#[test]
fn no_name_is_declared_twice_and_all_are_lower_case() {
    for (_, table) in each_block().into_iter() {
        let mut names: Vec<_> = table.iter().flat_map(Declaration::names).collect();
        assert!(names.iter().all(|name| **name == name.to_lowercase()));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(table.iter().all(|declaration| !declaration.doc.is_empty()));
    }
}

/// A value that is written in no option that is off.
fn on(inside: Inside) -> String {
    let block = |keys: &[Known]| {
        let entries: Vec<String> = keys
            .iter()
            .flat_map(|known| known.names.iter().map(|name| (name, known.inside)))
            .map(|(name, inside)| format!("{name}: {}", on(inside)))
            .collect();
        format!("{{\n{}\n}}", entries.join("\n"))
    };
    match inside {
        Inside::Anything => "7".to_owned(),
        Inside::Block(keys) => block(keys),
        Inside::List(keys) => format!("[{}]", block(keys)),
        Inside::Named(keys) => format!("{{ A: {} }}", block(keys)),
    }
}

#[test]
fn every_option_that_is_not_built_is_refused_by_name_with_all_inside_it_known() {
    for (block, table) in each_block().into_iter() {
        for declaration in table {
            let Status::NotBuilt { inside, .. } = declaration.status else { continue };
            for name in declaration.names() {
                let line = format!("{name}: {}", on(inside));
                let text = inside_block(block, &line);
                let (_, found) = read(&text);
                let problems: Vec<_> = found.errors.iter().map(|found| &found.problem).collect();
                let [Problem::NotBuilt { key, .. }] = problems[..] else {
                    panic!("{text}: {problems:?}");
                };
                assert_eq!(key, name);
            }
        }
    }
}

#[test]
fn jetstream_is_switched_on_by_a_boolean_a_word_or_a_block() {
    let enabled = |text: &str| {
        let (draft, found) = read(text);
        assert_eq!(found.errors, [], "{text}");
        draft.options.jetstream.enabled
    };
    for on in ["jetstream: true", "jetstream: Enabled", "jetstream {}", "jetstream { strict: no }"]
    {
        assert!(enabled(on), "{on}");
    }
    for off in
        ["jetstream: false", "jetstream: disabled", "jetstream { enabled: false }", "port: 1"]
    {
        assert!(!enabled(off), "{off}");
    }
}

#[test]
fn sizes_of_jetstream_are_numbers_or_texts() {
    let max = |value: &str| {
        let (draft, found) = read(&format!("jetstream {{ max_mem: {value} }}"));
        (draft.options.jetstream.memory_max, found.errors.len())
    };
    assert_eq!(max("10"), (Some(10), 0));
    assert_eq!(max("1MB"), (Some(1 << 20), 0));
    assert_eq!(max("\"3k\""), (Some(3 << 10), 0));
    assert_eq!(max("\"1T\""), (Some(1 << 40), 0));
    assert_eq!(max("0"), (Some(0), 0));
    assert_eq!(max("-1"), (None, 0));
    assert_eq!(max("\"much\"").1, 1);
    assert_eq!(max("\"99999999999T\"").1, 1);
}

#[test]
fn a_storage_directory_is_named_once() {
    let (_, found) = read("store_dir: \"/a\"\njetstream { store_dir: \"/b\" }");
    let [error] = &found.errors[..] else { panic!("{found:?}") };
    assert!(error.problem.to_string().contains("Duplicate 'store_dir' configuration"));
    let (draft, _) = read("jetstream { sync: always, store: \"/a\" }");
    assert_eq!(draft.flush, Some(Flush::Always));
    assert_eq!(draft.options.jetstream.folder(), Path::new("/a/jetstream"));
    assert_eq!(read("jetstream { domain: \"a.b\" }").1.errors.len(), 1);
}
