//! Consumers: who reads a stream, how far each is, and what each has yet to acknowledge.
//!
//! | file | what |
//! |---|---|
//! | `config.rs` | the configuration's fields |
//! | `rules.rs` | defaults and the rules of create |
//! | `update.rs` | what may be changed later |
//! | `levels.rs` | the API level a consumer needs |

pub mod config;
pub mod levels;
pub mod rules;
pub mod update;

pub use config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy};
pub use rules::{Corrections, Setting};
