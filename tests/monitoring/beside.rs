//! Our answers beside those of an installed nats-server, field by field: every key it sends is
//! sent here with a value of the same kind, and what we send beyond that came in a later release.
//! Where none is installed the test says so and ends.

use std::collections::BTreeMap;

use harness::{Raw, Server, Subject, get, until};
use serde_json::Value;

use crate::jetstream;

/// Fields that came after the oldest nats-server that we compare with, and the release.
const NEWER: &[(&str, &str)] = &[
    ("/varz config_digest", "2.11.0"),
    ("/varz disk_io_wait_stats", "2.12.14"),
    ("/varz disk_io_wait_stats.max_wait_time", "2.12.14"),
    ("/varz disk_io_wait_stats.wait_time", "2.12.14"),
    ("/varz disk_io_wait_stats.waiters", "2.12.14"),
    ("/varz disk_io_wait_stats.waits", "2.12.14"),
    ("/varz in_client_bytes", "2.12.9"),
    ("/varz in_client_msgs", "2.12.9"),
    ("/varz metadata", "2.10.0"),
    ("/varz out_client_bytes", "2.12.9"),
    ("/varz out_client_msgs", "2.12.9"),
    ("/varz slow_consumer_stats", "2.10.0"),
    ("/varz slow_consumer_stats.clients", "2.10.0"),
    ("/varz slow_consumer_stats.gateways", "2.10.0"),
    ("/varz slow_consumer_stats.leafs", "2.10.0"),
    ("/varz slow_consumer_stats.routes", "2.10.0"),
    ("/varz stale_connections", "2.12.0"),
    ("/varz stalled_clients", "2.12.0"),
    ("/routez server_name", "2.10.0"),
    ("/accstatz account_statz[].name", "2.10.0"),
    ("/accstatz account_statz[].num_subscriptions", "2.10.0"),
    ("/jsz api.level", "2.11.0"),
    ("/jsz total", "2.10.0"),
    ("/jsz config.strict", "2.11.0"),
    ("/jsz config.sync_always", "2.10.0"),
    ("/varz jetstream.config.strict", "2.11.0"),
    ("/varz jetstream.config.sync_always", "2.10.0"),
    ("/varz jetstream.stats.api.level", "2.11.0"),
    ("/jsz account_details[].api.level", "2.11.0"),
    ("/jsz account_details[].stream_detail[].config.compression", "2.10.0"),
    ("/jsz account_details[].stream_detail[].config.consumer_limits", "2.10.0"),
    ("/jsz account_details[].stream_detail[].config.metadata", "2.10.0"),
    ("/jsz account_details[].stream_detail[].config.allow_msg_ttl", "2.11.0"),
    ("/jsz account_details[].stream_detail[].consumer_detail[].ts", "2.10.0"),
    ("/jsz account_details[].stream_detail[].consumer_detail[].config.name", "2.10.0"),
    ("/jsz account_details[].stream_detail[].consumer_detail[].config.metadata", "2.10.0"),
    ("/accountz account_detail.exports[].account_token_position", "2.10.0"),
];

/// Fields of theirs that we do not have, and why. A star stands for any target.
const NOT_OURS: &[(&str, &str)] = &[
    ("*exports[].approved_accounts", "exports come in any order; the first is compared"),
    ("*exports[].approved_accounts[]", "exports come in any order; the first is compared"),
    ("/jsz?leader-only=1&raft=1 consumers_leader", "it is about replicas"),
    ("/jsz?leader-only=1&raft=1 streams_leader", "it is about replicas"),
    ("* config.compress_ok", "it is about replicas"),
    ("*jetstream.config.compress_ok", "it is about replicas"),
];

/// Fields that a nats-server has only with another configuration, since its release.
const BY_CONFIGURATION: &[&str] =
    &["/jsz config.sync_always", "/varz jetstream.config.sync_always"];

/// Objects whose keys are data.
const MAPS: &[&str] =
    &["/varz http_req_stats", "/varz metadata", "/varz feature_flags", "/ipqueuesz?all=1 "];
/// And where such an object ends a path of any target.
const MAPS_AT_END: &[&str] = &[".config.metadata", ".mappings"];

const TARGETS: &[&str] = &[
    "/varz",
    "/connz",
    "/connz?subs=1&auth=1",
    "/connz?subs=detail&auth=1&sort=subs",
    "/connz?state=closed",
    "/connz?state=closed&subs=1&sort=stop",
    "/connz?acc=NOPE",
    "/routez?subs=1",
    "/gatewayz?accs=1",
    "/leafz?subs=1",
    "/subsz",
    "/subsz?subs=1&test=a.b&acc=$G",
    "/subsz?acc=NOPE",
    "/accountz",
    "/accountz?acc=$G",
    "/accountz?acc=$SYS",
    "/accstatz",
    "/accstatz?unused=1",
    "/jsz?accounts=1&streams=1",
    "/jsz?acc=NOPE",
    "/healthz",
    "/healthz?js-enabled=1",
    "/healthz?js-server-only=1",
    "/healthz?account=$G",
    "/ipqueuesz?all=1",
];

const WITH_JETSTREAM: &[&str] = &[
    "/varz",
    "/jsz",
    "/jsz?accounts=1",
    "/jsz?acc=A",
    "/jsz?acc=A&streams=1",
    "/jsz?acc=A&consumers=1&config=1",
    "/jsz?acc=B&consumers=1",
    "/jsz?acc=NOPE",
    "/jsz?accounts=1&limit=1",
    "/jsz?leader-only=1&raft=1",
    "/accountz?acc=A",
    "/accountz?acc=B",
    "/healthz?js-enabled-only=1",
    "/healthz?account=A&stream=S&consumer=c",
];

/// Requests that are refused, in the same words.
const REFUSED: &[&str] = &[
    "/connz?subs=zz",
    "/connz?auth=2",
    "/connz?offset=a",
    "/connz?limit=+5",
    "/connz?limit=99999999999999999999",
    "/connz?cid=-1",
    "/connz?cid=99999999999999999999",
    "/connz?state=x",
    "/connz?sort=x",
    "/connz?sort=stop",
    "/connz?sort=reason&state=all",
    "/connz?state=x&sort=y&cid=z&limit=w",
    "/connz?state=x&sort=y",
    "/connz?limit=w&state=x",
    "/subsz?subs=detail",
    "/subsz?test=a.*",
    "/subsz?test=a..b",
    "/subsz?test=%3E&limit=x",
    "/leafz?subs=x",
    "/gatewayz?accs=x",
    "/routez?subs=x",
    "/accountz?acc=nope",
    "/accstatz?unused=x",
    "/jsz?limit=x",
    "/healthz?js-enabled=x",
    "/ipqueuesz?all=x",
    "/none",
    "/varz/",
];

/// Ours and a real one, where both are here.
fn both() -> Option<(Subject, Subject)> {
    let ours = Subject::from_env();
    if ours.skips_ours() {
        return None;
    }
    Subject::installed().map(|theirs| (ours, theirs))
}

/// A server on which the same things happened, and the client that stays.
fn with_clients(subject: Subject) -> (Server, Raw) {
    let config = "server_tags: [\"region:north\"]\n";
    let server = Server::builder_for(subject).monitored().config(config).start();
    let mut gone = server.quiet();
    gone.send("SUB gone 1");
    gone.ping();
    gone.finish_sending();
    gone.expect_eof();
    let mut stays = server.connect();
    stays.send(r#"CONNECT {"verbose":false,"name":"n","lang":"go","version":"1"}"#);
    stays.send("SUB a.* q 1\r\nUNSUB 1 9");
    stays.ping();
    until("the closed connection is known", || {
        let connz = get(server.monitor(), "/connz?state=closed").json();
        (connz["num_connections"] == 1).then_some(())
    });
    (server, stays)
}

/// What a value is, coarsely: numbers may happen to be whole.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Each field below `value` with its kind, by its path; of a list the first entry.
fn fields_of(value: &Value, path: &str, found: &mut BTreeMap<String, &'static str>) {
    found.insert(path.to_owned(), kind(value));
    match value {
        Value::Object(_) if MAPS.contains(&path) => {}
        Value::Object(_) if MAPS_AT_END.iter().any(|end| path.ends_with(end)) => {}
        Value::Object(fields) => {
            let dot = if path.ends_with(' ') { "" } else { "." };
            fields
                .iter()
                .for_each(|(key, value)| fields_of(value, &format!("{path}{dot}{key}"), found));
        }
        Value::Array(list) => {
            list.iter().take(1).for_each(|entry| fields_of(entry, &format!("{path}[]"), found));
        }
        _ => {}
    }
}

fn answer(server: &Server, target: &str) -> BTreeMap<String, &'static str> {
    let answer = get(server.monitor(), target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.body);
    let mut fields = BTreeMap::new();
    fields_of(&answer.json(), &format!("{target} "), &mut fields);
    fields
}

/// The release that brought a field of an answer to some target, if that is known.
fn since(field: &str) -> Option<&'static str> {
    let (target, name) = field.split_once(' ')?;
    let path = target.split('?').next()?;
    let field = format!("{path} {name}");
    NEWER.iter().find(|(newer, _)| *newer == field).map(|(_, since)| *since)
}

#[test]
fn every_field_of_an_installed_nats_server_is_here() {
    let Some((ours, theirs)) = both() else { return };
    let ((our, _client), (their, _other)) = (with_clients(ours), with_clients(theirs));
    let wrong = differences(&our, &their, TARGETS);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for target in REFUSED {
        let (our, their) = (get(our.monitor(), target), get(their.monitor(), target));
        assert_eq!((our.status, our.body), (their.status, their.body), "{target}");
    }
}

#[test]
fn jetstream_and_accounts_are_shown_as_by_an_installed_nats_server() {
    let Some((ours, theirs)) = both() else { return };
    let (our, their) = (jetstream::filled(ours), jetstream::filled(theirs));
    let wrong = differences(&our, &their, WITH_JETSTREAM);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where answers to `targets` have other fields here than there.
fn differences(our: &Server, their: &Server, targets: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for target in targets {
        let (ours, theirs) = (answer(our, target), answer(their, target));
        for (field, kind) in &theirs {
            match ours.get(field) {
                Some(ours) if ours == kind => {}
                None if is_not_ours(field) => {}
                Some(ours) => wrong.push(format!("{field}: {kind} there, {ours} here")),
                None => wrong.push(format!("{field}: {kind} there, missing here")),
            }
        }
        for field in ours.keys().filter(|field| !theirs.contains_key(*field)) {
            let known = since(field).is_some_and(|since| their.subject().skips(since));
            if !known && !is_configured(field) {
                wrong.push(format!("{field}: only here, and not known to be newer"));
            }
        }
    }
    wrong
}

/// Whether a nats-server leaves `field` out as it is configured here.
fn is_configured(field: &str) -> bool {
    let path = field
        .split_once(' ')
        .and_then(|(target, name)| Some(format!("{} {name}", target.split('?').next()?)));
    path.is_some_and(|path| BY_CONFIGURATION.contains(&path.as_str()))
}

/// Whether `field` is one of theirs that we do not have, or part of one.
fn is_not_ours(field: &str) -> bool {
    NOT_OURS.iter().any(|(not_ours, _)| match not_ours.strip_prefix('*') {
        Some(end) => field.ends_with(end),
        None => field.starts_with(not_ours),
    })
}
