//! Many subscriptions of mixed shapes through real connections: each shape delivers to just the
//! one it should, and nothing remains once the connections are gone. Prints what a subscription
//! costs the whole server, index, table, replicas and connections together.
//!
//! The default size keeps the test short. One million:
//! `cargo test --release --test subscriptions_at_scale -- --ignored --nocapture`

use std::collections::BTreeMap;
use std::time::Instant;

use harness::{Pings, Raw, Server, get, until};

/// Connections that share the subscriptions.
const CONNECTIONS: usize = 8;
/// One of so many subscriptions is tried with a message.
const TRIED_ONE_OF: usize = 101;
/// Bytes of SUB lines in one write.
const WRITE_BYTES: usize = 256 * 1024;

/// What subscriptions look like. Each is told by its number, so each matches alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Literal,
    LongLiteral,
    OneWildcard,
    WildcardFirst,
    Tail,
    DeepMixed,
    QueueGroup,
    WildcardQueueGroup,
}

const SHAPES: [Shape; 8] = [
    Shape::Literal,
    Shape::LongLiteral,
    Shape::OneWildcard,
    Shape::WildcardFirst,
    Shape::Tail,
    Shape::DeepMixed,
    Shape::QueueGroup,
    Shape::WildcardQueueGroup,
];

#[test]
fn fifty_thousand_subscriptions_on_two_cores() {
    subscribe_deliver_leave(50_000, 2);
}

#[test]
#[ignore = "some seconds and 400 MiB; the command stands above"]
fn one_million_subscriptions_on_one_core() {
    subscribe_deliver_leave(1_000_000, 1);
}

#[test]
#[ignore = "some seconds and 400 MiB; the command stands above"]
fn one_million_subscriptions_on_two_cores() {
    subscribe_deliver_leave(1_000_000, 2);
}

fn subscribe_deliver_leave(count: usize, cores: usize) {
    println!("{count} subscriptions, {cores} cores asked for");
    let server = Server::builder().cores(cores).monitored().start();
    let mut publisher = server.connect();
    publisher.set_pings(Pings::Answered);
    publisher.send(r#"CONNECT {"verbose":false,"headers":true,"no_responders":true}"#);
    publisher.send("SUB nobody.* 1");
    publisher.ping();
    let mut raws: Vec<Raw> = (0..CONNECTIONS).map(|_| server.quiet()).collect();
    let subscriptions_before = subscriptions(&server);
    let before_kib = resident_kib(&server);

    let start = Instant::now();
    subscribe(&mut raws, count);
    let took = start.elapsed();
    let per_second = count as f64 / took.as_secs_f64();
    println!("subscribed in {took:.2?}: {per_second:.0} a second");
    assert_eq!(subscriptions(&server) - subscriptions_before, count as u64);
    let grown_kib = resident_kib(&server) - before_kib;
    let each = (grown_kib * 1024) as f64 / count as f64;
    println!("server memory: {grown_kib} KiB more, {each:.0} bytes a subscription");

    each_delivers_once(&mut publisher, &mut raws, count);

    let start = Instant::now();
    drop(raws);
    until("all subscriptions are gone", || {
        (subscriptions(&server) == subscriptions_before).then_some(())
    });
    println!("gone {:.2?} after the connections", start.elapsed());
    nobody_is_left(&mut publisher, count);
    let left_kib = resident_kib(&server).saturating_sub(before_kib);
    println!("resident after that: {left_kib} KiB above the start");
}

/// Subscription `number` is made by connection `number % CONNECTIONS`.
fn subscribe(raws: &mut [Raw], count: usize) {
    let mut lines: Vec<Vec<u8>> = vec![Vec::new(); raws.len()];
    for number in 0..count {
        let at = number % raws.len();
        let shape = Shape::of(number);
        let line = match shape.queue() {
            Some(queue) => format!("SUB {} {queue} {number}\r\n", shape.pattern(number)),
            None => format!("SUB {} {number}\r\n", shape.pattern(number)),
        };
        lines[at].extend_from_slice(line.as_bytes());
        if lines[at].len() >= WRITE_BYTES {
            raws[at].send_bytes(&lines[at]);
            lines[at].clear();
        }
    }
    for (raw, lines) in raws.iter_mut().zip(&lines) {
        raw.send_bytes(lines);
        raw.ping();
    }
}

/// Publishes to some subscriptions of every shape: each gets its message, and nobody else does.
fn each_delivers_once(publisher: &mut Raw, raws: &mut [Raw], count: usize) {
    let mut expected: BTreeMap<usize, Shape> = BTreeMap::new();
    for number in (0..count).step_by(TRIED_ONE_OF) {
        let shape = Shape::of(number);
        publisher.publish(&shape.subject(number), &number.to_string());
        expected.insert(number, shape);
    }
    publisher.ping();
    let shapes: std::collections::BTreeSet<Shape> = expected.values().copied().collect();
    assert_eq!(shapes.len(), SHAPES.len(), "every shape is tried");
    println!("{} of them tried", expected.len());
    for (at, raw) in raws.iter_mut().enumerate() {
        for (line, payload) in raw.messages_until_pong() {
            let payload = String::from_utf8(payload).expect("digits");
            let number: usize = payload.parse().expect("a number");
            let shape = expected.remove(&number);
            let shape = shape.unwrap_or_else(|| panic!("twice, or never sent: {line}"));
            assert_eq!(at, number % CONNECTIONS, "{line}");
            let subject = shape.subject(number);
            assert_eq!(line, format!("MSG {subject} {number} {}", payload.len()));
        }
    }
    assert!(expected.is_empty(), "not delivered: {expected:?}");
}

/// Requests on the same subjects: for each the server itself says that nobody is there.
fn nobody_is_left(publisher: &mut Raw, count: usize) {
    for number in (0..count).step_by(TRIED_ONE_OF) {
        let subject = Shape::of(number).subject(number);
        publisher.send_bytes(format!("PUB {subject} nobody.{number} 1\r\n?\r\n").as_bytes());
    }
    let answers = publisher.messages_until_pong();
    assert_eq!(answers.len(), count.div_ceil(TRIED_ONE_OF), "one 503 for each request");
    for (line, headers) in answers {
        assert!(line.starts_with("HMSG nobody."), "{line}");
        assert!(headers.starts_with(b"NATS/1.0 503\r\n"), "{line}");
    }
}

impl Shape {
    fn of(number: usize) -> Shape {
        // Every connection has every shape.
        SHAPES[(number / CONNECTIONS) % SHAPES.len()]
    }

    /// What is subscribed to.
    fn pattern(self, number: usize) -> String {
        let near = number / 100;
        match self {
            Shape::Literal => format!("md.{near}.{number}"),
            Shape::LongLiteral => {
                format!("exchange.xetra.equities.{near}.instrument.{number}.book.level1")
            }
            Shape::OneWildcard => format!("orders.*.{number}"),
            Shape::WildcardFirst => format!("*.fills.{number}"),
            Shape::Tail => format!("accounts.{near}.{number}.>"),
            Shape::DeepMixed => format!("risk.*.{near}.{number}.*.>"),
            Shape::QueueGroup => format!("jobs.{number}"),
            Shape::WildcardQueueGroup => format!("tasks.{number}.*"),
        }
    }

    /// A subject that only the pattern of this number matches.
    fn subject(self, number: usize) -> String {
        let near = number / 100;
        match self {
            Shape::Literal | Shape::LongLiteral | Shape::QueueGroup => self.pattern(number),
            Shape::OneWildcard => format!("orders.eu.{number}"),
            Shape::WildcardFirst => format!("desk7.fills.{number}"),
            Shape::Tail => format!("accounts.{near}.{number}.balance.usd"),
            Shape::DeepMixed => format!("risk.eu.{near}.{number}.var.day.1"),
            Shape::WildcardQueueGroup => format!("tasks.{number}.run"),
        }
    }

    fn queue(self) -> Option<&'static str> {
        matches!(self, Shape::QueueGroup | Shape::WildcardQueueGroup).then_some("workers")
    }
}

/// Subscriptions on the whole server, as it counts them.
fn subscriptions(server: &Server) -> u64 {
    let varz: serde_json::Value =
        serde_json::from_str(&get(server.monitor(), "/varz").body).expect("JSON");
    varz["subscriptions"].as_u64().expect("a count")
}

/// The server's resident memory, KiB.
fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("the server is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
