//! The registry's desk: every request of the API comes here first, on one core.
//!
//! What the registry knows it answers; what a stream's core knows it sends on; what makes,
//! changes or deletes a stream it judges, orders, and answers when the stream's core has done it.
//! So all changes of an account have one order, and whoever has an answer finds the change
//! everywhere. Source: spec/jetstream.md §1, §2.

pub mod gather;
pub mod registry;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use base::{AccountId, Level, ShardId};
use serde_json::value::RawValue;

use crate::advisory::{self, Action};
use crate::api::account_info::{self, AccountInfo, AccountLimits, ApiStats, TierInfo, Usage};
use crate::api::answer::{self, Answer, Body};
use crate::api::kind::{Asked, Home, Kind};
use crate::api::{account_purge, clustered, stream_list, stream_names, stream_restore};
use crate::desk::Desk;
use crate::ledger::{Book, Figure};
use crate::note::{Note, Order, Question};
use crate::request_json::is_empty;
use crate::request_json::{Strictness, decode};
use crate::settings::Settings;
use crate::stream_config::{Pedantry, Storage, check_name, decode_request, for_create, for_update};
use crate::{ApiError, ErrorCode, StreamConfig};
use gather::Gather;
use registry::{Creation, Entry, Registry, ServerBounds, State, Tiers};

/// An order under way.
#[derive(Debug)]
struct Ordered {
    question: Question,
    kind: Kind,
    stream: String,
    /// What the stream was like before; nothing before it was made.
    before: Option<StreamConfig>,
}

/// The desk.
#[derive(Debug)]
pub struct Meta {
    settings: Rc<Settings>,
    registry: Registry,
    tickets: u64,
    orders: HashMap<u64, Ordered>,
    gathers: HashMap<u64, Gather>,
    /// Cores that have said what they recovered.
    standing: usize,
    /// Accounts whose figures are not what was reported.
    changed: Vec<AccountId>,
    books: HashMap<AccountId, Arc<Book>>,
    /// What was asked before all stood.
    early: Vec<(Question, ShardId)>,
}

impl Meta {
    /// A desk without accounts, before any core stands.
    #[must_use]
    pub fn new(settings: Rc<Settings>) -> Meta {
        Meta {
            registry: Registry::new(settings.bounds),
            settings,
            tickets: 0,
            orders: HashMap::new(),
            gathers: HashMap::new(),
            standing: 0,
            changed: Vec::new(),
            books: HashMap::new(),
            early: Vec::new(),
        }
    }

    /// Lets an account use JetStream, or gives one that does these limits: of streams with one
    /// replica, and by tier where it has tiers.
    pub fn admit(&mut self, account: AccountId, limits: AccountLimits, tiers: Tiers) {
        self.changed.push(account);
        self.books.insert(account, self.settings.ledger.open(account));
        self.registry.admit(account, limits, tiers);
    }

    /// New bounds, where the operator names some. spec/cli-and-config.md §7.7: they only rise.
    pub fn widen(&mut self, bounds: ServerBounds) {
        self.registry.widen(bounds);
    }

    /// What is registered, for monitoring.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A request of the API; `near` is the asker's core.
    pub fn ask(&mut self, question: Question, near: ShardId, desk: &mut Desk<'_>) {
        if self.standing < self.settings.cores {
            self.early.push((question, near));
            return;
        }
        match self.registry.account_mut(question.account()) {
            Some(account) => account.api.total += 1,
            None => return self.ask_from_outside(&question, desk),
        }
        self.changed.push(question.account());
        self.handle(question, near, desk);
    }

    /// A request from an account that may not use JetStream.
    // spec/jetstream.md §1 System account user
    fn ask_from_outside(&mut self, question: &Question, desk: &mut Desk<'_>) {
        let kind = Asked::parse(&question.subject).map(|asked| asked.kind);
        let for_system = kind.is_some_and(|kind| kind.home() == Home::System);
        match kind {
            Some(Kind::AccountPurge) if question.account() == AccountId::SYSTEM => {
                self.purge(question, desk);
                desk.answer(question, kind, &account_purge::answer());
            }
            // What else the system account may ask is about clusters: as nats-server when not
            // clustered, no answer.
            _ if for_system => {}
            _ => desk.answer(question, kind, &Err(ErrorCode::NotEnabledForAccount.into())),
        }
    }

    /// Deletes all streams of the account that is named.
    fn purge(&mut self, question: &Question, desk: &mut Desk<'_>) {
        let named = account_purge::account_of(question);
        let found = desk.names.iter().find(|(_, name)| named == Some(name.as_str()));
        let Some(id) = found.map(|(id, _)| *id) else { return };
        let Some(account) = self.registry.account(id) else { return };
        let streams: Vec<String> = account.streams.keys().cloned().collect();
        let (name, count) = (&desk.names[&id], streams.len());
        let text = format!("Purge request for account {name} (streams: {count}, hasAccount: true)");
        desk.log.say(Level::Info, text);
        for stream in streams {
            self.handle(account_purge::deletion(id.0, &stream), desk.here, desk);
        }
    }

    /// Tells the other threads how much is asked and reserved.
    pub fn report(&mut self, here: ShardId) {
        if self.changed.is_empty() {
            return;
        }
        self.changed.sort_unstable();
        self.changed.dedup();
        for id in self.changed.drain(..) {
            let (Some(account), Some(book)) = (self.registry.account(id), self.books.get(&id))
            else {
                continue;
            };
            book.set(here, Figure::ApiTotal, account.api.total);
            book.set(here, Figure::ApiRefused, account.api.errors);
            book.set(here, Figure::ReservedMemory, account.reserved(Storage::Memory));
            book.set(here, Figure::ReservedStorage, account.reserved(Storage::File));
        }
        let server = self.settings.ledger.server();
        let totals = self.registry.totals();
        server.set(here, Figure::Accounts, totals.accounts);
        server.set(here, Figure::ApiTotal, totals.requests);
        server.set(here, Figure::ApiRefused, totals.refused);
        server.set(here, Figure::ReservedMemory, self.registry.reserved(Storage::Memory));
        server.set(here, Figure::ReservedStorage, self.registry.reserved(Storage::File));
    }

    /// Answers a request with an error, unread.
    pub fn refuse(&mut self, question: &Question, code: ErrorCode, desk: &mut Desk<'_>) {
        if let Some(account) = self.registry.account_mut(question.account()) {
            account.api.total += 1;
            account.api.errors += 1;
            self.changed.push(question.account());
        }
        let kind = Asked::parse(&question.subject).map(|asked| asked.kind);
        desk.answer(question, kind, &Err(code.into()));
    }

    fn handle(&mut self, question: Question, near: ShardId, desk: &mut Desk<'_>) {
        let Some(asked) = Asked::parse(&question.subject) else {
            self.count_error(question.account());
            return desk.answer(&question, None, &Err(ErrorCode::BadRequest.into()));
        };
        let kind = asked.kind;
        let outcome = match kind.home() {
            Home::Registry => self.know(&question, asked).map(Some),
            Home::Everyone => self.gather(&question, kind, desk).map(|()| None),
            Home::Stream => self.send_on(&question, asked, desk).map(|()| None),
            Home::StreamByRegistry => self.order(&question, asked, near, desk).map(|()| None),
            // spec/jetstream.md §1: META/SERVER/ACCOUNT subjects are valid only in the system
            // account; elsewhere they are not answered.
            Home::System => return,
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(body)) => desk.answer(&question, Some(kind), &Ok(body)),
            Err(error) => {
                self.count_error(question.account());
                desk.answer(&question, Some(kind), &Err(error));
            }
        }
    }

    /// What the registry answers by itself.
    fn know(&self, question: &Question, asked: Asked<'_>) -> Answer {
        match asked.kind {
            Kind::StreamNames => {
                let account = self.account(question)?;
                stream_names::answer(account, &question.body, self.settings.strictness)
            }
            _ => clustered::answer(),
        }
    }

    fn account(&self, question: &Question) -> Result<&registry::Account, ApiError> {
        let account = self.registry.account(question.account());
        account.ok_or_else(|| ErrorCode::NotEnabledForAccount.into())
    }

    /// Sends a request on to the core of the stream that it names.
    fn send_on(
        &mut self,
        question: &Question,
        asked: Asked<'_>,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        let entry = self.registry.stream(question.account(), asked.stream);
        let entry = entry.ok_or(ErrorCode::StreamNotFound)?;
        desk.send(entry.home, &Note::Ask(question.clone()));
        Ok(())
    }

    /// Judges what makes, changes or deletes a stream, and orders it.
    fn order(
        &mut self,
        question: &Question,
        asked: Asked<'_>,
        near: ShardId,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        let entry = self.registry.stream_mut(question.account(), asked.stream);
        if let Some(Entry { state: State::Busy(waiting), .. }) = entry {
            waiting.push_back(question.clone());
            return Ok(());
        }
        match asked.kind {
            Kind::StreamCreate => self.create(question, asked.stream, near, desk),
            Kind::StreamUpdate => self.update(question, asked.stream, desk),
            Kind::StreamDelete => self.delete(question, asked.stream, desk),
            Kind::StreamRestore => self.restore(question, asked.stream, near, desk),
            _ => Err(ErrorCode::BadRequest.into()),
        }
    }

    fn create(
        &mut self,
        question: &Question,
        name: &str,
        near: ShardId,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        let account = question.account();
        let (config, pedantry) = self.read(question, desk)?;
        if config.name != name {
            return Err(ErrorCode::StreamMismatch.into());
        }
        let mut config = for_create(config, &self.settings.streams, pedantry)?;
        if self.registry.judge_create(account, &mut config)? == Creation::Same {
            let entry = self.registry.stream(account, name).ok_or(ErrorCode::StreamNotFound)?;
            desk.send(entry.home, &Note::Ask(question.clone()));
            return Ok(());
        }
        let home = self.registry.place(self.settings.cores, near);
        let created_ns = desk.wall_ns;
        let state = State::Busy(VecDeque::new());
        let entry = Entry { config: config.clone(), created_ns, home, state };
        if let Some(held) = self.registry.account_mut(account) {
            held.streams.insert(name.to_owned(), entry);
        }
        let order = Order::Create { config: Box::new(config), created_ns };
        self.carry(question, Kind::StreamCreate, (name, home), None, order, desk);
        Ok(())
    }

    /// Makes a stream that a backup is going to fill.
    // spec/jetstream.md §18: 10130 when there is one of that name
    fn restore(
        &mut self,
        question: &Question,
        name: &str,
        near: ShardId,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        let account = question.account();
        // What the state of another server holds besides is of no use here, and no mistake.
        if question.body.is_empty() || question.body == "{}" {
            return Err(ErrorCode::BadRequest.into());
        }
        let body = question.body.as_bytes();
        let mut request = decode::<stream_restore::Request>(body, Strictness::Lenient)?.request;
        if request.config.name.is_empty() {
            name.clone_into(&mut request.config.name);
        }
        if request.config.name != name {
            return Err(ErrorCode::StreamMismatch.into());
        }
        if self.account(question)?.streams.contains_key(name) {
            return Err(ErrorCode::StreamNameExistRestoreFailed.into());
        }
        let sealed = request.config.sealed;
        let unsealed = StreamConfig { sealed: false, ..request.config };
        let mut config = for_create(unsealed, &self.settings.streams, Pedantry::Lenient)?;
        config.sealed = sealed;
        self.registry.judge_create(account, &mut config)?;
        let home = self.registry.place(self.settings.cores, near);
        let created_ns = desk.wall_ns;
        let state = State::Busy(VecDeque::new());
        let entry = Entry { config: config.clone(), created_ns, home, state };
        if let Some(held) = self.registry.account_mut(account) {
            held.streams.insert(name.to_owned(), entry);
        }
        let (config, last_seq) = (Box::new(config), request.state.last_seq);
        let order = Order::Restore { config, created_ns, last_seq };
        self.carry(question, Kind::StreamRestore, (name, home), None, order, desk);
        Ok(())
    }

    fn update(
        &mut self,
        question: &Question,
        name: &str,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        let account = question.account();
        let (config, pedantry) = self.read(question, desk)?;
        // Seen of nats-server 2.15.2: an update is asked for a good name before it is for this one.
        check_name(&config.name)?;
        if config.name != name {
            return Err(ErrorCode::StreamMismatch.into());
        }
        let entry = self.registry.stream(account, name).ok_or(ErrorCode::StreamNotFound)?;
        let before = entry.config.clone();
        let mut config = for_update(&before, config, &self.settings.streams, pedantry)?;
        self.registry.judge_update(account, &mut config)?;
        let entry = self.registry.stream_mut(account, name).ok_or(ErrorCode::StreamNotFound)?;
        entry.config = config.clone();
        entry.state = State::Busy(VecDeque::new());
        let home = entry.home;
        let order = Order::Update { config: Box::new(config) };
        self.carry(question, Kind::StreamUpdate, (name, home), Some(before), order, desk);
        Ok(())
    }

    fn delete(
        &mut self,
        question: &Question,
        name: &str,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        if !is_empty(&question.body) {
            return Err(ErrorCode::NotEmptyRequest.into());
        }
        let entry = self.registry.stream_mut(question.account(), name);
        let entry = entry.ok_or(ErrorCode::StreamNotFound)?;
        entry.state = State::Busy(VecDeque::new());
        let (home, before) = (entry.home, Some(entry.config.clone()));
        let order = Order::Delete { stream: name.to_owned() };
        self.carry(question, Kind::StreamDelete, (name, home), before, order, desk);
        Ok(())
    }

    /// The configuration in a request.
    fn read(
        &self,
        question: &Question,
        desk: &mut Desk<'_>,
    ) -> Result<(StreamConfig, Pedantry), ApiError> {
        let decoded = decode_request(question.body.as_bytes(), self.settings.strictness)?;
        desk.complain(question, decoded.ignored.as_deref());
        Ok((decoded.request.config, decoded.request.pedantry))
    }

    fn carry(
        &mut self,
        question: &Question,
        kind: Kind,
        (stream, home): (&str, ShardId),
        before: Option<StreamConfig>,
        order: Order,
        desk: &mut Desk<'_>,
    ) {
        let ticket = self.next_ticket();
        desk.send(home, &Note::Carry { ticket, account: question.account, order });
        let (question, stream) = (question.clone(), stream.to_owned());
        self.orders.insert(ticket, Ordered { question, kind, stream, before });
    }

    fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Asks the cores for their parts of an answer.
    fn gather(
        &mut self,
        question: &Question,
        kind: Kind,
        desk: &mut Desk<'_>,
    ) -> Result<(), ApiError> {
        let ticket = self.next_ticket();
        let account = question.account;
        let cores = (0..self.settings.cores as u16).map(ShardId);
        if kind == Kind::AccountInfo {
            for core in cores {
                desk.send(core, &Note::Measure { ticket, account });
            }
            self.gathers.insert(ticket, Gather::new(question.clone(), self.settings.cores));
            return Ok(());
        }
        let held = self.account(question)?;
        let (page, shown) = stream_list::choose(held, &question.body, self.settings.strictness)?;
        let mut gather = Gather::new(question.clone(), 0);
        gather.page = page;
        for core in cores {
            let lives_there = |name: &&String| held.streams[*name].home == core;
            let streams: Vec<String> = shown.iter().filter(lives_there).cloned().collect();
            if !streams.is_empty() {
                gather.missing += 1;
                desk.send(core, &Note::Describe { ticket, account, streams });
            }
        }
        gather.shown = shown;
        if gather.missing == 0 {
            desk.answer(question, Some(kind), &Body::of(&gather.stream_list()));
        } else {
            self.gathers.insert(ticket, gather);
        }
        Ok(())
    }

    /// What another core's service, or this one's, has to say.
    pub fn hear(&mut self, note: Note, desk: &mut Desk<'_>) {
        match note {
            Note::Done { ticket, answer } => self.done(ticket, answer, desk),
            Note::Part { ticket, usage, errors, described } => {
                let Some(gather) = self.gathers.get_mut(&ticket) else { return };
                if gather.add(usage, errors, described)
                    && let Some(gather) = self.gathers.remove(&ticket)
                {
                    self.gathered(&gather, desk);
                }
            }
            Note::Restored { account, stream, reply, bytes, answer } => {
                self.restored(AccountId(account), &stream, (&reply, bytes), answer, desk);
            }
            Note::Recovered { shard, streams } => self.recovered(ShardId(shard), streams, desk),
            Note::Adopted { shard, streams } => self.register(ShardId(shard), streams),
            // For other cores.
            Note::Ask(_)
            | Note::Audit(_)
            | Note::Carry { .. }
            | Note::Describe { .. }
            | Note::Measure { .. }
            | Note::Backlog { .. }
            | Note::Backlogged { .. } => {}
        }
    }

    fn done(&mut self, ticket: u64, answer: Result<Box<RawValue>, ApiError>, desk: &mut Desk<'_>) {
        let Some(ordered) = self.orders.remove(&ticket) else { return };
        let Ordered { question, kind, stream, before } = ordered;
        let account = question.account();
        self.changed.push(account);
        let Some(held) = self.registry.account_mut(account) else { return };
        let Some(entry) = held.streams.get_mut(&stream) else { return };
        let state = std::mem::take(&mut entry.state);
        if kind == Kind::StreamRestore && answer.is_ok() {
            entry.state = State::Restoring;
            self.restore_begun(&question, &stream, answer, desk);
        } else {
            self.changed((&question, kind, &stream), before, answer, desk);
        }
        if let State::Busy(waiting) = state {
            for question in waiting {
                self.handle(question, desk.here, desk);
            }
        }
    }

    /// A stream was made, changed or deleted, or not.
    fn changed(
        &mut self,
        (question, kind, stream): (&Question, Kind, &str),
        before: Option<StreamConfig>,
        answer: Result<Box<RawValue>, ApiError>,
        desk: &mut Desk<'_>,
    ) {
        let account = question.account();
        let Some(held) = self.registry.account_mut(account) else { return };
        let action = match kind {
            Kind::StreamCreate | Kind::StreamRestore => Action::Created,
            Kind::StreamDelete => Action::Deleted,
            _ => Action::Updated,
        };
        match (&answer, action, before) {
            (Ok(_), Action::Deleted, _) | (Err(_), Action::Created, _) => {
                held.streams.remove(stream);
            }
            (Err(_), _, Some(before)) => {
                if let Some(entry) = held.streams.get_mut(stream) {
                    entry.config = before;
                }
            }
            _ => {}
        }
        match answer {
            Ok(body) => {
                let domain = self.settings.domain.as_deref();
                advisory::stream_action(desk.out, account, stream, action, desk.wall_ns, domain);
                desk.answer(question, Some(kind), &Ok(Body::raw(&body)));
            }
            Err(error) => {
                self.count_error(account);
                desk.answer(question, Some(kind), &Err(error));
            }
        }
    }

    /// A stream waits for its backup.
    fn restore_begun(
        &self,
        question: &Question,
        stream: &str,
        answer: Result<Box<RawValue>, ApiError>,
        desk: &mut Desk<'_>,
    ) {
        let account = question.account();
        let (parties, wall_ns) = (desk.parties(account), desk.wall_ns);
        advisory::restore_create(desk.out, account, parties, stream, wall_ns);
        desk.answer(question, Some(Kind::StreamRestore), &answer.map(|body| Body::raw(&body)));
    }

    /// It has come, or it never will.
    fn restored(
        &mut self,
        account: AccountId,
        stream: &str,
        (reply, bytes): (&str, u64),
        answer: Result<Box<RawValue>, ApiError>,
        desk: &mut Desk<'_>,
    ) {
        self.changed.push(account);
        let Some(held) = self.registry.account_mut(account) else { return };
        let Some(entry) = held.streams.get_mut(stream) else { return };
        let times = (entry.created_ns, desk.wall_ns);
        entry.state = State::Settled;
        let (parties, domain) = (desk.parties(account), self.settings.domain.as_deref());
        match &answer {
            Ok(_) => {
                let (action, wall_ns) = (Action::Created, desk.wall_ns);
                advisory::stream_action(desk.out, account, stream, action, wall_ns, domain);
            }
            Err(_) => {
                held.streams.remove(stream);
            }
        }
        advisory::restore_complete(desk.out, account, parties, stream, times, bytes);
        let answer = answer.map(|body| Body::raw(&body));
        desk.reply(account, reply, &answer::write(Kind::StreamCreate, &answer));
    }

    fn gathered(&self, gather: &Gather, desk: &mut Desk<'_>) {
        let question = &gather.question;
        match Asked::parse(&question.subject).map(|asked| asked.kind) {
            Some(Kind::AccountInfo) => {
                let info = self.account_info(question, gather.usage, gather.errors);
                let answer = info.and_then(|info| Body::of(&info));
                desk.answer(question, Some(Kind::AccountInfo), &answer);
            }
            kind => desk.answer(question, kind, &Body::of(&gather.stream_list())),
        }
    }

    fn account_info(
        &self,
        question: &Question,
        usage: Usage,
        errors: u64,
    ) -> Result<AccountInfo, ApiError> {
        let held = self.account(question)?;
        let total = TierInfo {
            memory: usage.memory,
            storage: usage.storage,
            reserved_memory: held.reserved(Storage::Memory),
            reserved_storage: held.reserved(Storage::File),
            streams: usage.streams,
            consumers: usage.consumers,
            limits: if held.tiers.is_empty() { held.limits } else { AccountLimits::BY_TIER },
        };
        Ok(AccountInfo {
            tiers: account_info::tiers(&total, &held.tiers),
            total,
            domain: self.settings.domain.clone(),
            // As nats-server counts: this request is counted after it is answered.
            api: ApiStats {
                total: held.api.total.saturating_sub(1),
                errors: held.api.errors + errors,
                ..held.api
            },
        })
    }

    /// A core stands. When all do, what was asked meanwhile is handled.
    fn recovered(
        &mut self,
        shard: ShardId,
        streams: Vec<(u32, StreamConfig, u64)>,
        desk: &mut Desk<'_>,
    ) {
        self.standing += 1;
        self.register(shard, streams);
        if self.standing >= self.settings.cores {
            for (question, near) in std::mem::take(&mut self.early) {
                self.ask(question, near, desk);
            }
        }
    }

    /// Takes over streams from before the start.
    fn register(&mut self, home: ShardId, streams: Vec<(u32, StreamConfig, u64)>) {
        for (account, config, created_ns) in streams {
            self.changed.push(AccountId(account));
            if let Some(held) = self.registry.account_mut(AccountId(account)) {
                let name = config.name.clone();
                let entry = Entry { config, created_ns, home, state: State::Settled };
                held.streams.insert(name, entry);
            }
        }
    }

    fn count_error(&mut self, account: AccountId) {
        if let Some(account) = self.registry.account_mut(account) {
            account.api.errors += 1;
        }
    }
}
