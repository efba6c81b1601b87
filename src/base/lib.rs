//! What every room speaks: ids, sets of shards, counters, log lines and snapshots.
//!
//! This room never does I/O, reads no clock and knows no protocol. It belongs to no core: its
//! values are plain data, and the only things shared between threads are single-writer counters
//! ([`counters`]) and the bounded log queue ([`log`]).
//!
//! | file | what |
//! |---|---|
//! | `ids.rs` | newtypes for shards, connections, accounts, subscriptions, queue groups |
//! | `shard_set.rs` | a set of shards in one word |
//! | `client_info.rs` | a client as others are told of it: one shape for all of them |
//! | `counters.rs` | the one list of per-core counters, and of durations |
//! | `histogram.rs` | durations in log-linear buckets, single writer |
//! | `decimal.rs` | numbers written and read in decimal |
//! | `log.rs` | levels, log lines and the handle by which a shard logs without blocking |
//! | `time.rs` | the two clocks as one value, read once a turn |
//! | `observed.rs` | what a core saw and the control thread words: times of services, traces |
//! | `snapshot.rs` | immutable pictures of a shard and its connections, for monitoring |

mod client_info;
pub mod counters;
pub mod decimal;
pub mod histogram;
pub mod ids;
pub mod log;
pub mod observed;
pub mod shard_set;
pub mod snapshot;
pub mod time;

pub use client_info::ClientInfo;
pub use counters::{Counter, Counters, Timing};
pub use histogram::Distribution;
pub use ids::{AccountId, ClientId, ConnSlot, QueueId, ServiceId, ShardId, SubKey};
pub use log::{Level, Log, Verbosity};
pub use shard_set::{SHARDS_MAX, ShardSet};
pub use time::Now;
