//! Hot path: when many different subjects flow, each message misses the processor's cache a few
//! times in a row. So the next few messages are looked at together first: their misses overlap,
//! and each finds its plan and subscription near.
//!
//! Changes nothing but the cache's content. It begins where the match cache has outgrown the
//! processor's; before that it would only parse everything twice.

use protocol::{ParseLimits, parse_publish};
use smallvec::SmallVec;
use subject::Interest;

use crate::subscriptions::Subscriptions;

/// Messages looked at together.
const WINDOW: usize = 16;
/// Plans in the match cache from which on it is worth it.
const PLANS_MIN: usize = 16 * 1024;

/// What was published, or will be refused anyway, has no limits here.
pub(crate) const WITHOUT_LIMITS: ParseLimits =
    ParseLimits { control_line_max: usize::MAX, payload_max: u64::MAX, headers: true };

/// How many of the coming messages were looked at already.
#[derive(Default)]
pub(crate) struct LookAhead {
    left: usize,
}

impl LookAhead {
    /// Called for a message whose plan is not at hand; `ahead` begins with that message.
    #[inline]
    pub fn step(&mut self, interest: &Interest, subscriptions: &Subscriptions, ahead: &[u8]) {
        if self.left > 0 {
            self.left -= 1;
        } else if interest.cached_plans() >= PLANS_MIN {
            self.left = look(interest, subscriptions, ahead);
        }
    }
}

#[inline(never)]
fn look(interest: &Interest, subscriptions: &Subscriptions, ahead: &[u8]) -> usize {
    let mut subjects: SmallVec<[&[u8]; WINDOW]> = SmallVec::new();
    let mut rest = ahead;
    while subjects.len() < WINDOW
        && let Some((publish, len)) = parse_publish(rest, &WITHOUT_LIMITS)
    {
        subjects.push(publish.subject());
        rest = &rest[len..];
    }
    let keys: SmallVec<[_; WINDOW]> = interest.bring_near(&subjects).collect();
    for key in keys {
        // The load is the point.
        std::hint::black_box(subscriptions.get(key).map(|sub| sub.connection));
    }
    subjects.len().saturating_sub(1)
}
