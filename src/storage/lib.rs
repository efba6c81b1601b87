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
//! | file | what |
//! |---|---|
//! | `storage.rs` | [`Storage`]: one core's streams; append, read, remove, purge |
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
//! | `arena.rs` | bodies in memory |
//! | `log.rs`, `log/` | [`log::Log`]: the core's append-only log on disk |
//! | `oracle.rs` | the naive twin of a stream, for the tests |
//! | `space.rs` | what each account stores |
//! | `expiry.rs` | messages with a time to live |

mod arena;
mod blocks;
mod changes;
mod expiry;
mod filter;
pub mod log;
mod message;
mod names;
mod offsets;
#[cfg(test)]
mod oracle;
mod order;
mod packed;
mod pick;
mod seq;
mod space;
mod state;
mod storage;
mod stream;
mod subjects;

pub use filter::Filter;
pub use message::{Incoming, Message, Read, Waiter};
pub use seq::Seq;
pub use space::Space;
pub use state::{StreamState, SubjectState};
pub use storage::{
    Appended, Erase, Kind, Mark, Place, Purge, Purged, Refused, Storage, StreamId, ValueKey,
};
pub use stream::{Known, Memory, Stream};
