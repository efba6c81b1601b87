//! Thousands of connections that mean no good, each in its own way, against the real server: what
//! one of them costs is bounded, and those who behave notice nothing.
//!
//! `STRANGERS=10000 cargo test --release --test strangers -- --nocapture` is the size that the
//! specification names; both processes then need `ulimit -n` above 10,200. Memory is read from
//! `/proc`, so socket buffers, which the kernel bounds by itself, are not in it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use harness::{Raw, Server, get, until};

/// Strangers in a wave, unless `STRANGERS` says otherwise.
const STRANGERS: usize = 2_000;
/// Server memory that one stranger may cost, KiB.
const KIB_PER_STRANGER: u64 = 64;
/// Round trips of those who behave, in each measurement.
const ROUND_TRIPS: usize = 2_000;
/// Bytes of PINGs from each who never reads.
const NEVER_READ_BYTES: usize = 16 * 1024;
/// The same from a few who insist: more than socket buffers hold.
const NEVER_READ_LONG_BYTES: usize = 32 * 1024 * 1024;
/// What a second wave may take on top of the first, in percent of the first one's growth; memory
/// that is used again is not always the very same page.
const SECOND_WAVE_PERCENT: u64 = 25;

/// Ways of being a bad guest.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Silent,
    HalfALine,
    HugeSize,
    EndlessSubject,
    RandomBytes,
    LargePublishBeforeConnect,
    NeverReads,
}

const MANNERS: [Manner; 7] = [
    Manner::Silent,
    Manner::HalfALine,
    Manner::HugeSize,
    Manner::EndlessSubject,
    Manner::RandomBytes,
    Manner::LargePublishBeforeConnect,
    Manner::NeverReads,
];

#[test]
fn strangers_cost_little_and_disturb_nobody() {
    let count = strangers();
    let seed = fastrand::u64(..);
    println!("{count} strangers, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = Server::builder().cores(2).monitored().start();
    let mut pair = Pair::new(&server);
    pair.talk("before");
    let connections = connections(&server);

    let before_kib = resident_kib(&server);
    let mut wave = Wave::new(&server, count, &mut random);
    let first_kib = resident_kib(&server).saturating_sub(before_kib);
    println!("first wave: {first_kib} KiB, {:.1} KiB each", first_kib as f64 / count as f64);
    pair.talk("during the first wave");
    wave.insist();
    pair.talk("while they insist");
    let insisted_kib = resident_kib(&server).saturating_sub(before_kib);
    println!("insisting: {insisted_kib} KiB, {:.1} KiB each", insisted_kib as f64 / count as f64);
    assert!(first_kib.max(insisted_kib) <= KIB_PER_STRANGER * count as u64, "too much memory");
    drop(wave);
    returns_to(&server, connections);

    let mut wave = Wave::new(&server, count, &mut random);
    wave.insist();
    pair.talk("during the second wave");
    let second_kib = resident_kib(&server).saturating_sub(before_kib);
    println!("second wave: {second_kib} KiB");
    drop(wave);
    returns_to(&server, connections);
    println!("after: {} KiB above the start", resident_kib(&server).saturating_sub(before_kib));
    let most_kib = first_kib.max(insisted_kib);
    let allowed_kib = most_kib + most_kib * SECOND_WAVE_PERCENT / 100 + 4096;
    assert!(second_kib <= allowed_kib, "{second_kib} KiB after {most_kib} KiB: not used again");

    pair.talk("after");
    let log = server.log_text();
    assert!(!log.contains("panic"), "nothing a stranger sends makes the server panic:\n{log}");
}

#[test]
fn a_stranger_is_told_once_and_closed() {
    let server = Server::start(&[]);
    let mut random = fastrand::Rng::with_seed(1);
    for (manner, expected) in [
        (Manner::HugeSize, "-ERR"),
        (Manner::EndlessSubject, "-ERR 'maximum control line exceeded'"),
        (Manner::RandomBytes, "-ERR 'Unknown Protocol Operation'"),
    ] {
        let mut raw = server.connect();
        raw.send_bytes(&manner.bytes(&mut random));
        let said = String::from_utf8_lossy(&raw.rest()).into_owned();
        assert!(said.starts_with(expected), "{manner:?}: {said:?}");
        assert_eq!(said.matches("-ERR").count(), 1, "{manner:?}: {said:?}");
    }
}

#[test]
fn who_asks_and_never_reads_is_closed_before_it_costs_much() {
    const COUNT: u64 = 16;
    let server = Server::builder().cores(2).start();
    let mut pair = Pair::new(&server);
    pair.talk("before");
    let pings = b"PING\r\n".repeat(NEVER_READ_LONG_BYTES / 6);
    // The first one fills the pools; what they keep serves everybody.
    let mut guests = vec![server.connect()];
    guests[0].send_bytes(&pings);
    let before_kib = resident_kib(&server);
    let mut most_kib = before_kib;
    for _ in 0..COUNT {
        let mut guest = server.connect();
        guest.send_bytes(&pings);
        most_kib = most_kib.max(resident_kib(&server));
        guests.push(guest);
    }
    println!("{} KiB for each of {COUNT}", (most_kib - before_kib) as f64 / COUNT as f64);
    assert!(most_kib - before_kib <= COUNT * KIB_PER_STRANGER);
    server.wait_for_log("Slow Consumer Detected: MaxPending of 32768 before CONNECT Exceeded");
    pair.talk("meanwhile");
}

impl Manner {
    /// What such a guest sends at once.
    fn bytes(self, random: &mut fastrand::Rng) -> Vec<u8> {
        match self {
            Manner::Silent => Vec::new(),
            Manner::HalfALine => b"CONNECT {\"verbose\":false,\"na".to_vec(),
            Manner::HugeSize => b"PUB a 999999999\r\nx".to_vec(),
            Manner::EndlessSubject => [b"SUB ".to_vec(), vec![b'a'; 60_000]].concat(),
            Manner::RandomBytes => {
                let mut bytes: Vec<u8> =
                    (0..random.usize(1..2000)).map(|_| random.u8(..)).collect();
                // A first byte that begins no operation.
                bytes[0] |= 0x80;
                bytes
            }
            Manner::LargePublishBeforeConnect => {
                [b"PUB a 1048576\r\n".to_vec(), vec![b'x'; 1 << 20], b"\r\n".to_vec()].concat()
            }
            // Each PING is answered, and nobody takes the answers.
            Manner::NeverReads => b"PING\r\n".repeat(NEVER_READ_BYTES / 6),
        }
    }
}

/// Connections that misbehave all at once.
struct Wave {
    guests: Vec<Guest>,
}

struct Guest {
    stream: TcpStream,
    /// What it has not sent yet.
    unsent: Vec<u8>,
}

impl Wave {
    /// Connects all and lets each send as much as the server takes of it.
    fn new(server: &Server, count: usize, random: &mut fastrand::Rng) -> Wave {
        let guests = (0..count).map(|number| {
            let stream = TcpStream::connect(server.client()).expect("the server accepts");
            stream.set_nonblocking(true).expect("a socket");
            let unsent = MANNERS[number % MANNERS.len()].bytes(random);
            let mut guest = Guest { stream, unsent };
            guest.send_some();
            guest
        });
        let wave = Wave { guests: guests.collect() };
        // The server has seen every one of them: it says INFO, which stays unread, to each.
        for guest in &wave.guests {
            let mut first = [0; 1];
            until("every stranger gets INFO or is gone", || match guest.stream.peek(&mut first) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                _ => Some(()),
            });
        }
        wave
    }

    /// Goes on sending what was not taken at once.
    fn insist(&mut self) {
        for _ in 0..20 {
            self.guests.iter_mut().for_each(Guest::send_some);
        }
    }
}

impl Guest {
    fn send_some(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The server has closed: rightly so.
                Err(_) => self.unsent.clear(),
            }
        }
        self.unsent.shrink_to_fit();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A connection that the server has reset is closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
        let mut rest = [0; 1024];
        while self.stream.read(&mut rest).is_ok_and(|count| count > 0) {}
    }
}

/// Two clients that behave: each message of one goes to the other and back.
struct Pair {
    asker: Raw,
    answerer: Raw,
}

impl Pair {
    fn new(server: &Server) -> Pair {
        let (mut asker, mut answerer) = (server.quiet(), server.quiet());
        asker.send("SUB answers 1");
        asker.ping();
        answerer.send("SUB questions 1");
        answerer.ping();
        Pair { asker, answerer }
    }

    /// Every question arrives and is answered; says how long that took.
    fn talk(&mut self, when: &str) {
        let mut took: Vec<Duration> = Vec::with_capacity(ROUND_TRIPS);
        for number in 0..ROUND_TRIPS {
            let text = format!("{number:05}");
            let start = Instant::now();
            self.asker.publish("questions", &text);
            self.answerer.expect(&format!("MSG questions 1 5\r\n{text}\r\n"));
            self.answerer.publish("answers", &text);
            self.asker.expect(&format!("MSG answers 1 5\r\n{text}\r\n"));
            took.push(start.elapsed());
        }
        took.sort();
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        println!("round trips {when}: p50 {:?}, p99 {:?}, most {:?}", at(50), at(99), at(100));
    }
}

/// Waits until as many connections are open as once were.
fn returns_to(server: &Server, count: u64) {
    until("the strangers' connections are gone", || (connections(server) == count).then_some(()));
}

/// Open connections, as the server counts them.
fn connections(server: &Server) -> u64 {
    let varz: serde_json::Value =
        serde_json::from_str(&get(server.monitor(), "/varz").body).expect("JSON");
    varz["connections"].as_u64().expect("a count")
}

/// The server's resident memory, KiB.
fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("the server is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How many strangers come: as `STRANGERS` says, else what the limit of open files allows.
fn strangers() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("/proc is mounted");
    let open_files = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = open_files.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    let room = soft.unwrap_or(usize::MAX).saturating_sub(200);
    match std::env::var("STRANGERS") {
        Ok(wanted) => {
            let wanted = wanted.parse().expect("STRANGERS is a number");
            assert!(wanted <= room, "ulimit -n must be above {}", wanted + 200);
            wanted
        }
        Err(_) => STRANGERS.min(room),
    }
}
