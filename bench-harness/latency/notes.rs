//! What the sender and the reader of a latency run have in common.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hdrhistogram::Histogram;

use crate::measure::latency_histogram;

/// Messages that may be under way at once, for the spread between subscribers and the time of the
/// write.
pub const OPEN_MESSAGES: usize = 1 << 16;

/// What the reader records, all in nanoseconds.
#[derive(Debug)]
pub struct Record {
    /// From the intended send to the reader.
    pub latencies: Histogram<u64>,
    /// From a message's first copy to its last.
    pub spreads: Histogram<u64>,
    /// From the write to the arrival at the reader's socket.
    pub between: Histogram<u64>,
    /// From there to the reader.
    pub unread: Histogram<u64>,
}

impl Record {
    /// Nothing yet.
    pub fn new() -> Record {
        Record {
            latencies: latency_histogram(),
            spreads: latency_histogram(),
            between: latency_histogram(),
            unread: latency_histogram(),
        }
    }
}

/// Both sides' notes.
#[derive(Debug)]
pub struct Shared {
    /// Whether the window is open.
    pub recording: AtomicBool,
    /// The reader's, once it is done.
    pub record: Mutex<Record>,
    /// How much later than it wanted the sender woke, in nanoseconds.
    pub oversleeps: Mutex<Histogram<u64>>,
    /// The sender's, for the reader.
    pub writes: Writes,
}

impl Shared {
    /// Nothing yet.
    pub fn new() -> Shared {
        Shared {
            recording: AtomicBool::new(false),
            record: Mutex::new(Record::new()),
            oversleeps: Mutex::new(latency_histogram()),
            writes: Writes::new(),
        }
    }
}

/// When the last messages were written.
#[derive(Debug)]
pub struct Writes(Vec<Write>);

/// One of them.
#[derive(Debug, Default)]
struct Write {
    serial: AtomicU64,
    /// Stage time.
    at_ns: AtomicU64,
}

impl Writes {
    fn new() -> Writes {
        Writes(std::iter::repeat_with(Write::default).take(OPEN_MESSAGES).collect())
    }

    /// Message `serial` is about to be written.
    pub fn note(&self, serial: u64, at_ns: u64) {
        let write = &self.0[serial as usize % OPEN_MESSAGES];
        write.at_ns.store(at_ns, Ordering::Relaxed);
        write.serial.store(serial, Ordering::Release);
    }

    /// When it was written; `None` when so many were written since that it is forgotten.
    pub fn of(&self, serial: u64) -> Option<u64> {
        let write = &self.0[serial as usize % OPEN_MESSAGES];
        let is_it = write.serial.load(Ordering::Acquire) == serial;
        is_it.then(|| write.at_ns.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_known_until_its_place_is_taken() {
        let writes = Writes::new();
        writes.note(5, 100);
        assert_eq!(writes.of(5), Some(100));
        writes.note(5 + OPEN_MESSAGES as u64, 200);
        assert_eq!(writes.of(5), None);
    }
}
