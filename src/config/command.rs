//! From the command line to what the process shall do: run with these options, send a signal, or
//! print something and exit. spec/cli-and-config.md §1 and §2

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches};

use crate::apply::{self, FlagError};
use crate::digest;
use crate::draft::Draft;
use crate::flags::{self, Does, FLAGS, Flag, Takes};
use crate::host_check::{self, CheckRequest};
use crate::manual;
use crate::normalise::{self, FlagMistake};
use crate::options::{Options, Secret};
use crate::parser::{self, Disk, Environment, Files};
use crate::place::Sources;
use crate::problem::Diagnostics;
use crate::profile;
use crate::reference::{self, Form};
use crate::signal::SignalRequest;
use crate::usage;
use crate::version;
use crate::words::{WORDS, Word};

/// What the process shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Serve.
    Run {
        /// As what.
        options: Box<Options>,
        /// Lines for standard error, before there is a log.
        warnings: Vec<String>,
        /// What was typed, to read the configuration again.
        launch: Launch,
    },
    /// Send a signal to a server that runs, and exit.
    Signal(SignalRequest),
    /// Show live what a server that runs does: `corewire top`, with the arguments behind that.
    Top(Vec<String>),
    /// Say where something lives on a server that runs: `corewire explain`, with the arguments
    /// behind that.
    Explain(Vec<String>),
    /// Look at a stopped server's files: `corewire store`, with the arguments behind that.
    Store(Vec<String>),
    /// Look at the host, and exit.
    Check(CheckRequest),
    /// Say whether a server could start with this configuration, and exit: `-t`. The file itself is
    /// sound; what it names (certificates, what others export) has not been looked at.
    Test {
        /// What the file and the flags say.
        options: Box<Options>,
        /// What to print when all that it names is sound too.
        valid: Exit,
    },
}

/// What to print, and with which code to exit. Texts end in a line end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// The process's exit code.
    pub code: i32,
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
}

impl Exit {
    fn shown(text: String) -> Exit {
        Exit { code: 0, stdout: text, stderr: String::new() }
    }

    /// Failure, in nats-server's form. The prefix is nats-server's whatever the program is
    /// called, because tools look for it.
    pub fn failed(text: impl std::fmt::Display) -> Exit {
        Exit { code: 1, stdout: String::new(), stderr: format!("nats-server: {text}\n") }
    }

    /// Go's flag package prints the mistake, then the usage function exits with 0.
    fn misused(mistake: impl std::fmt::Display) -> Exit {
        Exit { code: 0, stdout: usage::usage(), stderr: format!("{mistake}\n") }
    }
}

/// Reads the command line, its first item being the program's name, and the configuration file
/// that it names.
///
/// # Errors
/// [`Exit`] for everything that ends the process: mistakes, but also `-v`, `-h` and `-t`.
pub fn from_args(
    args: impl Iterator<Item = OsString>,
    env: Environment<'_>,
) -> Result<Command, Exit> {
    from_args_with(args, env, &Disk)
}

/// [`from_args`] with files from elsewhere.
///
/// # Errors
/// As [`from_args`].
pub fn from_args_with(
    args: impl Iterator<Item = OsString>,
    env: Environment<'_>,
    files: &dyn Files,
) -> Result<Command, Exit> {
    let args: Vec<String> = args
        .skip(1)
        .map(OsString::into_string)
        .collect::<Result<_, _>>()
        .map_err(|arg| Exit::misused(FlagMistake::NotText(arg)))?;
    match args.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        Some(("top", rest)) => return Ok(Command::Top(rest.to_vec())),
        Some(("explain", rest)) => return Ok(Command::Explain(rest.to_vec())),
        Some(("store", rest)) => return Ok(Command::Store(rest.to_vec())),
        _ => {}
    }
    let normal = normalise::normalise(args.into_iter()).map_err(Exit::misused)?;
    let matches = clap_command().try_get_matches_from(&normal.flags).map_err(Exit::misused)?;
    let line = Line { matches };
    // Checked before any file is read; applied for good after it.
    line.apply(&mut Draft::default())?;
    line.print_and_exit(&normal.words)?;
    line.refuse_what_is_not_built()?;
    if let Some(("check", words)) = normal.words.split_first().map(|(w, rest)| (w.as_str(), rest)) {
        let profile = line.text_of("profile");
        return host_check::parse(words, profile, files).map(Command::Check).map_err(Exit::failed);
    }
    if let Some(request) = line.text_of("signal") {
        return request.parse().map(Command::Signal).map_err(Exit::failed);
    }
    line.configure(env, files)
}

/// The flags as clap knows them, for parsing, man page and completions.
pub fn clap_command() -> clap::Command {
    let args = FLAGS.iter().map(|flag| {
        let arg = Arg::new(flag.name())
            .long(flag.name())
            .visible_aliases(flag.names.iter().skip(1).copied())
            .help(flag.doc())
            .action(ArgAction::Set)
            .require_equals(true);
        match flag.takes {
            Takes::Switch => arg.num_args(0..=1).default_missing_value("true"),
            Takes::Value(metavar) => arg.num_args(1).value_name(metavar),
        }
    });
    clap::Command::new("corewire")
        .about("A NATS server for dedicated Linux hosts")
        .version(version::COREWIRE_VERSION)
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .args(args)
}

/// The command line of a server that runs: whoever reads its file again puts the same flags on
/// top. It may hold a password; `Debug` shows none.
#[derive(Clone, PartialEq)]
pub struct Launch {
    line: Line,
}

/// A configuration that was read again.
#[derive(Clone, Debug, PartialEq)]
pub struct Reread {
    /// Complete and checked.
    pub options: Options,
    /// Lines for the log.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Launch")
    }
}

impl Launch {
    /// Reads the file again, the original flags on top. spec/cli-and-config.md §1, §8
    ///
    /// # Errors
    /// What is wrong, one problem a line, in the words of a start.
    pub fn reread(&self, env: Environment<'_>, files: &dyn Files) -> Result<Reread, String> {
        if self.line.config_file().is_none() {
            let text = "can only reload config when a file is provided using -c or --config";
            return Err(text.to_owned());
        }
        let Read { options, found, lines } = self.line.read(env, files)?;
        if found.errors.is_empty() {
            Ok(Reread { options, warnings: lines })
        } else {
            Err(lines.join("\n"))
        }
    }
}

/// A command line whose flags are all known.
#[derive(Clone, PartialEq)]
struct Line {
    matches: ArgMatches,
}

/// What flags and file say together, and what is wrong with it.
struct Read {
    options: Options,
    found: Diagnostics,
    /// `found`, for people.
    lines: Vec<String>,
}

impl Line {
    fn text_of(&self, name: &str) -> Option<&str> {
        self.matches.get_one::<String>(name).map(String::as_str)
    }

    fn given(&self) -> impl Iterator<Item = (&'static Flag, &str)> {
        FLAGS.iter().filter_map(|flag| self.text_of(flag.name()).map(|text| (flag, text)))
    }

    fn is_on(&self, name: &str) -> bool {
        self.text_of(name).and_then(apply::flag_switch).unwrap_or(false)
    }

    /// Sets what the flags say.
    fn apply(&self, draft: &mut Draft) -> Result<(), Exit> {
        self.clear_other_authentication(draft);
        if self.text_of("store_dir").is_some() {
            draft.options.jetstream.store_dir = None;
        }
        for (flag, text) in self.given() {
            let set = match (&flag.does, flag.takes) {
                (Does::Option(_), _) => match flag.option() {
                    Some(option) => apply::set_from_flag(draft, option, text),
                    None => Err(FlagError::NotBuilt),
                },
                (Does::Several(set, _), _) => {
                    apply::flag_switch(text).map(|on| set(draft, on)).ok_or(FlagError::Syntax)
                }
                (Does::Profile, _) => set_profile(draft, text),
                (_, Takes::Switch) => apply::flag_switch(text).map(drop).ok_or(FlagError::Syntax),
                _ => Ok(()),
            };
            set.map_err(|error| flag_exit(flag, text, &error))?;
        }
        Ok(())
    }

    /// A user or token from the command line takes the place of the file's other way to
    /// authenticate, instead of contradicting it.
    fn clear_other_authentication(&self, draft: &mut Draft) {
        let user = self.text_of("user").is_some() || self.text_of("pass").is_some();
        let token = self.text_of("auth").is_some();
        if user || token {
            draft.auth.users = None;
        }
        if user {
            draft.auth.token = Secret::default();
        }
        if token {
            draft.auth.user = String::new();
            draft.auth.password = Secret::default();
        }
    }

    /// `-v`, `-h`, `--help_tls`, and the bare words `version` and `help`.
    fn print_and_exit(&self, words: &[String]) -> Result<(), Exit> {
        let version = || Exit::shown(version::line() + "\n");
        if self.is_on("version") {
            return Err(version());
        }
        if self.is_on("help") {
            return Err(Exit::shown(usage::usage()));
        }
        if self.is_on("help_tls") {
            return Err(Exit::shown(usage::tls_help()));
        }
        let Some((word, rest)) = words.split_first() else { return Ok(()) };
        // spec/cli-and-config.md §1: two of the words in any case.
        match word.to_ascii_lowercase().as_str() {
            "version" => Err(version()),
            "help" => Err(Exit::shown(usage::usage())),
            _ if word == "check" => Ok(()),
            _ => Err(document(word, rest)),
        }
    }

    fn refuse_what_is_not_built(&self) -> Result<(), Exit> {
        let mut refused = Vec::new();
        for (flag, text) in self.given() {
            let is_off = flag.takes == Takes::Switch && apply::flag_switch(text) == Some(false);
            if !flag.is_built() && !is_off {
                refused.push(format!(
                    "flag --{} is known to NATS but not built yet in Corewire; remove it",
                    flag.name()
                ));
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(Exit::failed(refused.join("\n"))) }
    }

    fn config_file(&self) -> Option<&Path> {
        self.text_of("config").filter(|path| !path.is_empty()).map(Path::new)
    }

    fn configure(self, env: Environment<'_>, files: &dyn Files) -> Result<Command, Exit> {
        let check = self.is_on("t");
        if check && self.config_file().is_none() {
            return Err(Exit::failed(
                "must specify [-c, --config] option to check configuration file syntax",
            ));
        }
        let Read { options, found, lines } = self.read(env, files).map_err(Exit::failed)?;
        if !found.errors.is_empty() || (check && !found.warnings.is_empty()) {
            return Err(Exit::failed(lines.join("\n")));
        }
        if check {
            let valid = valid(&options);
            return Ok(Command::Test { options: Box::new(options), valid });
        }
        let launch = Launch { line: self };
        Ok(Command::Run { options: Box::new(options), warnings: lines, launch })
    }

    /// Flags over file over defaults; the error is a text that is not in the language.
    fn read(&self, env: Environment<'_>, files: &dyn Files) -> Result<Read, String> {
        let mut sources = Sources::default();
        let mut found = Diagnostics::default();
        let mut draft = Draft::default();
        if let Some(path) = self.config_file() {
            read_file(path, env, files, &mut sources, &mut found, &mut draft)?;
        }
        // They were checked before any file was read.
        self.apply(&mut draft).map_err(|exit| exit.stderr)?;
        let corewire = &mut draft.options.corewire;
        corewire.tuning = profile::load(&corewire.profile, files, &mut sources, &mut found);
        let options = draft.finish(&mut found);
        let lines = found.show(&sources);
        Ok(Read { options, found, lines })
    }
}

/// What the words print that document the command line.
fn document(word: &str, rest: &[String]) -> Exit {
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (word, &rest[..]) {
        ("options", []) => Exit::shown(reference::print(Form::Table)),
        // One dash or two, as everywhere.
        ("options", ["--json" | "-json"]) => Exit::shown(reference::print(Form::Json)),
        ("man", []) => Exit::shown(manual::page()),
        ("completions", [shell]) => manual::completions(shell).map_or_else(
            || {
                Exit::failed(format_args!(
                    "completions: unknown shell {shell:?}; use bash, zsh or fish"
                ))
            },
            Exit::shown,
        ),
        _ => match WORDS.iter().find(|known| known.name == word) {
            Some(Word { name, arguments, .. }) => {
                Exit::failed(format_args!("usage: corewire {name} {arguments}"))
            }
            None => Exit::failed(format_args!("unrecognized command: \"{word}\"")),
        },
    }
}

// spec/cli-and-config.md §2
fn valid(options: &Options) -> Exit {
    let path = options.config_file.as_deref().unwrap_or(Path::new("")).display();
    let mut stderr = String::new();
    let digest = &options.config_digest;
    let _ = writeln!(stderr, "nats-server: configuration file {path} is valid ({digest})");
    Exit { code: 0, stdout: String::new(), stderr }
}

/// Reads and applies a file; the error is its text, with the place.
fn read_file(
    path: &Path,
    env: Environment<'_>,
    files: &dyn Files,
    sources: &mut Sources,
    found: &mut Diagnostics,
    draft: &mut Draft,
) -> Result<(), String> {
    let root = parser::load(path, files, env, sources).map_err(|problem| problem.show(sources))?;
    draft.options.config_file = Some(path.to_owned());
    draft.options.config_digest = digest::digest(&root);
    apply::apply(&root, draft, found);
    Ok(())
}

fn set_profile(draft: &mut Draft, text: &str) -> Result<(), FlagError> {
    match apply::flag_integer(text) {
        Some(0) => Ok(()),
        Some(_) => Err(FlagError::NotBuilt),
        None => match crate::table::find("corewire.profile") {
            Some(option) => apply::set_from_flag(draft, option, text),
            None => Err(FlagError::NotBuilt),
        },
    }
}

fn flag_exit(flag: &Flag, text: &str, error: &FlagError) -> Exit {
    let (name, value) = (flag.name().to_owned(), text.to_owned());
    match error {
        FlagError::Syntax if flag.takes == Takes::Switch => {
            Exit::misused(FlagMistake::NotBoolean { name, value })
        }
        FlagError::Syntax => Exit::misused(FlagMistake::NotNumber { name, value }),
        FlagError::Value(error) => Exit::failed(format_args!("flag --{name}: {error}")),
        FlagError::NotBuilt => Exit::failed(format_args!(
            "flag --{name} {value} (a profiling port) is known to NATS but not built yet in \
             Corewire; remove it, or name a profile as in --{name} latency"
        )),
    }
}

/// The names of all flags, without dashes, for tests and documents.
pub fn flag_names() -> impl Iterator<Item = &'static str> {
    flags::FLAGS.iter().flat_map(|flag| flag.names.iter().copied())
}

#[cfg(test)]
mod tests;
