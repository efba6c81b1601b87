//! Every endpoint against a fake server: fields and types, orders, paging, filters, errors.

use std::sync::Arc;

use base::snapshot::{ClosedSnapshot, ConnectionSnapshot};
use base::{ClientId, Counter};
use fields::{Field, Kind, Presence};
use serde_json::Value;

use super::*;
use crate::fake::{self, FakeServer, START_NS};
use crate::source::{Fanout, Health, IndexFigures};

mod fields;

/// What `GET target` answers: status and text.
fn get(server: FakeServer, target: &str) -> (u16, String) {
    ask_desk(&fake::desk(server), target)
}

fn ask_desk(desk: &Desk<FakeServer>, target: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let reply = runtime.block_on(desk.answer(path, query));
    (reply.status.as_u16(), String::from_utf8(reply.body).unwrap())
}

fn json(server: FakeServer, target: &str) -> Value {
    let (status, text) = get(server, target);
    assert_eq!(status, 200, "{target}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Which optional fields must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Optional<'a> {
    All,
    AllBut(&'a [&'a str]),
    None,
}

/// Checks names, presence and types of `object`'s fields, and that it has no others.
fn check(object: &Value, table: &[Field], optional: Optional<'_>) {
    let object = object.as_object().unwrap();
    for name in object.keys() {
        assert!(table.iter().any(|(known, ..)| known == name), "{name} is no field of NATS's");
    }
    for &(name, kind, presence) in table {
        let wanted = match (presence, optional) {
            (Presence::Always, _) => true,
            (Presence::NotYet, _) | (_, Optional::None) => false,
            (_, Optional::All) => true,
            (_, Optional::AllBut(missing)) => !missing.contains(&name),
        };
        assert_eq!(object.contains_key(name), wanted, "{name}");
        if let Some(value) = object.get(name) {
            assert!(is_kind(value, kind), "{name} is {value}, not {kind:?}");
        }
    }
}

fn is_kind(value: &Value, kind: Kind) -> bool {
    match kind {
        Kind::Text => value.is_string(),
        Kind::Int => value.is_u64(),
        Kind::Float => value.is_number(),
        Kind::Bool => value.is_boolean(),
        Kind::Time => value
            .as_str()
            .is_some_and(|text| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()),
        Kind::Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        Kind::Map | Kind::Object => value.is_object(),
        Kind::List => value.is_array(),
    }
}

#[test]
fn varz_has_exactly_nats_servers_fields() {
    let idle = json(FakeServer::idle(), "/varz");
    check(&idle, fields::VARZ, Optional::None);
    let full = json(FakeServer::full(), "/varz");
    check(&full, fields::VARZ, Optional::All);
    check(&full["slow_consumer_stats"], fields::BY_KIND, Optional::None);
    check(&full["stale_connection_stats"], fields::BY_KIND, Optional::None);
    check(&full["disk_io_wait_stats"], fields::DISK_IO_WAITS, Optional::None);
    for unused in ["cluster", "gateway", "leaf", "mqtt", "websocket", "jetstream"] {
        assert_eq!(full[unused], serde_json::json!({}), "{unused}");
    }
}

#[test]
fn varz_shows_facts_and_totals_over_all_cores() {
    let server = FakeServer::idle();
    let counted = [
        (Counter::Connections, "connections"),
        (Counter::ConnectionsTotal, "total_connections"),
        (Counter::InMsgs, "in_msgs"),
        (Counter::InBytes, "in_bytes"),
        (Counter::OutMsgs, "out_msgs"),
        (Counter::OutBytes, "out_bytes"),
        (Counter::SlowConsumers, "slow_consumers"),
        (Counter::StaleConnections, "stale_connections"),
        (Counter::StalledClients, "stalled_clients"),
        (Counter::Subscriptions, "subscriptions"),
    ];
    for (n, (counter, _)) in counted.iter().enumerate() {
        server.shards[0].add(*counter, n as u64);
        server.shards[1].add(*counter, 100);
    }
    let varz = json(server, "/varz");
    for (n, (_, name)) in counted.iter().enumerate() {
        assert_eq!(varz[name], n as u64 + 100, "{name}");
    }
    assert_eq!(varz["in_client_bytes"], varz["in_bytes"]);
    assert_eq!(varz["ping_interval"], 120_000_000_000_u64);
    assert_eq!(varz["write_deadline"], 10_000_000_000_u64);
    assert_eq!(varz["auth_timeout"].as_f64(), Some(2.0));
    assert_eq!(varz["start"], "2026-11-21T09:17:57Z");
    assert_eq!(varz["gomaxprocs"], 2);
    assert!(varz["mem"].as_u64() > Some(100_000));
}

#[test]
fn requests_are_counted_by_endpoint_and_misses_are_not() {
    let desk = fake::desk(FakeServer::idle());
    for target in ["/", "/connz?limit=x", "/subsz", "/subscriptionsz", "/nothing", "/varz/"] {
        ask_desk(&desk, target);
    }
    let varz: Value = serde_json::from_str(&ask_desk(&desk, "/varz").1).unwrap();
    let expected = serde_json::json!({ "/": 1, "/connz": 1, "/subsz": 2, "/varz": 1 });
    assert_eq!(varz["http_req_stats"], expected);
}

#[test]
fn connz_has_exactly_nats_servers_fields() {
    let connz = json(FakeServer::full(), "/connz?auth=1&subs=1");
    check(&connz, fields::CONNZ, Optional::None);
    let open_without = ["stop", "reason", "subscriptions_list_detail"];
    check(&connz["connections"][0], fields::CONN_INFO, Optional::AllBut(&open_without));

    let closed = json(FakeServer::full(), "/connz?auth=true&subs=detail&state=closed");
    let closed_without = ["subscriptions_list"];
    let connection = &closed["connections"][0];
    check(connection, fields::CONN_INFO, Optional::AllBut(&closed_without));
    assert_eq!(connection["reason"], "Client Closed");
    assert_eq!(connection["stop"], "2026-11-21T09:18:04Z");
    assert_eq!(connection["uptime"], "7s");
    let detail = &connection["subscriptions_list_detail"][0];
    check(detail, fields::SUB_DETAIL, Optional::All);

    let plain = json(FakeServer::full(), "/connz");
    let hidden = [
        "stop",
        "reason",
        "authorized_user",
        "account",
        "subscriptions_list",
        "subscriptions_list_detail",
        "jwt",
        "issuer_key",
        "name_tag",
        "tags",
    ];
    check(&plain["connections"][0], fields::CONN_INFO, Optional::AllBut(&hidden));
}

#[test]
fn the_global_account_and_unknown_round_trips_are_shown_as_nats_server_shows_them() {
    let mut server = FakeServer::idle();
    server.connections = vec![ConnectionSnapshot {
        authorized_user: "u".into(),
        peer: "[::ffff:10.0.0.9]:77".parse().unwrap(),
        ..fake::connection(1)
    }];
    let connz = json(server, "/connz?auth=1");
    let connection = &connz["connections"][0];
    assert_eq!(connection.get("account"), None);
    assert_eq!(connection["authorized_user"], "u");
    assert_eq!(connection["rtt"], "0s");
    assert_eq!(connection["ip"], "10.0.0.9");
}

/// The ids in the answer to `/connz?query`.
fn cids(server: FakeServer, query: &str) -> Vec<u64> {
    let connz = json(server, &format!("/connz?{query}"));
    let connections = connz["connections"].as_array().unwrap();
    assert_eq!(connz["num_connections"], connections.len());
    connections.iter().map(|connection| connection["cid"].as_u64().unwrap()).collect()
}

/// Three open connections, whose fields sort in an order of their own each, and two closed.
fn sortable() -> FakeServer {
    let mut server = FakeServer::idle();
    let second = 1_000_000_000;
    let now_ns = now_ns();
    let mut connections = [fake::connection(1), fake::connection(2), fake::connection(3)];
    type FieldOf = fn(&mut ConnectionSnapshot) -> &mut u64;
    let orders: [(FieldOf, [u64; 3]); 7] = [
        (|connection| &mut connection.subscriptions, [10, 30, 20]),
        (|connection| &mut connection.pending_bytes, [30, 10, 20]),
        (|connection| &mut connection.out_msgs, [20, 30, 10]),
        (|connection| &mut connection.in_msgs, [20, 10, 30]),
        (|connection| &mut connection.out_bytes, [10, 20, 30]),
        (|connection| &mut connection.in_bytes, [30, 20, 10]),
        (|connection| connection.rtt_ns.get_or_insert(0), [10, 10, 30]),
    ];
    for (field, values) in orders {
        for (connection, value) in connections.iter_mut().zip(values) {
            *field(connection) = value;
        }
    }
    let ages = [(300, 30), (500, 10), (400, 20)];
    for (connection, (age, idle)) in connections.iter_mut().zip(ages) {
        connection.start_ns = now_ns - age * second;
        connection.last_activity_ns = now_ns - idle * second;
    }
    server.connections = connections.to_vec();
    for (cid, stop, reason) in [(8, 5, "Write Error"), (9, 6, "Client Closed")] {
        server.closed.push(Arc::new(ClosedSnapshot {
            connection: fake::connection(cid),
            stop_ns: START_NS + stop * second,
            reason,
        }));
    }
    server
}

#[test]
fn connections_are_sorted_by_every_key() {
    let orders: [(&str, &[u64]); 16] = [
        ("", &[1, 2, 3]),
        ("sort=cid", &[1, 2, 3]),
        ("sort=start", &[2, 3, 1]),
        ("sort=subs", &[2, 3, 1]),
        ("sort=pending", &[1, 3, 2]),
        ("sort=msgs_to", &[2, 1, 3]),
        ("sort=msgs_from", &[3, 1, 2]),
        ("sort=bytes_to", &[3, 2, 1]),
        ("sort=bytes_from", &[1, 2, 3]),
        ("sort=last", &[2, 3, 1]),
        ("sort=idle", &[1, 3, 2]),
        ("sort=uptime", &[1, 3, 2]),
        ("sort=rtt", &[3, 1, 2]),
        ("sort=stop&state=closed", &[9, 8]),
        ("sort=reason&state=closed", &[9, 8]),
        ("state=closed", &[8, 9]),
    ];
    for (query, expected) in orders {
        assert_eq!(cids(sortable(), query), expected, "{query}");
    }
}

#[test]
fn states_filters_and_pages_choose_connections() {
    let choices: [(&str, &[u64], u64); 12] = [
        ("state=OPEN", &[1, 2, 3], 3),
        ("state=any", &[1, 2, 3, 8, 9], 5),
        ("state=all&sort=uptime&limit=2", &[8, 9], 5),
        ("limit=2", &[1, 2], 3),
        ("offset=1&limit=1", &[2], 3),
        ("offset=9", &[], 3),
        ("cid=2&offset=1", &[2], 3),
        ("cid=8", &[], 3),
        ("cid=8&state=closed", &[8], 2),
        ("user=nobody", &[], 3),
        ("mqtt_client=m", &[], 3),
        ("acc=%24G", &[1, 2, 3], 3),
    ];
    for (query, expected, total) in choices {
        assert_eq!(cids(sortable(), query), expected, "{query}");
        assert_eq!(json(sortable(), &format!("/connz?{query}"))["total"], total, "{query}");
    }
    assert_eq!(cids(FakeServer::full(), "user=u&acc=A"), [4, 5]);
    assert_eq!(cids(FakeServer::full(), "acc=%24SYS"), [0; 0]);
    let limit_of_one = &json(sortable(), "/connz?cid=2&limit=9")["limit"];
    assert_eq!(limit_of_one, 1);
}

#[test]
fn an_unknown_account_has_an_empty_answer() {
    let connz = json(FakeServer::full(), "/connz?acc=NOPE");
    assert_eq!(connz["server_id"], "");
    assert_eq!(connz["total"], 0);
    assert_eq!(connz["connections"], Value::Null);
    let subsz = json(FakeServer::full(), "/subsz?acc=NOPE&subs=1");
    assert_eq!(subsz["num_subscriptions"], 0);
    assert_eq!(subsz.get("subscriptions_list"), None);
}

#[test]
fn subscriptions_are_asked_for_the_page_only() {
    let connz = json(FakeServer::full(), "/connz?subs=1&offset=1&limit=1");
    let connections = connz["connections"].as_array().unwrap();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0]["subscriptions_list"], serde_json::json!(["a.b", "c"]));
}

#[test]
fn subsz_has_exactly_nats_servers_fields() {
    let subsz = json(FakeServer::full(), "/subsz?subs=1");
    check(&subsz, fields::SUBSZ, Optional::All);
    for detail in subsz["subscriptions_list"].as_array().unwrap() {
        check(detail, fields::SUB_DETAIL, Optional::All);
    }
    for target in ["/subsz", "/subscriptionsz", "/subsz?test=a.b", "/subsz?subs=1&offset=9"] {
        check(&json(FakeServer::full(), target), fields::SUBSZ, Optional::None);
    }
}

#[test]
fn subsz_counts_tests_and_pages() {
    let mut server = FakeServer::idle();
    server.index = IndexFigures {
        matches: 4,
        cache_hits: 1,
        fanout: Fanout { subjects: 4, deliveries: 6, widest: 3 },
        ..IndexFigures::default()
    };
    let subsz = json(server, "/subsz");
    assert_eq!(subsz["num_matches"], 4);
    assert_eq!(subsz["cache_hit_rate"], 0.25);
    assert_eq!(subsz["max_fanout"], 3);
    assert_eq!(subsz["avg_fanout"], 1.5);

    let subjects = |query: &str| -> Vec<String> {
        let subsz = json(FakeServer::full(), &format!("/subsz?subs=1&{query}"));
        let Some(list) = subsz["subscriptions_list"].as_array() else { return Vec::new() };
        assert_eq!(subsz["total"], list.len());
        list.iter().map(|one| one["subject"].as_str().unwrap().to_owned()).collect()
    };
    // The fake server's first shard holds the even clients.
    assert_eq!(subjects(""), ["a.*", "a.b", "c"]);
    assert_eq!(subjects("test=a.b"), ["a.*", "a.b"]);
    assert_eq!(subjects("test=a.b&offset=1"), ["a.b"]);
    assert_eq!(subjects("offset=1&limit=1"), ["a.b"]);
    assert_eq!(subjects("offset=2"), ["c"]);
    assert_eq!(subjects("acc=A&limit=1"), ["a.*"]);
    assert_eq!(subjects("acc=%24G"), [""; 0]);
}

#[test]
fn wrong_parameters_are_refused_in_nats_servers_words() {
    let refusals = [
        (
            "/connz?sort=x&subs=zz",
            "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"zz\": invalid syntax",
        ),
        (
            "/connz?cid=z&auth=1s",
            "Error decoding boolean for 'auth': strconv.ParseBool: parsing \"1s\": invalid syntax",
        ),
        (
            "/connz?offset=a",
            "Error decoding int for 'offset': strconv.Atoi: parsing \"a\": invalid syntax",
        ),
        (
            "/connz?limit=0x10",
            "Error decoding int for 'limit': strconv.Atoi: parsing \"0x10\": invalid syntax",
        ),
        (
            "/connz?cid=x",
            "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"x\": invalid syntax",
        ),
        ("/connz?state=x", "Error decoding state for x"),
        ("/connz?sort=x", "invalid sorting option: x"),
        ("/connz?sort=stop", "sort by stop only valid on closed connections"),
        ("/connz?sort=reason&state=all", "sort by reason only valid on closed connections"),
        (
            "/subsz?subs=detail",
            "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"detail\": \
             invalid syntax",
        ),
        ("/subsz?test=a.*", "invalid test subject, must be valid publish subject: a.*"),
        ("/subsz?test=a..b", "invalid test subject, must be valid publish subject: a..b"),
        ("/subscriptionsz?test=>", "invalid test subject, must be valid publish subject: >"),
        ("/accountz?acc=nope", "Account nope does not exist"),
        (
            "/jsz?limit=x",
            "Error decoding int for 'limit': strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            "/leafz?subs=detail",
            "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"detail\": \
             invalid syntax",
        ),
    ];
    for (target, text) in refusals {
        assert_eq!(get(FakeServer::full(), target), (400, text.to_owned()), "{target}");
    }
}

#[test]
fn a_base_path_stands_before_every_path() {
    let mut server = FakeServer::idle();
    server.facts =
        Rc::new(crate::ServerFacts { http_base_path: "/nats/x/".into(), ..fake::facts() });
    let desk = fake::desk(server);
    for (target, status) in [
        ("/nats/x", 200),
        ("/nats/x/", 200),
        ("/nats/x/varz", 200),
        ("/nats/x/subsz", 200),
        ("/", 404),
        ("/varz", 404),
        ("/nats", 404),
        ("/nats/xvarz", 404),
    ] {
        assert_eq!(ask_desk(&desk, target).0, status, "{target}");
    }
    assert!(ask_desk(&desk, "/nats/x").1.contains("href=\"/nats/x/varz\""));
}

#[test]
fn the_root_page_names_the_version_and_links_only_what_answers() {
    let (_, page) = get(FakeServer::idle(), "/");
    assert!(page.contains("2.14.5"));
    let links: Vec<&str> =
        page.split("href=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    assert_eq!(links.len(), 11);
    for link in links {
        assert_eq!(get(FakeServer::idle(), link).0, 200, "{link}");
    }
}

#[test]
fn features_that_are_off_answer_as_nats_server_does_without_them() {
    let server = || FakeServer::idle();
    assert_eq!(json(server(), "/routez?subs=detail")["num_routes"], 0);
    assert_eq!(json(server(), "/routez")["routes"], serde_json::json!([]));
    assert_eq!(json(server(), "/gatewayz?accs=1")["outbound_gateways"], serde_json::json!({}));
    assert_eq!(json(server(), "/leafz")["leafs"], serde_json::json!([]));
    assert_eq!(json(server(), "/jsz?accounts=1")["disabled"], true);
    assert_eq!(get(server(), "/raftz"), (404, "No Raft nodes registered".into()));
    assert_eq!(get(server(), "/foo"), (404, "404 page not found\n".into()));
}

#[test]
fn accounts_are_listed_and_shown_one_by_one() {
    let accountz = json(FakeServer::full(), "/accountz");
    check(&accountz, fields::ACCOUNTZ, Optional::AllBut(&["account_detail"]));
    assert_eq!(accountz["accounts"], serde_json::json!(["$G", "$SYS", "A"]));
    let accountz = json(FakeServer::full(), "/accountz?acc=A");
    check(&accountz, fields::ACCOUNTZ, Optional::AllBut(&["accounts"]));
    let detail = &accountz["account_detail"];
    check(detail, fields::ACCOUNT_INFO, Optional::AllBut(&["is_system", "exports"]));
    assert_eq!(detail["client_connections"], 2);
    let system = &json(FakeServer::full(), "/accountz?acc=$SYS")["account_detail"];
    check(system, fields::ACCOUNT_INFO, Optional::All);
    assert_eq!(system["is_system"], true);
}

#[test]
fn account_figures_add_up_what_is_and_what_was() {
    let statz = |target: &str| json(FakeServer::full(), target)["account_statz"].clone();
    let used = statz("/accstatz");
    assert_eq!(used.as_array().map(Vec::len), Some(1), "{used}");
    let own = &used[0];
    check(own, fields::ACCOUNT_STAT, Optional::All);
    assert_eq!((&own["acc"], &own["conns"]), (&"A".into(), &2.into()));
    assert_eq!(own["num_subscriptions"], 2);
    // Two that are open and one that was.
    let none = serde_json::json!({ "msgs": 0, "bytes": 0 });
    for (way, msgs, bytes) in [("received", 3 * 7, 3 * 70), ("sent", 3 * 9, 3 * 90)] {
        assert_eq!((&own[way]["msgs"], &own[way]["bytes"]), (&msgs.into(), &bytes.into()), "{way}");
        for link in ["gateways", "routes", "leafs"] {
            assert_eq!(own[way][link], none, "{way} {link}");
        }
    }
    assert_eq!(statz("/accstatz?unused=1").as_array().map(Vec::len), Some(3));
    let all = json(FakeServer::idle(), "/accstatz");
    check(&all, fields::ACCOUNT_STATZ, Optional::All);
    assert_eq!(all["account_statz"], serde_json::json!([]));
}

#[test]
fn queues_are_shown_when_something_waits_in_them() {
    let queues = |target: &str| get(FakeServer::idle(), target).1;
    let waiting = "{\n   \"Commands to core 1\": {\n      \"pending\": 3\n   }\n}";
    assert_eq!(queues("/ipqueuesz"), waiting);
    assert_eq!(queues("/ipqueuesz?all=1&queues=core%201"), waiting);
    assert_eq!(json(FakeServer::idle(), "/ipqueuesz?all=1").as_object().unwrap().len(), 2);
    assert_eq!(queues("/ipqueuesz?queues=core%200"), "{}");
}

#[test]
fn the_variables_of_go_programs_are_there() {
    let variables = json(FakeServer::idle(), "/debug/vars");
    assert!(variables["cmdline"].is_array());
    assert!(variables["memstats"]["Sys"].as_u64() > variables["memstats"]["Alloc"].as_u64());
}

#[test]
fn a_callback_gets_json_as_its_argument() {
    let desk = fake::desk(FakeServer::idle());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let reply = runtime.block_on(desk.answer("/healthz", "callback=a.b_$1"));
    assert_eq!(reply.content.media_type(), "application/javascript");
    assert_eq!(reply.body, b"a.b_$1({\"status\":\"ok\"})");
    let (status, text) = ask_desk(&desk, "/varz?callback=alert(1)");
    assert_eq!((status, text.as_str()), (400, "invalid callback name"));
    assert_eq!(ask_desk(&desk, "/raftz?callback=f").1, "No Raft nodes registered");
}

#[test]
fn health_is_answered_with_its_status() {
    assert_eq!(get(FakeServer::idle(), "/healthz"), (200, r#"{"status":"ok"}"#.into()));
    let mut server = FakeServer::idle();
    server.health = Health::NotListening;
    assert_eq!(get(server, "/healthz?js-server-only=1").0, 500);
}

#[test]
fn metrics_hold_every_counter_of_every_core() {
    let (status, text) = get(FakeServer::full(), "/metrics");
    assert_eq!(status, 200);
    for (n, counter) in Counter::ALL.iter().enumerate() {
        let name = counter.name();
        for core in 0..2 {
            let line = format!("corewire_{name}{{core=\"{core}\"}} {}", n + 1);
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        let family = name.strip_suffix("_total").unwrap_or(name);
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        assert!(text.contains(&format!("# TYPE corewire_{family} {kind}\n")), "{name}");
    }
    for start in [
        "corewire_log_lines_dropped_total 5\n",
        "corewire_http_requests_total{path=\"/metrics\"} 1\n",
        "corewire_server{server_id=\"NFAKE\",server_name=\"fake\",version=\"2.14.5\"} 1\n",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_start_time_seconds 1795252677",
    ] {
        assert!(text.contains(&format!("\n{start}")), "{start} is missing in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// The value of each line that begins so, with its `le`.
fn buckets_of(text: &str, family: &str, core: usize) -> Vec<(f64, u64)> {
    let start = format!("corewire_{family}_bucket{{le=\"");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
    lines
        .filter_map(|line| {
            let (le, rest) = line.split_once('"')?;
            let value = rest.strip_prefix(&format!(",core=\"{core}\"}} "))?;
            Some((le.parse().expect("a number"), value.parse().expect("a count")))
        })
        .collect()
}

#[test]
fn metrics_hold_every_histogram_of_every_core() {
    let (_, text) = get(FakeServer::full(), "/metrics");
    for timing in base::Timing::ALL {
        let name = timing.name();
        assert!(text.contains(&format!("# TYPE corewire_{name} histogram\n")), "{name}");
        for core in 0..2 {
            let buckets = buckets_of(&text, name, core);
            assert!(buckets.len() > 50, "{name}: {buckets:?}");
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
            let up_to = |le: f64| buckets.iter().find(|(bound, _)| *bound >= le).map(|b| b.1);
            let counts = [512e-9, 1.024e-6, 0.01, 17.1, f64::INFINITY].map(up_to);
            assert_eq!(counts, [2, 4, 6, 6, 8].map(Some), "{buckets:?}");
            let line = |suffix, value: &str| {
                let line = format!("corewire_{name}_{suffix}{{core=\"{core}\"}} {value}");
                assert!(text.lines().any(|found| found == line), "{line} is missing");
            };
            line("count", "8");
            line("sum", "120.006002848");
        }
    }
}

#[test]
fn a_page_of_a_query_over_shards_is_the_page_of_the_whole() {
    // The naive twin: filter, skip and take over all at once.
    let mut server = FakeServer::idle();
    for cid in [2, 4, 1, 3, 5] {
        for subject in ["a", "b", "a.b"] {
            server.subscriptions.push(fake::subscription(cid, subject));
        }
    }
    let mut whole: Vec<_> = server.subscriptions.clone();
    whole.sort_by_key(|one| one.cid.0 % 2);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (skip, take) in (0..17).flat_map(|skip| (0..17).map(move |take| (skip, take))) {
        for held_by in [None, Some([ClientId(2), ClientId(3)].into())] {
            let query = crate::SubscriptionQuery {
                account: Some("A".into()),
                test: Some("a".into()),
                overlapping: None,
                held_by,
                skip,
                take,
            };
            let expected: Vec<_> = whole
                .iter()
                .filter(|one| query.admits(one.cid, &one.account, one.subject.as_bytes()))
                .skip(skip)
                .take(take)
                .cloned()
                .collect();
            let page = runtime.block_on(server.subscriptions(query));
            assert_eq!(page.subscriptions, expected, "skip {skip} take {take}");
        }
    }
}
