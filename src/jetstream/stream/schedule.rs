//! Messages that the stream produces later: each schedule is the last message of its subject.
//!
//! A schedule stands in the stream as an ordinary message; here is only when it is due. When it
//! is, its message is read again (from the disk, if need be) and what it asks for is stored under
//! its target. Source: spec/jetstream.md §7; ADR-51.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use storage::{Filter, Place, Purge, Read, Seq};
use subject::name;

use super::cron::{BadSchedule, Schedule};
use super::publication::Asked;
use super::rules::Ttl;
use super::store::{Entry, Rollup};
use super::{Stream, Turn, header_block};
use crate::stream_config::StreamConfig;
use crate::{ApiError, ErrorCode, WireTime};

/// The word that takes a schedule away with the message that carries it.
const PURGE: &[u8] = b"purge";

/// The schedules of one stream.
#[derive(Debug, Default)]
pub(super) struct Schedules {
    by_subject: HashMap<Box<[u8]>, Planned, ahash::RandomState>,
    /// When, and whose; a subject that was planned anew stands here twice.
    due: BinaryHeap<Reverse<(u64, Box<[u8]>)>>,
}

#[derive(Clone, Debug)]
struct Planned {
    seq: Seq,
    due_ns: u64,
    schedule: Schedule,
}

impl Schedules {
    /// When the next schedule is due, Unix nanoseconds.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((due_ns, _))| *due_ns)
    }

    fn plan(&mut self, subject: &[u8], planned: Planned) {
        self.due.push(Reverse((planned.due_ns, subject.into())));
        self.by_subject.insert(subject.into(), planned);
    }

    /// The message `seq` is gone, and with it its schedule.
    #[inline]
    pub(super) fn forget(&mut self, subject: &[u8], seq: Seq) {
        if self.by_subject.is_empty() {
            return;
        }
        if self.by_subject.get(subject).is_some_and(|planned| planned.seq == seq) {
            self.by_subject.remove(subject);
        }
    }

    /// Every schedule that `gone` names is gone.
    pub(super) fn forget_where(&mut self, gone: impl Fn(&[u8], Seq) -> bool) {
        self.by_subject.retain(|subject, planned| !gone(subject, planned.seq));
    }

    /// The next subject that is due, with its schedule's place.
    fn pop_due(&mut self, now_ns: u64) -> Option<(Box<[u8]>, Planned)> {
        while self.next_due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            let Reverse((due_ns, subject)) = self.due.pop()?;
            let planned = self.by_subject.get(&subject);
            if let Some(planned) = planned.filter(|planned| planned.due_ns == due_ns) {
                return Some((subject, planned.clone()));
            }
        }
        None
    }
}

/// Whether the message is a schedule, and a good one.
pub(super) fn check(
    config: &StreamConfig,
    subject: &[u8],
    asked: &Asked<'_>,
) -> Result<bool, ApiError> {
    let refuse = |code| Err(ApiError::new(code));
    let Some(pattern) = asked.schedule else { return Ok(false) };
    if !config.allow_msg_schedules {
        return refuse(ErrorCode::MessageSchedulesDisabled);
    }
    match Schedule::parse(pattern, asked.schedule_time_zone) {
        Err(BadSchedule::Pattern) => {
            return refuse(ErrorCode::MessageSchedulesPatternInvalid);
        }
        Err(BadSchedule::TimeZone) => {
            return refuse(ErrorCode::MessageSchedulesTimeZoneInvalid);
        }
        Ok(_) => {}
    }
    if asked.schedule_ttl.is_some_and(|ttl| Ttl::parse(ttl).is_none()) {
        return refuse(ErrorCode::MessageSchedulesTtlInvalid);
    }
    if asked.schedule_rollup.is_some_and(|value| !value.eq_ignore_ascii_case(b"sub")) {
        return refuse(ErrorCode::MessageSchedulesRollupInvalid);
    }
    if asked.schedule_ttl.is_some() && !config.allow_msg_ttl {
        return refuse(ErrorCode::MessageTtlDisabled);
    }
    let is_ours = |literal: &[u8]| {
        name::is_sound_literal(literal)
            && config.subjects.iter().any(|own| name::matches(own.as_bytes(), literal))
    };
    // spec/jetstream.md §7: required literal subject, must match the stream, != own subject
    if !asked.schedule_target.is_some_and(|target| is_ours(target) && target != subject) {
        return refuse(ErrorCode::MessageSchedulesTargetInvalid);
    }
    if let Some(source) = asked.schedule_source {
        let other = source != subject && asked.schedule_target != Some(source);
        if !(is_ours(source) && other) {
            return refuse(ErrorCode::MessageSchedulesSourceInvalid);
        }
    }
    // A roll-up of everything would take other schedules with it.
    if asked.rollup.is_some_and(|value| !value.eq_ignore_ascii_case(b"sub")) {
        return refuse(ErrorCode::MessageSchedulesRollupInvalid);
    }
    Ok(true)
}

/// What is to be cancelled is none.
pub(super) fn not_a_schedule() -> ApiError {
    ApiError::new(ErrorCode::MessageSchedulesSchedulerInvalid)
}

impl Stream {
    /// The subject of the schedule that a message cancels, if it cancels one.
    // Seen of nats-server 2.15.2: both headers together, another subject than its own, and what
    // stands there is a schedule or nothing.
    pub(super) fn cancelled<'a>(
        &self,
        subject: &[u8],
        asked: &Asked<'a>,
    ) -> Result<Option<&'a [u8]>, ApiError> {
        let scheduler = match (asked.scheduler, asked.schedule_next) {
            (None, None) => return Ok(None),
            (Some(scheduler), Some(PURGE)) => scheduler,
            _ => return Err(not_a_schedule()),
        };
        if scheduler == subject || !name::is_sound_literal(scheduler) {
            return Err(not_a_schedule());
        }
        if !self.config.allow_msg_schedules {
            return Err(ApiError::new(ErrorCode::MessageSchedulesDisabled));
        }
        Ok(Some(scheduler))
    }

    /// Whether a schedule stands on a subject, or nothing does.
    pub(super) fn may_cancel(&self, scheduler: &[u8], turn: &Turn<'_>) -> bool {
        let stands = turn.storage.stream(self.id).subject(scheduler).is_some();
        !stands || self.schedules.by_subject.contains_key(scheduler)
    }

    /// Plans the schedule that was just stored, or cancels the one that a message names.
    pub(super) fn note_schedule(
        &mut self,
        subject: &[u8],
        asked: &Asked<'_>,
        seq: Seq,
        turn: &mut Turn<'_>,
    ) {
        if !self.config.allow_msg_schedules {
            return;
        }
        if let Some(pattern) = asked.schedule {
            let now_ns = turn.now.wall_ns;
            self.plan(subject, (pattern, asked.schedule_time_zone), seq, now_ns, now_ns);
        } else if let Some(scheduler) = asked.scheduler.filter(|&scheduler| scheduler != subject) {
            self.drop_schedule(scheduler, seq, turn);
        }
    }

    /// Plans the schedule in the message `seq`, which was stored at `stored_ns`.
    pub(super) fn plan(
        &mut self,
        subject: &[u8],
        (pattern, zone): (&[u8], Option<&[u8]>),
        seq: Seq,
        stored_ns: u64,
        now_ns: u64,
    ) {
        let Ok(schedule) = Schedule::parse(pattern, zone) else { return };
        if let Some(due_ns) = schedule.first(stored_ns, now_ns) {
            self.schedules.plan(subject, Planned { seq, due_ns, schedule });
        }
    }

    /// Removes the schedule on `subject`, as far as it is older than `below`.
    fn drop_schedule(&mut self, subject: &[u8], below: Seq, turn: &mut Turn<'_>) {
        let filter = Filter::new([subject]);
        while let Some(seq) = turn.storage.stream(self.id).first_matching(&filter, Seq::FIRST)
            && seq < below
        {
            self.drop_message(seq, turn);
        }
    }

    /// Produces what is due. Whether some had to wait for the disk does not matter here: their
    /// schedules stay due, and are tried again in the next turn.
    pub(super) fn run_schedules(&mut self, turn: &mut Turn<'_>) {
        let mut waiting = Vec::new();
        while let Some((subject, planned)) = self.schedules.pop_due(turn.now.wall_ns) {
            if !self.produce(&subject, &planned, turn) {
                waiting.push((subject, planned));
            }
        }
        for (subject, planned) in waiting {
            self.schedules.due.push(Reverse((planned.due_ns, subject)));
        }
    }

    /// Stores what one schedule asks for; false if its message is not in memory yet.
    fn produce(&mut self, subject: &[u8], planned: &Planned, turn: &mut Turn<'_>) -> bool {
        let waiter = self.ingest_waiter();
        let (mut headers, mut payload) = match turn.storage.read(self.id, planned.seq, waiter) {
            Read::Ready(message) => (message.headers.to_vec(), message.payload.to_vec()),
            Read::Pending => return false,
            Read::Gone => {
                self.schedules.by_subject.remove(subject);
                return true;
            }
        };
        let order = headers.clone();
        let asked = Asked::read(&order);
        if let Some(source) = asked.schedule_source {
            let last = turn.storage.stream(self.id).subject(source);
            match last.map(|state| turn.storage.read(self.id, state.last, waiter)) {
                Some(Read::Ready(message)) => {
                    headers = message.headers.to_vec();
                    payload = message.payload.to_vec();
                }
                Some(Read::Pending) => return false,
                // Nothing to take from: this time is left out.
                Some(Read::Gone) | None => {
                    self.plan_next(subject, planned, turn);
                    return true;
                }
            }
        }
        let next_ns = planned.schedule.after(turn.now.wall_ns);
        let block = produced_headers(subject, &headers, &asked, next_ns);
        let target = asked.schedule_target.unwrap_or_default();
        let renamed = self.rename(target);
        let ttl = asked.schedule_ttl.and_then(Ttl::parse);
        let expires_ns = match ttl {
            Some(Ttl::For(ttl)) => turn.now.wall_ns.saturating_add(ttl.as_nanos() as u64),
            Some(Ttl::Never) | None => 0,
        };
        let entry = Entry {
            subject: renamed.as_deref().unwrap_or(target),
            headers: &block,
            payload: &payload,
            shared: None,
            expires_ns,
            msg_id: None,
            rollup: asked.schedule_rollup.map(|_| Rollup::Subject),
            place: Place::Next,
            time_ns: None,
        };
        // What does not fit (limits, quota) is left out; a repeating schedule goes on.
        let _stored_or_left_out = self.store(&entry, turn).is_ok();
        self.plan_next(subject, planned, turn);
        true
    }

    /// Plans the next time, or takes away a schedule that is over.
    fn plan_next(&mut self, subject: &[u8], planned: &Planned, turn: &mut Turn<'_>) {
        match planned.schedule.after(turn.now.wall_ns) {
            Some(due_ns) => self.schedules.plan(subject, Planned { due_ns, ..planned.clone() }),
            None => {
                self.schedules.by_subject.remove(subject);
                let filter = Filter::new([subject]);
                let purge = Purge { filter: &filter, below: planned.seq.next(), keep: 0 };
                let purged = turn.storage.purge(self.id, &purge);
                turn.quota.give(purged.bytes);
                turn.readers.removed(planned.seq.0, subject);
            }
        }
    }
}

// spec/jetstream.md §7: Nats-Schedule*, Nats-Expected-*, Nats-Msg-Id, Nats-TTL, Nats-Rollup
// removed; Nats-Scheduler and Nats-Schedule-Next added
fn produced_headers(
    scheduler: &[u8],
    headers: &[u8],
    asked: &Asked<'_>,
    next_ns: Option<u64>,
) -> Vec<u8> {
    let is_kept = |name: &[u8]| {
        let ours = [&b"Nats-Msg-Id"[..], b"Nats-TTL", b"Nats-Rollup"];
        !(name.starts_with(b"Nats-Schedule")
            || name.starts_with(b"Nats-Expected-")
            || ours.contains(&name))
    };
    let mut block = Vec::with_capacity(headers.len() + 128);
    header_block::begin(&mut block);
    header_block::add_from(&mut block, headers, is_kept);
    header_block::add(&mut block, "Nats-Scheduler", scheduler);
    match next_ns {
        Some(due_ns) => {
            let due = WireTime::from_wall_ns(due_ns);
            header_block::add_display(&mut block, "Nats-Schedule-Next", due);
        }
        None => header_block::add(&mut block, "Nats-Schedule-Next", PURGE),
    }
    if let Some(ttl) = asked.schedule_ttl {
        header_block::add(&mut block, "Nats-TTL", ttl);
    }
    if asked.schedule_rollup.is_some() {
        header_block::add(&mut block, "Nats-Rollup", b"sub");
    }
    header_block::end(&mut block);
    block
}
