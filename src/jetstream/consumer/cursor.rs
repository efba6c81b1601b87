//! Hot path: where a consumer stands in its stream, and how many messages are still to come.
//!
//! Source: spec/jetstream.md §4 (deliver_policy). A consumer that delivers the last message of
//! each subject first has a list of them, and goes on behind it.
//!
//! Invariant: `pending` counts the messages that match and were not delivered, in the list or at
//! `next` and behind.

use std::collections::VecDeque;

use storage::{Filter, Seq, Stream};

use super::config::{ConsumerConfig, DeliverPolicy};

/// Where a consumer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The first sequence that was not looked at.
    pub(crate) next: u64,
    /// What is delivered before `next`, ascending.
    pub(crate) listed: VecDeque<u64>,
    /// Messages still to come.
    pub(crate) pending: u64,
    /// The next match, when it was looked for already.
    found: Option<u64>,
}

impl Cursor {
    /// Where a new consumer starts.
    pub(crate) fn start(config: &ConsumerConfig, filter: &Filter, stream: &Stream) -> Cursor {
        let (first, after) = (stream.first_seq().0, stream.last_seq().0 + 1);
        let mut listed = VecDeque::new();
        let next = match config.deliver_policy {
            DeliverPolicy::All => first,
            DeliverPolicy::New => after,
            DeliverPolicy::Last => {
                stream.last_matching(filter, Seq::MAX).map_or(first, |seq| seq.0)
            }
            DeliverPolicy::ByStartSequence => config.opt_start_seq.max(first),
            DeliverPolicy::ByStartTime => {
                let time = config.opt_start_time.unwrap_or_default();
                stream.first_at(time.wall_ns()).0
            }
            DeliverPolicy::LastPerSubject => {
                listed.extend(stream.last_per_subject(filter, Seq::MAX).iter().map(|seq| seq.0));
                // Seen of nats-server 2.14.5 and 2.15.2: with nothing to begin with it stands at
                // the last message.
                if listed.is_empty() { after - 1 } else { after }
            }
        };
        let mut cursor = Cursor { next, listed, pending: 0, found: None };
        cursor.recount(filter, stream);
        cursor
    }

    /// Where a consumer goes on after a restart or a reset.
    pub(crate) fn resume(
        next: u64,
        listed: VecDeque<u64>,
        filter: &Filter,
        stream: &Stream,
    ) -> Cursor {
        let mut cursor = Cursor { next, listed, pending: 0, found: None };
        cursor.recount(filter, stream);
        cursor
    }

    /// Counts again what is to come: after a purge, an update of the filters, a restart.
    pub(crate) fn recount(&mut self, filter: &Filter, stream: &Stream) {
        self.found = None;
        self.next = self.next.max(stream.first_seq().0);
        self.listed.retain(|&seq| stream.look(Seq(seq)).is_some());
        let behind = stream.pending(filter, Seq(self.next));
        self.pending = behind + self.listed.len() as u64;
    }

    /// The next message to deliver; it stays the next until [`Cursor::pass`].
    #[inline]
    pub(crate) fn peek(&mut self, filter: &Filter, stream: &Stream) -> Option<u64> {
        if let Some(seq) = self.listed.front().copied().or(self.found) {
            return Some(seq);
        }
        if self.next > stream.last_seq().0 {
            return None;
        }
        self.found = stream.first_matching(filter, Seq(self.next)).map(|seq| seq.0);
        if self.found.is_none() {
            self.next = stream.last_seq().0 + 1;
            self.pending = 0;
        }
        self.found
    }

    /// The message that was peeked at is delivered.
    #[inline]
    pub(crate) fn pass(&mut self, seq: u64) {
        self.skip(seq);
        self.pending = self.pending.saturating_sub(1);
    }

    /// The message that was peeked at is gone.
    pub(crate) fn skip(&mut self, seq: u64) {
        if self.listed.front() == Some(&seq) {
            self.listed.pop_front();
        } else {
            self.next = self.next.max(seq + 1);
            self.found = None;
        }
    }

    /// A message that matches was stored.
    #[inline]
    pub(crate) fn appended(&mut self, seq: u64) {
        if seq >= self.next {
            self.pending += 1;
        }
    }

    /// A message that matches is gone.
    pub(crate) fn removed(&mut self, seq: u64) {
        if self.is_to_come(seq) {
            self.pending = self.pending.saturating_sub(1);
        }
        if self.found == Some(seq) {
            self.found = None;
        }
        if let Ok(at) = self.listed.binary_search(&seq) {
            self.listed.remove(at);
        }
    }

    /// Whether a message that matches is still to be delivered for the first time.
    pub(crate) fn is_to_come(&self, seq: u64) -> bool {
        seq >= self.next || self.listed.binary_search(&seq).is_ok()
    }

    /// The last stream sequence that was looked at.
    #[inline]
    pub(crate) fn last_seen(&self) -> u64 {
        match self.listed.front() {
            Some(&seq) => seq - 1,
            None => self.next - 1,
        }
    }
}
