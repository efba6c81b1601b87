//! The one list of per-core counters, and the one of durations. Each is written by its own shard
//! only and read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::histogram::Histogram;

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $help:literal;)*) => {
        /// A per-core counter or gauge.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter {
            $($(#[$doc])* #[doc = $help] $variant,)*
        }

        impl Counter {
            /// All of them, in declaration order.
            pub const ALL: &'static [Counter] = &[$(Counter::$variant,)*];

            /// The Prometheus name, without the `corewire_` prefix. Counters end in `_total`;
            /// what does not is a gauge.
            pub const fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name,)* }
            }

            /// One line that says what is counted, with its unit.
            pub const fn help(self) -> &'static str {
                match self { $(Counter::$variant => $help,)* }
            }
        }
    };
}

counters! {
    InMsgs = "in_msgs_total", "Messages received from connections";
    InBytes = "in_bytes_total", "Bytes of headers and payload received from connections";
    OutMsgs = "out_msgs_total", "Messages delivered to connections";
    OutBytes = "out_bytes_total", "Bytes of headers and payload delivered to connections";
    Connections = "connections", "Connections open on this core";
    ConnectionsTotal = "connections_total", "Connections ever accepted by this core";
    Subscriptions = "subscriptions", "Subscriptions held by connections of this core";
    SlowConsumers = "slow_consumers_total", "Connections closed because they did not keep up";
    StaleConnections = "stale_connections_total",
        "Connections closed because they did not answer PING";
    StalledClients = "stalled_clients_total", "Publishers put to sleep for a slow subscriber";
    DroppedForSlow = "dropped_for_slow_total",
        "Deliveries dropped at a slow subscriber (no_fast_producer_stall)";
    PendingBytes = "pending_bytes",
        "Bytes queued for connections of this core that the kernel has not taken";
    RingFramesOut = "ring_frames_out_total", "Records handed to other cores";
    RingFramesIn = "ring_frames_in_total", "Records taken from other cores";
    RingSpilled = "ring_spilled_total",
        "Records that found a full ring and waited in the spill queue";
    RingSpillDepth = "ring_spill_depth", "Records now waiting in spill queues";
    RingDropped = "ring_dropped_total",
        "Messages lost between cores because a spill queue was full";
    QueueReroutes = "queue_reroutes_total",
        "Queue picks sent on because the picked core had no member left";
    QueueOrphans = "queue_orphans_total", "Queue picks for which no core had a member left";
    DoorbellsOut = "doorbells_out_total", "Doorbells rung at sleeping cores";
    DoorbellsIn = "doorbells_in_total", "Doorbells heard";
    Turns = "turns_total", "Turns of the duty cycle";
    Parks = "parks_total", "Times the core went to sleep";
    ReadsPaused = "reads_paused_total", "Times a connection's reading was paused";
    PausedConnections = "paused_connections",
        "Connections now not read: for room in a ring, for a slow subscriber, for interest";
    DirtyConnections = "dirty_connections_total",
        "Connections with something new to send, each once a turn";
    IndexInserts = "index_inserts_total",
        "Insertions into the interest index, remote interest included";
    IndexRemoves = "index_removes_total",
        "Removals from the interest index, remote interest included";
    IndexMatches = "index_matches_total", "Subjects matched, answered from the cache or not";
    IndexCacheHits = "index_cache_hits_total", "Matches answered from the cache";
    IndexCacheEntries = "index_cache_entries", "Plans in the match cache";
    SystemDropped = "system_dropped_total",
        "Requests and events of the system account lost because the control thread was behind";
    PinnedAccountFails = "pinned_account_fails_total",
        "Logins refused because their account is none of those that are pinned";
    BusyNanos = "busy_nanoseconds_total", "Time spent working, not sleeping or spinning idle";
    LongestTurnNanos = "longest_turn_nanoseconds",
        "Longest turn since the core last took settings: since the start, or the last reload";
}

macro_rules! timings {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $help:literal;)*) => {
        /// A kind of duration that every core counts in a histogram of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Timing {
            $($(#[$doc])* #[doc = $help] $variant,)*
        }

        impl Timing {
            /// All of them, in declaration order.
            pub const ALL: &'static [Timing] = &[$(Timing::$variant,)*];

            /// The Prometheus name, without the `corewire_` prefix.
            pub const fn name(self) -> &'static str {
                match self { $(Timing::$variant => $name,)* }
            }

            /// One line that says what is measured.
            pub const fn help(self) -> &'static str {
                match self { $(Timing::$variant => $help,)* }
            }
        }
    };
}

timings! {
    /// Each delivery counts once, at the core of its subscriber, so the count is that of
    /// [`Counter::OutMsgs`]. It begins when the core that reads the publisher took the message's
    /// last bytes from its network (the clock of that turn), and covers waiting in a paused
    /// connection, in a spill queue and in a ring. It ends at the first look at the clock after
    /// the delivering turn: in a busy core that is after the kernel took the turn's sends; in a
    /// core that then sleeps it is just before. Not in it: bytes that the kernel had received
    /// and the core had not yet looked at (at most one [`Timing::Loop`]), and time behind a
    /// subscriber that has not taken its previous bytes ([`Counter::PendingBytes`]).
    Dwell = "dwell_seconds", "Time from bytes in to bytes out, of each delivery";
    /// From one look at the clock to the next, of turns that had something to do; sleep and idle
    /// spinning are left out. The sum is [`Counter::BusyNanos`].
    Loop = "loop_seconds", "Length of each turn that had something to do";
    /// Of each delivery that came from another core: from when that core took the message's
    /// bytes from its network to the beginning of the turn in which this one found it in the
    /// ring. Part of [`Timing::Dwell`].
    RingWait = "ring_wait_seconds", "Time on the way from another core, of each delivery";
}

/// One shard's counters. The shard writes with plain stores; anyone may read.
#[derive(Debug)]
#[repr(align(128))]
pub struct Counters {
    values: [AtomicU64; Counter::ALL.len()],
    timings: [Histogram; Timing::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            values: std::array::from_fn(|_| AtomicU64::new(0)),
            timings: std::array::from_fn(|_| Histogram::default()),
        }
    }
}

impl Counters {
    /// Adds `n`. Only the owning shard may call this: there is one writer.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        let value = &self.values[counter as usize];
        value.store(value.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Subtracts `n` from a gauge. Only the owning shard may call this.
    #[inline]
    pub fn sub(&self, counter: Counter, n: u64) {
        self.add(counter, n.wrapping_neg());
    }

    /// Sets a gauge. Only the owning shard may call this.
    #[inline]
    pub fn set(&self, counter: Counter, n: u64) {
        self.values[counter as usize].store(n, Ordering::Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize].load(Ordering::Relaxed)
    }

    /// The durations of one kind. Only the owning shard may record into it.
    #[inline]
    pub fn timing(&self, timing: Timing) -> &Histogram {
        &self.timings[timing as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_totals_are_marked() {
        let counters = Counter::ALL.iter().map(|counter| counter.name());
        let timings = Timing::ALL.iter().map(|timing| timing.name());
        let mut names: Vec<_> = counters.chain(timings).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Counter::ALL.len() + Timing::ALL.len());
    }

    #[test]
    fn adds_subtracts_and_sets() {
        let counters = Counters::default();
        counters.add(Counter::Connections, 3);
        counters.sub(Counter::Connections, 1);
        assert_eq!(counters.get(Counter::Connections), 2);
        counters.set(Counter::Connections, 9);
        assert_eq!(counters.get(Counter::Connections), 9);
        assert_eq!(counters.get(Counter::InMsgs), 0);
    }
}
