//! Hot path: records as bytes. Before it: `Storage::append`; after it: the writer's block.
//!
//! ```text
//!  0 crc u32 │ 4 length u32 │ 8 stream u32 │ 12 kind u8 │ 13 flags u8 │ 14 subject_len u16
//! 16 sequence u64 │ 24 time u64 │ 32 body … length
//!
//! kind        sequence      time            body
//! Batch       its number    safe batches    epoch u64 │ bytes u32 │ key u32
//! Pad         0             0               anything: to the end of the batch
//! Message     its number    when stored     [due u64] [headers u32] [plain u32] subject content
//! Remove      first         last            -
//! Keyed       its order     the key         what the owner wants; kind of key in subject_len
//! StreamGone  its order     0               -
//! Replaces    an epoch      0               -   (that of a segment whose copy this one is)
//! Erased      its number    0               zeroes, where a message was
//!
//! content     headers payload; or both in one, compressed (LZ4), where `plain` says from how many
//!             bytes (the lower 24 bits) and with which dictionary of the stream (the upper 8)
//! ```
//! `length` counts the header and the body. The checksum covers all but itself (of a `Pad` and of
//! what is erased the header only) and is bound to the epoch and the place, so that a record that
//! an earlier use left behind, or that stands where it was not written, is none. Where a segment
//! is encrypted, bodies are sealed: see `sealed.rs`.

use config::limits;

use crate::keys::KeyNumber;
use crate::log::layout::{u16_at, u32_at, u64_at};
use crate::log::{Epoch, StreamNumber, checksum};

/// Bytes of a record's header.
pub const HEADER_BYTES: usize = 32;
/// Bytes of a batch record.
pub const BATCH_BYTES: usize = HEADER_BYTES + 16;

/// Flag of a message: a due time stands before the rest.
const HAS_DUE: u8 = 1;
/// Flag of a message: it has headers.
const HAS_HEADERS: u8 = 2;
/// Flag of a keyed record: the key holds nothing from now on.
const IS_GONE: u8 = 4;
/// Flag of a message: its content is compressed.
const IS_COMPRESSED: u8 = 8;

/// What tells how a content was compressed, bytes.
pub const PLAIN_BYTES: usize = 4;
/// How much of it is the length.
const PLAIN_BITS: u32 = 24;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// The start of what one write wrote.
    Batch = 1,
    /// Its end, up to a whole sector.
    Pad = 2,
    /// A message.
    Message = 3,
    /// Messages of a stream are gone.
    Remove = 4,
    /// The newest value of a key.
    Keyed = 5,
    /// A stream is gone with all it had.
    StreamGone = 6,
    /// This segment holds what is worth keeping of another.
    Replaces = 7,
    /// A message that was overwritten.
    Erased = 8,
}

impl RecordKind {
    /// Whether its body may be anything: the checksum does not cover it.
    #[inline]
    fn has_free_body(self) -> bool {
        matches!(self, RecordKind::Pad | RecordKind::Erased)
    }
}

/// The fields of a record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Header and body, bytes.
    pub length: u32,
    /// Whose it is; 0 for nobody's.
    pub stream: StreamNumber,
    /// What it is.
    pub kind: RecordKind,
    /// What the body has.
    pub flags: u8,
    /// A message's subject, bytes; or the kind of a key.
    pub subject_len: u16,
    /// See the table above.
    pub sequence: u64,
    /// See the table above.
    pub time: u64,
}

impl Head {
    /// Reads the header at the start of `bytes`; `None` if it is none.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Option<Head> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let kind = match bytes[12] {
            1 => RecordKind::Batch,
            2 => RecordKind::Pad,
            3 => RecordKind::Message,
            4 => RecordKind::Remove,
            5 => RecordKind::Keyed,
            6 => RecordKind::StreamGone,
            7 => RecordKind::Replaces,
            8 => RecordKind::Erased,
            _ => return None,
        };
        let length = u32_at(bytes, 4);
        (length as usize >= HEADER_BYTES).then(|| Head {
            length,
            stream: StreamNumber(u32_at(bytes, 8)),
            kind,
            flags: bytes[13],
            subject_len: u16_at(bytes, 14),
            sequence: u64_at(bytes, 16),
            time: u64_at(bytes, 24),
        })
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        out[4..8].copy_from_slice(&self.length.to_le_bytes());
        out[8..12].copy_from_slice(&self.stream.0.to_le_bytes());
        out[12] = self.kind as u8;
        out[13] = self.flags;
        out[14..16].copy_from_slice(&self.subject_len.to_le_bytes());
        out[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        out[24..32].copy_from_slice(&self.time.to_le_bytes());
    }

    /// Bytes that the checksum covers.
    fn covered(&self) -> usize {
        if self.kind.has_free_body() { HEADER_BYTES } else { self.length as usize }
    }
}

/// A message to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Whose.
    pub stream: StreamNumber,
    /// Its number.
    pub sequence: u64,
    /// When it was stored, nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// When it is due to go or to be sent, nanoseconds since the Unix epoch; 0 for never.
    pub due_ns: u64,
    /// At most 65,535 bytes.
    pub subject: &'a [u8],
    /// Headers and payload.
    pub content: Content<'a>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// As it came.
    Plain {
        /// The whole header block; empty for none.
        headers: &'a [u8],
        /// The rest.
        payload: &'a [u8],
    },
    /// In fewer bytes.
    Compressed(Compressed<'a>),
}

/// Headers and payload in one, compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressed<'a> {
    /// Bytes of the header block; 0 for none.
    pub headers_bytes: u32,
    /// Bytes of headers and payload, less than 2^24.
    pub plain_bytes: u32,
    /// Which of the stream's dictionaries it needs; 0 for none.
    pub dictionary: u8,
    /// What they became.
    pub bytes: &'a [u8],
}

impl Content<'_> {
    /// Bytes of the header block.
    #[inline]
    pub fn headers_bytes(&self) -> usize {
        match self {
            Content::Plain { headers, .. } => headers.len(),
            Content::Compressed(content) => content.headers_bytes as usize,
        }
    }

    /// Bytes of headers and payload, as they came.
    #[inline]
    pub fn plain_bytes(&self) -> usize {
        match self {
            Content::Plain { headers, payload } => headers.len() + payload.len(),
            Content::Compressed(content) => content.plain_bytes as usize,
        }
    }

    /// Bytes that it takes in a record, with what tells how it was compressed.
    #[inline]
    fn stored_bytes(&self) -> usize {
        match self {
            Content::Plain { headers, payload } => headers.len() + payload.len(),
            Content::Compressed(content) => PLAIN_BYTES + content.bytes.len(),
        }
    }
}

impl NewMessage<'_> {
    /// Bytes of the record.
    #[inline]
    pub fn record_bytes(&self) -> usize {
        self.around_bytes() + self.content.stored_bytes()
    }

    /// Bytes that the record would have if its content were as it came.
    #[inline]
    pub fn plain_record_bytes(&self) -> usize {
        self.around_bytes() + self.content.plain_bytes()
    }

    #[inline]
    fn around_bytes(&self) -> usize {
        let due = if self.due_ns == 0 { 0 } else { 8 };
        let headers = if self.content.headers_bytes() == 0 { 0 } else { 4 };
        HEADER_BYTES + due + headers + self.subject.len()
    }

    /// Fills `out`, which has room for just the record. The checksum comes last: `sign`.
    #[inline]
    pub fn write(&self, out: &mut [u8]) {
        let mut flags = 0;
        let mut at = HEADER_BYTES;
        if self.due_ns != 0 {
            flags |= HAS_DUE;
            out[at..at + 8].copy_from_slice(&self.due_ns.to_le_bytes());
            at += 8;
        }
        let headers_bytes = self.content.headers_bytes();
        if headers_bytes > 0 {
            flags |= HAS_HEADERS;
            out[at..at + 4].copy_from_slice(&(headers_bytes as u32).to_le_bytes());
            at += 4;
        }
        let parts = match self.content {
            Content::Plain { headers, payload } => [self.subject, headers, payload],
            Content::Compressed(Compressed { plain_bytes, dictionary, bytes, .. }) => {
                flags |= IS_COMPRESSED;
                let plain = plain_bytes | u32::from(dictionary) << PLAIN_BITS;
                out[at..at + PLAIN_BYTES].copy_from_slice(&plain.to_le_bytes());
                at += PLAIN_BYTES;
                [self.subject, bytes, &[]]
            }
        };
        for part in parts {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let head = Head {
            length: out.len() as u32,
            stream: self.stream,
            kind: RecordKind::Message,
            flags,
            subject_len: self.subject.len() as u16,
            sequence: self.sequence,
            time: self.time_ns,
        };
        head.encode(out);
    }
}

/// A keyed value to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewKeyed<'a> {
    /// Whose.
    pub stream: StreamNumber,
    /// What kind of key.
    pub key_kind: u16,
    /// Which.
    pub key: u64,
    /// Later orders win.
    pub order: u64,
    /// What it holds from now on; `None` for nothing.
    pub value: Option<&'a [u8]>,
}

impl NewKeyed<'_> {
    /// Bytes of the record.
    pub fn record_bytes(&self) -> usize {
        HEADER_BYTES + self.value.map_or(0, <[u8]>::len)
    }

    /// Fills `out`, which has room for just the record.
    pub fn write(&self, out: &mut [u8]) {
        out[HEADER_BYTES..].copy_from_slice(self.value.unwrap_or_default());
        let head = Head {
            length: out.len() as u32,
            stream: self.stream,
            kind: RecordKind::Keyed,
            flags: if self.value.is_none() { IS_GONE } else { 0 },
            subject_len: self.key_kind,
            sequence: self.order,
            time: self.key,
        };
        head.encode(out);
    }
}

/// Fills `out` with a record that is only a header: `Remove`, `StreamGone`, `Replaces`, `Pad`.
pub fn write_bare(
    kind: RecordKind,
    stream: StreamNumber,
    sequence: u64,
    time: u64,
    out: &mut [u8],
) {
    let length = out.len() as u32;
    Head { length, stream, kind, flags: 0, subject_len: 0, sequence, time }.encode(out);
}

/// Fills `out` with a batch record.
pub fn write_batch(number: u64, safe: u64, batch: Batch, out: &mut [u8]) {
    write_bare(RecordKind::Batch, StreamNumber(0), number, safe, &mut out[..BATCH_BYTES]);
    out[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&batch.epoch.0.to_le_bytes());
    out[HEADER_BYTES + 8..HEADER_BYTES + 12].copy_from_slice(&batch.bytes.to_le_bytes());
    out[HEADER_BYTES + 12..BATCH_BYTES].copy_from_slice(&batch.key.0.to_le_bytes());
}

/// Puts a record of the same length in the place of a message that stands at `offset`.
pub fn erase(out: &mut [u8], stream: StreamNumber, sequence: u64, epoch: Epoch, offset: u32) {
    out.fill(0);
    write_bare(RecordKind::Erased, stream, sequence, 0, out);
    sign_free(out, epoch, offset);
}

/// Puts the checksum into a record that is otherwise complete and will stand at `offset`.
#[inline]
pub fn sign(record: &mut [u8], epoch: Epoch, offset: u32) {
    let crc = checksum(&record[4..]) ^ bound_to(epoch, offset);
    record[..4].copy_from_slice(&crc.to_le_bytes());
}

/// [`sign`] for a record whose body may be anything: a pad, or one that is erased.
pub fn sign_free(record: &mut [u8], epoch: Epoch, offset: u32) {
    sign(&mut record[..HEADER_BYTES], epoch, offset);
}

/// What a record's checksum is mixed with: as good as never the same in two epochs or places.
#[inline]
fn bound_to(epoch: Epoch, offset: u32) -> u32 {
    let epoch = epoch.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (epoch >> 32) as u32 ^ offset.wrapping_mul(0x85EB_CA6B)
}

/// What a batch says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// That of its segment.
    pub epoch: Epoch,
    /// Its length, with its pad.
    pub bytes: u32,
    /// That of its segment.
    pub key: KeyNumber,
}

/// A whole record, verified or from memory.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its header.
    pub head: Head,
    /// The whole record.
    pub bytes: &'a [u8],
    body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at the start of `bytes`, which stands at `offset` of a segment; `None` unless
    /// it is whole and was written there in this epoch.
    #[inline]
    pub fn verified(bytes: &'a [u8], epoch: Epoch, offset: u32) -> Option<Record<'a>> {
        let head = Head::decode(bytes)?;
        let crc = checksum(bytes.get(4..head.covered())?) ^ bound_to(epoch, offset);
        (crc == u32_at(bytes, 0)).then(|| Record::of(head, bytes))
    }

    /// The record at the start of `bytes`, which this process wrote there and nobody changed.
    #[inline]
    pub fn trusted(bytes: &'a [u8]) -> Option<Record<'a>> {
        let head = Head::decode(bytes)?;
        (bytes.len() >= head.length as usize).then(|| Record::of(head, bytes))
    }

    #[inline]
    fn of(head: Head, bytes: &'a [u8]) -> Record<'a> {
        let end = (head.length as usize).min(bytes.len());
        let bytes = &bytes[..end];
        Record { head, bytes, body: &bytes[HEADER_BYTES..] }
    }

    /// The parts of a message; `None` if it is none or its lengths contradict each other.
    #[inline]
    pub fn message(&self) -> Option<NewMessage<'a>> {
        if self.head.kind != RecordKind::Message {
            return None;
        }
        let mut rest = self.body;
        let mut due_ns = 0;
        if self.head.flags & HAS_DUE != 0 {
            let (due, behind) = rest.split_first_chunk::<8>()?;
            (due_ns, rest) = (u64::from_le_bytes(*due), behind);
        }
        let mut headers_len = 0;
        if self.head.flags & HAS_HEADERS != 0 {
            let (len, behind) = rest.split_first_chunk::<4>()?;
            (headers_len, rest) = (u32::from_le_bytes(*len), behind);
        }
        let mut plain = None;
        if self.head.flags & IS_COMPRESSED != 0 {
            let (field, behind) = rest.split_first_chunk::<PLAIN_BYTES>()?;
            (plain, rest) = (Some(u32::from_le_bytes(*field)), behind);
        }
        let (subject, rest) = rest.split_at_checked(usize::from(self.head.subject_len))?;
        let content = match plain {
            None => {
                let (headers, payload) = rest.split_at_checked(headers_len as usize)?;
                Content::Plain { headers, payload }
            }
            Some(plain) => Content::Compressed(Compressed {
                headers_bytes: headers_len,
                plain_bytes: plain & ((1 << PLAIN_BITS) - 1),
                dictionary: (plain >> PLAIN_BITS) as u8,
                bytes: rest,
            }),
        };
        Some(NewMessage {
            stream: self.head.stream,
            sequence: self.head.sequence,
            time_ns: self.head.time,
            due_ns,
            subject,
            content,
        })
    }

    /// A keyed value; `None` if it is none.
    pub fn keyed(&self) -> Option<NewKeyed<'a>> {
        (self.head.kind == RecordKind::Keyed).then(|| NewKeyed {
            stream: self.head.stream,
            key_kind: self.head.subject_len,
            key: self.head.time,
            order: self.head.sequence,
            value: (self.head.flags & IS_GONE == 0).then_some(self.body),
        })
    }

    /// What a batch says of itself; `None` if it is none.
    pub fn batch(&self) -> Option<Batch> {
        if self.head.kind != RecordKind::Batch || self.body.len() < BATCH_BYTES - HEADER_BYTES {
            return None;
        }
        let (epoch, bytes) = (Epoch(u64_at(self.body, 0)), u32_at(self.body, 8));
        Some(Batch { epoch, bytes, key: KeyNumber(u32_at(self.body, 12)) })
    }
}

const _: () = {
    assert!(HEADER_BYTES == 24 + size_of::<u64>(), "the last field ends the header");
    assert!(BATCH_BYTES == HEADER_BYTES + 16);
    assert!(limits::JS_COMPRESSED_BYTES_MAX < 1 << PLAIN_BITS, "the length fits its bits");
};

#[cfg(test)]
mod tests;
