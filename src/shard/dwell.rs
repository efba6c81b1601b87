//! Hot path: when the messages came that are being delivered. Before it: whoever takes bytes in
//! and says when they came; after it: the histograms of `base::Timing`.
//!
//! Nothing is done per message. Deliveries are counted anyway; here their count is read when the
//! time of arrival changes, and when the turn is over all that share a time are recorded at once.

use base::{Counters, Timing};

/// Different arrival times that one turn keeps apart. What comes beyond them counts as part of
/// the last, which is then dated back to the older of both.
const GROUPS_MAX: usize = 64;

/// When and how the messages came that are delivered now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When the core that reads their publisher took them in, monotonic nanoseconds.
    pub since_ns: u64,
    pub via: Via,
}

/// How messages reached this core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Via {
    /// From a connection of its own.
    #[default]
    Socket,
    /// From another core.
    Ring,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    since_ns: u64,
    deliveries: u64,
}

/// The deliveries of the turn, by time of arrival.
#[derive(Debug)]
pub(crate) struct Dwell {
    turn_ns: u64,
    arrival: Arrival,
    /// The turn's deliveries before those that belong to `arrival`.
    counted: u64,
    groups: Vec<Group>,
}

impl Default for Dwell {
    fn default() -> Self {
        Dwell {
            turn_ns: 0,
            arrival: Arrival::default(),
            counted: 0,
            groups: Vec::with_capacity(GROUPS_MAX),
        }
    }
}

impl Dwell {
    /// A turn begins; what its connections bring came now.
    pub fn begin_turn(&mut self, turn_ns: u64) {
        self.turn_ns = turn_ns;
        self.arrival = Arrival { since_ns: turn_ns, via: Via::Socket };
    }

    /// When what is published now came; what goes to another core takes it along.
    #[inline]
    pub fn since_ns(&self) -> u64 {
        self.arrival.since_ns
    }

    /// What is delivered from now on came so. `deliveries` are those of the turn until now.
    #[inline]
    pub fn arrived(&mut self, arrival: Arrival, deliveries: u64, counters: &Counters) {
        if self.arrival != arrival {
            self.close_group(deliveries, counters);
            self.arrival = arrival;
        }
    }

    /// What is delivered from now on came at the beginning of this turn.
    pub fn arrived_now(&mut self, deliveries: u64, counters: &Counters) {
        let since_ns = self.turn_ns;
        self.arrived(Arrival { since_ns, via: Via::Socket }, deliveries, counters);
    }

    /// The turn has made all its `deliveries`, and counting begins anew.
    pub fn close_turn(&mut self, deliveries: u64, counters: &Counters) {
        self.close_group(deliveries, counters);
        self.counted = 0;
    }

    fn close_group(&mut self, deliveries: u64, counters: &Counters) {
        let new = deliveries - self.counted;
        self.counted = deliveries;
        if new == 0 {
            return;
        }
        let Arrival { since_ns, via } = self.arrival;
        if via == Via::Ring {
            // The other core may have looked at the clock after this one began its turn.
            let waited_ns = self.turn_ns.saturating_sub(since_ns);
            counters.timing(Timing::RingWait).record(waited_ns, new);
        }
        let full = self.groups.len() == GROUPS_MAX;
        match self.groups.last_mut() {
            Some(last) if full || last.since_ns == since_ns => {
                last.deliveries += new;
                last.since_ns = last.since_ns.min(since_ns);
            }
            _ => self.groups.push(Group { since_ns, deliveries: new }),
        }
    }

    /// What was delivered is out by now.
    pub fn out(&mut self, now_ns: u64, counters: &Counters) {
        for Group { since_ns, deliveries } in self.groups.drain(..) {
            counters.timing(Timing::Dwell).record(now_ns.saturating_sub(since_ns), deliveries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(since_ns: u64) -> Arrival {
        Arrival { since_ns, via: Via::Socket }
    }

    /// Count and sum of a kind of duration.
    fn of(counters: &Counters, timing: Timing) -> (u64, u64) {
        let read = counters.timing(timing).read();
        (read.count(), read.sum_ns)
    }

    #[test]
    fn deliveries_count_from_their_own_arrival_until_they_are_out() {
        let (mut dwell, counters) = (Dwell::default(), Counters::default());
        dwell.begin_turn(1000);
        dwell.arrived(Arrival { since_ns: 700, via: Via::Ring }, 0, &counters);
        dwell.arrived_now(3, &counters);
        dwell.arrived(socket(100), 5, &counters);
        dwell.close_turn(6, &counters);
        assert_eq!(of(&counters, Timing::Dwell), (0, 0), "nothing is out yet");
        dwell.out(2000, &counters);
        assert_eq!(of(&counters, Timing::Dwell), (6, 3 * 1300 + 2 * 1000 + 1900));
        assert_eq!(of(&counters, Timing::RingWait), (3, 900));
        dwell.begin_turn(3000);
        dwell.close_turn(1, &counters);
        dwell.out(3001, &counters);
        assert_eq!(of(&counters, Timing::Dwell), (7, 3 * 1300 + 2 * 1000 + 1900 + 1));
    }

    #[test]
    fn a_turn_without_deliveries_counts_nothing() {
        let (mut dwell, counters) = (Dwell::default(), Counters::default());
        dwell.begin_turn(1000);
        dwell.arrived(socket(10), 0, &counters);
        dwell.close_turn(0, &counters);
        dwell.out(2000, &counters);
        assert_eq!(of(&counters, Timing::Dwell), (0, 0));
    }

    #[test]
    fn too_many_times_make_the_last_older_and_lose_no_delivery() {
        let (mut dwell, counters) = (Dwell::default(), Counters::default());
        let times = GROUPS_MAX as u64 + 10;
        dwell.begin_turn(10_000);
        for n in 0..times {
            dwell.arrived(socket(5000 - n), n, &counters);
        }
        dwell.close_turn(times, &counters);
        dwell.out(10_000, &counters);
        let (count, sum_ns) = of(&counters, Timing::Dwell);
        let exact: u64 = (0..times).map(|n| 5000 + n).sum();
        assert_eq!(count, times);
        assert!(sum_ns >= exact && dwell.groups.capacity() == GROUPS_MAX, "{sum_ns} for {exact}");
    }
}
