//! JetStream as the server runs it: what the operator left open is measured, the log says what
//! there is, and each core gets its service.

use std::fs::File;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{AccountId, Level, Log, ShardId};
use config::Options;
use config::options::{Cipher as ChosenCipher, Encryption, Flush, JetStream as Chosen};
use jetstream::ledger::{Book, Figure};
use jetstream::{ApiError, ErrorCode, JetStream, ServerBounds, Settings};
use monitor::{JetStreamFigures, JetStreamLimits, JetStreamUse};
use runtime::system_files::{self, SystemFiles};
use shard::{Service, Shard};
use storage::log::Sync as LogSync;
use storage::{Cipher, Keys, LogSettings, Storage, key_file};

/// Share of memory and of the free disk that streams may take when the operator did not say, in
/// percent (spec/cli-and-config.md §7.7).
const SHARE_PERCENT: u64 = 75;
/// What streams may take of a disk that cannot be measured: 1 TB.
const STORAGE_UNKNOWN: u64 = 1 << 40;

/// What all cores' services have in common; the server's name and id among it.
pub fn settings(options: &Options, server: (&str, &str), cores: usize) -> Option<Settings> {
    let chosen = &options.jetstream;
    chosen.enabled.then(|| Settings::new(options, server, cores, bounds(chosen)))
}

/// Whether each account may use no more than there is for all.
///
/// # Errors
/// What is not enough, in nats-server's words.
pub fn check_accounts(options: &Options, bounds: ServerBounds) -> Result<(), String> {
    let limits = || options.accounts.declared.iter().filter_map(|account| account.jetstream);
    let wanted = |of: fn(config::accounts::JetStreamLimits) -> Option<u64>| {
        limits().filter_map(of).max().unwrap_or_default()
    };
    let short = |code: ErrorCode| {
        let error = ApiError::new(code);
        let (text, code) = (&error.description, error.err_code);
        Err(format!("Error enabling jetstream on configured accounts: {text} ({code})"))
    };
    if bounds.memory.is_some_and(|bound| wanted(|limits| limits.memory) > bound) {
        return short(ErrorCode::MemoryResourcesExceeded);
    }
    if bounds.storage.is_some_and(|bound| wanted(|limits| limits.storage) > bound) {
        return short(ErrorCode::StorageResourcesExceeded);
    }
    Ok(())
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
    if !chosen.encryption.key.expose().is_empty() {
        info(format!("  Encryption:      {}", cipher(&chosen.encryption)));
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

/// JetStream as monitoring sees it.
pub struct View {
    chosen: Chosen,
    settings: Settings,
}

impl View {
    /// What the operator chose, and what all cores share.
    pub fn new(chosen: &Chosen, settings: &Settings) -> View {
        View { chosen: chosen.clone(), settings: settings.clone() }
    }

    /// What is held now.
    pub fn figures(&self) -> JetStreamFigures {
        let (bounds, ledger) = (&self.settings.bounds, self.settings.ledger.server());
        JetStreamFigures {
            memory_max: bounds.memory.unwrap_or_default(),
            storage_max: bounds.storage.unwrap_or_default(),
            store_dir: self.chosen.folder().to_string_lossy().into_owned(),
            sync_interval_ns: match self.chosen.flush {
                Flush::Always => None,
                Flush::Every(every) => Some(u64::try_from(every.as_nanos()).unwrap_or(u64::MAX)),
            },
            domain: self.chosen.domain.clone().unwrap_or_default(),
            strict: self.chosen.strict,
            memory: ledger.sum(Figure::Memory),
            storage: ledger.sum(Figure::Storage),
            reserved_memory: ledger.sum(Figure::ReservedMemory),
            reserved_storage: ledger.sum(Figure::ReservedStorage),
            accounts: ledger.sum(Figure::Accounts),
            api_level: jetstream::API_LEVEL,
            api_total: ledger.sum(Figure::ApiTotal),
            api_errors: ledger.sum(Figure::ApiErrors) + ledger.sum(Figure::ApiRefused),
            streams: ledger.sum(Figure::Streams),
            consumers: ledger.sum(Figure::Consumers),
            messages: ledger.sum(Figure::Messages),
            stuck_cores: ledger.sum(Figure::Stuck),
            unique_tag: self.chosen.unique_tag.clone().unwrap_or_default(),
            limits: limits_of(&self.chosen),
        }
    }

    /// Bytes that all streams may take under these options.
    pub fn bounds(&self, options: &Options) -> ServerBounds {
        let chosen = &options.jetstream;
        let named = ServerBounds { memory: chosen.memory_max, storage: chosen.file_max };
        self.settings.bounds.widened(named)
    }

    /// What each account that may use it holds now.
    pub fn accounts(&self) -> Vec<JetStreamUse> {
        let used = |(id, book): (AccountId, Arc<Book>)| JetStreamUse {
            id,
            memory: book.sum(Figure::Memory),
            storage: book.sum(Figure::Storage),
            api_total: book.sum(Figure::ApiTotal),
            api_errors: book.sum(Figure::ApiErrors) + book.sum(Figure::ApiRefused),
        };
        self.settings.ledger.accounts().into_iter().map(used).collect()
    }
}

/// The bounds that the operator named.
fn limits_of(chosen: &Chosen) -> JetStreamLimits {
    let (batches, usual) = (chosen.batches, config::options::Batches::default());
    let named = |value: u64, usual: u64| (value != usual).then_some(value);
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    JetStreamLimits {
        max_request_batch: chosen.request_batch_max.map(u64::from),
        max_ack_pending: chosen.ack_pending_max.map(u64::from),
        max_ha_assets: chosen.ha_assets_max.map(u64::from),
        default_max_consumers: chosen.consumers_default_max.map_or(-1, i64::from),
        max_duplicate_window: chosen.duplicate_window_max.map(nanos),
        max_batch_inflight_per_stream: named(
            batches.per_stream_max as u64,
            usual.per_stream_max as u64,
        ),
        max_batch_inflight_total: named(batches.total_max as u64, usual.total_max as u64),
        max_batch_size: named(batches.messages_max, usual.messages_max),
        max_batch_timeout: named(nanos(batches.timeout), nanos(usual.timeout)),
    }
}

/// One core's service, with what is on its disk.
///
/// # Errors
/// What the system says about the folder.
pub fn service(
    shard: &mut Shard,
    options: &Options,
    settings: Settings,
    keys: Keys,
    log: &Log,
) -> std::io::Result<Box<dyn Service>> {
    let at = log_settings(&options.jetstream, shard.id(), settings.cores);
    let at = LogSettings { keys, ..at };
    let folder = at.folder.clone();
    let failed = |error| std::io::Error::other(format!("Can't start JetStream: {error}"));
    let (storage, report) = Storage::open(at, &SystemFiles).map_err(failed)?;
    for damage in &report.damages {
        log.say(Level::Error, format!("JetStream storage: {damage}"));
    }
    if report.messages > 0 {
        let (messages, folder) = (report.messages, folder.display());
        log.say(Level::Info, format!("  Restored {messages} messages from {folder}"));
    }
    Ok(Box::new(JetStream::new(shard, Rc::new(settings), storage, log.clone())))
}

/// How one core's log is kept. What logs of cores that are no more hold is taken over.
fn log_settings(chosen: &Chosen, shard: ShardId, cores: usize) -> LogSettings {
    let folder = chosen.folder();
    let number = |name: &str| name.strip_prefix("core-")?.parse::<usize>().ok();
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let orphaned = entries.filter_map(|entry| {
        let number = number(&entry.file_name().to_string_lossy())?;
        (number >= cores && number % cores == shard.index()).then(|| entry.path())
    });
    let sync = match chosen.flush {
        Flush::Always => LogSync::Always,
        Flush::Every(every) => {
            LogSync::Every { interval_ns: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX) }
        }
    };
    let own = folder.join(format!("core-{shard}"));
    LogSettings::of(own, orphaned.collect(), u32::from(shard.0), sync)
}

/// The storage folder, taken for this process alone for as long as this lives.
pub struct Store {
    _lock: File,
    /// What is in it is encrypted with these, if it is.
    pub keys: Keys,
}

/// Takes the storage folder. Nothing in it is touched before its key was found right.
///
/// # Errors
/// What the system says, that another server has it, or that its key is another one.
pub fn take_store(chosen: &Chosen) -> Result<Store, Box<dyn std::error::Error>> {
    let folder = chosen.folder();
    std::fs::create_dir_all(&folder).map_err(|error| {
        format!("could not create storage directory {}: {error}", folder.display())
    })?;
    let lock = system_files::lock_folder(&folder)?;
    let Encryption { key, previous, .. } = &chosen.encryption;
    let with = key_file::Chosen {
        key: key.expose().as_bytes(),
        previous: previous.expose().as_bytes(),
        cipher: cipher(&chosen.encryption),
    };
    let keys = key_file::begin_run(&SystemFiles, &folder, &with)?;
    Ok(Store { _lock: lock, keys })
}

fn cipher(chosen: &Encryption) -> Cipher {
    match chosen.cipher {
        ChosenCipher::ChaCha => Cipher::ChaCha,
        ChosenCipher::Aes => Cipher::Aes,
    }
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
