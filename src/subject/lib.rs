//! Subjects, wildcards and the interest index: who must get a message on a subject.
//!
//! One [`Interest`] holds one account's interest on one shard: the shard's own subscriptions in
//! full, the other shards' as presence and queue-group counts. It belongs to the core of its
//! shard and never leaves it. This room does no I/O, reads no clock, takes no lock and knows
//! neither connections nor permissions.
//!
//! Invariants: a stale plan is never taken for current; removal costs the same among a million
//! as alone; what is removed leaves nothing behind; bytes from outside never panic.
//!
//! | file | what |
//! |---|---|
//! | `name.rs` | valid subjects, tokens, the naive match |
//! | `interest.rs` | the index's door: insert, remove, other shards' interest, plan |
//! | `plan.rs` | the plan of one published subject |
//! | `cache.rs` | plans by subject, bounded |
//! | `door.rs` | which subjects are worth a place there |
//! | `generation.rs` | whether a plan is still current |
//! | `pattern.rs` | the patterns: literal ones by hash, wildcard ones by trie |
//! | `trie.rs` | wildcard patterns by token |
//! | `group.rs`, `queue_name.rs` | queue groups by pattern, and their names |
//! | `members.rs`, `remote.rs` | who hangs on a pattern or group: here, and on other shards |
//! | `transform.rs` | from one subject to another: mappings, imports, streams |
//! | `transform/function.rs` | the functions of a transform's destination |
//! | `slab.rs`, `table.rs` | records by slot, slots by hash; streams keep their subjects so too |
//! | `oracle.rs`, `fuzz.rs` | the naive twin and the fuzz entry; no server calls them |

mod cache;
mod door;
#[doc(hidden)]
pub mod fuzz;
mod generation;
mod group;
mod interest;
mod members;
pub mod name;
mod oracle;
mod pattern;
mod plan;
mod queue_name;
mod remote;
pub mod slab;
pub mod table;
pub mod transform;
mod trie;

pub use interest::{CachePolicy, Change, Interest, InterestStats, InvalidSubject, LocalHandle};
pub use plan::{Plan, QueuePlan, RemoteMembers};
pub use transform::{Transform, TransformError, TransformUse};
