//! Hot path: whether a plan is still what the index would answer, in a few compares.
//!
//! Every change of the index takes the next tick of one clock and leaves it where the published
//! subjects that it may concern will look: a fully literal pattern under its whole subject, a
//! wildcard pattern under its leading literal tokens (two, one or none). A plan carries the tick
//! at which it was built; it is current while none of its places holds a later one. Places are
//! hash buckets, so an unrelated change may cost a rebuild, but a related one is never missed.

use std::cell::Cell;

use crate::name;

/// Buckets of a new index; it grows with the index so that a small account stays small.
const BUCKETS_MIN: usize = 64;
/// The most buckets (32 KiB of ticks): enough that unrelated churn rarely meets a plan.
const BUCKETS_MAX: usize = 4096;

/// When a plan was built and which places can make it stale.
#[derive(Debug, Default, Clone)]
pub(crate) struct Stamp {
    /// The plan held at this tick; moves on when it is found to hold still.
    tick: Cell<u64>,
    places: Places,
}

/// Where changes that concern one published subject leave their tick.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Places {
    whole: u32,
    one: u32,
    two: u32,
}

/// The clock and the last tick of each place.
pub(crate) struct Generations {
    clock: u64,
    /// Last change of a pattern whose first token is a wildcard.
    anywhere: u64,
    /// A power of two of ticks, shared by whole subjects and leading tokens alike.
    buckets: Vec<u64>,
    hasher: ahash::RandomState,
}

impl Generations {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        Generations { clock: 0, anywhere: 0, buckets: vec![0; BUCKETS_MIN], hasher }
    }

    /// The stamp of a plan for `subject` (whose hash is `whole`) that is built now.
    pub(crate) fn stamp(&self, subject: &[u8], whole: u64) -> Stamp {
        let (one, two) = heads(subject);
        let places =
            Places { whole: whole as u32, one: self.hash_head(one), two: self.hash_head(two) };
        Stamp { tick: Cell::new(self.clock), places }
    }

    /// Whether nothing that concerns the plan has changed since it was stamped.
    #[inline]
    pub(crate) fn is_current(&self, stamp: &Stamp) -> bool {
        stamp.tick.get() == self.clock || self.holds_still(stamp)
    }

    /// Something has changed since: whether it concerns the plan.
    fn holds_still(&self, stamp: &Stamp) -> bool {
        let mask = self.buckets.len() - 1;
        let last = |place: u32| self.buckets[place as usize & mask];
        let Places { whole, one, two } = stamp.places;
        let latest = last(whole).max(last(one)).max(last(two)).max(self.anywhere);
        let holds = latest <= stamp.tick.get();
        if holds {
            stamp.tick.set(self.clock);
        }
        holds
    }

    /// Notes a change of a fully literal pattern whose hash is `whole`.
    pub(crate) fn touch_literal(&mut self, whole: u64) {
        self.touch(whole as u32);
    }

    /// Notes a change of a wildcard pattern.
    pub(crate) fn touch_wildcard(&mut self, pattern: &[u8]) {
        match literal_head(pattern) {
            Some(head) => self.touch(self.hash_head(head)),
            None => {
                self.clock += 1;
                self.anywhere = self.clock;
            }
        }
    }

    /// Takes more buckets for an index of `patterns` patterns. All plans become stale.
    pub(crate) fn grow_for(&mut self, patterns: usize) {
        if patterns <= self.buckets.len() || self.buckets.len() >= BUCKETS_MAX {
            return;
        }
        self.clock += 1;
        let wanted = patterns.next_power_of_two().min(BUCKETS_MAX);
        self.buckets.clear();
        self.buckets.resize(wanted, self.clock);
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<u64>()
    }

    fn touch(&mut self, place: u32) {
        self.clock += 1;
        let mask = self.buckets.len() - 1;
        self.buckets[place as usize & mask] = self.clock;
    }

    fn hash_head(&self, head: &[u8]) -> u32 {
        self.hasher.hash_one(head) as u32
    }
}

/// The first token and the first two tokens of a subject (all of it if it has fewer).
fn heads(subject: &[u8]) -> (&[u8], &[u8]) {
    let one = memchr::memchr(b'.', subject).unwrap_or(subject.len());
    let two = match subject.get(one + 1..) {
        Some(rest) => memchr::memchr(b'.', rest).map_or(subject.len(), |end| one + 1 + end),
        None => one,
    };
    (&subject[..one], &subject[..two])
}

/// The part of a wildcard pattern that every subject it matches begins with: its first two
/// tokens if both are literal, else its first if that is, else nothing.
fn literal_head(pattern: &[u8]) -> Option<&[u8]> {
    let (one, two) = heads(pattern);
    if name::is_valid_literal(two) {
        Some(two)
    } else if name::is_valid_literal(one) {
        Some(one)
    } else {
        None
    }
}
