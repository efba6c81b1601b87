//! Two samples to figures: what happened between them, by core and in all.

use std::time::Duration;

use base::{Counter, Distribution, Timing};

use crate::sample::{CoreSample, Sample};

/// What happened between two samples.
#[derive(Clone, Debug)]
pub struct Interval {
    /// By core.
    pub cores: Vec<Figures>,
    /// All cores together.
    pub total: Figures,
}

/// Figures of one core, or of all.
#[derive(Clone, Debug)]
pub struct Figures {
    counts: [u64; Counter::ALL.len()],
    timings: [Distribution; Timing::ALL.len()],
    seconds: f64,
    cores: u32,
}

impl Interval {
    /// From `earlier` to `later`. A server that was started anew between them shows zeros.
    pub fn between(earlier: &Sample, later: &Sample) -> Interval {
        let time = later.at.saturating_duration_since(earlier.at);
        let nothing = CoreSample::default();
        let before = earlier.cores.iter().chain(std::iter::repeat(&nothing));
        let cores: Vec<Figures> = later
            .cores
            .iter()
            .zip(before)
            .map(|(later, earlier)| Figures::between(earlier, later, time))
            .collect();
        let mut total = Figures::nothing(time);
        cores.iter().for_each(|core| total.add(core));
        Interval { cores, total }
    }
}

impl Figures {
    fn nothing(time: Duration) -> Figures {
        Figures {
            counts: [0; Counter::ALL.len()],
            timings: Default::default(),
            seconds: time.as_secs_f64().max(1e-9),
            cores: 0,
        }
    }

    fn between(earlier: &CoreSample, later: &CoreSample, time: Duration) -> Figures {
        let mut figures = Figures { cores: 1, ..Figures::nothing(time) };
        for &counter in Counter::ALL {
            let (before, now) = (earlier.get(counter), later.get(counter));
            figures.counts[counter as usize] = match is_gauge(counter) {
                true => now,
                false => now.saturating_sub(before),
            };
        }
        for &timing in Timing::ALL {
            let new = later.timing(timing).since(earlier.timing(timing));
            figures.timings[timing as usize] = new;
        }
        figures
    }

    fn add(&mut self, core: &Figures) {
        self.cores += core.cores;
        for (sum, count) in self.counts.iter_mut().zip(&core.counts) {
            *sum += count;
        }
        for (sum, timing) in self.timings.iter_mut().zip(&core.timings) {
            sum.merge(timing);
        }
    }

    /// What a counter rose by, or what a gauge shows now.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counts[counter as usize]
    }

    /// What a counter rose by in a second.
    pub fn rate(&self, counter: Counter) -> f64 {
        self.count(counter) as f64 / self.seconds
    }

    /// The durations of the interval.
    pub fn timing(&self, timing: Timing) -> &Distribution {
        &self.timings[timing as usize]
    }

    /// The part of the time that was worked, 0 to 1; over all cores their mean.
    pub fn busy(&self) -> f64 {
        let worked = self.rate(Counter::BusyNanos) / 1e9;
        (worked / f64::from(self.cores.max(1))).min(1.0)
    }

    /// Connections that had something new to send, per turn.
    pub fn dirty_per_turn(&self) -> f64 {
        let turns = self.count(Counter::Turns).max(1);
        self.count(Counter::DirtyConnections) as f64 / turns as f64
    }
}

/// base::Counter::name: what does not end in `_total` is a gauge.
fn is_gauge(counter: Counter) -> bool {
    !counter.name().ends_with("_total")
}
