//! What a segment file says of itself, before it is part of a log: header, footer, index. What is
//! damaged is named, and replaced by what the rest of the file tells where that is possible.

use std::io;
use std::path::Path;
use std::rc::Rc;

use runtime::Files;
use runtime::disk::FileEntry;

use super::damage::{Damage, Report};
use super::index::Index;
use super::layout::{BorderError, Footer, Header, SegmentUse};
use super::record::{BATCH_BYTES, Batch, HEADER_BYTES, Head, Record, RecordKind};
use super::sealed::Seal;
use super::{Epoch, checksum, tail};
use crate::keys::{KeyNumber, Keys};

/// Shortest file that can be a segment: a header, a footer and something between.
const FILE_BYTES_MIN: u64 = 3 * 512;

/// A segment file as found.
pub struct FoundSegment {
    pub path: Rc<Path>,
    pub header: Header,
    pub footer: Option<Footer>,
    /// Its index, read or rebuilt.
    pub index: Vec<u8>,
    pub is_damaged: bool,
    /// Its end is missing, and so is the room for an index.
    pub is_short: bool,
}

/// Whether a file's name is that of a segment.
pub fn is_segment(entry: &FileEntry) -> bool {
    entry.path.extension().is_some_and(|kind| kind == "seg")
}

/// The number in a segment file's name.
pub fn number_of(path: &Path) -> u64 {
    path.file_stem().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
}

/// Reads what a file says of itself. `None` when nothing in it can be used; the report says why.
pub fn look_at(
    files: &dyn Files,
    entry: &FileEntry,
    keys: &Keys,
    report: &mut Report,
) -> Option<FoundSegment> {
    let file = || entry.path.clone();
    if entry.len < FILE_BYTES_MIN || entry.len > u64::from(u32::MAX) {
        report.damages.push(Damage::Header { file: entry.path.clone() });
        return None;
    }
    let unreadable = |report: &mut Report, error: &io::Error| {
        let error = error.to_string();
        report.damages.push(Damage::Unreadable { file: file(), error });
    };
    let mut start = [0; 512];
    if let Err(error) = files.read_at(&entry.path, 0, &mut start) {
        unreadable(report, &error);
        return None;
    }
    let (footer, is_broken) = match read_footer(files, entry) {
        Ok(footer) => footer,
        Err(error) => {
            unreadable(report, &error);
            return None;
        }
    };
    let is_free = |epoch| footer.as_ref().is_some_and(|f: &Footer| f.is_free && f.epoch == epoch);
    let header = match Header::decode(&start) {
        Ok(header) if is_free(header.epoch) => Header { used: SegmentUse::Free, ..header },
        Ok(header) => header,
        Err(BorderError::Absent) if footer.as_ref().is_some_and(|f| f.is_free) => {
            return Some(spare_of(entry));
        }
        Err(BorderError::Absent) if footer.is_none() => return Some(spare_of(entry)),
        Err(BorderError::Version(version)) => {
            report.damages.push(Damage::Version { file: file(), version });
            return None;
        }
        Err(_) => match rebuilt_header(files, entry, footer.as_ref()) {
            Some(header) => {
                report.damages.push(Damage::HeaderRebuilt { file: file() });
                header
            }
            None => {
                report.damages.push(Damage::Header { file: file() });
                return None;
            }
        },
    };
    if header.used != SegmentUse::Free && !keys.has(header.key) {
        report.damages.push(Damage::Locked { file: file() });
        return None;
    }
    if is_broken && header.used != SegmentUse::Free {
        report.damages.push(Damage::Index { file: file() });
    }
    let footer = footer.filter(|footer| footer.epoch == header.epoch && !footer.is_free);
    let path = Rc::from(entry.path.as_path());
    let is_short = entry.len < header.file_bytes && header.used != SegmentUse::Free;
    if is_short {
        let missing_bytes = header.file_bytes - entry.len;
        report.damages.push(Damage::Short { file: file(), missing_bytes });
    }
    let header = Header { file_bytes: entry.len, ..header };
    let (index, is_damaged) = (Vec::new(), is_short);
    let mut segment = FoundSegment { path, header, footer, index, is_damaged, is_short };
    if header.used != SegmentUse::Free
        && let Some(footer) = &segment.footer
    {
        match read_index(files, &entry.path, footer, keys) {
            Some(index) => {
                let parsed = Index::parse(&index).expect("it was parsed just now");
                for (offset, len) in parsed.damaged() {
                    let (offset, len) = (u64::from(offset), u64::from(len));
                    report.damages.push(Damage::Record { file: file(), offset, len });
                    segment.is_damaged = true;
                }
                segment.index = index;
            }
            None => {
                report.damages.push(Damage::Index { file: file() });
                rebuild(files, &mut segment, keys, report);
            }
        }
    }
    Some(segment)
}

fn spare_of(entry: &FileEntry) -> FoundSegment {
    let header = Header {
        used: SegmentUse::Free,
        sector_bytes: 0,
        epoch: Epoch(0),
        file_bytes: entry.len,
        run: 0,
        first_batch: 0,
        log: 0,
        key: KeyNumber::NONE,
    };
    let path = Rc::from(entry.path.as_path());
    let (index, is_damaged, is_short) = (Vec::new(), false, false);
    FoundSegment { path, header, footer: None, index, is_damaged, is_short }
}

/// The footer, wherever the last sector may begin; and whether there was one that is broken.
///
/// # Errors
/// What the system says.
pub fn read_footer(files: &dyn Files, entry: &FileEntry) -> io::Result<(Option<Footer>, bool)> {
    let mut is_broken = false;
    for sector in [512, 4096, 1024, 2048] {
        let Some(at) = entry.len.checked_sub(sector) else { continue };
        let mut bytes = [0; 64];
        files.read_at(&entry.path, at, &mut bytes)?;
        match Footer::decode(&bytes) {
            Ok(footer) => return Ok((Some(footer), false)),
            Err(BorderError::Absent) => {}
            Err(_) => is_broken |= sector == 512 || bytes[..5] == *b"CWEND",
        }
    }
    Ok((None, is_broken))
}

/// What a damaged header must have said: by the footer, and by the first batch.
fn rebuilt_header(files: &dyn Files, entry: &FileEntry, footer: Option<&Footer>) -> Option<Header> {
    for sector_bytes in [512u32, 1024, 2048, 4096] {
        let mut bytes = [0; BATCH_BYTES];
        files.read_at(&entry.path, u64::from(sector_bytes), &mut bytes).ok()?;
        let claimed = Record::trusted(&bytes).and_then(|record| record.batch());
        let Some(Batch { epoch, key, .. }) = claimed else { continue };
        let is_whole = Record::verified(&bytes, epoch, sector_bytes).is_some();
        let sealed_or_free = footer.is_some_and(|footer| footer.epoch == epoch);
        if is_whole && (sealed_or_free || footer.is_none_or(|footer| footer.is_free)) {
            let is_free = sealed_or_free && footer.is_some_and(|footer| footer.is_free);
            let mut first = [0; HEADER_BYTES];
            let at = u64::from(sector_bytes) + BATCH_BYTES as u64;
            files.read_at(&entry.path, at, &mut first).ok()?;
            let is_copy = Head::decode(&first).is_some_and(|h| h.kind == RecordKind::Replaces);
            let used = match (is_free, is_copy) {
                (true, _) => SegmentUse::Free,
                (false, true) => SegmentUse::Compacted,
                (false, false) => SegmentUse::Log,
            };
            let file_bytes = entry.len;
            let first_batch = Record::trusted(&bytes).map_or(0, |r| r.head.sequence);
            let (run, log) = (0, 0);
            return Some(Header {
                used,
                sector_bytes,
                epoch,
                file_bytes,
                run,
                first_batch,
                log,
                key,
            });
        }
    }
    None
}

/// A sealed segment's index; `None` if it is damaged.
pub fn read_index(files: &dyn Files, path: &Path, footer: &Footer, keys: &Keys) -> Option<Vec<u8>> {
    let mut index = vec![0; footer.index_bytes as usize];
    let read = files.read_at(path, u64::from(footer.index_at), &mut index).ok()?;
    if read != index.len() || checksum(&index) != footer.index_crc {
        return None;
    }
    let index = Seal { keys, key: footer.key, epoch: footer.epoch }.open_index(index)?;
    Index::parse(&index).is_some().then_some(index)
}

/// Rebuilds the index of a sealed segment from its data.
fn rebuild(files: &dyn Files, segment: &mut FoundSegment, keys: &Keys, report: &mut Report) {
    segment.is_damaged = true;
    let upto = segment.footer.as_ref().map(|footer| footer.data_end);
    match tail::scan(files, &segment.path, &segment.header, keys, upto) {
        Ok(scan) => segment.index = scan.rebuilt(&segment.path, report).encode(),
        Err(error) => {
            let (file, error) = (segment.path.to_path_buf(), error.to_string());
            report.damages.push(Damage::Unreadable { file, error });
        }
    }
}
