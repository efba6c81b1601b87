//! `js-sub`: streams are filled, left to settle, and read once from the beginning.

use crate::cores::Placement;
use crate::error::BenchError;
use crate::js_api::{Api, Storage};
use crate::js_consume::{Ack, ConsumePlan, Manner, Source};
use crate::js_publish::StreamSet;
use crate::measure::Sample;
use crate::plans::positive;
use crate::progress::Progress;
use crate::quantity;
use crate::server::Server;
use crate::workload::Work;

/// What the server remembers when reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Whatever it and the kernel have kept of the filling.
    Warm,
    /// Nothing: the server is started again, and the kernel drops its files' pages.
    Cold,
}

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct JsSubPlan {
    /// What is filled and read.
    pub set: StreamSet,
    /// Messages in all.
    pub messages: u64,
    /// How they are read.
    pub manner: Manner,
    /// Payload bytes.
    pub size: usize,
    /// Whether reading begins with cold caches.
    pub cache: Cache,
}

impl JsSubPlan {
    /// Fills, reads, and removes the streams.
    ///
    /// # Errors
    /// Whatever kept the load from starting at all.
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let sources = self.prepare(server, placement)?;
        let plan = ConsumePlan { sources, manner: self.manner, size: self.size };
        let sample = plan.run(server, placement, progress)?;
        if sample.partial.is_none() {
            self.set.delete(&mut Api::open(&server.endpoint)?)?;
        }
        Ok(sample)
    }

    /// Makes and fills the streams, and counts what each of them holds.
    ///
    /// # Errors
    /// Whatever kept them from being filled.
    pub fn prepare(
        &self,
        server: &mut Server,
        placement: &Placement,
    ) -> Result<Vec<Source>, BenchError> {
        let mut api = Api::open(&server.endpoint)?;
        self.set.create(&mut api)?;
        self.set.fill(self.messages, self.size, server, placement)?;
        if self.cache == Cache::Cold {
            server.restart_cold()?;
            api = Api::open(&server.endpoint)?;
        }
        let mut sources = Vec::new();
        for stream in &self.set.streams {
            let messages = api.messages(&stream.name)?;
            sources.push(Source { stream: stream.clone(), messages });
        }
        Ok(sources)
    }
}

/// How a consumer is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Feed {
    /// Asks for batches.
    Pull,
    /// Ordered push consumer, without acknowledgements.
    Ordered,
}

/// Flags of the `js-sub` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct JsSubFlags {
    /// Payload size
    #[arg(long, default_value = "128", value_parser = quantity::bytes)]
    size: usize,
    /// Messages in the streams together
    #[arg(long, default_value = "1M", value_parser = quantity::count)]
    msgs: u64,
    /// Streams, each with a consumer and a connection of its own
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Subjects of each stream
    #[arg(long, default_value = "1", value_parser = quantity::count)]
    subjects: u64,
    /// Where the streams keep their messages
    #[arg(long, value_enum, default_value_t = Storage::File)]
    storage: Storage,
    /// How messages are asked for
    #[arg(long, value_enum, default_value_t = Feed::Pull)]
    feed: Feed,
    /// Messages of a pull request
    #[arg(long, default_value = "500", value_parser = quantity::count)]
    batch: u64,
    /// Whether pulled messages are acknowledged
    #[arg(long, value_enum, default_value_t = Ack::Explicit)]
    ack: Ack,
    /// Start the server again and drop its files from the kernel's cache before reading (--spawn)
    #[arg(long)]
    cold: bool,
}

impl JsSubFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let streams = positive("--streams", self.streams)?;
        let subjects = positive("--subjects", self.subjects as usize)? as u64;
        if self.cold && self.storage == Storage::Memory {
            let text = "--cold needs --storage file: what is in memory ends with the server";
            return Err(BenchError::Usage(text.to_string()));
        }
        let batch = positive("--batch", self.batch as usize)? as u64;
        let (manner, how) = match self.feed {
            Feed::Pull => {
                let how = format!("pull, batches of {batch}, ack {:?}", self.ack);
                (Manner::Pull { batch, ack: self.ack }, how)
            }
            Feed::Ordered => (Manner::Ordered, "push, ordered".to_string()),
        };
        let cache = if self.cold { Cache::Cold } else { Cache::Warm };
        let plan = JsSubPlan {
            set: StreamSet::plain(streams, subjects, self.storage),
            messages: positive("--msgs", self.msgs as usize)? as u64,
            manner,
            size: self.size,
            cache,
        };
        let title = format!(
            "js-sub, {} × {} B in {streams} stream(s), {:?}, {how}, {cache:?}",
            quantity::show_count(self.msgs as f64),
            self.size,
            self.storage
        );
        Ok((title, Work::JsSub(plan)))
    }
}
