//! Live traffic, without and with something else going on: scrapes of the monitoring endpoints, TLS
//! handshakes, the replay of a stream, reloads of the configuration.
//!
//! Both are measured in turn, in pairs, so that what the machine does in between weighs on both
//! sides, and every other pair begins with the disturbance, so that neither profits from coming
//! first; a share is the median of the pairs.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::Placement;
use crate::error::BenchError;
use crate::handshakes::HandshakePlan;
use crate::js_replay::{Replay, ReplayPlan};
use crate::latency::LatencyPlan;
use crate::measure::{Measure, Sample};
use crate::progress::Progress;
use crate::reload::{Reload, ReloadPlan};
use crate::scrape::{Scrape, ScrapePlan};
use crate::server::Server;
use crate::session::Endpoint;
use crate::stage::{Phase, Stage};
use crate::stats::Stats;
use crate::traffic::TrafficPlan;

/// Pairs of runs, without and with: an even number.
const PAIRS: usize = 4;

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct BesidePlan {
    /// Live traffic at a fixed rate, whose latencies are watched.
    pub latency: LatencyPlan,
    /// Live traffic as fast as it goes, whose rate is watched.
    pub flood: Option<TrafficPlan>,
    /// What goes on beside it.
    pub disturbance: Disturbance,
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
    fn go(&self, done: &AtomicU64, stage: &Stage) -> Result<(), BenchError> {
        if let Ready::Scrape(_) | Ready::Handshakes(..) = self {
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

    /// Runs `work` without the disturbance and with it, in this order or the other; returns both
    /// and how much of the disturbance was done a second.
    fn pair(
        &self,
        order: Order,
        mut work: impl FnMut() -> Result<Sample, BenchError>,
    ) -> Result<(Sample, Sample, f64), BenchError> {
        match order {
            Order::WithoutFirst => {
                let without = work()?;
                let (with, rate) = self.beside(work)?;
                Ok((without, with, rate))
            }
            Order::WithFirst => {
                let (with, rate) = self.beside(&mut work)?;
                Ok((work()?, with, rate))
            }
        }
    }

    /// Runs `work` while the disturbance goes on; returns how much of it was done a second.
    fn beside(
        &self,
        work: impl FnOnce() -> Result<Sample, BenchError>,
    ) -> Result<(Sample, f64), BenchError> {
        let (stage, done) = (Stage::new(), AtomicU64::new(0));
        let begun = Instant::now();
        thread::scope(|scope| {
            let side = scope.spawn(|| self.go(&done, &stage));
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

/// Lets the live traffic's threads go before this one and those that it starts: whoever scrapes or
/// shakes hands computes on another host, and what that costs here must not count as the server's.
fn step_back() -> Result<(), BenchError> {
    const LEAST: i32 = 19;
    rustix::process::setpriority_process(None, LEAST).map_err(io::Error::from)?;
    Ok(())
}

/// Which half of a pair comes first.
#[derive(Clone, Copy)]
enum Order {
    WithoutFirst,
    WithFirst,
}

/// Figures of all pairs.
#[derive(Debug, Default)]
struct Pairs {
    p99_shares: Vec<f64>,
    rate_shares: Vec<f64>,
    done_rates: Vec<f64>,
    /// Largest latency of all runs without, and of all with.
    longest: [f64; 2],
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
        let mut pairs = Pairs::default();
        let mut last = Sample::default();
        for order in [Order::WithoutFirst, Order::WithFirst].into_iter().cycle().take(PAIRS) {
            let live = || self.latency.run(server, placement, progress);
            let (without, with, done) = ready.pair(order, live)?;
            pairs.p99_shares.push(share(&with, &without, Measure::P99));
            pairs.done_rates.push(done);
            for (longest, sample) in pairs.longest.iter_mut().zip([&without, &with]) {
                *longest = longest.max(sample.get(Measure::Max).unwrap_or(0.0));
            }
            last = with;
            last.partial = last.partial.or(without.partial);
            if let Some(flood) = &self.flood {
                let flooded = || flood.run(server, placement, progress);
                let (without, with, _) = ready.pair(order, flooded)?;
                pairs.rate_shares.push(share(&with, &without, Measure::DeliverRate));
                last.partial = last.partial.or(without.partial).or(with.partial);
            }
            if last.partial.is_some() {
                break;
            }
        }
        Ok(pairs.into_sample(last, &ready))
    }
}

fn share(with: &Sample, without: &Sample, measure: Measure) -> f64 {
    let value = |sample: &Sample| sample.get(measure).unwrap_or(f64::NAN);
    value(with) / value(without)
}

impl Pairs {
    fn into_sample(self, mut sample: Sample, ready: &Ready) -> Sample {
        let median = |values: &[f64]| Stats::of(values).map_or(f64::NAN, |stats| stats.median);
        // The server's CPU went into the disturbance too.
        sample.values.retain(|(measure, _)| {
            !matches!(measure, Measure::CpuPerMillion | Measure::Max | Measure::PublishRate)
        });
        let mut first = Sample::default();
        first.put(Measure::P99Share, median(&self.p99_shares));
        first.put(Measure::RateShare, median(&self.rate_shares));
        match ready {
            Ready::Reload(reload) => reload.put(&mut first),
            _ => {
                if let Some(measure) = ready.measure() {
                    first.put(measure, median(&self.done_rates));
                }
            }
        }
        first.put(Measure::Max, self.longest[1]);
        first.put(Measure::MaxWithout, self.longest[0]);
        first.values.append(&mut sample.values);
        sample.values = first.values;
        sample
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
    /// Length of each window, of which there are eight or sixteen
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
