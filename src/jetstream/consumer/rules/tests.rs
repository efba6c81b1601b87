//! Each rule of create and update broken once, with the code and text that answers it.

use super::super::simulation::Bench;
use super::super::update::{self, Bound};
use super::*;
use crate::wire_time::WireTime;

const SECOND: i64 = 1_000_000_000;

fn pull() -> ConsumerConfig {
    ConsumerConfig { ack_policy: AckPolicy::Explicit, ..ConsumerConfig::default() }
}

fn push() -> ConsumerConfig {
    ConsumerConfig { deliver_subject: "d".to_owned(), ..pull() }
}

fn judge(config: ConsumerConfig) -> Result<ConsumerConfig, ApiError> {
    admit(config, &Bench::SETTING, &[], Corrections::Silent)
}

fn code(result: Result<ConsumerConfig, ApiError>) -> u16 {
    result.map_or_else(|error| error.err_code, |_| 0)
}

type Change = fn(&mut ConsumerConfig);

fn assert_codes(base: fn() -> ConsumerConfig, table: &[(u16, Change)]) {
    for (number, (wanted, change)) in table.iter().enumerate() {
        let mut config = base();
        change(&mut config);
        assert_eq!(code(judge(config.clone())), *wanted, "row {number}: {config:?}");
    }
}

#[test]
fn defaults_are_those_of_the_specification() {
    let config = judge(pull()).unwrap();
    assert_eq!(config.ack_wait, 30 * SECOND);
    assert_eq!((config.max_deliver, config.max_waiting, config.max_ack_pending), (-1, 512, 1000));
    assert_eq!(config.inactive_threshold, 5 * SECOND);
    let durable = ConsumerConfig { durable_name: "c".to_owned(), ..push() };
    let config = judge(durable).unwrap();
    assert_eq!((config.inactive_threshold, config.max_waiting), (0, 0));
    let none = judge(ConsumerConfig::default()).unwrap();
    assert_eq!((none.ack_wait, none.max_ack_pending), (0, 0));
    let backoff = ConsumerConfig { backoff: vec![1, 2], ..pull() };
    assert_eq!(judge(backoff).unwrap().ack_wait, 1);
    let pinned = ConsumerConfig {
        priority_policy: PriorityPolicy::PinnedClient,
        priority_groups: vec!["g".to_owned()],
        ..pull()
    };
    assert_eq!(judge(pinned).unwrap().priority_timeout, 120 * SECOND);
}

#[test]
fn every_consumer_keeps_these_rules() {
    assert_codes(
        pull,
        &[
            (0, |_| {}),
            (10102, |config| config.name = "n".repeat(256)),
            (10127, |config| config.name = "a\\b".to_owned()),
            (10103, |config| config.durable_name = "a.b".to_owned()),
            (10103, |config| config.name = "a b".to_owned()),
            (10132, |config| {
                (config.name, config.durable_name) = ("a".to_owned(), "b".to_owned());
            }),
            (10107, |config| config.description = "d".repeat(4097)),
            (10135, |config| {
                config.metadata.insert("k".to_owned(), "v".repeat(128 << 10));
            }),
            (10183, |config| config.ack_wait = -1),
            (10184, |config| config.backoff = vec![1, -1]),
            (10116, |config| (config.backoff, config.max_deliver) = (vec![1, 2, 3], 2)),
            (0, |config| (config.backoff, config.max_deliver) = (vec![1, 2, 3], 3)),
            (10095, |config| config.sample_freq = "x".to_owned()),
            (10095, |config| config.sample_freq = "-3%".to_owned()),
            (0, |config| config.sample_freq = "30%".to_owned()),
            (10136, |config| {
                config.filter_subject = "a".to_owned();
                config.filter_subjects = vec!["b".to_owned()];
            }),
            (10139, |config| config.filter_subjects = vec!["a".to_owned(), String::new()]),
            (10138, |config| config.filter_subjects = vec!["a.*".to_owned(), "a.b".to_owned()]),
            (10052, |config| config.filter_subject = "a..b".to_owned()),
            (10133, |config| config.num_replicas = -1),
            (10074, |config| config.num_replicas = 3),
            (0, |config| (config.ack_policy, config.max_ack_pending) = (AckPolicy::None, 1)),
            (10082, |config| {
                let deliver_subject = "d".to_owned();
                let (ack_policy, max_ack_pending) = (AckPolicy::None, 1);
                *config = ConsumerConfig { deliver_subject, ack_policy, max_ack_pending, ..pull() };
            }),
        ],
    );
}

#[test]
fn pull_consumers_keep_these_rules() {
    assert_codes(
        pull,
        &[
            (10086, |config| config.rate_limit_bps = 1),
            (10088, |config| config.idle_heartbeat = SECOND),
            (10089, |config| config.flow_control = true),
            (10090, |config| config.direct = true),
            (10115, |config| config.max_expires = 999_999),
            (10218, |config| config.ack_policy = AckPolicy::FlowControl),
            (10218, |config| {
                config.ack_policy = AckPolicy::FlowControl;
                (config.flow_control, config.idle_heartbeat) = (true, SECOND);
            }),
            (10159, |config| config.priority_policy = PriorityPolicy::Overflow),
            (10196, |config| config.priority_groups = vec!["g".to_owned()]),
            (10197, |config| config.priority_timeout = 1),
            (10161, |config| group(config, "")),
            (10162, |config| group(config, "a b")),
            (10162, |config| group(config, "abcdefghijklmnopq")),
            (0, |config| group(config, "A-z0/_=")),
        ],
    );
}

fn group(config: &mut ConsumerConfig, name: &str) {
    config.priority_policy = PriorityPolicy::PinnedClient;
    config.priority_groups = vec![name.to_owned()];
}

#[test]
fn push_consumers_keep_these_rules() {
    assert_codes(
        push,
        &[
            (0, |_| {}),
            (10112, |config| config.deliver_subject = "a..b".to_owned()),
            (10112, |config| config.deliver_subject = "a b".to_owned()),
            (10079, |config| config.deliver_subject = "a.*".to_owned()),
            (10080, |config| config.max_waiting = 1),
            (10083, |config| config.idle_heartbeat = 1),
            (10108, |config| config.flow_control = true),
            (10178, |config| group(config, "g")),
            (10196, |config| config.priority_groups = vec!["g".to_owned()]),
            (10091, |config| (config.direct, config.durable_name) = (true, "c".to_owned())),
        ],
    );
    let subjects = ["a.*".to_owned()];
    let setting = Setting { subjects: &subjects, ..Bench::SETTING };
    let cycle = ConsumerConfig { deliver_subject: "a.b".to_owned(), ..push() };
    assert_eq!(code(admit(cycle, &setting, &[], Corrections::Silent)), 10081);
}

#[test]
fn the_flow_control_policy_keeps_these_rules() {
    fn flow() -> ConsumerConfig {
        ConsumerConfig {
            ack_policy: AckPolicy::FlowControl,
            flow_control: true,
            idle_heartbeat: SECOND,
            max_ack_pending: 10,
            ..push()
        }
    }
    assert_codes(
        flow,
        &[
            (0, |_| {}),
            (10220, |config| config.max_ack_pending = -1),
            (10221, |config| config.ack_wait = 1),
            (10221, |config| config.backoff = vec![1]),
            (10222, |config| config.max_deliver = 3),
        ],
    );
    let bare = ConsumerConfig { ack_policy: AckPolicy::FlowControl, ..push() };
    let judged = judge(ConsumerConfig { idle_heartbeat: 2 * SECOND, ..bare.clone() }).unwrap();
    assert!(judged.flow_control, "it is set");
    assert_eq!((judged.idle_heartbeat, judged.max_ack_pending), (SECOND, 1000));
    let refused = |config| code(admit(config, &Bench::SETTING, &[], Corrections::Refused));
    assert_eq!(refused(bare.clone()), 10219);
    let beats = ConsumerConfig { flow_control: true, idle_heartbeat: 2 * SECOND, ..bare };
    assert_eq!(refused(beats), 10012);
}

#[test]
fn start_options_go_with_their_policy() {
    fn config(policy: DeliverPolicy, seq: u64, time: bool, filter: &str) -> ConsumerConfig {
        ConsumerConfig {
            deliver_policy: policy,
            opt_start_seq: seq,
            opt_start_time: time.then(|| WireTime::from_wall_ns(1)),
            filter_subject: filter.to_owned(),
            ..pull()
        }
    }
    use DeliverPolicy::{All, ByStartSequence, ByStartTime, Last, LastPerSubject, New};
    let table = [
        (config(All, 1, false, ""), "deliver all, but optional start sequence is also set"),
        (config(Last, 0, true, ""), "deliver last, but optional start time is also set"),
        (config(New, 1, false, ""), "deliver new, but optional start sequence is also set"),
        (
            config(LastPerSubject, 0, false, ""),
            "deliver last per subject, but optional filter subject is not set",
        ),
        (
            config(ByStartSequence, 0, false, ""),
            "deliver by start sequence, but optional start sequence is not set",
        ),
        (
            config(ByStartSequence, 1, true, ""),
            "deliver by start sequence, but optional start time is also set",
        ),
        (
            config(ByStartTime, 0, false, ""),
            "deliver by start time, but optional start time is not set",
        ),
        (
            config(ByStartTime, 1, true, ""),
            "deliver by start time, but optional start sequence is also set",
        ),
    ];
    for (config, text) in table {
        let error = judge(config).unwrap_err();
        assert_eq!(error.err_code, 10094);
        assert_eq!(error.description, format!("consumer delivery policy is {text}"));
    }
    for fine in [
        config(All, 0, false, ""),
        config(ByStartSequence, 7, false, ""),
        config(ByStartTime, 0, true, ""),
        config(LastPerSubject, 0, false, "a.>"),
    ] {
        assert!(judge(fine).is_ok());
    }
}

#[test]
fn limits_of_stream_and_server_are_caps_and_defaults() {
    let setting = Setting {
        stream_ack_pending_max: 50,
        stream_inactive_max_ns: 60 * SECOND,
        ack_pending_max: 40,
        request_batch_max: 10,
        ..Bench::SETTING
    };
    let judge = |config| admit(config, &setting, &[], Corrections::Silent);
    let config = judge(pull()).unwrap();
    assert_eq!((config.max_ack_pending, config.max_batch), (40, 10));
    assert_eq!(config.inactive_threshold, 60 * SECOND);
    for pending in [41, -1] {
        let config = ConsumerConfig { max_ack_pending: pending, ..pull() };
        let error = judge(config).unwrap_err();
        assert_eq!(error.description, "consumer max ack pending exceeds system limit of 40");
    }
    let none = judge(ConsumerConfig::default()).unwrap();
    assert_eq!(none.max_ack_pending, 40, "also where nothing is acknowledged");
    for (chosen, text) in [
        (pull(), "max_ack_pending must be set if it's configured in stream limits"),
        (
            ConsumerConfig { max_ack_pending: 5, ..pull() },
            "inactive_threshold must be set if it's configured in stream limits",
        ),
    ] {
        let refused = admit(chosen, &setting, &[], Corrections::Refused).unwrap_err();
        assert_eq!(refused.description, format!("pedantic mode: {text}"));
    }
    let long = ConsumerConfig { inactive_threshold: 61 * SECOND, ..pull() };
    let error = judge(long).unwrap_err();
    assert_eq!(error.description, "consumer inactive threshold exceeds system limit of 1m0s");
    let batch = ConsumerConfig { max_batch: 11, ..pull() };
    let error = judge(batch).unwrap_err();
    assert_eq!(error.description, "consumer max request batch exceeds server limit of 10");
}

#[test]
fn pedantic_requests_are_refused_instead_of_corrected() {
    let table: [(&str, Change); 11] = [
        ("max_deliver must be set to -1", |config| config.max_deliver = -2),
        ("max_waiting must not be negative", |config| config.max_waiting = -1),
        ("max_ack_pending must be set to -1", |config| config.max_ack_pending = -7),
        ("max_batch must not be negative", |config| config.max_batch = -1),
        ("max_expires must not be negative", |config| config.max_expires = -1),
        ("max_bytes must not be negative", |config| config.max_bytes = -1),
        ("idle_heartbeat must not be negative", |config| config.idle_heartbeat = -1),
        ("inactive_threshold must not be negative", |config| config.inactive_threshold = -1),
        ("priority_timeout must not be negative", |config| config.priority_timeout = -1),
        ("first backoff value has to equal batch AckWait", |config| {
            (config.backoff, config.ack_wait) = (vec![1, 2], 5);
        }),
        ("first backoff value has to equal batch AckWait", |config| config.backoff = vec![1, 2]),
    ];
    for (text, change) in table {
        let mut config = pull();
        change(&mut config);
        let corrected = judge(config.clone()).expect(text);
        let bounds = [corrected.max_batch, corrected.max_expires, corrected.max_bytes];
        assert_eq!((bounds, corrected.idle_heartbeat), ([0; 3], 0), "{text}");
        let refused = admit(config, &Bench::SETTING, &[], Corrections::Refused).unwrap_err();
        assert_eq!(refused.err_code, 10157, "{text}");
        assert_eq!(refused.description, format!("pedantic mode: {text}"));
    }
    assert!(admit(pull(), &Bench::SETTING, &[], Corrections::Refused).is_ok());
}

#[test]
fn work_queues_have_one_consumer_for_each_message() {
    let setting = Setting { retention: Retention::WorkQueue, ..Bench::SETTING };
    let filtered = |filter: &str| ConsumerConfig { filter_subject: filter.to_owned(), ..pull() };
    let judge = |config, others: &[&ConsumerConfig]| {
        code(admit(config, &setting, others, Corrections::Silent))
    };
    let with = |ack_policy, base: fn() -> ConsumerConfig| ConsumerConfig { ack_policy, ..base() };
    assert_eq!(judge(with(AckPolicy::None, pull), &[]), 10084);
    assert_eq!(judge(with(AckPolicy::None, push), &[]), 10098);
    assert_eq!(judge(with(AckPolicy::All, pull), &[]), 10098);
    let new = ConsumerConfig { deliver_policy: DeliverPolicy::New, ..pull() };
    assert_eq!(judge(new, &[]), 10101);
    assert_eq!(judge(pull(), &[&filtered("a")]), 10099);
    assert_eq!(judge(filtered("a"), &[&pull()]), 10100);
    assert_eq!(judge(filtered("a.*"), &[&filtered("a.b")]), 10100);
    assert_eq!(judge(filtered("a.c"), &[&filtered("a.b")]), 0);
    let internal = ConsumerConfig { direct: true, ..with(AckPolicy::None, push) };
    assert_eq!(judge(internal, &[&pull()]), 0);
    let replicas = Setting { replicas: 3, ..setting };
    let one = ConsumerConfig { num_replicas: 1, ..pull() };
    assert_eq!(code(admit(one, &replicas, &[], Corrections::Silent)), 10134);
    let five = ConsumerConfig { num_replicas: 5, ..pull() };
    assert_eq!(code(admit(five, &replicas, &[], Corrections::Silent)), 10126);
}

#[test]
fn fixed_fields_cannot_be_updated() {
    let old = judge(ConsumerConfig { durable_name: "c".to_owned(), ..push() }).unwrap();
    let table: [(&str, Change); 9] = [
        ("deliver policy can not be updated", |config| config.deliver_policy = DeliverPolicy::New),
        ("start sequence can not be updated", |config| config.opt_start_seq = 3),
        ("start time can not be updated", |config| {
            config.opt_start_time = Some(WireTime::from_wall_ns(1));
        }),
        ("ack policy can not be updated", |config| config.ack_policy = AckPolicy::All),
        ("replay policy can not be updated", |config| {
            config.replay_policy = super::super::config::ReplayPolicy::Original;
        }),
        ("flow control can not be updated", |config| config.flow_control = true),
        ("heart beats can not be updated", |config| config.idle_heartbeat = SECOND),
        ("max waiting can not be updated", |config| config.max_waiting = 3),
        ("can not update push consumer to pull based", |config| config.deliver_subject.clear()),
    ];
    for (text, change) in table {
        let mut new = old.clone();
        change(&mut new);
        let error = update::check_update(&old, &new, Bound::Idle).unwrap_err();
        assert_eq!((error.code, error.err_code), (500, 10012));
        assert_eq!(error.description, text);
    }
    let moved = ConsumerConfig { deliver_subject: "e".to_owned(), ..old.clone() };
    assert!(update::check_update(&old, &moved, Bound::Idle).is_ok());
    assert_eq!(update::check_update(&old, &moved, Bound::Active).unwrap_err().err_code, 10013);
    let free: [Change; 7] = [
        |config| config.description = "x".to_owned(),
        |config| config.ack_wait = 1,
        |config| config.max_deliver = 5,
        |config| config.backoff = vec![1],
        |config| config.filter_subject = "a".to_owned(),
        |config| config.max_ack_pending = 5,
        |config| config.headers_only = true,
    ];
    for change in free {
        let mut new = old.clone();
        change(&mut new);
        assert!(update::check_update(&old, &new, Bound::Idle).is_ok(), "{new:?}");
    }
    let pulled = judge(ConsumerConfig { durable_name: "c".to_owned(), ..pull() }).unwrap();
    let pushed = ConsumerConfig { deliver_subject: "d".to_owned(), ..pulled.clone() };
    let error = update::check_update(&pulled, &pushed, Bound::Idle).unwrap_err();
    assert_eq!(error.description, "can not update pull consumer to push based");
}

#[test]
fn levels_follow_from_what_is_used() {
    use super::super::levels;
    let plain = pull();
    assert_eq!(levels::required(&plain), 0);
    let paused = ConsumerConfig { pause_until: Some(WireTime::from_wall_ns(1)), ..pull() };
    assert_eq!(levels::required(&paused), 1);
    let prioritized = ConsumerConfig {
        priority_policy: PriorityPolicy::Prioritized,
        ..ConsumerConfig::default()
    };
    assert_eq!(levels::required(&prioritized), 1);
    let flow = ConsumerConfig { ack_policy: AckPolicy::FlowControl, ..ConsumerConfig::default() };
    assert_eq!(levels::required(&flow), 4);
    let mut config = pull();
    config.metadata.insert("_nats.ver".to_owned(), "forged".to_owned());
    levels::stamp(&mut config);
    let keys: Vec<_> = config.metadata.keys().map(String::as_str).collect();
    assert_eq!(keys, ["_nats.req.level"]);
}

#[test]
fn bounds_of_server_and_stream_are_kept() {
    let judged = |config: ConsumerConfig, setting: Setting<'_>| {
        let refused = admit(config, &setting, &[], Corrections::Silent).unwrap_err();
        (refused.err_code, refused.description.into_owned())
    };
    let bound = Setting { ack_pending_max: 10, ..Bench::SETTING };
    let (code, text) = judged(ConsumerConfig { max_ack_pending: 11, ..pull() }, bound);
    assert_eq!((code, &*text), (10121, "consumer max ack pending exceeds system limit of 10"));
    let bound = Setting { request_batch_max: 100, ..Bench::SETTING };
    let (code, text) = judged(ConsumerConfig { max_batch: 101, ..pull() }, bound);
    assert_eq!((code, &*text), (10125, "consumer max request batch exceeds server limit of 100"));
    let bound = Setting { stream_inactive_max_ns: SECOND, ..Bench::SETTING };
    let (code, text) = judged(ConsumerConfig { inactive_threshold: SECOND + 1, ..pull() }, bound);
    assert_eq!((code, &*text), (10153, "consumer inactive threshold exceeds system limit of 1s"));
}
