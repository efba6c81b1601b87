//! The heart of one core, synchronous: a message comes in by the door [`Shard::publish`], is
//! matched once, and leaves through the [`Outbox`] of each connection it is for, here or, over a
//! ring, on other cores.
//!
//! This room never touches a socket, reads no clock, logs nothing and waits for nothing. A shard
//! belongs to one core and shares nothing but its counters.
//!
//! Invariants, the rules of design §4:
//! 1. what a connection subscribed to counts as visible once [`Shard::is_visible`] says that every
//!    other shard has applied it;
//! 2. interest that came over a ring is applied before data that came after it (room `ring`);
//! 3. one publisher's messages reach one subscriber in order: one ring, one outbox;
//! 4. a full ring never blocks: what does not fit spills, and [`Shard::is_congested`] tells
//!    connections to stop reading;
//! 5. an outbox over its bound is cut off; its publishers never notice;
//! 6. a plan is used only while the index says that it is current.
//!
//! | file | what |
//! |---|---|
//! | `shard.rs` | the shard's parts, its connections' doors, housekeeping |
//! | `publish.rs` | a message from a connection: match, fan-out, queue picks, frames |
//! | `crossing.rs` | messages that leave their account |
//! | `answers.rs` | how the answers to such requests come back |
//! | `arrivals.rs` | what other shards send: interest, messages, stalls |
//! | `delivery.rs` | one message to one subscription |
//! | `leaving.rs` | queue groups whose members all leave while messages for them are under way |
//! | `subscriptions.rs` | subscribe, unsubscribe, the table of a shard's subscriptions |
//! | `service.rs` | subscribers inside the server, and their mailboxes |
//! | `audience.rs` | who listens on a subject, and whether they keep up |
//! | `with_clients.rs` | what a service listens to wherever there are clients |
//! | `guard.rs` | what a connection with permissions may get and answer |
//! | `membership.rs` | which account a connection is in |
//! | `outbox.rs` | bounded bytes for one connection |
//! | `dwell.rs` | when the messages came that are being delivered |
//! | `tracing.rs` | messages whose way is told, step by step |
//! | `trace_lines.rs` | headers and payloads in the lines of `-V` |
//! | `latency.rs` | how long services take to answer, where that is published |
//! | `batch.rs` | small messages on their way to another shard, collected into one record |
//! | `frame.rs` | how records on the rings are laid out |
//! | `look_ahead.rs` | the next few subjects' cache misses, overlapped |
//! | `message.rs` | a canonical message, with its refcounted bytes where it has them |

mod answers;
mod arrivals;
mod audience;
mod batch;
mod crossing;
mod delivery;
mod dwell;
mod frame;
mod guard;
mod latency;
mod leaving;
mod look_ahead;
mod membership;
mod message;
mod outbox;
mod publish;
mod service;
mod shard;
mod subscriptions;
mod trace_lines;
mod tracing;
mod with_clients;

pub use answers::AnswerService;
pub use audience::{Audience, Listeners, Presence};
pub use crossing::RequestInfo;
pub use guard::Revoked;
pub use message::Message;
pub use outbox::Outbox;
pub use publish::{Echo, Published, Publisher, Reached};
pub use service::{Letter, Mailbox, Sender, Service, ServiceTurn, StreamPage};
pub use shard::{Settings, Shard};
pub use subscriptions::{Listed, SubscribeOutcome, Subscription};
pub use trace_lines::{TraceLines, Traced, Tracer};
pub use tracing::{TraceKind, TraceMark};
