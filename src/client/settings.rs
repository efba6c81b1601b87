//! What all clients of a server have in common. Immutable; each shard has its copy.

use std::time::Duration;

use protocol::Info;
use security::Authenticator;

/// What the operator chose, as far as clients need it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// INFO as a client gets it, but for what is its own (id, address).
    pub info: Info,
    /// Who may connect.
    pub authenticator: Authenticator,
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
    /// Payload bytes in a trace line; 0 is all.
    pub traced_payload_max: usize,
}
