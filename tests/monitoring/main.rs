//! The monitoring port against `spec/monitoring.md`: rows F07, F09, H01, H02, H03, H07,
//! H09, H10, M03, M04, R06.

mod beside;
mod fields;
mod jetstream;

use harness::{Server, get, keys_in_order, until};

use fields::{ALWAYS, Field, Kind};

fn monitored() -> Server {
    Server::builder().monitored().start()
}

/// Checks the keys, their kinds and their order against the table.
fn check(server: &Server, body: &str, table: &[Field]) {
    let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let sent = keys_in_order(body);
    for field in table {
        let Some(value) = json.get(field.name) else {
            let newer = !server.subject().is_corewire() && server.subject().skips(field.since);
            assert!(field.presence != ALWAYS || newer, "{} is always there: {body}", field.name);
            continue;
        };
        assert!(field.kind.holds(value), "{} is no {:?}: {value}", field.name, field.kind);
    }
    if server.subject().is_corewire() {
        let unknown: Vec<_> =
            sent.iter().filter(|key| table.iter().all(|field| field.name != **key)).collect();
        assert!(unknown.is_empty(), "keys that NATS does not have: {unknown:?}");
        // Releases differ in the order; ours is the specification's.
        let names = table.iter().map(|field| field.name);
        let ordered: Vec<_> = names.filter(|name| sent.contains(name)).collect();
        assert_eq!(sent, ordered, "the order of the table");
    }
}

#[test]
fn h02_varz_has_the_fields_of_the_table() {
    let server = monitored();
    let answer = get(server.monitor(), "/varz");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    check(&server, &answer.body, fields::VARZ);
    assert!(answer.body.starts_with("{\n  \"server_id\": \"N"), "indented by two");
}

#[test]
fn h02_varz_counts_what_happened() {
    let server = monitored();
    let mut raw = server.quiet();
    raw.send("SUB counted 1");
    for _ in 0..10 {
        raw.publish("counted", "12345");
    }
    for _ in 0..10 {
        raw.message();
    }
    // A counter may be read by the control thread a moment later.
    let varz = until("ten messages in varz", || {
        let varz = get(server.monitor(), "/varz").json();
        (varz["out_msgs"] == 10).then_some(varz)
    });
    assert_eq!(varz["in_msgs"], 10);
    assert_eq!(varz["in_bytes"], 50);
    assert_eq!(varz["out_bytes"], 50);
    assert_eq!(varz["connections"], 1);
    assert_eq!(varz["total_connections"], 1);
    assert_eq!(varz["port"], server.client().port());
    assert_eq!(varz["max_payload"], 1_048_576);
    assert_eq!(varz["max_pending"], 67_108_864);
    assert_eq!(varz["max_control_line"], 4096);
    assert_eq!(varz["max_connections"], 65536);
    assert_eq!(varz["server_id"], raw.info()["server_id"]);
    assert!(varz["http_req_stats"]["/varz"].as_u64() >= Some(1));
}

#[test]
fn h02_varz_counts_what_was_refused_as_received() {
    let config = r#"authorization {
        users: [ { user: u, password: p, permissions: { publish: "allowed" } } ]
    }"#;
    let server = Server::builder().monitored().config(config).start();
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"user":"u","pass":"p"}"#);
    raw.publish("denied", "12345");
    raw.expect_error("Permissions Violation for Publish to \"denied\"");
    raw.publish("allowed", "123");
    raw.ping();
    let varz = until("two messages in varz", || {
        let varz = get(server.monitor(), "/varz").json();
        (varz["in_msgs"] == 2).then_some(varz)
    });
    assert_eq!(varz["in_bytes"], 8);
}

#[test]
fn h02_varz_says_that_users_are_known_also_where_one_stands_for_strangers() {
    let config = "no_auth_user: u\nauthorization { users: [ { user: u, password: p } ] }";
    let server = Server::builder().monitored().config(config).start();
    assert!(server.connect().info()["auth_required"].is_null());
    assert_eq!(get(server.monitor(), "/varz").json()["auth_required"], true);
}

#[test]
fn m03_varz_shows_the_configured_times() {
    let config = "ping_interval: \"90s\"\nping_max: 7\nwrite_deadline: \"3s\"";
    let server = Server::builder().monitored().config(config).start();
    let varz = get(server.monitor(), "/varz").json();
    assert_eq!(varz["ping_interval"], 90_000_000_000_u64);
    assert_eq!(varz["ping_max"], 7);
    assert_eq!(varz["write_deadline"], 3_000_000_000_u64);
}

#[test]
fn f07_varz_shows_the_digest_that_a_test_of_the_file_prints() {
    let server = Server::builder().monitored().config("max_payload: 1MB\n").start();
    if server.subject().skips("2.11.0") {
        return;
    }
    let file = server.folder().join("server.conf");
    let tested = Server::run_to_end(&["-t", "-c", &file.to_string_lossy()]);
    let varz = get(server.monitor(), "/varz").json();
    let digest = varz["config_digest"].as_str().expect("a digest");
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    assert!(tested.stderr.contains(digest), "{}", tested.stderr);
}

#[test]
fn f09_varz_shows_tags_and_metadata() {
    let config = "server_tags: [\"region:north\", fast]\nserver_metadata { rack: \"7\" }";
    if harness::Subject::from_env().skips("2.12.0") {
        return;
    }
    let server = Server::builder().monitored().config(config).start();
    let varz = get(server.monitor(), "/varz").json();
    assert_eq!(varz["tags"], serde_json::json!(["region:north", "fast"]));
    assert_eq!(varz["metadata"], serde_json::json!({ "rack": "7" }));
}

#[test]
fn r06_varz_shows_a_write_timeout_that_was_chosen() {
    if harness::Subject::from_env().skips("2.11.11") {
        return;
    }
    let shown = |config: &str| {
        let server = Server::builder().monitored().config(config).start();
        get(server.monitor(), "/varz").json()["write_timeout"].clone()
    };
    assert_eq!(shown("write_timeout: retry"), "retry");
    assert_eq!(shown("write_timeout: close"), "close");
    assert!(shown("write_timeout: default").is_null());
}

#[test]
fn h03_connz_has_the_fields_of_the_tables() {
    let server = monitored();
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"name":"n","lang":"l","version":"v"}"#);
    raw.send("SUB a.b 1\r\nSUB c.d group 2");
    raw.ping();
    let answer = get(server.monitor(), "/connz?subs=detail&auth=1");
    check(&server, &answer.body, fields::CONNZ);
    let connz = answer.json();
    assert_eq!(connz["num_connections"], 1);
    assert_eq!(connz["total"], 1);
    assert_eq!(connz["limit"], 1024);
    let (_, connections) = answer.body.split_once("\"connections\":").expect("connections");
    check(&server, first_object(connections), fields::CONN_INFO);
    let own = &connz["connections"][0];
    assert_eq!(own["cid"], raw.cid());
    assert_eq!(
        (&own["name"], &own["lang"], &own["version"]),
        (&"n".into(), &"l".into(), &"v".into())
    );
    assert_eq!((&own["kind"], &own["type"]), (&"Client".into(), &"nats".into()));
    assert_eq!(own["port"], raw.stream().local_addr().expect("connected").port());
    assert_eq!(own["subscriptions"], 2);
    let (_, details) = connections.split_once("\"subscriptions_list_detail\":").expect("details");
    check(&server, first_object(details), fields::SUB_DETAIL);
    let details = own["subscriptions_list_detail"].as_array().expect("a list");
    let queue = details.iter().find(|detail| detail["subject"] == "c.d").expect("listed");
    assert_eq!((&queue["qgroup"], &queue["sid"]), (&"group".into(), &"2".into()));
}

/// The text of the first object in `json`.
fn first_object(json: &str) -> &str {
    let start = json.find('{').expect("an object");
    let mut depth = 0;
    let end = json[start..].bytes().position(|byte| {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        depth == 0
    });
    &json[start..=start + end.expect("its end")]
}

#[test]
fn h03_connz_lists_subjects_and_pages() {
    let server = monitored();
    let mut raws: Vec<_> = (0..5).map(|_| server.quiet()).collect();
    raws[0].send("SUB a.b 1");
    raws[0].ping();
    let connz = get(server.monitor(), "/connz?subs=1&limit=2&offset=0").json();
    assert_eq!(connz["num_connections"], 2);
    assert_eq!(connz["total"], 5);
    assert_eq!(connz["connections"][0]["subscriptions_list"][0], "a.b");
    let connz = get(server.monitor(), "/connz?limit=2&offset=4").json();
    assert_eq!(connz["num_connections"], 1);
    let cid = raws[3].cid();
    let connz = get(server.monitor(), &format!("/connz?cid={cid}")).json();
    assert_eq!(connz["connections"][0]["cid"], cid);
}

#[test]
fn h03_connz_and_subsz_list_each_of_many_once() {
    let server = Server::builder().monitored().cores(2).start();
    let mut raws: Vec<_> = (0..400).map(|_| server.quiet()).collect();
    for raw in &mut raws {
        raw.send("SUB a.* 1\r\nSUB b 2");
        raw.ping();
    }
    // What is gone leaves holes in the tables.
    let mut at = 0;
    raws.retain(|_| {
        at += 1;
        at % 3 != 0
    });
    let mut cids: Vec<u64> = raws.iter().map(harness::Raw::cid).collect();
    cids.sort_unstable();
    let connz = until("the others to be gone", || {
        let connz = get(server.monitor(), "/connz?subs=1&limit=1000").json();
        (connz["total"] == cids.len()).then_some(connz)
    });
    let list = connz["connections"].as_array().expect("a list");
    let listed: Vec<u64> = list.iter().filter_map(|one| one["cid"].as_u64()).collect();
    assert_eq!(listed, cids);
    for connection in list {
        let mut subjects: Vec<_> =
            connection["subscriptions_list"].as_array().expect("a list").clone();
        subjects.sort_by_key(ToString::to_string);
        assert_eq!(subjects, ["a.*", "b"], "{connection}");
    }
    let subsz = get(server.monitor(), "/subsz?subs=1&acc=$G&test=b&limit=1000").json();
    let list = subsz["subscriptions_list"].as_array().expect("a list");
    let mut listed: Vec<u64> = list.iter().filter_map(|one| one["cid"].as_u64()).collect();
    listed.sort_unstable();
    assert_eq!(listed, cids);
    let page = get(server.monitor(), "/subsz?subs=1&acc=$G&test=b&offset=200&limit=50").json();
    assert_eq!(page["subscriptions_list"].as_array().map(Vec::len), Some(50));
}

#[test]
fn h03_connz_sorts() {
    let server = monitored();
    let mut raws: Vec<_> = (0..3).map(|_| server.quiet()).collect();
    for (at, raw) in raws.iter_mut().enumerate() {
        for _ in 0..[2, 9, 5][at] {
            raw.publish("x", "y");
        }
        raw.ping();
    }
    let cids: Vec<_> = raws.iter().map(harness::Raw::cid).collect();
    let sorted = |by: &str| -> Vec<u64> {
        let connz = get(server.monitor(), &format!("/connz?sort={by}")).json();
        let list = connz["connections"].as_array().expect("a list").clone();
        list.iter().filter_map(|connection| connection["cid"].as_u64()).collect()
    };
    assert_eq!(sorted("cid"), cids);
    assert_eq!(sorted("msgs_from"), [cids[1], cids[2], cids[0]], "most first");
}

#[test]
fn h03_bad_parameters_are_named() {
    let server = monitored();
    let cases = [
        ("/connz?sort=frob", "invalid sorting option: frob"),
        ("/connz?subs=maybe", "Error decoding boolean for 'subs': "),
        ("/connz?limit=x", "Error decoding int for 'limit': "),
        ("/connz?state=x", "Error decoding state for x"),
        ("/connz?sort=stop", "sort by stop only valid on closed connections"),
        ("/subsz?offset=x", "Error decoding int for 'offset': "),
    ];
    for (path, said) in cases {
        let answer = get(server.monitor(), path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.body.starts_with(said), "{path}: {}", answer.body);
    }
}

#[test]
fn h03_activity_is_what_was_done_or_got_and_no_ping() {
    let server = monitored();
    let (mut listener, mut speaker) = (server.quiet(), server.quiet());
    listener.send("SUB x 1");
    listener.ping();
    let cid = listener.cid();
    let seen = || {
        let connz = get(server.monitor(), &format!("/connz?cid={cid}")).json();
        connz["connections"][0]["last_activity"].clone()
    };
    let subscribed = seen();
    listener.ping();
    listener.send("PONG");
    listener.ping();
    assert_eq!(seen(), subscribed);
    speaker.publish("x", "1");
    listener.message();
    let got = until("what it gets is seen", || Some(seen()).filter(|got| *got != subscribed));
    listener.publish("y", "1");
    listener.ping();
    assert_ne!(seen(), got);
}

#[test]
fn h03_closed_connections_and_their_reasons() {
    let server = monitored();
    let mut bad = server.quiet();
    bad.send("FOO");
    bad.expect_error("Unknown Protocol Operation");
    bad.expect_eof();
    let connz = until("one closed connection", || {
        let connz = get(server.monitor(), "/connz?state=closed").json();
        (connz["num_connections"] == 1).then_some(connz)
    });
    let closed = &connz["connections"][0];
    assert_eq!(closed["cid"], bad.cid());
    assert_eq!(closed["reason"], "Protocol Violation");
    assert!(closed["stop"].is_string());
    assert_eq!(get(server.monitor(), "/connz").json()["num_connections"], 0);
    assert_eq!(get(server.monitor(), "/connz?state=all").json()["num_connections"], 1);
}

#[test]
fn m04_max_closed_clients_bounds_what_is_remembered() {
    if harness::Subject::from_env().skips("2.10.26") {
        return;
    }
    let server = Server::builder().monitored().config("max_closed_clients: 3").start();
    let mut last = 0;
    for _ in 0..8 {
        let mut raw = server.quiet();
        last = raw.cid();
        raw.finish_sending();
        raw.expect_eof();
    }
    let connz = until("the last one is remembered", || {
        let connz = get(server.monitor(), "/connz?state=closed").json();
        let list = connz["connections"].as_array().expect("a list");
        list.iter().any(|closed| closed["cid"] == last).then_some(connz.clone())
    });
    assert_eq!(connz["num_connections"], 3);
}

#[test]
fn h07_subsz_has_the_fields_of_the_table_and_counts() {
    let server = monitored();
    let mut raw = server.quiet();
    let before = get(server.monitor(), "/subsz").json();
    raw.send("SUB a.* 1\r\nSUB b 2");
    raw.ping();
    let answer = get(server.monitor(), "/subsz?subs=1&acc=$G");
    check(&server, &answer.body, fields::SUBSZ);
    let list = answer.json()["subscriptions_list"].as_array().expect("a list").clone();
    let own: Vec<_> = list.iter().filter(|sub| sub["cid"] == raw.cid()).collect();
    assert_eq!(own.len(), 2, "{list:?}");
    let after = get(server.monitor(), "/subsz").json();
    let count = |subsz: &serde_json::Value| subsz["num_subscriptions"].as_u64().expect("a count");
    assert_eq!(count(&after) - count(&before), 2);
}

#[test]
fn h07_subsz_tests_a_subject() {
    let server = monitored();
    let mut raw = server.quiet();
    raw.send("SUB a.* 1\r\nSUB b 2");
    raw.ping();
    for path in ["/subsz", "/subscriptionsz"] {
        let subsz = get(server.monitor(), &format!("{path}?subs=1&acc=$G&test=a.b")).json();
        let list = subsz["subscriptions_list"].as_array().expect("a list").clone();
        assert_eq!(list.len(), 1, "{subsz}");
        assert_eq!(list[0]["subject"], "a.*");
    }
}

#[test]
fn m06_subsz_of_a_server_without_cache_counts_none() {
    let server = Server::builder().monitored().config("disable_sublist_cache: true").start();
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    for _ in 0..3 {
        raw.publish("a", "");
        raw.message();
    }
    assert_eq!(get(server.monitor(), "/subsz").json()["num_cache"], 0);
}

#[test]
fn h10_healthz_is_compact_and_ok() {
    let server = monitored();
    let answer = get(server.monitor(), "/healthz");
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ok"}"#));
}

#[test]
fn h01_root_is_a_page_and_the_rest_is_404() {
    let server = monitored();
    let root = get(server.monitor(), "/");
    assert_eq!(root.status, 200);
    assert!(root.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    assert!(root.body.contains("varz"), "{}", root.body);
    assert_eq!(get(server.monitor(), "/no_such_page").status, 404);
    // Whose base address ends in a slash is sent to what it means.
    let sent = get(server.monitor(), "//varz?x=1");
    assert!([301, 307].contains(&sent.status), "{}", sent.status);
    assert_eq!(sent.header("location"), Some("/varz?x=1"));
}

#[test]
fn h01_cross_origin_is_allowed() {
    let server = monitored();
    if server.subject().skips("2.10.0") {
        return;
    }
    let answer = get(server.monitor(), "/varz");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn metrics_are_prometheus_text_for_each_core() {
    let server = monitored();
    if server.subject().skips_ours() {
        return;
    }
    let mut raw = server.quiet();
    raw.send("SUB counted 1");
    raw.publish("counted", "12345");
    raw.message();
    let answer = until("the message in the metrics", || {
        let answer = get(server.monitor(), "/metrics");
        let seen = answer
            .body
            .lines()
            .any(|line| line.starts_with("corewire_in_msgs_total{") && line.ends_with("} 1"));
        seen.then_some(answer)
    });
    assert_eq!(answer.status, 200);
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        let named = ["corewire_", "process_"].iter().any(|prefix| series.starts_with(prefix));
        assert!(named, "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn the_grafana_board_asks_for_metrics_that_exist() {
    let server = monitored();
    if server.subject().skips_ours() {
        return;
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tuning/grafana.json");
    let board = std::fs::read_to_string(file).expect("the board");
    let parsed: serde_json::Value = serde_json::from_str(&board).expect("JSON");
    assert!(parsed["panels"].as_array().is_some_and(|panels| panels.len() > 10));
    get(server.monitor(), "/varz");
    let metrics = get(server.monitor(), "/metrics").body;
    let exists = |name: &str| {
        metrics
            .lines()
            .any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
    };
    let mut names: Vec<&str> = board
        .split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))
        .filter(|word| word.starts_with("corewire_") || word.starts_with("process_"))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 20, "{names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // What the server counts and no panel shows would be forgotten.
    for shown in ["slow_consumers", "dwell_seconds", "ring_dropped", "system_dropped"] {
        assert!(board.contains(shown), "{shown}");
    }
}

#[test]
fn the_tables_can_fail() {
    let body = r#"{"b": 1, "a": "x"}"#;
    assert_eq!(keys_in_order(body), ["b", "a"]);
    assert!(!Kind::Integer.holds(&"1".into()));
    assert!(!Kind::Time.holds(&"yesterday".into()));
    assert!(Kind::Time.holds(&"2026-11-21T09:32:39.746670181Z".into()));
    assert!(!Kind::Text.holds(&1.into()));
}
