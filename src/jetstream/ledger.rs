//! What every core's JetStream holds, in figures that other threads may read: limits of the whole
//! server are judged by it, and monitoring shows it.
//!
//! Each core writes its own page and no other; who reads adds the pages up. A figure may be a turn
//! old.

use std::sync::atomic::{AtomicU64, Ordering};

use base::ShardId;

/// One of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Figure {
    /// Bytes in memory streams, as streams count them.
    Memory,
    /// Bytes in file streams, likewise.
    Storage,
    /// Streams.
    Streams,
    /// Consumers.
    Consumers,
    /// Messages.
    Messages,
    /// Accounts that may use JetStream; the registry's core.
    Accounts,
    /// Requests of the API; the registry's core.
    ApiTotal,
    /// Those that streams' cores answered with an error.
    ApiErrors,
    /// Those that the registry answered with an error.
    ApiRefused,
    /// Bytes that memory streams may take; the registry's core.
    ReservedMemory,
    /// Bytes that file streams may take; the registry's core.
    ReservedStorage,
    /// 1 while nothing can be stored, because the disk is full or a write failed.
    Stuck,
}

const FIGURES: usize = Figure::Stuck as usize + 1;

/// One core's figures, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Page([AtomicU64; FIGURES]);

/// All cores' figures.
#[derive(Debug)]
pub struct Ledger {
    pages: Box<[Page]>,
}

impl Ledger {
    /// For so many cores.
    #[must_use]
    pub fn new(cores: usize) -> Ledger {
        Ledger { pages: std::iter::repeat_with(Page::default).take(cores).collect() }
    }

    /// Sets a figure of the caller's own core.
    #[inline]
    pub fn set(&self, core: ShardId, figure: Figure, value: u64) {
        self.pages[core.index()].0[figure as usize].store(value, Ordering::Relaxed);
    }

    /// All cores' figures of one kind, added up.
    #[must_use]
    pub fn sum(&self, figure: Figure) -> u64 {
        let of = |page: &Page| page.0[figure as usize].load(Ordering::Relaxed);
        self.pages.iter().fold(0, |sum, page| sum.wrapping_add(of(page)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_added_up_and_overwritten_one_by_one() {
        let ledger = Ledger::new(2);
        ledger.set(ShardId(0), Figure::Messages, 5);
        ledger.set(ShardId(1), Figure::Messages, 7);
        ledger.set(ShardId(1), Figure::Stuck, 1);
        assert_eq!((ledger.sum(Figure::Messages), ledger.sum(Figure::Stuck)), (12, 1));
        ledger.set(ShardId(0), Figure::Messages, 2);
        assert_eq!((ledger.sum(Figure::Messages), ledger.sum(Figure::Streams)), (9, 0));
    }
}
