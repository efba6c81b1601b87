//! A consumer's state on disk: how far it is and what is not acknowledged, in few bytes.
//!
//! ```text
//! version u8 = 1, then varints (7 bits a byte, least significant first):
//! delivered: consumer seq, stream seq, wall ns   floor: the same three
//! wall ns of writing, next stream seq
//! count of listed sequences, then each as the distance from the one before
//! count of pending, then each: distance of stream seq, distance of consumer seq,
//!                              deliveries, age in ms
//! ```
//!
//! The record around it carries length and checksum. What cannot be read is [`Damaged`].

use std::collections::VecDeque;

use base::Now;
use storage::{Filter, Storage};

use super::config::AckPolicy;
use super::cursor::Cursor;
use super::engine::{Birth, Consumer, Home, Progress};
use super::pending::NEVER;
use crate::wire_time::WireTime;

const VERSION: u8 = 1;
const NS_PER_MS: u64 = 1_000_000;

/// A state that no version of Corewire wrote, or not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the consumer's state cannot be read")]
pub struct Damaged;

impl Consumer {
    /// Appends the state to `out`.
    pub(crate) fn write_state(&self, now: Now, out: &mut Vec<u8>) {
        out.push(VERSION);
        for progress in [&self.delivered, &self.floor] {
            push(out, progress.consumer_seq);
            push(out, progress.stream_seq);
            push(out, progress.last_active.wall_ns());
        }
        push(out, now.wall_ns);
        push(out, self.cursor.next);
        push(out, self.cursor.listed.len() as u64);
        let mut before = 0;
        for &seq in &self.cursor.listed {
            push(out, seq - before);
            before = seq;
        }
        push(out, self.pending.len() as u64);
        let (mut seq, mut consumer_seq) = (0, 0);
        for entry in self.pending.iter() {
            push(out, entry.seq - seq);
            push(out, entry.consumer_seq - consumer_seq);
            push(out, u64::from(entry.deliveries));
            push(out, now.mono_ns.saturating_sub(entry.sent_ns) / NS_PER_MS);
            (seq, consumer_seq) = (entry.seq, entry.consumer_seq);
        }
    }

    /// A consumer as it was when `state` was written.
    ///
    /// # Errors
    /// [`Damaged`] when `state` cannot be read.
    pub(crate) fn restore(
        birth: Birth,
        state: &[u8],
        home: &Home,
        storage: &Storage,
        now: Now,
    ) -> Result<Consumer, Damaged> {
        let [VERSION, rest @ ..] = state else { return Err(Damaged) };
        let mut input = Input { rest };
        let delivered = input.progress()?;
        let floor = input.progress()?;
        let elapsed_ns = now.wall_ns.saturating_sub(input.number()?);
        let next = input.number()?.max(1);
        let mut listed = VecDeque::new();
        let mut before = 0;
        for _ in 0..input.number()? {
            before = input.ascending(before)?;
            listed.push_back(before);
        }
        let stream = storage.stream(home.id);
        let filter = Filter::new(birth.config.filters());
        let cursor = Cursor::resume(next.min(stream.last_seq().0 + 1), listed, &filter, stream);
        let mut consumer = Consumer::at(birth, filter, cursor, home, now);
        (consumer.delivered, consumer.floor) = (delivered, floor);
        consumer.read_pending(&mut input, elapsed_ns, now)?;
        // What went from the stream meanwhile goes from here with the first turn.
        consumer.recount = true;
        Ok(consumer)
    }

    fn read_pending(
        &mut self,
        input: &mut Input<'_>,
        elapsed: u64,
        now: Now,
    ) -> Result<(), Damaged> {
        let (mut seq, mut consumer_seq) = (0, 0);
        for _ in 0..input.number()? {
            seq = input.ascending(seq)?;
            consumer_seq = input.ascending(consumer_seq)?;
            let deliveries = u32::try_from(input.number()?).map_err(|_| Damaged)?;
            let age_ns = input.number()?.saturating_mul(NS_PER_MS).saturating_add(elapsed);
            let wait_ns = self.config.ack_wait_ns(deliveries).saturating_sub(age_ns);
            let due_ns = match self.config.ack_policy {
                AckPolicy::FlowControl => NEVER,
                _ => now.mono_ns.saturating_add(wait_ns),
            };
            let sent_ns = now.mono_ns.saturating_sub(age_ns);
            self.pending.restore(seq, consumer_seq, deliveries, sent_ns, due_ns);
        }
        Ok(())
    }
}

fn push(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Damaged)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    /// A number above `before`, which is written as the distance.
    fn ascending(&mut self, before: u64) -> Result<u64, Damaged> {
        let distance = self.number()?;
        before.checked_add(distance).filter(|&number| number > before).ok_or(Damaged)
    }

    fn progress(&mut self) -> Result<Progress, Damaged> {
        let (consumer_seq, stream_seq) = (self.number()?, self.number()?);
        let last_active = match self.number()? {
            0 => WireTime::ZERO,
            ns => WireTime::from_wall_ns(ns),
        };
        Ok(Progress { consumer_seq, stream_seq, last_active })
    }
}
