//! Live progress on standard error: one line, rewritten, only on a terminal and on runs that last.

use std::cell::Cell;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::measure::Tally;
use crate::quantity::show_count;
use crate::stage::Phase;

const QUIET: Duration = Duration::from_millis(1500);
const REDRAW: Duration = Duration::from_millis(250);

/// Where progress goes.
#[derive(Debug)]
pub struct Progress {
    title: String,
    terminal: bool,
    begun: Instant,
    drawn: Cell<Option<(Instant, Tally)>>,
}

impl Progress {
    /// A line that begins with `title`. Silent unless standard error is a terminal.
    pub fn new(title: &str) -> Progress {
        Progress {
            title: title.to_string(),
            terminal: stderr().is_terminal(),
            begun: Instant::now(),
            drawn: Cell::new(None),
        }
    }

    /// Called often; draws seldom.
    pub fn tick(&self, phase: Phase, tally: Tally) {
        let now = Instant::now();
        let drawn = self.drawn.get();
        let due = drawn.is_none_or(|(at, _)| now - at >= REDRAW);
        if !self.terminal || now - self.begun < QUIET || !due {
            return;
        }
        let (then, before) = drawn.unwrap_or((self.begun, Tally::default()));
        let seconds = (now - then).as_secs_f64();
        let sent = tally.sent.saturating_sub(before.sent) as f64 / seconds;
        let received = tally.received.saturating_sub(before.received) as f64 / seconds;
        let what = if phase == Phase::Warmup { "warm-up" } else { "measuring" };
        let line = format!(
            "{}: {what} {:.0} s, {}/s out, {}/s in",
            self.title,
            (now - self.begun).as_secs_f64(),
            show_count(sent),
            show_count(received),
        );
        // Progress is a courtesy: a closed terminal must not end a measurement.
        let _ = write!(stderr(), "\r\x1b[K{line}");
        self.drawn.set(Some((now, tally)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.get().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
