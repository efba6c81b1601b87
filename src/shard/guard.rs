//! What a connection with permissions may get, and what it may answer (spec/security.md §4).
//!
//! Asked for subscriptions that are watched only: those that overlap a denial, and all of a
//! client that may answer requests.

use std::sync::Arc;

use base::{ConnSlot, SubKey};
use config::limits;
use hashbrown::HashMap;
use security::{MaySubscribe, Permissions, Responses};

use crate::shard::Shard;

/// The permissions of one connection, at its outbox.
pub(crate) struct Guard {
    permissions: Arc<Permissions>,
    /// By reply subject: what may still be answered.
    granted: HashMap<Box<[u8]>, Grant, ahash::RandomState>,
}

/// The right to answer one request.
struct Grant {
    /// Answers that are left; `None` without limit.
    left: Option<u32>,
    /// Monotonic nanoseconds.
    until_ns: u64,
}

/// Whether deliveries to a subscription are looked at one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Never,
    Always,
}

/// A subscription that permissions no longer allow.
pub struct Revoked {
    /// Its subject.
    pub subject: Box<[u8]>,
    /// Its queue group.
    pub queue: Option<Box<[u8]>>,
    /// The id that the client chose.
    pub sid: Box<[u8]>,
}

impl Guard {
    pub fn new(permissions: Arc<Permissions>) -> Guard {
        Guard { permissions, granted: HashMap::default() }
    }

    /// Whether a subscription may be, and how its deliveries are looked at.
    pub fn may_subscribe(&self, subject: &[u8], queue: Option<&[u8]>) -> Option<Watch> {
        let answers = self.permissions.responses().is_some();
        match self.permissions.may_subscribe(subject, queue) {
            MaySubscribe::No => None,
            MaySubscribe::Yes if !answers => Some(Watch::Never),
            MaySubscribe::Yes | MaySubscribe::Filtered => Some(Watch::Always),
        }
    }

    /// Whether a message may be delivered.
    pub fn may_get(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.permissions.may_deliver(subject, queue)
    }

    /// Whether a message may be delivered; notes that it may be answered if so.
    pub fn admits(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        reply: Option<&[u8]>,
        now_ns: u64,
    ) -> bool {
        if !self.permissions.may_deliver(subject, queue) {
            return false;
        }
        if let (Some(responses), Some(reply)) = (self.permissions.responses(), reply) {
            self.grant(responses, reply, now_ns);
        }
        true
    }

    fn grant(&mut self, Responses { max, ttl }: Responses, reply: &[u8], now_ns: u64) {
        let grant = Grant { left: max, until_ns: now_ns.saturating_add(ttl.as_nanos() as u64) };
        if let Some(known) = self.granted.get_mut(reply) {
            *known = grant;
            return;
        }
        if self.granted.len() >= limits::RESPONSES_TRACKED_MAX {
            self.granted.retain(|_, grant| grant.until_ns > now_ns);
        }
        if self.granted.len() < limits::RESPONSES_TRACKED_MAX {
            self.granted.insert(reply.into(), grant);
        }
    }

    /// Uses up one answer on `subject`; `false` if there is none to be used.
    pub fn take_grant(&mut self, subject: &[u8], now_ns: u64) -> bool {
        let Some(grant) = self.granted.get_mut(subject) else { return false };
        let is_due = grant.until_ns > now_ns;
        let last = match &mut grant.left {
            None => false,
            Some(left) => {
                *left -= 1;
                *left == 0
            }
        };
        if last || !is_due {
            self.granted.remove(subject);
        }
        is_due
    }
}

impl Shard {
    /// Whether a client that may not publish to `subject` may do so as an answer; uses the
    /// answer up.
    pub fn may_answer(&mut self, slot: ConnSlot, subject: &[u8]) -> bool {
        let now_ns = self.turn_ns;
        let guard = self.outbox(slot).and_then(|outbox| outbox.guard.as_mut());
        guard.is_some_and(|guard| guard.take_grant(subject, now_ns))
    }

    /// Gives a connection other permissions and ends those of its subscriptions that they do not
    /// allow.
    pub fn change_permissions(
        &mut self,
        slot: ConnSlot,
        permissions: Option<Arc<Permissions>>,
    ) -> Vec<Revoked> {
        let Some(outbox) = self.outbox(slot) else { return Vec::new() };
        outbox.guard = permissions.map(|permissions| Box::new(Guard::new(permissions)));
        let all: Vec<SubKey> = outbox.sids.iter().copied().collect();
        let mut revoked = Vec::new();
        for key in all {
            let (subject, queue) = self.subscriptions.pattern(key);
            let guard = self.outboxes[slot.index()].as_ref().and_then(|o| o.guard.as_ref());
            let watch = match guard {
                None => Some(Watch::Never),
                Some(guard) => guard.may_subscribe(subject, queue),
            };
            let (subject, queue) = (subject.into(), queue.map(Into::into));
            let sub = self.subscriptions.get_mut(key).expect("listed");
            match watch {
                Some(watch) => sub.watch = watch,
                None => {
                    revoked.push(Revoked { subject, queue, sid: sub.sid[..].into() });
                    self.end_subscription(key);
                }
            }
        }
        revoked
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn guard(max: Option<u32>) -> Guard {
        let responses = config::permissions::Responses { max, ttl: Duration::from_nanos(100) };
        let mut config =
            config::permissions::Permissions { responses: Some(responses), ..Default::default() };
        config.subscribe.deny = vec!["a.secret".into()];
        Guard::new(Arc::new(Permissions::new(&config)))
    }

    #[test]
    fn an_answer_is_granted_once_and_for_a_time() {
        let mut one = guard(Some(1));
        assert!(!one.take_grant(b"inbox", 0));
        assert!(one.admits(b"a.b", None, Some(b"inbox"), 0));
        assert!(one.take_grant(b"inbox", 99) && !one.take_grant(b"inbox", 99));
        assert!(one.admits(b"a.b", None, Some(b"inbox"), 0));
        assert!(!one.take_grant(b"inbox", 100), "too late");
        assert!(!one.admits(b"a.secret", None, Some(b"other"), 0));
        assert!(!one.take_grant(b"other", 0), "what did not arrive grants nothing");
        let mut all = guard(None);
        assert!(all.admits(b"a.b", None, Some(b"inbox"), 0));
        assert!((0..10).all(|_| all.take_grant(b"inbox", 99)));
    }

    #[test]
    fn what_is_tracked_is_bounded_and_expires() {
        let mut guard = guard(Some(1));
        let fill = |guard: &mut Guard, now_ns| {
            for n in 0..limits::RESPONSES_TRACKED_MAX + 10 {
                guard.admits(b"a", None, Some(format!("{now_ns}.{n}").as_bytes()), now_ns);
            }
        };
        fill(&mut guard, 0);
        assert_eq!(guard.granted.len(), limits::RESPONSES_TRACKED_MAX);
        fill(&mut guard, 200);
        assert!(guard.take_grant(b"200.0", 200));
    }
}
