//! Streams' messages, on disk and in memory: what one core stores, finds and gives back.
//!
//! One [`Storage`] holds all streams of one core and never leaves it. A stream is a compact index
//! in memory ([`Stream`]) over bodies that lie in an arena or in the core's append-only log; both
//! answer alike. This room knows sequences, subjects, sizes and times; it never knows limits,
//! consumers' rules or the API, does no I/O, reads no clock and is never async: what the disk
//! must do comes out as requests, and what is not in memory yet is [`Read::Pending`].
//!
//! Invariants: a sequence is never used twice; what is removed is never returned; all a stream
//! knows about its messages (subject, size, time, place) is known without reading the disk.
//!
//! Figures (processor time on a busy virtual core; `examples/index_bench.rs`, `store_bench.rs`):
//!
//! | what | |
//! |---|---|
//! | index, one subject / 1,000 at random | 0.7 / 6 bytes a message; on the log 1.5 / - |
//! | a million subjects of 25 bytes, one message each | 68-84 bytes each (nats-server 2.9: 243) |
//! | append to the log / read in order / remove the oldest, 128 B | 0.16 / 0.11 / 0.09 µs |
//! | append under a new subject among a million | 1.5 µs in their order, 4 µs at random |
//! | last of a subject among a million | 1.3 µs, most of it waiting for memory |
//! | next message of a consumer of all | 0.01 µs |
//! | start after a crash, 10 million messages / a million subjects | 0.83 s / 1.2 s |
//!
//! | file | what |
//! |---|---|
//! | `storage.rs` | [`Storage`]: one core's streams; append, read, remove, purge |
//! | `terms.rs` | the words of the door: ids, kinds, marks, what is asked for and comes back |
//! | `stream.rs` | [`Stream`]: questions about one stream, none of which reads the disk |
//! | `seq.rs` | sequences |
//! | `message.rs` | a message coming in, and one read |
//! | `state.rs` | what a stream and a subject look like in numbers |
//! | `filter.rs` | a set of subjects, wildcards included, to look for |
//! | `changes.rs` | what changes a stream: a message more, a message fewer |
//! | `blocks.rs` | the messages in order: subject, size, time and place of each |
//! | `packed.rs`, `offsets.rs` | a block in few bits; a set of places within it |
//! | `pick.rs` | which messages a search takes |
//! | `subjects.rs` | the subjects of a stream: how many messages, first and last |
//! | `names.rs`, `order.rs` | the subjects' bytes, and their order |
//! | `streams.rs` | the streams by id, and by the log's number |
//! | `bodies.rs`, `arena.rs` | where bodies lie, and those in memory |
//! | `log.rs`, `log/` | [`log::Log`]: the core's append-only log on disk |
//! | `durable.rs` | what the log is told, and when |
//! | `compression.rs`, `dictionary.rs` | messages in fewer bytes, and what they share |
//! | `restore.rs` | from the log to streams, at start |
//! | `oracle.rs` | the naive twin of a stream, for the tests |
//! | `keys.rs` | the keys of encryption at rest: texts sealed and opened |
//! | `key_file.rs` | where they are kept, under the operator's key |
//! | `survey.rs` | stored files looked at while no server has them |
//! | `space.rs` | what each account stores |
//! | `expiry.rs` | messages with a time to live |

mod arena;
mod blocks;
mod bodies;
mod changes;
mod compression;
mod dictionary;
mod durable;
mod expiry;
mod filter;
pub mod key_file;
mod keys;
pub mod log;
mod message;
mod names;
mod offsets;
#[cfg(test)]
mod oracle;
mod order;
mod packed;
mod pick;
mod restore;
mod seq;
mod space;
mod state;
mod storage;
mod stream;
mod streams;
mod subjects;
mod survey;
mod terms;

pub use filter::Filter;
pub use keys::{Cipher, KeyNumber, Keys};
pub use log::LogSettings;
pub use message::{Incoming, Message, Read, Waiter};
pub use seq::Seq;
pub use space::Space;
pub use state::{StreamState, SubjectState};
pub use storage::Storage;
pub use stream::{Known, Memory, Stream};
pub use survey::{Closely, StreamSurvey, Survey};
pub use terms::{
    Appended, Compression, Erase, Kind, Mark, Place, Purge, Purged, Refused, StreamId, ValueKey,
};
