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

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use crate::cores::{self, Placement};
use crate::crew::{Crew, Sender};
use crate::error::{BenchError, Role};
use crate::interrupt;
use crate::measure::{Measure, Sample, latency_histogram};
use crate::payload;
use crate::plans::positive;
use crate::progress::Progress;
use crate::server::Server;
use crate::session::{Inbox, Session, Sink, Turn};
use crate::stage::{Counter, Phase, Stage};
use crate::wire::Frame;

/// Bytes of intended time and serial.
pub const STAMP_BYTES: usize = 16;
/// Messages that may be under way at once, for the spread between subscribers and the time of the
/// write.
const OPEN_MESSAGES: usize = 1 << 16;
/// Messages that are late together go out in one write of at most this many.
const WRITE_MESSAGES_MAX: u64 = 512;
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

/// What the reader has recorded.
#[derive(Debug)]
struct Record {
    latencies: Histogram<u64>,
    spreads: Histogram<u64>,
    oversleeps: Histogram<u64>,
    /// From the write to the arrival at the reader's socket.
    between: Histogram<u64>,
    /// From there to the reader.
    unread: Histogram<u64>,
}

/// What the sender and the reader have in common.
#[derive(Debug)]
struct Shared {
    /// Whether the window is open.
    recording: AtomicBool,
    record: Mutex<Record>,
    writes: Writes,
}

impl Shared {
    fn new() -> Shared {
        let record = Mutex::new(Record::new());
        Shared { recording: AtomicBool::new(false), record, writes: Writes::new() }
    }
}

/// When the last messages were written, by the sender for the reader.
#[derive(Debug)]
struct Writes(Vec<Write>);

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

    fn note(&self, serial: u64, at_ns: u64) {
        let write = &self.0[serial as usize % OPEN_MESSAGES];
        write.at_ns.store(at_ns, Ordering::Relaxed);
        write.serial.store(serial, Ordering::Release);
    }

    /// `None` when so many were written since that it is forgotten.
    fn of(&self, serial: u64) -> Option<u64> {
        let write = &self.0[serial as usize % OPEN_MESSAGES];
        let is_it = write.serial.load(Ordering::Acquire) == serial;
        is_it.then(|| write.at_ns.load(Ordering::Relaxed))
    }
}

impl Record {
    fn new() -> Record {
        Record {
            latencies: latency_histogram(),
            spreads: latency_histogram(),
            oversleeps: latency_histogram(),
            between: latency_histogram(),
            unread: latency_histogram(),
        }
    }
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
        crew.spawn(move |stage| read(readers, log, stage));
        let line = PacedSender::new(self.clone(), session, counter, Arc::clone(&shared));
        crew.spawn(move |stage| line.run(stage));
        let mut sample = crew.run(server, progress, |_| Ok(()));
        let record = shared.record.lock().unwrap_or_else(PoisonError::into_inner);
        sample.put_latencies(record.latencies.clone());
        if self.subscribers > 1 && !record.spreads.is_empty() {
            sample.put(Measure::SpreadP50, record.spreads.value_at_quantile(0.5) as f64);
            sample.put(Measure::SpreadP99, record.spreads.value_at_quantile(0.99) as f64);
        }
        let late = record.oversleeps.value_at_quantile(0.99) as f64;
        sample.put(Measure::OversleepP99, late);
        let p99 = sample.get(Measure::P99).unwrap_or(f64::INFINITY);
        let mut own = late;
        if !record.unread.is_empty() {
            let between = record.between.value_at_quantile(0.99) as f64;
            sample.put(Measure::UnreadP99, record.unread.value_at_quantile(0.99) as f64);
            sample.put(Measure::BetweenP99, between);
            sample.put(Measure::BetweenP999, record.between.value_at_quantile(0.999) as f64);
            own = own.max(p99 - between);
        }
        sample.late_load = own > p99 * OWN_SHARE_MAX;
        Ok(sample)
    }
}

/// The one reading thread's notes: latencies, and for each open message its first copy.
struct Log {
    shared: Arc<Shared>,
    latencies: Histogram<u64>,
    spreads: Histogram<u64>,
    between: Histogram<u64>,
    unread: Histogram<u64>,
    /// `open[serial % len]`: serial, stage time of the first copy, copies seen.
    open: Vec<(u64, u64, usize)>,
    subscribers: usize,
    arrived_ns: u64,
    messages: u64,
    damaged: bool,
}

impl Log {
    fn new(subscribers: usize, shared: Arc<Shared>) -> Log {
        Log {
            shared,
            latencies: latency_histogram(),
            spreads: latency_histogram(),
            between: latency_histogram(),
            unread: latency_histogram(),
            open: vec![(u64::MAX, 0, 0); OPEN_MESSAGES],
            subscribers,
            arrived_ns: 0,
            messages: 0,
            damaged: false,
        }
    }

    fn copy(&mut self, serial: u64) {
        let slot = &mut self.open[serial as usize % OPEN_MESSAGES];
        if slot.0 != serial {
            *slot = (serial, self.arrived_ns, 0);
        }
        slot.2 += 1;
        if slot.2 == self.subscribers {
            self.spreads.saturating_record(self.arrived_ns - slot.1);
        }
    }
}

/// One turn of one connection.
struct LogTurn<'a> {
    log: &'a mut Log,
    stage: &'a Stage,
    recording: bool,
    unread_ns: Option<u64>,
}

impl Sink for LogTurn<'_> {
    fn arrived(&mut self, unread: Option<Duration>) {
        self.log.arrived_ns = self.stage.now_ns();
        self.unread_ns = unread.map(|unread| unread.as_nanos() as u64);
        // Asked after the read: the window may open while this thread is blocked in it.
        self.recording = self.log.shared.recording.load(Ordering::Acquire);
    }

    fn message(&mut self, frame: Frame<'_>) {
        self.log.messages += 1;
        let Some((stamp, _)) = frame.body.split_at_checked(STAMP_BYTES) else {
            self.log.damaged = true;
            return;
        };
        if !self.recording {
            return;
        }
        let (intended, serial) = stamp.split_at(8);
        let intended = u64::from_le_bytes(intended.try_into().expect("eight bytes"));
        let serial = u64::from_le_bytes(serial.try_into().expect("eight bytes"));
        let latency_ns = self.log.arrived_ns.saturating_sub(intended);
        self.log.latencies.saturating_record(latency_ns);
        if let Some(unread_ns) = self.unread_ns {
            self.log.unread.saturating_record(unread_ns);
            let written_ns = self.log.shared.writes.of(serial).unwrap_or(intended);
            let at_socket_ns = self.log.arrived_ns.saturating_sub(unread_ns);
            self.log.between.saturating_record(at_socket_ns.saturating_sub(written_ns));
        }
        if self.log.subscribers > 1 {
            self.log.copy(serial);
        }
    }
}

/// Reads all subscribers on one thread, so that one clock times all copies.
fn read(
    mut readers: Vec<(Inbox, Arc<Counter>)>,
    mut log: Log,
    stage: &Stage,
) -> Result<(), BenchError> {
    let outcome = read_until_closed(&mut readers, &mut log, stage);
    let mut record = log.shared.record.lock().unwrap_or_else(PoisonError::into_inner);
    record.latencies = log.latencies;
    record.spreads = log.spreads;
    record.between = log.between;
    record.unread = log.unread;
    outcome
}

fn read_until_closed(
    readers: &mut [(Inbox, Arc<Counter>)],
    log: &mut Log,
    stage: &Stage,
) -> Result<(), BenchError> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(std::io::Error::from)?;
    for (index, (inbox, _)) in readers.iter().enumerate() {
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&poll, inbox.socket(), data, epoll::EventFlags::IN)
            .map_err(std::io::Error::from)?;
    }
    let mut events = Vec::with_capacity(readers.len());
    while !stage.is_closed() {
        events.clear();
        // A single connection is read by a blocking call: one system call less a message.
        if readers.len() > 1 {
            match epoll::wait(&poll, spare_capacity(&mut events), None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
        let ready = events.iter().map(|event| event.data.u64() as usize);
        let ready = ready.chain((readers.len() == 1).then_some(0));
        for index in ready {
            let (inbox, counter) = &mut readers[index];
            let before = log.messages;
            let turn =
                inbox.turn(&mut LogTurn { log, stage, recording: false, unread_ns: None })?;
            counter.set(counter.messages() + log.messages - before, log.arrived_ns);
            if log.damaged {
                let (role, text) = (Role::Subscriber, "a message without a time stamp".to_string());
                return Err(BenchError::ServerSaid { role, text });
            }
            if turn == Turn::End && !stage.is_closed() {
                return Err(BenchError::Closed(Role::Subscriber));
            }
        }
    }
    Ok(())
}

/// The one sending thread.
struct PacedSender {
    plan: LatencyPlan,
    session: Session,
    counter: Arc<Counter>,
    shared: Arc<Shared>,
    oversleeps: Histogram<u64>,
    /// One PUB line with payload; the stamp is written into a copy.
    message: Vec<u8>,
    sent: u64,
}

impl PacedSender {
    fn new(
        plan: LatencyPlan,
        session: Session,
        counter: Arc<Counter>,
        shared: Arc<Shared>,
    ) -> PacedSender {
        let mut message = format!("PUB bench.latency {}\r\n", plan.size).into_bytes();
        message.extend_from_slice(&payload::plain(plan.size));
        message.extend_from_slice(b"\r\n");
        let oversleeps = latency_histogram();
        PacedSender { plan, session, counter, shared, oversleeps, message, sent: 0 }
    }

    fn run(mut self, stage: &Stage) -> Result<(), BenchError> {
        // The default slack of 50 µs would make every message late.
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))
            .map_err(std::io::Error::from)?;
        if self.plan.pace == Pace::Spin {
            stage.spins();
        }
        for (phase, time) in
            [(Phase::Warmup, self.plan.warmup), (Phase::Measured, self.plan.duration)]
        {
            if stage.wait_for(phase) == Phase::Closed {
                return Ok(());
            }
            // All of the warm-up has been delivered by now.
            self.shared.recording.store(phase == Phase::Measured, Ordering::Release);
            self.oversleeps.reset();
            self.send(time, stage)?;
            self.session.flush()?;
            let mut record = self.shared.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.oversleeps = self.oversleeps.clone();
            drop(record);
            self.counter.finish(phase, self.sent, stage.now_ns());
        }
        stage.wait_for(Phase::Closed);
        Ok(())
    }

    fn send(&mut self, time: Duration, stage: &Stage) -> Result<(), BenchError> {
        let schedule = self.plan.schedule;
        let begun_ns = stage.now_ns();
        let end_ns = time.as_nanos() as u64;
        let mut index = 0;
        let mut out = Vec::new();
        while schedule.due_ns(index) < end_ns && !stage.is_closed() {
            self.wait_until(begun_ns + schedule.due_ns(index), stage);
            let now_ns = stage.now_ns() - begun_ns;
            out.clear();
            let first = index;
            while index - first < WRITE_MESSAGES_MAX
                && schedule.due_ns(index) <= now_ns
                && schedule.due_ns(index) < end_ns
            {
                self.put(begun_ns + schedule.due_ns(index), &mut out);
                index += 1;
            }
            let written_ns = stage.now_ns();
            for serial in self.sent - (index - first)..self.sent {
                self.shared.writes.note(serial, written_ns);
            }
            self.session.write(&out)?;
            self.counter.set(self.sent, stage.now_ns());
        }
        Ok(())
    }

    fn put(&mut self, intended_ns: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.message);
        let body = out.len() - 2 - self.plan.size;
        out[body..body + 8].copy_from_slice(&intended_ns.to_le_bytes());
        out[body + 8..body + 16].copy_from_slice(&self.sent.to_le_bytes());
        self.sent += 1;
    }

    /// Waits for a stage time. A time that has passed already (the last write took long) is no
    /// oversleeping.
    fn wait_until(&mut self, due_ns: u64, stage: &Stage) {
        let now_ns = stage.now_ns();
        if now_ns >= due_ns {
            return;
        }
        match self.plan.pace {
            Pace::Sleep => thread::sleep(Duration::from_nanos(due_ns - now_ns)),
            Pace::Spin => {
                while stage.now_ns() < due_ns {
                    std::hint::spin_loop();
                }
            }
        }
        self.oversleeps.saturating_record(stage.now_ns().saturating_sub(due_ns));
    }
}

/// Finds the highest steady rate that holds a latency.
#[derive(Debug, Clone)]
pub struct SweepPlan {
    /// The run; its rate is replaced.
    pub latency: LatencyPlan,
    /// First and highest rate tried, messages a second.
    pub rates: (f64, f64),
    /// The 99th percentile to hold.
    pub p99_max: Duration,
}

/// A rate that is not reached to this share does not hold.
const REACHED: f64 = 0.98;
/// The answer is this exact: steps of five percent.
const STEP: f64 = 1.05;

impl SweepPlan {
    /// Doubles the rate until it no longer holds, then halves the gap.
    ///
    /// # Errors
    /// As [`LatencyPlan::run`].
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let begun = Instant::now();
        let (mut holds, mut fails) = (0.0, f64::INFINITY);
        let mut best: Option<Sample> = None;
        let mut rate = self.rates.0;
        loop {
            let schedule = Schedule::Steady { rate };
            let plan = LatencyPlan { schedule, ..self.latency.clone() };
            let sample = plan.run(server, placement, progress)?;
            if sample.partial.is_some() {
                return Ok(sample);
            }
            let p99 = sample.get(Measure::P99).unwrap_or(f64::INFINITY);
            let reached = sample.get(Measure::PublishRate).unwrap_or(0.0);
            if p99 <= self.p99_max.as_nanos() as f64 && reached >= rate * REACHED {
                holds = rate;
                best = Some(sample);
            } else {
                fails = rate;
                best.get_or_insert(sample);
            }
            let next = if fails.is_finite() { (holds + fails) / 2.0 } else { holds * 2.0 };
            let settled = fails.is_finite() && fails <= holds * STEP;
            if settled || next < self.rates.0 || holds >= self.rates.1 {
                break;
            }
            rate = next.min(self.rates.1);
        }
        let mut sample = best.unwrap_or_default();
        sample.values.insert(0, (Measure::HeldRate, holds));
        sample.seconds = begun.elapsed().as_secs_f64();
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

    #[test]
    fn a_write_is_known_until_its_place_is_taken() {
        let writes = Writes::new();
        writes.note(5, 100);
        assert_eq!(writes.of(5), Some(100));
        writes.note(5 + OPEN_MESSAGES as u64, 200);
        assert_eq!(writes.of(5), None);
    }

    #[test]
    fn the_spread_closes_with_the_last_copy() {
        let mut log = Log::new(3, Arc::new(Shared::new()));
        for (serial, arrived_ns) in [(7, 1000), (8, 1500), (7, 2000), (7, 4000), (8, 1600)] {
            log.arrived_ns = arrived_ns;
            log.copy(serial);
        }
        assert_eq!(log.spreads.len(), 1, "message 8 lacks a copy");
        assert!(log.spreads.equivalent(log.spreads.max(), 3000));
    }
}
