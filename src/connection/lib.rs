//! One connection, any transport, any dialect: bytes are read and handed to the dialect, what the
//! shard queued is written, silence is noticed, and an end comes to everything.
//!
//! This room never parses an operation and never touches a socket: the dialect does the one, the
//! `runtime` room's network the other. A connection lives on one core for its whole life.
//!
//! Invariants: a connection has at most one send under way; bytes are handed to the dialect in
//! order and only while it is not paused; an idle connection holds neither read nor write
//! buffer; a slot is free again only when its socket is closed and its subscriptions are gone.
//!
//! | file | what |
//! |---|---|
//! | `dialect.rs` | the seam: what a connection's language must answer |
//! | `connection.rs` | one connection and its states |
//! | `connections.rs` | a core's connections: opening, events, closing |
//! | `events.rs` | what the rest of the process hears of connections that come and go |
//! | `reading.rs` | bytes in: the dialect's appetite, partial operations, pauses |
//! | `partial.rs` | the bytes of an operation that is not complete |
//! | `waiting.rs` | when the bytes came that a paused connection keeps |
//! | `announced.rs` | the header of a proxy before everything else |
//! | `secure.rs` | TLS between the network's bytes and the dialect's |
//! | `writing.rs` | bytes out: one send a connection a turn, deadlines, slow consumers |
//! | `liveness.rs` | PING, PONG and when a connection is stale |
//! | `reconfigure.rs` | open connections obey new settings |
//! | `deadlines.rs` | which connection to look at next |

mod announced;
mod connection;
mod connections;
mod deadlines;
mod dialect;
mod events;
mod liveness;
mod partial;
mod reading;
mod reconfigure;
mod secure;
mod waiting;
mod writing;

pub use connection::Link;
pub use connections::{Connections, Limits, Rest, Turn};
pub use dialect::{Context, Dialect, Input, Next, Pause, Progress, Reconfigured};
pub use events::{Outside, Taken, Tell};
pub use liveness::Liveness;
