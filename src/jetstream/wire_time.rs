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

impl WireTime {
    /// Appends it as text, without the detour over [`std::fmt`]: every message that is got has one.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let Ok(ns) = u64::try_from(self.0) else {
            use std::io::Write as _;
            write!(out, "{self}").expect("a vector takes any bytes");
            return;
        };
        let (seconds, nanos) = (ns / 1_000_000_000, (ns % 1_000_000_000) as u32);
        let (days, second) = (seconds / 86_400, (seconds % 86_400) as u32);
        let (year, month, day) = date(days);
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let parts = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, second / 3600),
            (14, 2, second / 60 % 60),
            (17, 2, second % 60),
            (20, 9, nanos),
        ];
        for (at, digits, number) in parts {
            let mut left = number;
            for digit in text[at..at + digits].iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
        let mut end = text.len() - 1;
        while text[end - 1] == b'0' && end > 20 {
            end -= 1;
        }
        // Without a fraction there is no point either.
        let end = if end == 20 { 19 } else { end };
        out.extend_from_slice(&text[..end]);
        out.push(b'Z');
    }
}

/// Year, month and day so many days after the Unix epoch.
///
/// Years begin in March here, so that the leap day is the last of its year, and are counted in
/// eras of 400 of them, which are all of one length.
fn date(days: u64) -> (u32, u32, u32) {
    const ERA: u64 = 146_097;
    const TO_EPOCH: u64 = 719_468;
    let (era, day) = ((days + TO_EPOCH) / ERA, (days + TO_EPOCH) % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    ((era * 400 + year + later) as u32, month as u32, day as u32)
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

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn both_ways_of_writing_are_one(ns in 0..=i64::MAX as u64, zeroes in 0..10u32) {
            let ns = ns - ns % 10u64.pow(zeroes);
            let (time, mut text) = (WireTime::from_wall_ns(ns), Vec::new());
            time.write(&mut text);
            proptest::prop_assert_eq!(String::from_utf8(text).unwrap(), time.to_string());
        }
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        let cases = [
            (1_732_190_123_526_622_089, "2024-11-21T11:55:23.526622089Z"),
            (1_732_190_123_500_000_000, "2024-11-21T11:55:23.5Z"),
            (1_732_190_123_000_000_000, "2024-11-21T11:55:23Z"),
            (0, "1970-01-01T00:00:00Z"),
        ];
        for (ns, text) in cases {
            let mut written = Vec::new();
            WireTime::from_wall_ns(ns).write(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), text);
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
