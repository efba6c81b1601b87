//! The patterns someone has interest in, each once: literal ones in a hash table, wildcard
//! ones in the trie, and what hangs on each.
//!
//! A pattern lives while it has a local subscription, another shard's interest, or a queue
//! group. A wildcard pattern keeps no bytes of its own: the trie can spell it.

use crate::group::Group;
use crate::members::Ring;
use crate::name;
use crate::remote::RemoteSet;
use crate::slab::{Cell, Slab, Slot};
use crate::table::Table;
use crate::trie::{End, Place, Trie, WalkSpace};

/// How a pattern is spelled.
enum Spelling {
    Literal(Box<[u8]>),
    Wildcard(Place),
}

/// One pattern with interest.
pub(crate) struct Entry {
    spelling: Spelling,
    /// Plain subscriptions of this shard.
    pub(crate) locals: Ring,
    /// The ring of this pattern's queue groups, or nil.
    pub(crate) groups: Slot<Group>,
    /// The other shards with plain interest.
    pub(crate) remotes: RemoteSet,
}

const _: () = assert!(size_of::<Entry>() == 32);

/// All patterns of one index.
pub(crate) struct Patterns {
    entries: Slab<Entry>,
    literals: Table<Entry>,
    trie: Trie,
    /// Bytes of all literal spellings.
    literal_bytes: usize,
    walk: WalkSpace,
}

/// A valid pattern as a caller has it, with what is computed once for it.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) bytes: &'a [u8],
    /// Keyed hash of `bytes`.
    pub(crate) hash: u64,
    pub(crate) kind: Kind,
}

/// Whether a pattern matches one subject or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Literal,
    Wildcard,
}

impl Kind {
    /// The kind of a valid pattern.
    pub(crate) fn of(pattern: &[u8]) -> Kind {
        if name::has_wildcard(pattern) { Kind::Wildcard } else { Kind::Literal }
    }
}

impl Patterns {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        Patterns {
            entries: Slab::new(),
            literals: Table::new(),
            trie: Trie::new(hasher),
            literal_bytes: 0,
            walk: WalkSpace::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Trie nodes, the root included.
    pub(crate) fn nodes(&self) -> usize {
        self.trie.len()
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes() + self.literals.bytes() + self.trie.bytes() + self.literal_bytes
    }

    pub(crate) fn entry(&self, slot: Slot<Entry>) -> &Entry {
        &self.entries[slot]
    }

    pub(crate) fn entry_mut(&mut self, slot: Slot<Entry>) -> &mut Entry {
        &mut self.entries[slot]
    }

    /// The entry of a pattern, made if there is none.
    pub(crate) fn find_or_insert(&mut self, wanted: Wanted<'_>) -> Slot<Entry> {
        match wanted.kind {
            Kind::Literal => {
                if let Some(slot) = self.find_literal(wanted.hash, wanted.bytes) {
                    return slot;
                }
                self.literal_bytes += wanted.bytes.len();
                let slot = self.entries.insert(Entry::new(Spelling::Literal(wanted.bytes.into())));
                self.literals.insert(wanted.hash, slot);
                slot
            }
            Kind::Wildcard => {
                let place = self.trie.place(wanted.bytes);
                if let Some(slot) = self.trie.entry_mut(place).some() {
                    return slot;
                }
                let slot = self.entries.insert(Entry::new(Spelling::Wildcard(place)));
                *self.trie.entry_mut(place) = slot;
                slot
            }
        }
    }

    /// Frees the entry if nothing hangs on it. `hash` is that of its pattern.
    pub(crate) fn release(&mut self, slot: Slot<Entry>, hash: u64) {
        if !self.entries[slot].is_idle() {
            return;
        }
        match self.entries.remove(slot).spelling {
            Spelling::Literal(bytes) => {
                self.literal_bytes -= bytes.len();
                self.literals.remove(hash, slot);
            }
            Spelling::Wildcard(place) => self.trie.clear(place),
        }
    }

    /// Appends the entry's pattern to `out`; its kind.
    pub(crate) fn write_pattern(&self, slot: Slot<Entry>, out: &mut Vec<u8>) -> Kind {
        match &self.entries[slot].spelling {
            Spelling::Literal(bytes) => {
                out.extend_from_slice(bytes);
                Kind::Literal
            }
            Spelling::Wildcard(place) => {
                self.trie.write_pattern(*place, out);
                Kind::Wildcard
            }
        }
    }

    /// Puts every entry that matches the published `subject` into `found`, the literal first.
    pub(crate) fn matching(&mut self, subject: &[u8], hash: u64, found: &mut Vec<Slot<Entry>>) {
        found.clear();
        found.extend(self.find_literal(hash, subject));
        if !self.trie.is_empty() {
            self.trie.matching(subject, &mut self.walk, found);
        }
    }

    /// The entry of a pattern without wildcards, if somebody has interest in it.
    #[inline]
    pub(crate) fn find_literal(&self, hash: u64, subject: &[u8]) -> Option<Slot<Entry>> {
        self.literals.find(hash, |slot| match &self.entries[slot].spelling {
            Spelling::Literal(bytes) => **bytes == *subject,
            Spelling::Wildcard(_) => false,
        })
    }
}

impl Entry {
    fn new(spelling: Spelling) -> Self {
        Entry { spelling, locals: Ring::EMPTY, groups: Slot::NIL, remotes: RemoteSet::EMPTY }
    }

    fn is_idle(&self) -> bool {
        self.locals.count() == 0 && self.groups.is_nil() && self.remotes.is_empty()
    }
}

impl Cell for Entry {
    fn vacant(next: Slot<Self>) -> Self {
        let node = Slot::from_number(next.number());
        Entry::new(Spelling::Wildcard(Place { node, end: End::Vacant }))
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        match self.spelling {
            Spelling::Wildcard(Place { node, end: End::Vacant }) => {
                Some(Slot::from_number(node.number()))
            }
            _ => None,
        }
    }
}
