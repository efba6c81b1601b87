//! JetStream as the server runs it: what the operator left open is measured, the log says what
//! there is, and each core gets its service.

use std::path::Path;
use std::rc::Rc;

use base::{AccountId, Level, Log};
use config::Options;
use config::options::{Flush, JetStream as Chosen};
use jetstream::{AccountLimits, JetStream, ServerBounds, Settings};
use shard::{Service, Shard};

/// Share of memory and of the free disk that streams may take when the operator did not say, in
/// percent (spec/cli-and-config.md §7.7).
const SHARE_PERCENT: u64 = 75;
/// What streams may take of a disk that cannot be measured: 1 TB.
const STORAGE_UNKNOWN: u64 = 1 << 40;

/// What all cores' services have in common.
pub fn settings(options: &Options, server: &str, cores: usize) -> Option<Settings> {
    let chosen = &options.jetstream;
    chosen.enabled.then(|| Settings::new(chosen, server, cores, bounds(chosen)))
}

/// Bytes that all streams may take.
fn bounds(chosen: &Chosen) -> ServerBounds {
    let memory = chosen.memory_max.unwrap_or_else(|| total_memory() / 100 * SHARE_PERCENT);
    let storage = chosen.file_max.unwrap_or_else(|| {
        let free = free_disk(&chosen.folder()).unwrap_or(STORAGE_UNKNOWN);
        free / 100 * SHARE_PERCENT
    });
    ServerBounds { memory: Some(memory), storage: Some(storage) }
}

/// Bytes of memory that the host has; the share of nothing is nothing where it does not say.
fn total_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// Bytes that are free where `folder` is or will be.
fn free_disk(folder: &Path) -> Option<u64> {
    let stat = folder.ancestors().find_map(|path| rustix::fs::statvfs(path).ok())?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

// spec/cli-and-config.md §5
/// The lines about JetStream at start.
pub fn say_start(log: &Log, options: &Options, settings: &Settings) {
    let chosen = &options.jetstream;
    let info = |text: String| log.say(Level::Info, text);
    info("Starting JetStream".to_owned());
    if chosen.store_dir.is_none() {
        let folder = chosen.folder();
        let text = format!(
            "Temporary storage directory used, data could be lost on system reboot: {}",
            folder.display()
        );
        log.say(Level::Warn, text);
    }
    info("---------------- JETSTREAM ----------------".to_owned());
    info(format!("  Strict:          {}", chosen.strict));
    info(format!("  Max Memory:      {}", readable(settings.bounds.memory)));
    info(format!("  Max Storage:     {}", readable(settings.bounds.storage)));
    info(format!("  Store Directory: \"{}\"", chosen.folder().display()));
    if let Some(domain) = &chosen.domain {
        info(format!("  Domain:          {domain}"));
    }
    match chosen.flush {
        Flush::Always => info("  Sync:            always (an ack means durable)".to_owned()),
        Flush::Every(every) => {
            let every = config::duration::print(every);
            info(format!("  Sync:            every {every} (acks come before)"));
        }
    }
    info(format!("  API Level:       {}", jetstream::API_LEVEL));
    info("-------------------------------------------".to_owned());
}

/// Bytes as people read them, in powers of 1024.
fn readable(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else { return "Unlimited".to_owned() };
    let mut left = bytes as f64;
    for unit in ["B", "KB", "MB", "GB", "TB"] {
        if left < 1024.0 || unit == "TB" {
            return format!("{left:.2} {unit}");
        }
        left /= 1024.0;
    }
    unreachable!("the last unit takes all that is left")
}

/// One core's service.
pub fn service(shard: &mut Shard, settings: Settings, log: Log) -> Box<dyn Service> {
    let mut service = JetStream::new(shard, Rc::new(settings), log);
    service.admit(shard, AccountId::GLOBAL, "$G", AccountLimits::default());
    Box::new(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(readable(Some(0)), "0.00 B");
        assert_eq!(readable(Some(18_957_385_728)), "17.66 GB");
        assert_eq!(readable(Some(1 << 60)), "1048576.00 TB");
        assert_eq!(readable(None), "Unlimited");
    }

    #[test]
    fn what_the_operator_left_open_is_measured() {
        let chosen = Chosen { memory_max: Some(7), ..Chosen::default() };
        let bounds = bounds(&chosen);
        assert_eq!(bounds.memory, Some(7));
        assert!(bounds.storage.is_some_and(|bytes| bytes > 0));
        assert!(total_memory() > 0);
    }
}
