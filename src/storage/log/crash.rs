//! The crash tester: the production log on a simulated disk, and the power goes at every boundary.
//!
//! At each, what is recovered must be exactly what some prefix of the appends comes to, one that
//! holds all that was acknowledged; a second recovery, and one after a recovery that was itself
//! cut off, must find the same. The seed of a failure is printed; `CRASH_SEED=n` plays that one
//! alone, `CRASH_POINTS=n` sets how many points are tried. Every run tries the same points and as
//! many at random; `CRASH_BASE=n` begins at others instead. Some logs are encrypted from the
//! start, some from a crash on, some never.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use base::Now;
use fastrand::Rng;
use runtime::simulated_disk::SimulatedDisk;

use super::damage::Report;
use super::model::{Op, Places, State, compressed, payload, read_all};
use super::{Content, Key, KeyKind, Log, LogSettings, NewMessage, Removed, StreamNumber, Sync};
use crate::compression::Codec;
use crate::{Keys, Mark};

/// Points tried in a test run.
const POINTS: usize = 100_000;
/// Where a run begins that is always the same.
const BASE: u64 = 1;
/// Steps of one scenario.
const STEPS: usize = 160;

pub fn settings(sync: Sync) -> LogSettings {
    LogSettings {
        folder: "log".into(),
        adopted: Vec::new(),
        log: 3,
        sync,
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 16 << 10,
        write_bytes_max: 4 << 10,
        recent_bytes: 8 << 10,
        cache_bytes: 64 << 10,
        behind_bytes_max: 64 << 10,
        compaction_bytes_per_s: 1 << 40,
        keys: Keys::default(),
    }
}

/// A log at work, and all that was appended to it in this run.
struct World {
    rng: Rng,
    disk: SimulatedDisk,
    log: Log,
    places: Places,
    sync: Sync,
    /// The number of this run, where the log is encrypted.
    run: Option<u8>,
    /// What was there when the run began.
    start: State,
    ops: Vec<(Mark, Op)>,
    /// What the ops come to.
    now: State,
    next_tag: u64,
    clock_ns: u64,
    points: usize,
}

fn open(disk: &SimulatedDisk, sync: Sync, run: Option<u8>) -> (Log, Places, Report) {
    let mut places = Places::default();
    let keys = run.map_or_else(Keys::default, Keys::of_run);
    let opened = Log::open(LogSettings { keys, ..settings(sync) }, disk, &mut places);
    let (log, report) = opened.expect("a disk that works");
    (log, places, report)
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let disk = SimulatedDisk::default();
        let sync = match rng.u8(..4) {
            0 => Sync::Every { interval_ns: 50 },
            _ => Sync::Always,
        };
        let run = (rng.u8(..3) == 0).then_some(0);
        let (log, places, _) = open(&disk, sync, run);
        World {
            rng,
            disk,
            log,
            places,
            sync,
            run,
            start: State::default(),
            ops: Vec::new(),
            now: State::default(),
            next_tag: 1,
            clock_ns: 0,
            points: 0,
        }
    }

    fn stream(&mut self) -> StreamNumber {
        let all: Vec<_> = self.now.streams.keys().copied().collect();
        if all.len() < 3 && self.rng.u8(..10) == 0 || all.is_empty() {
            return self.log.new_stream();
        }
        all[self.rng.usize(..all.len())]
    }

    fn append_something(&mut self) {
        let stream = self.stream();
        let done = match self.rng.u8(..100) {
            0..60 => self.append_message(stream),
            60..80 => self.append_remove(stream),
            80..95 => self.append_key(stream),
            95..98 => {
                let known = self.now.streams.get(&stream).map_or(0, |stream| stream.last);
                let sequence = known + self.rng.u64(1..5);
                let reached = self.log.reach(stream, sequence, 7);
                reached.ok().map(|mark| (mark, Op::Reach(stream, sequence)))
            }
            _ if self.now.streams.contains_key(&stream) && self.rng.bool() => {
                self.places.at.retain(|(of, _), _| *of != stream);
                let gone = self.log.drop_stream(stream);
                gone.ok().map(|mark| (mark, Op::Gone(stream)))
            }
            _ => None,
        };
        if let Some((mark, op)) = done {
            assert!(self.ops.last().is_none_or(|(before, _)| mark > *before), "marks rise");
            self.now.apply(&op);
            self.ops.push((mark, op));
        }
    }

    fn append_message(&mut self, stream: StreamNumber) -> Option<(Mark, Op)> {
        let sequence = self.now.streams.get(&stream).map_or(0, |stream| stream.last) + 1;
        let tag = self.next_tag;
        self.next_tag += 1;
        let len = if self.rng.u8(..20) == 0 { 2000 } else { self.rng.usize(..300) };
        let payload = payload(tag, len);
        let subjects: [&[u8]; 3] = [b"a", b"orders.eu", b"orders.us"];
        let headers: &[u8] = if self.rng.bool() { b"" } else { b"NATS/1.0\r\n\r\n" };
        let mut codec = Codec::default();
        let content = match self.rng.bool() {
            true => compressed(&mut codec, headers, &payload),
            false => Content::Plain { headers, payload: &payload },
        };
        let message = NewMessage {
            stream,
            sequence,
            time_ns: tag,
            due_ns: u64::from(tag.is_multiple_of(5)) * tag,
            subject: subjects[self.rng.usize(..3)],
            content,
        };
        let (at, mark) = self.log.append(&message).ok()?;
        let length = message.record_bytes() as u32;
        self.places.at.insert((stream, sequence), (at, length));
        Some((mark, Op::Message { stream, sequence, tag }))
    }

    fn append_remove(&mut self, stream: StreamNumber) -> Option<(Mark, Op)> {
        let messages = &self.now.streams.get(&stream)?.messages;
        let nth = self.rng.usize(..messages.len().max(1));
        // As a rule the oldest goes, as with limits; sometimes one in the middle, or many.
        let first = match self.rng.u8(..3) {
            0 => *messages.keys().nth(nth)?,
            _ => *messages.keys().next()?,
        };
        let last = first + if self.rng.bool() { 0 } else { self.rng.u64(..12) };
        let last = last.min(self.now.streams[&stream].last);
        let removed = Removed { stream, first, last };
        let mark = self.log.remove(removed).ok()?;
        let gone: Vec<_> = self.places.at.range((stream, first)..=(stream, last)).collect();
        let gone: Vec<_> = gone.into_iter().map(|(key, place)| (*key, *place)).collect();
        let is_erased = self.rng.u8(..4) == 0;
        for (key, (at, length)) in gone {
            self.log.release(stream, at, length);
            self.places.at.remove(&key);
            if is_erased {
                self.log.erase(stream, key.1, at, length);
            }
        }
        Some((mark, Op::Remove(removed)))
    }

    fn append_key(&mut self, stream: StreamNumber) -> Option<(Mark, Op)> {
        // A key belongs to a stream that is there.
        self.now.streams.get(&stream)?;
        let kind = [KeyKind::STREAM, KeyKind::CONSUMER_STATE][self.rng.usize(..2)];
        let key = Key { stream, kind, key: self.rng.u64(..3) };
        let len = self.rng.usize(..100);
        let value = (self.rng.u8(..5) > 0).then(|| payload(self.next_tag, len));
        self.next_tag += 1;
        let mark = self.log.put(key, value.as_deref()).ok()?;
        Some((mark, Op::Put(key, value)))
    }

    fn step(&mut self) {
        for _ in 0..self.rng.usize(..6) {
            self.append_something();
        }
        self.clock_ns += self.rng.u64(..40);
        let now = Now { mono_ns: self.clock_ns, wall_ns: self.clock_ns };
        self.log.tell_erasures();
        self.log.turn(&mut self.disk, now, &mut self.places);
        // Sometimes the disk is slow, sometimes it has done all.
        let upto = self.disk.under_way();
        let mut left = if self.rng.bool() { upto } else { self.rng.usize(..=upto) };
        while left > 0 && self.disk.under_way() > 0 {
            self.try_crash();
            if self.disk.under_way() > 0 {
                self.disk.complete(self.rng.usize(..self.disk.under_way()));
            }
            left -= 1;
        }
        assert_eq!(self.log.take_troubles(), [], "a disk that works");
    }

    /// The power goes now. What is found; this world goes on.
    fn try_crash(&mut self) {
        self.points += 1;
        let mut rng = self.rng.fork();
        let crashed = self.disk.crash(&mut || rng.bool());
        let is_encrypted_now = self.run.is_none() && rng.u8(..8) == 0;
        let mut run = if is_encrypted_now { Some(0) } else { self.run };
        // No two runs have the same key.
        let mut next = || {
            run = run.map(|run| run + 1);
            run
        };
        if rng.u8(..8) == 0 {
            // Recovery is cut off by another crash, and begins again.
            crashed.set_writes_left(Some(rng.u32(1..3)));
            let keys = next().map_or_else(Keys::default, Keys::of_run);
            let settings = LogSettings { keys, ..settings(self.sync) };
            let _ = Log::open(settings, &crashed, &mut Places::default());
            crashed.set_writes_left(None);
        }
        let found = look(&crashed, self.sync, next());
        self.check(&found);
        if rng.u8(..4) == 0 {
            let before = crashed.contents();
            let again = look(&crashed, self.sync, next());
            assert_eq!(again, found, "a second recovery finds what the first left");
            assert!(crashed.contents() == before, "a second recovery changes nothing");
        }
        if rng.u8(..200) == 0 {
            // Life goes on from here.
            self.run = next();
            (self.log, self.places, _) = open(&crashed, self.sync, self.run);
            self.disk = crashed;
            (self.start, self.now, self.ops) = (found.clone(), found, Vec::new());
        }
    }

    /// What was found is what some prefix of the appends comes to, and none too short.
    fn check(&self, found: &State) {
        // Erasing appends records of its own, which change nothing here.
        let acknowledged = self.ops.partition_point(|(mark, _)| *mark <= self.log.durable());
        let mut state = self.start.clone();
        for (_, op) in &self.ops[..acknowledged] {
            state.apply(op);
        }
        let at_least = state.clone();
        for (_, op) in &self.ops[acknowledged..] {
            if state == *found {
                return;
            }
            state.apply(op);
        }
        assert!(state == *found, "acknowledged {acknowledged} of {}: {}", self.ops.len(), {
            differences(&at_least, found)
        });
    }
}

/// How two states differ, in few words.
fn differences(expected: &State, found: &State) -> String {
    let mut out = Vec::new();
    for (number, stream) in &expected.streams {
        let Some(other) = found.streams.get(number) else {
            out.push(format!("{number:?} is missing"));
            continue;
        };
        let lost = stream.messages.keys().filter(|s| !other.messages.contains_key(s));
        let more = other.messages.keys().filter(|s| !stream.messages.contains_key(s));
        let (lost, more): (Vec<_>, Vec<_>) = (lost.collect(), more.collect());
        let last = (stream.last, other.last);
        out.push(format!("{number:?} lost {lost:?} more {more:?} last {last:?}"));
    }
    let more = found.streams.keys().filter(|number| !expected.streams.contains_key(number));
    out.extend(more.map(|number| format!("{number:?} is more")));
    for key in expected.keys.keys().chain(found.keys.keys()) {
        if expected.keys.get(key) != found.keys.get(key) {
            out.push(format!("{key:?} differs"));
        }
    }
    out.join("\n")
}

/// What a recovery of this disk finds. What is done beyond it is done to a copy.
fn look(disk: &SimulatedDisk, sync: Sync, run: Option<u8>) -> State {
    let (mut log, mut places, report) = open(disk, sync, run);
    assert_eq!(report.damages, [], "a crash damages nothing");
    read_all(&mut log, &mut disk.crash(&mut || false), &mut places)
}

/// Plays one scenario; how many points it tried, and how many messages were moved.
fn play(seed: u64, points_max: usize) -> (usize, u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
        if world.points >= points_max {
            break;
        }
    }
    (world.points, world.places.moves)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays scenarios from a base on until so many points were tried; how many, and how many
/// messages were moved.
fn play_many(base: u64, wanted: usize) -> (usize, u64) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let of_worker = |worker: usize| {
        let (mut points, mut moves) = (0, 0);
        let mut seed = base + worker as u64;
        while points < wanted.div_ceil(workers) {
            let played = catch_unwind(AssertUnwindSafe(|| play(seed, usize::MAX)));
            let (tried, moved) = played.unwrap_or_else(|panic| {
                eprintln!("play it again: CRASH_SEED={seed} cargo test -p corewire-storage");
                resume_unwind(panic)
            });
            points += tried;
            moves += moved;
            seed += workers as u64;
        }
        (points, moves)
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..workers).map(|w| scope.spawn(move || of_worker(w))).collect();
        let all = all.into_iter().map(|worker| worker.join().expect("a worker"));
        all.fold((0, 0), |sum, played| (sum.0 + played.0, sum.1 + played.1))
    })
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    if let Some(seed) = number("CRASH_SEED") {
        play(seed, usize::MAX);
        return;
    }
    let wanted = number("CRASH_POINTS").map_or(POINTS, |points| points as usize);
    let bases = match number("CRASH_BASE") {
        Some(base) => vec![base],
        None => vec![BASE, fastrand::u64(..1 << 40)],
    };
    for base in bases {
        eprintln!("crash points from CRASH_BASE={base} on");
        let (points, moves) = play_many(base, wanted);
        println!("{points} crash points; {moves} messages were moved by compaction");
        assert!(points >= wanted);
        assert!(moves > 0 || wanted < POINTS, "compaction had its part");
    }
}
