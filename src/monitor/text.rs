//! Times and durations as nats-server writes them in JSON. Each is a value that knows how it is
//! written, so that a long answer is written without a text for each of them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// A moment, nanoseconds since the Unix epoch: RFC 3339 in UTC with as many decimals as needed, at
/// most nine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(Timestamp::MAX).fmt(f)
    }
}

/// [`Moment`] as a text.
pub(crate) fn rfc3339(at_ns: u64) -> String {
    Moment(at_ns).to_string()
}

/// Go's integer duration: nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// From one moment to another, nanoseconds: `1y2d3h4m5s` down to `5s`; leading zero units are
/// omitted, a year has 365 days.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uptime {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

impl fmt::Display for Uptime {
    // spec/monitoring.md §1, uptime strings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.to_ns.saturating_sub(self.from_ns) / NANOS_PER_SECOND;
        let units = [
            (seconds / 86_400 / 365, 'y'),
            (seconds / 86_400 % 365, 'd'),
            (seconds / 3_600 % 24, 'h'),
            (seconds / 60 % 60, 'm'),
            (seconds % 60, 's'),
        ];
        let first = units.iter().position(|&(count, _)| count > 0).unwrap_or(units.len() - 1);
        units[first..].iter().try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

/// [`Uptime`] as a text.
pub(crate) fn uptime(from_ns: u64, to_ns: u64) -> String {
    Uptime { from_ns, to_ns }.to_string()
}

/// A round trip, nanoseconds, as Go's duration text, cut to microseconds; `0s` when unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip(pub(crate) Option<u64>);

impl fmt::Display for RoundTrip {
    // spec/monitoring.md §1, rtt strings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.unwrap_or(0);
        GoDuration(if ns < 1_000 { ns } else { ns - ns % 1_000 }).fmt(f)
    }
}

/// [`RoundTrip`] as a text.
pub(crate) fn rtt(rtt_ns: Option<u64>) -> String {
    RoundTrip(rtt_ns).to_string()
}

/// Nanoseconds as Go's `time.Duration` as text: `0s`, `379µs`, `1.234ms`, `1m2.5s`, `1h0m0s`.
struct GoDuration(u64);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            ns @ 1..1_000 => write!(f, "{ns}ns"),
            ns @ 1_000..1_000_000 => write_decimal(f, ns, 1_000, "µs"),
            ns @ 1_000_000..NANOS_PER_SECOND => write_decimal(f, ns, 1_000_000, "ms"),
            ns => {
                match ns / NANOS_PER_SECOND / 60 {
                    0 => {}
                    minutes @ 1..60 => write!(f, "{minutes}m")?,
                    minutes => write!(f, "{}h{}m", minutes / 60, minutes % 60)?,
                }
                write_decimal(f, ns % (60 * NANOS_PER_SECOND), NANOS_PER_SECOND, "s")
            }
        }
    }
}

/// `value / unit` without trailing zeros. `unit` is a power of ten.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: u64, unit: u64, name: &str) -> fmt::Result {
    let (mut fraction, mut digits) = (value % unit, unit.ilog10() as usize);
    if fraction == 0 {
        return write!(f, "{}{name}", value / unit);
    }
    while fraction.is_multiple_of(10) {
        (fraction, digits) = (fraction / 10, digits - 1);
    }
    write!(f, "{}.{fraction:0digits$}{name}", value / unit)
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Uptime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for RoundTrip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339_with_the_decimals_they_need() {
        assert_eq!(rfc3339(1_795_252_677_510_258_087), "2026-11-21T09:17:57.510258087Z");
        assert_eq!(rfc3339(1_795_252_678_772_086_440), "2026-11-21T09:17:58.77208644Z");
        assert_eq!(rfc3339(1_795_252_678_000_000_000), "2026-11-21T09:17:58Z");
    }

    #[test]
    fn uptimes_omit_leading_zeros_only() {
        let cases = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3_600, "1h0m0s"),
            (86_400 + 5, "1d0h0m5s"),
            (365 * 86_400 + 2 * 86_400 + 3 * 3_600 + 4 * 60 + 5, "1y2d3h4m5s"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(uptime(7, 7 + seconds * NANOS_PER_SECOND), expected);
        }
        assert_eq!(uptime(9, 3), "0s", "a clock that went back");
    }

    #[test]
    fn durations_read_as_gos() {
        let cases = [
            (0, "0s"),
            (999, "999ns"),
            (379_000, "379µs"),
            (1_500, "1.5µs"),
            (1_234_000, "1.234ms"),
            (1_000_000_000, "1s"),
            (62_500_000_000, "1m2.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (ns, expected) in cases {
            assert_eq!(GoDuration(ns).to_string(), expected);
        }
        assert_eq!(rtt(Some(379_123)), "379µs");
        assert_eq!(rtt(None), "0s");
    }
}
