//! After a restart: what a stream knew beside its messages, read from its messages again.
//!
//! Schedules, where sources stood, and the rest of an atomic batch that a crash cut in two. Until
//! that is done, publishes wait. Everything may have to come from the disk, so it goes on over as
//! many turns as it needs.
//!
//! Message ids within the dedupe window take reading every message of it. They are read when the
//! first publish asks for them, which then waits: of most streams nobody ever does, and what they
//! hold would be read from the disk for nothing, beside those who replay it.

use base::Now;
use storage::{Filter, Read, Seq, Storage};

use super::publication::Asked;
use super::source::Role;
use super::{Stream, Turn};
use crate::stream_config::Retention;

/// Messages that one turn reads.
const PER_TURN_MAX: usize = 4096;

/// What is still to be read.
#[derive(Debug)]
pub(super) struct Recovery {
    /// Whether the last message may be one of a batch without its end.
    torn_batch: TornBatch,
    /// Messages that may carry schedules.
    schedules: Vec<Seq>,
    /// The next message whose id may count, and the last, if ids are read.
    ids: Option<(Seq, Seq)>,
    /// Where to look next for the last message of each source, from the end; and which sources
    /// have not been found.
    origins: (Seq, Vec<usize>),
    /// Whether the disk is being read: its waiter brings the next turn.
    is_waiting: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TornBatch {
    Possible,
    Impossible,
}

impl Stream {
    /// Begins the recovery of a stream that has messages already. Nothing is published to it
    /// before [`Stream::turn`] has finished that.
    pub(super) fn begin_recovery(&mut self, storage: &Storage, now: Now) {
        let stored = storage.stream(self.id);
        if stored.state().messages == 0 {
            return;
        }
        self.unread_ids = Some(stored.state().last_seq);
        let schedules = match self.config.allow_msg_schedules {
            true => stored.last_per_subject(&Filter::all(), Seq::MAX),
            false => Vec::new(),
        };
        let torn_batch = match self.config.allow_atomic {
            true => TornBatch::Possible,
            false => TornBatch::Impossible,
        };
        let sources = self.sources.list.iter().enumerate();
        let sourced = sources.filter(|(_, source)| source.role == Role::Source);
        let origins = (Seq::MAX, sourced.map(|(index, _)| index).collect());
        // What comes from other streams does not wait, and what consumers take away is gone before
        // somebody asks.
        let at_once = !self.sources.list.is_empty() || self.config.retention != Retention::Limits;
        let ids = if at_once { self.ids(storage, now) } else { None };
        self.recover_first(Recovery { torn_batch, schedules, ids, origins, is_waiting: false });
    }

    /// Begins to read the message ids from before the start, if that was not done yet.
    pub(super) fn begin_ids(&mut self, storage: &Storage, now: Now) {
        let ids = self.ids(storage, now);
        let (torn_batch, origins) = (TornBatch::Impossible, (Seq::MAX, Vec::new()));
        let schedules = Vec::new();
        self.recover_first(Recovery { torn_batch, schedules, ids, origins, is_waiting: false });
    }

    /// Lets publishes wait until that is done, if there is anything to do.
    fn recover_first(&mut self, recovery: Recovery) {
        self.recovery = recovery.has_work().then_some(recovery);
        self.choose_path();
    }

    /// The messages whose ids were not read yet and may count.
    fn ids(&mut self, storage: &Storage, now: Now) -> Option<(Seq, Seq)> {
        let last = self.unread_ids.take()?;
        let window_ns = u64::try_from(self.config.duplicate_window).unwrap_or(0);
        let first = storage.stream(self.id).first_at(now.wall_ns.saturating_sub(window_ns));
        (window_ns > 0 && first <= last).then_some((first, last))
    }

    /// Goes on with the recovery; lets publishes in when it is done.
    pub(super) fn recover(&mut self, turn: &mut Turn<'_>) {
        let Some(mut recovery) = self.recovery.take() else { return };
        recovery.is_waiting = false;
        for _ in 0..PER_TURN_MAX {
            match self.recover_one(&mut recovery, turn) {
                Progress::Read => {}
                Progress::Wait => {
                    recovery.is_waiting = true;
                    break;
                }
                Progress::Done => {
                    self.choose_path();
                    return self.resume_parked(turn);
                }
            }
        }
        self.recovery = Some(recovery);
    }

    fn recover_one(&mut self, recovery: &mut Recovery, turn: &mut Turn<'_>) -> Progress {
        if recovery.torn_batch == TornBatch::Possible {
            return self.cut_torn_batch(recovery, turn);
        }
        if let Some(&seq) = recovery.schedules.last() {
            return self.recover_schedule(seq, recovery, turn);
        }
        if !recovery.origins.1.is_empty() {
            return self.recover_origin(recovery, turn);
        }
        let stored = turn.storage.stream(self.id);
        let Some((from, last)) = recovery.ids else { return Progress::Done };
        let next = stored.first_matching(&Filter::all(), from).filter(|&seq| seq <= last);
        let Some(seq) = next else { return Progress::Done };
        match turn.storage.read(self.id, seq, self.ingest_waiter()) {
            Read::Pending => return Progress::Wait,
            Read::Gone => {}
            Read::Ready(message) => {
                if let Some(id) = Asked::read(message.headers).msg_id {
                    self.dedupe.insert(id, seq.0, message.time_ns);
                }
            }
        }
        recovery.ids = Some((seq.next(), last));
        Progress::Read
    }

    /// Removes the last message if it is one of a batch whose end was never written.
    fn cut_torn_batch(&mut self, recovery: &mut Recovery, turn: &mut Turn<'_>) -> Progress {
        let stored = turn.storage.stream(self.id);
        let last = stored.last_matching(&Filter::all(), Seq::MAX);
        let Some(seq) = last else {
            recovery.torn_batch = TornBatch::Impossible;
            return Progress::Read;
        };
        let is_torn = match turn.storage.read(self.id, seq, self.ingest_waiter()) {
            Read::Pending => return Progress::Wait,
            Read::Gone => false,
            Read::Ready(message) => {
                let asked = Asked::read(message.headers);
                asked.batch_id.is_some() && asked.batch_commit.is_none()
            }
        };
        if is_torn {
            self.drop_message(seq, turn);
        } else {
            recovery.torn_batch = TornBatch::Impossible;
        }
        Progress::Read
    }

    /// Looks at one message from the end for the origin that it came from.
    fn recover_origin(&mut self, recovery: &mut Recovery, turn: &mut Turn<'_>) -> Progress {
        let (upto, missing) = &mut recovery.origins;
        let stored = turn.storage.stream(self.id);
        let Some(seq) = stored.last_matching(&Filter::all(), *upto) else {
            missing.clear();
            return Progress::Read;
        };
        let origin = match turn.storage.read(self.id, seq, self.ingest_waiter()) {
            Read::Pending => return Progress::Wait,
            Read::Gone => None,
            Read::Ready(message) => Stream::origin_of(message.headers),
        };
        *upto = seq.previous();
        let Some((name, position, filter, destination)) = origin else { return Progress::Read };
        missing.retain(|&index| {
            let source = &mut self.sources.list[index];
            let is_it = source.index_name() == name
                && source.filter_and_destination() == (filter.clone(), destination.clone());
            if is_it {
                source.position = position;
            }
            !is_it
        });
        Progress::Read
    }

    fn recover_schedule(
        &mut self,
        seq: Seq,
        recovery: &mut Recovery,
        turn: &mut Turn<'_>,
    ) -> Progress {
        let (subject, headers, time_ns) =
            match turn.storage.read(self.id, seq, self.ingest_waiter()) {
                Read::Pending => return Progress::Wait,
                Read::Gone => (Vec::new(), Vec::new(), 0),
                Read::Ready(message) => {
                    (message.subject.to_vec(), message.headers.to_vec(), message.time_ns)
                }
            };
        recovery.schedules.pop();
        let asked = Asked::read(&headers);
        if let Some(pattern) = asked.schedule {
            let order = (pattern, asked.schedule_time_zone);
            self.plan(&subject, order, seq, time_ns, turn.now.wall_ns);
        }
        Progress::Read
    }
}

impl Recovery {
    fn has_work(&self) -> bool {
        self.torn_batch == TornBatch::Possible
            || !self.schedules.is_empty()
            || !self.origins.1.is_empty()
            || self.ids.is_some()
    }

    /// Whether it can go on at once.
    pub(super) fn wants_turn(&self) -> bool {
        !self.is_waiting
    }
}

/// How one step ended.
enum Progress {
    Read,
    Wait,
    Done,
}
