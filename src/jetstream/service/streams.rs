//! Hot path: the streams of one core. Before it: the service's letters; after it: a stream, its
//! consumers, and with them the storage.
//!
//! A stream that a letter or a time has touched gets a turn, until it says that it has nothing
//! more to do; the others cost nothing.

mod figures;
mod ground;
mod orders;
mod recovery;
mod shown;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;

use base::{AccountId, Level, Now, ShardId};
use runtime::Disk;
use shard::{Letter, Listeners};
use storage::log::Trouble;
use storage::{Mark, Storage, Waiter};

use crate::advisory;
use crate::api::account_info::Usage;
use crate::api::answer::{Answer, Body};
use crate::api::kind::{Asked, Kind};
use crate::api::stream_info::{self, Facts, Made};
use crate::api::{self};
use crate::consumer::{Budget, Company, ConsumerPlace};
use crate::desk::Desk;
use crate::members::Members;
use crate::note::{Note, Question};
use crate::outlet::{Outlet, Purpose, Token};
use crate::rota::Rota;
use crate::service::REGISTRY;
use crate::service::held::Held;
use crate::settings::Settings;
use crate::stream::{Publication, SourceLetter};
use crate::stream_config::StreamConfig;
use crate::{AccountLimits, ErrorCode};
use figures::Stuck;
use ground::Ground;
use recovery::Orphan;

pub(crate) use figures::Counted;

/// All streams of this core.
pub(crate) struct Streams {
    ground: Ground,
    held: Vec<Option<Held>>,
    vacant: Vec<u32>,
    places: HashMap<(AccountId, String), u32>,
    /// Streams that want a turn.
    touched: Rota<u32>,
    /// Streams that wait for the disk, and how far it was when they were last looked at.
    awaiting: Vec<u32>,
    released: Mark,
    /// When others want one, monotonic nanoseconds.
    times: BinaryHeap<Reverse<(u64, u32)>>,
    stuck: Stuck,
    here: ShardId,
    /// Streams whose accounts may not use JetStream, and whether others may since.
    orphans: Vec<Orphan>,
    has_new_members: bool,
    /// Requests that wait for the disk, by what the waiter's index says.
    reading: HashMap<u32, Question>,
    next_reading: u32,
    /// What was done without an order, and is to be said once it is safe and known.
    unseen: Vec<Unseen>,
}

/// What is to be said once every core knows of what was done.
pub(crate) enum Unseen {
    /// To the registry.
    Note(Note),
    /// To an asker.
    Answer(Question, Kind, Answer),
}

impl Streams {
    /// None yet.
    pub(crate) fn new(here: ShardId, settings: Rc<Settings>, storage: Storage) -> Streams {
        let members = Members::new(here, &settings);
        Streams {
            ground: Ground { settings, storage, members, budget: Budget::of(Company::Alone) },
            held: Vec::new(),
            vacant: Vec::new(),
            places: HashMap::new(),
            touched: Rota::default(),
            awaiting: Vec::new(),
            released: Mark::default(),
            times: BinaryHeap::new(),
            stuck: Stuck::No,
            here,
            orphans: Vec::new(),
            has_new_members: false,
            reading: HashMap::new(),
            next_reading: 0,
            unseen: Vec::new(),
        }
    }

    /// Says how an account is called and what it may use, or may use from now on.
    pub(crate) fn admit(&mut self, account: AccountId, name: &str, limits: AccountLimits) {
        let Ground { members, settings, .. } = &mut self.ground;
        members.admit(account, name, limits, &settings.ledger);
        self.has_new_members = true;
    }

    /// All streams: account, configuration, when made.
    pub(crate) fn known(&self) -> Vec<(u32, StreamConfig, u64)> {
        let held = self.held.iter().flatten();
        held.map(|held| (held.account().0, held.stream.config().clone(), held.created_ns)).collect()
    }

    /// A letter for a stream. One that is gone meanwhile gets none.
    #[inline]
    pub(crate) fn read(
        &mut self,
        token: Token,
        letter: &Letter<'_>,
        now: Now,
        out: &mut dyn Outlet,
    ) {
        let place = token.stream();
        let Some(Some(held)) = self.held.get_mut(place as usize) else { return };
        // A direct get leaves nothing behind that a turn would find, unless it says so.
        if !held.is_touched && token.purpose() != Purpose::DirectGet {
            held.is_touched = true;
            self.touched.push(place);
        }
        let means = &mut self.ground.means(held, now, out);
        let publish = &letter.publish;
        let consumer = ConsumerPlace(token.index());
        match token.purpose() {
            Purpose::Publish => {
                let payload = publish.payload();
                let shared = letter.shared.map(|bytes| bytes.slice_ref(payload));
                let message = Publication {
                    subject: publish.subject(),
                    reply: publish.reply(),
                    headers: publish.headers().unwrap_or_default(),
                    payload,
                    shared: shared.as_ref(),
                    trace: letter.trace,
                };
                held.with_stream(means, |stream, turn| stream.publish(&message, turn));
            }
            Purpose::PullRequest => {
                let Some(reply) = publish.reply() else { return };
                let (payload, headers) = (publish.payload(), publish.headers());
                let desk = &mut means.of_consumers();
                held.consumers.pull(consumer, reply, payload, headers, desk);
            }
            Purpose::Ack => {
                let (subject, payload) = (publish.subject(), publish.payload());
                let desk = &mut means.of_consumers();
                held.consumers.ack(consumer, subject, payload, publish.reply(), desk);
            }
            Purpose::FlowControl => {
                let desk = &mut means.of_consumers();
                let (subject, headers) = (publish.subject(), publish.headers());
                held.consumers.flow_answered(consumer, subject, headers, desk);
            }
            Purpose::DirectGet => {
                held.direct_get(letter, token.index(), means);
                if held.has_work() && !held.is_touched {
                    held.is_touched = true;
                    self.touched.push(place);
                }
            }
            Purpose::Source => {
                let letter = SourceLetter {
                    subject: publish.subject(),
                    reply: publish.reply(),
                    headers: publish.headers().unwrap_or_default(),
                    payload: publish.payload(),
                };
                held.with_stream(means, |stream, turn| stream.source_letter(token, &letter, turn));
            }
            Purpose::SnapshotAck => {
                let subject = publish.subject();
                held.with_stream(means, |stream, turn| {
                    stream.snapshot_answered(token, subject, turn);
                });
            }
            Purpose::Restore => {
                let (payload, reply) = (publish.payload(), publish.reply());
                if let Some(ended) = api::stream_restore::take(payload, reply, held, means) {
                    self.end_restore(place, ended, now, out);
                }
            }
            Purpose::Service => {}
        }
    }

    /// Lets everything go on that letters, time or the disk have touched.
    pub(crate) fn turn(&mut self, now: Now, desk: &mut Desk<'_>) {
        while let Some(&Reverse((time_ns, place))) = self.times.peek()
            && time_ns <= now.mono_ns
        {
            self.times.pop();
            if let Some(Some(held)) = self.held.get_mut(place as usize)
                && held.timed_ns == time_ns
            {
                held.timed_ns = u64::MAX;
                self.touch(place);
            }
        }
        self.touched.begin();
        while let Some(place) = self.touched.next() {
            self.run(place, now, desk.out);
        }
    }

    /// Gives the disk what there is to do, takes what it has done, and lets everything go on that
    /// waited for that.
    pub(crate) fn serve_disk(&mut self, disk: &mut dyn Disk, now: Now, desk: &mut Desk<'_>) {
        self.ground.storage.turn(disk, now);
        for trouble in self.ground.storage.take_troubles() {
            match trouble {
                Trouble::Failed { .. } | Trouble::Full => {
                    self.stuck = Stuck::Yes;
                    let settings = &self.ground.settings;
                    advisory::out_of_storage(desk.out, settings, desk.wall_ns);
                }
                Trouble::SpaceAgain => self.stuck = Stuck::No,
                Trouble::Damaged(_) => {}
            }
            desk.log.say(Level::Error, format!("JetStream storage: {trouble}"));
        }
        while let Some(waiter) = self.ground.storage.next_arrived() {
            self.arrived(waiter, now, desk);
        }
        self.release(now, desk.out);
    }

    /// Sends what waited for the disk, if it has come further.
    fn release(&mut self, now: Now, out: &mut dyn Outlet) {
        let durable = self.ground.storage.durable();
        let has_come = durable > self.released || self.ground.storage.has_failed();
        if !has_come || self.awaiting.is_empty() {
            return;
        }
        self.released = durable;
        let mut awaiting = std::mem::take(&mut self.awaiting);
        awaiting.retain(|&place| {
            let Some(Some(held)) = self.held.get_mut(place as usize) else { return false };
            let means = &mut self.ground.means(held, now, out);
            held.release(means);
            if held.has_work() && !held.is_touched {
                held.is_touched = true;
                self.touched.push(place);
            }
            held.is_awaiting = held.awaits_disk();
            held.is_awaiting
        });
        self.awaiting = awaiting;
    }

    fn run(&mut self, place: u32, now: Now, out: &mut dyn Outlet) {
        let Some(Some(held)) = self.held.get_mut(place as usize) else { return };
        held.is_touched = false;
        let is_late = self.ground.budget.is_spent();
        let means = &mut self.ground.means(held, now, out);
        let wants_more = held.turn(means);
        if let Some(ended) = api::stream_restore::lapse(held, now) {
            return self.end_restore(place, ended, now, out);
        }
        let after = held.count(&self.ground.storage);
        if after != held.counted {
            self.ground.members.count(held.member, held.counted, after);
            held.counted = after;
        }
        if held.awaits_disk() && !held.is_awaiting {
            held.is_awaiting = true;
            self.awaiting.push(place);
        }
        if wants_more && is_late {
            held.is_touched = true;
            return self.touched.push_unserved(place);
        }
        if wants_more {
            return self.touch(place);
        }
        let due_ns = held.next_deadline_ns(&mut self.ground.storage, now);
        if due_ns < held.timed_ns {
            held.timed_ns = due_ns;
            self.times.push(Reverse((due_ns, place)));
        }
    }

    /// What was done since this was last asked that somebody is to be told of.
    pub(crate) fn take_unseen(&mut self) -> Vec<Unseen> {
        std::mem::take(&mut self.unseen)
    }

    fn touch(&mut self, place: u32) {
        if let Some(Some(held)) = self.held.get_mut(place as usize)
            && !held.is_touched
        {
            held.is_touched = true;
            self.touched.push(place);
        }
    }

    /// Up to where the log goes: what was done until now is safe once that is durable.
    pub(crate) fn appended(&mut self) -> Mark {
        self.ground.storage.appended()
    }

    /// Up to where the log is safe.
    pub(crate) fn durable(&self) -> Mark {
        self.ground.storage.durable()
    }

    /// Whether a write to disk failed: what is not safe by now never will be.
    pub(crate) fn has_failed(&self) -> bool {
        self.ground.storage.has_failed()
    }

    /// Whether a stream has something to do that no event will announce.
    pub(crate) fn has_work(&self) -> bool {
        !self.touched.is_empty() || self.ground.storage.has_work()
    }

    /// When the next turn is wanted at the latest, monotonic nanoseconds.
    pub(crate) fn next_deadline_ns(&self) -> Option<u64> {
        let streams = self.times.peek().map(|Reverse((time_ns, _))| *time_ns);
        [streams, self.ground.storage.next_deadline_ns()].into_iter().flatten().min()
    }

    /// The server stops: what was stored shall be found quickly by the next start.
    pub(crate) fn finish(&mut self) {
        self.ground.storage.finish();
    }

    /// Whether the disk owes nothing.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.ground.storage.is_at_rest()
    }

    /// What a waiter waited for can be read now.
    fn arrived(&mut self, waiter: Waiter, now: Now, desk: &mut Desk<'_>) {
        let token = Token(waiter.0);
        match token.purpose() {
            Purpose::Service => {
                if let Some(question) = self.reading.remove(&token.index()) {
                    self.answer(&question, now, desk);
                }
            }
            purpose => {
                if let Some(Some(held)) = self.held.get_mut(token.stream() as usize)
                    && purpose == Purpose::PullRequest
                {
                    held.consumers.arrived(waiter);
                }
                self.touch(token.stream());
            }
        }
    }

    /// What the registry asks or orders. What is to be said once every core knows comes back.
    pub(crate) fn hear(&mut self, note: Note, now: Now, desk: &mut Desk<'_>) -> Option<Unseen> {
        match note {
            Note::Ask(question) => return self.answer(&question, now, desk),
            Note::Carry { ticket, account, order } => {
                let answer = self.carry(AccountId(account), order, now, desk);
                let answer = answer.map(Body::into_raw);
                return Some(Unseen::Note(Note::Done { ticket, answer }));
            }
            Note::Describe { ticket, account, streams } => {
                let account = AccountId(account);
                let describe = |name: String| {
                    let held = self.find(account, &name)?;
                    let info = stream_info::describe(&self.facts(held, desk.wall_ns), Made::Before);
                    Some((name, Body::of(&info).ok()?.into_raw()))
                };
                let described = streams.into_iter().filter_map(describe).collect();
                let usage = Usage::default();
                desk.send(REGISTRY, &Note::Part { ticket, usage, errors: 0, described });
            }
            Note::Measure { ticket, account } => {
                let account = AccountId(account);
                let (usage, errors) = self.ground.members.usage(account, &self.ground.storage);
                let described = Vec::new();
                desk.send(REGISTRY, &Note::Part { ticket, usage, errors, described });
            }
            Note::Backlog { asker, account, subject, token, number } => {
                let audience = desk.out.audience(AccountId(account), subject.as_bytes());
                let Listeners { all, lagging } = audience.here;
                desk.send(ShardId(asker), &Note::Backlogged { token, number, all, lagging });
            }
            Note::Backlogged { token, number, all, lagging } => {
                self.backlog_told(Token(token), number, Listeners { all, lagging }, now);
            }
            Note::Audit(_)
            | Note::Done { .. }
            | Note::Part { .. }
            | Note::Recovered { .. }
            | Note::Restored { .. }
            | Note::Adopted { .. } => {}
        }
        None
    }

    /// Another core says whether a consumer's receivers there keep up.
    fn backlog_told(&mut self, token: Token, number: u64, there: Listeners, now: Now) {
        if let Some(Some(held)) = self.held.get_mut(token.stream() as usize) {
            held.consumers.backlog_told(ConsumerPlace(token.index()), number, there, now);
        }
        self.touch(token.stream());
    }

    fn answer(&mut self, question: &Question, now: Now, desk: &mut Desk<'_>) -> Option<Unseen> {
        let asked = Asked::parse(&question.subject)?;
        let answer = self.answer_to(question, asked, now, desk)?;
        if answer.is_err() {
            self.ground.members.count_error(question.account());
        }
        if asked.kind.changes() && answer.is_ok() {
            return Some(Unseen::Answer(question.clone(), asked.kind, answer));
        }
        desk.answer(question, Some(asked.kind), &answer);
        None
    }

    /// The answer; `None` when it has to wait for the disk.
    fn answer_to(
        &mut self,
        question: &Question,
        asked: Asked<'_>,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Option<Answer> {
        let place = self.place(question.account(), asked.stream);
        let held = place.and_then(|place| self.held[place as usize].as_mut());
        let Some(held) = held else { return Some(Err(ErrorCode::StreamNotFound.into())) };
        let body = &question.body;
        let domain = self.ground.settings.domain.as_deref();
        match asked.kind {
            Kind::StreamInfo => {
                let facts = held.facts(&self.ground.storage, domain, desk.wall_ns);
                let settings = &self.ground.settings;
                let leader = &settings.server;
                return Some(stream_info::answer(&facts, body, leader, settings.strictness));
            }
            // It was made before, exactly so. Seen of nats-server 2.15.2: that is said alike.
            Kind::StreamCreate => {
                let facts = held.facts(&self.ground.storage, domain, desk.wall_ns);
                return Some(Body::of(&stream_info::describe(&facts, Made::Now)));
            }
            _ => {}
        }
        let means = &mut self.ground.means(held, now, desk.out);
        let answer = match asked.kind {
            Kind::StreamMsgGet => {
                let index = self.next_reading;
                let waiter = Waiter(Token::new(held.place, Purpose::Service, index).0);
                let answer = api::stream_msg_get::answer(body, held, means, waiter);
                if answer.is_none() {
                    self.next_reading = (index + 1) & Token::INDEX_MAX;
                    self.reading.insert(index, question.clone());
                }
                return answer;
            }
            Kind::StreamMsgDelete => api::stream_msg_delete::answer(body, held, means),
            Kind::StreamSnapshot => api::stream_snapshot::answer(body, held, means),
            Kind::StreamPurge => api::stream_purge::answer(body, held, means),
            Kind::ConsumerCreate | Kind::ConsumerDurableCreate => {
                api::consumer_create::answer(asked, body, held, means)
            }
            Kind::ConsumerInfo => api::consumer_info::answer(asked, body, held, means),
            Kind::ConsumerNames => api::consumer_info::names(body, held, means),
            Kind::ConsumerList => api::consumer_info::list(body, held, means),
            Kind::ConsumerDelete => api::consumer_delete::answer(asked, body, held, means),
            Kind::ConsumerPause => api::consumer_pause::answer(asked, body, held, means),
            Kind::ConsumerReset => api::consumer_reset::answer(asked, body, held, means),
            Kind::ConsumerUnpin => api::consumer_unpin::answer(asked, body, held, means),
            _ => Err(ErrorCode::BadRequest.into()),
        };
        if let Some(place) = place {
            self.touch(place);
        }
        Some(answer)
    }

    fn place(&self, account: AccountId, stream: &str) -> Option<u32> {
        self.places.get(&(account, stream.to_owned())).copied()
    }

    fn find(&self, account: AccountId, stream: &str) -> Option<&Held> {
        self.held[self.place(account, stream)? as usize].as_ref()
    }

    fn facts<'a>(&'a self, held: &'a Held, wall_ns: u64) -> Facts<'a> {
        held.facts(&self.ground.storage, self.ground.settings.domain.as_deref(), wall_ns)
    }
}
