//! What the disk below the store folders can do alone: one small durable write at a time, and
//! reading from end to end. Goals of JetStream are shares of these.
//!
//! Past the kernel's cache (`O_DIRECT`), on a file that was written once before: a growing file
//! would measure the file system.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::fs::OFlags;

use crate::error::BenchError;
use crate::interrupt;
use crate::measure::latency_histogram;
use crate::program::Scratch;

/// Length of the file.
const FILE_BYTES: usize = 256 * 1024 * 1024;
/// One read, and one write of the preparation.
const BLOCK_BYTES: usize = 1024 * 1024;
/// One durable write: a page, as a lone publish needs.
const WRITE_BYTES: usize = 4096;
/// `O_DIRECT` wants memory and offsets aligned to this at most.
const ALIGNMENT: usize = 4096;

/// What a disk can do.
#[derive(Debug)]
pub struct DiskLimits {
    /// Times of durable writes of 4 KiB, one after the other, nanoseconds.
    pub writes: Histogram<u64>,
    /// Bytes a second read from end to end in pieces of 1 MiB.
    pub read_bytes_per_s: f64,
}

impl DiskLimits {
    /// Measures both, each for `time`.
    ///
    /// # Errors
    /// What the file system said.
    pub fn measure(time: Duration) -> Result<DiskLimits, BenchError> {
        let scratch = Scratch::new()?;
        let path = scratch.path("disk");
        let open = |flags: OFlags| {
            let flags = (OFlags::DIRECT | flags).bits().cast_signed();
            OpenOptions::new().read(true).write(true).create(true).custom_flags(flags).open(&path)
        };
        let (mut memory, start) = aligned();
        let block = &mut memory[start..start + BLOCK_BYTES];
        let file = open(OFlags::empty())?;
        for at in (0..FILE_BYTES).step_by(BLOCK_BYTES) {
            interrupt::check()?;
            file.write_all_at(block, at as u64)?;
        }
        file.sync_all()?;
        let writes = writes(&open(OFlags::DSYNC)?, &block[..WRITE_BYTES], time)?;
        Ok(DiskLimits { writes, read_bytes_per_s: reads(&file, block, time)? })
    }
}

/// Memory with an aligned block in it, and where the block begins.
fn aligned() -> (Vec<u8>, usize) {
    let memory = vec![b'x'; BLOCK_BYTES + ALIGNMENT];
    let start = memory.as_ptr().align_offset(ALIGNMENT);
    (memory, start)
}

fn writes(file: &File, page: &[u8], time: Duration) -> Result<Histogram<u64>, BenchError> {
    let begun = Instant::now();
    let mut times = latency_histogram();
    let mut at = 0;
    while begun.elapsed() < time {
        interrupt::check()?;
        let before = Instant::now();
        file.write_all_at(page, at as u64)?;
        times.saturating_record(before.elapsed().as_nanos() as u64);
        at = (at + WRITE_BYTES) % FILE_BYTES;
    }
    Ok(times)
}

fn reads(file: &File, block: &mut [u8], time: Duration) -> Result<f64, BenchError> {
    let begun = Instant::now();
    let mut bytes = 0;
    while begun.elapsed() < time {
        interrupt::check()?;
        file.read_exact_at(block, (bytes % FILE_BYTES) as u64)?;
        bytes += block.len();
    }
    Ok(bytes as f64 / begun.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aligned_block_lies_within_its_memory() {
        let (memory, start) = aligned();
        assert_eq!(memory[start..].as_ptr() as usize % ALIGNMENT, 0);
        assert!(start + BLOCK_BYTES <= memory.len());
    }
}
