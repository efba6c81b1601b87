//! What this core holds in figures, and what may still be stored, judged by all cores' figures.

use base::AccountId;

use super::Streams;
use crate::api::account_info::Usage;
use crate::ledger::Figure;
use crate::meta::registry::ServerBounds;
use crate::stream::Quota;
use crate::stream_config;

/// Messages and consumers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) messages: u64,
    pub(crate) consumers: u64,
}

impl Counted {
    /// Replaces what one stream had with what it has.
    pub(super) fn replace(&mut self, before: Counted, after: Counted) {
        self.messages = self.messages + after.messages - before.messages;
        self.consumers = self.consumers + after.consumers - before.consumers;
    }
}

/// Whether the disk takes what is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    No,
    Yes,
}

/// What may still be stored, by kind of storage.
pub(super) struct Quotas {
    pub(super) memory: Quota,
    pub(super) file: Quota,
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas { memory: Quota::UNLIMITED, file: Quota::UNLIMITED }
    }
}

impl Quotas {
    pub(super) fn of(&mut self, storage: stream_config::Storage) -> &mut Quota {
        match storage {
            stream_config::Storage::Memory => &mut self.memory,
            stream_config::Storage::File => &mut self.file,
        }
    }
}

impl Streams {
    /// New bounds, where the operator names some.
    pub(crate) fn widen(&mut self, bounds: ServerBounds) {
        self.bounds = self.bounds.widened(bounds);
    }

    /// Begins a turn: what may still be stored is judged by what all cores hold.
    // spec/cli-and-config.md §7.7 max_memory_store, max_file_store
    pub(crate) fn begin_turn(&mut self) {
        let left = |bound: Option<u64>, figure| {
            bound.map_or(u64::MAX, |bound| {
                bound.saturating_sub(self.ground.settings.ledger.sum(figure))
            })
        };
        let bounds = self.bounds;
        self.ground.quotas.memory.server_bytes = left(bounds.memory, Figure::Memory);
        self.ground.quotas.file.server_bytes = left(bounds.storage, Figure::Storage);
    }

    /// Ends a turn: tells the others what this core holds.
    pub(crate) fn end_turn(&self) {
        let (mut memory, mut file) = (0, 0);
        for account in self.ground.accounts.ids() {
            let space = self.ground.storage.space(account);
            memory += space.memory;
            file += space.file;
        }
        let figures = [
            (Figure::Memory, memory),
            (Figure::Storage, file),
            (Figure::Streams, self.places.len() as u64),
            (Figure::Consumers, self.counted.consumers),
            (Figure::Messages, self.counted.messages),
            (Figure::ApiErrors, self.errors.values().sum()),
            (Figure::Stuck, u64::from(self.stuck == Stuck::Yes)),
        ];
        for (figure, value) in figures {
            self.ground.settings.ledger.set(self.here, figure, value);
        }
    }

    /// What this core stores for an account.
    pub(super) fn usage(&self, account: AccountId) -> Usage {
        let mut usage = Usage::default();
        for held in self.held.iter().flatten().filter(|held| held.account() == account) {
            let bytes = self.ground.storage.stream(held.stream.id()).state().bytes;
            match held.stream.config().storage {
                stream_config::Storage::Memory => usage.memory += bytes,
                stream_config::Storage::File => usage.storage += bytes,
            }
            usage.streams += 1;
            usage.consumers += held.consumers.len() as u64;
        }
        usage
    }
}
