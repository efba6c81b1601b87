//! One piece of what a connection sends: a chunk of its own, or a payload that others send too.

use bytes::Bytes;

use crate::WriteChunk;

/// Bytes to send and how many of them are already gone. `0 <= sent <= len` always.
#[derive(Debug)]
pub struct Segment {
    source: Source,
    sent: usize,
}

#[derive(Debug)]
enum Source {
    Chunk(WriteChunk),
    Shared(Bytes),
}

impl Segment {
    /// A segment that owns its chunk.
    pub fn chunk(chunk: WriteChunk) -> Segment {
        Segment { source: Source::Chunk(chunk), sent: 0 }
    }

    /// A segment over refcounted bytes.
    pub fn shared(bytes: Bytes) -> Segment {
        Segment { source: Source::Shared(bytes), sent: 0 }
    }

    /// What is still to be sent.
    #[inline]
    pub fn unsent(&self) -> &[u8] {
        let all = match &self.source {
            Source::Chunk(chunk) => chunk.bytes(),
            Source::Shared(bytes) => bytes,
        };
        &all[self.sent..]
    }

    /// Marks `len` more bytes as sent; `len` must not exceed what is unsent.
    #[inline]
    pub fn advance(&mut self, len: usize) {
        assert!(len <= self.unsent().len(), "sent more than there was");
        self.sent += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advances_through_either_source() {
        let mut chunk = WriteChunk::small();
        chunk.append(b"abc");
        for mut segment in [Segment::chunk(chunk), Segment::shared(Bytes::from_static(b"abc"))] {
            segment.advance(1);
            assert_eq!(segment.unsent(), b"bc");
            segment.advance(2);
            assert!(segment.unsent().is_empty());
        }
    }
}
