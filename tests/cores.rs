//! The rules that hold between cores (design §4), asked of connections that live on different
//! ones. With `--cores` of two or more, Corewire spreads connections by load; a server that knows
//! no cores must pass all the same.

use std::collections::HashMap;
use std::io::Read;
use std::time::Duration;

use harness::{Raw, Server, until};

/// Enough to stand on every core, several times.
const CONNECTIONS: usize = 8;

fn spread() -> (Server, Vec<Raw>) {
    let server = Server::builder().cores(4).start();
    let raws = (0..CONNECTIONS).map(|_| server.quiet()).collect();
    (server, raws)
}

#[test]
fn rule_1_flush_means_visible() {
    let (_server, mut raws) = spread();
    // Each round: SUB + PING on one connection; as soon as PONG is there, publish on another.
    for round in 0..4000 {
        let (from, to) = (round % CONNECTIONS, (round / CONNECTIONS + round + 1) % CONNECTIONS);
        if from == to {
            continue;
        }
        let subject = format!("round.{round}");
        raws[to].send(&format!("SUB {subject} {round}\r\nPING"));
        raws[to].expect("PONG\r\n");
        raws[from].publish(&subject, "x");
        raws[to].expect(&format!("MSG {subject} {round} 1\r\nx\r\n"));
        raws[to].send(&format!("UNSUB {round}"));
    }
}

#[test]
fn rule_1_flush_means_visible_for_queue_groups_and_wildcards() {
    let (_server, mut raws) = spread();
    for round in 0..2000 {
        let (from, to) = (round % CONNECTIONS, (round + 3) % CONNECTIONS);
        let what = if round % 2 == 0 { format!("q.{round} group") } else { format!("q.{round}.>") };
        let subject = if round % 2 == 0 { format!("q.{round}") } else { format!("q.{round}.a.b") };
        raws[to].send(&format!("SUB {what} {round}\r\nPING"));
        raws[to].expect("PONG\r\n");
        raws[from].publish(&subject, "x");
        raws[to].expect(&format!("MSG {subject} {round} 1\r\nx\r\n"));
        raws[to].send(&format!("UNSUB {round}"));
    }
}

#[test]
fn rule_2_who_can_answer_knows_the_inbox() {
    let (_server, mut raws) = spread();
    let (askers, answerers) = raws.split_at_mut(CONNECTIONS / 2);
    for answerer in answerers.iter_mut() {
        answerer.send("SUB service group 1");
        answerer.ping();
    }
    // The inbox and the request leave in one write, without a flush between them.
    for round in 0..1000 {
        let asker = &mut askers[round % (CONNECTIONS / 2)];
        asker.send(&format!("SUB inbox.{round} {round}\r\nPUB service inbox.{round} 1\r\n?"));
        let (at, reply) = take_request(answerers);
        assert_eq!(reply, format!("inbox.{round}"));
        answerers[at].publish(&reply, "!");
        asker.expect(&format!("MSG inbox.{round} {round} 1\r\n!\r\n"));
        asker.send(&format!("UNSUB {round}"));
    }
}

/// Which of these has the one request that is on its way, and its reply subject.
fn take_request(answerers: &mut [Raw]) -> (usize, String) {
    until("the request reaches somebody", || {
        answerers.iter_mut().enumerate().find_map(|(at, answerer)| {
            let (line, _) = answerer.message_within(Duration::from_micros(200))?;
            Some((at, line.split(' ').nth(3).expect("a reply").to_owned()))
        })
    })
}

#[test]
fn rule_3_one_publishers_messages_keep_their_order_at_every_subscriber() {
    const COUNT: usize = 5000;
    let (_server, mut raws) = spread();
    for raw in &mut raws {
        raw.send("SUB order.> 1");
        raw.ping();
    }
    // Sizes on both sides of what a ring carries inline.
    let size = |number: usize| if number.is_multiple_of(100) { 20_000 } else { 8 + number % 50 };
    let mut batch = Vec::new();
    for number in 0..COUNT {
        let payload = format!("{number:0width$}", width = size(number));
        batch.extend_from_slice(
            format!("PUB order.{} {}\r\n", number % 5, payload.len()).as_bytes(),
        );
        batch.extend_from_slice(payload.as_bytes());
        batch.extend_from_slice(b"\r\n");
    }
    let mut publisher = raws.swap_remove(0);
    let writing = std::thread::spawn(move || {
        publisher.send_bytes(&batch);
        for number in 0..COUNT {
            expect_number(&mut publisher, number);
        }
    });
    let reading: Vec<_> = raws
        .into_iter()
        .map(|mut raw| {
            std::thread::spawn(move || {
                (0..COUNT).for_each(|number| expect_number(&mut raw, number))
            })
        })
        .collect();
    writing.join().expect("the publisher's own copies are in order");
    for reader in reading {
        reader.join().expect("the copies are in order");
    }
}

fn expect_number(raw: &mut Raw, number: usize) {
    let (line, payload) = raw.message();
    let text = std::str::from_utf8(&payload).expect("digits");
    assert_eq!(text.parse::<usize>().expect("a number"), number, "in {line}");
}

#[test]
fn queue_picks_are_fair_over_all_connections() {
    const COUNT: usize = 8000;
    let (_server, mut raws) = spread();
    for (at, raw) in raws.iter_mut().enumerate() {
        raw.send(&format!("SUB work group {at}\r\nSUB done done"));
        raw.ping();
    }
    // Half from the one end, half from the other: the picks of both cores must be fair.
    let (first, second) = (0, CONNECTIONS - 1);
    for publisher in [first, second] {
        raws[publisher].send_bytes(&b"PUB work 1\r\nx\r\n".repeat(COUNT / 2));
        raws[publisher].publish("done", "");
    }
    let counts: Vec<usize> = raws.iter_mut().map(count_until_both_are_done).collect();
    assert_eq!(counts.iter().sum::<usize>(), COUNT, "each message once: {counts:?}");
    // 1000 each when uniform; 750 is eight deviations away.
    assert!(counts.iter().all(|count| (750..1250).contains(count)), "{counts:?}");
}

fn count_until_both_are_done(raw: &mut Raw) -> usize {
    let (mut messages, mut done) = (0, 0);
    while done < 2 {
        let (line, _) = raw.message();
        if line == "MSG done done 0" { done += 1 } else { messages += 1 }
    }
    messages
}

#[test]
fn queue_members_that_come_and_go_lose_nothing() {
    let (_server, mut raws) = spread();
    let mut keeper = raws.pop().expect("connections");
    let mut publisher = raws.pop().expect("connections");
    keeper.send("SUB shift group 1");
    keeper.ping();
    let (mut sent, mut got) = (0, 0);
    for round in 0..200 {
        let guest = &mut raws[round % (CONNECTIONS - 2)];
        guest.send("SUB shift group 1");
        got += guest.messages_until_pong().len();
        publisher.send_bytes(&b"PUB shift 1\r\nx\r\n".repeat(10));
        publisher.ping();
        guest.send("UNSUB 1");
        got += guest.messages_until_pong().len();
        publisher.send_bytes(&b"PUB shift 1\r\nx\r\n".repeat(10));
        sent += 20;
    }
    // What the guests did not take, the keeper did. A pick that found its member gone may come
    // last, by another way.
    raws.push(keeper);
    let mut count_more = || {
        let mut count = 0;
        for raw in &mut raws {
            while raw.message_within(Duration::from_millis(1)).is_some() {
                count += 1;
            }
        }
        count
    };
    until("nothing is lost", || {
        got += count_more();
        (got >= sent).then_some(())
    });
    got += (0..20).map(|_| count_more()).sum::<usize>();
    assert_eq!(got, sent, "nothing is doubled");
}

#[test]
fn rule_5_a_slow_subscriber_is_closed_and_harms_nobody() {
    const ROUNDS: usize = 60;
    // Well below max_pending, so that who reads is never slow.
    const MESSAGES: usize = 8;
    let server = Server::builder().cores(4).config("max_pending: 1MB\nmax_payload: 65536").start();
    let mut raws: Vec<Raw> = (0..CONNECTIONS).map(|_| server.quiet()).collect();
    let mut slow = raws.pop().expect("connections");
    slow.send("SUB feed 1");
    slow.ping();
    let mut publisher = raws.pop().expect("connections");
    for raw in &mut raws {
        raw.send("SUB feed 1\r\nSUB feed.done done");
        raw.ping();
    }
    let mut batch = Vec::new();
    for _ in 0..MESSAGES {
        batch.extend_from_slice(b"PUB feed 50000\r\n");
        batch.resize(batch.len() + 50_000, b'x');
        batch.extend_from_slice(b"\r\n");
    }
    for _ in 0..ROUNDS {
        publisher.send_bytes(&batch);
        publisher.publish("feed.done", "");
        // All others have this round before the next begins: they are never slow.
        for raw in &mut raws {
            for _ in 0..MESSAGES {
                assert_eq!(raw.message().0, "MSG feed 1 50000");
            }
            assert_eq!(raw.message().0, "MSG feed.done done 0");
        }
    }
    server.wait_for_log("Slow Consumer Detected");
    let own = format!("cid:{} - ", slow.cid());
    for line in server.log_text().lines().filter(|line| line.contains("Slow Consumer")) {
        assert!(line.contains(&own), "only the slow one is slow: {line}");
    }
    assert!(slow.rest().len() < ROUNDS * batch.len(), "it missed some");
    for raw in &mut raws {
        raw.ping();
    }
}

#[test]
fn garbage_before_connect_hurts_only_who_sends_it() {
    let server = Server::builder().cores(4).start();
    let mut listener = server.quiet();
    listener.send("SUB steady 1");
    listener.ping();
    let mut publisher = server.quiet();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    println!("seed {seed:#x}");
    for round in 0..300 {
        let mut noisy = server.connect();
        let mut noise = [0_u8; 512];
        for byte in &mut noise {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            *byte = seed as u8;
        }
        // A first byte that begins no operation.
        noise[0] |= 0x80;
        noisy.send_bytes(&noise);
        noisy.expect_error("Unknown Protocol Operation");
        let payload = round.to_string();
        publisher.publish("steady", &payload);
        listener.expect(&format!("MSG steady 1 {}\r\n{payload}\r\n", payload.len()));
    }
}

#[test]
fn half_lines_and_silence_hold_no_one_up() {
    let server = Server::builder().cores(4).start();
    let starts: [&[u8]; 6] =
        [b"", b"P", b"CONNECT {", b"PUB a 1048576\r\nx", b"SUB aaaa", b"PUB a 10\r\n12345"];
    let idle: Vec<Raw> = (0..240)
        .map(|at| {
            let mut raw = server.connect();
            raw.send_bytes(starts[at % starts.len()]);
            raw
        })
        .collect();
    let (mut one, mut two) = (server.quiet(), server.quiet());
    one.send("SUB alive 1");
    one.ping();
    for _ in 0..500 {
        two.publish("alive", "x");
        one.expect("MSG alive 1 1\r\nx\r\n");
    }
    drop(idle);
    one.ping();
}

#[test]
fn connections_stand_on_every_core() {
    if harness::Subject::from_env().skips_ours() {
        return;
    }
    let server = Server::builder().cores(2).monitored().start();
    let raws: Vec<Raw> = (0..CONNECTIONS).map(|_| server.quiet()).collect();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(2);
    let counts = until("all connections in the metrics", || {
        let metrics = harness::get(server.monitor(), "/metrics").body;
        let counts: HashMap<_, usize> = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("corewire_connections{"))
            .filter_map(|series| series.split_once("} "))
            .filter_map(|(core, count)| Some((core.to_owned(), count.parse().ok()?)))
            .collect();
        (counts.values().sum::<usize>() == raws.len()).then_some(counts)
    });
    assert_eq!(counts.len(), cores, "{counts:?}");
    let each = CONNECTIONS / cores;
    assert!(counts.values().all(|count| *count == each), "the least loaded core: {counts:?}");
}

#[test]
fn a_reader_that_stops_and_goes_on_gets_everything_in_order() {
    const COUNT: usize = 3000;
    let (_server, mut raws) = spread();
    let mut reader = raws.pop().expect("connections");
    reader.send("SUB paused 1");
    reader.ping();
    let mut batch = Vec::new();
    for number in 0..COUNT {
        batch.extend_from_slice(format!("PUB paused 2000\r\n{number:02000}\r\n").as_bytes());
    }
    // More than the socket buffers hold, less than max_pending: it waits in the server.
    let mut publisher = raws.pop().expect("connections");
    publisher.send_bytes(&batch);
    publisher.ping();
    for number in 0..COUNT {
        expect_number(&mut reader, number);
    }
    reader.ping();
    let mut nothing = [0; 1];
    reader.stream().set_nonblocking(true).expect("a socket");
    assert!(reader.stream().read(&mut nothing).is_err(), "nothing came twice");
}
