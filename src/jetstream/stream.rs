//! One stream: messages in by publish, mirror or source; acknowledged, limited, removed, read.
//!
//! A stream is a state machine of its core. It holds what its rules need (configuration, dedupe
//! window, batches, schedules); messages lie in the room `storage`, consumers beside it behind
//! [`Readers`], and everything that leaves goes through an [`crate::Outlet`]. What it works with
//! comes with each call as a [`Turn`].
//!
//! | file | what |
//! |---|---|
//! | `publication.rs` | a message on its way in, and what its headers ask for |
//! | `ingest.rs` | judged, stored, acknowledged |
//! | `judgement.rs` | whether it may be stored, and as what |
//! | `store.rs` | into the storage, within the limits |
//! | `pub_ack.rs` | acknowledgements, as text and waiting for the disk |
//! | `rules.rs` | the configuration as the hot path wants it |
//! | `dedupe.rs`, `counter.rs`, `schedule.rs`, `cron.rs`, `republish.rs` | one feature each |
//! | `batch.rs`, `staged.rs` | atomic batches: collected, judged and stored as a whole |
//! | `fast_batch.rs` | fast batches |
//! | `expiry.rs`, `removal.rs` | what goes by itself, and what is removed on request |
//! | `message_get.rs`, `direct_get.rs` | reading |
//! | `snapshot.rs`, `restore.rs`, `archive.rs` | backups |
//! | `source.rs`, `source_request.rs`, `copying.rs` | mirrors and sources |
//! | `delivery_reply.rs`, `flow_answer.rs` | where their messages stood, how far they are safe |
//! | `recovery.rs` | what is read again after a restart |
//! | `readers.rs`, `turn.rs` | the seams: consumers, and the surroundings of one call |
//! | `header_block.rs` | header blocks made from others |

mod archive;
mod batch;
mod copying;
mod counter;
mod cron;
mod dedupe;
mod delivery_reply;
mod direct_get;
mod expiry;
mod fast_batch;
mod flow_answer;
mod header_block;
mod ingest;
mod judgement;
mod message_get;
mod pub_ack;
mod publication;
mod readers;
mod recovery;
mod removal;
mod republish;
mod restore;
mod rules;
mod schedule;
mod snapshot;
mod source;
mod source_request;
mod staged;
mod store;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use base::{AccountId, Now, ShardSet};
use config::options::{Batches as BatchBounds, Ingest};
use storage::{Mark, Seq, Storage, StreamId};

use crate::outlet::is_held_back;
use crate::stream_config::{Retention, StreamConfig};
use batch::Batches;
use dedupe::Dedupe;
use direct_get::Get;
use fast_batch::FastBatches;
use flow_answer::FlowAnswers;
use pub_ack::{AckQueue, AckText};
use publication::Parked;
use recovery::Recovery;
use restore::Restore;
use rules::Rules;
use schedule::Schedules;
use snapshot::Snapshot;
use source::Sources;

pub use message_get::{MessageGetBody, MessageGetRequest, StoredMessage};
pub use publication::Publication;
pub use readers::{NoReaders, Readers};
pub use removal::{DeleteRequest, PurgeRequest};
pub use restore::{Outcome, Restored};
pub use snapshot::{SnapshotEnd, SnapshotRequest};
pub use source::{SourceLetter, StreamSourceInfo};
pub(crate) use store::disk_failed;
pub use turn::{Quota, Turn};

/// What the operator allows every stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// What may wait to be stored.
    pub ingest: Ingest,
    /// Atomic batches.
    pub batches: BatchBounds,
}

/// Who a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose it is.
    pub account: AccountId,
    /// This JetStream's domain.
    pub domain: Option<String>,
    /// Its place in its core's table: the one of its tokens.
    pub place: u32,
    /// What it is allowed.
    pub bounds: Bounds,
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    id: StreamId,
    place: u32,
    account: AccountId,
    domain: Option<String>,
    bounds: Bounds,
    config: StreamConfig,
    rules: Rules,
    /// Whether a message without headers needs no judging.
    is_plain: bool,
    text: AckText,
    acks: AckQueue,
    flow_answers: FlowAnswers,
    /// The mark and the bytes of what was stored last.
    last_mark: Mark,
    last_size: u64,
    dedupe: Dedupe,
    batches: Batches,
    fast_batches: FastBatches,
    schedules: Schedules,
    /// Publishes that wait for a read, in order.
    parked: Parked,
    gets: VecDeque<Get>,
    recovery: Option<Recovery>,
    /// Up to here no message was looked at for its id.
    unread_ids: Option<Seq>,
    sources: Sources,
    snapshots: Vec<Snapshot>,
    ended_snapshots: Vec<SnapshotEnd>,
    next_snapshot: u32,
    restore: Option<Restore>,
    /// Messages up to here were looked at by age and may stay.
    aged_upto: Seq,
    /// Where a sweep for unwanted messages goes on.
    sweep_from: Option<Seq>,
    /// More is to be done at once than one turn takes.
    has_more: bool,
    /// Shards whose rings were full when an answer went there; empty when there is room.
    congested: ShardSet,
    /// The same of what was republished.
    republished_to: ShardSet,
    random: fastrand::Rng,
    /// The text of the acknowledgement under way; kept for its memory.
    text_buffer: Vec<u8>,
    /// The header block under way; kept for its memory.
    header_buffer: Vec<u8>,
}

impl Stream {
    /// A stream whose messages are in `storage` under `id`: none yet, or those of before a
    /// restart. `config` is complete and was checked.
    pub fn new(
        identity: Identity,
        config: StreamConfig,
        id: StreamId,
        storage: &Storage,
        now: Now,
    ) -> Stream {
        let Identity { account, domain, place, bounds } = identity;
        let window_ns = u64::try_from(config.duplicate_window).unwrap_or(0);
        let sources = Sources::of(&config, now);
        let mut stream = Stream {
            id,
            place,
            account,
            bounds,
            rules: Rules::of(&config),
            is_plain: true,
            text: AckText::new(&config.name, domain.as_deref()),
            domain,
            config,
            acks: AckQueue::default(),
            flow_answers: FlowAnswers::default(),
            last_mark: Mark::default(),
            last_size: 0,
            dedupe: Dedupe::new(window_ns),
            batches: Batches::default(),
            fast_batches: FastBatches::default(),
            schedules: Schedules::default(),
            parked: Parked::default(),
            gets: VecDeque::new(),
            recovery: None,
            unread_ids: None,
            sources,
            snapshots: Vec::new(),
            ended_snapshots: Vec::new(),
            next_snapshot: 0,
            restore: None,
            aged_upto: Seq::NONE,
            sweep_from: None,
            has_more: false,
            congested: ShardSet::EMPTY,
            republished_to: ShardSet::EMPTY,
            // Only where a transform picks at random; the same stream picks the same again.
            random: fastrand::Rng::with_seed(u64::from(place)),
            text_buffer: Vec::new(),
            header_buffer: Vec::new(),
        };
        stream.choose_path();
        stream.begin_recovery(storage, now);
        stream
    }

    /// Its place in the storage.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// How many atomic and fast batches are under way in it.
    #[must_use]
    pub fn open_batches(&self) -> (usize, usize) {
        (self.batches.len(), self.fast_batches.len())
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// Takes over a configuration that was checked against the present one. What the new limits
    /// do not allow goes at once.
    pub fn update(&mut self, config: StreamConfig, turn: &mut Turn<'_>) {
        let was = self.rules.retention;
        self.rules = Rules::of(&config);
        self.dedupe.set_window(u64::try_from(config.duplicate_window).unwrap_or(0));
        // spec/jetstream.md §3: compression may change; what is stored stays as it is
        turn.storage.set_compression(self.id, config.compression.of_storage());
        self.config = config;
        self.aged_upto = Seq::NONE;
        self.choose_path();
        self.change_sources(turn);
        if !self.sources.list.is_empty() && self.recovery.is_none() {
            // What comes from other streams does not wait.
            self.begin_ids(turn.storage, turn.now);
        }
        self.keep_per_subject(turn);
        self.drop_from_head(turn);
        if was != Retention::Interest {
            self.readers_changed(turn);
        }
        self.turn(turn);
    }

    /// Decides whether messages without headers take the short path.
    fn choose_path(&mut self) {
        self.is_plain = !self.rules.sealed
            && !self.rules.counter
            && self.rules.transform.is_none()
            && self.rules.republish.is_none()
            && !self.config.allow_batched
            && self.recovery.is_none();
    }

    /// What time and the disk have brought: acknowledgements that are durable now, messages that
    /// are too old, schedules that are due, reads that have arrived. Called once a turn while
    /// [`Stream::has_work`], when [`Stream::next_deadline_ns`] has come, and when a waiter of this
    /// stream has arrived.
    pub fn turn(&mut self, turn: &mut Turn<'_>) {
        self.release(turn);
        if self.is_restoring() {
            return;
        }
        self.recover(turn);
        if !self.gets.is_empty() {
            self.run_gets(turn);
        }
        if self.recovery.is_some() {
            return;
        }
        if !self.parked.is_empty() && !self.is_republishing(turn) {
            self.resume_parked(turn);
        }
        self.sweep(turn);
        self.abandon_silent(turn);
        self.fast_batches.drop_silent(turn.now.mono_ns);
        self.run_schedules(turn);
        self.run_sources(turn);
        if !self.snapshots.is_empty() {
            self.run_snapshots(turn);
        }
        self.dedupe.expire(turn.now.wall_ns);
        self.has_more = self.expire(turn);
    }

    /// Sends the acknowledgements of everything that is durable; once a write to disk has failed,
    /// refusals of what never will be.
    #[inline]
    pub fn release(&mut self, turn: &mut Turn<'_>) {
        if !self.flow_answers.is_empty() && !self.is_republishing(turn) {
            self.send_flow_answers(turn);
        }
        let Stream { acks, account, congested, .. } = self;
        if is_held_back(congested, turn.outlet) || acks.is_empty() {
            return;
        }
        let durable = turn.storage.durable();
        let way = acks.release(durable, |reply, text| ingest::send(*account, reply, text, turn));
        *congested = way.congested();
        if congested.is_empty() && turn.storage.has_failed() && !self.acks.is_empty() {
            self.refuse_waiting(turn);
        }
    }

    /// Whether acknowledgements wait for the disk: [`Stream::release`] when it has come further.
    #[must_use]
    pub fn awaits_disk(&self) -> bool {
        !self.acks.is_empty() || !self.flow_answers.is_empty()
    }

    /// Whether a turn would do something that neither a deadline nor the disk announces.
    #[must_use]
    pub fn has_work(&self) -> bool {
        if self.is_restoring() {
            return !self.congested.is_empty();
        }
        let goes_on = match &self.recovery {
            // The rest waits for it.
            Some(recovery) => recovery.wants_turn(),
            None => self.has_more || self.sweep_from.is_some() || !self.parked.is_empty(),
        };
        goes_on
            || (!self.republished_to.is_empty() && !self.flow_answers.is_empty())
            || !self.gets.is_empty()
            || !self.congested.is_empty()
    }

    /// When the stream wants its next turn at the latest, monotonic nanoseconds.
    #[must_use]
    pub fn next_deadline_ns(&self, storage: &mut Storage, now: Now) -> Option<u64> {
        if self.is_restoring() {
            return self.restore_deadline_ns();
        }
        if self.recovery.is_some() {
            // What is due is done after it.
            return None;
        }
        let by_wall = [
            storage.next_expiry(self.id).map(|(at_ns, _)| at_ns),
            self.next_aged(storage).map(|(at_ns, _)| at_ns),
            self.schedules.next_due_ns(),
            self.dedupe.next_deadline_ns(),
        ];
        let mono = |wall_ns: u64| now.mono_ns.saturating_add(wall_ns.saturating_sub(now.wall_ns));
        let by_wall = by_wall.into_iter().flatten().min().map(mono);
        let by_mono = [
            self.batches.next_deadline_ns(self.bounds.batches.timeout),
            self.fast_batches.next_deadline_ns(),
            self.sources.next_deadline_ns(),
            self.snapshot_deadline_ns(),
        ];
        by_mono.into_iter().flatten().chain(by_wall).min()
    }
}
