//! The same random publishes and requests to Corewire and to an installed nats-server: whatever
//! one of them answers, the other does. `ALIKE_SEED=n` plays another script.

use std::fmt::Write as _;

use fastrand::Rng;
use harness::{Raw, Server, Subject};
use serde_json::Value;

use crate::enabled;

/// What the streams are beside `"name":"S","subjects":["s.>"]`.
const CONFIGS: [&str; 26] = [
    r#""storage":"file""#,
    r#""max_msgs":3"#,
    r#""max_msgs":3,"discard":"new""#,
    r#""max_msgs_per_subject":1"#,
    r#""max_msgs_per_subject":2,"max_msgs":50,"discard":"new","discard_new_per_subject":true"#,
    r#""max_msg_size":40"#,
    r#""max_bytes":300"#,
    r#""max_bytes":300,"discard":"new""#,
    r#""allow_rollup_hdrs":true"#,
    r#""deny_purge":true"#,
    r#""allow_msg_ttl":true"#,
    r#""allow_msg_ttl":true,"subject_delete_marker_ttl":2000000000,"allow_rollup_hdrs":true,
       "max_msgs_per_subject":1"#,
    r#""allow_msg_counter":true"#,
    r#""allow_atomic":true"#,
    r#""retention":"workqueue""#,
    r#""first_seq":100"#,
    r#""allow_msg_schedules":true,"allow_rollup_hdrs":true,"allow_msg_ttl":true"#,
    r#""allow_direct":true,"compression":"s2","storage":"memory""#,
    r#""subject_transform":{"src":"s.>","dest":"t.>"}"#,
    r#""republish":{"src":"s.>","dest":"r.>","headers_only":true}"#,
    r#""retention":"interest""#,
    r#""allow_atomic":true,"storage":"memory""#,
    r#""allow_atomic":true,"max_msgs":9,"discard":"new""#,
    r#""allow_atomic":true,"max_msgs_per_subject":3,"discard":"new","discard_new_per_subject":true,
       "allow_rollup_hdrs":true"#,
    r#""allow_atomic":true,"allow_msg_counter":true"#,
    r#""allow_atomic":true,"allow_rollup_hdrs":true,"allow_msg_ttl":true,
       "allow_msg_schedules":true"#,
];

/// Headers with a meaning, and values for them, good and bad.
const HEADERS: [(&str, &[&str]); 21] = [
    ("Nats-Msg-Id", &["a", "b", ""]),
    ("Nats-Expected-Stream", &["S", "T", ""]),
    ("Nats-Expected-Last-Sequence", &["0", "1", "3", "x", "-1", ""]),
    ("Nats-Expected-Last-Msg-Id", &["a", "zz"]),
    ("Nats-Expected-Last-Subject-Sequence", &["0", "1", "2", "y"]),
    ("Nats-Expected-Last-Subject-Sequence-Subject", &["s.a", "s.>", "q"]),
    ("Nats-Rollup", &["sub", "all", "bad", ""]),
    ("Nats-TTL", &["1h", "2h30m", "never", "0"]),
    ("Nats-Incr", &["1", "-2", "x", "99999999999999999999"]),
    ("Nats-Required-Api-Level", &["1", "99", "x"]),
    ("Nats-Batch-Id", &["b1"]),
    ("Nats-Batch-Sequence", &["1", "2", "x"]),
    ("Nats-Batch-Commit", &["1", "eob", "x"]),
    ("Nats-Schedule", &["@at 2040-01-01T00:00:00Z", "@every 1h", "bad", "@at x", "0 0 * * * *"]),
    ("Nats-Schedule-Target", &["s.t", "q", "s.*"]),
    ("Nats-Schedule-TTL", &["1s", "x"]),
    ("Nats-Marker-Reason", &["Purge"]),
    ("Nats-Stream-Source", &["x"]),
    ("Nats-Sequence", &["3"]),
    ("Nats-Counter-Sources", &["{}"]),
    ("X", &["y"]),
];

const REQUESTS: [(&str, &str); 10] = [
    ("STREAM.PURGE.S", r#"{"filter":"s.a"}"#),
    ("STREAM.PURGE.S", r#"{"keep":1}"#),
    ("STREAM.PURGE.S", r#"{"seq":2}"#),
    ("STREAM.PURGE.S", r#"{"seq":2,"keep":1}"#),
    ("STREAM.MSG.DELETE.S", r#"{"seq":1}"#),
    ("STREAM.MSG.DELETE.S", r#"{"seq":3,"no_erase":true}"#),
    ("STREAM.MSG.GET.S", r#"{"last_by_subj":"s.a"}"#),
    ("STREAM.MSG.GET.S", r#"{"seq":2}"#),
    ("STREAM.MSG.GET.S", r#"{"seq":1,"next_by_subj":"s.b"}"#),
    ("STREAM.INFO.S", ""),
];

/// Of each configuration.
const STEPS: usize = 70;

/// One publish, or one request.
struct Step {
    subject: String,
    /// Nothing, or a block of headers.
    headers: String,
    payload: String,
}

impl Step {
    fn request(subject: &str, body: String) -> Step {
        Step { subject: format!("$JS.API.{subject}"), headers: String::new(), payload: body }
    }

    /// `next` are the sequences that the batches `b0` and `b1` may go on with.
    fn any(random: &mut Rng, batches: bool, next: &mut [u64; 2]) -> Step {
        if random.u32(0..100) < 18 {
            let (subject, body) = REQUESTS[random.usize(0..REQUESTS.len())];
            return Step::request(subject, body.to_owned());
        }
        let count = [0, 1, 1, 1, 2, 2, 3][random.usize(0..7)];
        let lines: String = random
            .choose_multiple(HEADERS, count)
            .into_iter()
            .map(|(name, values)| format!("{name}: {}\r\n", values[random.usize(0..values.len())]))
            .collect();
        let lines = match batches && random.u32(0..100) < 70 {
            false => lines,
            true => lines + &Step::in_batch(random, next),
        };
        let headers = match lines.as_str() {
            "" => String::new(),
            lines => format!("NATS/1.0\r\n{lines}\r\n"),
        };
        let subject = ["s.a", "s.a", "s.b", "s.c"][random.usize(0..4)].to_owned();
        Step { subject, headers, payload: "x".repeat([0, 1, 5, 30, 60][random.usize(0..5)]) }
    }

    /// Headers of a message in a batch, most of the time of one that goes on as it should.
    fn in_batch(random: &mut Rng, next: &mut [u64; 2]) -> String {
        let batch = random.usize(0..2);
        let sequence = match random.u32(0..10) {
            0 => random.u64(1..6),
            _ => next[batch],
        };
        let commit = match random.u32(0..20) {
            0..=3 => "Nats-Batch-Commit: 1\r\n",
            4..=5 => "Nats-Batch-Commit: eob\r\n",
            6 => "Nats-Batch-Commit: x\r\n",
            _ => "",
        };
        next[batch] = if commit.is_empty() && sequence < 8 { sequence + 1 } else { 1 };
        format!("Nats-Batch-Id: b{batch}\r\nNats-Batch-Sequence: {sequence}\r\n{commit}")
    }
}

/// Asks, and gives the answer without what no two servers have in common.
fn answer(raw: &mut Raw, step: &Step, number: usize) -> String {
    let Step { subject, headers, payload } = step;
    let (size, all) = (headers.len(), headers.len() + payload.len());
    let verb = match headers.as_str() {
        "" => format!("PUB {subject} i.{number} {all}"),
        _ => format!("HPUB {subject} i.{number} {size} {all}"),
    };
    raw.send(&verb);
    raw.send(&format!("{headers}{payload}"));
    let (line, body) = raw.message();
    let to = line.split(' ').nth(1).expect("a message has a subject");
    assert_eq!(to, format!("i.{number}"), "the answer to {subject} {headers:?}");
    let Ok(mut told) = serde_json::from_slice::<Value>(&body) else {
        return String::from_utf8_lossy(&body).into_owned();
    };
    if let Some(message) = told.get_mut("message").and_then(Value::as_object_mut) {
        message.remove("time");
    }
    match told.get("state") {
        // The configuration with all its defaults is the matter of other tests.
        Some(state) => {
            let counts = ["messages", "bytes", "first_seq", "last_seq", "num_subjects"];
            counts.iter().fold(String::new(), |mut text, name| {
                write!(text, "{name} {} ", state[name]).expect("a string takes it");
                text
            })
        }
        None => told.to_string(),
    }
}

/// The script of one configuration: a stream, the random steps, and the stream goes.
fn script(config: &str, random: &mut Rng) -> Vec<Step> {
    let body = format!(r#"{{"name":"S","subjects":["s.>"],{config}}}"#);
    let mut steps = vec![Step::request("STREAM.CREATE.S", body)];
    let (batches, mut next) = (config.contains("allow_atomic"), [1; 2]);
    steps.extend((0..STEPS).map(|_| Step::any(random, batches, &mut next)));
    steps.push(Step::request("STREAM.DELETE.S", String::new()));
    steps
}

fn answers(server: &Server, steps: &[Step]) -> Vec<String> {
    let mut raw = server.connect();
    raw.send(r#"CONNECT {"verbose":false,"headers":true,"no_responders":true}"#);
    raw.send("SUB i.* 1");
    steps.iter().enumerate().map(|(number, step)| answer(&mut raw, step, number)).collect()
}

#[test]
fn random_publishes_and_requests_are_answered_as_by_nats_server() {
    let Some(reference) = Subject::installed() else { return };
    // Older ones do not know all of the headers and configurations.
    if reference.skips("2.14.0") {
        return;
    }
    let start = |subject| enabled(Server::builder_for(subject).cores(2)).start();
    let (ours, theirs) = (start(Subject::from_env()), start(reference));
    let seed = std::env::var("ALIKE_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut random = Rng::with_seed(seed.unwrap_or(1));
    let mut different = String::new();
    for config in CONFIGS {
        let steps = script(config, &mut random);
        let told = answers(&ours, &steps).into_iter().zip(answers(&theirs, &steps));
        let first = steps.iter().zip(told).find(|(_, (ours, theirs))| ours != theirs);
        // What comes behind the first difference follows from it.
        if let Some((step, (ours, theirs))) = first {
            let Step { subject, headers, payload } = step;
            write!(different, "{config}\n {subject} {headers:?} {payload}\n").expect("a string");
            write!(different, " ours:   {ours}\n theirs: {theirs}\n").expect("a string");
        }
    }
    assert!(different.is_empty(), "{different}");
}
