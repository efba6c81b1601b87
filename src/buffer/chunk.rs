//! Hot path: the chunk into which deliveries are encoded. Before it: `shard::delivery`; after it:
//! the socket's send.
//!
//! Two sizes. An idle connection holds none; one that gets a few messages a turn holds a small
//! one; one in a flood holds large ones. Dropping a chunk returns it to the dropping thread's pool.

use std::cell::RefCell;

/// Room in a small chunk, bytes.
pub const SMALL_BYTES: usize = 4 * 1024;
/// Room in a large chunk, bytes.
pub const LARGE_BYTES: usize = 64 * 1024;
/// Free small chunks that a thread keeps.
const SMALL_FREE_MAX: usize = 1024;
/// Free large chunks that a thread keeps: 4 MiB.
const LARGE_FREE_MAX: usize = 64;

#[derive(Default)]
struct Pool {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// A fixed-size piece of memory, filled front to back.
#[derive(Debug)]
pub struct WriteChunk {
    bytes: Vec<u8>,
}

impl WriteChunk {
    /// An empty small chunk, from the pool when it has one.
    pub fn small() -> WriteChunk {
        WriteChunk::pooled(SMALL_BYTES, |pool| &mut pool.small)
    }

    /// An empty large chunk, from the pool when it has one.
    pub fn large() -> WriteChunk {
        WriteChunk::pooled(LARGE_BYTES, |pool| &mut pool.large)
    }

    /// An empty chunk with room for `len` bytes or more: a pooled one where a size fits.
    pub fn with_room(len: usize) -> WriteChunk {
        match len {
            0..=SMALL_BYTES => WriteChunk::small(),
            ..=LARGE_BYTES => WriteChunk::large(),
            _ => WriteChunk { bytes: Vec::with_capacity(len) },
        }
    }

    fn pooled(capacity: usize, class: impl Fn(&mut Pool) -> &mut Vec<Vec<u8>>) -> WriteChunk {
        let free = POOL.with_borrow_mut(|pool| class(pool).pop());
        WriteChunk { bytes: free.unwrap_or_else(|| Vec::with_capacity(capacity)) }
    }

    /// Bytes that still fit.
    #[inline]
    pub fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Appends bytes that must fit.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.room());
        self.bytes.extend_from_slice(bytes);
    }

    /// What was written.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written, to patch in place.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for WriteChunk {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // A thread that is ending has no pool any more; its chunks go to the allocator.
        let _ = POOL.try_with(|pool| {
            let Ok(mut pool) = pool.try_borrow_mut() else { return };
            let (class, free_max) = match bytes.capacity() {
                SMALL_BYTES => (&mut pool.small, SMALL_FREE_MAX),
                LARGE_BYTES => (&mut pool.large, LARGE_FREE_MAX),
                _ => return,
            };
            if class.len() < free_max {
                class.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_chunk_is_used_again_and_comes_back_empty() {
        let mut chunk = WriteChunk::small();
        chunk.append(b"hello");
        let address = chunk.bytes().as_ptr();
        drop(chunk);
        let again = WriteChunk::small();
        assert_eq!(again.bytes().as_ptr(), address);
        assert!(again.bytes().is_empty());
        assert_eq!(again.room(), SMALL_BYTES);
    }

    #[test]
    fn odd_sizes_are_not_pooled_and_the_pool_is_bounded() {
        drop(WriteChunk::with_room(LARGE_BYTES + 1));
        let many: Vec<_> = (0..LARGE_FREE_MAX + 3).map(|_| WriteChunk::large()).collect();
        drop(many);
        POOL.with_borrow(|pool| {
            assert_eq!(pool.large.len(), LARGE_FREE_MAX);
            assert!(pool.large.iter().all(|free| free.capacity() == LARGE_BYTES));
        });
    }
}
