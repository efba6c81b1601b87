//! JetStream on one core: streams and consumers as state machines, and the API that drives them.
//!
//! This room never touches a disk, a socket or a clock and waits for nothing: letters come in
//! (publishes, requests, acks), effects go out (acknowledgements, deliveries, advisories), and
//! time is an argument. What is stored goes through the narrow doors of the room `storage`. A
//! stream with all its consumers belongs to one core.
//!
//! Invariants:
//! 1. an acknowledgement leaves only after the store says that what it acknowledges is durable;
//! 2. a sequence is never given twice, whatever is removed;
//! 3. what a configuration asks for is done, or the configuration is refused by name.
//!
//! | file or folder | what |
//! |---|---|
//! | `error.rs` | every error code of the API with its description, declared once |
//! | `request_json.rs` | request bodies: JSON into a typed request, strictly or leniently |
//! | `varint.rs` | numbers as backups write them |
//! | `wire_time.rs` | points in time as JetStream writes them |
//! | `stream_config.rs`, `stream_config/` | the stream configuration: fields, defaults, rules |
//! | `outlet.rs` | what leaves a stream or a consumer |
//! | `api.rs`, `api/` | what may be asked on `$JS.API.>`, one file per request |
//! | `service.rs`, `service/` | one core's JetStream: its letters, its streams, its turn |
//! | `meta.rs`, `meta/` | the registry of all streams, on the first core |
//! | `kept_value.rs` | what values beside messages are, for tools that read stored files |
//! | `rota.rs` | whose turn it is, where deliveries have a budget |
//! | `ledger.rs` | what every core holds, for limits of the whole server and for monitoring |
//! | `members.rs` | the accounts that may use it, and what is left of their limits |
//! | `note.rs` | what the cores' services tell each other |
//! | `desk.rs` | what requests are answered with |
//! | `settings.rs` | what the operator decided |
//! | `advisory.rs` | what is said on `$JS.EVENT.>` |
//! | `consumer.rs`, `consumer/` | one consumer: configuration, delivery, acknowledgements |
//! | `stream.rs`, `stream/` | one stream: ingest, limits, retention, removal, reading, sources |

pub mod advisory;
pub mod api;
pub mod consumer;
mod desk;
pub mod error;
pub mod kept_value;
pub mod ledger;
mod members;
pub mod meta;
mod note;
pub mod outlet;
pub mod request_json;
mod rota;
pub mod service;
pub mod settings;
pub mod stream;
pub mod stream_config;
mod varint;
pub mod wire_time;

pub use api::account_info::AccountLimits;
pub use error::{ApiError, ErrorCode};
pub use meta::registry::ServerBounds;
pub use outlet::{Outlet, Purpose, Token};
pub use service::JetStream;
pub use settings::Settings;
pub use stream_config::{API_LEVEL, StreamConfig};
pub use wire_time::WireTime;
