//! The key file: begun, opened again, changed, damaged, and refused.

use std::path::PathBuf;

use runtime::simulated_disk::SimulatedDisk;

use super::*;

const FOLDER: &str = "store";

fn chosen<'a>(key: &'a str, previous: &'a str) -> Chosen<'a> {
    Chosen { key: key.as_bytes(), previous: previous.as_bytes(), cipher: Cipher::Aes }
}

fn begin(disk: &SimulatedDisk, key: &str, previous: &str) -> Result<Keys, KeyError> {
    begin_run(disk, Path::new(FOLDER), &chosen(key, previous))
}

#[test]
fn each_run_has_a_key_of_its_own_and_those_of_all_before() {
    let disk = SimulatedDisk::default();
    let first = begin(&disk, "k", "").expect("a new store");
    let at = (crate::log::Epoch(1), 9);
    let mut sealed = b"text".to_vec();
    let tag = first.seal(at, b"", &mut sealed);
    sealed.extend(tag);
    let second = begin(&disk, "k", "").expect("the same key");
    assert_eq!(first.newest().0 + 1, second.newest().0);
    let mut text = [0; 4];
    assert_eq!(second.open(first.newest(), at, b"", &sealed, &mut text), Ok(()));
    assert_eq!(&text, b"text");
    assert!(second.open(second.newest(), at, b"", &sealed, &mut text).is_err(), "another key");
    let seen = look(&disk, Path::new(FOLDER), b"k").expect("only looked at");
    assert_eq!(seen.newest(), second.newest(), "looking adds none");
}

#[test]
fn without_a_key_there_are_none_and_an_encrypted_store_is_refused() {
    let disk = SimulatedDisk::default();
    assert!(begin(&disk, "", "").expect("nothing is encrypted").is_empty());
    assert!(disk.contents().is_empty(), "and nothing is written");
    begin(&disk, "k", "").expect("a key");
    let before = disk.contents();
    assert!(matches!(begin(&disk, "", ""), Err(KeyError::Missing { .. })));
    assert!(matches!(begin(&disk, "other", ""), Err(KeyError::Wrong { .. })));
    assert!(matches!(begin(&disk, "other", "another"), Err(KeyError::Wrong { .. })));
    assert_eq!(disk.contents(), before, "the files are as they were");
}

#[test]
fn a_changed_key_opens_with_the_one_before_and_replaces_it() {
    let disk = SimulatedDisk::default();
    let first = begin(&disk, "old", "").expect("a new store");
    let keys = begin(&disk, "new", "old").expect("the key is changed");
    assert_eq!(keys.newest().0, first.newest().0 + 1);
    assert!(keys.has(first.newest()), "what was sealed stays readable");
    assert!(matches!(begin(&disk, "old", ""), Err(KeyError::Wrong { .. })));
    begin(&disk, "new", "old").expect("the old one may stay in the file");
    begin(&disk, "new", "").expect("or go");
}

#[test]
fn damage_to_one_of_both_files_is_survived_and_to_both_is_named() {
    let disk = SimulatedDisk::default();
    begin(&disk, "k", "").expect("a new store");
    let newest = begin(&disk, "k", "").expect("a second run").newest();
    let [file, copy] = NAMES.map(|name| PathBuf::from(FOLDER).join(name));
    let len = disk.contents()[&file].len();
    for byte in 0..len {
        let damaged = disk.crash(&mut || false);
        damaged.damage(&file, |bytes| bytes[byte] ^= 4);
        let keys = look(&damaged, Path::new(FOLDER), b"k").expect("the copy is whole");
        assert_eq!(keys.newest(), newest);
        damaged.damage(&copy, |bytes| bytes.truncate(byte));
        let refused = look(&damaged, Path::new(FOLDER), b"k");
        assert!(matches!(refused, Err(KeyError::Damaged { .. })), "byte {byte}");
    }
}

#[test]
fn another_layout_is_refused_by_name() {
    let disk = SimulatedDisk::default();
    begin(&disk, "k", "").expect("a new store");
    disk.damage(&Path::new(FOLDER).join("keys"), |bytes| {
        bytes[8] = 9;
        let crc = checksum_of(bytes);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    });
    assert!(matches!(begin(&disk, "k", ""), Err(KeyError::Version { version: 9, .. })));
}

/// The keys of a new file are no others' keys: what was sealed under lost ones is seen to be.
#[test]
fn a_new_key_file_does_not_have_the_keys_of_a_lost_one() {
    let lost = begin(&SimulatedDisk::default(), "k", "").expect("a store");
    let mut numbers = vec![lost.newest()];
    for _ in 0..20 {
        let keys = begin(&SimulatedDisk::default(), "k", "").expect("another store");
        numbers.push(keys.newest());
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.len() > 10, "they are drawn");
}
