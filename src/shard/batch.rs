//! Hot path: small messages on their way to another shard, collected into one record. Before it:
//! `publish`; after it: the ring.
//!
//! Memory that another core has read is dear to write, a cache line at a time. So messages that
//! only plain subscriptions get travel as nothing but their wire, one after another, and are
//! copied into the ring in one go; the other core parses them again, which costs less than
//! carrying what this one found.

use base::{AccountId, ConnSlot};
use config::limits;
use protocol::put;

use crate::frame::{BATCH_HEAD_LEN, batch_head};

/// Bytes after which a batch is sent, so that the other core can begin.
const BATCH_BYTES_MAX: usize = 16 * 1024;

const _: () = assert!(
    BATCH_BYTES_MAX + limits::RUN_BYTES_MAX + BATCH_HEAD_LEN < limits::RING_DATA_BYTES / 4,
    "a batch fits its ring several times"
);

/// The batch towards one shard.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Room that is written over again and again; what is in use ends at `len`.
    bytes: Vec<u8>,
    len: usize,
    account: AccountId,
    publisher: ConnSlot,
}

impl Batch {
    /// Whether the next message of this publisher may be added.
    #[inline]
    pub fn takes(&self, account: AccountId, publisher: ConnSlot) -> bool {
        self.len == 0
            || (self.account == account
                && self.publisher == publisher
                && self.len < BATCH_BYTES_MAX)
    }

    /// Adds a message or a run of them. Of all in a batch, `since_ns` of the first tells when they
    /// came.
    #[inline]
    pub fn add(&mut self, account: AccountId, publisher: ConnSlot, since_ns: u64, wires: &[u8]) {
        if self.len == 0 {
            self.account = account;
            self.publisher = publisher;
            self.make_room(BATCH_HEAD_LEN);
            self.len = put(&mut self.bytes, 0, &batch_head(account, publisher, since_ns));
        }
        self.make_room(wires.len());
        self.len = put(&mut self.bytes, self.len, wires);
    }

    #[inline]
    fn make_room(&mut self, len: usize) {
        if self.bytes.len() - self.len < len {
            self.bytes.resize(self.len + len + BATCH_BYTES_MAX, 0);
        }
    }

    /// The record; empty when there is nothing to send.
    #[inline]
    pub fn record(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Forgets what was sent.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_one_publishers_messages_up_to_its_bound() {
        let mut batch = Batch::default();
        let (ann, bob) = (ConnSlot(1), ConnSlot(2));
        assert!(batch.takes(AccountId::GLOBAL, ann));
        batch.add(AccountId::GLOBAL, ann, 0, b"PUB a 0\r\n\r\n");
        assert!(batch.takes(AccountId::GLOBAL, ann) && !batch.takes(AccountId::GLOBAL, bob));
        batch.add(AccountId::GLOBAL, ann, 0, &[b'x'; BATCH_BYTES_MAX]);
        assert!(!batch.takes(AccountId::GLOBAL, ann));
        batch.clear();
        assert!(batch.takes(AccountId::GLOBAL, bob) && batch.record().is_empty());
    }
}
