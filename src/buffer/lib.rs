//! Bytes on their way out: pooled chunks that many small messages share, refcounted payloads that
//! many connections share, and aligned blocks for the disk.
//!
//! This room never looks into the bytes and does no I/O. A pool belongs to one thread: a chunk
//! dropped on any thread goes to that thread's pool, so nothing here is locked.
//!
//! Invariants: a [`WriteChunk`] never grows, so what was written into it never moves; a pool keeps
//! at most a fixed number of free chunks and gives the rest back to the allocator.
//!
//! | file | what |
//! |---|---|
//! | `block.rs` | [`Block`]: aligned memory for direct I/O, and frozen slices of it |
//! | `chunk.rs` | [`WriteChunk`] and the thread's pool behind it |
//! | `segment.rs` | [`Segment`]: a chunk or a shared payload, with a cursor of what was sent |

pub mod block;
pub mod chunk;
pub mod segment;

pub use block::{BLOCK_ALIGN, Block, BlockSlice};
pub use chunk::WriteChunk;
pub use segment::Segment;
