//! The same requests to Corewire and to an installed nats-server, answers compared field by field.
//!
//! Left out of the comparison: values that differ by nature (times, generated names), fields that
//! one of the two does not know because it is older, and what the list below names.

use harness::{Server, Subject};
use serde_json::Value;

use crate::{ask, connect, enabled, server};

/// What is asked, in this order: the subject behind `$JS.API.`, and the body. A line that begins
/// with `>` publishes instead.
const SCRIPT: &[(&str, &str)] = &[
    ("INFO", ""),
    ("STREAM.NAMES", ""),
    ("STREAM.LIST", ""),
    ("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#),
    ("STREAM.CREATE.S", r#"{"name":"S","subjects":["s2"]}"#),
    ("STREAM.CREATE.T", r#"{"name":"S","subjects":["s2"]}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","subjects":["s.a"]}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","subjects":["a","a"]}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","num_replicas":3}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","max_age":1}"#),
    ("STREAM.CREATE.T", ""),
    ("STREAM.UPDATE.S", ""),
    ("STREAM.UPDATE.S", r#"{"name":""}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","max_age":1000000000,"pedantic":true}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","allow_msg_schedules":true,"pedantic":true}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","republish":{"src":"*","dest":"r.$2"}}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","subject_transform":{"src":"T","dest":"a b"}}"#),
    (
        "STREAM.CREATE.R",
        concat!(
            r#"{"name":"R","republish":{"src":"elsewhere","dest":"r"},"placement":{},"#,
            r#""first_seq":1,"persist_mode":""}"#
        ),
    ),
    ("STREAM.UPDATE.R", r#"{"name":"R","first_seq":7,"mirror_direct":true}"#),
    ("STREAM.INFO.R", "null"),
    ("STREAM.INFO.R", r#"{"subjects_filter":"a..b","deleted_details":true}"#),
    ("STREAM.PURGE.R", "\"x\""),
    ("STREAM.SNAPSHOT.R", "{}"),
    ("STREAM.RESTORE.Q", ""),
    ("STREAM.MSG.DELETE.R", "{}"),
    ("STREAM.MSG.GET.R", r#"{"seq":1,"batch":2}"#),
    ("STREAM.MSG.GET.R", r#"{"multi_last":["a"]}"#),
    ("STREAM.DELETE.R", ""),
    ("STREAM.NAMES", "x"),
    ("STREAM.LIST", "x"),
    ("STREAM.LIST", "[1]"),
    ("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#),
    ("STREAM.CREATE.T", r#"{"name":"T","retention":"workqueue","storage":"memory"}"#),
    ("STREAM.NAMES", ""),
    ("STREAM.NAMES", r#"{"subject":"s.*"}"#),
    ("STREAM.NAMES", r#"{"offset":1}"#),
    ("STREAM.INFO.S", ""),
    ("STREAM.INFO.X", ""),
    (">s.a", "1"),
    (">s.b", "22"),
    (">s.a", "333"),
    (">s.c", ""),
    ("STREAM.INFO.S", ""),
    ("STREAM.INFO.S", r#"{"subjects_filter":">"}"#),
    ("STREAM.INFO.S", r#"{"subjects_filter":"s.a"}"#),
    ("STREAM.MSG.GET.S", r#"{"seq":2}"#),
    ("STREAM.MSG.GET.S", r#"{"last_by_subj":"s.a"}"#),
    ("STREAM.MSG.GET.S", r#"{"seq":9}"#),
    ("STREAM.MSG.GET.S", r#"{"last_by_subj":"q"}"#),
    ("STREAM.MSG.GET.S", "{}"),
    ("STREAM.MSG.GET.S", ""),
    ("STREAM.MSG.GET.X", r#"{"seq":2}"#),
    ("STREAM.MSG.DELETE.S", r#"{"seq":2}"#),
    ("STREAM.INFO.S", r#"{"deleted_details":true}"#),
    ("STREAM.PURGE.S", r#"{"seq":1,"keep":2}"#),
    ("STREAM.PURGE.S", r#"{"filter":"s.a","keep":1}"#),
    ("STREAM.PURGE.X", ""),
    ("STREAM.LIST", ""),
    (
        "CONSUMER.DURABLE.CREATE.S.d",
        r#"{"stream_name":"S","config":{"durable_name":"d","ack_policy":"explicit"}}"#,
    ),
    (
        "CONSUMER.DURABLE.CREATE.S.c",
        r#"{"stream_name":"S","config":{"durable_name":"d","ack_policy":"explicit"}}"#,
    ),
    ("CONSUMER.DURABLE.CREATE.S.c", r#"{"stream_name":"S","config":{"ack_policy":"explicit"}}"#),
    ("CONSUMER.CREATE.S", r#"{"stream_name":"S","config":{"durable_name":"d"}}"#),
    ("CONSUMER.CREATE.S", r#"{"stream_name":"T","config":{}}"#),
    ("CONSUMER.CREATE.S.c", r#"{"stream_name":"S","config":{"durable_name":"d"}}"#),
    (
        "CONSUMER.CREATE.S.c.s.a",
        r#"{"stream_name":"S","config":{"name":"c","filter_subject":"s.b"}}"#,
    ),
    (
        "CONSUMER.CREATE.S.c.s.a",
        r#"{"stream_name":"S","config":{"name":"c","filter_subject":"s.a"}}"#,
    ),
    ("CONSUMER.CREATE.X", r#"{"stream_name":"X","config":{}}"#),
    ("CONSUMER.CREATE.T.w", r#"{"stream_name":"T","config":{"name":"w","ack_policy":"none"}}"#),
    (
        "CONSUMER.CREATE.T.w",
        concat!(
            r#"{"stream_name":"T","config":{"name":"w","ack_policy":"explicit","#,
            r#""deliver_policy":"new"}}"#
        ),
    ),
    ("CONSUMER.CREATE.S", ""),
    ("CONSUMER.CREATE.S.n", r#"{"stream_name":"S","config":{"name":"other","max_bytes":-1}}"#),
    (
        "CONSUMER.CREATE.S.n",
        r#"{"stream_name":"S","config":{"name":"n","max_batch":-1},"pedantic":true}"#,
    ),
    ("CONSUMER.CREATE.S.n", r#"{"stream_name":"S","config":{"filter_subject":"a..b"}}"#),
    ("CONSUMER.UNPIN.S.n", "{}"),
    ("CONSUMER.PAUSE.S.n", "x"),
    ("CONSUMER.NAMES.S", "x"),
    ("CONSUMER.DELETE.S.n", ""),
    ("CONSUMER.NAMES.S", ""),
    ("CONSUMER.NAMES.X", ""),
    ("CONSUMER.LIST.S", ""),
    ("CONSUMER.LIST.X", ""),
    ("CONSUMER.INFO.S.d", ""),
    ("CONSUMER.INFO.S.none", ""),
    ("CONSUMER.INFO.X.none", ""),
    ("CONSUMER.INFO.S.d", "{}"),
    ("CONSUMER.DELETE.S.none", ""),
    ("CONSUMER.DELETE.S.d", "x"),
    ("CONSUMER.DELETE.S.d", ""),
    ("CONSUMER.NAMES.S", ""),
    ("STREAM.UPDATE.S", r#"{"name":"S","subjects":["s.>","x"],"max_msgs":10}"#),
    ("STREAM.UPDATE.S", r#"{"name":"S","subjects":["s.>","T"]}"#),
    ("STREAM.UPDATE.S", r#"{"name":"X","subjects":["s.>"]}"#),
    ("STREAM.UPDATE.X", r#"{"name":"X"}"#),
    ("STREAM.UPDATE.S", r#"{"name":"S","subjects":["s.>"],"storage":"memory"}"#),
    ("STREAM.SNAPSHOT.X", r#"{"deliver_subject":"d"}"#),
    ("STREAM.LEADER.STEPDOWN.S", ""),
    ("STREAM.PEER.REMOVE.S", r#"{"peer":"x"}"#),
    ("CONSUMER.LEADER.STEPDOWN.S.c", ""),
    ("STREAM.DELETE.S", "x"),
    ("STREAM.DELETE.S", ""),
    ("STREAM.DELETE.S", ""),
    ("INFO", ""),
];

/// Fields whose values differ by nature.
const BY_NATURE: &[&str] = &["created", "ts", "time", "first_ts", "last_ts", "last_active"];

/// Fields that releases after 2.9 have, where the installed server does not send them.
const NEWER: &[&str] = &[
    "reserved_memory",
    "reserved_storage",
    "level",
    "ts",
    "metadata",
    "compression",
    "consumer_limits",
    "allow_msg_ttl",
    "num_subjects",
    "num_deleted",
];

async fn play(server: &Server) -> Vec<Value> {
    let (client, context) = connect(server).await;
    let mut answers = Vec::new();
    for (subject, body) in SCRIPT {
        answers.push(match subject.strip_prefix('>') {
            None => ask(&client, subject, body).await,
            Some(subject) => {
                let sent = context.publish(subject.to_owned(), (*body).into()).await;
                let ack = sent.expect("sent").await.expect("stored");
                serde_json::json!({"stream": ack.stream, "seq": ack.sequence})
            }
        });
    }
    answers
}

/// Notes every field in which `ours` is not `theirs`.
fn compare(path: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
            for key in keys {
                let path = format!("{path}.{key}");
                match (ours.get(key), theirs.get(key)) {
                    _ if BY_NATURE.contains(&key.as_str()) => {}
                    (Some(ours), Some(theirs)) => compare(&path, ours, theirs, differences),
                    (Some(_), None) if NEWER.contains(&key.as_str()) => {}
                    (ours, theirs) => differences.push(format!("{path}: {ours:?} for {theirs:?}")),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{path}[{at}]"), ours, theirs, differences);
            }
        }
        // spec/jetstream.md §1: since 2.10 the reason stands behind it.
        (Value::String(ours), Value::String(theirs))
            if theirs == "invalid JSON" && ours.starts_with("invalid JSON: ") => {}
        (ours, theirs) if ours == theirs => {}
        (ours, theirs) => differences.push(format!("{path}: {ours} for {theirs}")),
    }
}

/// Where Corewire answers otherwise on purpose, or follows the specification of a later release:
/// the request, and the fields.
const EXPECTED: &[(&str, &str)] = &[
    // Each says who it is. A list tells nothing there about the level of the server that answers.
    // The versions differ by nature. A faulty body is told in the words of each one's parser.
    ("STREAM.INFO.", ".cluster.leader"),
    ("STREAM.LIST [1]", ".error.description"),
    ("STREAM.", ".config.metadata._nats.ver"),
    ("CONSUMER.", ".config.metadata._nats.ver"),
    ("STREAM.LIST", ".streams[0].config.metadata"),
    ("STREAM.LIST", ".streams[1].config.metadata"),
    ("CONSUMER.LIST.S", ".consumers[0].config.metadata"),
    ("CONSUMER.LIST.S", ".consumers[1].config.metadata"),
    // Since 2.10 a consumer begins with its floor before its first message.
    ("CONSUMER.", ".ack_floor.stream_seq"),
    ("CONSUMER.LIST.S", ".consumers[0].ack_floor.stream_seq"),
    ("CONSUMER.LIST.S", ".consumers[1].ack_floor.stream_seq"),
    // 2.9 counts some requests late, and forgets to give back what a deleted message took.
    ("INFO", ".api.total"),
    ("INFO", ".storage"),
    // spec/jetstream.md §4: work queue without acknowledgements 10084, with the text of §18.
    ("CONSUMER.CREATE.T.w", ".error.description"),
];

#[tokio::test]
async fn j03_answers_are_those_of_an_installed_nats_server() {
    let Some(reference) = Subject::installed() else { return };
    let (ours, theirs) = (server(), enabled(Server::builder_for(reference)).start());
    if !ours.subject().is_corewire() {
        return;
    }
    let (ours, theirs) = (play(&ours).await, play(&theirs).await);
    let mut differences = Vec::new();
    for (((subject, body), ours), theirs) in SCRIPT.iter().zip(&ours).zip(&theirs) {
        let mut found = Vec::new();
        compare("", ours, theirs, &mut found);
        let expected = |difference: &String| {
            EXPECTED.iter().any(|(request, field)| {
                let asked = format!("{subject} {body}");
                asked.starts_with(request) && difference.starts_with(field)
            })
        };
        found.retain(|difference| !expected(difference));
        differences.extend(found.into_iter().map(|found| format!("{subject} {body}\n    {found}")));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
