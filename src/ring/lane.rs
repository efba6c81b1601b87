//! Hot path: sending shard → lane → receiving shard.
//!
//! A lane is a byte ring, a queue beside it for large refcounted payloads, and on the sender's
//! side a spill queue. Small payloads are copied into the record; a large one travels as a
//! handle. A record and its payload are sent both or neither.
//!
//! design §4 rule 4: a full ring never blocks a core. What does not fit waits in the spill queue,
//! everything later waits behind it, and `flush` moves it on as space comes back.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::byte_ring::{Consumer, Mark, Producer, Published, Released, Tag, byte_ring};

/// Where a record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Into the ring.
    InRing,
    /// Into the spill queue: stop reading from whoever feeds this lane until it is empty.
    Spilled,
}

/// Why a record was not sent. Nothing of it remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// It is longer than half the ring; send the payload beside the record.
    TooLong,
    /// The spill queue is at its limit. Drop the message and count it.
    SpillFull,
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SendError::TooLong => "record longer than half the ring",
            SendError::SpillFull => "spill queue full",
        })
    }
}

impl std::error::Error for SendError {}

/// What waits in a spill queue, or in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spill {
    /// Records waiting.
    pub records: usize,
    /// Their bytes, payloads included.
    pub bytes: usize,
}

impl std::ops::AddAssign for Spill {
    fn add_assign(&mut self, other: Spill) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// The sizes of one lane.
#[derive(Clone, Copy, Debug)]
pub struct LaneSizes {
    /// Bytes of the ring, a power of two.
    pub ring_bytes: usize,
    /// Payloads that may travel beside records at one time.
    pub payloads: usize,
    /// Bytes that may wait in the spill queue.
    pub spill_bytes_max: usize,
}

/// A lane, seen from both ends.
///
/// # Panics
/// When the ring's size is out of range; see [`byte_ring`].
pub fn lane(sizes: LaneSizes) -> (LaneSender, LaneReceiver) {
    let (producer, consumer) = byte_ring(sizes.ring_bytes);
    let (payloads_in, payloads_out) = rtrb::RingBuffer::new(sizes.payloads);
    let sender = LaneSender {
        ring: producer,
        payloads: payloads_in,
        spill: VecDeque::new(),
        spill_bytes: 0,
        spill_bytes_max: sizes.spill_bytes_max,
    };
    (sender, LaneReceiver { ring: consumer, payloads: payloads_out })
}

struct SpilledRecord {
    record: Box<[u8]>,
    payload: Option<Bytes>,
}

impl SpilledRecord {
    fn bytes(&self) -> usize {
        self.record.len() + self.payload.as_ref().map_or(0, Bytes::len)
    }
}

/// The sender's end of a lane.
pub struct LaneSender {
    ring: Producer,
    payloads: rtrb::Producer<Bytes>,
    spill: VecDeque<SpilledRecord>,
    spill_bytes: usize,
    spill_bytes_max: usize,
}

impl LaneSender {
    /// Sends a record of `len` bytes, written by `fill`, and the payload beside it. It is seen
    /// after [`flush`](Self::flush). `fill` gets just `len` bytes of old content and writes all.
    #[inline]
    pub fn send(
        &mut self,
        len: usize,
        payload: Option<Bytes>,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Sent, SendError> {
        if self.spill.is_empty()
            && (payload.is_none() || !self.payloads.is_full())
            && let Some(record) = self.ring.reserve(len)
        {
            fill(record);
            self.commit(payload);
            return Ok(Sent::InRing);
        }
        self.spill(len, payload, fill)
    }

    /// Moves spilled records on and publishes. When records still wait, the receiver will wake
    /// this shard as space comes back. Work is bounded by the spill queue's length.
    pub fn flush(&mut self) -> Published {
        let mut published = Published::Nothing;
        loop {
            self.pump();
            if self.ring.publish() == Published::New {
                published = Published::New;
            }
            if self.spill.is_empty() {
                return published;
            }
            self.ring.declare_blocked();
            if !self.spill_can_move() {
                return published;
            }
        }
    }

    /// What waits in the spill queue.
    #[inline]
    pub fn spilled(&self) -> Spill {
        Spill { records: self.spill.len(), bytes: self.spill_bytes }
    }

    /// Whether the oldest spilled record would fit now, by a fresh look.
    pub fn spill_can_move(&mut self) -> bool {
        let Some(oldest) = self.spill.front() else { return false };
        (oldest.payload.is_none() || !self.payloads.is_full())
            && self.ring.has_room(oldest.record.len())
    }

    /// Commits the reserved record; its payload has room.
    #[inline]
    fn commit(&mut self, payload: Option<Bytes>) {
        let Some(payload) = payload else { return self.ring.commit(Tag::Alone) };
        // The payload is in its queue before its record can be published.
        let pushed = self.payloads.push(payload);
        assert!(pushed.is_ok(), "only this sender fills the payload queue");
        self.ring.commit(Tag::WithPayload);
    }

    #[cold]
    fn spill(
        &mut self,
        len: usize,
        payload: Option<Bytes>,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<Sent, SendError> {
        if len > self.ring.record_len_max() {
            return Err(SendError::TooLong);
        }
        let bytes = len + payload.as_ref().map_or(0, Bytes::len);
        if self.spill_bytes.saturating_add(bytes) > self.spill_bytes_max {
            return Err(SendError::SpillFull);
        }
        let mut record = vec![0; len].into_boxed_slice();
        fill(&mut record);
        self.spill_bytes += bytes;
        self.spill.push_back(SpilledRecord { record, payload });
        Ok(Sent::Spilled)
    }

    fn pump(&mut self) {
        while self.spill_can_move() {
            let Some(oldest) = self.spill.pop_front() else { return };
            self.spill_bytes -= oldest.bytes();
            let place = self.ring.reserve(oldest.record.len());
            place.expect("room was found above").copy_from_slice(&oldest.record);
            self.commit(oldest.payload);
        }
        if self.spill.is_empty() {
            // A burst leaves no memory behind.
            self.spill = VecDeque::new();
        }
    }
}

/// The receiver's end of a lane.
pub struct LaneReceiver {
    ring: Consumer,
    payloads: rtrb::Consumer<Bytes>,
}

impl LaneReceiver {
    /// Notes how far the sender has published by now.
    #[inline]
    pub fn note_tail(&mut self) -> Mark {
        self.ring.note_tail()
    }

    /// As [`note_tail`](Self::note_tail), at most about `bytes_max` of records further.
    #[inline]
    pub fn note_tail_within(&mut self, bytes_max: usize) -> Mark {
        self.ring.note_tail_within(bytes_max)
    }

    /// The next record up to `mark`, in place, with its payload.
    #[inline]
    pub fn next_until(&mut self, mark: Mark) -> Option<(&[u8], Option<Bytes>)> {
        let record = self.ring.next_until(mark)?;
        let payload = match record.tag {
            Tag::Alone => None,
            Tag::WithPayload => {
                Some(self.payloads.pop().expect("a payload is queued before its record is seen"))
            }
        };
        Some((record.bytes, payload))
    }

    /// Gives back the space of all that was read.
    #[inline]
    pub fn release(&mut self) -> Released {
        self.ring.release()
    }

    /// Whether nothing is published that was not read, by a fresh look.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
