//! Median and spread over the rounds of a comparison.

/// What several rounds came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Middle value (mean of the two middle ones for an even number).
    pub median: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

impl Stats {
    /// `None` without values. Values that are not numbers are left out.
    pub fn of(values: &[f64]) -> Option<Stats> {
        let sorted = sorted(values);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
        Some(Stats { median, min, max })
    }

    /// Distance between the extremes as a share of the median: 0.1 is ten percent.
    pub fn spread(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.max - self.min) / self.median }
    }
}

/// In ascending order, without those that are not numbers.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The interval that holds the true median in 95 of 100 cases, whatever the distribution: as many
/// values are cut off on each side as a fair coin would put there. `None` below six values.
pub fn median_interval(values: &[f64]) -> Option<[f64; 2]> {
    /// Of the probability, cut off on each side.
    const TAIL: f64 = 0.025;
    let sorted = sorted(values);
    let count = sorted.len();
    // Probability of `cut` heads in `count` throws, as a logarithm since it may be less than a
    // number can be; and of at most so many.
    let mut heads_ln = -std::f64::consts::LN_2 * count as f64;
    let (mut cut, mut at_most) = (0, heads_ln.exp());
    while at_most <= TAIL {
        heads_ln += ((count - cut) as f64 / (cut + 1) as f64).ln();
        cut += 1;
        at_most += heads_ln.exp();
    }
    let low = cut.checked_sub(1)?;
    Some([*sorted.get(low)?, *sorted.get(count - cut)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even_numbers_of_rounds() {
        assert_eq!(Stats::of(&[3.0, 1.0, 2.0]).map(|s| s.median), Some(2.0));
        assert_eq!(Stats::of(&[4.0, 1.0, 2.0, 3.0]).map(|s| s.median), Some(2.5));
        assert_eq!(Stats::of(&[f64::NAN, 7.0]).map(|s| s.median), Some(7.0));
        assert_eq!(Stats::of(&[]), None);
    }

    #[test]
    fn the_interval_of_a_median_narrows_with_the_number_of_values() {
        let interval = |count: u32| {
            let values: Vec<f64> = (1..=count).map(f64::from).collect();
            median_interval(&values)
        };
        // Tables of the sign test at 5 %: 6 values lose none, 9 one on each side, 12 two, 20 five.
        assert_eq!(interval(5), None);
        assert_eq!(interval(6), Some([1.0, 6.0]));
        assert_eq!(interval(9), Some([2.0, 8.0]));
        assert_eq!(interval(12), Some([3.0, 10.0]));
        assert_eq!(interval(20), Some([6.0, 15.0]));
        // Exact, in whole numbers, by another program.
        assert_eq!(interval(2000), Some([956.0, 1045.0]));
    }

    #[test]
    fn spread_is_a_share_of_the_median() {
        let stats = Stats::of(&[9.0, 10.0, 12.0]).expect("three values");
        assert!((stats.spread() - 0.3).abs() < 1e-12);
        assert_eq!(Stats::of(&[0.0, 0.0]).expect("two values").spread(), 0.0);
    }
}
