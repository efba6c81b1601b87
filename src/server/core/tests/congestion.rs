//! design §4 rule 4: a full ring never blocks a core. What does not fit spills, reading pauses
//! and goes on, and nothing is lost.

use std::cell::Cell;

use base::Counter;

use super::simulation::{Client, Setup, Simulation, for_seeds};

const MESSAGES: usize = 120;
const PUBLISHERS_PER_CORE: usize = 2;

/// Two cores with data rings of a few batches.
fn setup() -> Setup {
    Setup { cores: 2, ..Setup::default() }
}

fn depth_stays_bounded(simulation: &Simulation) {
    for core in 0..2 {
        let depth = simulation.count(core, Counter::RingSpillDepth);
        // Each publisher is paused at the message that makes its batch spill; that message is the
        // beginning of one more.
        assert!(depth <= 2 * PUBLISHERS_PER_CORE as u64, "{depth} records wait on core {core}");
    }
}

#[test]
fn two_cores_that_flood_each_other_lose_nothing_and_never_stop() {
    let paused = Cell::new(0);
    for_seeds(300, |seed| {
        let mut simulation = Simulation::with(&setup(), seed);
        let subscribers: Vec<Client> = (0..2).map(|core| simulation.client(core)).collect();
        for (core, &subscriber) in subscribers.iter().enumerate() {
            simulation.say(subscriber, &format!("SUB to.{core}.* 1\r\n"));
        }
        let publishers: Vec<Client> =
            (0..2 * PUBLISHERS_PER_CORE).map(|number| simulation.client(number % 2)).collect();
        simulation.run_until_quiet();
        let mut sent = vec![0; publishers.len()];
        while sent.iter().any(|&sent| sent < MESSAGES) {
            let number = simulation.random.usize(0..publishers.len());
            let mut text = String::new();
            for _ in 0..simulation.random.usize(1..20) {
                let payload =
                    format!("{} {}", sent[number], "x".repeat(simulation.random.usize(0..2000)));
                let to = 1 - number % 2;
                text.push_str(&format!("PUB to.{to}.{number} {}\r\n{payload}\r\n", payload.len()));
                sent[number] += 1;
            }
            simulation.say(publishers[number], &text);
            for _ in 0..simulation.random.usize(0..6).saturating_sub(2) {
                simulation.step();
                depth_stays_bounded(&simulation);
            }
        }
        for &publisher in &publishers {
            simulation.ping(publisher);
        }
        simulation.run_until_quiet();
        for (core, &subscriber) in subscribers.iter().enumerate() {
            let got = simulation.messages(subscriber);
            for number in (0..publishers.len()).filter(|number| 1 - number % 2 == core) {
                let subject = format!("to.{core}.{number}");
                let labels = got.iter().filter(|m| m.subject == subject).map(|m| m.label());
                let expected: Vec<String> = (0..sent[number]).map(|n| n.to_string()).collect();
                assert!(labels.eq(&expected), "publisher {number}: lost or out of order");
            }
        }
        assert_eq!(simulation.total(Counter::RingSpillDepth), 0);
        assert_eq!(simulation.total(Counter::RingDropped), 0);
        paused.set(paused.get() + simulation.total(Counter::ReadsPaused));
    });
    assert!(paused.get() > 0, "reading was never paused");
}

/// What a paused publisher sent last is taken up though nothing more comes from it.
#[test]
fn a_publisher_that_waited_for_room_goes_on_without_being_nudged() {
    for_seeds(600, |seed| {
        let mut simulation = Simulation::with(&setup(), seed);
        let subscriber = simulation.client(1);
        simulation.say(subscriber, "SUB a 1\r\n");
        let publisher = simulation.client(0);
        simulation.run_until_quiet();
        let count = simulation.random.usize(2..200);
        let text: String = (0..count).map(|n| format!("PUB a 1000\r\n{n:01000}\r\n")).collect();
        simulation.say(publisher, &text);
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(subscriber).len(), count, "a publisher was forgotten");
    });
}
