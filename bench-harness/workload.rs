//! The work of one mode, ready to be run against any server.

use crate::accounts::AccountsPlan;
use crate::beside::{BesidePlan, Disturbance};
use crate::connect::{ConnectPlan, StartPlan};
use crate::cores::Placement;
use crate::error::BenchError;
use crate::guarded::{self, GuardedPlan};
use crate::js_kv::KvReadPlan;
use crate::js_publish::JsPublishPlan;
use crate::js_recover::JsRecoverPlan;
use crate::js_sub::JsSubPlan;
use crate::latency::{LatencyPlan, SweepPlan};
use crate::measure::{Measure, Sample};
use crate::pairs::{Half, Pairs};
use crate::progress::Progress;
use crate::reload;
use crate::request::RequestPlan;
use crate::server::{Monitor, Outfit, Server, ServerSpec, Store};
use crate::traffic::TrafficPlan;

/// What a mode does to a server.
#[derive(Debug, Clone)]
pub enum Work {
    /// Publishers and subscribers.
    Traffic(TrafficPlan),
    /// The same traffic without and with subscribers that have stopped reading.
    Stalled {
        /// All subscribers read; some do not.
        plans: [TrafficPlan; 2],
        /// How often each.
        pairs: usize,
    },
    /// Request and reply.
    Request(RequestPlan),
    /// Open-loop latency.
    Latency(LatencyPlan),
    /// Highest rate that holds a latency.
    Sweep(SweepPlan),
    /// Connections.
    Connect(ConnectPlan),
    /// Process start.
    Start(StartPlan),
    /// Process start with many accounts.
    Accounts(AccountsPlan),
    /// Publishes into streams.
    JsPublish(JsPublishPlan),
    /// Streams filled and read.
    JsSub(JsSubPlan),
    /// A bucket filled and read.
    KvRead(KvReadPlan),
    /// A killed server with streams.
    JsRecover(JsRecoverPlan),
    /// Live traffic, without and with something else going on.
    Beside(BesidePlan),
    /// The same traffic, plain and through permissions or imports.
    Guarded(GuardedPlan),
}

impl Work {
    /// What it needs of a server that is started for it.
    pub fn outfit(&self) -> Outfit {
        let none = Outfit::default();
        match self {
            Work::JsPublish(_) | Work::JsSub(_) | Work::KvRead(_) | Work::JsRecover(_) => {
                Outfit { store: Store::Folder, ..none }
            }
            Work::Beside(plan) => match &plan.disturbance {
                Disturbance::Scrape(_) => Outfit { monitor: Monitor::On, ..none },
                Disturbance::Handshakes(_) => none,
                Disturbance::Replay(_) => Outfit { store: Store::Folder, ..none },
                Disturbance::Reload(plan) => {
                    let config = reload::configuration(plan.users, "first");
                    let (config, login) = (Some(config.into()), Some(reload::live_user()));
                    Outfit { config, login, ..none }
                }
            },
            Work::Guarded(_) => {
                let config = Some(guarded::configuration().into());
                Outfit { config, login: guarded::plain_user(), ..none }
            }
            Work::Accounts(plan) => Outfit { config: Some(plan.configuration()), ..none },
            Work::Traffic(_)
            | Work::Stalled { .. }
            | Work::Request(_)
            | Work::Latency(_)
            | Work::Sweep(_)
            | Work::Connect(_)
            | Work::Start(_) => none,
        }
    }

    /// Whether it starts and stops its servers itself.
    pub fn starts_servers(&self) -> bool {
        matches!(self, Work::Start(_) | Work::Accounts(_))
    }
}

/// Work and how to speak of it.
#[derive(Debug, Clone)]
pub struct Workload {
    /// One line for the head of a table.
    pub title: String,
    /// The work.
    pub work: Work,
}

impl Workload {
    /// Runs on a server that is up.
    ///
    /// # Errors
    /// What kept the work from starting. Work that ended early is a partial sample instead.
    pub fn run(&self, server: &mut Server, placement: &Placement) -> Result<Sample, BenchError> {
        // Who watches the load must not wake on the server's cores.
        placement.keep_to_load()?;
        let progress = Progress::new(&format!("{}: {}", server.label, self.title));
        let mut sample = match &self.work {
            Work::Traffic(plan) => plan.run(server, placement, &progress),
            Work::Stalled { plans, pairs } => stalled(plans, *pairs, server, placement, &progress),
            Work::Request(plan) => plan.run(server, placement, &progress),
            Work::Latency(plan) => plan.run(server, placement, &progress),
            Work::Sweep(plan) => plan.run(server, placement, &progress),
            Work::Connect(plan) => plan.run(server, placement),
            Work::JsPublish(plan) => plan.run(server, placement, &progress),
            Work::JsSub(plan) => plan.run(server, placement, &progress),
            Work::KvRead(plan) => plan.run(server, placement, &progress),
            Work::JsRecover(plan) => plan.run(server, placement, &progress),
            Work::Beside(plan) => plan.run(server, placement, &progress),
            Work::Guarded(plan) => plan.run(server, placement, &progress),
            Work::Start(_) | Work::Accounts(_) => {
                Err(BenchError::Usage("this mode starts its own servers: use --spawn".to_string()))
            }
        }?;
        sample.server_version = server.version.clone();
        Ok(sample)
    }

    /// Runs on a server of its own, which ends with the run.
    ///
    /// # Errors
    /// As [`Workload::run`], and what keeps a program from starting.
    pub fn run_fresh(
        &self,
        spec: &ServerSpec,
        placement: &Placement,
    ) -> Result<Sample, BenchError> {
        let spec = &spec.fitted(self.work.outfit());
        match &self.work {
            Work::Start(plan) => plan.run(spec, placement),
            Work::Accounts(plan) => plan.starts.run(spec, placement),
            _ => self.run(&mut Server::start(spec, placement)?, placement),
        }
    }
}

/// The share is that of the pairs; the other quantities are those of the last run with.
fn stalled(
    [without, with]: &[TrafficPlan; 2],
    pairs: usize,
    server: &mut Server,
    placement: &Placement,
    progress: &Progress,
) -> Result<Sample, BenchError> {
    let pairs = Pairs::run(pairs, |half| match half {
        Half::Without => without.run(server, placement, progress),
        Half::With => with.run(server, placement, progress),
    })?;
    let mut first = Sample::default();
    pairs.put_share(&mut first, Measure::StalledShare, Measure::PublishRate);
    Ok(pairs.into_last().behind(first))
}
