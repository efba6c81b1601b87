//! Effects of tuning on a real ring; a kernel that refuses says so, and then nothing is tested.

use std::time::{Duration, Instant};

use base::ShardId;
use ring::Doorbell as _;

use super::*;
use crate::network::{Network as _, Wait};
use crate::uring::UringOptions;

fn ring() -> Uring {
    let options =
        UringOptions { read_chunk_bytes: 32 << 10, read_chunks: 64, disk_operations_max: 1 };
    let mut ring = Uring::new(options, Vec::new()).expect("this host has io_uring");
    ring.connect(vec![ring.descriptor()]);
    ring
}

/// Sleeps with so many of the ring's own doorbells to wake it; how long it took.
fn sleep_with(ring: &mut Uring, doorbells: usize) -> Duration {
    for _ in 0..doorbells {
        ring.ring(ShardId(0));
    }
    let (start, mut events) = (Instant::now(), Vec::new());
    ring.turn(Wait::Forever, &mut events);
    assert_eq!(events.len(), doorbells, "{events:?}");
    start.elapsed()
}

#[test]
fn one_event_wakes_after_the_time_and_enough_events_at_once() {
    let mut ring = ring();
    if ring.gather(Gather { us: 30_000, events: 2 }).is_err() {
        return;
    }
    assert!(sleep_with(&mut ring, 1) >= Duration::from_millis(30));
    ring.gather(Gather { us: 60_000_000, events: 2 }).expect("as before");
    assert!(sleep_with(&mut ring, 2) < Duration::from_secs(30));
}

#[test]
fn without_gathering_the_first_event_wakes() {
    assert!(sleep_with(&mut ring(), 1) < Duration::from_secs(30));
}

#[test]
fn busy_polling_is_set_on_the_ring_or_its_refusal_told() {
    let ring = ring();
    match ring.busy_poll(50) {
        Ok(()) => {
            // The kernel answers a change with what was set before.
            let mut before = Napi::new();
            ring.ring.submitter().unregister_napi(&mut before).expect("it was registered");
            assert_eq!(before.busy_poll_timeout(), 50);
        }
        Err(refused) => assert!(refused.to_string().contains("Linux 6.9"), "{refused}"),
    }
}

#[test]
fn read_chunks_move_into_huge_pages() {
    let ring = ring();
    let huge_kib = || {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("Linux has it");
        let lines = maps.lines().filter_map(|line| line.strip_prefix("AnonHugePages:"));
        lines.filter_map(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).sum()
    };
    let before: u64 = huge_kib();
    match ring.use_huge_pages() {
        Ok(()) => assert!(huge_kib() >= before.max(2048), "2 MiB of chunks are one huge page"),
        Err(refused) => assert!(refused.to_string().starts_with("huge_pages"), "{refused}"),
    }
    let small = UringOptions { read_chunk_bytes: 8 << 10, read_chunks: 16, disk_operations_max: 1 };
    let small = Uring::new(small, Vec::new()).expect("this host has io_uring");
    assert!(small.use_huge_pages().is_err(), "128 KiB fill no huge page");
}
