//! One stream: what it holds, by sequence, by subject and by time.
//!
//! Every question here is answered from the index in memory; only bodies are read elsewhere.

use base::AccountId;

use crate::arena::{Arena, Body};
use crate::blocks::{Blocks, Entry};
use crate::expiry::Expiry;
use crate::filter::{Filter, Term};
use crate::message::Incoming;
use crate::storage::{Kind, Purge, Purged};
use crate::subjects::{SubjectId, Subjects};
use crate::{Seq, StreamState, SubjectState};

/// What is known of one message without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// The subject it is stored under.
    pub subject: &'a [u8],
    /// Its bytes as the stream counts them: [`Kind::size_of`].
    pub size: u64,
    /// When it was stored, nanoseconds since the Unix epoch.
    pub time_ns: u64,
}

/// One stream's messages.
#[derive(Debug)]
pub struct Stream {
    account: AccountId,
    kind: Kind,
    messages: u64,
    bytes: u64,
    first: Seq,
    last: Seq,
    last_time_ns: u64,
    blocks: Blocks,
    subjects: Subjects,
    expiry: Expiry,
    bodies: Arena,
}

impl Stream {
    pub(crate) fn new(account: AccountId, kind: Kind, first: Seq) -> Stream {
        Stream {
            account,
            kind,
            messages: 0,
            bytes: 0,
            first,
            last: first.previous(),
            last_time_ns: 0,
            blocks: Blocks::default(),
            subjects: Subjects::default(),
            expiry: Expiry::default(),
            bodies: Arena::default(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Where its messages are kept.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The stream in numbers.
    #[must_use]
    pub fn state(&self) -> StreamState {
        StreamState {
            messages: self.messages,
            bytes: self.bytes,
            first_seq: self.first,
            first_time_ns: self.blocks.get(self.first).map_or(0, |entry| entry.time_ns),
            last_seq: self.last,
            last_time_ns: self.last_time_ns,
            subjects: self.subjects.len() as u64,
            deleted: self.last.0 + 1 - self.first.0 - self.messages,
        }
    }

    /// The last sequence ever used, stored or not.
    #[inline]
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.last
    }

    /// The oldest message, or the sequence after the last if there is none.
    #[inline]
    #[must_use]
    pub fn first_seq(&self) -> Seq {
        self.first
    }

    /// What is known of the message `seq`, if it is there.
    #[must_use]
    pub fn look(&self, seq: Seq) -> Option<Known<'_>> {
        let entry = self.blocks.get(seq)?;
        Some(Known {
            subject: self.subjects.name(entry.subject),
            size: u64::from(entry.size),
            time_ns: entry.time_ns,
        })
    }

    /// A literal subject in numbers, if it has messages.
    #[must_use]
    pub fn subject(&self, subject: &[u8]) -> Option<SubjectState> {
        self.subjects.find(subject).map(|id| self.subjects.state(id))
    }

    /// The first message at `from` or later whose subject is in `filter`.
    #[must_use]
    pub fn first_matching(&self, filter: &Filter, from: Seq) -> Option<Seq> {
        let mut next = self.blocks.at_or_after(from.max(self.first));
        while let Some((seq, entry)) = next {
            if filter.matches(self.subjects.name(entry.subject)) {
                return Some(seq);
            }
            next = self.blocks.at_or_after(seq.next());
        }
        None
    }

    /// The last message at `upto` or earlier whose subject is in `filter`.
    #[must_use]
    pub fn last_matching(&self, filter: &Filter, upto: Seq) -> Option<Seq> {
        if let [Term::Literal(literal)] = filter.terms()
            && let Some(state) = self.subject(literal)
            && state.last <= upto
        {
            return Some(state.last);
        }
        let mut next = self.blocks.at_or_before(upto.min(self.last));
        while let Some((seq, entry)) = next {
            if filter.matches(self.subjects.name(entry.subject)) {
                return Some(seq);
            }
            next = self.blocks.at_or_before(seq.previous());
        }
        None
    }

    /// How many messages at `from` or later have a subject in `filter`.
    #[must_use]
    pub fn pending(&self, filter: &Filter, from: Seq) -> u64 {
        if from <= self.first {
            if filter.is_all() {
                return self.messages;
            }
            let matching = self.matching_subjects(filter).into_iter();
            return matching.map(|id| self.subjects.state(id).messages).sum();
        }
        let mut count = 0;
        let mut from = from;
        while let Some(seq) = self.first_matching(filter, from) {
            count += 1;
            from = seq.next();
        }
        count
    }

    /// The newest message at `upto` or earlier of each subject in `filter`, by sequence.
    #[must_use]
    pub fn last_per_subject(&self, filter: &Filter, upto: Seq) -> Vec<Seq> {
        let mut found = Vec::new();
        for id in self.matching_subjects(filter) {
            let state = self.subjects.state(id);
            if state.last <= upto {
                found.push(state.last);
            } else if state.first <= upto {
                found.extend(self.last_of(id, upto));
            }
        }
        found.sort_unstable();
        found
    }

    /// Tells `each` every subject in `filter` that has messages, in the order of their bytes.
    pub fn for_each_subject(&self, filter: &Filter, mut each: impl FnMut(&[u8], SubjectState)) {
        for id in self.matching_subjects(filter) {
            each(self.subjects.name(id), self.subjects.state(id));
        }
    }

    /// The first message stored at `time_ns` or later; the sequence after the last if none was.
    #[must_use]
    pub fn first_at(&self, time_ns: u64) -> Seq {
        let mut next = self.blocks.at_or_after(self.first);
        while let Some((seq, entry)) = next {
            if entry.time_ns >= time_ns {
                return seq;
            }
            next = self.blocks.at_or_after(seq.next());
        }
        self.last.next()
    }

    /// The sequences between first and last that hold nothing, as ranges from the lowest up; both
    /// ends are part of the range.
    pub fn deleted(&self) -> impl Iterator<Item = (Seq, Seq)> {
        let mut at = self.first;
        std::iter::from_fn(move || {
            while at <= self.last {
                let next = self.blocks.at_or_after(at).map_or(self.last.next(), |(seq, _)| seq);
                let gap = (at, next.previous());
                at = next.next();
                if gap.0 <= gap.1 {
                    return Some(gap);
                }
            }
            None
        })
    }

    /// The message that goes next because its own time is up, and when; nanoseconds since the
    /// Unix epoch.
    pub fn next_expiry(&mut self) -> Option<(u64, Seq)> {
        loop {
            let (expires_ns, seq) = self.expiry.peek()?;
            if self.blocks.get(seq).is_some() {
                return Some((expires_ns, seq));
            }
            self.expiry.pop();
        }
    }

    /// The subjects in `filter`, in the order of their bytes.
    fn matching_subjects(&self, filter: &Filter) -> Vec<SubjectId> {
        let matches = |id: &SubjectId| filter.matches(self.subjects.name(*id));
        let mut found: Vec<SubjectId> = self.subjects.ids().filter(matches).collect();
        found.sort_unstable_by(|&a, &b| self.subjects.name(a).cmp(self.subjects.name(b)));
        found
    }

    /// The newest message of a subject at `upto` or earlier.
    fn last_of(&self, id: SubjectId, upto: Seq) -> Option<Seq> {
        let mut next = self.blocks.at_or_before(upto);
        while let Some((seq, entry)) = next {
            if entry.subject == id {
                return Some(seq);
            }
            next = self.blocks.at_or_before(seq.previous());
        }
        None
    }

    /// The oldest message of a subject at `from` or later.
    fn first_of(&self, id: SubjectId, from: Seq) -> Option<Seq> {
        let mut next = self.blocks.at_or_after(from);
        while let Some((seq, entry)) = next {
            if entry.subject == id {
                return Some(seq);
            }
            next = self.blocks.at_or_after(seq.next());
        }
        None
    }

    /// Stores a message under `seq`, which is above every sequence used; its size.
    pub(crate) fn append(&mut self, seq: Seq, message: &Incoming<'_>) -> u64 {
        let Incoming { subject, headers, payload, shared, time_ns, expires_ns } = *message;
        let size = self.kind.size_of(subject.len(), headers.len(), payload.len());
        let at = self.bodies.push(headers, payload, shared);
        let subject = self.subjects.add(subject, seq);
        self.blocks.push(seq, Entry { subject, size: size as u32, time_ns, at });
        if self.messages == 0 {
            self.first = seq;
        }
        self.messages += 1;
        self.bytes += size;
        self.last = seq;
        self.last_time_ns = time_ns;
        if expires_ns != 0 {
            self.expiry.push(expires_ns, seq);
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
    pub(crate) fn remove(&mut self, seq: Seq) -> Option<u64> {
        let entry = self.blocks.remove(seq)?;
        self.bodies.remove(entry.at);
        self.messages -= 1;
        self.bytes -= u64::from(entry.size);
        if seq == self.first {
            let next = self.blocks.at_or_after(seq.next());
            self.first = next.map_or(self.last.next(), |(seq, _)| seq);
        }
        let was = self.subjects.state(entry.subject);
        if self.subjects.subtract(entry.subject) > 0 {
            if seq == was.first {
                let first = self.first_of(entry.subject, seq.next());
                self.subjects.set_first(entry.subject, first.expect("it has messages"));
            } else if seq == was.last {
                let last = self.last_of(entry.subject, seq.previous());
                self.subjects.set_last(entry.subject, last.expect("it has messages"));
            }
        }
        Some(u64::from(entry.size))
    }

    /// Removes what `purge` says.
    pub(crate) fn purge(&mut self, purge: &Purge<'_>) -> Purged {
        let mut purged = Purged::default();
        let matching = self.pending(purge.filter, Seq::NONE);
        let mut left = matching.saturating_sub(purge.keep);
        let mut from = self.first;
        while left > 0
            && let Some(seq) = self.first_matching(purge.filter, from)
            && seq < purge.below
        {
            purged.bytes += self.remove(seq).expect("it was just found");
            purged.messages += 1;
            left -= 1;
            from = seq.next();
        }
        purged
    }
}
