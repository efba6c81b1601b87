//! `smoke`: every mode once, briefly, with counts, order and content checked. For CI: it asserts
//! that messages arrive, never how fast.

use clap::Parser;

use crate::cores::Placement;
use crate::error::BenchError;
use crate::interrupt;
use crate::measure::Sample;
use crate::modes::Mode;
use crate::server::{Origin, Outfit, Server, ServerSpec, Store};

/// The modes and their flags; each takes a fraction of a second.
const STEPS: [&str; 22] = [
    "pub --msgs 20k --pubs 2 --warmup 10ms",
    "sub --msgs 20k --subs 2 --warmup 10ms --verify",
    "pubsub --msgs 20k --pubs 2 --subs 2 --warmup 10ms --verify",
    "pubsub --msgs 20k --pubs 3 --subs 3 --subjects own --warmup 10ms --verify",
    "pubsub --msgs 500 --size 64KiB --warmup 10ms --verify",
    "fanout --msgs 10k --subs 8 --warmup 10ms --verify",
    "queue --msgs 20k --subs 4 --warmup 10ms --verify",
    "wildcard --msgs 10k --subscriptions 2k --subs 2 --warmup 10ms --verify",
    "unbatched --msgs 5k --rate 50k --conns 8 --subs 1 --warmup 10ms --verify",
    "stalled --msgs 5k --subs 4 --stalled 1 --warmup 10ms",
    "request --msgs 2k --warmup 10ms --requesters 2 --responders 2 --in-flight 4",
    "latency --rate 5k --duration 200ms --warmup 50ms --subs 2",
    "connect --conns 50",
    "js-pub --msgs 5k --streams 2 --subjects 3 --pubs 2 --warmup 10ms",
    "js-pub --msgs 200 --window 1 --warmup 10ms",
    "js-pub --msgs 5k --storage memory --warmup 10ms",
    "js-sub --msgs 5k --streams 2",
    "js-sub --msgs 5k --feed ordered --size 1KiB",
    "js-sub --msgs 5k --ack none --batch 100",
    "js-kv put --msgs 5k --keys 100 --warmup 10ms",
    "js-kv get --msgs 2k --keys 100 --warmup 10ms",
    "js-kv watch --keys 500",
];

/// What needs a server of its own, started as the mode wants it.
const OWN: [&str; 8] = [
    "start --starts 1",
    "accounts --accounts 100 --starts 1",
    "js-sub --msgs 5k --cold",
    "js-recover --msgs 5k --subjects 500",
    "js-replay --msgs 5k --rate 1k --duration 100ms --warmup 10ms",
    "scrape --conns 20 --rate 1k --duration 100ms --warmup 10ms",
    "reload --users 50 --rate 1k --duration 300ms --warmup 10ms",
    "guarded permissions --duration 50ms --warmup 10ms",
];

/// What one step came to.
#[derive(Debug)]
pub struct Step {
    /// The mode and its flags.
    pub flags: String,
    /// What was wrong, if anything was.
    pub failure: Option<String>,
}

#[derive(Parser)]
#[command(no_binary_name = true)]
struct ModeLine {
    #[command(subcommand)]
    mode: Mode,
}

/// Runs all steps on one server, and those that need one of their own on programs started afresh.
///
/// # Errors
/// When the server cannot be reached at all, and on Ctrl-C.
pub fn run(spec: &ServerSpec, placement: &Placement) -> Result<Vec<Step>, BenchError> {
    let mut steps = Vec::new();
    let all = Outfit { store: Store::Folder, ..Outfit::default() };
    let mut server = Server::start(&spec.fitted(all), placement)?;
    for flags in STEPS {
        interrupt::check()?;
        let workload = mode(flags)?.workload()?;
        steps.push(Step::of(flags, workload.run(&mut server, placement)));
    }
    drop(server);
    if matches!(spec.origin, Origin::Program { .. }) {
        for flags in OWN {
            interrupt::check()?;
            let workload = mode(flags)?.workload()?;
            steps.push(Step::of(flags, workload.run_fresh(spec, placement)));
        }
    }
    Ok(steps)
}

impl Step {
    fn of(flags: &str, outcome: Result<Sample, BenchError>) -> Step {
        let failure = match outcome {
            Ok(sample) => sample.partial,
            Err(error) => Some(error.to_string()),
        };
        Step { flags: flags.to_string(), failure }
    }
}

fn mode(flags: &str) -> Result<Mode, BenchError> {
    let line = ModeLine::try_parse_from(flags.split(' '));
    Ok(line.map_err(|error| BenchError::Usage(error.to_string()))?.mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_mode_that_exists() {
        for flags in STEPS.iter().chain(&OWN) {
            let workload = mode(flags).and_then(|mode| mode.workload());
            assert!(workload.is_ok(), "{flags}: {workload:?}");
        }
    }
}
