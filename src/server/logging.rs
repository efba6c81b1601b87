//! The log writer from the options, the start-up lines that tools wait for, and the panic hook.

use base::{Level, Log, Verbosity};
use config::profile::ProfileName;
use config::{Options, limits, version};
use log_writer::{FileOptions, LogWriter, Stamp, Target, Zone};

use crate::identity::{Identity, toolchain};

/// Opens the log that the options name.
///
/// # Errors
/// What is wrong with it, for standard error.
pub fn open(options: &Options) -> Result<(Log, LogWriter), String> {
    let verbosity = Verbosity { debug: options.debug, trace: options.trace };
    let (log, lines) = Log::bounded(limits::LOG_LINES_MAX, verbosity);
    let writer = log_writer::spawn(settings(options)?, log.clone(), lines)
        .map_err(|error| cannot_open(options, &error))?;
    Ok((log, writer))
}

/// Which log cannot be opened, and why.
pub fn cannot_open(options: &Options, error: &std::io::Error) -> String {
    match &options.log_file {
        Some(path) => format!("error opening log file {}: {error}", path.display()),
        None => format!("error opening log: {error}"),
    }
}

/// How the log is to be written.
///
/// # Errors
/// A syslog address that is none.
pub fn settings(options: &Options) -> Result<log_writer::Options, String> {
    Ok(log_writer::Options {
        target: target(options)?,
        stamp: if options.logtime { Stamp::Time } else { Stamp::Bare },
        zone: if options.logtime_utc { Zone::Utc } else { Zone::Local },
    })
}

/// A file wins over syslog, as in nats-server.
fn target(options: &Options) -> Result<Target, String> {
    if let Some(path) = &options.log_file {
        let (size_limit, files_max) = (options.log_size_limit, options.log_max_num);
        return Ok(Target::File(FileOptions { path: path.clone(), size_limit, files_max }));
    }
    match &options.remote_syslog {
        Some(url) => match url.parse() {
            Ok(url) => Ok(Target::RemoteSyslog(url)),
            Err(error) => Err(format!("remote_syslog {url:?}: {error}")),
        },
        None if options.syslog => Ok(Target::LocalSyslog),
        None => Ok(Target::Stderr),
    }
}

/// The lines with which a start begins (spec/cli-and-config.md §5).
pub fn say_start(log: &Log, options: &Options, identity: &Identity, cores: &[usize]) {
    let info = |text: String| log.say(Level::Info, text);
    info("Starting nats-server".to_owned());
    info(format!("  Version:  {} (corewire {})", version::NATS_VERSION, version::COREWIRE_VERSION));
    info(format!("  Git:      [{}]", version::GIT_COMMIT.unwrap_or("not set")));
    log.say(Level::Debug, format!("  Go build: {}", toolchain()));
    info(format!("  Name:     {}", identity.name));
    info(format!("  ID:       {}", identity.id));
    info(format!("  Cores:    {cores:?}"));
    options.feature_flags.lines().into_iter().for_each(info);
    if options.corewire.profile != ProfileName::Default {
        info(format!("Using profile: {}", options.corewire.profile));
    }
    if let Some(file) = &options.config_file {
        let digest = &options.config_digest;
        info(format!("Using configuration file: {} ({digest})", file.display()));
    }
    for warning in options.log_warnings() {
        log.say(Level::Warn, warning.to_string());
    }
}

/// Makes a panic of any thread a line of the log: no core dies silently.
pub fn log_panics(log: Log) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        log.say(Level::Fatal, format!("thread {name}: {panic}"));
    }));
}
