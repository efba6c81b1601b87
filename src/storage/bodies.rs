//! Where the bodies of one stream lie: in an arena of its own, or in the core's log.

use crate::arena::Arena;
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

/// Where the record of a message lies in the log, and what its length depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InLog {
    pub(crate) at: At,
    /// Whether it has a time to live, which takes eight bytes.
    pub(crate) has_due: bool,
}

/// A record is longer than what its message counts for by this; see [`crate::Kind::size_of`].
const RECORD_EXTRA: u32 = 2;

/// A time to live in a record.
const DUE_BYTES: u32 = 8;

impl InLog {
    /// As the index keeps it.
    #[inline]
    pub(crate) fn pack(self) -> u64 {
        self.at.0 << 1 | u64::from(self.has_due)
    }

    #[inline]
    pub(crate) fn unpack(at: u64) -> InLog {
        InLog { at: At(at >> 1), has_due: at & 1 == 1 }
    }

    /// The record's length if its message counts for `size` bytes.
    #[inline]
    pub(crate) fn record_bytes(self, size: u32) -> u32 {
        size + RECORD_EXTRA + if self.has_due { DUE_BYTES } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::log::NewMessage;

    #[test]
    fn the_length_of_a_record_follows_from_what_its_message_counts_for() {
        for (headers, due_ns) in [(0, 0), (0, 9), (40, 0), (40, 9)] {
            let headers = vec![b'h'; headers];
            let message = NewMessage {
                stream: StreamNumber(1),
                sequence: 7,
                time_ns: 5,
                due_ns,
                subject: b"a.b",
                headers: &headers,
                payload: b"payload",
            };
            let size = Kind::File.size_of(3, headers.len(), 7) as u32;
            let place = InLog { at: At(5 << 32 | 9), has_due: due_ns != 0 };
            assert_eq!(place.record_bytes(size) as usize, message.record_bytes());
            assert_eq!(InLog::unpack(place.pack()), place);
        }
    }
}
