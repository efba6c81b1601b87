//! When a user may connect: times of the day, in a place of the world. spec/security.md §3

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use crate::jwt::TimeRange;

/// What the times of a user say of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// It may always connect.
    Always,
    /// It may connect until then, nanoseconds since the Unix epoch.
    Until(u64),
    /// It may not connect now.
    Closed,
}

/// Whether a user with these times may connect at `now_ns`; `None` if they are none.
pub(super) fn window(times: &[TimeRange], location: &str, now_ns: u64) -> Option<Window> {
    let zone = match location {
        "" => TimeZone::system(),
        name => TimeZone::get(name).ok()?,
    };
    let ranges: Vec<(Time, Time)> = times.iter().map(parse).collect::<Option<_>>()?;
    if ranges.is_empty() {
        return Some(Window::Always);
    }
    let now = Timestamp::from_nanosecond(i128::from(now_ns)).ok()?.to_zoned(zone);
    let ends = ranges.into_iter().filter_map(|(start, end)| end_of(&now, start, end));
    let last = ends.max_by_key(|end| end.timestamp());
    let ns = |end: Zoned| u64::try_from(end.timestamp().as_nanosecond()).unwrap_or(u64::MAX);
    Some(last.map_or(Window::Closed, |end| Window::Until(ns(end))))
}

/// `08:00:00`, and the same for the end.
fn parse(range: &TimeRange) -> Option<(Time, Time)> {
    let time = |text: &str| {
        let is_whole = text.len() == 8 && text.bytes().filter(|byte| *byte == b':').count() == 2;
        is_whole.then(|| Time::strptime("%H:%M:%S", text).ok()).flatten()
    };
    Some((time(&range.start)?, time(&range.end)?))
}

/// When the range in which `now` is ends, if it is in one. A range over midnight began yesterday
/// or ends tomorrow.
fn end_of(now: &Zoned, start: Time, end: Time) -> Option<Zoned> {
    let day = |days: i64, time: Time| {
        let date = now.date().checked_add(Span::new().days(days)).ok()?;
        date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()
    };
    let candidates = match start <= end {
        true => vec![(day(0, start)?, day(0, end)?)],
        false => vec![(day(-1, start)?, day(0, end)?), (day(0, start)?, day(1, end)?)],
    };
    let found = candidates.into_iter().find(|(start, end)| start <= now && now < end);
    found.map(|(_, end)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: &str, end: &str) -> TimeRange {
        TimeRange { start: start.to_owned(), end: end.to_owned() }
    }

    fn at(text: &str) -> u64 {
        let stamp: Timestamp = text.parse().expect("a time");
        u64::try_from(stamp.as_nanosecond()).expect("after 1970")
    }

    #[test]
    fn a_window_is_open_in_its_place_and_over_midnight() {
        let day = [range("08:00:00", "17:00:00")];
        let berlin = |now: &str| window(&day, "Europe/Berlin", at(now));
        // Summer time is two hours ahead of UTC, winter time one.
        let until = |text: &str| Some(Window::Until(at(text)));
        assert_eq!(berlin("2026-07-01T06:00:00Z"), until("2026-07-01T15:00:00Z"));
        assert_eq!(berlin("2026-07-01T05:59:59Z"), Some(Window::Closed));
        assert_eq!(berlin("2026-12-01T07:00:00Z"), until("2026-12-01T16:00:00Z"));
        assert_eq!(berlin("2026-12-01T16:00:00Z"), Some(Window::Closed));
        let night = [range("22:00:00", "06:00:00"), range("23:00:00", "01:00:00")];
        let utc = |now: &str| window(&night, "UTC", at(now));
        assert_eq!(utc("2026-07-01T23:30:00Z"), until("2026-07-02T06:00:00Z"));
        assert_eq!(utc("2026-07-02T05:00:00Z"), until("2026-07-02T06:00:00Z"));
        assert_eq!(utc("2026-07-02T12:00:00Z"), Some(Window::Closed));
    }

    #[test]
    fn what_is_no_time_or_place_opens_nothing() {
        let now = at("2026-07-01T06:00:00Z");
        assert_eq!(window(&[], "", now), Some(Window::Always));
        assert_eq!(window(&[], "Atlantis/Centre", now), None);
        for (start, end) in [("", "17:00:00"), ("8:00:00", "17:00:00"), ("08:00:00", "25:00:00")] {
            assert_eq!(window(&[range(start, end)], "UTC", now), None, "{start} to {end}");
        }
    }
}
