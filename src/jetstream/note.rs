//! What the cores' services tell each other: requests on their way to a stream's core, and what
//! came of them on their way back to the registry.
//!
//! A note is an ordinary message in the system account, on a subject of the core it is for, so it
//! keeps its order with everything else that one core tells another. Only services are believed.

use std::io::Write as _;

use base::{AccountId, ShardId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::account_info::Usage;
use crate::{ApiError, StreamConfig};

/// A request of the API, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The asker's account.
    pub account: u32,
    /// What was asked.
    pub subject: String,
    /// Where the answer goes; empty for nowhere.
    pub reply: String,
    /// The request's body.
    pub body: String,
    /// Who asks.
    pub asker: Asker,
}

/// Where the connection lives that asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// Its core.
    pub shard: u16,
    /// Its place there; none for the server itself.
    pub slot: Option<u32>,
}

/// A request and its answer, for those who audit the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The account.
    pub account: u32,
    /// Who asked.
    pub asker: Asker,
    /// What was asked.
    pub subject: String,
    /// The request's body.
    pub request: String,
    /// The answer.
    pub response: String,
}

impl Question {
    /// The asker's account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId(self.account)
    }
}

/// A stream's life on its core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Make it; its configuration was checked.
    Create {
        /// Complete.
        config: Box<StreamConfig>,
        /// When it was made, nanoseconds since the Unix epoch.
        created_ns: u64,
    },
    /// Make it, to be filled from a backup.
    Restore {
        /// Complete.
        config: Box<StreamConfig>,
        /// When it was made, nanoseconds since the Unix epoch.
        created_ns: u64,
        /// The last sequence ever used when the backup was made.
        last_seq: u64,
    },
    /// Give it this configuration, which was checked.
    Update {
        /// Complete.
        config: Box<StreamConfig>,
    },
    /// Delete it with everything in it.
    Delete {
        /// Its name.
        stream: String,
    },
}

/// What one service tells another.
#[derive(Debug, Serialize, Deserialize)]
pub enum Note {
    /// To a stream's core: answer this.
    Ask(Question),
    /// To the asker's core, which knows it: tell those who audit.
    Audit(Audit),
    /// To a stream's core: do this and say [`Note::Done`] with the ticket.
    Carry {
        /// Names the order.
        ticket: u64,
        /// The account.
        account: u32,
        /// What to do.
        order: Order,
    },
    /// To the registry: an order was carried out, and every core knows, or it failed.
    Done {
        /// Names the order.
        ticket: u64,
        /// The body of the answer, or why not.
        answer: Result<Box<RawValue>, ApiError>,
    },
    /// To the registry: a backup has become a stream, and every core knows, or it has not.
    Restored {
        /// The account.
        account: u32,
        /// The stream.
        stream: String,
        /// Who asked how it ended; empty when nobody did.
        reply: String,
        /// Bytes that came.
        bytes: u64,
        /// The body of the answer, or why not.
        answer: Result<Box<RawValue>, ApiError>,
    },
    /// To a core: describe these streams of an account and say [`Note::Part`].
    Describe {
        /// Names the question.
        ticket: u64,
        /// The account.
        account: u32,
        /// Which of its streams.
        streams: Vec<String>,
    },
    /// To a core: say how much it stores for an account, by [`Note::Part`].
    Measure {
        /// Names the question.
        ticket: u64,
        /// The account.
        account: u32,
    },
    /// To the registry: one core's part of an answer.
    Part {
        /// Names the question.
        ticket: u64,
        /// What the core stores for the account.
        usage: Usage,
        /// Requests that this core answered with an error.
        errors: u64,
        /// Descriptions by stream.
        described: Vec<(String, Box<RawValue>)>,
    },
    /// To a core: do those keep up who listen there on a subject? Say [`Note::Backlogged`].
    Backlog {
        /// The asker's core.
        asker: u16,
        /// The account.
        account: u32,
        /// The subject.
        subject: String,
        /// Names the consumer that asks.
        token: u64,
        /// Names the question.
        number: u64,
    },
    /// To the asker: whether they do.
    Backlogged {
        /// Names the consumer that asked.
        token: u64,
        /// Names the question.
        number: u64,
        /// How many listen there.
        all: u32,
        /// How many of them do not keep up.
        lagging: u32,
    },
    /// To the registry: these streams of a core are there, since their accounts were let in.
    Adopted {
        /// Which core.
        shard: u16,
        /// Its streams: account, configuration, when made.
        streams: Vec<(u32, StreamConfig, u64)>,
    },
    /// To the registry: a core stands, with these streams from before the start.
    Recovered {
        /// Which core.
        shard: u16,
        /// Its streams: account, configuration, when made.
        streams: Vec<(u32, StreamConfig, u64)>,
    },
}

/// The subject on which a core's service gets its notes.
#[must_use]
pub fn subject(of: ShardId) -> Vec<u8> {
    let mut subject = Vec::with_capacity(16);
    write!(subject, "$JSC.CW.{of}").expect("writing to memory does not fail");
    subject
}

impl Note {
    /// As it travels.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a note is text and numbers")
    }

    /// As it came; services write nothing else.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Note> {
        serde_json::from_slice(payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_arrives_as_it_was_written() {
        let done = Note::Done {
            ticket: 7,
            answer: Ok(RawValue::from_string(r#"{"b":1,"a":[]}"#.into()).unwrap()),
        };
        let Some(Note::Done { ticket: 7, answer: Ok(body) }) = Note::read(&done.write()) else {
            panic!("not what was written");
        };
        assert_eq!(body.get(), r#"{"b":1,"a":[]}"#);
        assert_eq!(subject(ShardId(3)), b"$JSC.CW.3");
        assert!(Note::read(b"{}").is_none());
    }
}
