//! The provided-buffer ring: memory that the kernel picks from when bytes arrive, so that an idle
//! connection holds no read buffer.
//!
//! ```text
//! entries ─ a ring of {addr, len, id}, shared with the kernel; its tail is in entry 0's `resv`
//! memory  ─ id 0 │ id 1 │ … │ id n-1, each `chunk_bytes` long
//! ```
//! The kernel takes entries from the front; [`ReadBuffers::recycle`] puts them at the back.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// The buffer group's id; there is one per ring.
pub const GROUP: u16 = 0;

/// The kernel wants the entries on a page boundary.
const PAGE_BYTES: usize = 4096;

/// What the chunks are aligned to when they fill it, so that they can stand in huge pages.
const HUGE_PAGE_BYTES: usize = 2 << 20;

pub struct ReadBuffers {
    entries: NonNull<BufRingEntry>,
    /// What was allocated.
    allocation: NonNull<u8>,
    /// The first chunk: the first boundary of a huge page in the allocation, if they fill one.
    memory: NonNull<u8>,
    count: u16,
    chunk_bytes: usize,
    tail: u16,
}

impl ReadBuffers {
    /// Allocates and registers `count` buffers, a power of two, of `chunk_bytes` each. The value
    /// must outlive the ring that it is registered with.
    pub fn register(
        submitter: &Submitter<'_>,
        count: u16,
        chunk_bytes: usize,
    ) -> io::Result<ReadBuffers> {
        assert!(count.is_power_of_two(), "a buffer ring has a power of two of entries");
        let entries = allocate(entries_layout(count)).cast::<BufRingEntry>();
        let allocation = allocate(memory_layout(count, chunk_bytes));
        // SAFETY: the layout has room for the chunks behind any such offset.
        let memory = unsafe {
            allocation.add(allocation.as_ptr().align_offset(chunk_align(count, chunk_bytes)))
        };
        let mut buffers = ReadBuffers { entries, allocation, memory, count, chunk_bytes, tail: 0 };
        // SAFETY: `entries` has room for `count` entries, is page aligned, and lives as long as
        // this value, which the ring's owner drops after the ring.
        unsafe {
            submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, count, GROUP, 0)?;
        }
        for id in 0..count {
            buffers.recycle(id);
        }
        Ok(buffers)
    }

    /// The first `len` bytes of buffer `id`, which the kernel filled and gave to us.
    #[inline]
    pub fn bytes(&self, id: u16, len: u32) -> &[u8] {
        assert!(id < self.count && len as usize <= self.chunk_bytes, "a chunk of another ring");
        // SAFETY: in bounds by the assertion; the memory is initialised (zeroed at first); the
        // kernel does not write to a buffer between its completion and its recycling, which needs
        // `&mut self`.
        unsafe {
            let start = self.memory.as_ptr().add(usize::from(id) * self.chunk_bytes);
            std::slice::from_raw_parts(start, len as usize)
        }
    }

    /// Moves the chunks into huge pages, at once.
    pub fn use_huge_pages(&self) -> io::Result<()> {
        let bytes = usize::from(self.count) * self.chunk_bytes / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
        if bytes == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for advice in [libc::MADV_HUGEPAGE, libc::MADV_COLLAPSE] {
            // SAFETY: the range lies within the allocation, which begins on such a boundary;
            // moving its pages changes neither address nor contents.
            let advised = unsafe { libc::madvise(self.memory.as_ptr().cast(), bytes, advice) };
            if advised != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    /// Gives buffer `id` back to the kernel.
    #[inline]
    pub fn recycle(&mut self, id: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: `index` and `id` are below `count`; the kernel reads an entry only after the
        // tail that covers it was published with Release, below. Entry 0's `resv` field, which
        // holds the tail, is not touched by the setters.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(index);
            entry.set_addr(self.memory.as_ptr().add(usize::from(id) * self.chunk_bytes) as u64);
            entry.set_len(self.chunk_bytes as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for ReadBuffers {
    fn drop(&mut self) {
        // SAFETY: both were allocated with these very layouts, and the ring is gone.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), entries_layout(self.count));
            dealloc(self.allocation.as_ptr(), memory_layout(self.count, self.chunk_bytes));
        }
    }
}

fn entries_layout(count: u16) -> Layout {
    let bytes = usize::from(count) * size_of::<BufRingEntry>();
    Layout::from_size_align(bytes, PAGE_BYTES).expect("a small power of two of entries")
}

/// Room for the chunks behind any offset below their alignment. The layout itself asks for none:
/// only then does the allocator give pages that are zero because nobody has touched them.
fn memory_layout(count: u16, chunk_bytes: usize) -> Layout {
    let bytes = usize::from(count) * chunk_bytes + chunk_align(count, chunk_bytes);
    Layout::from_size_align(bytes, 1).expect("a few MiB of buffers")
}

fn chunk_align(count: u16, chunk_bytes: usize) -> usize {
    let fill_one = usize::from(count) * chunk_bytes >= HUGE_PAGE_BYTES;
    if fill_one { HUGE_PAGE_BYTES } else { PAGE_BYTES }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: both layouts have a size above zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}
