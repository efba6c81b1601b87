//! Sets of CPUs as the kernel writes them: lists (`0-3,8`) and masks (`00000000,0000000f`).
//! What cannot be read counts as nothing; the kernel does not write such.

use std::fmt::Write as _;

/// No host has more; a larger number in a file is nonsense and must not cost memory.
const CPUS_MAX: usize = 8192;

/// `0-3,8` to numbers, ascending. `(null)`, which some kernels write, is the empty set.
pub fn parse(list: &str) -> Vec<usize> {
    let mut cpus = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse::<usize>()) else {
            continue;
        };
        cpus.extend(first..last.saturating_add(1).min(CPUS_MAX));
    }
    cpus.sort_unstable();
    cpus.dedup();
    cpus
}

/// `00000000,0000000f` to numbers, ascending.
pub fn parse_mask(mask: &str) -> Vec<usize> {
    let digits = mask.chars().filter(|digit| *digit != ',').rev().filter_map(|d| d.to_digit(16));
    digits
        .enumerate()
        .take(CPUS_MAX / 4)
        .flat_map(|(at, digit)| {
            (0..4).filter(move |bit| digit >> bit & 1 == 1).map(move |bit| at * 4 + bit)
        })
        .collect()
}

/// Numbers, ascending, to `0-3,8`; `none` for the empty set.
pub fn show(cpus: &[usize]) -> String {
    let mut out = String::new();
    for run in cpus.chunk_by(|before, after| before + 1 == *after) {
        let comma = if out.is_empty() { "" } else { "," };
        let _ = match run {
            [first, .., last] => write!(out, "{comma}{first}-{last}"),
            single => write!(out, "{comma}{}", single.first().copied().unwrap_or_default()),
        };
    }
    if out.is_empty() { "none".to_owned() } else { out }
}

/// Those in both.
pub fn common(these: &[usize], those: &[usize]) -> Vec<usize> {
    these.iter().copied().filter(|cpu| those.contains(cpu)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_masks_are_read_and_shown() {
        assert_eq!(parse("0-3,8"), [0, 1, 2, 3, 8]);
        assert_eq!(parse("5"), [5]);
        assert_eq!(parse_mask("00000001,0000000f"), [0, 1, 2, 3, 32]);
        assert_eq!(parse_mask("0"), [0_usize; 0]);
        assert_eq!(show(&[0, 1, 2, 3, 8]), "0-3,8");
        assert_eq!(show(&[]), "none");
        assert_eq!(common(&[1, 2, 3], &[3, 4]), [3]);
    }

    #[test]
    fn nonsense_is_nothing_and_costs_nothing() {
        for list in ["", "(null)", "x-y", "3-", "9-2"] {
            assert_eq!(parse(list), [0_usize; 0], "{list}");
        }
        assert_eq!(parse("0-18446744073709551615").len(), CPUS_MAX);
        assert_eq!(parse_mask("zz"), [0_usize; 0]);
    }
}
