//! Which messages a search takes, by their subjects' ids.
//!
//! A search is one loop over packed blocks; what it asks of each message is one of these, and is
//! compiled into the loop.

use crate::blocks::subject_bit;
use crate::filter::Filter;
use crate::subjects::{SubjectId, Subjects};

/// What a search takes.
pub(crate) trait Pick {
    /// Whether it takes everything, so that no subject need be looked at.
    fn takes_all(&self) -> bool {
        false
    }

    /// Whether it might take something of a block with these subject bits.
    fn may_take_of(&self, subject_bits: u64) -> bool;

    /// Whether it takes messages of this subject.
    fn takes(&mut self, subject: SubjectId) -> bool;
}

/// Takes every message.
pub(crate) struct Every;

impl Pick for Every {
    #[inline]
    fn takes_all(&self) -> bool {
        true
    }

    #[inline]
    fn may_take_of(&self, _: u64) -> bool {
        true
    }

    #[inline]
    fn takes(&mut self, _: SubjectId) -> bool {
        true
    }
}

/// Takes one subject.
pub(crate) struct One(pub(crate) SubjectId);

impl Pick for One {
    #[inline]
    fn may_take_of(&self, subject_bits: u64) -> bool {
        subject_bits & subject_bit(self.0) != 0
    }

    #[inline]
    fn takes(&mut self, subject: SubjectId) -> bool {
        subject == self.0
    }
}

/// Takes a few subjects.
pub(crate) struct Few(pub(crate) Vec<SubjectId>);

impl Pick for Few {
    #[inline]
    fn may_take_of(&self, subject_bits: u64) -> bool {
        self.0.iter().any(|&id| subject_bits & subject_bit(id) != 0)
    }

    #[inline]
    fn takes(&mut self, subject: SubjectId) -> bool {
        self.0.contains(&subject)
    }
}

/// Takes many subjects, each marked by its id.
pub(crate) struct Marked {
    marks: Vec<bool>,
    bits: u64,
}

impl Marked {
    /// Takes `ids`, each below `ids_end`.
    pub(crate) fn new(ids: &[SubjectId], ids_end: usize) -> Marked {
        let mut marks = vec![false; ids_end];
        ids.iter().for_each(|id| marks[id.0 as usize] = true);
        Marked { marks, bits: ids.iter().fold(0, |all, &id| all | subject_bit(id)) }
    }
}

impl Pick for Marked {
    #[inline]
    fn may_take_of(&self, subject_bits: u64) -> bool {
        subject_bits & self.bits != 0
    }

    #[inline]
    fn takes(&mut self, subject: SubjectId) -> bool {
        self.marks[subject.0 as usize]
    }
}

/// Takes the subjects that a filter matches. Neighbours often share a subject, so the last answer
/// is kept; a search that goes on and on keeps all of them.
pub(crate) struct Matching<'a> {
    filter: &'a Filter,
    subjects: &'a Subjects,
    last: Option<(SubjectId, bool)>,
    /// How often names were compared.
    compared: usize,
    /// By subject: unknown, not taken or taken. Empty at first.
    answers: Vec<Answer>,
}

/// Names are compared this often before answers are kept.
const COMPARED_MAX: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Unknown,
    No,
    Yes,
}

impl<'a> Matching<'a> {
    pub(crate) fn new(filter: &'a Filter, subjects: &'a Subjects) -> Self {
        Matching { filter, subjects, last: None, compared: 0, answers: Vec::new() }
    }

    fn ask(&mut self, subject: SubjectId) -> bool {
        match self.answers.get(subject.0 as usize) {
            Some(Answer::No) => return false,
            Some(Answer::Yes) => return true,
            Some(Answer::Unknown) | None => {}
        }
        let taken = self.filter.matches(self.subjects.name(subject));
        self.compared += 1;
        if self.compared == COMPARED_MAX {
            self.answers = vec![Answer::Unknown; self.subjects.ids_end()];
        }
        if let Some(answer) = self.answers.get_mut(subject.0 as usize) {
            *answer = if taken { Answer::Yes } else { Answer::No };
        }
        taken
    }
}

impl Pick for Matching<'_> {
    #[inline]
    fn may_take_of(&self, _: u64) -> bool {
        true
    }

    #[inline]
    fn takes(&mut self, subject: SubjectId) -> bool {
        if let Some((last, taken)) = self.last
            && last == subject
        {
            return taken;
        }
        let taken = self.ask(subject);
        self.last = Some((subject, taken));
        taken
    }
}
