//! Which core a new connection lives on: the one with the fewest connections, and among equals
//! the one that moved the fewest bytes lately. Trading hosts have ten connections, not ten
//! thousand, so a hash would pile them up.

use std::sync::Arc;

use base::{Counter, Counters, ShardId};

/// The accepting core's view of all cores.
pub struct Placing {
    counters: Vec<Arc<Counters>>,
    /// Connections sent to each core since the start.
    sent: Vec<u64>,
    /// Bytes each core had moved when a connection was last placed.
    moved: Vec<u64>,
}

impl Placing {
    /// Over the counters of all cores, by shard.
    pub fn new(counters: Vec<Arc<Counters>>) -> Placing {
        let cores = counters.len();
        Placing { counters, sent: vec![0; cores], moved: vec![0; cores] }
    }

    /// Chooses a core for one more connection.
    pub fn choose(&mut self) -> ShardId {
        let mut best = (u64::MAX, u64::MAX, 0);
        for (core, counters) in self.counters.iter().enumerate() {
            let moved = counters.get(Counter::InBytes) + counters.get(Counter::OutBytes);
            let lately = moved.saturating_sub(std::mem::replace(&mut self.moved[core], moved));
            best = best.min((self.connections(core), lately, core));
        }
        let (_, _, core) = best;
        self.sent[core] += 1;
        ShardId(core as u16)
    }

    /// A connection that was placed never came to live.
    pub fn failed(&mut self, core: ShardId) {
        self.sent[core.index()] -= 1;
    }

    /// A connection was opened on `core` without being placed, only to be refused.
    pub fn refused(&mut self, core: ShardId) {
        self.sent[core.index()] += 1;
    }

    /// All connections of the server, those on their way included.
    pub fn total(&self) -> u64 {
        (0..self.counters.len()).map(|core| self.connections(core)).sum()
    }

    /// A core's connections, those on their way to it included.
    fn connections(&self, core: usize) -> u64 {
        let counters = &self.counters[core];
        let on_their_way = self.sent[core].saturating_sub(counters.get(Counter::ConnectionsTotal));
        counters.get(Counter::Connections) + on_their_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_a_burst_before_any_core_has_counted_and_then_balances() {
        let counters: Vec<Arc<Counters>> = (0..3).map(|_| Arc::default()).collect();
        let mut placing = Placing::new(counters.clone());
        let burst: Vec<_> = (0..6).map(|_| placing.choose().0).collect();
        assert_eq!(burst, [0, 1, 2, 0, 1, 2]);
        for counters in &counters {
            counters.add(Counter::ConnectionsTotal, 2);
            counters.add(Counter::Connections, 2);
        }
        counters[1].sub(Counter::Connections, 1);
        assert_eq!(placing.choose(), ShardId(1));
        assert_eq!(placing.total(), 6);
    }

    #[test]
    fn among_equals_the_quieter_core_wins() {
        let counters: Vec<Arc<Counters>> = (0..2).map(|_| Arc::default()).collect();
        let mut placing = Placing::new(counters.clone());
        counters[0].add(Counter::InBytes, 1000);
        assert_eq!(placing.choose(), ShardId(1));
    }
}
