//! Hot path: the one door out, bounded bytes for one connection. Before it: `delivery`; after it:
//! `connection::writing`, which hands the segments to the network.
//!
//! ```text
//! Open ──over the bound──▶ Overflowed ──┐
//!   └────── the connection closes ──────┴──▶ Shut
//! ```
//! Only an open outbox takes messages. An overflowed one dropped what it held, so that memory is
//! free at once; the connection is then closed. A shut one still sends what was queued before.

use std::collections::VecDeque;

use base::{AccountId, ClientId, SubKey};
use buffer::{Segment, WriteChunk};
use bytes::Bytes;
use hashbrown::HashTable;
use protocol::{Delivery, HeaderSupport};

use crate::crossing::Introduction;
use crate::guard::Guard;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Overflowed,
    Shut,
}

/// Bytes on their way to one connection, and what delivery must know of it.
pub struct Outbox {
    cid: ClientId,
    state: State,
    headers: HeaderSupport,
    /// What is full, and what is shared, in order.
    segments: VecDeque<Segment>,
    /// What is being filled; comes after all of these.
    filling: WriteChunk,
    queued_bytes: usize,
    under_way_bytes: usize,
    /// What the core's gauge has of this outbox.
    counted_bytes: usize,
    pending_max: usize,
    dirty: bool,
    /// Messages delivered.
    pub out_msgs: u64,
    /// Bytes of headers and payload delivered.
    pub out_bytes: u64,
    /// This connection's subscriptions, hashed by sid.
    pub(crate) sids: HashTable<SubKey>,
    /// The account that counts this connection.
    pub(crate) account: Option<AccountId>,
    /// Its permissions, if it has some.
    pub(crate) guard: Option<Box<Guard>>,
    /// Who it is, for the lines that trace deliveries; where there are such.
    pub(crate) trace_label: Option<Box<str>>,
    /// What it tells of itself to those whose services it uses.
    pub(crate) request_info: Option<Box<Introduction>>,
}

/// Whether an append made the outbox one that the core must look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is known already.
    Known,
    /// It has something to send now.
    NewlyDirty,
    /// It went over its bound and dropped all it held.
    Overflowed,
}

impl Outbox {
    pub(crate) fn new(cid: ClientId, pending_max: usize) -> Outbox {
        Outbox {
            cid,
            state: State::Open,
            headers: HeaderSupport::Unsupported,
            segments: VecDeque::new(),
            filling: WriteChunk::default(),
            queued_bytes: 0,
            under_way_bytes: 0,
            counted_bytes: 0,
            pending_max,
            dirty: false,
            out_msgs: 0,
            out_bytes: 0,
            sids: HashTable::new(),
            account: None,
            guard: None,
            trace_label: None,
            request_info: None,
        }
    }

    /// The connection's id.
    pub fn cid(&self) -> ClientId {
        self.cid
    }

    /// Sets what names this connection in lines that trace deliveries.
    pub fn set_trace_label(&mut self, label: Option<String>) {
        self.trace_label = label.map(String::into_boxed_str);
    }

    /// Whether the other end takes headers; known once it has sent CONNECT.
    #[inline]
    pub fn headers(&self) -> HeaderSupport {
        self.headers
    }

    /// Sets whether the other end takes headers.
    pub fn set_headers(&mut self, headers: HeaderSupport) {
        self.headers = headers;
    }

    /// Sets how many bytes may be queued; what is queued already stays.
    pub(crate) fn set_pending_max(&mut self, pending_max: usize) {
        self.pending_max = pending_max;
    }

    /// How many bytes may be queued.
    pub(crate) fn pending_max(&self) -> usize {
        self.pending_max
    }

    /// Whether messages are still delivered.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Bytes not yet taken by the kernel.
    #[inline]
    pub fn pending_bytes(&self) -> usize {
        self.queued_bytes + self.under_way_bytes
    }

    /// What was pending when it was last counted.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.counted_bytes
    }

    /// Counts what is pending now.
    pub(crate) fn count_bytes(&mut self) -> usize {
        self.counted_bytes = self.pending_bytes();
        self.counted_bytes
    }

    /// Whether the kernel was given bytes that it has not taken: the other end reads slower than
    /// it is written to.
    pub fn is_under_way(&self) -> bool {
        self.under_way_bytes > 0
    }

    /// Whether the queue is so full that the slow policy applies.
    #[inline]
    pub(crate) fn is_filling(&self) -> bool {
        let percent = config::limits::STALL_PENDING_PERCENT;
        self.pending_bytes() > self.pending_max / 100 * percent
    }

    /// Whether nothing waits to be handed to the network.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.filling.bytes().is_empty()
    }

    /// How many subscriptions the connection has.
    pub fn subscriptions(&self) -> usize {
        self.sids.len()
    }

    /// Takes no more messages; what is queued may still be sent.
    pub(crate) fn shut(&mut self) {
        if self.state == State::Open {
            self.state = State::Shut;
        }
    }

    /// Appends protocol bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Appended {
        self.claim(bytes.len()).copy_from_slice(bytes);
        self.appended(bytes.len())
    }

    /// Appends a delivery, copied.
    #[inline]
    pub(crate) fn append_delivery(&mut self, delivery: &Delivery<'_>) -> Appended {
        let len = delivery.len();
        delivery.write_to(self.claim(len));
        self.appended(len)
    }

    /// Appends a delivery whose last piece, `rest`, others send too.
    pub(crate) fn append_shared(&mut self, delivery: &Delivery<'_>, rest: Bytes) -> Appended {
        let len = delivery.len();
        delivery.write_start(self.claim(len - rest.len()));
        self.set_filled_aside();
        self.segments.push_back(Segment::shared(rest));
        self.appended(len)
    }

    /// The next `len` bytes, contiguous, to be filled.
    #[inline]
    fn claim(&mut self, len: usize) -> &mut [u8] {
        if self.filling.room() < len {
            self.begin_chunk(len);
        }
        self.filling.claim(len)
    }

    #[inline]
    fn appended(&mut self, len: usize) -> Appended {
        self.queued_bytes += len;
        if self.pending_bytes() > self.pending_max && self.state == State::Open {
            self.state = State::Overflowed;
            self.segments = VecDeque::new();
            self.filling = WriteChunk::default();
            self.queued_bytes = 0;
            return Appended::Overflowed;
        }
        match std::mem::replace(&mut self.dirty, true) {
            true => Appended::Known,
            false => Appended::NewlyDirty,
        }
    }

    /// A small chunk for a connection that gets little, large ones for one in a flood.
    #[cold]
    fn begin_chunk(&mut self, len: usize) {
        let room = match self.filling.bytes().is_empty() {
            // It is full: there is much to send.
            false => len.max(buffer::chunk::SMALL_BYTES + 1),
            // The first, or one between two shared payloads.
            true => len,
        };
        self.set_filled_aside();
        self.filling = WriteChunk::with_room(room);
    }

    /// Ends the chunk that is being filled, if it holds anything.
    #[inline]
    fn set_filled_aside(&mut self) {
        if !self.filling.bytes().is_empty() {
            let filled = std::mem::take(&mut self.filling);
            self.segments.push_back(Segment::chunk(filled));
        }
    }

    /// The queued segments, to be handed to the network; they count as under way from now on.
    pub fn take(&mut self) -> &mut VecDeque<Segment> {
        self.set_filled_aside();
        self.under_way_bytes += self.queued_bytes;
        self.queued_bytes = 0;
        &mut self.segments
    }

    /// Notes that the outbox is not on the list of dirty ones any more.
    pub(crate) fn mark_clean(&mut self) {
        self.dirty = false;
    }

    /// Notes that the kernel took `bytes`.
    pub(crate) fn sent(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.under_way_bytes);
        self.under_way_bytes -= bytes;
    }
}
