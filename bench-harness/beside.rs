//! Live traffic, without and with something else going on: scrapes of the monitoring endpoints, TLS
//! handshakes, the replay of a stream, reloads of the configuration. Measured in pairs (`pairs`).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use crate::cores::Placement;
use crate::error::BenchError;
use crate::handshakes::HandshakePlan;
use crate::js_replay::{Replay, ReplayPlan};
use crate::latency::LatencyPlan;
use crate::measure::{Measure, Sample};
use crate::pairs::{Half, PairFlags, Pairs};
use crate::progress::Progress;
use crate::reload::{Reload, ReloadPlan};
use crate::scrape::{Scrape, ScrapePlan};
use crate::server::Server;
use crate::session::Endpoint;
use crate::stage::{Phase, Stage};
use crate::stats::Stats;
use crate::traffic::TrafficPlan;

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct BesidePlan {
    /// Live traffic at a fixed rate, whose latencies are watched.
    pub latency: LatencyPlan,
    /// Live traffic as fast as it goes, whose rate is watched.
    pub flood: Option<TrafficPlan>,
    /// What goes on beside it.
    pub disturbance: Disturbance,
    /// Pairs of windows of each traffic, without and with the disturbance.
    pub pairs: usize,
}

/// What goes on beside live traffic.
#[derive(Debug, Clone)]
pub enum Disturbance {
    /// Monitoring endpoints, again and again.
    Scrape(ScrapePlan),
    /// Connections that shake hands, log in and leave.
    Handshakes(HandshakePlan),
    /// A stream read from its beginning, again and again.
    Replay(ReplayPlan),
    /// The configuration changed and read again.
    Reload(ReloadPlan),
}

/// A disturbance that can begin.
enum Ready {
    Scrape(Scrape),
    Handshakes(HandshakePlan, Endpoint),
    Replay(Replay),
    Reload(Reload),
}

impl Ready {
    fn new(
        disturbance: &Disturbance,
        server: &mut Server,
        placement: &Placement,
    ) -> Result<Ready, BenchError> {
        Ok(match disturbance {
            Disturbance::Scrape(plan) => Ready::Scrape(plan.prepare(server)?),
            Disturbance::Handshakes(plan) => {
                plan.check(&server.endpoint)?;
                Ready::Handshakes(plan.clone(), server.endpoint.clone())
            }
            Disturbance::Replay(plan) => Ready::Replay(plan.prepare(server, placement)?),
            Disturbance::Reload(plan) => Ready::Reload(plan.prepare(server)?),
        })
    }

    /// Goes on until the stage closes, counting what it has done.
    fn go(&self, placement: &Placement, done: &AtomicU64, stage: &Stage) -> Result<(), BenchError> {
        placement.keep_to_load()?;
        if !matches!(self, Ready::Reload(_)) {
            step_back()?;
        }
        match self {
            Ready::Scrape(scrape) => scrape.go(done, stage),
            Ready::Handshakes(plan, endpoint) => plan.go(endpoint, done, stage),
            Ready::Replay(replay) => replay.go(done, stage),
            Ready::Reload(reload) => reload.go(done, stage),
        }
    }

    fn measure(&self) -> Option<Measure> {
        match self {
            Ready::Scrape(_) => Some(Measure::ScrapeRate),
            Ready::Handshakes(..) => Some(Measure::HandshakeRate),
            Ready::Replay(_) => Some(Measure::ReplayRate),
            Ready::Reload(_) => None,
        }
    }

    /// Runs `work` as one half of a pair; `rates` get how much of the disturbance was done.
    fn half(
        &self,
        placement: &Placement,
        half: Half,
        rates: &mut Vec<f64>,
        work: impl FnOnce() -> Result<Sample, BenchError>,
    ) -> Result<Sample, BenchError> {
        match half {
            Half::Without => work(),
            Half::With => {
                let (sample, rate) = self.beside(placement, work)?;
                rates.push(rate);
                Ok(sample)
            }
        }
    }

    /// Runs `work` while the disturbance goes on; returns how much of it was done a second.
    fn beside(
        &self,
        placement: &Placement,
        work: impl FnOnce() -> Result<Sample, BenchError>,
    ) -> Result<(Sample, f64), BenchError> {
        let (stage, done) = (Stage::new(), AtomicU64::new(0));
        let begun = Instant::now();
        thread::scope(|scope| {
            let side = scope.spawn(|| self.go(placement, &done, &stage));
            let sample = work();
            stage.open(Phase::Closed);
            let side = side.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let rate = done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
            let mut sample = sample?;
            if let Err(error) = side {
                sample.partial = sample.partial.or(Some(error.to_string()));
            }
            Ok((sample, rate))
        })
    }
}

/// Lets the live traffic's threads go before this one and those that it starts, which run where a
/// core has nothing else to do: whoever scrapes, shakes hands or reads a stream computes on another
/// host, and what that costs here must not count as the server's.
fn step_back() -> Result<(), BenchError> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let least = ThreadPriority::Min;
    set_thread_priority_and_policy(thread_native_id(), least, idle)
        .map_err(|error| io::Error::other(error.to_string()).into())
}

impl BesidePlan {
    /// Runs all pairs. The latencies shown are those of the last run with the disturbance.
    ///
    /// # Errors
    /// Whatever kept the load from starting at all.
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let ready = Ready::new(&self.disturbance, server, placement)?;
        let mut rates = Vec::new();
        let live = Pairs::run(self.pairs, |half| {
            let work = || self.latency.run(server, placement, progress);
            ready.half(placement, half, &mut rates, work)
        })?;
        let mut first = Sample::default();
        // Where that is known, without what the live load waited for a core of its own host.
        let p99 = if live.have(Measure::BetweenP99) { Measure::BetweenP99 } else { Measure::P99 };
        live.put_share(&mut first, Measure::P99Share, p99);
        if let Some(flood) = &self.flood
            && live.partial().is_none()
        {
            let flooded = Pairs::run(self.pairs, |half| {
                let work = || flood.run(server, placement, progress);
                ready.half(placement, half, &mut Vec::new(), work)
            })?;
            flooded.put_share(&mut first, Measure::RateShare, Measure::DeliverRate);
            first.partial = flooded.partial();
        }
        match &ready {
            Ready::Reload(reload) => reload.put(&mut first),
            _ => {
                if let (Some(measure), Some(rate)) = (ready.measure(), Stats::of(&rates)) {
                    first.put(measure, rate.median);
                }
            }
        }
        first.put(Measure::Max, live.largest(Half::With, Measure::Max));
        first.put(Measure::MaxWithout, live.largest(Half::Without, Measure::Max));
        let mut last = live.into_last();
        // The server's CPU went into the disturbance too.
        last.values.retain(|(measure, _)| {
            !matches!(measure, Measure::CpuPerMillion | Measure::Max | Measure::PublishRate)
        });
        Ok(last.behind(first))
    }
}

/// Flags of the live traffic.
#[derive(Debug, Clone, clap::Args)]
pub struct LiveFlags {
    /// Live messages a second
    #[arg(long, default_value = "10k", value_parser = crate::quantity::count)]
    rate: u64,
    /// Their size, at least 16
    #[arg(long, default_value = "128", value_parser = crate::quantity::bytes)]
    size: usize,
    /// Their subscribers, spread over the server's cores
    #[arg(long, default_value_t = 2)]
    subs: usize,
    #[command(flatten)]
    pub pairs: PairFlags,
    /// Length of each window
    #[arg(long, default_value = "2s", value_parser = crate::quantity::duration)]
    pub duration: Duration,
    /// Time before each of them
    #[arg(long, default_value = "300ms", value_parser = crate::quantity::duration)]
    pub warmup: Duration,
}

impl LiveFlags {
    /// The traffic, and how to speak of it.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn latency(&self) -> Result<(LatencyPlan, String), BenchError> {
        let plan = LatencyPlan::steady(self.rate, self.size, self.subs)?;
        let plan = LatencyPlan { duration: self.duration, warmup: self.warmup, ..plan };
        Ok((plan, format!("{}/s 1 → {}, {} B", self.rate, self.subs, self.size)))
    }
}
