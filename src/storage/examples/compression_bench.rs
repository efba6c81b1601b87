//! What compression of a stream is worth and costs: bytes of the log and processor time a message,
//! for feeds of several kinds.
//!
//! `cargo run --release -p corewire-storage --example compression_bench`
//!
//! The disk is the simulated one and its time is not counted apart, so only the differences between
//! a line and the one above it mean something.

use std::hint::black_box;
use std::time::Duration;

use base::{AccountId, Now};
use runtime::simulated_disk::SimulatedDisk;
use storage::log::Sync;
use storage::{
    Compression, Incoming, Kind, LogSettings, Place, Read, Refused, Seq, Storage, StreamId, Waiter,
};

const MESSAGES: u64 = 200_000;
/// Messages that come in one turn.
const TURN: u64 = 200;

type Feed = fn(u64) -> Vec<u8>;

fn main() {
    let feeds: [(&str, Feed); 4] = [
        ("quotes, JSON of 86 bytes", quote),
        ("orders, JSON of 369 bytes", order),
        ("noise of 100 bytes", |n| noise(n, 100)),
        ("noise of 1000 bytes", |n| noise(n, 1000)),
    ];
    for (name, feed) in feeds {
        println!("{name}");
        for compression in [Compression::Off, Compression::On] {
            run(compression, feed);
        }
    }
}

fn quote(n: u64) -> Vec<u8> {
    let (bid, size) = (10_000 + n * 37 % 900, n * 7_919 % 1000);
    let symbol = ["SAP", "SIE", "BMW", "ALV"][n as usize % 4];
    format!(
        r#"{{"type":"quote","symbol":"{symbol}","bid":{bid},"ask":{},"size":{size},"time":{}}}"#,
        bid + 2,
        1_700_000_000_000 + n * 13,
    )
    .into_bytes()
}

fn order(n: u64) -> Vec<u8> {
    let lines = (0..5).map(|line| {
        let (item, amount) = (n * 31 % 5_000 + line, n * 17 % 9 + 1);
        format!(
            r#"{{"item":"A-{item:06}","amount":{amount},"price":{}.95,"taxed":true}}"#,
            item % 90
        )
    });
    let lines: Vec<String> = lines.collect();
    format!(
        r#"{{"order":{n},"customer":"C{:08}","state":"open","currency":"EUR","lines":[{}]}}"#,
        n * 2_654_435_761 % 100_000_000,
        lines.join(","),
    )
    .into_bytes()
}

fn noise(n: u64, bytes: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(n);
    (0..bytes).map(|_| rng.u8(..)).collect()
}

fn run(compression: Compression, feed: Feed) {
    let disk = &mut SimulatedDisk::default();
    let settings = LogSettings::of("log".into(), Vec::new(), 0, Sync::Always);
    let (mut storage, _) = Storage::open(settings, disk).expect("an empty folder opens");
    let id = storage.create(AccountId::GLOBAL, Kind::File, Seq::FIRST);
    storage.set_compression(id, compression);
    let payloads: Vec<Vec<u8>> = (0..MESSAGES).map(feed).collect();
    let start = cpu_time();
    for (turn, payloads) in (0..).zip(payloads.chunks(TURN as usize)) {
        for payload in payloads {
            append(&mut storage, disk, id, payload, turn);
        }
        storage.turn(disk, now(turn));
        disk.complete_all();
    }
    let appended = cpu_time() - start;
    let start = cpu_time();
    let read: usize = (1..=MESSAGES).map(|seq| read(&mut storage, disk, id, Seq(seq))).sum();
    let took = cpu_time() - start;
    black_box(read);
    let bytes: usize = disk.contents().values().map(|file| used(file)).sum();
    println!(
        "  {:<4} {:>5} of {:>5} bytes a message; append {:>5} ns, read {:>5} ns",
        format!("{compression:?}"),
        bytes as u64 / MESSAGES,
        storage.stream(id).bytes() / MESSAGES,
        appended.as_nanos() as u64 / MESSAGES,
        took.as_nanos() as u64 / MESSAGES,
    );
}

/// Bytes of a file that were written to: the rest of a segment is zeroes.
fn used(file: &[u8]) -> usize {
    file.chunks(512).filter(|sector| sector.iter().any(|&byte| byte != 0)).count() * 512
}

fn append(
    storage: &mut Storage,
    disk: &mut SimulatedDisk,
    id: StreamId,
    payload: &[u8],
    turn: u64,
) {
    let message = Incoming {
        subject: b"feed.quotes",
        headers: b"",
        payload,
        shared: None,
        time_ns: now(turn).wall_ns,
        expires_ns: 0,
    };
    while let Err(refused) = storage.append(id, &message, Place::Next) {
        assert_eq!(refused, Refused::Behind);
        storage.turn(disk, now(turn));
        disk.complete_all();
    }
}

fn read(storage: &mut Storage, disk: &mut SimulatedDisk, id: StreamId, seq: Seq) -> usize {
    loop {
        match storage.read(id, seq, Waiter(1)) {
            Read::Ready(message) => return message.payload.len(),
            Read::Pending => {}
            Read::Gone => panic!("{seq} is there"),
        }
        storage.turn(disk, now(MESSAGES));
        disk.complete_all();
    }
}

fn now(turn: u64) -> Now {
    let ns = (1 << 60) + turn * 500_000;
    Now { mono_ns: ns, wall_ns: ns }
}

/// What this thread has used of the processor.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(ns.expect("the kernel keeps statistics"))
}
