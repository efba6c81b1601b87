//! Hot path: a message on its way into a stream, and what its headers ask for.
//!
//! Before it stands the service's letter, after it `ingest.rs`. Headers are looked at only when
//! there are any, in one pass. Source: spec/jetstream.md §5, §6, §7.

use std::collections::VecDeque;

use bytes::Bytes;
use shard::TraceMark;

/// A message that came on one of the stream's subjects. Borrows everything.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// As published.
    pub subject: &'a [u8],
    /// Where the acknowledgement goes.
    pub reply: Option<&'a [u8]>,
    /// The whole header block, or empty.
    pub headers: &'a [u8],
    /// What follows the headers.
    pub payload: &'a [u8],
    /// The payload, refcounted, where the letter has it so.
    pub shared: Option<&'a Bytes>,
    /// The trace that wants to know what becomes of it. Such a message has headers.
    pub trace: Option<TraceMark>,
}

/// A publication that waits: its own copy.
#[derive(Clone, Debug)]
pub(super) struct OwnedPublication {
    pub(super) subject: Box<[u8]>,
    pub(super) reply: Option<Box<[u8]>>,
    pub(super) headers: Box<[u8]>,
    pub(super) payload: Bytes,
    trace: Option<TraceMark>,
}

impl Publication<'_> {
    /// Of its headers and its payload.
    pub(super) fn bytes(&self) -> u64 {
        (self.headers.len() + self.payload.len()) as u64
    }
}

impl OwnedPublication {
    pub(super) fn of(message: &Publication<'_>) -> OwnedPublication {
        OwnedPublication {
            subject: message.subject.into(),
            reply: message.reply.map(Box::from),
            headers: message.headers.into(),
            payload: match message.shared {
                Some(shared) => shared.clone(),
                None => Bytes::copy_from_slice(message.payload),
            },
            trace: message.trace,
        }
    }

    fn bytes(&self) -> u64 {
        self.borrow().bytes()
    }

    pub(super) fn borrow(&self) -> Publication<'_> {
        Publication {
            subject: &self.subject,
            reply: self.reply.as_deref(),
            headers: &self.headers,
            payload: &self.payload,
            shared: Some(&self.payload),
            trace: self.trace,
        }
    }
}

/// Publications that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: VecDeque<OwnedPublication>,
    bytes: u64,
}

impl Parked {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of headers and payloads.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn push_back(&mut self, message: OwnedPublication) {
        self.bytes += message.bytes();
        self.waiting.push_back(message);
    }

    pub(super) fn pop_front(&mut self) -> Option<OwnedPublication> {
        let message = self.waiting.pop_front()?;
        self.bytes -= message.bytes();
        Some(message)
    }

    /// Takes over what waits in another, behind what waits here.
    pub(super) fn append(&mut self, mut others: Parked) {
        self.bytes += others.bytes;
        self.waiting.append(&mut others.waiting);
    }
}

/// Declares the headers that a stream knows, with their names.
macro_rules! asked {
    ($($(#[$doc:meta])* $field:ident = $name:literal;)*) => {
        /// The values of the headers that a stream knows, each the first of its name.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(super) struct Asked<'a> {
            $($(#[$doc])* pub(super) $field: Option<&'a [u8]>,)*
        }

        impl<'a> Asked<'a> {
            fn note(&mut self, name: &[u8], value: &'a [u8]) {
                let place = match name {
                    $($name => &mut self.$field,)*
                    _ => return,
                };
                place.get_or_insert(value);
            }
        }
    };
}

asked! {
    msg_id = b"Nats-Msg-Id";
    expected_stream = b"Nats-Expected-Stream";
    expected_last_seq = b"Nats-Expected-Last-Sequence";
    expected_last_subject_seq = b"Nats-Expected-Last-Subject-Sequence";
    expected_last_subject = b"Nats-Expected-Last-Subject-Sequence-Subject";
    expected_last_msg_id = b"Nats-Expected-Last-Msg-Id";
    rollup = b"Nats-Rollup";
    ttl = b"Nats-TTL";
    increment = b"Nats-Incr";
    counter_sources = b"Nats-Counter-Sources";
    batch_id = b"Nats-Batch-Id";
    batch_sequence = b"Nats-Batch-Sequence";
    batch_commit = b"Nats-Batch-Commit";
    schedule = b"Nats-Schedule";
    schedule_time_zone = b"Nats-Schedule-Time-Zone";
    schedule_target = b"Nats-Schedule-Target";
    schedule_source = b"Nats-Schedule-Source";
    schedule_ttl = b"Nats-Schedule-TTL";
    schedule_rollup = b"Nats-Schedule-Rollup";
    scheduler = b"Nats-Scheduler";
    schedule_next = b"Nats-Schedule-Next";
    stream_source = b"Nats-Stream-Source";
    required_level = b"Nats-Required-Api-Level";
    request_info = b"Nats-Request-Info";
    marker_reason = b"Nats-Marker-Reason";
}

impl<'a> Asked<'a> {
    /// Reads a header block.
    pub(super) fn read(block: &'a [u8]) -> Asked<'a> {
        let mut asked = Asked::default();
        for (name, value) in header_lines(block) {
            // Seen of nats-server 2.15.2: a header without a value is none; only a commit is bad.
            let is_there = !value.is_empty() || name == b"Nats-Batch-Commit";
            if is_there && name.starts_with(b"Nats-") {
                asked.note(name, value);
            }
        }
        asked
    }
}

/// Names and values of a header block, in order, values without blanks around them.
pub(super) fn header_lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = match memchr::memchr(b'\n', block) {
        Some(first_line) => &block[first_line + 1..],
        None => &[],
    };
    std::iter::from_fn(move || {
        loop {
            let feed = memchr::memchr(b'\n', rest)?;
            let line = rest[..feed].strip_suffix(b"\r").unwrap_or(&rest[..feed]);
            rest = &rest[feed + 1..];
            if line.is_empty() {
                return None;
            }
            if let Some(colon) = memchr::memchr(b':', line) {
                return Some((&line[..colon], line[colon + 1..].trim_ascii()));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_by_their_exact_names() {
        let block = b"NATS/1.0\r\nNats-Msg-Id: a b \r\nnats-ttl:1\r\nNats-TTL:2s\r\n\
                      Nats-Msg-Id: later\r\nnonsense\r\nX-Other: 1\r\nNats-Rollup:\tsub\r\n\
                      Nats-Batch-Id:\r\nNats-Expected-Stream: \r\n\r\n";
        let asked = Asked::read(block);
        let expected = Asked {
            msg_id: Some(b"a b"),
            ttl: Some(b"2s"),
            rollup: Some(b"sub"),
            ..Asked::default()
        };
        assert_eq!(asked, expected);
        assert_eq!(header_lines(block).count(), 8);
    }

    #[test]
    fn any_bytes_are_read() {
        for block in [&b""[..], b"NATS/1.0", b"\r\n", b"NATS/1.0\r\nNats-TTL", b":\n:\n:"] {
            assert_eq!(Asked::read(block), Asked::default(), "{block:?}");
        }
    }
}
