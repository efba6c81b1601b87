//! The subjects of one stream: how many messages each has, its first and its last.
//!
//! A subject is in the table while it has a message. Its id is an index that is used again after
//! the subject is gone, so an id is meaningful only together with a live message.

use ahash::RandomState;
use hashbrown::HashTable;

use crate::{Seq, SubjectState};

/// A subject as its stream numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SubjectId(pub(crate) u32);

/// One subject with messages, or a vacant place.
#[derive(Debug, Default)]
struct Entry {
    name: Box<[u8]>,
    messages: u64,
    first: Seq,
    last: Seq,
}

/// All subjects of a stream.
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    entries: Vec<Entry>,
    vacant: Vec<SubjectId>,
    by_name: HashTable<SubjectId>,
    hasher: RandomState,
}

impl Subjects {
    /// How many subjects have messages.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The subject called `name`, if it has messages.
    pub(crate) fn find(&self, name: &[u8]) -> Option<SubjectId> {
        let hash = self.hasher.hash_one(name);
        self.by_name.find(hash, |id| *self.entries[id.0 as usize].name == *name).copied()
    }

    /// Counts one more message `seq`, newer than all others, under `name`.
    pub(crate) fn add(&mut self, name: &[u8], seq: Seq) -> SubjectId {
        let id = match self.find(name) {
            Some(id) => id,
            None => self.insert(name, seq),
        };
        let entry = &mut self.entries[id.0 as usize];
        entry.messages += 1;
        entry.last = seq;
        id
    }

    fn insert(&mut self, name: &[u8], first: Seq) -> SubjectId {
        let entry = Entry { name: name.into(), messages: 0, first, last: first };
        let id = match self.vacant.pop() {
            Some(id) => {
                self.entries[id.0 as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                SubjectId(self.entries.len() as u32 - 1)
            }
        };
        let Subjects { by_name, entries, hasher, .. } = self;
        let hash = hasher.hash_one(name);
        by_name.insert_unique(hash, id, |id| hasher.hash_one(&entries[id.0 as usize].name));
        id
    }

    /// The bytes of a subject that has messages.
    pub(crate) fn name(&self, id: SubjectId) -> &[u8] {
        &self.entries[id.0 as usize].name
    }

    /// A subject in numbers.
    pub(crate) fn state(&self, id: SubjectId) -> SubjectState {
        let entry = &self.entries[id.0 as usize];
        SubjectState { messages: entry.messages, first: entry.first, last: entry.last }
    }

    /// Counts one message fewer; what is left of the subject.
    pub(crate) fn subtract(&mut self, id: SubjectId) -> u64 {
        let entry = &mut self.entries[id.0 as usize];
        entry.messages -= 1;
        if entry.messages == 0 {
            let hash = self.hasher.hash_one(&entry.name);
            if let Ok(found) = self.by_name.find_entry(hash, |&other| other == id) {
                found.remove();
            }
            self.entries[id.0 as usize] = Entry::default();
            self.vacant.push(id);
            return 0;
        }
        entry.messages
    }

    /// Says what the oldest message of a subject is now.
    pub(crate) fn set_first(&mut self, id: SubjectId, first: Seq) {
        self.entries[id.0 as usize].first = first;
    }

    /// Says what the newest message of a subject is now.
    pub(crate) fn set_last(&mut self, id: SubjectId, last: Seq) {
        self.entries[id.0 as usize].last = last;
    }

    /// Every subject that has messages, in no order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SubjectId> {
        self.by_name.iter().copied()
    }
}
