//! Hot path: one core's JetStream. Before it: `shard::delivery`, which put the letters into its
//! mailbox; after it: a stream, a consumer or the registry, and from there `service/post.rs`.
//!
//! A turn: letters in order, then what time has brought, then what waits for the disk or for
//! other cores. On the first core the registry stands beside the streams.

pub(crate) mod held;
pub(crate) mod kept;
mod listening;
mod post;
pub(crate) mod streams;

use std::collections::HashMap;
use std::rc::Rc;

use base::snapshot::StreamQuery;
use base::{AccountId, Level, Log, ServiceId, ShardId};
use config::{Options, limits};
use ring::InterestSeq;
use shard::{Letter, Service, ServiceTurn, Shard, StreamPage};
use storage::{Mark, Storage};

use crate::ErrorCode;
use crate::advisory;
use crate::api::kind::Asked;
use crate::consumer::Company;
use crate::desk::Desk;
use crate::meta::Meta;
use crate::meta::registry::ServerBounds;
use crate::note::{self, Asker, Note, Question};
use crate::outlet::{Outlet, Purpose, Token};
use crate::settings::Settings;
use crate::stream::disk_failed;
use crate::stream_config;
use listening::Listening;
use post::{Post, Subscribed};
use streams::{Streams, Unseen};

/// The core where the registry is.
pub(crate) const REGISTRY: ShardId = ShardId(0);
/// What the service's own subscriptions belong to: no stream has this place.
const NO_STREAM: u32 = u32::MAX;
/// Requests of the API.
const API: Token = Token::new(NO_STREAM, Purpose::Service, 0);
/// Notes of other cores.
const NOTES: Token = Token::new(NO_STREAM, Purpose::Service, 1);
/// Requests of an account that may not use JetStream, the token's index; the system account among
/// them.
const OUTSIDE: u32 = NO_STREAM - 1;

/// The way out of a service, borrowing no more of it than that takes.
macro_rules! post {
    ($service:ident, $shard:expr) => {
        Post {
            shard: $shard,
            service: $service.id,
            wire: &mut $service.wire,
            subscribed: &mut $service.subscribed,
        }
    };
}

/// What a service answers with, likewise.
macro_rules! desk {
    ($service:ident, $shard:expr, $now:expr) => {
        Desk {
            out: &mut post!($service, $shard),
            wall_ns: $now.wall_ns,
            here: $service.here,
            settings: &$service.settings,
            names: &$service.names,
            log: &$service.log,
        }
    };
}

/// One core's JetStream.
pub struct JetStream {
    id: ServiceId,
    here: ShardId,
    settings: Rc<Settings>,
    names: HashMap<AccountId, String>,
    log: Log,
    subscribed: Subscribed,
    wire: Vec<u8>,
    streams: Streams,
    meta: Option<Meta>,
    /// What is said once it is safe and every core knows of it.
    unseen: Vec<(Due, Unseen)>,
    stage: Stage,
    /// Until when the core counts as one that delivers other messages too, monotonic nanoseconds.
    others_until_ns: u64,
    /// Where the registry listens for requests.
    listening: HashMap<AccountId, Listening>,
}

/// When something may be said.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// Every core has applied this interest.
    told: InterestSeq,
    /// The log is safe up to here.
    safe: Mark,
}

/// How far a service has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not told the registry what it recovered.
    Starting,
    /// It serves.
    Serving,
}

impl JetStream {
    /// One core's JetStream, before its first turn.
    /// `storage` is what was found on its disk.
    pub fn new(shard: &mut Shard, settings: Rc<Settings>, storage: Storage, log: Log) -> JetStream {
        let here = shard.id();
        let meta = (here == REGISTRY).then(|| Meta::new(Rc::clone(&settings)));
        let mut service = JetStream {
            id: shard.add_service(),
            here,
            names: HashMap::new(),
            log,
            subscribed: Subscribed::default(),
            wire: Vec::new(),
            streams: Streams::new(here, Rc::clone(&settings), storage),
            settings,
            meta,
            unseen: Vec::new(),
            stage: Stage::Starting,
            others_until_ns: 0,
            listening: HashMap::new(),
        };
        service.admit_all(shard);
        service
    }

    /// Hands every letter to whom it concerns.
    fn read_letters(&mut self, turn: &mut ServiceTurn<'_>) {
        let mailbox = turn.shard.take_mailbox(self.id);
        let Settings { requests_max, infos_max, .. } = *self.settings;
        let limits = [(Queue::Requests, requests_max), (Queue::Infos, infos_max)];
        let is_long = self.meta.is_some() && mailbox.len() > requests_max.min(infos_max);
        let waiting = |queue: Queue| mailbox.letters().filter(|it| queue.has(it)).count();
        let mut dropped = Vec::new();
        for (queue, most) in limits.into_iter().filter(|_| is_long) {
            let waiting = waiting(queue);
            if waiting > most {
                self.drop_requests(waiting, turn);
                dropped.push(queue);
            }
        }
        for letter in mailbox.letters() {
            if !dropped.iter().any(|queue| queue.has(&letter)) {
                self.read(&letter, turn);
            }
        }
        turn.shard.give_back(self.id, mailbox);
    }

    /// More was asked at once than may wait.
    // spec/jetstream.md §1: the whole queue is dropped without answers, and an advisory says so
    fn drop_requests(&mut self, dropped: usize, turn: &mut ServiceTurn<'_>) {
        let text = format!("JetStream API queue limit reached, dropping {dropped} requests");
        self.log.say(Level::Warn, text);
        let (server, domain) = (&self.settings.server, self.settings.domain.as_deref());
        let out = &mut post!(self, turn.shard);
        advisory::limit_reached(out, server, domain, dropped, turn.now.wall_ns);
    }

    fn read(&mut self, letter: &Letter<'_>, turn: &mut ServiceTurn<'_>) {
        let token = Token(letter.token);
        if token.purpose() != Purpose::Service {
            if token.purpose().is_asked() && asks_elsewhere(letter, turn.shard) {
                return;
            }
            let out = &mut post!(self, turn.shard);
            return self.streams.read(token, letter, turn.now, out);
        }
        if is_request(letter) {
            return self.read_request(letter, turn);
        }
        // Only services are believed: whoever else can publish in the system account is not.
        if letter.sender.slot.service().is_none() {
            return;
        }
        let Some(note) = Note::read(letter.publish.payload()) else { return };
        let desk = &mut desk!(self, turn.shard, turn.now);
        match note {
            Note::Done { .. }
            | Note::Part { .. }
            | Note::Recovered { .. }
            | Note::Restored { .. }
            | Note::Adopted { .. } => {
                if let Some(meta) = &mut self.meta {
                    meta.hear(note, desk);
                }
            }
            Note::Audit(audit) => desk.tell_audit(&audit),
            note => {
                if let Some(what) = self.streams.hear(note, turn.now, desk) {
                    self.keep_until_due(what, turn.shard);
                }
            }
        }
    }

    /// A request of the API, on the registry's core.
    fn read_request(&mut self, letter: &Letter<'_>, turn: &mut ServiceTurn<'_>) {
        if asks_elsewhere(letter, turn.shard) {
            return;
        }
        let desk = &mut desk!(self, turn.shard, turn.now);
        let (Some(meta), question) = (&mut self.meta, question(letter)) else { return };
        if Token(letter.token).stream() == OUTSIDE && listening::reaches_stream(&question) {
            return listening::answer_nobody(&question, desk);
        }
        match stream_config::serves_request(letter.publish.headers()) {
            true => meta.ask(question, letter.sender.shard, desk),
            false => meta.refuse(&question, ErrorCode::RequiredApiLevel, desk),
        }
    }

    /// Keeps what is to be said until what was done so far is safe and known.
    fn keep_until_due(&mut self, what: Unseen, shard: &Shard) {
        let due = Due { told: shard.interest_told(), safe: self.streams.appended() };
        self.unseen.push((due, what));
    }

    /// Says what is safe and known by now; once a write to disk has failed, that what is not never
    /// will be.
    fn say_what_is_due(&mut self, turn: &mut ServiceTurn<'_>) {
        let unseen = std::mem::take(&mut self.unseen);
        for (due, what) in unseen {
            // A core that does not know where the registry listens tells it later.
            let is_early = matches!(what, Unseen::Note(_))
                && !turn.shard.has_interest(AccountId::SYSTEM, &note::subject(REGISTRY));
            let is_safe = due.safe <= self.streams.durable();
            let is_answer = matches!(what, Unseen::Answer(..));
            let is_lost = is_answer && !is_safe && self.streams.has_failed();
            if is_early || !(is_safe || is_lost) || !turn.shard.is_visible(due.told) {
                self.unseen.push((due, what));
                continue;
            }
            let desk = &mut desk!(self, turn.shard, turn.now);
            match what {
                Unseen::Note(note) => desk.send(REGISTRY, &note),
                Unseen::Answer(question, kind, answer) => {
                    let answer = if is_lost { Err(disk_failed()) } else { answer };
                    desk.answer(&question, Some(kind), &answer);
                }
            }
        }
    }

    /// Brings back the streams of accounts that were let in since.
    fn adopt(&mut self, turn: &mut ServiceTurn<'_>) {
        let streams = self.streams.adopt(turn.now, &mut desk!(self, turn.shard, turn.now));
        if !streams.is_empty() {
            let note = Note::Adopted { shard: self.here.0, streams };
            self.keep_until_due(Unseen::Note(note), turn.shard);
        }
    }

    /// Whether the core delivers other messages too, now or a moment ago.
    fn company(&mut self, turn: &ServiceTurn<'_>) -> Company {
        if turn.shard.has_delivered() {
            self.others_until_ns = turn.now.mono_ns + limits::JS_OTHERS_STAY.as_nanos() as u64;
        }
        match turn.now.mono_ns < self.others_until_ns {
            true => Company::Others,
            false => Company::Alone,
        }
    }

    /// The first turn: listens for notes, and says which streams there are from before.
    fn start(&mut self, turn: &mut ServiceTurn<'_>) {
        self.stage = Stage::Serving;
        let mut post = post!(self, turn.shard);
        post.subscribe(AccountId::SYSTEM, &note::subject(self.here), NOTES);
        let desk = &mut desk!(self, turn.shard, turn.now);
        self.streams.recover(turn.now, desk);
        let streams = self.streams.known();
        let note = Note::Recovered { shard: self.here.0, streams };
        self.keep_until_due(Unseen::Note(note), turn.shard);
    }
}

/// Whether a letter is a request of the API, on the registry's core.
fn is_request(letter: &Letter<'_>) -> bool {
    let token = Token(letter.token);
    token == API || token.stream() == OUTSIDE
}

/// Where requests of the API wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    /// Those that change something, and what is no request at all.
    Requests,
    /// Those that only ask.
    Infos,
}

impl Queue {
    /// Whether a letter waits in it.
    fn has(self, letter: &Letter<'_>) -> bool {
        let asked = || Asked::parse(std::str::from_utf8(letter.publish.subject()).ok()?);
        let only_informs = || asked().is_some_and(|asked| asked.kind.only_informs());
        is_request(letter) && only_informs() == (self == Queue::Infos)
    }
}

/// Whether another account answers: one may have the API of another, and with it what streams and
/// consumers answer themselves.
#[inline]
fn asks_elsewhere(letter: &Letter<'_>, shard: &Shard) -> bool {
    let account = shard.directory().accounts().get(letter.account);
    account.asks_elsewhere(letter.publish.subject())
}

/// A letter as a request of the API.
fn question(letter: &Letter<'_>) -> Question {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Question {
        account: letter.account.0,
        subject: text(letter.publish.subject()),
        reply: letter.publish.reply().map(text).unwrap_or_default(),
        body: text(letter.publish.payload()),
        asker: Asker {
            shard: letter.sender.shard.0,
            slot: letter.sender.slot.service().is_none().then_some(letter.sender.slot.0),
        },
    }
}

impl Service for JetStream {
    fn turn(&mut self, turn: &mut ServiceTurn<'_>) {
        // design §4 rule 2: nothing is published while interest waits to leave.
        if turn.shard.holds_interest() {
            return;
        }
        if self.stage == Stage::Starting {
            self.start(turn);
        }
        let company = self.company(turn);
        self.streams.begin_turn(company);
        self.adopt(turn);
        self.read_letters(turn);
        self.streams.turn(turn.now, &mut desk!(self, turn.shard, turn.now));
        for what in self.streams.take_unseen() {
            self.keep_until_due(what, turn.shard);
        }
        let desk = &mut desk!(self, turn.shard, turn.now);
        self.streams.serve_disk(turn.disk, turn.now, desk);
        self.say_what_is_due(turn);
        self.streams.end_turn();
        if let Some(meta) = &mut self.meta {
            meta.report(self.here);
        }
    }

    fn has_work(&self) -> bool {
        self.stage == Stage::Starting || self.streams.has_work()
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        self.streams.next_deadline_ns()
    }

    fn reconfigured(&mut self, shard: &mut Shard, options: &Options) {
        self.admit_all(shard);
        let chosen = &options.jetstream;
        let bounds = ServerBounds { memory: chosen.memory_max, storage: chosen.file_max };
        self.streams.widen(bounds);
        if let Some(meta) = &mut self.meta {
            meta.widen(bounds);
        }
    }

    fn streams(
        &mut self,
        query: &StreamQuery,
        from: usize,
        turn: &mut ServiceTurn<'_>,
    ) -> Option<StreamPage> {
        let out = &mut post!(self, turn.shard);
        Some(self.streams.show(query, from, turn.now, out))
    }

    fn finish(&mut self) {
        self.streams.finish();
    }

    fn is_at_rest(&self) -> bool {
        self.streams.is_at_rest()
    }
}
