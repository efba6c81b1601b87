//! Paging: what a request for a list asks for, and what the answer says of the whole.
//! Source: spec/jetstream.md §1 Paging.

use serde::Serialize;

/// Names on one page.
pub const NAMES_MAX: usize = 1024;
/// Descriptions on one page.
pub const LIST_MAX: usize = 256;
/// Subjects of a stream on one page.
pub const SUBJECTS_MAX: usize = 100_000;

/// Which part of the whole an answer shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// How many there are in all.
    pub total: usize,
    /// How many stand before this page.
    pub offset: usize,
    /// How many a page holds at most.
    pub limit: usize,
}

impl Page {
    /// The page of `total` that begins at `offset`; one behind the end is empty and stands at it.
    #[must_use]
    pub fn new(total: usize, offset: usize, limit: usize) -> Page {
        Page { total, offset: offset.min(total), limit }
    }

    /// What is on it.
    pub fn of<T>(self, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        all.skip(self.offset).take(self.limit)
    }
}

/// An offset as requests have it; below zero is none.
#[must_use]
pub fn offset_of(asked: i64) -> usize {
    usize::try_from(asked).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_all_once() {
        let (mut seen, mut offset) = (Vec::new(), 0);
        loop {
            let page = Page::new(10, offset, 4);
            let shown: Vec<usize> = page.of(0..10).collect();
            if shown.is_empty() {
                break;
            }
            offset += shown.len();
            seen.extend(shown);
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(Page::new(3, 7, 4), Page { total: 3, offset: 3, limit: 4 });
        assert_eq!(offset_of(-1), 0);
    }
}
