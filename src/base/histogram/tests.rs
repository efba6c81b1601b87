//! The buckets against their definition, and percentiles against sorted values.

use super::*;

/// A generator of our own: this room has no dependency that brings one.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // Knuth's linear congruential generator; its upper bits are random enough.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }

    /// Spread over many orders of magnitude.
    fn duration(&mut self) -> u64 {
        let bits = self.next() % 33;
        100 + self.next() % (1 << bits)
    }
}

#[test]
fn bounds_ascend_and_are_narrow() {
    for bucket in 1..BUCKETS - 1 {
        let (lower, upper) = (upper_bound_ns(bucket - 1), upper_bound_ns(bucket));
        assert!(upper > lower, "{bucket}");
        assert!(upper - lower <= (lower / 16).max(4), "{bucket}: {lower} to {upper}");
    }
    assert_eq!(upper_bound_ns(BUCKETS - 2), 1 << LONGEST_LOG2);
    assert_eq!(upper_bound_ns(BUCKETS - 1), u64::MAX);
}

#[test]
fn every_value_is_in_the_bucket_whose_bounds_hold_it() {
    let holds = |ns: u64| {
        let bucket = bucket_of(ns);
        assert!(ns <= upper_bound_ns(bucket), "{ns} in {bucket}");
        assert!(bucket == 0 || ns > upper_bound_ns(bucket - 1), "{ns} in {bucket}");
    };
    (0..100_000).for_each(holds);
    for log2 in 0..64 {
        let power = 1_u64 << log2;
        [power - 1, power, power + 1].into_iter().for_each(holds);
    }
    let mut random = Random(1);
    (0..100_000).for_each(|_| holds(random.duration()));
    holds(u64::MAX);
}

#[test]
fn percentiles_are_those_of_the_sorted_values() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let histogram = Histogram::default();
        let mut values: Vec<u64> = (0..5000).map(|_| random.duration()).collect();
        for &value in &values {
            histogram.record(value, 1);
        }
        values.sort_unstable();
        let read = histogram.read();
        assert_eq!(read.count(), 5000);
        assert_eq!(read.sum_ns, values.iter().sum::<u64>());
        for part in [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((part * 5000.0_f64).ceil() as usize).max(1);
            let exact = values[rank - 1] as f64;
            let found = read.quantile(part).expect("values") as f64;
            let off = (found - exact).abs();
            assert!(off <= (exact / 16.0).max(4.0), "seed {seed}, {part}: {found} for {exact}");
        }
        let (max, last) = (read.max_ns().expect("values"), values[4999]);
        assert!(max >= last && max <= last + last / 16 + 4, "{max} for {last}");
    }
}

#[test]
fn merged_is_as_if_counted_together() {
    let mut random = Random(3);
    let (ann, bob, both) = (Histogram::default(), Histogram::default(), Histogram::default());
    for _ in 0..1000 {
        let (value, times) = (random.duration(), random.next() % 5);
        let to = if random.next().is_multiple_of(2) { &ann } else { &bob };
        to.record(value, times);
        both.record(value, times);
    }
    let mut merged = Distribution::default();
    merged.merge(&ann.read());
    merged.merge(&bob.read());
    assert_eq!(merged, both.read());
}

#[test]
fn a_difference_is_what_came_between() {
    let histogram = Histogram::default();
    histogram.record(500, 3);
    let earlier = histogram.read();
    histogram.record(7000, 2);
    let between = histogram.read().since(&earlier);
    assert_eq!((between.count(), between.sum_ns), (2, 14_000));
    assert!(between.quantile(0.5).is_some_and(|ns| (6500..=7500).contains(&ns)));
    assert_eq!(histogram.read().since(&Distribution::default()), histogram.read());
}

#[test]
fn fewer_bounds_keep_every_value() {
    let histogram = Histogram::default();
    for ns in [1, 512, 513, 1024, 1025, u64::MAX] {
        histogram.record(ns, 1);
    }
    let coarse = histogram.read().coarser([512, 1024].into_iter());
    assert_eq!(coarse.buckets, [(512, 2), (1024, 2), (u64::MAX, 2)]);
    assert_eq!(coarse.max_ns(), Some(u64::MAX));
    assert_eq!(coarse.quantile(1.0), Some(1024), "beyond the last bound only that is known");
}

#[test]
fn nothing_has_no_percentile() {
    let read = Histogram::default().read();
    assert_eq!((read.count(), read.quantile(0.5), read.max_ns()), (0, None, None));
}
