//! One stream: messages in by publish, mirror or source; acknowledged, limited, removed, read.
//!
//! A stream is a state machine of its core. It holds what its rules need (configuration, dedupe
//! window, batches, schedules); messages lie in the room `storage`, consumers beside it behind
//! [`Readers`], and everything that leaves goes through an [`crate::Outlet`].

mod readers;

pub use readers::{NoReaders, Readers};
