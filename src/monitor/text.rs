//! Times and durations as nats-server writes them in JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// RFC 3339 in UTC with as many decimals as needed, at most nine.
pub(crate) fn rfc3339(at_ns: u64) -> String {
    Timestamp::from_nanosecond(i128::from(at_ns)).unwrap_or(Timestamp::MAX).to_string()
}

/// Go's integer duration: nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `1y2d3h4m5s` down to `5s`; leading zero units are omitted, a year has 365 days.
pub(crate) fn uptime(from_ns: u64, to_ns: u64) -> String {
    // spec/monitoring.md §1, uptime strings.
    let seconds = to_ns.saturating_sub(from_ns) / NANOS_PER_SECOND;
    let units = [
        (seconds / 86_400 / 365, 'y'),
        (seconds / 86_400 % 365, 'd'),
        (seconds / 3_600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = units.iter().position(|&(count, _)| count > 0).unwrap_or(units.len() - 1);
    units[first..].iter().map(|(count, unit)| format!("{count}{unit}")).collect()
}

/// A round trip as Go's duration text, cut to microseconds; `0s` when unknown.
pub(crate) fn rtt(rtt_ns: Option<u64>) -> String {
    // spec/monitoring.md §1, rtt strings.
    let ns = rtt_ns.unwrap_or(0);
    go_duration(if ns < 1_000 { ns } else { ns - ns % 1_000 })
}

/// Go's `time.Duration` as text: `0s`, `379µs`, `1.234ms`, `1m2.5s`, `1h0m0s`.
fn go_duration(ns: u64) -> String {
    match ns {
        0 => "0s".into(),
        1..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => decimal(ns, 1_000, "µs"),
        1_000_000..NANOS_PER_SECOND => decimal(ns, 1_000_000, "ms"),
        _ => {
            let minutes = ns / NANOS_PER_SECOND / 60;
            let seconds = decimal(ns % (60 * NANOS_PER_SECOND), NANOS_PER_SECOND, "s");
            match minutes {
                0 => seconds,
                1..60 => format!("{minutes}m{seconds}"),
                _ => format!("{}h{}m{seconds}", minutes / 60, minutes % 60),
            }
        }
    }
}

/// `value / unit` without trailing zeros. `unit` is a power of ten.
fn decimal(value: u64, unit: u64, name: &str) -> String {
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", value % unit);
    match fraction.trim_end_matches('0') {
        "" => format!("{}{name}", value / unit),
        fraction => format!("{}.{fraction}{name}", value / unit),
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
            assert_eq!(go_duration(ns), expected);
        }
        assert_eq!(rtt(Some(379_123)), "379µs");
        assert_eq!(rtt(None), "0s");
    }
}
