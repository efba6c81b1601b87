//! The byte ring alone: edges, a naive twin, and two threads with checksummed records.

use std::collections::VecDeque;
use std::thread;

use proptest::prelude::*;

use super::*;

fn push(producer: &mut Producer, bytes: &[u8]) -> bool {
    let Some(place) = producer.reserve(bytes.len()) else { return false };
    place.copy_from_slice(bytes);
    producer.commit(Tag::Alone);
    true
}

fn read_all(consumer: &mut Consumer) -> Vec<Vec<u8>> {
    let mark = consumer.note_tail();
    let mut records = Vec::new();
    while let Some(record) = consumer.next_until(mark) {
        records.push(record.bytes.to_vec());
    }
    records
}

#[test]
fn nothing_is_seen_before_publish_and_nothing_past_the_mark() {
    let (mut producer, mut consumer) = byte_ring(256);
    assert_eq!(producer.publish(), Published::Nothing);
    assert!(push(&mut producer, b"one"));
    assert!(producer.has_unpublished() && consumer.is_empty());
    assert_eq!(read_all(&mut consumer), Vec::<Vec<u8>>::new());
    assert_eq!(producer.publish(), Published::New);
    let mark = consumer.note_tail();
    assert!(push(&mut producer, b""));
    assert_eq!(producer.publish(), Published::New);
    assert_eq!(consumer.next_until(mark).unwrap().bytes, b"one");
    assert_eq!(consumer.next_until(mark), None);
    assert!(!consumer.is_empty());
    assert_eq!(read_all(&mut consumer), [b""]);
    assert!(consumer.is_empty());
}

#[test]
fn the_longest_record_fits_wherever_it_begins() {
    for before in 0..16 {
        let (mut producer, mut consumer) = byte_ring(128);
        for _ in 0..before {
            assert!(push(&mut producer, b""));
            assert_eq!(producer.publish(), Published::New);
            assert_eq!(read_all(&mut consumer).len(), 1);
            assert_eq!(consumer.release(), Released::Space);
        }
        let longest = vec![7; producer.record_len_max()];
        assert!(push(&mut producer, &longest), "after {before} records");
        assert_eq!(producer.publish(), Published::New);
        assert_eq!(read_all(&mut consumer), [longest]);
    }
}

#[test]
fn absurd_lengths_are_refused() {
    let (mut producer, _consumer) = byte_ring(64);
    let max = producer.record_len_max();
    for len in [max + 1, 64, usize::MAX - 7, usize::MAX] {
        assert!(producer.reserve(len).is_none());
    }
    assert!(producer.reserve(max).is_some());
}

#[test]
fn a_record_reserved_and_not_committed_is_forgotten() {
    let (mut producer, mut consumer) = byte_ring(64);
    producer.reserve(24).unwrap().fill(1);
    assert!(push(&mut producer, b"kept"));
    assert_eq!(producer.publish(), Published::New);
    assert_eq!(read_all(&mut consumer), [b"kept"]);
}

#[test]
fn a_limited_mark_takes_whole_records() {
    let (mut producer, mut consumer) = byte_ring(256);
    for byte in 0..4 {
        assert!(push(&mut producer, &[byte; 8]));
    }
    assert_eq!(producer.publish(), Published::New);
    let mark = consumer.note_tail_within(17);
    assert_eq!(consumer.next_until(mark).unwrap().bytes, [0; 8]);
    assert_eq!(consumer.next_until(mark).unwrap().bytes, [1; 8]);
    assert_eq!(consumer.next_until(mark), None);
    let mark = consumer.note_tail_within(usize::MAX);
    assert_eq!(consumer.next_until(mark).unwrap().bytes, [2; 8]);
}

#[test]
fn space_wakes_only_a_producer_that_asked() {
    let (mut producer, mut consumer) = byte_ring(32);
    assert!(push(&mut producer, &[1; 8]) && push(&mut producer, &[2; 8]));
    assert!(!push(&mut producer, b""));
    assert_eq!(producer.publish(), Published::New);
    assert_eq!(consumer.release(), Released::Nothing);
    producer.declare_blocked();
    assert!(!producer.has_room(0));
    assert_eq!(read_all(&mut consumer).len(), 2);
    assert_eq!(consumer.release(), Released::AwaitedSpace);
    assert!(producer.has_room(8));
    assert!(push(&mut producer, b"three"));
    assert_eq!(producer.publish(), Published::New);
    assert_eq!(read_all(&mut consumer).len(), 1);
    assert_eq!(consumer.release(), Released::Space);
}

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u8>),
    Publish,
    Read(usize),
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Step::Push),
        2 => Just(Step::Publish),
        3 => (0usize..6).prop_map(Step::Read),
        2 => Just(Step::Release),
    ];
    proptest::collection::vec(step, 0..200)
}

/// The ring as a list: what is written, how much of it is published and how much read.
#[derive(Default)]
struct NaiveRing {
    records: VecDeque<Vec<u8>>,
    published: usize,
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 2000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_a_list(steps in steps()) {
        let (mut producer, mut consumer) = byte_ring(128);
        let mut naive = NaiveRing::default();
        for step in steps {
            match step {
                Step::Push(bytes) => {
                    let fits = push(&mut producer, &bytes);
                    prop_assert!(bytes.len() <= producer.record_len_max() || !fits);
                    if fits {
                        naive.records.push_back(bytes);
                    }
                }
                Step::Publish => {
                    let new = producer.publish() == Published::New;
                    prop_assert_eq!(new, naive.published < naive.records.len());
                    naive.published = naive.records.len();
                }
                Step::Read(most) => {
                    let mark = consumer.note_tail();
                    for _ in 0..most {
                        let Some(record) = consumer.next_until(mark) else {
                            prop_assert_eq!(naive.published, 0);
                            break;
                        };
                        prop_assert!(naive.published > 0);
                        naive.published -= 1;
                        let expected = naive.records.pop_front();
                        prop_assert_eq!(Some(record.bytes), expected.as_deref());
                    }
                }
                Step::Release => {
                    let _ = consumer.release();
                    // An empty ring always takes the longest record.
                    let longest = producer.record_len_max();
                    prop_assert!(!naive.records.is_empty() || producer.has_room(longest));
                }
            }
            prop_assert_eq!(consumer.is_empty(), naive.published == 0);
        }
    }
}

/// A record of random bytes, mostly short; the last eight are their sum.
fn checksummed(rng: &mut fastrand::Rng) -> Vec<u8> {
    let len_max = if rng.u8(..) == 0 { 2000 } else { 100 };
    let len = rng.usize(..len_max);
    let mut bytes: Vec<u8> = (0..len).map(|_| rng.u8(..)).collect();
    let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn two_threads_lose_and_tear_nothing() {
    const RECORDS: u64 = if cfg!(miri) { 150 } else { 400_000 };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let (mut producer, mut consumer) = byte_ring(4096);
    let writer = thread::spawn(move || {
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..RECORDS {
            let record = checksummed(&mut rng);
            while !push(&mut producer, &record) {
                let _ = producer.publish();
                thread::yield_now();
            }
            if rng.u8(..) < 40 {
                let _ = producer.publish();
            }
        }
        let _ = producer.publish();
    });
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut seen = 0;
    while seen < RECORDS {
        let mark = consumer.note_tail();
        while let Some(record) = consumer.next_until(mark) {
            assert_eq!(record.bytes, checksummed(&mut rng), "record {seen}, seed {seed}");
            let _publishes = rng.u8(..);
            seen += 1;
        }
        if consumer.release() == Released::Nothing {
            thread::yield_now();
        }
    }
    assert!(consumer.is_empty());
    writer.join().unwrap();
}
