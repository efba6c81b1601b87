//! Answers on their way back over an account's border (spec/security.md §6).
//!
//! A request that goes to another account carries a reply `_R_.<shard>.<number>` there. The shard
//! of the requestor listens on its own part of these, in every account that exports a service;
//! so an answer comes home from any core by the ordinary way, and the shard that knows the
//! question sends it on. What is not answered in time is forgotten.

use std::time::Duration;

use base::observed::{Place, ServiceOutcome};
use base::{AccountId, Now, ServiceId, SubKey};
use config::accounts::ResponseKind;
use protocol::MessageParts;
use security::{Directory, MappedTo, WayKind};
use smallvec::SmallVec;

use crate::crossing::Answering;
use crate::latency::{Measure, Measured};
use crate::message::Message;
use crate::service::{Letter, Sender, Service, ServiceTurn};
use crate::shard::Shard;

/// Questions that may wait for an answer on one shard. One more: the oldest of its kind is
/// forgotten.
const WAITING_MAX: usize = 1 << 20;
/// What the reply of a question begins with.
const PREFIX: &[u8] = b"_R_.";
/// Characters that name a shard.
const SHARD_LEN: usize = 6;
/// Characters that name a question: 64 bits.
const NUMBER_LEN: usize = 11;
pub(crate) const SUBJECT_LEN: usize = PREFIX.len() + SHARD_LEN + 1 + NUMBER_LEN;
/// What numbers are written with, six bits each.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
/// By byte: its value as a digit.
const VALUES: [u8; 256] = values();
/// What is no digit.
const NO_DIGIT: u8 = u8::MAX;
/// No question.
const NIL: u32 = u32::MAX;

/// A request that leaves its account.
pub(crate) struct Question<'a> {
    pub importer: AccountId,
    pub exporter: AccountId,
    /// The export that it takes, by its place among the exporter's.
    pub export: usize,
    pub reply: &'a [u8],
    pub response: ResponseKind,
    pub threshold: Duration,
    /// What is published of how long the answer takes.
    pub measure: Option<Box<Measure>>,
}

/// A question that waits: the reply that its request carries.
pub(crate) struct Asked {
    pub subject: [u8; SUBJECT_LEN],
    index: u32,
}

/// A question that waits, or a free place. Those with the same threshold are a list, oldest
/// first.
struct Waiting {
    /// Tells this question from those before it in the same place; odd while it waits.
    tag: u32,
    importer: AccountId,
    exporter: AccountId,
    export: usize,
    reply: SmallVec<[u8; 64]>,
    response: ResponseKind,
    measure: Option<Box<Measure>>,
    expires_ns: u64,
    class: u32,
    before: u32,
    after: u32,
}

/// The questions with one threshold.
struct Class {
    threshold_ns: u64,
    oldest: u32,
    youngest: u32,
}

/// The questions of one shard.
#[derive(Default)]
pub(crate) struct Answers {
    service: ServiceId,
    shard: [u8; SHARD_LEN],
    waiting: Vec<Waiting>,
    free: Vec<u32>,
    classes: Vec<Class>,
    /// In which accounts answers are heard, ascending.
    listening: Vec<(AccountId, SubKey)>,
    /// Measured questions that are over.
    untold: Vec<Measured>,
}

/// Where an answer goes.
struct Home {
    importer: AccountId,
    /// What was asked, by its place among the exporter's exports.
    export: usize,
    measure: Option<Box<Measure>>,
}

impl Answers {
    pub fn new(service: ServiceId, random: &mut fastrand::Rng) -> Answers {
        let mut shard = [0; SHARD_LEN];
        shard.fill_with(|| DIGITS[random.usize(0..DIGITS.len())]);
        Answers { service, shard, ..Answers::default() }
    }

    /// How many questions wait.
    pub fn len(&self) -> usize {
        self.waiting.len() - self.free.len()
    }

    /// Notes a question; the reply that its request is to carry.
    pub fn ask(
        &mut self,
        question: Question<'_>,
        now_ns: u64,
        random: &mut fastrand::Rng,
    ) -> Asked {
        let threshold_ns = question.threshold.as_nanos() as u64;
        let class = self.class(threshold_ns);
        if self.len() >= WAITING_MAX {
            let oldest = self.classes.iter().map(|class| class.oldest).find(|at| *at != NIL);
            self.give_up(oldest.expect("some wait"), ServiceOutcome::TooLate, now_ns);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.waiting.push(Waiting::vacant());
            self.waiting.len() as u32 - 1
        });
        let waiting = &mut self.waiting[index as usize];
        waiting.tag = random.u32(..) | 1;
        waiting.importer = question.importer;
        waiting.exporter = question.exporter;
        waiting.export = question.export;
        waiting.reply.clear();
        waiting.reply.extend_from_slice(question.reply);
        waiting.response = question.response;
        waiting.measure = question.measure;
        waiting.class = class;
        let number = u64::from(waiting.tag) << 32 | u64::from(index);
        self.append(index, now_ns);
        Asked { subject: self.subject(number), index }
    }

    /// Takes a question back that nobody heard.
    pub fn withdraw(&mut self, asked: &Asked, now_ns: u64) {
        self.give_up(asked.index, ServiceOutcome::NobodyThere, now_ns);
    }

    /// Notes that a request that was to be measured is over.
    pub fn over(&mut self, measured: Measured) {
        self.untold.push(measured);
    }

    /// The measured requests that are over.
    pub fn take_untold(&mut self) -> Vec<Measured> {
        std::mem::take(&mut self.untold)
    }

    /// Whether measured requests are over that nobody was told of.
    pub fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Ends a question without an answer.
    fn give_up(&mut self, index: u32, outcome: ServiceOutcome, now_ns: u64) {
        if let Some(measure) = self.waiting[index as usize].measure.take() {
            let importer = self.waiting[index as usize].importer;
            let reply = self.waiting[index as usize].reply.to_vec();
            let asker = Some((importer, reply));
            self.untold.push(Measured { measure, outcome, over_ns: now_ns, asker });
        }
        self.end(index);
    }

    /// Where an answer goes: the account, and the subject, written into `reply`. `None` for an
    /// answer to nothing, or to what another account was asked.
    fn hear(
        &mut self,
        subject: &[u8],
        exporter: AccountId,
        is_empty: bool,
        now_ns: u64,
        reply: &mut Vec<u8>,
    ) -> Option<Home> {
        reply.clear();
        let number = self.number(subject)?;
        let index = number as u32;
        let waiting = self.waiting.get_mut(index as usize)?;
        if waiting.tag != (number >> 32) as u32 || waiting.exporter != exporter {
            return None;
        }
        reply.extend_from_slice(&waiting.reply);
        let Waiting { importer, export, .. } = *waiting;
        let home = Home { importer, export, measure: waiting.measure.take() };
        match waiting.response {
            ResponseKind::Singleton => self.end(index),
            ResponseKind::Chunked if is_empty => self.end(index),
            ResponseKind::Stream | ResponseKind::Chunked => {
                self.unlink(index);
                self.append(index, now_ns);
            }
        }
        Some(home)
    }

    /// Forgets what was not answered in time.
    fn expire(&mut self, now_ns: u64) {
        for class in 0..self.classes.len() {
            loop {
                let oldest = self.classes[class].oldest;
                let due = self.waiting.get(oldest as usize).is_some_and(|w| w.expires_ns <= now_ns);
                if !due {
                    break;
                }
                self.give_up(oldest, ServiceOutcome::TooLate, now_ns);
            }
        }
    }

    fn next_expiry_ns(&self) -> Option<u64> {
        let oldest =
            self.classes.iter().filter_map(|class| self.waiting.get(class.oldest as usize));
        oldest.map(|waiting| waiting.expires_ns).min()
    }

    fn class(&mut self, threshold_ns: u64) -> u32 {
        let known = self.classes.iter().position(|class| class.threshold_ns == threshold_ns);
        let place = known.unwrap_or_else(|| {
            self.classes.push(Class { threshold_ns, oldest: NIL, youngest: NIL });
            self.classes.len() - 1
        });
        place as u32
    }

    /// Puts a question behind all others of its class.
    fn append(&mut self, index: u32, now_ns: u64) {
        let class = self.waiting[index as usize].class as usize;
        let Class { threshold_ns, youngest, .. } = self.classes[class];
        let waiting = &mut self.waiting[index as usize];
        waiting.expires_ns = now_ns.saturating_add(threshold_ns);
        (waiting.before, waiting.after) = (youngest, NIL);
        match self.waiting.get_mut(youngest as usize) {
            Some(before) => before.after = index,
            None => self.classes[class].oldest = index,
        }
        self.classes[class].youngest = index;
    }

    fn unlink(&mut self, index: u32) {
        let Waiting { class, before, after, .. } = self.waiting[index as usize];
        let class = class as usize;
        match self.waiting.get_mut(before as usize) {
            Some(before) => before.after = after,
            None => self.classes[class].oldest = after,
        }
        match self.waiting.get_mut(after as usize) {
            Some(after) => after.before = before,
            None => self.classes[class].youngest = before,
        }
    }

    fn end(&mut self, index: u32) {
        self.unlink(index);
        self.waiting[index as usize].tag = 0;
        self.waiting[index as usize].measure = None;
        self.free.push(index);
    }

    fn subject(&self, mut number: u64) -> [u8; SUBJECT_LEN] {
        let mut subject = [b'.'; SUBJECT_LEN];
        subject[..PREFIX.len()].copy_from_slice(PREFIX);
        subject[PREFIX.len()..][..SHARD_LEN].copy_from_slice(&self.shard);
        for place in subject[SUBJECT_LEN - NUMBER_LEN..].iter_mut().rev() {
            *place = DIGITS[(number & 63) as usize];
            number >>= 6;
        }
        subject
    }

    fn number(&self, subject: &[u8]) -> Option<u64> {
        let digits = subject.strip_prefix(PREFIX)?.strip_prefix(&self.shard)?.strip_prefix(b".")?;
        if digits.len() != NUMBER_LEN {
            return None;
        }
        digits.iter().try_fold(0_u64, |number, &digit| {
            let value = VALUES[usize::from(digit)];
            (value != NO_DIGIT && number >> 58 == 0).then_some(number << 6 | u64::from(value))
        })
    }
}

const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < DIGITS.len() {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
}

/// The subject that stands for all answers to the questions of one shard, if `subject` is one of
/// them. They differ in their number only, so whoever gets one gets all, those aside who
/// [tell them apart](tells_answers_apart); number 0 is none's.
#[inline]
pub(crate) fn family(subject: &[u8]) -> Option<[u8; SUBJECT_LEN]> {
    let mut family: [u8; SUBJECT_LEN] = subject.try_into().ok()?;
    let (head, number) = family.split_at_mut(SUBJECT_LEN - NUMBER_LEN);
    let shard = head.strip_prefix(PREFIX)?.strip_suffix(b".")?;
    if shard.contains(&b'.') || number.contains(&b'.') {
        return None;
    }
    number.fill(DIGITS[0]);
    Some(family)
}

/// Whether a subscription to `pattern` may get one answer of a shard and not another.
pub(crate) fn tells_answers_apart(pattern: &[u8]) -> bool {
    let mut tokens = pattern.split(|&byte| byte == b'.');
    let is_reply = tokens.next().is_some_and(|first| first == b"_R_" || first == b"*");
    let is_number = tokens.nth(1).is_some_and(|number| number.len() == NUMBER_LEN);
    is_reply && is_number && tokens.next().is_none()
}

impl Waiting {
    fn vacant() -> Waiting {
        Waiting {
            tag: 0,
            importer: AccountId::GLOBAL,
            exporter: AccountId::GLOBAL,
            export: 0,
            reply: SmallVec::new(),
            response: ResponseKind::Singleton,
            measure: None,
            expires_ns: 0,
            class: 0,
            before: NIL,
            after: NIL,
        }
    }
}

/// Brings answers home, once a turn.
pub struct AnswerService {
    service: ServiceId,
    /// When a question is to be forgotten next, monotonic nanoseconds.
    due_ns: Option<u64>,
}

impl AnswerService {
    /// The one of this shard.
    pub fn new(shard: &Shard) -> AnswerService {
        AnswerService { service: shard.crossings.answers.service, due_ns: None }
    }
}

impl Service for AnswerService {
    fn turn(&mut self, turn: &mut ServiceTurn<'_>) {
        let Now { mono_ns, .. } = turn.now;
        turn.shard.tell_of_measured(turn.now);
        let mailbox = turn.shard.take_mailbox(self.service);
        for letter in mailbox.letters() {
            turn.shard.send_home(&letter, mono_ns);
        }
        turn.shard.give_back(self.service, mailbox);
        turn.shard.crossings.answers.expire(mono_ns);
        self.due_ns = turn.shard.crossings.answers.next_expiry_ns();
    }

    fn has_work(&self) -> bool {
        false
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        self.due_ns
    }
}

impl Shard {
    /// Listens for answers in every account that exports a service, and in no other.
    pub(crate) fn listen_for_answers(&mut self, directory: &Directory) {
        let mut exporters: Vec<AccountId> = directory
            .accounts()
            .iter()
            .flat_map(|account| account.ways.iter())
            .filter(|way| matches!(way.kind, WayKind::Service(_)))
            .map(|way| way.to)
            .collect();
        exporters.sort_unstable();
        exporters.dedup();
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.crossings.answers.listening)
            .into_iter()
            .partition(|(account, _)| exporters.binary_search(account).is_ok());
        for (_, key) in gone {
            self.unsubscribe_service(key);
        }
        let mut listening = kept;
        let service = self.crossings.answers.service;
        let mut subject = PREFIX.to_vec();
        subject.extend_from_slice(&self.crossings.answers.shard);
        subject.extend_from_slice(b".*");
        let known = listening.len();
        for account in exporters {
            if listening[..known].binary_search_by_key(&account, |(known, _)| *known).is_err() {
                let key = self.subscribe_service(service, account, &subject, None, 0);
                listening.extend(key.map(|key| (account, key)));
            }
        }
        listening.sort_unstable_by_key(|(account, _)| *account);
        self.crossings.answers.listening = listening;
    }

    /// Publishes an answer where it was asked for. One that was sent to the question's reply under
    /// a subject of its own, as streams hand out what they hold, keeps that.
    fn send_home(&mut self, letter: &Letter<'_>, now_ns: u64) {
        let parts = letter.publish.parts();
        let is_empty = parts.payload.is_empty();
        let mut reply = std::mem::take(&mut self.crossings.reply);
        let answers = &mut self.crossings.answers;
        let heard = letter.address.unwrap_or(parts.subject);
        let to = answers.hear(heard, letter.account, is_empty, now_ns, &mut reply);
        let Some(Home { importer, export, measure }) = to else {
            self.crossings.reply = reply;
            return;
        };
        if let Some(mut measure) = measure {
            let Sender { shard, slot } = letter.sender;
            measure.sample.responder = Some(Place { shard, slot });
            let (outcome, over_ns) = (ServiceOutcome::Answered, letter.since_ns);
            self.crossings.answers.over(Measured { measure, outcome, over_ns, asker: None });
        }
        if letter.address.is_none()
            && let Some(mappings) = self.crossings.mappings_of(importer)
        {
            let mut mapped = Vec::new();
            match mappings.map(&reply, &mut self.random, &mut mapped) {
                MappedTo::Same => {}
                MappedTo::Other => reply = mapped,
                MappedTo::Nothing => {
                    self.crossings.reply = reply;
                    return;
                }
            }
        }
        let mut wire = std::mem::take(&mut self.wire);
        let own = letter.address.map(|_| parts.subject);
        let parts = MessageParts { subject: own.unwrap_or(&reply), ..parts };
        let publish = protocol::canonical(parts, &mut wire);
        let mut message = Message::borrowed(&publish);
        if own.is_some() {
            message = message.addressed_to(&reply);
        }
        let service = self.crossings.answers.service;
        let answering = Answering { exporter: letter.account, export };
        self.publish_answer(service, importer, answering, &mut message);
        self.wire = wire;
        self.crossings.reply = reply;
    }
}

#[cfg(test)]
mod tests;
