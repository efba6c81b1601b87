//! `STREAM.RESTORE`: a stream is made to be filled from a backup; the answer says where the
//! chunks go. The registry tells the sender of the last one how it ended.
//!
//! Source: spec/jetstream.md §2, §14.

use base::Now;
use serde::{Deserialize, Serialize};

use crate::api::answer::{Answer, Body};
use crate::api::consumer_create;
use crate::api::stream_info::{Made, describe};
use crate::consumer::ConsumerBackup;
use crate::outlet::{Purpose, Token};
use crate::service::held::{Held, Means};
use crate::stream::{Outcome, Restored};
use crate::{ApiError, ErrorCode, StreamConfig};

/// The body. Of the state only the last sequence counts: the archive has the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Request {
    /// The configuration at the time of the backup.
    pub config: StreamConfig,
    /// The state then.
    pub state: State,
}

/// The part of a state that cannot be found in the archive.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct State {
    /// The last sequence ever used.
    pub last_seq: u64,
}

#[derive(Serialize)]
struct Response {
    deliver_subject: String,
}

/// Prepares a stream that was just made and listens to nothing yet.
pub(crate) fn begin(last_seq: u64, held: &mut Held, means: &mut Means<'_>) -> Answer {
    let name = held.stream.config().name.clone();
    let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(8).collect();
    let deliver_subject = format!("$JS.SNAPSHOT.RESTORE.{name}.{id}");
    let token = Token::new(held.place, Purpose::Restore, 0);
    means.outlet.subscribe(held.account(), deliver_subject.as_bytes(), token);
    held.with_stream(means, |stream, turn| stream.begin_restore(last_seq, turn));
    Body::of(&Response { deliver_subject })
}

/// A restore that is over.
pub(crate) struct Ended {
    /// Who asked how it ended; empty when nobody did.
    pub(crate) reply: String,
    /// Bytes that came.
    pub(crate) bytes: u64,
    /// The consumers to be made, or why the stream cannot be.
    pub(crate) outcome: Outcome,
}

/// Takes a chunk, and says when it was the last.
pub(crate) fn take(
    chunk: &[u8],
    reply: Option<&[u8]>,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Option<Ended> {
    let step = held.with_stream(means, |stream, turn| stream.restore_chunk(chunk, reply, turn));
    ended(step, reply.unwrap_or_default())
}

/// Gives up a restore whose sender has been silent for too long.
pub(crate) fn lapse(held: &mut Held, now: Now) -> Option<Ended> {
    ended(held.stream.lapsed_restore(now)?, b"")
}

fn ended(step: Restored, reply: &[u8]) -> Option<Ended> {
    let Restored::Ended(bytes, outcome) = step else { return None };
    let reply = String::from_utf8_lossy(reply).into_owned();
    Some(Ended { reply, bytes, outcome })
}

/// Makes the stream's consumers and lets it be heard of. Everything is kept before the stream is:
/// after a crash there is all of it or nothing.
pub(crate) fn complete(
    consumers: Vec<ConsumerBackup>,
    held: &mut Held,
    means: &mut Means<'_>,
) -> Answer {
    means.outlet.unsubscribe(Token::new(held.place, Purpose::Restore, 0));
    for consumer in consumers {
        let name = consumer.name.clone();
        let made = consumer_create::restore(consumer, held, means);
        made.map_err(|error| {
            let reason = format_args!("consumer {name}: {}", error.description);
            ApiError::with(ErrorCode::StreamRestore, reason)
        })?;
    }
    held.keep(means)?;
    let domain = means.settings.domain.as_deref();
    held.listen_for_all(domain, means.outlet);
    let facts = held.facts(means.storage, domain, means.now.wall_ns);
    Body::of(&describe(&facts, Made::Now))
}
