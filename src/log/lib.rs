//! The writing end of the log: takes the lines that rooms queue (`base::Log`) and writes them as
//! nats-server does, to standard error, a file or a syslog daemon.
//!
//! This room decides nothing about what is logged and never makes a shard wait: the queue is
//! bounded by its maker, and a slow disk only fills it. It belongs to no core; it runs on one
//! ordinary thread of its own, where blocking is fine.
//!
//! Invariants: a line is written once or lost with a report; lines keep the queue's order; after
//! [`LogWriter::flush_and_stop`] everything queued before is written; a failing target is
//! reported once on standard error and never ends the process.
//!
//! | file | what |
//! |---|---|
//! | `options.rs` | target, rotation, time stamp, syslog address |
//! | `writer.rs` | the thread, its handle, the report of dropped lines |
//! | `sink.rs` | one target, and what happens when it fails |
//! | `format.rs` | a line as text |
//! | `file.rs` | the log file: append, re-open, rotate |
//! | `syslog.rs` | local and remote syslog |

mod file;
mod format;
mod options;
mod sink;
mod syslog;
mod writer;

pub use options::{FileOptions, Options, Stamp, SyslogUrl, Target, UrlError, Zone};
pub use writer::{LogWriter, spawn};
