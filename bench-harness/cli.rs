//! The command line: which server, which mode, and where the result goes.
//!
//! What stands behind `--` belongs to the spawned server, or, for `compare`, is the mode.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use crate::channel::Trust;
use crate::compare::{Comparison, Rules, Servers};
use crate::cores::{self, Placement};
use crate::disk::DiskLimits;
use crate::error::BenchError;
use crate::fingerprint::Fingerprint;
use crate::interrupt;
use crate::limits::LimitsPlan;
use crate::measure::Sample;
use crate::modes::Mode;
use crate::output::{self, Output};
use crate::quantity;
use crate::server::{Origin, ServerSpec};
use crate::session::Endpoint;
use crate::smoke;
use crate::suite::Suite;
use crate::table::Table;
use crate::workload::Workload;

/// Load generator for NATS servers
#[derive(Debug, Parser)]
#[command(name = "corewire-bench", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  corewire-bench pubsub --server nats://127.0.0.1:4222 --subs 4 --size 128
  corewire-bench pub --spawn nats-server -- -D
  corewire-bench compare nats-server ./corewire -- fanout --subs 4
  corewire-bench suite nats-server ./corewire
  corewire-bench suite nats-server ./corewire --only js
  corewire-bench js-pub --spawn nats-server
  corewire-bench limits
CPU per million counts messages published; with N subscribers it includes all N deliveries.";

/// Which server.
#[derive(Debug, Clone, Args)]
struct Target {
    /// A server that runs: `nats://[user:password@]host:port`
    #[arg(long, global = true, conflicts_with = "spawn")]
    server: Option<String>,
    /// Process id of --server, to measure its CPU and memory
    #[arg(long, global = true)]
    pid: Option<u32>,
    /// A program to start on a free port and to stop at the end; its flags go behind --
    #[arg(long, global = true)]
    spawn: Option<String>,
    /// Log in over TLS; the certificates that may have signed the server's (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Cores of the load, e.g. 0,2-5, or `any` [default: half of four or more where servers are
    /// spawned, else any]
    #[arg(long, global = true)]
    cores: Option<String>,
    /// Cores of spawned servers [default: the other half]
    #[arg(long, global = true)]
    server_cores: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Mode(Mode),
    /// The same mode against several servers, in alternating rounds: compare A B [C…] -- MODE …
    Compare {
        /// Servers: [label=]nats://host:port or "[label=]program flags"
        #[arg(required = true, num_args = 2..)]
        servers: Vec<String>,
        #[command(flatten)]
        rules: RuleFlags,
    },
    /// The tables of goals over several servers; the core broker's unless others are named
    Suite {
        /// Servers: the first is what the others are compared with
        #[arg(required = true, num_args = 1..)]
        servers: Vec<String>,
        /// Tables and rows, separated by commas: core, js, operate, secure, tls, and the names of
        /// rows, which a wrong one lists
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Length of each measured window
        #[arg(long, default_value = "2s")]
        duration: String,
        #[command(flatten)]
        rules: RuleFlags,
    },
    /// Every mode once, briefly, with counts checked: for CI
    Smoke,
    /// What the generator can send and count alone
    Limits {
        /// Payload size
        #[arg(long, default_value = "16", value_parser = quantity::bytes)]
        size: usize,
        /// Length of each part
        #[arg(long, default_value = "2s", value_parser = quantity::duration)]
        duration: Duration,
    },
    /// What the disk below the store folders can do alone
    Disk {
        /// Length of each part
        #[arg(long, default_value = "2s", value_parser = quantity::duration)]
        duration: Duration,
    },
}

/// How rounds are made and judged.
#[derive(Debug, Clone, Args)]
struct RuleFlags {
    /// Rounds
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A fresh process for each round, or all kept up
    #[arg(long, value_enum, default_value_t = Servers::Fresh)]
    servers_are: Servers,
    /// Spread of the rounds, as a share of the median, above which no headline is printed
    #[arg(long, default_value_t = 0.3)]
    noise_max: f64,
}

impl RuleFlags {
    fn rules(&self, placement: Placement) -> Result<Rules, BenchError> {
        if self.rounds == 0 {
            return Err(BenchError::Usage("--rounds must be at least 1".to_string()));
        }
        let (rounds, servers, noise_max) = (self.rounds, self.servers_are, self.noise_max);
        Ok(Rules { rounds, servers, noise_max, placement })
    }
}

impl Target {
    fn placement(&self, command: &Command) -> Result<Placement, BenchError> {
        let spawns = match command {
            Command::Mode(_) => self.spawn.is_some(),
            Command::Compare { .. } | Command::Suite { .. } => true,
            Command::Smoke | Command::Limits { .. } | Command::Disk { .. } => false,
        };
        if spawns && self.cores.is_none() && self.server_cores.is_none() {
            return Ok(Placement::apart());
        }
        let side =
            |text: &Option<String>| text.as_deref().map_or(Ok(Vec::new()), cores::parse_side);
        Ok(Placement { load: side(&self.cores)?, server: side(&self.server_cores)? })
    }

    fn trust(&self) -> Result<Option<Trust>, BenchError> {
        self.tls_ca.as_deref().map(Trust::from_file).transpose()
    }

    /// The servers of a comparison.
    fn specs(&self, servers: &[String]) -> Result<Vec<ServerSpec>, BenchError> {
        let trust = self.trust()?;
        let spec =
            |text: &String| Ok(ServerSpec { trust: trust.clone(), ..ServerSpec::parse(text)? });
        servers.iter().map(spec).collect()
    }

    fn spec(&self, flags: &[String]) -> Result<ServerSpec, BenchError> {
        let spec = self.plain_spec(flags)?;
        Ok(ServerSpec { trust: self.trust()?, ..spec })
    }

    fn plain_spec(&self, flags: &[String]) -> Result<ServerSpec, BenchError> {
        match (&self.server, &self.spawn) {
            (Some(url), _) if flags.is_empty() => {
                let endpoint = Endpoint::parse(url)?;
                let label = endpoint.address.clone();
                Ok(ServerSpec::new(label, Origin::Running { endpoint, pid: self.pid }))
            }
            (Some(_), _) => Err(BenchError::Usage("flags behind -- belong to --spawn".to_string())),
            (None, Some(program)) => {
                let mut spec = ServerSpec::parse(program)?;
                if let Origin::Program { flags: given, .. } = &mut spec.origin {
                    given.extend_from_slice(flags);
                }
                Ok(spec)
            }
            (None, None) => {
                let text = "which server? give --server nats://host:port or --spawn PROGRAM";
                Err(BenchError::Usage(text.to_string()))
            }
        }
    }
}

/// Reads the flags, does the work, prints the result.
///
/// # Errors
/// Whatever ended the work; `main` prints it.
pub fn run(args: impl Iterator<Item = OsString>) -> Result<ExitCode, BenchError> {
    let mut args: Vec<OsString> = args.collect();
    let mut tail: Vec<String> = Vec::new();
    if let Some(at) = args.iter().position(|arg| arg == "--") {
        let behind = args.split_off(at);
        tail = behind[1..].iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help to stdout and mistakes to stderr; a closed pipe is no failure.
            let _ = error.print();
            return Ok(ExitCode::from(error.exit_code() as u8));
        }
    };
    let placement = cli.target.placement(&cli.command)?;
    let code = match &cli.command {
        Command::Smoke => smoke(&cli, &tail, &placement),
        Command::Mode(mode) => one(mode, &cli, &tail, &placement),
        Command::Compare { servers, rules } => {
            let workload = mode_behind(&tail)?;
            compare(&cli.target.specs(servers)?, &workload, &rules.rules(placement)?, &cli.output)
        }
        Command::Suite { servers, only, duration, rules } => {
            quantity::duration(duration).map_err(|error| BenchError::Usage(error.to_string()))?;
            suite(&cli.target.specs(servers)?, only, duration, rules.rules(placement)?, &cli.output)
        }
        Command::Limits { size, duration } => {
            limits(&LimitsPlan { size: *size, time: *duration }, &placement, &cli.output)
        }
        Command::Disk { duration } => disk(*duration, &placement, &cli.output),
    }?;
    // What there was by then has been printed, marked partial.
    interrupt::check()?;
    Ok(code)
}

#[derive(Debug, Parser)]
#[command(name = "corewire-bench compare …", no_binary_name = true)]
struct ModeBehind {
    #[command(subcommand)]
    mode: Mode,
}

fn mode_behind(tail: &[String]) -> Result<Workload, BenchError> {
    if tail.is_empty() {
        return Err(BenchError::Usage("which mode? give it behind --, e.g. -- pubsub".to_string()));
    }
    let line =
        ModeBehind::try_parse_from(tail).map_err(|error| BenchError::Usage(error.to_string()))?;
    line.mode.workload()
}

/// Results that are whole end with 0, partial ones with 1.
fn exit(failed: bool) -> ExitCode {
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn one(
    mode: &Mode,
    cli: &Cli,
    tail: &[String],
    placement: &Placement,
) -> Result<ExitCode, BenchError> {
    let spec = cli.target.spec(tail)?;
    let workload = mode.workload()?;
    let fingerprint = Fingerprint::take(placement);
    let sample = workload.run_fresh(&spec, placement)?;
    let text = if cli.output.json {
        let value = json!({
            "work": workload.title, "server": spec.label, "machine": fingerprint.to_json(),
            "sample": sample.to_json(),
        });
        format!("{value:#}\n")
    } else {
        show_sample(&spec.label, &workload, &sample, placement)
    };
    if let Some(reason) = &sample.partial {
        eprintln!("corewire-bench: PARTIAL RESULT: {reason}");
    }
    let comparison = Comparison::of_one(&spec.label, &workload, sample);
    let noise_max = 1.0;
    let rules =
        Rules { rounds: 1, servers: Servers::Fresh, noise_max, placement: placement.clone() };
    let title = format!("{}: {}", spec.label, workload.title);
    cli.output.write(&text, &title, &[&comparison], None, &rules, &fingerprint)?;
    Ok(exit(comparison.failed()))
}

fn show_sample(label: &str, workload: &Workload, sample: &Sample, placement: &Placement) -> String {
    let partial = if sample.partial.is_some() { " (PARTIAL)" } else { "" };
    let version = sample.server_version.as_deref().unwrap_or("");
    let mut table = Table::new(&["quantity", "value"]);
    for (measure, value) in &sample.values {
        let doubt = if sample.load_bound(*measure) { " (generator was the limit)" } else { "" };
        let shown = format!("{}{}{doubt}", measure.show(*value), sample.show_interval(*measure));
        table.row(vec![measure.title().to_string(), shown]);
    }
    table.row(vec!["messages sent".to_string(), sample.tally.sent.to_string()]);
    if sample.tally.expected > 0 {
        let counted = format!("{} of {}", sample.tally.received, sample.tally.expected);
        table.row(vec!["deliveries counted".to_string(), counted]);
    }
    if sample.load_busy > 0.0 {
        let busy = format!("{:.0} %", sample.load_busy * 100.0);
        table.row(vec!["busiest load thread".to_string(), busy]);
    }
    format!(
        "{label} {version}: {}{partial}; {}\n{}",
        workload.title,
        placement.describe(),
        table.render()
    )
}

fn compare(
    servers: &[ServerSpec],
    workload: &Workload,
    rules: &Rules,
    output: &Output,
) -> Result<ExitCode, BenchError> {
    let fingerprint = Fingerprint::take(&rules.placement);
    let comparison = Comparison::run(servers, workload, rules)?;
    let text = if output.json {
        let mut value = comparison.to_json();
        value["machine"] = fingerprint.to_json();
        format!("{value:#}\n")
    } else {
        let head = format!("{} rounds, {}\n", rules.rounds, rules.placement.describe());
        head + &comparison.render(rules)
    };
    output.write(&text, &workload.title, &[&comparison], None, rules, &fingerprint)?;
    Ok(exit(comparison.failed()))
}

fn suite(
    servers: &[ServerSpec],
    only: &[String],
    duration: &str,
    rules: Rules,
    output: &Output,
) -> Result<ExitCode, BenchError> {
    let fingerprint = Fingerprint::take(&rules.placement);
    let begun = Instant::now();
    let suite = Suite::run(servers, only, duration, rules.clone(), |comparison| {
        eprintln!("{:>4} s: {}", begun.elapsed().as_secs(), comparison.title);
    })?;
    let (rounds, cores) = (rules.rounds, rules.placement.describe());
    let head = format!("{rounds} rounds of {duration}, {cores}; ± is half the spread\n");
    let table = head + &suite.render();
    let text = if output.json {
        let mut value = suite.to_json();
        value["machine"] = fingerprint.to_json();
        format!("{value:#}\n")
    } else {
        table.clone()
    };
    let comparisons: Vec<&Comparison> = suite.comparisons().collect();
    let title = "Servers compared";
    output.write(&text, title, &comparisons, Some(&table), &rules, &fingerprint)?;
    Ok(exit(suite.failed()))
}

fn smoke(cli: &Cli, tail: &[String], placement: &Placement) -> Result<ExitCode, BenchError> {
    let steps = smoke::run(&cli.target.spec(tail)?, placement)?;
    let mut text = String::new();
    for step in &steps {
        match &step.failure {
            None => text.push_str(&format!("ok    {}\n", step.flags)),
            Some(failure) => text.push_str(&format!("FAIL  {}: {failure}\n", step.flags)),
        }
    }
    output::emit(&text)?;
    Ok(exit(steps.iter().any(|step| step.failure.is_some())))
}

fn limits(
    plan: &LimitsPlan,
    placement: &Placement,
    output: &Output,
) -> Result<ExitCode, BenchError> {
    let limits = plan.run(placement)?;
    if output.json {
        let value = json!({
            "size": plan.size,
            "sent_per_s": limits.sent_per_s,
            "received_per_s": limits.received_per_s,
            "scanned_per_s": limits.scanned_per_s,
            "machine": Fingerprint::take(placement).to_json(),
        });
        output::emit(&format!("{value:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["generator alone, one thread", "rate"]);
    let rate = |value: f64| format!("{}/s", quantity::show_count(value));
    table.row(vec![format!("{} B sent to a sink", plan.size), rate(limits.sent_per_s)]);
    table.row(vec![format!("{} B received and counted", plan.size), rate(limits.received_per_s)]);
    table.row(vec![format!("{} B counted in memory", plan.size), rate(limits.scanned_per_s)]);
    output::emit(&table.render())?;
    Ok(ExitCode::SUCCESS)
}

fn disk(time: Duration, placement: &Placement, output: &Output) -> Result<ExitCode, BenchError> {
    let limits = DiskLimits::measure(time)?;
    let quantile = |share: f64| limits.writes.value_at_quantile(share) as f64;
    if output.json {
        let value = json!({
            "write_p50_ns": quantile(0.5),
            "write_p99_ns": quantile(0.99),
            "read_bytes_per_s": limits.read_bytes_per_s,
            "machine": Fingerprint::take(placement).to_json(),
        });
        output::emit(&format!("{value:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["disk alone", "figure"]);
    let write = |share: f64| quantity::show_nanos(quantile(share));
    table.row(vec!["durable write of 4 KiB, p50".to_string(), write(0.5)]);
    table.row(vec!["durable write of 4 KiB, p99".to_string(), write(0.99)]);
    let read = format!("{}/s", quantity::show_bytes(limits.read_bytes_per_s));
    table.row(vec!["read from end to end, 1 MiB a read".to_string(), read]);
    output::emit(&table.render())?;
    Ok(ExitCode::SUCCESS)
}
