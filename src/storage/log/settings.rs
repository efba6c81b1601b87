//! How a log is kept: where, how safe, and within which bounds.

use std::path::PathBuf;

use config::limits;

use crate::Keys;

/// When what is appended is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Each write is, before it is acknowledged.
    Always,
    /// It is acknowledged once written, and flushed so often.
    Every {
        /// Nanoseconds.
        interval_ns: u64,
    },
}

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Where its segments lie.
    pub folder: PathBuf,
    /// Folders of logs whose cores are no more: read and emptied, never appended to.
    pub adopted: Vec<PathBuf>,
    /// The core's number.
    pub log: u32,
    /// When what is appended is safe.
    pub sync: Sync,
    /// The first segment's length, bytes; later ones are four times as long, up to the next.
    pub segment_bytes_min: u32,
    /// The longest segment, bytes.
    pub segment_bytes_max: u32,
    /// One write's length at most, bytes, except for a single longer record.
    pub write_bytes_max: usize,
    /// Written blocks that stay in memory for readers, bytes.
    pub recent_bytes: usize,
    /// What was read from disk and stays in memory for readers, bytes.
    pub cache_bytes: usize,
    /// Appended bytes that wait for the disk at most.
    pub behind_bytes_max: usize,
    /// What compaction reads and writes a second at most, bytes.
    pub compaction_bytes_per_s: u64,
    /// What the log is encrypted with, if it is.
    pub keys: Keys,
}

impl LogSettings {
    /// How the log of a core is kept in `folder`, with the limits of every server.
    #[must_use]
    pub fn of(folder: PathBuf, adopted: Vec<PathBuf>, log: u32, sync: Sync) -> LogSettings {
        LogSettings {
            folder,
            adopted,
            log,
            sync,
            segment_bytes_min: limits::JS_SEGMENT_BYTES_MIN,
            segment_bytes_max: limits::JS_SEGMENT_BYTES_MAX,
            write_bytes_max: limits::JS_WRITE_BYTES_MAX,
            recent_bytes: limits::JS_RECENT_BYTES,
            cache_bytes: limits::JS_READ_CACHE_BYTES,
            behind_bytes_max: limits::JS_BEHIND_BYTES_MAX,
            compaction_bytes_per_s: limits::JS_COMPACTION_BYTES_PER_S,
            keys: Keys::default(),
        }
    }
}
