//! Messages with a time to live: which one goes next.
//!
//! A message removed in another way stays in the queue until its time comes, and is passed over
//! then, or until the stream sweeps the queue because too much of it is such.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Seq;

/// Who goes when.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    queue: BinaryHeap<Reverse<(u64, Seq)>>,
}

impl Expiry {
    /// `seq` goes at `expires_ns`.
    pub(crate) fn push(&mut self, expires_ns: u64, seq: Seq) {
        self.queue.push(Reverse((expires_ns, seq)));
    }

    /// When the next one goes, and which; it may be gone already.
    pub(crate) fn peek(&self) -> Option<(u64, Seq)> {
        self.queue.peek().map(|Reverse(next)| *next)
    }

    /// Takes the next one out.
    pub(crate) fn pop(&mut self) {
        self.queue.pop();
    }

    /// How many are queued, gone or not.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Keeps only those of which `keep` holds.
    pub(crate) fn retain(&mut self, keep: impl Fn(Seq) -> bool) {
        self.queue.retain(|Reverse((_, seq))| keep(*seq));
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.queue.capacity() * size_of::<Reverse<(u64, Seq)>>()
    }
}
