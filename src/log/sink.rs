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

    /// Closes the log file and opens it again by name. When that fails the old one stays open.
    pub(crate) fn reopen(&mut self) -> Reopened {
        let Output::File(file) = &mut self.output else { return Reopened::NotAFile };
        match file.reopen() {
            Ok(()) => {
                // A new file may work where the old one did not: try it at once.
                self.trouble.retry_now();
                Reopened::Done
            }
            Err(error) => {
                complain(format_args!("cannot re-open the log: {error}"));
                Reopened::Failed
            }
        }
    }
}

/// A target's failures: reported on standard error once for each time it stops working.
#[derive(Debug, Default)]
struct Trouble {
    state: State,
    /// Lines lost since the target failed first.
    lines_lost: u64,
}

/// ```text
/// Working --failed write--> Failed --RETRY_INTERVAL or re-open--> next write decides
/// ```
#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Working,
    /// The target failed and is left alone until then.
    Failed { retry_at: Instant },
}

impl Trouble {
    fn may_try(&self) -> bool {
        match self.state {
            State::Working => true,
            State::Failed { retry_at } => Instant::now() >= retry_at,
        }
    }

    fn retry_now(&mut self) {
        if let State::Failed { retry_at } = &mut self.state {
            *retry_at = Instant::now();
        }
    }

    fn note(&mut self, outcome: io::Result<()>) {
        let Err(error) = outcome else {
            if self.state != State::Working {
                let lost = self.lines_lost;
                *self = Trouble::default();
                complain(format_args!("the log works again, {lost} lines were lost"));
            }
            return;
        };
        self.lines_lost += 1;
        if self.state == State::Working {
            complain(format_args!("cannot write the log, lines are lost: {error}"));
        }
        self.state = State::Failed { retry_at: Instant::now() + RETRY_INTERVAL };
    }
}

/// Tells the operator about the log itself, on standard error.
pub(crate) fn complain(what: std::fmt::Arguments<'_>) {
    let text = format!("corewire: {what}\n");
    // Nothing is left to tell when standard error is closed too.
    let _closed = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use base::Level;

    use super::*;
    use crate::options::FileOptions;

    #[test]
    fn a_full_disk_loses_lines_and_is_left_alone_until_a_reopen() {
        let file = FileOptions { path: "/dev/full".into(), size_limit: 0, files_max: 0 };
        let options = Options { target: Target::File(file), ..Options::default() };
        let mut sink = Sink::open(options).unwrap();
        let line = Line { level: Level::Info, at_ns: 0, text: "lost".into() };
        sink.write(&line);
        let failed_at = Instant::now();
        assert!(!sink.trouble.may_try() || failed_at.elapsed() >= RETRY_INTERVAL);
        sink.write(&line);
        assert_eq!(sink.trouble.lines_lost, 2);

        assert_eq!(sink.reopen(), Reopened::Done);
        assert!(sink.trouble.may_try());
        sink.trouble.note(Ok(()));
        assert_eq!(sink.trouble.state, State::Working);
        assert_eq!(sink.trouble.lines_lost, 0);
    }

    #[test]
    fn only_files_are_reopened() {
        let mut sink = Sink::open(Options::default()).unwrap();
        assert_eq!(sink.reopen(), Reopened::NotAFile);
    }
}
