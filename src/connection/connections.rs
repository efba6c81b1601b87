//! A core's connections: opening, what the network tells of them, closing, and letting go.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use base::snapshot::{ClosedSnapshot, ConnectionSnapshot, Happening, UserSnapshot};
use base::{ClientId, ConnSlot, Counter, Level, Now};
use config::limits;
use config::options::WriteTimeout;
use protocol::CloseReason;
use runtime::network::{Network, ReceiveEnd, Socket};
use security::ListenerTls;
use shard::Shard;

use crate::announced::Announced;
use crate::connection::{Connection, Link, State, WriteState};
use crate::deadlines::Deadlines;
use crate::dialect::{Context, Dialect};
use crate::events::{self, Outside, ToldLogin};
use crate::liveness::{Liveness, Verdict};
use crate::partial::Partial;
use crate::secure::Secure;
use crate::waiting::Waiting;

/// How long a closing connection may take to send its rest and see the other end go.
const CLOSING_MAX: Duration = Duration::from_secs(2);

/// What the operator chose, as far as connections need it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Silence after which a PING is sent.
    pub ping_interval: Duration,
    /// PINGs that may be unanswered.
    pub ping_max: u32,
    /// How long one write batch may take.
    pub write_deadline: Duration,
    /// What happens when it takes longer.
    pub write_timeout: WriteTimeout,
    /// Bytes queued towards one connection; for the log line of a slow consumer.
    pub pending_max: usize,
    /// Whether connections may begin with a proxy's header.
    pub proxy_protocol: bool,
}

/// What a turn works with.
pub struct Turn<'a, N> {
    /// This core's network.
    pub net: &'a mut N,
    /// This core's heart.
    pub shard: &'a mut Shard,
    /// The time of this turn.
    pub now: Now,
}

/// Whether what is queued for a closing connection is still sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Sent.
    Sent,
    /// Dropped.
    Dropped,
}

/// The connections of one core.
pub struct Connections {
    pub(crate) slots: Vec<Option<Connection>>,
    free: Vec<ConnSlot>,
    open: usize,
    pub(crate) paused: Vec<ConnSlot>,
    pub(crate) unsent: Vec<ConnSlot>,
    pub(crate) deadlines: Deadlines,
    pub(crate) limits: Limits,
    pub(crate) outside: Outside,
    /// How connections that come speak TLS, if they do.
    pub(crate) tls: Option<Arc<ListenerTls>>,
    /// What a TLS session made of the bytes at hand.
    pub(crate) opened_bytes: Vec<u8>,
}

impl Connections {
    /// No connections.
    pub fn new(limits: Limits, tls: Option<Arc<ListenerTls>>, outside: Outside) -> Connections {
        Connections {
            slots: Vec::new(),
            free: Vec::new(),
            open: 0,
            paused: Vec::new(),
            unsent: Vec::new(),
            deadlines: Deadlines::default(),
            limits,
            outside,
            tls,
            opened_bytes: Vec::new(),
        }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open
    }

    /// How many are not read for now.
    pub fn paused(&self) -> usize {
        self.paused.len()
    }

    /// Whether every connection, closing ones included, is gone.
    pub fn all_gone(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// The slots of all open connections, in ascending order.
    pub fn open_slots(&self) -> impl Iterator<Item = ConnSlot> + '_ {
        self.open_slots_in(0..self.places())
    }

    /// The same of those at these places only.
    pub fn open_slots_in(&self, places: Range<usize>) -> impl Iterator<Item = ConnSlot> + '_ {
        let last = places.end.min(self.slots.len());
        (places.start..last)
            .filter(|&index| {
                matches!(
                    self.slots[index].as_ref().map(|connection| connection.state),
                    Some(State::Open | State::Paused(_))
                )
            })
            .map(|index| ConnSlot(index as u32))
    }

    /// How many places there are for connections, taken or not.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    /// Opens a connection over `socket`; `None` if the other end is gone already.
    pub fn open<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        socket: Socket,
        cid: ClientId,
        dialect: impl FnOnce() -> Box<dyn Dialect>,
    ) -> Option<ConnSlot> {
        let slot = self.free.pop().unwrap_or(ConnSlot(self.slots.len() as u32));
        let Some(peer) = turn.net.adopt(socket, slot) else {
            if slot.index() < self.slots.len() {
                self.free.push(slot);
            }
            return None;
        };
        if slot.index() == self.slots.len() {
            self.slots.push(None);
        }
        let secure = self.tls.as_ref().map(|tls| Secure::new(tls, turn.now)).transpose();
        // A configuration that was accepted makes sessions.
        let secure = secure.expect("a listener's TLS makes sessions");
        let greets = secure.as_ref().is_none_or(Secure::may_greet);
        let announced = self.limits.proxy_protocol.then(|| Box::new(Announced::new(turn.now)));
        turn.shard.attach(slot, cid);
        let link = Link {
            cid,
            peer,
            peer_is_known: announced.is_none(),
            start_ns: turn.now.wall_ns,
            liveness: Liveness::new(turn.now),
            in_msgs: 0,
            in_bytes: 0,
            stalls: 0,
            paced_until_ns: 0,
            tls: None,
            told: ring::InterestSeq::default(),
            refused: None,
            told_login: ToldLogin::No,
        };
        self.slots[slot.index()] = Some(Connection {
            link,
            dialect: dialect(),
            announced,
            secure: secure.map(Box::new),
            state: State::Open,
            partial: Partial::default(),
            waiting: Waiting::default(),
            receive_paused: false,
            receive_ended: None,
            write: WriteState::default(),
            look_at_ns: u64::MAX,
            socket_closed: false,
            reaped: false,
        });
        self.open += 1;
        if self.outside.log.wants(Level::Debug) {
            self.say(slot, Level::Debug, "Client connection created");
        }
        if greets {
            self.with(turn, slot, |dialect, context| dialect.opened(context));
        }
        self.look_again(slot, turn.now);
        Some(slot)
    }

    /// Runs `act` with a connection's dialect.
    pub(crate) fn with<N: Network, T>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        act: impl FnOnce(&mut dyn Dialect, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let connection = self.slots.get_mut(slot.index())?.as_mut()?;
        let mut context = Context {
            shard: turn.shard,
            link: &mut connection.link,
            slot,
            now: turn.now,
            log: &self.outside.log,
            outside: &self.outside,
        };
        Some(act(&mut *connection.dialect, &mut context))
    }

    /// The other end sent all it will.
    pub fn on_receive_ended<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        end: ReceiveEnd,
    ) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        connection.receive_ended = Some(end);
        match connection.state {
            State::Paused(_) => {}
            State::Open => self.close_after_end(turn, slot, end),
            State::Closing { .. } => self.close_socket(turn, slot),
            State::Closed => {}
        }
    }

    pub(crate) fn close_after_end<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        end: ReceiveEnd,
    ) {
        match end {
            ReceiveEnd::Eof => self.close(turn, slot, CloseReason::ClientClosed, Rest::Sent),
            ReceiveEnd::Error(_) => {
                self.close(turn, slot, CloseReason::ReadError, Rest::Dropped);
            }
        }
    }

    /// Ends a connection: nothing more is read or delivered.
    pub fn close<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        reason: CloseReason,
        rest: Rest,
    ) {
        let Some(connection) = self.slots.get_mut(slot.index()).and_then(Option::as_mut) else {
            return;
        };
        if !matches!(connection.state, State::Open | State::Paused(_)) {
            return;
        }
        let until_ns = turn.now.plus(CLOSING_MAX);
        connection.state = State::Closing { until_ns, finished_sending: false };
        connection.partial = Partial::default();
        self.open -= 1;
        let happened = events::end_of(&connection.link, reason);
        let refused = connection.link.refused.take();
        if let Some(mut connection) = self.snapshot(turn.shard, slot) {
            for what in happened {
                let refused =
                    refused.as_deref().filter(|_| matches!(what, Happening::LoginFailed(_)));
                self.outside.tell(turn.shard, turn.now, what, refused, &connection);
            }
            connection.subscriptions_list =
                turn.shard.subscriptions_of(slot, limits::CLOSED_SUBSCRIPTIONS_MAX);
            let stop_ns = turn.now.wall_ns;
            let reason = reason.as_str();
            // Monitoring that cannot keep up misses a closed connection; the shard does not wait.
            let closed = Box::new(ClosedSnapshot { connection, stop_ns, reason });
            let _ = self.outside.closed.try_send(closed);
        }
        if self.outside.log.wants(Level::Debug) {
            self.say(slot, Level::Debug, &format!("Client connection closed: {}", reason.as_str()));
        }
        turn.shard.detach(slot);
        match rest {
            Rest::Dropped => self.close_socket(turn, slot),
            Rest::Sent => {
                self.resume_receive(turn, slot);
                self.deadlines.push(until_ns, slot);
                self.unsent.push(slot);
            }
        }
    }

    pub(crate) fn close_socket<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        if let Some(connection) = self.slots[slot.index()].as_mut()
            && connection.state != State::Closed
        {
            connection.state = State::Closed;
            turn.net.close(slot);
        }
    }

    /// The socket is closed.
    pub fn on_closed<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        if let Some(connection) = self.slots[slot.index()].as_mut() {
            connection.socket_closed = true;
            self.let_go(turn.shard, slot);
        }
    }

    /// Lets go of connections whose subscriptions are gone.
    pub fn collect_reaped(&mut self, shard: &mut Shard) {
        while let Some(slot) = shard.next_reaped() {
            if let Some(connection) = self.slots[slot.index()].as_mut() {
                connection.reaped = true;
                self.let_go(shard, slot);
            }
        }
    }

    fn let_go(&mut self, shard: &mut Shard, slot: ConnSlot) {
        let place = &mut self.slots[slot.index()];
        if place.as_ref().is_some_and(|connection| connection.socket_closed && connection.reaped) {
            *place = None;
            shard.release(slot);
            self.free.push(slot);
        }
    }

    /// When something is to be done that no event will announce, monotonic nanoseconds.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        [self.deadlines.next_ns(), self.next_stall_end_ns()].into_iter().flatten().min()
    }

    /// Whether a connection waits to be sent to.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Looks at every connection whose time has come.
    pub fn on_deadlines<N: Network>(&mut self, turn: &mut Turn<'_, N>) {
        while let Some((at_ns, slot)) = self.deadlines.pop_due(turn.now.mono_ns) {
            let Some(connection) = self.slots[slot.index()].as_mut() else { continue };
            if connection.look_at_ns == at_ns {
                connection.look_at_ns = u64::MAX;
            }
            match connection.state {
                State::Open | State::Paused(_) => {
                    self.check(turn, slot);
                    self.look_again(slot, turn.now);
                }
                State::Closing { until_ns, .. } if turn.now.mono_ns >= until_ns => {
                    self.close_socket(turn, slot);
                }
                State::Closing { .. } | State::Closed => {}
            }
        }
    }

    fn check<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        if self.check_announced(turn, slot) || self.check_secure(turn, slot) {
            return;
        }
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        let login = connection.dialect.login_deadline_ns();
        if login.is_some_and(|deadline_ns| turn.now.mono_ns >= deadline_ns) {
            let end = self.with(turn, slot, |dialect, context| dialect.login_timed_out(context));
            let reason = end.unwrap_or(CloseReason::AuthenticationTimeout);
            self.close(turn, slot, reason, Rest::Sent);
            return;
        }
        let Limits { ping_interval, ping_max, .. } = self.limits;
        match connection.link.liveness.check(turn.now, ping_interval, ping_max) {
            Verdict::Fine => {}
            Verdict::Ping => {
                self.with(turn, slot, |dialect, context| dialect.ping(context));
            }
            Verdict::Stale => {
                turn.shard.counters().add(Counter::StaleConnections, 1);
                self.with(turn, slot, |dialect, context| dialect.stale(context));
                self.say(slot, Level::Debug, "Stale Client Connection - Closing");
                self.close(turn, slot, CloseReason::StaleConnection, Rest::Sent);
                return;
            }
        }
        self.check_write_deadline(turn, slot);
    }

    /// Makes sure that the connection is looked at when its next deadline comes.
    pub(crate) fn look_again(&mut self, slot: ConnSlot, now: Now) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        let write_deadline_ns = self.limits.write_deadline.as_nanos() as u64;
        let write = match connection.write.since_ns {
            // A send that starts meanwhile is at most half its deadline old at the next look.
            0 => now.mono_ns.saturating_add(write_deadline_ns / 2),
            since_ns => since_ns.saturating_add(write_deadline_ns),
        };
        let login = connection.dialect.login_deadline_ns().unwrap_or(u64::MAX);
        let ping = connection.link.liveness.due_ns().unwrap_or(u64::MAX);
        let secure = connection.secure.as_ref().and_then(|secure| secure.due_ns());
        let secure = secure.unwrap_or(u64::MAX);
        let header = connection.announced.as_ref().map_or(u64::MAX, |header| header.due_ns());
        let own = write.min(login).min(ping);
        let at_ns = own.min(secure).min(header).max(now.mono_ns + 1);
        if at_ns < connection.look_at_ns {
            connection.look_at_ns = at_ns;
            self.deadlines.push(at_ns, slot);
        }
    }

    /// Tells every connection that the server will soon be gone.
    pub fn announce_lame_duck<N: Network>(&mut self, turn: &mut Turn<'_, N>) {
        let slots: Vec<ConnSlot> = self.open_slots().collect();
        for slot in slots {
            self.warn_of_end(turn, slot);
        }
    }

    /// Tells one connection that the server will soon be gone.
    pub fn warn_of_end<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        self.with(turn, slot, |dialect, context| dialect.lame_duck(context));
    }

    /// Where an open connection lives.
    pub fn slot_of(&self, client: ClientId) -> Option<ConnSlot> {
        let is_it = |slot: &ConnSlot| {
            let connection = self.slots[slot.index()].as_ref();
            connection.is_some_and(|connection| connection.link.cid == client)
        };
        self.open_slots().find(is_it)
    }

    /// What monitoring shows of a connection; `None` for one that is no more.
    pub fn snapshot(&self, shard: &mut Shard, slot: ConnSlot) -> Option<ConnectionSnapshot> {
        let Connection { link, dialect, .. } = self.slots.get(slot.index())?.as_ref()?;
        events::snapshot(shard, link, slot, &**dialect)
    }

    /// Who the user of an open connection is.
    pub fn user(&self, slot: ConnSlot) -> Option<UserSnapshot> {
        Some(self.slots.get(slot.index())?.as_ref()?.dialect.user())
    }

    /// A line of the log about one connection.
    pub fn say(&self, slot: ConnSlot, level: Level, text: &str) {
        if let Some(connection) = self.slots[slot.index()].as_ref() {
            let prefix = connection.dialect.log_prefix(&connection.link);
            self.outside.log.say(level, format!("{prefix} - {text}"));
        }
    }
}
