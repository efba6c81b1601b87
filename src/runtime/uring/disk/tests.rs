//! A real file over a real ring, in a folder of its own that goes with the test.

use std::path::PathBuf;
use std::rc::Rc;

use buffer::{BLOCK_ALIGN, Block};

use super::*;
use crate::Files as _;
use crate::network::{Network as _, Wait};
use crate::system_files::SystemFiles;
use crate::uring::UringOptions;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn folder(name: &str) -> Folder {
    let path = std::env::temp_dir().join(format!("corewire-disk-{name}-{}", std::process::id()));
    SystemFiles.make_folder(&path).unwrap();
    Folder(path)
}

fn ring() -> Uring {
    ring_with(64)
}

fn ring_with(disk_operations_max: usize) -> Uring {
    let options = UringOptions { read_chunk_bytes: 4096, read_chunks: 8, disk_operations_max };
    Uring::new(options, Vec::new()).unwrap()
}

fn run(net: &mut Uring, operation: Operation) -> Result<Done, DiskError> {
    net.submit(DiskToken(9), operation);
    let (mut events, mut completed) = (Vec::new(), Vec::new());
    while completed.is_empty() {
        net.turn(Wait::Forever, &mut events);
        net.take_completed(&mut completed);
    }
    let completion: Completion = completed.pop().unwrap();
    assert!(matches!(events.last(), Some(Event::Disk)));
    assert_eq!(completion.token, DiskToken(9));
    completion.result
}

/// A new file `a.seg`.
fn new_file(net: &mut Uring, folder: &Folder) -> (Rc<Path>, FileId) {
    let path: Rc<Path> = folder.0.join("a.seg").into();
    let open = Operation::Open { path: Rc::clone(&path), opening: Opening::New };
    let Ok(Done::Opened(file)) = run(net, open) else { panic!("not opened") };
    (path, file)
}

/// Writes the block of that number, each byte `fill`; its token is the number.
fn submit_block(net: &mut Uring, file: FileId, number: u64, fill: u8) {
    let mut block = Block::new(BLOCK_ALIGN);
    block.claim(BLOCK_ALIGN).fill(fill);
    let (bytes, durability) = (block.freeze(), Durability::AtCompletion);
    let offset = number * BLOCK_ALIGN as u64;
    net.submit(DiskToken(number), Operation::Write { file, offset, bytes, durability });
}

#[test]
fn a_file_is_made_written_read_and_removed() {
    let folder = folder("life");
    let mut net = ring();
    let path: Rc<Path> = folder.0.join("a.seg").into();
    let open = |opening| Operation::Open { path: Rc::clone(&path), opening };
    assert_eq!(run(&mut net, open(Opening::Existing)).unwrap_err(), DiskError::Name);
    let Ok(Done::Opened(file)) = run(&mut net, open(Opening::New)) else { panic!("not opened") };
    assert_eq!(run(&mut net, open(Opening::New)).unwrap_err(), DiskError::Name);
    let mut block = Block::new(2 * BLOCK_ALIGN);
    block.claim(2 * BLOCK_ALIGN).fill(7);
    let bytes = block.freeze();
    let durability = Durability::AtCompletion;
    run(&mut net, Operation::Write { file, offset: 0, bytes, durability }).unwrap();
    run(&mut net, Operation::Flush { file }).unwrap();
    run(&mut net, Operation::FlushFolder { path: folder.0.as_path().into() }).unwrap();
    let into = Block::new(4 * BLOCK_ALIGN);
    let read = Operation::Read { file, offset: BLOCK_ALIGN as u64, into };
    let Ok(Done::Read(found)) = run(&mut net, read) else { panic!("not read") };
    assert_eq!(found.bytes(), [7; BLOCK_ALIGN], "up to the end of the file");
    let entry = SystemFiles.list(&folder.0).unwrap().pop().unwrap();
    assert_eq!((&*entry.path, entry.len), (&*path, 2 * BLOCK_ALIGN as u64));
    let to: Rc<Path> = folder.0.join("b.seg").into();
    let (from, to) = (path, to);
    run(&mut net, Operation::Rename { from, to: Rc::clone(&to) }).unwrap();
    run(&mut net, Operation::Close { file }).unwrap();
    run(&mut net, Operation::Remove { path: to }).unwrap();
    assert!(SystemFiles.list(&folder.0).unwrap().is_empty());
}

#[test]
fn the_kernel_has_no_more_operations_than_it_may() {
    let folder = folder("bound");
    let mut net = ring_with(2);
    let (path, file) = new_file(&mut net, &folder);
    for number in 0..5 {
        submit_block(&mut net, file, number.into(), number);
    }
    assert_eq!((net.disk.submitted, net.disk.waiting.len()), (2, 3));
    let (mut events, mut completed) = (Vec::new(), Vec::new());
    while completed.len() < 5 {
        net.turn(Wait::Forever, &mut events);
        net.take_completed(&mut completed);
        assert!(net.disk.submitted <= 2);
    }
    assert!(completed.iter().all(|completion| completion.result.is_ok()));
    assert_eq!((net.disk.submitted, net.disk.waiting.len()), (0, 0));
    let mut found = vec![0; 5 * BLOCK_ALIGN];
    assert_eq!(SystemFiles.read_at(&path, 0, &mut found).unwrap(), found.len());
    for (number, block) in found.chunks(BLOCK_ALIGN).enumerate() {
        assert_eq!(block, [number as u8; BLOCK_ALIGN]);
    }
}

#[test]
fn a_ring_that_goes_waits_for_its_disk() {
    let folder = folder("end");
    let mut net = ring_with(1);
    let (path, file) = new_file(&mut net, &folder);
    for number in [0, 1] {
        submit_block(&mut net, file, number, 3);
    }
    drop(net);
    let mut found = [0; 3 * BLOCK_ALIGN];
    assert_eq!(SystemFiles.read_at(&path, 0, &mut found).unwrap(), 2 * BLOCK_ALIGN);
    assert_eq!(found[..2 * BLOCK_ALIGN], [3; 2 * BLOCK_ALIGN], "the one that waited too");
}

#[test]
fn direct_io_has_a_block_that_memory_can_have() {
    let folder = folder("block");
    let bytes = SystemFiles.block_bytes(&folder.0);
    assert!(bytes.is_power_of_two() && (512..=BLOCK_ALIGN).contains(&bytes), "{bytes}");
}
