//! Which connection to look at next: a heap with about one entry a connection.
//!
//! An entry only says "look then". The connection itself knows its deadlines; when one moves to
//! a later time the entry stays and the look finds nothing to do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use base::ConnSlot;

#[derive(Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(u64, ConnSlot)>>,
}

impl Deadlines {
    /// Looks at `slot` at `at_ns`, monotonic.
    pub fn push(&mut self, at_ns: u64, slot: ConnSlot) {
        self.heap.push(Reverse((at_ns, slot)));
    }

    /// The next time to look, monotonic nanoseconds.
    pub fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ns, _))| *at_ns)
    }

    /// A connection that is to be looked at by `now_ns`, and the time it asked for.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<(u64, ConnSlot)> {
        let Reverse((at_ns, _)) = self.heap.peek()?;
        if *at_ns > now_ns {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_ones_come_in_order_and_others_stay() {
        let mut deadlines = Deadlines::default();
        for (at, slot) in [(30, 3), (10, 1), (20, 2)] {
            deadlines.push(at, ConnSlot(slot));
        }
        assert_eq!(deadlines.next_ns(), Some(10));
        assert_eq!(deadlines.pop_due(20), Some((10, ConnSlot(1))));
        assert_eq!(deadlines.pop_due(20), Some((20, ConnSlot(2))));
        assert_eq!(deadlines.pop_due(20), None);
        assert_eq!(deadlines.next_ns(), Some(30));
    }
}
