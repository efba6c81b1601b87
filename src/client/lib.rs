//! The client dialect: what a NATS client may say, and what it is told
//! (spec/client-protocol.md).
//!
//! This room never touches a socket and never matches a subject; it parses with `protocol`,
//! checks, and calls the shard's door. A client lives on its connection's core.
//!
//! Invariants: operations take effect in the order in which they were sent; a PONG goes out only
//! when all that the client subscribed to before its PING is in force on every core; what closes
//! a connection, and with which words, is what spec §3 says.
//!
//! | file | what |
//! |---|---|
//! | `client.rs` | one client: its state, its operations in turn |
//! | `settings.rs` | what all clients of a server have in common |
//! | `reconfigure.rs` | new settings, and who may not stay |
//! | `connect.rs` | CONNECT: what the client wants |
//! | `login.rs` | who it is, and in which account |
//! | `known_by.rs` | by what it is known in the log and in monitoring |
//! | `applicant.rs` | what a service is told that says who may come in |
//! | `request_info.rs` | what it tells of itself to services of other accounts |
//! | `tracing.rs` | messages whose publishers want to see their ways |
//! | `publish.rs` | PUB and HPUB |
//! | `subscribe.rs` | SUB and UNSUB |
//! | `ping.rs` | PING, PONG, keep-alive |
//! | `info.rs` | the INFO lines |
//! | `trace.rs` | protocol trace lines |

mod applicant;
mod client;
mod connect;
mod info;
mod known_by;
mod login;
mod ping;
mod publish;
mod reconfigure;
mod request_info;
mod settings;
mod subscribe;
mod trace;
mod tracing;

pub use client::Client;
pub use settings::{Current, Settings};
