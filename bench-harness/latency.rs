//! Hot path: open-loop latency. Each message carries the moment at which it *should* have been
//! sent; its latency is counted from there, so a server that makes the sender wait is charged for
//! the wait (no coordinated omission).
//!
//! ```text
//! payload    intended stage time u64 LE | serial u64 LE | 'x' repeated
//! ```
//! The generator's own part is kept apart: how late the sender woke and wrote, and how long
//! messages lay at the reader's socket before it ran. What is left lies between the two sockets.
//! Where that is far below the latencies, they are the generator's and not the server's.

mod notes;
mod reading;
mod sending;
mod sweep;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::cores::{self, Placement};
use crate::crew::{Crew, Sender};
use crate::error::{BenchError, Role};
use crate::interrupt;
use crate::measure::{Measure, Sample};
use crate::plans::positive;
use crate::progress::Progress;
use crate::server::Server;
use crate::session::{Inbox, Session};
use crate::stage::Counter;
use notes::Shared;
use reading::Log;
use sending::PacedSender;

pub use sweep::SweepPlan;

/// Bytes of intended time and serial.
pub const STAMP_BYTES: usize = 16;
/// The generator's own waiting above this share of the same percentile of the latencies makes them
/// its own.
const OWN_SHARE_MAX: f64 = 0.5;

/// When messages are due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Evenly, this many a second.
    Steady {
        /// Messages a second.
        rate: f64,
    },
    /// All messages of a burst at once, then nothing until the next.
    Bursts {
        /// Messages of a burst.
        messages: u64,
        /// From burst to burst.
        every: Duration,
    },
}

impl Schedule {
    /// Nanoseconds after the start at which message `index` is due.
    fn due_ns(self, index: u64) -> u64 {
        match self {
            Schedule::Steady { rate } => (index as f64 * 1e9 / rate) as u64,
            Schedule::Bursts { messages, every } => index / messages * every.as_nanos() as u64,
        }
    }
}

/// How the sender waits for the next message to be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Pace {
    /// Sleeps: costs nothing, wakes tens of microseconds late on a virtual machine.
    Sleep,
    /// Spins: exact, takes a whole core.
    Spin,
}

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct LatencyPlan {
    /// When messages are due.
    pub schedule: Schedule,
    /// How the sender waits.
    pub pace: Pace,
    /// Payload bytes, at least [`STAMP_BYTES`].
    pub size: usize,
    /// Subscribers of the one subject.
    pub subscribers: usize,
    /// Measured time.
    pub duration: Duration,
    /// Time before it, cut off.
    pub warmup: Duration,
}

impl LatencyPlan {
    /// Steady traffic, paced as the machine allows.
    ///
    /// # Errors
    /// [`BenchError::Usage`] for a message without room for its stamp, or none at all.
    pub fn steady(rate: u64, size: usize, subscribers: usize) -> Result<LatencyPlan, BenchError> {
        if size < STAMP_BYTES {
            let text = format!("--size must be at least {STAMP_BYTES}: it carries a time stamp");
            return Err(BenchError::Usage(text));
        }
        Ok(LatencyPlan {
            schedule: Schedule::Steady { rate: positive("--rate", rate as usize)? as f64 },
            pace: if cores::usable() >= 4 { Pace::Spin } else { Pace::Sleep },
            size,
            subscribers: positive("--subs", subscribers)?,
            duration: Duration::from_secs(2),
            warmup: Duration::from_millis(300),
        })
    }

    /// Runs it once. A window that ended early comes back as a partial sample.
    ///
    /// # Errors
    /// Whatever kept the load from starting at all.
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let mut crew = Crew::new(placement);
        let shared = Arc::new(Shared::new());
        let mut readers = Vec::new();
        for _ in 0..self.subscribers {
            interrupt::check()?;
            let mut session = Session::open(&server.endpoint, Role::Subscriber)?;
            session.write(b"SUB bench.latency 1\r\n")?;
            session.flush()?;
            crew.closers.push(session.closer()?);
            let counter = Arc::new(Counter::default());
            crew.receivers.push(Arc::clone(&counter));
            let mut inbox = Inbox::new(session.into_channel(), Role::Subscriber, self.size + 4096);
            inbox.stamp_arrivals()?;
            readers.push((inbox, counter));
        }
        let session = Session::open(&server.endpoint, Role::Publisher)?;
        session.greeting.check_size(self.size)?;
        crew.closers.push(session.closer()?);
        let counter = Arc::new(Counter::default());
        let copies = self.subscribers as u64;
        crew.senders.push(Sender { counter: Arc::clone(&counter), copies });
        let log = Log::new(self.subscribers, Arc::clone(&shared));
        crew.spawn(move |stage| reading::read(readers, log, stage));
        let line = PacedSender::new(self.clone(), session, counter, Arc::clone(&shared));
        crew.spawn(move |stage| line.run(stage));
        let mut sample = crew.run(server, progress, |_| Ok(()));
        let record = shared.record.lock().unwrap_or_else(PoisonError::into_inner);
        let oversleeps = shared.oversleeps.lock().unwrap_or_else(PoisonError::into_inner);
        sample.put_latencies(record.latencies.clone());
        if self.subscribers > 1 {
            sample.put_percentile(Measure::SpreadP50, &record.spreads, 0.5);
            sample.put_percentile(Measure::SpreadP99, &record.spreads, 0.99);
        }
        sample.put_percentile(Measure::OversleepP99, &oversleeps, 0.99);
        sample.put_percentile(Measure::UnreadP99, &record.unread, 0.99);
        sample.put_percentile(Measure::BetweenP99, &record.between, 0.99);
        sample.put_percentile(Measure::BetweenP999, &record.between, 0.999);
        let p99 = sample.get(Measure::P99).unwrap_or(f64::INFINITY);
        let late = sample.get(Measure::OversleepP99).unwrap_or(0.0);
        let outside = sample.get(Measure::BetweenP99).map_or(0.0, |between| p99 - between);
        let own = late.max(outside);
        sample.late_load = own > p99 * OWN_SHARE_MAX;
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_and_burst_schedules() {
        let steady = Schedule::Steady { rate: 50_000.0 };
        assert_eq!(
            (steady.due_ns(0), steady.due_ns(1), steady.due_ns(50_000)),
            (0, 20_000, 1_000_000_000)
        );
        let bursts = Schedule::Bursts { messages: 10, every: Duration::from_millis(2) };
        assert_eq!(
            (bursts.due_ns(9), bursts.due_ns(10), bursts.due_ns(20)),
            (0, 2_000_000, 4_000_000)
        );
    }
}
