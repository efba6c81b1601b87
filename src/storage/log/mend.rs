//! A damaged segment put in order: header, index and footer written anew over what of its data is
//! whole. The data itself stays as it is. For `corewire store repair`, which keeps a copy.

use std::io;
use std::path::Path;

use runtime::Files;
use runtime::disk::FileEntry;

use super::damage::Report;
use super::found::{FoundSegment, look_at};
use super::index::{Index, IndexBuilder};
use super::layout::{Footer, Header};
use super::record::{Record, RecordKind};
use super::sealed::Seal;
use super::segments::{reached_of, reached_value};
use super::writer::{Ending, EndingPlace, whole_sectors};
use super::{Key, KeyKind, Map, StreamNumber, tail};
use crate::Keys;

/// Why a segment was left as it is.
#[derive(Debug)]
pub enum MendError {
    /// Nothing in it can be used, or it was never sealed.
    Hopeless,
    /// There is no room for the new index behind its data.
    NoRoom,
    /// The system: it cannot be read or written.
    System(io::Error),
}

impl std::fmt::Display for MendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MendError::Hopeless => f.write_str("nothing in it can be used"),
            MendError::NoRoom => f.write_str("there is no room for a new index behind its data"),
            MendError::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MendError {}

impl From<io::Error> for MendError {
    fn from(error: io::Error) -> MendError {
        MendError::System(error)
    }
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Messages that stand in it, needed or not.
    pub kept: u64,
    /// Messages that its index named and that cannot be read: they are gone.
    pub dropped: u64,
}

/// Mends the sealed segment in `file`. The newest of the keys must not have been used for it.
///
/// # Errors
/// [`MendError`]; when it is not the system's, nothing was written.
pub fn mend(files: &dyn Files, entry: &FileEntry, keys: &Keys) -> Result<Mended, MendError> {
    let found = look_at(files, entry, keys, &mut Report::default()).ok_or(MendError::Hopeless)?;
    let footer = found.footer.ok_or(MendError::Hopeless)?;
    let mut bytes = vec![0; footer.data_end as usize];
    let read = files.read_at(&entry.path, 0, &mut bytes)?;
    bytes.truncate(read);
    let (index, mended) = if was_rebuilt(files, &entry.path, &footer, keys) {
        // Its index was lost: what the data tells is all there is.
        let scan = tail::scan(files, &entry.path, &found.header, keys, Some(footer.data_end))?;
        let index = scan.whole();
        let kept = index.messages();
        (index, Mended { kept, dropped: 0 })
    } else {
        readable(&found, &bytes, keys).ok_or(MendError::Hopeless)?
    };
    let place = EndingPlace::of(&found.header, footer.data_end);
    let ending = Ending::within(index.encode(), &place, keys, footer.last_batch);
    let ending = ending.ok_or(MendError::NoRoom)?;
    let header = whole_sectors(&found.header.encode(), found.header.sector_bytes as usize);
    let parts = [
        (ending.footer.index_at, &ending.index),
        (ending.footer_at, &ending.footer_sector),
        (0, &header),
    ];
    for (offset, bytes) in parts {
        files.write_at(&entry.path, u64::from(offset), bytes)?;
    }
    Ok(mended)
}

fn was_rebuilt(files: &dyn Files, path: &Path, footer: &Footer, keys: &Keys) -> bool {
    super::found::read_index(files, path, footer, keys).is_none()
}

/// The index without what cannot be read. How far its streams had come is kept.
fn readable(found: &FoundSegment, bytes: &[u8], keys: &Keys) -> Option<(IndexBuilder, Mended)> {
    let index = Index::parse(&found.index)?;
    let Header { epoch, key, .. } = found.header;
    let (seal, mut plain) = (Seal { keys, key, epoch }, Vec::new());
    let mut out = IndexBuilder::default();
    let mut mended = Mended { kept: 0, dropped: 0 };
    let mut reached: Map<StreamNumber, (u64, u64)> = Map::default();
    for epoch in index.replaced() {
        out.add_replaced(epoch);
    }
    for stream in index.streams() {
        for known in stream.messages() {
            let record = bytes.get(known.offset as usize..);
            let record = record.and_then(|bytes| Record::verified(bytes, epoch, known.offset));
            let record = record.and_then(|record| seal.open(record, known.offset, &mut plain));
            match record.and_then(|record| record.message()) {
                Some(message) if message.sequence == known.sequence => {
                    mended.kept += 1;
                    out.add_message(&message, known.offset, known.length);
                }
                // It was erased, and is gone for good.
                None if record.is_some_and(|r| r.head.kind == RecordKind::Erased) => {}
                _ => {
                    mended.dropped += 1;
                    let so_far = reached.entry(stream.number).or_default();
                    *so_far = (known.sequence, known.time_ns).max(*so_far);
                }
            }
        }
    }
    for record in index.controls() {
        let so_far = record.keyed().filter(|keyed| keyed.key_kind == KeyKind::REACHED.0);
        match so_far.and_then(|keyed| keyed.value.and_then(reached_of)) {
            Some(so_far) => {
                let known = reached.entry(record.head.stream).or_default();
                *known = so_far.max(*known);
            }
            None if record.head.kind != RecordKind::Message => out.add_record(&record, 0),
            None => {}
        }
    }
    for (stream, (sequence, time_ns)) in reached {
        let key = Key { stream, kind: KeyKind::REACHED, key: 0 };
        out.add_keyed(key, 0, Some(&reached_value(sequence, time_ns)));
    }
    Some((out, mended))
}
