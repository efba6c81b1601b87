//! Message ids of the last while: a message that comes twice is stored once.
//!
//! Ids are kept for `duplicate_window`, oldest first out. Nothing is kept without ids.
//! Source: spec/jetstream.md §5 Nats-Msg-Id, Nats-Expected-Last-Msg-Id.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

/// The ids of one stream.
#[derive(Debug, Default)]
pub(super) struct Dedupe {
    /// Nanoseconds; 0 keeps nothing.
    window_ns: u64,
    by_id: HashMap<Arc<[u8]>, u64, ahash::RandomState>,
    by_age: VecDeque<(u64, Arc<[u8]>)>,
    /// The newest message that had an id, within the window or not, and its id.
    last: Option<(u64, Arc<[u8]>)>,
}

impl Dedupe {
    pub(super) fn new(window_ns: u64) -> Dedupe {
        Dedupe { window_ns, ..Dedupe::default() }
    }

    /// Changes the window; ids that are too old now go at the next [`Dedupe::expire`].
    pub(super) fn set_window(&mut self, window_ns: u64) {
        self.window_ns = window_ns;
        if window_ns == 0 {
            self.by_id.clear();
            self.by_age.clear();
        }
    }

    /// Whether ids are kept at all.
    pub(super) fn is_on(&self) -> bool {
        self.window_ns > 0
    }

    /// The sequence under which the message with this id was stored, if it still counts.
    pub(super) fn find(&mut self, id: &[u8], now_ns: u64) -> Option<u64> {
        self.expire(now_ns);
        self.by_id.get(id).copied()
    }

    /// The id of the stream's last message, which is `seq`; empty if it had none.
    pub(super) fn of_last(&self, seq: u64) -> &[u8] {
        match &self.last {
            Some((at, id)) if *at == seq => id,
            _ => b"",
        }
    }

    /// Notes that the message with this id was stored at `time_ns`.
    pub(super) fn insert(&mut self, id: &[u8], seq: u64, time_ns: u64) {
        let id: Arc<[u8]> = Arc::from(id);
        self.last = Some((seq, id.clone()));
        if self.is_on() {
            self.by_id.insert(id.clone(), seq);
            self.by_age.push_back((time_ns, id));
        }
    }

    /// Forgets what is older than the window.
    pub(super) fn expire(&mut self, now_ns: u64) {
        while let Some((stored_ns, id)) = self.by_age.front() {
            if stored_ns.saturating_add(self.window_ns) > now_ns {
                break;
            }
            self.by_id.remove(id);
            self.by_age.pop_front();
        }
    }

    /// When the oldest id stops counting, Unix nanoseconds.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        let (stored_ns, _) = self.by_age.front()?;
        Some(stored_ns.saturating_add(self.window_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_for_the_window() {
        let mut dedupe = Dedupe::new(100);
        dedupe.insert(b"a", 1, 1000);
        dedupe.insert(b"b", 2, 1050);
        assert_eq!(dedupe.find(b"a", 1099), Some(1));
        assert_eq!(dedupe.next_deadline_ns(), Some(1100));
        assert_eq!(dedupe.find(b"a", 1100), None);
        assert_eq!(dedupe.find(b"b", 1149), Some(2));
        assert_eq!((dedupe.find(b"b", 1150), dedupe.of_last(2)), (None, &b"b"[..]));
        assert_eq!(dedupe.of_last(3), b"", "a message without an id came behind it");
        assert_eq!(dedupe.next_deadline_ns(), None);
    }

    #[test]
    fn without_a_window_only_the_last_id_is_known() {
        let mut dedupe = Dedupe::new(0);
        dedupe.insert(b"a", 1, 1000);
        assert_eq!((dedupe.find(b"a", 1000), dedupe.of_last(1)), (None, &b"a"[..]));
    }
}
