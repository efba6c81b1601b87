//! Request and reply: one at a time, or many in flight.
//!
//! Every request carries its own reply subject below the requester's inbox, as clients do. A round
//! trip is timed from the write that carries the request to the read that brings the reply.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::cores::Placement;
use crate::crew::{Crew, Sender};
use crate::error::{BenchError, Role};
use crate::interrupt;
use crate::measure::{Measure, Sample, latency_histogram};
use crate::payload;
use crate::progress::Progress;
use crate::publish::Amount;
use crate::server::Server;
use crate::session::{Inbox, Session, Sink, Turn};
use crate::stage::{Counter, Phase, Stage};
use crate::wire::Frame;

const SUBJECT: &str = "bench.request";
const GROUP: &str = "responders";
/// Room for subjects and sizes beside the payload.
const FRAME_EXTRA: usize = 512;

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct RequestPlan {
    /// Requesting connections, one thread each.
    pub requesters: usize,
    /// Answering connections, one thread each, in one queue group.
    pub responders: usize,
    /// Requests that each requester keeps under way.
    pub in_flight: usize,
    /// Round trips of all requesters together in the window.
    pub amount: Amount,
    /// The same before it.
    pub warmup: Amount,
    /// Payload bytes of request and reply.
    pub size: usize,
}

impl RequestPlan {
    /// Runs it once. A window that ended early comes back as a partial sample.
    ///
    /// # Errors
    /// Whatever kept the load from starting at all.
    pub fn run(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
    ) -> Result<Sample, BenchError> {
        let mut crew = Crew::new(placement);
        for _ in 0..self.responders {
            interrupt::check()?;
            let lines = format!("SUB {SUBJECT} {GROUP} 1\r\n");
            let inbox = self.open(server, Role::Responder, &lines, &mut crew)?;
            let size = self.size;
            crew.spawn(move |stage| respond(inbox, size, stage));
        }
        let latencies = Arc::new(Mutex::new(latency_histogram()));
        for index in 0..self.requesters {
            interrupt::check()?;
            let lines = format!("SUB _INBOX.bench{index}.* 1\r\n");
            let inbox = self.open(server, Role::Requester, &lines, &mut crew)?;
            let counter = Arc::new(Counter::default());
            crew.senders.push(Sender { counter: Arc::clone(&counter), copies: 0 });
            let requester = Requester::new(self, index, inbox, counter, Arc::clone(&latencies));
            crew.spawn(move |stage| requester.run(stage));
        }
        let mut sample = crew.run(server, progress, |_| Ok(()));
        for (measure, _) in &mut sample.values {
            if *measure == Measure::PublishRate {
                *measure = Measure::RequestRate;
            }
        }
        let latencies = latencies.lock().unwrap_or_else(PoisonError::into_inner);
        sample.put_latencies(latencies.clone());
        Ok(sample)
    }

    fn open(
        &self,
        server: &Server,
        role: Role,
        lines: &str,
        crew: &mut Crew,
    ) -> Result<Inbox, BenchError> {
        let mut session = Session::open(&server.endpoint, role)?;
        session.greeting.check_size(self.size)?;
        session.write(lines.as_bytes())?;
        session.flush()?;
        crew.closers.push(session.closer()?);
        Ok(Inbox::new(session.into_stream(), role, self.size + FRAME_EXTRA))
    }
}

/// Answers every request of a turn with one write.
fn respond(mut inbox: Inbox, size: usize, stage: &Stage) -> Result<(), BenchError> {
    struct Replies {
        body: Vec<u8>,
        out: Vec<u8>,
    }
    impl Sink for Replies {
        fn message(&mut self, frame: Frame<'_>) {
            put_publish(&mut self.out, &[frame.reply], &self.body);
        }
    }
    let mut replies = Replies { body: payload::plain(size), out: Vec::new() };
    while !stage.is_closed() {
        if inbox.turn(&mut replies)? == Turn::End {
            return closed(Role::Responder, stage);
        }
        send(&inbox, Role::Responder, &mut replies.out)?;
    }
    Ok(())
}

/// `PUB <word> [word] <size>` and the body.
fn put_publish(out: &mut Vec<u8>, words: &[&[u8]], body: &[u8]) {
    out.extend_from_slice(b"PUB");
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
    out.push(b' ');
    put_number(out, body.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

/// Decimal digits without an allocation.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

fn send(inbox: &Inbox, role: Role, out: &mut Vec<u8>) -> Result<(), BenchError> {
    let mut stream = inbox.stream();
    stream.write_all(out).map_err(|source| BenchError::Connection { role, source })?;
    out.clear();
    Ok(())
}

fn closed(role: Role, stage: &Stage) -> Result<(), BenchError> {
    if stage.is_closed() { Ok(()) } else { Err(BenchError::Closed(role)) }
}

/// One requesting thread.
struct Requester {
    inbox: Inbox,
    counter: Arc<Counter>,
    amounts: [(Phase, Amount); 2],
    in_flight: usize,
    body: Vec<u8>,
    inbox_name: String,
    latencies: Arc<Mutex<Histogram<u64>>>,
}

/// Requests under way, and the replies of one turn.
struct Flight {
    /// One slot for each request that may be under way: its token and when it was sent. A token is
    /// `serial * slots + slot`, so that replies may come in any order.
    slots: Vec<Option<(u64, Instant)>>,
    free: Vec<usize>,
    sent: u64,
    arrived: Instant,
    done: u64,
    /// Set when a reply names a token that is not under way.
    stray: bool,
    inbox_bytes: usize,
    record: Option<Histogram<u64>>,
}

impl Sink for Flight {
    fn arrived(&mut self) {
        self.arrived = Instant::now();
    }

    fn message(&mut self, frame: Frame<'_>) {
        let token = frame.subject.get(self.inbox_bytes..).and_then(number);
        let slot = token.map_or(0, |token| (token % self.slots.len() as u64) as usize);
        let Some((_, sent_at)) = self.slots[slot].take_if(|(sent, _)| Some(*sent) == token) else {
            self.stray = true;
            return;
        };
        self.free.push(slot);
        self.done += 1;
        if let Some(latencies) = &mut self.record {
            latencies.saturating_record((self.arrived - sent_at).as_nanos() as u64);
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

impl Requester {
    fn new(
        plan: &RequestPlan,
        index: usize,
        inbox: Inbox,
        counter: Arc<Counter>,
        latencies: Arc<Mutex<Histogram<u64>>>,
    ) -> Requester {
        let part = |amount| match amount {
            Amount::Messages(all) => Amount::Messages((all / plan.requesters as u64).max(1)),
            time => time,
        };
        Requester {
            inbox,
            counter,
            amounts: [(Phase::Warmup, part(plan.warmup)), (Phase::Measured, part(plan.amount))],
            in_flight: plan.in_flight,
            body: payload::plain(plan.size),
            inbox_name: format!("_INBOX.bench{index}."),
            latencies,
        }
    }

    fn run(mut self, stage: &Stage) -> Result<(), BenchError> {
        let mut flight = Flight {
            slots: vec![None; self.in_flight],
            free: (0..self.in_flight).collect(),
            sent: 0,
            arrived: Instant::now(),
            done: 0,
            stray: false,
            inbox_bytes: self.inbox_name.len(),
            record: None,
        };
        for (phase, amount) in self.amounts {
            if stage.wait_for(phase) == Phase::Closed {
                return Ok(());
            }
            flight.record = (phase == Phase::Measured).then(latency_histogram);
            let outcome = self.trips(amount, &mut flight, stage);
            if let Some(latencies) = flight.record.take() {
                let mut all = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
                all.add(latencies).expect("both histograms have the same bounds");
            }
            outcome?;
            self.counter.finish(phase, flight.done, stage.now_ns());
        }
        stage.wait_for(Phase::Closed);
        Ok(())
    }

    /// Keeps requests under way until the amount is used up, then waits for the last replies.
    fn trips(
        &mut self,
        amount: Amount,
        flight: &mut Flight,
        stage: &Stage,
    ) -> Result<(), BenchError> {
        let begun = Instant::now();
        let before = flight.done;
        let mut out = Vec::new();
        while !stage.is_closed() {
            let sent = flight.sent - before;
            let left = match amount {
                Amount::Messages(messages) => messages - sent,
                Amount::Time(time) if begun.elapsed() >= time => 0,
                Amount::Time(_) => u64::MAX,
            };
            if left == 0 && flight.free.len() == self.in_flight {
                return Ok(());
            }
            let free = left.min(flight.free.len() as u64);
            if free > 0 {
                self.request(free, flight, &mut out)?;
            }
            if self.inbox.turn(flight)? == Turn::End {
                return closed(Role::Requester, stage);
            }
            if flight.stray {
                let text = "a reply that nobody asked for".to_string();
                return Err(BenchError::ServerSaid { role: Role::Requester, text });
            }
            self.counter.set(flight.done, stage.now_ns());
        }
        Ok(())
    }

    fn request(
        &self,
        count: u64,
        flight: &mut Flight,
        out: &mut Vec<u8>,
    ) -> Result<(), BenchError> {
        let mut reply = Vec::with_capacity(self.inbox_name.len() + 20);
        let now = Instant::now();
        for _ in 0..count {
            let Some(slot) = flight.free.pop() else {
                break;
            };
            let token = flight.sent * self.in_flight as u64 + slot as u64;
            flight.sent += 1;
            flight.slots[slot] = Some((token, now));
            reply.clear();
            reply.extend_from_slice(self.inbox_name.as_bytes());
            put_number(&mut reply, token);
            put_publish(out, &[SUBJECT.as_bytes(), &reply], &self.body);
        }
        send(&self.inbox, Role::Requester, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lines_are_written_as_the_protocol_wants() {
        let mut out = Vec::new();
        put_publish(&mut out, &[b"a", b"_INBOX.x.0"], b"hi");
        put_publish(&mut out, &[b"b"], b"");
        assert_eq!(out, b"PUB a _INBOX.x.0 2\r\nhi\r\nPUB b 0\r\n\r\n");
        let mut digits = Vec::new();
        put_number(&mut digits, u64::MAX);
        assert_eq!(number(&digits), Some(u64::MAX));
        assert_eq!(number(b"x"), None);
    }
}
