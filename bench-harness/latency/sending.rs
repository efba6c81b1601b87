//! Hot path: sends on schedule, whatever became of the messages before.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::notes::Shared;
use super::{LatencyPlan, Pace};
use crate::error::BenchError;
use crate::measure::latency_histogram;
use crate::payload;
use crate::session::Session;
use crate::stage::{Counter, Phase, Stage};

/// Messages that are late together go out in one write of at most this many.
const WRITE_MESSAGES_MAX: u64 = 512;

/// The one sending thread.
pub(super) struct PacedSender {
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
    /// Sends on `session` as `plan` says.
    pub(super) fn new(
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

    /// Until the stage closes.
    pub(super) fn run(mut self, stage: &Stage) -> Result<(), BenchError> {
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
            *self.shared.oversleeps.lock().unwrap_or_else(PoisonError::into_inner) =
                self.oversleeps.clone();
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
