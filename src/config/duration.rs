//! Durations as Go writes them: `1h30m`, `10s`, `1.5s`, `500ms`, `-2m`.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// No number where one must stand.
    #[error("a number such as 10 is missing")]
    NoNumber,
    /// A number without a unit.
    #[error("a unit is missing; write for instance 10s, 2m or 1h30m")]
    NoUnit,
    /// A unit that does not exist.
    #[error("unknown unit; the units are ns, us, ms, s, m and h")]
    UnknownUnit,
    /// Below zero.
    #[error("a duration below zero has no meaning here")]
    Negative,
    /// More than Go's durations can hold, about 292 years.
    #[error("the duration is too long")]
    TooLong,
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration that is zero or more.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = match text.as_bytes().first() {
        Some(b'-') if text[1..].bytes().all(|byte| byte == b'0') && text.len() > 1 => "0",
        Some(b'-') => return Err(DurationError::Negative),
        Some(b'+') => &text[1..],
        _ => text,
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(DurationError::NoNumber);
    }
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(DurationError::NoNumber);
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let part = scaled(whole, fraction, unit_nanos(unit)?)?;
        nanos = nanos.checked_add(part).ok_or(DurationError::TooLong)?;
        rest = next;
    }
    if nanos > i64::MAX as u64 {
        return Err(DurationError::TooLong);
    }
    Ok(Duration::from_nanos(nanos))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn unit_nanos(unit: &str) -> Result<u64, DurationError> {
    if unit.is_empty() {
        return Err(DurationError::NoUnit);
    }
    let found = UNITS.iter().find(|(name, _)| *name == unit);
    found.map(|(_, nanos)| *nanos).ok_or(DurationError::UnknownUnit)
}

/// `whole.fraction` times `unit`, in nanoseconds; digits below one nanosecond are dropped.
fn scaled(whole: &str, fraction: &str, unit: u64) -> Result<u64, DurationError> {
    let count: u64 = match whole {
        "" => 0,
        digits => digits.parse().map_err(|_| DurationError::TooLong)?,
    };
    let nanos = count.checked_mul(unit).ok_or(DurationError::TooLong)?;
    let mut below: u128 = 0;
    let mut scale: u128 = 1;
    for digit in fraction.bytes().take(18) {
        below = below * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    let part = below * u128::from(unit) / scale;
    nanos.checked_add(part as u64).ok_or(DurationError::TooLong)
}

/// Writes a duration so that [`parse`] gives it back: `1h30m0s`, `1.5s`, `20ms`.
pub fn print(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000_000_000 {
        let (unit, name) = match nanos {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "us"),
            _ => (1_000_000, "ms"),
        };
        return format!("{}{name}", with_fraction(nanos, unit));
    }
    let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
    let seconds = with_fraction(rest, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn with_fraction(nanos: u128, unit: u128) -> String {
    let width = unit.ilog10() as usize;
    match nanos % unit {
        0 => (nanos / unit).to_string(),
        below => {
            let padded = format!("{below:0width$}");
            format!("{}.{}", nanos / unit, padded.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_writes() {
        let millis = |text| parse(text).map(|duration| duration.as_millis());
        assert_eq!(millis("2m"), Ok(120_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("1.5s"), Ok(1_500));
        assert_eq!(millis(".5s"), Ok(500));
        assert_eq!(millis("1.s"), Ok(1_000));
        assert_eq!(millis("+20ms"), Ok(20));
        assert_eq!(parse("3\u{b5}s"), Ok(Duration::from_micros(3)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("-0"), Ok(Duration::ZERO));
    }

    #[test]
    fn names_each_mistake() {
        assert_eq!(parse(""), Err(DurationError::NoNumber));
        assert_eq!(parse("s"), Err(DurationError::NoNumber));
        assert_eq!(parse("10"), Err(DurationError::NoUnit));
        assert_eq!(parse("10d"), Err(DurationError::UnknownUnit));
        assert_eq!(parse("1 s"), Err(DurationError::UnknownUnit));
        assert_eq!(parse("-5s"), Err(DurationError::Negative));
        assert_eq!(parse("300000h1000000000h"), Err(DurationError::TooLong));
        assert_eq!(parse("99999999999999999999s"), Err(DurationError::TooLong));
    }

    #[test]
    fn prints_as_go_does() {
        for (nanos, shown) in [
            (0, "0s"),
            (5, "5ns"),
            (1_100, "1.1us"),
            (20_000_000, "20ms"),
            (1_500_000_000, "1.5s"),
            (120_000_000_000, "2m0s"),
            (5_400_000_000_000, "1h30m0s"),
        ] {
            assert_eq!(print(Duration::from_nanos(nanos)), shown);
            assert_eq!(parse(shown), Ok(Duration::from_nanos(nanos)));
        }
    }
}
