//! Starting a consumer over, at its ack floor or at a sequence (2.14).
//!
//! Source: spec/jetstream.md §2 (CONSUMER.RESET), code 10204.

use storage::Seq;

use super::config::DeliverPolicy;
use super::cursor::Cursor;
use super::engine::{Consumer, Desk, Home, Progress};
use crate::{ApiError, ErrorCode};

impl Consumer {
    /// Forgets what was delivered and what is pending, and goes on at `seq`, or behind the ack
    /// floor if `seq` is 0. Gives the sequence at which it goes on.
    ///
    /// # Errors
    /// 10204 when the deliver policy does not allow that sequence.
    pub(crate) fn reset(
        &mut self,
        seq: u64,
        home: &Home,
        desk: &mut Desk<'_>,
    ) -> Result<u64, ApiError> {
        let stream = desk.storage.stream(home.id);
        let next = match seq {
            0 => self.floor.stream_seq + 1,
            seq => {
                self.may_start_at(seq, stream.first_at(self.start_ns()).0)?;
                seq
            }
        };
        self.cursor = Cursor::resume(next, Default::default(), &self.filter, stream);
        self.pending.clear();
        self.delivered = Progress::default();
        self.delivered.stream_seq = next - 1;
        self.floor = self.delivered;
        self.changed(desk.now);
        Ok(next)
    }

    fn start_ns(&self) -> u64 {
        self.config.opt_start_time.map_or(0, |time| time.wall_ns())
    }

    /// A sequence can be chosen where the policy starts at a place in the stream, and not before
    /// that place.
    fn may_start_at(&self, seq: u64, first_at_time: u64) -> Result<(), ApiError> {
        let refused = |text: &str| Err(ApiError::with(ErrorCode::ConsumerInvalidReset, text));
        let (first, below) = match self.config.deliver_policy {
            DeliverPolicy::All => (Seq::FIRST.0, "below start seq"),
            DeliverPolicy::ByStartSequence => (self.config.opt_start_seq, "below start seq"),
            DeliverPolicy::ByStartTime => (first_at_time, "below start time"),
            DeliverPolicy::Last | DeliverPolicy::New | DeliverPolicy::LastPerSubject => {
                return refused("not allowed");
            }
        };
        if seq < first { refused(below) } else { Ok(()) }
    }
}
