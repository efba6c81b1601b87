//! The subjects of a stream in the order of their bytes, so that a wildcard filter visits only
//! those that begin as it does.
//!
//! Two levels: runs of ids, each run and the row of runs in order. An id is four bytes; its name
//! is asked of whoever keeps it.

use crate::subjects::SubjectId;

/// A run with more ids is cut in half.
const RUN_MAX: usize = 512;

/// Two neighbours with fewer ids together become one.
const RUNS_MERGE: usize = RUN_MAX / 2;

/// Ids in the order of their names.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// None of them empty.
    runs: Vec<Vec<SubjectId>>,
}

impl Order {
    /// Puts `id`, whose name is not there yet, where `name_of` its name says.
    pub(crate) fn insert<'a>(&mut self, id: SubjectId, name_of: impl Fn(SubjectId) -> &'a [u8]) {
        let name = name_of(id);
        let at = self.run_of(name, &name_of);
        let Some(run) = self.runs.get_mut(at) else {
            self.runs.push(vec![id]);
            return;
        };
        let place = run.partition_point(|&other| name_of(other) < name);
        run.insert(place, id);
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

    /// Takes `id` out, whose name is there.
    pub(crate) fn remove<'a>(&mut self, id: SubjectId, name_of: impl Fn(SubjectId) -> &'a [u8]) {
        let name = name_of(id);
        let at = self.run_of(name, &name_of);
        let run = &mut self.runs[at];
        let place = run.partition_point(|&other| name_of(other) < name);
        assert_eq!(run[place], id, "what is removed was inserted");
        run.remove(place);
        if run.is_empty() {
            self.runs.remove(at);
        } else if let Some(next) = self.runs.get(at + 1)
            && next.len() + self.runs[at].len() < RUNS_MERGE
        {
            let next = self.runs.remove(at + 1);
            self.runs[at].extend(next);
        }
    }

    /// The ids in order, from the first whose name is not below `from`.
    pub(crate) fn starting_at<'a>(
        &self,
        from: &[u8],
        name_of: impl Fn(SubjectId) -> &'a [u8],
    ) -> impl Iterator<Item = SubjectId> {
        let at = self.run_of(from, &name_of);
        let run = self.runs.get(at).map_or(&[][..], Vec::as_slice);
        let place = run.partition_point(|&id| name_of(id) < from);
        let later = self.runs.iter().skip(at + 1).flatten();
        run[place..].iter().chain(later).copied()
    }

    /// The run in which `name` stands or would stand: the last that begins at it or before it.
    fn run_of<'a>(&self, name: &[u8], name_of: impl Fn(SubjectId) -> &'a [u8]) -> usize {
        self.runs.partition_point(|run| name_of(run[0]) <= name).saturating_sub(1)
    }

    /// The memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let ids = self.runs.iter().map(|run| run.capacity() * size_of::<SubjectId>());
        ids.sum::<usize>() + self.runs.capacity() * size_of::<Vec<SubjectId>>()
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
            let name_of = |id: SubjectId| names[id.0 as usize].as_bytes();
            let mut order = Order::default();
            let mut naive = BTreeSet::new();
            for (insert, n) in steps {
                let id = SubjectId(n);
                if insert && naive.insert((name_of(id), n)) {
                    order.insert(id, name_of);
                } else if !insert && naive.remove(&(name_of(id), n)) {
                    order.remove(id, name_of);
                }
            }
            for from in ["", "1", "29", "5000", "9999", "a"] {
                let found = order.starting_at(from.as_bytes(), name_of).map(|id| id.0);
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
            order.insert(SubjectId(n), |id| names[id.0 as usize].as_bytes());
        }
        assert!(order.runs.len() <= 100_000 / RUN_MAX + 1);
    }
}
