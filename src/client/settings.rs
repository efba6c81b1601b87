//! What all clients of a server have in common: immutable, one for all cores. A reload makes a
//! new one, which each core puts into its [`Current`] between two turns.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use protocol::Info;
use security::{Desk, Directory};
use shard::TraceLines;

/// What the operator chose, as far as clients need it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// INFO as a client gets it, but for what is its own (id, address).
    pub info: Info,
    /// Who may connect, and as whom.
    pub directory: Arc<Directory>,
    /// Where logins are checked that take long; on the core itself without one.
    pub desk: Option<Desk>,
    /// Time for CONNECT to arrive where authentication is required.
    pub auth_timeout: Duration,
    /// Silence after which a PING is sent.
    pub ping_interval: Duration,
    /// Bytes in a control line's arguments.
    pub control_line_max: usize,
    /// Bytes in a message, headers included.
    pub payload_max: u64,
    /// Subscriptions of one connection.
    pub subscriptions_max: Option<u32>,
    /// Tokens in a subscription's subject.
    pub tokens_max: Option<u8>,
    /// How messages are traced.
    pub trace_lines: TraceLines,
}

/// One core's settings of now. Clients take them when they begin, and again when they are told
/// that there are new ones.
#[derive(Debug)]
pub struct Current(RefCell<Arc<Settings>>);

impl Current {
    /// These, for now.
    pub fn new(settings: Arc<Settings>) -> Current {
        Current(RefCell::new(settings))
    }

    /// Those of now.
    pub fn get(&self) -> Arc<Settings> {
        Arc::clone(&self.0.borrow())
    }

    /// New ones. Clients that are there already have to be told.
    pub fn replace(&self, settings: Arc<Settings>) {
        self.0.replace(settings);
    }
}
