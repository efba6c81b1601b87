//! Hot path: the streams of one core. Before it: the service's letters; after it: a stream, its
//! consumers, and with them the storage.
//!
//! A stream that a letter or a time has touched gets a turn, until it says that it has nothing
//! more to do; the others cost nothing.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;

use base::{AccountId, Level, Now, ShardId};
use runtime::Disk;
use shard::Letter;
use storage::log::Trouble;
use storage::{Kind as Kept, Mark, Seq, Storage, StreamId, ValueKey, Waiter};

use crate::api::account_info::Usage;
use crate::api::answer::{Answer, Body};
use crate::api::kind::{Asked, Kind};
use crate::api::stream_info::{self, Facts, Made};
use crate::api::{self};
use crate::consumer::{self, ConsumerPlace, Consumers, End, Home};
use crate::desk::Desk;
use crate::ledger::Figure;
use crate::meta::registry::ServerBounds;
use crate::note::{Note, Order, Question};
use crate::outlet::{Outlet, Purpose, Token};
use crate::service::REGISTRY;
use crate::service::held::{Held, Means};
use crate::service::kept::{self, KeptStream};
use crate::settings::Settings;
use crate::stream::{Identity, Publication, Quota, SourceLetter, Stream};
use crate::stream_config::{self, StreamConfig};
use crate::{AccountLimits, ErrorCode};

/// All streams of this core.
pub(crate) struct Streams {
    settings: Rc<Settings>,
    storage: Storage,
    held: Vec<Option<Held>>,
    vacant: Vec<u32>,
    places: HashMap<(AccountId, String), u32>,
    /// The names of accounts, and what they may use.
    accounts: HashMap<AccountId, (String, AccountLimits)>,
    /// Requests answered with an error.
    errors: HashMap<AccountId, u64>,
    /// Streams that want a turn.
    touched: Vec<u32>,
    /// Streams that wait for the disk, and how far it was when they were last looked at.
    awaiting: Vec<u32>,
    released: Mark,
    /// When others want one, monotonic nanoseconds.
    times: BinaryHeap<Reverse<(u64, u32)>>,
    /// What all cores together may store, and what may still be stored, by kind of storage.
    bounds: ServerBounds,
    quotas: Quotas,
    /// Messages and consumers of all streams here, as of their last turns.
    counted: Counted,
    stuck: Stuck,
    here: ShardId,
    /// Requests that wait for the disk, by what the waiter's index says.
    reading: HashMap<u32, Question>,
    next_reading: u32,
}

/// Messages and consumers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) messages: u64,
    pub(crate) consumers: u64,
}

impl Counted {
    /// Replaces what one stream had with what it has.
    fn replace(&mut self, before: Counted, after: Counted) {
        self.messages = self.messages + after.messages - before.messages;
        self.consumers = self.consumers + after.consumers - before.consumers;
    }
}

/// Whether the disk takes what is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stuck {
    No,
    Yes,
}

/// What may still be stored, by kind of storage.
struct Quotas {
    memory: Quota,
    file: Quota,
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas { memory: Quota::UNLIMITED, file: Quota::UNLIMITED }
    }
}

impl Quotas {
    fn of(&mut self, storage: stream_config::Storage) -> &mut Quota {
        match storage {
            stream_config::Storage::Memory => &mut self.memory,
            stream_config::Storage::File => &mut self.file,
        }
    }
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
        let bounds = settings.bounds;
        Streams {
            settings,
            storage,
            held: Vec::new(),
            vacant: Vec::new(),
            places: HashMap::new(),
            accounts: HashMap::new(),
            errors: HashMap::new(),
            touched: Vec::new(),
            awaiting: Vec::new(),
            released: Mark::default(),
            times: BinaryHeap::new(),
            bounds,
            quotas: Quotas::default(),
            counted: Counted::default(),
            stuck: Stuck::No,
            here,
            reading: HashMap::new(),
            next_reading: 0,
        }
    }

    /// Says how an account is called and what it may use.
    pub(crate) fn admit(&mut self, account: AccountId, name: &str, limits: AccountLimits) {
        self.accounts.insert(account, (name.to_owned(), limits));
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
        if !held.is_touched {
            held.is_touched = true;
            self.touched.push(place);
        }
        let means = &mut Means {
            storage: &mut self.storage,
            outlet: out,
            quota: self.quotas.of(held.stream.config().storage),
            now,
            settings: &self.settings,
            limits: AccountLimits::default(),
        };
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
                held.consumers.flow_answered(consumer, publish.subject(), desk);
            }
            Purpose::DirectGet => held.direct_get(letter, means),
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
                api::stream_restore::take(payload, reply, held, means);
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
        for place in std::mem::take(&mut self.touched) {
            self.run(place, now, desk.out);
        }
    }

    /// Gives the disk what there is to do, takes what it has done, and lets everything go on that
    /// waited for that.
    pub(crate) fn serve_disk(&mut self, disk: &mut dyn Disk, now: Now, desk: &mut Desk<'_>) {
        self.storage.turn(disk, now);
        for trouble in self.storage.take_troubles() {
            match trouble {
                Trouble::Failed { .. } | Trouble::Full => self.stuck = Stuck::Yes,
                Trouble::SpaceAgain => self.stuck = Stuck::No,
                Trouble::Damaged(_) => {}
            }
            desk.log.say(Level::Error, format!("JetStream storage: {trouble}"));
        }
        while let Some(waiter) = self.storage.next_arrived() {
            self.arrived(waiter, now, desk);
        }
        self.release(now, desk.out);
    }

    /// Sends what waited for the disk, if it has come further.
    fn release(&mut self, now: Now, out: &mut dyn Outlet) {
        let durable = self.storage.durable();
        if durable <= self.released || self.awaiting.is_empty() {
            return;
        }
        self.released = durable;
        let mut awaiting = std::mem::take(&mut self.awaiting);
        awaiting.retain(|&place| {
            let Some(Some(held)) = self.held.get_mut(place as usize) else { return false };
            let means = &mut Means {
                storage: &mut self.storage,
                outlet: out,
                quota: self.quotas.of(held.stream.config().storage),
                now,
                settings: &self.settings,
                limits: AccountLimits::default(),
            };
            held.release(means);
            held.is_awaiting = held.awaits_disk();
            held.is_awaiting
        });
        self.awaiting = awaiting;
    }

    fn run(&mut self, place: u32, now: Now, out: &mut dyn Outlet) {
        let Some(Some(held)) = self.held.get_mut(place as usize) else { return };
        held.is_touched = false;
        let means = &mut Means {
            storage: &mut self.storage,
            outlet: out,
            quota: self.quotas.of(held.stream.config().storage),
            now,
            settings: &self.settings,
            limits: AccountLimits::default(),
        };
        let wants_more = held.turn(means);
        let after = held.count(&self.storage);
        self.counted.replace(held.counted, after);
        held.counted = after;
        if held.awaits_disk() && !held.is_awaiting {
            held.is_awaiting = true;
            self.awaiting.push(place);
        }
        if wants_more {
            return self.touch(place);
        }
        let due_ns = held.next_deadline_ns(&mut self.storage, now);
        if due_ns < held.timed_ns {
            held.timed_ns = due_ns;
            self.times.push(Reverse((due_ns, place)));
        }
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
        self.storage.appended()
    }

    /// Up to where the log is safe.
    pub(crate) fn durable(&self) -> Mark {
        self.storage.durable()
    }

    /// New bounds, where the operator names some.
    pub(crate) fn widen(&mut self, bounds: ServerBounds) {
        self.bounds = self.bounds.widened(bounds);
    }

    /// Begins a turn: what may still be stored is judged by what all cores hold.
    // spec/cli-and-config.md §7.7 max_memory_store, max_file_store
    pub(crate) fn begin_turn(&mut self) {
        let left = |bound: Option<u64>, figure| {
            bound.map_or(u64::MAX, |bound| bound.saturating_sub(self.settings.ledger.sum(figure)))
        };
        let bounds = self.bounds;
        self.quotas.memory.server_bytes = left(bounds.memory, Figure::Memory);
        self.quotas.file.server_bytes = left(bounds.storage, Figure::Storage);
    }

    /// Ends a turn: tells the others what this core holds.
    pub(crate) fn end_turn(&self) {
        let (mut memory, mut file) = (0, 0);
        for &account in self.accounts.keys() {
            let space = self.storage.space(account);
            memory += space.memory;
            file += space.file;
        }
        let figures = [
            (Figure::Memory, memory),
            (Figure::Storage, file),
            (Figure::Streams, self.places.len() as u64),
            (Figure::Consumers, self.counted.consumers),
            (Figure::Messages, self.counted.messages),
            (Figure::ApiErrors, self.errors.values().sum()),
            (Figure::Stuck, u64::from(self.stuck == Stuck::Yes)),
        ];
        for (figure, value) in figures {
            self.settings.ledger.set(self.here, figure, value);
        }
    }

    /// Whether a stream has something to do that no event will announce.
    pub(crate) fn has_work(&self) -> bool {
        !self.touched.is_empty() || self.storage.has_work()
    }

    /// When the next turn is wanted at the latest, monotonic nanoseconds.
    pub(crate) fn next_deadline_ns(&self) -> Option<u64> {
        let streams = self.times.peek().map(|Reverse((time_ns, _))| *time_ns);
        [streams, self.storage.next_deadline_ns()].into_iter().flatten().min()
    }

    /// The server stops: what was stored shall be found quickly by the next start.
    pub(crate) fn finish(&mut self) {
        self.storage.finish();
    }

    /// Whether the disk owes nothing.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.storage.is_at_rest()
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
                let usage = self.usage(account);
                let errors = self.errors.get(&account).copied().unwrap_or_default();
                let described = Vec::new();
                desk.send(REGISTRY, &Note::Part { ticket, usage, errors, described });
            }
            Note::Done { .. } | Note::Part { .. } | Note::Recovered { .. } => {}
        }
        None
    }

    fn answer(&mut self, question: &Question, now: Now, desk: &mut Desk<'_>) -> Option<Unseen> {
        let asked = Asked::parse(&question.subject)?;
        let answer = self.answer_to(question, asked, now, desk)?;
        if answer.is_err() {
            *self.errors.entry(question.account()).or_default() += 1;
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
        let domain = self.settings.domain.as_deref();
        match asked.kind {
            Kind::StreamInfo => {
                let facts = held.facts(&self.storage, domain, desk.wall_ns);
                return Some(stream_info::answer(&facts, body, self.settings.strictness));
            }
            // It was made before, exactly so.
            Kind::StreamCreate => {
                let facts = held.facts(&self.storage, domain, desk.wall_ns);
                return Some(Body::of(&stream_info::describe(&facts, Made::Before)));
            }
            _ => {}
        }
        let limits = self.accounts.get(&question.account()).map_or_else(Default::default, |a| a.1);
        let means = &mut Means {
            storage: &mut self.storage,
            outlet: desk.out,
            quota: self.quotas.of(held.stream.config().storage),
            now,
            settings: &self.settings,
            limits,
        };
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

    /// Makes, changes or deletes a stream.
    fn carry(&mut self, account: AccountId, order: Order, now: Now, desk: &mut Desk<'_>) -> Answer {
        match order {
            Order::Create { config, created_ns } => {
                self.create(account, *config, created_ns, now, desk)
            }
            Order::Restore { config, created_ns, last_seq } => {
                let name = config.name.clone();
                self.create(account, *config, created_ns, now, desk)?;
                self.begin_restore(account, &name, last_seq, now, desk)
            }
            Order::Update { config } => self.update(account, *config, now, desk),
            Order::Delete { stream } => self.delete(account, stream, now, desk),
        }
    }

    /// Lets a stream that was just made wait for its backup; nothing else reaches it meanwhile.
    fn begin_restore(
        &mut self,
        account: AccountId,
        stream: &str,
        last_seq: u64,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let place = self.place(account, stream).ok_or(ErrorCode::StreamNotFound)?;
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        held.listen_no_more(desk.out);
        let means = &mut Means {
            storage: &mut self.storage,
            outlet: desk.out,
            quota: &mut Quota::UNLIMITED.clone(),
            now,
            settings: &self.settings,
            limits: AccountLimits::default(),
        };
        api::stream_restore::begin(last_seq, held, means)
    }

    fn create(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        created_ns: u64,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let kept = match config.storage {
            stream_config::Storage::Memory => Kept::Memory,
            stream_config::Storage::File => Kept::File,
        };
        let id = self.storage.create(account, kept, Seq(config.first_seq));
        let place = self.add(account, config, created_ns, id, now);
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        let name = self.accounts.get(&account).map_or("", |(name, _)| name.as_str());
        let kept = KeptStream::write(name, created_ns, held.stream.config());
        let stored = self.storage.put(id, kept::STREAM, &kept);
        if stored.is_err() {
            self.held[place as usize] = None;
            self.places.retain(|_, at| *at != place);
            self.vacant.push(place);
            self.storage.delete(id);
            return Err(ErrorCode::InsufficientResources.into());
        }
        let domain = self.settings.domain.as_deref();
        held.listen_for_stream(domain, desk.out);
        let facts = held.facts(&self.storage, domain, desk.wall_ns);
        Body::of(&stream_info::describe(&facts, Made::Now))
    }

    /// Gives a stream a place, whose messages are in the storage under `id`.
    fn add(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        created_ns: u64,
        id: StreamId,
        now: Now,
    ) -> u32 {
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.held.push(None);
            self.held.len() as u32 - 1
        });
        self.places.insert((account, config.name.clone()), place);
        let domain = self.settings.domain.clone();
        let home = Home {
            account,
            stream: config.name.clone(),
            id,
            retention: config.retention,
            domain: domain.clone(),
        };
        let identity = Identity { account, domain, place };
        self.held[place as usize] = Some(Held {
            place,
            created_ns,
            stream: Stream::new(identity, config, id, &self.storage, now),
            consumers: Consumers::new(home),
            is_touched: true,
            is_awaiting: false,
            timed_ns: u64::MAX,
            counted: Counted::default(),
        });
        self.touched.push(place);
        place
    }

    /// Brings back what was there before the start.
    pub(crate) fn recover(&mut self, now: Now, desk: &mut Desk<'_>) {
        for (id, values) in self.storage.recovered() {
            let kept = values.iter().find(|(key, _)| *key == kept::STREAM);
            let Some((_, value)) = kept else {
                // Nobody was told that it was made.
                self.storage.delete(id);
                continue;
            };
            let Some(kept) = KeptStream::read(value) else {
                let text = "a stream's configuration on disk cannot be read; its messages are kept";
                desk.log.say(Level::Error, format!("JetStream: {text}"));
                continue;
            };
            let found = self.accounts.iter().find(|(_, (name, _))| *name == kept.account);
            let Some((&account, _)) = found else {
                let (stream, account) = (&kept.config.name, &kept.account);
                let text = format!("stream '{account} > {stream}' has no account; it is kept");
                desk.log.say(Level::Warn, format!("JetStream: {text}"));
                continue;
            };
            self.storage.assign(id, account);
            let place = self.add(account, kept.config, kept.created_ns, id, now);
            self.recover_consumers(place, values, now, desk);
        }
    }

    fn recover_consumers(
        &mut self,
        place: u32,
        values: Vec<(ValueKey, Box<[u8]>)>,
        now: Now,
        desk: &mut Desk<'_>,
    ) {
        let Some(Some(held)) = self.held.get_mut(place as usize) else { return };
        let consumers = &mut consumer::Desk { storage: &mut self.storage, outlet: desk.out, now };
        for lost in held.consumers.recover(values, place, consumers) {
            let stream = &held.stream.config().name;
            desk.log.say(Level::Error, format!("JetStream: stream {stream}: lost {lost:?}"));
        }
        let domain = self.settings.domain.as_deref();
        held.listen_for_stream(domain, desk.out);
        let places: Vec<ConsumerPlace> = held.consumers.iter().map(|(at, _)| at).collect();
        for consumer in places {
            held.listen(consumer, domain, desk.out);
        }
    }

    fn update(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let place = self.place(account, &config.name).ok_or(ErrorCode::StreamNotFound)?;
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        held.consumers.home_mut().retention = config.retention;
        let means = &mut Means {
            storage: &mut self.storage,
            outlet: desk.out,
            quota: self.quotas.of(held.stream.config().storage),
            now,
            settings: &self.settings,
            limits: AccountLimits::default(),
        };
        let name = self.accounts.get(&account).map_or("", |(name, _)| name.as_str());
        let kept = KeptStream::write(name, held.created_ns, &config);
        let stored = means.storage.put(held.stream.id(), kept::STREAM, &kept);
        stored.map_err(|_| ErrorCode::InsufficientResources)?;
        held.with_stream(means, |stream, turn| stream.update(config, turn));
        let domain = self.settings.domain.as_deref();
        held.listen_no_more(desk.out);
        held.listen_for_stream(domain, desk.out);
        let facts = held.facts(&self.storage, domain, desk.wall_ns);
        let answer = Body::of(&stream_info::describe(&facts, Made::Before));
        self.touch(place);
        answer
    }

    fn delete(
        &mut self,
        account: AccountId,
        stream: String,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let place = self.places.remove(&(account, stream)).ok_or(ErrorCode::StreamNotFound)?;
        let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
        held.listen_no_more(desk.out);
        let means = &mut Means {
            storage: &mut self.storage,
            outlet: desk.out,
            quota: self.quotas.of(held.stream.config().storage),
            now,
            settings: &self.settings,
            limits: AccountLimits::default(),
        };
        let consumers: Vec<ConsumerPlace> = held.consumers.iter().map(|(at, _)| at).collect();
        for consumer in consumers {
            held.remove_consumer(consumer, End::Deleted, means);
        }
        held.with_stream(means, |stream, turn| stream.close(turn));
        held.with_stream(means, Stream::close);
        self.counted.replace(held.counted, Counted::default());
        self.storage.delete(held.stream.id());
        self.held[place as usize] = None;
        self.vacant.push(place);
        Body::success()
    }

    fn place(&self, account: AccountId, stream: &str) -> Option<u32> {
        self.places.get(&(account, stream.to_owned())).copied()
    }

    fn find(&self, account: AccountId, stream: &str) -> Option<&Held> {
        self.held[self.place(account, stream)? as usize].as_ref()
    }

    fn facts<'a>(&'a self, held: &'a Held, wall_ns: u64) -> Facts<'a> {
        held.facts(&self.storage, self.settings.domain.as_deref(), wall_ns)
    }

    /// What this core stores for an account.
    fn usage(&self, account: AccountId) -> Usage {
        let mut usage = Usage::default();
        for held in self.held.iter().flatten().filter(|held| held.account() == account) {
            let bytes = self.storage.stream(held.stream.id()).state().bytes;
            match held.stream.config().storage {
                stream_config::Storage::Memory => usage.memory += bytes,
                stream_config::Storage::File => usage.storage += bytes,
            }
            usage.streams += 1;
            usage.consumers += held.consumers.len() as u64;
        }
        usage
    }
}
