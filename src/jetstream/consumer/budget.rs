//! Hot path: how much all consumers of a core deliver in one turn together, so that the turn stays
//! short for whoever else is on the core, however many consumers have much to deliver.
//!
//! A core on which nothing else goes on takes longer turns: large writes to a socket cost half as
//! much a byte as small ones.

use config::limits;

/// Whether a core has had other messages to deliver of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// It has not: nobody waits for the end of its turns.
    Alone,
    /// It has.
    Others,
}

/// What is left of one turn's deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    messages: usize,
    bytes: u64,
}

impl Budget {
    /// A whole turn's deliveries.
    #[must_use]
    pub const fn of(company: Company) -> Budget {
        let (messages, bytes) = match company {
            Company::Alone => (limits::JS_DELIVERIES_PER_TURN, limits::JS_DELIVERED_PER_TURN_BYTES),
            Company::Others => {
                (limits::JS_DELIVERIES_BESIDE_OTHERS, limits::JS_DELIVERED_BESIDE_OTHERS_BYTES)
            }
        };
        Budget { messages, bytes }
    }

    /// Whether nothing more goes out in this turn.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    /// A message of so many bytes went out, or was looked at in vain.
    #[inline]
    pub(crate) fn take(&mut self, bytes: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
