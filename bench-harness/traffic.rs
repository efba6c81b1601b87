//! Publishers and subscribers as a plan, and the connections that carry it out.
//!
//! Covers every throughput mode that is not request/reply: they differ only in who subscribes to
//! what. The measured window itself is in `crew.rs`.

use std::sync::Arc;

use crate::cores::Placement;
use crate::crew::{Crew, Sender};
use crate::error::{BenchError, Role, VerifyError};
use crate::interrupt;
use crate::lead::Lead;
use crate::measure::Sample;
use crate::payload::Verify;
use crate::progress::Progress;
use crate::publish::{Amount, Cartridge, Publisher};
use crate::server::Server;
use crate::session::{Inbox, Login, Session};
use crate::stage::{Counter, Phase};
use crate::subscribe::{self, Check, Share, Subscriber};
/// Subjects, sid, reply and CRLFs of one frame, beyond its payload.
const HEADER_BYTES_MAX: usize = 4096;
/// The same as a rule.
const FRAME_BYTES: usize = 24;

/// What a subscriber listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Subject or wildcard.
    pub subject: String,
    /// Queue group.
    pub group: Option<String>,
}

/// Whether a subscriber reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// Reads and counts.
    Reads,
    /// Subscribes, then never reads again.
    Stalls,
}

/// One subscribing connection.
#[derive(Debug, Clone)]
pub struct SubscriberPlan {
    /// Its subscriptions.
    pub interests: Vec<Interest>,
    /// Whether it reads.
    pub conduct: Conduct,
}

/// One publishing thread.
#[derive(Debug, Clone)]
pub struct PublisherPlan {
    /// Subjects in turn.
    pub subjects: Vec<String>,
    /// Connections in turn.
    pub connections: usize,
    /// Counted deliveries of each of its messages.
    pub copies: u64,
}

/// Everything about one run.
#[derive(Debug, Clone)]
pub struct TrafficPlan {
    /// Publishing threads.
    pub publishers: Vec<PublisherPlan>,
    /// Subscribing connections.
    pub subscribers: Vec<SubscriberPlan>,
    /// How much all publishers together send in the window.
    pub amount: Amount,
    /// How much all publishers together send before it.
    pub warmup: Amount,
    /// Payload bytes.
    pub size: usize,
    /// Messages per write.
    pub batch: Option<usize>,
    /// Messages a second, all publishers together.
    pub rate: Option<f64>,
    /// Whether content and order are checked.
    pub verify: Verify,
    /// Whether a subscriber that sees a publisher sees all of its messages.
    pub share: Share,
    /// Threads that read; `None`: half the cores.
    pub readers: Option<usize>,
    /// Who the publishers and the subscribers are; `None` as the endpoint says.
    pub logins: [Option<Login>; 2],
}

impl TrafficPlan {
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
        let connections = self.publishers.iter().map(|plan| plan.connections).sum::<usize>();
        // Each connection has a second handle to end it by.
        allow_files(2 * (connections + self.subscribers.len()))?;
        let mut crew = Crew::new(placement);
        let live = self.subscribe_all(server, connections, &mut crew)?;
        let publishers = self.publishers(server, &mut crew)?;
        let readers = self.readers.unwrap_or_else(|| (placement.load_cores() / 2).max(1));
        for group in dealt(live, readers) {
            crew.spawn(move |stage| subscribe::run(group, stage));
        }
        for publisher in publishers {
            crew.spawn(move |stage| publisher.run(stage));
        }
        Ok(crew.run(server, progress, |crew| self.check_counts(crew)))
    }

    fn subscribe_all(
        &self,
        server: &Server,
        publishing: usize,
        crew: &mut Crew,
    ) -> Result<Vec<Subscriber>, BenchError> {
        let endpoint = server.endpoint.as_user(self.logins[1].as_ref());
        let mut live = Vec::new();
        for plan in &self.subscribers {
            interrupt::check()?;
            let mut session = Session::open(&endpoint, Role::Subscriber)?;
            let mut lines = String::new();
            for (index, interest) in plan.interests.iter().enumerate() {
                let group = interest.group.as_deref().unwrap_or("");
                // spec/client-protocol.md: SUB <subject> [queue group] <sid>
                lines.push_str(&format!("SUB {} {group} {}\r\n", interest.subject, index + 1));
            }
            session.write(lines.as_bytes())?;
            session.flush()?;
            if plan.conduct == Conduct::Stalls {
                crew.held.push(session);
                continue;
            }
            let check = match self.verify {
                Verify::Count => Check::Count,
                Verify::Content => {
                    let (size, share) = (self.size, self.share);
                    Check::Content { size, share, next: vec![0; publishing] }
                }
            };
            let counter = Arc::new(Counter::default());
            crew.receivers.push(Arc::clone(&counter));
            crew.closers.push(session.closer()?);
            let frame_bytes_max = self.size + HEADER_BYTES_MAX;
            let inbox = Inbox::new(session.into_channel(), Role::Subscriber, frame_bytes_max);
            live.push(Subscriber { inbox, counter, check });
        }
        Ok(live)
    }

    fn publishers(&self, server: &Server, crew: &mut Crew) -> Result<Vec<Publisher>, BenchError> {
        let endpoint = server.endpoint.as_user(self.logins[0].as_ref());
        let threads = self.publishers.len() as u64;
        let mut publishers = Vec::new();
        let mut first_id = 0;
        for (index, plan) in self.publishers.iter().enumerate() {
            interrupt::check()?;
            let mut sessions = Vec::new();
            for _ in 0..plan.connections {
                let session = Session::open(&endpoint, Role::Publisher)?;
                session.greeting.check_size(self.size)?;
                crew.closers.push(session.closer()?);
                sessions.push(session);
            }
            let counter = Arc::new(Counter::default());
            crew.senders.push(Sender { counter: Arc::clone(&counter), copies: plan.copies });
            let part = |amount| part_of(amount, threads, index as u64);
            publishers.push(Publisher {
                sessions,
                first_id,
                cartridge: Cartridge::new(&plan.subjects, self.size, self.batch)?,
                batch: self.batch,
                rate: self.rate.map(|rate| rate / threads as f64),
                amounts: [(Phase::Warmup, part(self.warmup)), (Phase::Measured, part(self.amount))],
                verify: self.verify,
                counter,
                lead: None,
            });
            first_id += plan.connections as u32;
        }
        if !crew.receivers.is_empty() {
            let senders = crew.senders.iter();
            let lead = Arc::new(Lead {
                senders: senders
                    .map(|sender| (Arc::clone(&sender.counter), sender.copies))
                    .collect(),
                receivers: crew.receivers.clone(),
                delivery_bytes: (self.size + FRAME_BYTES) as u64,
            });
            for publisher in &mut publishers {
                publisher.lead = Some(Arc::clone(&lead));
            }
        }
        Ok(publishers)
    }

    /// Neither too few nor too many deliveries in all, and where each subscriber receives
    /// everything, the same for each.
    fn check_counts(&self, crew: &Crew) -> Result<(), BenchError> {
        let tally = crew.tally();
        let wrong = |subscriber, received, expected| {
            Err(BenchError::Verify(VerifyError::Count { subscriber, received, expected }))
        };
        if tally.received != tally.expected {
            return wrong(None, tally.received, tally.expected);
        }
        let live = crew.receivers.len() as u64;
        let each_gets_all = self.share == Share::All
            && self.publishers.iter().all(|publisher| publisher.copies == live);
        if each_gets_all {
            for (index, counter) in crew.receivers.iter().enumerate() {
                if counter.messages() != tally.sent {
                    return wrong(Some(index), counter.messages(), tally.sent);
                }
            }
        }
        Ok(())
    }
}

/// One publisher's part of an amount; the parts add up to the whole.
pub fn part_of(amount: Amount, parts: u64, index: u64) -> Amount {
    match amount {
        Amount::Messages(all) => Amount::Messages(all / parts + u64::from(index < all % parts)),
        time => time,
    }
}

/// Deals subscribers to at most `hands` threads.
fn dealt(subscribers: Vec<Subscriber>, hands: usize) -> Vec<Vec<Subscriber>> {
    let hands = hands.min(subscribers.len());
    let mut groups: Vec<Vec<Subscriber>> = (0..hands).map(|_| Vec::new()).collect();
    for (index, subscriber) in subscribers.into_iter().enumerate() {
        groups[index % hands].push(subscriber);
    }
    groups
}

/// Raises the limit of open files to `wanted`, and says if that cannot be.
pub fn allow_files(wanted: usize) -> Result<(), BenchError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // The rest is for epoll, the server's log, and files read on the way.
    let wanted = wanted as u64 + 64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if let Some(allowed) = limit.maximum.filter(|&maximum| maximum < wanted) {
        return Err(BenchError::FilesLimit { wanted, allowed });
    }
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(std::io::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        let parts: u64 = (0..3)
            .map(|index| match part_of(Amount::Messages(11), 3, index) {
                Amount::Messages(part) => part,
                Amount::Time(_) => 0,
            })
            .sum();
        assert_eq!(parts, 11);
    }
}
