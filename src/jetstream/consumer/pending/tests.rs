//! The pending messages against a map that does the same plainly.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn acknowledged_ones_leave_and_the_front_moves() {
    let mut pending = Pending::default();
    for seq in [3, 4, 7, 20] {
        pending.add(seq, seq * 10, 0, 100);
    }
    assert_eq!(pending.len(), 4);
    assert!(pending.remove(4).is_some());
    assert!(pending.remove(4).is_none());
    assert_eq!(pending.first().map(|entry| entry.seq), Some(3));
    assert_eq!(pending.remove(3).map(|entry| entry.consumer_seq), Some(30));
    assert_eq!(pending.first().map(|entry| entry.seq), Some(7));
    assert!(pending.get(5).is_none() && pending.get(20).is_some());
}

#[test]
fn what_is_due_comes_once_and_in_order() {
    let mut pending = Pending::default();
    pending.add(1, 1, 0, 50);
    pending.add(2, 2, 0, 40);
    pending.add(3, 3, 0, 60);
    pending.postpone(2, 55);
    assert_eq!(pending.next_expired(52), Some(1));
    assert_eq!(pending.next_expired(52), None);
    pending.queue(1);
    assert_eq!(pending.next_expired(60), Some(2));
    assert_eq!(pending.next_expired(60), Some(3));
    assert_eq!(pending.next_expired(u64::MAX - 1), None);
    assert_eq!(pending.next_queued(), Some(1));
    assert_eq!(pending.sent_again(1, 60, 100), 2);
    assert_eq!((pending.next_queued(), pending.redelivered()), (None, 1));
}

#[test]
fn times_of_what_is_gone_do_not_pile_up() {
    let mut pending = Pending::default();
    pending.add(1, 1, 0, 1_000_000);
    for seq in 2..100_000 {
        pending.add(seq, seq, seq, seq + 1000);
        pending.remove(seq);
    }
    assert!(pending.due.len() < 200, "{}", pending.due.len());
    assert!(pending.entries.len() < 200, "{}", pending.entries.len());
}

#[derive(Clone, Debug)]
enum Step {
    Add { gap: u64, wait: u64 },
    Remove(prop::sample::Index),
    RemoveUpto(prop::sample::Index),
    Postpone(prop::sample::Index, u64),
    Queue(prop::sample::Index),
    Expire(u64),
    SendQueued(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let any = any::<prop::sample::Index>;
    prop_oneof![
        4 => (1..4u64, 1..50u64).prop_map(|(gap, wait)| Step::Add { gap, wait }),
        3 => any().prop_map(Step::Remove),
        1 => any().prop_map(Step::RemoveUpto),
        1 => (any(), 1..50u64).prop_map(|(at, wait)| Step::Postpone(at, wait)),
        1 => any().prop_map(Step::Queue),
        2 => (1..30u64).prop_map(Step::Expire),
        2 => (1..50u64).prop_map(Step::SendQueued),
    ]
}

/// Due time, deliveries, whether queued.
type Plain = BTreeMap<u64, (Option<u64>, u32)>;

fn pick(plain: &Plain, at: prop::sample::Index) -> Option<u64> {
    (!plain.is_empty()).then(|| *plain.keys().nth(at.index(plain.len())).expect("in range"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_does_what_a_plain_map_does(steps in prop::collection::vec(step(), 1..400)) {
        let (mut pending, mut plain, mut queue) = (Pending::default(), Plain::new(), Vec::new());
        let (mut now, mut last) = (0, 0);
        for step in steps {
            match step {
                Step::Add { gap, wait } => {
                    last += gap;
                    pending.add(last, last, now, now + wait);
                    plain.insert(last, (Some(now + wait), 1));
                }
                Step::Remove(at) => if let Some(seq) = pick(&plain, at) {
                    plain.remove(&seq);
                    prop_assert!(pending.remove(seq).is_some());
                    prop_assert!(pending.remove(seq).is_none());
                },
                Step::RemoveUpto(at) => if let Some(seq) = pick(&plain, at) {
                    while let Some(entry) = pending.remove_first_upto(seq) {
                        prop_assert!(plain.remove(&entry.seq).is_some());
                    }
                    prop_assert!(plain.keys().all(|&other| other > seq));
                },
                Step::Postpone(at, wait) => if let Some(seq) = pick(&plain, at) {
                    pending.postpone(seq, now + wait);
                    plain.get_mut(&seq).expect("picked").0 = Some(now + wait);
                    queue.retain(|&queued| queued != seq);
                },
                Step::Queue(at) => if let Some(seq) = pick(&plain, at) {
                    pending.queue(seq);
                    plain.get_mut(&seq).expect("picked").0 = None;
                    if !queue.contains(&seq) { queue.push(seq); }
                },
                Step::Expire(time) => {
                    now += time;
                    while let Some(seq) = pending.next_expired(now) {
                        let due = plain[&seq].0.expect("a queued message is not due");
                        prop_assert!(due <= now);
                        plain.get_mut(&seq).expect("there").0 = None;
                        pending.queue(seq);
                        queue.push(seq);
                    }
                    prop_assert!(plain.values().all(|(due, _)| due.is_none_or(|due| due > now)));
                }
                Step::SendQueued(wait) => {
                    queue.retain(|seq| plain.contains_key(seq));
                    let next = pending.next_queued();
                    prop_assert_eq!(next, queue.first().copied());
                    if let Some(seq) = next {
                        queue.remove(0);
                        let entry = plain.get_mut(&seq).expect("there");
                        *entry = (Some(now + wait), entry.1 + 1);
                        prop_assert_eq!(pending.sent_again(seq, now, now + wait), entry.1);
                    }
                }
            }
            prop_assert_eq!(pending.len(), plain.len());
            prop_assert_eq!(pending.first().map(|entry| entry.seq), plain.keys().next().copied());
            let again = plain.values().filter(|(_, deliveries)| *deliveries > 1).count();
            prop_assert_eq!(pending.redelivered(), again);
            let seqs: Vec<u64> = pending.iter().map(|entry| entry.seq).collect();
            prop_assert!(seqs.iter().eq(plain.keys()));
        }
    }
}
