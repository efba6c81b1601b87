//! `STREAM.RESTORE`: a stream is made to be filled from a backup; the answer says where the
//! chunks go. Source: spec/jetstream.md §2, §14.

use base::AccountId;
use protocol::MessageParts;
use serde::{Deserialize, Serialize};

use crate::api::answer::{self, Answer, Body};
use crate::api::kind::Kind;
use crate::api::stream_info::{Made, describe};
use crate::outlet::{Outlet, Purpose, Token};
use crate::service::held::{Held, Means};
use crate::stream::Restored;
use crate::{ApiError, StreamConfig};

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

/// Takes a chunk, and says so at the end.
pub(crate) fn take(chunk: &[u8], reply: Option<&[u8]>, held: &mut Held, means: &mut Means<'_>) {
    let step = held.with_stream(means, |stream, turn| stream.restore_chunk(chunk, reply, turn));
    let domain = means.settings.domain.as_deref();
    let account = held.account();
    let answer = match step {
        Restored::More => return,
        Restored::Whole => {
            means.outlet.unsubscribe(Token::new(held.place, Purpose::Restore, 0));
            held.listen_for_stream(domain, means.outlet);
            let facts = held.facts(means.storage, domain, means.now.wall_ns);
            Body::of(&describe(&facts, Made::Now))
        }
        Restored::Failed(error) => {
            abandon(held, means.outlet);
            Err(error)
        }
    };
    if let Some(reply) = reply {
        say(means.outlet, account, reply, &answer);
    }
}

/// Takes away a stream whose restore came to nothing, by the way that everybody uses.
pub(crate) fn abandon(held: &Held, outlet: &mut dyn Outlet) {
    let subject = format!("$JS.API.STREAM.DELETE.{}", held.stream.config().name);
    let subject = subject.as_bytes();
    let message = MessageParts { subject, reply: None, headers: None, payload: &[] };
    outlet.publish(held.account(), &message);
}

fn say(outlet: &mut dyn Outlet, account: AccountId, to: &[u8], answer: &Result<Body, ApiError>) {
    let payload = answer::write(Kind::StreamCreate, answer);
    let message = MessageParts { subject: to, reply: None, headers: None, payload: &payload };
    outlet.publish(account, &message);
}
