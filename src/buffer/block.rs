//! Hot path: memory for direct I/O. Before it: `storage::log`, which appends records; after it:
//! the disk, which reads what was frozen while the rest is still being filled.
//!
//! ```text
//! memory │ frozen: shared, never changes │ written: readable by its owner │ room │
//!        0                            frozen                            len   capacity
//! ```
//! `0 <= frozen <= len <= capacity` always. [`Block::freeze`] moves the first border; a
//! [`BlockSlice`] lies left of it, so no byte is written while someone else reads it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;

/// What direct I/O wants of addresses on every disk that we know of, bytes.
pub const BLOCK_ALIGN: usize = 4096;

/// One aligned allocation. Zeroed at first.
struct Memory {
    start: NonNull<u8>,
    capacity: usize,
}

impl Memory {
    fn new(capacity: usize) -> Memory {
        let layout = Memory::layout(capacity);
        // SAFETY: `layout` has a size above zero, see there.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
        Memory { start, capacity }
    }

    fn layout(capacity: usize) -> Layout {
        assert!(capacity > 0 && capacity.is_multiple_of(BLOCK_ALIGN), "whole blocks only");
        Layout::from_size_align(capacity, BLOCK_ALIGN).expect("less than an address space")
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this very layout.
        unsafe { dealloc(self.start.as_ptr(), Memory::layout(self.capacity)) };
    }
}

/// Aligned memory that is filled front to back by one owner. What was frozen may be shared.
pub struct Block {
    memory: Rc<Memory>,
    frozen: usize,
    len: usize,
}

impl Block {
    /// An empty block of so many bytes: a multiple of [`BLOCK_ALIGN`], above zero.
    pub fn new(capacity: usize) -> Block {
        Block { memory: Rc::new(Memory::new(capacity)), frozen: 0, len: 0 }
    }

    /// All that fits.
    pub fn capacity(&self) -> usize {
        self.memory.capacity
    }

    /// Bytes written so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes frozen so far.
    #[inline]
    pub fn frozen(&self) -> usize {
        self.frozen
    }

    /// Bytes that still fit.
    #[inline]
    pub fn room(&self) -> usize {
        self.memory.capacity - self.len
    }

    /// What was written, frozen or not.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len <= capacity`; the memory was zeroed, so it is initialised; it is written
        // to by this value only, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.memory.start.as_ptr(), self.len) }
    }

    /// What was written since the last freeze, to be changed.
    #[inline]
    pub fn unfrozen_mut(&mut self) -> &mut [u8] {
        let len = self.len - self.frozen;
        // SAFETY: `frozen <= len <= capacity`; slices handed out lie before `frozen`, and
        // `&mut self` keeps away this value's own readers.
        unsafe { std::slice::from_raw_parts_mut(self.memory.start.as_ptr().add(self.frozen), len) }
    }

    /// Counts the next `len` bytes, which must fit, as written, and gives them to be filled. They
    /// hold what earlier use left there.
    #[inline]
    pub fn claim(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= self.room(), "more claimed than fits");
        let start = self.len;
        self.len += len;
        // SAFETY: in bounds by the assertion, and behind `frozen`, so that nobody reads it;
        // `&mut self` keeps away this value's own readers.
        unsafe { std::slice::from_raw_parts_mut(self.memory.start.as_ptr().add(start), len) }
    }

    /// The room, for the kernel to write to: its start and its length.
    pub fn spare(&mut self) -> (*mut u8, usize) {
        let room = self.room();
        // SAFETY: `len <= capacity`, so the pointer stays within the allocation or at its end.
        (unsafe { self.memory.start.as_ptr().add(self.len) }, room)
    }

    /// Counts `len` bytes of the room, which must fit, as written: the kernel filled them.
    pub fn filled(&mut self, len: usize) {
        // Never uninitialised: the memory was zeroed at first.
        self.claim(len);
    }

    /// Appends bytes that must fit.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.claim(bytes.len()).copy_from_slice(bytes);
    }

    /// What was written since the last freeze; from now on it is shared and never changes.
    pub fn freeze(&mut self) -> BlockSlice {
        let start = std::mem::replace(&mut self.frozen, self.len);
        BlockSlice { memory: Rc::clone(&self.memory), start, len: self.len - start }
    }

    /// Whether somebody holds a slice of it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Rc::strong_count(&self.memory) > 1
    }

    /// An empty block again, if nobody holds a slice of it any more.
    #[must_use]
    pub fn reuse(self) -> Option<Block> {
        let mut memory = self.memory;
        Rc::get_mut(&mut memory)?;
        Some(Block { memory, frozen: 0, len: 0 })
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} frozen, {} of {})", self.frozen, self.len, self.memory.capacity)
    }
}

/// Frozen bytes of a block. Cheap to clone; the block's memory stays as long as one is held.
#[derive(Clone)]
pub struct BlockSlice {
    memory: Rc<Memory>,
    start: usize,
    len: usize,
}

impl BlockSlice {
    /// The first `len` bytes of it.
    #[must_use]
    pub fn first(&self, len: usize) -> BlockSlice {
        assert!(len <= self.len, "a part is not longer than the whole");
        BlockSlice { len, ..self.clone() }
    }
}

impl Deref for BlockSlice {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the range was written and frozen when the slice was made, so it lies within the
        // memory, is initialised, and is never written to again while this slice is held:
        // `Block::claim` and `Block::unfrozen_mut` begin behind it, and `Block::reuse` needs to
        // be the only holder.
        unsafe { std::slice::from_raw_parts(self.memory.start.as_ptr().add(self.start), self.len) }
    }
}

impl fmt::Debug for BlockSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockSlice({} + {})", self.start, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frozen_stays_while_the_rest_is_filled() {
        let mut block = Block::new(BLOCK_ALIGN);
        block.append(b"abc");
        let first = block.freeze();
        block.append(b"def");
        block.unfrozen_mut()[0] = b'D';
        let second = block.freeze();
        assert_eq!((&*first, &*second), (&b"abc"[..], &b"Def"[..]));
        assert_eq!(block.bytes(), b"abcDef");
        assert_eq!(&*second.first(1), b"D");
        assert_eq!(first.as_ptr() as usize % BLOCK_ALIGN, 0);
        assert_eq!(block.room(), BLOCK_ALIGN - 6);
    }

    #[test]
    fn a_block_is_used_again_only_when_no_slice_is_left() {
        let mut block = Block::new(2 * BLOCK_ALIGN);
        block.append(b"x");
        let slice = block.freeze();
        assert!(block.reuse().is_none());
        assert_eq!(&*slice, b"x");
        let mut block = Block::new(BLOCK_ALIGN);
        block.append(b"x");
        drop(block.freeze());
        let again = block.reuse().expect("no slice is left");
        assert!(again.is_empty() && again.frozen() == 0);
    }

    #[test]
    #[should_panic(expected = "more claimed than fits")]
    fn more_than_fits_is_our_own_mistake() {
        Block::new(BLOCK_ALIGN).claim(BLOCK_ALIGN + 1);
    }
}
