//! Connections that a proxy may have passed on: their first bytes may be a header that says whose
//! they are (spec/client-protocol.md §13). It comes before TLS and before the dialect's bytes, and
//! is read once; a connection of a listener without the PROXY protocol has none of this.

use base::{ConnSlot, Level, Now};
use config::limits;
use protocol::CloseReason;
use protocol::proxy::{self, Found, Header, Malformed};
use runtime::network::Network;
use shard::Shard;

use crate::connection::{Connection, State};
use crate::connections::{Connections, Rest, Turn};

/// A header that has not come as a whole.
pub(crate) struct Announced {
    /// Its beginning, at most 107 bytes between two arrivals.
    held: Vec<u8>,
    /// Bytes of it that are still to come and say nothing.
    skip: usize,
    /// When it must be over, monotonic nanoseconds.
    until_ns: u64,
}

/// What an arrival made of it.
enum Reading {
    /// More must come.
    Waits,
    /// It is over: these bytes are the client's.
    Over(Vec<u8>),
}

impl Announced {
    /// A connection just accepted.
    pub fn new(now: Now) -> Announced {
        let until_ns = now.plus(limits::PROXY_HEADER_TIMEOUT);
        Announced { held: Vec::new(), skip: 0, until_ns }
    }

    /// When this connection must be looked at, monotonic nanoseconds.
    pub fn due_ns(&self) -> u64 {
        self.until_ns
    }

    /// Takes bytes from the network; a header's source goes into `link`.
    fn take(
        &mut self,
        link: &mut crate::connection::Link,
        bytes: &[u8],
    ) -> Result<Reading, Malformed> {
        if self.skip > 0 {
            let (_, rest) = bytes.split_at(self.skip.min(bytes.len()));
            self.skip -= bytes.len() - rest.len();
            return Ok(self.over_with(rest));
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        match proxy::read(&held)? {
            Found::Part => {
                self.held = held;
                Ok(Reading::Waits)
            }
            Found::Absent => Ok(Reading::Over(held)),
            Found::Header(Header { len, skip, source }) => {
                link.peer = source.unwrap_or(link.peer);
                self.skip = skip;
                Ok(self.over_with(&held[len..]))
            }
        }
    }

    fn over_with(&self, rest: &[u8]) -> Reading {
        if self.skip > 0 { Reading::Waits } else { Reading::Over(rest.to_vec()) }
    }
}

impl Connections {
    /// Bytes arrived on a connection that begins with something else than its dialect.
    #[cold]
    pub(crate) fn on_wrapped<N: Network>(
        &mut self,
        net: &mut N,
        shard: &mut Shard,
        now: Now,
        slot: ConnSlot,
        chunk: runtime::ReadChunk,
    ) {
        let reading = match self.slots[slot.index()].as_mut() {
            Some(Connection {
                state: State::Open | State::Paused(_),
                link,
                announced: Some(announced),
                ..
            }) => announced.take(link, net.bytes(&chunk)),
            Some(Connection { announced: Some(_), .. }) => Ok(Reading::Waits),
            _ => return self.on_sealed(net, shard, now, slot, chunk),
        };
        net.recycle(chunk);
        let mut turn = Turn { net, shard, now };
        match reading {
            Ok(Reading::Waits) => {}
            Ok(Reading::Over(rest)) => self.announced(&mut turn, slot, &rest),
            Err(malformed) => {
                self.say(slot, Level::Error, &malformed.to_string());
                self.close(&mut turn, slot, CloseReason::ProtocolViolation, Rest::Sent);
            }
        }
    }

    /// It is known whose the connection is, and that `rest` is the client's.
    fn announced<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot, rest: &[u8]) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        connection.announced = None;
        connection.link.peer_is_known = true;
        if rest.is_empty() {
            return;
        }
        match connection.secure.is_some() {
            true => self.on_sealed_bytes(turn, slot, rest),
            false => self.on_opened(turn, slot, rest),
        }
    }

    /// Ends a connection whose header takes too long. True when it ended.
    pub(crate) fn check_announced<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
    ) -> bool {
        let Some(connection) = self.slots[slot.index()].as_ref() else { return false };
        let Some(announced) = &connection.announced else { return false };
        if turn.now.mono_ns < announced.until_ns {
            return false;
        }
        self.say(slot, Level::Error, "PROXY protocol header did not come in time");
        self.close(turn, slot, CloseReason::ProtocolViolation, Rest::Sent);
        true
    }
}
