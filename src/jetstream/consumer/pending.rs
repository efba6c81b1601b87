//! Hot path: what was delivered and not acknowledged yet, and when each is due again. Before it
//! stands the delivery, after it the acknowledgement.
//!
//! Entries stand in the order of their stream sequence, which is the order of first delivery, so
//! a new one goes to the back and an acknowledged one is nearly always found by its distance from
//! the front. What is acknowledged in the middle stays as a gap until it reaches the front. One
//! heap holds the times; an entry that changed its mind leaves a stale time behind, which is
//! skipped.
//!
//! Invariants: sequences ascend; the front entry is no gap; `live` counts those that are none.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// The heap is rebuilt when it holds this many stale times and more than there are entries.
const STALE_MAX: usize = 64;

/// One message that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its sequence in the stream.
    pub(crate) seq: u64,
    /// The consumer sequence of its first delivery.
    pub(crate) consumer_seq: u64,
    /// When it was delivered last, monotonic nanoseconds.
    pub(crate) sent_ns: u64,
    /// When it is due again, monotonic nanoseconds; [`NEVER`] while it is queued.
    due_ns: u64,
    /// How often it was delivered.
    pub(crate) deliveries: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for an acknowledgement.
    Waiting,
    /// Is to be delivered again.
    Queued,
    /// Is done with.
    Gap,
}

/// All of one consumer.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    entries: VecDeque<Entry>,
    live: usize,
    redelivered: usize,
    queued: usize,
    due: BinaryHeap<Reverse<(u64, u64)>>,
    /// Sequences to deliver again, in order; those no longer queued are skipped.
    again: VecDeque<u64>,
}

impl Pending {
    /// How many there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// How many of them were delivered more than once.
    pub(crate) fn redelivered(&self) -> usize {
        self.redelivered
    }

    /// How many of them are to be delivered again.
    pub(crate) fn queued(&self) -> u64 {
        self.queued as u64
    }

    /// The one with the lowest sequence.
    #[inline]
    pub(crate) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// All of them, by sequence.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.state != State::Gap)
    }

    /// The entry of a sequence.
    #[inline]
    pub(crate) fn get(&self, seq: u64) -> Option<&Entry> {
        self.find(seq).map(|at| &self.entries[at])
    }

    /// Notes a first delivery. `seq` is above every sequence noted before.
    pub(crate) fn add(&mut self, seq: u64, consumer_seq: u64, sent_ns: u64, due_ns: u64) {
        self.restore(seq, consumer_seq, 1, sent_ns, due_ns);
    }

    /// Notes what was delivered `deliveries` times before a restart.
    pub(crate) fn restore(
        &mut self,
        seq: u64,
        consumer_seq: u64,
        deliveries: u32,
        sent_ns: u64,
        due_ns: u64,
    ) {
        debug_assert!(self.entries.back().is_none_or(|last| last.seq < seq), "sequences ascend");
        let state = State::Waiting;
        self.entries.push_back(Entry { seq, consumer_seq, sent_ns, due_ns, deliveries, state });
        self.live += 1;
        self.redelivered += usize::from(deliveries > 1);
        self.schedule(due_ns, seq);
    }

    /// Notes that a queued message was delivered again; how often it was by now.
    pub(crate) fn sent_again(&mut self, seq: u64, sent_ns: u64, due_ns: u64) -> u32 {
        let Some(at) = self.find(seq) else { return 1 };
        let entry = &mut self.entries[at];
        entry.deliveries = entry.deliveries.saturating_add(1);
        entry.sent_ns = sent_ns;
        entry.due_ns = due_ns;
        self.queued -= usize::from(entry.state == State::Queued);
        entry.state = State::Waiting;
        self.redelivered += usize::from(entry.deliveries == 2);
        let deliveries = entry.deliveries;
        if self.again.front() == Some(&seq) {
            self.again.pop_front();
        }
        self.schedule(due_ns, seq);
        deliveries
    }

    /// Moves the time at which a message is due again.
    pub(crate) fn postpone(&mut self, seq: u64, due_ns: u64) {
        let Some(at) = self.find(seq) else { return };
        let entry = &mut self.entries[at];
        if entry.state == State::Queued {
            self.queued -= 1;
            self.again.retain(|&queued| queued != seq);
        }
        entry.due_ns = due_ns;
        entry.state = State::Waiting;
        self.schedule(due_ns, seq);
    }

    /// Queues a message to be delivered again.
    pub(crate) fn queue(&mut self, seq: u64) {
        let Some(at) = self.find(seq) else { return };
        let entry = &mut self.entries[at];
        if entry.state != State::Queued {
            entry.state = State::Queued;
            entry.due_ns = NEVER;
            self.queued += 1;
            self.again.push_back(seq);
        }
    }

    /// The next message to deliver again.
    pub(crate) fn next_queued(&mut self) -> Option<u64> {
        while let Some(&seq) = self.again.front() {
            if self.get(seq).is_some_and(|entry| entry.state == State::Queued) {
                return Some(seq);
            }
            self.again.pop_front();
        }
        None
    }

    /// The next message whose time has come. The caller queues, postpones or removes it.
    pub(crate) fn next_expired(&mut self, now_ns: u64) -> Option<u64> {
        while let Some(&Reverse((due_ns, seq))) = self.due.peek() {
            if due_ns > now_ns {
                return None;
            }
            self.due.pop();
            if let Some(at) = self.find(seq)
                && self.entries[at].due_ns == due_ns
            {
                self.entries[at].due_ns = NEVER;
                return Some(seq);
            }
        }
        None
    }

    /// When the next message is due; may be earlier than the truth.
    #[inline]
    pub(crate) fn next_due_ns(&self) -> u64 {
        self.due.peek().map_or(NEVER, |Reverse((due_ns, _))| *due_ns)
    }

    /// Takes one out.
    #[inline]
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Entry> {
        let at = self.find(seq)?;
        let entry = self.entries[at];
        self.entries[at].state = State::Gap;
        self.forget(&entry);
        self.trim();
        Some(entry)
    }

    /// Takes the lowest one out if its sequence is `seq` at most.
    pub(crate) fn remove_first_upto(&mut self, seq: u64) -> Option<Entry> {
        let entry = *self.entries.front().filter(|entry| entry.seq <= seq)?;
        self.entries.pop_front();
        self.forget(&entry);
        self.trim();
        Some(entry)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Pending::default();
    }

    #[inline]
    fn find(&self, seq: u64) -> Option<usize> {
        let first = self.entries.front()?.seq;
        let guess = usize::try_from(seq.checked_sub(first)?).unwrap_or(usize::MAX);
        let at = match self.entries.get(guess) {
            Some(entry) if entry.seq == seq => guess,
            _ => self.entries.binary_search_by(|entry| entry.seq.cmp(&seq)).ok()?,
        };
        (self.entries[at].state != State::Gap).then_some(at)
    }

    fn forget(&mut self, entry: &Entry) {
        self.live -= 1;
        self.redelivered -= usize::from(entry.deliveries > 1);
        self.queued -= usize::from(entry.state == State::Queued);
    }

    /// Drops gaps at the front, then stale times if they are many.
    fn trim(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.state == State::Gap) {
            self.entries.pop_front();
        }
        if self.live == 0 {
            self.due.clear();
            self.again.clear();
        } else if self.entries.len() > 2 * self.live + STALE_MAX {
            self.entries.retain(|entry| entry.state != State::Gap);
        }
    }

    fn schedule(&mut self, due_ns: u64, seq: u64) {
        if due_ns == NEVER {
            return;
        }
        if self.due.len() > 2 * self.live + STALE_MAX {
            let mut times = std::mem::take(&mut self.due).into_vec();
            times.clear();
            let dated = self.entries.iter().filter(|entry| entry.due_ns != NEVER);
            let others = dated.filter(|entry| entry.seq != seq && entry.state != State::Gap);
            times.extend(others.map(|entry| Reverse((entry.due_ns, entry.seq))));
            self.due = times.into();
        }
        self.due.push(Reverse((due_ns, seq)));
    }
}

#[cfg(test)]
mod tests;
