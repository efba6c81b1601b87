//! What a stream works with while it does something: storage, consumers, the way out, the time.

use base::Now;
use storage::Storage;

use crate::Outlet;
use crate::stream::Readers;

/// How many bytes may still be stored, as streams count them, and how many batches opened. Appends
/// take from it, removals give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// By the account. Over it: 10002.
    pub account_bytes: u64,
    /// By the server, for this kind of storage. Over it: 10023.
    pub server_bytes: u64,
    /// Atomic batches, by the server. Over it: 10210.
    pub batches: u64,
    /// Fast batches, by the server. Over it: 10211.
    pub fast_batches: u64,
}

impl Quota {
    /// Without bounds.
    pub const UNLIMITED: Quota = Quota {
        account_bytes: u64::MAX,
        server_bytes: u64::MAX,
        batches: u64::MAX,
        fast_batches: u64::MAX,
    };

    pub(super) fn take(&mut self, bytes: u64) {
        self.account_bytes = self.account_bytes.saturating_sub(bytes);
        self.server_bytes = self.server_bytes.saturating_sub(bytes);
    }

    pub(super) fn give(&mut self, bytes: u64) {
        self.account_bytes = self.account_bytes.saturating_add(bytes);
        self.server_bytes = self.server_bytes.saturating_add(bytes);
    }
}

/// The surroundings of one call.
pub struct Turn<'a> {
    /// This core's messages.
    pub storage: &'a mut Storage,
    /// The stream's consumers.
    pub readers: &'a mut dyn Readers,
    /// The way out.
    pub outlet: &'a mut dyn Outlet,
    /// What may still be stored.
    pub quota: &'a mut Quota,
    /// The time of this turn.
    pub now: Now,
}
