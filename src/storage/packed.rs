//! One block of entries, packed: what up to 256 neighbouring messages have in common is written
//! once, and each entry takes only the bits in which it differs.
//!
//! ```text
//! word 0  ├ count: 9 ┤ times: 9 ┤ scattered: 1 ┤ widths: 5 × 7 ┤ first offset: 8 ┤ saving: 1 bit ┤
//! word 1  ├ least subject: 32 ┤ least size: 32 ┤
//! word 2  ├ least time ┤
//! word 3  ├ place of entry 0, by the line through all places ┤
//! word 4  ├ slope of that line: from one place to the next ┤
//!         ├ which offsets are present: 256 bits, only if scattered ┤
//!         ├ least saved: 32 ┤ width: 7 ┤ only if saving
//!         ├ subjects ┤ sizes ┤ places ┤ times ┤ the first entry of each time ┤ saved, if saving ┤
//! ```
//!
//! A width of 0 takes no bits at all: one subject, one size, an unbroken row of bodies. A time is
//! written once for a run of entries that share it, as the messages of one turn do. What
//! compression saved stands only in blocks that have compressed messages. This layout lives in
//! memory only; what is written to disk has its own.

use crate::blocks::Entry;
use crate::offsets::Offsets;
use crate::subjects::SubjectId;

const HEAD_WORDS: usize = 5;
const COUNT_BITS: u32 = 9;
const TIMES_AT: u32 = COUNT_BITS;
const SCATTERED_AT: u32 = TIMES_AT + COUNT_BITS;
const WIDTHS_AT: u32 = SCATTERED_AT + 1;
const WIDTH_BITS: u32 = 7;
const COLUMNS: u32 = 5;
const FIRST_AT: u32 = WIDTHS_AT + COLUMNS * WIDTH_BITS;

const SAVING_AT: u32 = FIRST_AT + 8;

const _: () = assert!(SAVING_AT < 64);

const SUBJECTS: u32 = 0;
const SIZES: u32 = 1;
const PLACES: u32 = 2;
const TIMES: u32 = 3;
const STARTS: u32 = 4;

/// A packed block: at least one entry.
#[derive(Debug)]
pub(crate) struct Packed(Box<[u64]>);

impl Packed {
    /// Packs `entries`, which stand at the `present` offsets of their block.
    pub(crate) fn new(present: &Offsets, entries: &[Entry]) -> Packed {
        assert_eq!(present.count() as usize, entries.len(), "one entry for each offset");
        let first = present.first().expect("a block has at least one entry");
        let subject = entries.iter().map(|entry| entry.subject.0).min().unwrap_or_default();
        let size = entries.iter().map(|entry| entry.size).min().unwrap_or_default();
        let time = entries.iter().map(|entry| entry.time_ns).min().unwrap_or_default();
        let line = Line::through(entries);
        let times = times(entries, time);

        let mut words = vec![0; HEAD_WORDS];
        if present.is_scattered() {
            words.extend_from_slice(present.words());
        }
        let is_saving = entries.iter().any(|entry| entry.saved_bytes > 0);
        let saved_at = words.len();
        words.extend(is_saving.then_some(0));
        let mut writer = Writer { bit: words.len() * 64, words, widths: 0 };
        writer.column(SUBJECTS, entries.iter().map(|entry| u64::from(entry.subject.0 - subject)));
        writer.column(SIZES, entries.iter().map(|entry| u64::from(entry.size - size)));
        writer.column(PLACES, line.distances(entries));
        writer.column(TIMES, times.iter().map(|&(_, time)| time));
        if times.len() < entries.len() {
            writer.column(STARTS, times.iter().map(|&(start, _)| start));
        }
        if is_saving {
            let saved = || entries.iter().map(|entry| u64::from(entry.saved_bytes));
            let least = saved().min().unwrap_or_default();
            let width = writer.unlisted_column(saved().map(|saved| saved - least));
            writer.words[saved_at] = least | u64::from(width) << 32;
        }
        let Writer { mut words, widths, .. } = writer;
        words[0] = entries.len() as u64
            | (times.len() as u64) << TIMES_AT
            | u64::from(present.is_scattered()) << SCATTERED_AT
            | widths << WIDTHS_AT
            | u64::from(first) << FIRST_AT
            | u64::from(is_saving) << SAVING_AT;
        words[1] = u64::from(subject) | u64::from(size) << 32;
        words[2] = time;
        words[3] = line.base;
        words[4] = line.slope;
        Packed(words.into_boxed_slice())
    }

    /// How many entries it holds, dead ones included.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        (self.0[0] & low_bits(COUNT_BITS)) as u32
    }

    /// At which offsets entries stand, dead ones included.
    pub(crate) fn present(&self) -> Offsets {
        if self.is_scattered() {
            let words = self.0[HEAD_WORDS..HEAD_WORDS + 4].try_into();
            return Offsets::from_words(words.expect("four words"));
        }
        Offsets::row(self.first(), self.count())
    }

    /// The index of the entry that stands at `offset`, if one does.
    #[inline]
    pub(crate) fn index_of(&self, offset: u8) -> Option<u32> {
        if self.is_scattered() {
            let present = self.present();
            return present.contains(offset).then(|| present.below(offset));
        }
        let index = u32::from(offset.checked_sub(self.first())?);
        (index < self.count()).then_some(index)
    }

    /// The entry at an index below the count.
    pub(crate) fn entry(&self, index: u32) -> Entry {
        let at = u64::from(index);
        let line = self.0[3].wrapping_add(self.0[4].wrapping_mul(at));
        Entry {
            subject: self.subject(index),
            size: (self.0[1] >> 32) as u32 + self.column(SIZES).get(at) as u32,
            time_ns: self.time_ns(index),
            at: line.wrapping_add(self.column(PLACES).get(at)),
            saved_bytes: self.saved_bytes(index),
        }
    }

    /// The subject of the entry at an index below the count.
    #[inline]
    pub(crate) fn subject(&self, index: u32) -> SubjectId {
        self.subjects().get(index)
    }

    /// The first offset, if all entries stand in a row from there.
    #[inline]
    pub(crate) fn row(&self) -> Option<u8> {
        (!self.is_scattered()).then(|| self.first())
    }

    /// The subjects of all entries.
    #[inline]
    pub(crate) fn subjects(&self) -> PackedSubjects<'_> {
        PackedSubjects { least: self.0[1] as u32, column: self.column(SUBJECTS) }
    }

    /// The time of the entry at an index below the count.
    pub(crate) fn time_ns(&self, index: u32) -> u64 {
        let times = self.times();
        let mut run = u64::from(index);
        if times < u64::from(self.count()) {
            let starts = self.column(STARTS);
            // The last run that starts at the index or before; the first starts at 0.
            let (mut low, mut high) = (0, times);
            while high - low > 1 {
                let middle = (low + high) / 2;
                if starts.get(middle) <= u64::from(index) { low = middle } else { high = middle }
            }
            run = low;
        }
        self.0[2] + self.column(TIMES).get(run)
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn times(&self) -> u64 {
        self.0[0] >> TIMES_AT & low_bits(COUNT_BITS)
    }

    fn is_scattered(&self) -> bool {
        self.0[0] >> SCATTERED_AT & 1 == 1
    }

    fn is_saving(&self) -> bool {
        self.0[0] >> SAVING_AT & 1 == 1
    }

    /// Words before the columns.
    #[inline]
    fn head_words(&self) -> usize {
        let scattered = if self.is_scattered() { 4 } else { 0 };
        HEAD_WORDS + scattered + usize::from(self.is_saving())
    }

    /// What compression saved of the entry at an index below the count.
    fn saved_bytes(&self, index: u32) -> u32 {
        if !self.is_saving() {
            return 0;
        }
        let head = self.0[self.head_words() - 1];
        let width = (head >> 32) as u32;
        let column = Column { width, ..self.column(COLUMNS) };
        head as u32 + column.get(u64::from(index)) as u32
    }

    fn first(&self) -> u8 {
        (self.0[0] >> FIRST_AT) as u8
    }

    #[inline]
    fn width(&self, column: u32) -> u32 {
        (self.0[0] >> (WIDTHS_AT + column * WIDTH_BITS) & low_bits(WIDTH_BITS)) as u32
    }

    #[inline]
    fn column(&self, column: u32) -> Column<'_> {
        let mut bit = self.head_words() * 64;
        for before in 0..column {
            let rows = if before < TIMES { u64::from(self.count()) } else { self.times() };
            bit += self.width(before) as usize * rows as usize;
        }
        let width = if column < COLUMNS { self.width(column) } else { 0 };
        Column { words: &self.0, bit, width }
    }
}

/// The subjects of a packed block, to be looked through.
#[derive(Clone, Copy)]
pub(crate) struct PackedSubjects<'a> {
    least: u32,
    column: Column<'a>,
}

impl PackedSubjects<'_> {
    /// The subject of the entry at `index`.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> SubjectId {
        SubjectId(self.least + self.column.get(u64::from(index)) as u32)
    }

    /// The one subject of all entries, if they share it.
    #[inline]
    pub(crate) fn only(&self) -> Option<SubjectId> {
        (self.column.width == 0).then_some(SubjectId(self.least))
    }
}

/// Numbers of one width, one behind the other.
#[derive(Clone, Copy)]
struct Column<'a> {
    words: &'a [u64],
    bit: usize,
    width: u32,
}

impl Column<'_> {
    #[inline]
    fn get(&self, index: u64) -> u64 {
        if self.width == 0 {
            return 0;
        }
        let bit = self.bit + index as usize * self.width as usize;
        let (word, shift) = (bit / 64, (bit % 64) as u32);
        let mut value = self.words[word] >> shift;
        if shift + self.width > 64 {
            value |= self.words[word + 1] << (64 - shift);
        }
        value & low_bits(self.width)
    }
}

struct Writer {
    words: Vec<u64>,
    bit: usize,
    widths: u64,
}

impl Writer {
    fn column(&mut self, column: u32, values: impl Iterator<Item = u64> + Clone) {
        let width = self.unlisted_column(values);
        self.widths |= u64::from(width) << (column * WIDTH_BITS);
    }

    /// A column whose width, which is given back, stands elsewhere.
    fn unlisted_column(&mut self, values: impl Iterator<Item = u64> + Clone) -> u32 {
        let width = values.clone().fold(0, |all, value| all | value);
        let width = u64::BITS - width.leading_zeros();
        if width == 0 {
            return 0;
        }
        for value in values {
            let (word, shift) = (self.bit / 64, (self.bit % 64) as u32);
            self.bit += width as usize;
            self.words.resize(self.bit.div_ceil(64), 0);
            self.words[word] |= value << shift;
            if shift + width > 64 {
                self.words[word + 1] |= value >> (64 - shift);
            }
        }
        width
    }
}

/// A line through the places of bodies: they rise evenly where one stream writes alone, so that
/// only the distances from the line need bits. Wraps around where places do not rise.
struct Line {
    base: u64,
    slope: u64,
}

impl Line {
    fn through(entries: &[Entry]) -> Line {
        let (first, last) = (entries[0].at, entries[entries.len() - 1].at);
        let steps = (entries.len() as u64 - 1).max(1);
        let slope = last.saturating_sub(first) / steps;
        let straight = Line { base: 0, slope };
        // The lowest distance is the base, so that none is negative.
        let distances = straight.distances(entries).map(|distance| distance as i64);
        Line { base: distances.min().unwrap_or_default() as u64, slope }
    }

    fn distances(&self, entries: &[Entry]) -> impl Iterator<Item = u64> + Clone {
        let lines = (0u64..).map(|at| self.base.wrapping_add(self.slope.wrapping_mul(at)));
        entries.iter().zip(lines).map(|(entry, line)| entry.at.wrapping_sub(line))
    }
}

/// The times of `entries` above `least`, each with the first entry that has it; one for each
/// entry where that takes less room.
fn times(entries: &[Entry], least: u64) -> Vec<(u64, u64)> {
    let each = || (0u64..).zip(entries.iter().map(|entry| entry.time_ns - least));
    let mut runs: Vec<(u64, u64)> = each().collect();
    runs.dedup_by_key(|&mut (_, time)| time);
    let width = runs.iter().fold(0, |all, &(_, time)| all | time);
    let width = (u64::BITS - width.leading_zeros()) as usize;
    if runs.len() * (width + 8) < entries.len() * width || runs.len() == 1 {
        return runs;
    }
    each().collect()
}

/// A word whose lowest `count` bits are set, of at most 64.
#[inline]
fn low_bits(count: u32) -> u64 {
    1u64.checked_shl(count).unwrap_or(0).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let at = (0u64..9).prop_map(|at| at * 64);
        let narrow = (0u32..3, 40u32..44, 1_000u64..1_003, at, Just(0));
        let saving = (0u32..3, 40u32..44, Just(1_000), 0u64..9, 10u32..14);
        let wide = (any::<u32>(), any::<u32>(), any::<u64>(), any::<u64>(), any::<u32>());
        let columns = prop_oneof![4 => narrow, 1 => saving, 1 => wide];
        columns.prop_map(|(subject, size, time_ns, at, saved_bytes)| Entry {
            subject: SubjectId(subject),
            size,
            time_ns,
            at,
            saved_bytes,
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out(
            entries in proptest::collection::vec(entry(), 1..=256),
            holes in proptest::collection::vec(any::<bool>(), 256),
        ) {
            let room = 256 - entries.len();
            let mut present = Offsets::default();
            let mut offset = 0;
            for (index, _) in entries.iter().enumerate() {
                while offset - index < room && holes[offset] {
                    offset += 1;
                }
                present.insert(offset as u8);
                offset += 1;
            }
            let packed = Packed::new(&present, &entries);
            prop_assert_eq!(packed.present(), present);
            prop_assert_eq!(packed.count() as usize, entries.len());
            for offset in 0..=255 {
                let index = packed.index_of(offset);
                prop_assert_eq!(index, present.contains(offset).then(|| present.below(offset)));
                if let Some(index) = index {
                    let entry = entries[index as usize];
                    prop_assert_eq!(packed.entry(index), entry);
                    prop_assert_eq!(packed.subject(index), entry.subject);
                }
            }
        }
    }

    #[test]
    fn an_even_row_of_one_subject_takes_no_bits_per_entry() {
        let entries: Vec<Entry> = (0..256)
            .map(|at| Entry {
                subject: SubjectId(7),
                size: 158,
                time_ns: 5,
                at: (1 << 40) + at * 176,
                saved_bytes: 0,
            })
            .collect();
        let packed = Packed::new(&Offsets::row(0, 256), &entries);
        assert_eq!(packed.memory(), HEAD_WORDS * 8);
        assert_eq!(packed.subjects().only(), Some(SubjectId(7)));
    }
}
