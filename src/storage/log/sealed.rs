//! Records and indexes of segments that are encrypted: sealed before their checksum, opened after
//! it. See [`crate::keys`] for the keys.
//!
//! ```text
//! record   crc │ length … time: in the clear, covered by the tag │ body, sealed │ tag (16)
//! index    sealed │ tag (16)
//! ```
//! `length` counts the tag, in the record as it stands on disk; everywhere else lengths are those
//! of the record in the clear. Batches, pads and what is erased are not sealed: they hold nothing.

use super::Epoch;
use super::record::{HEADER_BYTES, Record, RecordKind};
use crate::keys::{INDEX_PLACE, KeyNumber, Keys, TAG_BYTES};

/// What a segment's bytes are sealed with.
#[derive(Clone, Copy)]
pub struct Seal<'a> {
    pub keys: &'a Keys,
    pub key: KeyNumber,
    pub epoch: Epoch,
}

/// Seals a record for where it will stand. It fills `out` but for the tag.
pub fn seal_record(keys: &Keys, epoch: Epoch, offset: u32, out: &mut [u8]) {
    let length = out.len() as u32;
    out[4..8].copy_from_slice(&length.to_le_bytes());
    let (head, rest) = out.split_at_mut(HEADER_BYTES);
    let (body, tag) = rest.split_at_mut(rest.len() - TAG_BYTES);
    tag.copy_from_slice(&keys.seal((epoch, offset), &head[4..], body));
}

/// Seals an index under the key of this run.
pub fn seal_index(keys: &Keys, epoch: Epoch, index: &mut Vec<u8>) {
    let tag = keys.seal((epoch, INDEX_PLACE), &[], index);
    index.extend_from_slice(&tag);
}

impl Seal<'_> {
    /// The record that stands at `offset`, as it was before it was sealed; it may use `plain`.
    /// `None` when it is not what was sealed there.
    pub fn open<'b>(
        &self,
        record: Record<'b>,
        offset: u32,
        plain: &'b mut Vec<u8>,
    ) -> Option<Record<'b>> {
        if self.key == KeyNumber::NONE || is_bare(&record) {
            return Some(record);
        }
        if !self.open_into(record, offset, plain) {
            return None;
        }
        Record::trusted(plain)
    }

    /// Puts the record that stands at `offset` into `plain`, as it was before it was sealed;
    /// whether it is what was sealed there.
    pub fn open_into(&self, record: Record<'_>, offset: u32, plain: &mut Vec<u8>) -> bool {
        plain.clear();
        if is_bare(&record) {
            plain.extend_from_slice(record.bytes);
            return true;
        }
        let (head, sealed) = record.bytes.split_at(HEADER_BYTES);
        let Some(text_bytes) = sealed.len().checked_sub(TAG_BYTES) else { return false };
        let length = HEADER_BYTES + text_bytes;
        plain.extend_from_slice(&record.bytes[..length]);
        plain[4..8].copy_from_slice(&(length as u32).to_le_bytes());
        let (at, text) = ((self.epoch, offset), &mut plain[HEADER_BYTES..]);
        self.keys.open(self.key, at, &head[4..], sealed, text).is_ok()
    }

    /// An index in the clear; `None` when it is not what was sealed.
    pub fn open_index(&self, index: Vec<u8>) -> Option<Vec<u8>> {
        if self.key == KeyNumber::NONE {
            return Some(index);
        }
        let mut plain = vec![0; index.len().checked_sub(TAG_BYTES)?];
        let at = (self.epoch, INDEX_PLACE);
        self.keys.open(self.key, at, &[], &index, &mut plain).ok()?;
        Some(plain)
    }
}

/// Whether a record holds nothing to be sealed.
fn is_bare(record: &Record<'_>) -> bool {
    matches!(record.head.kind, RecordKind::Batch | RecordKind::Pad | RecordKind::Erased)
}

#[cfg(test)]
mod tests;
