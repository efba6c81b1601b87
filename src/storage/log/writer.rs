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
use super::record::{self, BATCH_BYTES, HEADER_BYTES, RecordKind};
use super::{Epoch, Slot, StreamNumber, checksum};

/// The segment being filled.
pub struct Writer {
    pub slot: Slot,
    pub index: IndexBuilder,
    epoch: Epoch,
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
    /// A writer for an empty segment.
    pub fn new(slot: Slot, header: &Header, mut block: Block) -> Writer {
        let sector = header.sector_bytes;
        let first = block.claim(sector as usize);
        first.fill(0);
        let fields = header.encode();
        first[..fields.len()].copy_from_slice(&fields);
        Writer {
            slot,
            index: IndexBuilder::default(),
            epoch: header.epoch,
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
        start + length + HEADER_BYTES <= self.block.room()
    }

    /// Whether a record fits the segment, with what will be said of it in the index.
    #[inline]
    pub fn fits_segment(&self, length: usize, subject: usize) -> bool {
        let sector = self.sector as usize;
        let data = self.position() as usize + BATCH_BYTES + length + HEADER_BYTES + sector;
        let growth = IndexBuilder::growth_max(subject);
        let index = (self.index.encoded_bytes() + growth).next_multiple_of(sector);
        data.next_multiple_of(sector) + index + sector <= self.file_bytes as usize
    }

    /// Bytes that a block must have for such a record.
    pub fn block_bytes(length: usize) -> usize {
        BATCH_BYTES + length + HEADER_BYTES
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
        let out = self.block.claim(length);
        write(out);
        record::seal(out, self.epoch, offset);
        offset
    }

    /// Ends the open batch, if there is one.
    pub fn close(&mut self, number: u64, safe: u64) -> Option<Closed> {
        let start = self.batch.take()?;
        self.pad();
        let (from, frozen) = (self.base + start as u32, self.block.frozen());
        let bytes = (self.block.len() - start) as u32;
        let batch = &mut self.block.unfrozen_mut()[start - frozen..][..BATCH_BYTES];
        record::write_batch(number, safe, self.epoch, bytes, batch);
        record::seal(batch, self.epoch, from);
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
        record::seal(out, self.epoch, offset);
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
        let (data_end, file_bytes) = (self.position(), self.file_bytes);
        Ending::new(&self.index, self.epoch, data_end, last_batch, self.sector, file_bytes)
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

impl Ending {
    /// The end of a segment whose data ends at `data_end`.
    pub fn new(
        index: &IndexBuilder,
        epoch: Epoch,
        data_end: u32,
        last_batch: u64,
        sector: u32,
        file_bytes: u32,
    ) -> Ending {
        Ending::within(index, epoch, data_end, last_batch, sector, file_bytes)
            .expect("room for the index was kept")
    }

    /// The same where room may be missing: `None` then.
    pub fn within(
        index: &IndexBuilder,
        epoch: Epoch,
        data_end: u32,
        last_batch: u64,
        sector: u32,
        file_bytes: u32,
    ) -> Option<Ending> {
        let index = index.encode();
        let room = (index.len() as u32).next_multiple_of(sector);
        let footer_at = file_bytes.checked_sub(sector)?;
        let index_at = footer_at.checked_sub(room).filter(|&at| at >= data_end)?;
        let footer = Footer {
            is_free: false,
            epoch,
            data_end,
            index_at,
            index_bytes: index.len() as u32,
            index_crc: checksum(&index),
            last_batch,
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
