//! Nanoseconds a record between two threads, published in batches:
//! `cargo run --release -p corewire-ring --example ring_bench`.
//!
//! The figure is wall time divided by records, so with two threads it is the slower side's cost,
//! and it wants cores 0 and 1 idle: rounds are short and many, so that the best meets a quiet
//! moment.
//! With one thread it is both sides' work together, without the traffic between caches.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use ring::lane::{LaneReceiver, LaneSender, LaneSizes, lane};

const RECORDS: u64 = 1_000_000;
const ROUNDS: usize = 41;

fn main() {
    for (len, batch) in [(16, 64), (128, 1), (128, 16), (128, 64), (128, 256), (512, 64)] {
        let (two, two_median) = rounds(|| two_threads(len, batch));
        let (one, one_median) = rounds(|| one_thread(len, batch));
        println!(
            "{len:>4} B records, {batch:>3} a publish: two threads best {two:5.1} ns, median \
             {two_median:5.1} ns; one thread best {one:5.1} ns, median {one_median:5.1} ns"
        );
    }
}

/// Best and median of what `round` answers.
fn rounds(round: impl Fn() -> f64) -> (f64, f64) {
    let mut nanos: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    nanos.sort_by(f64::total_cmp);
    (nanos[0], nanos[ROUNDS / 2])
}

fn nanos_per_record(since: Instant) -> f64 {
    since.elapsed().as_nanos() as f64 / RECORDS as f64
}

/// Keeps this thread on one core. Left alone, the scheduler puts both threads on one at times,
/// and they then wait for each other's time slices.
fn pin(core: usize) {
    // SAFETY: a `cpu_set_t` is plain bits, so zeroed is the empty set; the call reads it only.
    let failed = unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut cores);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores)
    };
    if failed != 0 {
        println!("core {core} is not to be had: figures for two threads may be of one core");
    }
}

fn bench_lane() -> (LaneSender, LaneReceiver) {
    lane(LaneSizes { ring_bytes: 1 << 20, payloads: 0, spill_bytes_max: 1 << 20 })
}

fn two_threads(len: usize, batch: u64) -> f64 {
    let (sender, receiver) = bench_lane();
    let both_pinned = Barrier::new(2);
    thread::scope(|threads| {
        threads.spawn(|| {
            pin(1);
            both_pinned.wait();
            send(sender, len, batch);
        });
        let reader = threads.spawn(|| {
            pin(0);
            both_pinned.wait();
            let start = Instant::now();
            check(receive(receiver));
            nanos_per_record(start)
        });
        reader.join().expect("the reader does not panic")
    })
}

fn one_thread(len: usize, batch: u64) -> f64 {
    let (mut sender, mut receiver) = bench_lane();
    let content = vec![0x5a; len];
    let (mut number, mut checksum) = (0, 0);
    let start = Instant::now();
    while number < RECORDS {
        for _ in 0..batch.min(RECORDS - number) {
            send_one(&mut sender, &content, number);
            number += 1;
        }
        let _ = sender.flush();
        read_batch(&mut receiver, &mut checksum);
    }
    check(checksum);
    nanos_per_record(start)
}

fn check(checksum: u64) {
    assert_eq!(checksum, (0..RECORDS).sum::<u64>(), "a record was lost or torn");
}

#[inline]
fn send_one(sender: &mut LaneSender, content: &[u8], number: u64) {
    let fill = |place: &mut [u8]| {
        place.copy_from_slice(content);
        place[..8].copy_from_slice(&number.to_le_bytes());
    };
    sender.send(content.len(), None, fill).expect("the record fits and little spills");
}

fn send(mut sender: LaneSender, len: usize, batch: u64) {
    let content = vec![0x5a; len];
    for number in 0..RECORDS {
        send_one(&mut sender, &content, number);
        if number % batch == batch - 1 {
            let _ = sender.flush();
            // A shard would pause its feed here.
            while sender.spilled().records > 0 {
                std::hint::spin_loop();
                let _ = sender.flush();
            }
        }
    }
    let _ = sender.flush();
}

fn receive(mut receiver: LaneReceiver) -> u64 {
    let (mut seen, mut checksum) = (0, 0);
    while seen < RECORDS {
        match read_batch(&mut receiver, &mut checksum) {
            0 => std::hint::spin_loop(),
            records => seen += records,
        }
    }
    checksum
}

#[inline]
fn read_batch(receiver: &mut LaneReceiver, checksum: &mut u64) -> u64 {
    let mark = receiver.note_tail_within(64 << 10);
    let mut records = 0;
    while let Some((record, _)) = receiver.next_until(mark) {
        let (number, _) = record.split_first_chunk().expect("records are 8 bytes and longer");
        *checksum += u64::from_le_bytes(*number);
        records += 1;
    }
    let _ = receiver.release();
    records
}
