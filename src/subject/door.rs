//! Hot path: which subjects are worth a place in the plan cache: those asked for twice.
//!
//! Most inboxes are published to once: the answer of a request, the ack of a publish. Were each
//! plan kept, they would fill the cache and drive out the subjects that come again. So the first
//! miss of a subject only leaves a mark of two bytes here; the plan is kept when a miss finds the
//! mark (the doorkeeper of TinyLFU; what ages a mark are those that come to its place later).

/// Marks at one place: who comes when they are all taken takes that of another.
const MARKS: usize = size_of::<u64>() / size_of::<u16>();
/// Places of a new door.
const PLACES_MIN: usize = 16;
/// So many plans of the cache for each place of a full-grown door, 128 KiB by default: little
/// enough to stay in a core's own cache, and enough that of a hundred thousand subjects in turn
/// almost all are let in after a few rounds.
const PLANS_PER_PLACE: usize = 8;

/// The marks that missed subjects left.
pub(crate) struct Door {
    /// A power of two of places, each with four marks.
    places: Vec<u64>,
    places_max: usize,
    /// Since the door has this size.
    misses: usize,
}

impl Door {
    /// The door of a cache of at most `plans_max` plans.
    pub(crate) fn new(plans_max: usize) -> Door {
        let places_max = (plans_max / PLANS_PER_PLACE).max(PLACES_MIN);
        Door { places: vec![0; PLACES_MIN], places_max, misses: 0 }
    }

    /// Notes a miss of the subject with this hash; whether there was one before. Forgets, and may
    /// say so of a subject that was not seen, once in 16,000 times.
    #[inline]
    pub(crate) fn was_here(&mut self, hash: u64) -> bool {
        self.misses += 1;
        // So many misses have overwritten most marks.
        if self.misses > self.places.len() * MARKS && self.places.len() * 2 <= self.places_max {
            self.grow();
        }
        // The mark's bits are others than those of its place, and of a place in the cache.
        let mark = (hash >> 48) as u16;
        let at = (hash >> 16) as usize & (self.places.len() - 1);
        let place = &mut self.places[at];
        let seen = (0..MARKS).any(|way| (*place >> (way * 16)) as u16 == mark);
        if !seen {
            // Any of the four: were it the oldest, five subjects in turn would never be let in.
            let way = self.misses % MARKS;
            *place = *place & !(0xffff << (way * 16)) | u64::from(mark) << (way * 16);
        }
        seen
    }

    /// Heap bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<u64>()
    }

    /// Twice the places. The bit that parts them is not kept, so each mark stands in both.
    fn grow(&mut self) {
        self.places.extend_from_within(..);
        self.misses = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        ahash::RandomState::with_seeds(1, 2, 3, 4).hash_one(number)
    }

    #[test]
    fn a_subject_is_let_in_when_it_comes_again() {
        let mut door = Door::new(128 * 1024);
        assert!(!door.was_here(hash(1)));
        assert!(door.was_here(hash(1)));
    }

    #[test]
    fn what_comes_once_stays_out_and_memory_is_bounded() {
        let mut door = Door::new(128 * 1024);
        let let_in = (0..2_000_000).filter(|&number| door.was_here(hash(number))).count();
        assert!(let_in < 400, "{let_in} of two million that came once");
        assert!(door.bytes() <= 128 * 1024);
    }

    #[test]
    fn a_hundred_thousand_subjects_in_turn_are_let_in() {
        let mut door = Door::new(128 * 1024);
        let mut outside: Vec<u64> = (0..100_000).collect();
        for _ in 0..12 {
            outside.retain(|&number| !door.was_here(hash(number)));
        }
        assert!(outside.len() < 2_500, "{} are still outside", outside.len());
    }
}
