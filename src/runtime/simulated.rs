//! The network of a test: any number of cores and clients on one thread, no sockets, no time of
//! its own. The test decides who runs next, so an interleaving can be chosen, or drawn from a seed.
//!
//! A turn never waits here. Whoever runs the cores lets one that wants to wait sleep until
//! [`SimulatedHost::has_events`] says that something came for it (or its time is over), and so
//! finds every lost wake-up.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use base::{ConnSlot, ShardId};
use buffer::Segment;

use crate::disk::{Completion, Disk, DiskToken, Operation};
use crate::network::{Event, Network, ReadChunk, ReceiveEnd, Socket, Wait};
use crate::simulated_disk::SimulatedDisk;

/// One end of a simulated connection, by the number of its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SimulatedClient(i32);

/// Whether a client takes what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It does.
    On,
    /// It has stopped; sends to it stay under way.
    Off,
}

struct Peer {
    place: Option<(ShardId, ConnSlot)>,
    to_server: VecDeque<Arrival>,
    receiving: bool,
    reading: Reading,
    under_way: VecDeque<Segment>,
    to_client: Vec<u8>,
    presence: Presence,
}

/// Whether the two ends of a connection are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// Both.
    Both,
    /// The client vanished before the server looked.
    ServerOnly,
    /// The server has closed.
    Closed,
}

enum Arrival {
    Bytes(Vec<u8>),
    End,
}

#[derive(Default)]
struct Core {
    events: VecDeque<Event>,
    chunks: Vec<Option<Vec<u8>>>,
    disk: SimulatedDisk,
}

#[derive(Default)]
struct World {
    cores: Vec<Core>,
    peers: BTreeMap<i32, Peer>,
}

/// The host that all simulated cores run on: the test's side.
#[derive(Clone)]
pub struct SimulatedHost {
    world: Rc<RefCell<World>>,
}

/// One core's network: the server's side.
pub struct SimulatedNetwork {
    world: Rc<RefCell<World>>,
    shard: ShardId,
    lent: BTreeMap<u16, Vec<u8>>,
}

impl SimulatedHost {
    /// A host of so many cores, and their networks in order.
    pub fn new(cores: usize) -> (SimulatedHost, Vec<SimulatedNetwork>) {
        let world = Rc::new(RefCell::new(World::default()));
        world.borrow_mut().cores.resize_with(cores, Core::default);
        let networks = (0..cores as u16)
            .map(|shard| SimulatedNetwork {
                world: Rc::clone(&world),
                shard: ShardId(shard),
                lent: BTreeMap::new(),
            })
            .collect();
        (SimulatedHost { world }, networks)
    }

    /// Connects a client to the listener of core 0, which decides where it lives.
    pub fn connect(&self) -> SimulatedClient {
        self.arrive(ShardId(0), Event::Accepted)
    }

    /// Connects a client that lives on `shard`.
    pub fn connect_to(&self, shard: ShardId) -> SimulatedClient {
        self.arrive(shard, Event::HandedOver)
    }

    fn arrive(&self, shard: ShardId, event: impl Fn(Socket) -> Event) -> SimulatedClient {
        let mut world = self.world.borrow_mut();
        let fd = world.peers.len() as i32;
        let peer = Peer {
            place: None,
            to_server: VecDeque::new(),
            receiving: false,
            reading: Reading::On,
            under_way: VecDeque::new(),
            to_client: Vec::new(),
            presence: Presence::Both,
        };
        world.peers.insert(fd, peer);
        world.cores[shard.index()].events.push_back(event(Socket { fd }));
        SimulatedClient(fd)
    }

    /// Sends bytes to the server; they arrive as one read.
    pub fn send(&self, client: SimulatedClient, bytes: &[u8]) {
        self.arrival(client, Arrival::Bytes(bytes.to_vec()));
    }

    /// Lets a client vanish that no core has looked at yet.
    pub fn vanish(&self, client: SimulatedClient) {
        let mut world = self.world.borrow_mut();
        let peer = world.peers.get_mut(&client.0).expect("a client of this host");
        assert!(peer.place.is_none(), "a client that was adopted ends or resets");
        peer.presence = Presence::ServerOnly;
    }

    /// Ends the client's stream.
    pub fn end(&self, client: SimulatedClient) {
        self.arrival(client, Arrival::End);
    }

    fn arrival(&self, client: SimulatedClient, arrival: Arrival) {
        let mut world = self.world.borrow_mut();
        let peer = world.peers.get_mut(&client.0).expect("a client of this host");
        peer.to_server.push_back(arrival);
        world.pass_on(client.0);
    }

    /// What the server sent since the last call.
    pub fn received(&self, client: SimulatedClient) -> Vec<u8> {
        let mut world = self.world.borrow_mut();
        let peer = world.peers.get_mut(&client.0).expect("a client of this host");
        std::mem::take(&mut peer.to_client)
    }

    /// Whether the server still has the connection open.
    pub fn is_open(&self, client: SimulatedClient) -> bool {
        self.world.borrow().peers[&client.0].presence != Presence::Closed
    }

    /// Lets a client stop or go on reading.
    pub fn set_reading(&self, client: SimulatedClient, reading: Reading) {
        let mut world = self.world.borrow_mut();
        world.peers.get_mut(&client.0).expect("a client of this host").reading = reading;
        if reading == Reading::On {
            world.take_sent(client.0, usize::MAX);
        }
    }

    /// Lets a client that stopped reading take `bytes_max` bytes of what is under way to it.
    pub fn take(&self, client: SimulatedClient, bytes_max: usize) {
        self.world.borrow_mut().take_sent(client.0, bytes_max);
    }

    /// Whether bytes that the client sent, or its end, wait because the server does not receive.
    pub fn has_unreceived(&self, client: SimulatedClient) -> bool {
        !self.world.borrow().peers[&client.0].to_server.is_empty()
    }

    /// Bytes under way to a client, in the server's memory.
    pub fn under_way(&self, client: SimulatedClient) -> usize {
        let world = self.world.borrow();
        world.peers[&client.0].under_way.iter().map(|segment| segment.unsent().len()).sum()
    }

    /// Whether something came for a core since its last turn.
    pub fn has_events(&self, shard: ShardId) -> bool {
        let core = &self.world.borrow().cores[shard.index()];
        !core.events.is_empty() || core.disk.under_way() > 0
    }

    /// A core's disk: what is under way completes with the core's next turn.
    pub fn disk(&self, shard: ShardId) -> SimulatedDisk {
        self.world.borrow().cores[shard.index()].disk.clone()
    }

    /// Rings a core as the control thread does.
    pub fn ring_control(&self, shard: ShardId) {
        self.world.borrow_mut().cores[shard.index()].events.push_back(Event::Control);
    }
}

impl World {
    /// Turns what waits for the server into events, as long as it receives.
    fn pass_on(&mut self, fd: i32) {
        let Some(peer) = self.peers.get_mut(&fd) else { return };
        let Some((shard, slot)) = peer.place else { return };
        while peer.receiving
            && let Some(arrival) = peer.to_server.pop_front()
        {
            let core = &mut self.cores[shard.index()];
            core.events.push_back(match arrival {
                Arrival::Bytes(bytes) => {
                    let len = bytes.len() as u32;
                    let free = core.chunks.iter().position(Option::is_none);
                    let id = free.unwrap_or_else(|| {
                        core.chunks.push(None);
                        core.chunks.len() - 1
                    });
                    core.chunks[id] = Some(bytes);
                    Event::Received(slot, ReadChunk { id: id as u16, len })
                }
                Arrival::End => {
                    peer.receiving = false;
                    Event::ReceiveEnded(slot, ReceiveEnd::Eof)
                }
            });
        }
    }

    /// Moves at most `bytes_max` bytes of what is under way to the client.
    fn take_sent(&mut self, fd: i32, bytes_max: usize) {
        let Some(peer) = self.peers.get_mut(&fd) else { return };
        let Some((shard, slot)) = peer.place else { return };
        let before = peer.to_client.len();
        let mut left = bytes_max;
        while left > 0
            && let Some(segment) = peer.under_way.front_mut()
        {
            let len = segment.unsent().len().min(left);
            peer.to_client.extend_from_slice(&segment.unsent()[..len]);
            segment.advance(len);
            left -= len;
            if segment.unsent().is_empty() {
                peer.under_way.pop_front();
            }
        }
        let bytes = peer.to_client.len() - before;
        if bytes > 0 {
            let event = Event::Sent { slot, bytes, idle: peer.under_way.is_empty() };
            self.cores[shard.index()].events.push_back(event);
        }
    }

    fn fd_of(&self, shard: ShardId, slot: ConnSlot) -> Option<i32> {
        let at =
            |peer: &Peer| peer.presence != Presence::Closed && peer.place == Some((shard, slot));
        self.peers.iter().find(|(_, peer)| at(peer)).map(|(&fd, _)| fd)
    }
}

impl SimulatedNetwork {
    fn with_peer(&mut self, slot: ConnSlot, act: impl FnOnce(&mut World, i32)) {
        let mut world = self.world.borrow_mut();
        if let Some(fd) = world.fd_of(self.shard, slot) {
            act(&mut world, fd);
        }
    }

    fn peer_mut(world: &mut World, fd: i32) -> &mut Peer {
        world.peers.get_mut(&fd).expect("found before")
    }
}

impl Network for SimulatedNetwork {
    fn turn(&mut self, _wait: Wait, events: &mut Vec<Event>) {
        let mut world = self.world.borrow_mut();
        let core = &mut world.cores[self.shard.index()];
        if core.disk.under_way() > 0 {
            core.disk.complete_all();
            events.push(Event::Disk);
        }
        for event in core.events.drain(..) {
            if let Event::Received(_, chunk) = &event {
                let bytes = core.chunks[usize::from(chunk.id)].take().expect("filled before");
                self.lent.insert(chunk.id, bytes);
            }
            events.push(event);
        }
        // Lent chunks keep their number until they come back.
        for id in self.lent.keys() {
            core.chunks[usize::from(*id)] = Some(Vec::new());
        }
    }

    fn listen(&mut self) {}

    fn stop_listening(&mut self) {}

    fn adopt(&mut self, socket: Socket, slot: ConnSlot) -> Option<SocketAddr> {
        let mut world = self.world.borrow_mut();
        let peer = SimulatedNetwork::peer_mut(&mut world, socket.fd);
        if peer.presence != Presence::Both {
            peer.presence = Presence::Closed;
            return None;
        }
        peer.place = Some((self.shard, slot));
        peer.receiving = true;
        world.pass_on(socket.fd);
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1024 + socket.fd as u16)))
    }

    fn hand_over(&mut self, socket: Socket, to: ShardId) {
        let mut world = self.world.borrow_mut();
        world.cores[to.index()].events.push_back(Event::HandedOver(socket));
    }

    fn discard(&mut self, socket: Socket) {
        SimulatedNetwork::peer_mut(&mut self.world.borrow_mut(), socket.fd).presence =
            Presence::Closed;
    }

    fn bytes(&self, chunk: &ReadChunk) -> &[u8] {
        &self.lent[&chunk.id]
    }

    fn recycle(&mut self, chunk: ReadChunk) {
        self.lent.remove(&chunk.id);
        self.world.borrow_mut().cores[self.shard.index()].chunks[usize::from(chunk.id)] = None;
    }

    fn pause_receive(&mut self, slot: ConnSlot) {
        self.with_peer(slot, |world, fd| {
            SimulatedNetwork::peer_mut(world, fd).receiving = false;
        });
    }

    fn resume_receive(&mut self, slot: ConnSlot) {
        self.with_peer(slot, |world, fd| {
            SimulatedNetwork::peer_mut(world, fd).receiving = true;
            world.pass_on(fd);
        });
    }

    fn send(&mut self, slot: ConnSlot, segments: &mut VecDeque<Segment>) {
        self.with_peer(slot, |world, fd| {
            let peer = SimulatedNetwork::peer_mut(world, fd);
            assert!(peer.under_way.is_empty(), "one send a connection at a time");
            std::mem::swap(&mut peer.under_way, segments);
            if peer.reading == Reading::On {
                world.take_sent(fd, usize::MAX);
            }
        });
    }

    fn finish_sending(&mut self, slot: ConnSlot) {
        // The simulated client ends its stream as soon as the server's has ended.
        self.with_peer(slot, |world, fd| {
            SimulatedNetwork::peer_mut(world, fd).to_server.push_back(Arrival::End);
            world.pass_on(fd);
        });
    }

    fn close(&mut self, slot: ConnSlot) {
        let shard = self.shard;
        self.with_peer(slot, |world, fd| {
            let peer = SimulatedNetwork::peer_mut(world, fd);
            peer.presence = Presence::Closed;
            peer.receiving = false;
            peer.under_way.clear();
            world.cores[shard.index()].events.push_back(Event::Closed(slot));
        });
    }
}

impl Disk for SimulatedNetwork {
    fn submit(&mut self, token: DiskToken, operation: Operation) {
        self.world.borrow_mut().cores[self.shard.index()].disk.submit(token, operation);
    }

    fn take_completed(&mut self, into: &mut Vec<Completion>) {
        self.world.borrow_mut().cores[self.shard.index()].disk.take_completed(into);
    }
}

impl ring::Doorbell for SimulatedNetwork {
    fn ring(&mut self, peer: ShardId) {
        self.world.borrow_mut().cores[peer.index()].events.push_back(Event::Doorbell);
    }
}
