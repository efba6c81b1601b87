//! A set of offsets within one block of 256 sequences.

/// Which of 256 places are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offsets([u64; 4]);

impl Offsets {
    /// The set with these words, the lowest offsets first.
    pub(crate) fn from_words(words: [u64; 4]) -> Offsets {
        Offsets(words)
    }

    /// `count` offsets in a row from `first`, which end at 255 at the latest.
    pub(crate) fn row(first: u8, count: u32) -> Offsets {
        debug_assert!(u32::from(first) + count <= 256, "a row ends within its block");
        let mut row = Offsets::default();
        for (at, word) in row.0.iter_mut().enumerate() {
            let start = u32::from(first).saturating_sub(at as u32 * 64).min(64);
            let end = (u32::from(first) + count).saturating_sub(at as u32 * 64).min(64);
            *word = low_bits(end) & !low_bits(start);
        }
        row
    }

    pub(crate) fn words(&self) -> &[u64; 4] {
        &self.0
    }

    #[inline]
    pub(crate) fn insert(&mut self, offset: u8) {
        self.0[usize::from(offset >> 6)] |= 1 << (offset & 63);
    }

    #[inline]
    pub(crate) fn remove(&mut self, offset: u8) {
        self.0[usize::from(offset >> 6)] &= !(1 << (offset & 63));
    }

    #[inline]
    pub(crate) fn contains(&self, offset: u8) -> bool {
        self.0[usize::from(offset >> 6)] >> (offset & 63) & 1 == 1
    }

    /// How many there are, up to 256.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// How many there are below `offset`.
    #[inline]
    pub(crate) fn below(&self, offset: u8) -> u32 {
        let at = usize::from(offset >> 6);
        let before: u32 = self.0[..at].iter().map(|word| word.count_ones()).sum();
        before + (self.0[at] & low_bits(u32::from(offset & 63))).count_ones()
    }

    /// The lowest one.
    pub(crate) fn first(&self) -> Option<u8> {
        self.at_or_after(0)
    }

    /// The highest one.
    pub(crate) fn last(&self) -> Option<u8> {
        self.at_or_before(255)
    }

    /// The lowest one at `offset` or above.
    #[inline]
    pub(crate) fn at_or_after(&self, offset: u8) -> Option<u8> {
        let mut at = usize::from(offset >> 6);
        let mut word = self.0[at] & !low_bits(u32::from(offset & 63));
        loop {
            if word != 0 {
                return Some((at as u32 * 64 + word.trailing_zeros()) as u8);
            }
            at += 1;
            word = *self.0.get(at)?;
        }
    }

    /// The highest one at `offset` or below.
    #[inline]
    pub(crate) fn at_or_before(&self, offset: u8) -> Option<u8> {
        let mut at = usize::from(offset >> 6);
        let mut word = self.0[at] & low_bits(u32::from(offset & 63) + 1);
        loop {
            if word != 0 {
                return Some((at as u32 * 64 + 63 - word.leading_zeros()) as u8);
            }
            at = at.checked_sub(1)?;
            word = self.0[at];
        }
    }

    /// Whether there are holes between the lowest and the highest.
    pub(crate) fn is_scattered(&self) -> bool {
        match (self.first(), self.last()) {
            (Some(first), Some(last)) => u32::from(last - first) + 1 != self.count(),
            _ => false,
        }
    }

    /// Those that are in both.
    pub(crate) fn and(&self, other: &Offsets) -> Offsets {
        Offsets(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    /// All of them, the lowest first.
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        let mut next = self.first();
        std::iter::from_fn(move || {
            let offset = next?;
            next = offset.checked_add(1).and_then(|above| self.at_or_after(above));
            Some(offset)
        })
    }
}

/// A word whose lowest `count` bits are set, of at most 64.
#[inline]
fn low_bits(count: u32) -> u64 {
    1u64.checked_shl(count).unwrap_or(0).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Sets of every shape: rows, single offsets at the words' edges, and pseudo-random ones.
    fn samples() -> Vec<BTreeSet<u8>> {
        let mut samples: Vec<BTreeSet<u8>> = vec![
            BTreeSet::new(),
            (0..=255).collect(),
            [0].into(),
            [255].into(),
            [63, 64].into(),
            (60..200).collect(),
        ];
        let mut state = 1u64;
        for shift in 56..64 {
            let mut set = BTreeSet::new();
            for offset in 0..=255u8 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if state >> shift == 0 {
                    set.insert(offset);
                }
            }
            samples.push(set);
        }
        samples
    }

    #[test]
    fn answers_like_a_tree_of_numbers() {
        for naive in samples() {
            let mut set = Offsets::row(0, 256);
            for offset in 0..=255 {
                set.remove(offset);
            }
            naive.iter().for_each(|&offset| set.insert(offset));
            assert_eq!(set.count() as usize, naive.len());
            assert!(set.iter().eq(naive.iter().copied()));
            for offset in 0..=255u8 {
                assert_eq!(set.contains(offset), naive.contains(&offset));
                assert_eq!(set.below(offset) as usize, naive.range(..offset).count());
                assert_eq!(set.at_or_after(offset), naive.range(offset..).next().copied());
                assert_eq!(set.at_or_before(offset), naive.range(..=offset).last().copied());
            }
            let span = naive.last().zip(naive.first()).map(|(a, b)| usize::from(a - b) + 1);
            assert_eq!(set.is_scattered(), span.is_some_and(|span| span != naive.len()));
            assert_eq!(Offsets::from_words(*set.words()), set);
        }
    }

    #[test]
    fn rows_have_no_holes() {
        for (first, count) in [(0, 0), (0, 256), (63, 2), (64, 64), (255, 1), (3, 200)] {
            let row = Offsets::row(first, count);
            assert!(row.iter().map(u32::from).eq(u32::from(first)..u32::from(first) + count));
            assert_eq!(row.and(&Offsets::row(0, 256)), row);
        }
    }
}
