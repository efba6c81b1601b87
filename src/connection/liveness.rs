//! Whether the other end is still there (spec/client-protocol.md §7).
//!
//! A PING is due `ping_interval` after the last one, unless the connection was active meanwhile
//! and its round trip is known. Too many unanswered PINGs make it stale.

use std::time::Duration;

use base::Now;
use config::limits;

/// PING, PONG and activity of one connection. Times are monotonic nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Liveness {
    /// When the next PING is due; `None` until the dialect is ready for one.
    due_ns: Option<u64>,
    unanswered: u32,
    pinged_ns: u64,
    active_ns: u64,
    /// When it last asked for something or got a message; what monitoring shows.
    worked_wall_ns: u64,
    delivered_msgs: u64,
    rtt: Option<Rtt>,
    /// From accepting to CONNECT: what stands for the round trip until it is measured.
    login_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Rtt {
    rtt_ns: u64,
    measured_ns: u64,
}

/// What is to be done about a connection's silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// Send a PING.
    Ping,
    /// Give up.
    Stale,
}

impl Liveness {
    /// A connection that was just accepted.
    pub fn new(now: Now) -> Liveness {
        Liveness { active_ns: now.mono_ns, worked_wall_ns: now.wall_ns, ..Liveness::default() }
    }

    /// The dialect can be pinged from now on: the first time soon, to learn the round trip.
    pub fn start(&mut self, now: Now, ping_interval: Duration) {
        let first = ping_interval.min(limits::FIRST_PING);
        let jitter = fastrand::u32(0..=limits::FIRST_PING_JITTER_PERCENT);
        self.due_ns = Some(now.plus(first + first * jitter / 100));
    }

    /// CONNECT came. Seen of nats-server 2.15.2, whose clients show a round trip from there on.
    pub fn connected(&mut self, now: Now) {
        let since_ns = now.mono_ns.saturating_sub(self.active_ns).max(1);
        self.login_ns.get_or_insert(since_ns);
    }

    /// Something came, be it a PING.
    #[inline]
    pub fn active(&mut self, now: Now) {
        self.active_ns = now.mono_ns;
    }

    /// A message, subscription or CONNECT went through. Seen of nats-server 2.14.5: PING and PONG
    /// leave `last_activity` as it is, since every client sends them by itself.
    #[inline]
    pub fn worked(&mut self, now: Now) {
        self.worked_wall_ns = now.wall_ns;
    }

    /// So many messages were on their way to it so far.
    #[inline]
    pub(crate) fn delivered(&mut self, msgs: u64, now: Now) {
        if msgs != self.delivered_msgs {
            self.delivered_msgs = msgs;
            self.worked_wall_ns = now.wall_ns;
        }
    }

    /// A PONG came.
    pub fn pong(&mut self, now: Now) {
        if self.unanswered > 0 {
            let rtt_ns = now.mono_ns.saturating_sub(self.pinged_ns).max(1);
            self.rtt = Some(Rtt { rtt_ns, measured_ns: now.mono_ns });
        }
        self.unanswered = 0;
    }

    /// The last measured round trip, nanoseconds; before the first, how long CONNECT took.
    pub fn rtt_ns(&self) -> Option<u64> {
        self.rtt.map(|rtt| rtt.rtt_ns).or(self.login_ns)
    }

    /// When the connection last did or got something, nanoseconds since the Unix epoch.
    pub fn worked_wall_ns(&self) -> u64 {
        self.worked_wall_ns
    }

    /// The interval may be shorter now: no PING is later than it says.
    pub(crate) fn hasten(&mut self, now: Now, ping_interval: Duration) {
        if let Some(due_ns) = &mut self.due_ns {
            *due_ns = (*due_ns).min(now.plus(ping_interval));
        }
    }

    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.due_ns
    }

    /// Decides at the time a PING is due, and says when to come back.
    pub(crate) fn check(&mut self, now: Now, ping_interval: Duration, ping_max: u32) -> Verdict {
        if self.due_ns.is_none_or(|due_ns| now.mono_ns < due_ns) {
            return Verdict::Fine;
        }
        self.due_ns = Some(now.plus(ping_interval));
        let quiet_ns = now.mono_ns.saturating_sub(self.active_ns);
        let measured = self.rtt.is_some_and(|rtt| {
            now.mono_ns.saturating_sub(rtt.measured_ns) < limits::RTT_FRESH.as_nanos() as u64
        });
        if measured && quiet_ns < ping_interval.as_nanos() as u64 {
            return Verdict::Fine;
        }
        if self.unanswered >= ping_max {
            return Verdict::Stale;
        }
        self.unanswered += 1;
        self.pinged_ns = now.mono_ns;
        Verdict::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(120);

    fn at(seconds: u64) -> Now {
        Now { mono_ns: seconds * 1_000_000_000, wall_ns: seconds * 1_000_000_000 }
    }

    #[test]
    fn the_first_ping_comes_after_two_seconds_and_a_little() {
        let mut liveness = Liveness::new(at(1));
        assert_eq!(liveness.check(at(100), INTERVAL, 2), Verdict::Fine);
        liveness.start(at(100), INTERVAL);
        let due = liveness.due_ns().unwrap();
        assert!((102_000_000_000..=102_400_000_000).contains(&due), "{due}");
        assert_eq!(liveness.check(at(103), INTERVAL, 2), Verdict::Ping);
    }

    #[test]
    fn activity_with_a_known_round_trip_saves_the_ping() {
        let mut liveness = Liveness::new(at(1));
        liveness.connected(at(3));
        assert_eq!(liveness.rtt_ns(), Some(2_000_000_000), "as long as CONNECT took");
        liveness.start(at(1), INTERVAL);
        assert_eq!(liveness.check(at(4), INTERVAL, 2), Verdict::Ping);
        liveness.pong(at(5));
        assert_eq!(liveness.rtt_ns(), Some(1_000_000_000));
        liveness.active(at(100));
        assert_eq!(liveness.check(at(124), INTERVAL, 2), Verdict::Fine);
        assert_eq!(liveness.check(at(244), INTERVAL, 2), Verdict::Ping);
    }

    #[test]
    fn a_shorter_interval_counts_at_once_and_a_longer_one_from_the_next_ping() {
        let mut liveness = Liveness::new(at(1));
        liveness.hasten(at(1), INTERVAL);
        assert_eq!(liveness.due_ns(), None);
        liveness.start(at(1), INTERVAL);
        assert_eq!(liveness.check(at(4), INTERVAL, 2), Verdict::Ping);
        liveness.hasten(at(5), Duration::from_secs(10));
        assert_eq!(liveness.due_ns(), Some(at(15).mono_ns));
        liveness.hasten(at(5), Duration::from_secs(600));
        assert_eq!(liveness.due_ns(), Some(at(15).mono_ns));
    }

    #[test]
    fn unanswered_pings_end_in_stale() {
        let mut liveness = Liveness::new(at(1));
        liveness.start(at(1), INTERVAL);
        let verdicts: Vec<_> =
            [4, 124, 244].map(|s| liveness.check(at(s), INTERVAL, 2)).into_iter().collect();
        assert_eq!(verdicts, [Verdict::Ping, Verdict::Ping, Verdict::Stale]);
    }
}
