//! One line as nats-server writes it: `[pid] YYYY/MM/DD HH:MM:SS.micros [LVL] text`.

use std::fmt::Write;

use base::Level;
use base::log::Line;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::options::{Stamp, Zone};

/// Whether the level is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Plain,
    Ansi,
}

/// Renders lines for standard error and files.
#[derive(Debug)]
pub(crate) struct Format {
    pub(crate) pid: u32,
    pub(crate) stamp: Stamp,
    pub(crate) zone: TimeZone,
    pub(crate) colour: Colour,
}

impl Format {
    /// Appends `line` to `text`, without a line end.
    pub(crate) fn render(&self, line: &Line, text: &mut String) {
        // spec/cli-and-config.md §5: the pid prefix is always present.
        push(text, format_args!("[{}] ", self.pid));
        if self.stamp == Stamp::Time {
            let at = zoned(line.at_ns, &self.zone);
            let micros = at.subsec_nanosecond() / 1000;
            push(text, format_args!("{}.{micros:06} ", at.strftime("%Y/%m/%d %H:%M:%S")));
        }
        let label = line.level.label();
        match self.colour {
            Colour::Plain => push(text, format_args!("[{label}] ")),
            Colour::Ansi => {
                push(text, format_args!("[\x1b[{}m{label}\x1b[0m] ", ansi(line.level)));
            }
        }
        text.push_str(&line.text);
    }
}

/// `at_ns` on the clock face of `zone`.
pub(crate) fn zoned(at_ns: u64, zone: &TimeZone) -> jiff::Zoned {
    Timestamp::from_nanosecond(i128::from(at_ns)).unwrap_or(Timestamp::MAX).to_zoned(zone.clone())
}

/// The zone that the option names; the host's is read once, at start.
pub(crate) fn time_zone(zone: Zone) -> TimeZone {
    match zone {
        Zone::Local => TimeZone::system(),
        Zone::Utc => TimeZone::UTC,
    }
}

fn ansi(level: Level) -> &'static str {
    match level {
        Level::Info => "32",
        Level::Debug => "36",
        Level::Warn => "0;93",
        Level::Error | Level::Fatal => "31",
        Level::Trace => "33",
    }
}

fn push(text: &mut String, args: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _infallible = text.write_fmt(args);
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_NS: u64 = 1_795_252_677_511_067_999;

    fn render(level: Level, stamp: Stamp, zone: TimeZone, colour: Colour) -> String {
        let mut text = String::new();
        let line = Line { level, at_ns: AT_NS, text: "Server is ready".into() };
        Format { pid: 8930, stamp, zone, colour }.render(&line, &mut text);
        text
    }

    #[test]
    fn lines_look_like_nats_servers() {
        assert_eq!(
            render(Level::Info, Stamp::Time, TimeZone::UTC, Colour::Plain),
            "[8930] 2026/11/21 09:17:57.511067 [INF] Server is ready"
        );
        assert_eq!(
            render(Level::Error, Stamp::Bare, TimeZone::UTC, Colour::Plain),
            "[8930] [ERR] Server is ready"
        );
        assert_eq!(
            render(Level::Debug, Stamp::Bare, TimeZone::UTC, Colour::Ansi),
            "[8930] [\x1b[36mDBG\x1b[0m] Server is ready"
        );
        let zone = TimeZone::fixed(jiff::tz::offset(-3));
        assert_eq!(
            render(Level::Trace, Stamp::Time, zone, Colour::Ansi),
            "[8930] 2026/11/21 06:17:57.511067 [\x1b[33mTRC\x1b[0m] Server is ready"
        );
    }
}
