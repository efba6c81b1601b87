//! CPUs: how fast they run and wake, what they share, what else runs on them.

use crate::cpu_list;
use crate::host::{Host, allowed_cpus};
use crate::item::Seen;

const CPUS: &str = "sys/devices/system/cpu";

/// Waking from a state that takes longer than this shows in the tail, microseconds.
const IDLE_EXIT_MAX_US: u64 = 10;

/// `performance` on every CPU of ours.
pub fn governor(host: &dyn Host) -> Seen {
    let mut found: Vec<String> = allowed_cpus(host)
        .into_iter()
        .filter_map(|cpu| host.read(&format!("{CPUS}/cpu{cpu}/cpufreq/scaling_governor")))
        .collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return Seen::Absent("no cpufreq");
    }
    let is_good = found == ["performance"];
    Seen::judge(is_good, found.join(", "), "performance", "scripts/tune-host --apply")
}

/// No idle state that is slow to leave.
pub fn idle_states(host: &dyn Host) -> Seen {
    let states: Vec<(u64, String)> = allowed_cpus(host)
        .into_iter()
        .map(|cpu| format!("{CPUS}/cpu{cpu}/cpuidle"))
        .flat_map(|folder| {
            let states = host.list(&folder).into_iter();
            states.map(move |state| format!("{folder}/{state}")).collect::<Vec<_>>()
        })
        .filter(|state| host.read(&format!("{state}/disable")).as_deref() != Some("1"))
        .filter_map(|state| {
            let exit_us = host.read(&format!("{state}/latency"))?.parse().ok()?;
            Some((exit_us, host.read(&format!("{state}/name")).unwrap_or_default()))
        })
        .collect();
    let Some((exit_us, name)) = states.into_iter().max() else {
        return Seen::Absent("no cpuidle");
    };
    Seen::judge(
        exit_us <= IDLE_EXIT_MAX_US,
        format!("{name}, {exit_us} us to leave"),
        format!("{IDLE_EXIT_MAX_US} us at most"),
        "cpupower idle-set -D 10, or boot with intel_idle.max_cstate=1 (spinning cores: no need)",
    )
}

/// No two CPUs of ours on one physical core.
pub fn siblings(host: &dyn Host) -> Seen {
    let ours = allowed_cpus(host);
    let siblings: Vec<Vec<usize>> = ours
        .iter()
        .filter_map(|cpu| host.read(&format!("{CPUS}/cpu{cpu}/topology/thread_siblings_list")))
        .map(|list| cpu_list::common(&cpu_list::parse(&list), &ours))
        .collect();
    if siblings.is_empty() {
        return Seen::Absent("no topology to read");
    }
    let shared = siblings.iter().find(|cpus| cpus.len() > 1);
    let found = match shared {
        Some(cpus) => format!("CPUs {} are one core", cpu_list::show(cpus)),
        None => "each CPU is a core".to_owned(),
    };
    let fix = "choose one thread of each core with --cores, or echo off > \
               /sys/devices/system/cpu/smt/control";
    Seen::judge(shared.is_none(), found, "each CPU a core of its own", fix)
}

/// Some CPUs are set apart from the scheduler.
pub fn isolated(host: &dyn Host) -> Seen {
    if !host.exists(&format!("{CPUS}/isolated")) {
        return Seen::Absent("this kernel cannot isolate CPUs");
    }
    let cpus = isolated_cpus(host);
    let fix = "boot with isolcpus=managed_irq,domain,<cores> and start with --cores <cores>";
    Seen::judge(!cpus.is_empty(), cpu_list::show(&cpus), "the server's cores", fix)
}

/// The isolated CPUs have no timer tick.
pub fn tickless(host: &dyn Host) -> Seen {
    let told = host.read(&format!("{CPUS}/nohz_full"));
    let Some(list) = told.or_else(|| boot_option(host, "nohz_full")) else {
        let built = "this kernel is built without it";
        return Seen::Absent(built);
    };
    judge_set(host, &cpu_list::parse(&list), "nohz_full")
}

/// The isolated CPUs run no RCU callbacks.
pub fn callbacks(host: &dyn Host) -> Seen {
    if !host.exists("proc/cmdline") {
        return Seen::Absent("no boot options to read");
    }
    // The kernel does for nohz_full CPUs what rcu_nocbs asks for.
    let lists = ["rcu_nocbs", "nohz_full"].map(|name| boot_option(host, name).unwrap_or_default());
    if lists[0] == "all" {
        return Seen::Good { found: "all".to_owned(), wanted: "all".to_owned() };
    }
    judge_set(host, &cpu_list::parse(&lists.join(",")), "rcu_nocbs")
}

/// Whether a set holds the isolated CPUs; without such it must hold some.
fn judge_set(host: &dyn Host, cpus: &[usize], option: &str) -> Seen {
    let isolated = isolated_cpus(host);
    let covers = isolated.iter().all(|cpu| cpus.contains(cpu));
    let wanted = match isolated.is_empty() {
        true => "the server's cores".to_owned(),
        false => cpu_list::show(&isolated),
    };
    let fix = format!("boot with {option}=<cores>");
    Seen::judge(covers && !cpus.is_empty(), cpu_list::show(cpus), wanted, fix)
}

/// CPUs that the scheduler leaves alone.
pub fn isolated_cpus(host: &dyn Host) -> Vec<usize> {
    host.read(&format!("{CPUS}/isolated")).map(|list| cpu_list::parse(&list)).unwrap_or_default()
}

/// The value of `name=` on the kernel's command line.
fn boot_option(host: &dyn Host, name: &str) -> Option<String> {
    let line = host.read("proc/cmdline")?;
    let words = line.split_whitespace();
    let value = |word: &str| Some(word.strip_prefix(name)?.strip_prefix("=")?.to_owned());
    words.rev().find_map(value)
}
