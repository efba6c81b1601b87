//! The streams that live on one core, with what they store, and the letters that concern them.

use std::collections::HashMap;
use std::rc::Rc;

use base::{AccountId, Now};
use shard::Letter;
use storage::{Kind as Kept, Seq, Storage, StreamId};

use crate::ErrorCode;
use crate::api::account_info::Usage;
use crate::api::answer::{Answer, Body};
use crate::api::kind::{Asked, Kind};
use crate::api::stream_info::{self, Facts, Made};
use crate::desk::Desk;
use crate::note::{Note, Order, Question};
use crate::outlet::{Outlet, Purpose, Token};
use crate::settings::Settings;
use crate::stream_config::{self, StreamConfig};

/// One stream of this core.
#[derive(Debug)]
struct Held {
    account: AccountId,
    created_ns: u64,
    config: StreamConfig,
    id: StreamId,
}

/// All streams of this core.
pub(crate) struct Streams {
    settings: Rc<Settings>,
    storage: Storage,
    held: Vec<Option<Held>>,
    vacant: Vec<u32>,
    places: HashMap<(AccountId, String), u32>,
    errors: HashMap<AccountId, u64>,
}

impl Streams {
    /// None yet.
    pub(crate) fn new(settings: Rc<Settings>) -> Streams {
        Streams {
            settings,
            storage: Storage::without_disk(),
            held: Vec::new(),
            vacant: Vec::new(),
            places: HashMap::new(),
            errors: HashMap::new(),
        }
    }

    /// The streams from before the start: account, configuration, when made.
    pub(crate) fn recovered(&self) -> Vec<(u32, StreamConfig, u64)> {
        let held = self.held.iter().flatten();
        held.map(|held| (held.account.0, held.config.clone(), held.created_ns)).collect()
    }

    /// A letter for a stream. One that is gone meanwhile gets none.
    pub(crate) fn read(
        &mut self,
        token: Token,
        letter: &Letter<'_>,
        now: Now,
        out: &mut dyn Outlet,
    ) {
        let _ = (token, letter, now, out);
    }

    /// What the registry asks or orders. What is to be said once every core knows comes back.
    pub(crate) fn hear(&mut self, note: Note, now: Now, desk: &mut Desk<'_>) -> Option<Note> {
        match note {
            Note::Ask(question) => self.answer(&question, now, desk),
            Note::Carry { ticket, account, order } => {
                let answer = self.carry(AccountId(account), order, desk);
                return Some(Note::Done { ticket, answer: answer.map(Body::into_raw) });
            }
            Note::Describe { ticket, account, streams } => {
                let account = AccountId(account);
                let describe = |name: String| {
                    let held = self.find(account, &name)?;
                    let info = stream_info::describe(&self.facts(held, desk), Made::Before);
                    Some((name, Body::of(&info).ok()?.into_raw()))
                };
                let described = streams.into_iter().filter_map(describe).collect();
                let usage = Usage::default();
                desk.send(
                    crate::service::REGISTRY,
                    &Note::Part { ticket, usage, errors: 0, described },
                );
            }
            Note::Measure { ticket, account } => {
                let account = AccountId(account);
                let usage = self.usage(account);
                let errors = self.errors.get(&account).copied().unwrap_or_default();
                let described = Vec::new();
                desk.send(
                    crate::service::REGISTRY,
                    &Note::Part { ticket, usage, errors, described },
                );
            }
            Note::Done { .. } | Note::Part { .. } | Note::Recovered { .. } => {}
        }
        None
    }

    fn answer(&mut self, question: &Question, now: Now, desk: &mut Desk<'_>) {
        let Some(asked) = Asked::parse(&question.subject) else { return };
        let answer = self.answer_to(question, asked, now, desk);
        if answer.is_err() {
            *self.errors.entry(question.account()).or_default() += 1;
        }
        desk.answer(question, Some(asked.kind), &answer);
    }

    fn answer_to(
        &mut self,
        question: &Question,
        asked: Asked<'_>,
        _now: Now,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let held = self.find(question.account(), asked.stream).ok_or(ErrorCode::StreamNotFound)?;
        let facts = self.facts(held, desk);
        match asked.kind {
            Kind::StreamInfo => {
                stream_info::answer(&facts, &question.body, self.settings.strictness)
            }
            // It was made before, exactly so.
            Kind::StreamCreate => Body::of(&stream_info::describe(&facts, Made::Before)),
            _ => Err(ErrorCode::BadRequest.into()),
        }
    }

    /// Makes, changes or deletes a stream.
    fn carry(&mut self, account: AccountId, order: Order, desk: &mut Desk<'_>) -> Answer {
        match order {
            Order::Create { config, created_ns } => self.create(account, *config, created_ns, desk),
            Order::Update { config } => {
                let place = self.place(account, &config.name).ok_or(ErrorCode::StreamNotFound)?;
                let held = self.held[place as usize].as_mut().ok_or(ErrorCode::StreamNotFound)?;
                let token = Token::new(place, Purpose::Publish, 0);
                desk.out.unsubscribe(token);
                for subject in &config.subjects {
                    desk.out.subscribe(account, subject.as_bytes(), token);
                }
                held.config = *config;
                let held = self.held[place as usize].as_ref().ok_or(ErrorCode::StreamNotFound)?;
                Body::of(&stream_info::describe(&self.facts(held, desk), Made::Before))
            }
            Order::Delete { stream } => {
                let place = self.places.remove(&(account, stream));
                let place = place.ok_or(ErrorCode::StreamNotFound)?;
                if let Some(held) = self.held[place as usize].take() {
                    self.storage.delete(held.id);
                    desk.out.unsubscribe(Token::new(place, Purpose::Publish, 0));
                }
                self.vacant.push(place);
                Body::success()
            }
        }
    }

    fn create(
        &mut self,
        account: AccountId,
        config: StreamConfig,
        created_ns: u64,
        desk: &mut Desk<'_>,
    ) -> Answer {
        let kept = match config.storage {
            stream_config::Storage::Memory => Kept::Memory,
            stream_config::Storage::File => Kept::File,
        };
        let id = self.storage.create(account, kept, Seq(config.first_seq));
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.held.push(None);
            self.held.len() as u32 - 1
        });
        for subject in &config.subjects {
            desk.out.subscribe(account, subject.as_bytes(), Token::new(place, Purpose::Publish, 0));
        }
        self.places.insert((account, config.name.clone()), place);
        let held = self.held[place as usize].insert(Held { account, created_ns, config, id });
        let messages = self.storage.stream(held.id);
        let facts = Facts {
            config: &held.config,
            created_ns,
            messages,
            consumers: 0,
            domain: self.settings.domain.as_deref(),
            wall_ns: desk.wall_ns,
        };
        Body::of(&stream_info::describe(&facts, Made::Now))
    }

    fn place(&self, account: AccountId, stream: &str) -> Option<u32> {
        self.places.get(&(account, stream.to_owned())).copied()
    }

    fn find(&self, account: AccountId, stream: &str) -> Option<&Held> {
        self.held[self.place(account, stream)? as usize].as_ref()
    }

    fn facts<'a>(&'a self, held: &'a Held, desk: &Desk<'_>) -> Facts<'a> {
        Facts {
            config: &held.config,
            created_ns: held.created_ns,
            messages: self.storage.stream(held.id),
            consumers: 0,
            domain: self.settings.domain.as_deref(),
            wall_ns: desk.wall_ns,
        }
    }

    /// What this core stores for an account.
    fn usage(&self, account: AccountId) -> Usage {
        let mut usage = Usage::default();
        for held in self.held.iter().flatten().filter(|held| held.account == account) {
            let bytes = self.storage.stream(held.id).state().bytes;
            match held.config.storage {
                stream_config::Storage::Memory => usage.memory += bytes,
                stream_config::Storage::File => usage.storage += bytes,
            }
            usage.streams += 1;
        }
        usage
    }
}
