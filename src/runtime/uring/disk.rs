//! The disk of a core over the same ring as its sockets, so that it sleeps in one place.
//!
//! Each operation stands in a numbered place until its completion; what the kernel reads or fills
//! (paths, blocks) is held there. A transfer that the kernel cuts short is submitted again for the
//! rest, unless the file ended.

use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use io_uring::opcode;
use io_uring::squeue::Entry;
use io_uring::types::{Fd, FsyncFlags};

use super::{About, Uring};
use crate::disk::{Completion, Disk, DiskError, DiskToken, Done, Durability, FileId};
use crate::disk::{Opening, Operation};
use crate::network::Event;
use crate::socket_calls::close_descriptor;

/// What is open, what is under way and what has completed.
pub struct DiskState {
    files: Vec<Option<RawFd>>,
    under_way: Vec<Option<UnderWay>>,
    free: Vec<u32>,
    /// How many of those under way the kernel has, and how many it may have.
    submitted: usize,
    submitted_max: usize,
    /// Places of the others, in order.
    waiting: VecDeque<u32>,
    completed: Vec<Completion>,
}

struct UnderWay {
    token: DiskToken,
    operation: Operation,
    /// Bytes transferred by earlier tries.
    moved: usize,
    /// Read by the kernel when an operation names a file.
    path: Option<CString>,
    /// The other name of a rename.
    second_path: Option<CString>,
    /// Whether a file that cannot be opened for direct I/O was tried without.
    buffered: bool,
    /// The folder being flushed.
    folder: Option<RawFd>,
}

impl DiskState {
    /// Nothing yet; the kernel may have so many operations at a time.
    pub fn new(submitted_max: usize) -> DiskState {
        DiskState {
            files: Vec::new(),
            under_way: Vec::new(),
            free: Vec::new(),
            submitted: 0,
            submitted_max: submitted_max.max(1),
            waiting: VecDeque::new(),
            completed: Vec::new(),
        }
    }

    /// Takes the next operation that the kernel may have.
    fn next_submission(&mut self) -> Option<Entry> {
        if self.submitted == self.submitted_max {
            return None;
        }
        let place = self.waiting.pop_front()?;
        self.submitted += 1;
        Some(self.entry(place))
    }

    fn descriptor(&self, file: FileId) -> Fd {
        Fd(self.files[file.0 as usize].expect("the file is open"))
    }

    fn add_file(&mut self, fd: RawFd) -> FileId {
        let place = self.files.iter().position(Option::is_none).unwrap_or(self.files.len());
        if place == self.files.len() {
            self.files.push(None);
        }
        self.files[place] = Some(fd);
        FileId(place as u32)
    }

    /// The submission for what is under way at `place`.
    fn entry(&mut self, place: u32) -> Entry {
        let mut under_way = self.under_way[place as usize].take().expect("it is under way");
        let moved = under_way.moved;
        let entry = match &mut under_way.operation {
            Operation::Open { opening, .. } => {
                let path = under_way.path.as_ref().expect("an open names a file");
                let mut flags = libc::O_RDWR | libc::O_CLOEXEC;
                if *opening == Opening::New {
                    flags |= libc::O_CREAT | libc::O_EXCL;
                }
                if !under_way.buffered {
                    flags |= libc::O_DIRECT;
                }
                opcode::OpenAt::new(Fd(libc::AT_FDCWD), path.as_ptr())
                    .flags(flags)
                    .mode(0o640)
                    .build()
            }
            Operation::Write { file, offset, bytes, durability } => {
                let rest = &bytes[moved..];
                let flags = match durability {
                    Durability::AtCompletion => libc::RWF_DSYNC,
                    Durability::AtFlush => 0,
                };
                opcode::Write::new(self.descriptor(*file), rest.as_ptr(), rest.len() as u32)
                    .offset(*offset + moved as u64)
                    .rw_flags(flags)
                    .build()
            }
            Operation::Read { file, offset, into } => {
                let (start, room) = into.spare();
                opcode::Read::new(self.descriptor(*file), start, room as u32)
                    .offset(*offset + moved as u64)
                    .build()
            }
            Operation::Allocate { file, bytes } => {
                opcode::Fallocate::new(self.descriptor(*file), *bytes).build()
            }
            Operation::Flush { file } => {
                let fd = self.descriptor(*file);
                opcode::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build()
            }
            Operation::FlushFolder { .. } => {
                opcode::Fsync::new(Fd(under_way.folder.expect("it was opened"))).build()
            }
            Operation::Close { file } => {
                let fd = self.descriptor(*file);
                self.files[file.0 as usize] = None;
                opcode::Close::new(fd).build()
            }
            Operation::Rename { .. } => {
                let from = under_way.path.as_ref().expect("a rename names a file");
                let to = under_way.second_path.as_ref().expect("a rename names it twice");
                let here = Fd(libc::AT_FDCWD);
                opcode::RenameAt::new(here, from.as_ptr(), here, to.as_ptr()).build()
            }
            Operation::Remove { .. } => {
                let path = under_way.path.as_ref().expect("a remove names a file");
                opcode::UnlinkAt::new(Fd(libc::AT_FDCWD), path.as_ptr()).build()
            }
        };
        self.under_way[place as usize] = Some(under_way);
        entry.user_data(About::Disk.with(place))
    }

    fn finish(&mut self, place: u32, result: Result<(), DiskError>, opened: Option<RawFd>) {
        let under_way = self.under_way[place as usize].take().expect("it is under way");
        self.free.push(place);
        if let Some(folder) = under_way.folder {
            close_descriptor(folder);
        }
        let result = result.map(|()| match (under_way.operation, opened) {
            (Operation::Open { .. }, Some(fd)) => Done::Opened(self.add_file(fd)),
            (Operation::Read { into, .. }, _) => Done::Read(into),
            _ => Done::Done,
        });
        self.completed.push(Completion { token: under_way.token, result });
    }

    /// Takes in a completion; whether the operation must be submitted again.
    fn advance(&mut self, place: u32, result: i32) -> bool {
        let under_way = self.under_way[place as usize].as_mut().expect("it is under way");
        if result < 0 {
            let errno = -result;
            if [libc::EINTR, libc::EAGAIN].contains(&errno) {
                return true;
            }
            // A file system without direct I/O (tmpfs) works too, only slower.
            let is_open = matches!(under_way.operation, Operation::Open { .. });
            if is_open && errno == libc::EINVAL && !under_way.buffered {
                under_way.buffered = true;
                return true;
            }
            self.finish(place, Err(DiskError::of(errno)), None);
            return false;
        }
        let bytes = result as usize;
        match &mut under_way.operation {
            Operation::Open { .. } => self.finish(place, Ok(()), Some(result)),
            Operation::Write { bytes: all, .. } => {
                under_way.moved += bytes;
                if under_way.moved < all.len() {
                    if bytes > 0 {
                        return true;
                    }
                    self.finish(place, Err(DiskError::Full), None);
                } else {
                    self.finish(place, Ok(()), None);
                }
            }
            Operation::Read { into, .. } => {
                into.filled(bytes);
                under_way.moved += bytes;
                // A piece of a block is the file's end.
                let ended = bytes == 0 || !bytes.is_multiple_of(512);
                if into.room() > 0 && !ended {
                    return true;
                }
                self.finish(place, Ok(()), None);
            }
            _ => self.finish(place, Ok(()), None),
        }
        false
    }
}

impl Drop for DiskState {
    fn drop(&mut self) {
        for fd in self.files.iter().flatten() {
            close_descriptor(*fd);
        }
    }
}

impl Uring {
    pub(super) fn disk_completed(&mut self, place: u32, result: i32, events: &mut Vec<Event>) {
        if self.disk.advance(place, result) {
            let entry = self.disk.entry(place);
            self.push(entry);
        } else {
            self.disk.submitted -= 1;
            self.submit_to_disk();
            events.push(Event::Disk);
        }
    }

    fn submit_to_disk(&mut self) {
        while let Some(entry) = self.disk.next_submission() {
            self.push(entry);
        }
    }

    /// Waits until nothing is under way any more, and so no block of ours is the kernel's.
    pub(super) fn finish_disk(&mut self) {
        let mut events = Vec::new();
        while self.disk.under_way.iter().any(Option::is_some) {
            if self.ring.submit_and_wait(1).is_err_and(|error| !super::is_transient(&error)) {
                return;
            }
            while let Some(completion) = self.next_completion() {
                if let (About::Disk, place) = About::of(completion.user_data()) {
                    self.disk_completed(place, completion.result(), &mut events);
                }
            }
        }
    }
}

impl Disk for Uring {
    fn submit(&mut self, token: DiskToken, operation: Operation) {
        let mut under_way = UnderWay {
            token,
            operation,
            moved: 0,
            path: None,
            second_path: None,
            buffered: false,
            folder: None,
        };
        let mut refused = None;
        match &under_way.operation {
            Operation::Open { path, .. } | Operation::Remove { path } => match c_string(path) {
                Some(text) => under_way.path = Some(text),
                None => refused = Some(libc::ENOENT),
            },
            Operation::Rename { from, to } => match (c_string(from), c_string(to)) {
                (Some(from), Some(to)) => {
                    (under_way.path, under_way.second_path) = (Some(from), Some(to));
                }
                _ => refused = Some(libc::ENOENT),
            },
            Operation::FlushFolder { path } => match open_folder(path) {
                Ok(fd) => under_way.folder = Some(fd),
                Err(errno) => refused = Some(errno),
            },
            _ => {}
        }
        let disk = &mut self.disk;
        let place = disk.free.pop().unwrap_or(disk.under_way.len() as u32);
        if place as usize == disk.under_way.len() {
            disk.under_way.push(None);
        }
        disk.under_way[place as usize] = Some(under_way);
        match refused {
            Some(errno) => {
                disk.finish(place, Err(DiskError::of(errno)), None);
                self.ready.push(Event::Disk);
            }
            None => {
                disk.waiting.push_back(place);
                self.submit_to_disk();
            }
        }
    }

    fn take_completed(&mut self, into: &mut Vec<Completion>) {
        into.append(&mut self.disk.completed);
    }
}

fn c_string(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

fn open_folder(path: &Path) -> Result<RawFd, i32> {
    let path = c_string(path).ok_or(libc::ENOENT)?;
    // SAFETY: a plain system call with a live C string.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_DIRECTORY | libc::O_CLOEXEC) };
    if fd >= 0 { Ok(fd) } else { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) }
}

#[cfg(test)]
mod tests;
