//! What a message waits is counted, wherever it waits: on its way to another core, and in a
//! connection that is paused because a ring is full. All times are the simulated clock's.

use std::time::Duration;

use base::{Counter, Distribution, Timing};

use super::simulation::{Client, Setup, Simulation, for_seeds};

/// So much time that no bucket's width matters.
const WAIT: Duration = Duration::from_micros(800);

/// Durations of this length and above, up to a bucket's width.
fn at_least(distribution: &Distribution, time: Duration) -> u64 {
    let ns = time.as_nanos() as u64;
    let long = distribution.buckets.iter().filter(|(upper, _)| *upper >= ns);
    long.map(|(_, count)| count).sum()
}

/// A publisher on core 0 and a subscriber on core 1 that get on.
fn pair(simulation: &mut Simulation) -> (Client, Client) {
    let (publisher, subscriber) = (simulation.client(0), simulation.client(1));
    simulation.say(subscriber, "SUB a 1\r\n");
    simulation.run_until_quiet();
    (publisher, subscriber)
}

#[test]
fn every_delivery_counts_once_and_takes_no_time_when_none_passes() {
    for_seeds(100, |seed| {
        let mut simulation = Simulation::new(3, seed);
        let clients: Vec<Client> = (0..6).map(|number| simulation.client(number % 3)).collect();
        for &client in &clients {
            simulation.say(client, "SUB a.* 1\r\nSUB work w 2\r\n");
        }
        simulation.run_until_quiet();
        for number in 0..60 {
            let client = clients[simulation.random.usize(0..clients.len())];
            let subject = if number % 3 == 0 { "work" } else { "a.b" };
            let size = simulation.random.usize(0..9000);
            simulation.publish(client, subject, &"x".repeat(size));
            simulation.some_steps();
        }
        simulation.run_until_quiet();
        let dwell = simulation.timing(Timing::Dwell);
        assert_eq!(dwell.count(), simulation.total(Counter::OutMsgs));
        assert_eq!(dwell.count(), 20 + 40 * 6);
        assert_eq!(dwell.sum_ns, 0);
        assert!(simulation.timing(Timing::RingWait).count() > 0, "some crossed");
    });
}

#[test]
fn waiting_in_a_ring_counts() {
    for_seeds(100, |seed| {
        let mut simulation = Simulation::new(2, seed);
        let (publisher, subscriber) = pair(&mut simulation);
        let size = simulation.random.usize(0..9000);
        simulation.publish(publisher, "a", &"x".repeat(size));
        simulation.run_core_until(0, |simulation| simulation.count(0, Counter::RingFramesOut) == 1);
        simulation.advance(WAIT);
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(subscriber).len(), 1);
        for timing in [Timing::Dwell, Timing::RingWait] {
            let waited = simulation.timing(timing);
            assert_eq!((waited.count(), at_least(&waited, WAIT)), (1, 1), "{timing:?}");
            assert_eq!(waited.sum_ns, WAIT.as_nanos() as u64, "{timing:?}");
        }
    });
}

/// Core 1 does nothing while core 0 fills the ring to it and has to pause its publisher.
#[test]
fn waiting_in_a_paused_connection_counts() {
    const MESSAGES: usize = 200;
    for_seeds(50, |seed| {
        let mut simulation = Simulation::with(&Setup { cores: 2, ..Setup::default() }, seed);
        let (publisher, subscriber) = pair(&mut simulation);
        let message = format!("PUB a 1000\r\n{}\r\n", "x".repeat(1000));
        simulation.say(publisher, &message.repeat(MESSAGES));
        simulation.run_core_to_rest(0);
        assert_eq!(simulation.count(0, Counter::PausedConnections), 1);
        let taken = simulation.count(0, Counter::InMsgs);
        assert!(taken < MESSAGES as u64, "the ring took them all");
        simulation.advance(WAIT);
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(subscriber).len(), MESSAGES);
        assert_eq!(simulation.count(0, Counter::PausedConnections), 0);
        let dwell = simulation.timing(Timing::Dwell);
        // What the simulated socket held is not the server's wait; what was read is.
        assert_eq!(dwell.count(), MESSAGES as u64);
        assert!(at_least(&dwell, WAIT) > taken, "{} of {taken}", at_least(&dwell, WAIT));
        let exact = at_least(&dwell, WAIT) * WAIT.as_nanos() as u64;
        assert_eq!(dwell.sum_ns, exact, "a message waited all the time, or not at all");
    });
}

#[test]
fn what_the_kernel_has_not_taken_is_pending_until_it_is_gone() {
    use runtime::simulated::Reading;
    for_seeds(50, |seed| {
        let mut simulation = Simulation::new(2, seed);
        let (publisher, subscriber) = pair(&mut simulation);
        simulation.set_reading(subscriber, Reading::Off);
        for _ in 0..40 {
            simulation.publish(publisher, "a", &"x".repeat(2000));
            simulation.some_steps();
        }
        simulation.run_until_quiet();
        let held = simulation.pending_bytes() as u64;
        assert_eq!(simulation.total(Counter::PendingBytes), held);
        assert!(held > 40_000, "{held} bytes wait");
        simulation.set_reading(subscriber, Reading::On);
        simulation.run_until_quiet();
        assert_eq!(simulation.total(Counter::PendingBytes), 0);
        assert!(simulation.total(Counter::DirtyConnections) > 0);
    });
}

/// A turn is as long as its work, and sleep is no part of it.
#[test]
fn the_loop_is_counted_without_sleep() {
    let mut simulation = Simulation::new(1, 7);
    let client = simulation.client(0);
    simulation.run_until_quiet();
    let before = simulation.timing(Timing::Loop);
    simulation.ping(client);
    simulation.advance(WAIT);
    simulation.run_until_quiet();
    let turns = simulation.timing(Timing::Loop).since(&before);
    assert!(turns.count() > 0);
    assert_eq!(turns.sum_ns, 0, "only sleep took time");
    simulation.ping(client);
    simulation.step();
    simulation.advance(WAIT);
    simulation.run_until_quiet();
    let turns = simulation.timing(Timing::Loop).since(&before);
    assert_eq!(turns.sum_ns, WAIT.as_nanos() as u64);
    assert_eq!(simulation.total(Counter::BusyNanos), simulation.timing(Timing::Loop).sum_ns);
    assert_eq!(simulation.count(0, Counter::LongestTurnNanos), WAIT.as_nanos() as u64);
}
