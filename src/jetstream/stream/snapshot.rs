//! STREAM.SNAPSHOT: a stream as an archive, sent in chunks as fast as the receiver takes them.
//!
//! Each chunk has a reply of its own; an empty answer to it gives back its bytes of the window.
//! The archive is made while it is sent, one block of messages at a time; consumers are as they
//! were when it began. Source: spec/jetstream.md §14.

use std::io::Write as _;
use std::time::Duration;

use protocol::MessageParts;
use serde::Deserialize;
use storage::{Filter, Read, Seq, Waiter};

use super::archive::blocks::{self, Record};
use super::archive::tar;
use super::{Stream, Turn, header_block};
use crate::{ApiError, ErrorCode, Purpose, Token, WireTime};

/// Bytes of messages in one block of the archive.
const BLOCK_BYTES: usize = 1 << 20;
const CHUNK: usize = 128 << 10;
const CHUNK_MIN: usize = 1 << 10;
const CHUNK_MAX: usize = 1 << 20;
const WINDOW: u64 = 8 << 20;
const WINDOW_MIN: u64 = 1 << 10;
const WINDOW_MAX: u64 = 32 << 20;
/// The first chunk leaves so long after the answer: receivers (the nats CLI among them) subscribe
/// only when they have read it, and what comes before that is lost.
const HEAD_START: Duration = Duration::from_millis(250);
/// The status of one that is whole.
const WHOLE: &str = "204";
/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The body of STREAM.SNAPSHOT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SnapshotRequest {
    /// Where the chunks go.
    pub deliver_subject: String,
    /// Whether to leave out consumers.
    pub no_consumers: bool,
    /// Bytes in a chunk; 0 for 128 KiB.
    pub chunk_size: usize,
    /// Bytes under way; 0 for 8 MiB.
    pub window_size: u64,
    /// Whether to check the messages first; every one is checked when it is read.
    pub jsck: bool,
}

/// A snapshot under way.
pub(super) struct Snapshot {
    deliver_to: String,
    token: Token,
    id: String,
    chunk: usize,
    window: u64,
    in_flight: u64,
    /// Chunks sent.
    sent: u64,
    /// When the first one may leave, monotonic nanoseconds.
    begins_ns: u64,
    /// When the receiver last answered, monotonic nanoseconds.
    heard_ns: u64,
    /// When it was asked for, Unix nanoseconds.
    asked_wall_ns: u64,
    /// When the stream was made, Unix nanoseconds.
    created_ns: u64,
    consumers: InBackup,
    packer: minlz::Writer<Vec<u8>>,
    /// Compressed and not sent yet.
    ready: Vec<u8>,
    next: Next,
}

/// Whether consumers are part of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InBackup {
    Yes,
    No,
}

/// A snapshot that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotEnd {
    /// When it was asked for, Unix nanoseconds.
    pub started_ns: u64,
    /// Why it did not become whole.
    pub error: Option<&'static str>,
}

/// What goes into the archive next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Meta,
    /// The messages from here on.
    Block {
        number: u64,
        from: Seq,
        upto: Seq,
    },
    /// Nothing: what is ready is the rest.
    Nothing,
}

/// How far a snapshot came.
enum Step {
    /// It waits for the receiver or the disk.
    Wait,
    Done(&'static str),
}

/// Whether a tar has room for the names of a consumer's files.
fn fits(consumer: &str) -> bool {
    tar::takes(&format!("obs/{consumer}/meta.inf"))
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Snapshot { id, sent, in_flight, next, .. } = self;
        write!(f, "Snapshot({id}, {sent} sent, {in_flight} in flight, then {next:?})")
    }
}

impl Stream {
    /// Begins a snapshot; the first chunk leaves a moment after the answer. The stream was made at
    /// `created_ns`, Unix nanoseconds.
    pub fn begin_snapshot(
        &mut self,
        request: &SnapshotRequest,
        created_ns: u64,
        turn: &mut Turn<'_>,
    ) -> Result<(), ApiError> {
        if !subject::name::is_sound_literal(request.deliver_subject.as_bytes()) {
            return Err(ApiError::new(ErrorCode::SnapshotDeliverSubjectInvalid));
        }
        if !request.no_consumers
            && let Some(long) = turn.readers.backups(turn.now).iter().find(|one| !fits(&one.name))
        {
            let reason = format_args!("consumer name is too long for the archive: {}", long.name);
            return Err(ApiError::with(ErrorCode::StreamSnapshot, reason));
        }
        self.next_snapshot = (self.next_snapshot + 1) & Token::INDEX_MAX;
        let token = Token::new(self.place, Purpose::SnapshotAck, self.next_snapshot);
        let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(8).collect();
        let answers = format!("$JS.SNAPSHOT.ACK.{}.{id}.>", self.config.name);
        turn.outlet.subscribe(self.account, answers.as_bytes(), token);
        let chunk = if request.chunk_size == 0 { CHUNK } else { request.chunk_size };
        let window = if request.window_size == 0 { WINDOW } else { request.window_size };
        self.snapshots.push(Snapshot {
            deliver_to: request.deliver_subject.clone(),
            token,
            id,
            chunk: chunk.clamp(CHUNK_MIN, CHUNK_MAX),
            window: window.clamp(WINDOW_MIN, WINDOW_MAX),
            in_flight: 0,
            sent: 0,
            begins_ns: turn.now.plus(HEAD_START),
            heard_ns: turn.now.mono_ns,
            asked_wall_ns: turn.now.wall_ns,
            created_ns,
            consumers: if request.no_consumers { InBackup::No } else { InBackup::Yes },
            packer: minlz::Writer::new(Vec::new()),
            ready: Vec::new(),
            next: Next::Meta,
        });
        Ok(())
    }

    /// The receiver answered a chunk: `$JS.SNAPSHOT.ACK.<stream>.<id>.<len>.<index>`.
    pub fn snapshot_answered(&mut self, token: Token, subject: &[u8], turn: &mut Turn<'_>) {
        let found = self.snapshots.iter_mut().find(|snapshot| snapshot.token == token);
        let Some(snapshot) = found else { return };
        let len = subject.rsplit(|&byte| byte == b'.').nth(1);
        let len = len.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
        snapshot.in_flight = snapshot.in_flight.saturating_sub(len.unwrap_or_default());
        snapshot.heard_ns = turn.now.mono_ns;
    }

    /// Goes on with the snapshots, as far as receivers and disk let them.
    pub(super) fn run_snapshots(&mut self, turn: &mut Turn<'_>) {
        let mut snapshots = std::mem::take(&mut self.snapshots);
        snapshots.retain_mut(|snapshot| match self.run_snapshot(snapshot, turn) {
            Step::Wait => true,
            Step::Done(status) => {
                self.end_snapshot(snapshot, status, turn);
                let error = (status != WHOLE).then_some(status);
                let started_ns = snapshot.asked_wall_ns;
                self.ended_snapshots.push(SnapshotEnd { started_ns, error });
                false
            }
        });
        self.snapshots.append(&mut snapshots);
    }

    fn run_snapshot(&self, snapshot: &mut Snapshot, turn: &mut Turn<'_>) -> Step {
        if turn.now.mono_ns < snapshot.begins_ns {
            return Step::Wait;
        }
        if !turn.outlet.has_interest(self.account, snapshot.deliver_to.as_bytes()) {
            return Step::Done("408 No Interest");
        }
        let patience_ns = PATIENCE.as_nanos() as u64;
        if snapshot.in_flight > 0 && snapshot.heard_ns + patience_ns <= turn.now.mono_ns {
            return Step::Done("408 No Flow Response");
        }
        loop {
            let is_last = snapshot.next == Next::Nothing;
            while snapshot.ready.len() >= snapshot.chunk || (is_last && !snapshot.ready.is_empty())
            {
                let len = snapshot.ready.len().min(snapshot.chunk);
                let has_room = snapshot.in_flight + len as u64 <= snapshot.window;
                if !has_room && snapshot.in_flight > 0 {
                    return Step::Wait;
                }
                self.send_chunk(snapshot, len, turn);
            }
            if is_last {
                // The end comes when everything before it has arrived.
                return if snapshot.in_flight == 0 { Step::Done(WHOLE) } else { Step::Wait };
            }
            match self.pack_next(snapshot, turn) {
                Ok(true) => {}
                Ok(false) => return Step::Wait,
                Err(_) => return Step::Done("500"),
            }
        }
    }

    fn send_chunk(&self, snapshot: &mut Snapshot, len: usize, turn: &mut Turn<'_>) {
        snapshot.sent += 1;
        snapshot.in_flight += len as u64;
        let (name, id, sent) = (&self.config.name, &snapshot.id, snapshot.sent);
        let reply = format!("$JS.SNAPSHOT.ACK.{name}.{id}.{len}.{sent}");
        let message = MessageParts {
            subject: snapshot.deliver_to.as_bytes(),
            reply: Some(reply.as_bytes()),
            headers: None,
            payload: &snapshot.ready[..len],
        };
        turn.outlet.publish(self.account, &message);
        snapshot.ready.drain(..len);
    }

    /// Adds the next part to the archive; false while the disk has to bring a message.
    fn pack_next(&self, snapshot: &mut Snapshot, turn: &mut Turn<'_>) -> std::io::Result<bool> {
        let mut part = Vec::new();
        snapshot.next = match snapshot.next {
            Next::Meta => {
                let meta = self.meta(snapshot.created_ns);
                let sum = blocks::meta_sum(&self.config.name, &meta);
                tar::push_entry("meta.inf", &meta, &mut part);
                tar::push_entry("meta.sum", sum.as_bytes(), &mut part);
                if snapshot.consumers == InBackup::Yes {
                    self.pack_consumers(turn, &mut part);
                }
                let stored = turn.storage.stream(self.id);
                let (from, upto) = (stored.first_seq(), stored.last_seq());
                Next::Block { number: 1, from, upto }
            }
            Next::Block { number, from, upto } => {
                let Some((block, next)) = self.block(number, from, upto, turn) else {
                    return Ok(false);
                };
                if block.is_empty() {
                    tar::push_end(&mut part);
                    Next::Nothing
                } else {
                    tar::push_entry(&format!("msgs/{number}.blk"), &block, &mut part);
                    Next::Block { number: number + 1, from: next, upto }
                }
            }
            Next::Nothing => return Ok(true),
        };
        snapshot.packer.write_all(&part)?;
        if snapshot.next == Next::Nothing {
            snapshot.packer.flush()?;
        }
        snapshot.ready.append(snapshot.packer.get_mut());
        Ok(true)
    }

    /// One block of messages, and where the next begins; `None` while one is on its way from the
    /// disk.
    fn block(
        &self,
        number: u64,
        from: Seq,
        upto: Seq,
        turn: &mut Turn<'_>,
    ) -> Option<(Vec<u8>, Seq)> {
        let waiter = Waiter(Token::new(self.place, Purpose::SnapshotAck, 0).0);
        let mut block = Vec::new();
        let mut next = from;
        while block.len() < BLOCK_BYTES {
            let found = turn.storage.stream(self.id).first_matching(&Filter::all(), next);
            let Some(seq) = found.filter(|&seq| seq <= upto) else { break };
            match turn.storage.read(self.id, seq, waiter) {
                Read::Pending => return None,
                Read::Gone => {}
                Read::Ready(message) => {
                    let record = Record {
                        seq: seq.0,
                        time_ns: message.time_ns,
                        subject: message.subject,
                        headers: message.headers,
                        payload: message.payload,
                    };
                    blocks::push_record(&self.config.name, number, &record, &mut block);
                }
            }
            next = seq.next();
        }
        Some((block, next))
    }

    /// The consumers, each in three files.
    fn pack_consumers(&self, turn: &Turn<'_>, part: &mut Vec<u8>) {
        for consumer in turn.readers.backups(turn.now) {
            let path = format!("obs/{}", consumer.name);
            let meta = consumer.meta();
            let sum = blocks::meta_sum(&format!("{}/{}", self.config.name, consumer.name), &meta);
            tar::push_entry(&format!("{path}/meta.inf"), &meta, part);
            tar::push_entry(&format!("{path}/meta.sum"), sum.as_bytes(), part);
            tar::push_entry(&format!("{path}/o.dat"), &consumer.state(), part);
        }
    }

    /// `meta.inf`: the configuration, and when the stream was made.
    fn meta(&self, created_ns: u64) -> Vec<u8> {
        let mut meta = serde_json::json!({ "Created": WireTime::from_wall_ns(created_ns) });
        let config = serde_json::to_value(&self.config).expect("a configuration is JSON");
        if let (Some(meta), serde_json::Value::Object(config)) = (meta.as_object_mut(), config) {
            meta.extend(config);
        }
        meta.to_string().into_bytes()
    }

    /// Those that are over since this was last asked.
    pub fn take_ended_snapshots(&mut self) -> Vec<SnapshotEnd> {
        std::mem::take(&mut self.ended_snapshots)
    }

    fn end_snapshot(&self, snapshot: &Snapshot, status: &str, turn: &mut Turn<'_>) {
        turn.outlet.unsubscribe(snapshot.token);
        let mut block = Vec::new();
        header_block::begin_status(&mut block, status);
        header_block::end(&mut block);
        let message = MessageParts {
            subject: snapshot.deliver_to.as_bytes(),
            reply: None,
            headers: Some(&block),
            payload: &[],
        };
        turn.outlet.publish(self.account, &message);
    }

    /// When a receiver has been silent for too long, monotonic nanoseconds.
    pub(super) fn snapshot_deadline_ns(&self) -> Option<u64> {
        let patience_ns = PATIENCE.as_nanos() as u64;
        let due = |snapshot: &Snapshot| match snapshot.sent {
            0 => snapshot.begins_ns,
            _ => snapshot.heard_ns + patience_ns,
        };
        self.snapshots.iter().map(due).min()
    }
}
