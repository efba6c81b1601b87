//! Hot path: one core's JetStream. Before it: `shard::delivery`, which put the letters into its
//! mailbox; after it: a stream, a consumer or the registry, and from there `service/post.rs`.
//!
//! A turn: letters in order, then what time has brought, then what waits for the disk or for
//! other cores. On the first core the registry stands beside the streams.

mod post;
mod streams;

use std::collections::HashMap;
use std::rc::Rc;

use base::{AccountId, Log, ServiceId, ShardId};
use ring::InterestSeq;
use shard::{Letter, Service, ServiceTurn, Shard};

use crate::api::account_info::AccountLimits;
use crate::api::kind;
use crate::desk::Desk;
use crate::meta::Meta;
use crate::note::{self, Note, Question};
use crate::outlet::{Outlet, Purpose, Token};
use crate::settings::Settings;
use post::{Post, Subscribed};
use streams::Streams;

/// The core where the registry is.
pub(crate) const REGISTRY: ShardId = ShardId(0);
/// What the service's own subscriptions belong to: no stream has this place.
const NO_STREAM: u32 = u32::MAX;
/// Requests of the API.
const API: Token = Token::new(NO_STREAM, Purpose::Service, 0);
/// Notes of other cores.
const NOTES: Token = Token::new(NO_STREAM, Purpose::Service, 1);

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
    /// Notes that leave once every core knows of the interest told until then.
    unseen: Vec<(InterestSeq, Note)>,
    stage: Stage,
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
    pub fn new(shard: &mut Shard, settings: Rc<Settings>, log: Log) -> JetStream {
        let here = shard.id();
        let meta = (here == REGISTRY).then(|| Meta::new(Rc::clone(&settings)));
        JetStream {
            id: shard.add_service(),
            here,
            names: HashMap::new(),
            log,
            subscribed: Subscribed::default(),
            wire: Vec::new(),
            streams: Streams::new(Rc::clone(&settings)),
            settings,
            meta,
            unseen: Vec::new(),
            stage: Stage::Starting,
        }
    }

    /// Lets an account use JetStream.
    pub fn admit(
        &mut self,
        shard: &mut Shard,
        account: AccountId,
        name: &str,
        limits: AccountLimits,
    ) {
        self.names.insert(account, name.to_owned());
        let Some(meta) = &mut self.meta else { return };
        meta.admit(account, limits);
        let mut post = Post {
            shard,
            service: self.id,
            wire: &mut self.wire,
            subscribed: &mut self.subscribed,
        };
        let domain = self.settings.domain.as_deref();
        let prefixes = [Some(String::from("$JS.API")), domain.map(|d| format!("$JS.{d}.API"))];
        for prefix in prefixes.into_iter().flatten() {
            for pattern in kind::PATTERNS {
                post.subscribe(account, format!("{prefix}.{pattern}").as_bytes(), API);
            }
        }
    }

    /// Hands every letter to whom it concerns.
    fn read_letters(&mut self, turn: &mut ServiceTurn<'_>) {
        let mailbox = turn.shard.take_mailbox(self.id);
        for letter in mailbox.letters() {
            self.read(&letter, turn);
        }
        turn.shard.give_back(self.id, mailbox);
    }

    fn read(&mut self, letter: &Letter<'_>, turn: &mut ServiceTurn<'_>) {
        let token = Token(letter.token);
        let mut post = Post {
            shard: turn.shard,
            service: self.id,
            wire: &mut self.wire,
            subscribed: &mut self.subscribed,
        };
        if token.purpose() != Purpose::Service {
            return self.streams.read(token, letter, turn.now, &mut post);
        }
        let desk = &mut Desk {
            out: &mut post,
            wall_ns: turn.now.wall_ns,
            here: self.here,
            settings: &self.settings,
            names: &self.names,
            log: &self.log,
        };
        if token == API {
            if let Some(meta) = &mut self.meta {
                meta.ask(question(letter), letter.sender.shard, desk);
            }
            return;
        }
        // Only services are believed: whoever else can publish in the system account is not.
        if letter.sender.slot.service().is_none() {
            return;
        }
        let Some(note) = Note::read(letter.publish.payload()) else { return };
        match note {
            Note::Done { .. } | Note::Part { .. } | Note::Recovered { .. } => {
                if let Some(meta) = &mut self.meta {
                    meta.hear(note, desk);
                }
            }
            note => {
                if let Some(done) = self.streams.hear(note, turn.now, desk) {
                    let told = turn.shard.interest_told();
                    self.unseen.push((told, done));
                }
            }
        }
    }

    /// Tells the registry what every core knows by now.
    fn tell_what_is_seen(&mut self, turn: &mut ServiceTurn<'_>) {
        let mut unseen = std::mem::take(&mut self.unseen);
        unseen.retain(|(told, note)| {
            let seen = turn.shard.is_visible(*told);
            if seen {
                self.tell(REGISTRY, note, turn.shard);
            }
            !seen
        });
        self.unseen.append(&mut unseen);
    }

    fn tell(&mut self, to: ShardId, note: &Note, shard: &mut Shard) {
        let (subject, payload) = (note::subject(to), note.write());
        let mut post = Post {
            shard,
            service: self.id,
            wire: &mut self.wire,
            subscribed: &mut self.subscribed,
        };
        let parts = protocol::MessageParts {
            subject: &subject,
            reply: None,
            headers: None,
            payload: &payload,
        };
        post.publish(AccountId::SYSTEM, &parts);
    }

    /// The first turn: listens for notes, and says which streams there are from before.
    fn start(&mut self, turn: &mut ServiceTurn<'_>) {
        self.stage = Stage::Serving;
        let mut post = Post {
            shard: turn.shard,
            service: self.id,
            wire: &mut self.wire,
            subscribed: &mut self.subscribed,
        };
        post.subscribe(AccountId::SYSTEM, &note::subject(self.here), NOTES);
        let streams = self.streams.recovered();
        let told = turn.shard.interest_told();
        self.unseen.push((told, Note::Recovered { shard: self.here.0, streams }));
    }
}

/// A letter as a request of the API.
fn question(letter: &Letter<'_>) -> Question {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Question {
        account: letter.account.0,
        subject: text(letter.publish.subject()),
        reply: letter.publish.reply().map(text).unwrap_or_default(),
        body: text(letter.publish.payload()),
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
        self.read_letters(turn);
        self.tell_what_is_seen(turn);
    }

    fn has_work(&self) -> bool {
        self.stage == Stage::Starting
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        None
    }
}
