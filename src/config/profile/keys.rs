//! Every key of a profile, declared once. Reading, the table in `tuning/README.md` and its test
//! all use this list.

use std::time::Duration;

use crate::limits;
use crate::options::Flush;
use crate::problem::ValueError;

use super::{ControlCores, CoreChoice, Idle, MemoryLock, Pages, Scheduling, Tuning};

/// One key of a profile.
#[derive(Debug)]
pub struct Key {
    /// Its name, in lower case.
    pub name: &'static str,
    /// The default, as one would write it.
    pub default: &'static str,
    /// What it does, in a line; the unit ends the name.
    pub doc: &'static str,
    /// What its value must be, and where it goes.
    pub kind: Kind,
}

/// What a value must be, and where it goes.
pub enum Kind {
    /// An integer.
    Count {
        /// The lowest allowed.
        min: u32,
        /// The highest allowed.
        max: u32,
        /// Which of those between are allowed.
        steps: Steps,
        /// Where it goes.
        set: fn(&mut Tuning, u32),
    },
    /// A boolean.
    Switch(fn(&mut Tuning, bool)),
    /// One of these words.
    Word(&'static [&'static str], fn(&mut Tuning, &str)),
    /// One of these words, or a list of cores as text or as an array of integers.
    Cores(&'static str, fn(&mut Tuning, &str) -> Result<(), ValueError>),
}

/// Which integers within bounds are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// All.
    One,
    /// 0, for the kernel's own choice, and all within bounds.
    OneOrZero,
    /// Powers of two.
    PowersOfTwo,
}

impl Kind {
    /// What may be written, for the reference.
    pub fn values(&self) -> String {
        match self {
            Kind::Count { min, max, steps: Steps::One, .. } => format!("{min} to {max}"),
            Kind::Count { min, max, steps: Steps::OneOrZero, .. } => format!("0, {min} to {max}"),
            Kind::Count { min, max, steps: Steps::PowersOfTwo, .. } => {
                format!("power of two, {min} to {max}")
            }
            Kind::Switch(_) => "`true`, `false`".to_owned(),
            Kind::Word(words, _) => {
                let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
                words.join(", ")
            }
            Kind::Cores(words, _) => format!("{words}, `\"0,2-5\"`, `[0, 2]`"),
        }
    }

    /// The kind in a few words, for errors.
    pub const fn expected(&self) -> &'static str {
        match self {
            Kind::Count { .. } => "an integer",
            Kind::Switch(_) => "true or false",
            Kind::Word(..) => "text",
            Kind::Cores(..) => "text or a list of integers",
        }
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.expected())
    }
}

const fn count(min: u32, max: u32, steps: Steps, set: fn(&mut Tuning, u32)) -> Kind {
    Kind::Count { min, max, steps, set }
}

fn cores(tuning: &mut Tuning, text: &str) -> Result<(), ValueError> {
    tuning.cores = match (text, text.strip_prefix("numa-of:")) {
        ("all", _) => CoreChoice::All,
        ("physical", _) => CoreChoice::Physical,
        (_, Some("")) => return Err(ValueError::Empty),
        (_, Some(device)) => CoreChoice::NumaOf(device.to_owned()),
        _ => CoreChoice::Listed(text.parse()?),
    };
    Ok(())
}

fn control_cores(tuning: &mut Tuning, text: &str) -> Result<(), ValueError> {
    tuning.control_cores = match text {
        "any" => ControlCores::Any,
        "apart" => ControlCores::Apart,
        _ => ControlCores::Listed(text.parse()?),
    };
    Ok(())
}

/// Microseconds in a second: the longest time that a key here may ask for.
const SECOND_US: u32 = 1_000_000;
/// Milliseconds in an hour: who waits longer for a flush does not want one.
const HOUR_MS: u32 = 3_600_000;

/// All keys, in the order of the reference.
pub static KEYS: &[Key] = &[
    Key {
        name: "cores",
        default: "\"all\"",
        doc: "Cores with a shard: all allowed, one hardware thread a physical core, those on the \
              NUMA node of a network card or disk, or a list; `--cores` wins",
        kind: Kind::Cores("`\"all\"`, `\"physical\"`, `\"numa-of:<device>\"`", cores),
    },
    Key {
        name: "cores_max",
        default: "128",
        doc: "Most cores that a `cores` other than a list takes",
        kind: count(1, base::SHARDS_MAX as u32, Steps::One, |t, n| t.cores_max = n as usize),
    },
    Key {
        name: "control_cores",
        default: "\"any\"",
        doc: "Where the control thread (HTTP, log, signals) runs: anywhere, apart from the \
              shards, or on these cores, which a `cores` other than a list then leaves out",
        kind: Kind::Cores("`\"any\"`, `\"apart\"`", control_cores),
    },
    Key {
        name: "idle",
        default: "\"park\"",
        doc: "What a core with nothing to do does: sleep, or look again at once",
        kind: Kind::Word(&["park", "spin"], |t, word| {
            t.idle = if word == "spin" { Idle::Spin } else { Idle::Park };
        }),
    },
    Key {
        name: "spin_before_park_us",
        default: "0",
        doc: "How long a core looks on after its last event before it parks",
        kind: count(0, SECOND_US, Steps::One, |t, n| t.spin_before_park_us = n),
    },
    Key {
        name: "scheduling",
        default: "\"normal\"",
        doc: "How the kernel schedules the cores' threads among others on the same cores: \
              `normal`, `batch` (a wake-up takes the core from nobody), `realtime` (it takes it \
              from everybody: `SCHED_FIFO`, needs CAP_SYS_NICE)",
        kind: Kind::Word(&["normal", "batch", "realtime"], |t, word| {
            t.scheduling = match word {
                "batch" => Scheduling::Batch,
                "realtime" => Scheduling::Realtime,
                _ => Scheduling::Normal,
            };
        }),
    },
    Key {
        name: "busy_poll_us",
        default: "0",
        doc: "How long the kernel polls the network card's queue for a waiting core \
              (`SO_BUSY_POLL`, and NAPI on the core's ring from Linux 6.9 on)",
        kind: count(0, 10_000, Steps::One, |t, n| t.busy_poll_us = n),
    },
    Key {
        name: "gather_us",
        default: "0",
        doc: "How long a sleeping core lets events gather before it wakes (Linux 6.12)",
        kind: count(0, 100_000, Steps::One, |t, n| t.gather_us = n),
    },
    Key {
        name: "gather_events",
        default: "16",
        doc: "Events that end the gathering early; without `gather_us` it means nothing",
        kind: count(2, 4096, Steps::One, |t, n| t.gather_events = n),
    },
    Key {
        name: "send_buffer_bytes",
        default: "0",
        doc: "Kernel's buffer towards one connection (`SO_SNDBUF`); 0 lets the kernel size it",
        kind: count(4096, 1 << 30, Steps::OneOrZero, |t, n| {
            t.send_buffer_bytes = (n > 0).then_some(n);
        }),
    },
    Key {
        name: "receive_buffer_bytes",
        default: "0",
        doc: "Kernel's buffer from one connection (`SO_RCVBUF`); 0 lets the kernel size it",
        kind: count(4096, 1 << 30, Steps::OneOrZero, |t, n| {
            t.receive_buffer_bytes = (n > 0).then_some(n);
        }),
    },
    Key {
        name: "read_chunk_bytes",
        default: "32768",
        doc: "Most bytes that one receive brings",
        kind: count(
            limits::READ_CHUNK_MIN as u32,
            limits::PRE_CONNECT_BYTES_MAX as u32,
            Steps::One,
            |t, n| t.read_chunk_bytes = n as usize,
        ),
    },
    Key {
        name: "read_chunks",
        default: "64",
        doc: "Receives that one core can have at hand in one turn; its memory is this times \
              `read_chunk_bytes`",
        kind: count(16, 32_768, Steps::PowersOfTwo, |t, n| t.read_chunks = n as u16),
    },
    Key {
        name: "ring_data_bytes",
        default: "1048576",
        doc: "Ring of messages from one core to another, each way between each two",
        kind: count(1 << 17, limits::SPILL_PAUSE_BYTES as u32, Steps::PowersOfTwo, |t, n| {
            t.ring_data_bytes = n as usize;
        }),
    },
    Key {
        name: "ring_interest_bytes",
        default: "262144",
        doc: "Ring of subscriptions from one core to another, each way between each two",
        kind: count(1 << 17, limits::SPILL_PAUSE_BYTES as u32, Steps::PowersOfTwo, |t, n| {
            t.ring_interest_bytes = n as usize;
        }),
    },
    Key {
        name: "lock_memory",
        default: "false",
        doc: "Keep all memory, once touched, out of swap (`mlockall`); needs \
              `LimitMEMLOCK=infinity` or CAP_IPC_LOCK",
        kind: Kind::Switch(|t, on| {
            t.lock_memory = if on { MemoryLock::On } else { MemoryLock::Off };
        }),
    },
    Key {
        name: "huge_pages",
        default: "false",
        doc: "Read chunks in huge pages of 2 MiB (`MADV_COLLAPSE`, Linux 6.1)",
        kind: Kind::Switch(|t, on| t.huge_pages = if on { Pages::Huge } else { Pages::Any }),
    },
    Key {
        name: "storage_flush_ms",
        default: "0",
        doc: "How often file streams are flushed; 0 flushes before each acknowledgement, so that \
              one means durable; `jetstream.sync_interval` wins",
        kind: count(0, HOUR_MS, Steps::One, |t, n| {
            t.storage_flush = match n {
                0 => Flush::Always,
                ms => Flush::Every(Duration::from_millis(u64::from(ms))),
            };
        }),
    },
];
