//! A profile: what of speed is traded for what of the host. Three stand in `tuning/` and are part
//! of the program; others are files of the same form. `profile/keys.rs` declares each key.
//!
//! A profile is named on the command line or in `corewire { profile: … }`. Without one, each key
//! has its default. `cores` gives way to `--cores`, `storage_flush_ms` to
//! `jetstream.sync_interval`.

mod keys;
mod read;

use std::fmt;
use std::path::PathBuf;

pub use keys::{KEYS, Key, Kind, Steps};
pub use read::load;

use crate::cores::CoreList;
use crate::limits;
use crate::options::Flush;
use crate::problem::ValueError;
use crate::suggest;

/// A profile that is part of the program.
#[derive(Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Its name.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

/// The profiles that are part of the program.
pub static EMBEDDED: [Embedded; 3] = [
    Embedded { name: "latency", text: include_str!("../../tuning/latency.toml") },
    Embedded { name: "throughput", text: include_str!("../../tuning/throughput.toml") },
    Embedded { name: "shared-host", text: include_str!("../../tuning/shared-host.toml") },
];

/// Which profile was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProfileName {
    /// None: every key has its default.
    #[default]
    Default,
    /// One that is part of the program.
    Embedded(&'static Embedded),
    /// A file.
    File(PathBuf),
}

impl ProfileName {
    /// A name of a profile; or a path, which has a `/` in it or ends in `.toml`.
    ///
    /// # Errors
    /// [`ValueError::UnknownProfile`] for a name that no profile has.
    pub fn parse(text: &str) -> Result<ProfileName, ValueError> {
        if text == "default" {
            return Ok(ProfileName::Default);
        }
        if text.contains('/') || text.ends_with(".toml") {
            return Ok(ProfileName::File(text.into()));
        }
        let named = EMBEDDED.iter().find(|embedded| embedded.name == text);
        named.map(ProfileName::Embedded).ok_or_else(|| {
            let names = EMBEDDED.iter().map(|embedded| embedded.name).chain(["default"]);
            let near = suggest::nearest(text, names);
            ValueError::UnknownProfile { name: text.to_owned(), near }
        })
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfileName::Default => f.write_str("default"),
            ProfileName::Embedded(embedded) => f.write_str(embedded.name),
            ProfileName::File(path) => path.display().fmt(f),
        }
    }
}

/// What a profile says; complete and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Which cores have a shard.
    pub cores: CoreChoice,
    /// How many cores have one at most, where `cores` is no list.
    pub cores_max: usize,
    /// Where the control thread and the log writer may run.
    pub control_cores: ControlCores,
    /// What a core with nothing to do does.
    pub idle: Idle,
    /// How long a core that parks when idle looks on before, microseconds.
    pub spin_before_park_us: u32,
    /// How the kernel schedules the shards' threads.
    pub scheduling: Scheduling,
    /// How long the kernel polls a network card's queue, microseconds; 0 for not at all.
    pub busy_poll_us: u32,
    /// How long a sleeping core lets events gather before it wakes, microseconds.
    pub gather_us: u32,
    /// How many gathered events end that wait early.
    pub gather_events: u32,
    /// Bytes in the kernel's buffer towards one connection; the kernel decides when `None`.
    pub send_buffer_bytes: Option<u32>,
    /// Bytes in the kernel's buffer from one connection; the kernel decides when `None`.
    pub receive_buffer_bytes: Option<u32>,
    /// Bytes in one read chunk.
    pub read_chunk_bytes: usize,
    /// Read chunks of one core, a power of two.
    pub read_chunks: u16,
    /// Bytes in the data ring of one ordered pair of cores, a power of two.
    pub ring_data_bytes: usize,
    /// Bytes in the interest ring of one ordered pair of cores, a power of two.
    pub ring_interest_bytes: usize,
    /// Whether memory, once touched, stays out of swap.
    pub lock_memory: MemoryLock,
    /// What pages the read chunks stand in.
    pub huge_pages: Pages,
    /// When streams are flushed, unless `jetstream.sync_interval` says it.
    pub storage_flush: Flush,
}

/// Which cores have a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoreChoice {
    /// All that the process may use, up to its CPU quota.
    All,
    /// One hardware thread of each physical core, up to the CPU quota.
    Physical,
    /// Those of the NUMA node of this network card or disk, up to the CPU quota.
    NumaOf(String),
    /// These.
    Listed(CoreList),
}

/// Where the control thread and the log writer may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlCores {
    /// On any core that the process may use.
    Any,
    /// On any of those that have no shard.
    Apart,
    /// On these.
    Listed(CoreList),
}

/// What a core with nothing to do does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Sleeps until something happens.
    Park,
    /// Looks again at once.
    Spin,
}

/// How the kernel schedules a shard's thread among others that want its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// As any thread: as a rule a wake-up takes the core from whoever has it.
    Normal,
    /// A wake-up waits until whoever has the core sleeps or has had its share.
    Batch,
    /// A wake-up takes the core from every thread that is not real-time itself.
    Realtime,
}

/// Whether memory, once touched, stays out of swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLock {
    /// It may be swapped out.
    Off,
    /// It stays.
    On,
}

/// What pages the read chunks stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Those that the kernel chooses.
    Any,
    /// Huge ones.
    Huge,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            cores: CoreChoice::All,
            cores_max: base::SHARDS_MAX,
            control_cores: ControlCores::Any,
            idle: Idle::Park,
            spin_before_park_us: 0,
            scheduling: Scheduling::Normal,
            busy_poll_us: 0,
            gather_us: 0,
            gather_events: limits::GATHER_EVENTS,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            read_chunk_bytes: limits::READ_CHUNK,
            read_chunks: limits::READ_CHUNKS as u16,
            ring_data_bytes: limits::RING_DATA_BYTES,
            ring_interest_bytes: limits::RING_INTEREST_BYTES,
            lock_memory: MemoryLock::Off,
            huge_pages: Pages::Any,
            storage_flush: Flush::Always,
        }
    }
}

#[cfg(test)]
mod tests;
