//! What is wrong with a log's files, in words for the log, healthz and `corewire store`.

use std::io;
use std::path::{Path, PathBuf};

use super::layout::VERSION;

/// What was found to be wrong. Nothing of it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A file's header is damaged; nothing in the file is used.
    Header {
        /// Which file.
        file: PathBuf,
    },
    /// A file's header is damaged, and its end told what it should be; all is used.
    HeaderRebuilt {
        /// Which file.
        file: PathBuf,
    },
    /// A file has a layout that this server does not know; nothing in it is used.
    Version {
        /// Which file.
        file: PathBuf,
        /// Its version.
        version: u16,
    },
    /// A file is encrypted under a key that is not there; nothing in it is used.
    Locked {
        /// Which file.
        file: PathBuf,
    },
    /// A file is shorter than it was made; what is left of it is used.
    Short {
        /// Which file.
        file: PathBuf,
        /// By how much.
        missing_bytes: u64,
    },
    /// A sealed segment's index is damaged; it was rebuilt from the data.
    Index {
        /// Which file.
        file: PathBuf,
    },
    /// Records are damaged: this part of the file is skipped.
    Record {
        /// Which file.
        file: PathBuf,
        /// Where it begins.
        offset: u64,
        /// How long it is; 0 if that cannot be told.
        len: u64,
    },
    /// A part of a file cannot be read.
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        error: String,
    },
}

impl Damage {
    /// Which file is damaged.
    #[must_use]
    pub fn file(&self) -> &Path {
        match self {
            Damage::Header { file }
            | Damage::HeaderRebuilt { file }
            | Damage::Version { file, .. }
            | Damage::Locked { file }
            | Damage::Short { file, .. }
            | Damage::Index { file }
            | Damage::Record { file, .. }
            | Damage::Unreadable { file, .. } => file,
        }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damage::Header { file } => {
                write!(f, "{}: the header is damaged; the file is not used", file.display())
            }
            Damage::HeaderRebuilt { file } => {
                write!(f, "{}: the header is damaged; the file's end replaces it", file.display())
            }
            Damage::Version { file, version } => write!(
                f,
                "{}: layout version {version}; this server knows {VERSION}",
                file.display()
            ),
            Damage::Locked { file } => {
                write!(f, "{}: encrypted under a key that is not there", file.display())
            }
            Damage::Short { file, missing_bytes } => {
                let file = file.display();
                write!(f, "{file}: the last {missing_bytes} bytes are missing; the rest is used")
            }
            Damage::Index { file } => {
                write!(f, "{}: the index is damaged; the data replaces it", file.display())
            }
            Damage::Record { file, offset, len: 0 } => {
                write!(f, "{}: a record at {offset} is damaged", file.display())
            }
            Damage::Record { file, offset, len } => {
                write!(f, "{}: {len} bytes at {offset} are damaged", file.display())
            }
            Damage::Unreadable { file, error } => {
                write!(f, "{}: cannot be read: {error}", file.display())
            }
        }
    }
}

/// What start-up found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segment files looked at.
    pub files: usize,
    /// What is wrong with them.
    pub damages: Vec<Damage>,
    /// Bytes behind the last whole batch, never acknowledged and cut.
    pub cut_bytes: u64,
    /// Messages found that are still there.
    pub messages: u64,
}

impl Report {
    /// Whether everything can be read that is encrypted.
    ///
    /// # Errors
    /// [`OpenError::Locked`], with the first file that cannot.
    pub fn locked(&self) -> Result<(), OpenError> {
        for damage in &self.damages {
            if let Damage::Locked { file } = damage {
                return Err(OpenError::Locked { path: file.clone() });
            }
        }
        Ok(())
    }
}

/// Why a log cannot be opened at all.
#[derive(Debug)]
pub enum OpenError {
    /// A segment is encrypted under a key that is not there.
    Locked {
        /// Its file.
        path: PathBuf,
    },
    /// The folder cannot be made or listed, or a segment cannot be sealed.
    System {
        /// What was tried on.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Locked { path } => write!(
                f,
                "{}: encrypted under a key that the store's key file does not have; bring that \
                 file back from a backup",
                path.display()
            ),
            OpenError::System { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}
