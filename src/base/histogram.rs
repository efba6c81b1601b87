//! Durations counted in log-linear buckets, by one writer, read by anyone.
//!
//! ```text
//! ns:      0 ── 4 ── 8 … 60 ── 64 ── 68 … 124 ── 128 ── 136 … 2^34 ──▶ the rest
//! buckets: 16 of 4 ns each    │ 16 an octave: 1/16 wide at most
//! ```
//! A bucket holds what lies above its lower bound, up to and including its upper one, as
//! Prometheus' `le` has it. So a value is known to within 1/16, about 3 % from a bucket's middle.

use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets an octave, as a power of two.
const STEPS_LOG2: u32 = 4;
const STEPS: usize = 1 << STEPS_LOG2;
/// Nanoseconds in one unit, as a power of two: the width of the finest buckets.
const UNIT_LOG2: u32 = 2;
/// Everything longer than this, 17 s, falls into the last bucket.
const LONGEST_LOG2: u32 = 34;
const OCTAVES: usize = (LONGEST_LOG2 - UNIT_LOG2 - STEPS_LOG2) as usize;
/// Buckets of a histogram: those below one octave's steps, the octaves, and the rest.
pub const BUCKETS: usize = STEPS + OCTAVES * STEPS + 1;

/// One shard's durations of one kind. The shard writes with plain stores; anyone may read.
#[derive(Debug)]
#[repr(align(128))]
pub struct Histogram {
    sum_ns: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { sum_ns: AtomicU64::new(0), buckets: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Histogram {
    /// Counts a duration of `ns` nanoseconds `times` times. Only the owning shard may call this:
    /// there is one writer.
    #[inline]
    pub fn record(&self, ns: u64, times: u64) {
        add(&self.buckets[bucket_of(ns)], times);
        add(&self.sum_ns, ns.saturating_mul(times));
    }

    /// What was counted until now. Each bucket is read on its own, so what is counted meanwhile
    /// is in or not; the sum is read last.
    pub fn read(&self) -> Distribution {
        let count = |(bucket, count): (usize, &AtomicU64)| {
            (upper_bound_ns(bucket), count.load(Ordering::Relaxed))
        };
        let buckets = self.buckets.iter().enumerate().map(count).collect();
        Distribution { buckets, sum_ns: self.sum_ns.load(Ordering::Relaxed) }
    }
}

#[inline]
fn add(value: &AtomicU64, n: u64) {
    value.store(value.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

/// The bucket that holds `ns`.
#[inline]
fn bucket_of(ns: u64) -> usize {
    let units = ns.saturating_sub(1) >> UNIT_LOG2;
    let Some(octave) = units.checked_ilog2().and_then(|log2| log2.checked_sub(STEPS_LOG2)) else {
        return units as usize;
    };
    let step = (units >> octave) as usize - STEPS;
    (STEPS + octave as usize * STEPS + step).min(BUCKETS - 1)
}

/// The largest value of a bucket, nanoseconds; `u64::MAX` for the last.
fn upper_bound_ns(bucket: usize) -> u64 {
    if bucket >= BUCKETS - 1 {
        return u64::MAX;
    }
    let (octave, step) = match bucket.checked_sub(STEPS) {
        None => (0, bucket),
        Some(above) => (above / STEPS, STEPS + above % STEPS),
    };
    (step as u64 + 1) << octave << UNIT_LOG2
}

/// How often durations up to certain bounds were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// By bucket, in ascending order: the largest duration that it holds, nanoseconds, and how
    /// many there were. `u64::MAX` stands for "and above".
    pub buckets: Vec<(u64, u64)>,
    /// All durations together, nanoseconds.
    pub sum_ns: u64,
}

impl Distribution {
    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Adds what `other`, which has the same bounds, counted.
    ///
    /// # Panics
    /// In tests, when the bounds differ.
    pub fn merge(&mut self, other: &Distribution) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            debug_assert_eq!(self.buckets.len(), other.buckets.len(), "the same bounds");
            for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
                *count += more;
            }
        }
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
    }

    /// What was counted after `earlier`, an older reading of the same.
    #[must_use]
    pub fn since(&self, earlier: &Distribution) -> Distribution {
        let mut before =
            earlier.buckets.iter().map(|(_, count)| *count).chain(std::iter::repeat(0));
        let newer = |&(bound, count): &(u64, u64)| {
            (bound, count.saturating_sub(before.next().unwrap_or(0)))
        };
        Distribution {
            buckets: self.buckets.iter().map(newer).collect(),
            sum_ns: self.sum_ns.wrapping_sub(earlier.sum_ns),
        }
    }

    /// The same with fewer bounds, ascending; each must be one of those that it has. What lies
    /// above the last is counted under `u64::MAX`.
    #[must_use]
    pub fn coarser(&self, bounds: impl Iterator<Item = u64>) -> Distribution {
        let mut fine = self.buckets.iter().peekable();
        let up_to = |bound| {
            let mut sum = 0;
            while let Some((_, count)) = fine.next_if(|(upper, _)| *upper <= bound) {
                sum += count;
            }
            (bound, sum)
        };
        let buckets = bounds.chain(std::iter::once(u64::MAX)).map(up_to).collect();
        Distribution { buckets, sum_ns: self.sum_ns }
    }

    /// The duration that `part` of all (0.99 for the 99th percentile) do not exceed, nanoseconds;
    /// `None` when nothing was counted. Within a bucket, durations are taken to lie evenly.
    pub fn quantile(&self, part: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((part * count as f64).ceil() as u64).clamp(1, count.max(1));
        let (mut below, mut lower) = (0, 0);
        for &(upper, count) in &self.buckets {
            if below + count >= rank && count > 0 {
                // What lies beyond the last bound is only known to do so.
                let width = if upper == u64::MAX { 0 } else { upper - lower };
                let share = (rank - below) as f64 / count as f64;
                return Some(lower + (width as f64 * share) as u64);
            }
            below += count;
            lower = upper;
        }
        None
    }

    /// A bound that no duration exceeds, nanoseconds: that of the last bucket in use, or
    /// `u64::MAX` when something lies beyond all bounds. `None` when nothing was counted.
    pub fn max_ns(&self) -> Option<u64> {
        self.buckets.iter().rev().find(|(_, count)| *count > 0).map(|(upper, _)| *upper)
    }
}

#[cfg(test)]
mod tests;
