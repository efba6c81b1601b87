//! What file streams cost a core: CPU per append and per read, and how long a start takes.
//!
//! `cargo run --release -p corewire-storage --example store_bench fill FOLDER [messages] [keys]`,
//! then `… start FOLDER` in a process of its own.
//!
//! The disk here is the page cache through plain system calls, and what it takes is counted apart.
//! All times are the thread's time on the processor, so that other work hardly shows. The start
//! is that after a crash: nothing is sealed in an orderly way.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use base::{AccountId, Now};
use runtime::disk::{Completion, Disk, DiskError, DiskToken, Done, FileId, Opening, Operation};
use runtime::system_files::SystemFiles;
use storage::log::Sync;
use storage::{
    Erase, Filter, Incoming, Keys, Kind, LogSettings, Place, Read, Refused, Seq, Storage, StreamId,
    Waiter,
};

/// Messages that come in one turn.
const TURN: u64 = 500;
const PAYLOAD: [u8; 128] = [7; 128];

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_default();
    let folder = PathBuf::from(args.next().expect("a folder to work in"));
    let mut number = |otherwise| args.next().and_then(|arg| arg.parse().ok()).unwrap_or(otherwise);
    match what.as_str() {
        "fill" => fill(&folder, number(10_000_000), number(1)),
        "start" => start(&folder),
        other => panic!("fill or start, not {other:?}"),
    }
}

fn settings(folder: &std::path::Path) -> LogSettings {
    LogSettings {
        folder: folder.to_path_buf(),
        adopted: Vec::new(),
        log: 0,
        sync: Sync::Always,
        segment_bytes_min: 4 << 20,
        segment_bytes_max: 256 << 20,
        write_bytes_max: 256 << 10,
        recent_bytes: 4 << 20,
        cache_bytes: 16 << 20,
        behind_bytes_max: 64 << 20,
        compaction_bytes_per_s: 1 << 30,
        keys: Keys::default(),
    }
}

fn fill(folder: &std::path::Path, messages: u64, subjects: u64) {
    let (mut storage, _) = Storage::open(settings(folder), &SystemFiles).expect("it opens");
    let mut disk = PlainDisk::default();
    let id = storage.create(AccountId::GLOBAL, Kind::File, Seq::FIRST);
    let start = cpu_time();
    for turn in 0..messages / TURN {
        for n in turn * TURN..(turn + 1) * TURN {
            append(&mut storage, &mut disk, id, n * 7_919 % subjects, turn);
        }
        storage.turn(&mut disk, now(turn));
    }
    let mark = storage.appended();
    while storage.durable() < mark {
        storage.turn(&mut disk, now(messages));
    }
    report("append", cpu_time() - start - disk.spent, messages);
    println!("    the disk took {:.1} s, files {} MB", seconds(disk.spent), disk.written >> 20);
    disk.spent = Duration::ZERO;
    read_back(&mut storage, &mut disk, id, messages);
    remove_some(&mut storage, &mut disk, id, messages);
}

fn append(storage: &mut Storage, disk: &mut PlainDisk, id: StreamId, key: u64, turn: u64) {
    let subject = format!("bench.{key}");
    let message = Incoming {
        subject: subject.as_bytes(),
        headers: b"",
        payload: &PAYLOAD,
        shared: None,
        time_ns: now(turn).wall_ns,
        expires_ns: 0,
    };
    while let Err(refused) = storage.append(id, &message, Place::Next) {
        assert_eq!(refused, Refused::Behind);
        storage.turn(disk, now(turn));
    }
}

fn read_back(storage: &mut Storage, disk: &mut PlainDisk, id: StreamId, messages: u64) {
    let start = cpu_time();
    let filter = Filter::all();
    let (mut from, mut read) = (Seq::FIRST, 0);
    while let Some(seq) = storage.stream(id).first_matching(&filter, from) {
        match storage.read(id, seq, Waiter(1)) {
            Read::Ready(message) => {
                read += black_box(message.payload[0]) as u64 / 7;
                from = seq.next();
            }
            Read::Pending => {
                while storage.next_arrived().is_none() {
                    storage.turn(disk, now(messages));
                }
            }
            Read::Gone => panic!("{seq} is there"),
        }
    }
    assert_eq!(read, messages / TURN * TURN);
    report("read in order, from disk", cpu_time() - start - disk.spent, messages);
    println!("    the disk took {:.1} s", seconds(disk.spent));
}

fn remove_some(storage: &mut Storage, disk: &mut PlainDisk, id: StreamId, messages: u64) {
    let count = messages / 20;
    let start = cpu_time();
    for seq in 1..=count {
        storage.remove(id, Seq(seq), Erase::Forget).expect("it is there");
    }
    report("remove the oldest", cpu_time() - start, count);
    let mark = storage.appended();
    while storage.durable() < mark {
        storage.turn(disk, now(messages));
    }
}

fn start(folder: &std::path::Path) {
    let before = resident_kb();
    let start = cpu_time();
    let (mut storage, found) = Storage::open(settings(folder), &SystemFiles).expect("it opens");
    let took = cpu_time() - start;
    let ids = storage.recovered();
    let stream = storage.stream(ids[0].0);
    let (state, memory) = (stream.state(), stream.memory());
    println!("start: {:.2} s for {} messages; {:?}", seconds(took), state.messages, found.damages);
    println!(
        "    resident {} MB more; index {:.2} bytes a message, {:.1} a subject",
        resident_kb().saturating_sub(before) >> 10,
        memory.messages as f64 / state.messages as f64,
        memory.subjects as f64 / state.subjects as f64,
    );
}

fn report(what: &str, took: Duration, messages: u64) {
    println!("{what}: {:.0} ns each", took.as_nanos() as f64 / messages as f64);
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
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

fn resident_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A disk that does everything at once, and adds up how long that takes.
#[derive(Default)]
struct PlainDisk {
    files: Vec<Option<File>>,
    completed: Vec<Completion>,
    spent: Duration,
    written: u64,
}

impl PlainDisk {
    fn file(&self, file: FileId) -> &File {
        self.files[file.0 as usize].as_ref().expect("it is open")
    }

    fn perform(&mut self, operation: Operation) -> std::io::Result<Done> {
        match operation {
            Operation::Open { path, opening } => {
                let mut options = OpenOptions::new();
                options.read(true).write(true).create_new(opening == Opening::New);
                self.files.push(Some(options.open(path)?));
                return Ok(Done::Opened(FileId(self.files.len() as u32 - 1)));
            }
            Operation::Write { file, offset, bytes, .. } => {
                self.written += bytes.len() as u64;
                self.file(file).write_all_at(&bytes, offset)?;
            }
            Operation::Read { file, offset, mut into } => {
                let len = into.room();
                let read = self.file(file).read_at(into.claim(len), offset)?;
                assert!(read > 0, "pieces begin within their files");
                return Ok(Done::Read(into));
            }
            Operation::Allocate { file, bytes } => self.file(file).set_len(bytes)?,
            Operation::Rename { from, to } => std::fs::rename(from, to)?,
            Operation::Close { file } => self.files[file.0 as usize] = None,
            Operation::Remove { path } => std::fs::remove_file(path)?,
            Operation::Flush { .. } | Operation::FlushFolder { .. } => {}
        }
        Ok(Done::Done)
    }
}

impl Disk for PlainDisk {
    fn submit(&mut self, token: DiskToken, operation: Operation) {
        let start = cpu_time();
        let result = self.perform(operation);
        self.spent += cpu_time() - start;
        let failed = |error: std::io::Error| DiskError::of(error.raw_os_error().unwrap_or(5));
        self.completed.push(Completion { token, result: result.map_err(failed) });
    }

    fn take_completed(&mut self, into: &mut Vec<Completion>) {
        into.append(&mut self.completed);
    }
}
