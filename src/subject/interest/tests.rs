//! The index against its twin, against known shapes, and against those who would slow it down.

use std::time::{Duration, Instant};

use base::{QueueId, ShardId, ShardSet, SubKey};
use proptest::prelude::*;

use super::*;
use crate::fuzz::fuzz_index;

fn index_of(patterns: &[&str]) -> Interest {
    let mut index = Interest::new(CachePolicy::Entries(16));
    for (number, pattern) in patterns.iter().enumerate() {
        let sub = SubKey(number as u32);
        index.insert_local(pattern.as_bytes(), None, sub).expect("valid pattern");
    }
    index
}

fn reached<'a>(index: &mut Interest, patterns: &[&'a str], subject: &str) -> Vec<&'a str> {
    let plan = index.plan(subject.as_bytes());
    let mut names: Vec<_> = plan.locals.iter().map(|sub| patterns[sub.index()]).collect();
    names.sort_unstable();
    names
}

/// The second column is what nats-server 2.9.10 answered to the same subscriptions.
#[test]
fn wildcard_shapes_reach_whom_nats_server_reaches() {
    let patterns = ["foo.*", "foo.>", "foo.bar", "*.*", ">", "foo.*.z", "*.>", "foo*", "f.*.z"];
    let table: [(&str, &[&str]); 14] = [
        ("foo.bar", &["*.*", "*.>", ">", "foo.*", "foo.>", "foo.bar"]),
        ("foo.*", &["*.*", "*.>", ">", "foo.*", "foo.>"]),
        ("foo.>", &["*.*", "*.>", ">", "foo.*", "foo.>"]),
        ("foo", &[">"]),
        ("*", &[">"]),
        (">", &[">"]),
        ("foo.>.z", &["*.>", ">", "foo.*.z", "foo.>"]),
        ("foo.*.z", &["*.>", ">", "foo.*.z", "foo.>"]),
        ("f.>.z", &["*.>", ">", "f.*.z"]),
        ("foo*", &[">", "foo*"]),
        ("foo..z", &[]),
        ("foo.", &[]),
        (".foo", &[]),
        ("", &[]),
    ];
    let mut index = index_of(&patterns);
    for (subject, expected) in table {
        assert_eq!(reached(&mut index, &patterns, subject), expected, "published on {subject:?}");
    }
}

#[test]
fn invalid_subjects_change_nothing() {
    let mut index = Interest::new(CachePolicy::default());
    for subject in ["", ".", "a..b", "a.>.b", ">.a", "a."] {
        let refused = index.insert_local(subject.as_bytes(), Some(b"q"), SubKey(0));
        assert_eq!(refused, Err(InvalidSubject), "{subject:?}");
    }
    assert_eq!(index.stats().patterns, 0);
    assert_eq!(index.queue_id(b"q"), None);
}

#[test]
fn others_hear_of_plain_edges_and_of_every_queue_member() {
    let mut index = Interest::new(CachePolicy::Off);
    let mut add =
        |queue: Option<&[u8]>| index.insert_local(b"a.*", queue, SubKey(1)).expect("valid pattern");
    let (first, begun) = add(None);
    let (second, more) = add(None);
    let (member, one) = add(Some(b"q"));
    let (other, two) = add(Some(b"q"));
    let queue = index.queue_id(b"q").expect("the group has members");
    assert_eq!((begun, more), (Change::Plain { count: 1 }, Change::None));
    assert_eq!(one, Change::Queue { queue, count: 1 });
    assert_eq!(two, Change::Queue { queue, count: 2 });

    assert_eq!(index.remove_local(first), Change::None);
    assert_eq!(index.remove_local(second), Change::Plain { count: 0 });
    assert_eq!(index.last_removed(), (&b"a.*"[..], None));
    assert_eq!(index.remove_local(member), Change::Queue { queue, count: 1 });
    assert_eq!(index.remove_local(other), Change::Queue { queue, count: 0 });
    assert_eq!(index.last_removed(), (&b"a.*"[..], Some(&b"q"[..])));
    assert_eq!(index.queue_name(queue), None);

    let (_, again) = index.insert_local(b"b", Some(b"q"), SubKey(2)).expect("valid pattern");
    let Change::Queue { queue: fresh, .. } = again else { panic!("{again:?}") };
    assert_ne!(fresh, queue, "a number is not given twice");
}

#[test]
fn queue_groups_join_by_name_across_patterns_and_shards() {
    let mut index = Interest::new(CachePolicy::default());
    for (sub, (pattern, queue)) in
        [("foo.*", "q"), ("foo.bar", "q"), ("foo.bar", "r"), ("x", "q")].iter().enumerate()
    {
        let queue = Some(queue.as_bytes());
        index.insert_local(pattern.as_bytes(), queue, SubKey(sub as u32)).expect("valid");
    }
    let theirs = Some((&b"q"[..], QueueId(70)));
    index.set_remote(ShardId(3), b"foo.>", theirs, 4);
    index.set_remote(ShardId(3), b"foo.bar", theirs, 1);
    index.set_remote(ShardId(1), b"foo.bar", Some((b"q", QueueId(9))), 2);
    index.set_remote(ShardId(5), b"foo.bar", None, 7);

    let plan = index.plan(b"foo.bar");
    let mut shards = ShardSet::EMPTY;
    shards.insert(ShardId(5));
    assert_eq!((plan.locals.len(), plan.shards, plan.queues.len()), (0, shards, 2));
    let q = plan.queue(index.queue_id(b"q").expect("in use")).expect("planned");
    let mut locals = q.locals.clone();
    locals.sort();
    assert_eq!((locals, q.members), (vec![SubKey(0), SubKey(1)], 9));
    let mut remotes: Vec<_> = q.remotes.iter().map(|r| (r.shard.0, r.members, r.queue.0)).collect();
    remotes.sort_unstable();
    assert_eq!(remotes, [(1, 2, 9), (3, 5, 70)]);
    let r = plan.queue(index.queue_id(b"r").expect("in use")).expect("planned");
    assert_eq!((&r.locals[..], r.remotes.len(), r.members), (&[SubKey(2)][..], 0, 1));
}

#[test]
fn a_plan_outlives_unrelated_changes_only() {
    let mut index = index_of(&["a.b", "a.*", "x.y.z"]);
    let plan = index.plan(b"a.b");
    assert!(!index.is_current(b"a.c", &plan), "a plan is for its own subject");
    let related: [&[u8]; 5] = [b"a.b", b"a.*", b"a.>", b"*.b", b">"];
    for (number, pattern) in related.into_iter().enumerate() {
        let plan = index.plan(b"a.b");
        let added = index.insert_local(pattern, None, SubKey(90 + number as u32));
        assert!(!index.is_current(b"a.b", &plan), "insertion of {pattern:?}");
        let plan = index.plan(b"a.b");
        index.remove_local(added.expect("valid pattern").0);
        assert!(!index.is_current(b"a.b", &plan), "removal of {pattern:?}");
    }
    let plan = index.plan(b"a.b");
    index.set_remote(ShardId(1), b"*.*", None, 1);
    assert!(!index.is_current(b"a.b", &plan));

    // Hash buckets may collide, so only most of the unrelated changes must leave a plan alone.
    let mut survived = 0;
    for number in 0..100 {
        let plan = index.plan(b"a.b");
        let pattern = format!("a.{number}.*");
        index.insert_local(pattern.as_bytes(), None, SubKey(number)).expect("valid pattern");
        survived += u32::from(index.is_current(b"a.b", &plan));
    }
    assert!(survived >= 75, "{survived} of 100 changes left the plan current");
}

#[test]
fn the_cache_is_bounded_and_answers_hits() {
    let mut index = index_of(&["load.>"]);
    for number in 0..1000 {
        index.plan(format!("load.{number}").as_bytes());
    }
    assert_eq!(index.stats().cache_plans, 0, "what comes once is not kept");
    for number in 0..1000 {
        for _ in 0..2 {
            index.plan(format!("load.{number}").as_bytes());
        }
    }
    let kept = index.stats().cache_plans;
    assert!((8..=16).contains(&kept), "{kept} plans");
    let before = index.stats().cache_hits;
    index.plan(b"load.999");
    index.plan(b"load.999");
    assert_eq!(index.stats().cache_hits, before + 2);

    // Plans of 20,000 members each: the bound in bytes holds as well.
    let mut wide = Interest::new(CachePolicy::Entries(1024));
    for number in 0..20_000 {
        wide.insert_local(b"wide.*", None, SubKey(number)).expect("valid pattern");
    }
    for number in 0..1000 {
        let subject = format!("wide.{}", number / 2);
        assert_eq!(wide.plan(subject.as_bytes()).locals.len(), 20_000);
    }
    let bytes = wide.stats().cache_bytes;
    assert!(bytes <= 2 << 20, "{bytes} bytes of plans");
}

#[test]
fn a_million_in_and_out_leave_nothing() {
    let mut index = Interest::new(CachePolicy::Off);
    let start = index.stats().index_bytes;
    let mut handles = Vec::new();
    for number in 0..1_000_000u32 {
        let subject = match number % 4 {
            0 => format!("orders.eu.{number}.fill"),
            1 => format!("foo.{number}.*"),
            2 => format!("a.*.{number}-with-a-long-token.>"),
            _ => format!("svc.{}.request", number / 16),
        };
        let name = format!("group{}", number % 100);
        let queue = (number % 4 == 3).then_some(name.as_bytes());
        let added = index.insert_local(subject.as_bytes(), queue, SubKey(number));
        handles.push(added.expect("valid pattern").0);
    }
    let full = index.stats();
    assert_eq!(full.subscriptions, 1_000_000);
    for handle in handles {
        index.remove_local(handle);
    }
    let end = index.stats();
    assert_eq!((end.subscriptions, end.patterns, end.nodes, end.groups), (0, 0, 0, 0));
    // What stays: small first chunks, small tables and the generations' 32 KiB.
    let stays = end.index_bytes - start;
    assert!(stays <= 128 * 1024, "{stays} bytes stay of {}", full.index_bytes);
}

/// Far above what linear work takes here (0.1 s) and far below what quadratic work would.
const LINEAR_MAX: Duration = Duration::from_secs(4);

#[test]
fn crowds_on_one_subject_leave_in_linear_time_in_any_order() {
    let crowd = 200_000u32;
    let began = Instant::now();
    for reversed in [false, true] {
        for each_its_own_queue in [false, true] {
            let mut index = Interest::new(CachePolicy::Off);
            let mut handles: Vec<_> = (0..crowd)
                .map(|number| {
                    let name = number.to_string();
                    let queue = each_its_own_queue.then_some(name.as_bytes());
                    index.insert_local(b"one.*", queue, SubKey(number)).expect("valid").0
                })
                .collect();
            let plan = index.plan(b"one.subject");
            assert_eq!(plan.locals.len() + plan.queues.len(), crowd as usize);
            if reversed {
                handles.reverse();
            }
            for handle in handles {
                index.remove_local(handle);
            }
            assert_eq!(index.stats().patterns, 0);
            assert!(index.plan(b"one.subject").is_empty());
        }
    }
    let took = began.elapsed();
    assert!(took < LINEAR_MAX, "{took:?}");
}

/// The table keeps 32 bits of each hash, so among this many some collide: the walk must compare
/// the parent too.
#[test]
fn equal_tokens_under_many_parents_are_told_apart() {
    let count = 300_000u32;
    let mut index = Interest::new(CachePolicy::Off);
    for number in 0..count {
        let pattern = format!("{number}.same.*");
        index.insert_local(pattern.as_bytes(), None, SubKey(number)).expect("valid pattern");
    }
    for number in 0..count {
        let plan = index.plan(format!("{number}.same.x").as_bytes());
        assert_eq!(plan.locals[..], [SubKey(number)]);
    }
}

#[test]
fn the_corpus_holds() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).expect("the corpus is here") {
        let path = file.expect("a readable folder").path();
        fuzz_index(&std::fs::read(&path).expect("a readable case"));
        replayed += 1;
    }
    assert!(replayed >= 8, "{replayed} cases");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Random operations; `PROPTEST_CASES` runs more of them.
    #[test]
    fn the_index_agrees_with_its_twin(ops in proptest::collection::vec(any::<u8>(), 0..3000)) {
        fuzz_index(&ops);
    }
}
