//! Proof that a message costs no allocation: the production duty cycle, [`server::Core::turn`],
//! runs over real io_uring networks and real sockets while an allocator counts what each core's
//! thread asks for.
//!
//! Before counting, a flood fills the pools with more than the steady traffic ever needs, so what
//! is counted is the steady state, and there zero means zero. What clients of the test allocate
//! is on another thread and is not counted.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{IntoRawFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::{Counter, Counters, Log, ShardId, Verbosity};
use config::limits;
use config::options::{SlowSubscriber, WriteTimeout};
use connection::{Connections, Limits, Outside, Taken};
use ring::{MeshEnd, Sizes};
use runtime::network::{Network, Socket, Wait};
use runtime::uring::{ControlBell, UringOptions};
use runtime::{SystemClock, Uring};
use server::core::{Core, Idle, Parts, Rate};
use subject::CachePolicy;

/// How often traffic is counted before it is said to allocate.
const TRIES: usize = 4;
/// Messages over which is counted.
const MESSAGES: usize = 10_000;
/// Messages under way at once; all are delivered before the next ones are sent.
const BATCH: usize = 20;
/// Messages of the flood; with [`FLOOD_PAYLOAD`] more than socket buffers hold.
const FLOOD: usize = 6_000;
/// Payload of a message of the flood, bytes.
const FLOOD_PAYLOAD: usize = 2_000;
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Stands once in each payload, and nowhere else.
const MARK: u8 = b'#';

#[test]
fn one_to_one_on_one_core() {
    let mut stage = Stage::new(1);
    let mut publisher = stage.peer(0, "");
    let mut subscribers = [stage.peer(0, "SUB prices.eur 1\r\n")];
    stage.is_free(
        "1 to 1, one core",
        &mut publisher,
        &mut subscribers,
        &Traffic { message: "PUB prices.eur 16\r\n#23456789abcdef0\r\n", copies: 1 },
    );
}

#[test]
fn one_to_four_on_one_core() {
    let mut stage = Stage::new(1);
    let mut publisher = stage.peer(0, "");
    let mut subscribers = ["prices.eur", "prices.*", "prices.>", "*.eur"]
        .map(|subject| stage.peer(0, &format!("SUB {subject} 1\r\n")));
    stage.is_free(
        "1 to 4, one core",
        &mut publisher,
        &mut subscribers,
        &Traffic { message: "PUB prices.eur 16\r\n#23456789abcdef0\r\n", copies: 4 },
    );
}

#[test]
fn one_to_one_across_cores() {
    let mut stage = Stage::new(2);
    let mut publisher = stage.peer(0, "");
    let mut subscribers = [stage.peer(1, "SUB prices.eur 1\r\n")];
    stage.is_free(
        "1 to 1, two cores",
        &mut publisher,
        &mut subscribers,
        &Traffic { message: "PUB prices.eur 16\r\n#23456789abcdef0\r\n", copies: 1 },
    );
    let frames = stage.counted(0, Counter::RingFramesOut);
    assert!(frames >= (MESSAGES / BATCH) as u64, "a ring carried them: {frames} frames");
}

#[test]
fn queue_group_on_both_cores() {
    let mut stage = Stage::new(2);
    let mut publisher = stage.peer(0, "");
    let mut members = [0, 0, 1, 1].map(|core| stage.peer(core, "SUB jobs workers 1\r\n"));
    stage.is_free(
        "queue group, two cores",
        &mut publisher,
        &mut members,
        &Traffic { message: "PUB jobs 16\r\n#23456789abcdef0\r\n", copies: 1 },
    );
    assert!(members.iter().all(|member| member.marks > 0), "each member had its share");
}

#[test]
fn many_subjects_that_the_cache_knows() {
    let mut stage = Stage::new(2);
    let mut publisher = stage.peer(0, "");
    let mut subscribers = [stage.peer(0, "SUB md.> 1\r\n"), stage.peer(1, "SUB md.*.bid 1\r\n")];
    let subjects: String =
        (0..200).map(|number| format!("PUB md.{number}.bid 8\r\n#2345678\r\n")).collect();
    stage.flood(&mut [&mut subscribers]);
    stage.counts_nothing("200 subjects, two cores", MESSAGES / 200, |_| {
        publisher.send(subjects.as_bytes());
        collect(&mut subscribers, 400);
    });
}

#[test]
fn messages_that_arrive_in_two_reads() {
    let mut stage = Stage::new(1);
    let mut publisher = stage.peer(0, "");
    let mut subscribers = [stage.peer(0, "SUB prices.eur 1\r\n")];
    let message = "PUB prices.eur 16\r\n#23456789abcdef0\r\n";
    let (whole_and_half, other_half) = (format!("{message}{}", &message[..25]), &message[25..]);
    stage.flood(&mut [&mut subscribers]);
    stage.counts_nothing("split messages, one core", MESSAGES / 2, |_| {
        publisher.send(whole_and_half.as_bytes());
        collect(&mut subscribers, 1);
        publisher.send(other_half.as_bytes());
        collect(&mut subscribers, 1);
    });
}

#[test]
fn requests_with_headers_and_replies_across_cores() {
    let mut stage = Stage::new(2);
    let mut requester = [stage.peer(0, "SUB _INBOX.me.* 1\r\n")];
    let mut responder = [stage.peer(1, "SUB service group 1\r\n")];
    stage.flood(&mut [&mut requester, &mut responder]);
    let headers = "NATS/1.0\r\nTrace: 7\r\n\r\n";
    let (len, total) = (headers.len(), headers.len() + 4);
    let request = format!("HPUB service _INBOX.me.7 {len} {total}\r\n{headers}#ask\r\n");
    let reply = format!("HPUB _INBOX.me.7 {len} {total}\r\n{headers}#yes\r\n");
    stage.counts_nothing("requests and replies, two cores", MESSAGES / 2, |_| {
        requester[0].send(request.as_bytes());
        collect(&mut responder, 1);
        responder[0].send(reply.as_bytes());
        collect(&mut requester, 1);
    });
}

/// Each request of today's clients has a reply subject that was never seen before. While the
/// match cache fills, each takes a place in it; from then on each takes another one's.
#[test]
fn replies_to_inboxes_that_are_new_each_time() {
    let mut stage = Stage::with_cache(2, CachePolicy::Entries(512));
    let mut requester = [stage.peer(0, "SUB _INBOX.me.* 1\r\n")];
    let mut responder = [stage.peer(1, "SUB service group 1\r\n")];
    stage.flood(&mut [&mut requester, &mut responder]);
    let mut number = 0;
    stage.counts_nothing("new reply subjects, two cores", MESSAGES / 2, |_| {
        number += 1;
        requester[0].send(format!("PUB service _INBOX.me.{number:07} 4\r\n#ask\r\n").as_bytes());
        collect(&mut responder, 1);
        responder[0].send(format!("PUB _INBOX.me.{number:07} 4\r\n#yes\r\n").as_bytes());
        collect(&mut requester, 1);
    });
}

#[test]
fn the_count_sees_what_a_core_allocates() {
    let mut stage = Stage::new(2);
    let before = stage.allocations();
    let mut peer = stage.peer(0, "");
    let opened = stage.allocations();
    assert!(opened[0] > before[0], "a new connection needs memory: {before:?}, {opened:?}");
    assert_eq!(opened[1], before[1], "but not on the other core");
    let counted = stage.count("subscriptions", 1, |round| {
        peer.send(format!("SUB subject.{round} {round}\r\nPING\r\n").as_bytes());
        peer.read_until(b"PONG\r\n");
    });
    assert!(counted.iter().all(|count| *count > 0), "each core notes interest: {counted:?}");
}

/// What a publisher sends again and again, with one mark in each message, and how many get it.
struct Traffic {
    message: &'static str,
    copies: usize,
}

/// Cores under test, and the door by which connections come to them.
struct Stage {
    cores: Vec<CoreUnderTest>,
    listener: TcpListener,
    door: Uring,
}

struct CoreUnderTest {
    descriptor: RawFd,
    bell: ControlBell,
    counters: Arc<Counters>,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

/// What a core's thread tells the test.
#[derive(Default)]
struct Seen {
    allocations: AtomicU64,
    turns: AtomicU64,
    stop: AtomicBool,
}

impl Stage {
    fn new(cores: usize) -> Stage {
        Stage::with_cache(cores, CachePolicy::default())
    }

    fn with_cache(cores: usize, cache: CachePolicy) -> Stage {
        let ends = ring::mesh(cores, &Sizes::default()).into_iter();
        let (cores, introductions): (Vec<_>, Vec<_>) = ends.map(|end| start(end, cache)).unzip();
        let descriptors: Vec<RawFd> = cores.iter().map(|core| core.descriptor).collect();
        for introduction in introductions {
            introduction.send(descriptors.clone()).expect("each core waits to be introduced");
        }
        let mut door = network();
        door.connect(descriptors);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        Stage { cores, listener, door }
    }

    /// A connection that lives on `core`, has sent `subscriptions` and knows that they stand.
    fn peer(&mut self, core: u16, subscriptions: &str) -> Peer {
        let address = self.listener.local_addr().expect("a bound socket");
        let stream = TcpStream::connect(address).expect("a listening socket");
        let (served, _) = self.listener.accept().expect("the connection just made");
        let socket = Socket { fd: served.into_raw_fd() };
        self.door.hand_over(socket, ShardId(core));
        self.door.turn(Wait::Poll, &mut Vec::new());
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_nonblocking(true).expect("a socket");
        let mut peer = Peer { stream, marks: 0 };
        let hello = r#"CONNECT {"verbose":false,"headers":true,"no_responders":true}"#;
        // Whoever will receive takes part in the flood.
        let flood = if subscriptions.is_empty() { "" } else { "SUB flood 9\r\n" };
        peer.send(format!("{hello}\r\n{flood}{subscriptions}PING\r\n").as_bytes());
        peer.read_until(b"PONG\r\n");
        self.settle();
        peer
    }

    /// Fills every pool and queue on the way to `receivers` beyond what the traffic will need.
    fn flood(&mut self, receivers: &mut [&mut [Peer]]) {
        let mut message = format!("PUB flood {FLOOD_PAYLOAD}\r\n").into_bytes();
        message.push(MARK);
        message.resize(message.len() + FLOOD_PAYLOAD - 1, b'.');
        message.extend_from_slice(b"\r\n");
        for core in 0..self.cores.len() as u16 {
            let mut flooder = self.peer(core, "");
            // Nobody reads before all is sent, so that it piles up in the server.
            for _ in 0..FLOOD {
                flooder.send(&message);
            }
            for receivers in receivers.iter_mut() {
                collect(receivers, FLOOD * receivers.len());
            }
        }
    }

    /// Traffic from one publisher to all `receivers`.
    fn is_free(&mut self, what: &str, from: &mut Peer, to: &mut [Peer], traffic: &Traffic) {
        self.flood(&mut [&mut *to]);
        let batch = traffic.message.repeat(BATCH);
        self.counts_nothing(what, MESSAGES / BATCH, |_| {
            from.send(batch.as_bytes());
            collect(to, BATCH * traffic.copies);
        });
    }

    /// Whatever `exchange` does costs no core an allocation.
    #[track_caller]
    fn counts_nothing(&mut self, what: &str, rounds: usize, mut exchange: impl FnMut(usize)) {
        // A queue that was never as long before grows once, whenever the scheduler lets it; what
        // each message costs shows every time.
        let mut counted = Vec::new();
        for _ in 0..TRIES {
            counted = self.count(what, rounds, &mut exchange);
            if counted.iter().all(|count| *count == 0) {
                return;
            }
        }
        panic!("{what}: {counted:?}, and {TRIES} times not nothing");
    }

    /// Runs `exchange` a number of times to warm up and as often again while counting what each
    /// core allocates.
    fn count(&mut self, what: &str, rounds: usize, mut exchange: impl FnMut(usize)) -> Vec<u64> {
        (0..rounds).for_each(&mut exchange);
        self.settle();
        let (before, in_before) = (self.allocations(), self.received());
        (rounds..2 * rounds).for_each(&mut exchange);
        self.settle();
        let counted: Vec<u64> =
            self.allocations().iter().zip(&before).map(|(after, before)| after - before).collect();
        let messages = self.received() - in_before;
        println!("{what}: {messages} messages, allocations on each core {counted:?}");
        counted
    }

    /// Waits until each core has ended the turn in which it did what the test saw.
    fn settle(&self) {
        for core in &self.cores {
            let turns = core.seen.turns.load(Ordering::Acquire);
            let deadline = Instant::now() + PATIENCE;
            while core.seen.turns.load(Ordering::Acquire) < turns + 2 {
                assert!(Instant::now() < deadline, "a core does not turn any more");
                core.bell.ring();
                std::thread::yield_now();
            }
        }
    }

    /// What each core has allocated so far.
    fn allocations(&self) -> Vec<u64> {
        self.cores.iter().map(|core| core.seen.allocations.load(Ordering::Acquire)).collect()
    }

    fn received(&self) -> u64 {
        (0..self.cores.len()).map(|core| self.counted(core, Counter::InMsgs)).sum()
    }

    fn counted(&self, core: usize, counter: Counter) -> u64 {
        self.cores[core].counters.get(counter)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for core in &mut self.cores {
            core.seen.stop.store(true, Ordering::Release);
            core.bell.ring();
        }
        for core in &mut self.cores {
            let ended = core.thread.take().map(JoinHandle::join);
            if !std::thread::panicking() {
                assert!(ended.is_some_and(|ended| ended.is_ok()), "a core panicked");
            }
        }
    }
}

/// Starts a core on a thread of its own. It turns once it was told the others' descriptors.
fn start(end: MeshEnd, cache: CachePolicy) -> (CoreUnderTest, mpsc::Sender<Vec<RawFd>>) {
    let (ready_sender, ready) = mpsc::channel();
    let (introduction, peers) = mpsc::channel();
    let (counters, seen) = (Arc::<Counters>::default(), Arc::<Seen>::default());
    let (own_counters, own_seen) = (Arc::clone(&counters), Arc::clone(&seen));
    let thread = std::thread::spawn(move || {
        let mut net = network();
        let told = ready_sender.send((net.descriptor(), net.control_bell()));
        told.expect("the test waits for its cores");
        net.connect(peers.recv().expect("the test introduces its cores"));
        let mut core = core(net, end, cache, own_counters);
        while !own_seen.stop.load(Ordering::Acquire) {
            let counted = allocation_counter::measure(|| core.turn());
            own_seen.allocations.fetch_add(counted.count_total, Ordering::AcqRel);
            own_seen.turns.fetch_add(1, Ordering::AcqRel);
        }
    });
    let (descriptor, bell) = ready.recv().expect("io_uring is there");
    (CoreUnderTest { descriptor, bell, counters, seen, thread: Some(thread) }, introduction)
}

fn network() -> Uring {
    let options = UringOptions {
        read_chunk_bytes: limits::READ_CHUNK,
        read_chunks: limits::READ_CHUNKS as u16,
        disk_operations_max: 1,
    };
    Uring::new(options, Vec::new()).expect("this host has io_uring")
}

/// A core as `server::bootstrap` builds it, but for the listener.
fn core(
    net: Uring,
    end: MeshEnd,
    cache: CachePolicy,
    counters: Arc<Counters>,
) -> Core<Uring, SystemClock> {
    let (log, _) = Log::bounded(16, Verbosity::default());
    let directory = security::Directory::new(&config::Options::default(), None);
    let directory = Arc::new(directory.expect("valid"));
    let shard_settings = shard::Settings {
        cache,
        pending_max: limits::PENDING_MAX,
        slow: SlowSubscriber::Ignore,
        trace: None,
        directory: Arc::clone(&directory),
    };
    let connection_limits = Limits {
        ping_interval: limits::PING_INTERVAL,
        ping_max: limits::PING_MAX,
        write_deadline: limits::WRITE_DEADLINE,
        write_timeout: WriteTimeout::Close,
        pending_max: limits::PENDING_MAX,
        proxy_protocol: false,
    };
    let info = protocol::Info { headers: true, ..protocol::Info::default() };
    let clients = client::Settings {
        info,
        directory: Arc::clone(&directory),
        desk: None,
        auth_timeout: limits::AUTH_TIMEOUT,
        ping_interval: limits::PING_INTERVAL,
        control_line_max: limits::CONTROL_LINE_MAX,
        payload_max: limits::PAYLOAD_MAX as u64,
        subscriptions_max: None,
        tokens_max: None,
        trace_lines: shard::TraceLines::default(),
    };
    let outside = Outside {
        log: log.clone(),
        closed: crossbeam_channel::bounded(1).0,
        server_id: "NZERO".into(),
        events: Arc::new(|_| Taken::Yes),
    };
    Core::new(Parts {
        net,
        clock: SystemClock::default(),
        shard: shard::Shard::new(end, shard_settings, counters, 7),
        connections: Connections::new(connection_limits, None, outside),
        clients: Rc::new(client::Current::new(Arc::new(clients))),
        commands: crossbeam_channel::bounded(1).1,
        next_cid: Arc::new(AtomicU64::new(1)),
        placing: None,
        connections_max: u64::from(limits::CONNECTIONS_MAX),
        rate: Rate::default(),
        idle: Idle::Park,
        services: Vec::new(),
        log,
    })
}

/// A client of the test. It never blocks, so that many can be read by one thread.
struct Peer {
    stream: TcpStream,
    /// Messages received.
    marks: usize,
}

impl Peer {
    fn send(&mut self, mut bytes: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("cannot send: {error}"),
            }
            assert!(Instant::now() < deadline, "the server does not read");
        }
    }

    /// Takes what has arrived and counts the messages in it.
    fn take(&mut self, chunk: &mut [u8]) -> usize {
        match self.stream.read(chunk) {
            Ok(0) => panic!("the server closed the connection"),
            Ok(count) => {
                let marks = chunk[..count].iter().filter(|byte| **byte == MARK).count();
                self.marks += marks;
                marks
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("cannot receive: {error}"),
        }
    }

    /// Reads until just these bytes have come last.
    fn read_until(&mut self, end: &[u8]) {
        let mut read = Vec::new();
        let mut chunk = [0; 4096];
        let deadline = Instant::now() + PATIENCE;
        while !read.ends_with(end) {
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("closed after {:?}", String::from_utf8_lossy(&read)),
                Ok(count) => read.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("cannot receive: {error}"),
            }
            assert!(Instant::now() < deadline, "so far: {:?}", String::from_utf8_lossy(&read));
        }
    }
}

/// Reads from all `peers` until `messages` have come, and not one more.
#[track_caller]
fn collect(peers: &mut [Peer], messages: usize) {
    let mut chunk = vec![0; 64 * 1024];
    let mut got = 0;
    let deadline = Instant::now() + PATIENCE;
    while got < messages {
        let more: usize = peers.iter_mut().map(|peer| peer.take(&mut chunk)).sum();
        if more == 0 {
            std::thread::yield_now();
            assert!(Instant::now() < deadline, "{got} of {messages} messages came");
        }
        got += more;
    }
    assert_eq!(got, messages, "each message once");
}
