//! Hot path: sending shard → this ring → receiving shard.
//!
//! A single-producer, single-consumer ring of byte records. Records are written in place, read
//! in place, and change hands in batches: one store of the tail publishes all that was written,
//! one store of the head gives back all that was read.
//!
//! ```text
//!   record:   [ length: u32 | kind: u32 ][ bytes … ][ 0-7 bytes to the next multiple of 8 ]
//!   padding:  [      0      | PADDING   ]  …nothing to the end of the memory
//! ```
//! A record is contiguous: where it does not fit before the end, padding stands in its place and
//! it begins at the start. Positions only grow; a position's place is its low bits.
//! `0 <= head <= read <= tail <= written <= head + capacity`.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, Padded, RaceWatch, fence};

const HEADER_BYTES: usize = 8;
const KIND_SHIFT: u32 = 32;
const KIND_PADDING: u64 = 1;

/// The smallest ring, in bytes.
pub const CAPACITY_MIN: usize = 32;
/// The largest ring, in bytes: lengths are 32 bits.
pub const CAPACITY_MAX: usize = 1 << 31;

/// What travels with a record beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The record is all there is.
    Alone,
    /// The record's payload is the next one in the queue beside the ring.
    WithPayload,
}

impl Tag {
    const fn kind(self) -> u64 {
        match self {
            Tag::Alone => 2,
            Tag::WithPayload => 3,
        }
    }
}

/// Whether a batch held anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Published {
    /// There was nothing new.
    Nothing,
    /// The consumer can now see new records; wake it if it sleeps.
    New,
}

/// What giving space back did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Released {
    /// Nothing was read since the last time.
    Nothing,
    /// Space was given back, and nobody waits for it.
    Space,
    /// Space was given back to a producer that waits for it; wake it if it sleeps.
    AwaitedSpace,
}

/// How far a consumer may read: a tail as it was noted at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// One record, in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the producer wrote.
    pub bytes: &'a [u8],
    /// What travels with it.
    pub tag: Tag,
}

/// What both ends see. Each line has one writer, except `blocked`.
struct Shared {
    /// Everything before it has been written. Stored by the producer.
    tail: Padded<AtomicU64>,
    /// Everything before it has been read. Stored by the consumer.
    head: Padded<AtomicU64>,
    /// The producer waits for space. Set by it, taken by the consumer.
    blocked: Padded<AtomicBool>,
    /// `capacity` bytes, all initialised, owned by this struct.
    memory: NonNull<u64>,
    /// Bytes; a power of two.
    capacity: usize,
    watch: RaceWatch,
}

// SAFETY: `memory` is owned by `Shared`, so it may be freed by any thread.
unsafe impl Send for Shared {}
// SAFETY: bytes of `memory` in [tail, head + capacity) are touched by the one `Producer` only and
// those in [head, tail) by the one `Consumer` only; they change hands by a Release store of `tail`
// or `head` and an Acquire load of it by the other end.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(capacity: usize) -> Shared {
        assert!(
            capacity.is_power_of_two() && (CAPACITY_MIN..=CAPACITY_MAX).contains(&capacity),
            "ring capacity {capacity}"
        );
        // Zeroed by the allocator, so that pages never written cost no memory. Plain `u64`
        // alignment on purpose: std zeroes over-aligned memory by hand.
        let memory = Box::leak(vec![0u64; capacity / 8].into_boxed_slice());
        Shared {
            tail: Padded(AtomicU64::new(0)),
            head: Padded(AtomicU64::new(0)),
            blocked: Padded(AtomicBool::new(false)),
            memory: NonNull::from(memory).cast(),
            capacity,
            watch: RaceWatch::new(capacity / 8),
        }
    }

    /// The place of a position in `memory`, in bytes.
    #[inline]
    fn offset(&self, position: u64) -> usize {
        position as usize & (self.capacity - 1)
    }

    /// The word at `offset` bytes, a multiple of 8 below `capacity`.
    #[inline]
    fn word(&self, offset: usize) -> *mut u64 {
        debug_assert!(offset.is_multiple_of(8) && offset < self.capacity);
        // SAFETY: `offset` is below `capacity`, the size of the allocation.
        unsafe { self.memory.as_ptr().add(offset / 8) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let words = ptr::slice_from_raw_parts_mut(self.memory.as_ptr(), self.capacity / 8);
        // SAFETY: `memory` came from a leaked box of just this many words, and both ends are gone.
        drop(unsafe { Box::from_raw(words) });
    }
}

/// Bytes that a record of `len` bytes takes, header and rounding included.
#[inline]
const fn record_bytes(len: usize) -> usize {
    HEADER_BYTES + len.next_multiple_of(8)
}

/// A ring of `capacity` bytes, a power of two.
///
/// # Panics
/// When `capacity` is no power of two within [`CAPACITY_MIN`] and [`CAPACITY_MAX`].
pub fn byte_ring(capacity: usize) -> (Producer, Consumer) {
    let shared = Arc::new(Shared::new(capacity));
    let producer = Producer {
        shared: shared.clone(),
        written: 0,
        published: 0,
        head_seen: 0,
        reserved: None,
        not_sync: PhantomData,
    };
    (producer, Consumer { shared, read: 0, released: 0, not_sync: PhantomData })
}

/// A record that is being written.
#[derive(Clone, Copy)]
struct Reserved {
    /// Where its header goes.
    offset: usize,
    /// Bytes in it.
    len: usize,
    /// Bytes to the end that are given up before it.
    padding: usize,
}

/// The end that writes. Belongs to one thread at a time; cannot be cloned or shared.
///
/// ```compile_fail
/// fn cloned(producer: ring::byte_ring::Producer) { let _ = producer.clone(); }
/// ```
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<ring::byte_ring::Producer>();
/// ```
pub struct Producer {
    shared: Arc<Shared>,
    /// Everything before it is written, published or not.
    written: u64,
    /// The tail as last stored.
    published: u64,
    /// The head as last loaded.
    head_seen: u64,
    reserved: Option<Reserved>,
    not_sync: PhantomData<Cell<()>>,
}

impl Producer {
    /// The longest record that always fits into an empty ring, wherever it begins: half of the
    /// capacity less the header.
    #[inline]
    pub fn record_len_max(&self) -> usize {
        self.shared.capacity / 2 - HEADER_BYTES
    }

    /// Room for one record of `len` bytes, or `None` when the ring is full or `len` is above
    /// [`record_len_max`](Self::record_len_max). It holds old bytes; it counts once
    /// [`commit`](Self::commit) is called, and is forgotten when another is reserved before.
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Option<&mut [u8]> {
        let reserved = self.place(len)?;
        self.reserved = Some(reserved);
        self.shared.watch.writes(reserved.offset, record_bytes(len));
        let start = self.shared.word(reserved.offset).cast::<u8>();
        // SAFETY: `place` answers only with a place whose header and bytes lie within `memory` and
        // in [written, head + capacity), which is this producer's alone; memory is initialised.
        // The slice borrows `self`, so nothing is published while it lives.
        Some(unsafe { slice::from_raw_parts_mut(start.add(HEADER_BYTES), len) })
    }

    /// Counts the reserved record as written. It is seen after [`publish`](Self::publish).
    ///
    /// # Panics
    /// When nothing is reserved.
    #[inline]
    pub fn commit(&mut self, tag: Tag) {
        let Reserved { offset, len, padding } =
            self.reserved.take().expect("a record is reserved before it is committed");
        if padding > 0 {
            let end = self.shared.offset(self.written);
            self.shared.watch.writes(end, HEADER_BYTES);
            // SAFETY: `end` is the place of `written`, which is this producer's: `place` found room
            // for the padding and the record.
            unsafe { self.shared.word(end).write(KIND_PADDING << KIND_SHIFT) };
        }
        let header = len as u64 | tag.kind() << KIND_SHIFT;
        // SAFETY: as in `reserve`, and nothing was published since.
        unsafe { self.shared.word(offset).write(header) };
        self.written += (padding + record_bytes(len)) as u64;
        debug_assert!(self.written - self.head_seen <= self.shared.capacity as u64);
    }

    /// Makes all committed records visible, by one store.
    #[inline]
    pub fn publish(&mut self) -> Published {
        if self.written == self.published {
            return Published::Nothing;
        }
        self.published = self.written;
        self.shared.tail.0.store(self.written, Ordering::Release);
        Published::New
    }

    /// Whether committed records wait for [`publish`](Self::publish).
    #[inline]
    pub fn has_unpublished(&self) -> bool {
        self.written != self.published
    }

    /// Whether a record of `len` bytes would fit now, by a fresh look at the head if need be.
    #[inline]
    pub fn has_room(&mut self, len: usize) -> bool {
        self.place(len).is_some()
    }

    /// Asks to be woken when space comes back. Look again afterwards
    /// ([`has_room`](Self::has_room)) before sleeping: space that came back earlier wakes nobody.
    pub fn declare_blocked(&mut self) {
        // A swap for the reason given at `Sleepers::lie_down`.
        self.shared.blocked.0.swap(true, Ordering::Relaxed);
        // Pairs with the fence in `Consumer::release`: either it sees the flag, or the look
        // that follows here sees its head.
        fence(Ordering::SeqCst);
    }

    #[inline]
    fn place(&mut self, len: usize) -> Option<Reserved> {
        if len > self.record_len_max() {
            return None;
        }
        let capacity = self.shared.capacity;
        let offset = self.shared.offset(self.written);
        let to_end = capacity - offset;
        let bytes = record_bytes(len);
        let padding = if bytes <= to_end { 0 } else { to_end };
        let end = self.written + (padding + bytes) as u64;
        if end - self.head_seen > capacity as u64 {
            self.head_seen = self.shared.head.0.load(Ordering::Acquire);
            if end - self.head_seen > capacity as u64 {
                return None;
            }
        }
        Some(Reserved { offset: if padding == 0 { offset } else { 0 }, len, padding })
    }
}

/// The end that reads. Belongs to one thread at a time; cannot be cloned or shared.
///
/// ```compile_fail
/// fn cloned(consumer: ring::byte_ring::Consumer) { let _ = consumer.clone(); }
/// ```
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<ring::byte_ring::Consumer>();
/// ```
pub struct Consumer {
    shared: Arc<Shared>,
    /// Everything before it has been read, given back or not.
    read: u64,
    /// The head as last stored.
    released: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl Consumer {
    /// Notes how far the producer has published by now.
    #[inline]
    pub fn note_tail(&mut self) -> Mark {
        Mark(self.shared.tail.0.load(Ordering::Acquire))
    }

    /// As [`note_tail`](Self::note_tail), but at most about `bytes_max` further than what was
    /// read: the record that crosses the limit still belongs to the batch.
    #[inline]
    pub fn note_tail_within(&mut self, bytes_max: usize) -> Mark {
        let Mark(tail) = self.note_tail();
        Mark(tail.min(self.read.saturating_add(bytes_max as u64)))
    }

    /// The next record up to `mark`, in place, or `None` when the mark is reached. `mark` is one
    /// that this consumer noted.
    #[inline]
    pub fn next_until(&mut self, mark: Mark) -> Option<Record<'_>> {
        while self.read < mark.0 {
            let offset = self.shared.offset(self.read);
            self.shared.watch.reads(offset, HEADER_BYTES);
            // SAFETY: `read` is below a tail that was loaded with Acquire and lies at the start of
            // a record or of padding, so its header is written and this consumer's to read.
            let header = unsafe { self.shared.word(offset).read() };
            let kind = header >> KIND_SHIFT;
            if kind == KIND_PADDING {
                self.read += (self.shared.capacity - offset) as u64;
                continue;
            }
            let len = header as u32 as usize;
            let tag = if kind == Tag::Alone.kind() { Tag::Alone } else { Tag::WithPayload };
            debug_assert!(kind == tag.kind() && offset + record_bytes(len) <= self.shared.capacity);
            self.shared.watch.reads(offset, record_bytes(len));
            self.read += record_bytes(len) as u64;
            let start = self.shared.word(offset).cast::<u8>();
            // SAFETY: the producer wrote `len` bytes behind this header within `memory` and
            // published them with it. The slice borrows `self`, so that `release` cannot give the
            // bytes back while it lives.
            let bytes = unsafe { slice::from_raw_parts(start.add(HEADER_BYTES), len) };
            return Some(Record { bytes, tag });
        }
        None
    }

    /// Gives back the space of all that was read, by one store.
    #[inline]
    pub fn release(&mut self) -> Released {
        if self.read == self.released {
            return Released::Nothing;
        }
        self.released = self.read;
        self.shared.head.0.store(self.read, Ordering::Release);
        // Pairs with the fence in `Producer::declare_blocked`.
        fence(Ordering::SeqCst);
        let blocked = &self.shared.blocked.0;
        if blocked.load(Ordering::Relaxed) && blocked.swap(false, Ordering::Relaxed) {
            return Released::AwaitedSpace;
        }
        Released::Space
    }

    /// Whether nothing is published that was not read, by a fresh look.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.shared.tail.0.load(Ordering::Acquire) == self.read
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
