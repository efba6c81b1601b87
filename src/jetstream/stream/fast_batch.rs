//! Fast batches: a flow of messages, each stored as it comes, acknowledged every so many.
//!
//! What a message is to its batch stands in its reply subject, so that it needs no headers:
//!
//! ```text
//! <prefix>.<batch id>.<flow>.<ok|fail>.<sequence>.<op>.$FI
//! ```
//!
//! `fail` ends the batch at the first gap or error, with an acknowledgement of what was stored;
//! `ok` goes on. Source: spec/jetstream.md §6 Fast, and what nats-server 2.15.2 answers.

use config::limits;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::batch::without_level;
use super::ingest::Taken;
use super::pub_ack::Also;
use super::publication::{Asked, Publication};
use super::{Stream, Turn};
use crate::stream_config;
use crate::{ApiError, ErrorCode};

/// What a reply subject ends in, if it controls a batch.
pub(super) const SUFFIX: &[u8] = b".$FI";

/// The open fast batches of one stream.
#[derive(Debug, Default)]
pub(super) struct FastBatches {
    by_id: HashMap<Box<[u8]>, FastBatch, ahash::RandomState>,
}

#[derive(Clone, Copy, Debug)]
struct FastBatch {
    /// The sequence in the batch that comes next.
    next: u64,
    /// The last sequence in the stream; 0 while nothing is stored.
    stored_seq: u64,
    /// Monotonic nanoseconds of the last message.
    heard_ns: u64,
}

/// What a gap or an error does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnGap {
    GoOn,
    End,
}

/// What a message is to its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Start,
    Append,
    CommitStored,
    CommitEnd,
    Ping,
}

/// A reply subject, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Control<'a> {
    id: &'a [u8],
    flow: u64,
    on_gap: OnGap,
    sequence: u64,
    op: Op,
}

/// What is said on the way.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Note<'a> {
    Ack { seq: u64, msgs: u64 },
    Gap { last_seq: u64, seq: u64 },
    Err { seq: u64, error: &'a ApiError },
}

/// The part of `Nats-Request-Info` that carries a reply across accounts.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestInfo {
    reply: String,
}

impl<'a> Control<'a> {
    // spec/jetstream.md §6 Fast: flow <= 0 -> 10, capped 65535
    fn read(reply: &'a [u8]) -> Result<Control<'a>, ErrorCode> {
        let bad = ErrorCode::BatchPublishInvalidPattern;
        let mut tokens = reply.rsplit(|&byte| byte == b'.').skip(1);
        let mut token = || tokens.next().ok_or(bad);
        let number = |token: &[u8]| std::str::from_utf8(token).ok()?.parse::<i64>().ok();
        let op = match token()? {
            b"0" => Op::Start,
            b"1" => Op::Append,
            b"2" => Op::CommitStored,
            b"3" => Op::CommitEnd,
            b"4" => Op::Ping,
            _ => return Err(bad),
        };
        let sequence = number(token()?).and_then(|number| u64::try_from(number).ok()).ok_or(bad)?;
        let on_gap = match token()? {
            b"ok" => OnGap::GoOn,
            b"fail" => OnGap::End,
            _ => return Err(bad),
        };
        let flow = match number(token()?).ok_or(bad)? {
            ..=0 => limits::JS_FAST_BATCH_FLOW,
            flow => flow.min(limits::JS_FAST_BATCH_FLOW_MAX),
        };
        let id = token()?;
        // What begins a batch is its first message; one alone is committed with that.
        let fits = match op {
            Op::Start => sequence == 1,
            Op::Append | Op::CommitEnd => sequence > 1,
            Op::CommitStored | Op::Ping => sequence > 0,
        };
        if token()?.is_empty() || !fits {
            return Err(bad);
        }
        if id.is_empty() || id.len() > limits::JS_BATCH_ID_MAX {
            return Err(ErrorCode::BatchPublishInvalidBatchId);
        }
        Ok(Control { id, flow: flow as u64, on_gap, sequence, op })
    }
}

impl FastBatches {
    /// When the next silent batch is given up, monotonic nanoseconds.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        let timeout_ns = limits::JS_BATCH_TIMEOUT.as_nanos() as u64;
        self.by_id.values().map(|batch| batch.heard_ns + timeout_ns).min()
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Gives up what went silent.
    pub(super) fn drop_silent(&mut self, now_ns: u64) {
        let timeout_ns = limits::JS_BATCH_TIMEOUT.as_nanos() as u64;
        self.by_id.retain(|_, batch| batch.heard_ns + timeout_ns > now_ns);
    }
}

impl Stream {
    /// Takes a message whose reply controls a fast batch; false if it does not.
    pub(super) fn take_fast_batch(
        &mut self,
        message: &Publication<'_>,
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let info = asked.request_info.map(|info| {
            serde_json::from_slice::<RequestInfo>(info).unwrap_or_default().reply.into_bytes()
        });
        let across = info.as_deref().filter(|reply| reply.ends_with(SUFFIX));
        let own = message.reply.filter(|reply| reply.ends_with(SUFFIX));
        let Some(control) = own.or(across) else { return false };
        if !self.config.allow_batched {
            let error = ApiError::new(ErrorCode::BatchPublishDisabled);
            self.refuse(message.reply, &error, turn);
            return true;
        }
        let headers = &without_level(message.headers, asked);
        match Control::read(control).and_then(|control| self.enter(&control, asked, turn)) {
            Err(code) => self.refuse(message.reply, &ApiError::new(code), turn),
            Ok(entered) => {
                self.go_on(entered, &Publication { headers, ..*message }, asked, turn);
            }
        }
        true
    }

    /// The batch that a message belongs to, opened if it is the first.
    fn enter<'a>(
        &mut self,
        control: &Control<'a>,
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Control<'a>, ErrorCode> {
        let batches = &mut self.fast_batches.by_id;
        let is_new = !batches.contains_key(control.id);
        let opens = matches!(control.op, Op::Start | Op::CommitStored) && control.sequence == 1;
        if is_new && opens {
            // spec/jetstream.md §6 Fast: limits 1000 in flight per stream, 50000 per server
            let is_full = batches.len() >= limits::JS_FAST_BATCHES_PER_STREAM_MAX;
            if is_full || turn.quota.fast_batches == 0 {
                return Err(ErrorCode::BatchPublishTooManyInflight);
            }
            turn.quota.fast_batches -= 1;
            let batch = FastBatch { next: 1, stored_seq: 0, heard_ns: turn.now.mono_ns };
            batches.insert(control.id.into(), batch);
        } else if is_new {
            return Err(ErrorCode::BatchPublishUnknownBatchId);
        }
        if asked.required_level.is_some_and(|level| !stream_config::serves(level)) {
            self.fast_batches.by_id.remove(control.id);
            return Err(ErrorCode::RequiredApiLevel);
        }
        Ok(*control)
    }

    fn go_on(
        &mut self,
        control: Control<'_>,
        message: &Publication<'_>,
        asked: &Asked<'_>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut batch) = self.fast_batches.by_id.remove(control.id) else { return };
        batch.heard_ns = turn.now.mono_ns;
        if control.op == Op::Ping {
            self.note(message, &Note::Ack { seq: batch.next - 1, msgs: control.flow }, turn);
            self.fast_batches.by_id.insert(control.id.into(), batch);
            return;
        }
        let processed = batch.next - 1;
        if control.sequence != batch.next {
            let (last_seq, seq) = (batch.next, control.sequence);
            self.note(message, &Note::Gap { last_seq, seq }, turn);
            // A batch never goes back.
            if control.on_gap == OnGap::End || control.sequence < batch.next {
                return self.end_fast(&control, batch, processed, message, turn);
            }
        }
        let before = control.sequence - 1;
        let taken = match control.op {
            Op::CommitEnd => return self.end_fast(&control, batch, before, message, turn),
            _ => self.judge_and_store(message, asked, turn),
        };
        if let Ok(Taken::Wait) = taken {
            self.fast_batches.by_id.insert(control.id.into(), batch);
            return self.parked.push_back(super::publication::OwnedPublication::of(message));
        }
        // spec/jetstream.md §6: first message answered with ack seq 0
        if control.op == Op::Start {
            self.note(message, &Note::Ack { seq: 0, msgs: control.flow }, turn);
        }
        batch.next = control.sequence + 1;
        let ends = control.op == Op::CommitStored;
        match (taken, control.on_gap) {
            (Err(error), OnGap::End) if before == 0 => self.refuse(message.reply, &error, turn),
            (Err(error), on_gap) => {
                self.note(message, &Note::Err { seq: control.sequence, error: &error }, turn);
                match ends || on_gap == OnGap::End {
                    true => self.end_fast(&control, batch, before, message, turn),
                    false => drop(self.fast_batches.by_id.insert(control.id.into(), batch)),
                }
            }
            (Ok(taken), _) => {
                if let Taken::Stored { seq, .. } = taken {
                    batch.stored_seq = seq;
                }
                if ends {
                    return self.end_fast(&control, batch, control.sequence, message, turn);
                }
                if control.sequence.is_multiple_of(control.flow) {
                    let (seq, msgs) = (control.sequence, control.flow);
                    self.note(message, &Note::Ack { seq, msgs }, turn);
                }
                self.fast_batches.by_id.insert(control.id.into(), batch);
            }
        }
    }

    /// The last acknowledgement: what was stored last, and how many messages were looked at, those
    /// that are missing or were refused on the way included (as nats-server counts).
    fn end_fast(
        &mut self,
        control: &Control<'_>,
        batch: FastBatch,
        count: u64,
        message: &Publication<'_>,
        turn: &mut Turn<'_>,
    ) {
        let also = Also::Batch(control.id, count);
        self.acknowledge(message.reply, batch.stored_seq, also, turn);
    }

    /// Says something on the way, when everything stored so far is durable.
    fn note(&mut self, message: &Publication<'_>, note: &Note<'_>, turn: &mut Turn<'_>) {
        let Some(reply) = message.reply.filter(|_| self.rules.acknowledges) else { return };
        self.text_buffer.clear();
        serde_json::to_writer(&mut self.text_buffer, note).expect("memory takes any bytes");
        self.send_when_durable(reply, turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_subject_says_what_a_message_is_to_its_batch() {
        let control = Control::read(b"_INBOX.x.y.id1.0.ok.7.1.$FI").unwrap();
        let expected =
            Control { id: b"id1", flow: 10, on_gap: OnGap::GoOn, sequence: 7, op: Op::Append };
        assert_eq!(control, expected);
        let control = Control::read(b"p.id.70000.fail.1.0.$FI").unwrap();
        assert_eq!((control.flow, control.op, control.on_gap), (65_535, Op::Start, OnGap::End));
        let pattern = Err(ErrorCode::BatchPublishInvalidPattern);
        for reply in [
            "x.$FI",
            "id.1.ok.1.0.$FI",
            "p.id.1.ok.1.9.$FI",
            "p.id.1.maybe.1.1.$FI",
            "p.id.1.ok.x.1.$FI",
            "p.id.x.ok.1.1.$FI",
            "p.id.1.ok.2.0.$FI",
            "p.id.1.ok.1.1.$FI",
            "p.id.1.ok.1.3.$FI",
            "p.id.1.ok.-1.1.$FI",
        ] {
            assert_eq!(Control::read(reply.as_bytes()), pattern, "{reply}");
        }
        let long = format!("p.{}.1.ok.1.0.$FI", "i".repeat(65));
        assert_eq!(Control::read(long.as_bytes()), Err(ErrorCode::BatchPublishInvalidBatchId));
    }
}
