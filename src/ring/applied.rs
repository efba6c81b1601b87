//! How a shard knows that its interest is in force everywhere: per ordered pair, the peer counts
//! the source's interest records that it has applied. PONG waits for this count.
//!
//! design §4 rule 1: flush means visible. The source counts every record it sends to all peers
//! (one sequence per source); lanes keep order, so the peer's count is the last sequence applied.

use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, Padded, fence};

/// The place of an interest record in its source shard's sequence, counted from 1; 0 is before
/// the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterestSeq(pub u64);

#[derive(Default)]
struct Count {
    /// Records applied. Stored by the peer.
    applied: Padded<AtomicU64>,
    /// The source waits for progress. Set by it, taken by the peer.
    awaited: Padded<AtomicBool>,
}

/// A count of zero, seen from both sides.
pub(crate) fn applied_count() -> (AppliedReport, AppliedWatch) {
    let count = Arc::new(Count::default());
    (AppliedReport { count: count.clone(), applied: 0 }, AppliedWatch { count })
}

/// Who must be told of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Progress {
    /// Nobody waits.
    Unawaited,
    /// The source waits; wake it if it sleeps.
    Awaited,
}

/// The peer's side: it applies and counts.
pub(crate) struct AppliedReport {
    count: Arc<Count>,
    applied: u64,
}

impl AppliedReport {
    /// Says that `records` more have been applied.
    pub(crate) fn advance(&mut self, records: u64) -> Progress {
        self.applied += records;
        self.count.applied.0.store(self.applied, Ordering::Release);
        // Pairs with the fence in `AppliedWatch::arm`: either this sees the flag, or the source
        // sees the count.
        fence(Ordering::SeqCst);
        let awaited = &self.count.awaited.0;
        if awaited.load(Ordering::Relaxed) && awaited.swap(false, Ordering::Relaxed) {
            return Progress::Awaited;
        }
        Progress::Unawaited
    }
}

/// The source's side: it looks, and may ask to be woken.
pub(crate) struct AppliedWatch {
    count: Arc<Count>,
}

impl AppliedWatch {
    /// The last sequence that the peer has applied.
    #[inline]
    pub(crate) fn applied(&self) -> InterestSeq {
        InterestSeq(self.count.applied.0.load(Ordering::Acquire))
    }

    /// Asks to be woken at the peer's next progress. Look again afterwards before sleeping:
    /// progress made earlier wakes nobody.
    pub(crate) fn arm(&self) {
        // A swap for the reason given at `Sleepers::lie_down`.
        self.count.awaited.0.swap(true, Ordering::Relaxed);
        // Pairs with the fence in `AppliedReport::advance`.
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn progress_is_seen_and_only_awaited_progress_wakes() {
        let (mut report, watch) = applied_count();
        assert_eq!(report.advance(2), Progress::Unawaited);
        assert_eq!(watch.applied(), InterestSeq(2));
        watch.arm();
        assert_eq!(report.advance(1), Progress::Awaited);
        assert_eq!(report.advance(1), Progress::Unawaited, "one request, one wake-up");
        assert_eq!(watch.applied(), InterestSeq(4));
    }
}
