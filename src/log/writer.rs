//! The thread that writes: takes lines from the queue, hands them to the sink, obeys the handle.

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base::log::Line;
use base::{Level, Log};
use crossbeam_channel::{Receiver, Sender, select_biased};

use crate::options::Options;
use crate::sink::{Reopened, Sink};

/// Drops are reported at most this often.
const DROP_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Commands that may wait. Re-opens beyond that are lost: those before them do the same.
const COMMANDS_MAX: usize = 8;

/// What the handle asks of the thread.
enum Command {
    Reopen,
    Replace(Box<Sink>),
    Stop,
}

/// The handle of the writing thread. Dropping it stops the thread as
/// [`LogWriter::flush_and_stop`] does.
#[derive(Debug)]
pub struct LogWriter {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

/// Opens the target and starts the thread that writes `lines` to it. `log` is the other end of
/// the same queue; only its count of dropped lines is read.
///
/// # Errors
/// The log file cannot be opened, the syslog daemon cannot be reached, or no thread can be made.
/// After that a failing target is reported on standard error once, and lines are lost until it
/// works again.
pub fn spawn(options: Options, log: Log, lines: Receiver<Line>) -> io::Result<LogWriter> {
    let sink = Sink::open(options)?;
    let (commands, inbox) = crossbeam_channel::bounded(COMMANDS_MAX);
    let writer = Writer { sink, log, lines, reported: 0, reported_at: None };
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || writer.run(inbox))?;
    Ok(LogWriter { commands, thread: Some(thread) })
}

impl LogWriter {
    /// Closes the log file and opens it again by its name (SIGUSR1), and says so in the log.
    /// Does not wait.
    pub fn reopen(&self) {
        let _already_waiting = self.commands.try_send(Command::Reopen);
    }

    /// Writes to another target, or in another form, from now on; what was said before still goes
    /// to the old one. Waits only where as many changes are under way as may wait.
    ///
    /// # Errors
    /// As [`spawn`]; then the old target stays.
    pub fn replace(&self, options: Options) -> io::Result<()> {
        let sink = Box::new(Sink::open(options)?);
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.commands.send(Command::Replace(sink)).map_err(gone)
    }

    /// Writes everything queued so far and ends the thread. Waits for it.
    pub fn flush_and_stop(self) {
        drop(self);
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        let _ended_before = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

struct Writer {
    sink: Sink,
    log: Log,
    lines: Receiver<Line>,
    /// Dropped lines that were reported so far.
    reported: u64,
    reported_at: Option<Instant>,
}

impl Writer {
    fn run(mut self, commands: Receiver<Command>) {
        loop {
            let report_due = self.report_due();
            select_biased! {
                recv(commands) -> command => match command {
                    Ok(Command::Reopen) => self.reopen(),
                    Ok(Command::Replace(sink)) => self.replace(*sink),
                    Ok(Command::Stop) | Err(_) => break,
                },
                recv(self.lines) -> line => match line {
                    Ok(line) => self.sink.write(&line),
                    Err(_) => break,
                },
                recv(report_due) -> _ => {}
            }
            self.report_drops();
        }
        while let Ok(line) = self.lines.try_recv() {
            self.sink.write(&line);
        }
        self.reported_at = None;
        self.report_drops();
    }

    /// What was said before a change belongs into the old file.
    fn write_what_waits(&mut self) {
        for _ in 0..self.lines.len() {
            if let Ok(line) = self.lines.try_recv() {
                self.sink.write(&line);
            }
        }
    }

    fn replace(&mut self, sink: Sink) {
        self.write_what_waits();
        self.sink = sink;
    }

    fn reopen(&mut self) {
        self.write_what_waits();
        match self.sink.reopen() {
            Reopened::Done => self.say(Level::Info, "File log re-opened".into()),
            Reopened::NotAFile => {
                self.say(Level::Info, "File log re-open ignored, not a file logger".into());
            }
            Reopened::Failed => {}
        }
    }

    /// A channel that fires when drops wait to be reported and the interval is over.
    fn report_due(&self) -> Receiver<Instant> {
        match self.reported_at {
            Some(at) if self.log.dropped() > self.reported => {
                crossbeam_channel::at(at + DROP_REPORT_INTERVAL)
            }
            _ => crossbeam_channel::never(),
        }
    }

    fn report_drops(&mut self) {
        let dropped = self.log.dropped();
        let early = self.reported_at.is_some_and(|at| at.elapsed() < DROP_REPORT_INTERVAL);
        if dropped == self.reported || early {
            return;
        }
        let lost = dropped - self.reported;
        self.reported = dropped;
        self.reported_at = Some(Instant::now());
        self.say(Level::Warn, format!("Log queue was full, {lost} lines were dropped"));
    }

    /// A line of the writer's own, past the queue.
    fn say(&mut self, level: Level, text: String) {
        self.sink.write(&Line { level, at_ns: now_ns(), text });
    }
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests;
