//! The client protocol byte by byte, one test for each fact of `spec/client-protocol.md`; the
//! tests of one parity row begin with its id.
//!
//! `COREWIRE_BIN=$(which nats-server) cargo test --test protocol_raw` proves the tests themselves
//! on a real server. What is newer than that server says so and is left out there.

mod connect;
mod errors;
mod keep_alive;
mod lame_duck;
mod limits;
mod login;
mod proxy;
mod publish;
mod queue;
mod runs;
mod slow;
mod subjects;
mod subscribe;
mod trace;
