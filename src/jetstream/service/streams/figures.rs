//! What this core holds in figures: counted once a stream's turn, told once a core's turn.

use super::Streams;
use crate::consumer::{Budget, Company};
use crate::ledger::Figure;
use crate::meta::registry::ServerBounds;

/// What streams have beside their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) messages: u64,
    pub(crate) consumers: u64,
    pub(crate) batches: u64,
    pub(crate) fast_batches: u64,
}

impl Counted {
    /// Replaces what one stream had with what it has.
    pub(crate) fn replace(&mut self, before: Counted, after: Counted) {
        self.messages = self.messages + after.messages - before.messages;
        self.consumers = self.consumers + after.consumers - before.consumers;
        self.batches = self.batches + after.batches - before.batches;
        self.fast_batches = self.fast_batches + after.fast_batches - before.fast_batches;
    }
}

/// Whether the disk takes what is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    No,
    Yes,
}

impl Streams {
    /// New bounds, where the operator names some.
    pub(crate) fn widen(&mut self, bounds: ServerBounds) {
        self.ground.members.widen(bounds);
    }

    /// Begins a turn: what may still be stored is judged by what all cores hold, what may be
    /// delivered by whether the core has others to serve.
    pub(crate) fn begin_turn(&mut self, company: Company) {
        self.ground.budget = Budget::of(company);
        self.ground.members.begin_turn(self.ground.settings.ledger.server());
    }

    /// Ends a turn: tells the others what this core holds.
    pub(crate) fn end_turn(&mut self) {
        let server = self.ground.settings.ledger.server();
        self.ground.members.end_turn(&self.ground.storage, server);
        server.set(self.here, Figure::Stuck, u64::from(self.stuck == Stuck::Yes));
    }
}
