//! Subjects, wildcards and the interest index: who must get a message on a subject.
//!
//! One [`Interest`] holds one account's interest on one shard: the shard's own subscriptions in
//! full, the other shards' as presence and queue-group counts. It belongs to the core of its
//! shard and never leaves it. This room does no I/O, reads no clock, takes no lock and knows
//! neither connections nor permissions.
//!
//! | file | what |
//! |---|---|
//! | `name.rs` | valid subjects, tokens, the naive match |
//! | `interest.rs` | the index's door: insert, remove, other shards' interest, plan |
//! | `plan.rs` | the plan of one published subject |
//! | `generation.rs` | whether a plan is still current |

mod generation;
mod interest;
pub mod name;
mod plan;

pub use interest::{CachePolicy, Change, Interest, InvalidSubject, LocalHandle};
pub use plan::{Plan, QueuePlan, RemoteMembers};
