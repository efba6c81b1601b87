//! Hot path: direct get, after the service's letters and before the outlet. Messages as messages:
//! one, a batch, or the last of many subjects.
//!
//! A request that has to wait for the disk stands in a queue and goes on where it stopped. What is
//! wrong is said in a status line. Source: spec/jetstream.md §10; ADR-31.

use config::limits;
use protocol::MessageParts;
use serde::Deserialize;
use storage::{Filter, Read, Seq, Waiter};

use super::{Stream, Turn, header_block};
use crate::outlet::is_held_back;
use crate::request_json::{Strictness, decode};
use crate::{Purpose, Token, WireTime, stream_config};

/// Messages of one request that one turn sends.
const PER_TURN_MAX: usize = 1024;

/// The body of DIRECT.GET.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Request {
    seq: u64,
    last_by_subj: String,
    next_by_subj: String,
    start_time: Option<WireTime>,
    multi_last: Vec<String>,
    batch: u64,
    max_bytes: u64,
    up_to_seq: u64,
    up_to_time: Option<WireTime>,
    no_hdr: bool,
}

impl Request {
    /// Whether it does not say which messages it wants.
    fn names_nothing(&self) -> bool {
        self.seq == 0
            && self.start_time.is_none()
            && self.last_by_subj.is_empty()
            && self.next_by_subj.is_empty()
            && self.multi_last.is_empty()
    }
}

/// A direct get under way.
#[derive(Debug)]
pub(super) struct Get {
    reply: Box<[u8]>,
    plan: Plan,
    headers: Headers,
}

/// Whether answers carry headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headers {
    With,
    Without,
}

/// What is still to be sent.
#[derive(Debug)]
enum Plan {
    /// This one.
    One(Seq),
    /// What matches from `next` on.
    Batch { filter: Filter, next: Seq, progress: Progress },
    /// These, the last one first.
    Multi { left: Vec<Seq>, upto: Seq, progress: Progress },
}

/// How far a batch is.
#[derive(Clone, Copy, Debug)]
struct Progress {
    messages_left: u64,
    bytes_left: u64,
    /// Messages that match and were not sent.
    pending: u64,
    /// The sequence sent last; 0 at first.
    last: Seq,
}

/// What a step of a request led to.
enum Step {
    Sent,
    Wait,
    Done,
}

/// What became of one message.
enum Found {
    /// It went out; so many bytes of subject, headers and payload.
    Sent(u64),
    /// The disk has to bring it.
    Wait,
    /// It is not there any more.
    Gone,
}

/// Why a request is answered by a status alone.
type Status = &'static str;

const EMPTY_REQUEST: Status = "408 Empty Request";
const MALFORMED: Status = "408 Malformed Request";
const BAD_REQUEST: Status = "408 Bad Request";
const NOT_FOUND: Status = "404 Message Not Found";
const NO_RESULTS: Status = "404 No Results";
const TOO_MANY: Status = "413 Too Many Results";
const REQUIRED_LEVEL: Status = "412 Required Api Level";

impl Stream {
    /// Answers a request on `$JS.API.DIRECT.GET.<stream>`, or one that has the subject whose last
    /// message it wants appended (`last_of`).
    pub fn direct_get(
        &mut self,
        last_of: Option<&[u8]>,
        reply: &[u8],
        headers: &[u8],
        body: &[u8],
        turn: &mut Turn<'_>,
    ) {
        if !headers.is_empty() && !stream_config::serves_request(Some(headers)) {
            return self.say(reply, REQUIRED_LEVEL, turn);
        }
        if let Some(subject) = last_of
            && body.is_empty()
            && self.gets.is_empty()
            && !subject::name::has_wildcard(subject)
        {
            return self.get_last_of(subject, reply, turn);
        }
        match self.plan_get(last_of, body, turn) {
            Err(status) => self.say(reply, status, turn),
            Ok((plan, headers)) => {
                self.gets.push_back(Get { reply: reply.into(), plan, headers });
                if self.gets.len() == 1 {
                    self.run_gets(turn);
                }
            }
        }
    }

    /// The last message of one subject, as key-value stores get their keys: nothing is read but
    /// the subject, nothing is kept, and the answer is written straight from the storage.
    fn get_last_of(&mut self, subject: &[u8], reply: &[u8], turn: &mut Turn<'_>) {
        let Some(state) = turn.storage.stream(self.id).subject(subject) else {
            return self.say(reply, NOT_FOUND, turn);
        };
        match self.send_found(reply, state.last, Headers::With, None, turn) {
            Found::Sent(_) => {}
            Found::Gone => self.say(reply, NOT_FOUND, turn),
            Found::Wait => {
                let (plan, headers) = (Plan::One(state.last), Headers::With);
                self.gets.push_back(Get { reply: reply.into(), plan, headers });
            }
        }
    }

    fn plan_get(
        &self,
        last_of: Option<&[u8]>,
        body: &[u8],
        turn: &Turn<'_>,
    ) -> Result<(Plan, Headers), Status> {
        let request = match (last_of, body.is_empty()) {
            (None, true) => return Err(EMPTY_REQUEST),
            (Some(_), true) => Request::default(),
            (_, false) => decode(body, Strictness::Lenient).map_err(|_| MALFORMED)?.request,
        };
        let request = match last_of {
            None if request.names_nothing() => return Err(EMPTY_REQUEST),
            None => request,
            Some(subject) => with_subject(request, subject)?,
        };
        let headers = if request.no_hdr { Headers::Without } else { Headers::With };
        let stored = turn.storage.stream(self.id);
        let plan = match () {
            () if !request.multi_last.is_empty() => self.plan_multi(&request, turn)?,
            () if !request.last_by_subj.is_empty() => {
                let alone = request.seq == 0
                    && request.start_time.is_none()
                    && request.next_by_subj.is_empty()
                    && request.batch <= 1;
                if !alone {
                    return Err(BAD_REQUEST);
                }
                let filter = Filter::new([&request.last_by_subj]);
                Plan::One(stored.last_matching(&filter, Seq::MAX).ok_or(NOT_FOUND)?)
            }
            () => self.plan_from(&request, turn)?,
        };
        Ok((plan, headers))
    }

    /// By sequence, time or next of a subject, one or a batch.
    fn plan_from(&self, request: &Request, turn: &Turn<'_>) -> Result<Plan, Status> {
        let stored = turn.storage.stream(self.id);
        let by_subject = !request.next_by_subj.is_empty();
        let from = match (request.seq, request.start_time) {
            (0, Some(time)) => stored.first_at(time.wall_ns()),
            (_, Some(_)) => return Err(BAD_REQUEST),
            (0, None) if !by_subject => return Err(BAD_REQUEST),
            (seq, None) => Seq(seq),
        };
        let filter = Filter::new([&request.next_by_subj]);
        if request.batch == 0 && !by_subject && request.start_time.is_none() {
            return stored.look(from).map(|_| Plan::One(from)).ok_or(NOT_FOUND);
        }
        let first = stored.first_matching(&filter, from).ok_or(NOT_FOUND)?;
        if request.batch == 0 {
            return Ok(Plan::One(first));
        }
        let pending = stored.pending(&filter, first);
        Ok(Plan::Batch { filter, next: first, progress: Progress::of(request, pending) })
    }

    fn plan_multi(&self, request: &Request, turn: &Turn<'_>) -> Result<Plan, Status> {
        let alone = request.next_by_subj.is_empty()
            && request.last_by_subj.is_empty()
            && !(request.up_to_seq > 0 && request.up_to_time.is_some());
        if !alone {
            return Err(BAD_REQUEST);
        }
        let stored = turn.storage.stream(self.id);
        let upto = match (request.up_to_seq, request.up_to_time) {
            (0, None) => stored.last_seq(),
            (0, Some(time)) => stored.first_at(time.wall_ns()).previous(),
            (seq, _) => Seq(seq),
        };
        let mut left = stored.last_per_subject(&Filter::new(&request.multi_last), upto);
        // spec/jetstream.md §10: 413 Too Many Results (multi > 1024 subjects)
        if left.len() > limits::JS_MULTI_GET_SUBJECTS_MAX {
            return Err(TOO_MANY);
        }
        if left.is_empty() {
            return Err(NO_RESULTS);
        }
        left.reverse();
        let progress = Progress::of(request, left.len() as u64);
        Ok(Plan::Multi { left, upto, progress })
    }

    /// Goes on with the requests that wait, as far as the disk lets them.
    pub(super) fn run_gets(&mut self, turn: &mut Turn<'_>) {
        let mut left = PER_TURN_MAX;
        if is_held_back(&mut self.congested, turn.outlet) {
            return;
        }
        while let Some(mut get) = self.gets.pop_front() {
            loop {
                if left == 0 || !self.congested.is_empty() {
                    return self.gets.push_front(get);
                }
                left -= 1;
                match self.step(&mut get, turn) {
                    Step::Sent => {}
                    Step::Done => break,
                    Step::Wait => return self.gets.push_front(get),
                }
            }
        }
    }

    fn step(&mut self, get: &mut Get, turn: &mut Turn<'_>) -> Step {
        let seq = match &mut get.plan {
            Plan::One(seq) => *seq,
            Plan::Batch { filter, next, progress } => {
                let found = turn.storage.stream(self.id).first_matching(filter, *next);
                match found.filter(|_| progress.has_room()) {
                    Some(seq) => seq,
                    None => {
                        let progress = *progress;
                        return self.end_batch(&get.reply, progress, None, turn);
                    }
                }
            }
            Plan::Multi { left, upto, progress } => {
                match left.last().copied().filter(|_| progress.has_room()) {
                    Some(seq) => seq,
                    None => {
                        let (progress, upto) = (*progress, *upto);
                        return self.end_batch(&get.reply, progress, Some(upto), turn);
                    }
                }
            }
        };
        let progress = get.plan.progress();
        let added = progress.map(|progress| (progress.pending.saturating_sub(1), progress.last));
        match self.send_found(&get.reply, seq, get.headers, added, turn) {
            Found::Wait => Step::Wait,
            Found::Gone => gone(get, seq, self, turn),
            Found::Sent(size) => {
                if let Some(progress) = get.plan.progress() {
                    progress.sent(seq, size);
                }
                get.plan.advance(seq)
            }
        }
    }

    /// Sends one message. Of a batch, `added` is what is pending behind it and the sequence that
    /// was sent before it.
    fn send_found(
        &mut self,
        reply: &[u8],
        seq: Seq,
        headers: Headers,
        added: Option<(u64, Seq)>,
        turn: &mut Turn<'_>,
    ) -> Found {
        let waiter = Waiter(Token::new(self.place, Purpose::DirectGet, 0).0);
        let message = match turn.storage.read(self.id, seq, waiter) {
            Read::Pending => return Found::Wait,
            Read::Gone => return Found::Gone,
            Read::Ready(message) => message,
        };
        let size = message.subject.len() + message.headers.len() + message.payload.len();
        let block = &mut self.header_buffer;
        block.clear();
        if headers == Headers::With {
            header_block::begin(block);
            header_block::add_all(block, message.headers);
            header_block::add(block, "Nats-Stream", self.config.name.as_bytes());
            header_block::add(block, "Nats-Subject", message.subject);
            header_block::add_number(block, "Nats-Sequence", seq.0);
            header_block::add_time(block, "Nats-Time-Stamp", message.time_ns);
            if let Some((pending, last)) = added {
                header_block::add_number(block, "Nats-Num-Pending", pending);
                header_block::add_number(block, "Nats-Last-Sequence", last.0);
            }
            header_block::end(block);
        }
        let headers = (headers == Headers::With).then_some(&block[..]);
        let payload = message.payload;
        let answer = MessageParts { subject: reply, reply: None, headers, payload };
        self.congested = turn.outlet.publish(self.account, &answer).congested();
        Found::Sent(size as u64)
    }

    /// `204 EOB`, the end of a batch.
    fn end_batch(
        &mut self,
        reply: &[u8],
        progress: Progress,
        upto: Option<Seq>,
        turn: &mut Turn<'_>,
    ) -> Step {
        let mut block = std::mem::take(&mut self.header_buffer);
        header_block::begin_status(&mut block, "204 EOB");
        header_block::add_display(&mut block, "Nats-Num-Pending", progress.pending);
        header_block::add_display(&mut block, "Nats-Last-Sequence", progress.last);
        if let Some(upto) = upto {
            header_block::add_display(&mut block, "Nats-UpTo-Sequence", upto);
        }
        header_block::end(&mut block);
        let headers = Some(&block[..]);
        let end = MessageParts { subject: reply, reply: None, headers, payload: &[] };
        turn.outlet.publish(self.account, &end);
        self.header_buffer = block;
        Step::Done
    }

    /// Answers by a status line.
    fn say(&mut self, reply: &[u8], status: Status, turn: &mut Turn<'_>) {
        let mut block = std::mem::take(&mut self.header_buffer);
        header_block::begin_status(&mut block, status);
        header_block::end(&mut block);
        let headers = Some(&block[..]);
        let answer = MessageParts { subject: reply, reply: None, headers, payload: &[] };
        turn.outlet.publish(self.account, &answer);
        self.header_buffer = block;
    }
}

// spec/jetstream.md §10: with the subject appended, the body must be empty or without selectors
fn with_subject(request: Request, subject: &[u8]) -> Result<Request, Status> {
    let selects = Request { no_hdr: false, ..request.clone() } != Request::default();
    if selects {
        return Err(BAD_REQUEST);
    }
    let subject = std::str::from_utf8(subject).map_err(|_| MALFORMED)?;
    Ok(Request { last_by_subj: subject.to_owned(), ..request })
}

/// A message that was there when the request was planned is gone now.
fn gone(get: &mut Get, seq: Seq, stream: &mut Stream, turn: &mut Turn<'_>) -> Step {
    if matches!(get.plan, Plan::One(_)) {
        let reply = std::mem::take(&mut get.reply);
        stream.say(&reply, NOT_FOUND, turn);
        return Step::Done;
    }
    get.plan.advance(seq)
}

impl Plan {
    fn progress(&mut self) -> Option<&mut Progress> {
        match self {
            Plan::One(_) => None,
            Plan::Batch { progress, .. } | Plan::Multi { progress, .. } => Some(progress),
        }
    }

    /// The message `seq` is dealt with.
    fn advance(&mut self, seq: Seq) -> Step {
        match self {
            Plan::One(_) => return Step::Done,
            Plan::Batch { next, .. } => *next = seq.next(),
            Plan::Multi { left, .. } => {
                left.pop();
            }
        }
        Step::Sent
    }
}

impl Progress {
    fn of(request: &Request, pending: u64) -> Progress {
        let unless_zero = |value, default| if value == 0 { default } else { value };
        Progress {
            messages_left: unless_zero(request.batch, u64::MAX),
            // spec/jetstream.md §10: max_bytes default = max_pending
            bytes_left: unless_zero(request.max_bytes, limits::PENDING_MAX as u64),
            pending,
            last: Seq::NONE,
        }
    }

    fn has_room(&self) -> bool {
        self.messages_left > 0 && self.bytes_left > 0
    }

    fn sent(&mut self, seq: Seq, size: u64) {
        self.pending = self.pending.saturating_sub(1);
        self.last = seq;
        self.messages_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(size);
    }
}
