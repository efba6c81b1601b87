//! Pull requests: taken, refused, kept alive and ended.
//!
//! Source: spec/jetstream.md §8.

use shard::Presence;

use super::advisory::Event;
use super::config::PriorityPolicy;
use super::engine::{Consumer, Desk, Home, Reception, headers_only};
use super::pending::NEVER;
use super::pins::Pin;
use super::request::{Request, Wait};
use super::status::Status;
use super::waiting::Keep;
use crate::advisory;
use crate::stream_config;
use crate::wire_time::WireTime;

impl Consumer {
    /// A pull request came: a payload, where its messages go, its headers if it has some.
    pub fn pull(
        &mut self,
        reply: &[u8],
        payload: &[u8],
        headers: Option<&[u8]>,
        home: &Home,
        desk: &mut Desk<'_>,
    ) {
        if self.config.is_push() {
            return self.say(reply, &Status::PushBased, home, desk.outlet);
        }
        if !stream_config::serves_request(headers) {
            return self.say(reply, &Status::ApiLevel, home, desk.outlet);
        }
        let now_ns = desk.now.mono_ns;
        let request = match Request::read(reply, payload, &self.config, now_ns) {
            Ok(request) => request,
            Err(refusal) => return self.say(reply, &refusal.status(), home, desk.outlet),
        };
        self.used(desk.now);
        if let Some(status) = self.refuses(&request, home, desk) {
            return self.say(reply, &status, home, desk.outlet);
        }
        if self.is_crowded(home, desk) {
            if request.heartbeat_ns == 0 {
                self.say(reply, &Status::MaxWaiting, home, desk.outlet);
            }
            return;
        }
        if let Some(pin) = self.groups.get_mut(request.group).and_then(|group| group.pin.as_mut())
            && request.pin.as_deref() == Some(&*pin.id)
        {
            pin.until_ns = now_ns.saturating_add(self.config.priority_timeout as u64);
        }
        if let Reception::Pull(waiting) = &mut self.reception {
            waiting.push(request);
        }
    }

    /// Why a well-formed request is not taken.
    fn refuses(
        &mut self,
        request: &Request,
        home: &Home,
        desk: &mut Desk<'_>,
    ) -> Option<Status<'static>> {
        // Seen of nats-server 2.15.2: which of the two is said.
        if let Some(group) = self.groups.get(request.group)
            && group.is_outdated(request.pin.as_deref())
        {
            return Some(match group.pin {
                Some(_) => Status::PinMismatch,
                None => Status::WrongPin(request.left()),
            });
        }
        if request.wait != Wait::Never {
            return None;
        }
        if self.recount {
            self.count_again(home, desk);
        }
        let there = self.cursor.pending + self.pending.queued();
        let Reception::Pull(waiting) = &self.reception else { return None };
        if there == 0 {
            // spec/jetstream.md §8: 404 at once for no_wait without expires only.
            return (request.expires_at_ns == NEVER).then_some(Status::NoMessages);
        }
        (waiting.asked() > there).then_some(Status::RequestsPending)
    }

    /// Whether `max_waiting` requests wait whose senders are still there.
    fn is_crowded(&mut self, home: &Home, desk: &mut Desk<'_>) -> bool {
        let Reception::Pull(waiting) = &mut self.reception else { return false };
        let most = self.config.max_waiting.max(1) as usize;
        if waiting.len() < most {
            return false;
        }
        waiting.sweep(|request| match desk.outlet.has_interest(home.account, &request.reply) {
            true => Keep::Yes,
            false => Keep::No,
        });
        waiting.len() >= most
    }

    /// Ends the requests that are over, sends heartbeats to the others; asks a push consumer's
    /// subject whether somebody listens.
    pub(crate) fn keep_company(&mut self, home: &Home, desk: &mut Desk<'_>) {
        let now_ns = desk.now.mono_ns;
        let waiting = match &mut self.reception {
            Reception::Push(push) if push.due_ns() > now_ns && push.is_active() => return,
            Reception::Push(_) => return self.listen(home, desk),
            Reception::Pull(waiting) if waiting.due_ns() > now_ns => return,
            Reception::Pull(waiting) => waiting,
        };
        let (scratch, outlet) = (&mut self.headers, &mut *desk.outlet);
        let delivered = self.delivered;
        let used_at_ns = &mut self.used_at_ns;
        waiting.sweep(|request| {
            let (status, keep) = if request.expires_at_ns <= now_ns {
                *used_at_ns = now_ns;
                (Status::RequestTimeout(request.left()), Keep::No)
            } else if request.beat_at_ns <= now_ns && request.ends_when_empty() {
                // As nats-server does: what does not wait has no use for a heartbeat.
                (Status::NoMessages, Keep::No)
            } else if request.beat_at_ns <= now_ns {
                request.beat_at_ns = now_ns + request.heartbeat_ns;
                let (consumer_seq, stream_seq) = (delivered.consumer_seq, delivered.stream_seq);
                let stalled = None;
                (Status::Heartbeat { consumer_seq, stream_seq, stalled }, Keep::Yes)
            } else {
                return Keep::Yes;
            };
            status.write(scratch);
            outlet.publish(home.account, &headers_only(&request.reply, None, scratch));
            keep
        });
    }

    /// The end of the stream is reached: requests that do not wait end.
    pub(crate) fn end_hasty(&mut self, home: &Home, outlet: &mut dyn crate::Outlet) {
        self.end_hasty_where(|_| true, home, outlet);
    }

    /// The rules of the priority groups let nobody who keeps up have a message: of them, those
    /// that do not wait end.
    // Seen of nats-server 2.15.2
    pub(crate) fn end_passed_over(&mut self, home: &Home, outlet: &mut dyn crate::Outlet) {
        if self.config.priority_policy != PriorityPolicy::None {
            self.end_hasty_where(|request| request.lead.is_open(), home, outlet);
        }
    }

    fn end_hasty_where(
        &mut self,
        concerned: impl Fn(&Request) -> bool,
        home: &Home,
        outlet: &mut dyn crate::Outlet,
    ) {
        let Reception::Pull(waiting) = &mut self.reception else { return };
        if !waiting.has_hasty() {
            return;
        }
        let scratch = &mut self.headers;
        waiting.sweep(|request| {
            if !(request.ends_when_empty() && concerned(request)) {
                return Keep::Yes;
            }
            Status::NoMessages.write(scratch);
            outlet.publish(home.account, &headers_only(&request.reply, None, scratch));
            Keep::No
        });
    }

    /// Tells everyone who waits that it is over.
    pub(crate) fn dismiss(
        &mut self,
        status: &Status<'_>,
        home: &Home,
        outlet: &mut dyn crate::Outlet,
    ) {
        let Reception::Pull(waiting) = &mut self.reception else { return };
        status.write(&mut self.headers);
        let scratch = &self.headers;
        waiting.sweep(|request| {
            outlet.publish(home.account, &headers_only(&request.reply, None, scratch));
            Keep::No
        });
    }

    /// Pins the client of the request at `at`; from now on it is the only one of its group.
    pub(crate) fn pin(&mut self, at: usize, home: &Home, desk: &mut Desk<'_>) {
        let Reception::Pull(waiting) = &mut self.reception else { return };
        let request = waiting.at(at);
        let number = request.group;
        let id: Box<str> = advisory::unique_id().into();
        request.pin = Some(id.clone());
        let until_ns = desk.now.mono_ns.saturating_add(self.config.priority_timeout as u64);
        let since = WireTime::from_wall_ns(desk.now.wall_ns);
        self.groups[number].pin = Some(Pin { id: id.clone(), since, until_ns });
        let group = self.config.priority_groups[number].clone();
        self.tell(Event::Pinned { group: &group, pin: &id }, home, desk);
    }

    /// Takes a group's pin away: 423 to the requests that carry it. Whether there was one.
    pub(crate) fn unpin(
        &mut self,
        number: usize,
        reason: &'static str,
        home: &Home,
        desk: &mut Desk<'_>,
    ) -> bool {
        let Some(group) = self.groups.get_mut(number) else { return false };
        let Some(pin) = group.pin.take() else { return false };
        if let Reception::Pull(waiting) = &mut self.reception {
            let (scratch, outlet) = (&mut self.headers, &mut *desk.outlet);
            waiting.sweep(|request| {
                if request.group != number || request.pin.as_deref() != Some(&*pin.id) {
                    return Keep::Yes;
                }
                Status::WrongPin(request.left()).write(scratch);
                outlet.publish(home.account, &headers_only(&request.reply, None, scratch));
                Keep::No
            });
        }
        let group = self.config.priority_groups[number].clone();
        self.tell(Event::Unpinned { group: &group, reason }, home, desk);
        true
    }

    /// Takes pins away whose clients were not heard of for too long.
    pub(crate) fn keep_pins(&mut self, home: &Home, desk: &mut Desk<'_>) {
        let now_ns = desk.now.mono_ns;
        for number in 0..self.groups.len() {
            let Some(pin) = &mut self.groups[number].pin else { continue };
            if pin.until_ns > now_ns {
                continue;
            }
            let Reception::Pull(waiting) = &self.reception else { continue };
            let waits = |request: &Request| request.pin.as_deref() == Some(&*pin.id);
            if waiting.first(waits).is_some() {
                pin.until_ns = now_ns.saturating_add(self.config.priority_timeout as u64);
            } else {
                self.unpin(number, "timeout", home, desk);
            }
        }
    }

    /// The place of the request that the next message is for; requests of those who left go, and
    /// those of receivers that lag are passed over.
    #[inline]
    pub(crate) fn next_request(&mut self, home: &Home, desk: &mut Desk<'_>) -> Option<usize> {
        let Reception::Pull(waiting) = &mut self.reception else { return None };
        let now_ns = desk.now.mono_ns;
        loop {
            let at = match self.config.priority_policy {
                PriorityPolicy::None => waiting.first_open(|_| true)?,
                PriorityPolicy::Prioritized => waiting.most_urgent()?,
                PriorityPolicy::PinnedClient => waiting.first_open(|request| {
                    let group = self.groups.get(request.group);
                    group.is_none_or(|group| group.admits(request.pin.as_deref()))
                })?,
                // spec/jetstream.md §8: overflow serves a request only if pending >= min_pending
                // or ack pending >= min_ack_pending.
                PriorityPolicy::Overflow => waiting.first_open(|request| {
                    let (pending, acks) = (request.pending_min, request.ack_pending_min);
                    (pending == 0 && acks == 0)
                        || (pending > 0 && self.cursor.pending >= pending)
                        || (acks > 0 && self.pending.len() as u64 >= acks)
                })?,
            };
            let request = waiting.at(at);
            if request.heard_at_ns == now_ns {
                return Some(at);
            }
            let audience = desk.outlet.audience(home.account, &request.reply);
            if audience.presence == Presence::Nobody {
                waiting.remove(at);
                continue;
            }
            request.heard_at_ns = now_ns;
            request.lead.heard(&audience);
            if request.lead.is_open() {
                return Some(at);
            }
            waiting.note_lag(at, now_ns);
        }
    }
}
