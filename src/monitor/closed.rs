//! Connections that are no more, for `/connz?state=closed`: a ring that forgets the oldest.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use base::snapshot::ClosedSnapshot;

use crate::source::UsageByAccount;

/// Subscriptions that the ring lists over all its connections. Beyond it the oldest connections
/// lose their lists, not their other figures, so that memory stays bounded.
pub const CLOSED_SUBSCRIPTIONS_MAX: usize = 65_536;

/// The reasons of connections that did not keep up.
const SLOW: [&str; 2] = ["Slow Consumer (Pending Bytes)", "Slow Consumer (Write Deadline)"];

/// The last `max_closed_clients` connections that ended, oldest first. Control thread only.
#[derive(Debug)]
pub struct ClosedRing {
    closed: VecDeque<Arc<ClosedSnapshot>>,
    closed_max: usize,
    /// Entries at the front whose lists were dropped. `0 <= unlisted <= closed.len()`.
    unlisted: usize,
    /// Subscriptions listed in all entries. At most [`CLOSED_SUBSCRIPTIONS_MAX`] after a push.
    listed: usize,
    /// What all that ended did, the forgotten ones included.
    usage: Rc<UsageByAccount>,
}

impl ClosedRing {
    /// An empty ring of at most `closed_max` connections.
    pub fn new(closed_max: usize) -> ClosedRing {
        ClosedRing {
            closed: VecDeque::new(),
            closed_max,
            unlisted: 0,
            listed: 0,
            usage: Rc::default(),
        }
    }

    /// Remembers a connection, forgetting the oldest when the ring is full.
    pub fn push(&mut self, closed: ClosedSnapshot) {
        self.count(&closed);
        if self.closed_max == 0 {
            return;
        }
        self.forget_down_to(self.closed_max - 1);
        self.listed += closed.connection.subscriptions_list.len();
        self.closed.push_back(Arc::new(closed));
        self.drop_oldest_lists();
    }

    /// Remembers at most `closed_max` from now on.
    pub fn resize(&mut self, closed_max: usize) {
        self.closed_max = closed_max;
        self.forget_down_to(closed_max);
    }

    fn forget_down_to(&mut self, count: usize) {
        while self.closed.len() > count
            && let Some(oldest) = self.closed.pop_front()
        {
            self.listed -= oldest.connection.subscriptions_list.len();
            self.unlisted = self.unlisted.saturating_sub(1);
        }
    }

    /// All of them, oldest first. Cheap: the entries are shared.
    pub fn all(&self) -> Vec<Arc<ClosedSnapshot>> {
        self.closed.iter().cloned().collect()
    }

    /// What the connections that ended did, by account. Nothing that is forgotten is missing.
    pub fn usage(&self) -> Rc<UsageByAccount> {
        Rc::clone(&self.usage)
    }

    fn count(&mut self, closed: &ClosedSnapshot) {
        let connection = &closed.connection;
        let usage = Rc::make_mut(&mut self.usage);
        let usage = usage.entry(connection.account.clone()).or_default();
        usage.add_traffic(connection);
        usage.slow_consumers += u64::from(SLOW.contains(&closed.reason));
    }

    fn drop_oldest_lists(&mut self) {
        while self.listed > CLOSED_SUBSCRIPTIONS_MAX {
            let Some(entry) = self.closed.get_mut(self.unlisted) else { return };
            let list = &mut Arc::make_mut(entry).connection.subscriptions_list;
            self.listed -= list.len();
            *list = Vec::new();
            self.unlisted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use base::ClientId;
    use base::snapshot::SubscriptionSnapshot;

    use super::*;
    use crate::fake;

    fn closed(cid: u64, subscriptions: usize) -> ClosedSnapshot {
        let mut connection = fake::connection(cid);
        connection.subscriptions_list = vec![
            SubscriptionSnapshot {
                cid: ClientId(cid),
                account: String::new(),
                subject: "a".into(),
                queue: String::new(),
                sid: "1".into(),
                delivered: 0,
                max: 0,
            };
            subscriptions
        ];
        ClosedSnapshot { connection, stop_ns: 0, reason: "Client Closed" }
    }

    fn shape(ring: &ClosedRing) -> Vec<(u64, usize)> {
        let entry = |closed: &Arc<ClosedSnapshot>| {
            (closed.connection.cid.0, closed.connection.subscriptions_list.len())
        };
        ring.all().iter().map(entry).collect()
    }

    #[test]
    fn forgets_the_oldest_and_first_the_oldest_lists() {
        let half = CLOSED_SUBSCRIPTIONS_MAX / 2;
        let mut ring = ClosedRing::new(3);
        for cid in 1..=3 {
            ring.push(closed(cid, half));
        }
        assert_eq!(shape(&ring), [(1, 0), (2, half), (3, half)]);
        ring.push(closed(4, 7));
        assert_eq!(shape(&ring), [(2, 0), (3, half), (4, 7)]);
        ring.push(closed(5, CLOSED_SUBSCRIPTIONS_MAX + 1));
        assert_eq!(shape(&ring), [(3, 0), (4, 0), (5, 0)], "one list may be too long by itself");
    }

    #[test]
    fn a_ring_of_none_remembers_none_but_counts() {
        let mut ring = ClosedRing::new(0);
        for reason in ["Client Closed", SLOW[0], SLOW[1]] {
            let mut one = ClosedSnapshot { reason, ..closed(1, 0) };
            one.connection.in_msgs = 2;
            one.connection.out_bytes = 5;
            ring.push(one);
        }
        assert!(ring.all().is_empty());
        let usage = ring.usage()["$G"];
        assert_eq!((usage.received.msgs, usage.sent.bytes, usage.slow_consumers), (6, 15, 2));
        assert_eq!(usage.connections, 0);
    }
}
