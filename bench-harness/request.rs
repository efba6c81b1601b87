//! Request and reply: one at a time, or many in flight. The replies come from responders of our
//! own, or from the server itself (acknowledged publishes and direct gets of JetStream).
//!
//! Every request carries its own reply subject below the requester's inbox, as clients do. A round
//! trip is timed from the write that carries the request to the read that brings the reply. A reply
//! that is not what was asked for ends the run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memchr::memmem;

use crate::cores::Placement;
use crate::crew::{Crew, Sender};
use crate::error::{BenchError, Role};
use crate::interrupt;
use crate::lines::{number, put_number, put_publish};
use crate::measure::{Measure, Sample, latency_histogram};
use crate::payload;
use crate::progress::Progress;
use crate::publish::Amount;
use crate::server::Server;
use crate::session::{Inbox, Login, Session, Sink, Turn};
use crate::stage::{Counter, Phase, Stage};
use crate::traffic::part_of;
use crate::wire::{Frame, shown};

/// Where our own responders listen.
pub const SUBJECT: &str = "bench.request";
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
    /// Where the requests go, in turn.
    pub subjects: Arc<[String]>,
    /// What a reply must be.
    pub reply: Reply,
    /// Who the requesters and the responders are; `None` as the endpoint says.
    pub logins: [Option<Login>; 2],
}

/// What a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Whatever a responder sends.
    Any,
    /// The acknowledgement of a publish into a stream.
    PubAck,
    /// A stored message (direct get).
    Stored,
}

impl Reply {
    // spec/jetstream.md: a PubAck is JSON, with `error` when the message was not stored; a direct
    // get that finds nothing, and a subject that nobody listens to, answer with a status line.
    fn accepts(self, body: &[u8]) -> bool {
        match self {
            Reply::Any => !body.starts_with(b"NATS/1.0 503"),
            Reply::PubAck => body.starts_with(b"{") && memmem::find(body, b"\"error\"").is_none(),
            Reply::Stored => body.starts_with(b"NATS/1.0\r\n"),
        }
    }
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
        let mut sample = self.run_judged(server, placement, progress, |_| Ok(()))?;
        for (measure, _) in &mut sample.values {
            if *measure == Measure::PublishRate {
                *measure = Measure::RequestRate;
            }
        }
        Ok(sample)
    }

    /// Runs it once and lets `judge` look at the end; counts stand as published messages.
    ///
    /// # Errors
    /// As [`RequestPlan::run`].
    pub fn run_judged(
        &self,
        server: &mut Server,
        placement: &Placement,
        progress: &Progress,
        judge: impl FnOnce(&Crew) -> Result<(), BenchError>,
    ) -> Result<Sample, BenchError> {
        let mut crew = Crew::new(placement);
        for _ in 0..self.responders {
            interrupt::check()?;
            let subject = &self.subjects[0];
            let lines = format!("SUB {subject} {GROUP} 1\r\n");
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
        let mut sample = crew.run(server, progress, judge);
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
        let login = self.logins[usize::from(role == Role::Responder)].as_ref();
        let mut session = Session::open(&server.endpoint.as_user(login), role)?;
        session.greeting.check_size(self.size)?;
        session.write(lines.as_bytes())?;
        session.flush()?;
        crew.closers.push(session.closer()?);
        Ok(Inbox::new(session.into_channel(), role, self.size + FRAME_EXTRA))
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
        inbox.send(&mut replies.out)?;
    }
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
    subjects: Arc<[String]>,
    /// Index of the next request's subject.
    next: usize,
    reply: Reply,
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
    reply: Reply,
    /// The first reply that was not what was asked for.
    refused: Option<String>,
    inbox_bytes: usize,
    record: Option<Histogram<u64>>,
}

impl Sink for Flight {
    fn arrived(&mut self, _: Option<Duration>) {
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
        if !self.reply.accepts(frame.body) {
            self.refused.get_or_insert_with(|| shown(frame.body));
        }
        if let Some(latencies) = &mut self.record {
            latencies.saturating_record((self.arrived - sent_at).as_nanos() as u64);
        }
    }
}

impl Requester {
    fn new(
        plan: &RequestPlan,
        index: usize,
        inbox: Inbox,
        counter: Arc<Counter>,
        latencies: Arc<Mutex<Histogram<u64>>>,
    ) -> Requester {
        let part = |amount| part_of(amount, plan.requesters as u64, index as u64);
        Requester {
            inbox,
            counter,
            amounts: [(Phase::Warmup, part(plan.warmup)), (Phase::Measured, part(plan.amount))],
            in_flight: plan.in_flight,
            body: payload::plain(plan.size),
            inbox_name: format!("_INBOX.bench{index}."),
            subjects: Arc::clone(&plan.subjects),
            next: plan.subjects.len() / plan.requesters * index,
            reply: plan.reply,
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
            reply: self.reply,
            refused: None,
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
            if let Some(text) = flight.refused.take() {
                let subject = self.subjects[0].clone();
                return Err(BenchError::Refused { subject, text });
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
        &mut self,
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
            put_publish(out, &[self.subjects[self.next].as_bytes(), &reply], &self.body);
            self.next = (self.next + 1) % self.subjects.len();
        }
        self.inbox.send(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_a_reply() {
        assert!(Reply::PubAck.accepts(b"{\"stream\":\"S\",\"seq\":9}"));
        let full = b"{\"error\":{\"code\":503,\"err_code\":10077},\"stream\":\"S\",\"seq\":0}";
        assert!(!Reply::PubAck.accepts(full));
        assert!(!Reply::PubAck.accepts(b"NATS/1.0 503\r\n\r\n"), "no stream listens");
        assert!(Reply::Stored.accepts(b"NATS/1.0\r\nNats-Sequence: 1\r\n\r\nx"));
        assert!(!Reply::Stored.accepts(b"NATS/1.0 404 Message Not Found\r\n\r\n"));
        assert!(Reply::Any.accepts(b""));
        assert!(!Reply::Any.accepts(b"NATS/1.0 503\r\n\r\n"), "nobody answers");
    }
}
