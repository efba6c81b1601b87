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
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
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
    fn spread_is_a_share_of_the_median() {
        let stats = Stats::of(&[9.0, 10.0, 12.0]).expect("three values");
        assert!((stats.spread() - 0.3).abs() < 1e-12);
        assert_eq!(Stats::of(&[0.0, 0.0]).expect("two values").spread(), 0.0);
    }
}
