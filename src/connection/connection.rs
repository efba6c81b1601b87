//! One connection: what all dialects have in common, and its states.
//!
//! ```text
//! Open ⇄ Paused          the dialect waits for something
//!   └──────┴──▶ Closing  nothing more is read; what was queued is sent
//!   └──────┴──────┴──▶ Closed  the socket is told to close; its slot waits for the reaper
//! ```

use std::net::SocketAddr;

use base::ClientId;
use base::snapshot::RefusedLogin;
use runtime::network::ReceiveEnd;
use security::Agreed;

use crate::announced::Announced;
use crate::dialect::{Dialect, Pause};
use crate::events::ToldLogin;
use crate::liveness::Liveness;
use crate::partial::Partial;
use crate::secure::Secure;
use crate::waiting::Waiting;

/// What every dialect's connection has.
pub struct Link {
    /// Its id for the whole server.
    pub cid: ClientId,
    /// The other end; behind a proxy, what that says it is.
    pub peer: SocketAddr,
    /// No proxy's header may still say otherwise.
    pub peer_is_known: bool,
    /// When it was accepted, nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// PING, PONG and activity.
    pub liveness: Liveness,
    /// Messages received.
    pub in_msgs: u64,
    /// Bytes of headers and payload received.
    pub in_bytes: u64,
    /// Times it was put to sleep for a slow subscriber.
    pub stalls: u64,
    /// Until then, monotonic nanoseconds, it is read slowly: a subscriber of its was slow lately.
    pub paced_until_ns: u64,
    /// What was agreed on, once a TLS handshake is over.
    pub tls: Option<Box<Agreed>>,
    /// The last interest it caused, for a PONG to wait for.
    pub told: ring::InterestSeq,
    /// Whose service refused its login, and why.
    pub refused: Option<Box<RefusedLogin>>,
    /// Whether its login was told to those who listen for such.
    pub(crate) told_login: ToldLogin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Paused(Pause),
    /// Until the queue is sent and the other end has gone, or this monotonic time.
    Closing {
        until_ns: u64,
        finished_sending: bool,
    },
    Closed,
}

pub(crate) struct Connection {
    pub link: Link,
    pub dialect: Box<dyn Dialect>,
    /// A proxy's header that is to come, where the listener lets proxies say whose it is.
    pub announced: Option<Box<Announced>>,
    /// TLS, where the listener has it.
    pub secure: Option<Box<Secure>>,
    pub state: State,
    pub partial: Partial,
    /// Since when it waits, while paused.
    pub waiting: Waiting,
    /// The network was told to receive nothing for now.
    pub receive_paused: bool,
    /// The other end's stream has ended; bytes may still wait in `partial`.
    pub receive_ended: Option<ReceiveEnd>,
    pub write: WriteState,
    /// When this connection is looked at next, monotonic nanoseconds.
    pub look_at_ns: u64,
    pub socket_closed: bool,
    pub reaped: bool,
}

impl Connection {
    /// Whether what arrives is not for the dialect as it is.
    #[inline]
    pub fn is_wrapped(&self) -> bool {
        self.secure.is_some() || self.announced.is_some()
    }

    /// Keeps bytes that the dialect cannot have now.
    pub fn keep(&mut self, now_ns: u64, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.waiting.came(now_ns, bytes.len());
            let need = self.partial.len() + bytes.len();
            self.partial.extend(bytes, need);
        }
    }
}

/// The send under way, if any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WriteState {
    /// Since when the batch is under way, monotonic nanoseconds; 0 when none is.
    pub since_ns: u64,
    /// Bytes of the batch that the kernel took.
    pub taken: usize,
    /// Whether the connection was late and kept on (`write_timeout: retry`).
    pub late: bool,
}

impl WriteState {
    pub fn is_under_way(self) -> bool {
        self.since_ns != 0
    }
}
