//! STREAM.MSG.GET: one message as JSON. Source: spec/jetstream.md §2, §10.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use storage::{Filter, Read, Seq, Storage, Waiter};

use super::Stream;
use crate::{ApiError, ErrorCode, WireTime};

/// The body of STREAM.MSG.GET.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MessageGetRequest {
    /// This message; or where to begin with `next_by_subj`.
    pub seq: u64,
    /// The last one of this subject.
    pub last_by_subj: String,
    /// The next one of this subject.
    pub next_by_subj: String,
    /// The first one stored then or later.
    pub start_time: Option<WireTime>,
    /// Without headers.
    pub no_hdr: bool,
    /// Direct gets answer with several messages; this does not.
    pub batch: i64,
    /// The same.
    pub max_bytes: i64,
    /// Of a direct get only.
    pub multi_last: Vec<String>,
    /// Of a direct get only.
    pub up_to_seq: u64,
    /// Of a direct get only.
    pub up_to_time: Option<WireTime>,
}

/// The answer's `message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it; hdrs and data are base64")]
pub struct StoredMessage {
    pub subject: String,
    pub seq: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hdrs: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data: String,
    pub time: WireTime,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageGetBody {
    /// The message.
    pub message: StoredMessage,
}

impl MessageGetRequest {
    /// Whether exactly one thing is asked for.
    // Seen of nats-server 2.15.2: the last three fields count for nothing here.
    fn is_clear(&self) -> bool {
        if self.batch > 0 || self.max_bytes > 0 {
            return false;
        }
        let last = !self.last_by_subj.is_empty();
        let next = !self.next_by_subj.is_empty();
        let by_time = self.start_time.is_some();
        let by_seq = self.seq > 0;
        match (last, next) {
            (true, true) => false,
            (true, false) => !by_seq && !by_time,
            (false, true) => !(by_seq && by_time),
            (false, false) => by_seq != by_time,
        }
    }
}

impl Stream {
    /// Finds and reads what `request` asks for; `None` while it comes from the disk: ask again
    /// when `waiter` is told.
    pub fn message_get(
        &self,
        request: &MessageGetRequest,
        storage: &mut Storage,
        waiter: Waiter,
    ) -> Result<Option<MessageGetBody>, ApiError> {
        if !request.is_clear() {
            return Err(ApiError::new(ErrorCode::BadRequest));
        }
        let not_found = || ApiError::new(ErrorCode::NoMessageFound);
        let stored = storage.stream(self.id);
        let from = match request.start_time {
            Some(time) => stored.first_at(time.wall_ns()),
            None => Seq(request.seq),
        };
        let found = if !request.last_by_subj.is_empty() {
            stored.last_matching(&Filter::new([&request.last_by_subj]), Seq::MAX)
        } else if !request.next_by_subj.is_empty() {
            stored.first_matching(&Filter::new([&request.next_by_subj]), from)
        } else if request.start_time.is_some() {
            stored.first_matching(&Filter::all(), from)
        } else {
            Some(from)
        };
        match storage.read(self.id, found.ok_or_else(not_found)?, waiter) {
            Read::Gone => Err(not_found()),
            Read::Pending => Ok(None),
            Read::Ready(message) => {
                let headers = if request.no_hdr { &[][..] } else { message.headers };
                let message = StoredMessage {
                    subject: String::from_utf8_lossy(message.subject).into_owned(),
                    seq: message.seq.0,
                    hdrs: STANDARD.encode(headers),
                    data: STANDARD.encode(message.payload),
                    time: WireTime::from_wall_ns(message.time_ns),
                };
                Ok(Some(MessageGetBody { message }))
            }
        }
    }
}
