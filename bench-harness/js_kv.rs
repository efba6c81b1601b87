//! `js-kv`: what a key-value bucket costs, as the official clients use one: a put is a publish with
//! its acknowledgement, a get is a direct get by subject, a watch an ordered consumer over the last
//! message of each key.

use crate::cores::Placement;
use crate::error::BenchError;
use crate::js_api::Api;
use crate::js_consume::{ConsumePlan, Manner, Source};
use crate::js_publish::{AnsweredFlags, JsPublishPlan, StreamSet};
use crate::measure::Sample;
use crate::plans::positive;
use crate::progress::Progress;
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
    #[command(flatten)]
    answered: AnsweredFlags,
    /// Connections
    #[arg(long, default_value_t = 1)]
    conns: usize,
}

impl JsKvFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let keys = positive("--keys", self.keys as usize)? as u64;
        let AnsweredFlags { size, window, storage, .. } = self.answered;
        let set = StreamSet::bucket(keys, storage);
        let title = format!(
            "js-kv {:?}, {} keys, {storage:?}, window {window}, {size} B",
            self.operation,
            quantity::show_count(keys as f64)
        );
        let puts = self.answered.requests(positive("--conns", self.conns)?, &set.subjects)?;
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
