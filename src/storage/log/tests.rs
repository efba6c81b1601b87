//! What a log does on a disk that is full, fails or was damaged, and how it reads.

use base::Now;
use fastrand::Rng;
use runtime::simulated_disk::{SECTOR_BYTES, SimulatedDisk};

use super::crash::settings;
use super::damage::Report;
use super::model::{Places, State, compressed, payload, read_all};
use super::*;
use crate::Waiter;
use crate::compression::Codec;

const STREAM: StreamNumber = StreamNumber(3 << 24 | 1);
/// Long enough not to come about by chance.
pub const SUBJECT: &[u8] = b"orders.europe.new";

/// A log with one stream, on a disk that does at once what it is asked.
pub struct Rig {
    pub disk: SimulatedDisk,
    pub log: Log,
    pub places: Places,
    pub last: u64,
    pub now_ns: u64,
}

impl Rig {
    fn new() -> Rig {
        Rig::over(SimulatedDisk::default(), Sync::Always).0
    }

    fn over(disk: SimulatedDisk, sync: Sync) -> (Rig, Report) {
        Rig::with(disk, settings(sync)).expect("it opens")
    }

    pub fn with(disk: SimulatedDisk, settings: LogSettings) -> Result<(Rig, Report), OpenError> {
        let mut places = Places::default();
        let (log, report) = Log::open(settings, &disk, &mut places)?;
        let last = places.last.get(&STREAM).copied().unwrap_or(0);
        Ok((Rig { disk, log, places, last, now_ns: 0 }, report))
    }

    fn append(&mut self, len: usize) -> Result<Mark, AppendError> {
        let payload = payload(self.last + 1, len);
        let mut codec = Codec::default();
        // One in four is compressed.
        let content = match (self.last + 1) % 4 {
            2 => compressed(&mut codec, b"", &payload),
            _ => Content::Plain { headers: b"", payload: &payload },
        };
        let message = NewMessage {
            stream: STREAM,
            sequence: self.last + 1,
            time_ns: 5,
            due_ns: 0,
            subject: SUBJECT,
            content,
        };
        let (at, mark) = self.log.append(&message)?;
        self.last += 1;
        self.places.at.insert((STREAM, self.last), (at, message.record_bytes() as u32));
        self.places.last.insert(STREAM, self.last);
        Ok(mark)
    }

    fn turn(&mut self) {
        self.turn_at(self.now_ns + 1_000_000);
    }

    pub fn turn_at(&mut self, mono_ns: u64) {
        self.now_ns = mono_ns;
        let now = Now { mono_ns, wall_ns: mono_ns };
        self.log.turn(&mut self.disk, now, &mut self.places);
        self.disk.complete_all();
    }

    pub fn settle(&mut self) {
        for _ in 0..20 {
            self.turn();
        }
    }

    pub fn fill(&mut self, messages: u64) {
        for _ in 0..messages {
            self.append(100).expect("there is room");
            self.turn();
        }
        self.settle();
    }

    pub fn remove(&mut self, first: u64, last: u64) -> Mark {
        let stream = STREAM;
        let mark = self.log.remove(Removed { stream, first, last }).expect("removals are taken");
        for sequence in first..=last {
            if let Some((at, length)) = self.places.at.remove(&(STREAM, sequence)) {
                self.log.release(STREAM, at, length);
            }
        }
        mark
    }

    fn state(&mut self) -> State {
        read_all(&mut self.log, &mut self.disk, &mut self.places)
    }

    /// The number of messages that can be read.
    pub fn readable(&mut self) -> usize {
        self.state().streams.get(&STREAM).map_or(0, |stream| stream.messages.len())
    }

    /// Ends in order.
    pub fn finish(&mut self) {
        self.log.finish();
        self.settle();
        assert!(self.log.is_at_rest());
    }

    /// Ends in order, and begins again on the same disk.
    fn restart(mut self) -> (Rig, Report) {
        self.finish();
        Rig::over(self.disk, Sync::Always)
    }
}

#[test]
fn a_full_disk_refuses_messages_takes_removals_and_recovers() {
    let mut rig = Rig::new();
    rig.fill(20);
    rig.disk.set_capacity(Some(60 << 10));
    let mut refused = None;
    for _ in 0..1000 {
        if let Err(error) = rig.append(100) {
            refused = Some(error);
            break;
        }
        rig.turn();
    }
    assert_eq!(refused, Some(AppendError::Full));
    assert_eq!(rig.log.take_troubles(), [Trouble::Full]);
    assert_eq!(rig.readable() as u64, rig.last, "reads go on");
    let mark = rig.remove(1, rig.last - 5);
    rig.settle();
    assert!(rig.log.durable() >= mark, "the removal is safe");
    // What was removed gave its space back; so would another's files.
    rig.disk.set_capacity(None);
    for _ in 0..10 {
        rig.turn_at(rig.now_ns + 2_000_000_000);
    }
    assert_eq!(rig.log.take_troubles(), [Trouble::SpaceAgain]);
    rig.append(100).expect("there is space again");
    rig.settle();
    assert_eq!(rig.readable(), 6);
}

#[test]
fn the_first_failed_write_ends_appending_and_reads_go_on() {
    let mut rig = Rig::new();
    rig.fill(10);
    let durable = rig.log.durable();
    rig.append(10).unwrap();
    rig.disk.set_failing(Some(5));
    rig.settle();
    rig.disk.set_failing(None);
    rig.settle();
    assert_eq!(rig.append(10), Err(AppendError::Failed), "it is never tried again");
    assert_eq!(rig.log.durable(), durable);
    let troubles = rig.log.take_troubles();
    let error = DiskError::Failed(5);
    assert_eq!(troubles, [Trouble::Failed { file: "log/00000000.seg".into(), error }]);
    assert_eq!(rig.readable(), 11, "what is in memory can be read");
    let (mut again, report) = Rig::over(rig.disk, Sync::Always);
    assert_eq!((report.damages, again.readable()), (vec![], 10));
}

#[test]
fn an_interval_acknowledges_what_is_written_and_flushes_later() {
    let sync = Sync::Every { interval_ns: 1_000_000_000 };
    let (mut rig, _) = Rig::over(SimulatedDisk::default(), sync);
    let mut mark = rig.append(10).unwrap();
    rig.settle();
    mark = mark.max(rig.append(10).unwrap());
    rig.turn();
    rig.turn();
    assert!(rig.log.acknowledged() >= mark && rig.log.durable() < mark);
    assert!(rig.log.next_deadline_ns().is_some(), "the flush has its time");
    rig.turn_at(5_000_000_000);
    rig.turn();
    assert_eq!(rig.log.durable(), mark);
    let (mut after, _) = Rig::over(rig.disk.crash(&mut || true), sync);
    assert_eq!(after.readable(), 2);
}

#[test]
fn what_nobody_needs_gives_its_space_back() {
    let mut rig = Rig::new();
    rig.fill(50);
    let before = rig.log.disk_bytes();
    for _ in 0..40 {
        rig.fill(50);
        rig.remove(rig.last - 99, rig.last - 50);
        rig.settle();
    }
    assert!(rig.log.disk_bytes() <= before * 3, "{} bytes", rig.log.disk_bytes());
    rig.remove(1, rig.last);
    rig.settle();
    let last = rig.last;
    let (mut again, _) = rig.restart();
    let state = again.state();
    assert_eq!(state.streams[&STREAM].last, last, "sequences are never used again");
    assert!(state.streams[&STREAM].messages.is_empty());
}

#[test]
fn little_that_is_needed_is_moved_together() {
    let mut rig = Rig::new();
    rig.log.put(key(1), Some(b"kept")).unwrap();
    rig.fill(600);
    let full = rig.log.disk_bytes();
    // One in ten stays, in each segment.
    for tenth in 0..60 {
        rig.remove(tenth * 10 + 1, tenth * 10 + 9);
    }
    for _ in 0..400 {
        rig.turn_at(rig.now_ns + 10_000_000);
    }
    assert!(rig.places.moves > 0, "messages were moved");
    assert!(rig.log.disk_bytes() * 2 < full, "{} of {full} bytes", rig.log.disk_bytes());
    assert_eq!(rig.readable(), 60);
    let (mut again, report) = rig.restart();
    assert_eq!((report.damages, report.messages), (vec![], 60));
    assert_eq!(again.readable(), 60);
    assert_eq!(again.places.keys[&key(1)], b"kept");
}

/// It once did: then the first batch of the new segment outlived the last of the old one, when
/// of that one not even the header had landed.
#[test]
fn no_segment_is_begun_before_all_of_the_one_before_is_safe() {
    let (mut rig, _) =
        Rig::over(SimulatedDisk::default(), Sync::Every { interval_ns: u64::MAX / 2 });
    rig.fill(20);
    for length in [100, 1000, 100] {
        for _ in 0..30 {
            rig.append(length).expect("there is room");
            rig.log.turn(&mut rig.disk, Now::default(), &mut rig.places);
            for seed in 0..20 {
                let mut rng = Rng::with_seed(seed);
                let crashed = rig.disk.crash(&mut || rng.bool());
                let (mut found, _) = Rig::over(crashed, Sync::Always);
                let state = found.state();
                let read = state.streams.get(&STREAM).map_or(0, |s| s.messages.len() as u64);
                assert_eq!(read, found.last, "what is left has no gap");
            }
            rig.disk.complete_all();
        }
    }
}

/// Whether the payload of a message stands anywhere on disk.
pub fn is_on_disk(disk: &SimulatedDisk, sequence: u64) -> bool {
    let secret = payload(sequence, 100);
    let holds = |bytes: &Vec<u8>| bytes.windows(secret.len()).any(|window| window == secret);
    disk.contents().values().any(holds)
}

#[test]
fn what_is_erased_is_overwritten_and_its_neighbours_are_not() {
    let mut rig = Rig::new();
    rig.fill(60);
    // The first lies in a complete segment, the last in one that is still appended to.
    for sequence in [7, 60] {
        let (at, length) = rig.places.at[&(STREAM, sequence)];
        assert!(is_on_disk(&rig.disk, sequence));
        rig.remove(sequence, sequence);
        rig.log.erase(STREAM, sequence, at, length);
        rig.log.tell_erasures();
        let told = rig.log.appended();
        rig.log.tell_erasures();
        assert_eq!(rig.log.appended(), told, "each place is named once");
    }
    rig.settle();
    assert!(!is_on_disk(&rig.disk, 7), "it is overwritten");
    assert!(is_on_disk(&rig.disk, 60), "its segment is not complete");
    assert!(rig.log.next_deadline_ns().is_some(), "it will be");
    let cut_off = rig.disk.crash(&mut || false);
    rig.turn_at(rig.now_ns + 2 * config::limits::JS_ERASE_WAIT.as_nanos() as u64);
    rig.settle();
    assert!(!is_on_disk(&rig.disk, 60), "its segment was completed for it");
    assert_eq!(rig.readable(), 58);
    // The power went before: what was to be erased is erased after the next start.
    for disk in [cut_off, rig.disk.clone()] {
        let (mut again, report) = Rig::over(disk, Sync::Always);
        assert_eq!((report.damages, report.messages), (vec![], 58));
        again.settle();
        assert!(!is_on_disk(&again.disk, 60) && !is_on_disk(&again.disk, 7));
        assert_eq!(again.readable(), 58);
        let (_, report) = again.restart();
        assert_eq!((report.damages, report.messages), (vec![], 58));
    }
}

pub fn key(key: u64) -> Key {
    Key { stream: STREAM, kind: KeyKind::CONSUMER_STATE, key }
}

#[test]
fn reads_in_a_row_get_ahead_of_their_reader() {
    let mut rig = Rig::new();
    rig.fill(400);
    let (mut rig, _) = rig.restart();
    let all: Vec<_> = rig.places.at.values().copied().collect();
    let mut asked = 0;
    for (at, length) in all {
        loop {
            match rig.log.read(at, length, Waiter(9)) {
                LogRead::Ready(_) => break,
                LogRead::Damaged => panic!("nothing is damaged"),
                LogRead::Pending => {
                    asked += 1;
                    // The file is opened, then read.
                    let arrived = (0..4).find_map(|_| {
                        rig.turn();
                        rig.log.next_arrived()
                    });
                    assert_eq!(arrived, Some(Waiter(9)));
                }
            }
        }
    }
    assert!(asked <= 20, "400 messages were waited for {asked} times");
    assert_eq!(rig.log.next_arrived(), None);
}

#[test]
fn what_is_too_long_is_refused_and_what_is_long_is_not() {
    let mut rig = Rig::new();
    assert_eq!(rig.append(5000), Err(AppendError::TooLarge));
    rig.append(3800).expect("a quarter of a segment");
    rig.append(1).expect("all goes on");
    rig.settle();
    let (mut again, _) = rig.restart();
    assert_eq!(again.readable(), 2);
}

#[test]
fn another_layout_is_refused_by_name_and_left_alone() {
    let mut rig = Rig::new();
    rig.fill(3);
    let (rig, _) = rig.restart();
    let path = rig.disk.contents().keys().next().expect("a segment").clone();
    rig.disk.damage(&path, |bytes| {
        bytes[8] = 99;
        bytes[12..16].fill(0);
        let crc = checksum(&bytes[..64]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    });
    let before = rig.disk.contents()[&path].clone();
    let (_, report) = Rig::over(rig.disk.clone(), Sync::Always);
    assert_eq!(report.damages, [Damage::Version { file: path.clone(), version: 99 }]);
    assert_eq!(rig.disk.contents()[&path], before);
}

/// Damages a file in one of several ways; how many bytes may be hurt.
fn damage(disk: &SimulatedDisk, rng: &mut Rng) -> (PathBuf, &'static str, usize) {
    let all = disk.contents();
    let (path, bytes) = all.iter().nth(rng.usize(..all.len())).expect("a segment");
    let at = rng.usize(..bytes.len());
    let sector = at / SECTOR_BYTES * SECTOR_BYTES;
    let (what, hurt) = match rng.u8(..3) {
        0 => ("a flipped bit", 1),
        1 => ("a zeroed block", SECTOR_BYTES),
        _ => ("a cut end", bytes.len() - sector),
    };
    let bit = rng.u8(..8);
    disk.damage(path, |bytes| match what {
        "a flipped bit" => bytes[at] ^= 1 << bit,
        "a zeroed block" => bytes[sector..sector + SECTOR_BYTES].fill(0),
        _ => bytes.truncate(sector),
    });
    (path.clone(), what, hurt)
}

#[test]
fn damage_is_named_and_everything_else_is_served() {
    try_damage(|| settings(Sync::Always));
}

/// Damages a log that is kept so, in many ways. Each call gives the settings of another run.
pub fn try_damage(mut settings: impl FnMut() -> LogSettings) {
    let seed = std::env::var("DAMAGE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or(0..600u64, |seed| seed..seed + 1);
    let (mut rig, _) = Rig::with(SimulatedDisk::default(), settings()).expect("it opens");
    rig.log.put(key(7), Some(b"state")).unwrap();
    rig.fill(250);
    rig.remove(20, 30);
    rig.finish();
    let (mut rig, _) = Rig::with(rig.disk, settings()).expect("it opens");
    let whole = rig.state();
    let messages = whole.streams[&STREAM].messages.len();
    for seed in seeds {
        let mut rng = Rng::with_seed(seed);
        let disk = rig.disk.crash(&mut || false);
        let (file, what, hurt) = damage(&disk, &mut rng);
        let (mut found, report) = Rig::with(disk, settings()).expect("it opens");
        let state = found.state();
        let at = format!("DAMAGE_SEED={seed}: {what} in {}", file.display());
        let read = &state.streams.get(&STREAM).cloned().unwrap_or_default().messages;
        // A removal may be what was lost; then what it removed is there again, and named.
        let lost = whole.streams[&STREAM].messages.keys().filter(|s| !read.contains_key(s));
        let lost = lost.count();
        let troubles = found.log.take_troubles();
        let is_named = !report.damages.is_empty() || !troubles.is_empty();
        let is_changed = read.len() != messages || state.keys != whole.keys;
        assert!(is_named || !is_changed, "{at}: {lost} lost, and nobody says so");
        // Records take 120 bytes here; the end of a file has a few segments' worth.
        assert!(lost <= hurt / 120 + 3, "{at}: {lost} of {messages} are lost");
        for (sequence, tag) in read {
            assert_eq!(sequence, tag, "{at}: nothing is served that was not sent");
        }
    }
}
