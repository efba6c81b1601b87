//! Hot path, for connections with permissions only: whether a message may be published. Before
//! it: the dialect's publish; after it: `shard::publish`.
//!
//! Decisions are remembered by subject in a table of fixed size: a hit costs a hash and a
//! comparison. The last one stands in the gate itself, so that the same subject again costs the
//! comparison only. Permissions do not change under a gate: a change makes another.

use std::sync::Arc;

use subject::name;

use crate::permissions::Permissions;

/// Decisions that are remembered; a power of two.
const SEATS: usize = 128;
/// The longest subject whose decision is remembered, bytes.
const SUBJECT_MAX: usize = 62;

/// One remembered decision.
#[derive(Clone, Copy)]
struct Seat {
    len: u8,
    may: bool,
    subject: [u8; SUBJECT_MAX],
}

const EMPTY: Seat = Seat { len: 0, may: false, subject: [0; SUBJECT_MAX] };

impl Seat {
    #[inline]
    fn is_of(&self, subject: &[u8]) -> bool {
        let known = self.subject.get(..usize::from(self.len)).unwrap_or_default();
        name::is_same(known, subject)
    }
}

/// What one connection may publish.
pub struct PublishGate {
    last: Seat,
    permissions: Arc<Permissions>,
    hasher: ahash::RandomState,
    seats: Box<[Seat; SEATS]>,
}

impl PublishGate {
    /// A gate that remembers nothing yet.
    pub fn new(permissions: Arc<Permissions>) -> PublishGate {
        let seats = Box::new([EMPTY; SEATS]);
        PublishGate { last: EMPTY, permissions, hasher: ahash::RandomState::new(), seats }
    }

    /// Whether a message may be published on `subject`, answers to requests aside.
    #[inline]
    pub fn admits(&mut self, subject: &[u8]) -> bool {
        if self.last.is_of(subject) && !subject.is_empty() {
            return self.last.may;
        }
        self.look_up(subject)
    }

    fn look_up(&mut self, subject: &[u8]) -> bool {
        if subject.is_empty() || subject.len() > SUBJECT_MAX {
            return self.permissions.may_publish(subject);
        }
        let at = self.hasher.hash_one(subject) as usize % SEATS;
        let seat = &mut self.seats[at];
        if !seat.is_of(subject) {
            seat.may = self.permissions.may_publish(subject);
            seat.len = subject.len() as u8;
            seat.subject[..subject.len()].copy_from_slice(subject);
        }
        self.last = *seat;
        seat.may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_the_rules_say() {
        let mut config = config::permissions::Permissions::default();
        config.publish.allow = Some(vec!["a.*".into(), "long.>".into()]);
        config.publish.deny = vec!["a.13".into()];
        let permissions = Arc::new(Permissions::new(&config));
        let mut gate = PublishGate::new(Arc::clone(&permissions));
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let head = ["a", "b", "long"][random.usize(0..3)];
            let long = "x".repeat(random.usize(50..70));
            let tail = if head == "long" { long } else { random.u32(0..300).to_string() };
            let subject = format!("{head}.{tail}");
            let may = permissions.may_publish(subject.as_bytes());
            assert_eq!(gate.admits(subject.as_bytes()), may, "{subject}");
            assert_eq!(gate.admits(subject.as_bytes()), may, "{subject}, again");
        }
        assert!(!gate.admits(b""));
    }
}
