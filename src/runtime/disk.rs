//! The disk as a core sees it: operations go in and never wait, completions come out in the
//! core's turn. Start-up and tools, which have nothing else to do, use [`Files`] and wait.
//!
//! Operations under way may complete in any order and take effect in any order; only what has
//! completed orders them. A write that was neither synchronous nor flushed may be lost with the
//! power, in part or whole.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use buffer::{Block, BlockSlice};

/// An open file, as one disk numbers it. Used again after the file is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// What an operation was for: chosen by who submits it, given back with its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskToken(pub u64);

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is there, and is read and written.
    Existing,
    /// It is made; that it is there already is an error.
    New,
}

/// When a write is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once it has completed (`RWF_DSYNC`).
    AtCompletion,
    /// Once a later [`Operation::Flush`] of its file has completed.
    AtFlush,
}

/// One thing to do. Offsets, lengths and the memory of reads and writes are multiples of the
/// file's block ([`Files::block_bytes`]).
#[derive(Debug)]
pub enum Operation {
    /// Opens a file for direct I/O. Gives [`Done::Opened`].
    Open {
        /// Which.
        path: Rc<Path>,
        /// What for.
        opening: Opening,
    },
    /// Writes bytes.
    Write {
        /// Where to.
        file: FileId,
        /// Bytes from the file's start.
        offset: u64,
        /// What.
        bytes: BlockSlice,
        /// When it shall be safe.
        durability: Durability,
    },
    /// Reads behind what `into` holds, until it is full or the file ends. Gives [`Done::Read`].
    Read {
        /// Where from.
        file: FileId,
        /// Bytes from the file's start.
        offset: u64,
        /// Where to.
        into: Block,
    },
    /// Takes space for a file of so many bytes and makes it that long. What it holds is zero.
    Allocate {
        /// Which.
        file: FileId,
        /// Its length.
        bytes: u64,
    },
    /// Makes all completed writes to a file safe.
    Flush {
        /// Which.
        file: FileId,
    },
    /// Gives a file another name in its folder; it stays open where it is.
    Rename {
        /// Its name so far.
        from: Rc<Path>,
        /// Its name from now on.
        to: Rc<Path>,
    },
    /// Makes it safe that files were made, renamed or removed in a folder.
    FlushFolder {
        /// Which.
        path: Rc<Path>,
    },
    /// Closes a file that has nothing under way.
    Close {
        /// Which.
        file: FileId,
    },
    /// Removes a file that nobody has open.
    Remove {
        /// Which.
        path: Rc<Path>,
    },
}

/// What came of an operation.
#[derive(Debug)]
pub enum Done {
    /// The file is open under this number.
    Opened(FileId),
    /// The bytes read; fewer than asked for where the file ended.
    Read(Block),
    /// It is done.
    Done,
}

/// Why an operation failed, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// No space is left; it may come back.
    Full,
    /// The file to be made is there already, or the file to be opened is not.
    Name,
    /// The disk failed (errno): what was under way may be there or not.
    Failed(i32),
}

impl DiskError {
    /// What an errno means.
    #[must_use]
    pub fn of(errno: i32) -> DiskError {
        match errno {
            libc::ENOSPC | libc::EDQUOT => DiskError::Full,
            libc::ENOENT | libc::EEXIST => DiskError::Name,
            errno => DiskError::Failed(errno),
        }
    }
}

impl std::fmt::Display for DiskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DiskError::Full => f.write_str("no space left on device"),
            DiskError::Name => f.write_str("the file is there already, or is not there"),
            DiskError::Failed(errno) => io::Error::from_raw_os_error(*errno).fmt(f),
        }
    }
}

impl std::error::Error for DiskError {}

/// An operation has completed.
#[derive(Debug)]
pub struct Completion {
    /// What it was for.
    pub token: DiskToken,
    /// What came of it.
    pub result: Result<Done, DiskError>,
}

/// The disk of one core.
pub trait Disk {
    /// Starts an operation. Its completion comes with `token`; submitting never fails.
    fn submit(&mut self, token: DiskToken, operation: Operation);

    /// Appends what has completed since the last call.
    fn take_completed(&mut self, into: &mut Vec<Completion>);
}

/// The same files for who may wait: start-up before the core turns, and tools.
pub trait Files {
    /// The names and lengths of a folder's files, by name; nothing if there is no such folder.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>>;

    /// Reads from `offset` on until `into` is full or the file ends; how many bytes.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes, and makes it safe before it comes back. The file is there already.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Puts a file with these bytes where one of that name may be: whole or not at all, and safe
    /// before it comes back.
    ///
    /// # Errors
    /// What the system says; what was there is there still.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Makes a folder, with those above it, safe before it comes back.
    ///
    /// # Errors
    /// What the system says.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// The smallest piece of a file in `folder` that direct I/O reads or writes, bytes.
    fn block_bytes(&self, folder: &Path) -> usize;
}

/// A file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// The folder's path and the file's name.
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
}
