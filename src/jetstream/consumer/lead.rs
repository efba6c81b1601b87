//! How far a consumer is ahead of who receives its messages, so that a receiver which reads slower
//! than the storage delivers is waited for, not cut off, and others on its core are not kept from
//! theirs by what is written to it.
//!
//! What waits for a connection of this core is seen; other cores are asked after every
//! [`limits::PUSH_LEAD_BYTES`], and twice as many are under way at most. A push consumer without
//! flow control has one lead, a pull consumer one for each request.

use base::{AccountId, ShardSet};
use config::limits;
use shard::{Audience, Listeners};
use storage::Waiter;

use super::engine::{Consumer, Desk, Home, Reception};
use super::pending::NEVER;
use super::waiting::Waiting;
use crate::{Outlet, Token};

/// How often it is asked whether a receiver has caught up.
pub(crate) const BEHIND_EVERY_NS: u64 = 1_000_000;

/// Whose lagging keeps a consumer from sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// That of everyone who listens: a push consumer's receivers.
    Each,
    /// That of the only one who does: a request has one receiver. Where others listen in, it is
    /// not known whether it is the receiver who lags, and nobody may slow it down.
    TheOnlyOne,
}

/// How far it is ahead of its receivers.
#[derive(Debug)]
pub(crate) struct Lead {
    waits_for: WaitsFor,
    /// Whether those on this core lag.
    here_lag: bool,
    /// Where others listen.
    elsewhere: ShardSet,
    /// Bytes after which those are asked.
    bytes: u64,
    /// Bytes sent since those cores last said that receivers keep up.
    ahead: u64,
    asked: Option<AskedCores>,
    /// When a receiver that lagged may be asked about again, monotonic nanoseconds.
    again_ns: u64,
}

/// A question to other cores that not all have answered.
#[derive(Debug)]
struct AskedCores {
    number: u64,
    ahead: u64,
    missing: usize,
    lag: bool,
}

impl Lead {
    pub(crate) fn new(waits_for: WaitsFor) -> Lead {
        let (elsewhere, bytes) = (ShardSet::EMPTY, limits::PUSH_LEAD_BYTES);
        Lead { waits_for, here_lag: false, elsewhere, bytes, ahead: 0, asked: None, again_ns: 0 }
    }

    /// Whether another message may be under way.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.here_lag && self.ahead < 2 * self.bytes
    }

    /// Whether a receiver is known to lag: to be asked about again soon.
    pub(crate) fn is_behind(&self) -> bool {
        self.here_lag || self.wants_question(u64::MAX)
    }

    /// Counts a message. Whether other cores are to be asked.
    #[inline]
    pub(crate) fn sent(&mut self, bytes: u64, now_ns: u64) -> bool {
        if self.elsewhere.is_empty() {
            return false;
        }
        self.ahead += bytes;
        self.wants_question(now_ns)
    }

    /// Whether other cores are to be asked.
    pub(crate) fn wants_question(&self, now_ns: u64) -> bool {
        self.asked.is_none() && self.ahead >= self.bytes && self.again_ns <= now_ns
    }

    /// Who listens now.
    pub(crate) fn heard(&mut self, audience: &Audience) {
        let Audience { here, elsewhere, lead_bytes, .. } = *audience;
        let counts = match self.waits_for {
            WaitsFor::Each => true,
            WaitsFor::TheOnlyOne => here.all as usize + elsewhere.len() == 1,
        };
        self.here_lag = counts && here.lagging > 0;
        self.bytes = lead_bytes;
        let elsewhere = if counts { elsewhere } else { ShardSet::EMPTY };
        if elsewhere == self.elsewhere {
            return;
        }
        self.elsewhere = elsewhere;
        self.asked = None;
        if elsewhere.is_empty() {
            self.ahead = 0;
        }
    }

    /// Notes that all cores where somebody listens are asked question `number`; which they are.
    pub(crate) fn ask(&mut self, number: u64) -> ShardSet {
        let (ahead, missing) = (self.ahead, self.elsewhere.len());
        self.asked = Some(AskedCores { number, ahead, missing, lag: false });
        self.elsewhere
    }

    /// Whether question `number` was asked and not answered by all.
    fn is_asked(&self, number: u64) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.number == number)
    }

    /// One core answered. When all have and one of them lags: when to ask again.
    pub(crate) fn told(&mut self, number: u64, there: Listeners, now_ns: u64) -> Option<u64> {
        let asked = self.asked.as_mut().filter(|asked| asked.number == number)?;
        asked.lag |= match self.waits_for {
            WaitsFor::Each => there.lagging > 0,
            WaitsFor::TheOnlyOne => there == Listeners { all: 1, lagging: 1 },
        };
        asked.missing -= 1;
        if asked.missing > 0 {
            return None;
        }
        let (lag, ahead) = (asked.lag, asked.ahead);
        self.asked = None;
        if !lag {
            self.ahead -= ahead;
            return None;
        }
        self.again_ns = now_ns + BEHIND_EVERY_NS;
        Some(self.again_ns)
    }

    /// When to look at its receivers again, if they lag and no answer is on its way.
    fn again_ns(&self, now_ns: u64) -> Option<u64> {
        if self.here_lag {
            return Some(now_ns + BEHIND_EVERY_NS);
        }
        self.wants_question(u64::MAX).then(|| self.again_ns.max(now_ns))
    }
}

impl Consumer {
    /// Looks again at requests whose receivers lagged.
    pub(crate) fn look_after_laggards(&mut self, home: &Home, desk: &mut Desk<'_>) {
        let now_ns = desk.now.mono_ns;
        let Reception::Pull(waiting) = &mut self.reception else { return };
        if waiting.lagging_at_ns > now_ns {
            return;
        }
        waiting.lagging_at_ns = NEVER;
        for at in 0..waiting.len() {
            let request = waiting.at(at);
            if request.lead.is_open() {
                continue;
            }
            request.lead.heard(&desk.outlet.audience(home.account, &request.reply));
            match request.lead.wants_question(now_ns) {
                true => waiting.ask_backlog(at, home.account, self.waiter, desk.outlet),
                false => waiting.note_lag(at, now_ns),
            }
        }
    }
}

impl Waiting {
    /// Asks the other cores whether the receivers of a request there keep up.
    pub(crate) fn ask_backlog(
        &mut self,
        at: usize,
        account: AccountId,
        waiter: Waiter,
        outlet: &mut dyn Outlet,
    ) {
        self.questions += 1;
        let asker = (Token(waiter.0), self.questions);
        let request = self.at(at);
        let shards = request.lead.ask(asker.1);
        // A reply that is no text is not found there, and so counts as one that keeps up.
        let subject = String::from_utf8_lossy(&request.reply);
        outlet.ask_backlog(shards, account, &subject, asker);
    }

    /// Notes when to look at the receiver of a request again, if it lags.
    pub(crate) fn note_lag(&mut self, at: usize, now_ns: u64) {
        if let Some(again_ns) = self.at(at).lead.again_ns(now_ns) {
            self.lagging_at_ns = self.lagging_at_ns.min(again_ns);
        }
    }

    /// Other cores said whether the receivers of a request there keep up.
    pub(crate) fn backlog_told(&mut self, number: u64, there: Listeners, now_ns: u64) {
        let Some(at) = self.first(|request| request.lead.is_asked(number)) else { return };
        if let Some(again_ns) = self.at(at).lead.told(number, there, now_ns) {
            self.lagging_at_ns = self.lagging_at_ns.min(again_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use base::ShardId;
    use shard::Presence;

    use super::*;

    const MIB: u64 = 1 << 20;
    const NOBODY: Listeners = Listeners { all: 0, lagging: 0 };
    const QUICK: Listeners = Listeners { all: 1, lagging: 0 };
    const SLOW: Listeners = Listeners { all: 1, lagging: 1 };

    fn audience(here: Listeners, shards: u16) -> Audience {
        let mut elsewhere = ShardSet::EMPTY;
        (1..=shards).for_each(|shard| elsewhere.insert(ShardId(shard)));
        Audience { presence: Presence::Somebody, here, elsewhere, lead_bytes: MIB }
    }

    #[test]
    fn it_asks_after_its_lead_and_waits_at_twice_that() {
        let mut lead = Lead::new(WaitsFor::Each);
        lead.heard(&audience(NOBODY, 2));
        assert!(!lead.sent(MIB - 1, 5) && lead.sent(1, 5));
        assert_eq!(lead.ask(7).len(), 2);
        assert!(!lead.sent(MIB, 5) && !lead.is_open(), "asked, and full");
        assert_eq!(lead.told(6, SLOW, 5), None, "no answer to this question");
        assert_eq!(lead.told(7, QUICK, 5), None);
        assert!(!lead.is_open(), "one is missing");
        assert_eq!(lead.told(7, SLOW, 5), Some(5 + BEHIND_EVERY_NS));
        assert!(!lead.wants_question(5) && lead.wants_question(5 + BEHIND_EVERY_NS));
        lead.ask(8);
        assert_eq!((lead.told(8, QUICK, 9), lead.told(8, QUICK, 9)), (None, None));
        assert!(lead.is_open() && !lead.is_behind());
        lead.heard(&audience(SLOW, 0));
        assert!(!lead.is_open() && lead.is_behind());
        assert_eq!(lead.again_ns(9), Some(9 + BEHIND_EVERY_NS));
    }

    #[test]
    fn who_listens_in_on_a_request_slows_nobody() {
        let mut lead = Lead::new(WaitsFor::TheOnlyOne);
        lead.heard(&audience(SLOW, 0));
        assert!(!lead.is_open());
        lead.heard(&audience(Listeners { all: 2, lagging: 1 }, 0));
        assert!(lead.is_open());
        lead.heard(&audience(SLOW, 1));
        assert!(lead.is_open() && !lead.sent(9 * MIB, 5));
        lead.heard(&audience(NOBODY, 1));
        assert!(lead.sent(2 * MIB, 5) && !lead.is_open());
        lead.ask(1);
        assert_eq!(lead.told(1, Listeners { all: 3, lagging: 1 }, 5), None);
        assert!(lead.is_open());
    }
}
