//! [`Files`] of the machine: plain system calls that wait.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::disk::{FileEntry, Files};

/// What direct I/O can do on any disk that we know of, where the kernel does not say.
const BLOCK_BYTES_DEFAULT: usize = 4096;
/// No disk addresses less.
const BLOCK_BYTES_MIN: usize = 512;

/// The machine's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_file() {
                files.push(FileEntry { path: entry.path(), len: about.len() });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = File::open(path)?;
        let mut filled = 0;
        while filled < into.len() {
            match file.read_at(&mut into[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(bytes, offset)?;
        file.sync_all()
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let unfinished = path.with_extension("unfinished");
        let mut options = OpenOptions::new();
        // Whose bytes must be replaced whole may hold secrets: for the owner only.
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        // The names of all folders above are safe too, whoever made them.
        for folder in folder.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
            if folder.parent().is_none_or(|above| above.join(".") == Path::new("/.")) {
                break;
            }
        }
        Ok(())
    }

    fn block_bytes(&self, folder: &Path) -> usize {
        let asked = direct_io_alignment(folder).unwrap_or(BLOCK_BYTES_DEFAULT);
        asked.clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_DEFAULT)
    }
}

/// Takes a storage folder for this process alone, for as long as the file lives.
///
/// # Errors
/// What the system says, or that another server has it.
pub fn lock_folder(folder: &Path) -> io::Result<File> {
    let lock = File::create(folder.join("lock"))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::other("another server uses this folder"),
        TryLockError::Error(error) => error,
    })?;
    Ok(lock)
}

/// What the kernel says of files in `folder`: asked of a file of no name.
fn direct_io_alignment(folder: &Path) -> Option<usize> {
    use std::os::fd::AsRawFd as _;

    let folder = Path::new(std::ffi::OsStr::from_bytes(folder.as_os_str().as_bytes()));
    let file = OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).open(folder).ok()?;
    // SAFETY: all-zero is a valid `statx`; the call fills a live struct of the right type and
    // reads an empty C string.
    let about = unsafe {
        let mut about: libc::statx = std::mem::zeroed();
        let (empty, mask) = (c"".as_ptr(), libc::STATX_DIOALIGN);
        match libc::statx(file.as_raw_fd(), empty, libc::AT_EMPTY_PATH, mask, &raw mut about) {
            0 => about,
            _ => return None,
        }
    };
    let known = about.stx_mask & libc::STATX_DIOALIGN != 0 && about.stx_dio_offset_align > 0;
    known.then_some(about.stx_dio_offset_align as usize)
}
