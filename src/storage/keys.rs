//! The keys of encryption at rest, and what is done with them: texts sealed and opened.
//!
//! A store has one key for each run of its server, drawn when the run begins; the key file
//! (`key_file.rs`) keeps them all, sealed under the operator's. A run seals under its own only,
//! so that no nonce is ever used for two texts:
//!
//! - A nonce is the epoch of a segment and a place in it. Within a run a log counts its epochs and
//!   puts its number into them, so no two segments of a run share one, on any core. A place of a
//!   segment is put once: what compaction copies is sealed again for where it goes, and what is
//!   overwritten is overwritten with zeroes.
//! - A segment's index has a place of its own, and a run writes one index of a segment: the end of
//!   what an earlier run left open is sealed under the key of the run that found it.
//! - A file that is used again, and a copy of the folder put back, meet another run's key.

use std::sync::Arc;

use aws_lc_rs::aead::{
    AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};

use crate::log::Epoch;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes by which a sealed text is longer.
pub(crate) const TAG_BYTES: usize = 16;
/// The place of a segment's index among the nonces; no record begins there.
pub(crate) const INDEX_PLACE: u32 = u32::MAX;

/// How texts are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Cipher {
    /// ChaCha20-Poly1305.
    #[default]
    ChaCha = 1,
    /// AES-256-GCM.
    Aes = 2,
}

impl Cipher {
    /// The cipher of this number; `None` if there is none.
    pub(crate) fn numbered(number: u8) -> Option<Cipher> {
        [Cipher::ChaCha, Cipher::Aes].into_iter().find(|&cipher| cipher as u8 == number)
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Cipher::ChaCha => &CHACHA20_POLY1305,
            Cipher::Aes => &AES_256_GCM,
        }
    }
}

impl std::fmt::Display for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cipher::ChaCha => "ChaCha20-Poly1305",
            Cipher::Aes => "AES-GCM",
        })
    }
}

/// Which of a store's keys. They are counted, from a number drawn when the first is made: a store
/// whose key file was lost does not take the keys of a new one for its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyNumber(pub u32);

impl KeyNumber {
    /// What is not sealed.
    pub const NONE: KeyNumber = KeyNumber(0);

    /// Bytes by which records under this key are longer.
    #[inline]
    pub(crate) fn tag_bytes(self) -> usize {
        if self == KeyNumber::NONE { 0 } else { TAG_BYTES }
    }
}

/// A key in the clear, with its cipher.
#[derive(Clone)]
pub(crate) struct BareKey {
    pub(crate) cipher: Cipher,
    pub(crate) key: [u8; KEY_BYTES],
}

/// The text is not what was sealed, or not there, or not under this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forged;

/// The keys of a store; none where nothing is encrypted. All clones are the same keys.
#[derive(Clone, Default)]
pub struct Keys(Option<Arc<Ring>>);

struct Ring {
    /// The number of the first.
    first: u32,
    keys: Vec<LessSafeKey>,
    /// Every nonce that was sealed under: none may come twice.
    #[cfg(test)]
    used: std::sync::Mutex<std::collections::HashSet<(Epoch, u32)>>,
}

impl Keys {
    /// These keys, numbered from `first` on; the last is that of this run.
    pub(crate) fn new(first: KeyNumber, bare: &[BareKey]) -> Keys {
        let keys = bare.iter().map(|bare| aead_key(bare.cipher, &bare.key)).collect();
        Keys(Some(Arc::new(Ring {
            first: first.0,
            keys,
            #[cfg(test)]
            used: Default::default(),
        })))
    }

    /// Whether nothing is encrypted.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The key of this run; [`KeyNumber::NONE`] where nothing is encrypted.
    pub(crate) fn newest(&self) -> KeyNumber {
        let newest = |ring: &Arc<Ring>| KeyNumber(ring.first + ring.keys.len() as u32 - 1);
        self.0.as_ref().map_or(KeyNumber::NONE, newest)
    }

    /// Whether what is sealed under this key can be opened. What is not sealed always can.
    pub(crate) fn has(&self, key: KeyNumber) -> bool {
        key == KeyNumber::NONE || self.get(key).is_some()
    }

    fn get(&self, key: KeyNumber) -> Option<&LessSafeKey> {
        let ring = self.0.as_ref()?;
        ring.keys.get(key.0.checked_sub(ring.first)? as usize)
    }

    /// Seals `text` in place for a place of a segment, under the key of this run. `clear` stands
    /// beside it and is covered, too. What belongs behind the text.
    ///
    /// # Panics
    /// When there are no keys.
    pub(crate) fn seal(
        &self,
        (epoch, place): (Epoch, u32),
        clear: &[u8],
        text: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        let ring = self.0.as_ref().expect("only what has keys seals");
        #[cfg(test)]
        {
            let is_new = ring.used.lock().expect("no panic").insert((epoch, place));
            assert!(is_new, "{epoch:?} {place} was sealed before in this run");
        }
        let key = ring.keys.last().expect("a ring has keys");
        let sealed = key.seal_in_place_separate_tag(nonce(epoch, place), Aad::from(clear), text);
        let tag = sealed.expect("no text is near the longest that a cipher takes");
        tag.as_ref().try_into().expect("both ciphers' tags have 16 bytes")
    }

    /// Opens what was sealed for a place, the text and what stands behind it, into `text`.
    ///
    /// # Errors
    /// [`Forged`]; what is in `text` then means nothing.
    pub(crate) fn open(
        &self,
        key: KeyNumber,
        (epoch, place): (Epoch, u32),
        clear: &[u8],
        sealed: &[u8],
        text: &mut [u8],
    ) -> Result<(), Forged> {
        let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(Forged)?;
        let (key, nonce) = (self.get(key).ok_or(Forged)?, nonce(epoch, place));
        let opened = key.open_separate_gather(nonce, Aad::from(clear), sealed, tag, text);
        opened.map_err(|_| Forged)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.newest().0)
    }
}

/// A key ready for use.
pub(crate) fn aead_key(cipher: Cipher, key: &[u8; KEY_BYTES]) -> LessSafeKey {
    let key = UnboundKey::new(cipher.algorithm(), key);
    LessSafeKey::new(key.expect("both ciphers' keys have 32 bytes"))
}

/// A place among all places of all segments of a run.
fn nonce(epoch: Epoch, place: u32) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&epoch.0.to_le_bytes());
    nonce[8..].copy_from_slice(&place.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
impl Keys {
    /// The keys of the run with this number, for tests: each has those of the ones before.
    pub(crate) fn of_run(run: u8) -> Keys {
        let cipher = |run: u8| [Cipher::ChaCha, Cipher::Aes][usize::from(run % 2)];
        let bare = |run| BareKey { cipher: cipher(run), key: [run; KEY_BYTES] };
        Keys::new(KeyNumber(1), &(0..=run).map(bare).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_its_key_at_its_place_and_nowhere_else() {
        for run in [0, 1] {
            let keys = Keys::of_run(run);
            let (at, key) = ((Epoch(7), 512), keys.newest());
            let mut sealed = b"secret".to_vec();
            let tag = keys.seal(at, b"head", &mut sealed);
            sealed.extend_from_slice(&tag);
            assert!(!sealed.starts_with(b"secret"));
            let open = |key, at, clear: &[u8], sealed: &[u8]| {
                let mut text = [0; 6];
                keys.open(key, at, clear, sealed, &mut text).map(|()| text)
            };
            assert_eq!(open(key, at, b"head", &sealed), Ok(*b"secret"));
            assert_eq!(open(key, (Epoch(7), 513), b"head", &sealed), Err(Forged));
            assert_eq!(open(key, (Epoch(8), 512), b"head", &sealed), Err(Forged));
            assert_eq!(open(key, at, b"heat", &sealed), Err(Forged));
            assert_eq!(open(KeyNumber(key.0 + 1), at, b"head", &sealed), Err(Forged));
            assert_eq!(open(KeyNumber::NONE, at, b"head", &sealed), Err(Forged));
            assert_eq!(open(key, at, b"head", &sealed[..15]), Err(Forged));
            for byte in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[byte] ^= 1;
                assert_eq!(open(key, at, b"head", &changed), Err(Forged), "byte {byte}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "sealed before")]
    fn a_place_is_sealed_once() {
        let keys = Keys::of_run(0);
        keys.seal((Epoch(1), 0), b"", &mut [1]);
        keys.seal((Epoch(1), 0), b"", &mut [2]);
    }

    #[test]
    fn keys_do_not_show() {
        assert_eq!(format!("{:?}", Keys::of_run(2)), "Keys(3)");
    }
}
