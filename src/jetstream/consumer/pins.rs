//! Priority groups with a pinned client: who is pinned, since when and until when.
//!
//! Source: spec/jetstream.md §8. The first request without an id gets a pin, which its client
//! repeats from then on; everyone else waits until the pin is lost.

use super::pending::NEVER;
use crate::wire_time::WireTime;

/// One priority group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// The pinned client's id and since when.
    pub(crate) pin: Option<Pin>,
}

/// A client that is pinned.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) id: Box<str>,
    pub(crate) since: WireTime,
    /// When it is lost without another request, monotonic nanoseconds.
    pub(crate) until_ns: u64,
}

impl Group {
    /// Whether a request with this id may be served: it is pinned, or nobody is and it asks to be.
    pub(crate) fn admits(&self, id: Option<&str>) -> bool {
        match &self.pin {
            None => true,
            Some(pin) => id == Some(&*pin.id),
        }
    }

    /// Whether a request carries an id that is not, or no longer, the pinned one.
    pub(crate) fn is_outdated(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.pin.as_ref().is_none_or(|pin| *pin.id != *id))
    }

    /// When the pin is lost.
    pub(crate) fn until_ns(&self) -> u64 {
        self.pin.as_ref().map_or(NEVER, |pin| pin.until_ns)
    }
}
