//! Where the bodies of one stream lie: in an arena of its own, or in the core's log.

use crate::arena::Arena;
use crate::blocks::Entry;
use crate::log::{At, StreamNumber};

/// The bodies of one stream.
#[derive(Debug)]
pub(crate) enum Bodies {
    /// In memory.
    Arena(Arena),
    /// In the log, under this number.
    Log(StreamNumber),
}

impl Bodies {
    /// The stream's number in the log, if it is there.
    pub(crate) fn number(&self) -> Option<StreamNumber> {
        match self {
            Bodies::Arena(_) => None,
            Bodies::Log(number) => Some(*number),
        }
    }
}

/// Where a body lies, as the index keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyPlace {
    /// In the terms of the store that has it.
    pub(crate) at: u64,
    /// By how much its record in the log is shorter for being compressed.
    pub(crate) saved_bytes: u32,
}

/// Where the record of a message lies in the log, and what its length depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InLog {
    pub(crate) at: At,
    /// Whether it has a time to live, which takes eight bytes.
    pub(crate) has_due: bool,
    /// By how much compression made it shorter.
    pub(crate) saved_bytes: u32,
}

/// A record is longer than what its message counts for by this; see [`crate::Kind::size_of`].
const RECORD_EXTRA: u32 = 2;

/// A time to live in a record.
const DUE_BYTES: u32 = 8;

impl InLog {
    /// As the index keeps it.
    #[inline]
    pub(crate) fn pack(self) -> BodyPlace {
        let at = self.at.0 << 1 | u64::from(self.has_due);
        BodyPlace { at, saved_bytes: self.saved_bytes }
    }

    /// What the index knows.
    #[inline]
    pub(crate) fn of(entry: &Entry) -> InLog {
        let Entry { at, saved_bytes, .. } = *entry;
        InLog { at: At(at >> 1), has_due: at & 1 == 1, saved_bytes }
    }

    /// The record's length if its message counts for `size` bytes.
    #[inline]
    pub(crate) fn record_bytes(self, size: u32) -> u32 {
        self.plain_record_bytes(size) - self.saved_bytes
    }

    /// The length that it would have if its content were as it came.
    #[inline]
    pub(crate) fn plain_record_bytes(self, size: u32) -> u32 {
        size + RECORD_EXTRA + if self.has_due { DUE_BYTES } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::log::{Compressed, Content, NewMessage};
    use crate::subjects::SubjectId;

    #[test]
    fn the_length_of_a_record_follows_from_what_its_message_counts_for() {
        for (headers, due_ns) in [(0, 0), (0, 9), (40, 0), (40, 9)] {
            let headers = vec![b'h'; headers];
            let payload = [b'p'; 70];
            let plain = Content::Plain { headers: &headers, payload: &payload };
            let compressed = Content::Compressed(Compressed {
                headers_bytes: headers.len() as u32,
                plain_bytes: (headers.len() + payload.len()) as u32,
                dictionary: 1,
                bytes: b"much less",
            });
            for content in [plain, compressed] {
                let message = NewMessage {
                    stream: StreamNumber(1),
                    sequence: 7,
                    time_ns: 5,
                    due_ns,
                    subject: b"a.b",
                    content,
                };
                let size = Kind::File.size_of(3, headers.len(), payload.len()) as u32;
                let saved_bytes = (message.plain_record_bytes() - message.record_bytes()) as u32;
                let place = InLog { at: At(5 << 32 | 9), has_due: due_ns != 0, saved_bytes };
                assert_eq!(place.record_bytes(size) as usize, message.record_bytes());
                assert_eq!(saved_bytes > 0, content == compressed);
                let (subject, time_ns) = (SubjectId(0), 5);
                let BodyPlace { at, saved_bytes } = place.pack();
                let entry = Entry { subject, size, time_ns, at, saved_bytes };
                assert_eq!(InLog::of(&entry), place);
            }
        }
    }
}
