//! The messages of a stream in order of sequence: subject, size, time and place of each.

use std::collections::VecDeque;

use crate::Seq;
use crate::subjects::SubjectId;

/// What is known of one message without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) subject: SubjectId,
    /// Bytes as the stream counts them.
    pub(crate) size: u32,
    pub(crate) time_ns: u64,
    /// Where the body lies, in the terms of the store that has it.
    pub(crate) at: u64,
}

/// The messages of a stream.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// The sequence of the front entry.
    base: u64,
    entries: VecDeque<Option<Entry>>,
}

impl Blocks {
    /// Adds a message after all others.
    pub(crate) fn push(&mut self, seq: Seq, entry: Entry) {
        if self.entries.is_empty() {
            self.base = seq.0;
        }
        let at = (seq.0 - self.base) as usize;
        debug_assert!(at >= self.entries.len(), "sequences rise");
        self.entries.resize(at, None);
        self.entries.push_back(Some(entry));
    }

    /// The message `seq`, unless it is gone.
    pub(crate) fn get(&self, seq: Seq) -> Option<Entry> {
        let at = seq.0.checked_sub(self.base)?;
        self.entries.get(usize::try_from(at).ok()?).copied().flatten()
    }

    /// Takes the message `seq` out.
    pub(crate) fn remove(&mut self, seq: Seq) -> Option<Entry> {
        let at = usize::try_from(seq.0.checked_sub(self.base)?).ok()?;
        let entry = self.entries.get_mut(at)?.take()?;
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.base += 1;
        }
        Some(entry)
    }

    /// The first message at `from` or later.
    pub(crate) fn at_or_after(&self, from: Seq) -> Option<(Seq, Entry)> {
        let from = from.0.max(self.base);
        let skip = usize::try_from(from - self.base).ok()?;
        let found = self.entries.iter().enumerate().skip(skip);
        let mut live = found.filter_map(|(at, entry)| Some((at, (*entry)?)));
        live.next().map(|(at, entry)| (Seq(self.base + at as u64), entry))
    }

    /// The last message at `from` or earlier.
    pub(crate) fn at_or_before(&self, from: Seq) -> Option<(Seq, Entry)> {
        let end = usize::try_from(from.0.checked_sub(self.base)?).ok()?;
        let upto = self.entries.len().min(end.saturating_add(1));
        let found = self.entries.iter().take(upto).enumerate().rev();
        let mut live = found.filter_map(|(at, entry)| Some((at, (*entry)?)));
        live.next().map(|(at, entry)| (Seq(self.base + at as u64), entry))
    }
}
