//! `smoke`: every mode once, briefly, with counts, order and content checked. For CI: it asserts
//! that messages arrive, never how fast.

use clap::Parser;

use crate::cores::Placement;
use crate::error::BenchError;
use crate::interrupt;
use crate::modes::Mode;
use crate::server::{Origin, Server, ServerSpec};
use crate::workload::Work;

/// The modes and their flags; each takes a fraction of a second.
const STEPS: [&str; 13] = [
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

/// Runs all steps on one server. A program is also started afresh once.
///
/// # Errors
/// When the server cannot be reached at all, and on Ctrl-C.
pub fn run(spec: &ServerSpec, placement: &Placement) -> Result<Vec<Step>, BenchError> {
    let mut steps = Vec::new();
    let mut server = Server::start(spec, placement)?;
    for flags in STEPS {
        interrupt::check()?;
        let workload = mode(flags)?.workload()?;
        let failure = match workload.run(&mut server, placement) {
            Ok(sample) => sample.partial,
            Err(error) => Some(error.to_string()),
        };
        steps.push(Step { flags: flags.to_string(), failure });
    }
    drop(server);
    if matches!(spec.origin, Origin::Program { .. }) {
        let flags = "start --starts 1";
        let workload = mode(flags)?.workload()?;
        debug_assert!(matches!(workload.work, Work::Start(_)));
        let failure = workload.run_fresh(spec, placement).err().map(|error| error.to_string());
        steps.push(Step { flags: flags.to_string(), failure });
    }
    Ok(steps)
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
        for flags in STEPS {
            let workload = mode(flags).and_then(|mode| mode.workload());
            assert!(workload.is_ok(), "{flags}: {workload:?}");
        }
    }
}
