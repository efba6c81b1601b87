//! What one look at the server showed: each core's counters and durations.

use std::collections::BTreeMap;
use std::time::Instant;

use base::{Counter, Distribution, SHARDS_MAX, Timing};

use crate::exposition::{Series, series};

/// What the names of all of Corewire's series begin with.
const PREFIX: &str = "corewire_";

/// A look at all cores.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it was taken.
    pub at: Instant,
    /// By core.
    pub cores: Vec<CoreSample>,
}

/// A look at one core.
#[derive(Clone, Debug)]
pub struct CoreSample {
    counters: [u64; Counter::ALL.len()],
    timings: [Distribution; Timing::ALL.len()],
}

impl Default for CoreSample {
    fn default() -> CoreSample {
        CoreSample { counters: [0; Counter::ALL.len()], timings: Default::default() }
    }
}

/// Why a text shows no cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// Not one series of a core.
    #[error("no core in it")]
    NoCores,
    /// An older server: cores, but no durations.
    #[error("no {PREFIX}{} in it; is the server older than this program?", .0.name())]
    Missing(Timing),
}

impl CoreSample {
    /// A counter or gauge.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// The durations of a kind since the server's start.
    pub fn timing(&self, timing: Timing) -> &Distribution {
        &self.timings[timing as usize]
    }

    fn take(&mut self, name: &str, series: &Series<'_>) {
        if let Some(&counter) = Counter::ALL.iter().find(|counter| counter.name() == name) {
            self.counters[counter as usize] = series.value as u64;
            return;
        }
        let Some((family, suffix)) = name.rsplit_once('_') else { return };
        let Some(&timing) = Timing::ALL.iter().find(|timing| timing.name() == family) else {
            return;
        };
        let distribution = &mut self.timings[timing as usize];
        let nanos = |seconds: f64| (seconds * 1e9).round() as u64;
        match (suffix, series.label("le")) {
            // Counts up to each bound, for now; `finish` makes them those between bounds.
            ("bucket", Some("+Inf")) => {
                distribution.buckets.push((u64::MAX, series.value as u64));
            }
            ("bucket", Some(le)) => {
                let bound = le.parse().unwrap_or(0.0);
                distribution.buckets.push((nanos(bound), series.value as u64));
            }
            ("sum", None) => distribution.sum_ns = nanos(series.value),
            _ => {}
        }
    }

    fn finish(&mut self) {
        for distribution in &mut self.timings {
            distribution.buckets.sort_unstable();
            let mut below = 0;
            for (_, count) in &mut distribution.buckets {
                let up_to_here = *count;
                *count = up_to_here.saturating_sub(below);
                below = up_to_here;
            }
        }
    }
}

impl Sample {
    /// Reads the text of `/metrics`.
    ///
    /// # Errors
    /// [`SampleError`] when it is not what a Corewire of this age shows.
    pub fn read(text: &str, at: Instant) -> Result<Sample, SampleError> {
        let mut cores: BTreeMap<usize, CoreSample> = BTreeMap::new();
        for series in series(text) {
            let core = series.label("core").and_then(|core| core.parse().ok());
            let Some(core) = core.filter(|&core| core < SHARDS_MAX) else { continue };
            if let Some(name) = series.name.strip_prefix(PREFIX) {
                cores.entry(core).or_default().take(name, &series);
            }
        }
        let mut cores: Vec<CoreSample> = cores.into_values().collect();
        cores.iter_mut().for_each(CoreSample::finish);
        let first = cores.first().ok_or(SampleError::NoCores)?;
        let missing = |timing: &&Timing| first.timing(**timing).buckets.is_empty();
        match Timing::ALL.iter().find(missing) {
            Some(&timing) => Err(SampleError::Missing(timing)),
            None => Ok(Sample { at, cores }),
        }
    }
}
