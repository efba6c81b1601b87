//! The rig: real cores with a real mesh on one thread, run in an order drawn from a seed.
//!
//! A core that would wait sleeps until something comes for it or its time is over, and only
//! cores that can run are run. When all sleep while a client still waits for something, a wake-up
//! was lost, and the simulation says so. A failing test prints its seed; with `CORE_SIM_SEED` in
//! the environment that one alone is played.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use base::snapshot::ClosedSnapshot;
use base::{ConnSlot, Counter, Counters, Distribution, Level, Log, ShardId, Timing, Verbosity};
use config::limits;
use config::options::Options;
use connection::{Connections, Outside, Taken, Tell};
use crossbeam_channel::{Receiver, Sender};
use protocol::Info;
use ring::Sizes;
use runtime::Clock;
use runtime::clock::SimulatedClock;
use runtime::network::Wait;
use runtime::simulated::{Reading, SimulatedClient, SimulatedHost, SimulatedNetwork};
use security::Directory;
use shard::{Service, Shard};

use super::speech::{Heard, Message, hear};
use crate::command::Command;
use crate::core::{Core, Parts};
use crate::placing::Placing;
use crate::rate::Rate;
use crate::settings::{self, Access};
use crate::tls::Listeners;

/// Turns after which a simulation that does not come to rest is taken for one that never will.
const TURNS_MAX: usize = 2_000_000;
/// Lines of log that a simulation keeps.
const LOG_LINES_MAX: usize = 4096;

/// Plays a scenario under so many seeds (times `CORE_SIM_TIMES`), or under the one in
/// `CORE_SIM_SEED`.
pub fn for_seeds(count: u64, scenario: impl Fn(u64)) {
    let number = |name| Some(std::env::var(name).ok()?.parse::<u64>().expect("a number"));
    match number("CORE_SIM_SEED") {
        Some(seed) => scenario(seed),
        None => (0..count * number("CORE_SIM_TIMES").unwrap_or(1)).for_each(scenario),
    }
}

/// Rings so small that a handful of records fills them: half a data ring just holds the longest
/// batch, half an interest ring a subject of a hundred bytes.
pub fn tiny_rings() -> Sizes {
    Sizes { data_bytes: 64 << 10, interest_bytes: 256, payloads: 2, ..Sizes::default() }
}

/// How the simulated server is set up.
#[derive(Clone)]
pub struct Setup {
    pub cores: usize,
    pub rings: Sizes,
    pub options: Options,
    /// What runs beside the connections of a shard.
    pub services: fn(&mut Shard) -> Vec<Box<dyn Service>>,
}

impl Default for Setup {
    fn default() -> Setup {
        let options = Options::default();
        Setup { cores: 3, rings: tiny_rings(), options, services: |_| Vec::new() }
    }
}

/// What a client of today says of itself.
const CONNECT: &str = concat!(
    r#"{"verbose":false,"pedantic":false,"protocol":1,"#,
    r#""headers":true,"no_responders":true}"#
);

/// A client, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client(usize);

/// The client's side of one connection.
struct Guest {
    socket: SimulatedClient,
    reading: Reading,
    unread: Vec<u8>,
    heard: Vec<Heard>,
    pings: usize,
    pongs: usize,
}

/// Where a core is in its turn.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Awake,
    Asleep {
        wait: Wait,
        since_ns: u64,
    },
    /// It has looked at its network and its rings, and not acted on it.
    Laden,
}

/// A server and its clients.
pub struct Simulation {
    pub random: fastrand::Rng,
    pub host: SimulatedHost,
    pub commands: Vec<Sender<Command>>,
    pub log: Receiver<base::log::Line>,
    pub closed: Receiver<Box<ClosedSnapshot>>,
    seed: u64,
    clock: SimulatedClock,
    cores: Vec<Core<SimulatedNetwork, SimulatedClock>>,
    phases: Vec<Phase>,
    counters: Vec<Arc<Counters>>,
    access: Access,
    guests: Vec<Guest>,
}

impl Simulation {
    /// So many cores with tiny rings.
    pub fn new(cores: usize, seed: u64) -> Simulation {
        Simulation::with(&Setup { cores, ..Setup::default() }, seed)
    }

    /// A server set up so.
    pub fn with(setup: &Setup, seed: u64) -> Simulation {
        // Jitter in the server comes from the thread's generator.
        fastrand::seed(seed);
        let (host, networks) = SimulatedHost::new(setup.cores);
        let verbosity = Verbosity { debug: true, trace: setup.options.trace };
        let (log, lines) = Log::bounded(LOG_LINES_MAX, verbosity);
        let (closed_sender, closed) = crossbeam_channel::unbounded();
        let mut simulation = Simulation {
            random: fastrand::Rng::with_seed(seed),
            host,
            commands: Vec::new(),
            log: lines,
            closed,
            seed,
            clock: SimulatedClock::default(),
            cores: Vec::new(),
            phases: vec![Phase::Awake; setup.cores],
            counters: (0..setup.cores).map(|_| Arc::default()).collect(),
            access: Access {
                directory: Arc::new(Directory::new(&setup.options, None).expect("valid")),
                desk: None,
                tls: Listeners::default(),
            },
            guests: Vec::new(),
        };
        // A clock that shows zero is a case of its own, which no scenario means to try.
        simulation.advance(Duration::from_secs(1));
        let events: Tell = Arc::new(|_| Taken::Yes);
        let outside = Outside { log, closed: closed_sender, server_id: "NSIM".into(), events };
        let next_cid = Arc::new(AtomicU64::new(1));
        for (net, end) in networks.into_iter().zip(ring::mesh(setup.cores, &setup.rings)) {
            let core = simulation.core(setup, net, end, &outside, &next_cid);
            simulation.cores.push(core);
        }
        simulation
    }

    fn core(
        &mut self,
        setup: &Setup,
        net: SimulatedNetwork,
        end: ring::MeshEnd,
        outside: &Outside,
        next_cid: &Arc<AtomicU64>,
    ) -> Core<SimulatedNetwork, SimulatedClock> {
        let options = &setup.options;
        let id = end.shard();
        let (sender, commands) = crossbeam_channel::unbounded();
        self.commands.push(sender);
        let info =
            Info { headers: true, max_payload: options.max_payload as i64, ..Info::default() };
        let settings =
            settings::of_core(&Arc::new(options.clone()), info, &self.access, &outside.log);
        let counters = Arc::clone(&self.counters[id.index()]);
        let seed = self.random.u64(..);
        let mut shard = Shard::new(end, settings.shard, counters, seed);
        let services = (setup.services)(&mut shard);
        Core::new(Parts {
            net,
            clock: self.clock.clone(),
            shard,
            connections: Connections::new(settings.connections, settings.tls, outside.clone()),
            clients: Rc::new(client::Current::new(settings.clients)),
            commands,
            next_cid: Arc::clone(next_cid),
            placing: (id == ShardId(0)).then(|| Placing::new(self.counters.clone())),
            connections_max: settings.connections_max,
            rate: Rate::new(settings.connections_per_second),
            idle: settings.idle,
            services,
            log: outside.log.clone(),
        })
    }

    // ---- Clients ----

    /// A client on this core that has sent CONNECT, with headers and no_responders.
    pub fn client(&mut self, core: usize) -> Client {
        self.client_saying(core, CONNECT)
    }

    /// A client on this core that has sent CONNECT with these options.
    pub fn client_saying(&mut self, core: usize, connect: &str) -> Client {
        let client = self.stranger(core);
        self.say(client, &format!("CONNECT {connect}\r\n"));
        client
    }

    /// A client on this core that has said nothing yet.
    pub fn stranger(&mut self, core: usize) -> Client {
        let socket = self.host.connect_to(ShardId(core as u16));
        self.seat(socket)
    }

    /// A client at the listener, which says nothing yet and goes where the server puts it.
    pub fn arrival(&mut self) -> Client {
        let socket = self.host.connect();
        self.seat(socket)
    }

    fn seat(&mut self, socket: SimulatedClient) -> Client {
        let (unread, heard) = (Vec::new(), Vec::new());
        let reading = Reading::On;
        self.guests.push(Guest { socket, reading, unread, heard, pings: 0, pongs: 0 });
        Client(self.guests.len() - 1)
    }

    /// Sends bytes, now and then in pieces.
    pub fn say(&mut self, client: Client, text: &str) {
        let socket = self.socket(client);
        let mut bytes = text.as_bytes();
        while bytes.len() > 1 && self.random.u8(..) < 64 {
            let (piece, rest) = bytes.split_at(self.random.usize(1..bytes.len()));
            self.host.send(socket, piece);
            bytes = rest;
        }
        self.host.send(socket, bytes);
    }

    /// Publishes.
    pub fn publish(&mut self, client: Client, subject: &str, payload: &str) {
        self.say(client, &format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()));
    }

    /// Publishes with a reply subject.
    pub fn request(&mut self, client: Client, subject: &str, reply: &str, payload: &str) {
        self.say(client, &format!("PUB {subject} {reply} {}\r\n{payload}\r\n", payload.len()));
    }

    /// Sends PING; from now on the client waits for its PONG.
    pub fn ping(&mut self, client: Client) {
        self.guests[client.0].pings += 1;
        self.say(client, "PING\r\n");
    }

    /// Lets a client stop or go on reading.
    pub fn set_reading(&mut self, client: Client, reading: Reading) {
        self.guests[client.0].reading = reading;
        self.host.set_reading(self.socket(client), reading);
    }

    /// Everything that a client heard since the last time.
    pub fn heard(&mut self, client: Client) -> Vec<Heard> {
        self.listen(client);
        std::mem::take(&mut self.guests[client.0].heard)
    }

    /// The messages among what a client heard since the last time.
    pub fn messages(&mut self, client: Client) -> Vec<Message> {
        let heard = self.heard(client).into_iter();
        heard
            .filter_map(|heard| match heard {
                Heard::Message(message) => Some(message),
                _ => None,
            })
            .collect()
    }

    /// Whether the client has a PONG for every PING.
    pub fn is_answered(&mut self, client: Client) -> bool {
        self.listen(client);
        self.guests[client.0].pings == self.guests[client.0].pongs
    }

    /// Whether the server has the connection open.
    pub fn is_open(&self, client: Client) -> bool {
        self.host.is_open(self.socket(client))
    }

    /// The client's socket.
    pub fn socket(&self, client: Client) -> SimulatedClient {
        self.guests[client.0].socket
    }

    /// The socket of any of these clients.
    pub fn any_socket(&mut self, clients: &[Client]) -> SimulatedClient {
        let client = clients[self.random.usize(0..clients.len())];
        self.socket(client)
    }

    fn listen(&mut self, client: Client) {
        let guest = &mut self.guests[client.0];
        guest.unread.extend(self.host.received(guest.socket));
        let mut at = 0;
        while let Some((heard, len)) = hear(&guest.unread[at..]) {
            at += len;
            guest.pongs += usize::from(heard == Heard::Pong);
            guest.heard.push(heard);
        }
        guest.unread.drain(..at);
    }

    /// What this client waits for, if for anything.
    fn waits_for(&mut self, client: Client) -> Option<&'static str> {
        if self.guests[client.0].reading == Reading::Off || !self.is_open(client) {
            return None;
        }
        if !self.is_answered(client) {
            return Some("a PONG");
        }
        self.host.has_unreceived(self.socket(client)).then_some("being read")
    }

    // ---- Time and turns ----

    /// Moves the clock.
    pub fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
    }

    fn now_ns(&mut self) -> u64 {
        self.clock.read().mono_ns
    }

    /// Runs one drawn core that can run, for a part of a turn. False when all sleep.
    pub fn step(&mut self) -> bool {
        let able: Vec<usize> = (0..self.cores.len()).filter(|&core| self.can_run(core)).collect();
        let Some(&core) = self.random.choice(&able) else { return false };
        self.turn(core);
        true
    }

    /// Runs up to so many steps.
    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    /// Runs a few steps, or none.
    pub fn some_steps(&mut self) {
        let count = self.random.usize(0..6);
        self.steps(count);
    }

    /// Runs one core, and no other, until it sleeps.
    pub fn run_core_to_rest(&mut self, core: usize) {
        for _ in 0..TURNS_MAX {
            if !self.can_run(core) {
                return;
            }
            self.turn(core);
        }
        panic!("core {core} finds no rest");
    }

    /// Runs one core, and no other, until `done`.
    pub fn run_core_until(&mut self, core: usize, done: impl Fn(&Simulation) -> bool) {
        while !done(self) {
            assert!(self.can_run(core), "core {core} sleeps before");
            self.turn(core);
        }
    }

    fn can_run(&mut self, core: usize) -> bool {
        match self.phases[core] {
            Phase::Awake | Phase::Laden => true,
            Phase::Asleep { wait, since_ns } => {
                let slept_ns = self.now_ns() - since_ns;
                self.host.has_events(ShardId(core as u16))
                    || matches!(wait, Wait::AtMost(wait_ns) if wait_ns <= slept_ns)
            }
        }
    }

    /// One part of a core's turn.
    fn turn(&mut self, core: usize) {
        let since_ns = self.now_ns();
        match self.phases[core] {
            Phase::Awake => match self.cores[core].choose_wait() {
                Wait::Poll => self.take_in(core, Wait::Poll),
                wait => self.phases[core] = Phase::Asleep { wait, since_ns },
            },
            Phase::Asleep { wait, .. } => self.take_in(core, wait),
            Phase::Laden => {
                self.phases[core] = Phase::Awake;
                self.cores[core].work();
            }
        }
    }

    fn take_in(&mut self, core: usize, wait: Wait) {
        self.phases[core] = Phase::Laden;
        self.cores[core].take_in(wait);
    }

    /// Runs until `done`, asked after every step.
    ///
    /// # Panics
    /// When all cores sleep before.
    pub fn run_until(&mut self, what: &str, mut done: impl FnMut(&mut Simulation) -> bool) {
        for _ in 0..TURNS_MAX {
            if done(self) {
                return;
            }
            assert!(self.step() || self.pass_short_wait(), "all cores sleep before {what}");
        }
        panic!("{TURNS_MAX} turns, and still not {what}");
    }

    /// Runs until all cores sleep.
    ///
    /// # Panics
    /// When they sleep while a client that reads waits for something: a lost wake-up.
    pub fn run_until_quiet(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.step() {
                continue;
            }
            let clients = (0..self.guests.len()).map(Client);
            let waiting: Vec<(Client, &str)> =
                clients.filter_map(|client| Some((client, self.waits_for(client)?))).collect();
            if waiting.is_empty() {
                return;
            }
            assert!(self.pass_short_wait(), "all cores sleep while clients wait: {waiting:?}");
        }
        panic!("no rest after {TURNS_MAX} turns");
    }

    /// Lets time pass where a core sleeps no longer than a stalled publisher does. That is a
    /// wait of the server's own choice, not a lost wake-up.
    fn pass_short_wait(&mut self) -> bool {
        let now_ns = self.now_ns();
        let ends = self.phases.iter().filter_map(|phase| match phase {
            Phase::Asleep { wait: Wait::AtMost(wait_ns), since_ns } => Some(since_ns + wait_ns),
            _ => None,
        });
        let Some(left_ns) = ends.min().map(|end_ns| end_ns.saturating_sub(now_ns)) else {
            return false;
        };
        let short = Duration::from_nanos(left_ns) <= limits::STALL_MAX;
        if short {
            self.advance(Duration::from_nanos(left_ns));
        }
        short
    }

    /// Lets time pass in small steps, all cores running whenever they can.
    pub fn live(&mut self, time: Duration) {
        const STEPS: u32 = 20;
        for _ in 0..STEPS {
            self.advance(time / STEPS);
            self.run_until_quiet();
        }
    }

    // ---- What is to be seen ----

    /// A counter, added up over all cores.
    pub fn total(&self, counter: Counter) -> u64 {
        self.counters.iter().map(|counters| counters.get(counter)).sum()
    }

    /// A counter of one core.
    pub fn count(&self, core: usize, counter: Counter) -> u64 {
        self.counters[core].get(counter)
    }

    /// All durations of a kind, over all cores.
    pub fn timing(&self, timing: Timing) -> Distribution {
        let mut all = Distribution::default();
        self.counters.iter().for_each(|core| all.merge(&core.timing(timing).read()));
        all
    }

    /// Bytes that all cores hold for their connections.
    pub fn pending_bytes(&mut self) -> usize {
        let slots_max = self.guests.len() as u32;
        let mut bytes = 0;
        for core in &mut self.cores {
            let shard = &mut core.parts.shard;
            let slots = (0..slots_max).map(ConnSlot);
            bytes +=
                slots.filter_map(|slot| Some(shard.outbox(slot)?.pending_bytes())).sum::<usize>();
        }
        bytes
    }

    /// Whether every core has completed a shutdown.
    pub fn have_ended(&self) -> bool {
        self.cores.iter().all(Core::has_ended)
    }

    /// Whether a line with this text was logged since the last time.
    pub fn logged(&self, level: Level, text: &str) -> bool {
        self.log.try_iter().any(|line| line.level == level && line.text.contains(text))
    }

    /// Gives a core a command, as the control thread does.
    pub fn command(&self, core: usize, command: Command) {
        assert!(self.commands[core].send(command).is_ok(), "the core is there");
        self.host.ring_control(ShardId(core as u16));
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("play this again with CORE_SIM_SEED={}", self.seed);
        }
    }
}
