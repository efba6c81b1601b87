//! Messages that leave their account: streams to those who import them, requests to those who
//! export the service (spec/security.md §6). Before it: `publish`; after it: `publish` again, in
//! the other account.
//!
//! Which ways a subject takes, and what it is called at their ends, depends on the directory
//! only. It is found out once a subject and remembered; whom the message reaches there is the
//! other account's own plan.

use std::rc::Rc;
use std::sync::Arc;

use base::observed::TraceStep;
use base::{AccountId, ConnSlot};
use hashbrown::HashMap;
use protocol::{MessageParts, headers};
use security::{
    Account, Directory, MappedTo, Mappings, ServiceWay, Share, TraceBeyond, Way, WayKind,
};
use smallvec::SmallVec;
use subject::name;

use crate::answers::{Answers, Question};
use crate::message::Message;
use crate::publish::{Echo, Published, Publisher, Reached};
use crate::shard::Shard;
use crate::tracing::Follows;

/// Subjects of one account whose ways are remembered. One more: all are forgotten, and found out
/// again.
const ROUTES_MAX: usize = 64 * 1024;
/// Ways of an account that are gone through for each subject that might take one of them, so that
/// only subjects are remembered that do. With more of them, all are.
const SCANNED_MAX: usize = 8;
/// Accounts that one message may cross. Cycles are refused before; this is for what nobody
/// thought of.
const CROSSINGS_MAX: u8 = 8;

/// The header that tells an exporter who asks.
const REQUEST_INFO: &[u8] = b"Nats-Request-Info";

/// What is known of the ways out of this shard's accounts.
#[derive(Default)]
pub(crate) struct Crossings {
    /// By account: the ways that leave it, and the subjects whose ways are known.
    accounts: Vec<Leaving>,
    last: Option<(AccountId, Rc<Route>)>,
    pub answers: Answers,
    /// For the subjects of answers that go home.
    pub reply: Vec<u8>,
}

/// The ways that leave one account.
#[derive(Default)]
struct Leaving {
    /// What its name adds to the request info of those who come through it.
    through: Vec<u8>,
    ways: Arc<[Way]>,
    /// What it makes of subjects itself, those of answers that come home among them.
    own: Option<Arc<Mappings>>,
    /// By place of the way: what the account at its end makes of subjects.
    mappings: Vec<Option<Arc<Mappings>>>,
    firsts: FirstBytes,
    routes: HashMap<Box<[u8]>, Rc<Route>, ahash::RandomState>,
}

/// The bytes with which subjects begin that some way takes. Most of what an account publishes stays
/// there, answers above all, each under a subject of its own: nothing of it is looked up or
/// remembered.
#[derive(Default)]
struct FirstBytes([u64; 4]);

/// The ways that one subject takes.
struct Route {
    subject: Box<[u8]>,
    steps: SmallVec<[Step; 1]>,
}

/// One of them.
struct Step {
    to: AccountId,
    /// The subject at its end; the same without it.
    subject: Option<Box<[u8]>>,
    /// Nothing for a stream.
    service: Option<ServiceWay>,
    mappings: Option<Arc<Mappings>>,
    /// Whether a trace follows.
    trace: TraceBeyond,
}

/// How a message came into the account where it is published.
#[derive(Clone, Copy)]
pub(crate) struct Came {
    /// The accounts that it came through.
    crossed: u8,
    /// What the first of them told of its client.
    share: Share,
    answering: Option<Answering>,
}

/// What an answer answers: an export, by its place among its account's. The answer does not go
/// there as a request, as the importer of `>` would have it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answering {
    pub exporter: AccountId,
    pub export: usize,
}

impl Came {
    /// It was published there.
    pub const AT_HOME: Came = Came { crossed: 0, share: Share::Account, answering: None };

    /// As the answer to what was asked from there.
    pub fn as_answer(answering: Answering) -> Came {
        Came { answering: Some(answering), ..Came::AT_HOME }
    }

    fn further(self, share: Share) -> Came {
        let share = if self.crossed == 0 { share } else { self.share };
        Came { crossed: self.crossed + 1, share, ..self }
    }
}

/// What a connection tells of itself to those whose services it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// JSON with its account.
    pub account: Vec<u8>,
    /// JSON with everything.
    pub all: Vec<u8>,
}

/// The same, ready to be sent: as the only header of requests that have none.
pub(crate) struct Introduction {
    info: RequestInfo,
    account_alone: Vec<u8>,
    all_alone: Vec<u8>,
}

impl Introduction {
    fn new(info: RequestInfo) -> Introduction {
        let alone = |value: &[u8]| {
            let mut block = Vec::new();
            if !value.is_empty() {
                headers::replace(b"", REQUEST_INFO, value, &mut block);
            }
            block
        };
        let (account_alone, all_alone) = (alone(&info.account), alone(&info.all));
        Introduction { info, account_alone, all_alone }
    }

    fn account_alone(&self) -> Option<&[u8]> {
        (!self.account_alone.is_empty()).then_some(&self.account_alone)
    }

    fn all_alone(&self) -> Option<&[u8]> {
        (!self.all_alone.is_empty()).then_some(&self.all_alone)
    }
}

impl Crossings {
    /// Forgets all and takes the ways of another directory.
    pub fn take(&mut self, directory: &Directory) {
        let accounts = directory.accounts();
        let leaving = |account: &Account| Leaving {
            through: through(&account.name),
            ways: Arc::clone(&account.ways),
            own: account.mappings.clone(),
            mappings: account
                .ways
                .iter()
                .map(|way| accounts.get(way.to).mappings.clone())
                .collect(),
            firsts: account.ways.iter().map(|way| &*way.source).collect(),
            routes: HashMap::default(),
        };
        let none = accounts.iter().all(|account| account.ways.is_empty());
        self.accounts = if none { Vec::new() } else { accounts.iter().map(leaving).collect() };
        self.last = None;
    }

    /// Whether a message of this account may go elsewhere.
    #[inline]
    pub fn leaves(&self, account: AccountId) -> bool {
        self.accounts.get(account.index()).is_some_and(|leaving| !leaving.ways.is_empty())
    }

    /// Whether a message of this account goes elsewhere too.
    #[inline]
    pub fn takes(&mut self, account: AccountId, subject: &[u8]) -> bool {
        self.leaves(account)
            && self.route(account, subject).is_some_and(|route| !route.steps.is_empty())
    }

    /// What `account` makes of the subjects of answers that come home.
    pub fn mappings_of(&self, account: AccountId) -> Option<Arc<Mappings>> {
        self.accounts.get(account.index())?.own.clone()
    }

    /// The ways that a subject takes; `None` where it takes none.
    #[inline]
    fn route(&mut self, account: AccountId, subject: &[u8]) -> Option<Rc<Route>> {
        if let Some((of, route)) = &self.last
            && *of == account
            && *route.subject == *subject
        {
            return Some(Rc::clone(route));
        }
        let leaving = &mut self.accounts[account.index()];
        if !leaving.firsts.admit(subject) || leaving.takes_none(subject) {
            return None;
        }
        let route = match leaving.routes.get(subject) {
            Some(route) => Rc::clone(route),
            None => {
                let route = Rc::new(leaving.find(subject));
                if leaving.routes.len() >= ROUTES_MAX {
                    leaving.routes.clear();
                }
                leaving.routes.insert(subject.into(), Rc::clone(&route));
                route
            }
        };
        self.last = Some((account, Rc::clone(&route)));
        Some(route)
    }
}

impl<'a> FromIterator<&'a [u8]> for FirstBytes {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(sources: I) -> FirstBytes {
        let mut firsts = FirstBytes::default();
        for source in sources {
            match source {
                [b'*' | b'>'] | [b'*', b'.', ..] => firsts.0 = [u64::MAX; 4],
                [first, ..] => firsts.0[usize::from(first / 64)] |= 1 << (first % 64),
                [] => {}
            }
        }
        firsts
    }
}

impl FirstBytes {
    #[inline]
    fn admit(&self, subject: &[u8]) -> bool {
        let first = subject.first().copied().unwrap_or_default();
        self.0[usize::from(first / 64)] >> (first % 64) & 1 == 1
    }
}

impl Leaving {
    /// Whether no way takes a subject, where that is found out faster than remembered.
    #[inline]
    fn takes_none(&self, subject: &[u8]) -> bool {
        self.ways.len() <= SCANNED_MAX
            && !self.ways.iter().any(|way| name::matches(&way.source, subject))
    }

    #[cold]
    fn find(&self, subject: &[u8]) -> Route {
        let taken = self.ways.iter().zip(&self.mappings);
        let taken = taken.filter(|(way, _)| name::matches(&way.source, subject));
        let steps = taken.map(|(way, mappings)| Step {
            to: way.to,
            subject: way.transform.as_ref().map(|transform| {
                let mut out = Vec::new();
                // An import's transform has no chance in it.
                transform.apply_matched(subject, &mut fastrand::Rng::with_seed(0), &mut out);
                out.into()
            }),
            service: match &way.kind {
                WayKind::Stream => None,
                WayKind::Service(service) => Some(service.clone()),
            },
            mappings: mappings.clone(),
            trace: way.trace,
        });
        Route { subject: subject.into(), steps: steps.collect() }
    }
}

/// How the request info of those who come through an account ends.
fn through(account: &str) -> Vec<u8> {
    let mut end = br#","svc":""#.to_vec();
    for byte in account.bytes() {
        match byte {
            b'"' | b'\\' => end.extend([b'\\', byte]),
            // An account's name has none; JSON would want them escaped.
            ..b' ' => {}
            _ => end.push(byte),
        }
    }
    end.extend(br#""}"#);
    end
}

/// The subject at the end of a step.
fn subject_of(step: &Step, message: &Message<'_>) -> Vec<u8> {
    step.subject.as_deref().unwrap_or(message.matched()).to_vec()
}

/// What two parts of a fan-out came to together.
fn both(one: Published, other: Published) -> Published {
    let reached = match (one.reached, other.reached) {
        (Reached::Nobody, Reached::Nobody) => Reached::Nobody,
        _ => Reached::Somebody,
    };
    Published { reached, congested: one.congested.union(other.congested) }
}

impl Shard {
    /// Publishes a message in its account and in those that it goes to.
    #[inline(never)]
    pub(crate) fn route_across(
        &mut self,
        publisher: &Publisher,
        message: &mut Message<'_>,
        came: Came,
    ) -> Published {
        let mut published = self.route_within(publisher, message);
        if came.crossed >= CROSSINGS_MAX {
            return published;
        }
        let route = self.crossings.route(publisher.account, message.matched());
        let Some(route) = route else { return published };
        for step in &route.steps {
            let beyond = match &step.service {
                None => {
                    let follows = self.trace_follows(step.trace, || TraceStep::Exported {
                        account: step.to,
                        to: subject_of(step, message),
                    });
                    self.cross(follows, |shard| shard.cross_as_stream(publisher, step, message))
                }
                Some(_) if message.address().is_some() => continue,
                Some(service)
                    if came.answering
                        == Some(Answering { exporter: step.to, export: service.export }) =>
                {
                    continue;
                }
                Some(service) => {
                    let follows = self.trace_follows(step.trace, || TraceStep::Imported {
                        account: step.to,
                        from: message.publish().subject().to_vec(),
                        to: subject_of(step, message),
                    });
                    self.cross(follows, |shard| {
                        shard.cross_as_request(publisher, step, service, message, came)
                    })
                }
            };
            published = both(published, beyond);
        }
        published
    }

    /// Crosses; a trace follows where it may, and else ends or ends the message.
    fn cross(
        &mut self,
        follows: Follows,
        cross: impl FnOnce(&mut Shard) -> Published,
    ) -> Published {
        match follows {
            Follows::Yes => cross(self),
            Follows::Neither => Published::NOWHERE,
            Follows::No => {
                let tracing = self.tracing.take();
                let published = cross(self);
                self.tracing = tracing;
                published
            }
        }
    }

    /// Visits the accounts that a message goes to, each with its subject there. How far requests go
    /// on from there is not looked at.
    pub(crate) fn visit_beyond(
        &mut self,
        account: AccountId,
        subject: &[u8],
        mut visit: impl FnMut(&mut Shard, AccountId, &[u8]),
    ) {
        if !self.crossings.leaves(account) {
            return;
        }
        let Some(route) = self.crossings.route(account, subject) else { return };
        for step in &route.steps {
            visit(self, step.to, step.subject.as_deref().unwrap_or(subject));
        }
    }

    fn cross_as_stream(
        &mut self,
        publisher: &Publisher,
        step: &Step,
        message: &mut Message<'_>,
    ) -> Published {
        let publisher = &Publisher { account: step.to, ..*publisher };
        let Some(subject) = step.subject.as_deref() else {
            return self.route_beyond(publisher, message);
        };
        if message.address().is_some() {
            let mut message = Message::borrowed(message.publish()).addressed_to(subject);
            return self.route_beyond(publisher, &mut message);
        }
        let mut wire = std::mem::take(&mut self.wire);
        let parts = MessageParts { subject, ..message.publish().parts() };
        let publish = protocol::canonical(parts, &mut wire);
        let published = self.route_beyond(publisher, &mut Message::borrowed(&publish));
        self.wire = wire;
        published
    }

    /// Publishes to everyone of an account that is not the publisher's. The plan made last is
    /// another one than at home, so that both stay at hand.
    fn route_beyond(&mut self, publisher: &Publisher, message: &mut Message<'_>) -> Published {
        std::mem::swap(&mut self.published_memo, &mut self.crossed_memo);
        let published = self.route_within(publisher, message);
        std::mem::swap(&mut self.published_memo, &mut self.crossed_memo);
        published
    }

    /// spec/security.md §6: the request goes to the exporter's subject, with a reply that leads
    /// back here.
    fn cross_as_request(
        &mut self,
        publisher: &Publisher,
        step: &Step,
        service: &ServiceWay,
        message: &Message<'_>,
        came: Came,
    ) -> Published {
        let parts = message.publish().parts();
        let mut mapped = Vec::new();
        let subject = step.subject.as_deref().unwrap_or(parts.subject);
        let subject = match &step.mappings {
            None => subject,
            Some(mappings) => match mappings.map(subject, &mut self.random, &mut mapped) {
                MappedTo::Same => subject,
                MappedTo::Other => &mapped,
                MappedTo::Nothing => return Published::NOWHERE,
            },
        };
        let measure = match &service.latency {
            Some(latency) => self.measure(publisher, step.to, service.share, latency, &parts),
            None => None,
        };
        let asked = parts.reply.map(|reply| {
            let question = Question {
                importer: publisher.account,
                exporter: step.to,
                export: service.export,
                reply,
                response: service.response,
                threshold: service.threshold,
                measure,
            };
            self.crossings.answers.ask(question, self.turn_ns, &mut self.random)
        });
        let mut block = std::mem::take(&mut self.headers);
        let mut wire = std::mem::take(&mut self.wire);
        let headers = match came.crossed {
            0 => self.with_request_info(publisher.slot, service, &parts, &mut block),
            _ => self.with_account_between(publisher, came.share, &parts, &mut block),
        };
        let reply = asked.as_ref().map(|asked| &asked.subject[..]);
        let publish =
            protocol::canonical(MessageParts { subject, reply, headers, ..parts }, &mut wire);
        // spec/client-protocol.md §6: deliveries of services ignore the echo flag.
        let publisher = &Publisher { account: step.to, echo: Echo::On, ..*publisher };
        let mut message = Message::borrowed(&publish);
        let published = match self.crossings.leaves(step.to) {
            false => self.route_beyond(publisher, &mut message),
            true => self.route_across(publisher, &mut message, came.further(service.share)),
        };
        self.headers = block;
        self.wire = wire;
        if let (Reached::Nobody, Some(asked)) = (published.reached, asked) {
            self.crossings.answers.withdraw(&asked, self.turn_ns);
        }
        published
    }

    /// The headers with what the requestor says of itself, in the place of anything it wrote there
    /// on its own; `block` has room for them.
    fn with_request_info<'a>(
        &'a self,
        slot: ConnSlot,
        service: &ServiceWay,
        parts: &MessageParts<'a>,
        block: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let outbox = self.outboxes.get(slot.index()).and_then(Option::as_ref);
        let told = outbox.and_then(|outbox| outbox.request_info.as_deref());
        let (value, alone) = match (told, service.share) {
            (None, _) => (&[][..], None),
            (Some(told), Share::Account) => (&told.info.account[..], told.account_alone()),
            (Some(told), Share::All) => (&told.info.all[..], told.all_alone()),
        };
        let Some(own) = parts.headers else { return alone };
        headers::replace(own, REQUEST_INFO, value, block);
        Some(&*block)
    }

    /// The headers of a request that comes through an account, which is named beside who asks.
    fn with_account_between<'a>(
        &'a self,
        publisher: &Publisher,
        share: Share,
        parts: &MessageParts<'a>,
        block: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let (Some(told), Some(own)) = (self.request_info(publisher.slot), parts.headers) else {
            return parts.headers;
        };
        let told = match share {
            Share::Account => &told.account,
            Share::All => &told.all,
        };
        let Some(open) = told.strip_suffix(b"}") else { return parts.headers };
        let through = &self.crossings.accounts[publisher.account.index()].through;
        headers::replace(own, REQUEST_INFO, &[open, through].concat(), block);
        Some(&*block)
    }

    /// What the connection at `slot` tells of itself to those whose services it uses.
    pub fn request_info(&self, slot: ConnSlot) -> Option<&RequestInfo> {
        Some(&self.outboxes.get(slot.index())?.as_ref()?.request_info.as_deref()?.info)
    }

    /// What a connection tells of itself to those whose services it uses.
    pub fn set_request_info(&mut self, slot: ConnSlot, info: RequestInfo) {
        if let Some(outbox) = self.outbox(slot) {
            outbox.request_info = Some(Box::new(Introduction::new(info)));
        }
    }
}
