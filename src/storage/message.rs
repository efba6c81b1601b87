//! Hot path: a message on its way in (from the stream engine) and out again (to consumers).
//!
//! Both borrow their bytes; large payloads also travel refcounted, so that nobody copies them.

use bytes::Bytes;

use crate::Seq;

/// A message to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The subject it is stored under: literal, at most 65,535 bytes.
    pub subject: &'a [u8],
    /// The whole header block with its first line and last blank line; empty for none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// The same payload, where it is refcounted already; kept instead of a copy if it is large.
    pub shared: Option<&'a Bytes>,
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// When it goes by itself, in nanoseconds since the Unix epoch; 0 for never.
    pub expires_ns: u64,
}

/// A stored message. Borrowed from the storage: copy or send it before the next call.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its number.
    pub seq: Seq,
    /// The subject it is stored under.
    pub subject: &'a [u8],
    /// The whole header block; empty for none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// The same payload refcounted, if it is kept so (large ones are).
    pub shared: Option<&'a Bytes>,
    /// When it was stored, nanoseconds since the Unix epoch.
    pub time_ns: u64,
}

/// What a read gives.
#[derive(Debug)]
pub enum Read<'a> {
    /// Here it is.
    Ready(Message<'a>),
    /// It lies on disk and is being fetched; [`crate::Storage::next_arrived`] names the waiter
    /// when asking again is worth it.
    Pending,
    /// There is no such message, or no longer.
    Gone,
}

/// Who waits for a pending read: chosen by the caller, given back when the read can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);
