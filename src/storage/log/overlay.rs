//! Files that are only looked at: what recovery would write is kept in memory, over what is there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use runtime::Files;
use runtime::disk::FileEntry;

/// What was written to one file: where to, and what, in order.
type Writes = Vec<(u64, Vec<u8>)>;

/// Files as they would be.
pub struct Overlay<'a> {
    beneath: &'a dyn Files,
    written: RefCell<BTreeMap<PathBuf, Writes>>,
}

impl<'a> Overlay<'a> {
    /// Nothing is written yet.
    pub fn over(beneath: &'a dyn Files) -> Overlay<'a> {
        Overlay { beneath, written: RefCell::default() }
    }
}

impl Files for Overlay<'_> {
    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        self.beneath.list(folder)
    }

    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let read = self.beneath.read_at(path, offset, into)?;
        let end = offset + read as u64;
        for (at, bytes) in self.written.borrow().get(path).into_iter().flatten() {
            let (from, upto) = (offset.max(*at), end.min(at + bytes.len() as u64));
            if from < upto {
                let piece = &bytes[(from - at) as usize..(upto - at) as usize];
                into[(from - offset) as usize..][..piece.len()].copy_from_slice(piece);
            }
        }
        Ok(read)
    }

    /// Recovery writes within files that are there, never beyond their ends.
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut written = self.written.borrow_mut();
        written.entry(path.to_path_buf()).or_default().push((offset, bytes.to_vec()));
        Ok(())
    }

    /// Nothing of what recovery writes is a file of its own.
    fn replace(&self, _path: &Path, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn make_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn block_bytes(&self, folder: &Path) -> usize {
        self.beneath.block_bytes(folder)
    }
}
