//! Hot path: reads and counts deliveries. Before it stands the socket, after it the main thread,
//! which watches the counters.
//!
//! A reader thread serves one connection by blocking reads, or several through epoll.

use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use crate::error::{BenchError, Role, VerifyError};
use crate::payload;
use crate::session::{Inbox, Turn};
use crate::stage::{Counter, Stage};
use crate::wire::Frame;

/// What a subscriber checks of each message.
#[derive(Debug)]
pub enum Check {
    /// Nothing but that it came.
    Count,
    /// Content, and the order of each publisher's messages.
    Content {
        /// Payload size sent.
        size: usize,
        /// Whether every message of a publisher must come, or only some (queue group).
        share: Share,
        /// Next sequence expected of each publishing connection.
        next: Vec<u64>,
    },
}

/// How much of the traffic reaches one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Every message of its subjects.
    All,
    /// Some; the rest goes to others (a queue group, subscriptions dealt out).
    Some,
}

/// One subscriber's connection and count.
#[derive(Debug)]
pub struct Subscriber {
    /// Its connection.
    pub inbox: Inbox,
    /// Its count, read by the main thread.
    pub counter: Arc<Counter>,
    /// What it checks.
    pub check: Check,
}

/// Counts one turn's messages; `--verify` checks them.
struct Count<'a> {
    messages: u64,
    check: &'a mut Check,
    wrong: Option<VerifyError>,
}

impl crate::session::Sink for Count<'_> {
    #[inline]
    fn message(&mut self, frame: Frame<'_>) {
        self.messages += 1;
        if let Check::Content { size, share, next } = self.check
            && let Err(error) = verify(frame.body, *size, *share, next)
        {
            self.wrong.get_or_insert(error);
        }
    }
}

fn verify(body: &[u8], size: usize, share: Share, next: &mut [u64]) -> Result<(), VerifyError> {
    let (publisher, sequence) = payload::check(body, size)?;
    let Some(next) = next.get_mut(publisher as usize) else {
        return Err(VerifyError::Payload { publisher, sequence });
    };
    let in_order = match share {
        Share::All => sequence == *next,
        Share::Some => sequence >= *next,
    };
    if !in_order {
        let last = next.wrapping_sub(1);
        return Err(VerifyError::Order { publisher, last, got: sequence });
    }
    *next = sequence + 1;
    Ok(())
}

impl Subscriber {
    /// One read and the count of what it brought.
    ///
    /// # Errors
    /// The connection broke, the server complained, or a message was wrong.
    pub fn turn(&mut self, stage: &Stage) -> Result<Turn, BenchError> {
        let before = self.counter.messages();
        let mut count = Count { messages: before, check: &mut self.check, wrong: None };
        let turn = self.inbox.turn(&mut count)?;
        if let Some(wrong) = count.wrong {
            return Err(BenchError::Verify(wrong));
        }
        if count.messages != before {
            self.counter.set(count.messages, stage.now_ns());
        }
        Ok(turn)
    }
}

/// The life of a reader thread: until the stage closes.
///
/// # Errors
/// The connection broke, the server complained, or a message was wrong.
pub fn run(mut subscribers: Vec<Subscriber>, stage: &Stage) -> Result<(), BenchError> {
    match subscribers.as_mut_slice() {
        [one] => read_one(one, stage),
        many => read_many(many, stage),
    }
}

fn read_one(subscriber: &mut Subscriber, stage: &Stage) -> Result<(), BenchError> {
    while !stage.is_closed() {
        if subscriber.turn(stage)? == Turn::End && !stage.is_closed() {
            return Err(BenchError::Closed(Role::Subscriber));
        }
    }
    Ok(())
}

fn read_many(subscribers: &mut [Subscriber], stage: &Stage) -> Result<(), BenchError> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(std::io::Error::from)?;
    for (index, subscriber) in subscribers.iter().enumerate() {
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&poll, subscriber.inbox.socket(), data, epoll::EventFlags::IN)
            .map_err(std::io::Error::from)?;
    }
    let mut events = Vec::with_capacity(subscribers.len().max(1));
    while !stage.is_closed() {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
        for event in &events {
            let subscriber = &mut subscribers[event.data.u64() as usize];
            if subscriber.turn(stage)? == Turn::End && !stage.is_closed() {
                return Err(BenchError::Closed(Role::Subscriber));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(publisher: u32, sequence: u64) -> Vec<u8> {
        let mut body = payload::plain(16);
        payload::stamp(&mut body, publisher, sequence);
        body
    }

    #[test]
    fn order_is_checked_per_publisher() {
        let mut next = vec![0, 0];
        let mut see =
            |publisher, sequence| verify(&body(publisher, sequence), 16, Share::All, &mut next);
        assert_eq!(see(0, 0), Ok(()));
        assert_eq!(see(1, 0), Ok(()));
        assert_eq!(see(0, 1), Ok(()));
        assert_eq!(see(0, 3), Err(VerifyError::Order { publisher: 0, last: 1, got: 3 }));
        assert!(see(9, 0).is_err(), "nobody sent that");
    }

    #[test]
    fn a_group_member_may_miss_messages_but_never_sees_one_twice() {
        let mut next = vec![0];
        let mut see = |sequence| verify(&body(0, sequence), 16, Share::Some, &mut next);
        assert_eq!(see(4), Ok(()));
        assert_eq!(see(9), Ok(()));
        assert_eq!(see(9), Err(VerifyError::Order { publisher: 0, last: 9, got: 9 }));
    }
}
