//! A stream, its consumers and a recorder in place of the server, for tests: what a test does is
//! what the service does, with a clock that the test moves.

use base::observed::{Streamed, TraceId};
use base::{AccountId, Now, ShardSet};
use protocol::{MessageParts, headers};
use shard::{Audience, Listeners, Presence};
use storage::{Erase, Incoming, Kind, Place, Purge, Seq, Storage};

use super::ConsumerInfo;
use super::ack::Delivery;
use super::budget::{Budget, Company};
use super::config::ConsumerConfig;
use super::create::{CreateRequest, Made};
use super::engine::{Desk, Home, Persistence};
use super::reply_form::ReplyScope;
use super::rules::Setting;
use super::set::{ConsumerPlace, Consumers};
use crate::outlet::{Outlet, Token, Way};
use crate::stream::Readers;
use crate::stream_config::Retention;

/// Where the tests' clock starts, in wall time.
const START_NS: u64 = 1_700_000_000_000_000_000;
pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;

/// Something that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) reply: String,
    pub(super) headers: String,
    pub(super) payload: String,
}

impl Sent {
    /// Where this delivery stood.
    pub(super) fn delivery(&self) -> Delivery {
        Delivery::parse(self.reply.as_bytes()).expect("a delivery says where it stands")
    }

    /// The status line's code and text, if it is a status message.
    pub(super) fn status(&self) -> String {
        let status = headers::status(self.headers.as_bytes());
        status.map_or(String::new(), |(code, text)| {
            format!("{} {}", code.escape_ascii(), text.escape_ascii())
        })
    }

    /// The value of one header.
    pub(super) fn header(&self, key: &str) -> Option<&str> {
        let value = headers::get(self.headers.as_bytes(), key.as_bytes())?;
        std::str::from_utf8(value).ok()
    }
}

/// Notes what leaves. Everyone listens to everything, except where a test says so.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) sent: Vec<Sent>,
    pub(super) deaf: Vec<String>,
    /// Deliver groups that have no members; the empty one is of those without a group.
    pub(super) deaf_groups: Vec<Vec<u8>>,
    /// The shards whose rings are full.
    pub(super) congested: ShardSet,
    /// Whether the receivers here lag, and where they are if they are elsewhere.
    pub(super) lagging: bool,
    pub(super) elsewhere: ShardSet,
    /// Numbers of the questions to other cores.
    pub(super) asked: Vec<u64>,
}

impl Recorder {
    fn way(&self) -> Way {
        match self.congested.is_empty() {
            true => Way::Clear,
            false => Way::Congested(self.congested),
        }
    }

    fn record(&mut self, to: &[u8], message: &MessageParts<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.sent.push(Sent {
            to: text(to),
            subject: text(message.subject),
            reply: text(message.reply.unwrap_or_default()),
            headers: text(message.headers.unwrap_or_default()),
            payload: text(message.payload),
        });
    }
}

impl Outlet for Recorder {
    fn publish(&mut self, _: AccountId, message: &MessageParts<'_>) -> Way {
        self.record(message.subject, message);
        self.way()
    }

    fn publish_to(&mut self, _: AccountId, to: &[u8], message: &MessageParts<'_>) -> Way {
        self.record(to, message);
        self.way()
    }

    fn is_congested(&self, shards: ShardSet) -> bool {
        self.congested.meets(shards)
    }

    fn audience(&mut self, account: AccountId, subject: &[u8]) -> Audience {
        let presence = match self.has_interest(account, subject) {
            true => Presence::Somebody,
            false => Presence::Nobody,
        };
        let all = u32::from(presence == Presence::Somebody && self.elsewhere.is_empty());
        let here = Listeners { all, lagging: all * u32::from(self.lagging) };
        let lead_bytes = config::limits::PUSH_LEAD_BYTES;
        Audience { presence, here, elsewhere: self.elsewhere, lead_bytes }
    }

    fn ask_backlog(&mut self, _: ShardSet, _: AccountId, _: &str, (_, number): (Token, u64)) {
        self.asked.push(number);
    }

    fn has_interest(&mut self, _: AccountId, subject: &[u8]) -> bool {
        !self.deaf.iter().any(|deaf| deaf.as_bytes() == subject)
    }

    fn is_subscribed(&mut self, account: AccountId, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let queue = queue.unwrap_or_default();
        self.has_interest(account, subject) && !self.deaf_groups.iter().any(|deaf| *deaf == queue)
    }

    fn subscribe(&mut self, _: AccountId, _: &[u8], _: Token) {}

    fn subscribe_shared(&mut self, _: AccountId, _: &[u8], _: &[u8], _: Token) {}

    fn unsubscribe(&mut self, _: Token) {}

    fn subscribe_stream(&mut self, _: AccountId, _: &[u8], _: Token) {
        panic!("a consumer keeps no subject");
    }

    fn tell_trace(&mut self, _: TraceId, _: Streamed) {
        panic!("a consumer has nothing to tell a trace");
    }
}

/// One stream with consumers.
pub(super) struct Bench {
    pub(super) storage: Storage,
    pub(super) consumers: Consumers,
    pub(super) recorder: Recorder,
    pub(super) now: Now,
    /// Whether the core delivers other messages too.
    pub(super) company: Company,
    home: Home,
}

impl Bench {
    /// A stream of limits retention with subjects under `a`.
    pub(super) const SETTING: Setting<'static> = Setting {
        subjects: &[],
        retention: Retention::Limits,
        replicas: 1,
        stream_ack_pending_max: 0,
        stream_inactive_max_ns: 0,
        ack_pending_max: 0,
        request_batch_max: 0,
        consumers_max: 0,
    };

    pub(super) fn new() -> Bench {
        Bench::retaining(Retention::Limits)
    }

    pub(super) fn retaining(retention: Retention) -> Bench {
        let mut storage = Storage::without_disk();
        let id = storage.create(AccountId::GLOBAL, Kind::File, Seq::FIRST);
        let (account, stream) = (AccountId::GLOBAL, "S".to_owned());
        let scope = ReplyScope::default();
        let home = Home { account, stream, id, retention, domain: None, scope };
        let consumers = Consumers::new(home.clone());
        let now = Now { mono_ns: SECOND, wall_ns: START_NS };
        let (recorder, company) = (Recorder::default(), Company::Alone);
        Bench { storage, consumers, recorder, now, company, home }
    }

    /// Does something with the consumers, with a whole turn's budget.
    pub(super) fn with<T>(&mut self, act: impl FnOnce(&mut Consumers, &mut Desk<'_>) -> T) -> T {
        let Bench { storage, consumers, recorder, now, company, .. } = self;
        let budget = &mut Budget::of(*company);
        act(consumers, &mut Desk { storage, outlet: recorder, budget, now: *now })
    }

    /// Makes a consumer named `c`, or what the configuration says.
    pub(super) fn consumer(&mut self, config: ConsumerConfig) -> ConsumerPlace {
        self.try_consumer(config).expect("the configuration is right").place()
    }

    pub(super) fn try_consumer(&mut self, config: ConsumerConfig) -> Result<Made, crate::ApiError> {
        let config = Some(config);
        let request = CreateRequest { config, ..CreateRequest::default() };
        let setting = Setting { retention: self.home.retention, ..Bench::SETTING };
        self.with(|consumers, desk| consumers.apply(request, &setting, 0, Persistence::Log, desk))
    }

    /// Stores a message; its sequence.
    pub(super) fn publish(&mut self, subject: &str, payload: &str) -> u64 {
        self.publish_with(subject, "", payload)
    }

    pub(super) fn publish_with(&mut self, subject: &str, headers: &str, payload: &str) -> u64 {
        let message = Incoming {
            subject: subject.as_bytes(),
            headers: headers.as_bytes(),
            payload: payload.as_bytes(),
            shared: None,
            time_ns: self.now.wall_ns,
            expires_ns: 0,
        };
        let appended = self.storage.append(self.home.id, &message, Place::Next);
        let seq = appended.expect("it has room").seq.0;
        self.consumers.appended(seq, subject.as_bytes());
        seq
    }

    /// Removes a message as an API request does.
    pub(super) fn remove(&mut self, seq: u64) {
        let stream = self.storage.stream(self.home.id);
        let subject = stream.look(Seq(seq)).expect("it is there").subject.to_vec();
        self.storage.remove(self.home.id, Seq(seq), Erase::Forget).expect("it is there");
        self.consumers.removed(seq, &subject);
    }

    /// Purges everything below a sequence.
    pub(super) fn purge_below(&mut self, below: u64) {
        let filter = storage::Filter::all();
        let purge = Purge { filter: &filter, below: Seq(below), keep: 0 };
        self.storage.purge(self.home.id, &purge);
        self.consumers.recount(below);
    }

    /// Asks for messages, to be sent to `reply`.
    pub(super) fn pull(&mut self, place: ConsumerPlace, reply: &str, payload: &str) {
        self.with(|consumers, desk| {
            consumers.pull(place, reply.as_bytes(), payload.as_bytes(), None, desk);
        });
    }

    /// Answers a delivery.
    pub(super) fn ack(&mut self, place: ConsumerPlace, sent: &Sent, payload: &str) {
        self.ack_with(place, sent, payload, None);
    }

    pub(super) fn ack_with(
        &mut self,
        place: ConsumerPlace,
        sent: &Sent,
        payload: &str,
        reply: Option<&str>,
    ) {
        let reply = reply.map(str::as_bytes);
        self.with(|consumers, desk| {
            let subject = sent.reply.as_bytes();
            consumers.ack(place, subject, payload.as_bytes(), reply, desk);
        });
    }

    /// Turns until nothing is left to do now, and gives what was sent, advisories aside.
    pub(super) fn turn(&mut self) -> Vec<Sent> {
        let sent = self.turn_with_events().into_iter();
        sent.filter(|sent| !sent.to.starts_with("$JS.EVENT.")).collect()
    }

    /// Turns once, whatever is left to do.
    pub(super) fn step(&mut self) -> Vec<Sent> {
        self.with(|consumers, desk| consumers.turn(desk));
        std::mem::take(&mut self.recorder.sent)
    }

    /// What was sent, advisories included.
    pub(super) fn turn_with_events(&mut self) -> Vec<Sent> {
        for _ in 0..1000 {
            self.with(|consumers, desk| consumers.turn(desk));
            if !self.consumers.has_work() {
                return std::mem::take(&mut self.recorder.sent);
            }
        }
        panic!("the consumers never come to rest");
    }

    /// Lets time pass: every deadline on the way is met.
    pub(super) fn wait(&mut self, ns: u64) -> Vec<Sent> {
        let end_ns = self.now.mono_ns + ns;
        let mut sent = self.turn_with_events();
        while let Some(deadline_ns) = self.consumers.next_deadline_ns()
            && deadline_ns <= end_ns
        {
            self.pass(deadline_ns.saturating_sub(self.now.mono_ns).max(1));
            sent.extend(self.turn_with_events());
            self.write();
        }
        self.pass(end_ns.saturating_sub(self.now.mono_ns));
        sent.extend(self.turn_with_events());
        sent.retain(|sent| !sent.to.starts_with("$JS.EVENT."));
        sent
    }

    fn pass(&mut self, ns: u64) {
        self.now.mono_ns += ns;
        self.now.wall_ns += ns;
    }

    /// Writes the states that are due; they are safe at once.
    pub(super) fn write(&mut self) {
        self.with(|consumers, desk| consumers.write_states(desk));
        self.consumers.confirm(self.storage.durable(), &mut self.recorder);
    }

    /// A consumer as its stream keeps it.
    pub(super) fn state(&self, place: ConsumerPlace) -> Vec<u8> {
        let mut state = Vec::new();
        let consumer = self.consumers.get(place).expect("it is there");
        consumer.write_state(self.now, &mut state);
        state
    }

    pub(super) fn info(&mut self, place: ConsumerPlace) -> ConsumerInfo {
        self.with(|consumers, desk| consumers.info(place, desk)).expect("it is there")
    }
}

/// The sequences in a list of deliveries.
pub(super) fn seqs(sent: &[Sent]) -> Vec<u64> {
    let messages = sent.iter().filter(|sent| sent.reply.starts_with("$JS.ACK."));
    messages.map(|sent| sent.delivery().stream_seq).collect()
}
