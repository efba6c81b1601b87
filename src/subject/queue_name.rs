//! The names of queue groups, each once, numbered by this shard.
//!
//! A name lives while a group of any pattern bears it. Its number is not given again when it
//! comes back: a pick still under way then finds no group instead of a wrong one.

use base::QueueId;

use crate::slab::{Cell, Slab, Slot};
use crate::table::Table;

/// One name in use.
pub(crate) struct QueueName {
    bytes: Box<[u8]>,
    pub(crate) id: QueueId,
    /// Groups that bear it; 0 marks a vacant record.
    groups: u32,
    /// Where the plan that is being built holds the group, and which plan that is.
    pub(crate) mark: Mark,
}

/// A place in the plan of one build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) build: u64,
    pub(crate) place: u32,
}

/// All names of one index.
pub(crate) struct QueueNames {
    names: Slab<QueueName>,
    by_bytes: Table<QueueName>,
    by_id: Table<QueueName>,
    next_id: u32,
    name_bytes: usize,
    hasher: ahash::RandomState,
}

impl QueueNames {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        QueueNames {
            names: Slab::new(),
            by_bytes: Table::new(),
            by_id: Table::new(),
            next_id: 0,
            name_bytes: 0,
            hasher,
        }
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.names.bytes() + self.by_bytes.bytes() + self.by_id.bytes() + self.name_bytes
    }

    pub(crate) fn get(&self, slot: Slot<QueueName>) -> &QueueName {
        &self.names[slot]
    }

    pub(crate) fn get_mut(&mut self, slot: Slot<QueueName>) -> &mut QueueName {
        &mut self.names[slot]
    }

    /// The bytes of a name in use.
    pub(crate) fn spelling(&self, slot: Slot<QueueName>) -> &[u8] {
        &self.names[slot].bytes
    }

    /// The name in use with this number.
    pub(crate) fn by_id(&self, id: QueueId) -> Option<Slot<QueueName>> {
        self.by_id.find(u64::from(id.0), |slot| self.names[slot].id == id)
    }

    /// The name in use with these bytes.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<Slot<QueueName>> {
        self.by_bytes.find(self.hasher.hash_one(bytes), |slot| *self.names[slot].bytes == *bytes)
    }

    /// The name with these bytes, for one more group.
    pub(crate) fn acquire(&mut self, bytes: &[u8]) -> Slot<QueueName> {
        if let Some(slot) = self.find(bytes) {
            self.names[slot].groups += 1;
            return slot;
        }
        let id = self.fresh_id();
        let mark = Mark { build: 0, place: 0 };
        let slot = self.names.insert(QueueName { bytes: bytes.into(), id, groups: 1, mark });
        self.name_bytes += bytes.len();
        self.by_bytes.insert(self.hasher.hash_one(bytes), slot);
        self.by_id.insert(u64::from(id.0), slot);
        slot
    }

    /// One group less bears the name.
    pub(crate) fn release(&mut self, slot: Slot<QueueName>) {
        if self.names[slot].groups > 1 {
            self.names[slot].groups -= 1;
            return;
        }
        let QueueName { bytes, id, .. } = self.names.remove(slot);
        self.name_bytes -= bytes.len();
        self.by_bytes.remove(self.hasher.hash_one(&*bytes), slot);
        self.by_id.remove(u64::from(id.0), slot);
    }

    /// The next number. After 2^32 names (an hour of a client that does nothing else) the count
    /// starts over and leaves out those in use: a core must not stop for it.
    fn fresh_id(&mut self) -> QueueId {
        loop {
            let id = QueueId(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            if self.by_id(id).is_none() {
                return id;
            }
        }
    }
}

impl Cell for QueueName {
    fn vacant(next: Slot<Self>) -> Self {
        let mark = Mark { build: 0, place: next.number() };
        QueueName { bytes: Box::default(), id: QueueId(0), groups: 0, mark }
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        (self.groups == 0).then_some(Slot::from_number(self.mark.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_not_given_twice_and_names_are_freed() {
        let mut names = QueueNames::new(ahash::RandomState::new());
        let first = names.acquire(b"q");
        assert_eq!(names.acquire(b"q"), first);
        let id = names.get(first).id;
        names.release(first);
        assert_eq!(names.by_id(id), Some(first));
        names.release(first);
        assert_eq!(names.by_id(id), None);
        let again = names.acquire(b"q");
        assert_ne!(names.get(again).id, id);
        assert_eq!(names.spelling(again), b"q");
    }

    #[test]
    fn after_the_last_number_those_in_use_are_left_out() {
        let mut names = QueueNames::new(ahash::RandomState::new());
        let zero = names.acquire(b"zero");
        names.next_id = u32::MAX;
        let last = names.acquire(b"last");
        let one = names.acquire(b"one");
        let ids = [zero, last, one].map(|slot| names.get(slot).id);
        assert_eq!(ids, [QueueId(0), QueueId(u32::MAX), QueueId(1)]);
    }
}
