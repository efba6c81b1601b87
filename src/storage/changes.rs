//! Hot path: what changes a stream: a message more, a message fewer, many fewer.
//!
//! Index, subjects and bodies change together here and nowhere else.

use crate::arena::Arena;
use crate::blocks::{Blocks, Entry};
use crate::bodies::{Bodies, BodyPlace, InLog};
use crate::durable::Durable;
use crate::log::StreamNumber;
use crate::pick::Every;
use crate::stream::Stream;
use crate::subjects::SubjectId;
use crate::{Erase, Incoming, Purge, Purged, Seq};

/// Entries of messages that are gone stay in the queue of a stream up to this many, and up to as
/// many as it has messages twice over.
const EXPIRY_SLACK: u64 = 1024;

impl Stream {
    /// Notes a message under `seq`, which is above every sequence used, and where its body lies;
    /// its size.
    #[inline]
    pub(crate) fn append(&mut self, seq: Seq, message: &Incoming<'_>, body: BodyPlace) -> u64 {
        let Incoming { subject, headers, payload, time_ns, expires_ns, .. } = *message;
        let size = self.kind.size_of(subject.len(), headers.len(), payload.len());
        let subject = self.subjects.add(subject, seq);
        self.note(seq, subject, size, (time_ns, expires_ns), body);
        size
    }

    /// Notes a message that its subject counts already: given the subject and its message before
    /// this one, and when it was stored and when it goes, 0 for never.
    #[inline]
    pub(crate) fn note(
        &mut self,
        seq: Seq,
        (subject, before): (SubjectId, Seq),
        size: u64,
        (time_ns, expires_ns): (u64, u64),
        BodyPlace { at, saved_bytes }: BodyPlace,
    ) {
        self.blocks.push(seq, Entry { subject, size: size as u32, time_ns, at, saved_bytes });
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

    /// Takes the message `seq` out; its size. `durable` is the log, if there is one.
    pub(crate) fn remove(
        &mut self,
        seq: Seq,
        erase: Erase,
        durable: Option<&mut Durable>,
    ) -> Option<u64> {
        let entry = self.blocks.get(seq)?;
        self.leave_subject(entry.subject, seq);
        self.blocks.remove(seq);
        let was_first = seq == self.first;
        match (&mut self.bodies, durable) {
            (Bodies::Log(number), Some(durable)) => {
                let number = *number;
                durable.release(number, InLog::of(&entry), entry.size);
                if erase == Erase::Overwrite {
                    durable.erase(number, seq, InLog::of(&entry), entry.size);
                }
                self.leave_log(number, seq, was_first, durable);
            }
            (Bodies::Log(_), None) => unreachable!("a stream in the log has a log"),
            (Bodies::Arena(arena), _) => free(arena, entry.at, erase, &mut self.blocks),
        }
        self.messages -= 1;
        self.bytes -= u64::from(entry.size);
        if was_first {
            let next = self.blocks.first(seq.next(), &mut Every);
            self.first = next.unwrap_or(self.last.next());
        }
        Some(u64::from(entry.size))
    }

    /// The log is to be told that a message is gone; with its neighbours, if it has such.
    fn leave_log(&mut self, number: StreamNumber, seq: Seq, was_first: bool, log: &mut Durable) {
        self.leaving = match self.leaving {
            // Below the first message there is none.
            Some((low, high)) if seq == high.next() || was_first && seq > high => Some((low, seq)),
            Some(range) => {
                log.removed(number, range);
                Some((seq, seq))
            }
            None => {
                log.will_leave(number);
                Some((seq, seq))
            }
        };
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
    pub(crate) fn purge(&mut self, purge: &Purge<'_>, mut durable: Option<&mut Durable>) -> Purged {
        if purge.filter.is_all() && purge.keep == 0 && purge.below > self.last {
            return self.clear(durable);
        }
        let mut purged = Purged::default();
        let matching = self.pending(purge.filter, Seq::NONE);
        let mut left = matching.saturating_sub(purge.keep);
        let mut from = self.first;
        while left > 0
            && let Some(seq) = self.first_matching(purge.filter, from)
            && seq < purge.below
        {
            let gone = self.remove(seq, Erase::Forget, durable.as_deref_mut());
            purged.bytes += gone.expect("it was just found");
            purged.messages += 1;
            left -= 1;
            from = seq.next();
        }
        purged
    }

    /// Removes everything; sequences go on.
    fn clear(&mut self, durable: Option<&mut Durable>) -> Purged {
        let purged = Purged { messages: self.messages, bytes: self.bytes };
        let Stream { account, space, kind, first, last, last_time_ns, .. } = *self;
        let empty = Stream { last_time_ns, ..Stream::new(account, space, kind, last.next()) };
        let old = std::mem::replace(self, empty);
        self.compressor = old.compressor;
        if let (&Bodies::Log(number), Some(durable)) = (&old.bodies, durable) {
            self.bodies = Bodies::Log(number);
            old.blocks.for_each(|_, entry| {
                durable.release(number, InLog::of(&entry), entry.size);
            });
            // What was leaving lies below.
            self.leaving = old.leaving;
            if purged.messages > 0 {
                durable.removed(number, (first, last));
            }
        }
        purged
    }
}

/// Lets go of a body in memory, and of the space of those that went with it.
fn free(arena: &mut Arena, at: u64, erase: Erase, blocks: &mut Blocks) {
    if erase == Erase::Overwrite {
        arena.erase(at);
    }
    arena.remove(at);
    let Some(sparse) = arena.sparse() else { return };
    let chunk = arena.evacuate(sparse);
    let mut moves = Vec::new();
    for (at, seq, record) in chunk.records() {
        if blocks.get(seq).is_some_and(|entry| entry.at == at) {
            moves.push((seq, arena.put_back(record)));
        }
    }
    moves.sort_unstable();
    blocks.relocate(&moves);
    arena.finish(chunk);
}
