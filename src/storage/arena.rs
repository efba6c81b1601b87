//! Hot path: bodies in memory: headers and payloads of one stream, one behind the other in
//! chunks, between the stream's index and whoever sends them.
//!
//! Nothing is allocated per message. A chunk goes back to the allocator when its last body is
//! gone; one that is mostly gone is emptied by moving what is left ([`Arena::sparse`]).
//! Large payloads lie alone, refcounted, so that who sends one need not copy it.
//!
//! ```text
//! body   ├ sequence: u64 ┤ headers: u32 ┤ payload: u32 ┤ headers … ┤ payload … ┤
//! large  ├ sequence: u64 ┤ headers: u32 ┤ u32::MAX     ┤ headers … ┤ slot: u32 ┤
//! ```

use bytes::Bytes;

use crate::Seq;

/// A chunk takes bodies until it has this many bytes; one that is longer gets its own.
const CHUNK_BYTES: usize = 128 << 10;

/// A payload from here on lies alone.
const LARGE_BYTES: usize = 4096;

/// Bytes before headers and payload.
const HEAD: usize = 16;
const HEADERS_AT: usize = 8;
const PAYLOAD_AT: usize = 12;

/// Stands for the payload's length where the payload lies alone.
const ALONE: u32 = u32::MAX;

/// The bodies of one stream.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    chunks: Vec<Chunk>,
    /// Chunks that hold nothing, to be used again.
    vacant: Vec<ChunkId>,
    /// The chunk that takes the next body.
    open: Option<ChunkId>,
    /// Chunks that are mostly gone.
    sparse: Vec<ChunkId>,
    large: Vec<Bytes>,
    large_vacant: Vec<u32>,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Bytes of bodies that are not gone.
    live: usize,
}

/// The place of a chunk in its arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkId(u32);

/// A body as it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) shared: Option<&'a Bytes>,
}

/// The bodies of a chunk that was taken out, gone ones included.
#[derive(Debug)]
pub(crate) struct Evacuated {
    id: ChunkId,
    bytes: Vec<u8>,
}

impl Arena {
    /// Keeps a body; its address. Addresses rise by what bodies take, chunks one after the other.
    pub(crate) fn push(
        &mut self,
        seq: Seq,
        headers: &[u8],
        payload: &[u8],
        shared: Option<&Bytes>,
    ) -> u64 {
        let alone = payload.len() >= LARGE_BYTES;
        let inline = if alone { size_of::<u32>() } else { payload.len() };
        let id = self.make_room(HEAD + headers.len() + inline);
        let slot = alone.then(|| {
            let own = || Bytes::copy_from_slice(payload);
            self.keep_large(shared.map_or_else(own, Bytes::clone))
        });
        let chunk = &mut self.chunks[id.index()];
        let start = chunk.bytes.len();
        let second = if alone { ALONE } else { payload.len() as u32 };
        chunk.bytes.extend_from_slice(&seq.0.to_le_bytes());
        chunk.bytes.extend_from_slice(&(headers.len() as u32).to_le_bytes());
        chunk.bytes.extend_from_slice(&second.to_le_bytes());
        chunk.bytes.extend_from_slice(headers);
        match slot {
            Some(slot) => chunk.bytes.extend_from_slice(&slot.to_le_bytes()),
            None => chunk.bytes.extend_from_slice(payload),
        }
        chunk.live += chunk.bytes.len() - start;
        id.address(start)
    }

    /// The chunk that takes the next `len` bytes.
    #[inline]
    fn make_room(&mut self, len: usize) -> ChunkId {
        match self.open {
            Some(open) if self.chunks[open.index()].has_room(len) => open,
            _ => self.open_chunk(len),
        }
    }

    #[cold]
    fn open_chunk(&mut self, len: usize) -> ChunkId {
        if let Some(full) = self.open
            && self.chunks[full.index()].is_sparse()
        {
            self.sparse.push(full);
        }
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk::default());
            ChunkId(self.chunks.len() as u32 - 1)
        });
        // A stream's first chunk grows with it; who filled one will fill another.
        let capacity = if self.open.is_none() { len } else { CHUNK_BYTES.max(len) };
        self.chunks[id.index()].bytes.reserve_exact(capacity);
        self.open = Some(id);
        id
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

    /// The body at an address, which is there.
    #[inline]
    pub(crate) fn get(&self, at: u64) -> Body<'_> {
        let (id, start) = ChunkId::of(at);
        let bytes = &self.chunks[id.index()].bytes[start..];
        let headers_len = read_u32(bytes, HEADERS_AT) as usize;
        let payload_len = read_u32(bytes, PAYLOAD_AT);
        let (headers, rest) = bytes[HEAD..].split_at(headers_len);
        if payload_len == ALONE {
            let shared = &self.large[read_u32(rest, 0) as usize];
            return Body { headers, payload: shared, shared: Some(shared) };
        }
        Body { headers, payload: &rest[..payload_len as usize], shared: None }
    }

    /// Overwrites the body at an address, which is there and about to go.
    pub(crate) fn erase(&mut self, at: u64) {
        let (id, start) = ChunkId::of(at);
        let bytes = &mut self.chunks[id.index()].bytes[start..];
        let headers_len = read_u32(bytes, HEADERS_AT) as usize;
        let payload_len = match read_u32(bytes, PAYLOAD_AT) {
            // The slot stays; the payload goes with its last reader.
            ALONE => 0,
            len => len as usize,
        };
        bytes[HEAD..HEAD + headers_len + payload_len].fill(0);
    }

    /// Lets go of the body at an address, which is there.
    pub(crate) fn remove(&mut self, at: u64) {
        let (id, start) = ChunkId::of(at);
        let bytes = &self.chunks[id.index()].bytes[start..];
        let len = record_len(bytes);
        if read_u32(bytes, PAYLOAD_AT) == ALONE {
            let slot = read_u32(bytes, len - size_of::<u32>());
            self.large[slot as usize] = Bytes::new();
            self.large_vacant.push(slot);
        }
        let chunk = &mut self.chunks[id.index()];
        let was_sparse = chunk.is_sparse();
        chunk.live -= len;
        match (self.open == Some(id), chunk.live) {
            (true, 0) => chunk.bytes.clear(),
            (true, _) => {}
            (false, 0) => {
                *chunk = Chunk::default();
                self.sparse.retain(|&sparse| sparse != id);
                self.vacant.push(id);
            }
            (false, _) if chunk.is_sparse() && !was_sparse => self.sparse.push(id),
            (false, _) => {}
        }
    }

    /// A chunk that is mostly gone; what is left in it should be moved.
    pub(crate) fn sparse(&mut self) -> Option<ChunkId> {
        self.sparse.pop()
    }

    /// Takes a chunk out, so that what is left in it can be put back elsewhere.
    pub(crate) fn evacuate(&mut self, id: ChunkId) -> Evacuated {
        let bytes = std::mem::take(&mut self.chunks[id.index()].bytes);
        self.chunks[id.index()].live = 0;
        Evacuated { id, bytes }
    }

    /// Puts back a body of an evacuated chunk; its new address.
    pub(crate) fn put_back(&mut self, record: &[u8]) -> u64 {
        let id = self.make_room(record.len());
        let chunk = &mut self.chunks[id.index()];
        let start = chunk.bytes.len();
        chunk.bytes.extend_from_slice(record);
        chunk.live += record.len();
        id.address(start)
    }

    /// Ends an evacuation; the chunk may be used again.
    pub(crate) fn finish(&mut self, evacuated: Evacuated) {
        self.vacant.push(evacuated.id);
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum::<usize>();
        let large = self.large.iter().map(Bytes::len).sum::<usize>();
        chunks
            + large
            + self.chunks.capacity() * size_of::<Chunk>()
            + self.large.capacity() * size_of::<Bytes>()
    }
}

impl Evacuated {
    /// Each body's old address, sequence and bytes.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u64, Seq, &[u8])> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let bytes = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
            let len = record_len(bytes);
            let address = self.id.address(start);
            start += len;
            let seq = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
            Some((address, Seq(seq), &bytes[..len]))
        })
    }
}

impl Chunk {
    #[inline]
    fn is_sparse(&self) -> bool {
        self.live < self.bytes.len() / 2
    }

    #[inline]
    fn has_room(&self, len: usize) -> bool {
        self.bytes.len() + len <= CHUNK_BYTES
    }
}

impl ChunkId {
    fn index(self) -> usize {
        self.0 as usize
    }

    fn address(self, start: usize) -> u64 {
        u64::from(self.0) * CHUNK_BYTES as u64 + start as u64
    }

    #[inline]
    fn of(address: u64) -> (ChunkId, usize) {
        let chunk = CHUNK_BYTES as u64;
        (ChunkId((address / chunk) as u32), (address % chunk) as usize)
    }
}

/// How long the record is that begins here.
fn record_len(bytes: &[u8]) -> usize {
    let payload = match read_u32(bytes, PAYLOAD_AT) {
        ALONE => size_of::<u32>(),
        len => len as usize,
    };
    HEAD + read_u32(bytes, HEADERS_AT) as usize + payload
}

#[inline]
fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
