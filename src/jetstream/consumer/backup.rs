//! Consumers in backups: what is written into an archive, and what comes back from one.
//!
//! ```text
//! meta.inf  JSON: Created, Name, and the configuration
//! o.dat     magic 22 ┤ version 2 ┤ floor: consumer, stream ┤ delivered: consumer, stream ┤
//!           ├ count of pending [┤ base: signed, seconds ┤ each: distance of stream seq from the
//!           │ floor, of consumer seq, seconds before the base: signed] ┤
//!           ├ count of redelivered, each: distance of stream seq ┤ how often again
//! ```
//!
//! Numbers are varints. In version 1, which nats-server wrote until 2.2, the delivered sequences
//! count from the floor, consumer sequences of pending messages are absent and times stand behind
//! the base. The newer archive has the same as one JSON object. Source: spec/jetstream.md §14.

use std::collections::BTreeMap;

use base::Now;
use serde::{Deserialize, Serialize};
use storage::Storage;

use super::config::{AckPolicy, ConsumerConfig};
use super::create::{Action, CreateRequest, Made};
use super::cursor::Cursor;
use super::engine::{Consumer, Desk, Home, Persistence, Progress};
use super::pending::NEVER;
use super::rules::Setting;
use super::set::{ConsumerPlace, Consumers};
use super::state::Damaged;
use crate::varint;
use crate::wire_time::WireTime;
use crate::{ApiError, ErrorCode};

const MAGIC: u8 = 22;
const VERSION: u8 = 2;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// A consumer as a backup holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerBackup {
    /// Its name.
    pub name: String,
    created: WireTime,
    config: ConsumerConfig,
    state: BackupState,
}

/// How far it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct BackupState {
    delivered: Pair,
    ack_floor: Pair,
    /// By stream sequence.
    pending: BTreeMap<u64, Delivery>,
    /// How often again, by stream sequence.
    redelivered: BTreeMap<u64, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Pair {
    consumer_seq: u64,
    stream_seq: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Delivery {
    #[serde(rename = "Sequence")]
    consumer_seq: u64,
    /// Unix nanoseconds.
    #[serde(rename = "Timestamp")]
    sent_ns: i64,
}

#[derive(Serialize, Deserialize)]
struct Meta {
    #[serde(rename = "Created")]
    created: WireTime,
    #[serde(rename = "Name")]
    name: String,
    #[serde(flatten)]
    config: ConsumerConfig,
}

/// A consumer of the newer archive.
#[derive(Deserialize)]
struct Whole {
    config: ConsumerConfig,
    state: BackupState,
}

impl ConsumerBackup {
    /// A consumer from a tar. Without a state it begins anew.
    pub(crate) fn from_files(meta: &[u8], state: Option<&[u8]>) -> Result<ConsumerBackup, Damaged> {
        let Meta { created, name, config } = serde_json::from_slice(meta).map_err(|_| Damaged)?;
        let state = state.map_or_else(|| Ok(BackupState::default()), BackupState::read)?;
        Ok(ConsumerBackup { name, created, config, state })
    }

    /// A consumer from the newer archive.
    pub(crate) fn from_json(json: &[u8]) -> Result<ConsumerBackup, Damaged> {
        let Whole { config, state } = serde_json::from_slice(json).map_err(|_| Damaged)?;
        let name = if config.name.is_empty() { &config.durable_name } else { &config.name };
        Ok(ConsumerBackup { name: name.clone(), created: WireTime::ZERO, config, state })
    }

    /// `meta.inf`
    pub(crate) fn meta(&self) -> Vec<u8> {
        let meta =
            Meta { created: self.created, name: self.name.clone(), config: self.config.clone() };
        serde_json::to_vec(&meta).expect("a configuration has JSON")
    }

    /// `o.dat`
    pub(crate) fn state(&self) -> Vec<u8> {
        self.state.write()
    }
}

impl BackupState {
    fn write(&self) -> Vec<u8> {
        let mut out = vec![MAGIC, VERSION];
        let floor = self.ack_floor;
        for number in [
            floor.consumer_seq,
            floor.stream_seq,
            self.delivered.consumer_seq,
            self.delivered.stream_seq,
            self.pending.len() as u64,
        ] {
            varint::push(&mut out, number);
        }
        let seconds = |delivery: &Delivery| delivery.sent_ns / NS_PER_SECOND as i64;
        if let Some(base) = self.pending.values().map(seconds).max() {
            varint::push(&mut out, varint::unsigned(base));
            for (seq, delivery) in &self.pending {
                varint::push(&mut out, seq.saturating_sub(floor.stream_seq));
                varint::push(&mut out, delivery.consumer_seq.saturating_sub(floor.consumer_seq));
                varint::push(&mut out, varint::unsigned(base - seconds(delivery)));
            }
        }
        varint::push(&mut out, self.redelivered.len() as u64);
        for (seq, again) in &self.redelivered {
            varint::push(&mut out, seq.saturating_sub(floor.stream_seq));
            varint::push(&mut out, *again);
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<BackupState, Damaged> {
        let [MAGIC, version @ 1..=2, rest @ ..] = bytes else { return Err(Damaged) };
        let rest = &mut &*rest;
        let mut number = || varint::read(rest).map_err(|_| Damaged);
        let ack_floor = Pair { consumer_seq: number()?, stream_seq: number()? };
        let mut delivered = Pair { consumer_seq: number()?, stream_seq: number()? };
        let is_old = *version == 1;
        if is_old {
            delivered.consumer_seq += ack_floor.consumer_seq.saturating_sub(1);
            delivered.stream_seq += ack_floor.stream_seq.saturating_sub(1);
        }
        let above = |floor: u64, distance: u64| floor.checked_add(distance).ok_or(Damaged);
        let (mut pending, mut redelivered) = (BTreeMap::new(), BTreeMap::new());
        let count = number()?;
        if count > 0 {
            let base = varint::signed(number()?);
            for _ in 0..count {
                let seq = above(ack_floor.stream_seq, number()?)?;
                let consumer_seq = match is_old {
                    true => 0,
                    false => above(ack_floor.consumer_seq, number()?)?,
                };
                let distance = varint::signed(number()?);
                let seconds = match is_old {
                    true => base.saturating_add(distance),
                    false => base.saturating_sub(distance),
                };
                let sent_ns = seconds.saturating_mul(NS_PER_SECOND as i64);
                pending.insert(seq, Delivery { consumer_seq, sent_ns });
            }
        }
        for _ in 0..number()? {
            let seq = above(ack_floor.stream_seq, number()?)?;
            redelivered.insert(seq, number()?);
        }
        Ok(BackupState { delivered, ack_floor, pending, redelivered })
    }
}

impl Consumer {
    fn backup(&self, now: Now) -> ConsumerBackup {
        let pair = |progress: &Progress| Pair {
            consumer_seq: progress.consumer_seq,
            stream_seq: progress.stream_seq,
        };
        let sent_ns = |mono_ns: u64| {
            let age_ns = now.mono_ns.saturating_sub(mono_ns);
            i64::try_from(now.wall_ns.saturating_sub(age_ns)).unwrap_or(i64::MAX)
        };
        let mut state = BackupState {
            delivered: pair(&self.delivered),
            ack_floor: pair(&self.floor),
            ..BackupState::default()
        };
        for entry in self.pending.iter() {
            let consumer_seq = entry.consumer_seq;
            let delivery = Delivery { consumer_seq, sent_ns: sent_ns(entry.sent_ns) };
            state.pending.insert(entry.seq, delivery);
            if entry.deliveries > 1 {
                state.redelivered.insert(entry.seq, u64::from(entry.deliveries) - 1);
            }
        }
        let (name, config) = (self.name.to_string(), self.config.clone());
        ConsumerBackup { name, created: self.created, config, state }
    }

    /// Takes over how far it was when the backup was made. Nothing in that is believed: what the
    /// stream does not have is not pending, and no sequence is above the stream's last.
    fn resume(&mut self, state: &BackupState, home: &Home, storage: &Storage, now: Now) {
        let stream = storage.stream(home.id);
        let last = stream.last_seq().0;
        let progress = |pair: Pair, last_active| Progress {
            consumer_seq: pair.consumer_seq,
            stream_seq: pair.stream_seq.min(last),
            last_active,
        };
        self.delivered = progress(state.delivered, WireTime::ZERO);
        self.floor = progress(state.ack_floor, WireTime::ZERO);
        if state.delivered != Pair::default() {
            let next = self.delivered.stream_seq + 1;
            self.cursor = Cursor::resume(next, Default::default(), &self.filter, stream);
        }
        let mut consumer_seq = self.floor.consumer_seq;
        let is_pending = |&(&seq, _): &(&u64, &Delivery)| {
            seq > self.floor.stream_seq && seq <= self.delivered.stream_seq
        };
        for (&seq, delivery) in state.pending.iter().filter(is_pending) {
            consumer_seq = delivery.consumer_seq.max(consumer_seq + 1);
            let again = state.redelivered.get(&seq).copied().unwrap_or(0);
            let deliveries = u32::try_from(again).unwrap_or(u32::MAX).saturating_add(1);
            let sent_wall_ns = u64::try_from(delivery.sent_ns).unwrap_or(0);
            let age_ns = now.wall_ns.saturating_sub(sent_wall_ns);
            let due_ns = match self.config.ack_policy {
                AckPolicy::FlowControl => NEVER,
                _ => {
                    let wait_ns = self.config.ack_wait_ns(deliveries);
                    now.mono_ns.saturating_add(wait_ns.saturating_sub(age_ns))
                }
            };
            let sent_ns = now.mono_ns.saturating_sub(age_ns);
            self.pending.restore(seq, consumer_seq, deliveries, sent_ns, due_ns);
        }
        self.delivered.consumer_seq = self.delivered.consumer_seq.max(consumer_seq);
        self.recount = true;
        self.changed(now);
    }
}

impl Consumers {
    /// All consumers that are not a mirror's or source's, as a backup holds them.
    pub(crate) fn backups(&self, now: Now) -> Vec<ConsumerBackup> {
        let own = self.iter().filter(|(_, consumer)| !consumer.config.is_internal());
        own.map(|(_, consumer)| consumer.backup(now)).collect()
    }

    /// Makes a consumer from a backup. `number` is the stream's place in its core's table.
    ///
    /// # Errors
    /// The rule that its configuration breaks; 10148 when there is one of that name.
    pub(crate) fn restore(
        &mut self,
        backup: ConsumerBackup,
        setting: &Setting<'_>,
        number: u32,
        persistence: Persistence,
        desk: &mut Desk<'_>,
    ) -> Result<ConsumerPlace, ApiError> {
        let ConsumerBackup { name, created, mut config, state } = backup;
        if config.name.is_empty() && !config.is_durable() {
            config.name = name;
        }
        super::rules::check_name(if config.is_durable() {
            &config.durable_name
        } else {
            &config.name
        })?;
        let (config, action) = (Some(config), Action::Create);
        let request = CreateRequest { config, action, ..CreateRequest::default() };
        let made = self.apply(request, setting, number, persistence, desk)?;
        let Made::New(place) = made else { return Err(ErrorCode::ConsumerAlreadyExists.into()) };
        let (home, consumer) = self.at(place)?;
        if created != WireTime::ZERO {
            consumer.created = created;
        }
        consumer.resume(&state, home, desk.storage, desk.now);
        self.keep(place, desk).ok_or(ErrorCode::InsufficientResources)?;
        Ok(place)
    }
}

#[cfg(test)]
mod tests;
