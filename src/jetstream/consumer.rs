//! Consumers: who reads a stream, how far each is, and what each has yet to acknowledge.
//!
//! A consumer is a state machine of its stream's core: letters, stored messages and time come in,
//! deliveries, status messages and advisories go out. It reads through the room `storage`.
//!
//! | file | what |
//! |---|---|
//! | `set.rs` | all consumers of one stream: the door for the service and for the stream |
//! | `engine.rs` | one consumer: its parts, its timers, its end |
//! | `delivery.rs`, `budget.rs` | messages to those who take them, and how many a turn |
//! | `acks.rs`, `ack.rs` | acknowledgements: what they do, how they are written |
//! | `reply_form.rs` | what their subjects, and those of flow control, begin with |
//! | `pulls.rs`, `request.rs`, `waiting.rs` | pull requests: handled, read, queued |
//! | `push.rs` | push consumers: interest, heartbeats, flow control |
//! | `lead.rs` | how far a consumer is ahead of who receives |
//! | `pins.rs` | priority groups with a pinned client |
//! | `pace.rs` | replay with the original pauses, rate limit |
//! | `cursor.rs` | where a consumer stands, and what is still to come |
//! | `pending.rs` | what is delivered and not acknowledged |
//! | `status.rs` | status messages, exactly as written |
//! | `advisory.rs`, `info.rs` | what is told about a consumer |
//! | `kept.rs`, `state.rs`, `reset.rs` | what survives a restart; starting over |
//! | `backup.rs` | consumers in backups |
//! | `create.rs` | requests to create: names, and what is there already |
//! | `config.rs`, `rules.rs`, `update.rs`, `levels.rs` | the configuration and its rules |
//! | `simulation.rs` | a stream and a recorder for tests |

mod ack;
mod acks;
mod advisory;
mod backup;
mod budget;
mod config;
mod create;
mod cursor;
mod delivery;
mod engine;
mod info;
pub(crate) mod kept;
mod lead;
pub mod levels;
mod pace;
mod pending;
mod pins;
mod pulls;
mod push;
mod reply_form;
mod request;
mod reset;
mod rules;
mod set;
#[cfg(test)]
mod simulation;
mod state;
mod status;
pub mod update;
mod waiting;

pub use advisory::{Event, Sequences};
pub use backup::ConsumerBackup;
pub use budget::{Budget, Company};
pub use config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy};
pub use create::{Action, CreateRequest, Form, Made};
pub use engine::{Birth, Consumer, Desk, Home, Persistence};
pub use info::{ConsumerInfo, PriorityGroupState, SequenceInfo};
pub use kept::{KEPT_CONFIG, KEPT_STATE, Lost};
pub use reply_form::{ReplyForm, ReplyScope};
pub use rules::{Corrections, Setting, admit, check_name};
pub use set::{ConsumerPlace, Consumers, End};
