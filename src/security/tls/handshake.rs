//! Handshakes on threads that deliver no messages: what a client sent is handed over with its
//! session, and the session comes back with what it made of that. A private-key operation lasts
//! as long as hundreds of deliveries, so a storm of new clients must not be served by a core.

use std::io::Read;

use crossbeam_channel::{Receiver, Sender};
use rustls::ServerConnection;

use crate::desk::Ticket;

/// Handshakes that may wait. One more is refused; its client tries again.
const WAITING_MAX: usize = 8192;

/// A session in its handshake, and what its client sent.
pub struct HandshakeRequest {
    /// Whose.
    pub ticket: Ticket,
    /// The session.
    pub session: Box<ServerConnection>,
    /// From the network.
    pub bytes: Vec<u8>,
}

/// The session again.
pub struct HandshakeStep {
    /// Whose.
    pub ticket: Ticket,
    /// The session; it may have something to send.
    pub session: Box<ServerConnection>,
    /// What the client said inside the session already.
    pub opened: Vec<u8>,
    /// Why it cannot go on.
    pub outcome: Result<(), String>,
}

impl HandshakeRequest {
    /// Takes the handshake as far as it goes. Takes up to some milliseconds.
    pub fn advance(self) -> HandshakeStep {
        let HandshakeRequest { ticket, mut session, bytes } = self;
        let mut opened = Vec::new();
        let outcome = take_in(&mut session, &bytes, &mut opened);
        HandshakeStep { ticket, session, opened, outcome }
    }
}

/// Gives a session bytes from the network; what they hold for the dialect is appended to `opened`.
///
/// # Errors
/// What is wrong with the bytes. The session may have an alert to send.
pub fn take_in(
    session: &mut ServerConnection,
    mut bytes: &[u8],
    opened: &mut Vec<u8>,
) -> Result<(), String> {
    while !bytes.is_empty() {
        session.read_tls(&mut bytes).map_err(|error| error.to_string())?;
        let state = session.process_new_packets().map_err(|error| error.to_string())?;
        let len = opened.len();
        opened.resize(len + state.plaintext_bytes_to_read(), 0);
        let read = session.reader().read_exact(&mut opened[len..]);
        read.map_err(|error| error.to_string())?;
        if state.peer_has_closed() {
            break;
        }
    }
    Ok(())
}

/// The cores' end of the queue.
#[derive(Clone, Debug)]
pub struct HandshakeDesk {
    requests: Sender<HandshakeRequest>,
}

impl HandshakeDesk {
    /// A queue: the cores' end, and the end of those who work.
    pub fn open() -> (HandshakeDesk, Receiver<HandshakeRequest>) {
        let (requests, waiting) = crossbeam_channel::bounded(WAITING_MAX);
        (HandshakeDesk { requests }, waiting)
    }

    /// Has a handshake taken further; `false` if too many wait.
    #[must_use]
    pub fn submit(&self, request: HandshakeRequest) -> bool {
        self.requests.try_send(request).is_ok()
    }
}
