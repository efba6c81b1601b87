//! What of consumers survives a restart: two values for each beside its stream's messages, its
//! configuration as JSON and its state (`state.rs`).
//!
//! A state is written with the configuration it began with, and from then on when it changed: at
//! once when somebody waits for a confirmation, else a little later. What memory consumers are is
//! not kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storage::{Mark, ValueKey, Waiter};

use super::config::ConsumerConfig;
use super::engine::{Birth, Consumer, Desk, Persistence};
use super::set::{ConsumerPlace, Consumers};
use crate::Outlet;
use crate::outlet::{Purpose, Token};
use crate::wire_time::WireTime;

/// The kind of value that holds a consumer's configuration; its number is the consumer's place.
pub const KEPT_CONFIG: u16 = 0x0100;
/// The kind of value that holds a consumer's state; its number is the consumer's place.
pub const KEPT_STATE: u16 = 0x0101;

/// How long to wait before trying again to write what the log refused.
const RETRY_NS: u64 = 1_000_000_000;

/// A configuration as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    name: Cow<'a, str>,
    created: WireTime,
    config: Cow<'a, ConsumerConfig>,
}

/// Something of a consumer that could not be read after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A configuration; the consumer is not there.
    Config(ConsumerPlace),
    /// The state of the consumer of this name, which starts as if it was new.
    State(String),
}

fn key(kind: u16, place: ConsumerPlace) -> ValueKey {
    ValueKey { kind, number: u64::from(place.0) }
}

/// Who is told when a pending read of a consumer can succeed. `number` is the stream's place in
/// its core's table.
pub(super) fn waiter(number: u32, place: ConsumerPlace) -> Waiter {
    Waiter(Token::new(number, Purpose::PullRequest, place.0).0)
}

impl Consumers {
    /// Keeps a consumer's configuration and its state as they are now. Gives when both are safe;
    /// `None` when the log refuses.
    pub(super) fn keep(&mut self, place: ConsumerPlace, desk: &mut Desk<'_>) -> Option<Mark> {
        let consumer = self.get(place).filter(|consumer| consumer.persistence == Persistence::Log);
        let Some(consumer) = consumer else { return Some(Mark::default()) };
        let kept = Kept {
            name: Cow::Borrowed(&consumer.name),
            created: consumer.created,
            config: Cow::Borrowed(&consumer.config),
        };
        let json = serde_json::to_vec(&kept).expect("a configuration has JSON");
        desk.storage.put(self.home().id, key(KEPT_CONFIG, place), &json).ok()?;
        self.write_state(place, desk)
    }

    /// Writes one state now.
    fn write_state(&mut self, place: ConsumerPlace, desk: &mut Desk<'_>) -> Option<Mark> {
        let id = self.home().id;
        let mut state = std::mem::take(&mut self.scratch);
        state.clear();
        let consumer = self.consumer_mut(place)?;
        consumer.write_state(desk.now, &mut state);
        let written = desk.storage.put(id, key(KEPT_STATE, place), &state);
        match written {
            Ok(mark) => consumer.written(state.len(), mark),
            Err(_) => consumer.write_later(desk.now.mono_ns + RETRY_NS),
        }
        if consumer.awaits_durability() && !self.awaiting.contains(&place) {
            self.awaiting.push(place);
        }
        self.scratch = state;
        written.ok()
    }

    /// Forgets a consumer that is deleted.
    pub(super) fn forget(&mut self, place: ConsumerPlace, desk: &mut Desk<'_>) {
        for kind in [KEPT_CONFIG, KEPT_STATE] {
            desk.storage.forget(self.home().id, key(kind, place));
        }
    }

    /// Writes the states that are due. Once a turn, after [`Consumers::turn`].
    pub fn write_states(&mut self, desk: &mut Desk<'_>) {
        for at in 0..self.places() {
            let place = ConsumerPlace(at);
            let due = self.get(place).is_some_and(|consumer| consumer.is_due(desk.now));
            if due {
                self.write_state(place, desk);
            }
        }
    }

    /// Whether confirmations wait for the disk: [`Consumers::confirm`] when it has come further.
    #[must_use]
    pub fn awaits_disk(&self) -> bool {
        !self.awaiting.is_empty()
    }

    /// Confirms the acknowledgements that are safe by now.
    pub fn confirm(&mut self, durable: Mark, outlet: &mut dyn Outlet) {
        let mut awaiting = std::mem::take(&mut self.awaiting);
        awaiting.retain(|&place| {
            let Ok((home, consumer)) = self.at(place) else { return false };
            consumer.confirm_durable(durable, home, outlet);
            consumer.awaits_durability()
        });
        self.awaiting = awaiting;
    }

    /// Brings the consumers back from the values that their stream kept. `number` is the stream's
    /// place in its core's table. Gives what could not be read.
    pub fn recover<V: AsRef<[u8]>>(
        &mut self,
        values: impl IntoIterator<Item = (ValueKey, V)>,
        number: u32,
        desk: &mut Desk<'_>,
    ) -> Vec<Lost> {
        let (mut configs, mut states) = (BTreeMap::new(), BTreeMap::new());
        for (key, value) in values {
            let Ok(place) = u32::try_from(key.number) else { continue };
            let place = ConsumerPlace(place);
            match key.kind {
                KEPT_CONFIG if place.0 <= Token::INDEX_MAX => drop(configs.insert(place, value)),
                KEPT_STATE => drop(states.insert(place, value)),
                _ => {}
            }
        }
        let mut lost = Vec::new();
        for (place, json) in configs {
            let Ok(kept) = serde_json::from_slice::<Kept<'_>>(json.as_ref()) else {
                lost.push(Lost::Config(place));
                continue;
            };
            let (name, created) = (kept.name.into_owned(), kept.created);
            let birth = || Birth {
                name: name.clone(),
                config: kept.config.clone().into_owned(),
                created,
                persistence: Persistence::Log,
                waiter: waiter(number, place),
            };
            let (home, storage, now) = (self.home(), &*desk.storage, desk.now);
            let state = states.get(&place).map_or(&[][..], AsRef::as_ref);
            let consumer = Consumer::restore(birth(), state, home, storage, now);
            let consumer = consumer.unwrap_or_else(|_| {
                lost.push(Lost::State(name.clone()));
                Consumer::new(birth(), home, storage, now)
            });
            self.add_at(place, consumer);
        }
        self.find_vacant();
        lost
    }
}
