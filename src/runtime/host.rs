//! What this host offers: cores that we may run on, a CPU quota, locked memory, io_uring.
//!
//! Every refusal is one message that says what was found, what is needed and how to get it.

use std::fmt;
use std::io;

/// Glommio asks for this much lockable memory per executor.
pub const LOCKED_MEMORY_MIN_BYTES: u64 = 512 * 1024;

/// Why a core cannot run here, with the remedy.
#[derive(Debug)]
pub enum HostError {
    /// The kernel has io_uring, but not for us.
    RingForbidden,
    /// The kernel has no io_uring, or one without what we need.
    RingMissing,
    /// Not enough memory may be locked.
    LockedMemory {
        /// The limit found, bytes.
        limit: u64,
    },
    /// A core was asked for that this process may not run on.
    CoreNotAllowed {
        /// The core asked for.
        core: usize,
        /// The cores allowed.
        allowed: Vec<usize>,
    },
    /// Anything else, in the system's words.
    System(io::Error),
}

impl HostError {
    /// What the failure to build a ring means.
    pub fn ring(error: io::Error) -> HostError {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => HostError::RingForbidden,
            Some(libc::ENOSYS | libc::EINVAL) => HostError::RingMissing,
            Some(libc::ENOMEM) => HostError::LockedMemory { limit: locked_memory_limit() },
            _ => HostError::System(error),
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::RingForbidden => f.write_str(
                "io_uring is forbidden on this host; allow it with \
                 `sysctl -w kernel.io_uring_disabled=0`, or, in a container, with a seccomp \
                 profile that permits io_uring_setup, io_uring_enter and io_uring_register",
            ),
            HostError::RingMissing => f.write_str(
                "this kernel lacks the io_uring operations that Corewire needs; \
                 run Linux 6.1 or newer",
            ),
            HostError::LockedMemory { limit } => write!(
                f,
                "only {limit} bytes of memory may be locked and each core needs \
                 {LOCKED_MEMORY_MIN_BYTES}; raise it with `ulimit -l unlimited`, or \
                 `LimitMEMLOCK=infinity` in the systemd unit"
            ),
            HostError::CoreNotAllowed { core, allowed } => write!(
                f,
                "core {core} was asked for, but this process may run on {} only; choose among \
                 them with --cores, or widen the affinity mask (taskset, cpuset)",
                list(allowed)
            ),
            HostError::System(error) => write!(f, "cannot set up io_uring: {error}"),
        }
    }
}

impl std::error::Error for HostError {}

fn list(cores: &[usize]) -> String {
    let names: Vec<String> = cores.iter().map(usize::to_string).collect();
    format!("cores {}", names.join(","))
}

/// The cores to run on: those asked for, or all allowed ones up to the CPU quota.
///
/// # Errors
/// [`HostError::CoreNotAllowed`] when one that was asked for is outside the affinity mask.
pub fn choose_cores(asked: Option<&[usize]>) -> Result<Vec<usize>, HostError> {
    let allowed = allowed_cores();
    match asked {
        Some(asked) => match asked.iter().find(|core| !allowed.contains(core)) {
            Some(&core) => Err(HostError::CoreNotAllowed { core, allowed }),
            None => Ok(asked.to_vec()),
        },
        None => {
            let quota = cpu_quota().unwrap_or(allowed.len());
            let count = allowed.len().min(quota.max(1)).min(base::SHARDS_MAX);
            Ok(allowed[..count].to_vec())
        }
    }
}

/// Whether each core can lock what it needs.
///
/// # Errors
/// [`HostError::LockedMemory`] when the limit is too low.
pub fn check_locked_memory() -> Result<(), HostError> {
    match locked_memory_limit() {
        limit if limit < LOCKED_MEMORY_MIN_BYTES => Err(HostError::LockedMemory { limit }),
        _ => Ok(()),
    }
}

/// Lets the calling thread run on `core` only.
///
/// # Errors
/// What the system says: there is no such core, or the process may not run there.
pub fn pin_thread(core: usize) -> io::Result<()> {
    // SAFETY: all-zero is an empty set; `CPU_SET` checks its index; the call reads a live set.
    let pinned = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if pinned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal to a process.
///
/// # Errors
/// What the system says: no such process, not permitted.
pub fn send_signal(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: a plain system call.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn allowed_cores() -> Vec<usize> {
    // SAFETY: all-zero is an empty set; the call fills a live set of the size it is told.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set);
        set
    };
    (0..libc::CPU_SETSIZE as usize)
        // SAFETY: the index is below the set's size.
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
        .collect()
}

fn locked_memory_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills a live struct.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    limit.rlim_cur
}

/// Whole CPUs that the control group grants, rounded up; `None` without a quota.
fn cpu_quota() -> Option<usize> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let path = format!("/sys/fs/cgroup{}/cpu.max", group.trim_end_matches('/'));
    let text = std::fs::read_to_string(path)
        .or_else(|_| std::fs::read_to_string("/sys/fs/cgroup/cpu.max"))
        .ok()?;
    parse_quota(&text)
}

/// `QUOTA PERIOD` or `max PERIOD`, microseconds.
fn parse_quota(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (quota.parse::<usize>().ok()?, period.parse::<usize>().ok()?);
    (period > 0).then(|| quota.div_ceil(period).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_is_rounded_up_to_whole_cpus() {
        assert_eq!(parse_quota("max 100000\n"), None);
        assert_eq!(parse_quota("150000 100000\n"), Some(2));
        assert_eq!(parse_quota("20000 100000\n"), Some(1));
        assert_eq!(parse_quota("200000 0\n"), None);
        assert_eq!(parse_quota("nonsense"), None);
    }

    #[test]
    fn a_core_outside_the_mask_is_refused_by_number() {
        let refused = choose_cores(Some(&[100_000])).unwrap_err().to_string();
        assert!(refused.starts_with("core 100000 was asked for"), "{refused}");
        assert!(!choose_cores(None).unwrap().is_empty());
    }
}
