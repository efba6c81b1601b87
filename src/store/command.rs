//! The command line of `corewire store`, and the code it exits with: 0 when all is well, 1 when
//! something is wrong with the files, 2 when they could not be looked at.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use runtime::system_files::SystemFiles;
use storage::key_file::{self, KeyError};
use storage::{Closely, Survey};

use crate::place::{Place, PlaceError};
use crate::repair;
use crate::report::Report;
use crate::table;

/// Something is wrong with the files.
const WRONG: u8 = 1;
/// They could not be looked at.
const REFUSED: u8 = 2;
/// The environment's variable with the key of an encrypted store.
const KEY_VARIABLE: &str = "COREWIRE_ENCRYPTION_KEY";

#[derive(Debug, Parser)]
#[command(
    name = "corewire store",
    about = "Says what is in a stopped server's files, what is wrong, and gets past it"
)]
struct Arguments {
    #[arg(value_enum)]
    action: Action,
    /// The storage folder, as given with -sd or store_dir
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// A file with the key of an encrypted store; without it, COREWIRE_ENCRYPTION_KEY is the key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Says what stands in each log, and what a start would find wrong
    Inspect,
    /// Reads every message, too; fails when something is wrong
    Verify,
    /// Verifies, keeps damaged files aside, and puts what is left in order
    Repair,
}

/// Why nothing was looked at.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A log cannot be opened.
    #[error(transparent)]
    Open(#[from] storage::log::OpenError),
    /// The key of the store.
    #[error("{0} (--key-file FILE, or COREWIRE_ENCRYPTION_KEY)")]
    Key(#[from] KeyError),
    /// The file with the key cannot be read.
    #[error("{path}: {error}")]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file cannot be kept aside.
    #[error("{path}: {error}")]
    Keep {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Does what the arguments behind `store` say; the exit code.
pub fn run(arguments: &[String]) -> u8 {
    let words = std::iter::once("corewire store").chain(arguments.iter().map(String::as_str));
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { REFUSED } else { 0 };
            // A closed pipe is no reason to fail.
            let _ = error.print();
            return code;
        }
    };
    match report(&arguments) {
        Ok(report) => {
            let text = match arguments.json {
                true => serde_json::to_string_pretty(&report).expect("a report has JSON") + "\n",
                false => table::print(&report),
            };
            print!("{text}");
            if report.sound { 0 } else { WRONG }
        }
        Err(error) => {
            eprintln!("corewire store: {error}");
            REFUSED
        }
    }
}

fn report(arguments: &Arguments) -> Result<Report, StoreError> {
    let place = Place::take(&arguments.dir)?;
    let closely = match arguments.action {
        Action::Inspect => Closely::AsAtStart,
        Action::Verify | Action::Repair => Closely::EveryRecord,
    };
    let key = key(arguments)?;
    let look = || -> Result<Survey, StoreError> {
        let keys = key_file::look(&SystemFiles, &place.folder, &key)?;
        Ok(Survey::of(&SystemFiles, place.logs.clone(), keys, closely)?)
    };
    let survey = look()?;
    if arguments.action != Action::Repair {
        return Ok(Report::of(&place, &survey, Vec::new()));
    }
    let steps = repair::repair(&place, &survey, &key)?;
    Ok(Report::of(&place, &look()?, steps))
}

/// The operator's key; no bytes where none is given.
fn key(arguments: &Arguments) -> Result<Vec<u8>, StoreError> {
    let Some(path) = &arguments.key_file else {
        return Ok(std::env::var_os(KEY_VARIABLE).unwrap_or_default().into_encoded_bytes());
    };
    let mut key =
        std::fs::read(path).map_err(|error| StoreError::KeyFile { path: path.clone(), error })?;
    // A line end is the editor's.
    while key.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        key.pop();
    }
    Ok(key)
}
