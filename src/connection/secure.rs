//! TLS between the network's bytes and the dialect's (spec/security.md §8).
//!
//! ```text
//! Undecided ──first byte, or the time──▶ Greeted ──first byte──▶ Session   a handshake begins
//!     └────────────first byte────────────────────────────────────▶┘  ▲│
//!                                           │                  step ││ bytes, during the handshake
//!                                           │                        │▼
//!                                           │                        Away   another thread has it
//!                                           └─────────────────▶ Clear       no TLS for this client
//! ```
//! Connections without TLS have none of this. What a session encrypts or decrypts is copied once
//! more; deliveries and the dialect know nothing of it.

use std::collections::VecDeque;
use std::io::{IoSlice, Write};
use std::sync::Arc;

use base::{ConnSlot, Level, Now, ShardId};
use buffer::{Segment, WriteChunk};
use config::limits;
use config::tls::First;
use protocol::{CloseReason, ErrorText};
use runtime::network::Network;
use rustls::ServerConnection;
use security::{
    Agreed, HandshakeFault, HandshakeRequest, HandshakeStep, ListenerTls, Plain, Ticket, TlsError,
    take_in,
};
use shard::{Outbox, Shard};
use smallvec::SmallVec;

use crate::connection::{Connection, State};
use crate::connections::{Connections, Rest, Turn};
use crate::dialect::Context;

/// The first byte of a handshake: the type of its record.
const HANDSHAKE: u8 = 0x16;
/// Segments that are encrypted together, so that records are full.
const SEGMENTS_AT_ONCE: usize = 16;

/// How far a connection of a listener with TLS is.
pub(crate) struct Secure {
    tls: Arc<ListenerTls>,
    phase: Phase,
    /// When this phase must be over, monotonic nanoseconds.
    until_ns: u64,
    /// The handshake comes before INFO.
    first: bool,
    /// Bytes of the outbox in the batch under way, which on the wire are more.
    under_way_bytes: usize,
    /// The other end was told that nothing more comes.
    said_farewell: bool,
}

enum Phase {
    /// Nobody has spoken.
    Undecided,
    /// INFO was sent in clear.
    Greeted,
    /// The handshake, and what follows it.
    Session(Box<ServerConnection>),
    /// The handshake, while a thread beside the cores works on it: what came meanwhile.
    Away(Vec<u8>),
    /// The client does without.
    Clear,
}

/// Where bytes from the network brought the handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handshake {
    /// Just over.
    Finished,
    /// Still going on, or over for long.
    Unchanged,
}

/// Why a session cannot go on.
enum Broken {
    /// Before or during the handshake.
    Handshake(String),
    /// At its end: the client is not let in.
    Refused(&'static str),
    /// After it.
    Session,
}

impl From<HandshakeFault> for Broken {
    fn from(fault: HandshakeFault) -> Broken {
        match fault {
            HandshakeFault::Broken(reason) => Broken::Handshake(reason),
            HandshakeFault::Refused(reason) => Broken::Refused(reason),
        }
    }
}

impl Secure {
    /// A connection just accepted.
    pub fn new(tls: &Arc<ListenerTls>, now: Now) -> Result<Secure, TlsError> {
        let (phase, until_ns) = match tls.first {
            First::Info => (Phase::Greeted, now.plus(tls.timeout)),
            First::Handshake => {
                (Phase::Session(Box::new(new_session(tls)?)), now.plus(tls.timeout))
            }
            First::HandshakeWithin(time) => (Phase::Undecided, now.plus(time)),
        };
        let (tls, first) = (Arc::clone(tls), tls.first == First::Handshake);
        Ok(Secure { tls, phase, until_ns, first, under_way_bytes: 0, said_farewell: false })
    }

    /// Whether the dialect may say hello.
    pub fn may_greet(&self) -> bool {
        !matches!(self.phase, Phase::Undecided)
    }

    /// When this connection must be looked at, monotonic nanoseconds.
    pub fn due_ns(&self) -> Option<u64> {
        match &self.phase {
            Phase::Undecided => Some(self.until_ns),
            Phase::Greeted if self.tls.plain == Plain::Refused => Some(self.until_ns),
            Phase::Session(session) if session.is_handshaking() => Some(self.until_ns),
            Phase::Away(_) => Some(self.until_ns),
            Phase::Greeted | Phase::Session(_) | Phase::Clear => None,
        }
    }

    /// Bytes of the outbox that are out now that the batch is.
    pub fn take_under_way(&mut self) -> usize {
        std::mem::take(&mut self.under_way_bytes)
    }

    /// Starts to send what there is, if there is anything that can be sent now.
    pub fn send<N: Network>(
        &mut self,
        net: &mut N,
        slot: ConnSlot,
        outbox: &mut Outbox,
        state: State,
    ) -> bool {
        let segments = match &mut self.phase {
            Phase::Undecided | Phase::Away(_) => return false,
            Phase::Greeted | Phase::Clear => {
                if outbox.is_empty() {
                    return false;
                }
                let segments = outbox.take();
                self.under_way_bytes = segments.iter().map(|segment| segment.unsent().len()).sum();
                segments
            }
            Phase::Session(session) => {
                if !session.is_handshaking() && !outbox.is_empty() {
                    self.under_way_bytes += encrypt(session, outbox.take());
                }
                let closing = matches!(state, State::Closing { .. }) && outbox.is_empty();
                if closing && !std::mem::replace(&mut self.said_farewell, true) {
                    session.send_close_notify();
                }
                if !session.wants_write() {
                    return false;
                }
                &mut sealed(session)
            }
        };
        net.send(slot, segments);
        true
    }

    /// Takes bytes from the network; what they hold for the dialect is appended to `opened`.
    fn open(
        &mut self,
        now: Now,
        ticket: Ticket,
        bytes: &[u8],
        opened: &mut Vec<u8>,
    ) -> Result<Handshake, Broken> {
        if matches!(self.phase, Phase::Undecided | Phase::Greeted)
            && let Some(&first) = bytes.first()
        {
            if matches!(self.phase, Phase::Undecided) {
                // The client came in time; now the handshake has its own.
                self.first = true;
                self.until_ns = now.plus(self.tls.timeout);
            }
            self.phase = match (first, self.tls.plain) {
                (HANDSHAKE, _) => {
                    let begun = new_session(&self.tls);
                    Phase::Session(Box::new(
                        begun.map_err(|error| Broken::Handshake(error.to_string()))?,
                    ))
                }
                (_, Plain::Allowed) => Phase::Clear,
                (_, Plain::Refused) => {
                    let text = "first record does not look like a TLS handshake";
                    return Err(Broken::Handshake(text.to_owned()));
                }
            };
        }
        let session = match &mut self.phase {
            Phase::Session(session) => session,
            Phase::Away(waiting) => return wait(waiting, bytes),
            Phase::Undecided | Phase::Greeted | Phase::Clear => {
                opened.extend_from_slice(bytes);
                return Ok(Handshake::Unchanged);
            }
        };
        if !session.is_handshaking() {
            return take_in(session, bytes, opened)
                .map(|()| Handshake::Unchanged)
                .map_err(|_| Broken::Session);
        }
        if self.tls.desk.is_some() {
            self.send_away(ticket, bytes)?;
            return Ok(Handshake::Unchanged);
        }
        assert!(self.tls.peers.is_none(), "responders are asked by threads beside the cores");
        take_in(session, bytes, opened).map_err(Broken::Handshake)?;
        let finished = !session.is_handshaking();
        Ok(if finished { Handshake::Finished } else { Handshake::Unchanged })
    }

    /// Has the handshake taken further by a thread beside the cores.
    fn send_away(&mut self, ticket: Ticket, bytes: &[u8]) -> Result<(), Broken> {
        let Some(desk) = &self.tls.desk else { return Ok(()) };
        let away = Phase::Away(Vec::new());
        let Phase::Session(session) = std::mem::replace(&mut self.phase, away) else {
            return Ok(());
        };
        let (bytes, peers) = (bytes.to_vec(), self.tls.peers.clone());
        match desk.submit(HandshakeRequest { ticket, session, bytes, peers }) {
            true => Ok(()),
            false => Err(Broken::Handshake("too many handshakes wait".to_owned())),
        }
    }

    /// The session is back; what came meanwhile is taken in too. Nothing for one that is not
    /// waited for.
    fn take_back(
        &mut self,
        step: HandshakeStep,
        opened: &mut Vec<u8>,
    ) -> Option<Result<Handshake, Broken>> {
        if !matches!(self.phase, Phase::Away(_)) {
            return None;
        }
        let HandshakeStep { ticket, session, outcome, opened: said } = step;
        let finished = !session.is_handshaking();
        let before = std::mem::replace(&mut self.phase, Phase::Session(session));
        let Phase::Away(waiting) = before else { return None };
        opened.extend_from_slice(&said);
        let went = outcome.map_err(Broken::from).and_then(|()| match &mut self.phase {
            _ if waiting.is_empty() => Ok(()),
            Phase::Session(session) if finished => {
                take_in(session, &waiting, opened).map_err(|_| Broken::Session)
            }
            _ => self.send_away(ticket, &waiting),
        });
        let handshake = if finished { Handshake::Finished } else { Handshake::Unchanged };
        Some(went.map(|()| handshake))
    }

    /// What was agreed on, once the handshake is over.
    fn agreed(&self) -> Result<Option<Agreed>, TlsError> {
        match &self.phase {
            Phase::Session(session) => self.tls.admit(session, self.first).map(Some),
            _ => Ok(None),
        }
    }
}

fn new_session(tls: &ListenerTls) -> Result<ServerConnection, TlsError> {
    let mut session = tls.session()?;
    // What is queued is bounded by the outbox (`max_pending`) already.
    session.set_buffer_limit(None);
    Ok(session)
}

/// Keeps what came while the session is away.
fn wait(waiting: &mut Vec<u8>, bytes: &[u8]) -> Result<Handshake, Broken> {
    if waiting.len() + bytes.len() > limits::HANDSHAKE_BYTES_MAX {
        let text = "more bytes during the handshake than one may have";
        return Err(Broken::Handshake(text.to_owned()));
    }
    waiting.extend_from_slice(bytes);
    Ok(Handshake::Unchanged)
}

/// Encrypts all segments, as full records; how many bytes they had.
fn encrypt(session: &mut ServerConnection, segments: &mut VecDeque<Segment>) -> usize {
    let mut pieces: SmallVec<[IoSlice<'_>; SEGMENTS_AT_ONCE]> = SmallVec::new();
    let mut bytes = 0;
    let (front, back) = segments.as_slices();
    let mut all = front.iter().chain(back).map(Segment::unsent).peekable();
    while all.peek().is_some() {
        pieces.clear();
        pieces.extend(all.by_ref().take(SEGMENTS_AT_ONCE).map(IoSlice::new));
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        // A session without bound takes everything.
        let wrote = session.writer().write_vectored(&pieces);
        assert!(wrote.is_ok_and(|wrote| wrote == len), "a session without bound");
        bytes += len;
    }
    drop(pieces);
    segments.clear();
    bytes
}

/// What a session has to send, in chunks.
fn sealed(session: &mut ServerConnection) -> VecDeque<Segment> {
    let mut segments = VecDeque::new();
    let mut chunk = WriteChunk::small();
    while session.wants_write() {
        let wrote = session.write_tls(&mut Room(&mut chunk));
        if wrote.is_ok_and(|len| len == 0) || chunk.room() == 0 {
            segments.push_back(Segment::chunk(std::mem::replace(&mut chunk, WriteChunk::large())));
        }
    }
    if !chunk.bytes().is_empty() {
        segments.push_back(Segment::chunk(chunk));
    }
    segments
}

/// The room in a chunk, as something to write to.
struct Room<'a>(&'a mut WriteChunk);

impl Write for Room<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let len = bytes.len().min(self.0.room());
        self.0.append(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Connections {
    /// Connections accepted from now on speak TLS so, or not at all.
    pub fn set_tls(&mut self, tls: Option<Arc<ListenerTls>>) {
        self.tls = tls;
    }

    /// Bytes arrived on a connection of a listener with TLS.
    #[cold]
    pub(crate) fn on_sealed<N: Network>(
        &mut self,
        net: &mut N,
        shard: &mut Shard,
        now: Now,
        slot: ConnSlot,
        chunk: runtime::ReadChunk,
    ) {
        let mut opened = std::mem::take(&mut self.opened_bytes);
        let outcome = self.open_sealed(now, shard.id(), slot, net.bytes(&chunk), &mut opened);
        net.recycle(chunk);
        self.after_opening(&mut Turn { net, shard, now }, slot, outcome, opened);
    }

    /// The same for bytes that are the network's no more.
    pub(crate) fn on_sealed_bytes<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        bytes: &[u8],
    ) {
        let mut opened = std::mem::take(&mut self.opened_bytes);
        let outcome = self.open_sealed(turn.now, turn.shard.id(), slot, bytes, &mut opened);
        self.after_opening(turn, slot, outcome, opened);
    }

    /// What a session makes of these bytes, and whether its dialect had said hello before.
    fn open_sealed(
        &mut self,
        now: Now,
        shard: ShardId,
        slot: ConnSlot,
        bytes: &[u8],
        opened: &mut Vec<u8>,
    ) -> Result<(Handshake, bool), Broken> {
        match self.slots[slot.index()].as_mut() {
            Some(Connection {
                state: State::Open | State::Paused(_),
                secure: Some(secure),
                link,
                ..
            }) => {
                let greeted = secure.may_greet();
                let ticket = Ticket { shard, slot, cid: link.cid };
                secure.open(now, ticket, bytes, opened).map(|handshake| (handshake, greeted))
            }
            _ => Ok((Handshake::Unchanged, true)),
        }
    }

    /// A thread beside the cores has taken a handshake further.
    pub fn on_handshake_step<N: Network>(&mut self, turn: &mut Turn<'_, N>, step: HandshakeStep) {
        let Ticket { slot, cid, .. } = step.ticket;
        // The connection may have gone meanwhile, and another may have come in its place.
        let Some(Some(Connection {
            state: State::Open | State::Paused(_),
            secure: Some(secure),
            link,
            ..
        })) = self.slots.get_mut(slot.index())
        else {
            return;
        };
        if link.cid != cid {
            return;
        }
        let mut opened = std::mem::take(&mut self.opened_bytes);
        match secure.take_back(step, &mut opened) {
            Some(outcome) => {
                let outcome = outcome.map(|handshake| (handshake, true));
                self.after_opening(turn, slot, outcome, opened);
            }
            None => self.opened_bytes = opened,
        }
    }

    /// Goes on with what a session made of bytes.
    fn after_opening<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        outcome: Result<(Handshake, bool), Broken>,
        mut opened: Vec<u8>,
    ) {
        // A handshake, its alert and tickets are sent when the turn ends.
        self.unsent.push(slot);
        match outcome {
            Ok((handshake, greeted)) => {
                if !greeted {
                    self.with(turn, slot, |dialect, context| dialect.opened(context));
                }
                if handshake == Handshake::Finished {
                    self.handshake_over(turn, slot);
                }
                if !opened.is_empty() {
                    self.on_opened(turn, slot, &opened);
                }
            }
            Err(Broken::Session) => {
                self.close(turn, slot, CloseReason::ReadError, Rest::Sent);
            }
            Err(Broken::Handshake(reason)) => {
                self.say(slot, Level::Error, &format!("TLS handshake error: {reason}"));
                self.close(turn, slot, CloseReason::TlsHandshakeFailure, Rest::Sent);
            }
            Err(Broken::Refused(reason)) => {
                self.say(slot, Level::Error, &format!("TLS handshake error: {reason}"));
                self.close(turn, slot, CloseReason::TlsHandshakeFailure, Rest::Dropped);
            }
        }
        opened.clear();
        self.opened_bytes = opened;
    }

    /// Notes what was agreed on, or ends a connection whose key is not the right one.
    fn handshake_over<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        let Some(secure) = &connection.secure else { return };
        match secure.agreed() {
            Ok(agreed) => {
                connection.link.tls = agreed.map(Box::new);
                let about = connection.link.tls.as_deref().map(
                    |Agreed { version, cipher_suite, .. }| {
                        format!("TLS version {version}, cipher suite {cipher_suite}")
                    },
                );
                if self.outside.log.wants(Level::Debug)
                    && let Some(about) = about
                {
                    self.say(slot, Level::Debug, "TLS handshake complete");
                    self.say(slot, Level::Debug, &about);
                }
            }
            Err(error) => {
                self.say(slot, Level::Error, &format!("TLS handshake error: {error}"));
                self.close(turn, slot, CloseReason::TlsHandshakeFailure, Rest::Dropped);
            }
        }
    }

    /// Lets the dialect say hello when nobody began a handshake in time, or ends a connection
    /// whose handshake takes too long. True when it ended.
    pub(crate) fn check_secure<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
    ) -> bool {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return false };
        let Some(secure) = &mut connection.secure else { return false };
        if secure.due_ns().is_none_or(|due_ns| turn.now.mono_ns < due_ns) {
            return false;
        }
        if let Phase::Undecided = secure.phase {
            secure.phase = Phase::Greeted;
            secure.until_ns = turn.now.plus(secure.tls.timeout);
            self.with(turn, slot, |dialect, context| dialect.opened(context));
            return false;
        }
        // spec/client-protocol.md §3: the error goes out in clear.
        secure.phase = Phase::Clear;
        self.say(slot, Level::Error, "TLS handshake error: timeout");
        self.with(turn, slot, |_, context: &mut Context<'_>| {
            let mut line = Vec::new();
            protocol::encode::write_error(&ErrorText::TlsRequired, &mut line);
            context.shard.write(context.slot, &line);
        });
        self.close(turn, slot, CloseReason::TlsHandshakeFailure, Rest::Sent);
        true
    }
}
