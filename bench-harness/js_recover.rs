//! `js-recover`: a stream is filled, the server killed with SIGKILL and started again: how long
//! until the stream answers with every message, what memory the server then takes, and how long a
//! look-up by subject takes.

use std::thread;
use std::time::Instant;

use crate::connect::settled_bytes;
use crate::cores::Placement;
use crate::error::{BenchError, VerifyError};
use crate::interrupt;
use crate::js_api::{Api, Storage};
use crate::js_publish::StreamSet;
use crate::measure::{Measure, Sample, Tally};
use crate::plans::positive;
use crate::program::{POLL, STORE_WAIT};
use crate::progress::Progress;
use crate::publish::Amount;
use crate::quantity;
use crate::request::{Reply, RequestPlan};
use crate::server::Server;
use crate::workload::Work;

/// Look-ups by subject after the start, one at a time.
const LOOK_UPS: u64 = 5000;

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct JsRecoverPlan {
    /// What is filled.
    pub set: StreamSet,
    /// Messages in all.
    pub messages: u64,
    /// Payload bytes.
    pub size: usize,
}

impl JsRecoverPlan {
    /// Fills, kills, starts again, looks.
    ///
    /// # Errors
    /// Whatever kept the load from starting at all, and messages that are gone.
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        self.set.create(&mut Api::open(&server.endpoint)?)?;
        self.set.fill(self.messages, self.size, server, placement)?;
        let filled = server.probe().map(settled_bytes).transpose()?;
        let started = server.kill_and_start()?;
        let to_info = started.elapsed();
        let received = self.wait_for_all(server, started)?;
        let recovered = started.elapsed();
        if received != self.messages {
            let expected = self.messages;
            return Err(BenchError::Verify(VerifyError::Stored { received, expected }));
        }
        let probe = server.probe();
        let resident = probe.map(settled_bytes).transpose()?;
        let cpu = probe.and_then(|probe| probe.cpu().ok()).map(|cpu| cpu.total());
        let mut sample = self.look_ups().run(server, placement, progress)?;
        // What the look-ups say about rate and CPU is not what this mode is about.
        sample.values.retain(|(measure, _)| {
            !matches!(measure, Measure::RequestRate | Measure::CpuPerMillion | Measure::Resident)
        });
        sample.values.insert(0, (Measure::RecoverTime, recovered.as_nanos() as f64));
        sample.values.insert(1, (Measure::StartToInfo, to_info.as_nanos() as f64));
        if let Some(bytes) = resident {
            sample.values.insert(2, (Measure::Resident, bytes as f64));
        }
        if let Some(bytes) = filled {
            sample.values.insert(3, (Measure::ResidentFilled, bytes as f64));
        }
        if let Some(cpu) = cpu {
            sample.put(Measure::CpuToRecover, cpu.as_nanos() as f64);
        }
        sample.tally = Tally { sent: self.messages, received, expected: self.messages };
        Ok(sample)
    }

    /// Asks until the streams answer with every message; returns what they hold.
    fn wait_for_all(&self, server: &mut Server, started: Instant) -> Result<u64, BenchError> {
        loop {
            interrupt::check()?;
            server.check_alive()?;
            let stored =
                Api::open(&server.endpoint).and_then(|mut api| self.set.messages(&mut api));
            match stored {
                Ok(stored) if stored >= self.messages => return Ok(stored),
                // A stream that is not there yet, or answers with less than it will.
                Ok(_) | Err(BenchError::Refused { .. } | BenchError::NoJetStream(_))
                    if started.elapsed() < STORE_WAIT =>
                {
                    thread::sleep(POLL);
                }
                stored => return stored,
            }
        }
    }

    fn look_ups(&self) -> RequestPlan {
        // spec/jetstream.md §10: the subject stands behind the stream, the body is empty.
        let stream = &self.set.streams[0].name;
        let ask = |subject: &String| format!("$JS.API.DIRECT.GET.{stream}.{subject}");
        RequestPlan {
            requesters: 1,
            responders: 0,
            in_flight: 1,
            amount: Amount::Messages(LOOK_UPS),
            warmup: Amount::Messages(LOOK_UPS / 10),
            size: 0,
            subjects: self.set.subjects.iter().map(ask).collect(),
            reply: Reply::Stored,
            logins: [None, None],
        }
    }
}

/// Flags of the `js-recover` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct JsRecoverFlags {
    /// Messages in the stream
    #[arg(long, default_value = "1M", value_parser = quantity::count)]
    msgs: u64,
    /// Payload size
    #[arg(long, default_value = "128", value_parser = quantity::bytes)]
    size: usize,
    /// Subjects of the stream
    #[arg(long, default_value = "1", value_parser = quantity::count)]
    subjects: u64,
}

impl JsRecoverFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let messages = positive("--msgs", self.msgs as usize)? as u64;
        let subjects = positive("--subjects", self.subjects as usize)? as u64;
        if subjects > messages {
            let text = "--subjects must not be above --msgs: each subject holds a message";
            return Err(BenchError::Usage(text.to_string()));
        }
        let set = StreamSet::plain(1, subjects, Storage::File);
        let title = format!(
            "js-recover, {} × {} B on {} subject(s)",
            quantity::show_count(messages as f64),
            self.size,
            quantity::show_count(subjects as f64)
        );
        Ok((title, Work::JsRecover(JsRecoverPlan { set, messages, size: self.size })))
    }
}
