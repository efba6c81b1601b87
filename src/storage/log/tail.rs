//! The end of a log after a crash: which batches landed, which of them count, where to cut.
//!
//! ```text
//! batch    7      8      9      10     11         safe = 8, said by batch 10 or 11
//!          whole  broken whole  broken whole
//!          kept   named  kept   kept up to the first broken record; nothing from here on
//! ```
//! Batches up to `safe` were acknowledged: what is broken of them is damage. Behind it nothing
//! was, unless it follows whole, so the first break there is where the power went. A segment is
//! begun when all before it is safe, so that this end lies in the last one begun: what is missing
//! of others is damage, and none that is there follows one of which nothing landed.

use std::io;
use std::path::Path;

use runtime::Files;

use super::damage::{Damage, OpenError, Report};
use super::found::FoundSegment;
use super::index::{Index, IndexBuilder};
use super::layout::{Footer, Header, SegmentUse};
use super::record::{BATCH_BYTES, Batch, Head, Record, RecordKind};
use super::sealed::Seal;
use super::writer::{Ending, EndingPlace, whole_sectors};
use crate::keys::Keys;

/// The data of a segment, taken apart.
pub struct Scan {
    bytes: Vec<u8>,
    header: Header,
    keys: Keys,
    batches: Vec<FoundBatch>,
}

struct FoundBatch {
    number: u64,
    /// All up to this one were safe when it was written.
    safe: u64,
    start: u32,
    end: u32,
    /// Where its whole records begin.
    records: Vec<u32>,
    /// Where records are broken, and for how long.
    broken: Vec<(u32, u32)>,
}

/// Reads the data of a segment; up to its end if that is known.
///
/// # Errors
/// What the system says.
pub fn scan(
    files: &dyn Files,
    path: &Path,
    header: &Header,
    keys: &Keys,
    upto: Option<u32>,
) -> io::Result<Scan> {
    let mut bytes = vec![0; upto.map_or(header.file_bytes, u64::from) as usize];
    let read = files.read_at(path, 0, &mut bytes)?;
    bytes.truncate(read);
    let mut scan = Scan { bytes, header: *header, keys: keys.clone(), batches: Vec::new() };
    let sector = header.sector_bytes as usize;
    let mut at = sector;
    while at + BATCH_BYTES <= scan.bytes.len() {
        at = match scan.batch_at(at) {
            Some(batch) => {
                let end = batch.end as usize;
                scan.batches.push(batch);
                end
            }
            None => at + sector,
        };
    }
    Ok(scan)
}

impl Scan {
    fn record_at(&self, at: usize) -> Option<Record<'_>> {
        Record::verified(self.bytes.get(at..)?, self.header.epoch, at as u32)
    }

    fn batch_at(&self, start: usize) -> Option<FoundBatch> {
        let record = self.record_at(start)?;
        let Batch { epoch, bytes, key } = record.batch()?;
        if (epoch, key) != (self.header.epoch, self.header.key) {
            return None;
        }
        let end = (start + bytes as usize).min(self.bytes.len());
        let (records, broken) = self.records_between(start + BATCH_BYTES, end);
        Some(FoundBatch {
            number: record.head.sequence,
            safe: record.head.time,
            start: start as u32,
            end: end as u32,
            records,
            broken,
        })
    }

    /// Where whole records begin, and where broken ones lie and how long those are.
    fn records_between(&self, start: usize, end: usize) -> (Vec<u32>, Vec<(u32, u32)>) {
        let (mut records, mut broken) = (Vec::new(), Vec::new());
        let mut at = start;
        while at < end {
            match self.record_at(at).filter(|record| at + record.head.length as usize <= end) {
                Some(record) => {
                    if record.head.kind != RecordKind::Pad {
                        records.push(at as u32);
                    }
                    at += record.head.length as usize;
                }
                None => {
                    let next = self.next_record(at, end);
                    broken.push((at as u32, (next - at) as u32));
                    at = next;
                }
            }
        }
        (records, broken)
    }

    /// Where the next whole record of a batch begins, behind a broken one.
    fn next_record(&self, broken: usize, end: usize) -> usize {
        // As a rule its length is right.
        let length = Head::decode(&self.bytes[broken..end]).map_or(0, |head| head.length);
        let claimed = broken + length as usize;
        if length > 0 && claimed <= end && (claimed == end || self.record_at(claimed).is_some()) {
            return claimed;
        }
        (broken + 1..end).find(|&at| self.record_at(at).is_some()).unwrap_or(end)
    }

    /// The index over all whole records.
    pub fn whole(&self) -> IndexBuilder {
        let mut index = IndexBuilder::default();
        let first = self.header.sector_bytes as usize;
        let (records, _) = self.records_between(first, self.bytes.len());
        let mut plain = Vec::new();
        for at in records {
            let _ = self.add(at, &mut plain, &mut index);
        }
        index
    }

    /// Adds a whole record to an index. The error is its length, where it cannot be opened.
    fn add(&self, at: u32, plain: &mut Vec<u8>, index: &mut IndexBuilder) -> Result<(), u32> {
        let record = Record::trusted(&self.bytes[at as usize..]).expect("verified before");
        let Header { epoch, key, .. } = self.header;
        let seal = Seal { keys: &self.keys, key, epoch };
        let length = record.head.length;
        let record = seal.open(record, at, plain).ok_or(length)?;
        index.add_record(&record, at);
        Ok(())
    }

    /// The index over all whole records; what is broken is named.
    pub fn rebuilt(&self, path: &Path, report: &mut Report) -> IndexBuilder {
        let end = self.bytes.len() as u32;
        self.index(self.batches.len(), end, |_| true, path, report)
    }

    /// The index over the first batches, without what begins at `before` or behind; what is
    /// broken is named where it was safe. All of a sealed segment's data ends at `before`.
    fn index(
        &self,
        batches: usize,
        before: u32,
        was_safe: impl Fn(u64) -> bool,
        path: &Path,
        report: &mut Report,
    ) -> IndexBuilder {
        let mut index = IndexBuilder::default();
        let (mut damaged, mut forged, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        let mut add = |records: &[u32]| {
            for &at in records.iter().filter(|&&at| at < before) {
                if let Err(length) = self.add(at, &mut plain, &mut index) {
                    forged.push((at, length));
                }
            }
        };
        let mut end = self.header.sector_bytes;
        for batch in &self.batches[..batches] {
            if batch.start > end {
                // The start of a batch is broken; what stands behind it may be whole.
                let (records, broken) = self.records_between(end as usize, batch.start as usize);
                add(&records);
                damaged.extend(broken);
            }
            end = batch.end;
            if was_safe(batch.number) {
                damaged.extend_from_slice(&batch.broken);
            }
            add(&batch.records);
        }
        if batches == self.batches.len() && before < u32::MAX && end < before {
            let (records, broken) = self.records_between(end as usize, before as usize);
            add(&records);
            damaged.extend(broken);
        }
        damaged.append(&mut forged);
        for (offset, len) in damaged {
            index.add_damaged(offset, len);
            let file = path.to_path_buf();
            let (offset, len) = (u64::from(offset), u64::from(len));
            report.damages.push(Damage::Record { file, offset, len });
        }
        index
    }
}

/// Which batches of a segment count.
struct Row {
    /// How many, from the first on.
    batches: usize,
    /// Records of the last of them count up to here.
    before: u32,
    /// The number of the last.
    last: u64,
}

impl Row {
    /// The row of a segment whose batches up to `safe` were safe. Batches from `upto` on are not
    /// of it: they were cut before, and the next segment begins with that number.
    fn of(scan: &Scan, safe: u64, upto: Option<u64>) -> Row {
        let mut row =
            Row { batches: 0, before: u32::MAX, last: scan.header.first_batch.saturating_sub(1) };
        for batch in &scan.batches {
            let is_gap = batch.number > row.last + 1 && batch.number - 1 > safe;
            if is_gap || upto.is_some_and(|upto| batch.number >= upto) {
                break;
            }
            row.batches += 1;
            row.last = batch.number;
            if let Some(&(broken, _)) = batch.broken.first()
                && batch.number > safe
            {
                row.before = broken;
                break;
            }
        }
        row
    }
}

/// Reads, cuts and seals the segments of one folder that were not sealed when the server ended.
/// `here` is in the order of epochs. Copies that were not sealed are read only.
///
/// # Errors
/// [`OpenError`] when a segment cannot be sealed.
pub fn finish(
    files: &dyn Files,
    here: &mut [FoundSegment],
    keys: &Keys,
    report: &mut Report,
) -> Result<(), OpenError> {
    // A segment is begun when all before it is safe.
    let begun = here.iter().filter(|segment| segment.header.used == SegmentUse::Log);
    let begun: Vec<u64> = begun.map(|segment| segment.header.first_batch).collect();
    let mut safe = begun.iter().max().map_or(0, |first| first.saturating_sub(1));
    let (mut scans, mut passed) = (Vec::new(), 0);
    for (place, segment) in here.iter_mut().enumerate() {
        passed += usize::from(segment.header.used == SegmentUse::Log);
        if segment.footer.is_some() {
            continue;
        }
        match scan(files, &segment.path, &segment.header, keys, None) {
            Ok(scan) if segment.header.used == SegmentUse::Compacted => {
                segment.index = scan.rebuilt(&segment.path, &mut Report::default()).encode();
            }
            Ok(scan) => {
                safe = scan.batches.iter().map(|batch| batch.safe).fold(safe, u64::max);
                scans.push((place, begun.get(passed).copied(), scan));
            }
            Err(error) => {
                let (file, error) = (segment.path.to_path_buf(), error.to_string());
                report.damages.push(Damage::Unreadable { file, error });
                segment.is_damaged = true;
            }
        }
    }
    for (place, upto, scan) in scans {
        let segment = &mut here[place];
        let row = Row::of(&scan, safe, upto);
        let Row { batches, before, .. } = row;
        let index = scan.index(batches, before, |n| n <= safe, &segment.path, report);
        let landed = scan.batches.last().map_or(0, |batch| batch.end);
        let kept = scan.batches[..batches].last().map_or(scan.header.sector_bytes, |b| b.end);
        let cut_from = kept.min(before);
        report.cut_bytes += u64::from(landed.saturating_sub(cut_from));
        seal(files, segment, keys, &index, (kept, row.last))?;
    }
    Ok(())
}

fn seal(
    files: &dyn Files,
    segment: &mut FoundSegment,
    keys: &Keys,
    index: &IndexBuilder,
    (data_end, last_batch): (u32, u64),
) -> Result<(), OpenError> {
    let place = EndingPlace::of(&segment.header, data_end);
    segment.index = index.encode();
    let ending = match segment.is_short {
        true => None,
        false => Ending::within(segment.index.clone(), &place, keys, last_batch),
    };
    let Some(ending) = ending else {
        // No room, with so much that is damaged: it is read again at every start.
        segment.is_damaged = true;
        return Ok(());
    };
    let parts =
        [(ending.footer.index_at, &ending.index), (ending.footer_at, &ending.footer_sector)];
    for (offset, bytes) in parts {
        write(files, segment, u64::from(offset), bytes)?;
    }
    segment.footer = Some(ending.footer);
    segment.is_damaged |= Index::parse(&segment.index).is_some_and(|i| i.damaged().count() > 0);
    Ok(())
}

/// Marks a segment's file free, as `Log::write_free` does.
///
/// # Errors
/// [`OpenError`] when that cannot be written.
pub fn mark_free(files: &dyn Files, segment: &mut FoundSegment) -> Result<(), OpenError> {
    segment.header.used = SegmentUse::Free;
    segment.index = Vec::new();
    let Header { epoch, sector_bytes, file_bytes, .. } = segment.header;
    let sector = sector_bytes as usize;
    let parts = [
        (
            file_bytes - u64::from(sector_bytes),
            whole_sectors(&Footer::free(epoch).encode(), sector),
        ),
        (0, whole_sectors(&segment.header.encode(), sector)),
    ];
    for (offset, bytes) in parts {
        write(files, segment, offset, &bytes)?;
    }
    Ok(())
}

fn write(
    files: &dyn Files,
    segment: &FoundSegment,
    offset: u64,
    bytes: &[u8],
) -> Result<(), OpenError> {
    files.write_at(&segment.path, offset, bytes).map_err(|error| {
        let path = segment.path.to_path_buf();
        OpenError::System { path, error }
    })
}
