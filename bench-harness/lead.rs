//! How far publishers may be ahead of the subscribers that read.
//!
//! A server that does not slow publishers down cuts off a subscriber once its queue is full
//! (64 MiB as a rule). On a host where the generator's readers cannot keep up with its writers that
//! would end every flood, and measure nothing. So the generator holds itself back.

use std::sync::Arc;

use crate::stage::Counter;

/// Bytes that may be on their way to one subscriber, well below where servers stall or cut off.
const BYTES_PER_SUBSCRIBER: u64 = 16 << 20;

/// The counts that say how far ahead the publishers are.
#[derive(Debug)]
pub struct Lead {
    /// Each publisher's count, and the counted deliveries of each of its messages.
    pub senders: Vec<(Arc<Counter>, u64)>,
    /// The count of each subscriber that reads.
    pub receivers: Vec<Arc<Counter>>,
    /// Bytes of one delivery.
    pub delivery_bytes: u64,
}

impl Lead {
    /// Whether the publishers must wait.
    pub fn is_too_long(&self) -> bool {
        let received: u64 = self.receivers.iter().map(|counter| counter.messages()).sum();
        let sent = |(counter, copies): &(Arc<Counter>, u64)| counter.messages() * copies;
        let expected: u64 = self.senders.iter().map(sent).sum();
        let allowed = BYTES_PER_SUBSCRIBER * self.receivers.len() as u64;
        expected.saturating_sub(received) * self.delivery_bytes > allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_wait_once_the_subscribers_are_far_behind() {
        let counter = || Arc::new(Counter::default());
        let (sender, one, other) = (counter(), counter(), counter());
        let lead = Lead {
            senders: vec![(Arc::clone(&sender), 2)],
            receivers: vec![Arc::clone(&one), Arc::clone(&other)],
            delivery_bytes: 1 << 20,
        };
        sender.set(16, 1);
        assert!(!lead.is_too_long(), "32 MiB for two is allowed");
        sender.set(17, 2);
        assert!(lead.is_too_long());
        one.set(2, 3);
        assert!(!lead.is_too_long());
    }
}
