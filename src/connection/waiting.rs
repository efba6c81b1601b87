//! When the bytes came that a paused connection keeps, so that what is delivered from them later
//! counts as having waited (`base::Timing::Dwell`).

use std::collections::VecDeque;

/// Arrivals that are kept apart. A pause ends the receiving, so few come; more join the last.
const PIECES_MAX: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Piece {
    since_ns: u64,
    bytes: usize,
}

/// The arrivals of a paused connection's bytes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pieces: VecDeque<Piece>,
}

impl Waiting {
    /// Of the bytes that wait, these came at `now_ns`.
    pub fn came(&mut self, now_ns: u64, bytes: usize) {
        let full = self.pieces.len() == PIECES_MAX;
        match self.pieces.back_mut() {
            Some(last) if full || last.since_ns == now_ns => last.bytes += bytes,
            _ if bytes > 0 => self.pieces.push_back(Piece { since_ns: now_ns, bytes }),
            _ => {}
        }
    }

    /// When the first of them came, monotonic nanoseconds.
    pub fn since_ns(&self) -> Option<u64> {
        self.pieces.front().map(|piece| piece.since_ns)
    }

    /// Only the last `bytes` wait still.
    pub fn keep_last(&mut self, bytes: usize) {
        let mut surplus = self.bytes().saturating_sub(bytes);
        while let Some(first) = self.pieces.front_mut()
            && surplus > 0
        {
            let gone = surplus.min(first.bytes);
            first.bytes -= gone;
            surplus -= gone;
            if first.bytes == 0 {
                self.pieces.pop_front();
            }
        }
    }

    /// How many wait.
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_came_when_its_own_bytes_came() {
        let mut waiting = Waiting::default();
        waiting.came(5, 0);
        assert_eq!(waiting.since_ns(), None);
        waiting.came(10, 100);
        waiting.came(10, 50);
        waiting.came(20, 30);
        assert_eq!((waiting.since_ns(), waiting.bytes()), (Some(10), 180));
        waiting.keep_last(31);
        assert_eq!(waiting.since_ns(), Some(10));
        waiting.keep_last(30);
        assert_eq!(waiting.since_ns(), Some(20));
        waiting.keep_last(0);
        assert_eq!((waiting.since_ns(), waiting.bytes()), (None, 0));
    }

    #[test]
    fn many_arrivals_take_bounded_memory() {
        let mut waiting = Waiting::default();
        (0..1000).for_each(|n| waiting.came(n, 1));
        assert_eq!((waiting.pieces.len(), waiting.bytes()), (PIECES_MAX, 1000));
    }
}
