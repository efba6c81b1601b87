//! The JetStream API as the generator needs it: streams and consumers made, asked and removed
//! outside the measured window, one request at a time on a connection of its own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{BenchError, Role};
use crate::lines::put_publish;
use crate::session::{Endpoint, Inbox, Session, Sink, Turn, fresh_inbox};
use crate::wire::{Frame, shown};

/// How long the server may take for one request: a purge or a deletion of much data is slow.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Where a stream keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Storage {
    /// On disk.
    File,
    /// In memory.
    Memory,
}

/// How a stream is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Keeps everything.
    Plain,
    /// A key-value bucket: the last message of each subject.
    Bucket,
}

/// One stream to be made.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// Its name.
    pub name: String,
    /// What it listens to.
    pub subjects: String,
    /// Where it keeps its messages.
    pub storage: Storage,
    /// How it is made.
    pub kind: StreamKind,
}

impl StreamPlan {
    // spec/jetstream.md §3; a bucket as the official clients make one.
    fn config(&self) -> Value {
        let storage = if self.storage == Storage::File { "file" } else { "memory" };
        let mut config = json!({
            "name": self.name, "subjects": [self.subjects], "retention": "limits",
            "storage": storage, "discard": "old", "num_replicas": 1, "max_consumers": -1,
            "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1,
            "max_msgs_per_subject": -1, "duplicate_window": 120_000_000_000_u64,
            "allow_direct": true,
        });
        if self.kind == StreamKind::Bucket {
            config["max_msgs_per_subject"] = json!(1);
            config["discard"] = json!("new");
            config["allow_rollup_hdrs"] = json!(true);
            config["deny_delete"] = json!(true);
        }
        config
    }
}

/// A connection that asks the JetStream API.
#[derive(Debug)]
pub struct Api {
    inbox: Inbox,
    /// Subject of all answers.
    answers: String,
    address: String,
}

/// The answer to one request.
#[derive(Debug, Default)]
struct Answer(Option<Vec<u8>>);

impl Sink for Answer {
    fn message(&mut self, frame: Frame<'_>) {
        self.0 = Some(frame.body.to_vec());
    }
}

impl Api {
    /// Logs in.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open(endpoint: &Endpoint) -> Result<Api, BenchError> {
        let mut session = Session::open(endpoint, Role::Asker)?;
        let answers = fresh_inbox();
        session.write(format!("SUB {answers} 1\r\n").as_bytes())?;
        session.flush()?;
        let inbox = Inbox::new(session.into_channel(), Role::Asker, ANSWER_BYTES_MAX);
        inbox.socket().set_read_timeout(Some(ANSWER_WAIT))?;
        Ok(Api { inbox, answers, address: endpoint.address.clone() })
    }

    /// Asks `$JS.API.<what>`.
    ///
    /// # Errors
    /// [`BenchError::NoJetStream`] when nobody answers, [`BenchError::Refused`] with the server's
    /// description when the answer is an error.
    pub fn ask(&mut self, what: &str, body: &Value) -> Result<Value, BenchError> {
        let subject = format!("$JS.API.{what}");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut out = Vec::new();
        put_publish(&mut out, &[subject.as_bytes(), self.answers.as_bytes()], &body);
        self.inbox.send(&mut out)?;
        let mut answer = Answer::default();
        while answer.0.is_none() {
            if self.inbox.turn(&mut answer)? == Turn::End {
                return Err(BenchError::Closed(Role::Asker));
            }
        }
        let body = answer.0.unwrap_or_default();
        if body.starts_with(b"NATS/1.0 503") {
            return Err(BenchError::NoJetStream(self.address.clone()));
        }
        let refused = |text: String| BenchError::Refused { subject: subject.clone(), text };
        let value: Value = serde_json::from_slice(&body).map_err(|_| refused(shown(&body)))?;
        match value.get("error") {
            Some(error) => {
                Err(refused(error["description"].as_str().unwrap_or("an error").to_string()))
            }
            None => Ok(value),
        }
    }

    /// Makes a stream.
    pub fn create(&mut self, stream: &StreamPlan) -> Result<(), BenchError> {
        self.ask(&format!("STREAM.CREATE.{}", stream.name), &stream.config()).map(|_| ())
    }

    /// Removes a stream with all it holds.
    pub fn delete(&mut self, stream: &StreamPlan) -> Result<(), BenchError> {
        self.ask(&format!("STREAM.DELETE.{}", stream.name), &Value::Null).map(|_| ())
    }

    /// The last sequence of a stream: how many messages it has ever stored.
    pub fn stored(&mut self, stream: &str) -> Result<u64, BenchError> {
        self.state(stream, "last_seq")
    }

    /// How many messages a stream holds.
    pub fn messages(&mut self, stream: &str) -> Result<u64, BenchError> {
        self.state(stream, "messages")
    }

    fn state(&mut self, stream: &str, key: &str) -> Result<u64, BenchError> {
        let info = self.ask(&format!("STREAM.INFO.{stream}"), &Value::Null)?;
        Ok(info["state"][key].as_u64().unwrap_or(0))
    }

    /// Makes a durable consumer.
    pub fn create_durable(
        &mut self,
        stream: &str,
        name: &str,
        config: Value,
    ) -> Result<(), BenchError> {
        let body = json!({ "stream_name": stream, "config": config });
        self.ask(&format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &body).map(|_| ())
    }

    /// Messages that a consumer has delivered and nobody has acknowledged, and those not delivered.
    pub fn outstanding(&mut self, stream: &str, name: &str) -> Result<u64, BenchError> {
        let info = self.ask(&format!("CONSUMER.INFO.{stream}.{name}"), &Value::Null)?;
        let count = |key: &str| info[key].as_u64().unwrap_or(0);
        Ok(count("num_ack_pending") + count("num_pending"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_keeps_the_last_message_of_each_subject() {
        let mut plan = StreamPlan {
            name: "KV_b".to_string(),
            subjects: "$KV.b.>".to_string(),
            storage: Storage::File,
            kind: StreamKind::Bucket,
        };
        assert_eq!(plan.config()["max_msgs_per_subject"], 1);
        assert_eq!(plan.config()["storage"], "file");
        (plan.kind, plan.storage) = (StreamKind::Plain, Storage::Memory);
        assert_eq!(plan.config()["max_msgs_per_subject"], -1);
        assert_eq!(plan.config()["storage"], "memory");
    }
}
