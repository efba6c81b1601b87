//! How cores talk: single-producer rings of byte records, their mesh, and the doorbell that
//! wakes a sleeping core.
//!
//! This room never blocks, never does I/O, reads no clock and does not know what a record says.
//! It belongs to no core: a [`MeshEnd`] is made by [`mesh()`], moved to its shard's thread, and
//! from then on used by that thread alone. What two cores share is listed in the files below and
//! nowhere else.
//!
//! Invariants:
//! - a ring has one producer and one consumer, by type; neither end can be cloned;
//! - a record is seen whole or not at all, in the order in which it was sent;
//! - a full ring never blocks and loses no interest: records wait in the sender's spill queue;
//! - no data is published while interest sent before it is not (design §4 rule 2);
//! - a core that sleeps is rung for whatever it waits for: records, space, applied interest.
//!
//! | file | what |
//! |---|---|
//! | `byte_ring.rs` | one SPSC ring of byte records, written and read in place |
//! | `lane.rs` | a ring with payloads travelling beside it and the sender's spill queue |
//! | `applied.rs` | per ordered pair: how much of the source's interest the peer has applied |
//! | `mesh.rs` | one shard's end of all its lanes: send, flush, drain |
//! | `doorbell.rs` | the sleep protocol: who is asleep, who rings |
//! | `sync.rs` | atomics, from std or from loom |
//! | `loom_models.rs` | the protocols under every interleaving (`--cfg loom`) |
//! | `examples/ring_bench.rs` | nanoseconds a record between two threads |

pub mod applied;
pub mod byte_ring;
pub mod doorbell;
pub mod lane;
#[cfg(all(test, loom))]
mod loom_models;
pub mod mesh;
mod sync;

pub use applied::InterestSeq;
pub use doorbell::{Doorbell, Sleepers};
pub use lane::{SendError, Sent, Spill};
pub use mesh::{Drained, Incoming, MeshEnd, Outgoing, Receive, Sizes, mesh};
