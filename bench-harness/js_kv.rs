//! `js-kv`: what a key-value bucket costs, as the official clients use one: a put is a publish with
//! its acknowledgement, a get is a direct get by subject, a watch an ordered consumer over the last
//! message of each key.

use std::sync::Arc;
use std::time::Duration;

use crate::cores::Placement;
use crate::error::BenchError;
use crate::js_api::{Api, Storage};
use crate::js_consume::{ConsumePlan, Manner, Source};
use crate::js_publish::{JsPublishPlan, StreamSet};
use crate::measure::Sample;
use crate::plans::positive;
use crate::progress::Progress;
use crate::publish::Amount;
use crate::quantity;
use crate::request::{Reply, RequestPlan};
use crate::server::Server;
use crate::workload::Work;

/// What is done to the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Operation {
    /// Writes keys.
    Put,
    /// Reads keys.
    Get,
    /// Receives every key once.
    Watch,
}

/// Reading a bucket that is filled first.
#[derive(Debug, Clone)]
pub struct KvReadPlan {
    /// The bucket.
    pub set: StreamSet,
    /// Bytes of a value.
    pub size: usize,
    /// Gets; `None` watches instead.
    pub gets: Option<RequestPlan>,
}

impl KvReadPlan {
    /// Puts every key once, reads, and removes the bucket.
    ///
    /// # Errors
    /// Whatever kept the load from starting at all.
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let mut api = Api::open(&server.endpoint)?;
        self.set.create(&mut api)?;
        let keys = self.set.subjects.len() as u64;
        self.set.fill(keys, self.size, server, placement)?;
        let sample = match &self.gets {
            Some(gets) => gets.run(server, placement, progress)?,
            None => {
                let source = |stream: &_| Source { stream: Clone::clone(stream), messages: keys };
                let sources = self.set.streams.iter().map(source).collect();
                let plan = ConsumePlan { sources, manner: Manner::Watch, size: self.size };
                plan.run(server, placement, progress)?
            }
        };
        if sample.partial.is_none() {
            self.set.delete(&mut api)?;
        }
        Ok(sample)
    }
}

/// Flags of the `js-kv` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct JsKvFlags {
    /// What to do
    #[arg(value_enum)]
    operation: Operation,
    /// Keys, used in a fixed disorder
    #[arg(long, default_value = "10k", value_parser = quantity::count)]
    keys: u64,
    /// Bytes of a value
    #[arg(long, default_value = "128", value_parser = quantity::bytes)]
    size: usize,
    /// Puts or gets in all [default: as many as fit into --duration]
    #[arg(long, value_parser = quantity::count, conflicts_with = "duration")]
    msgs: Option<u64>,
    /// How long to put or get
    #[arg(long, default_value = "2s", value_parser = quantity::duration)]
    duration: Duration,
    /// Done before the measured window
    #[arg(long, default_value = "300ms", value_parser = quantity::duration)]
    warmup: Duration,
    /// Puts or gets of each connection that wait for their answer; 1 is one at a time
    #[arg(long, default_value_t = 1000)]
    window: usize,
    /// Connections
    #[arg(long, default_value_t = 1)]
    conns: usize,
    /// Where the bucket keeps its values
    #[arg(long, value_enum, default_value_t = Storage::File)]
    storage: Storage,
}

impl JsKvFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let keys = positive("--keys", self.keys as usize)? as u64;
        let set = StreamSet::bucket(keys, self.storage);
        let size = self.size;
        let title = format!(
            "js-kv {:?}, {} keys, {:?}, window {}, {size} B",
            self.operation,
            quantity::show_count(keys as f64),
            self.storage,
            self.window
        );
        let puts = RequestPlan {
            requesters: positive("--conns", self.conns)?,
            responders: 0,
            in_flight: positive("--window", self.window)?,
            amount: self.msgs.map_or(Amount::Time(self.duration), Amount::Messages),
            warmup: Amount::Time(self.warmup),
            size,
            subjects: Arc::clone(&set.subjects),
            reply: Reply::PubAck,
            logins: [None, None],
        };
        let work = match self.operation {
            Operation::Put => Work::JsPublish(JsPublishPlan { set, requests: puts }),
            Operation::Get => {
                // spec/jetstream.md §10: the subject stands behind the stream, the body is empty.
                let ask = |subject: &String| format!("$JS.API.DIRECT.GET.KV_bench.{subject}");
                let subjects = set.subjects.iter().map(ask).collect();
                let gets = RequestPlan { size: 0, subjects, reply: Reply::Stored, ..puts };
                Work::KvRead(KvReadPlan { set, size, gets: Some(gets) })
            }
            Operation::Watch => Work::KvRead(KvReadPlan { set, size, gets: None }),
        };
        Ok((title, work))
    }
}
