//! What is safe stays, what is not may go, and nothing else appears.

use buffer::{BLOCK_ALIGN, Block, BlockSlice};

use super::*;

fn slice(byte: u8) -> BlockSlice {
    let mut block = Block::new(BLOCK_ALIGN);
    block.claim(2 * SECTOR_BYTES).fill(byte);
    block.freeze()
}

fn write(byte: u8, durability: Durability) -> Operation {
    Operation::Write { file: FileId(0), offset: 0, bytes: slice(byte), durability }
}

fn run(disk: &mut SimulatedDisk, operation: Operation) -> Result<Done, DiskError> {
    disk.submit(DiskToken(7), operation);
    disk.complete_all();
    let mut completed = Vec::new();
    disk.take_completed(&mut completed);
    let completion = completed.pop().expect("it was completed");
    assert_eq!(completion.token, DiskToken(7));
    completion.result
}

fn disk_with_file() -> SimulatedDisk {
    let mut disk = SimulatedDisk::default();
    let open = Operation::Open { path: Path::new("d/f").into(), opening: Opening::New };
    run(&mut disk, open).unwrap();
    disk
}

fn first_bytes(disk: &SimulatedDisk) -> Option<Vec<u8>> {
    let mut bytes = [0; 2 * SECTOR_BYTES];
    let len = disk.read_at(Path::new("d/f"), 0, &mut bytes).ok()?;
    Some(bytes[..len].iter().copied().step_by(SECTOR_BYTES).collect())
}

#[test]
fn a_name_is_safe_when_its_folder_was_flushed() {
    let mut disk = disk_with_file();
    assert_eq!(first_bytes(&disk.crash(&mut || false)), None);
    run(&mut disk, Operation::FlushFolder { path: Path::new("d").into() }).unwrap();
    assert_eq!(first_bytes(&disk.crash(&mut || false)), Some(vec![]));
    run(&mut disk, Operation::Close { file: FileId(0) }).unwrap();
    run(&mut disk, Operation::Remove { path: Path::new("d/f").into() }).unwrap();
    assert_eq!(first_bytes(&disk), None);
    assert_eq!(first_bytes(&disk.crash(&mut || true)), Some(vec![]), "it came back");
    run(&mut disk, Operation::FlushFolder { path: Path::new("d").into() }).unwrap();
    assert_eq!(first_bytes(&disk.crash(&mut || true)), None);
}

#[test]
fn what_was_flushed_stays_and_what_was_not_may_be_torn() {
    let mut disk = disk_with_file();
    run(&mut disk, Operation::FlushFolder { path: Path::new("d").into() }).unwrap();
    run(&mut disk, write(1, Durability::AtCompletion)).unwrap();
    for coin in [false, true] {
        assert_eq!(first_bytes(&disk.crash(&mut || coin)), Some(vec![1, 1]));
    }
    run(&mut disk, write(2, Durability::AtFlush)).unwrap();
    let mut turn = false;
    let mut alternating = || !std::mem::replace(&mut turn, true);
    assert_eq!(first_bytes(&disk.crash(&mut alternating)), Some(vec![1, 2]), "torn");
    run(&mut disk, Operation::Flush { file: FileId(0) }).unwrap();
    assert_eq!(first_bytes(&disk.crash(&mut || true)), Some(vec![2, 2]));
    disk.submit(DiskToken(0), write(3, Durability::AtCompletion));
    assert_eq!(first_bytes(&disk.crash(&mut || false)), Some(vec![2, 2]), "under way");
    assert_eq!(first_bytes(&disk.crash(&mut || true)), Some(vec![3, 3]));
}

#[test]
fn failures_come_back_and_change_nothing() {
    let mut disk = disk_with_file();
    disk.set_capacity(Some(SECTOR_BYTES as u64));
    let result = run(&mut disk, write(1, Durability::AtCompletion));
    assert_eq!(result.unwrap_err(), DiskError::Full);
    disk.set_capacity(None);
    disk.set_failing(Some(libc::EIO));
    let result = run(&mut disk, Operation::Flush { file: FileId(0) });
    assert_eq!(result.unwrap_err(), DiskError::Failed(libc::EIO));
    disk.set_failing(None);
    assert_eq!(first_bytes(&disk), Some(vec![]));
}
