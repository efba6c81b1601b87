//! When a schedule is due: once at a time, every so often, or as a cron line says.
//!
//! A cron line has six fields: second, minute, hour, day of month, month, day of week; each `*`,
//! `?`, a value, a range, a step, a list of these, or (months and days) English names. As in
//! other crons, a day matches either day field when both are restricted.
//! Source: spec/jetstream.md §7; ADR-51.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use crate::WireTime;

/// The shortest `@every`.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// A line that is not due within so many days never is (February 30th).
const SEARCH_DAYS: i32 = 366 * 8 + 2;

/// When something is due.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Schedule {
    /// Once; Unix nanoseconds.
    At(u64),
    /// Again and again.
    Every(Duration),
    /// As the line says, in its time zone.
    Cron(Box<CronLine>),
}

/// Why a schedule cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadSchedule {
    /// The pattern.
    Pattern,
    /// The time zone: unknown, or given to what is no cron line.
    TimeZone,
}

/// Six fields as sets of bits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CronLine {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
    zone: TimeZone,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Schedule {
    /// Reads `Nats-Schedule`, with `Nats-Schedule-Time-Zone` if there is one.
    pub(super) fn parse(pattern: &[u8], zone: Option<&[u8]>) -> Result<Schedule, BadSchedule> {
        let text = std::str::from_utf8(pattern).map_err(|_| BadSchedule::Pattern)?.trim();
        let plain = |schedule| match zone {
            None => Ok(schedule),
            Some(_) => Err(BadSchedule::TimeZone),
        };
        if let Some(time) = text.strip_prefix("@at ") {
            let time = WireTime::parse(time.trim()).ok_or(BadSchedule::Pattern)?;
            return plain(Schedule::At(time.wall_ns()));
        }
        if let Some(interval) = text.strip_prefix("@every ") {
            let interval =
                config::duration::parse(interval.trim()).map_err(|_| BadSchedule::Pattern)?;
            if interval < EVERY_MIN {
                return Err(BadSchedule::Pattern);
            }
            return plain(Schedule::Every(interval));
        }
        let line = match text {
            "@yearly" | "@annually" => "0 0 0 1 1 *",
            "@monthly" => "0 0 0 1 * *",
            "@weekly" => "0 0 0 * * 0",
            "@daily" | "@midnight" => "0 0 0 * * *",
            "@hourly" => "0 0 * * * *",
            line => line,
        };
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => {
                let name = std::str::from_utf8(name).map_err(|_| BadSchedule::TimeZone)?;
                TimeZone::get(name).map_err(|_| BadSchedule::TimeZone)?
            }
        };
        let line = CronLine::parse(line, zone).ok_or(BadSchedule::Pattern)?;
        Ok(Schedule::Cron(Box::new(line)))
    }

    /// When one that was stored at `stored_ns` is due for the first time from `now_ns` on. What
    /// repeats and was due while the server was down is left out; what was due once is not.
    pub(super) fn first(&self, stored_ns: u64, now_ns: u64) -> Option<u64> {
        match self {
            Schedule::At(at_ns) => Some(*at_ns),
            Schedule::Every(interval) => {
                let interval_ns = interval.as_nanos() as u64;
                let passed = now_ns.saturating_sub(stored_ns) / interval_ns;
                stored_ns.checked_add(interval_ns.checked_mul(passed + 1)?)
            }
            Schedule::Cron(_) => self.after(now_ns),
        }
    }

    /// When it is due next after `now_ns`; `None` for one that is over.
    pub(super) fn after(&self, now_ns: u64) -> Option<u64> {
        match self {
            Schedule::At(_) => None,
            Schedule::Every(interval) => now_ns.checked_add(interval.as_nanos() as u64),
            Schedule::Cron(line) => line.after(now_ns),
        }
    }
}

impl CronLine {
    fn parse(line: &str, zone: TimeZone) -> Option<CronLine> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [seconds, minutes, hours, days, months, weekdays] = fields[..] else { return None };
        let mut weekday_bits = field(weekdays, 0, 7, &WEEKDAYS, 0)?;
        // Sunday is 0 and 7.
        weekday_bits |= weekday_bits >> 7 & 1;
        Some(CronLine {
            seconds: field(seconds, 0, 59, &[], 0)?,
            minutes: field(minutes, 0, 59, &[], 0)?,
            hours: field(hours, 0, 23, &[], 0)?,
            days: field(days, 1, 31, &[], 0)?,
            months: field(months, 1, 12, &MONTHS, 1)?,
            weekdays: weekday_bits,
            any_day: is_any(days),
            any_weekday: is_any(weekdays),
            zone,
        })
    }

    fn after(&self, now_ns: u64) -> Option<u64> {
        let now = Timestamp::from_nanosecond(i128::from(now_ns)).ok()?;
        let local = self.zone.to_datetime(now);
        let mut date = local.date();
        for ahead in 0..SEARCH_DAYS {
            if self.matches_date(date) {
                // The rest of today, or a whole later day.
                let from = if ahead == 0 { next_second(local) } else { Some((0, 0, 0)) };
                if let Some(due) = from.and_then(|from| self.time_on(date, from, now)) {
                    return Some(due);
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn matches_date(&self, date: Date) -> bool {
        let has = |bits: u64, value: i8| bits >> value & 1 == 1;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, weekday_number(date.weekday()));
        let is_day = match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        has(self.months, date.month()) && is_day
    }

    /// The first matching time on `date` at `from` or later that lies after `now`.
    fn time_on(&self, date: Date, from: (i8, i8, i8), now: Timestamp) -> Option<u64> {
        let has = |bits: u64, value: i8| bits >> value & 1 == 1;
        for hour in (from.0..24).filter(|&hour| has(self.hours, hour)) {
            let first_minute = if hour == from.0 { from.1 } else { 0 };
            for minute in (first_minute..60).filter(|&minute| has(self.minutes, minute)) {
                let same = hour == from.0 && minute == from.1;
                let first_second = if same { from.2 } else { 0 };
                for second in (first_second..60).filter(|&second| has(self.seconds, second)) {
                    let local = date.at(hour, minute, second, 0);
                    // A time that a clock change skips is taken at its later reading.
                    let due = local.to_zoned(self.zone.clone()).ok()?.timestamp();
                    if due > now {
                        return u64::try_from(due.as_nanosecond()).ok();
                    }
                }
            }
        }
        None
    }
}

/// Hour, minute and second after `local`; `None` at the end of the day.
fn next_second(local: DateTime) -> Option<(i8, i8, i8)> {
    let next = local.checked_add(jiff::Span::new().seconds(1)).ok()?;
    (next.date() == local.date()).then(|| (next.hour(), next.minute(), next.second()))
}

fn weekday_number(weekday: Weekday) -> i8 {
    weekday.to_sunday_zero_offset()
}

fn is_any(field: &str) -> bool {
    field.starts_with('*') || field == "?"
}

/// The values of one field as bits. `names` count from `first_name`.
fn field(text: &str, min: u32, max: u32, names: &[&str], first_name: u32) -> Option<u64> {
    let number = |word: &str| -> Option<u32> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(word));
        let value = match named {
            Some(place) => place as u32 + first_name,
            None if word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()) => {
                word.parse().ok()?
            }
            None => return None,
        };
        (min..=max).contains(&value).then_some(value)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|&n| n > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None if range == "*" || range == "?" => (min, max),
            // `5/10` goes from 5 on.
            None if step.is_some() => (number(range)?, max),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        for value in (from..=to).step_by(step.unwrap_or(1)) {
            bits |= 1 << value;
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> u64 {
        WireTime::parse(text).unwrap().wall_ns()
    }

    fn next(pattern: &str, zone: Option<&str>, now: &str) -> Option<String> {
        let schedule = Schedule::parse(pattern.as_bytes(), zone.map(str::as_bytes)).unwrap();
        schedule.after(ns(now)).map(|due| WireTime::from_wall_ns(due).to_string())
    }

    #[test]
    fn cron_lines_are_due_when_they_say() {
        let table = [
            ("0 0 0 * * *", None, "2024-01-31T00:00:00Z", "2024-02-01T00:00:00Z"),
            ("*/15 * * * * *", None, "2024-01-01T00:00:15.5Z", "2024-01-01T00:00:30Z"),
            ("0 30 9 * * MON-FRI", None, "2024-06-07T09:30:00Z", "2024-06-10T09:30:00Z"),
            ("0 0 12 29 FEB ?", None, "2023-03-01T00:00:00Z", "2024-02-29T12:00:00Z"),
            ("0 0 0 13 * FRI", None, "2024-06-08T00:00:00Z", "2024-06-13T00:00:00Z"),
            ("5/20 1,2 3 * * *", None, "2024-01-01T03:01:30Z", "2024-01-01T03:01:45Z"),
            ("59 59 23 * * 7", None, "2024-06-08T00:00:00Z", "2024-06-09T23:59:59Z"),
            ("@hourly", None, "2024-01-01T10:00:00Z", "2024-01-01T11:00:00Z"),
            ("@yearly", None, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
            ("@weekly", None, "2024-06-08T00:00:00Z", "2024-06-09T00:00:00Z"),
            ("@monthly", None, "2024-06-08T00:00:00Z", "2024-07-01T00:00:00Z"),
            // Nine in New York is 13:00 UTC in summer and 14:00 in winter.
            (
                "0 0 9 * * *",
                Some("America/New_York"),
                "2024-07-01T00:00:00Z",
                "2024-07-01T13:00:00Z",
            ),
            (
                "0 0 9 * * *",
                Some("America/New_York"),
                "2024-12-01T00:00:00Z",
                "2024-12-01T14:00:00Z",
            ),
        ];
        for (pattern, zone, now, expected) in table {
            assert_eq!(next(pattern, zone, now).as_deref(), Some(expected), "{pattern} at {now}");
        }
        assert_eq!(next("0 0 0 30 2 *", None, "2024-01-01T00:00:00Z"), None);
        assert_eq!(
            next("@every 90s", None, "1970-01-01T00:00:01Z").unwrap(),
            "1970-01-01T00:01:31Z"
        );
    }

    #[test]
    fn once_is_once() {
        let schedule = Schedule::parse(b"@at 2024-01-01T00:00:00Z", None).unwrap();
        assert_eq!(schedule.first(5, 7), Some(ns("2024-01-01T00:00:00Z")));
        assert_eq!(schedule.after(5), None);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for pattern in [
            "",
            "@at",
            "@at tomorrow",
            "@every 1ms",
            "@every x",
            "@never",
            "* * * * *",
            "60 * * * * *",
            "* * * 0 * *",
            "* * * * 13 *",
            "* * * * * 8",
            "5-1 * * * * *",
            "*/0 * * * * *",
            "a * * * * *",
            "* * * * * * *",
            "-1 * * * * *",
        ] {
            assert_eq!(
                Schedule::parse(pattern.as_bytes(), None),
                Err(BadSchedule::Pattern),
                "{pattern}"
            );
        }
        for (pattern, zone) in [("@daily", "Mars/Olympus"), ("@every 2s", "UTC")] {
            let parsed = Schedule::parse(pattern.as_bytes(), Some(zone.as_bytes()));
            assert_eq!(parsed, Err(BadSchedule::TimeZone), "{pattern} {zone}");
        }
    }
}
