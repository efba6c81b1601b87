//! One target that takes lines, and what happens when it does not.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use base::log::Line;

use crate::file::LogFile;
use crate::format::{Colour, Format, time_zone};
use crate::options::{Options, Target};
use crate::syslog::Syslog;

/// After a failure the target is left alone for this long, so that a hanging disk or daemon does
/// not cost a system call a line.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How a re-open went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reopened {
    Done,
    NotAFile,
    Failed,
}

/// Writes lines to the target that the options name.
#[derive(Debug)]
pub(crate) struct Sink {
    format: Format,
    output: Output,
    trouble: Trouble,
    /// Reused for every line.
    text: String,
}

#[derive(Debug)]
enum Output {
    Stderr,
    File(LogFile),
    Syslog(Syslog),
}

impl Sink {
    /// Opens the target.
    pub(crate) fn open(options: Options) -> io::Result<Sink> {
        let zone = time_zone(options.zone);
        let (output, colour) = match options.target {
            // spec/cli-and-config.md §5: colours only when stderr is a terminal.
            Target::Stderr if io::stderr().is_terminal() => (Output::Stderr, Colour::Ansi),
            Target::Stderr => (Output::Stderr, Colour::Plain),
            Target::File(file) => (Output::File(LogFile::open(file, zone.clone())?), Colour::Plain),
            Target::LocalSyslog => (Output::Syslog(Syslog::local()?), Colour::Plain),
            Target::RemoteSyslog(url) => (Output::Syslog(Syslog::remote(url)?), Colour::Plain),
        };
        let format = Format { pid: std::process::id(), stamp: options.stamp, zone, colour };
        Ok(Sink { format, output, trouble: Trouble::default(), text: String::new() })
    }

    /// Writes one line, or loses it and remembers that.
    pub(crate) fn write(&mut self, line: &Line) {
        if !self.trouble.may_try() {
            self.trouble.lines_lost += 1;
            return;
        }
        let outcome = self.try_write(line);
        self.trouble.note(outcome);
    }

    fn try_write(&mut self, line: &Line) -> io::Result<()> {
        if let Output::Syslog(syslog) = &mut self.output {
            return syslog.send(line);
        }
        self.text.clear();
        self.format.render(line, &mut self.text);
        self.text.push('\n');
        match &mut self.output {
            Output::File(file) => file.append(&self.text, &self.format),
            // Standard error has nowhere to report its own failure to.
            _ => io::stderr().lock().write_all(self.text.as_bytes()).or(Ok(())),
        }
    }

    /// Closes the log file and opens it again by name.
    pub(crate) fn reopen(&mut self) -> Reopened {
        let Output::File(file) = &mut self.output else { return Reopened::NotAFile };
        let outcome = file.reopen();
        let reopened = if outcome.is_ok() { Reopened::Done } else { Reopened::Failed };
        self.trouble.note(outcome);
        reopened
    }
}

/// A target's failures: reported on standard error once for each time it stops working.
#[derive(Debug, Default)]
struct Trouble {
    /// When the target failed last; `None` while it works.
    since: Option<Instant>,
    lines_lost: u64,
}

impl Trouble {
    fn may_try(&self) -> bool {
        self.since.is_none_or(|since| since.elapsed() >= RETRY_INTERVAL)
    }

    fn note(&mut self, outcome: io::Result<()>) {
        let lost = self.lines_lost;
        match (outcome, self.since) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                *self = Trouble::default();
                complain(format_args!("the log works again, {lost} lines were lost"));
            }
            (Err(error), before) => {
                self.lines_lost += 1;
                self.since = Some(Instant::now());
                if before.is_none() {
                    complain(format_args!("cannot write the log, lines are lost: {error}"));
                }
            }
        }
    }
}

/// Tells the operator about the log itself, on standard error.
pub(crate) fn complain(what: std::fmt::Arguments<'_>) {
    // Nothing is left to tell when standard error is closed too.
    let _closed = writeln!(io::stderr().lock(), "corewire: {what}");
}
