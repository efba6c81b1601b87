//! Hot path: messages from the storage to those who take them. Before it stands the stream
//! (`appended`) or a pull request, after it the outlet.
//!
//! Per message: the next sequence, one read, the reply subject written into a kept buffer, one
//! call of the outlet, one entry among the pending. Nothing is allocated.

use base::{Now, decimal};
use protocol::MessageParts;
use storage::{Message, Read, Seq};

use super::ack::Delivery;
use super::config::{AckPolicy, PriorityPolicy};
use super::engine::{Consumer, Desk, Home, Outcome, Progress, Reception};
use super::pending::NEVER;
use super::push::Question;
use super::status::Status;
use crate::Outlet;
use crate::outlet::{Way, is_held_back};
use crate::wire_time::WireTime;

/// What became of one attempt to deliver.
enum Step {
    /// A message of so many bytes went out.
    Sent(u64),
    /// Something was out of the way; try again.
    Again,
    /// Nothing more can be delivered now.
    Stop,
}

/// A message to deliver.
#[derive(Clone, Copy)]
struct Next {
    seq: u64,
    turn: Turn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Another,
}

/// Who gets the next message.
#[derive(Clone, Copy)]
enum Receiver {
    /// The pull request at this place.
    Request(usize),
    /// The deliver subject.
    Subject,
}

impl Consumer {
    /// Delivers what can be delivered, as far as the turn's budget goes.
    pub(crate) fn deliver(&mut self, home: &Home, desk: &mut Desk<'_>) -> Outcome {
        if is_held_back(&mut self.congested, desk.outlet) {
            return Outcome::Busy;
        }
        if self.cursor.pending > 0 || self.pending.queued() > 0 {
            if desk.budget.is_spent() {
                return Outcome::Busy;
            }
            self.listen(home, desk);
        }
        loop {
            match self.deliver_next(home, desk) {
                Step::Sent(size) => desk.budget.take(size),
                Step::Again => desk.budget.take(0),
                Step::Stop => return Outcome::Idle,
            }
            if desk.budget.is_spent() || !self.congested.is_empty() {
                return Outcome::Busy;
            }
        }
    }

    fn deliver_next(&mut self, home: &Home, desk: &mut Desk<'_>) -> Step {
        let Some(receiver) = self.receiver(home, desk) else {
            if !self.reading {
                self.end_passed_over(home, desk.outlet);
            }
            return Step::Stop;
        };
        let Some(next) = self.next(home, desk) else { return Step::Stop };
        if let (Receiver::Request(at), PriorityPolicy::PinnedClient) =
            (receiver, self.config.priority_policy)
        {
            self.pin_if_free(at, home, desk);
        }
        let message = match desk.storage.read(home.id, Seq(next.seq), self.waiter) {
            Read::Ready(message) => message,
            Read::Pending => {
                self.reading = true;
                return Step::Stop;
            }
            Read::Gone => {
                self.pass_over(next, desk.now);
                return Step::Again;
            }
        };
        let delivery = self.write_reply(&message, next);
        let size = self.write_headers(&message);
        if let Receiver::Request(at) = receiver
            && let Reception::Pull(waiting) = &mut self.reception
            && waiting.at(at).bytes_left.is_some_and(|left| left < size as u64)
            && let Some(request) = waiting.remove(at)
        {
            let status = Status::MaxBytes(request.left());
            self.say(&request.reply, &status, home, desk.outlet);
            return Step::Again;
        }
        let way = self.send(receiver, &message, home, desk.outlet);
        self.congested = way.congested();
        self.note(next, &delivery, home, desk.now);
        self.account(receiver, size as u64, home, desk);
        Step::Sent(size as u64)
    }

    /// Who would get a message now.
    #[inline]
    fn receiver(&mut self, home: &Home, desk: &mut Desk<'_>) -> Option<Receiver> {
        if self.reading {
            return None;
        }
        match &self.reception {
            Reception::Pull(_) => self.next_request(home, desk).map(Receiver::Request),
            Reception::Push(push) => push.is_open().then_some(Receiver::Subject),
        }
    }

    /// The next message: one to deliver again, then the next in the stream.
    #[inline]
    fn next(&mut self, home: &Home, desk: &mut Desk<'_>) -> Option<Next> {
        let now_ns = desk.now.mono_ns;
        if self.rate.as_mut().is_some_and(|rate| !rate.admits(now_ns)) {
            return None;
        }
        if let Some(seq) = self.pending.next_queued() {
            return Some(Next { seq, turn: Turn::Another });
        }
        if !self.has_room() {
            return None;
        }
        let stream = desk.storage.stream(home.id);
        let Some(seq) = self.cursor.peek(&self.filter, stream) else {
            // From here on messages come as they are published.
            self.replay = None;
            self.end_hasty(home, desk.outlet);
            return None;
        };
        if let Some(replay) = &mut self.replay {
            let stored_ns = stream.look(Seq(seq)).map_or(0, |known| known.time_ns);
            if !replay.admits(stored_ns, now_ns) {
                return None;
            }
        }
        Some(Next { seq, turn: Turn::First })
    }

    /// Forgets a message that is gone from the stream.
    fn pass_over(&mut self, next: Next, now: Now) {
        match next.turn {
            Turn::First => self.cursor.skip(next.seq),
            Turn::Another => self.settle(next.seq, now),
        }
    }

    /// Writes the reply subject of the next delivery.
    #[inline]
    fn write_reply(&mut self, message: &Message<'_>, next: Next) -> Delivery {
        let before = match next.turn {
            Turn::First => 0,
            Turn::Another => self.pending.get(next.seq).map_or(0, |entry| entry.deliveries),
        };
        let delivery = Delivery {
            deliveries: u64::from(before) + 1,
            stream_seq: next.seq,
            consumer_seq: self.delivered.consumer_seq + 1,
            stored_ns: message.time_ns,
            pending: self.cursor.pending.saturating_sub(u64::from(next.turn == Turn::First)),
        };
        self.reply.clear();
        self.reply.extend_from_slice(&self.ack_prefix);
        delivery.write(&mut self.reply);
        delivery
    }

    /// Writes the headers that go without their payload, where they do: what the message counts
    /// for, with its reply subject, and as it is sent, not as it is stored.
    #[inline]
    fn write_headers(&mut self, message: &Message<'_>) -> usize {
        let body = match self.config.headers_only {
            true => {
                let size = Some(message.payload.len());
                add_headers(message.headers, size, None, &mut self.headers);
                self.headers.len()
            }
            false => message.headers.len() + message.payload.len(),
        };
        message.subject.len() + self.reply.len() + body
    }

    /// Hands the message to the outlet.
    #[inline]
    fn send(
        &mut self,
        receiver: Receiver,
        message: &Message<'_>,
        home: &Home,
        outlet: &mut dyn Outlet,
    ) -> Way {
        let (to, pin) = match (receiver, &mut self.reception) {
            (Receiver::Request(at), Reception::Pull(waiting)) => {
                let request = waiting.at(at);
                (&request.reply[..], request.pin.as_deref())
            }
            _ => (self.config.deliver_subject.as_bytes(), None),
        };
        let mut headers = message.headers;
        let mut payload = message.payload;
        if pin.is_some() {
            let size = self.config.headers_only.then_some(payload.len());
            add_headers(headers, size, pin, &mut self.headers);
        }
        if self.config.headers_only || pin.is_some() {
            headers = &self.headers;
        }
        if self.config.headers_only {
            payload = b"";
        }
        let parts = MessageParts {
            subject: message.subject,
            reply: Some(&self.reply),
            headers: (!headers.is_empty()).then_some(headers),
            payload,
        };
        outlet.publish_to(home.account, to, &parts)
    }

    /// Notes that a message is under way.
    #[inline]
    fn note(&mut self, next: Next, delivery: &Delivery, home: &Home, now: Now) {
        let sent_ns = now.mono_ns;
        if next.turn == Turn::First {
            self.cursor.pass(next.seq);
            if let Some(replay) = &mut self.replay {
                replay.sent(delivery.stored_ns, sent_ns);
            }
        }
        self.delivered = Progress {
            consumer_seq: delivery.consumer_seq,
            stream_seq: self.delivered.stream_seq.max(next.seq),
            last_active: WireTime::from_wall_ns(now.wall_ns),
        };
        let deliveries = delivery.deliveries as u32;
        match self.config.ack_policy {
            AckPolicy::None => {
                self.floor.consumer_seq = delivery.consumer_seq;
                self.floor.stream_seq = next.seq;
                self.release(next.seq, home);
            }
            AckPolicy::FlowControl => {
                self.pending.add(next.seq, delivery.consumer_seq, sent_ns, NEVER);
            }
            AckPolicy::All | AckPolicy::Explicit => {
                let due_ns = sent_ns.saturating_add(self.config.ack_wait_ns(deliveries));
                match next.turn {
                    Turn::First => {
                        self.pending.add(next.seq, delivery.consumer_seq, sent_ns, due_ns);
                    }
                    Turn::Another => {
                        self.pending.sent_again(next.seq, sent_ns, due_ns);
                    }
                }
            }
        }
        self.changed(now);
    }

    /// Counts a delivery against its request, or against window and rate.
    #[inline]
    fn account(&mut self, receiver: Receiver, size: u64, home: &Home, desk: &mut Desk<'_>) {
        let now_ns = desk.now.mono_ns;
        match (receiver, &mut self.reception) {
            (Receiver::Request(at), Reception::Pull(waiting)) => {
                let request = waiting.at(at);
                request.left -= 1;
                request.delivered += 1;
                if let Some(left) = &mut request.bytes_left {
                    *left -= size;
                }
                if request.heartbeat_ns > 0 {
                    request.beat_at_ns = now_ns + request.heartbeat_ns;
                }
                let asks = request.lead.sent(size, now_ns);
                let spent = request.left == 0 || request.bytes_left == Some(0);
                if !spent {
                    if asks {
                        waiting.ask_backlog(at, home.account, self.waiter, desk.outlet);
                    }
                    waiting.served(at);
                } else if let Some(request) = waiting.remove(at)
                    && request.bytes_left.is_some_and(|left| left > 0)
                {
                    let status = Status::BatchCompleted(request.left());
                    self.say(&request.reply, &status, home, desk.outlet);
                }
            }
            (_, Reception::Push(push)) => {
                let question = push.sent(size, now_ns);
                if let Some(rate) = &mut self.rate {
                    rate.sent(size, now_ns);
                }
                match question {
                    Some(Question::Flow) => self.ask(home, desk),
                    Some(Question::Backlog) => self.ask_backlog(home, desk),
                    None if self.wants_answer() => self.ask(home, desk),
                    None => {}
                }
            }
            _ => {}
        }
    }

    /// The first request of a group that nobody is pinned to gets the pin.
    fn pin_if_free(&mut self, at: usize, home: &Home, desk: &mut Desk<'_>) {
        let Reception::Pull(waiting) = &mut self.reception else { return };
        let group = waiting.at(at).group;
        if self.groups.get(group).is_some_and(|group| group.pin.is_none()) {
            self.pin(at, home, desk);
        }
    }
}

/// Writes a header block with what the server adds into `out`, which is cleared first.
fn add_headers(block: &[u8], size: Option<usize>, pin: Option<&str>, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(block.strip_suffix(b"\r\n").unwrap_or(b"NATS/1.0\r\n"));
    if let Some(size) = size {
        // spec/jetstream.md §4 headers_only
        out.extend_from_slice(b"Nats-Msg-Size: ");
        decimal::push(out, size as u64);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(pin) = pin {
        out.extend_from_slice(b"Nats-Pin-Id: ");
        out.extend_from_slice(pin.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}
