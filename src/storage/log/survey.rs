//! What stands in each segment of a log that no server has, and whether every record that is
//! needed can be read. For `corewire store`.

use std::io;
use std::path::{Path, PathBuf};

use runtime::Files;
use runtime::disk::FileEntry;

use super::damage::{Damage, Report};
use super::found::{FoundSegment, look_at, read_footer};
use super::index::Index;
use super::layout::{BORDER_BYTES, Header, VERSION, version_of};
use super::record::{NewMessage, Record};
use super::sealed::Seal;
use super::segments::Stage;
use super::{At, Log, Owner, Slot, StreamNumber};
use crate::keys::{KeyNumber, Keys};

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentState {
    /// Nothing stands in it that is needed; it is used again.
    Free,
    /// The server ended while it was appended to, or before it was complete.
    Open,
    /// It is complete.
    Sealed,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSurvey {
    /// Its file.
    pub file: PathBuf,
    /// What it is.
    pub state: SegmentState,
    /// The version of its layout.
    pub version: u16,
    /// Whether what stands in it is encrypted.
    pub is_encrypted: bool,
    /// The file's length.
    pub file_bytes: u64,
    /// Messages that are needed.
    pub live_messages: u64,
    /// Bytes of their records.
    pub live_bytes: u64,
    /// Bytes of all other data: what is removed, and values.
    pub other_bytes: u64,
}

/// A message that is needed and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenMessage {
    /// The file it stands in.
    pub file: PathBuf,
    /// Where its record begins.
    pub offset: u64,
    /// The record's length.
    pub len: u64,
    /// Its stream.
    pub stream: StreamNumber,
    /// Its number there.
    pub sequence: u64,
    /// The subject it is stored under.
    pub subject: Vec<u8>,
}

impl std::fmt::Display for BrokenMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BrokenMessage { file, offset, len, sequence, subject, .. } = self;
        let (file, subject) = (file.display(), String::from_utf8_lossy(subject));
        write!(f, "{file}: {len} bytes at {offset} are damaged: message {sequence} on {subject}")
    }
}

/// What a reading of all records came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Records of messages that are needed, read and found whole.
    pub whole: u64,
    /// Those that are not.
    pub broken: Vec<BrokenMessage>,
    /// Files that could not be read.
    pub damages: Vec<Damage>,
}

impl Log {
    /// The segments, by file. `now` are the files as they are, `opened` as this log was opened
    /// from.
    pub fn survey(&self, now: &dyn Files, opened: &dyn Files) -> Vec<SegmentSurvey> {
        let mut all: Vec<_> = self
            .segments
            .iter()
            .map(|(_, segment)| {
                let entry = entry_of(&segment.path, segment.file_bytes);
                let keys = &self.settings.keys;
                let found = look_at(opened, &entry, keys, &mut Report::default());
                let is_sealed = matches!(read_footer(now, &entry), Ok((Some(_), _)));
                let state = match (segment.stage, is_sealed) {
                    (Stage::Spare, _) => SegmentState::Free,
                    (_, true) => SegmentState::Sealed,
                    (_, false) => SegmentState::Open,
                };
                let data = if state == SegmentState::Free { 0 } else { data_bytes(found) };
                SegmentSurvey {
                    file: segment.path.to_path_buf(),
                    state,
                    version: version_in(opened, &segment.path),
                    is_encrypted: segment.key != KeyNumber::NONE,
                    file_bytes: u64::from(segment.file_bytes),
                    live_messages: u64::from(segment.live_messages),
                    live_bytes: segment.live_bytes,
                    other_bytes: data.saturating_sub(segment.live_bytes),
                }
            })
            .collect();
        all.sort_by(|a, b| a.file.cmp(&b.file));
        all
    }

    /// Reads every message that `owner` still needs.
    pub fn read_through(&self, files: &dyn Files, owner: &dyn Owner) -> Reading {
        let mut reading = Reading::default();
        for (slot, segment) in self.segments.iter() {
            if segment.live_messages == 0 {
                continue;
            }
            let entry = entry_of(&segment.path, segment.file_bytes);
            let keys = &self.settings.keys;
            if let Err(error) = read_segment(files, (slot, &entry), keys, owner, &mut reading) {
                let (file, error) = (entry.path, error.to_string());
                reading.damages.push(Damage::Unreadable { file, error });
            }
        }
        reading.broken.sort_by(|a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
        reading
    }
}

fn entry_of(path: &Path, len: u32) -> FileEntry {
    FileEntry { path: path.to_path_buf(), len: u64::from(len) }
}

/// The version of a segment's layout; the present one where nothing was written yet.
fn version_in(files: &dyn Files, path: &Path) -> u16 {
    let mut start = [0; BORDER_BYTES];
    let read = files.read_at(path, 0, &mut start);
    read.ok().and_then(|_| version_of(&start)).unwrap_or(VERSION)
}

fn data_bytes(found: Option<FoundSegment>) -> u64 {
    let footer = found.as_ref().and_then(|found| found.footer);
    let end = footer.map_or(0, |footer| u64::from(footer.data_end));
    end.saturating_sub(found.map_or(0, |found| u64::from(found.header.sector_bytes)))
}

fn read_segment(
    files: &dyn Files,
    (slot, entry): (Slot, &FileEntry),
    keys: &Keys,
    owner: &dyn Owner,
    reading: &mut Reading,
) -> io::Result<()> {
    let mut bytes = vec![0; entry.len as usize];
    let read = files.read_at(&entry.path, 0, &mut bytes)?;
    bytes.truncate(read);
    // What is wrong with its borders was said when the log was opened.
    let Some(found) = look_at(files, entry, keys, &mut Report::default()) else { return Ok(()) };
    let Some(index) = Index::parse(&found.index) else { return Ok(()) };
    let Header { epoch, key, .. } = found.header;
    let (seal, mut plain) = (Seal { keys, key, epoch }, Vec::new());
    for stream in index.streams() {
        for message in stream.messages() {
            if !owner.is_live(stream.number, message.sequence, At::new(slot, message.offset)) {
                continue;
            }
            let record = bytes.get(message.offset as usize..);
            let record = record.and_then(|bytes| Record::verified(bytes, epoch, message.offset));
            let record = record.and_then(|record| seal.open(record, message.offset, &mut plain));
            let is_it = |record: &Record<'_>| {
                record.head.stream == stream.number && record.head.sequence == message.sequence
            };
            let is_readable = |message: NewMessage<'_>| owner.is_readable(&message);
            if record.filter(is_it).and_then(|record| record.message()).is_some_and(is_readable) {
                reading.whole += 1;
                continue;
            }
            reading.broken.push(BrokenMessage {
                file: entry.path.clone(),
                offset: u64::from(message.offset),
                len: u64::from(message.length),
                stream: stream.number,
                sequence: message.sequence,
                subject: message.subject.to_vec(),
            });
        }
    }
    Ok(())
}
