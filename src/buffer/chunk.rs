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
    small: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// A fixed-size piece of memory, filled front to back.
///
/// `0 <= len <= memory.len()` always; what lies behind `len` is left over from earlier use.
/// The default has no memory and no room.
#[derive(Debug, Default)]
pub struct WriteChunk {
    memory: Box<[u8]>,
    len: usize,
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
        if len <= SMALL_BYTES {
            WriteChunk::small()
        } else if len <= LARGE_BYTES {
            WriteChunk::large()
        } else {
            WriteChunk { memory: vec![0; len].into(), len: 0 }
        }
    }

    fn pooled(room: usize, class: impl Fn(&mut Pool) -> &mut Vec<Box<[u8]>>) -> WriteChunk {
        let free = POOL.with_borrow_mut(|pool| class(pool).pop());
        WriteChunk { memory: free.unwrap_or_else(|| vec![0; room].into()), len: 0 }
    }

    /// Bytes that still fit.
    #[inline]
    pub fn room(&self) -> usize {
        self.memory.len() - self.len
    }

    /// Appends bytes that must fit.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.claim(bytes.len()).copy_from_slice(bytes);
    }

    /// Counts the next `len` bytes, which must fit, as written, and gives them to be filled.
    #[inline]
    pub fn claim(&mut self, len: usize) -> &mut [u8] {
        let start = self.len;
        self.len += len;
        &mut self.memory[start..self.len]
    }

    /// What was written.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl Drop for WriteChunk {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        // A thread that is ending has no pool any more; its chunks go to the allocator.
        let _ = POOL.try_with(|pool| {
            let Ok(mut pool) = pool.try_borrow_mut() else { return };
            let (class, free_max) = match memory.len() {
                SMALL_BYTES => (&mut pool.small, SMALL_FREE_MAX),
                LARGE_BYTES => (&mut pool.large, LARGE_FREE_MAX),
                _ => return,
            };
            if class.len() < free_max {
                class.push(memory);
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
            assert!(pool.large.iter().all(|free| free.len() == LARGE_BYTES));
        });
    }
}
