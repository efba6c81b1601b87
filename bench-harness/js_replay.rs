//! `js-replay`: a file stream read from its beginning again and again, as fast as it goes, while
//! the latencies of live traffic are watched.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::beside::{BesidePlan, Disturbance, LiveFlags};
use crate::cores::Placement;
use crate::error::BenchError;
use crate::js_api::Storage;
use crate::js_consume::{ConsumePlan, Manner, Reader, Source};
use crate::js_publish::StreamSet;
use crate::js_sub::{Cache, JsSubPlan};
use crate::plans::positive;
use crate::quantity;
use crate::server::Server;
use crate::session::Endpoint;
use crate::stage::Stage;
use crate::workload::Work;

/// What is filled and read.
#[derive(Debug, Clone)]
pub struct ReplayPlan(JsSubPlan);

/// A stream that is full.
#[derive(Debug)]
pub struct Replay {
    endpoint: Endpoint,
    source: Source,
    plan: ConsumePlan,
}

impl ReplayPlan {
    /// Fills the stream.
    ///
    /// # Errors
    /// Whatever kept it from being filled.
    pub fn prepare(
        &self,
        server: &mut Server,
        placement: &Placement,
    ) -> Result<Replay, BenchError> {
        let sources = self.0.prepare(server, placement)?;
        let plan = ConsumePlan { sources, manner: Manner::Ordered, size: self.0.size };
        let source = plan.sources[0].clone();
        Ok(Replay { endpoint: server.endpoint.clone(), source, plan })
    }
}

impl Replay {
    /// Reads the stream again and again until the stage closes.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn go(&self, done: &AtomicU64, stage: &Stage) -> Result<(), BenchError> {
        while !stage.is_closed() {
            // Data flows until the end of the stream: a read never waits long, so that the closed
            // stage is seen.
            let (mut reader, _closer) = Reader::open(&self.endpoint, &self.source, &self.plan)?;
            done.fetch_add(reader.read(stage)?, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Flags of the `js-replay` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct JsReplayFlags {
    #[command(flatten)]
    live: LiveFlags,
    /// Messages in the stream
    #[arg(long, default_value = "1M", value_parser = quantity::count)]
    msgs: u64,
    /// Their size
    #[arg(long, default_value = "128", value_parser = quantity::bytes)]
    msg_size: usize,
}

impl JsReplayFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let (latency, traffic) = self.live.latency()?;
        let pairs = self.live.pairs.pairs;
        let messages = positive("--msgs", self.msgs as usize)? as u64;
        let plan = JsSubPlan {
            set: StreamSet::plain(1, 1, Storage::File),
            messages,
            manner: Manner::Ordered,
            size: self.msg_size,
            cache: Cache::Warm,
        };
        let count = quantity::show_count(messages as f64);
        let title = format!("replay of {count} × {} B, {traffic}", self.msg_size);
        let disturbance = Disturbance::Replay(ReplayPlan(plan));
        Ok((title, Work::Beside(BesidePlan { latency, flood: None, disturbance, pairs })))
    }
}
