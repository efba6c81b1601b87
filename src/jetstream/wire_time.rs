//! Points in time as JetStream writes them: RFC 3339 with nanoseconds, UTC.
//!
//! Go writes "no time" as the year 1; here that is [`WireTime::ZERO`]. Everything else is
//! nanoseconds since the Unix epoch and must lie between the years 1677 and 2262.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What Go writes for "no time".
const GO_ZERO: &str = "0001-01-01T00:00:00Z";

/// A point in time in nanoseconds since the Unix epoch, or none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireTime(i64);

impl WireTime {
    /// No time; before every other.
    pub const ZERO: WireTime = WireTime(i64::MIN);

    /// The time `ns` after the Unix epoch. What is beyond the year 2262 is cut to it.
    #[must_use]
    pub const fn from_wall_ns(ns: u64) -> WireTime {
        WireTime(if ns > i64::MAX as u64 { i64::MAX } else { ns as i64 })
    }

    /// Nanoseconds since the Unix epoch; 0 for none and for what lies before.
    #[must_use]
    pub const fn wall_ns(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0 as u64 }
    }

    /// Whether it is no time.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.0 == WireTime::ZERO.0
    }

    /// Reads RFC 3339; the year 1 is none. `None` when it is no time at all.
    #[must_use]
    pub fn parse(text: &str) -> Option<WireTime> {
        if text == GO_ZERO {
            return Some(WireTime::ZERO);
        }
        let time: jiff::Timestamp = text.parse().ok()?;
        let ns = i64::try_from(time.as_nanosecond()).ok();
        Some(ns.map_or(WireTime::ZERO, WireTime))
    }
}

impl Default for WireTime {
    fn default() -> WireTime {
        WireTime::ZERO
    }
}

impl std::fmt::Display for WireTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) if !self.is_zero() => write!(f, "{time}"),
            _ => f.write_str(GO_ZERO),
        }
    }
}

impl std::fmt::Debug for WireTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('`')?;
        std::fmt::Display::fmt(self, f)?;
        f.write_char('`')
    }
}

impl Serialize for WireTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireTime, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        WireTime::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format_args!("`{text}` is no RFC 3339 time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        let cases = [
            (1_732_190_123_526_622_089, "2024-11-21T11:55:23.526622089Z"),
            (1_732_190_123_500_000_000, "2024-11-21T11:55:23.5Z"),
            (1_732_190_123_000_000_000, "2024-11-21T11:55:23Z"),
            (0, "1970-01-01T00:00:00Z"),
        ];
        for (ns, text) in cases {
            assert_eq!(WireTime::from_wall_ns(ns).to_string(), text);
            assert_eq!(WireTime::parse(text), Some(WireTime::from_wall_ns(ns)));
        }
        assert_eq!(WireTime::ZERO.to_string(), GO_ZERO);
        assert_eq!(WireTime::parse(GO_ZERO), Some(WireTime::ZERO));
        let offset = WireTime::parse("2024-11-21T12:55:23+01:00").unwrap();
        assert_eq!(offset.to_string(), "2024-11-21T11:55:23Z");
        assert_eq!(WireTime::parse("yesterday"), None);
    }
}
