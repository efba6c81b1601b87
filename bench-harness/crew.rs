//! The threads of one run, and the measured window over them.
//!
//! The window begins when every connection stands and every subscription is confirmed. It ends when
//! the server has answered the last sender's PING *and* every delivery has been counted. Server CPU
//! is read at both ends, so 1 → N includes full delivery.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::Placement;
use crate::error::BenchError;
use crate::interrupt;
use crate::measure::{Measure, Sample, Tally};
use crate::process::CpuReading;
use crate::progress::Progress;
use crate::server::Server;
use crate::session::{Closer, Session};
use crate::stage::{BusyMeter, Counter, Phase, Stage};

/// How often the main thread looks at the counters.
const WATCH_TICK: Duration = Duration::from_millis(2);
/// Nothing sent and nothing received for this long: messages are lost.
const STUCK_WAIT: Duration = Duration::from_secs(15);

/// A sending thread as the main thread sees it.
#[derive(Debug)]
pub struct Sender {
    /// Its count.
    pub counter: Arc<Counter>,
    /// Counted deliveries of each of its messages.
    pub copies: u64,
}

/// The threads of a run and what the main thread watches.
#[derive(Debug)]
pub struct Crew {
    /// Shared by all threads.
    pub stage: Arc<Stage>,
    /// Publishers or requesters.
    pub senders: Vec<Sender>,
    /// Counted deliveries.
    pub receivers: Vec<Arc<Counter>>,
    /// Connections to end when the run is over.
    pub closers: Vec<Closer>,
    /// Connections that are held open and never read.
    pub held: Vec<Session>,
    threads: Vec<thread::JoinHandle<()>>,
    placement: Placement,
}

impl Crew {
    /// Nobody yet.
    pub fn new(placement: &Placement) -> Crew {
        Crew {
            stage: Arc::new(Stage::new()),
            senders: Vec::new(),
            receivers: Vec::new(),
            closers: Vec::new(),
            held: Vec::new(),
            threads: Vec::new(),
            placement: placement.clone(),
        }
    }

    /// Starts a thread of the load. A failure it returns ends the run.
    pub fn spawn(&mut self, life: impl FnOnce(&Stage) -> Result<(), BenchError> + Send + 'static) {
        let (stage, placement) = (Arc::clone(&self.stage), self.placement.clone());
        self.threads.push(thread::spawn(move || {
            if let Err(error) = stage.enter(&placement).and_then(|()| life(&stage)) {
                stage.fail(error);
            }
        }));
    }

    /// Runs warm-up and window, and puts rates, CPU and memory into the sample. A window that ended
    /// early, by a failure or by Ctrl-C, leaves a sample marked partial.
    pub fn run(
        mut self,
        server: &mut Server,
        progress: &Progress,
        judge: impl FnOnce(&Crew) -> Result<(), BenchError>,
    ) -> Sample {
        let mut sample = Sample::default();
        let outcome = self.window(server, progress, &mut sample).and_then(|()| judge(&self));
        // What a thread saw is nearer to the cause than what the main thread made of it.
        let seen = self.stage.failure();
        self.close();
        if let Err(error) = outcome {
            let error = match error {
                BenchError::Interrupted => error,
                error => server.check_dying().err().or(seen).unwrap_or(error),
            };
            sample.partial = Some(error.to_string());
        }
        sample
    }

    fn window(
        &mut self,
        server: &mut Server,
        progress: &Progress,
        sample: &mut Sample,
    ) -> Result<(), BenchError> {
        while self.stage.entered() < self.threads.len() {
            interrupt::check()?;
            thread::sleep(WATCH_TICK);
        }
        self.phase(Phase::Warmup, server, progress)?;
        let before = self.tally();
        let probe = server.probe();
        let cpu_before = probe.map(|probe| probe.cpu()).transpose()?;
        let busy = BusyMeter::start(&self.stage);
        let begun_ns = self.stage.now_ns();
        let outcome = self.phase(Phase::Measured, server, progress);
        let cpu_after = probe.and_then(|probe| probe.cpu().ok());
        sample.load_busy = busy.busiest();
        sample.tally = self.tally().since(before);
        let published_ns = self.published_ns();
        let ended_ns = if outcome.is_ok() { self.ended_ns() } else { self.stage.now_ns() };
        sample.seconds = ended_ns.saturating_sub(begun_ns) as f64 / 1e9;
        let published = published_ns.saturating_sub(begun_ns) as f64 / 1e9;
        sample.put(Measure::PublishRate, sample.tally.sent as f64 / published);
        if !self.receivers.is_empty() {
            sample.put(Measure::DeliverRate, sample.tally.received as f64 / sample.seconds);
        }
        put_cpu(sample, cpu_before, cpu_after);
        if let Some(bytes) = probe.and_then(|probe| probe.resident_bytes().ok()) {
            sample.put(Measure::Resident, bytes as f64);
        }
        outcome
    }

    /// Opens a phase and watches until all of it is sent, confirmed and delivered.
    fn phase(
        &mut self,
        phase: Phase,
        server: &mut Server,
        progress: &Progress,
    ) -> Result<(), BenchError> {
        self.stage.open(phase);
        let mut last = (self.tally(), Instant::now());
        loop {
            interrupt::check()?;
            if let Some(error) = self.stage.failure() {
                return Err(error);
            }
            let finished = self.senders.iter().all(|sender| sender.counter.has_finished(phase));
            let tally = self.tally();
            if finished && tally.received >= tally.expected {
                return Ok(());
            }
            if tally != last.0 {
                last = (tally, Instant::now());
            } else if last.1.elapsed() > STUCK_WAIT {
                let (received, expected) = (tally.received, tally.expected);
                return Err(BenchError::Stuck { waited: STUCK_WAIT, received, expected });
            }
            server.check_alive()?;
            progress.tick(phase, tally);
            thread::sleep(WATCH_TICK);
        }
    }

    /// Messages since the run began, warm-up included.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for sender in &self.senders {
            let sent = sender.counter.messages();
            tally.sent += sent;
            tally.expected += sent * sender.copies;
        }
        tally.received = self.receivers.iter().map(|counter| counter.messages()).sum();
        tally
    }

    /// Stage time at which the last publisher had its PONG.
    fn published_ns(&self) -> u64 {
        self.senders.iter().map(|sender| sender.counter.last_ns()).max().unwrap_or(0)
    }

    /// Stage time at which everything was sent, confirmed and delivered.
    fn ended_ns(&self) -> u64 {
        let delivered = self.receivers.iter().map(|counter| counter.last_ns()).max();
        self.published_ns().max(delivered.unwrap_or(0))
    }

    fn close(self) {
        self.stage.open(Phase::Closed);
        for closer in &self.closers {
            closer.close();
        }
        for thread in self.threads {
            // A panic in a load thread is a bug here: let it be seen.
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Server CPU per million published messages.
fn put_cpu(sample: &mut Sample, before: Option<CpuReading>, after: Option<CpuReading>) {
    if let (Some(before), Some(after)) = (before, after) {
        let used = after.since(&before).as_secs_f64();
        sample.put(Measure::CpuPerMillion, used * 1e6 / sample.tally.sent as f64);
    }
}
