//! The stream configuration: its fields, its defaults, and every rule of create and update.
//!
//! Control path only: a configuration is read, checked and kept; a stream's hot path works with
//! what it derives from it once. Source: spec/jetstream.md §3.

mod fields;

pub use fields::{
    Compression, ConsumerLimits, Discard, ExternalStream, PersistMode, Placement, Republish,
    Retention, SourceConsumer, Storage, StreamConfig, StreamSource, SubjectTransform, UNLIMITED,
};
