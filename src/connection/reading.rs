//! Hot path: bytes in. Before it: the network's receive; after it: the dialect's `consume`.
//!
//! Whole operations are handed over where they were received. Only the incomplete rest of a chunk
//! is copied, and once an operation is complete the following bytes are handed over in place
//! again. A large payload collects in memory of its own, which is then shared, not copied.

use std::time::Duration;

use base::snapshot::RefusedLogin;
use base::{AccountId, ConnSlot, Counter, ShardSet};
use config::limits;
use protocol::CloseReason;
use runtime::network::Network;
use security::{Denied, Ticket, Verdict};

use crate::connection::{Connection, State};
use crate::connections::{Connections, Rest, Turn};
use crate::dialect::{Context, Input, Next, Pause, Progress};

/// How long a publisher is read slowly after it was put to sleep. The word of a slow subscriber
/// comes a turn late from another core; at full speed the publisher would be far ahead by then.
const PACED: Duration = Duration::from_millis(100);
/// How fast a paced publisher is read.
const PACED_BYTES_PER_SECOND: u64 = 32 << 20;

/// What to do once the bytes at hand are used.
enum Then {
    Wait,
    Pause(Pause),
    Close(CloseReason),
    Drop(CloseReason),
}

impl Connections {
    /// Bytes arrived on a connection.
    #[inline]
    pub fn on_received<N: Network>(
        &mut self,
        net: &mut N,
        shard: &mut shard::Shard,
        now: base::Now,
        slot: ConnSlot,
        chunk: runtime::ReadChunk,
    ) {
        if self.slots[slot.index()].as_ref().is_some_and(Connection::is_wrapped) {
            return self.on_wrapped(net, shard, now, slot, chunk);
        }
        let (then, len) = {
            let bytes = net.bytes(&chunk);
            (self.feed(shard, now, slot, bytes), bytes.len())
        };
        net.recycle(chunk);
        self.after_feed(&mut Turn { net, shard, now }, slot, then, len);
    }

    /// The dialect's bytes arrived, out of a TLS session.
    pub(crate) fn on_opened<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        bytes: &[u8],
    ) {
        let then = self.feed(turn.shard, turn.now, slot, bytes);
        self.after_feed(turn, slot, then, bytes.len());
    }

    fn feed(
        &mut self,
        shard: &mut shard::Shard,
        now: base::Now,
        slot: ConnSlot,
        bytes: &[u8],
    ) -> Then {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return Then::Wait };
        match connection.state {
            State::Open if shard.holds_interest() => {
                connection.keep(now.mono_ns, bytes);
                Then::Pause(Pause::Congested(ShardSet::EMPTY))
            }
            State::Open => {
                let Connection { link, dialect, partial, .. } = connection;
                let outside = &self.outside;
                let mut context = Context { shard, link, slot, now, log: &outside.log, outside };
                consume(&mut **dialect, &mut context, partial, bytes)
            }
            State::Paused(pause) => {
                connection.keep(now.mono_ns, bytes);
                Then::Pause(pause)
            }
            State::Closing { .. } | State::Closed => Then::Wait,
        }
    }

    #[inline]
    fn after_feed<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        slot: ConnSlot,
        then: Then,
        fed: usize,
    ) {
        // A login begins the keep-alive, and its first PING may be due before the next look.
        let due_earlier = self.slots[slot.index()].as_ref().is_some_and(|connection| {
            connection.link.liveness.due_ns().is_some_and(|due| due < connection.look_at_ns)
        });
        if due_earlier {
            self.look_again(slot, turn.now);
        }
        match then {
            Then::Wait => self.pace(turn, slot, fed),
            Then::Close(reason) => self.close(turn, slot, reason, Rest::Sent),
            Then::Drop(reason) => self.close(turn, slot, reason, Rest::Dropped),
            Then::Pause(pause) => self.pause(turn, slot, pause),
        }
    }

    /// Lets a publisher wait that delivered to a slow subscriber lately, for as long as what it
    /// was just read takes at the pace it is allowed.
    #[inline]
    fn pace<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot, fed: usize) {
        let paced = self.slots[slot.index()].as_ref().is_some_and(|connection| {
            turn.now.mono_ns < connection.link.paced_until_ns && connection.state == State::Open
        });
        if paced {
            let takes = Duration::from_nanos(fed as u64 * 1_000_000_000 / PACED_BYTES_PER_SECOND);
            self.pause(turn, slot, Pause::Stalled(turn.now.plus(takes.max(limits::STALL_MIN))));
        }
    }

    /// Lets a connection wait. The network goes on receiving until bytes come for a connection
    /// that waits already: most pauses are over before that.
    fn pause<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot, pause: Pause) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        if let State::Paused(_) = connection.state {
            if !std::mem::replace(&mut connection.receive_paused, true) {
                turn.shard.counters().add(Counter::ReadsPaused, 1);
                turn.net.pause_receive(slot);
            }
            return;
        }
        connection.state = State::Paused(pause);
        // What waits for longer, since before an earlier pause, is known; the rest came now.
        let (held, known) = (connection.partial.len(), connection.waiting.bytes());
        connection.waiting.came(turn.now.mono_ns, held.saturating_sub(known));
        self.paused.push(slot);
    }

    pub(crate) fn resume_receive<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        if std::mem::replace(&mut connection.receive_paused, false) {
            turn.net.resume_receive(slot);
        }
    }

    /// Puts the publishers to sleep that deliver to a slow subscriber.
    pub fn stall_publishers<N: Network>(&mut self, turn: &mut Turn<'_, N>) {
        while let Some(slot) = turn.shard.next_stalled() {
            let Some(connection) = self.slots.get_mut(slot.index()).and_then(Option::as_mut) else {
                continue;
            };
            connection.link.paced_until_ns = turn.now.plus(PACED);
            if connection.state == State::Open {
                connection.link.stalls += 1;
                turn.shard.counters().add(Counter::StalledClients, 1);
                let until_ns = turn.now.plus(limits::STALL_MAX);
                self.pause(turn, slot, Pause::Stalled(until_ns));
            }
        }
    }

    /// Goes on with every paused connection whose wait is over, and says how many those were.
    pub fn resume_paused<N: Network>(&mut self, turn: &mut Turn<'_, N>) -> usize {
        let (mut index, mut resumed) = (0, 0);
        while index < self.paused.len() {
            let slot = self.paused[index];
            let pause = match self.slots[slot.index()].as_ref().map(|connection| connection.state) {
                Some(State::Paused(pause)) => pause,
                _ => {
                    self.paused.swap_remove(index);
                    continue;
                }
            };
            let over = match pause {
                Pause::Visible(told) => turn.shard.is_visible(told),
                Pause::Congested(shards) => !turn.shard.is_congested(shards),
                Pause::Stalled(until_ns) => turn.now.mono_ns >= until_ns,
                Pause::Login => false,
            };
            if over {
                self.paused.swap_remove(index);
                self.resume(turn, slot, pause);
                resumed += 1;
            } else {
                index += 1;
            }
        }
        resumed
    }

    /// Whether the connection of a login still waits for it: it may have gone meanwhile, and
    /// another may have come in its place.
    fn waits_for_login(&self, ticket: Ticket) -> bool {
        let connection = self.slots.get(ticket.slot.index()).and_then(Option::as_ref);
        connection.is_some_and(|connection| {
            connection.link.cid == ticket.cid && connection.state == State::Paused(Pause::Login)
        })
    }

    /// A login about which a service was asked, in `account`.
    pub fn login_asked<N: Network>(
        &mut self,
        turn: &mut Turn<'_, N>,
        ticket: Ticket,
        account: AccountId,
    ) {
        if self.waits_for_login(ticket) {
            self.with(turn, ticket.slot, |dialect, context| dialect.login_asked(context, account));
            self.look_again(ticket.slot, turn.now);
        }
    }

    /// A login that was checked elsewhere.
    pub fn login_checked<N: Network>(&mut self, turn: &mut Turn<'_, N>, verdict: Verdict) {
        let Verdict { ticket, session, reason } = verdict;
        let slot = ticket.slot;
        if !self.waits_for_login(ticket) {
            return;
        }
        self.paused.retain(|paused| *paused != slot);
        if let (Err(Denied::ByService(account)), Some(connection)) =
            (&session, self.slots[slot.index()].as_mut())
        {
            let refused = RefusedLogin { account: *account, why: reason.into() };
            connection.link.refused = Some(Box::new(refused));
        }
        let end = self.with(turn, slot, |dialect, context| dialect.login_checked(context, session));
        match end.flatten() {
            Some(reason) => self.close(turn, slot, reason, Rest::Sent),
            None => self.resume(turn, slot, Pause::Login),
        }
    }

    /// Whether a connection that waited for room in the rings can go on.
    pub fn may_resume(&self, shard: &shard::Shard) -> bool {
        let waits = |slot: &ConnSlot| {
            let connection = self.slots[slot.index()].as_ref();
            match connection.map(|connection| connection.state) {
                Some(State::Paused(Pause::Congested(shards))) => !shard.is_congested(shards),
                _ => false,
            }
        };
        self.paused.iter().any(waits)
    }

    fn resume<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot, pause: Pause) {
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        connection.state = State::Open;
        let waited = connection.partial.len();
        if let Pause::Visible(_) = pause {
            self.with(turn, slot, |dialect, context| dialect.visible(context));
        }
        let then = self.feed_what_waited(turn, slot);
        self.after_feed(turn, slot, then, waited);
        let Some(connection) = self.slots[slot.index()].as_mut() else { return };
        if connection.state != State::Open {
            return;
        }
        match connection.receive_ended {
            Some(end) => self.close_after_end(turn, slot, end),
            None => self.resume_receive(turn, slot),
        }
    }

    /// Hands over what came before or during a pause. Messages in it count from when its first
    /// bytes came.
    fn feed_what_waited<N: Network>(&mut self, turn: &mut Turn<'_, N>, slot: ConnSlot) -> Then {
        let since_ns = |connection: &Connection| connection.waiting.since_ns();
        if let Some(since_ns) = self.slots[slot.index()].as_ref().and_then(since_ns) {
            turn.shard.arrived_at(since_ns);
        }
        let then = self.feed(turn.shard, turn.now, slot, &[]);
        turn.shard.arrived_now();
        if let Some(connection) = self.slots[slot.index()].as_mut() {
            match then {
                Then::Pause(_) => connection.waiting.keep_last(connection.partial.len()),
                _ => connection.waiting.keep_last(0),
            }
        }
        then
    }

    /// When the first stalled connection is to go on, monotonic nanoseconds.
    pub(crate) fn next_stall_end_ns(&self) -> Option<u64> {
        let states = self.paused.iter().filter_map(|slot| self.slots[slot.index()].as_ref());
        states
            .filter_map(|connection| match connection.state {
                State::Paused(Pause::Stalled(until_ns)) => Some(until_ns),
                _ => None,
            })
            .min()
    }
}

/// Hands `bytes`, behind what `partial` holds, to the dialect until it wants no more of them.
#[inline]
fn consume(
    dialect: &mut dyn crate::Dialect,
    context: &mut Context<'_>,
    partial: &mut crate::partial::Partial,
    mut bytes: &[u8],
) -> Then {
    if !partial.is_empty() {
        bytes = match complete_partial(dialect, context, partial, bytes) {
            Ok(after) => after,
            Err(then) => return then,
        };
        if bytes.is_empty() {
            return Then::Wait;
        }
    }
    let Progress { consumed, next } = dialect.consume(context, Input::Borrowed(bytes));
    let rest = &bytes[consumed..];
    if !rest.is_empty() {
        let need = match next {
            Next::More { need } => need,
            Next::Pause(_) | Next::Close(_) | Next::Drop(_) => rest.len(),
        };
        partial.extend(rest, need);
    }
    then(next)
}

/// Completes the operation that `partial` begins with just the bytes it needs, and says what is
/// left of `bytes` once `partial` is empty.
fn complete_partial<'b>(
    dialect: &mut dyn crate::Dialect,
    context: &mut Context<'_>,
    partial: &mut crate::partial::Partial,
    mut bytes: &'b [u8],
) -> Result<&'b [u8], Then> {
    let mut need = partial.len();
    loop {
        let missing = need.saturating_sub(partial.len());
        if missing > bytes.len() {
            partial.extend(bytes, need);
            // With one byte missing the dialect can already see a wrong end.
            if missing > bytes.len() + 1 || bytes.is_empty() {
                return Err(Then::Wait);
            }
            let progress = dialect.consume(context, Input::Borrowed(partial.bytes()));
            partial.consume(progress.consumed);
            return Err(then(progress.next));
        }
        // One byte more is what a line without its end asks for: take the line.
        let step = match missing {
            1 => memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1),
            _ => missing,
        };
        let (now, later) = bytes.split_at(step);
        partial.extend(now, need);
        bytes = later;
        let announced = missing > 0 && partial.len() == need;
        let progress = if announced && need > limits::INLINE_PAYLOAD_MAX {
            let whole = partial.split(need);
            let progress = dialect.consume(context, Input::Shared(&whole));
            if progress.consumed < need {
                partial.extend(&whole[progress.consumed..], need);
            }
            progress
        } else {
            let progress = dialect.consume(context, Input::Borrowed(partial.bytes()));
            partial.consume(progress.consumed);
            progress
        };
        match progress.next {
            Next::More { .. } if partial.is_empty() => return Ok(bytes),
            Next::More { need: more } => need = more,
            next => {
                partial.extend(bytes, partial.len() + bytes.len());
                return Err(then(next));
            }
        }
    }
}

fn then(next: Next) -> Then {
    match next {
        Next::More { .. } => Then::Wait,
        Next::Pause(pause) => Then::Pause(pause),
        Next::Close(reason) => Then::Close(reason),
        Next::Drop(reason) => Then::Drop(reason),
    }
}
