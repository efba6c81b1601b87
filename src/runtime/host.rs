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
    /// A network card or disk was named that is not there.
    DeviceMissing {
        /// Its name.
        device: String,
        /// Those that are there.
        present: Vec<String>,
    },
    /// Memory cannot be locked into RAM.
    LockRefused {
        /// The limit found, bytes; `None` when it is not the limit that forbids it.
        limit: Option<u64>,
        /// The system's words.
        error: io::Error,
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
            HostError::DeviceMissing { device, present } => write!(
                f,
                "cores: there is no network card or disk \"{device}\"; this host has {}",
                present.join(", ")
            ),
            HostError::LockRefused { limit: Some(limit), .. } => write!(
                f,
                "lock_memory: only {limit} bytes may be locked, and all memory shall be; raise it \
                 with `LimitMEMLOCK=infinity` in the systemd unit or `ulimit -l unlimited`, or \
                 grant CAP_IPC_LOCK"
            ),
            HostError::LockRefused { limit: None, error } => {
                write!(f, "lock_memory: the kernel refuses it: {error}")
            }
            HostError::System(error) => write!(f, "cannot set up io_uring: {error}"),
        }
    }
}

impl std::error::Error for HostError {}

fn list(cores: &[usize]) -> String {
    let names: Vec<String> = cores.iter().map(usize::to_string).collect();
    format!("cores {}", names.join(","))
}

/// Keeps this process's memory out of swap from now on, each page once it is touched.
///
/// # Errors
/// [`HostError::LockRefused`] when the limit is finite and nothing lifts it: what is allocated
/// later would then fail.
pub fn lock_memory() -> Result<(), HostError> {
    let limit = locked_memory_limit();
    if limit != libc::RLIM_INFINITY && !may_lock_beyond_limit() {
        let error = io::Error::from_raw_os_error(libc::ENOMEM);
        return Err(HostError::LockRefused { limit: Some(limit), error });
    }
    // SAFETY: a plain system call; it changes where memory is kept, not what is in it.
    match unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) } {
        0 => Ok(()),
        _ => Err(HostError::LockRefused { limit: None, error: io::Error::last_os_error() }),
    }
}

/// Lets the calling thread, and those that it starts and that are not pinned, run on these cores
/// only.
///
/// # Errors
/// What the system says: there are no such cores, or the process may not run there.
pub fn pin_thread(cores: &[usize]) -> io::Result<()> {
    // SAFETY: all-zero is an empty set; `CPU_SET` checks its index; the call reads a live set.
    let pinned = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &core in cores {
            libc::CPU_SET(core, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if pinned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How the kernel schedules a thread among others that want its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// A wake-up takes the core from nobody (`SCHED_BATCH`).
    Batch,
    /// A wake-up takes the core from all that are not real-time (`SCHED_FIFO`, lowest priority).
    Realtime,
}

/// Schedules the calling thread so, but not those that it starts from now on.
///
/// # Errors
/// What the system says; as a rule that the process may not be real-time.
pub fn schedule_thread(scheduling: Scheduling) -> io::Result<()> {
    let (policy, sched_priority) = match scheduling {
        Scheduling::Batch => (libc::SCHED_BATCH, 0),
        Scheduling::Realtime => (libc::SCHED_FIFO, 1),
    };
    let param = libc::sched_param { sched_priority };
    // SAFETY: the call reads a live structure and concerns this thread only.
    let result = unsafe {
        libc::sched_setscheduler(0, policy | libc::SCHED_RESET_ON_FORK, &raw const param)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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

/// Gives the system back what was freed: reading a large configuration takes several times what
/// it leaves, and the allocator would keep that.
pub fn return_freed_memory() {
    // SAFETY: a plain library call without arguments that could be wrong.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Lets the cores' threads go before the calling thread, where they share a core with it.
pub fn give_way() {
    /// Steps down from the usual priority.
    const NICE: libc::c_int = 10;
    // SAFETY: a plain system call; 0 is the calling thread. A refusal costs priority only.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// Lets every other thread go before the calling one: it runs where a processor has nothing else to
/// do, and leaves at once when something wakes there. Where all are busy it gets some three
/// thousandths of one.
pub fn run_when_idle() {
    // SAFETY: all-zero is the one setting that this policy takes; a plain system call that reads
    // it; 0 is the calling thread. A refusal costs priority only.
    unsafe {
        let none: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none);
    }
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

/// The cores that this thread may run on.
pub(crate) fn allowed_cores() -> Vec<usize> {
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

/// Whether CAP_IPC_LOCK lifts the limit on locked memory.
fn may_lock_beyond_limit() -> bool {
    const CAP_IPC_LOCK: u32 = 14;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.is_some_and(|bits| bits >> CAP_IPC_LOCK & 1 == 1)
}

fn locked_memory_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills a live struct.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    limit.rlim_cur
}

/// Whole CPUs that the control group grants, rounded up; `None` without a quota.
pub(crate) fn cpu_quota() -> Option<usize> {
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
    fn a_thread_runs_where_it_is_pinned() {
        let core = allowed_cores()[0];
        std::thread::spawn(move || {
            pin_thread(&[core]).unwrap();
            assert_eq!(allowed_cores(), [core]);
            assert!(pin_thread(&[]).is_err(), "a thread runs somewhere");
        })
        .join()
        .unwrap();
    }
}
