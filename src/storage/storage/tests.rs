//! Every operation and every question, against the naive twin.

use proptest::prelude::*;
use runtime::simulated_disk::SimulatedDisk;

use super::*;
use crate::Filter;
use crate::log::Sync;
use crate::oracle::Oracle;

/// The subjects messages are stored under. The first is the busiest.
const SUBJECTS: [&str; 12] =
    ["a", "a.b", "a.c", "a.b.c", "a.b.d", "b.b", "b.c", "b.b.c", "c", "c.*", "c.x", "long.subject"];

/// What is asked for.
const FILTERS: [&[&str]; 12] = [
    &[],
    &["a"],
    &["a.*"],
    &["a.>"],
    &["*.b"],
    &["*.b.>", "c"],
    &["a.b", "b.b"],
    &["a", "a.b", "nobody"],
    &["nobody"],
    &["nobody.*"],
    &["c.*"],
    &["a.>", "a.b", "*"],
];

#[derive(Clone, Debug)]
enum Step {
    /// So many messages, the subjects chosen by the pattern of strides, each so much later.
    Append {
        count: u64,
        subject: usize,
        stride: usize,
        payload: usize,
        pause_ns: u64,
    },
    /// One message with everything.
    AppendOne {
        subject: usize,
        headers: usize,
        payload: usize,
        gap: u64,
        expires_ns: u64,
    },
    Skip {
        gap: u64,
    },
    /// Removes every `stride`th message from the one at this part of the list.
    Remove {
        at: f64,
        stride: usize,
        count: usize,
    },
    Purge {
        filter: usize,
        below: f64,
        keep: u64,
    },
    Turn,
    Restart(Ending),
    Compress(Compression),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Orderly,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let subject = 0..SUBJECTS.len();
    let payload = prop_oneof![8 => 0usize..200, 1 => 4_000usize..5_000];
    let pause_ns = prop_oneof![Just(0u64), 1u64..3, 1_000u64..1_000_000_000];
    let many = (1u64..700, subject.clone(), 0usize..5, 0usize..100, pause_ns);
    let gap = prop_oneof![6 => Just(0u64), 2 => 1u64..10, 1 => 200u64..5_000, 1 => 1u64..1 << 40];
    let expires_ns = prop_oneof![3 => Just(0u64), 1 => 1u64..100];
    let one = (subject, 0usize..50, payload, gap.clone(), expires_ns);
    let purge = (0..FILTERS.len(), 0.0..1.3f64, prop_oneof![2 => Just(0), 1 => 0u64..30]);
    prop_oneof![
        4 => many.prop_map(|(count, subject, stride, payload, pause_ns)| {
            Step::Append { count, subject, stride, payload, pause_ns }
        }),
        2 => one.prop_map(|(subject, headers, payload, gap, expires_ns)| {
            Step::AppendOne { subject, headers, payload, gap, expires_ns }
        }),
        1 => gap.prop_map(|gap| Step::Skip { gap }),
        3 => (0.0..1.0f64, 1usize..4, 1usize..600).prop_map(|(at, stride, count)| {
            Step::Remove { at, stride, count }
        }),
        1 => purge.prop_map(|(filter, below, keep)| Step::Purge { filter, below, keep }),
        1 => Just(Step::Turn),
        1 => prop_oneof![Just(Ending::Orderly), Just(Ending::Crash)].prop_map(Step::Restart),
        1 => prop_oneof![2 => Just(Compression::On), 1 => Just(Compression::Off)]
            .prop_map(Step::Compress),
    ]
}

/// What a storage under test stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    NoDisk,
    Disk,
}

/// A store and its twin, taken through the same steps.
struct Pair {
    storage: Storage,
    disk: SimulatedDisk,
    ground: Ground,
    id: StreamId,
    compression: Compression,
    oracle: Oracle,
    time_ns: u64,
}

/// What many messages begin with, as those of a feed do.
const SHARED: &[u8] = br#"{"feed":"trades","venue":"XETRA","side":"#;

/// A log of many short segments, so that they are sealed, compacted and used again.
fn settings() -> LogSettings {
    LogSettings {
        folder: "log".into(),
        adopted: Vec::new(),
        log: 0,
        sync: Sync::Always,
        segment_bytes_min: 128 << 10,
        segment_bytes_max: 512 << 10,
        write_bytes_max: 64 << 10,
        recent_bytes: 128 << 10,
        cache_bytes: 128 << 10,
        behind_bytes_max: 64 << 20,
        compaction_bytes_per_s: 1 << 30,
        keys: crate::Keys::default(),
    }
}

impl Pair {
    fn new(kind: Kind, first: Seq) -> Pair {
        Pair::on(Ground::NoDisk, kind, first)
    }

    fn on(ground: Ground, kind: Kind, first: Seq) -> Pair {
        let disk = SimulatedDisk::default();
        let mut storage = match ground {
            Ground::NoDisk => Storage::without_disk(),
            Ground::Disk => Storage::open(settings(), &disk).expect("an empty folder opens").0,
        };
        let id = storage.create(AccountId::GLOBAL, kind, first);
        let oracle = Oracle::new(kind, first);
        let compression = Compression::Off;
        let mut pair = Pair { storage, disk, ground, id, compression, oracle, time_ns: 1 << 60 };
        let key = ValueKey { kind: 1, number: 0 };
        pair.storage.put(id, key, b"made").expect("there is room");
        pair
    }

    /// A turn of the storage, and one of the disk.
    fn turn(&mut self) {
        self.time_ns += 1_000_000;
        let now = Now { mono_ns: self.time_ns, wall_ns: self.time_ns };
        self.storage.turn(&mut self.disk, now);
        self.disk.complete_all();
        assert_eq!(self.storage.take_troubles(), []);
    }

    /// Turns until everything that was done is safe.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            // What the log could not take before is appended on the way.
            let mark = self.storage.appended();
            if self.storage.durable() >= mark && !self.storage.has_work() {
                return;
            }
            self.turn();
        }
        panic!("all is not safe, only up to {:?}", self.storage.durable());
    }

    /// The power goes once everything is safe, and comes again.
    fn restart(&mut self, ending: Ending) {
        if self.ground == Ground::NoDisk {
            return;
        }
        self.settle();
        if ending == Ending::Orderly {
            self.storage.finish();
            while !self.storage.is_at_rest() {
                self.turn();
            }
        }
        self.disk = self.disk.crash(&mut || false);
        let (storage, report) = Storage::open(settings(), &self.disk).expect("it opens again");
        assert_eq!(report.damages, []);
        self.storage = storage;
        let found = self.storage.recovered();
        let key = ValueKey { kind: 1, number: 0 };
        let [(id, values)] = &found[..] else { panic!("one stream, not {found:?}") };
        assert_eq!(values[..], [(key, b"made"[..].into())]);
        self.id = *id;
        self.storage.set_compression(self.id, self.compression);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Append { count, subject, stride, payload, pause_ns } => {
                for n in 0..count {
                    self.time_ns += pause_ns;
                    let subject = SUBJECTS[(subject + stride * n as usize) % SUBJECTS.len()];
                    self.append(subject, 0, payload + n as usize % 3, 0, 0);
                }
            }
            Step::AppendOne { subject, headers, payload, gap, expires_ns } => {
                self.append(SUBJECTS[subject], headers, payload, gap, expires_ns);
            }
            Step::Restart(ending) => self.restart(ending),
            Step::Turn => self.turn(),
            Step::Compress(compression) => {
                self.compression = compression;
                self.storage.set_compression(self.id, compression);
            }
            Step::Skip { gap } => {
                let upto = Seq(self.oracle.last_seq().0 + gap);
                self.storage.skip(self.id, upto, None);
                self.oracle.skip(upto);
            }
            Step::Remove { at, stride, count } => {
                let from = (at * self.oracle.messages.len() as f64) as usize;
                let chosen = self.oracle.messages.iter().skip(from).step_by(stride).take(count);
                for seq in chosen.map(|message| message.seq).collect::<Vec<_>>() {
                    let size = self.storage.remove(self.id, seq, Erase::Forget);
                    assert_eq!(size, self.oracle.remove(seq));
                    assert_eq!(self.storage.remove(self.id, seq, Erase::Forget), None);
                }
            }
            Step::Purge { filter, below, keep } => {
                let state = self.oracle.state();
                let span = (state.last_seq.0 + 1 - state.first_seq.0) as f64;
                let below = if below > 1.2 {
                    Seq::MAX
                } else {
                    Seq(state.first_seq.0 + (below * span) as u64)
                };
                let filter = Filter::new(FILTERS[filter]);
                let purge = Purge { filter: &filter, below, keep };
                assert_eq!(self.storage.purge(self.id, &purge), self.oracle.purge(&purge));
            }
        }
    }

    fn append(&mut self, subject: &str, headers: usize, payload: usize, gap: u64, expires: u64) {
        let last = self.oracle.last_seq();
        let fill = (last.0 % 251) as u8;
        let (headers, mut payload) = (vec![fill; headers], vec![fill ^ 0x55; payload]);
        let shared = SHARED.len().min(payload.len());
        payload[..shared].copy_from_slice(&SHARED[..shared]);
        let message = Incoming {
            subject: subject.as_bytes(),
            headers: &headers,
            payload: &payload,
            shared: None,
            time_ns: self.time_ns,
            expires_ns: if expires == 0 { 0 } else { self.time_ns + expires },
        };
        let place = if gap == 0 { Place::Next } else { Place::At(Seq(last.0 + 1 + gap)) };
        let appended = loop {
            match self.storage.append(self.id, &message, place) {
                Ok(appended) => break appended,
                Err(Refused::Behind) => self.turn(),
                Err(refused) => panic!("{refused:?}"),
            }
        };
        assert_eq!(appended.seq, Seq(last.0 + 1 + gap));
        self.oracle.append(appended.seq, &message);
    }

    /// Everything that can be asked, at a few places each.
    fn compare(&mut self) {
        let stream = self.storage.stream(self.id);
        let state = self.oracle.state();
        assert_eq!(stream.state(), state);
        let space = self.storage.space(AccountId::GLOBAL);
        assert_eq!(space.memory + space.file, state.bytes);
        assert_eq!(stream.deleted().collect::<Vec<_>>(), self.oracle.deleted());
        let span = state.last_seq.0 + 2 - state.first_seq.0;
        let mut places = vec![Seq::NONE, Seq::FIRST, Seq::MAX];
        places.extend((0..8).map(|part| Seq(state.first_seq.0 + (span / 8).max(1) * part)));
        let listed = self.oracle.messages.iter().step_by(self.oracle.messages.len() / 8 + 1);
        places.extend(listed.map(|message| message.seq));
        for filter in FILTERS.map(Filter::new) {
            for &place in &places {
                let (have, want) = (stream, &self.oracle);
                assert_eq!(
                    have.first_matching(&filter, place),
                    want.first_matching(&filter, place)
                );
                assert_eq!(have.last_matching(&filter, place), want.last_matching(&filter, place));
                assert_eq!(have.pending(&filter, place), want.pending(&filter, place));
                let last = have.last_per_subject(&filter, place);
                assert_eq!(last, want.last_per_subject(&filter, place));
            }
            let mut subjects = Vec::new();
            stream.for_each_subject(&filter, |name, state| subjects.push((name.to_vec(), state)));
            assert!(subjects.into_iter().eq(self.oracle.subjects(&filter)));
        }
        for subject in SUBJECTS.map(str::as_bytes) {
            let want = self.oracle.subjects(&Filter::all()).get(subject).copied();
            assert_eq!(stream.subject(subject), want);
        }
        for time_ns in places.iter().filter_map(|&seq| Some(self.oracle.get(seq)?.time_ns)) {
            for time_ns in [time_ns - 1, time_ns, time_ns + 1] {
                assert_eq!(stream.first_at(time_ns), self.oracle.first_at(time_ns));
            }
        }
        assert_eq!(self.storage.next_expiry(self.id), self.oracle.next_expiry());
        self.compare_messages(&places);
    }

    /// Waits for a read that is pending, as its waiter does.
    fn fetch(&mut self, seq: Seq) {
        let waiter = Waiter(seq.0);
        while let Read::Pending = self.storage.read(self.id, seq, waiter) {
            while self.storage.next_arrived() != Some(waiter) {
                self.turn();
            }
        }
    }

    fn compare_messages(&mut self, places: &[Seq]) {
        for &seq in places {
            self.fetch(seq);
            let want = self.oracle.get(seq);
            let known = self.storage.stream(self.id).look(seq);
            assert_eq!(known.is_some(), want.is_some());
            match (self.storage.read(self.id, seq, Waiter(0)), want) {
                (Read::Gone, None) => {}
                (Read::Ready(have), Some(want)) => {
                    assert_eq!(have.seq, want.seq);
                    assert_eq!(have.subject, want.subject);
                    assert_eq!(have.headers, want.headers);
                    assert_eq!(have.payload, want.payload);
                    assert_eq!(have.time_ns, want.time_ns);
                    let is_large = have.payload.len() >= 4_096;
                    assert_eq!(have.shared.is_some(), is_large && self.ground == Ground::NoDisk);
                }
                (have, want) => panic!("{seq}: {have:?} where there is {want:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_stream_answers_as_a_list_does(
        (ground, kind) in prop_oneof![
            Just((Ground::NoDisk, Kind::Memory)),
            Just((Ground::NoDisk, Kind::File)),
            Just((Ground::Disk, Kind::File)),
            Just((Ground::Disk, Kind::File)),
        ],
        first in prop_oneof![3 => Just(Seq::FIRST), 1 => (1u64..1 << 50).prop_map(Seq)],
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        let mut pair = Pair::on(ground, kind, first);
        pair.compare();
        for step in &steps {
            pair.take(step);
            pair.compare();
        }
    }
}

#[test]
fn a_sequence_is_never_used_twice() {
    let mut pair = Pair::new(Kind::Memory, Seq(10));
    pair.append("a", 0, 1, 0, 0);
    let message = Incoming {
        subject: b"a",
        headers: b"",
        payload: b"x",
        shared: None,
        time_ns: 1,
        expires_ns: 0,
    };
    for seq in [1, 9, 10] {
        let refused = pair.storage.append(pair.id, &message, Place::At(Seq(seq)));
        assert_eq!(refused, Err(Refused::SequenceUsed));
    }
    assert_eq!(pair.storage.remove(pair.id, Seq(10), Erase::Forget), Some(18));
    let appended = pair.storage.append(pair.id, &message, Place::Next).expect("there is room");
    assert_eq!(appended.seq, Seq(11));
}

/// Many subjects that stand far apart, several messages each: the links between them are taken,
/// broken by removals, and still lead to what is there.
#[test]
fn messages_far_apart_are_found() {
    let mut pair = Pair::new(Kind::Memory, Seq::FIRST);
    let names: Vec<String> = (0..3_000).map(|n| format!("far.{n}")).collect();
    for _ in 0..4 {
        for name in &names {
            pair.append(name, 0, 3, 0, 0);
        }
    }
    let drop = |pair: &mut Pair, seq: u64| {
        let gone = pair.storage.remove(pair.id, Seq(seq), Erase::Forget);
        assert_eq!(gone, pair.oracle.remove(Seq(seq)));
    };
    // The second message of some, then the first of all, then some in a row.
    (3_001..6_000).step_by(3).for_each(|seq| drop(&mut pair, seq));
    (1..=3_000).for_each(|seq| drop(&mut pair, seq));
    (6_100..6_900).for_each(|seq| drop(&mut pair, seq));
    let stream = pair.storage.stream(pair.id);
    for name in names.iter().step_by(37) {
        let filter = Filter::new([name]);
        let mut from = Seq::FIRST;
        while let Some(seq) = pair.oracle.first_matching(&filter, from) {
            assert_eq!(stream.first_matching(&filter, from), Some(seq));
            from = seq.next();
        }
        assert_eq!(stream.first_matching(&filter, from), None);
        let state = pair.oracle.subjects(&filter).into_values().next();
        assert_eq!(stream.subject(name.as_bytes()), state);
    }
}

/// Half of the bodies of every chunk go, at random: the space of those comes back, and what stays
/// can be read where it was moved to.
#[test]
fn the_space_of_what_is_gone_comes_back() {
    let mut pair = Pair::new(Kind::Memory, Seq::FIRST);
    for n in 0..10_000u64 {
        let payload = if n % 500 == 0 { 5_000 } else { 500 };
        pair.append(SUBJECTS[n as usize % SUBJECTS.len()], 10, payload, 0, 0);
    }
    let full = pair.storage.stream(pair.id).memory().bodies;
    for seq in (1..=10_000).map(Seq).filter(|seq| seq.0 * 7_919 % 16 != 0) {
        let erase = if seq.0.is_multiple_of(2) { Erase::Overwrite } else { Erase::Forget };
        assert!(pair.storage.remove(pair.id, seq, erase).is_some());
        pair.oracle.messages.retain(|message| message.seq != seq);
    }
    let left = pair.storage.stream(pair.id).memory().bodies;
    assert!(left < full / 5, "{left} of {full} bytes are left");
    let all: Vec<Seq> = pair.oracle.messages.iter().map(|message| message.seq).collect();
    assert_eq!(all.len(), 625);
    pair.compare_messages(&all);
}

/// What compressed messages count for is what they count for as they are; the log has less to
/// write. What they need to be read is found again, also when no more are compressed.
#[test]
fn compressed_messages_take_less_of_the_disk_and_count_the_same() {
    let written = |compression| {
        let mut pair = Pair::on(Ground::Disk, Kind::File, Seq::FIRST);
        pair.take(&Step::Compress(compression));
        for n in 0..3_000 {
            pair.append("a.b", 0, 60 + n % 50, 0, 0);
        }
        pair.settle();
        let full = pair.disk.contents().into_values();
        let used = full.map(|file| file.iter().filter(|&&byte| byte != 0).count()).sum::<usize>();
        (pair, used)
    };
    let (plain, plain_bytes) = written(Compression::Off);
    let (mut pair, bytes) = written(Compression::On);
    let of = |pair: &Pair| pair.storage.stream(pair.id).bytes();
    assert_eq!(of(&pair), of(&plain));
    assert!(bytes * 3 < plain_bytes * 2, "{bytes} and {plain_bytes} bytes");
    pair.take(&Step::Compress(Compression::Off));
    for ending in [Ending::Crash, Ending::Orderly] {
        pair.append("a.c", 20, 100, 0, 0);
        pair.restart(ending);
        pair.compare();
    }
    let all: Vec<Seq> = pair.oracle.messages.iter().map(|message| message.seq).collect();
    pair.compare_messages(&all);
    // All goes, what they needed stays, and serves again.
    let purge = Purge { filter: &Filter::all(), below: Seq::MAX, keep: 0 };
    assert_eq!(pair.storage.purge(pair.id, &purge), pair.oracle.purge(&purge));
    pair.take(&Step::Compress(Compression::On));
    for _ in 0..100 {
        pair.append("a.b", 0, 80, 0, 0);
    }
    pair.restart(Ending::Crash);
    pair.compare();
}

/// What does not come out of what was read reads as gone, and is said to be damaged: nothing else
/// is taken for it.
#[test]
fn a_message_whose_dictionary_is_lost_is_gone_and_named() {
    let mut pair = Pair::on(Ground::Disk, Kind::File, Seq::FIRST);
    pair.take(&Step::Compress(Compression::On));
    for _ in 0..200 {
        pair.append("a.b", 0, 60, 0, 0);
    }
    pair.settle();
    pair.storage.streams.get_mut(pair.id).compressor = None;
    assert!(matches!(pair.storage.read(pair.id, Seq(1), Waiter(1)), Read::Ready(_)));
    assert!(matches!(pair.storage.read(pair.id, Seq(200), Waiter(1)), Read::Gone));
    pair.time_ns += 1_000_000;
    let now = Now { mono_ns: pair.time_ns, wall_ns: pair.time_ns };
    pair.storage.turn(&mut pair.disk, now);
    assert!(matches!(pair.storage.take_troubles()[..], [Trouble::Damaged(_)]));
}
