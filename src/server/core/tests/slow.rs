//! design §4 rule 5: a slow subscriber slows nobody else. It has a budget; then it is closed, or
//! the policy applies that the operator chose.

use std::time::Duration;

use base::{Counter, Level};
use config::options::{Options, SlowSubscriber, WriteTimeout};
use ring::Sizes;
use runtime::simulated::Reading;

use super::simulation::{Client, Setup, Simulation, for_seeds};

const CORES: usize = 3;
const PENDING_MAX: usize = 64 << 10;
const MESSAGE_LEN: usize = 1000;

/// Rings that never fill, so that only the subscriber can be at fault.
fn setup(slow: SlowSubscriber) -> Setup {
    let options = Options { slow_subscriber: slow, max_pending: PENDING_MAX, ..Options::default() };
    Setup { cores: CORES, rings: Sizes::default(), options, ..Setup::default() }
}

/// A server with a subscriber of `a` on each core, one that stopped reading on a random core, and
/// a publisher on each core.
struct Cast {
    healthy: Vec<Client>,
    slow: Client,
    publishers: Vec<Client>,
}

impl Cast {
    fn new(simulation: &mut Simulation) -> Cast {
        let healthy: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        let home = simulation.random.usize(0..CORES);
        let slow = simulation.client(home);
        let publishers: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        for &subscriber in healthy.iter().chain([&slow]) {
            simulation.say(subscriber, "SUB a 1\r\n");
        }
        simulation.run_until_quiet();
        simulation.set_reading(slow, Reading::Off);
        Cast { healthy, slow, publishers }
    }

    /// Publishes so many messages from all publishers in turn and lets all cores come to rest.
    fn publish(&self, simulation: &mut Simulation, messages: usize) {
        for number in 0..messages {
            let publisher = self.publishers[number % CORES];
            simulation.publish(publisher, "a", &format!("{number} {}", "x".repeat(MESSAGE_LEN)));
            simulation.some_steps();
        }
        for &publisher in &self.publishers {
            simulation.ping(publisher);
        }
        simulation.run_until_quiet();
    }

    /// Each healthy subscriber got so many messages.
    fn healthy_got(&self, simulation: &mut Simulation, messages: usize) {
        for &subscriber in &self.healthy {
            assert_eq!(simulation.messages(subscriber).len(), messages);
        }
    }
}

#[test]
fn a_subscriber_that_stops_reading_is_closed_at_its_budget_and_nobody_else_notices() {
    for_seeds(60, |seed| {
        let mut simulation = Simulation::with(&setup(SlowSubscriber::Ignore), seed);
        let cast = Cast::new(&mut simulation);
        cast.publish(&mut simulation, 60);
        assert!(simulation.is_open(cast.slow), "closed within its budget");
        cast.publish(&mut simulation, 60);
        cast.healthy_got(&mut simulation, 120);
        assert!(!simulation.is_open(cast.slow), "more than its budget is held for it");
        let text = format!("Slow Consumer Detected: MaxPending of {PENDING_MAX} Exceeded");
        assert!(simulation.logged(Level::Info, &text));
        let closed = simulation.closed.try_recv().expect("a closed connection");
        assert_eq!(closed.reason, "Slow Consumer (Pending Bytes)");
        assert_eq!(simulation.total(Counter::SlowConsumers), 1);
        for counter in [Counter::StalledClients, Counter::ReadsPaused, Counter::DroppedForSlow] {
            assert_eq!(simulation.total(counter), 0, "{counter:?}");
        }
        let socket = simulation.socket(cast.slow);
        assert_eq!(simulation.host.under_way(socket), 0);
        assert_eq!(simulation.pending_bytes(), 0, "its memory is not free");
        assert_eq!(simulation.total(Counter::Subscriptions), CORES as u64);
    });
}

#[test]
fn a_write_that_takes_nothing_until_its_deadline_ends_the_connection() {
    for_seeds(20, |seed| {
        let mut simulation = Simulation::with(&setup(SlowSubscriber::Ignore), seed);
        let cast = Cast::new(&mut simulation);
        cast.publish(&mut simulation, 3);
        simulation.live(Duration::from_millis(9_900));
        assert!(simulation.is_open(cast.slow), "closed before its deadline");
        simulation.live(Duration::from_millis(200));
        assert!(!simulation.is_open(cast.slow), "still open after its deadline");
        let text = "Slow Consumer Detected: WriteDeadline of 10s exceeded with";
        assert!(simulation.logged(Level::Info, text));
        let closed = simulation.closed.try_recv().expect("a closed connection");
        assert_eq!(closed.reason, "Slow Consumer (Write Deadline)");
        cast.healthy_got(&mut simulation, 3);
        assert_eq!(simulation.pending_bytes(), 0, "its memory is not free");
    });
}

#[test]
fn with_retry_a_write_that_took_something_may_go_on() {
    for_seeds(20, |seed| {
        let mut setup = setup(SlowSubscriber::Ignore);
        setup.options.write_timeout = WriteTimeout::Retry;
        let mut simulation = Simulation::with(&setup, seed);
        let cast = Cast::new(&mut simulation);
        cast.publish(&mut simulation, 3);
        let socket = simulation.socket(cast.slow);
        simulation.host.take(socket, 100);
        simulation.live(Duration::from_secs(11));
        assert!(simulation.is_open(cast.slow), "closed though it took something");
        assert!(simulation.logged(Level::Info, "Slow Consumer Detected: WriteDeadline of 10s"));
        simulation.set_reading(cast.slow, Reading::On);
        simulation.run_until_quiet();
        assert!(simulation.logged(Level::Info, "Slow Consumer Recovered"));
        assert_eq!(simulation.messages(cast.slow).len(), 3);

        simulation.set_reading(cast.slow, Reading::Off);
        cast.publish(&mut simulation, 3);
        simulation.live(Duration::from_secs(11));
        assert!(!simulation.is_open(cast.slow), "a write that takes nothing always ends it");
    });
}

#[test]
fn with_stall_publishers_on_every_core_sleep_and_the_subscriber_lives() {
    for_seeds(30, |seed| {
        let mut simulation = Simulation::with(&setup(SlowSubscriber::Stall), seed);
        let cast = Cast::new(&mut simulation);
        cast.publish(&mut simulation, 45);
        assert_eq!(simulation.total(Counter::StalledClients), 0, "stalled below the threshold");
        cast.publish(&mut simulation, 12);
        for core in 0..CORES {
            let stalled = simulation.count(core, Counter::StalledClients);
            assert!(stalled > 0, "the publisher on core {core} was not stalled");
        }
        cast.healthy_got(&mut simulation, 57);
        simulation.set_reading(cast.slow, Reading::On);
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(cast.slow).len(), 57);
        let before = simulation.total(Counter::StalledClients);
        cast.publish(&mut simulation, 12);
        assert_eq!(simulation.total(Counter::StalledClients), before, "stalled for nobody");
        cast.healthy_got(&mut simulation, 12);
    });
}

#[test]
fn with_drop_only_the_slow_subscriber_misses_messages() {
    for_seeds(30, |seed| {
        let mut simulation = Simulation::with(&setup(SlowSubscriber::Drop), seed);
        let cast = Cast::new(&mut simulation);
        cast.publish(&mut simulation, 120);
        cast.healthy_got(&mut simulation, 120);
        assert!(simulation.is_open(cast.slow));
        let dropped = simulation.total(Counter::DroppedForSlow) as usize;
        assert!(dropped > 0);
        for counter in [Counter::StalledClients, Counter::ReadsPaused, Counter::SlowConsumers] {
            assert_eq!(simulation.total(counter), 0, "{counter:?}");
        }
        simulation.set_reading(cast.slow, Reading::On);
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(cast.slow).len(), 120 - dropped);
        cast.publish(&mut simulation, 10);
        assert_eq!(simulation.messages(cast.slow).len(), 10, "messages come again");
    });
}
