//! What a stream and one of its subjects look like in numbers.
//! Source: spec/jetstream.md §3, StreamState.

use crate::Seq;

/// A stream in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// Messages stored.
    pub messages: u64,
    /// Bytes stored, counted as nats-server counts them: see [`crate::Kind::size_of`].
    pub bytes: u64,
    /// The oldest message's sequence; `last_seq + 1` when there is none.
    pub first_seq: Seq,
    /// The oldest message's time; 0 when there is none.
    pub first_time_ns: u64,
    /// The last sequence ever used, stored or not.
    pub last_seq: Seq,
    /// When the last message was stored, gone or not; 0 if there never was one.
    pub last_time_ns: u64,
    /// Distinct subjects of the stored messages.
    pub subjects: u64,
    /// Sequences between the first and the last that hold nothing.
    pub deleted: u64,
}

/// One subject of a stream in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubjectState {
    /// Messages stored under it; never 0.
    pub messages: u64,
    /// The oldest.
    pub first: Seq,
    /// The newest.
    pub last: Seq,
}
