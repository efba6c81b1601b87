//! Host check: what this host offers, against what a profile needs.
//!
//! `corewire check` runs this room and exits; a serving process never does. The room changes
//! nothing on the host (`scripts/tune-host` does), takes no options of the server and belongs to
//! no core.
//!
//! Invariants: everything is read through [`Host`], so that a test reads a folder instead; what
//! a host does not have is "not applicable", never a failure; only a *needed* item that is missed
//! fails the check.
//!
//! | file | what |
//! |---|---|
//! | `host.rs` | where items look: files under a root, and one try of io_uring |
//! | `cpu_list.rs` | sets of CPUs as the kernel writes them |
//! | `profile.rs` | the profiles, and how much an item weighs in each |
//! | `item.rs` | an item: its name, why it matters, how to look; and the list of all |
//! | `report.rs` | all items looked at: table, JSON, verdict |
//! | `kernel.rs` | kernel version, io_uring, clock source |
//! | `process.rs` | limits of the process and of its container |
//! | `cpu.rs` | governor, C-states, SMT, isolation |
//! | `memory.rs` | huge pages, NUMA |
//! | `network.rs` | IRQs, RPS, XPS, irqbalance, the NICs' node, listen queue |
//! | `disk.rs` | write cache, scheduler, the disks' node |

pub mod cpu;
pub mod cpu_list;
pub mod disk;
pub mod host;
pub mod item;
pub mod kernel;
pub mod memory;
pub mod network;
pub mod process;
pub mod profile;
pub mod report;

pub use host::{Host, Rooted};
pub use profile::Profile;
pub use report::{Form, Report};
