//! Counts, sizes and times as people type them (`2M`, `128KiB`, `10ms`) and read them (`14.3 M/s`,
//! `62 µs`).
//!
//! Parsing never guesses: an unknown unit is an error that names the text.

use std::time::Duration;

/// Why a quantity could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The number in front of the unit is missing or malformed.
    #[error("`{0}` does not start with a number")]
    Number(String),
    /// The unit is not one of those listed.
    #[error("unit `{unit}` in `{text}` is unknown, expected one of: {expected}")]
    Unit {
        /// The whole text.
        text: String,
        /// The part that was not understood.
        unit: String,
        /// What would have been.
        expected: &'static str,
    },
}

/// A count of messages or connections: `1000`, `100k`, `2.5M`.
pub fn count(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split(text)?;
    let scale = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        _ => return Err(unknown(text, unit, "k, M, G")),
    };
    Ok((number * scale).round() as u64)
}

/// An even number of pairs, at least two.
pub fn even(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(pairs) if pairs > 0 && pairs % 2 == 0 => Ok(pairs),
        _ => Err("must be an even number, at least 2".to_string()),
    }
}

/// A size in bytes: `16`, `128B`, `64KiB`, `1MB` (decimal units are powers of 1000).
pub fn bytes(text: &str) -> Result<usize, QuantityError> {
    let (number, unit) = split(text)?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "kib" => 1024.0,
        "m" | "mb" => 1e6,
        "mib" => 1024.0 * 1024.0,
        _ => return Err(unknown(text, unit, "B, KB, KiB, MB, MiB")),
    };
    Ok((number * scale).round() as usize)
}

/// A time: `10ms`, `2s`, `1m`, `250us`.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(unknown(text, unit, "ns, us, ms, s, m")),
    };
    Ok(Duration::from_secs_f64(number * seconds))
}

fn split(text: &str) -> Result<(f64, &str), QuantityError> {
    let text = text.trim();
    let digits = |c: char| c.is_ascii_digit() || c == '.' || c == '_';
    let end = text.find(|c| !digits(c)).unwrap_or(text.len());
    let number = text[..end].replace('_', "");
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((value, text[end..].trim())),
        _ => Err(QuantityError::Number(text.to_string())),
    }
}

fn unknown(text: &str, unit: &str, expected: &'static str) -> QuantityError {
    QuantityError::Unit { text: text.to_string(), unit: unit.to_string(), expected }
}

/// A plain number with a thousand's suffix: `14.3 M`.
pub fn show_count(value: f64) -> String {
    match value.abs() {
        v if v >= 1e9 => format!("{:.2} G", value / 1e9),
        v if v >= 1e6 => format!("{:.2} M", value / 1e6),
        v if v >= 1e3 => format!("{:.1} k", value / 1e3),
        v if v >= 10.0 || v.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// A size: `486 MiB`.
pub fn show_bytes(value: f64) -> String {
    match value {
        v if v >= 1024.0 * 1024.0 * 1024.0 => format!("{:.2} GiB", v / (1024.0 * 1024.0 * 1024.0)),
        v if v >= 1024.0 * 1024.0 => format!("{:.1} MiB", v / (1024.0 * 1024.0)),
        v if v >= 1024.0 => format!("{:.1} KiB", v / 1024.0),
        v => format!("{v:.0} B"),
    }
}

/// A time given in nanoseconds: `62 µs`.
pub fn show_nanos(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2} s", v / 1e9),
        v if v >= 1e7 => format!("{:.1} ms", v / 1e6),
        v if v >= 1e6 => format!("{:.2} ms", v / 1e6),
        v if v >= 1e4 => format!("{:.0} µs", v / 1e3),
        v if v >= 1e3 => format!("{:.1} µs", v / 1e3),
        v => format!("{v:.0} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_sizes_and_times_read_as_people_write_them() {
        assert_eq!(count("1000"), Ok(1000));
        assert_eq!(count("1_000"), Ok(1000));
        assert_eq!(count("100k"), Ok(100_000));
        assert_eq!(count("2.5M"), Ok(2_500_000));
        assert_eq!(bytes("128"), Ok(128));
        assert_eq!(bytes("1KiB"), Ok(1024));
        assert_eq!(bytes("1KB"), Ok(1000));
        assert_eq!(duration("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn a_wrong_unit_is_named() {
        assert_eq!(count("many"), Err(QuantityError::Number("many".to_string())));
        let error = duration("10 parsecs").unwrap_err();
        assert!(error.to_string().contains("`parsecs`"), "{error}");
        assert!(duration("10").is_err(), "a time without a unit is ambiguous");
    }

    #[test]
    fn values_show_their_unit() {
        assert_eq!(show_count(14_312_000.0), "14.31 M");
        assert_eq!(show_count(0.23), "0.23");
        assert_eq!(show_bytes(486.0 * 1024.0 * 1024.0), "486.0 MiB");
        assert_eq!(show_nanos(62_000.0), "62 µs");
        assert_eq!(show_nanos(1_900_000.0), "1.90 ms");
    }
}
