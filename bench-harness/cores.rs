//! Which cores the generator and a spawned server run on.
//!
//! Without a request nothing is pinned: with two cores, separating server and load would leave each
//! a single one, and the kernel places them better.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::BenchError;

/// Cores for both sides. Empty means not pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// Cores of the generator's threads, one each in turn.
    pub load: Vec<usize>,
    /// Cores of a spawned server.
    pub server: Vec<usize>,
}

impl Placement {
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
    fn a_server_inherits_its_cores_and_the_caller_keeps_its_own() {
        let placement = Placement { load: Vec::new(), server: vec![0] };
        let before = sched_getaffinity(None).expect("own affinity");
        let inside = placement.as_server(|| sched_getaffinity(None).expect("own affinity"));
        let inside = inside.expect("core 0 exists");
        assert!(inside.is_set(0) && inside.count() == 1);
        assert_eq!(sched_getaffinity(None).expect("own affinity"), before);
    }
}
