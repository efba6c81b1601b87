//! What the kernel knows of this process: resident memory and processor time, from `/proc`; and
//! the processor time of a thread.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The kernel's units, told to every process at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KernelUnits {
    page_bytes: u64,
    ticks_per_second: u64,
}

/// Tags in `/proc/self/auxv` (elf.h).
const AT_PAGESZ: u64 = 6;
const AT_CLKTCK: u64 = 17;

/// Processor time that the calling thread has had.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Reads this process's figures. Control thread only.
#[derive(Debug)]
pub(crate) struct Process {
    units: KernelUnits,
    /// The last two measurements lie at least [`SAMPLE_INTERVAL_NS`] apart.
    last: Cell<Sample>,
    percent: Cell<f64>,
}

/// What was measured at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ns: u64,
    cpu_seconds: f64,
}

/// `cpu` in `/varz` is measured over at least this long: shorter is mostly noise.
const SAMPLE_INTERVAL_NS: u64 = 1_000_000_000;

impl Process {
    /// `started_ns`: since when the processor time counts, nanoseconds since the Unix epoch.
    pub(crate) fn new(started_ns: u64) -> Process {
        let units = fs::read("/proc/self/auxv").map_or(KernelUnits::USUAL, |auxv| units(&auxv));
        let last = Cell::new(Sample { at_ns: started_ns, cpu_seconds: 0.0 });
        Process { units, last, percent: Cell::new(0.0) }
    }

    /// Resident memory in bytes; 0 when the kernel does not say.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        resident_pages(&statm).unwrap_or(0) * self.units.page_bytes
    }

    /// Mapped memory in bytes; 0 when the kernel does not say.
    pub(crate) fn mapped_bytes(&self) -> u64 {
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        mapped_pages(&statm).unwrap_or(0) * self.units.page_bytes
    }

    /// Processor time of all threads so far, in seconds; 0 when the kernel does not say.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        cpu_ticks(&stat).unwrap_or(0) as f64 / self.units.ticks_per_second as f64
    }

    /// Processor time since the last request that asked (at least a second ago) in percent of one
    /// core; the first answer counts from the start of the server.
    pub(crate) fn cpu_percent(&self, now_ns: u64) -> f64 {
        let last = self.last.get();
        let passed_ns = now_ns.saturating_sub(last.at_ns);
        if passed_ns >= SAMPLE_INTERVAL_NS {
            let cpu_seconds = self.cpu_seconds();
            let percent = (cpu_seconds - last.cpu_seconds) * 1e9 / passed_ns as f64 * 100.0;
            self.percent.set((percent * 10.0).round() / 10.0);
            self.last.set(Sample { at_ns: now_ns, cpu_seconds });
        }
        self.percent.get()
    }
}

impl KernelUnits {
    /// Those of nearly every Linux.
    const USUAL: KernelUnits = KernelUnits { page_bytes: 4096, ticks_per_second: 100 };
}

/// Reads pairs of machine words, tag and value.
fn units(auxv: &[u8]) -> KernelUnits {
    const WORD: usize = size_of::<usize>();
    let mut units = KernelUnits::USUAL;
    let (words, _) = auxv.as_chunks::<WORD>();
    let word = |bytes: &[u8; WORD]| usize::from_ne_bytes(*bytes) as u64;
    for pair in words.chunks_exact(2) {
        match (word(&pair[0]), word(&pair[1])) {
            (_, 0) => {}
            (AT_PAGESZ, bytes) => units.page_bytes = bytes,
            (AT_CLKTCK, ticks) => units.ticks_per_second = ticks,
            _ => {}
        }
    }
    units
}

/// The first field of `/proc/self/statm`.
fn mapped_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().next()?.parse().ok()
}

/// The second field of `/proc/self/statm`.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// `utime` and `stime` of `/proc/self/stat`, fields 14 and 15. Field 2 is the program's name in
/// parentheses and may hold anything, so counting starts behind the last one.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_formats() {
        assert_eq!(resident_pages("1000 250 80 1 0 60 0\n"), Some(250));
        assert_eq!(mapped_pages("1000 250 80 1 0 60 0\n"), Some(1000));
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 31 11 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        let words = [AT_PAGESZ, 16_384, AT_CLKTCK, 1_000, 0, 0];
        let auxv: Vec<u8> = words.iter().flat_map(|&word| (word as usize).to_ne_bytes()).collect();
        assert_eq!(units(&auxv), KernelUnits { page_bytes: 16_384, ticks_per_second: 1_000 });
        for broken in ["", "7", "7 (x", "7 (x) S 1"] {
            assert_eq!(cpu_ticks(broken), None);
            assert_eq!(resident_pages("x"), None);
        }
    }

    #[test]
    fn measures_this_process_and_keeps_a_percentage_for_a_second() {
        let process = Process::new(0);
        assert!(process.resident_bytes() > 100_000);
        let first = process.cpu_percent(SAMPLE_INTERVAL_NS);
        assert_eq!(process.cpu_percent(SAMPLE_INTERVAL_NS + 1), first);
        assert!(process.cpu_percent(3 * SAMPLE_INTERVAL_NS) >= 0.0);
    }
}
