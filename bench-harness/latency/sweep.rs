//! Finds the highest rate at which a latency holds.

use std::time::{Duration, Instant};

use super::{LatencyPlan, Schedule};
use crate::cores::Placement;
use crate::error::BenchError;
use crate::measure::{Measure, Sample};
use crate::progress::Progress;
use crate::server::Server;

/// Finds the highest steady rate that holds a latency.
#[derive(Debug, Clone)]
pub struct SweepPlan {
    /// The run; its rate is replaced.
    pub latency: LatencyPlan,
    /// First and highest rate tried, messages a second.
    pub rates: (f64, f64),
    /// The 99th percentile to hold.
    pub p99_max: Duration,
}

/// A rate that is not reached to this share does not hold.
const REACHED: f64 = 0.98;
/// The answer is this exact: steps of five percent.
const STEP: f64 = 1.05;

impl SweepPlan {
    /// Doubles the rate until it no longer holds, then halves the gap.
    ///
    /// # Errors
    /// As [`LatencyPlan::run`].
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let begun = Instant::now();
        let (mut holds, mut fails) = (0.0, f64::INFINITY);
        let mut best: Option<Sample> = None;
        let mut rate = self.rates.0;
        loop {
            let schedule = Schedule::Steady { rate };
            let plan = LatencyPlan { schedule, ..self.latency.clone() };
            let sample = plan.run(server, placement, progress)?;
            if sample.partial.is_some() {
                return Ok(sample);
            }
            let p99 = sample.get(Measure::P99).unwrap_or(f64::INFINITY);
            let reached = sample.get(Measure::PublishRate).unwrap_or(0.0);
            if p99 <= self.p99_max.as_nanos() as f64 && reached >= rate * REACHED {
                holds = rate;
                best = Some(sample);
            } else {
                fails = rate;
                best.get_or_insert(sample);
            }
            let next = if fails.is_finite() { (holds + fails) / 2.0 } else { holds * 2.0 };
            let settled = fails.is_finite() && fails <= holds * STEP;
            if settled || next < self.rates.0 || holds >= self.rates.1 {
                break;
            }
            rate = next.min(self.rates.1);
        }
        let mut sample = best.unwrap_or_default();
        sample.values.insert(0, (Measure::HeldRate, holds));
        sample.seconds = begun.elapsed().as_secs_f64();
        Ok(sample)
    }
}
