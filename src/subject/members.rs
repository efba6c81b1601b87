//! The subscriptions of this shard under one pattern or queue group: a ring of 16-byte links.
//!
//! Removal is O(1) wherever the link stands, also among a million on one subject. The ring
//! keeps insertion order.

use base::SubKey;

use crate::group::Group;
use crate::pattern::Entry;
use crate::slab::{Cell, Slab, Slot};

const GROUP_BIT: u32 = 1 << 31;

/// What a link belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Entry(Slot<Entry>),
    Group(Slot<Group>),
}

/// One subscription.
pub(crate) struct Link {
    sub: SubKey,
    /// [`Owner`] in one word; `u32::MAX` marks a vacant link.
    owner: u32,
    prev: Slot<Link>,
    next: Slot<Link>,
}

const _: () = assert!(size_of::<Link>() == 16);

/// One ring of links: the oldest, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ring {
    oldest: Slot<Link>,
    count: u32,
}

/// The links of all rings of one index.
pub(crate) struct Members {
    links: Slab<Link>,
}

impl Ring {
    pub(crate) const EMPTY: Ring = Ring { oldest: Slot::NIL, count: 0 };

    #[inline]
    pub(crate) fn count(self) -> u32 {
        self.count
    }
}

impl Members {
    pub(crate) const fn new() -> Self {
        Members { links: Slab::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.links.bytes()
    }

    /// What `link` belongs to, or `None` if it is vacant.
    pub(crate) fn owner(&self, link: Slot<Link>) -> Option<Owner> {
        match self.links[link].owner {
            u32::MAX => None,
            word if word & GROUP_BIT != 0 => {
                Some(Owner::Group(Slot::from_number(word & !GROUP_BIT)))
            }
            word => Some(Owner::Entry(Slot::from_number(word))),
        }
    }

    /// The subscription behind `link`.
    pub(crate) fn sub(&self, link: Slot<Link>) -> SubKey {
        self.links[link].sub
    }

    /// Adds `sub` as the youngest of `ring`.
    pub(crate) fn push(&mut self, ring: &mut Ring, owner: Owner, sub: SubKey) -> Slot<Link> {
        let owner = match owner {
            Owner::Entry(entry) => entry.number(),
            Owner::Group(group) => group.number() | GROUP_BIT,
        };
        let fresh = self.links.insert(Link { sub, owner, prev: Slot::NIL, next: Slot::NIL });
        let (prev, next) = match ring.oldest.some() {
            Some(oldest) => (self.links[oldest].prev, oldest),
            None => (fresh, fresh),
        };
        self.links[fresh].prev = prev;
        self.links[fresh].next = next;
        self.links[prev].next = fresh;
        self.links[next].prev = fresh;
        if ring.oldest.is_nil() {
            ring.oldest = fresh;
        }
        ring.count += 1;
        fresh
    }

    /// Takes `link` out of `ring`, which is the one it was pushed to.
    pub(crate) fn remove(&mut self, ring: &mut Ring, link: Slot<Link>) {
        let Link { prev, next, .. } = self.links.remove(link);
        ring.count -= 1;
        if ring.count == 0 {
            ring.oldest = Slot::NIL;
            return;
        }
        self.links[prev].next = next;
        self.links[next].prev = prev;
        if ring.oldest == link {
            ring.oldest = next;
        }
    }

    /// Appends the subscriptions of `ring` to `out`, oldest first.
    pub(crate) fn collect(&self, ring: Ring, out: &mut impl Extend<SubKey>) {
        let mut at = ring.oldest;
        out.extend((0..ring.count).map(|_| {
            let link = &self.links[at];
            at = link.next;
            link.sub
        }));
    }
}

impl Cell for Link {
    fn vacant(next: Slot<Self>) -> Self {
        Link { sub: SubKey(0), owner: u32::MAX, prev: Slot::NIL, next }
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        (self.owner == u32::MAX).then_some(self.next)
    }
}
