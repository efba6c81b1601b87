//! The steady path allocates nothing: a batch is asked for, delivered and acknowledged.

use base::observed::{Streamed, TraceId};
use base::{AccountId, ShardSet};
use protocol::MessageParts;
use shard::{Audience, Listeners, Presence};

use super::super::Desk;
use super::*;
use crate::consumer::{Budget, Company};
use crate::outlet::{Outlet, Token, Way};

/// Counts what leaves and keeps nothing.
#[derive(Default)]
struct Counting {
    delivered: u64,
}

impl Outlet for Counting {
    fn publish(&mut self, _: AccountId, _: &MessageParts<'_>) -> Way {
        Way::Clear
    }

    fn publish_to(&mut self, _: AccountId, _: &[u8], _: &MessageParts<'_>) -> Way {
        self.delivered += 1;
        Way::Clear
    }

    fn is_congested(&self, _: ShardSet) -> bool {
        false
    }

    fn is_subscribed(&mut self, _: AccountId, _: &[u8], _: Option<&[u8]>) -> bool {
        true
    }

    fn audience(&mut self, _: AccountId, _: &[u8]) -> Audience {
        let (presence, here) = (Presence::Somebody, Listeners { all: 1, lagging: 0 });
        Audience { presence, here, elsewhere: ShardSet::EMPTY, lead_bytes: 1 }
    }

    fn ask_backlog(&mut self, _: ShardSet, _: AccountId, _: &str, _: (Token, u64)) {}

    fn has_interest(&mut self, _: AccountId, _: &[u8]) -> bool {
        true
    }

    fn subscribe(&mut self, _: AccountId, _: &[u8], _: Token) {}

    fn subscribe_shared(&mut self, _: AccountId, _: &[u8], _: &[u8], _: Token) {}

    fn unsubscribe(&mut self, _: Token) {}

    fn subscribe_stream(&mut self, _: AccountId, _: &[u8], _: Token) {}

    fn tell_trace(&mut self, _: TraceId, _: Streamed) {}
}

#[test]
fn a_batch_allocates_nothing() {
    const BATCH: u64 = 500;
    const BATCHES: u64 = 20;
    let mut bench = Bench::new();
    for _ in 0..BATCH * BATCHES {
        bench.publish("a.b", "some payload");
    }
    let place = bench.consumer(pull());
    let mut outlet = Counting::default();
    let subjects: Vec<String> =
        (1..=BATCH * BATCHES).map(|seq| format!("$JS.ACK.S.c.1.{seq}.{seq}.1.0")).collect();
    let Bench { storage, consumers, now, .. } = &mut bench;
    let mut batch = |number: u64| {
        let budget = &mut Budget::of(Company::Alone);
        let desk = &mut Desk { storage, outlet: &mut outlet, budget, now: *now };
        consumers.pull(place, b"_INBOX.some.where", br#"{"batch":500}"#, None, desk);
        while consumers.has_work() {
            consumers.turn(desk);
            *desk.budget = Budget::of(Company::Alone);
        }
        let from = (number * BATCH) as usize;
        for subject in &subjects[from..from + BATCH as usize] {
            consumers.ack(place, subject.as_bytes(), b"+ACK", None, desk);
        }
        consumers.turn(desk);
        consumers.write_states(desk);
        now.mono_ns += SECOND;
    };
    batch(0);
    batch(1);
    let counted = allocation_counter::measure(|| (2..BATCHES).for_each(&mut batch));
    assert_eq!(outlet.delivered, BATCH * BATCHES);
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
