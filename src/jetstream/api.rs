//! The JetStream API: what may be asked on `$JS.API.>`, and how it is answered.
//!
//! One file per request, named as its subject; each holds the request's body, the response's
//! body, and what the request does to a stream. Which requests there are stands in `kind.rs`,
//! the envelope of all answers in `answer.rs`. Source: spec/jetstream.md §1 and §2.

pub mod account_info;
pub mod account_purge;
pub mod answer;
pub mod clustered;
pub(crate) mod consumer_create;
pub(crate) mod consumer_delete;
pub(crate) mod consumer_info;
pub(crate) mod consumer_pause;
pub(crate) mod consumer_reset;
pub(crate) mod consumer_unpin;
pub mod kind;
pub mod page;
pub mod stream_info;
pub mod stream_list;
pub(crate) mod stream_msg_delete;
pub(crate) mod stream_msg_get;
pub mod stream_names;
pub(crate) mod stream_purge;
pub(crate) mod stream_restore;
pub(crate) mod stream_snapshot;

use crate::consumer::ConsumerPlace;
use crate::service::held::Held;
use crate::{ApiError, ErrorCode};

pub use answer::{Answer, Body};
pub use kind::{Asked, Kind};
pub use page::Page;

/// The place of the consumer that a request names.
pub(crate) fn place_of(asked: Asked<'_>, held: &Held) -> Result<ConsumerPlace, ApiError> {
    held.consumers.find(asked.consumer).ok_or_else(|| ErrorCode::ConsumerNotFound.into())
}
