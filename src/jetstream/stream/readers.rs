//! What a stream asks of its consumers, and what it tells them: the seam between the two.
//!
//! A stream and its consumers live side by side on one core. Each call of the stream that adds or
//! removes takes its readers as an argument, so neither holds the other.

use base::Now;

use crate::consumer::ConsumerBackup;

/// The consumers of one stream, as the stream sees them.
pub trait Readers {
    /// How many there are.
    fn count(&self) -> usize;

    /// Whether some consumer takes messages on `subject`. Asked for each publish to a stream with
    /// interest retention, where an unwanted message is acknowledged and not kept.
    fn wants(&self, subject: &[u8]) -> bool;

    /// Whether some consumer that takes `subject` has yet to acknowledge `seq`. Asked when one
    /// consumer has acknowledged it and retention is by interest.
    fn needs(&self, seq: u64, subject: &[u8]) -> bool;

    /// A message was stored. It may not be durable yet.
    fn appended(&mut self, seq: u64, subject: &[u8]);

    /// A message is gone, for whatever reason, and no reader acknowledged it just now.
    fn removed(&mut self, seq: u64, subject: &[u8]);

    /// All of them as a backup holds them.
    fn backups(&self, now: Now) -> Vec<ConsumerBackup>;

    /// Many messages are gone (purge): all below `first_seq`, or those of one filter. Whatever was
    /// counted must be counted again.
    fn recount(&mut self, first_seq: u64);
}

/// No consumers at all: for streams in tests and while one is recovered.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReaders;

impl Readers for NoReaders {
    fn count(&self) -> usize {
        0
    }

    fn wants(&self, _: &[u8]) -> bool {
        false
    }

    fn needs(&self, _: u64, _: &[u8]) -> bool {
        false
    }

    fn appended(&mut self, _: u64, _: &[u8]) {}

    fn removed(&mut self, _: u64, _: &[u8]) {}

    fn backups(&self, _: Now) -> Vec<ConsumerBackup> {
        Vec::new()
    }

    fn recount(&mut self, _: u64) {}
}
