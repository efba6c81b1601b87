//! Hot path: writes prebuilt PUB lines to the server. Before it stands nothing, after it the
//! socket.
//!
//! A publisher is one thread with one or more connections. Its messages lie ready in a
//! [`Cartridge`]; a write sends as many of them as the batch says. With several connections each
//! write goes to the next one (an unbatched feed is 64 connections and a batch of one).

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::lead::Lead;
use crate::payload::{self, Verify};
use crate::session::Session;
use crate::stage::{Counter, Phase, Stage};

/// Bytes a write carries unless `--batch` says otherwise: loopback TCP is quickest with these.
const WRITE_BYTES: usize = 256 * 1024;
/// Longest prepared run of messages, bytes; a hundred thousand subjects fit.
const CARTRIDGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A paced publisher wakes at least this far apart, so that it does not spin.
const PACE_TICK: Duration = Duration::from_micros(100);

/// How much a publisher sends in one phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// This many messages.
    Messages(u64),
    /// As many as go out in this time.
    Time(Duration),
}

/// PUB lines and payloads, ready to be written.
#[derive(Debug, Clone)]
pub struct Cartridge {
    bytes: Vec<u8>,
    /// `ends[i]` is the offset behind message `i`.
    ends: Vec<usize>,
    size: usize,
}

impl Cartridge {
    /// One message to each of `subjects` in turn, repeated until a write of `batch` messages (or
    /// 256 KiB) is full.
    ///
    /// # Errors
    /// [`BenchError::Usage`] when the messages would not fit in memory.
    pub fn new(
        subjects: &[String],
        size: usize,
        batch: Option<usize>,
    ) -> Result<Cartridge, BenchError> {
        let body = payload::plain(size);
        let mut cartridge = Cartridge { bytes: Vec::new(), ends: Vec::new(), size };
        loop {
            for subject in subjects {
                let head = format!("PUB {subject} {size}\r\n");
                cartridge.bytes.extend_from_slice(head.as_bytes());
                cartridge.bytes.extend_from_slice(&body);
                cartridge.bytes.extend_from_slice(b"\r\n");
                cartridge.ends.push(cartridge.bytes.len());
                if cartridge.bytes.len() > CARTRIDGE_BYTES_MAX {
                    let text = format!("{} subjects of {size} bytes are too much", subjects.len());
                    return Err(BenchError::Usage(text));
                }
            }
            let enough = match batch {
                Some(batch) => cartridge.ends.len() >= batch,
                None => cartridge.bytes.len() >= WRITE_BYTES,
            };
            if enough {
                return Ok(cartridge);
            }
        }
    }

    /// Messages in it.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Messages of one write that starts at message `first`.
    fn batch_from(&self, first: usize, batch: Option<usize>) -> usize {
        let left = self.ends.len() - first;
        match batch {
            Some(batch) => batch.min(left),
            None => {
                let limit = self.start(first) + WRITE_BYTES;
                let fits = self.ends[first..].partition_point(|&end| end <= limit);
                fits.clamp(1, left)
            }
        }
    }

    fn start(&self, message: usize) -> usize {
        if message == 0 { 0 } else { self.ends[message - 1] }
    }

    /// The bytes of messages `first..first + count`.
    pub fn slice(&self, first: usize, count: usize) -> &[u8] {
        &self.bytes[self.start(first)..self.ends[first + count - 1]]
    }

    fn body_mut(&mut self, message: usize) -> &mut [u8] {
        let end = self.ends[message] - 2;
        &mut self.bytes[end - self.size..end]
    }
}

/// One publishing thread.
#[derive(Debug)]
pub struct Publisher {
    /// Its connections, at least one.
    pub sessions: Vec<Session>,
    /// Index of its first connection among all publishing connections.
    pub first_id: u32,
    /// What it sends.
    pub cartridge: Cartridge,
    /// Messages per write; `None` fills 256 KiB.
    pub batch: Option<usize>,
    /// Messages a second; `None` as fast as the server takes them.
    pub rate: Option<f64>,
    /// Warm-up and measured amounts.
    pub amounts: [(Phase, Amount); 2],
    /// Whether messages are stamped.
    pub verify: Verify,
    /// Its count, read by the main thread.
    pub counter: Arc<Counter>,
    /// How far it may be ahead; `None` where nobody reads.
    pub lead: Option<Arc<Lead>>,
}

/// Where a publisher stands.
struct Position {
    /// Next message of the cartridge.
    next: usize,
    /// Connection of the next write.
    turn: usize,
    sent: u64,
    /// Next sequence of each connection.
    sequences: Vec<u64>,
}

impl Publisher {
    /// The thread's life: each phase when its gate opens, then away.
    ///
    /// # Errors
    /// The connection broke, or the server complained.
    pub fn run(mut self, stage: &Stage) -> Result<(), BenchError> {
        if self.rate.is_some() {
            // The default slack of 50 µs would blur the pace.
            rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))
                .map_err(std::io::Error::from)?;
        }
        let sequences = vec![0; self.sessions.len()];
        let mut position = Position { next: 0, turn: 0, sent: 0, sequences };
        for (phase, amount) in self.amounts {
            if stage.wait_for(phase) == Phase::Closed {
                return Ok(());
            }
            self.send(amount, &mut position, stage)?;
            for session in &mut self.sessions {
                session.ping()?;
            }
            for session in &mut self.sessions {
                session.pong()?;
            }
            self.counter.finish(phase, position.sent, stage.now_ns());
        }
        stage.wait_for(Phase::Closed);
        Ok(())
    }

    fn send(
        &mut self,
        amount: Amount,
        position: &mut Position,
        stage: &Stage,
    ) -> Result<(), BenchError> {
        let begun = Instant::now();
        let before = position.sent;
        while !stage.is_closed() {
            let done = position.sent - before;
            let left = match amount {
                Amount::Messages(messages) => messages - done,
                Amount::Time(time) if begun.elapsed() >= time => 0,
                Amount::Time(_) => u64::MAX,
            };
            if left == 0 {
                return Ok(());
            }
            let allowed = match self.rate {
                Some(rate) => ((begun.elapsed().as_secs_f64() * rate) as u64).saturating_sub(done),
                None => u64::MAX,
            };
            if allowed == 0 {
                pause(begun, done + 1, self.rate);
                continue;
            }
            if self.lead.as_ref().is_some_and(|lead| lead.is_too_long()) {
                thread::sleep(PACE_TICK);
                continue;
            }
            self.write_one(left.min(allowed), position, stage)?;
        }
        Ok(())
    }

    /// One write of at most `allowed` messages to the next connection.
    fn write_one(
        &mut self,
        allowed: u64,
        position: &mut Position,
        stage: &Stage,
    ) -> Result<(), BenchError> {
        let fits = self.cartridge.batch_from(position.next, self.batch);
        let count = fits.min(usize::try_from(allowed).unwrap_or(usize::MAX));
        if self.verify == Verify::Content {
            let publisher = self.first_id + position.turn as u32;
            for message in position.next..position.next + count {
                let sequence = &mut position.sequences[position.turn];
                payload::stamp(self.cartridge.body_mut(message), publisher, *sequence);
                *sequence += 1;
            }
        }
        let bytes = self.cartridge.slice(position.next, count);
        self.sessions[position.turn].write(bytes)?;
        position.next = (position.next + count) % self.cartridge.len();
        position.turn = (position.turn + 1) % self.sessions.len();
        position.sent += count as u64;
        self.counter.set(position.sent, stage.now_ns());
        Ok(())
    }
}

/// Sleeps until message number `next` is due, or a tick if that is sooner.
fn pause(begun: Instant, next: u64, rate: Option<f64>) {
    let due = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(next as f64 / rate));
    thread::sleep(due.saturating_sub(begun.elapsed()).max(PACE_TICK));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("s.{index}")).collect()
    }

    #[test]
    fn a_cartridge_holds_whole_messages_of_all_subjects() {
        let cartridge = Cartridge::new(&subjects(3), 2, Some(4)).expect("small");
        assert_eq!(cartridge.len(), 6, "whole turns over the subjects");
        assert_eq!(cartridge.slice(0, 1), b"PUB s.0 2\r\nxx\r\n");
        assert_eq!(cartridge.slice(1, 2), b"PUB s.1 2\r\nxx\r\nPUB s.2 2\r\nxx\r\n");
        assert_eq!(cartridge.batch_from(0, Some(4)), 4);
        assert_eq!(cartridge.batch_from(4, Some(4)), 2, "a write ends where the cartridge does");
    }

    #[test]
    fn a_write_without_a_batch_stays_within_its_bytes() {
        let cartridge = Cartridge::new(&subjects(1), 1000, None).expect("small");
        let count = cartridge.batch_from(0, None);
        assert!(cartridge.slice(0, count).len() <= WRITE_BYTES);
        assert!(count > 200);
        let large = Cartridge::new(&subjects(2), WRITE_BYTES, None).expect("small");
        assert_eq!(large.batch_from(1, None), 1, "a message larger than a write still goes");
    }

    #[test]
    fn a_cartridge_has_a_bound() {
        let error = Cartridge::new(&subjects(1000), 1024 * 1024, None).unwrap_err();
        assert!(matches!(error, BenchError::Usage(_)), "{error}");
    }
}
