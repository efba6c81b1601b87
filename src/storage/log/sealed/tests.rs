//! A log that is encrypted: nothing stands in the clear, everything comes back, also what was in
//! the clear before.

use runtime::simulated_disk::SimulatedDisk;

use crate::keys::Keys;
use crate::log::crash::settings;
use crate::log::tests::{Rig, SUBJECT, is_on_disk, key, try_damage};
use crate::log::{LogSettings, OpenError, Sync};

/// The settings of a run of an encrypted log.
fn encrypted(run: u8) -> LogSettings {
    LogSettings { keys: Keys::of_run(run), ..settings(Sync::Always) }
}

fn open(disk: SimulatedDisk, run: u8) -> Rig {
    let (rig, report) = Rig::with(disk, encrypted(run)).expect("it opens");
    assert_eq!(report.damages, []);
    rig
}

/// Whether these bytes stand anywhere on disk.
fn stands(disk: &SimulatedDisk, bytes: &[u8]) -> bool {
    disk.contents().values().any(|file| file.windows(bytes.len()).any(|window| window == bytes))
}

#[test]
fn nothing_stands_in_the_clear_and_everything_comes_back() {
    let mut rig = open(SimulatedDisk::default(), 0);
    rig.log.put(key(7), Some(b"a secret value")).expect("there is room");
    rig.fill(200);
    rig.remove(20, 30);
    rig.settle();
    let mut disk = rig.disk.crash(&mut || false);
    assert_eq!(rig.readable(), 189, "what is still in memory is opened, too");
    rig.finish();
    for (run, crashed) in [(1, Some(disk.clone())), (2, None), (3, None)] {
        // First as the power left it, then as it was ended.
        disk = crashed.unwrap_or(rig.disk);
        rig = open(disk.clone(), run);
        for sequence in (1..=200).step_by(13) {
            assert!(!is_on_disk(&disk, sequence), "message {sequence}");
        }
        assert!(!stands(&disk, b"a secret value") && !stands(&disk, SUBJECT));
        assert_eq!(rig.readable(), 189);
        assert_eq!(rig.places.keys[&key(7)], b"a secret value");
        rig.fill(10);
        rig.remove(rig.last - 9, rig.last);
        rig.finish();
    }
}

#[test]
fn what_was_in_the_clear_is_encrypted_in_time() {
    let (mut rig, _) =
        Rig::with(SimulatedDisk::default(), settings(Sync::Always)).expect("it opens");
    rig.log.put(key(7), Some(b"a secret value")).expect("there is room");
    rig.fill(300);
    rig.remove(40, 60);
    rig.finish();
    assert!(is_on_disk(&rig.disk, 100) && stands(&rig.disk, b"a secret value"));
    let mut rig = open(rig.disk, 0);
    assert_eq!(rig.readable(), 279);
    for _ in 0..600 {
        rig.turn_at(rig.now_ns + 10_000_000);
    }
    for sequence in 1..=300 {
        assert!(!is_on_disk(&rig.disk, sequence), "message {sequence}");
    }
    assert!(!stands(&rig.disk, b"a secret value") && !stands(&rig.disk, SUBJECT));
    assert_eq!(rig.readable(), 279);
    rig.finish();
    let mut rig = open(rig.disk, 1);
    assert_eq!(rig.readable(), 279);
    assert_eq!(rig.places.keys[&key(7)], b"a secret value");
}

#[test]
fn a_log_whose_keys_are_not_there_is_refused_and_left_alone() {
    let mut rig = open(SimulatedDisk::default(), 3);
    rig.fill(50);
    // Not ended in order: a start would write.
    let disk = rig.disk.crash(&mut || true);
    let before = disk.contents();
    for keys in [Keys::default(), Keys::of_run(2)] {
        let refused = Rig::with(disk.clone(), LogSettings { keys, ..settings(Sync::Always) });
        assert!(matches!(refused.err(), Some(OpenError::Locked { .. })));
        assert!(disk.contents() == before, "not a byte is written");
    }
}

#[test]
fn damage_to_an_encrypted_log_is_named_and_everything_else_is_served() {
    let mut run = 0;
    try_damage(|| {
        run = (run + 1).min(2);
        encrypted(run)
    });
}

/// Who can write to the disk, and mends the checksum, is seen by the tag.
#[test]
fn what_was_changed_on_purpose_is_seen() {
    let mut rig = open(SimulatedDisk::default(), 0);
    rig.fill(10);
    let (at, length) = rig.places.at[&(key(0).stream, 5)];
    let offset = at.0 as u32 as usize;
    let path = rig.disk.contents().keys().next().expect("a segment").clone();
    let epoch = {
        let file = &rig.disk.contents()[&path];
        crate::log::layout::Header::decode(file).expect("a header").epoch
    };
    rig.disk.damage(&path, |bytes| {
        let record = &mut bytes[offset..offset + length as usize + 16];
        record[40] ^= 1;
        crate::log::record::sign(record, epoch, offset as u32);
    });
    let (mut found, report) =
        Rig::with(rig.disk.crash(&mut || true), encrypted(1)).expect("it opens");
    assert_eq!(report.damages.len(), 1, "{:?}", report.damages);
    assert_eq!(found.readable(), 9);
}
