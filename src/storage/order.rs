//! The subjects of a stream in the order of their bytes, so that a wildcard filter visits only
//! those that begin as it does.
//!
//! Two levels: runs of names, each run and the row of runs in order. A name is four bytes here,
//! where it lies ([`NameAt`]); its bytes are asked of whoever keeps them.

use crate::names::NameAt;

/// A run with more names is cut in half.
const RUN_MAX: usize = 512;

/// Two neighbours with fewer names together become one.
const RUNS_MERGE: usize = RUN_MAX / 2;

/// Names in the order of their bytes.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// None of them empty.
    runs: Vec<Vec<NameAt>>,
}

impl Order {
    /// Puts `name`, whose bytes are not there yet, where they say.
    pub(crate) fn insert<'a>(&mut self, name: NameAt, bytes_of: impl Fn(NameAt) -> &'a [u8]) {
        let bytes = bytes_of(name);
        let at = match self.runs.last().and_then(|run| run.last()) {
            // Names often come in their order.
            Some(&last) if bytes_of(last) < bytes => self.runs.len() - 1,
            _ => self.run_of(bytes, &bytes_of),
        };
        let Some(run) = self.runs.get_mut(at) else {
            self.runs.push(vec![name]);
            return;
        };
        let place = match run.last() {
            Some(&last) if bytes_of(last) < bytes => run.len(),
            _ => run.partition_point(|&other| bytes_of(other) < bytes),
        };
        run.insert(place, name);
        if run.len() > RUN_MAX {
            // Names that only rise leave full runs behind; others leave halves.
            let rising = place + 1 == run.len();
            let cut = if rising { place } else { run.len() / 2 };
            let mut rest = Vec::with_capacity(RUN_MAX + 1);
            rest.extend(run.drain(cut..));
            run.shrink_to(RUN_MAX + 1);
            self.runs.insert(at + 1, rest);
        }
    }

    /// Takes `name` out, which is there.
    pub(crate) fn remove<'a>(&mut self, name: NameAt, bytes_of: impl Fn(NameAt) -> &'a [u8]) {
        let bytes = bytes_of(name);
        let at = self.run_of(bytes, &bytes_of);
        let run = &mut self.runs[at];
        // The run's own memory is at hand, the names' bytes are not.
        let place = run.iter().position(|&other| other == name);
        run.remove(place.expect("what is removed was inserted"));
        if run.is_empty() {
            self.runs.remove(at);
        } else if let Some(next) = self.runs.get(at + 1)
            && next.len() + self.runs[at].len() < RUNS_MERGE
        {
            let next = self.runs.remove(at + 1);
            self.runs[at].extend(next);
        }
    }

    /// The order of all these names, none of which are the same.
    pub(crate) fn of<'a>(mut names: Vec<NameAt>, bytes_of: impl Fn(NameAt) -> &'a [u8]) -> Order {
        names.sort_unstable_by(|&a, &b| bytes_of(a).cmp(bytes_of(b)));
        Order { runs: names.chunks(RUN_MAX).map(<[NameAt]>::to_vec).collect() }
    }

    /// The names in order, from the first that is not below `from`.
    pub(crate) fn starting_at<'a>(
        &self,
        from: &[u8],
        bytes_of: impl Fn(NameAt) -> &'a [u8],
    ) -> impl Iterator<Item = NameAt> {
        let at = self.run_of(from, &bytes_of);
        let run = self.runs.get(at).map_or(&[][..], Vec::as_slice);
        let place = run.partition_point(|&name| bytes_of(name) < from);
        let later = self.runs.iter().skip(at + 1).flatten();
        run[place..].iter().chain(later).copied()
    }

    /// The run in which `bytes` stand or would stand: the last that begins there or before.
    fn run_of<'a>(&self, bytes: &[u8], bytes_of: impl Fn(NameAt) -> &'a [u8]) -> usize {
        self.runs.partition_point(|run| bytes_of(run[0]) <= bytes).saturating_sub(1)
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let names = self.runs.iter().map(|run| run.capacity() * size_of::<NameAt>());
        names.sum::<usize>() + self.runs.capacity() * size_of::<Vec<NameAt>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ids_stand_as_a_tree_of_names_has_them(
            steps in proptest::collection::vec((any::<bool>(), 0u32..3_000), 1..4_000),
        ) {
            let mixed = (0..3_000u32).map(|n| n * 7_919 % 3_000);
            let names: Vec<String> = mixed.map(|n| n.to_string()).collect();
            let name_of = |at: NameAt| names[at.number() as usize].as_bytes();
            let mut order = Order::default();
            let mut naive = BTreeSet::new();
            for (insert, n) in steps {
                let id = NameAt::from_number(n);
                if insert && naive.insert((name_of(id), n)) {
                    order.insert(id, name_of);
                } else if !insert && naive.remove(&(name_of(id), n)) {
                    order.remove(id, name_of);
                }
            }
            for from in ["", "1", "29", "5000", "9999", "a"] {
                let found = order.starting_at(from.as_bytes(), name_of).map(NameAt::number);
                let expected = naive.range((from.as_bytes(), 0)..).map(|&(_, n)| n);
                prop_assert!(found.eq(expected), "from {from}");
            }
        }
    }

    #[test]
    fn names_that_rise_fill_their_runs() {
        let names: Vec<String> = (0..100_000).map(|n| format!("{n:06}")).collect();
        let mut order = Order::default();
        for n in 0..100_000 {
            order.insert(NameAt::from_number(n), |at| names[at.number() as usize].as_bytes());
        }
        assert!(order.runs.len() <= 100_000 / RUN_MAX + 1);
    }
}
