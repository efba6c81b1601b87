//! Handshakes on threads that deliver no messages: what a client sent is handed over with its
//! session, and the session comes back with what it made of that. A private-key operation lasts
//! as long as hundreds of deliveries, so a storm of new clients must not be served by a core.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use rustls::ServerConnection;

use super::peer::{Asking, Judgement, PeerCheck};
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
    /// Who judges the certificates that the client shows, if somebody does.
    pub peers: Option<Arc<PeerCheck>>,
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
    pub outcome: Result<(), HandshakeFault>,
}

/// Why a handshake cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeFault {
    /// What came is no handshake, or not this one. The session may have an alert to send.
    Broken(String),
    /// It is over, and its client is not let in. Nothing more is to be sent.
    Refused(&'static str),
}

/// Where a handshake was taken.
pub enum Advanced {
    /// As far as it goes now.
    Step(HandshakeStep),
    /// It is over, and responders are to be asked about its client.
    Question(PeerQuestion),
}

/// A handshake that is over, of a client about whom responders are to be asked.
pub struct PeerQuestion {
    step: HandshakeStep,
    peers: Arc<PeerCheck>,
}

impl HandshakeRequest {
    /// Takes the handshake as far as it goes without asking anybody. Takes up to some
    /// milliseconds. `now_s` is seconds since the Unix epoch.
    pub fn advance(self, now_s: u64) -> Advanced {
        let HandshakeRequest { ticket, mut session, bytes, peers } = self;
        let mut opened = Vec::new();
        let outcome = take_in(&mut session, &bytes, &mut opened).map_err(HandshakeFault::Broken);
        let is_over = outcome.is_ok() && !session.is_handshaking();
        let step = HandshakeStep { ticket, session, opened, outcome };
        match peers.filter(|_| is_over) {
            None => Advanced::Step(step),
            Some(peers) => match peers.judge(step.certificates(), Asking::No, now_s) {
                Judgement::Good => Advanced::Step(step),
                Judgement::Refused(reason) => Advanced::Step(step.refused(reason)),
                Judgement::MustAsk => Advanced::Question(PeerQuestion { step, peers }),
            },
        }
    }
}

impl HandshakeStep {
    /// What the client showed, its own certificate first. A session that goes on with one from
    /// before has what was shown then.
    fn certificates(&self) -> &[rustls::pki_types::CertificateDer<'static>] {
        self.session.peer_certificates().unwrap_or_default()
    }

    fn refused(self, reason: &'static str) -> HandshakeStep {
        HandshakeStep { outcome: Err(HandshakeFault::Refused(reason)), ..self }
    }
}

impl PeerQuestion {
    /// Asks. Takes as long as responders do.
    pub fn ask(self, now_s: u64) -> HandshakeStep {
        match self.peers.judge(self.step.certificates(), Asking::Yes, now_s) {
            Judgement::Good => self.step,
            Judgement::Refused(reason) => self.step.refused(reason),
            Judgement::MustAsk => self.give_up(),
        }
    }

    /// Does not ask, since too many wait: the client is refused.
    pub fn give_up(self) -> HandshakeStep {
        self.step.refused("too many clients wait for OCSP responders")
    }

    /// After so long nobody waits for the answer any more.
    pub fn patience(&self) -> Duration {
        self.peers.handshake_timeout()
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
