//! The disk of a test. Operations take effect when the test says so, in the order it chooses; at
//! a crash, what was not safe lands in part, in any order, torn at sectors, drawn from a seed.
//!
//! ```text
//! submit ──▶ under way ──complete──▶ done, seen by reads ──flush──▶ safe
//!              │ crash: each sector      │ crash: each sector
//!              ▼ lands or does not       ▼ stays or is what it was
//! ```
//! A file's name is safe when its folder was flushed. Room can be limited, and the disk can be
//! told to fail. All clones are the same disk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::disk::{Completion, Disk, DiskError, DiskToken, Done, Durability, FileEntry};
use crate::disk::{FileId, Files, Opening, Operation};

/// What a disk writes as one, bytes.
pub const SECTOR_BYTES: usize = 512;

/// A disk of a test.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    state: Rc<RefCell<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, StoredFile>,
    /// Removed files whose folder was not flushed since.
    removed: BTreeMap<PathBuf, StoredFile>,
    open: Vec<Option<PathBuf>>,
    under_way: Vec<(DiskToken, Operation)>,
    completed: Vec<Completion>,
    capacity: Option<u64>,
    failing: Option<i32>,
    /// How many more times [`Files::write_at`] works.
    writes_left: Option<u32>,
}

#[derive(Clone, Default)]
struct StoredFile {
    bytes: Vec<u8>,
    /// Sectors written and not flushed, with what is safe of them.
    unsafe_sectors: BTreeMap<usize, Vec<u8>>,
    is_name_safe: bool,
}

/// Numbers for a crash: what lands and what does not.
pub trait Chance {
    /// Whether the next thing happens.
    fn coin(&mut self) -> bool;
}

impl<F: FnMut() -> bool> Chance for F {
    fn coin(&mut self) -> bool {
        self()
    }
}

impl SimulatedDisk {
    /// Operations under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.state.borrow().under_way.len()
    }

    /// Completes the operation at this place of those under way, oldest first.
    pub fn complete(&self, place: usize) {
        let mut state = self.state.borrow_mut();
        let (token, operation) = state.under_way.remove(place);
        let result = state.perform(operation);
        state.completed.push(Completion { token, result });
    }

    /// Completes all that is under way, oldest first.
    pub fn complete_all(&self) {
        while self.under_way() > 0 {
            self.complete(0);
        }
    }

    /// Limits the bytes of all files together; `None` for no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.borrow_mut().capacity = bytes;
    }

    /// Lets every write and flush fail from now on (errno), or work again.
    pub fn set_failing(&self, errno: Option<i32>) {
        self.state.borrow_mut().failing = errno;
    }

    /// Lets [`Files::write_at`] work so many times; the one after is torn and fails, as all
    /// later ones. For crashes during recovery.
    pub fn set_writes_left(&self, writes: Option<u32>) {
        self.state.borrow_mut().writes_left = writes;
    }

    /// The disk as it may be found after the power went now. This one goes on.
    #[must_use]
    pub fn crash(&self, chance: &mut dyn Chance) -> SimulatedDisk {
        let state = self.state.borrow();
        let mut files = state.files.clone();
        for (path, file) in &state.removed {
            if chance.coin() {
                files.entry(path.clone()).or_insert_with(|| file.clone());
            }
        }
        for (_, operation) in &state.under_way {
            match operation {
                Operation::Write { file, offset, bytes, .. } => {
                    let path = state.path_of(*file);
                    if let Some(file) = files.get_mut(path) {
                        file.land(*offset as usize, bytes, chance);
                    }
                }
                Operation::Remove { path } if chance.coin() => {
                    files.remove(&**path);
                }
                _ => {}
            }
        }
        files.retain(|_, file| file.is_name_safe || chance.coin());
        for file in files.values_mut() {
            file.settle(chance);
        }
        let state = State { files, capacity: state.capacity, ..State::default() };
        SimulatedDisk { state: Rc::new(RefCell::new(state)) }
    }

    /// Changes the bytes of a file in place, as damage does.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn damage(&self, path: &Path, act: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.borrow_mut();
        act(&mut state.files.get_mut(path).expect("the file is there").bytes);
    }

    /// All files with their contents, to compare.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state.borrow();
        state.files.iter().map(|(path, file)| (path.clone(), file.bytes.clone())).collect()
    }
}

impl StoredFile {
    fn write(&mut self, offset: usize, bytes: &[u8], durability: Durability) {
        if self.bytes.len() < offset + bytes.len() {
            self.bytes.resize(offset + bytes.len(), 0);
        }
        let sectors = offset / SECTOR_BYTES..(offset + bytes.len()).div_ceil(SECTOR_BYTES);
        for sector in sectors {
            match durability {
                Durability::AtCompletion => {
                    self.unsafe_sectors.remove(&sector);
                }
                Durability::AtFlush => {
                    let start = sector * SECTOR_BYTES;
                    let end = (start + SECTOR_BYTES).min(self.bytes.len());
                    let safe = &self.bytes[start..end];
                    self.unsafe_sectors.entry(sector).or_insert_with(|| safe.to_vec());
                }
            }
        }
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// A write under way when the power went.
    fn land(&mut self, offset: usize, bytes: &[u8], chance: &mut dyn Chance) {
        // All, none, or any sectors: so that long writes land whole sometimes.
        let (any, all) = (chance.coin(), chance.coin());
        for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
            if if any { chance.coin() } else { all } {
                let start = offset + number * SECTOR_BYTES;
                if self.bytes.len() < start + sector.len() {
                    self.bytes.resize(start + sector.len(), 0);
                }
                self.bytes[start..start + sector.len()].copy_from_slice(sector);
                self.unsafe_sectors.remove(&(start / SECTOR_BYTES));
            }
        }
    }

    /// Everything that is left after a crash is safe.
    fn settle(&mut self, chance: &mut dyn Chance) {
        for (sector, safe) in std::mem::take(&mut self.unsafe_sectors) {
            if chance.coin() {
                let start = sector * SECTOR_BYTES;
                self.bytes[start..start + safe.len()].copy_from_slice(&safe);
            }
        }
        self.is_name_safe = true;
    }
}

impl State {
    fn path_of(&self, file: FileId) -> &Path {
        self.open[file.0 as usize].as_deref().expect("the file is open")
    }

    fn file(&mut self, file: FileId) -> &mut StoredFile {
        let path = self.open[file.0 as usize].clone().expect("the file is open");
        self.files.get_mut(&path).expect("an open file is there")
    }

    fn perform(&mut self, operation: Operation) -> Result<Done, DiskError> {
        if let Some(errno) = self.failing
            && !matches!(operation, Operation::Read { .. } | Operation::Close { .. })
        {
            return Err(DiskError::of(errno));
        }
        match operation {
            Operation::Open { path, opening } => self.perform_open(&path, opening),
            Operation::Write { file, offset, bytes, durability } => {
                let end = offset + bytes.len() as u64;
                let grows = end.saturating_sub(self.file(file).bytes.len() as u64);
                if self.capacity.is_some_and(|capacity| self.used() + grows > capacity) {
                    return Err(DiskError::Full);
                }
                self.file(file).write(offset as usize, &bytes, durability);
                Ok(Done::Done)
            }
            Operation::Allocate { file, bytes } => {
                let len = self.file(file).bytes.len() as u64;
                let grows = bytes.saturating_sub(len);
                if self.capacity.is_some_and(|capacity| self.used() + grows > capacity) {
                    return Err(DiskError::Full);
                }
                self.file(file).bytes.resize(bytes.max(len) as usize, 0);
                Ok(Done::Done)
            }
            Operation::Read { file, offset, mut into } => {
                let all = &self.file(file).bytes;
                let from = (offset as usize).min(all.len());
                let len = into.room().min(all.len() - from);
                into.append(&all[from..from + len]);
                Ok(Done::Read(into))
            }
            Operation::Flush { file } => {
                self.file(file).unsafe_sectors.clear();
                Ok(Done::Done)
            }
            Operation::FlushFolder { path } => {
                let inside = |file: &PathBuf| file.parent() == Some(&path);
                for (_, file) in self.files.iter_mut().filter(|(name, _)| inside(name)) {
                    file.is_name_safe = true;
                }
                self.removed.retain(|name, _| !inside(name));
                Ok(Done::Done)
            }
            Operation::Rename { from, to } => {
                let file = self.files.remove(&*from).ok_or(DiskError::Name)?;
                // Until the folder is flushed a crash may find it under either name.
                self.removed.insert(from.to_path_buf(), file.clone());
                self.files.insert(to.to_path_buf(), StoredFile { is_name_safe: false, ..file });
                for open in self.open.iter_mut().flatten().filter(|open| **open == *from) {
                    *open = to.to_path_buf();
                }
                Ok(Done::Done)
            }
            Operation::Close { file } => {
                self.open[file.0 as usize] = None;
                Ok(Done::Done)
            }
            Operation::Remove { path } => match self.files.remove(&*path) {
                Some(file) => {
                    self.removed.insert(path.to_path_buf(), file);
                    Ok(Done::Done)
                }
                None => Err(DiskError::Name),
            },
        }
    }

    fn perform_open(&mut self, path: &Path, opening: Opening) -> Result<Done, DiskError> {
        if self.files.contains_key(path) != (opening == Opening::Existing) {
            return Err(DiskError::Name);
        }
        self.files.entry(path.to_path_buf()).or_default();
        let place = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        if place == self.open.len() {
            self.open.push(None);
        }
        self.open[place] = Some(path.to_path_buf());
        Ok(Done::Opened(FileId(place as u32)))
    }

    fn used(&self) -> u64 {
        self.files.values().map(|file| file.bytes.len() as u64).sum()
    }
}

impl Disk for SimulatedDisk {
    fn submit(&mut self, token: DiskToken, operation: Operation) {
        self.state.borrow_mut().under_way.push((token, operation));
    }

    fn take_completed(&mut self, into: &mut Vec<Completion>) {
        into.append(&mut self.state.borrow_mut().completed);
    }
}

impl Files for SimulatedDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        let state = self.state.borrow();
        let inside = state.files.iter().filter(|(path, _)| path.parent() == Some(folder));
        let entry = |(path, file): (&PathBuf, &StoredFile)| FileEntry {
            path: path.clone(),
            len: file.bytes.len() as u64,
        };
        Ok(inside.map(entry).collect())
    }

    fn read_at(&self, path: &Path, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let state = self.state.borrow();
        let file = state.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        let from = (offset as usize).min(file.bytes.len());
        let len = into.len().min(file.bytes.len() - from);
        into[..len].copy_from_slice(&file.bytes[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        if let Some(errno) = state.failing {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let is_last = match &mut state.writes_left {
            Some(0) => return Err(io::Error::from_raw_os_error(libc::EIO)),
            Some(left) => {
                *left -= 1;
                *left == 0
            }
            None => false,
        };
        let file = state.files.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        if is_last {
            // The power goes in the middle of it.
            let half = bytes.len() / 2 / SECTOR_BYTES * SECTOR_BYTES;
            file.write(offset as usize, &bytes[..half], Durability::AtCompletion);
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        file.write(offset as usize, bytes, Durability::AtCompletion);
        Ok(())
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        if let Some(errno) = state.failing {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let file = StoredFile { bytes: bytes.to_vec(), is_name_safe: true, ..Default::default() };
        state.files.insert(path.to_path_buf(), file);
        Ok(())
    }

    fn make_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn block_bytes(&self, _folder: &Path) -> usize {
        SECTOR_BYTES
    }
}

#[cfg(test)]
mod tests;
