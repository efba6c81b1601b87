//! How fast messages may go: as they were stored, or so many bits a second.
//!
//! Source: spec/jetstream.md §4 (replay_policy original, rate_limit_bps).

use super::pending::NEVER;

/// Replays stored messages with the pauses in which they came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replay {
    /// When the last message was stored, and when it was delivered.
    last: Option<(u64, u64)>,
    due_ns: Option<u64>,
}

impl Replay {
    /// Whether a message stored at `stored_ns` may go now. If not, [`Replay::due_ns`] says when.
    pub(crate) fn admits(&mut self, stored_ns: u64, now_ns: u64) -> bool {
        let due = match self.last {
            Some((stored, sent)) => sent.saturating_add(stored_ns.saturating_sub(stored)),
            None => now_ns,
        };
        self.due_ns = (due > now_ns).then_some(due);
        due <= now_ns
    }

    /// Nothing is held back any more.
    pub(crate) fn release(&mut self) {
        self.due_ns = None;
    }

    /// It went. Pauses are counted from when it should have gone, so that they do not add up.
    pub(crate) fn sent(&mut self, stored_ns: u64, now_ns: u64) {
        let due = match self.last {
            Some((stored, sent)) => sent.saturating_add(stored_ns.saturating_sub(stored)),
            None => now_ns,
        };
        self.last = Some((stored_ns, due.min(now_ns)));
    }

    pub(crate) fn due_ns(&self) -> u64 {
        self.due_ns.unwrap_or(NEVER)
    }
}

/// Lets so many bits a second pass; one message may always go when nothing went before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    bits_per_second: u64,
    /// When the next message may go.
    free_ns: u64,
    /// Whether one waits for that.
    held: bool,
}

impl Rate {
    pub(crate) fn new(bits_per_second: u64, now_ns: u64) -> Rate {
        Rate { bits_per_second, free_ns: now_ns, held: false }
    }

    pub(crate) fn admits(&mut self, now_ns: u64) -> bool {
        self.held = self.free_ns > now_ns;
        !self.held
    }

    /// Nothing is held back any more.
    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    pub(crate) fn sent(&mut self, bytes: u64, now_ns: u64) {
        let bits = u128::from(bytes) * 8 * 1_000_000_000;
        let takes = (bits / u128::from(self.bits_per_second.max(1))).min(u128::from(u64::MAX / 2));
        self.free_ns = self.free_ns.max(now_ns).saturating_add(takes as u64);
    }

    pub(crate) fn due_ns(&self) -> u64 {
        if self.held { self.free_ns } else { NEVER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_keep_the_pauses() {
        let mut replay = Replay::default();
        assert!(replay.admits(1000, 5));
        replay.sent(1000, 5);
        assert!(!replay.admits(1400, 300));
        assert_eq!(replay.due_ns(), 405);
        assert!(replay.admits(1400, 410));
        replay.sent(1400, 410);
        // The 5 ns of lateness are not added to the next pause.
        assert!(replay.admits(1500, 505));
    }

    #[test]
    fn rates_are_kept_over_time() {
        let mut rate = Rate::new(8000, 0);
        assert!(rate.admits(0));
        rate.sent(1000, 0);
        assert!(!rate.admits(999_999_999));
        assert_eq!(rate.due_ns(), 1_000_000_000);
        assert!(rate.admits(1_000_000_000));
    }
}
