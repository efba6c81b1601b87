//! Nanoseconds a record between two threads, published in batches:
//! `cargo run --release -p corewire-ring --example ring_bench`.
//!
//! The figure is wall time divided by records, so it is the slower side's cost. It wants two idle
//! cores; each thread is left to the scheduler.

use std::thread;
use std::time::Instant;

use ring::lane::{LaneReceiver, LaneSender, LaneSizes, lane};

const RECORDS: u64 = 20_000_000;
const ROUNDS: usize = 5;

fn main() {
    for (len, batch) in [(16, 64), (128, 1), (128, 16), (128, 64), (128, 256), (512, 64)] {
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| nanos_per_record(len, batch)).collect();
        rounds.sort_by(f64::total_cmp);
        println!(
            "{len:>4} B records, {batch:>3} a publish: best {:5.1} ns, median {:5.1} ns",
            rounds[0],
            rounds[ROUNDS / 2]
        );
    }
}

fn nanos_per_record(len: usize, batch: u64) -> f64 {
    let (sender, receiver) =
        lane(LaneSizes { ring_bytes: 1 << 20, payloads: 0, spill_bytes_max: 1 << 20 });
    let start = Instant::now();
    let writer = thread::spawn(move || send(sender, len, batch));
    let checksum = receive(receiver);
    writer.join().expect("the writer does not panic");
    assert_eq!(checksum, (0..RECORDS).fold(0, u64::wrapping_add));
    start.elapsed().as_nanos() as f64 / RECORDS as f64
}

fn send(mut sender: LaneSender, len: usize, batch: u64) {
    let content = vec![0x5a; len];
    for number in 0..RECORDS {
        let fill = |place: &mut [u8]| {
            place.copy_from_slice(&content);
            place[..8].copy_from_slice(&number.to_le_bytes());
        };
        sender.send(len, None, fill).expect("the record fits and little spills");
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
    let (mut seen, mut checksum) = (0, 0u64);
    while seen < RECORDS {
        let mark = receiver.note_tail_within(64 << 10);
        let before = seen;
        while let Some((record, _)) = receiver.next_until(mark) {
            let (number, _) = record.split_first_chunk().expect("records are 8 bytes and longer");
            checksum = checksum.wrapping_add(u64::from_le_bytes(*number));
            seen += 1;
        }
        if seen == before {
            std::hint::spin_loop();
        } else {
            let _ = receiver.release();
        }
    }
    checksum
}
