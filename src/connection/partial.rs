//! The bytes of an operation that is not complete, and of whatever came while paused.
//!
//! Empty for most connections most of the time, and then it holds no memory: small buffers come
//! from a spare list of the thread and go back to it.

use std::cell::RefCell;

use bytes::{Buf, Bytes, BytesMut};

/// Buffers up to this size are kept for the next connection, bytes.
const SPARE_BYTES_MAX: usize = 64 * 1024;
/// A new buffer's size, bytes.
const NEW_BYTES: usize = 4096;
/// Spare buffers a thread keeps.
const SPARES_MAX: usize = 64;
/// Memory set aside at once for an operation that announced its size, bytes. More comes as the
/// bytes do, so that an announcement alone costs nothing.
const RESERVE_MAX: usize = 64 * 1024;

thread_local! {
    static SPARES: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Default)]
pub(crate) struct Partial {
    bytes: BytesMut,
}

impl Partial {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends `more`; `need` is how long the whole is going to be at least.
    pub fn extend(&mut self, more: &[u8], need: usize) {
        if self.bytes.capacity() == 0 {
            let spare = SPARES.with_borrow_mut(Vec::pop);
            self.bytes = spare.unwrap_or_else(|| BytesMut::with_capacity(NEW_BYTES));
        }
        let len = self.bytes.len() + more.len();
        if len > self.bytes.capacity() || need > self.bytes.capacity() {
            // Doubling keeps the copying linear; the announced size ends it.
            let grown = (2 * len).max(RESERVE_MAX).min(need.max(len));
            self.bytes.reserve(grown.max(len) - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
    }

    /// Takes the first `len` bytes as refcounted memory, without copying.
    pub fn split(&mut self, len: usize) -> Bytes {
        let whole = self.bytes.split_to(len).freeze();
        self.give_back_if_empty();
        whole
    }

    /// Forgets the first `len` bytes.
    pub fn consume(&mut self, len: usize) {
        self.bytes.advance(len);
        self.give_back_if_empty();
    }

    fn give_back_if_empty(&mut self) {
        if !self.bytes.is_empty() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // Reclaims the front that was consumed, where nobody else holds it.
        let whole = bytes.try_reclaim(NEW_BYTES);
        if whole && bytes.capacity() <= SPARE_BYTES_MAX {
            SPARES.with_borrow_mut(|spares| {
                if spares.len() < SPARES_MAX {
                    spares.push(bytes);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_bytes_in_order_and_no_memory_when_empty() {
        let mut partial = Partial::default();
        partial.extend(b"PUB a 5\r\nhe", 16);
        partial.extend(b"llo\r\nPI", 16);
        assert_eq!(&partial.split(16)[..], b"PUB a 5\r\nhello\r\n");
        assert_eq!(partial.bytes(), b"PI");
        partial.consume(2);
        assert!(partial.is_empty());
        assert_eq!(partial.bytes.capacity(), 0);
    }

    #[test]
    fn an_announced_size_alone_takes_little_memory() {
        let mut partial = Partial::default();
        partial.extend(b"PUB a 1000000\r\n", 1_000_017);
        assert!(partial.bytes.capacity() <= RESERVE_MAX, "{}", partial.bytes.capacity());
        let payload = vec![b'x'; 300_000];
        partial.extend(&payload, 1_000_017);
        assert!(partial.bytes.capacity() <= 1_000_017, "{}", partial.bytes.capacity());
        assert_eq!(partial.len(), 300_015);
    }
}
