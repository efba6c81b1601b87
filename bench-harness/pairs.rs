//! The same work without something and with it, in turn, on one server: what the machine does in
//! between weighs on both sides, and every other pair begins with it, so that neither profits from
//! coming first. A share is the median of the pairs; with enough of them it comes with the interval
//! in which the true median lies in 95 of 100 such runs.

use crate::error::BenchError;
use crate::measure::{Measure, Sample};
use crate::quantity;
use crate::stats::{Stats, median_interval};

/// Which half of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Nothing is in the way.
    Without,
    /// It is.
    With,
}

/// How many pairs, as flags.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct PairFlags {
    /// Pairs of windows, without and with, an even number; from six on the share comes with its
    /// 95 % interval
    #[arg(long, default_value = "4", value_parser = quantity::even)]
    pub pairs: usize,
}

/// What all pairs came to. At least one pair.
#[derive(Debug)]
pub struct Pairs {
    without: Vec<Sample>,
    with: Vec<Sample>,
}

impl Pairs {
    /// Runs `pairs` pairs of `work`; a partial sample ends them early.
    ///
    /// # Errors
    /// The first of `work`.
    pub fn run(
        pairs: usize,
        mut work: impl FnMut(Half) -> Result<Sample, BenchError>,
    ) -> Result<Pairs, BenchError> {
        let mut all = Pairs { without: Vec::new(), with: Vec::new() };
        let orders = [[Half::Without, Half::With], [Half::With, Half::Without]];
        for order in orders.into_iter().cycle().take(pairs) {
            for half in order {
                let sample = work(half)?;
                match half {
                    Half::Without => all.without.push(sample),
                    Half::With => all.with.push(sample),
                }
            }
            if all.partial().is_some() {
                break;
            }
        }
        Ok(all)
    }

    /// Puts the share of `of` with over without, and its interval.
    pub fn put_share(&self, into: &mut Sample, share: Measure, of: Measure) {
        let value = |sample: &Sample| sample.get(of).unwrap_or(f64::NAN);
        let both = self.with.iter().zip(&self.without);
        let shares: Vec<f64> = both.map(|(with, without)| value(with) / value(without)).collect();
        if let Some(stats) = Stats::of(&shares) {
            into.put(share, stats.median);
            into.intervals.extend(median_interval(&shares).map(|interval| (share, interval)));
        }
    }

    /// Whether every window has this quantity.
    pub fn have(&self, measure: Measure) -> bool {
        self.without.iter().chain(&self.with).all(|sample| sample.get(measure).is_some())
    }

    /// The largest value of one half.
    pub fn largest(&self, half: Half, of: Measure) -> f64 {
        let samples = match half {
            Half::Without => &self.without,
            Half::With => &self.with,
        };
        samples.iter().filter_map(|sample| sample.get(of)).fold(0.0, f64::max)
    }

    /// Why a window ended early, if one did.
    pub fn partial(&self) -> Option<String> {
        self.without.iter().chain(&self.with).find_map(|sample| sample.partial.clone())
    }

    /// The last window with it, marked partial if any window was.
    pub fn into_last(mut self) -> Sample {
        let partial = self.partial();
        Sample { partial, ..self.with.pop().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pairs: usize, share: f64) -> (Vec<Half>, Pairs) {
        let mut halves = Vec::new();
        let pairs = Pairs::run(pairs, |half| {
            halves.push(half);
            let mut sample = Sample::default();
            sample.put(Measure::P99, if half == Half::With { 100.0 * share } else { 100.0 });
            Ok(sample)
        });
        (halves, pairs.expect("no window fails"))
    }

    #[test]
    fn every_other_pair_begins_with_the_other_half() {
        use Half::{With, Without};
        let (halves, _) = run(4, 1.0);
        assert_eq!(halves, [Without, With, With, Without, Without, With, With, Without]);
    }

    #[test]
    fn a_share_has_an_interval_from_six_pairs_on() {
        let shares = |pairs| {
            let mut sample = Sample::default();
            run(pairs, 1.5).1.put_share(&mut sample, Measure::P99Share, Measure::P99);
            sample
        };
        assert_eq!(shares(4).get(Measure::P99Share), Some(1.5));
        assert!(shares(4).intervals.is_empty());
        assert_eq!(shares(6).intervals, [(Measure::P99Share, [1.5, 1.5])]);
    }

    #[test]
    fn a_partial_window_ends_the_pairs_and_marks_the_sample() {
        let mut windows = 0;
        let pairs = Pairs::run(4, |_| {
            windows += 1;
            Ok(Sample { partial: (windows == 2).then(|| "gone".to_string()), ..Sample::default() })
        });
        let last = pairs.expect("no window fails").into_last();
        assert_eq!((windows, last.partial.as_deref()), (2, Some("gone")));
    }
}
