//! Bodies in memory: headers and payloads of one memory stream, one behind the other in chunks.
//!
//! Nothing is allocated per message: a body is a few bytes behind the body before it. A chunk
//! goes back to the allocator when its last body is gone. Large payloads lie alone, refcounted.
//!
//! ```text
//! body   ├ headers: u32 ┤ payload: u32 ┤ headers … ┤ payload … ┤
//! large  ├ headers: u32 ┤ u32::MAX     ┤ headers … ┤ slot: u32 ┤
//! ```

use std::collections::VecDeque;

use bytes::Bytes;

/// A chunk takes bodies until it has this many bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// A payload from here on lies alone and refcounted, so that who sends it need not copy it.
const LARGE_BYTES: usize = 4096;

/// Bytes before headers and payload.
const LENGTHS: usize = 8;

/// Stands for the payload's length where the payload lies alone.
const ALONE: u32 = u32::MAX;

/// The bodies of one stream.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// The number of the front chunk.
    base: u32,
    chunks: VecDeque<Chunk>,
    large: Vec<Bytes>,
    large_vacant: Vec<u32>,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Bodies in it that are not gone.
    live: u32,
}

/// A body as it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) shared: Option<&'a Bytes>,
}

impl Arena {
    /// Keeps a body; where it lies.
    pub(crate) fn push(&mut self, headers: &[u8], payload: &[u8], shared: Option<&Bytes>) -> u64 {
        let alone = payload.len() >= LARGE_BYTES;
        let inline = if alone { 4 } else { payload.len() };
        let len = LENGTHS + headers.len() + inline;
        if self.chunks.back().is_none_or(|chunk| chunk.bytes.len() + len > CHUNK_BYTES) {
            self.chunks.push_back(Chunk::default());
        }
        let slot = alone.then(|| {
            let own = || Bytes::copy_from_slice(payload);
            self.keep_large(shared.map_or_else(own, Bytes::clone))
        });
        let number = self.base + self.chunks.len() as u32 - 1;
        let chunk = self.chunks.back_mut().expect("one was just made sure of");
        let offset = chunk.bytes.len() as u64;
        chunk.live += 1;
        chunk.bytes.extend_from_slice(&(headers.len() as u32).to_le_bytes());
        let second = if alone { ALONE } else { payload.len() as u32 };
        chunk.bytes.extend_from_slice(&second.to_le_bytes());
        chunk.bytes.extend_from_slice(headers);
        match slot {
            Some(slot) => chunk.bytes.extend_from_slice(&slot.to_le_bytes()),
            None => chunk.bytes.extend_from_slice(payload),
        }
        u64::from(number) << 32 | offset
    }

    fn keep_large(&mut self, payload: Bytes) -> u32 {
        match self.large_vacant.pop() {
            Some(slot) => {
                self.large[slot as usize] = payload;
                slot
            }
            None => {
                self.large.push(payload);
                self.large.len() as u32 - 1
            }
        }
    }

    /// The body at `at`, which is there.
    pub(crate) fn get(&self, at: u64) -> Body<'_> {
        let chunk = &self.chunks[((at >> 32) as u32 - self.base) as usize];
        let bytes = &chunk.bytes[at as u32 as usize..];
        let headers_len = read_u32(bytes, 0) as usize;
        let payload_len = read_u32(bytes, 4);
        let (headers, rest) = bytes[LENGTHS..].split_at(headers_len);
        if payload_len == ALONE {
            let shared = &self.large[read_u32(rest, 0) as usize];
            return Body { headers, payload: shared, shared: Some(shared) };
        }
        Body { headers, payload: &rest[..payload_len as usize], shared: None }
    }

    /// Lets go of the body at `at`, which is there.
    pub(crate) fn remove(&mut self, at: u64) {
        let index = ((at >> 32) as u32 - self.base) as usize;
        let bytes = &self.chunks[index].bytes[at as u32 as usize..];
        if read_u32(bytes, 4) == ALONE {
            let slot = read_u32(bytes, LENGTHS + read_u32(bytes, 0) as usize);
            self.large[slot as usize] = Bytes::new();
            self.large_vacant.push(slot);
        }
        let chunk = &mut self.chunks[index];
        chunk.live -= 1;
        if chunk.live == 0 {
            chunk.bytes = Vec::new();
        }
        while self.chunks.front().is_some_and(|chunk| chunk.live == 0) {
            self.chunks.pop_front();
            self.base += 1;
        }
    }
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
