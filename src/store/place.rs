//! The folder of a store: found, locked, and the cores' logs in it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use runtime::system_files;

/// Where damaged files are kept, beside the segments.
pub const ASIDE: &str = "damaged";

/// A store that no server has as long as this lives.
#[derive(Debug)]
pub struct Place {
    /// The folder with the logs.
    pub folder: PathBuf,
    /// The folder of each core's log.
    pub logs: Vec<PathBuf>,
    _lock: File,
}

/// Why a folder is not looked at.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It holds no store.
    #[error("{}: no storage folder of a Corewire server", .0.display())]
    NotAStore(PathBuf),
    /// It is in use, or cannot be read.
    #[error("{}: {error}", .folder.display())]
    System {
        /// Which.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl Place {
    /// Takes the store in `folder`, or in the folder `jetstream` below it, as the server does.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn take(folder: &Path) -> Result<Place, PlaceError> {
        let below = folder.join("jetstream");
        let folder = if below.is_dir() { below } else { folder.to_path_buf() };
        let failed = |error| PlaceError::System { folder: folder.clone(), error };
        if !folder.join("lock").is_file() {
            return Err(PlaceError::NotAStore(folder));
        }
        let _lock = system_files::lock_folder(&folder).map_err(failed)?;
        let mut logs = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("core-")?.parse().ok());
            if let Some(number) = number {
                logs.push((number, entry.path()));
            }
        }
        logs.sort_unstable();
        let logs = logs.into_iter().map(|(_, path): (u32, PathBuf)| path).collect();
        Ok(Place { folder, logs, _lock })
    }
}
