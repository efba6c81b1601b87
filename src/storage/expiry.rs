//! Messages with a time to live: which one goes next.
//!
//! A message removed in another way stays in the queue until its time comes, and is passed over
//! then; the queue is swept when more than half of it is such.

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
}
