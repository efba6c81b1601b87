//! The bytes of subjects, packed into pages, so that a subject costs no allocation of its own.
//!
//! A name lies in a cell of whole words, behind the id of its subject; a freed cell is used again
//! for a name of as many words.
//!
//! ```text
//! cell  ├ subject: u32 ┤ length: u16 ┤ bytes … ┤ padding to 4 bytes ┤
//! ```

use std::collections::BTreeMap;

use crate::subjects::SubjectId;

/// A page takes names until it has this many bytes; one that is longer gets a page of its own.
const PAGE_BYTES: usize = 64 << 10;

/// Cells begin at multiples of this.
const WORD: usize = 4;

/// The words of a page, as addresses count them.
const PAGE_WORDS: u32 = (PAGE_BYTES / WORD) as u32;

/// Where the length of a name stands in its cell.
const LENGTH_AT: usize = 4;

/// Bytes before a name.
const HEAD: usize = 6;

/// Where a name lies: in words, each page counted as if it were full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameAt(u32);

/// Names by address.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pages: Vec<Vec<u8>>,
    /// Freed cells by their length in words.
    vacant: BTreeMap<u32, Vec<NameAt>>,
}

impl Names {
    /// Keeps `name`, at most 65,535 bytes.
    pub(crate) fn insert(&mut self, name: &[u8]) -> NameAt {
        let length = u16::try_from(name.len()).expect("subjects are at most 65,535 bytes");
        let len = (HEAD + name.len()).next_multiple_of(WORD);
        let at = self.vacate(len).unwrap_or_else(|| self.extend(len));
        let (page, start) = at.split();
        let cell = &mut self.pages[page][start..start + len];
        cell[LENGTH_AT..HEAD].copy_from_slice(&length.to_le_bytes());
        cell[HEAD..HEAD + name.len()].copy_from_slice(name);
        at
    }

    /// A cell that was freed.
    fn vacate(&mut self, len: usize) -> Option<NameAt> {
        self.vacant.get_mut(&((len / WORD) as u32))?.pop()
    }

    /// A new cell at the end.
    fn extend(&mut self, len: usize) -> NameAt {
        // A page may be left before it is full, and one name may fill more than a page: its
        // address only has to fit where it begins.
        if self.pages.last().is_none_or(|page| page.len() + len > PAGE_BYTES) {
            // A small stream's page grows with it; who filled one will fill another.
            let capacity = if self.pages.is_empty() { len } else { PAGE_BYTES.max(len) };
            self.pages.push(Vec::with_capacity(capacity));
        }
        let number = self.pages.len() - 1;
        let page = &mut self.pages[number];
        let start = page.len();
        page.resize(start + len, 0);
        let address = number * PAGE_WORDS as usize + start / WORD;
        NameAt(u32::try_from(address).expect("names of one stream take at most 16 GiB"))
    }

    /// The name at an address.
    #[inline]
    pub(crate) fn get(&self, at: NameAt) -> &[u8] {
        let (page, start) = at.split();
        let page = &self.pages[page];
        let cell = &page[start..];
        let length = u16::from_le_bytes([cell[LENGTH_AT], cell[LENGTH_AT + 1]]);
        &cell[HEAD..HEAD + usize::from(length)]
    }

    /// Says which subject a name is of.
    pub(crate) fn set_subject(&mut self, at: NameAt, subject: SubjectId) {
        let (page, start) = at.split();
        self.pages[page][start..start + LENGTH_AT].copy_from_slice(&subject.0.to_le_bytes());
    }

    /// Which subject a name is of.
    pub(crate) fn subject(&self, at: NameAt) -> SubjectId {
        let (page, start) = at.split();
        let bytes = self.pages[page][start..start + LENGTH_AT].try_into();
        SubjectId(u32::from_le_bytes(bytes.expect("four bytes")))
    }

    /// Frees the cell of a name.
    pub(crate) fn remove(&mut self, at: NameAt) {
        let words = (HEAD + self.get(at).len()).div_ceil(WORD) as u32;
        self.vacant.entry(words).or_default().push(at);
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let vacant = self.vacant.values().map(|cells| cells.capacity() * size_of::<NameAt>());
        self.pages.iter().map(Vec::capacity).sum::<usize>() + vacant.sum::<usize>()
    }
}

impl NameAt {
    pub(crate) fn from_number(number: u32) -> NameAt {
        NameAt(number)
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    #[inline]
    fn split(self) -> (usize, usize) {
        ((self.0 / PAGE_WORDS) as usize, (self.0 % PAGE_WORDS) as usize * WORD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_come_back_and_freed_cells_are_used_again() {
        let mut names = Names::default();
        let lengths = [0, 1, 2, 3, 30, 4_096, 65_529, 65_534, 65_535, 7];
        let all: Vec<Vec<u8>> = lengths.iter().map(|&len| vec![len as u8; len]).collect();
        let places: Vec<NameAt> = all.iter().map(|name| names.insert(name)).collect();
        for (n, &at) in (0..).zip(&places) {
            names.set_subject(at, SubjectId(u32::MAX - n));
        }
        for ((n, name), &at) in (0..).zip(&all).zip(&places) {
            assert_eq!(names.get(at), name);
            assert_eq!(names.subject(at), SubjectId(u32::MAX - n));
        }
        let pages = names.pages.len();
        for round in 0..100u8 {
            for &at in &places {
                names.remove(at);
            }
            for name in &all {
                let changed: Vec<u8> = name.iter().map(|byte| byte ^ round).collect();
                let at = names.insert(&changed);
                assert_eq!(names.get(at), changed);
            }
        }
        assert_eq!(names.pages.len(), pages);
    }
}
