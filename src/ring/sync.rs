//! The atomics that this room uses: std's, or loom's when the models run (`--cfg loom`), and a
//! watch that lets loom see races on ring memory, which it cannot see by itself.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering, fence},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering, fence},
};

/// A value alone on its cache lines: 128 bytes, because CPUs prefetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// Tells loom which words of a ring are being written or read. Nothing at all outside the models.
#[derive(Debug)]
pub(crate) struct RaceWatch {
    #[cfg(loom)]
    words: Vec<loom::cell::UnsafeCell<()>>,
}

impl RaceWatch {
    #[cfg_attr(not(loom), expect(unused_variables, reason = "only loom watches words"))]
    pub(crate) fn new(words: usize) -> RaceWatch {
        RaceWatch {
            #[cfg(loom)]
            words: (0..words).map(|_| loom::cell::UnsafeCell::new(())).collect(),
        }
    }

    /// The bytes from `offset` on belong to the producer until it publishes.
    #[inline]
    #[cfg_attr(not(loom), expect(unused_variables, reason = "only loom watches words"))]
    pub(crate) fn writes(&self, offset: usize, bytes: usize) {
        #[cfg(loom)]
        for word in &self.words[offset / 8..(offset + bytes) / 8] {
            word.with_mut(|_| ());
        }
    }

    /// The bytes from `offset` on belong to the consumer until it releases.
    #[inline]
    #[cfg_attr(not(loom), expect(unused_variables, reason = "only loom watches words"))]
    pub(crate) fn reads(&self, offset: usize, bytes: usize) {
        #[cfg(loom)]
        for word in &self.words[offset / 8..(offset + bytes) / 8] {
            word.with(|_| ());
        }
    }
}
