//! The stream configuration: its fields, its defaults, and every rule of create and update.
//!
//! Control path only: a configuration is read ([`decode_request`]), completed and checked
//! ([`for_create`], [`for_update`], [`fit_among`]) and kept; a stream's hot path works with what
//! it derives from it once. Source: spec/jetstream.md §3.

mod create;
mod fields;
mod level;
mod neighbours;
mod request;
mod sources_rules;
mod update;

#[cfg(test)]
mod tests;

pub(crate) use create::rename;
pub use create::{Pedantry, ServerLimits, check_name, for_create, is_valid_asset_name};
pub use fields::{
    Compression, ConsumerLimits, Discard, ExternalStream, PersistMode, Placement, Republish,
    Retention, SourceConsumer, Storage, StreamConfig, StreamSource, SubjectTransform, UNLIMITED,
};
pub use level::{
    API_LEVEL, remove_dynamic, remove_level, required_by_stream, serves, serves_request,
    stamp_answer, stamp_stored,
};
pub use neighbours::fit_among;
pub use request::{StreamRequest, decode_request};
pub use update::for_update;
