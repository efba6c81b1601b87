//! Who may connect: a token, a user and password, or anyone.
//!
//! This room never speaks to a client and logs no secret. It belongs to no core: every shard has
//! its own copy of the same immutable rules.
//!
//! Invariants: a comparison takes as long for a wrong secret as for a right one of its length;
//! what is denied says nothing about why.
//!
//! | file | what |
//! |---|---|
//! | `authenticator.rs` | credentials against the configured rules |

mod authenticator;

pub use authenticator::{Authenticator, Credentials, Denied, Identity};
