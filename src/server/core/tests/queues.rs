//! Queue groups and requests over cores: a pick is global and fair, a worker that leaves loses
//! nothing, and a request that nobody can answer is told so.

use std::cell::Cell;

use base::Counter;
use config::Options;

use super::simulation::{Client, Setup, Simulation, for_seeds};

const CORES: usize = 3;

/// What the members got is each of the numbers below `messages`, once.
fn assert_each_once(simulation: &mut Simulation, members: [Client; 2], messages: usize) {
    let got = members.into_iter().flat_map(|member| simulation.messages(member));
    let mut got: Vec<usize> = got.map(|one| one.label().parse().expect("a number")).collect();
    got.sort_unstable();
    assert_eq!(got, (0..messages).collect::<Vec<_>>(), "lost or doubled");
}

/// A request to `subject` is told at once that nobody is there; `requester` listens on `inbox`.
fn assert_nobody_there(simulation: &mut Simulation, requester: Client, subject: &str) {
    simulation.request(requester, subject, "inbox", "x");
    simulation.run_until_quiet();
    let got = simulation.messages(requester);
    assert!(got.len() == 1 && got[0].is_no_responders(), "interest is left: {got:?}");
    let headers = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
    assert_eq!(got[0].headers, headers.as_bytes());
}

#[test]
fn members_are_picked_alike_on_whatever_core_they_and_the_publisher_live() {
    const MESSAGES: usize = 2000;
    for_seeds(6, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let publisher = simulation.client(seed as usize % CORES);
        let homes = [1, 2, 2, 2];
        let members = homes.map(|core| simulation.client(core));
        for &member in &members {
            simulation.say(member, "SUB work group 1\r\n");
        }
        simulation.run_until_quiet();
        for number in 0..MESSAGES {
            simulation.publish(publisher, "work", &number.to_string());
            simulation.step();
        }
        simulation.ping(publisher);
        simulation.run_until_quiet();
        let got = members.map(|member| simulation.messages(member).len());
        assert_eq!(got.iter().sum::<usize>(), MESSAGES);
        // Five standard deviations of a binomial with p = 1/4.
        let expected = MESSAGES / 4;
        let off = 5 * ((MESSAGES * 3 / 16) as f64).sqrt() as usize;
        for (member, got) in got.into_iter().enumerate() {
            assert!(got.abs_diff(expected) <= off, "member {member} got {got} of {MESSAGES}");
        }
    });
}

/// The members of a group, one on each of these cores.
fn members(simulation: &mut Simulation, cores: [usize; 2]) -> [Client; 2] {
    let members = cores.map(|core| simulation.client(core));
    for member in members {
        simulation.say(member, "SUB work group 1\r\n");
    }
    simulation.run_until_quiet();
    members
}

#[test]
fn a_worker_that_leaves_while_messages_fly_loses_none() {
    const MESSAGES: usize = 40;
    let rerouted = Cell::new(0);
    for_seeds(1000, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let publisher = simulation.client(0);
        let [leaves, stays] = members(&mut simulation, [1, 2]);
        let leaves_at = simulation.random.usize(0..MESSAGES);
        for number in 0..MESSAGES {
            simulation.publish(publisher, "work", &number.to_string());
            if number == leaves_at {
                simulation.say(leaves, "UNSUB 1\r\n");
            }
            simulation.some_steps();
        }
        simulation.ping(publisher);
        simulation.run_until_quiet();
        assert_each_once(&mut simulation, [leaves, stays], MESSAGES);
        assert_eq!(simulation.total(Counter::QueueOrphans), 0);
        rerouted.set(rerouted.get() + simulation.total(Counter::QueueReroutes));
    });
    assert!(rerouted.get() > 0, "no pick ever met a member that had left");
}

#[test]
fn a_group_that_leaves_as_one_while_messages_fly_loses_none() {
    const MESSAGES: usize = 40;
    for_seeds(1000, |seed| {
        let trace = seed % 2 == 0;
        let options = Options { trace, ..Options::default() };
        let setup = Setup { cores: CORES, options, ..Setup::default() };
        let mut simulation = Simulation::with(&setup, seed);
        // The publisher is a member too, and drains behind its last message.
        let [publisher, other] = members(&mut simulation, [0, 1]);
        let leaves_at = simulation.random.usize(0..MESSAGES);
        for number in 0..MESSAGES {
            simulation.publish(publisher, "work", &number.to_string());
            if number == leaves_at {
                simulation.say(other, "UNSUB 1\r\n");
                simulation.ping(other);
            }
            if simulation.random.bool() {
                simulation.some_steps();
            }
        }
        simulation.say(publisher, "UNSUB 1\r\n");
        simulation.ping(publisher);
        simulation.run_until_quiet();
        assert_each_once(&mut simulation, [publisher, other], MESSAGES);
        assert_eq!(simulation.total(Counter::QueueOrphans), 0);
        let is_delivery = |text: &str| text.contains("->> [MSG work 1 ");
        let traced = simulation.log.try_iter().filter(|line| is_delivery(&line.text)).count();
        assert_eq!(traced, if trace { MESSAGES } else { 0 });
    });
}

#[test]
fn auto_unsubscribe_counts_messages_from_all_cores() {
    for_seeds(100, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let subscriber = simulation.client(seed as usize % CORES);
        simulation.say(subscriber, "SUB a 1\r\nUNSUB 1 5\r\n");
        let publishers: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        for &publisher in &publishers {
            simulation.say(publisher, "SUB inbox 9\r\n");
        }
        simulation.run_until_quiet();
        for _ in 0..10 {
            for &publisher in &publishers {
                simulation.publish(publisher, "a", "x");
                simulation.some_steps();
            }
        }
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(subscriber).len(), 5);
        for &publisher in &publishers {
            assert_nobody_there(&mut simulation, publisher, "a");
        }
    });
}

#[test]
fn without_echo_another_member_gets_it_or_nobody() {
    const MESSAGES: usize = 30;
    let connect = concat!(
        r#"{"verbose":false,"pedantic":false,"protocol":1,"echo":false,"#,
        r#""headers":true,"no_responders":true}"#
    );
    for_seeds(1000, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let publisher = simulation.client_saying(0, connect);
        simulation.say(publisher, "SUB work group 1\r\nSUB work 2\r\nSUB inbox 9\r\n");
        let home = simulation.random.usize(0..CORES);
        let other = simulation.client(home);
        simulation.say(other, "SUB work group 1\r\n");
        simulation.run_until_quiet();
        for number in 0..MESSAGES {
            simulation.publish(publisher, "work", &number.to_string());
            simulation.some_steps();
        }
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(other).len(), MESSAGES);
        assert_eq!(simulation.messages(publisher), []);
        // The other leaves while messages fly; what finds nobody does not come back.
        for number in 0..MESSAGES {
            simulation.publish(publisher, "work", &number.to_string());
            if number == MESSAGES / 2 {
                simulation.say(other, "UNSUB 1\r\n");
            }
            simulation.some_steps();
        }
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(publisher), [], "an echo by way of another core");
        assert_nobody_there(&mut simulation, publisher, "work");
    });
}

#[test]
fn a_request_is_refused_at_once_when_its_last_responder_is_gone_from_any_core() {
    for_seeds(150, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let requester = simulation.client(seed as usize % CORES);
        simulation.say(requester, "SUB inbox 9\r\n");
        let responders: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        for (number, &responder) in responders.iter().enumerate() {
            let queue = ["", "group"][number % 2];
            simulation.say(responder, &format!("SUB service {queue} 1\r\n"));
        }
        simulation.run_until_quiet();
        simulation.request(requester, "service", "inbox", "x");
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(requester), [], "three could answer");
        for &responder in &responders {
            // Gone in either way.
            let socket = simulation.socket(responder);
            match simulation.random.bool() {
                true => simulation.host.end(socket),
                false => simulation.say(responder, "UNSUB 1\r\n"),
            }
            simulation.some_steps();
        }
        simulation.run_until_quiet();
        assert_nobody_there(&mut simulation, requester, "service");
    });
}
