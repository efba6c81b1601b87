//! STREAM.RESTORE: an archive comes in chunks and becomes the messages of a new stream.
//!
//! Nothing else reaches the stream meanwhile, and it does nothing of its own: its subjects are
//! listened to when the archive has ended well. Sequences and times are the archive's. Nothing in
//! an archive is believed: not its sums alone, but subjects and headers too are checked. Source:
//! spec/jetstream.md §14.

use std::collections::BTreeMap;
use std::time::Duration;

use storage::{Incoming, Place, Seq};

use super::archive::blocks::{self, Record};
use super::archive::{Entry, Unpacker, Unreadable};
use super::ingest::send;
use super::publication::Asked;
use super::rules::Ttl;
use super::{Stream, Turn};
use crate::consumer::ConsumerBackup;
use crate::{ApiError, ErrorCode};

/// How long a sender may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of consumers that an archive may hold.
const CONSUMER_BYTES_MAX: usize = 64 << 20;

/// A restore under way.
#[derive(Debug, Default)]
pub(super) struct Restore {
    unpacker: Unpacker,
    /// Bytes that came.
    bytes: u64,
    /// Of a tar: the configuration until its sum has come.
    meta: Option<Vec<u8>>,
    /// Of a tar: consumers by name, each with its configuration and its state.
    files: BTreeMap<String, (Vec<u8>, Option<Vec<u8>>)>,
    consumers: Vec<ConsumerBackup>,
    consumer_bytes: usize,
    /// Where the stream ended; what was removed from its end is not used again.
    last_seq: u64,
    /// When the sender was last heard, monotonic nanoseconds.
    heard_ns: u64,
}

/// How a restore goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    /// More chunks are to come.
    More,
    /// It is over, after so many bytes.
    Ended(u64, Outcome),
}

/// What became of a restore: the consumers to be made, or why the stream has to be deleted.
pub type Outcome = Result<Vec<ConsumerBackup>, ApiError>;

fn failed(reason: impl std::fmt::Display) -> ApiError {
    ApiError::with(ErrorCode::StreamRestore, reason)
}

impl Stream {
    /// Waits for an archive whose last sequence is `last_seq`.
    pub fn begin_restore(&mut self, last_seq: u64, turn: &Turn<'_>) {
        let heard_ns = turn.now.mono_ns;
        self.restore = Some(Restore { last_seq, heard_ns, ..Restore::default() });
    }

    /// Whether it waits for an archive.
    pub(super) fn is_restoring(&self) -> bool {
        self.restore.is_some()
    }

    /// Takes a chunk; an empty one ends the archive. Chunks are answered here, the end is not.
    pub fn restore_chunk(
        &mut self,
        chunk: &[u8],
        reply: Option<&[u8]>,
        turn: &mut Turn<'_>,
    ) -> Restored {
        let Some(mut restore) = self.restore.take() else { return Restored::More };
        let bytes = restore.bytes + chunk.len() as u64;
        if chunk.is_empty() {
            return Restored::Ended(bytes, self.finish_restore(restore, turn));
        }
        (restore.bytes, restore.heard_ns) = (bytes, turn.now.mono_ns);
        let mut unpacker = std::mem::take(&mut restore.unpacker);
        let mut refused = None;
        let unpacked = unpacker
            .feed(chunk, |entry| self.restore_entry(entry, &mut restore, &mut refused, turn));
        restore.unpacker = unpacker;
        if let Some(error) = refused.or(unpacked.err().map(failed)) {
            return Restored::Ended(bytes, Err(error));
        }
        self.restore = Some(restore);
        if let Some(reply) = reply {
            send(self.account, reply, b"", turn);
        }
        Restored::More
    }

    /// One part of the archive. What is readable and still not accepted is `refused`.
    fn restore_entry(
        &mut self,
        entry: Entry<'_>,
        restore: &mut Restore,
        refused: &mut Option<ApiError>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Unreadable> {
        match entry {
            Entry::Meta(json) => {
                // A backup is restored under the name that it was made of.
                if name_in(json).as_deref() != Some(&*self.config.name) {
                    return Err(Unreadable::OtherStream);
                }
                restore.meta = Some(json.to_vec());
            }
            Entry::MetaSum(sum) => {
                let meta = restore.meta.take().ok_or(Unreadable::Archive)?;
                if blocks::meta_sum(&self.config.name, &meta).as_bytes() != sum {
                    return Err(Unreadable::Archive);
                }
            }
            Entry::Block(number, content) => {
                let stream = self.config.name.clone();
                return blocks::read_block(&stream, number, content, |record| {
                    if refused.is_none() {
                        *refused = self.restore_record(record, turn).err();
                    }
                });
            }
            Entry::Message(record) => {
                if refused.is_none() {
                    *refused = self.restore_record(&record, turn).err();
                }
            }
            Entry::ConsumerMeta(name, json) => {
                restore.hold(json.len())?;
                restore.files.entry(name.to_owned()).or_default().0 = json.to_vec();
            }
            Entry::ConsumerState(name, state) => {
                restore.hold(state.len())?;
                restore.files.entry(name.to_owned()).or_default().1 = Some(state.to_vec());
            }
            Entry::Consumer(json) => {
                restore.hold(json.len())?;
                let consumer = ConsumerBackup::from_json(json);
                restore.consumers.push(consumer.map_err(|_| Unreadable::Consumer)?);
            }
            Entry::End => {}
        }
        Ok(())
    }

    fn restore_record(&mut self, record: &Record<'_>, turn: &mut Turn<'_>) -> Result<(), ApiError> {
        let no_message = || failed(format_args!("message {}: it is none", record.seq));
        if !subject::name::is_sound_literal(record.subject) || !is_block(record.headers) {
            return Err(no_message());
        }
        let ttl = Asked::read(record.headers).ttl.and_then(Ttl::parse);
        let expires_ns = match ttl.filter(|_| self.config.allow_msg_ttl) {
            Some(Ttl::For(ttl)) => record.time_ns.saturating_add(ttl.as_nanos() as u64),
            Some(Ttl::Never) | None => 0,
        };
        let incoming = Incoming {
            subject: record.subject,
            headers: record.headers,
            payload: record.payload,
            shared: None,
            time_ns: record.time_ns,
            expires_ns,
        };
        let place = Place::At(Seq(record.seq));
        let appended = turn
            .storage
            .append(self.id, &incoming, place)
            .map_err(|refused| failed(format_args!("message {}: {refused:?}", record.seq)))?;
        self.last_mark = appended.mark;
        turn.quota.take(appended.size);
        Ok(())
    }

    fn finish_restore(&mut self, mut restore: Restore, turn: &mut Turn<'_>) -> Outcome {
        restore.unpacker.finish().map_err(failed)?;
        let mut consumers = std::mem::take(&mut restore.consumers);
        for (meta, state) in restore.files.values() {
            let consumer = ConsumerBackup::from_files(meta, state.as_deref());
            consumers.push(consumer.map_err(|_| failed(Unreadable::Consumer))?);
        }
        if restore.last_seq > turn.storage.stream(self.id).last_seq().0 {
            self.last_mark = turn.storage.skip(self.id, Seq(restore.last_seq), None);
        }
        self.begin_recovery(turn.storage, turn.now);
        Ok(consumers)
    }

    /// Gives up a restore whose sender has been silent for too long.
    pub fn lapsed_restore(&mut self, now: base::Now) -> Option<Restored> {
        let is_late = |deadline_ns| deadline_ns <= now.mono_ns;
        self.restore_deadline_ns().filter(|&deadline_ns| is_late(deadline_ns))?;
        let bytes = self.restore.take()?.bytes;
        Some(Restored::Ended(bytes, Err(failed("nothing came for too long"))))
    }

    /// When a restore is given up, monotonic nanoseconds.
    pub(super) fn restore_deadline_ns(&self) -> Option<u64> {
        let restore = self.restore.as_ref()?;
        Some(restore.heard_ns + PATIENCE.as_nanos() as u64)
    }
}

impl Restore {
    /// Counts bytes of a consumer.
    fn hold(&mut self, bytes: usize) -> Result<(), Unreadable> {
        self.consumer_bytes += bytes;
        match self.consumer_bytes <= CONSUMER_BYTES_MAX {
            true => Ok(()),
            false => Err(Unreadable::Consumer),
        }
    }
}

/// The name in `meta.inf`.
fn name_in(json: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        name: String,
    }
    serde_json::from_slice::<Named>(json).ok().map(|named| named.name)
}

/// Whether this is a header block, or none.
fn is_block(headers: &[u8]) -> bool {
    headers.is_empty() || (headers.starts_with(b"NATS/1.0") && headers.ends_with(b"\r\n\r\n"))
}
