//! How a shard logs: a line goes into a bounded queue and the control thread writes it. A full
//! queue drops the line and counts it; a shard never waits for a log file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};

/// How much a line matters. The three letters are nats-server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `[FTL]`: the server cannot go on.
    Fatal,
    /// `[ERR]`
    Error,
    /// `[WRN]`
    Warn,
    /// `[INF]`
    Info,
    /// `[DBG]`, with `-D`.
    Debug,
    /// `[TRC]`, with `-V`.
    Trace,
}

impl Level {
    /// The three letters between brackets.
    pub const fn label(self) -> &'static str {
        match self {
            Level::Fatal => "FTL",
            Level::Error => "ERR",
            Level::Warn => "WRN",
            Level::Info => "INF",
            Level::Debug => "DBG",
            Level::Trace => "TRC",
        }
    }
}

/// One line on its way to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// Nanoseconds since the Unix epoch, when it was said.
    pub at_ns: u64,
    /// What is said, without time and level.
    pub text: String,
}

/// The handle by which anyone logs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    lines: Sender<Line>,
    dropped: Arc<AtomicU64>,
    /// [`Verbosity`] as bits, for all handles: a reload changes it.
    verbosity: Arc<AtomicU8>,
}

/// Which of the optional levels are wanted; the others always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// `-D`
    pub debug: bool,
    /// `-V`
    pub trace: bool,
}

impl Verbosity {
    const DEBUG: u8 = 1;
    const TRACE: u8 = 2;

    const fn bits(self) -> u8 {
        (self.debug as u8) * Verbosity::DEBUG + (self.trace as u8) * Verbosity::TRACE
    }
}

impl Log {
    /// A log whose queue holds `lines_max` lines, and the end from which they are written.
    pub fn bounded(lines_max: usize, verbosity: Verbosity) -> (Log, Receiver<Line>) {
        let (lines, receiver) = crossbeam_channel::bounded(lines_max);
        let verbosity = Arc::new(AtomicU8::new(verbosity.bits()));
        (Log { lines, dropped: Arc::default(), verbosity }, receiver)
    }

    /// Whether lines of this level are wanted. Ask before building the text.
    #[inline]
    pub fn wants(&self, level: Level) -> bool {
        let wanted = || self.verbosity.load(Ordering::Relaxed);
        match level {
            Level::Debug => wanted() & Verbosity::DEBUG != 0,
            Level::Trace => wanted() & Verbosity::TRACE != 0,
            _ => true,
        }
    }

    /// Changes which levels are wanted, for every handle of this log.
    pub fn set_verbosity(&self, verbosity: Verbosity) {
        self.verbosity.store(verbosity.bits(), Ordering::Relaxed);
    }

    /// Queues a line, or drops and counts it when the queue is full.
    pub fn say(&self, level: Level, text: impl Into<String>) {
        if !self.wants(level) {
            return;
        }
        let at_ns = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64);
        match self.lines.try_send(Line { level, at_ns, text: text.into() }) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lines dropped so far because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_and_levels_filter() {
        let (log, lines) = Log::bounded(1, Verbosity { debug: false, trace: true });
        log.say(Level::Debug, "not wanted");
        log.say(Level::Info, "kept");
        log.say(Level::Error, "no room");
        assert_eq!(log.dropped(), 1);
        assert!(log.wants(Level::Trace));
        assert_eq!(lines.try_recv().unwrap().text, "kept");
        assert!(lines.try_recv().is_err());
    }

    #[test]
    fn verbosity_changes_for_all_handles() {
        let (log, _lines) = Log::bounded(1, Verbosity { debug: true, trace: true });
        let other = log.clone();
        log.set_verbosity(Verbosity { debug: true, trace: false });
        assert!(other.wants(Level::Debug) && !other.wants(Level::Trace));
        log.set_verbosity(Verbosity::default());
        assert!(!other.wants(Level::Debug) && other.wants(Level::Error));
    }
}
