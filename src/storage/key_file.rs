//! The key file of an encrypted store: the keys of all its runs, sealed under the operator's key.
//!
//! ```text
//!  0 magic "CWKEYS" 0 0 │ 8 version u16 │ 10 zero u16 │ 12 crc u32, of all but itself
//! 16 salt, 32 bytes │ 48 count u32 │ 52 first u32 │ 56 count × key, sealed │ tag (16)
//! key  0 cipher u8 │ 1 zero … 8 │ 8 key, 32 bytes
//! ```
//! Keys are numbered from `first` on, which is drawn with the first key.
//!
//! Sealed with ChaCha20-Poly1305 under HKDF-SHA256(salt, operator's key), nonce 0: each time the
//! file is written its salt is new, and so is that key. The file stands twice, `keys` before
//! `keys.copy`, each written whole or not at all and safe before anything is sealed under a key
//! that is new in it; the one with more keys counts. Nothing is ever taken out of it.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::{hkdf, rand};
use runtime::Files;

use crate::keys::{BareKey, Cipher, KEY_BYTES, KeyNumber, Keys, TAG_BYTES, aead_key};
use crate::log::{checksum, u16_at, u32_at};

/// The layout's version; a file of another one is refused by name.
const VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"CWKEYS\0\0";
const CRC_AT: usize = 12;
const SALT_AT: usize = 16;
const SALT_BYTES: usize = 32;
const COUNT_AT: usize = 48;
const FIRST_AT: usize = 52;
const HEAD_BYTES: usize = 56;
const ENTRY_BYTES: usize = 8 + KEY_BYTES;
/// What the operator's key is used for here, and nowhere else.
const PURPOSE: &[u8] = b"corewire key file 1";
/// The file, and its copy.
const NAMES: [&str; 2] = ["keys", "keys.copy"];

/// What the operator chose.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    /// The key; no bytes for none.
    pub key: &'a [u8],
    /// The key before it was changed; no bytes for none.
    pub previous: &'a [u8],
    /// How the coming run seals.
    pub cipher: Cipher,
}

/// Why there are no keys. Nothing was changed.
#[derive(Debug)]
pub enum KeyError {
    /// The operator: the store is encrypted, and no key is given.
    Missing {
        /// The store.
        folder: PathBuf,
    },
    /// The operator: the key is not that of this store.
    Wrong {
        /// The key file.
        file: PathBuf,
    },
    /// Somebody: the key file and its copy are damaged.
    Damaged {
        /// The key file.
        file: PathBuf,
    },
    /// The key file has a layout that this server does not know.
    Version {
        /// The key file.
        file: PathBuf,
        /// Its version.
        version: u16,
    },
    /// The system: a file cannot be read or written.
    System {
        /// Which.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeyError::Missing { folder } => {
                write!(f, "{}: the store is encrypted; encryption_key is not set", folder.display())
            }
            KeyError::Wrong { file } => write!(
                f,
                "{}: the encryption_key is not the one that the store is encrypted with; set that \
                 one, as prev_encryption_key if it shall be changed",
                file.display()
            ),
            KeyError::Damaged { file } => write!(
                f,
                "{}: the key file and its copy are damaged; bring one of them back from a backup",
                file.display()
            ),
            KeyError::Version { file, version } => {
                let file = file.display();
                write!(f, "{file}: layout version {version}; this server knows {VERSION}")
            }
            KeyError::System { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for KeyError {}

/// A key file as it was read: sealed.
struct Found {
    bytes: Vec<u8>,
}

/// The keys for a run that begins: those of all runs before, and a new one, which is safe on disk.
/// They are sealed under the operator's present key from now on. No keys if none is given and the
/// store is not encrypted.
///
/// # Errors
/// [`KeyError`].
pub fn begin_run(files: &dyn Files, folder: &Path, chosen: &Chosen<'_>) -> Result<Keys, KeyError> {
    let known = bare_keys(files, folder, &[chosen.key, chosen.previous])?;
    if chosen.key.is_empty() {
        return Ok(Keys::default());
    }
    let mut drawn = [0; 4];
    fill(&mut drawn, folder)?;
    // Room is left for as many keys as there may be runs.
    let drawn = KeyNumber(1 + (u32::from_le_bytes(drawn) >> 1));
    let (first, mut bare) = known.unwrap_or((drawn, Vec::new()));
    let mut key = [0; KEY_BYTES];
    fill(&mut key, folder)?;
    bare.push(BareKey { cipher: chosen.cipher, key });
    let bytes = sealed(first, &bare, chosen.key, folder)?;
    for name in NAMES {
        let path = folder.join(name);
        files.replace(&path, &bytes).map_err(|error| KeyError::System { path, error })?;
    }
    Ok(Keys::new(first, &bare))
}

/// The keys of a store that is only looked at.
///
/// # Errors
/// [`KeyError`].
pub fn look(files: &dyn Files, folder: &Path, key: &[u8]) -> Result<Keys, KeyError> {
    let known = bare_keys(files, folder, &[key])?;
    Ok(known.map_or_else(Keys::default, |(first, bare)| Keys::new(first, &bare)))
}

/// The keys in the clear and the first one's number, opened with the first of the operator's keys
/// that fits; `None` if there is no key file.
fn bare_keys(
    files: &dyn Files,
    folder: &Path,
    keys: &[&[u8]],
) -> Result<Option<(KeyNumber, Vec<BareKey>)>, KeyError> {
    let Some(found) = find(files, folder)? else { return Ok(None) };
    let mut given = keys.iter().filter(|key| !key.is_empty()).peekable();
    if given.peek().is_none() {
        return Err(KeyError::Missing { folder: folder.to_path_buf() });
    }
    let wrong = || KeyError::Wrong { file: folder.join(NAMES[0]) };
    let bare = given.find_map(|key| found.open(key)).ok_or_else(wrong)?;
    Ok(Some((KeyNumber(u32_at(&found.bytes, FIRST_AT)), bare)))
}

/// The key file, or its copy: the one that is whole and has more keys.
fn find(files: &dyn Files, folder: &Path) -> Result<Option<Found>, KeyError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        |error| KeyError::System { path, error }
    };
    let entries = files.list(folder).map_err(failed(folder))?;
    let (mut best, mut is_there): (Option<Found>, bool) = (None, false);
    for name in NAMES {
        let path = folder.join(name);
        let Some(entry) = entries.iter().find(|entry| entry.path == path) else { continue };
        is_there = true;
        let mut bytes = vec![0; entry.len as usize];
        let read = files.read_at(&path, 0, &mut bytes).map_err(failed(&path))?;
        bytes.truncate(read);
        let Some(found) = Found::whole(bytes) else { continue };
        let version = u16_at(&found.bytes, 8);
        if version != VERSION {
            return Err(KeyError::Version { file: path, version });
        }
        if best.as_ref().is_none_or(|best| found.count() > best.count()) {
            best = Some(found);
        }
    }
    if best.is_none() && is_there {
        return Err(KeyError::Damaged { file: folder.join(NAMES[0]) });
    }
    Ok(best)
}

impl Found {
    /// A key file, if nobody has changed it.
    fn whole(bytes: Vec<u8>) -> Option<Found> {
        let is_file = bytes.len() >= HEAD_BYTES + TAG_BYTES && bytes[..8] == MAGIC;
        if !is_file || checksum_of(&bytes) != u32_at(&bytes, CRC_AT) {
            return None;
        }
        let found = Found { bytes };
        let room = found.bytes.len() - HEAD_BYTES - TAG_BYTES;
        (Some(room) == found.count().checked_mul(ENTRY_BYTES)).then_some(found)
    }

    fn count(&self) -> usize {
        u32_at(&self.bytes, COUNT_AT) as usize
    }

    /// The keys in it; `None` if it was sealed under another key than this.
    fn open(&self, key: &[u8]) -> Option<Vec<BareKey>> {
        let (head, sealed) = self.bytes.split_at(HEAD_BYTES);
        let salt = &head[SALT_AT..SALT_AT + SALT_BYTES];
        let mut sealed = sealed.to_vec();
        let opened = sealing_key(key, salt).open_in_place(nonce(), covered(head), &mut sealed);
        let entries = opened.ok()?.chunks_exact(ENTRY_BYTES);
        let entry = |bytes: &[u8]| {
            let cipher = Cipher::numbered(bytes[0])?;
            Some(BareKey { cipher, key: *bytes[8..].first_chunk()? })
        };
        entries.map(entry).collect()
    }
}

/// The file with these keys, under a new salt.
fn sealed(
    first: KeyNumber,
    bare: &[BareKey],
    key: &[u8],
    folder: &Path,
) -> Result<Vec<u8>, KeyError> {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&MAGIC);
    head[8..10].copy_from_slice(&VERSION.to_le_bytes());
    fill(&mut head[SALT_AT..SALT_AT + SALT_BYTES], folder)?;
    head[COUNT_AT..COUNT_AT + 4].copy_from_slice(&(bare.len() as u32).to_le_bytes());
    head[FIRST_AT..].copy_from_slice(&first.0.to_le_bytes());
    let mut text = Vec::with_capacity(bare.len() * ENTRY_BYTES + TAG_BYTES);
    for BareKey { cipher, key } in bare {
        text.extend_from_slice(&[*cipher as u8, 0, 0, 0, 0, 0, 0, 0]);
        text.extend_from_slice(key);
    }
    let with = sealing_key(key, &head[SALT_AT..SALT_AT + SALT_BYTES]);
    with.seal_in_place_append_tag(nonce(), covered(&head), &mut text)
        .expect("a few keys are no long text");
    let mut bytes = [&head[..], &text].concat();
    let crc = checksum_of(&bytes);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

/// The key that one writing of the file is sealed with.
fn sealing_key(key: &[u8], salt: &[u8]) -> LessSafeKey {
    let mut sealing = [0; KEY_BYTES];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(key)
        .expand(&[PURPOSE], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut sealing))
        .expect("as many bytes as the hash has");
    aead_key(Cipher::ChaCha, &sealing)
}

/// What of the head the seal covers: all but the checksum, which comes later.
fn covered(head: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([&head[..CRC_AT], &head[SALT_AT..HEAD_BYTES]].concat())
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn checksum_of(bytes: &[u8]) -> u32 {
    checksum(&bytes[SALT_AT..]) ^ checksum(&bytes[..CRC_AT])
}

fn fill(random: &mut [u8], folder: &Path) -> Result<(), KeyError> {
    rand::fill(random).map_err(|_| KeyError::System {
        path: folder.to_path_buf(),
        error: io::Error::other("the system has no random numbers"),
    })
}

const _: () = {
    assert!(SALT_AT + SALT_BYTES == COUNT_AT);
    assert!(CRC_AT + 4 == SALT_AT && COUNT_AT + 4 == FIRST_AT && FIRST_AT + 4 == HEAD_BYTES);
};

#[cfg(test)]
mod tests;
