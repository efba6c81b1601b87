//! The JetStream API: what may be asked on `$JS.API.>`, and how it is answered.
//!
//! One file per request, named as its subject; each holds the request's body, the response's
//! body, and what the request does to a stream. Which requests there are stands in `kind.rs`,
//! the envelope of all answers in `answer.rs`. Source: spec/jetstream.md §1 and §2.

pub mod account_info;
pub mod answer;
pub mod clustered;
pub mod kind;
pub mod page;
pub mod stream_info;
pub mod stream_list;
pub mod stream_names;

pub use answer::{Answer, Body};
pub use kind::{Asked, Kind};
pub use page::Page;
