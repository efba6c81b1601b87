//! Mirrors and sources: messages of other streams, copied as an ordinary consumer gets them.
//!
//! A source asks the origin, wherever it lives, for a push consumer without acknowledgements, or
//! tells the durable one that was made for it to start over, and stores what is delivered. It
//! trusts nothing but the sequences: a gap, ten seconds of silence or a status that ends the
//! consumer makes it ask anew from where it stands.
//!
//! ```text
//! idle ──ask──→ asked ──answer──→ flowing ──message, heartbeat──→ flowing
//!   ↑             │ error, 10 s      │ gap, end, 10 s of silence
//!   └─────────────┴──────────────────┘
//! ```
//!
//! Source: spec/jetstream.md §11.

use std::time::Duration;

use base::Now;
use protocol::MessageParts;
use serde::Serialize;
use storage::Seq;
use subject::{Transform, name};

use super::delivery_reply::Delivered;
use super::{Stream, Turn, counter};
use crate::stream_config::{self, ExternalStream, StreamConfig, StreamSource, SubjectTransform};
use crate::{ApiError, Purpose, Token};

/// Silence after which the origin is asked anew, and how long an answer may take.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The first wait after an error; doubled with each until [`SILENCE_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(250);

/// A mirror answers for its origin when fewer messages are missing.
const CAUGHT_UP: u64 = 10;

/// Whether sequences are the origin's or the stream's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Mirror,
    Source,
}

/// How far a source has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It asks at this time, monotonic nanoseconds.
    Idle { ask_at_ns: u64 },
    /// It asked at this time.
    Asked { since_ns: u64 },
    /// Messages come.
    Flowing,
}

/// One mirror or source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) config: StreamSource,
    pub(super) role: Role,
    state: State,
    token: Token,
    pub(super) deliver_to: String,
    /// Where the origin answers.
    answer_to: String,
    /// Filter and new name of each transform.
    pub(super) transforms: Vec<(Box<str>, Option<Transform>)>,
    /// The last origin sequence that was dealt with; 0 before the first.
    pub(super) position: u64,
    /// The consumer's own count of deliveries.
    consumer_seq: u64,
    lag: u64,
    heard_ns: Option<u64>,
    /// When the origin itself was heard, refusals aside, as Unix nanoseconds.
    heard_wall_ns: Option<u64>,
    retry: Duration,
    error: Option<ApiError>,
}

/// All mirrors and sources of one stream.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) list: Vec<Source>,
    /// Every question has a token of its own, so that late letters are known as such.
    next_index: u32,
}

/// A mirror or source as stream info shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "spec/jetstream.md §3 StreamSourceInfo is the list")]
pub struct StreamSourceInfo {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    pub lag: u64,
    pub active: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
}

/// A letter that came with a source's token.
#[derive(Clone, Copy, Debug)]
pub struct SourceLetter<'a> {
    /// As delivered: the message's own subject.
    pub subject: &'a [u8],
    /// What to acknowledge to; says where the message stood.
    pub reply: Option<&'a [u8]>,
    /// The whole block, or empty.
    pub headers: &'a [u8],
    /// What follows the headers.
    pub payload: &'a [u8],
}

impl Source {
    fn new(config: StreamSource, role: Role, now: Now) -> Source {
        let transforms = config.subject_transforms.iter().map(|rename| {
            let src = if rename.src.is_empty() { ">" } else { &rename.src };
            let transform = stream_config::rename(src, &rename.dest)
                .expect("a configuration in use was checked");
            (Box::from(src), transform)
        });
        Source {
            transforms: transforms.collect(),
            config,
            role,
            state: State::Idle { ask_at_ns: now.mono_ns },
            token: Token(0),
            deliver_to: String::new(),
            answer_to: String::new(),
            position: 0,
            consumer_seq: 0,
            lag: 0,
            heard_ns: None,
            heard_wall_ns: None,
            retry: RETRY_FIRST,
            error: None,
        }
    }

    /// The new name of an origin's subject; `None` if it keeps its own.
    pub(super) fn rename(&self, subject: &[u8], random: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let (_, transform) =
            self.transforms.iter().find(|(filter, _)| name::matches(filter.as_bytes(), subject))?;
        let mut renamed = Vec::with_capacity(subject.len() + 16);
        transform.as_ref()?.apply(subject, random, &mut renamed).then_some(renamed)
    }

    /// `<stream[:hash]>`: the origin's name, told apart from the same name elsewhere.
    pub(super) fn index_name(&self) -> String {
        match &self.config.external {
            None => self.config.name.clone(),
            Some(external) => format!("{}:{:08x}", self.config.name, fnv(external.api.as_bytes())),
        }
    }

    /// Filters and destinations as `Nats-Stream-Source` writes them.
    pub(super) fn filter_and_destination(&self) -> (String, String) {
        let or_all = |text: &str| if text.is_empty() { ">".to_owned() } else { text.to_owned() };
        if self.config.subject_transforms.is_empty() {
            return (or_all(&self.config.filter_subject), ">".to_owned());
        }
        let all = &self.config.subject_transforms;
        let filters: Vec<_> = all.iter().map(|rename| or_all(&rename.src)).collect();
        let destinations: Vec<_> = all.iter().map(|rename| or_all(&rename.dest)).collect();
        (filters.join("\u{c}"), destinations.join("\u{c}"))
    }

    /// When something has to happen, monotonic nanoseconds.
    fn deadline_ns(&self) -> u64 {
        let silence_ns = SILENCE_MAX.as_nanos() as u64;
        match self.state {
            State::Idle { ask_at_ns } => ask_at_ns,
            State::Asked { since_ns } => since_ns + silence_ns,
            State::Flowing => self.heard_ns.unwrap_or_default() + silence_ns,
        }
    }

    fn info(&self, wall_ns: u64) -> StreamSourceInfo {
        let since = |heard_ns: u64| i64::try_from(wall_ns.saturating_sub(heard_ns)).ok();
        StreamSourceInfo {
            name: self.config.name.clone(),
            external: self.config.external.clone(),
            lag: self.lag,
            active: self.heard_wall_ns.and_then(since).unwrap_or(-1),
            error: self.error.clone(),
            filter_subject: self.config.filter_subject.clone(),
            subject_transforms: self.config.subject_transforms.clone(),
        }
    }
}

/// FNV-1a: short, and the same on every machine.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Sources {
    pub(super) fn of(config: &StreamConfig, now: Now) -> Sources {
        let list = wanted(config).map(|(role, one)| Source::new(one, role, now)).collect();
        Sources { list, next_index: 0 }
    }

    /// When the next one has something to do, monotonic nanoseconds.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        self.list.iter().map(Source::deadline_ns).min()
    }
}

fn wanted(config: &StreamConfig) -> impl Iterator<Item = (Role, StreamSource)> {
    let mirror = config.mirror.iter().map(|mirror| (Role::Mirror, mirror.clone()));
    mirror.chain(config.sources.iter().map(|source| (Role::Source, source.clone())))
}

impl Stream {
    /// The mirror as stream info shows it at `wall_ns`, Unix nanoseconds.
    #[must_use]
    pub fn mirror_info(&self, wall_ns: u64) -> Option<StreamSourceInfo> {
        let mirror = self.sources.list.iter().find(|source| source.role == Role::Mirror);
        mirror.map(|source| source.info(wall_ns))
    }

    /// The sources as stream info shows them.
    #[must_use]
    pub fn source_infos(&self, wall_ns: u64) -> Vec<StreamSourceInfo> {
        let sources = self.sources.list.iter().filter(|source| source.role == Role::Source);
        sources.map(|source| source.info(wall_ns)).collect()
    }

    /// Takes over the sources of a new configuration; those that are the same go on.
    pub(super) fn change_sources(&mut self, turn: &mut Turn<'_>) {
        let mut before = std::mem::take(&mut self.sources.list);
        for (role, config) in wanted(&self.config) {
            let same = |old: &Source| old.role == role && old.config == config;
            let source = match before.iter().position(same) {
                Some(place) => before.swap_remove(place),
                None => Source::new(config, role, turn.now),
            };
            self.sources.list.push(source);
        }
        for gone in before {
            turn.outlet.unsubscribe(gone.token);
        }
    }

    /// Ends every subscription of the stream's own: it is going to be deleted.
    pub fn close(&mut self, turn: &mut Turn<'_>) {
        for source in self.sources.list.drain(..) {
            turn.outlet.unsubscribe(source.token);
        }
    }

    /// Asks where it is time to, and starts over where it is silent.
    pub(super) fn run_sources(&mut self, turn: &mut Turn<'_>) {
        for index in 0..self.sources.list.len() {
            if self.sources.list[index].deadline_ns() > turn.now.mono_ns {
                continue;
            }
            match self.sources.list[index].state {
                State::Idle { .. } => self.ask(index, turn),
                State::Asked { .. } | State::Flowing => self.start_over(index, turn),
            }
        }
    }

    /// Asks the origin for a consumer, or listens to the one that was made for this source.
    fn ask(&mut self, index: usize, turn: &mut Turn<'_>) {
        self.sources.next_index = (self.sources.next_index + 1) & Token::INDEX_MAX;
        let token = Token::new(self.place, Purpose::Source, self.sources.next_index);
        let last = turn.storage.stream(self.id).last_seq().0;
        let id: String = std::iter::repeat_with(|| self.random.alphanumeric()).take(12).collect();
        let source = &mut self.sources.list[index];
        source.token = token;
        source.consumer_seq = 0;
        let letter = if source.role == Role::Mirror { 'M' } else { 'S' };
        let external = source.config.external.as_ref();
        let own = format!("$JS.{letter}.{id}");
        let prefix = external.map_or("", |external| &external.deliver);
        source.deliver_to = match &source.config.consumer {
            Some(consumer) => consumer.deliver_subject.clone(),
            None if prefix.is_empty() => own.clone(),
            None => format!("{prefix}.{id}"),
        };
        source.answer_to = format!("{own}.created");
        turn.outlet.subscribe(self.account, source.deliver_to.as_bytes(), token);
        turn.outlet.subscribe(self.account, source.answer_to.as_bytes(), token);
        let position = match source.role {
            Role::Mirror => last,
            Role::Source => source.position,
        };
        let next = (position > 0).then_some(position + 1);
        let (to, request) = source.request(next);
        source.state = State::Asked { since_ns: turn.now.mono_ns };
        let message = MessageParts {
            subject: to.as_bytes(),
            reply: Some(source.answer_to.as_bytes()),
            headers: None,
            payload: request.as_bytes(),
        };
        turn.outlet.publish(self.account, &message);
    }

    /// Forgets the consumer, and asks anew after a while.
    fn start_over(&mut self, index: usize, turn: &mut Turn<'_>) {
        let source = &mut self.sources.list[index];
        turn.outlet.unsubscribe(source.token);
        source.token = Token(0);
        let wait_ns = source.retry.as_nanos() as u64;
        source.retry = (source.retry * 2).min(SILENCE_MAX);
        source.state = State::Idle { ask_at_ns: turn.now.mono_ns + wait_ns };
    }

    /// Takes a letter that came with a token of [`Purpose::Source`].
    pub fn source_letter(&mut self, token: Token, letter: &SourceLetter<'_>, turn: &mut Turn<'_>) {
        let place = self.sources.list.iter().position(|source| source.token == token);
        let Some(index) = place else { return };
        let source = &mut self.sources.list[index];
        source.heard_ns = Some(turn.now.mono_ns);
        if letter.subject == source.answer_to.as_bytes() {
            return self.hear_answer(index, letter.payload, turn);
        }
        source.heard_wall_ns = Some(turn.now.wall_ns);
        if let Some((code, _)) = protocol::headers::status(letter.headers) {
            return self.hear_status(index, code, letter, turn);
        }
        let Some(delivered) = letter.reply.and_then(Delivered::parse) else { return };
        if delivered.consumer_seq != source.consumer_seq + 1 {
            // What a durable consumer had sent before it was told to start over is on its way.
            let is_old = source.config.consumer.is_some() && source.state != State::Flowing;
            if !is_old {
                self.start_over(index, turn);
            }
            return;
        }
        source.state = State::Flowing;
        source.consumer_seq = delivered.consumer_seq;
        source.lag = delivered.pending;
        source.retry = RETRY_FIRST;
        match self.copy(index, letter, &delivered, turn) {
            Ok(()) => self.sources.list[index].error = None,
            Err(error) => {
                self.sources.list[index].error = Some(error);
                self.start_over(index, turn);
            }
        }
    }

    fn hear_answer(&mut self, index: usize, payload: &[u8], turn: &mut Turn<'_>) {
        let source = &mut self.sources.list[index];
        match source.read_answer(payload) {
            Ok(()) => {
                source.state = State::Flowing;
                source.error = None;
                source.heard_wall_ns = Some(turn.now.wall_ns);
            }
            // A refusal is no sign of the origin: `active` stays as it was.
            Err(error) => {
                source.error = Some(error);
                self.start_over(index, turn);
            }
        }
    }

    /// A heartbeat, a question for more, or the end.
    fn hear_status(
        &mut self,
        index: usize,
        code: &[u8],
        letter: &SourceLetter<'_>,
        turn: &mut Turn<'_>,
    ) {
        if code != b"100" {
            return self.start_over(index, turn);
        }
        let stalled = protocol::headers::get(letter.headers, b"Nats-Consumer-Stalled");
        if let Some(subject) = letter.reply.or(stalled) {
            let source = &self.sources.list[index];
            let reached = (source.consumer_seq, source.position);
            self.answer_flow(subject, reached, turn);
        }
        let sent = protocol::headers::get(letter.headers, b"Nats-Last-Consumer")
            .and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
        let source = &mut self.sources.list[index];
        if letter.reply.is_none() {
            // As above; a beat of the time before says nothing either.
            let is_old = source.config.consumer.is_some() && source.state != State::Flowing;
            if !is_old && sent.is_some_and(|sent| sent > source.consumer_seq) {
                return self.start_over(index, turn);
            }
            source.lag = 0;
        }
    }

    /// Whether this is a mirror that has what its origin has, but for a few messages.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        let mirror = self.sources.list.iter().find(|source| source.role == Role::Mirror);
        mirror.is_some_and(|mirror| {
            mirror.state == State::Flowing && mirror.lag < CAUGHT_UP && mirror.error.is_none()
        })
    }

    /// Stores one message of an origin.
    fn copy(
        &mut self,
        index: usize,
        letter: &SourceLetter<'_>,
        delivered: &Delivered,
        turn: &mut Turn<'_>,
    ) -> Result<(), ApiError> {
        let source = &self.sources.list[index];
        let seen = match source.role {
            Role::Mirror => turn.storage.stream(self.id).last_seq(),
            Role::Source => Seq(source.position),
        };
        if delivered.stream_seq > seen.0 {
            match source.role {
                Role::Mirror => self.copy_to_mirror(index, letter, delivered, turn)?,
                Role::Source => self.copy_from_source(index, letter, delivered, turn)?,
            }
        }
        let source = &mut self.sources.list[index];
        source.position = source.position.max(delivered.stream_seq);
        Ok(())
    }

    /// Whether the message has to be added to a counter.
    pub(super) fn is_count(&self, headers: &[u8]) -> bool {
        self.config.allow_msg_counter && counter::increments(headers)
    }
}
