//! The subjects of one stream: how many messages each has, its first and its last.
//!
//! A subject is in the table while it has a message. Its id is used again after the subject is
//! gone, so an id is meaningful only together with a live message.

use ahash::RandomState;
use hashbrown::HashMap;
use subject::slab::{Cell, Slab, Slot};
use subject::table::Table;

use crate::filter::{Filter, Term};
use crate::names::{NameAt, Names};
use crate::order::Order;
use crate::{Seq, SubjectState};

/// A subject as its stream numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SubjectId(pub(crate) u32);

/// One subject with messages, or a vacant place. A stream of a million subjects has a million.
///
/// What does not fit in few bytes, after billions of messages, stands beside: in
/// [`Subjects::wide`].
struct Record {
    /// Where the name lies; in a vacant place the number of the next one.
    name: NameAt,
    /// None in a vacant place; [`WIDE`] where the numbers stand beside.
    messages: u32,
    /// The first sequence, the lower half first.
    first: [u32; 2],
    /// How far it is from there to the last.
    span: u32,
}

const _: () = assert!(size_of::<Record>() == 20);

/// In place of a number of messages: see [`Record::messages`].
const WIDE: u32 = u32::MAX;

/// All subjects of a stream.
pub(crate) struct Subjects {
    records: Slab<Record>,
    /// Subjects whose numbers do not fit their records.
    wide: HashMap<SubjectId, SubjectState, RandomState>,
    by_name: Table<Record>,
    names: Names,
    /// Nothing while subjects come in at start.
    order: Option<Order>,
    ids_end: u32,
    hasher: RandomState,
}

impl Default for Subjects {
    fn default() -> Self {
        Subjects {
            records: Slab::new(),
            wide: HashMap::default(),
            by_name: Table::new(),
            names: Names::default(),
            order: Some(Order::default()),
            ids_end: 0,
            hasher: RandomState::new(),
        }
    }
}

impl Subjects {
    /// How many subjects have messages.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The subject called `name`, if it has messages.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<SubjectId> {
        self.find_hashed(self.hasher.hash_one(name), name)
    }

    #[inline]
    fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<SubjectId> {
        let is_it = |slot: Slot<Record>| self.names.get(self.records[slot].name) == name;
        self.by_name.find(hash, is_it).map(|slot| SubjectId(slot.number()))
    }

    /// Counts one more message `seq`, newer than all others, under `name`; the subject and its
    /// newest message before, or none.
    pub(crate) fn add(&mut self, name: &[u8], seq: Seq) -> (SubjectId, Seq) {
        let hash = self.hasher.hash_one(name);
        let Some(id) = self.find_hashed(hash, name) else {
            return (self.insert(hash, name, seq), Seq::NONE);
        };
        (id, self.add_to(id, seq))
    }

    /// Counts one more message; the newest before it.
    #[inline]
    fn add_to(&mut self, id: SubjectId, seq: Seq) -> Seq {
        let SubjectState { messages, first, last } = self.state(id);
        self.set_state(id, SubjectState { messages: messages + 1, first, last: seq });
        last
    }

    /// [`Subjects::add`] where the name is likely that of `near`, which has messages.
    pub(crate) fn add_near(
        &mut self,
        near: Option<SubjectId>,
        name: &[u8],
        seq: Seq,
    ) -> (SubjectId, Seq) {
        if let Some(near) = near
            && self.name(near) == name
        {
            return (near, self.add_to(near, seq));
        }
        self.add(name, seq)
    }

    #[cold]
    fn insert(&mut self, hash: u64, name: &[u8], seq: Seq) -> SubjectId {
        let name = self.names.insert(name);
        let slot = self.records.insert(Record { name, messages: 1, first: halves(seq), span: 0 });
        self.by_name.insert(hash, slot);
        let id = SubjectId(slot.number());
        self.ids_end = self.ids_end.max(id.0 + 1);
        self.names.set_subject(name, id);
        if let Some(order) = &mut self.order {
            order.insert(name, |at| self.names.get(at));
        }
        id
    }

    /// Every id is below this.
    pub(crate) fn ids_end(&self) -> usize {
        self.ids_end as usize
    }

    /// The bytes of a subject that has messages.
    #[inline]
    pub(crate) fn name(&self, id: SubjectId) -> &[u8] {
        self.names.get(self.records[id.slot()].name)
    }

    /// A subject in numbers.
    #[inline]
    pub(crate) fn state(&self, id: SubjectId) -> SubjectState {
        let Record { messages, first: [low, high], span, .. } = self.records[id.slot()];
        if messages == WIDE {
            return self.wide[&id];
        }
        let first = u64::from(high) << 32 | u64::from(low);
        let last = Seq(first + u64::from(span));
        SubjectState { messages: u64::from(messages), first: Seq(first), last }
    }

    #[inline]
    fn set_state(&mut self, id: SubjectId, state: SubjectState) {
        let record = &mut self.records[id.slot()];
        let was_wide = record.messages == WIDE;
        let span = state.last.0.checked_sub(state.first.0).map(u32::try_from);
        match (u32::try_from(state.messages), span) {
            (Ok(messages), Some(Ok(span))) if messages != WIDE => {
                (record.messages, record.first, record.span) =
                    (messages, halves(state.first), span);
                if was_wide {
                    self.wide.remove(&id);
                }
            }
            _ => {
                record.messages = WIDE;
                self.wide.insert(id, state);
            }
        }
    }

    /// Counts one message fewer; how many are left. With the last one the subject is gone.
    pub(crate) fn subtract(&mut self, id: SubjectId) -> u64 {
        let state = self.state(id);
        let left = state.messages - 1;
        match left {
            0 => self.remove(id),
            messages => self.set_state(id, SubjectState { messages, ..state }),
        }
        left
    }

    #[cold]
    fn remove(&mut self, id: SubjectId) {
        let Subjects { order, records, wide, names, by_name, hasher, ids_end } = self;
        let name = records[id.slot()].name;
        if let Some(order) = order {
            order.remove(name, |at| names.get(at));
        }
        by_name.remove(hasher.hash_one(names.get(name)), id.slot());
        names.remove(name);
        if records[id.slot()].messages == WIDE {
            wide.remove(&id);
        }
        records.remove(id.slot());
        if records.is_empty() {
            *names = Names::default();
            *ids_end = 0;
        }
    }

    /// Says what the oldest message of a subject is now.
    pub(crate) fn set_first(&mut self, id: SubjectId, first: Seq) {
        self.set_state(id, SubjectState { first, ..self.state(id) });
    }

    /// Says what the newest message of a subject is now.
    pub(crate) fn set_last(&mut self, id: SubjectId, last: Seq) {
        self.set_state(id, SubjectState { last, ..self.state(id) });
    }

    /// The subjects in `filter`, in the order of their names.
    pub(crate) fn matching(&self, filter: &Filter) -> Vec<SubjectId> {
        if filter.is_all() {
            return self.starting_at(b"").collect();
        }
        let mut found = Vec::new();
        for term in filter.terms() {
            match term {
                Term::Literal(literal) => found.extend(self.find(literal)),
                Term::Pattern(pattern) => self.matching_pattern(pattern, &mut found),
            }
        }
        if filter.terms().len() > 1 {
            found.sort_unstable_by(|&a, &b| self.name(a).cmp(self.name(b)));
            found.dedup();
        }
        found
    }

    /// The subjects that match a pattern, unless that takes looking at more than `looks` of them.
    pub(crate) fn matching_few(&self, pattern: &[u8], looks: usize) -> Option<Vec<SubjectId>> {
        let prefix = literal_prefix(pattern);
        let mut found = Vec::new();
        for (looked, id) in self.starting_at(prefix).enumerate() {
            if !self.name(id).starts_with(prefix) {
                break;
            }
            if looked == looks {
                return None;
            }
            if subject::name::matches(pattern, self.name(id)) {
                found.push(id);
            }
        }
        Some(found)
    }

    /// The subjects in order, from the first whose name is not below `from`.
    fn starting_at(&self, from: &[u8]) -> impl Iterator<Item = SubjectId> {
        let order = self.order.as_ref().expect("nobody asks before the end of the start");
        let names = order.starting_at(from, |at| self.names.get(at));
        names.map(|at| self.names.subject(at))
    }

    /// Many subjects come in at once, and nobody asks before [`Subjects::set_in_order`].
    pub(crate) fn leave_order(&mut self) {
        self.order = None;
    }

    /// Sets in order what came in.
    pub(crate) fn set_in_order(&mut self) {
        let records = (0..self.ids_end).map(|id| &self.records[SubjectId(id).slot()]);
        let names = records.filter(|record| record.messages > 0).map(|record| record.name);
        self.order = Some(Order::of(names.collect(), |at| self.names.get(at)));
    }

    fn matching_pattern(&self, pattern: &[u8], found: &mut Vec<SubjectId>) {
        let prefix = literal_prefix(pattern);
        let alike = self.starting_at(prefix).take_while(|&id| self.name(id).starts_with(prefix));
        found.extend(alike.filter(|&id| subject::name::matches(pattern, self.name(id))));
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let order = self.order.as_ref().map_or(0, Order::memory);
        let wide = self.wide.allocation_size();
        self.records.bytes() + wide + self.by_name.bytes() + self.names.memory() + order
    }
}

/// What every subject that `pattern` matches begins with: all before the first wildcard token.
fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let mut end = 0;
    for token in pattern.split(|&byte| byte == b'.') {
        if token == b"*" || token == b">" {
            return &pattern[..end];
        }
        end += token.len() + 1;
    }
    pattern
}

/// A sequence as records keep it.
#[inline]
fn halves(seq: Seq) -> [u32; 2] {
    [seq.0 as u32, (seq.0 >> 32) as u32]
}

impl SubjectId {
    #[inline]
    fn slot(self) -> Slot<Record> {
        Slot::from_number(self.0)
    }
}

impl Cell for Record {
    fn vacant(next: Slot<Self>) -> Self {
        let name = NameAt::from_number(next.number());
        Record { name, messages: 0, first: halves(Seq::NONE), span: 0 }
    }

    fn next_vacant(&self) -> Option<Slot<Self>> {
        (self.messages == 0).then_some(Slot::from_number(self.name.number()))
    }
}

impl std::fmt::Debug for Subjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subjects").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_before_the_first_wildcard() {
        for (pattern, prefix) in [("a.b.*", "a.b."), (">", ""), ("*.a", ""), ("a*.>", "a*.")] {
            assert_eq!(literal_prefix(pattern.as_bytes()), prefix.as_bytes(), "{pattern}");
        }
    }

    #[test]
    fn a_subject_of_25_bytes_takes_at_most_80() {
        const COUNT: u64 = 100_000;
        for step in [1, 7_919] {
            let mut subjects = Subjects::default();
            for n in (0..COUNT).map(|n| n * step % COUNT) {
                subjects.add(format!("bench.some.subject.{n:06}").as_bytes(), Seq(n + 1));
            }
            let each = subjects.memory() as u64 / COUNT;
            assert!(each <= 80, "{each} bytes, step {step}");
        }
    }

    #[test]
    fn numbers_too_large_for_a_record_stand_beside_it() {
        let mut subjects = Subjects::default();
        let far = u64::from(u32::MAX) + 8;
        let states = [(7, 7, 1), (7, 9, 3), (7, far + 7, 4), (far, far + 3, 2), (1 << 60, far, 9)];
        let (id, _) = subjects.add(b"a", Seq(7));
        for (first, last, messages) in states {
            let state = SubjectState { messages, first: Seq(first), last: Seq(last) };
            subjects.set_state(id, state);
            assert_eq!(subjects.state(id), state);
        }
        let many = SubjectState { messages: u64::from(WIDE), first: Seq(1), last: Seq(2) };
        subjects.set_state(id, many);
        assert_eq!(subjects.add(b"a", Seq(3)), (id, Seq(2)));
        assert_eq!(subjects.state(id).messages, many.messages + 1);
        subjects.set_state(id, SubjectState { messages: 1, ..many });
        assert!(subjects.wide.is_empty(), "it fits again");
        subjects.set_state(id, SubjectState { messages: 1, last: Seq(u64::MAX), ..many });
        assert_eq!(subjects.subtract(id), 0);
        assert!(subjects.wide.is_empty() && subjects.find(b"a").is_none());
    }

    #[test]
    fn subjects_that_come_and_go_leave_nothing() {
        let mut subjects = Subjects::default();
        for round in 0..3 {
            for n in 0..20_000 {
                let (_, before) = subjects.add(format!("a.{n}").as_bytes(), Seq(n + 1));
                assert_eq!(before, Seq::NONE, "round {round}");
            }
            assert_eq!(subjects.len(), 20_000);
            let few = Filter::new(["a.1999*", "a.19999", "*.7", "a.7"]);
            assert_eq!(subjects.matching(&few).len(), 2, "a token holding a star is literal");
            for n in 0..20_000 {
                let id = subjects.find(format!("a.{n}").as_bytes()).expect("it was added");
                assert_eq!(subjects.subtract(id), 0);
            }
            assert_eq!(subjects.len(), 0);
        }
        assert!(subjects.memory() < 16_384, "{} bytes stay", subjects.memory());
    }
}
