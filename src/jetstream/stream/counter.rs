//! Counters: a message adds to the last value of its subject.
//!
//! The value is a decimal integer of any size, stored as `{"val":"N"}`. To add, the subject's last
//! message is read; if it has to come from the disk, the publish waits and all behind it.
//! Source: spec/jetstream.md §5 Nats-Incr; ADR-49.

use num_bigint::BigInt;
use serde::Deserialize;
use storage::{Read, Waiter};

use super::publication::{Asked, Publication};
use super::{Stream, Turn};
use crate::stream_config::StreamConfig;
use crate::{ApiError, ErrorCode};

/// Digits of one increment. More: 10171.
const DIGITS_MAX: usize = 4096;

/// A counter's payload.
#[derive(Deserialize)]
struct Value {
    val: String,
}

/// Whether a message that adds to a counter may.
// spec/jetstream.md §5 Nats-Incr: invalid 10171, disabled 10168, payload not empty 10170;
// incompatible with rollup/expected headers
pub(super) fn check(
    config: &StreamConfig,
    message: &Publication<'_>,
    asked: &Asked<'_>,
) -> Result<(), ApiError> {
    let Some(text) = asked.increment else { return Ok(()) };
    increment(text)?;
    if !config.allow_msg_counter {
        return Err(ApiError::new(ErrorCode::MessageIncrDisabled));
    }
    if !message.payload.is_empty() {
        return Err(ApiError::new(ErrorCode::MessageIncrPayload));
    }
    let conflicts = [
        asked.rollup,
        asked.expected_stream,
        asked.expected_last_seq,
        asked.expected_last_subject_seq,
        asked.expected_last_subject,
        asked.expected_last_msg_id,
    ];
    if conflicts.iter().any(Option::is_some) {
        return Err(ApiError::new(ErrorCode::MessageIncrInvalid));
    }
    Ok(())
}

/// What a message adds.
pub(super) fn increment(text: &[u8]) -> Result<BigInt, ApiError> {
    parse(text).ok_or_else(|| ApiError::new(ErrorCode::MessageIncrInvalid))
}

fn parse(text: &[u8]) -> Option<BigInt> {
    let digits = text.strip_prefix(b"+").or(text.strip_prefix(b"-")).unwrap_or(text);
    let is_decimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    (is_decimal && digits.len() <= DIGITS_MAX).then(|| BigInt::parse_bytes(text, 10)).flatten()
}

/// The value that a counter's message holds.
pub(super) fn value_of(payload: &[u8]) -> Option<BigInt> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    parse(value.val.as_bytes())
}

/// Whether a message adds to a counter.
pub(super) fn increments(headers: &[u8]) -> bool {
    Asked::read(headers).increment.is_some()
}

/// A value as it is stored.
pub(super) fn payload(value: &str) -> Vec<u8> {
    format!("{{\"val\":\"{value}\"}}").into_bytes()
}

impl Stream {
    /// A subject's value; `None` while it comes from the disk.
    pub(super) fn counted(
        &mut self,
        subject: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Option<BigInt>, ApiError> {
        let broken = || ApiError::new(ErrorCode::MessageCounterBroken);
        let Some(state) = turn.storage.stream(self.id).subject(subject) else {
            return Ok(Some(BigInt::default()));
        };
        match turn.storage.read(self.id, state.last, self.ingest_waiter()) {
            Read::Ready(message) => value_of(message.payload).map(Some).ok_or_else(broken),
            Read::Pending => Ok(None),
            Read::Gone => Ok(Some(BigInt::default())),
        }
    }

    /// Who waits for reads that ingest needs.
    pub(super) fn ingest_waiter(&self) -> Waiter {
        Waiter(crate::Token::new(self.place, crate::Purpose::Publish, 0).0)
    }
}
