//! Hot path: the plans of subjects published lately, between the publish and the index walk.
//!
//! Sets of four ways, one cache line each; a hit writes nothing. The cache knows nothing of
//! staleness: whoever asks checks the plan it gets (`generation.rs`) and rebuilds it in place.
//! It starts small, doubles while it fills, and is bounded in plans and in bytes. Half of the
//! seats stay free, so that few subjects lose theirs to a neighbour.

use std::ops::Range;
use std::rc::Rc;

use crate::plan::Plan;

const WAYS: usize = 4;
/// Sets of a new cache.
const SETS_MIN: usize = 16;
/// Bytes allowed for each plan that the cache may hold, on average.
const PLAN_BYTES_MEAN: usize = 384;
/// Least allowance in bytes, so that a small cache can hold one large plan.
const BYTES_MIN: usize = 1 << 20;
/// Sets that one insertion clears, at most, to make room.
const SWEEP_MAX: usize = 16;
/// Cleared plans kept for their memory, and the heaviest worth keeping, bytes.
const SPARES_MAX: usize = SWEEP_MAX * WAYS;
const SPARE_BYTES_MAX: usize = 4 * PLAN_BYTES_MEAN;

#[derive(Default)]
struct Way {
    hash: u64,
    plan: Option<Rc<Plan>>,
}

#[derive(Default)]
#[repr(align(64))]
struct Set {
    ways: [Way; WAYS],
}

const _: () = assert!(size_of::<Set>() == 64);

/// Plans by subject.
pub(crate) struct PlanCache {
    /// A power of two of sets, or none if the cache is off.
    sets: Vec<Set>,
    sets_max: usize,
    plans: usize,
    plans_max: usize,
    /// Bytes of all plans held, as they say themselves.
    bytes: usize,
    bytes_max: usize,
    /// Turns with each eviction: which way of a full set goes next.
    turn: usize,
    /// The set that is cleared next when the bounds are reached.
    hand: usize,
    /// What was cleared: a full cache takes new subjects in without allocating.
    spares: Vec<Rc<Plan>>,
}

/// A way chosen for a plan that is about to be built.
pub(crate) struct Seat {
    set: usize,
    way: usize,
}

impl PlanCache {
    /// A cache of at most `plans_max` plans; 0 for none.
    pub(crate) fn new(plans_max: usize) -> Self {
        let sets_max = match plans_max {
            0 => 0,
            some => (some.saturating_mul(2)).div_ceil(WAYS).next_power_of_two(),
        };
        PlanCache {
            sets: fresh_sets(sets_max.min(SETS_MIN)),
            sets_max,
            plans: 0,
            plans_max,
            bytes: 0,
            bytes_max: plans_max.saturating_mul(PLAN_BYTES_MEAN).max(BYTES_MIN),
            turn: 0,
            hand: 0,
            spares: Vec::new(),
        }
    }

    /// Plans held.
    pub(crate) fn len(&self) -> usize {
        self.plans
    }

    /// Heap bytes held, plans included.
    pub(crate) fn bytes(&self) -> usize {
        let spares: usize = self.spares.iter().map(|plan| plan.weight).sum();
        self.sets.capacity() * size_of::<Set>() + self.bytes + spares
    }

    /// How many sets there are to look through for plans.
    pub(crate) fn sets(&self) -> usize {
        if self.plans == 0 { 0 } else { self.sets.len() }
    }

    /// The plans in these sets, stale ones included. For monitoring: each is a cache miss or two.
    pub(crate) fn plans_in(&self, sets: Range<usize>) -> impl Iterator<Item = &Rc<Plan>> {
        let sets = self.sets.get(sets).unwrap_or_default();
        sets.iter().flat_map(|set| &set.ways).filter_map(|way| way.plan.as_ref())
    }

    /// The first word of the set that a hash belongs to: looking at it brings the set near.
    #[inline]
    pub(crate) fn first_hash(&self, hash: u64) -> Option<u64> {
        let set = self.sets.get(hash as usize & self.sets.len().wrapping_sub(1))?;
        Some(set.ways[0].hash)
    }

    /// A plan under this hash, very likely the one for its subject.
    #[inline]
    pub(crate) fn candidate(&self, hash: u64) -> Option<&Rc<Plan>> {
        let set = self.sets.get(hash as usize & self.sets.len().wrapping_sub(1))?;
        set.ways.iter().find(|way| way.hash == hash)?.plan.as_ref()
    }

    /// The plan for `subject`, current or not.
    #[inline]
    pub(crate) fn get(&self, hash: u64, subject: &[u8]) -> Option<&Rc<Plan>> {
        let set = self.sets.get(hash as usize & self.sets.len().wrapping_sub(1))?;
        let ways = set.ways.iter().filter(|way| way.hash == hash);
        ways.filter_map(|way| way.plan.as_ref()).find(|plan| plan.subject() == subject)
    }

    /// Chooses a seat for a plan of `subject`, and gives an old plan whose memory can be used
    /// again: what sits there, stale or a victim, or one that was cleared. `None` if off.
    pub(crate) fn vacate(&mut self, hash: u64, subject: &[u8]) -> Option<(Seat, Option<Rc<Plan>>)> {
        if self.plans * 2 > self.sets.len() * WAYS && self.sets.len() < self.sets_max {
            self.double();
        }
        let set = hash as usize & self.sets.len().wrapping_sub(1);
        let ways = &mut self.sets.get_mut(set)?.ways;
        let is_it = |way: &Way| {
            way.hash == hash && way.plan.as_ref().is_some_and(|plan| plan.subject() == subject)
        };
        let way = match ways.iter().position(is_it) {
            Some(same) => same,
            None => ways.iter().position(|way| way.plan.is_none()).unwrap_or_else(|| {
                self.turn = self.turn.wrapping_add(1);
                self.turn % WAYS
            }),
        };
        let old = ways[way].plan.take();
        self.forget(old.as_deref());
        Some((Seat { set, way }, old.or_else(|| self.spares.pop())))
    }

    /// Seats a built plan, unless it is too large for the cache.
    pub(crate) fn seat(&mut self, seat: Seat, hash: u64, plan: &Rc<Plan>) {
        let bytes = plan.weight;
        if bytes > self.bytes_max / 4 {
            return;
        }
        let has_room =
            |cache: &Self| cache.plans < cache.plans_max && cache.bytes + bytes <= cache.bytes_max;
        for _ in 0..SWEEP_MAX {
            if has_room(self) {
                break;
            }
            self.clear_next_set();
        }
        if !has_room(self) {
            return;
        }
        self.bytes += bytes;
        self.plans += 1;
        self.sets[seat.set].ways[seat.way] = Way { hash, plan: Some(Rc::clone(plan)) };
    }

    fn clear_next_set(&mut self) {
        self.hand = (self.hand + 1) & (self.sets.len() - 1);
        for way in std::mem::take(&mut self.sets[self.hand]).ways {
            self.forget(way.plan.as_deref());
            let worth_keeping =
                |plan: &Rc<Plan>| plan.weight <= SPARE_BYTES_MAX && Rc::strong_count(plan) == 1;
            if self.spares.len() < SPARES_MAX {
                self.spares.extend(way.plan.filter(worth_keeping));
            }
        }
    }

    fn forget(&mut self, plan: Option<&Plan>) {
        if let Some(plan) = plan {
            self.plans -= 1;
            self.bytes -= plan.weight;
        }
    }

    /// Twice the sets. Each plan keeps a seat: a set's ways part between two sets.
    fn double(&mut self) {
        let mut sets = fresh_sets(self.sets.len() * 2);
        let mask = sets.len() - 1;
        for way in self.sets.drain(..).flat_map(|set| set.ways) {
            if way.plan.is_none() {
                continue;
            }
            let ways = &mut sets[way.hash as usize & mask].ways;
            let free = ways.iter_mut().find(|way| way.plan.is_none());
            *free.expect("a set takes what half a set held") = way;
        }
        self.sets = sets;
    }
}

fn fresh_sets(count: usize) -> Vec<Set> {
    std::iter::repeat_with(Set::default).take(count).collect()
}
