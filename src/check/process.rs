//! What this process is allowed: its limits, and those of its container.

use runtime::host::LOCKED_MEMORY_MIN_BYTES;

use crate::host::{Host, allowed_cpus, status};
use crate::item::Seen;

/// Fewer descriptors than this run out in ordinary use.
const OPEN_FILES_MIN: u64 = 8 * 1024;
/// The default `max_connections`, and room for files, rings and pipes.
const OPEN_FILES_FOR_ALL_MIN: u64 = 64 * 1024 + 1024;
/// Room for a few thousand connections and their pending bytes.
const MEMORY_MIN_BYTES: u64 = 1 << 30;

/// Enough lockable memory for one ring a core.
pub fn locked_memory(host: &dyn Host) -> Seen {
    let Some(limit) = limit(host, "Max locked memory") else {
        return Seen::Absent("no limits to read");
    };
    let cores = allowed_cpus(host).len().max(1) as u64;
    let wanted = cores * LOCKED_MEMORY_MIN_BYTES;
    Seen::judge(
        limit.at_least(wanted),
        limit.show(Unit::Bytes),
        format!("{} ({cores} cores)", kib(wanted)),
        "ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit",
    )
}

/// Enough descriptors to work at all.
pub fn open_files(host: &dyn Host) -> Seen {
    judge_open_files(host, OPEN_FILES_MIN)
}

/// Enough descriptors for the default `max_connections`.
pub fn open_files_for_all(host: &dyn Host) -> Seen {
    judge_open_files(host, OPEN_FILES_FOR_ALL_MIN)
}

fn judge_open_files(host: &dyn Host, wanted: u64) -> Seen {
    let Some(limit) = limit(host, "Max open files") else {
        return Seen::Absent("no limits to read");
    };
    let fix = "ulimit -n 1048576, or LimitNOFILE=1048576 in the systemd unit";
    Seen::judge(limit.at_least(wanted), limit.show(Unit::Pieces), wanted.to_string(), fix)
}

/// No quota below the CPUs that the affinity mask offers.
pub fn cpu_quota(host: &dyn Host) -> Seen {
    let cpus = allowed_cpus(host).len() as u64;
    let quotas = up_the_groups(host, "cpu.max").filter_map(|text| {
        let (quota, period) = text.split_once(' ')?;
        Some((quota.parse::<u64>().ok()?, period.parse::<u64>().ok().filter(|&us| us > 0)?))
    });
    let tightest = quotas.min_by_key(|&(quota, period)| quota.saturating_mul(1000) / period);
    let wanted = format!("no quota, or {cpus} CPUs and more");
    match tightest {
        None if control_group(host).is_none() => Seen::Absent("no control group (v2)"),
        None => Seen::Good { found: "no quota".to_owned(), wanted },
        Some((quota, period)) => {
            let found = format!("{} CPUs", (quota as f64 / period as f64 * 100.0).round() / 100.0);
            let fix = "remove the quota (CPUQuota=, --cpus), or give whole CPUs by a cpuset";
            Seen::judge(quota >= cpus.saturating_mul(period), found, wanted, fix)
        }
    }
}

/// No limit, or one that is no trap.
pub fn memory_limit(host: &dyn Host) -> Seen {
    let limits = up_the_groups(host, "memory.max").filter_map(|text| text.parse::<u64>().ok());
    let tightest = limits.min();
    let wanted = "no limit, or 1 GiB and more".to_owned();
    match tightest {
        None if control_group(host).is_none() => Seen::Absent("no control group (v2)"),
        None => Seen::Good { found: "no limit".to_owned(), wanted },
        Some(bytes) => {
            let fix = "raise it (MemoryMax=, --memory), and keep max_connections within it";
            Seen::judge(bytes >= MEMORY_MIN_BYTES, format!("{} MiB", bytes >> 20), wanted, fix)
        }
    }
}

/// No filter, or one through which io_uring works.
pub fn seccomp(host: &dyn Host) -> Seen {
    let wanted = "none, or one that lets io_uring through";
    match status(host, "Seccomp").as_deref() {
        None => Seen::Absent("this kernel has no seccomp"),
        Some("0") => Seen::Good { found: "none".to_owned(), wanted: wanted.to_owned() },
        Some(_) => {
            let is_good = host.ring().is_ok();
            let found = match is_good {
                true => "a filter that lets io_uring through",
                false => "a filter, and io_uring does not work",
            };
            let fix = "a profile that permits io_uring_setup, io_uring_enter, io_uring_register";
            Seen::judge(is_good, found, wanted, fix)
        }
    }
}

/// A limit of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Unlimited,
    At(u64),
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Pieces,
}

impl Limit {
    fn at_least(self, wanted: u64) -> bool {
        match self {
            Limit::Unlimited => true,
            Limit::At(limit) => limit >= wanted,
        }
    }

    fn show(self, unit: Unit) -> String {
        match (self, unit) {
            (Limit::Unlimited, _) => "unlimited".to_owned(),
            (Limit::At(limit), Unit::Bytes) => kib(limit),
            (Limit::At(limit), Unit::Pieces) => limit.to_string(),
        }
    }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}

/// The soft limit: `Max open files  1024  524288  files`.
fn limit(host: &dyn Host, name: &str) -> Option<Limit> {
    let text = host.read("proc/self/limits")?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(Limit::Unlimited),
        number => number.parse().ok().map(Limit::At),
    }
}

/// This process's group in the unified hierarchy, such as `/system.slice/corewire.service`.
fn control_group(host: &dyn Host) -> Option<String> {
    host.read("sys/fs/cgroup/cgroup.controllers")?;
    let groups = host.read("proc/self/cgroup")?;
    groups.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// A file of this process's group and of each above it: every one of them limits.
fn up_the_groups<'a>(host: &'a dyn Host, file: &'a str) -> impl Iterator<Item = String> + 'a {
    let own = control_group(host).unwrap_or_default();
    let parts: Vec<String> = own.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    (0..=parts.len()).rev().filter_map(move |depth| {
        let group: String = parts[..depth].iter().map(|part| format!("/{part}")).collect();
        host.read(&format!("sys/fs/cgroup{group}/{file}"))
    })
}
