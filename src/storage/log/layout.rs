//! The borders of a segment file: its header and its footer. All numbers are little-endian.
//!
//! ```text
//! ┌ header, one sector ┬ batch ┬ batch ┬ … ┬ room ┬ index ┬ footer, one sector ┐
//! 0                 sector                data_end  index_at        file_bytes - sector
//!
//! header  0 magic "CWSEG" 0 0 0 │ 8 version u16 │ 10 state u8 │ 11 log₂ sector u8 │ 12 crc u32
//!        16 epoch u64 │ 24 file_bytes u64 │ 32 run u64 │ 40 first_batch u64 │ 48 log u32
//!        52 key u32 │ 56 zero … 64
//! footer  0 magic "CWEND" 0 0 0 │ 8 version u16 │ 10 free u8 │ 11 zero u8 │ 12 crc u32
//!        16 epoch u64 │ 24 data_end u32 │ 28 index_at u32 │ 32 index_bytes u32
//!        36 index_crc u32 │ 40 last_batch u64 │ 48 key u32 │ 52 zero … 64
//! ```
//! `key` says under which key records, or the index, are sealed (see `sealed.rs`); 0 for none.
//!
//! A segment is *sealed* when its footer bears its header's epoch. An epoch is given once, so
//! nothing that an earlier use left in a file can be taken for its present contents. A segment is
//! *free* when its header says so, or its footer does under the header's epoch: both are written,
//! footer first, so that damage to either revives nothing.

use crate::keys::KeyNumber;
use crate::log::{Epoch, checksum};

/// The layout's version. Files of version 1 are read as well: nothing in them is compressed or
/// encrypted. A file of another one is refused by name.
pub const VERSION: u16 = 2;

/// The oldest version that is read.
const VERSION_MIN: u16 = 1;

/// Bytes of a header's and a footer's fields.
pub const BORDER_BYTES: usize = 64;

const HEADER_MAGIC: [u8; 8] = *b"CWSEG\0\0\0";
const FOOTER_MAGIC: [u8; 8] = *b"CWEND\0\0\0";
const VERSION_AT: usize = 8;
const CRC_AT: usize = 12;

/// What a segment file is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SegmentUse {
    /// Nothing: what is behind the header means nothing.
    Free = 0,
    /// It was appended to.
    Log = 1,
    /// It was written by compaction; before it is sealed it means nothing.
    Compacted = 2,
}

/// The start of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the file is used for.
    pub used: SegmentUse,
    /// Its sectors, bytes: a power of two.
    pub sector_bytes: u32,
    /// Which use of a file this is.
    pub epoch: Epoch,
    /// The file's length.
    pub file_bytes: u64,
    /// Which run of the server began the segment, counted per log.
    pub run: u64,
    /// The number of its first batch; the batches of a run are one row over all its segments.
    pub first_batch: u64,
    /// Whose log it is: the core's number.
    pub log: u32,
    /// What the records are sealed under.
    pub key: KeyNumber,
}

/// The end of a sealed segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Whether the segment is free; then only the epoch counts.
    pub is_free: bool,
    /// The header's.
    pub epoch: Epoch,
    /// Where the data ends.
    pub data_end: u32,
    /// Where the index lies.
    pub index_at: u32,
    /// Its length.
    pub index_bytes: u32,
    /// Its checksum.
    pub index_crc: u32,
    /// The number of the last batch.
    pub last_batch: u64,
    /// What the index is sealed under.
    pub key: KeyNumber,
}

/// Why a header or footer cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BorderError {
    /// There is none.
    Absent,
    /// There is one of a layout that this server does not know.
    Version(u16),
    /// Its bytes were changed.
    Damaged,
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; BORDER_BYTES] {
        let mut out = [0; BORDER_BYTES];
        out[..8].copy_from_slice(&HEADER_MAGIC);
        out[VERSION_AT..VERSION_AT + 2].copy_from_slice(&VERSION.to_le_bytes());
        out[10] = self.used as u8;
        out[11] = self.sector_bytes.ilog2() as u8;
        out[16..24].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.file_bytes.to_le_bytes());
        out[32..40].copy_from_slice(&self.run.to_le_bytes());
        out[40..48].copy_from_slice(&self.first_batch.to_le_bytes());
        out[48..52].copy_from_slice(&self.log.to_le_bytes());
        out[52..56].copy_from_slice(&self.key.0.to_le_bytes());
        sign(&mut out);
        out
    }

    /// Reads a header from the start of a file.
    ///
    /// # Errors
    /// [`BorderError`] when there is none, or none to be trusted.
    pub fn decode(bytes: &[u8]) -> Result<Header, BorderError> {
        let fields = verify(bytes, HEADER_MAGIC)?;
        let used = match fields[10] {
            0 => SegmentUse::Free,
            1 => SegmentUse::Log,
            2 => SegmentUse::Compacted,
            _ => return Err(BorderError::Damaged),
        };
        let sector_bytes = 1u32.checked_shl(u32::from(fields[11])).ok_or(BorderError::Damaged)?;
        Ok(Header {
            used,
            sector_bytes,
            epoch: Epoch(u64_at(fields, 16)),
            file_bytes: u64_at(fields, 24),
            run: u64_at(fields, 32),
            first_batch: u64_at(fields, 40),
            log: u32_at(fields, 48),
            key: KeyNumber(u32_at(fields, 52)),
        })
    }
}

impl Footer {
    /// The footer's bytes.
    pub fn encode(&self) -> [u8; BORDER_BYTES] {
        let mut out = [0; BORDER_BYTES];
        out[..8].copy_from_slice(&FOOTER_MAGIC);
        out[VERSION_AT..VERSION_AT + 2].copy_from_slice(&VERSION.to_le_bytes());
        out[10] = u8::from(self.is_free);
        out[16..24].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[24..28].copy_from_slice(&self.data_end.to_le_bytes());
        out[28..32].copy_from_slice(&self.index_at.to_le_bytes());
        out[32..36].copy_from_slice(&self.index_bytes.to_le_bytes());
        out[36..40].copy_from_slice(&self.index_crc.to_le_bytes());
        out[40..48].copy_from_slice(&self.last_batch.to_le_bytes());
        out[48..52].copy_from_slice(&self.key.0.to_le_bytes());
        sign(&mut out);
        out
    }

    /// The footer of a free segment.
    pub fn free(epoch: Epoch) -> Footer {
        Footer {
            is_free: true,
            epoch,
            data_end: 0,
            index_at: 0,
            index_bytes: 0,
            index_crc: 0,
            last_batch: 0,
            key: KeyNumber::NONE,
        }
    }

    /// Reads a footer from the last sector of a file.
    ///
    /// # Errors
    /// [`BorderError`] when there is none, or none to be trusted.
    pub fn decode(bytes: &[u8]) -> Result<Footer, BorderError> {
        let fields = verify(bytes, FOOTER_MAGIC)?;
        Ok(Footer {
            is_free: fields[10] != 0,
            epoch: Epoch(u64_at(fields, 16)),
            data_end: u32_at(fields, 24),
            index_at: u32_at(fields, 28),
            index_bytes: u32_at(fields, 32),
            index_crc: u32_at(fields, 36),
            last_batch: u64_at(fields, 40),
            key: KeyNumber(u32_at(fields, 48)),
        })
    }
}

fn sign(out: &mut [u8; BORDER_BYTES]) {
    let crc = checksum(&out[..]);
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The fields, if they are whole. The checksum covers them with zeroes in its own place.
fn verify(bytes: &[u8], magic: [u8; 8]) -> Result<&[u8; BORDER_BYTES], BorderError> {
    let fields: &[u8; BORDER_BYTES] = bytes.first_chunk().ok_or(BorderError::Absent)?;
    if fields.iter().all(|&byte| byte == 0) {
        return Err(BorderError::Absent);
    }
    let mut unsigned = *fields;
    unsigned[CRC_AT..CRC_AT + 4].fill(0);
    let is_whole = checksum(&unsigned) == u32_at(fields, CRC_AT);
    if fields[..8] != magic || !is_whole {
        return Err(BorderError::Damaged);
    }
    match u16_at(fields, VERSION_AT) {
        VERSION_MIN..=VERSION => Ok(fields),
        other => Err(BorderError::Version(other)),
    }
}

/// The version that the start of a file names, if it is that of a segment.
pub fn version_of(bytes: &[u8]) -> Option<u16> {
    verify(bytes, HEADER_MAGIC).ok().map(|fields| u16_at(fields, VERSION_AT))
}

/// The number at `at`.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

/// The number at `at`.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The number at `at`.
#[inline]
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

const _: () = {
    assert!(BORDER_BYTES <= 512, "a border fits the smallest sector");
    assert!(HEADER_MAGIC.len() == 8 && FOOTER_MAGIC.len() == 8);
};

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            used: SegmentUse::Compacted,
            sector_bytes: 512,
            epoch: Epoch(7),
            file_bytes: 1 << 20,
            run: 3,
            first_batch: 1 << 33,
            log: 5,
            key: KeyNumber(6),
        }
    }

    #[test]
    fn borders_come_back_and_any_flipped_bit_is_seen() {
        let footer = Footer {
            is_free: true,
            epoch: Epoch(7),
            data_end: 4096,
            index_at: 8192,
            index_bytes: 99,
            index_crc: 12,
            last_batch: 1 << 40,
            key: KeyNumber(6),
        };
        assert_eq!(Header::decode(&header().encode()), Ok(header()));
        assert_eq!(Footer::decode(&footer.encode()), Ok(footer));
        for bit in 0..BORDER_BYTES * 8 {
            let (mut head, mut foot) = (header().encode(), footer.encode());
            head[bit / 8] ^= 1 << (bit % 8);
            foot[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&head), Err(BorderError::Damaged), "bit {bit}");
            assert_eq!(Footer::decode(&foot), Err(BorderError::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_named_and_nothing_is_nothing() {
        let mut bytes = header().encode();
        bytes[8] = 9;
        bytes[CRC_AT..CRC_AT + 4].fill(0);
        sign(&mut bytes);
        assert_eq!(Header::decode(&bytes), Err(BorderError::Version(9)));
        assert_eq!(version_of(&bytes), None);
        assert_eq!(version_of(&header().encode()), Some(VERSION));
        assert_eq!(Header::decode(&[0; 512]), Err(BorderError::Absent));
        assert_eq!(Footer::decode(&[]), Err(BorderError::Absent));
    }
}
