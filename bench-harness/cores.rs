//! Which cores the generator and a spawned server run on.
//!
//! Without a request a spawned server and the load get half of the cores each, so that neither
//! takes time from the other. With fewer than four nothing is pinned: that would leave one side a
//! single core.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::BenchError;

/// From how many cores on server and load are kept apart.
const APART_FROM: usize = 4;

/// Cores for both sides. Empty means not pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// Cores of the generator's threads, one each in turn.
    pub load: Vec<usize>,
    /// Cores of a spawned server.
    pub server: Vec<usize>,
}

impl Placement {
    /// Half of the cores of this process for each side, or nothing pinned.
    pub fn apart() -> Placement {
        let siblings = |core: usize| {
            let path = format!("/sys/devices/system/cpu/cpu{core}/topology/core_cpus_list");
            let text = fs::read_to_string(path).ok()?;
            parse_list(text.trim()).ok()
        };
        Placement::halves(&own_cores(), siblings)
    }

    /// Hardware threads of one physical core (`siblings`) stay on one side.
    fn halves(cores: &[usize], siblings: impl Fn(usize) -> Option<Vec<usize>>) -> Placement {
        let mut physical: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &core in cores {
            let first = siblings(core).and_then(|threads| threads.first().copied());
            physical.entry(first.unwrap_or(core)).or_default().push(core);
        }
        if cores.len() < APART_FROM || physical.len() < 2 {
            return Placement::default();
        }
        let physical: Vec<Vec<usize>> = physical.into_values().collect();
        let (server, load) = physical.split_at(physical.len() / 2);
        Placement { load: load.concat(), server: server.concat() }
    }

    /// How many cores the load may use.
    pub fn load_cores(&self) -> usize {
        if self.load.is_empty() { usable() } else { self.load.len() }
    }

    /// Keeps the calling thread, and those that it starts, on the load's cores.
    pub fn keep_to_load(&self) -> Result<(), BenchError> {
        if self.load.is_empty() { Ok(()) } else { pin(&self.load) }
    }

    /// In words, for the head of a report.
    pub fn describe(&self) -> String {
        let side = |cores: &[usize]| match cores {
            [] => "not pinned".to_string(),
            cores => format!("on {}", show_list(cores)),
        };
        format!("load {}, server {}", side(&self.load), side(&self.server))
    }

    /// Pins the calling thread, the `index`-th of the generator.
    pub fn pin_load(&self, index: usize) -> Result<(), BenchError> {
        match self.load.len() {
            0 => Ok(()),
            cores => pin(&[self.load[index % cores]]),
        }
    }

    /// Runs `start` with the server's cores as the calling thread's, so that a child inherits them.
    pub fn as_server<T>(&self, start: impl FnOnce() -> T) -> Result<T, BenchError> {
        if self.server.is_empty() {
            return Ok(start());
        }
        let before = sched_getaffinity(None).map_err(io::Error::from)?;
        pin(&self.server)?;
        let started = start();
        sched_setaffinity(None, &before).map_err(io::Error::from)?;
        Ok(started)
    }
}

fn pin(cores: &[usize]) -> Result<(), BenchError> {
    let failed = |source| BenchError::Cores { cores: cores.to_vec(), source };
    let mut set = CpuSet::new();
    for &core in cores {
        if core >= CpuSet::MAX_CPU {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        set.set(core);
    }
    sched_setaffinity(None, &set).map_err(|errno| failed(errno.into()))
}

/// Number of cores this process may use.
pub fn usable() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The cores themselves; none where the system does not say.
fn own_cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()
}

/// Reads `0,2-5`; `any` pins nothing.
pub fn parse_side(text: &str) -> Result<Vec<usize>, BenchError> {
    if text == "any" { Ok(Vec::new()) } else { parse_list(text) }
}

/// Reads `0,2-5`.
pub fn parse_list(text: &str) -> Result<Vec<usize>, BenchError> {
    let wrong = || BenchError::Usage(format!("`{text}` is not a list of cores like 0,2-5"));
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| wrong())?;
        let last: usize = last.trim().parse().map_err(|_| wrong())?;
        if first > last || last >= CpuSet::MAX_CPU {
            return Err(wrong());
        }
        cores.extend(first..=last);
    }
    Ok(cores)
}

fn show_list(cores: &[usize]) -> String {
    let words: Vec<String> = cores.iter().map(usize::to_string).collect();
    format!("cores {}", words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_read_ranges_and_refuse_nonsense() {
        assert_eq!(parse_list("0,2-4").expect("valid"), [0, 2, 3, 4]);
        assert!(parse_list("").is_err());
        assert!(parse_list("3-1").is_err());
        assert!(parse_list("0-99999999").is_err());
        assert!(parse_list("a").is_err());
    }

    #[test]
    fn halves_keep_hardware_threads_of_one_core_together() {
        let cores: Vec<usize> = (0..8).collect();
        // As Linux numbers them: 0 to 3 first, then their siblings 4 to 7.
        let placement = Placement::halves(&cores, |core| Some(vec![core % 4, core % 4 + 4]));
        assert_eq!(placement.server, [0, 4, 1, 5]);
        assert_eq!(placement.load, [2, 6, 3, 7]);
        let without_smt = Placement::halves(&cores[..5], |_| None);
        assert_eq!((without_smt.server, without_smt.load), (vec![0, 1], vec![2, 3, 4]));
    }

    #[test]
    fn few_cores_are_shared() {
        assert_eq!(Placement::halves(&[0, 1, 2], |_| None), Placement::default());
        let one_core = Placement::halves(&[0, 1, 2, 3], |_| Some(vec![0, 1, 2, 3]));
        assert_eq!(one_core, Placement::default());
        assert!(parse_side("any").expect("valid").is_empty());
    }

    #[test]
    fn a_server_inherits_its_cores_and_the_caller_keeps_its_own() {
        let placement = Placement { load: Vec::new(), server: vec![0] };
        let before = sched_getaffinity(None).expect("own affinity");
        let inside = placement.as_server(|| sched_getaffinity(None).expect("own affinity"));
        let inside = inside.expect("core 0 exists");
        assert!(inside.is_set(0) && inside.count() == 1);
        assert_eq!(sched_getaffinity(None).expect("own affinity"), before);
    }
}
