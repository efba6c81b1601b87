//! What the outside world looks like to a core: a clock, a network, a disk, a pinned executor. Each
//! is a trait with a real implementation and a simulated twin.
//!
//! This room never looks into the bytes it carries and knows no connection's meaning. Everything
//! here belongs to one core, except [`host`], which only reads what the host allows.
//!
//! Invariants: a socket's slot is free again only after [`Event::Closed`], which comes once and
//! last; bytes of a [`ReadChunk`] stand until it is recycled; a core sleeps in one place, its own
//! ring, with glommio's ring descriptors watched.
//!
//! | file | what |
//! |---|---|
//! | `clock.rs` | the clock trait, the system's clocks, the simulated one |
//! | `network.rs` | the network trait: events in, commands out |
//! | `uring.rs` | the network over one io_uring per core |
//! | `disk.rs` | the disk trait: operations in, completions out; files for who may wait |
//! | `system_files.rs` | the machine's files for start-up and tools |
//! | `uring/disk.rs` | the disk over the same io_uring |
//! | `simulated_disk.rs` | the disk of a test: tears writes, loses them, fails |
//! | `uring/read_buffers.rs` | the provided-buffer ring into which the kernel receives |
//! | `uring/sockets.rs` | what the ring knows of each socket, and the sends under way |
//! | `uring/tuning.rs` | what a profile changes in a ring that stands |
//! | `socket_calls.rs` | socket options that a listener hands down, and other calls on sockets |
//! | `topology.rs` | hardware threads, NUMA nodes and network cards, as `/sys` tells |
//! | `layout.rs` | which cores have a shard, and where the control thread runs |
//! | `simulated.rs` | the network of a test: any number of cores on one thread |
//! | `executor.rs` | one pinned glommio executor per shard |
//! | `host.rs` | what this host offers: cores, quotas, locked memory, io_uring |
//! | `probe.rs` | one try of io_uring before there is a core |

pub mod clock;
pub mod disk;
pub mod executor;
pub mod host;
pub mod layout;
pub mod network;
pub mod probe;
pub mod simulated;
pub mod simulated_disk;
pub mod socket_calls;
pub mod system_files;
pub mod topology;
pub mod uring;

pub use clock::{Clock, SystemClock};
pub use disk::{Disk, Files};
pub use network::{Event, Network, ReadChunk, Socket, Wait};
pub use uring::Uring;
