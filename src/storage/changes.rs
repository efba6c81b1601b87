//! Hot path: what changes a stream: a message more, a message fewer, many fewer.
//!
//! Index, subjects and bodies change together here and nowhere else.

use crate::Seq;
use crate::arena::{Body, ChunkId};
use crate::blocks::Entry;
use crate::message::Incoming;
use crate::pick::Every;
use crate::storage::{Erase, Purge, Purged};
use crate::stream::Stream;
use crate::subjects::SubjectId;

/// Entries of messages that are gone stay in the queue of a stream up to this many, and up to as
/// many as it has messages twice over.
const EXPIRY_SLACK: u64 = 1024;

impl Stream {
    /// Stores a message under `seq`, which is above every sequence used; its size.
    pub(crate) fn append(&mut self, seq: Seq, message: &Incoming<'_>) -> u64 {
        let Incoming { subject, headers, payload, shared, time_ns, expires_ns } = *message;
        let size = self.kind.size_of(subject.len(), headers.len(), payload.len());
        let at = self.bodies.push(seq, headers, payload, shared);
        let (subject, before) = self.subjects.add(subject, seq);
        self.blocks.push(seq, Entry { subject, size: size as u32, time_ns, at });
        if !before.is_none() {
            self.blocks.link(before, seq);
        }
        if self.messages == 0 {
            self.first = seq;
        }
        self.messages += 1;
        self.bytes += size;
        self.last = seq;
        self.last_time_ns = time_ns;
        if expires_ns != 0 {
            self.expiry.push(expires_ns, seq);
            if self.expiry.len() as u64 > 2 * self.messages + EXPIRY_SLACK {
                self.expiry.retain(|seq| self.blocks.get(seq).is_some());
            }
        }
        size
    }

    /// Uses up every sequence to `upto` without storing anything.
    pub(crate) fn skip(&mut self, upto: Seq) {
        if upto > self.last {
            self.last = upto;
            if self.messages == 0 {
                self.first = upto.next();
            }
        }
    }

    /// The message `seq`, if it is there.
    pub(crate) fn body(&self, seq: Seq) -> Option<(Entry, &[u8], Body<'_>)> {
        let entry = self.blocks.get(seq)?;
        Some((entry, self.subjects.name(entry.subject), self.bodies.get(entry.at)))
    }

    /// Takes the message `seq` out; its size.
    pub(crate) fn remove(&mut self, seq: Seq, erase: Erase) -> Option<u64> {
        let entry = self.blocks.get(seq)?;
        self.leave_subject(entry.subject, seq);
        self.blocks.remove(seq);
        if erase == Erase::Overwrite {
            self.bodies.erase(entry.at);
        }
        self.bodies.remove(entry.at);
        if let Some(sparse) = self.bodies.sparse() {
            self.evacuate(sparse);
        }
        self.messages -= 1;
        self.bytes -= u64::from(entry.size);
        if seq == self.first {
            let next = self.blocks.first(seq.next(), &mut Every);
            self.first = next.unwrap_or(self.last.next());
        }
        Some(u64::from(entry.size))
    }

    /// Moves what is left in a chunk of bodies elsewhere, so that its space comes back.
    fn evacuate(&mut self, chunk: ChunkId) {
        let chunk = self.bodies.evacuate(chunk);
        let mut moves = Vec::new();
        for (at, seq, record) in chunk.records() {
            if self.blocks.get(seq).is_some_and(|entry| entry.at == at) {
                moves.push((seq, self.bodies.put_back(record)));
            }
        }
        moves.sort_unstable();
        self.blocks.relocate(&moves);
        self.bodies.finish(chunk);
    }

    /// Counts the message `seq` out of its subject, while it is still there.
    fn leave_subject(&mut self, id: SubjectId, seq: Seq) {
        let state = self.subjects.state(id);
        match state.messages {
            1 => {}
            2 if seq == state.first => self.subjects.set_first(id, state.last),
            2 => self.subjects.set_last(id, state.first),
            _ if seq == state.first => {
                let first = self.first_of(id, seq.next());
                self.subjects.set_first(id, first.expect("the last is later"));
            }
            _ if seq == state.last => {
                let last = self.last_of(id, seq.previous());
                self.subjects.set_last(id, last.expect("the first is earlier"));
            }
            _ => {}
        }
        self.subjects.subtract(id);
    }

    /// Removes what `purge` says.
    pub(crate) fn purge(&mut self, purge: &Purge<'_>) -> Purged {
        if purge.filter.is_all() && purge.keep == 0 && purge.below > self.last {
            return self.clear();
        }
        let mut purged = Purged::default();
        let matching = self.pending(purge.filter, Seq::NONE);
        let mut left = matching.saturating_sub(purge.keep);
        let mut from = self.first;
        while left > 0
            && let Some(seq) = self.first_matching(purge.filter, from)
            && seq < purge.below
        {
            purged.bytes += self.remove(seq, Erase::Forget).expect("it was just found");
            purged.messages += 1;
            left -= 1;
            from = seq.next();
        }
        purged
    }

    /// Removes everything; sequences go on.
    fn clear(&mut self) -> Purged {
        let purged = Purged { messages: self.messages, bytes: self.bytes };
        let Stream { account, space, kind, last, last_time_ns, .. } = *self;
        *self = Stream { last_time_ns, ..Stream::new(account, space, kind, last.next()) };
        purged
    }
}
