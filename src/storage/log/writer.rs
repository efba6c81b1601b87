//! Hot path: where records become bytes of a segment. Before it: `Log::append`; after it: the
//! pipeline, which writes what was closed.
//!
//! ```text
//! block   │ written before │ batch record │ record │ record │ pad │ next batch …
//!         base          frozen                                  len: a whole sector
//! ```
//! The file's header lies in the first block, before its first batch, and leaves with it.

use buffer::{Block, BlockSlice};

use super::index::IndexBuilder;
use super::layout::{Footer, Header};
use super::record::{self, BATCH_BYTES, Batch, HEADER_BYTES, RecordKind};
use super::sealed::{seal_index, seal_record};
use super::{Epoch, Slot, StreamNumber, checksum};
use crate::keys::{KeyNumber, Keys, TAG_BYTES};

/// The segment being filled.
pub struct Writer {
    pub slot: Slot,
    pub index: IndexBuilder,
    epoch: Epoch,
    /// What records are sealed under, and by how much that makes them longer.
    keys: Keys,
    key: KeyNumber,
    tag_bytes: usize,
    sector: u32,
    file_bytes: u32,
    /// Where the block begins in the file.
    base: u32,
    block: Block,
    /// Where the open batch begins in the block.
    batch: Option<usize>,
}

/// A closed batch, to be written.
pub struct Closed {
    /// Where to.
    pub offset: u32,
    /// What.
    pub bytes: BlockSlice,
}

impl Writer {
    /// A writer for an empty segment, whose key is that of this run.
    pub fn new(slot: Slot, header: &Header, keys: Keys, mut block: Block) -> Writer {
        let sector = header.sector_bytes;
        let first = block.claim(sector as usize);
        first.fill(0);
        let fields = header.encode();
        first[..fields.len()].copy_from_slice(&fields);
        Writer {
            slot,
            index: IndexBuilder::default(),
            epoch: header.epoch,
            keys,
            key: header.key,
            tag_bytes: header.key.tag_bytes(),
            sector,
            file_bytes: header.file_bytes as u32,
            base: 0,
            block,
            batch: None,
        }
    }

    /// Whether a record fits the block, with what ends its batch.
    #[inline]
    pub fn fits_block(&self, length: usize) -> bool {
        let start = if self.batch.is_some() { 0 } else { BATCH_BYTES };
        start + length + self.tag_bytes + HEADER_BYTES <= self.block.room()
    }

    /// Whether a record fits the segment, with what will be said of it in the index.
    #[inline]
    pub fn fits_segment(&self, length: usize, subject: usize) -> bool {
        let sector = self.sector as usize;
        let length = length + self.tag_bytes;
        let data = self.position() as usize + BATCH_BYTES + length + HEADER_BYTES + sector;
        let growth = IndexBuilder::growth_max(subject) + self.tag_bytes;
        let index = (self.index.encoded_bytes() + growth).next_multiple_of(sector);
        data.next_multiple_of(sector) + index + sector <= self.file_bytes as usize
    }

    /// Bytes that a block must have for such a record.
    pub fn block_bytes(length: usize) -> usize {
        BATCH_BYTES + length + TAG_BYTES + HEADER_BYTES
    }

    /// The end of what was put.
    #[inline]
    pub fn position(&self) -> u32 {
        self.base + self.block.len() as u32
    }

    /// Whether a batch is open.
    #[inline]
    pub fn has_open_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// Whether a batch of this segment was closed.
    #[inline]
    pub fn has_closed(&self) -> bool {
        self.base > 0 || self.block.frozen() > 0
    }

    /// Puts a record of `length` bytes, which must fit. Where it lies.
    #[inline]
    pub fn put(&mut self, length: usize, write: impl FnOnce(&mut [u8])) -> u32 {
        if self.batch.is_none() {
            self.batch = Some(self.block.len());
            self.block.claim(BATCH_BYTES);
        }
        let offset = self.position();
        let out = self.block.claim(length + self.tag_bytes);
        write(&mut out[..length]);
        if self.tag_bytes > 0 {
            seal_record(&self.keys, self.epoch, offset, out);
        }
        record::sign(out, self.epoch, offset);
        offset
    }

    /// Ends the open batch, if there is one.
    pub fn close(&mut self, number: u64, safe: u64) -> Option<Closed> {
        let start = self.batch.take()?;
        self.pad();
        let (from, frozen) = (self.base + start as u32, self.block.frozen());
        let bytes = (self.block.len() - start) as u32;
        let batch = &mut self.block.unfrozen_mut()[start - frozen..][..BATCH_BYTES];
        let about = Batch { epoch: self.epoch, bytes, key: self.key };
        record::write_batch(number, safe, about, batch);
        record::sign(batch, self.epoch, from);
        let offset = self.base + frozen as u32;
        Some(Closed { offset, bytes: self.block.freeze() })
    }

    /// Fills up to a whole sector.
    fn pad(&mut self) {
        let len = self.block.len();
        let sector = self.sector as usize;
        let mut gap = len.next_multiple_of(sector) - len;
        if gap == 0 {
            return;
        }
        if gap < HEADER_BYTES {
            gap += sector;
        }
        let offset = self.position();
        let out = self.block.claim(gap);
        out[HEADER_BYTES..].fill(0);
        record::write_bare(RecordKind::Pad, StreamNumber(0), 0, 0, out);
        record::sign_free(out, self.epoch, offset);
    }

    /// Goes on in another block; the one so far and where it began. No batch is open.
    pub fn next_block(&mut self, block: Block) -> (u32, Block) {
        debug_assert!(self.batch.is_none(), "a batch lies in one block");
        let position = self.position();
        let base = std::mem::replace(&mut self.base, position);
        (base, std::mem::replace(&mut self.block, block))
    }

    /// What was put at `offset` and behind it, if it still lies in this block.
    #[inline]
    pub fn bytes_at(&self, offset: u32) -> Option<&[u8]> {
        self.block.bytes().get(offset.checked_sub(self.base)? as usize..)
    }

    /// What seals the segment: index and footer.
    pub fn ending(&self, last_batch: u64) -> Ending {
        debug_assert!(self.batch.is_none(), "everything is written before the end");
        let Writer { epoch, key, sector, file_bytes, .. } = *self;
        let place = EndingPlace { epoch, key, data_end: self.position(), sector, file_bytes };
        let ending = Ending::within(self.index.encode(), &place, &self.keys, last_batch);
        ending.expect("room for the index was kept")
    }
}

/// The end of a sealed segment's file. The index is safe before the footer is written, so that a
/// footer never stands over half an index.
pub struct Ending {
    pub footer: Footer,
    pub index: BlockSlice,
    pub footer_at: u32,
    pub footer_sector: BlockSlice,
}

/// Where a segment ends.
pub struct EndingPlace {
    pub epoch: Epoch,
    /// What its records are sealed under; then its index is, too.
    pub key: KeyNumber,
    pub data_end: u32,
    pub sector: u32,
    pub file_bytes: u32,
}

impl EndingPlace {
    /// Where a segment with this header ends, whose data ends at `data_end`.
    pub fn of(header: &Header, data_end: u32) -> EndingPlace {
        let Header { epoch, key, sector_bytes: sector, file_bytes, .. } = *header;
        EndingPlace { epoch, key, data_end, sector, file_bytes: file_bytes as u32 }
    }
}

impl Ending {
    /// The end of a segment with this index; `None` where room is missing for it.
    pub fn within(
        mut index: Vec<u8>,
        place: &EndingPlace,
        keys: &Keys,
        last_batch: u64,
    ) -> Option<Ending> {
        let EndingPlace { epoch, data_end, sector, file_bytes, .. } = *place;
        let index_bytes = index.len() + place.key.tag_bytes();
        let room = (index_bytes as u32).next_multiple_of(sector);
        let footer_at = file_bytes.checked_sub(sector)?;
        let index_at = footer_at.checked_sub(room).filter(|&at| at >= data_end)?;
        let mut key = KeyNumber::NONE;
        if place.key != KeyNumber::NONE {
            key = keys.newest();
            seal_index(keys, epoch, &mut index);
        }
        let footer = Footer {
            is_free: false,
            epoch,
            data_end,
            index_at,
            index_bytes: index_bytes as u32,
            index_crc: checksum(&index),
            last_batch,
            key,
        };
        let index = whole_sectors(&index, room as usize);
        let footer_sector = whole_sectors(&footer.encode(), sector as usize);
        Some(Ending { footer, index, footer_at, footer_sector })
    }
}

/// These bytes, then zeroes up to `len`.
pub fn whole_sectors(bytes: &[u8], len: usize) -> BlockSlice {
    let mut block = Block::new(len.next_multiple_of(buffer::BLOCK_ALIGN));
    block.append(bytes);
    block.claim(len - bytes.len()).fill(0);
    block.freeze()
}
