//! What a process or thread has used: CPU time and resident memory, read from `/proc`.
//!
//! CPU time comes from the scheduler's nanosecond counters of each thread (`schedstat`); where the
//! kernel has none, or a thread ended between two readings and took its count along, from the
//! 10 ms ticks of `stat`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::Duration;

/// Kernel ticks a second in `/proc/<pid>/stat`, the same on every Linux architecture in use.
const TICKS_PER_SECOND: u64 = 100;

/// Reads the CPU time and memory of one process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessProbe {
    pid: u32,
}

/// CPU time used up to one moment.
#[derive(Debug, Clone, Default)]
pub struct CpuReading {
    /// Nanoseconds on a CPU, by thread id. Empty where the kernel keeps no `schedstat`.
    threads: HashMap<u32, u64>,
    /// User and system time of the whole process, ended threads included.
    ticks: u64,
}

impl ProcessProbe {
    /// Watches process `pid`.
    pub fn new(pid: u32) -> ProcessProbe {
        ProcessProbe { pid }
    }

    /// CPU time used so far.
    ///
    /// # Errors
    /// When the process is gone or belongs to somebody else.
    pub fn cpu(&self) -> io::Result<CpuReading> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let ticks = stat_ticks(&stat).ok_or(io::ErrorKind::InvalidData)?;
        let mut threads = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let entry = entry?;
            let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A thread may end between the listing and this read.
            if let Ok(text) = fs::read_to_string(entry.path().join("schedstat"))
                && let Some(stat) = schedstat(&text)
            {
                threads.insert(thread, stat.on_cpu_ns);
            }
        }
        Ok(CpuReading { threads, ticks })
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        resident_bytes(&status).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl CpuReading {
    /// CPU time used since the process began, to 10 ms.
    pub fn total(&self) -> Duration {
        Duration::from_millis(self.ticks * 1000 / TICKS_PER_SECOND)
    }

    /// CPU time used since `earlier`.
    pub fn since(&self, earlier: &CpuReading) -> Duration {
        let ended = earlier.threads.keys().any(|thread| !self.threads.contains_key(thread));
        if ended || self.threads.is_empty() {
            let ticks = self.ticks.saturating_sub(earlier.ticks);
            return Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
        }
        let used = self.threads.iter().map(|(thread, &now)| {
            now.saturating_sub(earlier.threads.get(thread).copied().unwrap_or(0))
        });
        Duration::from_nanos(used.sum())
    }
}

/// One line of `schedstat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchedStat {
    /// Nanoseconds on a CPU.
    pub on_cpu_ns: u64,
    /// Nanoseconds ready to run, waiting for a CPU.
    pub waiting_ns: u64,
}

/// The line of a thread of this process; `None` when it has ended or the kernel keeps none.
pub fn thread_schedstat(thread: i32) -> Option<SchedStat> {
    schedstat(&fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?)
}

fn schedstat(text: &str) -> Option<SchedStat> {
    let mut words = text.split_ascii_whitespace();
    let on_cpu_ns = words.next()?.parse().ok()?;
    let waiting_ns = words.next()?.parse().ok()?;
    Some(SchedStat { on_cpu_ns, waiting_ns })
}

/// `utime + stime`. The second field is the program's name in parentheses and may hold anything.
fn stat_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // proc(5): the field after the name is number 3; utime is 14, stime 15.
    let mut words = after_name.split_ascii_whitespace().skip(14 - 3);
    let user: u64 = words.next()?.parse().ok()?;
    let system: u64 = words.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (na) ts (x) S 1 42 42 0 -1 4194560 7 0 0 0 120 34 0 0 20 0 9 0";
        assert_eq!(stat_ticks(stat), Some(154));
        assert_eq!(stat_ticks("42 (short) S 1"), None);
    }

    #[test]
    fn schedstat_and_status_lines_are_read() {
        let expected = SchedStat { on_cpu_ns: 12, waiting_ns: 7 };
        assert_eq!(schedstat("12 7 3\n"), Some(expected));
        assert_eq!(schedstat(""), None);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t  1024 kB\n"), Some(1024 * 1024));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn a_thread_that_ended_falls_back_to_ticks() {
        let reading = |threads: &[(u32, u64)], ticks| CpuReading {
            threads: threads.iter().copied().collect(),
            ticks,
        };
        let earlier = reading(&[(1, 100), (2, 50)], 10);
        let grown = reading(&[(1, 300), (2, 50), (3, 7)], 11);
        assert_eq!(grown.since(&earlier), Duration::from_nanos(207));
        let ended = reading(&[(1, 300)], 13);
        assert_eq!(ended.since(&earlier), Duration::from_millis(30));
    }

    #[test]
    fn own_work_shows_in_the_own_reading() {
        let probe = ProcessProbe::new(std::process::id());
        let before = probe.cpu().expect("own process");
        let mut sum = 0u64;
        for turn in 0..20_000_000u64 {
            sum = std::hint::black_box(sum ^ turn.wrapping_mul(turn));
        }
        let used = probe.cpu().expect("own process").since(&before);
        assert!(used > Duration::from_millis(1), "twenty million steps took {used:?} ({sum})");
        assert!(probe.resident_bytes().expect("own process") > 100_000);
    }
}
