//! What the threads of one run share: the gate that opens each phase, the first failure, counters.
//!
//! The main thread opens a phase, watches the counters and closes the stage; publishers wait at the
//! gate between phases. Counters have one writer each and stand on their own cache line.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::cores::Placement;
use crate::error::BenchError;
use crate::process::{SchedStat, thread_schedstat};

/// A part of a run that begins for all publishers at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Connected, subscribed, waiting.
    Ready,
    /// Same work as measured, not counted.
    Warmup,
    /// The window.
    Measured,
    /// Over: everybody leaves.
    Closed,
}

/// How a thread passes the time without work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Waits,
    Spins,
}

#[derive(Debug, Clone, Copy)]
struct LoadThread {
    id: i32,
    manner: Manner,
}

/// Shared by all threads of a run.
#[derive(Debug)]
pub struct Stage {
    phase: Mutex<Phase>,
    opened: Condvar,
    closed: AtomicBool,
    failure: Mutex<Option<BenchError>>,
    /// Thread ids of the load, for [`BusyMeter`].
    threads: Mutex<Vec<LoadThread>>,
    epoch: Instant,
}

impl Stage {
    /// A stage on which everybody waits.
    pub fn new() -> Stage {
        Stage {
            phase: Mutex::new(Phase::Ready),
            opened: Condvar::new(),
            closed: AtomicBool::new(false),
            failure: Mutex::new(None),
            threads: Mutex::new(Vec::new()),
            epoch: Instant::now(),
        }
    }

    /// First call of each load thread: takes its core and makes its CPU time known.
    pub fn enter(&self, placement: &Placement) -> Result<(), BenchError> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let index = threads.len();
        let id = rustix::thread::gettid().as_raw_pid();
        threads.push(LoadThread { id, manner: Manner::Waits });
        drop(threads);
        placement.pin_load(index)
    }

    /// Called by a thread that spins on purpose: how busy it is says nothing.
    pub fn spins(&self) {
        let own = rustix::thread::gettid().as_raw_pid();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if thread.id == own {
                thread.manner = Manner::Spins;
            }
        }
    }

    /// Number of load threads that have entered.
    pub fn entered(&self) -> usize {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Nanoseconds since the stage was built: the one time scale of a run.
    pub fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Lets everybody who waits for `phase` (or an earlier one) go on.
    pub fn open(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.closed.store(phase == Phase::Closed, Ordering::Release);
        self.opened.notify_all();
    }

    /// Waits for `phase` and returns the phase that is open then: `phase`, or `Closed`.
    pub fn wait_for(&self, phase: Phase) -> Phase {
        let mut open = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        while *open < phase {
            open = self.opened.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        *open
    }

    /// Whether the run is over. One relaxed load, for hot loops.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Reports a failure; the first one counts, later ones follow from it.
    pub fn fail(&self, error: BenchError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_none() && !self.is_closed() {
            *failure = Some(error);
        }
    }

    /// Takes the failure, if there was one.
    pub fn failure(&self) -> Option<BenchError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counters of one thread or connection, read by the main thread.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counter {
    messages: AtomicU64,
    /// Stage time of the last message, or of the PONG that ended a phase.
    last_ns: AtomicU64,
    /// The last [`Phase`] that the thread has finished (publishers only).
    finished: AtomicU64,
}

impl Counter {
    /// Publishes a new count; the writer's own value is the truth.
    pub fn set(&self, messages: u64, now_ns: u64) {
        self.last_ns.store(now_ns, Ordering::Relaxed);
        self.messages.store(messages, Ordering::Release);
    }

    /// Ends a phase: the server has confirmed everything sent in it.
    pub fn finish(&self, phase: Phase, messages: u64, now_ns: u64) {
        self.set(messages, now_ns);
        self.finished.store(phase as u64, Ordering::Release);
    }

    /// Whether the thread has finished `phase`.
    pub fn has_finished(&self, phase: Phase) -> bool {
        self.finished.load(Ordering::Acquire) >= phase as u64
    }

    /// Messages so far.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }

    /// Stage time of the last message.
    pub fn last_ns(&self) -> u64 {
        self.last_ns.load(Ordering::Relaxed)
    }
}

/// How busy each load thread was between two readings.
#[derive(Debug)]
pub struct BusyMeter {
    begun: Instant,
    threads: Vec<(i32, SchedStat)>,
}

impl BusyMeter {
    /// First reading.
    pub fn start(stage: &Stage) -> BusyMeter {
        let threads = stage.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = threads.iter().filter(|thread| thread.manner == Manner::Waits);
        let read =
            |thread: &LoadThread| (thread.id, thread_schedstat(thread.id).unwrap_or_default());
        BusyMeter { begun: Instant::now(), threads: waiting.map(read).collect() }
    }

    /// Second reading: the share of the time that the busiest thread spent on a CPU or ready to
    /// run. Threads that ended in between are left out.
    pub fn busiest(&self) -> f64 {
        let wall = self.begun.elapsed().as_nanos().max(1) as f64;
        let busy = self.threads.iter().filter_map(|(thread, before)| {
            let now = thread_schedstat(*thread)?;
            let busy = (now.on_cpu_ns + now.waiting_ns)
                .saturating_sub(before.on_cpu_ns + before.waiting_ns);
            Some(busy as f64 / wall)
        });
        busy.fold(0.0, f64::max)
    }
}
