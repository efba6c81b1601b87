//! How records on the rings are laid out. Both ends run the same binary in one process, so there
//! is no version; numbers are in native byte order.
//!
//! ```text
//! data lane, message (28 bytes, picks, address, the publish's layout and wire):
//!   0      1       2         4         8           12     13     14       16      24          28
//!   │ kind │ plain │ picks n │ account │ publisher │ hops │ echo │ origin │ since │ address a │
//!   28      28 + 4n   28 + 4n + a
//!   │ picks │ address │ rest │
//!          plain: 1 for plain subscriptions too, 2 for a traced message, 4 for one that is there
//!          for its trace only; a traced one has its trace's number (8) before the picks
//!          since: when the message came, monotonic nanoseconds; picks: u32 each
//!          address: the subject that decides who gets it; empty when it is the message's own
//!          rest: layout (16), wire
//!          (the wire is absent when it travels beside the record as refcounted bytes)
//! data lane, batch: small messages of one publisher that only plain subscriptions get
//!   0      1          4         8           12      20
//!   │ kind │ 3 unused │ account │ publisher │ since │ canonical wire of each, one after another │
//! data lane, stall:
//!   │ kind │ 3 unused │ publisher │
//! interest lane:
//!   0         4       8       12            16           16 + s
//!   │ account │ count │ queue │ subject len s │ subject  │ queue name (empty: plain) │
//! ```

use base::observed::TraceId;
use base::{AccountId, ConnSlot, QueueId, ShardId};
use protocol::Layout;

use crate::publish::Echo;
use crate::tracing::{TraceKind, TraceMark};

const KIND_MESSAGE: u8 = 1;
const KIND_STALL: u8 = 2;
const KIND_BATCH: u8 = 3;
/// The fixed part at the front of an interest record.
const PLAIN_LEN: usize = 16;
/// The fixed part at the front of a message record.
const MESSAGE_HEAD_LEN: usize = 28;
/// A publish's layout: four numbers.
const LAYOUT_LEN: usize = 16;
/// A trace's number.
const TRACE_LEN: usize = 8;
/// Bits of the byte `plain`.
const PLAIN: u8 = 1;
const TRACED: u8 = 2;
const TRACED_ONLY: u8 = 4;

/// A message for another shard, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFrame {
    /// Whether the other shard's plain subscriptions get it.
    pub plain: Plain,
    /// The publisher's account.
    pub account: AccountId,
    /// The publisher's shard: the sender, unless a queue pick was sent on.
    pub origin: ShardId,
    /// Where the publisher lives there.
    pub publisher: ConnSlot,
    /// Whether it gets its own messages; a pick that is sent on may come back to it.
    pub echo: Echo,
    /// How often a queue pick was sent on.
    pub hops: u8,
    /// When the publisher's core took the message in, monotonic nanoseconds.
    pub since_ns: u64,
    /// The trace that it has a part in.
    pub trace: Option<TraceMark>,
}

/// Whether a frame is for plain subscriptions too, or for queue picks only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// Plain subscriptions and picks.
    Yes,
    /// Picks only.
    No,
}

impl MessageFrame {
    /// The record's length with this body.
    pub fn len(&self, body: &MessageBody<'_>) -> usize {
        let MessageBody { picks, address, wire, .. } = body;
        let trace = if self.trace.is_some() { TRACE_LEN } else { 0 };
        MESSAGE_HEAD_LEN + trace + picks.len() * 4 + address.len() + LAYOUT_LEN + wire.len()
    }

    /// Writes the record into `record`, which is of just that length.
    pub fn write(&self, body: &MessageBody<'_>, record: &mut [u8]) {
        let MessageBody { picks, address, layout, wire } = *body;
        record[0] = KIND_MESSAGE;
        let plain = if self.plain == Plain::Yes { PLAIN } else { 0 };
        record[1] = plain | self.trace.map_or(0, trace_bits);
        record[2..4].copy_from_slice(&(picks.len() as u16).to_ne_bytes());
        record[4..8].copy_from_slice(&self.account.0.to_ne_bytes());
        record[8..12].copy_from_slice(&self.publisher.0.to_ne_bytes());
        record[12] = self.hops;
        record[13] = (self.echo == Echo::On).into();
        record[14..16].copy_from_slice(&self.origin.0.to_ne_bytes());
        record[16..24].copy_from_slice(&self.since_ns.to_ne_bytes());
        record[24..28].copy_from_slice(&(address.len() as u32).to_ne_bytes());
        let mut rest = &mut record[MESSAGE_HEAD_LEN..];
        if let Some(TraceMark { id, .. }) = self.trace {
            let (number, behind) = rest.split_at_mut(TRACE_LEN);
            number.copy_from_slice(&id.0.to_ne_bytes());
            rest = behind;
        }
        let (pick_bytes, rest) = rest.split_at_mut(picks.len() * 4);
        for (bytes, pick) in pick_bytes.chunks_exact_mut(4).zip(picks) {
            bytes.copy_from_slice(&pick.0.to_ne_bytes());
        }
        let (address_bytes, rest) = rest.split_at_mut(address.len());
        address_bytes.copy_from_slice(address);
        let (layout_bytes, wire_bytes) = rest.split_at_mut(LAYOUT_LEN);
        let Layout { subject_len, reply_len, header_len, body } = layout;
        let numbers = [subject_len, reply_len, header_len, body];
        for (bytes, number) in layout_bytes.chunks_exact_mut(4).zip(numbers) {
            bytes.copy_from_slice(&number.to_ne_bytes());
        }
        wire_bytes.copy_from_slice(wire);
    }
}

/// What follows the fixed part of a message record.
#[derive(Clone, Copy)]
pub struct MessageBody<'a> {
    /// The queue groups, in the receiver's numbering, of which one member gets it.
    pub picks: &'a [QueueId],
    /// The subject that decides who gets it; empty when it is the message's own.
    pub address: &'a [u8],
    /// The publish's layout.
    pub layout: Layout,
    /// Its bytes; empty when they travel beside the record.
    pub wire: &'a [u8],
}

/// Length of a batch's fixed part.
pub const BATCH_HEAD_LEN: usize = 20;

/// The fixed part of a batch of `publisher`'s messages, which came at `since_ns`.
pub fn batch_head(account: AccountId, publisher: ConnSlot, since_ns: u64) -> [u8; BATCH_HEAD_LEN] {
    let mut head = [0; BATCH_HEAD_LEN];
    head[0] = KIND_BATCH;
    head[4..8].copy_from_slice(&account.0.to_ne_bytes());
    head[8..12].copy_from_slice(&publisher.0.to_ne_bytes());
    head[12..].copy_from_slice(&since_ns.to_ne_bytes());
    head
}

/// A record of the data lane, read in place.
pub enum DataRecord<'a> {
    /// Small messages for plain subscriptions.
    Batch {
        /// The publisher's account.
        account: AccountId,
        /// Where the publisher lives on the sending shard.
        publisher: ConnSlot,
        /// When they came, monotonic nanoseconds.
        since_ns: u64,
        /// The messages' wire, one after another.
        wires: &'a [u8],
    },
    /// A message.
    Message {
        /// What came with it.
        frame: MessageFrame,
        /// The queue groups, in the receiver's numbering, of which one member gets it.
        picks: Picks<'a>,
        /// The subject that decides who gets it; empty when it is the message's own.
        address: &'a [u8],
        /// The publish's layout.
        layout: Layout,
        /// Its bytes; empty when they came beside the record.
        wire: &'a [u8],
    },
    /// A subscriber there is filling up: let this publisher sleep.
    Stall(ConnSlot),
}

/// Queue picks, read in place.
#[derive(Clone, Copy)]
pub struct Picks<'a>(&'a [u8]);

impl Picks<'_> {
    /// The picks, in order.
    pub fn iter(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.0.chunks_exact(4).map(|bytes| QueueId(u32_at(bytes, 0)))
    }
}

impl<'a> DataRecord<'a> {
    /// Reads what [`MessageFrame::write`], [`batch_head`] or [`write_stall`] wrote.
    #[inline]
    pub fn read(record: &'a [u8]) -> DataRecord<'a> {
        match record[0] {
            KIND_BATCH => DataRecord::Batch {
                account: AccountId(u32_at(record, 4)),
                publisher: ConnSlot(u32_at(record, 8)),
                since_ns: u64_at(record, 12),
                wires: &record[BATCH_HEAD_LEN..],
            },
            KIND_STALL => DataRecord::Stall(ConnSlot(u32_at(record, 4))),
            _ => DataRecord::read_message(record),
        }
    }

    fn read_message(record: &'a [u8]) -> DataRecord<'a> {
        debug_assert_eq!(record[0], KIND_MESSAGE);
        let picks = usize::from(u16::from_ne_bytes([record[2], record[3]]));
        let rest = &record[MESSAGE_HEAD_LEN..];
        let (trace, rest) = match record[1] & TRACED {
            0 => (None, rest),
            _ => (Some(read_trace(record)), &rest[TRACE_LEN..]),
        };
        let (pick_bytes, rest) = rest.split_at(picks * 4);
        let (address, rest) = rest.split_at(u32_at(record, 24) as usize);
        let (layout_bytes, wire) = rest.split_at(LAYOUT_LEN);
        DataRecord::Message {
            frame: MessageFrame {
                plain: if record[1] & PLAIN != 0 { Plain::Yes } else { Plain::No },
                account: AccountId(u32_at(record, 4)),
                publisher: ConnSlot(u32_at(record, 8)),
                hops: record[12],
                echo: if record[13] == 1 { Echo::On } else { Echo::Off },
                origin: ShardId(u16::from_ne_bytes([record[14], record[15]])),
                since_ns: u64_at(record, 16),
                trace,
            },
            picks: Picks(pick_bytes),
            address,
            layout: Layout {
                subject_len: u32_at(layout_bytes, 0),
                reply_len: u32_at(layout_bytes, 4),
                header_len: u32_at(layout_bytes, 8),
                body: u32_at(layout_bytes, 12),
            },
            wire,
        }
    }
}

fn trace_bits(mark: TraceMark) -> u8 {
    match mark.kind {
        TraceKind::Delivering => TRACED,
        TraceKind::Only => TRACED | TRACED_ONLY,
    }
}

#[cold]
fn read_trace(record: &[u8]) -> TraceMark {
    let id = TraceId(u64_at(record, MESSAGE_HEAD_LEN));
    let only = record[1] & TRACED_ONLY != 0;
    TraceMark { id, kind: if only { TraceKind::Only } else { TraceKind::Delivering } }
}

/// Length of a stall record.
pub const STALL_LEN: usize = 8;

/// Writes a stall record.
pub fn write_stall(publisher: ConnSlot, record: &mut [u8]) {
    record.fill(0);
    record[0] = KIND_STALL;
    record[4..8].copy_from_slice(&publisher.0.to_ne_bytes());
}

/// A change of one shard's interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterestFrame<'a> {
    /// Whose interest.
    pub account: AccountId,
    /// Members now: an absolute count; 0 ends it.
    pub count: u32,
    /// The subject, wildcards included.
    pub subject: &'a [u8],
    /// The queue group and the sender's own number for it.
    pub queue: Option<(&'a [u8], QueueId)>,
}

impl<'a> InterestFrame<'a> {
    /// The record's length.
    pub fn len(&self) -> usize {
        PLAIN_LEN + self.subject.len() + self.queue.map_or(0, |(name, _)| name.len())
    }

    /// Writes the record into `record`, which is of just that length.
    pub fn write(&self, record: &mut [u8]) {
        let (name, id) = self.queue.unwrap_or((&[], QueueId(0)));
        record[0..4].copy_from_slice(&self.account.0.to_ne_bytes());
        record[4..8].copy_from_slice(&self.count.to_ne_bytes());
        record[8..12].copy_from_slice(&id.0.to_ne_bytes());
        record[12..16].copy_from_slice(&(self.subject.len() as u32).to_ne_bytes());
        let (subject_bytes, name_bytes) = record[PLAIN_LEN..].split_at_mut(self.subject.len());
        subject_bytes.copy_from_slice(self.subject);
        name_bytes.copy_from_slice(name);
    }

    /// Reads what [`InterestFrame::write`] wrote.
    pub fn read(record: &'a [u8]) -> InterestFrame<'a> {
        let (subject, name) = record[PLAIN_LEN..].split_at(u32_at(record, 12) as usize);
        InterestFrame {
            account: AccountId(u32_at(record, 0)),
            count: u32_at(record, 4),
            subject,
            queue: (!name.is_empty()).then_some((name, QueueId(u32_at(record, 8)))),
        }
    }
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let word = bytes[offset..offset + 8].try_into().expect("eight bytes");
    u64::from_ne_bytes(word)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let word = bytes[offset..offset + 4].try_into().expect("four bytes");
    u32::from_ne_bytes(word)
}
