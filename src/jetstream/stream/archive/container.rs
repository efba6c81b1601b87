//! The newer archive of a backup, one entry for each message.
//!
//! ```text
//! "NATSARC1", then entries:
//! name length ┤ time: signed ┤ sequence ┤ header length ┤ payload length
//!             ┤ name ┤ headers ┤ payload
//!
//! state.json │ consumers/<name> … as many as the state says │ a message … │ an empty entry
//! ```
//!
//! Numbers are varints. A message's entry is named by its subject. Nothing of the stream's
//! configuration is in it. Source: spec/jetstream.md §14; nats-server 2.15-dev writes it.

use serde::Deserialize;

use super::blocks::Record;
use super::{ENTRY_MAX, Entry, Unreadable};
use crate::varint;

/// What it begins with.
pub(super) const MAGIC: &[u8] = b"NATSARC1";
/// Bytes of a name at most.
const NAME_MAX: u64 = 64 << 10;

/// Which entry comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    State,
    /// So many consumers.
    Consumers(u64),
    Messages,
}

/// The part of the state that says what follows.
#[derive(Deserialize)]
struct State {
    #[serde(default)]
    consumer_count: u64,
}

/// What stands at the beginning of `plain`, and its length there; `None` while it is not whole.
pub(super) fn next<'a>(
    plain: &'a [u8],
    stage: &mut Stage,
) -> Result<Option<(Option<Entry<'a>>, usize)>, Unreadable> {
    let mut rest = plain;
    let mut numbers = [0; 5];
    for number in &mut numbers {
        match varint::read(&mut rest) {
            Ok(read) => *number = read,
            Err(varint::Bad::CutShort) => return Ok(None),
            Err(varint::Bad::TooLong) => return Err(Unreadable::Archive),
        }
    }
    let [name_len, time, seq, headers_len, payload_len] = numbers;
    let content_len = headers_len.checked_add(payload_len);
    if name_len > NAME_MAX || content_len.is_none_or(|len| len > ENTRY_MAX as u64) {
        return Err(Unreadable::Archive);
    }
    let Some((name, rest)) = rest.split_at_checked(name_len as usize) else { return Ok(None) };
    let Some((headers, rest)) = rest.split_at_checked(headers_len as usize) else {
        return Ok(None);
    };
    let Some((payload, rest)) = rest.split_at_checked(payload_len as usize) else {
        return Ok(None);
    };
    let time_ns = varint::signed(time);
    let is_end = name.is_empty() && time_ns == 0 && seq == 0 && content_len == Some(0);
    let entry = match *stage {
        Stage::State if name == b"state.json" => {
            let state: State = serde_json::from_slice(payload).map_err(|_| Unreadable::Archive)?;
            *stage = Stage::of(state.consumer_count);
            None
        }
        Stage::Consumers(left) if name.starts_with(b"consumers/") => {
            *stage = Stage::of(left - 1);
            Some(Entry::Consumer(payload))
        }
        Stage::Messages if is_end => Some(Entry::End),
        Stage::Messages => {
            let time_ns = u64::try_from(time_ns).map_err(|_| Unreadable::Message)?;
            Some(Entry::Message(Record { seq, time_ns, subject: name, headers, payload }))
        }
        Stage::State | Stage::Consumers(_) => return Err(Unreadable::Archive),
    };
    Ok(Some((entry, plain.len() - rest.len())))
}

impl Stage {
    fn of(consumers_left: u64) -> Stage {
        match consumers_left {
            0 => Stage::Messages,
            left => Stage::Consumers(left),
        }
    }
}
