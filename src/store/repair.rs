//! Repair: damaged files are kept aside, then what is left of them is put in order.
//!
//! ```text
//! nothing in it can be used ─▶ moved to damaged/
//! cut short                 ─▶ copied to damaged/, given its length back, cut by recovery
//! header, index or messages ─▶ copied to damaged/, borders and index written anew
//! never sealed              ─▶ cut and sealed by recovery, as a start does
//! of another version, locked ─▶ left alone
//! ```

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use runtime::disk::FileEntry;
use runtime::system_files::SystemFiles;
use serde::Serialize;
use storage::log::{self, Damage, LogSettings, Sync};
use storage::{Cipher, Keys, Storage, Survey, key_file};

use crate::command::StoreError;
use crate::place::{ASIDE, Place};

/// One thing that was done, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// To which file.
    pub file: PathBuf,
    /// Where the file as it was is kept; none where nothing of it was lost.
    pub kept: Option<PathBuf>,
    /// What was done.
    pub text: String,
}

/// Puts a store in order as far as it can be; what was done.
///
/// # Errors
/// [`StoreError`]; what was done so far stands, and a second repair goes on from there.
pub fn repair(place: &Place, survey: &Survey, key: &[u8]) -> Result<Vec<Step>, StoreError> {
    let mut steps = Vec::new();
    let mut mend = BTreeSet::new();
    for damage in &survey.damages {
        let file = damage.file();
        match damage {
            Damage::Header { .. } | Damage::Unreadable { .. } => steps.push(set_aside(file)?),
            Damage::Short { missing_bytes, .. } => steps.push(lengthen(file, *missing_bytes)?),
            Damage::Locked { .. } => {
                let text = format!("{}: left alone, its key is not there", file.display());
                steps.push(Step { file: file.to_path_buf(), kept: None, text });
            }
            Damage::Version { .. } => {
                let text = format!("{}: left alone, of another version", file.display());
                steps.push(Step { file: file.to_path_buf(), kept: None, text });
            }
            Damage::HeaderRebuilt { .. } | Damage::Index { .. } | Damage::Record { .. } => {
                mend.insert(file.to_path_buf());
            }
        }
    }
    mend.extend(survey.broken.iter().map(|broken| broken.file.clone()));
    for file in &mend {
        keep_copy(file)?;
    }
    seal(place, survey, key, &mut steps)?;
    if mend.is_empty() {
        return Ok(steps);
    }
    // What a start has sealed is sealed once more, and so under another key.
    let keys = keys_of_a_run(place, key)?;
    for file in mend {
        steps.push(mend_one(file, &keys)?);
    }
    Ok(steps)
}

/// The keys to write with, as a start has them.
fn keys_of_a_run(place: &Place, key: &[u8]) -> Result<Keys, StoreError> {
    let chosen = key_file::Chosen { key, previous: &[], cipher: Cipher::default() };
    Ok(key_file::begin_run(&SystemFiles, &place.folder, &chosen)?)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    |error| StoreError::Keep { path: path.to_path_buf(), error }
}

/// Where a file is kept: under its name, or with a number behind it if that is taken.
fn aside(file: &Path) -> Result<PathBuf, StoreError> {
    let folder = file.parent().unwrap_or(Path::new(".")).join(ASIDE);
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let numbered = |number: u32| match number {
        0 => folder.join(&*name),
        number => folder.join(format!("{name}.{number}")),
    };
    let free = (0..).map(numbered).find(|path| !path.exists());
    Ok(free.expect("numbers do not end"))
}

fn set_aside(file: &Path) -> Result<Step, StoreError> {
    let kept = aside(file)?;
    fs::rename(file, &kept).map_err(failed(file))?;
    let text = format!(
        "{}: nothing in it can be used; moved to {}, with all that stood in it",
        file.display(),
        kept.display()
    );
    Ok(Step { file: file.to_path_buf(), kept: Some(kept), text })
}

fn keep_copy(file: &Path) -> Result<PathBuf, StoreError> {
    let kept = aside(file)?;
    fs::copy(file, &kept).map_err(failed(file))?;
    fs::File::open(&kept).and_then(|copy| copy.sync_all()).map_err(failed(&kept))?;
    Ok(kept)
}

fn lengthen(file: &Path, missing_bytes: u64) -> Result<Step, StoreError> {
    let kept = keep_copy(file)?;
    let opened = OpenOptions::new().write(true).open(file).map_err(failed(file))?;
    let len = opened.metadata().map_err(failed(file))?.len();
    opened.set_len(len + missing_bytes).map_err(failed(file))?;
    opened.sync_all().map_err(failed(file))?;
    let text = format!(
        "{}: its last {missing_bytes} bytes were missing; what stood in them is lost",
        file.display()
    );
    Ok(Step { file: file.to_path_buf(), kept: Some(kept), text })
}

/// Does what a start does: cuts and seals what was not sealed.
fn seal(
    place: &Place,
    survey: &Survey,
    key: &[u8],
    steps: &mut Vec<Step>,
) -> Result<(), StoreError> {
    let mut folders = place.logs.clone();
    if folders.is_empty() {
        return Ok(());
    }
    let keys = keys_of_a_run(place, key)?;
    let own = folders.remove(0);
    let settings = LogSettings { keys, ..LogSettings::of(own, folders, 0, Sync::Always) };
    Storage::open(settings, &SystemFiles)?;
    if survey.cut_bytes > 0 {
        let bytes = survey.cut_bytes;
        let text = format!("{bytes} bytes that were never acknowledged were cut");
        steps.push(Step { file: place.folder.clone(), kept: None, text });
    }
    Ok(())
}

fn mend_one(file: PathBuf, keys: &Keys) -> Result<Step, StoreError> {
    let len = fs::metadata(&file).map_err(failed(&file))?.len();
    let text = match log::mend(&SystemFiles, &FileEntry { path: file.clone(), len }, keys) {
        Ok(log::Mended { kept, dropped }) => format!(
            "{}: header and index were written anew, with {kept} messages; {dropped} are lost",
            file.display()
        ),
        Err(error) => format!("{}: left as it is: {error}", file.display()),
    };
    let kept = file.parent().map(|folder| folder.join(ASIDE));
    Ok(Step { file, kept, text })
}
