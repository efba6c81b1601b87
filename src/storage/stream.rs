//! One stream: what it holds, by sequence, by subject and by time.
//!
//! Every question here is answered from the index in memory; only bodies are read elsewhere.

use base::AccountId;

use crate::arena::Arena;
use crate::blocks::Blocks;
use crate::bodies::Bodies;
use crate::compression::Compressor;
use crate::expiry::Expiry;
use crate::filter::{Filter, Term};
use crate::pick::{Every, Few, Marked, Matching, One, Pick};
use crate::space::SpaceId;
use crate::subjects::{SubjectId, Subjects};
use crate::{Kind, Seq, StreamState, SubjectState};

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

/// The memory a stream takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What it knows about its messages.
    pub messages: usize,
    /// What it knows about its subjects.
    pub subjects: usize,
    /// Bodies kept in memory, and what they are compressed with.
    pub bodies: usize,
}

/// How far a pattern's next message is looked for before its subjects are counted.
const PATTERN_NEAR: u64 = 1024;

/// A pattern of which this many subjects could be is not one with few.
const PATTERN_LOOKS: usize = 64;

/// One stream's messages.
#[derive(Debug)]
pub struct Stream {
    pub(crate) account: AccountId,
    pub(crate) space: SpaceId,
    pub(crate) kind: Kind,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) last_time_ns: u64,
    pub(crate) blocks: Blocks,
    pub(crate) subjects: Subjects,
    pub(crate) expiry: Expiry,
    pub(crate) bodies: Bodies,
    /// How its messages are compressed; `None` if none ever was.
    pub(crate) compressor: Option<Box<Compressor>>,
    /// Messages that went and of which the log is still to be told, both ends included.
    pub(crate) leaving: Option<(Seq, Seq)>,
}

impl Stream {
    pub(crate) fn new(account: AccountId, space: SpaceId, kind: Kind, first: Seq) -> Stream {
        Stream {
            account,
            space,
            kind,
            messages: 0,
            bytes: 0,
            first,
            last: first.previous(),
            last_time_ns: 0,
            blocks: Blocks::default(),
            subjects: Subjects::default(),
            expiry: Expiry::default(),
            bodies: Bodies::Arena(Arena::default()),
            compressor: None,
            leaving: None,
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

    /// Messages stored.
    #[inline]
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes stored, as the stream counts them.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
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
        let from = from.max(self.first);
        match filter.terms() {
            [] => self.blocks.first(from, &mut Every),
            [Term::Literal(literal)] => self.first_of(self.subjects.find(literal)?, from),
            terms if filter.is_literal() => {
                let ids = self.ids_of(terms, |state| state.last >= from);
                let oldest = ids.iter().map(|&id| self.subjects.state(id).first).min()?;
                self.blocks.first(from.max(oldest), &mut Few(ids))
            }
            _ => self.first_of_pattern(filter, from),
        }
    }

    /// Looks nearby first, where a busy pattern has its next message; then whether it has few
    /// subjects at all, which are found quickly wherever they are.
    fn first_of_pattern(&self, filter: &Filter, from: Seq) -> Option<Seq> {
        let mut matching = Matching::new(filter, &self.subjects);
        let nearby = Seq(from.0.saturating_add(PATTERN_NEAR));
        if let Some(found) = self.blocks.first_within(from, nearby, &mut matching) {
            return Some(found);
        }
        let mut few = Vec::new();
        for term in filter.terms() {
            match self.subjects.matching_few(term.bytes(), PATTERN_LOOKS) {
                Some(found) => few.extend(found),
                None => return self.blocks.first(nearby, &mut matching),
            }
        }
        few.retain(|&id| self.subjects.state(id).last >= from);
        let oldest = few.iter().map(|&id| self.subjects.state(id).first).min()?;
        self.blocks.first(from.max(oldest), &mut Few(few))
    }

    /// The last message at `upto` or earlier whose subject is in `filter`.
    #[must_use]
    pub fn last_matching(&self, filter: &Filter, upto: Seq) -> Option<Seq> {
        let upto = upto.min(self.last);
        match filter.terms() {
            [] => self.blocks.last(upto, &mut Every),
            [Term::Literal(literal)] => self.last_of(self.subjects.find(literal)?, upto),
            terms if filter.is_literal() => {
                let ids = self.ids_of(terms, |state| state.first <= upto);
                let newest = ids.iter().map(|&id| self.subjects.state(id).last).max()?;
                self.blocks.last(upto.min(newest), &mut Few(ids))
            }
            _ => self.blocks.last(upto, &mut Matching::new(filter, &self.subjects)),
        }
    }

    /// The ids of literal terms that have messages and of which `keep` holds.
    fn ids_of(&self, terms: &[Term], keep: impl Fn(&SubjectState) -> bool) -> Vec<SubjectId> {
        let ids = terms.iter().filter_map(|term| self.subjects.find(term.bytes()));
        ids.filter(|&id| keep(&self.subjects.state(id))).collect()
    }

    /// How many messages at `from` or later have a subject in `filter`.
    #[must_use]
    pub fn pending(&self, filter: &Filter, from: Seq) -> u64 {
        if from > self.last {
            return 0;
        }
        let all = || -> u64 {
            let matching = self.subjects.matching(filter).into_iter();
            matching.map(|id| self.subjects.state(id).messages).sum()
        };
        match filter.terms() {
            [] if from <= self.first => self.messages,
            _ if from <= self.first => all(),
            [] => self.count_from(from, || self.messages, &mut Every),
            [Term::Literal(literal)] => {
                let Some(id) = self.subjects.find(literal) else { return 0 };
                let state = self.subjects.state(id);
                match from {
                    _ if from <= state.first => state.messages,
                    _ if from > state.last => 0,
                    _ => self.count_from(from, || state.messages, &mut One(id)),
                }
            }
            _ => self.pending_of_many(filter, from),
        }
    }

    /// Counts by subjects: most lie wholly before `from` or behind it. Only messages of the others
    /// are looked at.
    fn pending_of_many(&self, filter: &Filter, from: Seq) -> u64 {
        let (mut count, mut across) = (0, Vec::new());
        for id in self.subjects.matching(filter) {
            let state = self.subjects.state(id);
            if state.first >= from {
                count += state.messages;
            } else if state.last >= from {
                across.push(id);
            }
        }
        if across.is_empty() {
            return count;
        }
        let all = || across.iter().map(|&id| self.subjects.state(id).messages).sum();
        let mut marked = Marked::new(&across, self.subjects.ids_end());
        count + self.count_from(from, all, &mut marked)
    }

    /// Counts what `pick` takes from `from` on, from the end that is nearer; `all` is how many it
    /// takes of the whole stream.
    fn count_from(&self, from: Seq, all: impl Fn() -> u64, pick: &mut impl Pick) -> u64 {
        if from.0 - self.first.0 < self.last.0 - from.0 {
            all() - self.blocks.count(self.first, from.previous(), pick)
        } else {
            self.blocks.count(from, self.last, pick)
        }
    }

    /// The newest message at `upto` or earlier of each subject in `filter`, by sequence.
    #[must_use]
    pub fn last_per_subject(&self, filter: &Filter, upto: Seq) -> Vec<Seq> {
        let mut found = Vec::new();
        for id in self.subjects.matching(filter) {
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
        for id in self.subjects.matching(filter) {
            each(self.subjects.name(id), self.subjects.state(id));
        }
    }

    /// The first message stored at `time_ns` or later; the sequence after the last if none was.
    #[must_use]
    pub fn first_at(&self, time_ns: u64) -> Seq {
        self.blocks.first_at(time_ns).unwrap_or(self.last.next())
    }

    /// The sequences between first and last that hold nothing, as ranges from the lowest up; both
    /// ends are part of the range.
    pub fn deleted(&self) -> impl Iterator<Item = (Seq, Seq)> {
        let mut at = self.first;
        std::iter::from_fn(move || {
            while at <= self.last {
                let next = self.blocks.first(at, &mut Every).unwrap_or(self.last.next());
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

    /// The memory the stream takes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            messages: self.blocks.memory() + self.expiry.memory(),
            subjects: self.subjects.memory(),
            bodies: match &self.bodies {
                Bodies::Arena(arena) => arena.memory(),
                Bodies::Log(_) => self.compressor.as_ref().map_or(0, |it| it.memory()),
            },
        }
    }

    /// The newest message of a subject at `upto` or earlier.
    pub(crate) fn last_of(&self, id: SubjectId, upto: Seq) -> Option<Seq> {
        let state = self.subjects.state(id);
        if state.last <= upto {
            return Some(state.last);
        }
        if state.first > upto {
            return None;
        }
        self.blocks.last(upto, &mut One(id))
    }

    /// The oldest message of a subject at `from` or later.
    pub(crate) fn first_of(&self, id: SubjectId, from: Seq) -> Option<Seq> {
        let state = self.subjects.state(id);
        if from <= state.first {
            return Some(state.first);
        }
        if from > state.last {
            return None;
        }
        // Whoever reads a subject message by message asks right after one of it.
        let mut from = from;
        while let Some(next) = self.blocks.linked(from.previous(), id) {
            if self.blocks.get(next).is_some() {
                return Some(next);
            }
            from = next.next();
        }
        self.blocks.first(from, &mut One(id))
    }
}
