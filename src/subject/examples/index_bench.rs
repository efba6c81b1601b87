//! Speed and memory of the interest index: `cargo run --release -p corewire-subject --example
//! index_bench`.
//!
//! Prints, for a million subscriptions of mixed shapes, insertion and removal rates, the longest
//! single insertion and the growth of resident memory a subscription (`/proc/self/statm`, so
//! allocator overhead counts); then the cost of a cached plan, of a kept plan, and of a walk
//! among 100,000 wildcard subscriptions.

use std::hint::black_box;
use std::time::{Duration, Instant};

use base::{QueueId, ShardId, SubKey};
use subject::{CachePolicy, Interest, LocalHandle};

const MILLION: u32 = 1_000_000;
const WILDCARDS: u32 = 100_000;

fn main() {
    // Both stand before either goes, or the second would live in the memory of the first.
    let (local, remote) = (fill(Side::Local), fill(Side::Remote));
    empty(local);
    empty(remote);
    publishes();
}

#[derive(Debug, Clone, Copy)]
enum Side {
    /// This shard's own subscriptions.
    Local,
    /// Another shard's interest.
    Remote,
}

/// Subject and queue name of the n-th of a million; about 20 bytes each.
fn mixed(number: u32) -> (String, Option<&'static [u8]>) {
    let scattered = number.wrapping_mul(0x9E37_79B1);
    match number % 20 {
        0..8 => (format!("orders.eu.{scattered}"), None),
        8..12 => (format!("ticks.{scattered}.*"), None),
        12..15 => (format!("venue.*.{scattered}.>"), None),
        15..18 => (format!("_INBOX.{scattered:011}.*"), None),
        _ => (format!("svc.{}.request", scattered / 8), Some(b"workers")),
    }
}

/// An index with a million subscriptions of one side, and what removes them.
struct Filled {
    index: Interest,
    side: Side,
    subjects: Vec<(String, Option<&'static [u8]>)>,
    handles: Vec<LocalHandle>,
}

fn fill(side: Side) -> Filled {
    let subjects: Vec<_> = (0..MILLION).map(mixed).collect();
    let length = subjects.iter().map(|(subject, _)| subject.len()).sum::<usize>();
    let mut handles: Vec<LocalHandle> = Vec::with_capacity(MILLION as usize);
    let mut index = Interest::new(CachePolicy::Off);
    let before = resident_bytes();
    let (mut longest, began) = (Duration::ZERO, Instant::now());
    for (number, (subject, queue)) in (0..).zip(&subjects) {
        let each = Instant::now();
        let subject = subject.as_bytes();
        match side {
            Side::Local => {
                let added = index.insert_local(subject, *queue, SubKey(number));
                handles.push(added.expect("valid").0);
            }
            Side::Remote => {
                let queue = queue.map(|name| (name, QueueId(1)));
                index.set_remote(ShardId(1), subject, queue, 1);
            }
        }
        longest = longest.max(each.elapsed());
    }
    let took = began.elapsed();
    let grown = resident_bytes().saturating_sub(before + handles.len() * size_of::<LocalHandle>());
    let stats = index.stats();
    println!("one million, {side:?}, subjects of {} bytes", length / MILLION as usize);
    println!("  insert          {:8.0} ns each, longest {longest:?}", each_ns(took, MILLION));
    println!("  resident        {:8} bytes each", grown / MILLION as usize);
    println!("  own estimate    {:8} bytes each", stats.index_bytes / MILLION as usize);
    println!("  nodes, patterns {:8} {}", stats.nodes, stats.patterns);
    Filled { index, side, subjects, handles }
}

fn empty(filled: Filled) {
    let Filled { mut index, side, subjects, handles } = filled;
    let began = Instant::now();
    match side {
        Side::Local => {
            for &handle in &handles {
                index.remove_local(handle);
            }
        }
        Side::Remote => {
            for (subject, queue) in &subjects {
                let queue = queue.map(|name| (name, QueueId(1)));
                index.set_remote(ShardId(1), subject.as_bytes(), queue, 0);
            }
        }
    }
    println!("one million, {side:?}");
    println!("  remove          {:8.0} ns each", each_ns(began.elapsed(), MILLION));
    println!("  left behind     {:8} bytes", index.stats().index_bytes);
}

fn publishes() {
    let mut index = Interest::new(CachePolicy::default());
    let mut uncached = Interest::new(CachePolicy::Off);
    wildcards(&mut index);
    wildcards(&mut uncached);
    let subjects: Vec<String> = (0..WILDCARDS)
        .map(|number| number.wrapping_mul(7919) % WILDCARDS)
        .map(|number| match number % 2 {
            0 => format!("foo.{number}.x"),
            _ => format!("a.b.{number}.x"),
        })
        .collect();
    let bytes: Vec<&[u8]> = subjects.iter().map(String::as_bytes).collect();

    println!("publishes among {WILDCARDS} wildcard subscriptions");
    let hit = time(1_000_000, |_| index.plan(bytes[0]).locals.len());
    println!("  cached plan                     {hit:6.1} ns");
    let kept = index.plan(bytes[0]);
    let kept_ns =
        time(1_000_000, |_| usize::from(index.is_current(black_box(bytes[0]), black_box(&kept))));
    println!("  kept plan checked               {kept_ns:6.1} ns");
    let few = time(1_000_000, |n| index.plan(bytes[n % 1024]).locals.len());
    println!("  1,024 subjects, cached          {few:6.1} ns");
    let many = time(1_000_000, |n| index.plan(bytes[n % 32_768]).locals.len());
    println!("  32,768 subjects, cached         {many:6.1} ns");
    let over = time(1_000_000, |n| index.plan(bytes[n % bytes.len()]).locals.len());
    println!("  100,000 subjects, cached        {over:6.1} ns");
    println!("  bytes of each cached plan       {:6}", index.stats().cache_bytes / bytes.len());
    let mut small = Interest::new(CachePolicy::Entries(64 * 1024));
    wildcards(&mut small);
    let thrash = time(1_000_000, |n| small.plan(bytes[n % bytes.len()]).locals.len());
    println!("  100,000 subjects, 64 Ki cached  {thrash:6.1} ns");
    let walk = time(1_000_000, |n| uncached.plan(bytes[n % bytes.len()]).locals.len());
    println!("  100,000 subjects, walked        {walk:6.1} ns");
    let hot = time(1_000_000, |n| uncached.plan(bytes[n % 64]).locals.len());
    println!("  64 subjects, walked             {hot:6.1} ns");
    let nobody = time(1_000_000, |_| uncached.plan(b"nobody.is.here").locals.len() + 1);
    println!("  nobody interested, walked       {nobody:6.1} ns");
}

/// Subscribes to half `foo.N.*`, half `a.*.N.>`.
fn wildcards(index: &mut Interest) {
    for number in 0..WILDCARDS {
        let pattern = match number % 2 {
            0 => format!("foo.{number}.*"),
            _ => format!("a.*.{number}.>"),
        };
        index.insert_local(pattern.as_bytes(), None, SubKey(number)).expect("valid");
    }
}

/// Nanoseconds of one call, the best of three rounds after one to warm up.
fn time(rounds: usize, mut call: impl FnMut(usize) -> usize) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..4 {
        let began = Instant::now();
        let reached: usize = (0..rounds).map(|round| black_box(call(round))).sum();
        assert_eq!(reached, rounds, "each publish reaches one subscription");
        best = best.min(each_ns(began.elapsed(), rounds as u32));
    }
    best
}

fn each_ns(took: Duration, count: u32) -> f64 {
    took.as_nanos() as f64 / f64::from(count)
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a Linux host");
    let pages: usize =
        statm.split(' ').nth(1).and_then(|field| field.parse().ok()).expect("a number of pages");
    pages * 4096
}
