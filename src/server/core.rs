//! Hot path: one core's whole life. [`Core::turn`] is the duty cycle; it calls every station of a
//! message in the order in which a message passes them, and every step is bounded.

mod commands;
pub mod reconfigure;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::{ClientId, ConnSlot, Counter, Counters, Level, Now, Timing};
use client::Client;
use connection::{Connections, Rest, Turn};
use crossbeam_channel::Receiver;
use protocol::{CloseReason, ErrorText};
use ring::Drained;
use runtime::Disk;
use runtime::clock::Clock;
use runtime::network::{Event, Network, Socket, Wait};
use shard::{AnswerService, Service, ServiceTurn, Shard};

use self::reconfigure::Sweep;
use crate::command::Command;
use crate::placing::Placing;
pub use crate::rate::Rate;

/// Bytes of data that one turn takes from one ring at most.
const RING_BYTES_PER_TURN: usize = 256 * 1024;
/// Pause after a failed accept: as a rule the process has no descriptor left.
const ACCEPT_PAUSE_NS: u64 = 100_000_000;
/// How long a shutdown waits for clients to take their last bytes.
const SHUTDOWN_MAX_NS: u64 = 500_000_000;
/// How much longer it waits for services: a disk that answers at all does so in this time.
const SERVICES_MAX_NS: u64 = 10_000_000_000;

/// What a core with nothing to do does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Sleeps until something happens.
    Park,
    /// Looks again at once: lowest latency, a whole core.
    Spin,
    /// Looks again for so long after the last event, then sleeps.
    SpinThenPark {
        /// Nanoseconds.
        spin_ns: u64,
    },
}

impl Idle {
    /// Whether a core that has been without events for so long looks again.
    fn looks_again(self, quiet_ns: u64) -> bool {
        match self {
            Idle::Park => false,
            Idle::Spin => true,
            Idle::SpinThenPark { spin_ns } => quiet_ns < spin_ns,
        }
    }
}

/// What a core is made of.
pub struct Parts<N, C> {
    /// Its network.
    pub net: N,
    /// Its clock.
    pub clock: C,
    /// Its heart.
    pub shard: Shard,
    /// Its connections.
    pub connections: Connections,
    /// What its clients have in common.
    pub clients: Rc<client::Current>,
    /// What the control thread asks.
    pub commands: Receiver<Command>,
    /// The next connection's id; shared by all cores, used once a connection.
    pub next_cid: Arc<AtomicU64>,
    /// On the accepting core: where connections go.
    pub placing: Option<Placing>,
    /// Open connections on the whole server at most.
    pub connections_max: u64,
    /// How many of them come in a second.
    pub rate: Rate,
    /// What it does when idle.
    pub idle: Idle,
    /// What it runs beside its connections.
    pub services: Vec<Box<dyn Service>>,
    /// Where it logs.
    pub log: base::Log,
}

/// One core.
pub struct Core<N, C> {
    parts: Parts<N, C>,
    events: Vec<Event>,
    now: Now,
    effort: Effort,
    /// When something last came, monotonic.
    last_event_ns: u64,
    listen_again_ns: Option<u64>,
    shutdown_until_ns: Option<u64>,
    /// New settings on their way to the connections.
    sweep: Option<Sweep>,
    ended: bool,
}

/// What a turn turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// It found nothing to do, as most turns of a core that spins.
    None,
    /// It did something.
    Some,
    /// Its time is counted already.
    Counted,
}

impl<N: Network + Disk, C: Clock> Core<N, C> {
    /// A core that has not turned yet.
    pub fn new(mut parts: Parts<N, C>) -> Core<N, C> {
        let now = parts.clock.read();
        parts.services.push(Box::new(AnswerService::new(&parts.shard)));
        if parts.placing.is_some() {
            parts.net.listen();
        }
        Core {
            parts,
            events: Vec::with_capacity(1024),
            now,
            effort: Effort::None,
            last_event_ns: now.mono_ns,
            listen_again_ns: None,
            shutdown_until_ns: None,
            sweep: None,
            ended: false,
        }
    }

    /// Whether a shutdown is complete.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// One turn of the duty cycle.
    pub fn turn(&mut self) {
        // Three parts, between which a simulation lets other cores run.
        let wait = self.choose_wait();
        self.take_in(wait);
        self.work();
    }

    /// Waits as told, and takes in what happened.
    fn take_in(&mut self, wait: Wait) {
        self.parts.net.turn(wait, &mut self.events);
        self.wake(wait);
        // Interest from other cores first: whoever is read below may answer a message of theirs.
        let drained = self.parts.shard.drain_rings(RING_BYTES_PER_TURN);
        if !self.events.is_empty() || drained != Drained::default() {
            self.effort = Effort::Some;
            self.last_event_ns = self.now.mono_ns;
        }
    }

    /// Handles what was taken in, and sends what came of it.
    fn work(&mut self) {
        self.handle_events();
        self.handle_commands();
        self.sweep();
        let Parts { net, shard, connections, services, .. } = &mut self.parts;
        for service in services {
            service.turn(&mut ServiceTurn { shard, now: self.now, disk: net });
        }
        let mut turn = Turn { net, shard, now: self.now };
        connections.stall_publishers(&mut turn);
        let resumed = connections.resume_paused(&mut turn);
        if resumed > 0 || turn.shard.has_work() {
            self.effort = Effort::Some;
        }
        connections.on_deadlines(&mut turn);
        connections.collect_reaped(turn.shard);
        // Interest and data for other cores leave before any client can hear of them.
        turn.shard.finish_turn(turn.net);
        connections.flush(&mut turn);
        turn.shard.counters().set(Counter::PausedConnections, connections.paused() as u64);
        self.on_timers();
    }

    /// Sleeps only when nothing is left to do, and for no longer than the next deadline.
    fn choose_wait(&mut self) -> Wait {
        let Parts { shard, connections, services, commands, idle, clock, .. } = &mut self.parts;
        let quiet_ns = self.now.mono_ns.saturating_sub(self.last_event_ns);
        let work = shard.has_work()
            || connections.has_unsent()
            || connections.may_resume(shard)
            || services.iter().any(|service| service.has_work())
            || self.sweep.is_some();
        if work || idle.looks_again(quiet_ns) || !shard.prepare_sleep() {
            return Wait::Poll;
        }
        if !commands.is_empty() {
            shard.woke();
            return Wait::Poll;
        }
        let now = clock.read();
        // What is asked for now leaves as the core lies down.
        shard.out(now.mono_ns);
        count_turn(shard.counters(), &mut self.effort, self.now, now);
        let own = [connections.next_deadline_ns(), self.listen_again_ns, self.shutdown_until_ns];
        let theirs = services.iter().filter_map(|service| service.next_deadline_ns());
        match own.into_iter().flatten().chain(theirs).min() {
            Some(at_ns) => match at_ns.saturating_sub(now.mono_ns) {
                0 => {
                    shard.woke();
                    Wait::Poll
                }
                left_ns => Wait::AtMost(left_ns),
            },
            None => Wait::Forever,
        }
    }

    /// Reads the clock, once a turn: the last turn is over, and its sends are with the kernel.
    fn wake(&mut self, waited: Wait) {
        let Parts { clock, shard, .. } = &mut self.parts;
        let now = clock.read();
        count_turn(shard.counters(), &mut self.effort, self.now, now);
        shard.counters().add(Counter::Turns, 1);
        self.effort = Effort::None;
        if waited != Wait::Poll {
            shard.counters().add(Counter::Parks, 1);
            shard.woke();
            self.effort = Effort::Some;
        }
        shard.begin_turn(now.mono_ns);
        self.now = now;
    }

    fn handle_events(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.handle_event(event);
        }
        self.events = events;
    }

    #[inline]
    fn handle_event(&mut self, event: Event) {
        let now = self.now;
        let Parts { net, shard, connections, .. } = &mut self.parts;
        match event {
            Event::Received(slot, chunk) => {
                connections.on_received(net, shard, now, slot, chunk);
                // A core that is awake can begin while this one reads on.
                shard.flush_rings();
            }
            Event::Sent { slot, bytes, idle } => {
                connections.on_sent(&mut Turn { net, shard, now }, slot, bytes, idle);
            }
            Event::ReceiveEnded(slot, end) => {
                connections.on_receive_ended(&mut Turn { net, shard, now }, slot, end);
            }
            Event::SendFailed(slot, _) => {
                connections.on_send_failed(&mut Turn { net, shard, now }, slot);
            }
            Event::Closed(slot) => connections.on_closed(&mut Turn { net, shard, now }, slot),
            Event::Accepted(socket) => self.place(socket),
            Event::HandedOver(socket) => {
                if self.open(socket).is_none() {
                    // It came and is gone: the accepting core counts it as on its way until then.
                    self.parts.shard.counters().add(Counter::ConnectionsTotal, 1);
                }
            }
            Event::AcceptFailed(errno) => {
                let error = std::io::Error::from_raw_os_error(errno);
                let text = format!("Temporary Client Accept Error ({error}), sleeping 100ms");
                self.parts.log.say(Level::Error, text);
                self.listen_again_ns = Some(now.mono_ns + ACCEPT_PAUSE_NS);
            }
            Event::Doorbell => shard.counters().add(Counter::DoorbellsIn, 1),
            Event::Control | Event::Disk => {}
        }
    }

    /// Gives an accepted socket to the core with the least to do.
    fn place(&mut self, socket: Socket) {
        let Some(placing) = &mut self.parts.placing else { return self.parts.net.discard(socket) };
        if placing.total() >= self.parts.connections_max {
            let text = "maximum connections exceeded";
            return self.refuse(socket, ErrorText::MaximumConnectionsExceeded, text);
        }
        if !self.parts.rate.allows(self.now.mono_ns) {
            let text = "connection rate limit of TLS exceeded";
            return self.refuse(socket, ErrorText::ConnectionThrottling, text);
        }
        let core = placing.choose();
        if core == self.parts.shard.id() {
            if self.open(socket).is_none()
                && let Some(placing) = &mut self.parts.placing
            {
                placing.failed(core);
            }
        } else {
            self.parts.net.hand_over(socket, core);
        }
    }

    fn open(&mut self, socket: Socket) -> Option<ConnSlot> {
        let Parts { net, shard, connections, clients, next_cid, log, .. } = &mut self.parts;
        let cid = ClientId(next_cid.fetch_add(1, Ordering::Relaxed));
        let mut turn = Turn { net, shard, now: self.now };
        connections.open(&mut turn, socket, cid, || {
            Box::new(Client::new(Rc::clone(clients), log.wants(Level::Trace)))
        })
    }

    /// spec/client-protocol.md §1: over `max_connections`, INFO comes first, then the error.
    fn refuse(&mut self, socket: Socket, error: ErrorText<'_>, text: &str) {
        let Some(slot) = self.open(socket) else { return };
        if let Some(placing) = &mut self.parts.placing {
            placing.refused(self.parts.shard.id());
        }
        let mut line = Vec::new();
        protocol::encode::write_error(&error, &mut line);
        let Parts { net, shard, connections, .. } = &mut self.parts;
        shard.write(slot, &line);
        connections.say(slot, Level::Error, text);
        let reason = error.close_reason().unwrap_or(CloseReason::MaximumConnectionsExceeded);
        connections.close(&mut Turn { net, shard, now: self.now }, slot, reason, Rest::Sent);
    }

    fn on_timers(&mut self) {
        if self.listen_again_ns.is_some_and(|at_ns| self.now.mono_ns >= at_ns) {
            self.listen_again_ns = None;
            self.parts.net.listen();
        }
        if let Some(until_ns) = self.shutdown_until_ns {
            let late_ns = self.now.mono_ns.saturating_sub(until_ns);
            let clients_gone = self.now.mono_ns >= until_ns || self.parts.connections.all_gone();
            let at_rest = self.parts.services.iter().all(|service| service.is_at_rest());
            self.ended = clients_gone && (at_rest || late_ns >= SERVICES_MAX_NS);
        }
    }
}

/// Counts the length of a turn, once, if it had something to do.
fn count_turn(counters: &Counters, effort: &mut Effort, began: Now, over: Now) {
    if std::mem::replace(effort, Effort::Counted) == Effort::Some {
        let busy_ns = over.mono_ns.saturating_sub(began.mono_ns);
        counters.add(Counter::BusyNanos, busy_ns);
        counters.timing(Timing::Loop).record(busy_ns, 1);
        if busy_ns > counters.get(Counter::LongestTurnNanos) {
            counters.set(Counter::LongestTurnNanos, busy_ns);
        }
    }
}

#[cfg(test)]
mod tests;
