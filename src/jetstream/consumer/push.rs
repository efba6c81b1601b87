//! Push consumers: whether somebody listens, heartbeats, and flow control.
//!
//! Source: spec/jetstream.md §8, §9. Flow control bounds the bytes under way: when half of the
//! window is out, the receiver is asked to answer; what it answers for is not under way any more,
//! and the window doubles. With the window full the consumer is stalled, and heartbeats say so.
//!
//! Without flow control the receiver's connection bounds what is under way: `lead.rs`.

use base::{Now, decimal};
use protocol::headers;
use shard::{Audience, Listeners};

use super::config::{AckPolicy, ConsumerConfig};
use super::engine::{Consumer, Desk, Home, Reception, headers_only};
use super::lead::{BEHIND_EVERY_NS, Lead, WaitsFor};
use super::pending::NEVER;
use super::status::Status;
use crate::Token;

/// Bytes that may be under way at first.
const WINDOW_MIN: u64 = 256 << 10;
/// Bytes that may be under way at most.
const WINDOW_MAX: u64 = 32 << 20;
/// How often it is asked whether anybody still listens.
const LISTENED_EVERY_NS: u64 = 1_000_000_000;
/// How often it is asked whether somebody listens now, at first and in the end: many clients
/// subscribe right after the consumer is made, and wait for what it has.
const UNHEARD_FIRST_NS: u64 = 500_000;
const UNHEARD_LAST_NS: u64 = 100_000_000;
/// In between: after this part of the time that nobody has listened.
const UNHEARD_PART: u64 = 8;
/// Random letters at the end of a flow-control subject.
const FLOW_ID_LEN: usize = 4;

/// What a push consumer knows of its receiver.
#[derive(Debug)]
pub(crate) struct Push {
    listened: Listened,
    /// When to ask again, monotonic nanoseconds.
    ask_at_ns: u64,
    /// Since when nobody listens, if nobody does, monotonic nanoseconds.
    unheard_ns: u64,
    heartbeat_ns: u64,
    beat_at_ns: u64,
    /// With flow control.
    flow: Option<Flow>,
    /// Without.
    lead: Lead,
    /// How often other cores were asked.
    questions: u64,
}

/// What has to be asked before more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// The receiver, to answer.
    Flow,
    /// Other cores, whether the receivers there keep up.
    Backlog,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listened {
    Yes,
    No,
}

#[derive(Debug)]
struct Flow {
    window: u64,
    /// Bytes under way.
    out: u64,
    asked: Option<Asked>,
}

/// A question that was not answered yet.
#[derive(Debug)]
struct Asked {
    subject: Vec<u8>,
    /// Bytes under way when it was asked.
    out: u64,
}

impl Push {
    pub(crate) fn new(config: &ConsumerConfig, now: Now) -> Push {
        let heartbeat_ns = config.idle_heartbeat.max(0) as u64;
        Push {
            listened: Listened::No,
            ask_at_ns: now.mono_ns,
            unheard_ns: now.mono_ns,
            heartbeat_ns,
            beat_at_ns: NEVER,
            flow: config.flow_control.then(Flow::new),
            lead: Lead::new(WaitsFor::Each),
            questions: 0,
        }
    }

    /// Whether somebody listened when that was last asked.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.listened == Listened::Yes
    }

    /// Whether another message may be under way.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.is_active()
            && match &self.flow {
                Some(flow) => flow.out < flow.window,
                None => self.lead.is_open(),
            }
    }

    pub(crate) fn due_ns(&self) -> u64 {
        self.ask_at_ns.min(self.beat_at_ns)
    }

    /// A message went out. What is to be asked, if it is time to.
    #[inline]
    pub(crate) fn sent(&mut self, bytes: u64, now_ns: u64) -> Option<Question> {
        self.put_off_beat(now_ns);
        let Some(flow) = &mut self.flow else {
            return self.lead.sent(bytes, now_ns).then_some(Question::Backlog);
        };
        flow.out += bytes;
        (flow.asked.is_none() && flow.out >= flow.window / 2).then_some(Question::Flow)
    }

    /// Other cores said whether those who listen there keep up.
    pub(crate) fn backlog_told(&mut self, number: u64, there: Listeners, now_ns: u64) {
        if let Some(again_ns) = self.lead.told(number, there, now_ns) {
            self.ask_at_ns = self.ask_at_ns.min(again_ns);
        }
    }

    fn put_off_beat(&mut self, now_ns: u64) {
        if self.heartbeat_ns > 0 {
            self.beat_at_ns = now_ns + self.heartbeat_ns;
        }
    }

    /// The subject of the question that keeps it from sending.
    fn stalled_by(&self) -> Option<&[u8]> {
        let flow = self.flow.as_ref().filter(|flow| flow.out >= flow.window)?;
        flow.asked.as_ref().map(|asked| &asked.subject[..])
    }

    /// Who listens now, if anybody does.
    fn heard(&mut self, audience: Option<&Audience>, now_ns: u64) {
        let listened = match audience {
            Some(_) => Listened::Yes,
            None => Listened::No,
        };
        if let Some(audience) = audience {
            self.lead.heard(audience);
        }
        if self.listened == Listened::Yes {
            self.unheard_ns = now_ns;
        }
        let unheard_for = now_ns.saturating_sub(self.unheard_ns);
        let pause = match (listened, &self.flow) {
            (Listened::No, _) => {
                (unheard_for / UNHEARD_PART).clamp(UNHEARD_FIRST_NS, UNHEARD_LAST_NS)
            }
            (Listened::Yes, None) if self.lead.is_behind() => BEHIND_EVERY_NS,
            (Listened::Yes, _) => LISTENED_EVERY_NS,
        };
        self.ask_at_ns = now_ns + pause;
        if self.listened == listened {
            return;
        }
        self.listened = listened;
        self.beat_at_ns = NEVER;
        if listened == Listened::Yes {
            self.put_off_beat(now_ns);
        }
        if let Some(flow) = &mut self.flow {
            *flow = Flow::new();
        }
    }
}

impl Flow {
    fn new() -> Flow {
        Flow { window: WINDOW_MIN, out: 0, asked: None }
    }
}

impl Consumer {
    /// Asks whether somebody listens on the deliver subject.
    pub(crate) fn listen(&mut self, home: &Home, desk: &mut Desk<'_>) {
        let now_ns = desk.now.mono_ns;
        let Some(bound) = self.push_bound(home, desk.outlet) else { return };
        let Reception::Push(push) = &mut self.reception else { return };
        let subject = self.config.deliver_subject.as_bytes();
        let audience = bound.then(|| desk.outlet.audience(home.account, subject));
        push.heard(audience.as_ref(), now_ns);
        let asks = push.flow.is_none() && push.lead.wants_question(now_ns);
        if push.is_active() {
            self.used_at_ns = now_ns;
        }
        if asks {
            self.ask_backlog(home, desk);
        }
    }

    /// Asks the other cores whether the receivers there keep up.
    pub(crate) fn ask_backlog(&mut self, home: &Home, desk: &mut Desk<'_>) {
        let Reception::Push(push) = &mut self.reception else { return };
        push.questions += 1;
        let asker = (Token(self.waiter.0), push.questions);
        let shards = push.lead.ask(push.questions);
        desk.outlet.ask_backlog(shards, home.account, &self.config.deliver_subject, asker);
    }

    /// Sends a push consumer's heartbeat if nothing was sent for so long.
    pub(crate) fn beat(&mut self, home: &Home, desk: &mut Desk<'_>) {
        let Reception::Push(push) = &mut self.reception else { return };
        let now_ns = desk.now.mono_ns;
        if push.beat_at_ns > now_ns {
            return;
        }
        push.put_off_beat(now_ns);
        let status = Status::Heartbeat {
            consumer_seq: self.delivered.consumer_seq,
            stream_seq: self.delivered.stream_seq,
            stalled: push.stalled_by(),
        };
        status.write(&mut self.headers);
        let to = self.config.deliver_subject.as_bytes();
        desk.outlet.publish(home.account, &headers_only(to, None, &self.headers));
        if self.wants_answer() {
            self.ask(home, desk);
        }
    }

    /// Asks the receiver to answer, so that what it read is known.
    pub(crate) fn ask(&mut self, home: &Home, desk: &mut Desk<'_>) {
        let Reception::Push(push) = &mut self.reception else { return };
        let Some(flow) = push.flow.as_mut().filter(|flow| flow.asked.is_none()) else { return };
        let (scope, stream) = (home.scope.as_str(), &home.stream);
        let mut subject = format!("$JS.FC.{scope}{stream}.{}.", self.name).into_bytes();
        let letters = std::iter::repeat_with(|| self.random.alphanumeric() as u8);
        subject.extend(letters.take(FLOW_ID_LEN));
        Status::FlowControl.write(&mut self.headers);
        let to = self.config.deliver_subject.as_bytes();
        desk.outlet.publish(home.account, &headers_only(to, Some(&subject), &self.headers));
        flow.asked = Some(Asked { subject, out: flow.out });
    }

    /// Whether the receiver's answer is due although few bytes are under way: where answers are
    /// acknowledgements, at half of what may be unacknowledged, and with nothing more to send.
    pub(crate) fn wants_answer(&self) -> bool {
        let Reception::Push(push) = &self.reception else { return false };
        let asked = push.flow.as_ref().is_none_or(|flow| flow.asked.is_some());
        let most = self.config.ack_pending_max().unwrap_or(usize::MAX);
        let many = self.pending.len() >= most.div_ceil(2);
        let last = self.pending.len() > 0 && self.cursor.pending == 0;
        self.config.ack_policy == AckPolicy::FlowControl && !asked && (many || last)
    }

    /// The receiver answered on `subject`. Where answers are acknowledgements, their headers say
    /// how far: to the last message that is safe with it.
    pub fn flow_answered(
        &mut self,
        subject: &[u8],
        headers: Option<&[u8]>,
        home: &Home,
        desk: &mut Desk<'_>,
    ) {
        let Reception::Push(push) = &mut self.reception else { return };
        let Some(flow) = &mut push.flow else { return };
        let Some(asked) = flow.asked.take_if(|asked| asked.subject == subject) else { return };
        flow.out = flow.out.saturating_sub(asked.out);
        flow.window = (flow.window * 2).min(WINDOW_MAX);
        self.used(desk.now);
        if self.config.ack_policy == AckPolicy::FlowControl {
            let upto = headers.and_then(|block| headers::get(block, b"Nats-Last-Stream"));
            if let Some(seq) = upto.and_then(|text| decimal::parse(text.trim_ascii())) {
                let before = self.floor.stream_seq;
                self.acknowledge_upto(seq.min(self.delivered.stream_seq), home, desk);
                // What is left is asked for at once if that leads on, else with a heartbeat.
                if self.floor.stream_seq > before && self.wants_answer() {
                    self.ask(home, desk);
                }
            }
        }
    }

    /// Whether somebody listens on the deliver subject; `None` for pull consumers.
    // Seen of nats-server 2.14.5 and 2.15.2: a member of the deliver group, or without one a
    // subscription to this very subject. Who listens to many subjects takes no consumer's messages.
    pub(crate) fn push_bound(&self, home: &Home, outlet: &mut dyn crate::Outlet) -> Option<bool> {
        let subject = self.config.deliver_subject.as_bytes();
        let group = Some(self.config.deliver_group.as_bytes()).filter(|group| !group.is_empty());
        self.config.is_push().then(|| outlet.is_subscribed(home.account, subject, group))
    }
}
