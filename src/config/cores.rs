//! Which cores to run on, as `--cores 0,2-5` says it. Pure: whether the process may use those
//! cores is asked elsewhere, where threads are pinned.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use base::SHARDS_MAX;

/// The highest core number that Linux can name in the affinity masks used here.
pub const CORE_NUMBER_MAX: u32 = 1023;

/// Cores in ascending order, none twice, at least one and at most [`SHARDS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreList(Vec<u32>);

impl CoreList {
    /// The cores' numbers, ascending.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

/// Why a text is not a list of cores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoreListError {
    /// Nothing, or nothing between two commas.
    #[error("a core is missing; write a list such as 0,2-5")]
    Missing,
    /// Something that is not a number.
    #[error("\"{0}\" is not a core number; write a list such as 0,2-5")]
    NotANumber(String),
    /// A number that no core has.
    #[error("core {0} is above the highest, {CORE_NUMBER_MAX}")]
    TooHigh(String),
    /// A range that ends before it begins.
    #[error("the range {0}-{1} runs backwards; write {1}-{0}")]
    Backwards(u32, u32),
    /// A core named twice.
    #[error("core {0} is named twice")]
    Twice(u32),
    /// More cores than there can be shards.
    #[error("{0} cores are more than the {SHARDS_MAX} that one server can use")]
    TooMany(usize),
}

impl FromStr for CoreList {
    type Err = CoreListError;

    fn from_str(text: &str) -> Result<CoreList, CoreListError> {
        let mut cores = Vec::new();
        for part in text.split(',') {
            cores.extend(range(part.trim())?);
        }
        cores.sort_unstable();
        if let Some(pair) = cores.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(CoreListError::Twice(pair[0]));
        }
        if cores.len() > SHARDS_MAX {
            return Err(CoreListError::TooMany(cores.len()));
        }
        Ok(CoreList(cores))
    }
}

fn range(part: &str) -> Result<RangeInclusive<u32>, CoreListError> {
    let Some((first, last)) = part.split_once('-') else {
        let core = number(part)?;
        return Ok(core..=core);
    };
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    if first > last {
        return Err(CoreListError::Backwards(first, last));
    }
    Ok(first..=last)
}

fn number(text: &str) -> Result<u32, CoreListError> {
    if text.is_empty() {
        return Err(CoreListError::Missing);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CoreListError::NotANumber(text.to_owned()));
    }
    match text.parse() {
        Ok(core) if core <= CORE_NUMBER_MAX => Ok(core),
        _ => Err(CoreListError::TooHigh(text.to_owned())),
    }
}

/// The shortest list that parses to the same cores.
impl fmt::Display for CoreList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|a, b| a + 1 == *b);
        for (place, run) in runs.enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match run {
                [] => {}
                [core] => write!(f, "{comma}{core}")?,
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_in_any_order() {
        let cores: CoreList = " 7, 2-5,0".parse().unwrap();
        assert_eq!(cores.as_slice(), [0, 2, 3, 4, 5, 7]);
        assert_eq!(cores.to_string(), "0,2-5,7");
        assert_eq!("3".parse::<CoreList>().unwrap().as_slice(), [3]);
    }

    #[test]
    fn each_mistake_is_named() {
        let error = |text: &str| text.parse::<CoreList>().unwrap_err().to_string();
        assert_eq!(error(""), "a core is missing; write a list such as 0,2-5");
        assert_eq!(error("1,,2"), "a core is missing; write a list such as 0,2-5");
        assert_eq!(error("-1"), "a core is missing; write a list such as 0,2-5");
        assert_eq!(error("a"), "\"a\" is not a core number; write a list such as 0,2-5");
        assert_eq!(error("5-2"), "the range 5-2 runs backwards; write 2-5");
        assert_eq!(error("1,0-3"), "core 1 is named twice");
        assert_eq!(error("1024"), "core 1024 is above the highest, 1023");
        assert_eq!(error("99999999999"), "core 99999999999 is above the highest, 1023");
        assert_eq!(error("0-128"), "129 cores are more than the 128 that one server can use");
    }
}
