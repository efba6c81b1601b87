//! What the index costs: bytes per message and per subject, and how long its questions take.
//!
//! `cargo run --release -p corewire-storage --example index_bench [messages]`. Times are the
//! thread's time on the processor.

use std::hint::black_box;
use std::time::Duration;

use base::AccountId;
use storage::{Erase, Filter, Incoming, Kind, Place, Seq, Storage, StreamId};

/// What is stored.
struct Load {
    name: &'static str,
    messages: u64,
    subjects: u64,
    /// Messages of a subject that stay; the oldest one goes for each new one.
    keep: u64,
    /// Nanoseconds from one turn to the next, and messages in a turn.
    turn: (u64, u64),
}

fn main() {
    let messages = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(10_000_000);
    let flood = (100_000, 100);
    let loads = [
        Load { name: "one subject", messages, subjects: 1, keep: u64::MAX, turn: flood },
        Load { name: "1,000 subjects", messages, subjects: 1_000, keep: u64::MAX, turn: flood },
        Load {
            name: "one a turn",
            messages,
            subjects: 1_000,
            keep: u64::MAX,
            turn: (1_000_000, 1),
        },
        Load {
            name: "a subject each, 1M",
            messages: 1_000_000,
            subjects: 1_000_000,
            keep: u64::MAX,
            turn: flood,
        },
        Load { name: "key-value, 1M keys", messages, subjects: 1_000_000, keep: 1, turn: flood },
        Load { name: "history of 5, 1M keys", messages, subjects: 1_000_000, keep: 5, turn: flood },
    ];
    println!("{:<24} {:>9} {:>9} {:>9} {:>9}", "load", "append", "B/msg", "B/subj", "live");
    for load in &loads {
        run(load);
    }
}

fn run(load: &Load) {
    let mut storage = Storage::without_disk();
    let id = storage.create(AccountId::GLOBAL, Kind::File, Seq::FIRST);
    let mut random = 88_172_645_463_325_252u64;
    let start = cpu_time();
    let mut subject = Vec::new();
    for n in 0..load.messages {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let key = if load.messages == load.subjects { n } else { random % load.subjects };
        subject_of(key, &mut subject);
        append(&mut storage, id, &subject, (1 << 60) + n / load.turn.1 * load.turn.0);
        if load.keep < u64::MAX {
            let state = storage.stream(id).subject(&subject).expect("it was just stored");
            if state.messages > load.keep {
                storage.remove(id, state.first, Erase::Forget);
            }
        }
    }
    let append_ns = (cpu_time() - start).as_nanos() as f64 / load.messages as f64;
    let stream = storage.stream(id);
    let (memory, state) = (stream.memory(), stream.state());
    println!(
        "{:<24} {:>6.0} ns {:>9.2} {:>9.1} {:>9}",
        load.name,
        append_ns,
        memory.messages as f64 / state.messages as f64,
        memory.subjects as f64 / state.subjects as f64,
        state.messages
    );
    ask(&storage, id, load);
}

/// A subject as a key-value store would name it.
fn subject_of(key: u64, subject: &mut Vec<u8>) {
    use std::io::Write;
    subject.clear();
    write!(subject, "$KV.bucket.{}.key-{key:07}", key % 100).expect("a vector takes it all");
}

fn append(storage: &mut Storage, id: StreamId, subject: &[u8], time_ns: u64) {
    let message =
        Incoming { subject, headers: b"", payload: b"", shared: None, time_ns, expires_ns: 0 };
    storage.append(id, &message, Place::Next).expect("there is room");
}

/// Times questions of each kind.
fn ask(storage: &Storage, id: StreamId, load: &Load) {
    let stream = storage.stream(id);
    let mut subject = Vec::new();
    let state = stream.state();
    let middle = Seq(state.first_seq.0 + (state.last_seq.0 - state.first_seq.0) / 2);
    let keys = |n: u64| n * 7_919 % load.subjects;
    time("last of a subject", |n| {
        subject_of(keys(n), &mut subject);
        stream.subject(&subject).map_or(0, |state| state.last.0)
    });
    time("look at a message", |n| {
        let seq = Seq(state.first_seq.0 + n * 7_919 % (state.last_seq.0 - state.first_seq.0 + 1));
        stream.look(seq).map_or(0, |known| known.size)
    });
    let mut from = Seq::FIRST;
    time("next, all subjects", |_| {
        from = stream.first_matching(&Filter::all(), from.next()).unwrap_or(Seq::FIRST);
        from.0
    });
    let wild = Filter::new(["$KV.bucket.7.>"]);
    let mut from = Seq::FIRST;
    time("next, 1 in 100 by wildcard", |_| {
        from = stream.first_matching(&wild, from.next()).unwrap_or(Seq::FIRST);
        from.0
    });
    time("next of a subject", |n| {
        subject_of(keys(n), &mut subject);
        let filter = Filter::new([&subject]);
        stream.first_matching(&filter, Seq(n * 9_973)).map_or(0, |seq| seq.0)
    });
    time("pending, all", |n| stream.pending(&Filter::all(), Seq(middle.0 + n)));
    time("pending, wildcard, half", |n| stream.pending(&wild, Seq(middle.0 + n)));
    time("subjects of a wildcard", |_| {
        let mut count = 0;
        stream.for_each_subject(&wild, |_, _| count += 1);
        count
    });
    time("first at a time", |n| stream.first_at((1 << 60) + n * 9_999_999).0);
}

fn time(what: &str, mut ask: impl FnMut(u64) -> u64) {
    let mut times = 1;
    loop {
        let start = cpu_time();
        for n in 0..times {
            black_box(ask(n));
        }
        let took = cpu_time() - start;
        if took > Duration::from_millis(40) {
            println!("    {what:<32} {:>12.0} ns", took.as_nanos() as f64 / times as f64);
            return;
        }
        times *= 4;
    }
}

/// What this thread has used of the processor.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(ns.expect("the kernel keeps statistics"))
}
