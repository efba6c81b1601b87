//! Hot path: reads all subscribers on one thread, so that one clock times all copies.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::STAMP_BYTES;
use super::notes::{OPEN_MESSAGES, Record, Shared};
use crate::error::{BenchError, Role};
use crate::session::{Inbox, Sink, Turn};
use crate::stage::{Counter, Stage};
use crate::wire::Frame;

/// The one reading thread's notes: latencies, and for each open message its first copy.
pub(super) struct Log {
    shared: Arc<Shared>,
    record: Record,
    /// `open[serial % len]`: serial, stage time of the first copy, copies seen.
    open: Vec<(u64, u64, usize)>,
    subscribers: usize,
    arrived_ns: u64,
    messages: u64,
    damaged: bool,
}

impl Log {
    /// Nothing noted yet.
    pub(super) fn new(subscribers: usize, shared: Arc<Shared>) -> Log {
        Log {
            shared,
            record: Record::new(),
            open: vec![(u64::MAX, 0, 0); OPEN_MESSAGES],
            subscribers,
            arrived_ns: 0,
            messages: 0,
            damaged: false,
        }
    }

    fn copy(&mut self, serial: u64) {
        let slot = &mut self.open[serial as usize % OPEN_MESSAGES];
        if slot.0 != serial {
            *slot = (serial, self.arrived_ns, 0);
        }
        slot.2 += 1;
        if slot.2 == self.subscribers {
            self.record.spreads.saturating_record(self.arrived_ns - slot.1);
        }
    }
}

/// One turn of one connection.
struct LogTurn<'a> {
    log: &'a mut Log,
    stage: &'a Stage,
    recording: bool,
    unread_ns: Option<u64>,
}

impl Sink for LogTurn<'_> {
    fn arrived(&mut self, unread: Option<Duration>) {
        self.log.arrived_ns = self.stage.now_ns();
        self.unread_ns = unread.map(|unread| unread.as_nanos() as u64);
        // Asked after the read: the window may open while this thread is blocked in it.
        self.recording = self.log.shared.recording.load(Ordering::Acquire);
    }

    fn message(&mut self, frame: Frame<'_>) {
        self.log.messages += 1;
        let Some((stamp, _)) = frame.body.split_at_checked(STAMP_BYTES) else {
            self.log.damaged = true;
            return;
        };
        if !self.recording {
            return;
        }
        let (intended, serial) = stamp.split_at(8);
        let intended = u64::from_le_bytes(intended.try_into().expect("eight bytes"));
        let serial = u64::from_le_bytes(serial.try_into().expect("eight bytes"));
        let latency_ns = self.log.arrived_ns.saturating_sub(intended);
        self.log.record.latencies.saturating_record(latency_ns);
        if let Some(unread_ns) = self.unread_ns {
            self.log.record.unread.saturating_record(unread_ns);
            let written_ns = self.log.shared.writes.of(serial).unwrap_or(intended);
            let at_socket_ns = self.log.arrived_ns.saturating_sub(unread_ns);
            self.log.record.between.saturating_record(at_socket_ns.saturating_sub(written_ns));
        }
        if self.log.subscribers > 1 {
            self.log.copy(serial);
        }
    }
}

/// Reads until the stage closes, and leaves the notes in what is shared.
pub(super) fn read(
    mut readers: Vec<(Inbox, Arc<Counter>)>,
    mut log: Log,
    stage: &Stage,
) -> Result<(), BenchError> {
    let outcome = read_until_closed(&mut readers, &mut log, stage);
    *log.shared.record.lock().unwrap_or_else(PoisonError::into_inner) = log.record;
    outcome
}

fn read_until_closed(
    readers: &mut [(Inbox, Arc<Counter>)],
    log: &mut Log,
    stage: &Stage,
) -> Result<(), BenchError> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(std::io::Error::from)?;
    for (index, (inbox, _)) in readers.iter().enumerate() {
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&poll, inbox.socket(), data, epoll::EventFlags::IN)
            .map_err(std::io::Error::from)?;
    }
    let mut events = Vec::with_capacity(readers.len());
    while !stage.is_closed() {
        events.clear();
        // A single connection is read by a blocking call: one system call less a message.
        if readers.len() > 1 {
            match epoll::wait(&poll, spare_capacity(&mut events), None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
        let ready = events.iter().map(|event| event.data.u64() as usize);
        let ready = ready.chain((readers.len() == 1).then_some(0));
        for index in ready {
            let (inbox, counter) = &mut readers[index];
            let before = log.messages;
            let turn =
                inbox.turn(&mut LogTurn { log, stage, recording: false, unread_ns: None })?;
            counter.set(counter.messages() + log.messages - before, log.arrived_ns);
            if log.damaged {
                let (role, text) = (Role::Subscriber, "a message without a time stamp".to_string());
                return Err(BenchError::ServerSaid { role, text });
            }
            if turn == Turn::End && !stage.is_closed() {
                return Err(BenchError::Closed(Role::Subscriber));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_closes_with_the_last_copy() {
        let mut log = Log::new(3, Arc::new(Shared::new()));
        for (serial, arrived_ns) in [(7, 1000), (8, 1500), (7, 2000), (7, 4000), (8, 1600)] {
            log.arrived_ns = arrived_ns;
            log.copy(serial);
        }
        let spreads = &log.record.spreads;
        assert_eq!(spreads.len(), 1, "message 8 lacks a copy");
        assert!(spreads.equivalent(spreads.max(), 3000));
    }
}
