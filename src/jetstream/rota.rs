//! Hot path: whose turn it is, of a core's streams or a stream's consumers. Before it stand
//! letters, time and the disk, which touch them; after it the turn of each.
//!
//! Deliveries of a turn have a budget. Those that came after it was spent are first in the next
//! turn, so that those in front cannot use it up each time.

use std::collections::VecDeque;

/// The places of those that want a turn.
#[derive(Debug)]
pub(crate) struct Rota<P> {
    /// Those whose turn is under way; empty in between.
    running: VecDeque<P>,
    /// Those that came too late for the budget of the last turn.
    unserved: VecDeque<P>,
    ready: VecDeque<P>,
}

impl<P> Default for Rota<P> {
    fn default() -> Rota<P> {
        Rota { running: VecDeque::new(), unserved: VecDeque::new(), ready: VecDeque::new() }
    }
}

impl<P> Rota<P> {
    /// Begins a turn: all that stand here now have one, and none that come from now on.
    #[inline]
    pub(crate) fn begin(&mut self) {
        debug_assert!(self.running.is_empty(), "the last turn is over");
        self.running.append(&mut self.unserved);
        self.running.append(&mut self.ready);
    }

    /// Whose turn it is; `None` when the turn is over.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<P> {
        self.running.pop_front()
    }

    /// One that wants a turn.
    #[inline]
    pub(crate) fn push(&mut self, place: P) {
        self.ready.push_back(place);
    }

    /// One that wants another turn, since this one came after the budget was spent.
    pub(crate) fn push_unserved(&mut self, place: P) {
        self.unserved.push_back(place);
    }

    /// Whether nobody wants a turn.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.unserved.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that have a turn, and whether `late` ones among them get another.
    fn turn(rota: &mut Rota<u32>, late: &[u32]) -> Vec<u32> {
        rota.begin();
        let mut had = Vec::new();
        while let Some(place) = rota.next() {
            had.push(place);
            match late.contains(&place) {
                true => rota.push_unserved(place),
                false => rota.push(place),
            }
        }
        had
    }

    #[test]
    fn who_came_too_late_is_first_in_the_next_turn() {
        let mut rota = Rota::default();
        assert!(rota.is_empty());
        (1..=4).for_each(|place| rota.push(place));
        assert_eq!(turn(&mut rota, &[3, 4]), [1, 2, 3, 4]);
        assert!(!rota.is_empty());
        assert_eq!(turn(&mut rota, &[2]), [3, 4, 1, 2]);
        assert_eq!(turn(&mut rota, &[]), [2, 3, 4, 1], "who comes in a turn waits for the next");
        rota.begin();
        assert!(rota.is_empty());
    }
}
