//! The NATS client wire, sans-I/O: bytes in, operations out; messages in, bytes out.
//!
//! This room never reads a socket or a clock, keeps no state between calls, knows no connection,
//! and judges no subject (that is the room `subject`). It belongs to no core: every function is
//! pure, and what it returns borrows from what it was given.
//!
//! Invariants:
//! - What [`parse()`] answers depends on the bytes alone, never on where reads happened to end.
//! - [`Parsed::Incomplete`] always asks for more than is there; [`Parsed::Op`] consumes at least
//!   one byte and never more than is there.
//! - No input panics. Memory for one unfinished control line is bounded by
//!   [`ParseLimits::control_line_max`], for one unfinished message by [`ParseLimits::payload_max`].
//! - A canonical [`Publish`] is, byte for byte, a MSG without its sid; so delivery copies.
//!
//! | file | what |
//! |---|---|
//! | `parse.rs` | one operation from the start of a buffer |
//! | `arguments.rs` | the arguments of PUB, HPUB, SUB and UNSUB |
//! | `violation.rs` | what a client can do wrong, and what it is told |
//! | `publish.rs` | one message as bytes: views, layout for other cores, canonical form |
//! | `run.rs` | messages one behind another that differ in their payload only |
//! | `encode.rs` | MSG and HMSG from a publish and a sid; the fixed replies |
//! | `error.rs` | every `-ERR` text, Go's `%q` |
//! | `close_reason.rs` | why a connection ended, in NATS's words |
//! | `info.rs` | INFO to clients, and the check of an INFO that a client sends |
//! | `connect.rs` | CONNECT decoded over defaults, and redacted for the log |
//! | `headers.rs` | look-ups in a header block; the 503 block |
//! | `proxy.rs` | the header by which a proxy says whose connection it passes on |
//! | `fuzz.rs` | fuzz entries with their corpus in `corpus/` |

mod arguments;
pub mod close_reason;
pub mod connect;
pub mod encode;
pub mod error;
#[doc(hidden)]
pub mod fuzz;
pub mod headers;
pub mod info;
pub mod parse;
pub mod proxy;
pub mod publish;
pub mod run;
pub mod violation;

pub use close_reason::CloseReason;
pub use connect::{Connect, ConnectError};
pub use encode::{Delivery, HeaderSupport, put};
pub use error::ErrorText;
pub use info::Info;
pub use parse::{Op, ParseLimits, Parsed, parse, parse_publish};
pub use publish::{Layout, MessageParts, Publish, canonical};
pub use run::Run;
pub use violation::{ArgumentFault, Violation};
