//! A set of subjects to look for in a stream: literal ones, wildcard ones, or simply all.
//!
//! Made once per consumer or request, asked many times. The patterns may overlap: what matches
//! one of them is in the set, once.

use subject::name;

/// A set of subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Empty: all subjects.
    terms: Vec<Term>,
}

/// One subject, with or without wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    Literal(Box<[u8]>),
    Pattern(Box<[u8]>),
}

impl Filter {
    /// Every subject.
    #[must_use]
    pub fn all() -> Filter {
        Filter { terms: Vec::new() }
    }

    /// Those that match one of `subjects`, each a valid subscription subject; none at all, an
    /// empty one or `>` means every subject, as filters do in consumers and requests.
    pub fn new<S: AsRef<[u8]>>(subjects: impl IntoIterator<Item = S>) -> Filter {
        let mut terms = Vec::new();
        for subject in subjects {
            let subject = subject.as_ref();
            if subject.is_empty() || subject == b">" {
                return Filter::all();
            }
            terms.push(if name::has_wildcard(subject) {
                Term::Pattern(subject.into())
            } else {
                Term::Literal(subject.into())
            });
        }
        Filter { terms }
    }

    /// Whether every subject is in the set.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether `subject` is in the set.
    #[must_use]
    pub fn matches(&self, subject: &[u8]) -> bool {
        self.is_all() || self.terms.iter().any(|term| term.matches(subject))
    }

    /// Whether it holds no wildcard: a few subjects, each spelled out.
    pub(crate) fn is_literal(&self) -> bool {
        !self.is_all() && self.terms.iter().all(|term| matches!(term, Term::Literal(_)))
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.terms
    }
}

impl Term {
    pub(crate) fn bytes(&self) -> &[u8] {
        let (Term::Literal(bytes) | Term::Pattern(bytes)) = self;
        bytes
    }

    fn matches(&self, subject: &[u8]) -> bool {
        match self {
            Term::Literal(literal) => **literal == *subject,
            Term::Pattern(pattern) => name::matches(pattern, subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_one_of_their_subjects_matches() {
        let filter = Filter::new(["a.b", "c.*"]);
        for (subject, held) in [("a.b", true), ("c.x", true), ("a.c", false), ("c.x.y", false)] {
            assert_eq!(filter.matches(subject.as_bytes()), held, "{subject}");
        }
        assert!(!filter.is_all());
    }

    #[test]
    fn nothing_asked_for_is_everything() {
        for filter in [Filter::new([""]), Filter::new([] as [&str; 0]), Filter::new(["a", ">"])] {
            assert_eq!(filter, Filter::all());
            assert!(filter.matches(b"any.thing"));
        }
    }
}
