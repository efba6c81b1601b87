//! Publishes into streams, each acknowledged: with a window of many under way, or one at a time.
//!
//! A run counts acknowledgements. At its end every stream must hold exactly as many messages as
//! were acknowledged; an answer that is no acknowledgement ends the run.

use std::sync::Arc;
use std::time::Duration;

use crate::cores::Placement;
use crate::error::{BenchError, VerifyError};
use crate::js_api::{Api, Storage, StreamKind, StreamPlan};
use crate::measure::{Measure, Sample};
use crate::plans::{positive, shuffle};
use crate::progress::Progress;
use crate::publish::Amount;
use crate::quantity;
use crate::request::{Reply, RequestPlan};
use crate::server::Server;
use crate::workload::Work;

/// Publishes under way of one connection while a stream is filled for another mode.
const FILL_WINDOW: usize = 2000;

/// Streams to be made, and the subjects that reach them.
#[derive(Debug, Clone)]
pub struct StreamSet {
    /// The streams.
    pub streams: Vec<StreamPlan>,
    /// Subjects in the order in which they are published to.
    pub subjects: Arc<[String]>,
}

impl StreamSet {
    /// `streams` streams with `subjects` subjects each, published to in turn over the streams.
    pub fn plain(streams: usize, subjects: u64, storage: Storage) -> StreamSet {
        let plan = |index: usize| StreamPlan {
            name: format!("BENCH_{index}"),
            subjects: format!("bench.js.{index}.>"),
            storage,
            kind: StreamKind::Plain,
        };
        let mut numbers: Vec<u64> = (0..subjects).collect();
        shuffle(&mut numbers);
        let of_all = |number: &u64| {
            let number = *number;
            (0..streams).map(move |index| format!("bench.js.{index}.{number}"))
        };
        let subjects = numbers.iter().flat_map(of_all).collect();
        StreamSet { streams: (0..streams).map(plan).collect(), subjects }
    }

    /// One bucket with `keys` keys, in disorder.
    pub fn bucket(keys: u64, storage: Storage) -> StreamSet {
        let stream = StreamPlan {
            name: "KV_bench".to_string(),
            subjects: "$KV.bench.>".to_string(),
            storage,
            kind: StreamKind::Bucket,
        };
        let mut subjects: Vec<String> = (0..keys).map(|key| format!("$KV.bench.k{key}")).collect();
        shuffle(&mut subjects);
        StreamSet { streams: vec![stream], subjects: subjects.into() }
    }

    /// Makes the streams, and removes what an earlier run on the same server has left.
    ///
    /// # Errors
    /// What the API answers.
    pub fn create(&self, api: &mut Api) -> Result<(), BenchError> {
        for stream in &self.streams {
            match api.delete(stream) {
                Ok(()) | Err(BenchError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            api.create(stream)?;
        }
        Ok(())
    }

    /// Removes the streams, so that a server that goes on running keeps nothing of ours.
    ///
    /// # Errors
    /// What the API answers.
    pub fn delete(&self, api: &mut Api) -> Result<(), BenchError> {
        self.streams.iter().try_for_each(|stream| api.delete(stream))
    }

    /// Messages that all streams together have ever stored.
    ///
    /// # Errors
    /// What the API answers.
    pub fn stored(&self, api: &mut Api) -> Result<u64, BenchError> {
        let mut stored = 0;
        for stream in &self.streams {
            stored += api.stored(&stream.name)?;
        }
        Ok(stored)
    }

    /// Messages that all streams together hold.
    ///
    /// # Errors
    /// What the API answers.
    pub fn messages(&self, api: &mut Api) -> Result<u64, BenchError> {
        let mut messages = 0;
        for stream in &self.streams {
            messages += api.messages(&stream.name)?;
        }
        Ok(messages)
    }

    /// Publishes `messages` in all and checks that they are stored.
    ///
    /// # Errors
    /// What kept them from being stored.
    pub fn fill(
        &self,
        messages: u64,
        size: usize,
        server: &mut Server,
        placement: &Placement,
    ) -> Result<(), BenchError> {
        let plan = JsPublishPlan {
            set: self.clone(),
            requests: RequestPlan {
                requesters: 1,
                responders: 0,
                in_flight: FILL_WINDOW,
                amount: Amount::Messages(messages),
                warmup: Amount::Messages(0),
                size,
                subjects: Arc::clone(&self.subjects),
                reply: Reply::PubAck,
                logins: [None, None],
            },
        };
        let progress = Progress::new(&format!("{}: filling", server.label));
        let sample = plan.publish(server, placement, &progress)?;
        match sample.partial {
            None => Ok(()),
            Some(text) => Err(BenchError::Refused { subject: "filling".to_string(), text }),
        }
    }
}

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct JsPublishPlan {
    /// The streams.
    pub set: StreamSet,
    /// How they are published to.
    pub requests: RequestPlan,
}

impl JsPublishPlan {
    /// Makes the streams, publishes, and removes them.
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
        let sample = self.publish(server, placement, progress)?;
        if sample.partial.is_none() {
            self.set.delete(&mut api)?;
        }
        Ok(sample)
    }

    /// Publishes into streams that are there.
    fn publish(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let mut api = Api::open(&server.endpoint)?;
        let before = self.set.stored(&mut api)?;
        let judge = |crew: &crate::crew::Crew| {
            let expected = crew.tally().sent;
            let received = self.set.stored(&mut api)?.saturating_sub(before);
            if received == expected {
                return Ok(());
            }
            Err(BenchError::Verify(VerifyError::Stored { received, expected }))
        };
        let mut sample = self.requests.run_judged(server, placement, progress, judge)?;
        if let Some(rate) = sample.get(Measure::PublishRate) {
            sample.put(Measure::ByteRate, rate * self.requests.size as f64);
        }
        Ok(sample)
    }
}

/// Flags of all that asks for one answer each: publishes, puts, gets.
#[derive(Debug, Clone, clap::Args)]
pub struct AnsweredFlags {
    /// Bytes of a message, or of a value
    #[arg(long, default_value = "128", value_parser = quantity::bytes)]
    pub size: usize,
    /// Publishes, puts or gets in all [default: as many as fit into --duration]
    #[arg(long, value_parser = quantity::count, conflicts_with = "duration")]
    msgs: Option<u64>,
    /// How long to go on
    #[arg(long, default_value = "2s", value_parser = quantity::duration)]
    duration: Duration,
    /// Done before the measured window
    #[arg(long, default_value = "300ms", value_parser = quantity::duration)]
    warmup: Duration,
    /// Those of each connection that wait for their answer; 1 is one at a time
    #[arg(long, default_value_t = 1000)]
    pub window: usize,
    /// Where the streams keep their messages
    #[arg(long, value_enum, default_value_t = Storage::File)]
    pub storage: Storage,
}

impl AnsweredFlags {
    /// What `requesters` connections ask for, over the subjects in turn.
    ///
    /// # Errors
    /// A window of nothing.
    pub fn requests(
        &self,
        requesters: usize,
        subjects: &Arc<[String]>,
    ) -> Result<RequestPlan, BenchError> {
        Ok(RequestPlan {
            requesters,
            responders: 0,
            in_flight: positive("--window", self.window)?,
            amount: self.msgs.map_or(Amount::Time(self.duration), Amount::Messages),
            warmup: Amount::Time(self.warmup),
            size: self.size,
            subjects: Arc::clone(subjects),
            reply: Reply::PubAck,
            logins: [None, None],
        })
    }
}

/// Flags of the `js-pub` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct JsPubFlags {
    #[command(flatten)]
    answered: AnsweredFlags,
    /// Publishing connections
    #[arg(long, default_value_t = 1)]
    pubs: usize,
    /// Streams, published to in turn
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Subjects of each stream
    #[arg(long, default_value = "1", value_parser = quantity::count)]
    subjects: u64,
}

impl JsPubFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let streams = positive("--streams", self.streams)?;
        let subjects = positive("--subjects", self.subjects as usize)? as u64;
        let AnsweredFlags { size, window, storage, .. } = self.answered;
        let set = StreamSet::plain(streams, subjects, storage);
        let requests = self.answered.requests(positive("--pubs", self.pubs)?, &set.subjects)?;
        let title = format!(
            "js-pub, {} → {streams} stream(s) of {subjects} subject(s), {storage:?}, \
             window {window}, {size} B",
            self.pubs
        );
        Ok((title, Work::JsPublish(JsPublishPlan { set, requests })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_go_over_the_streams_in_turn() {
        let set = StreamSet::plain(2, 3, Storage::Memory);
        assert_eq!(set.streams.len(), 2);
        assert_eq!(set.subjects.len(), 6);
        let stream = |index: usize| set.subjects[index].split('.').nth(2);
        assert_eq!((stream(0), stream(1), stream(2)), (Some("0"), Some("1"), Some("0")));
        let mut bucket = StreamSet::bucket(100, Storage::File).subjects.to_vec();
        bucket.sort();
        bucket.dedup();
        assert_eq!(bucket.len(), 100);
    }
}
