//! A connection's life beside its messages: login, a second CONNECT, silence, lame duck, how many
//! there may be and where they live. Time is simulated.

use std::time::Duration;

use base::Counter;
use config::options::{Auth, Options, Secret};

use super::simulation::{Client, Setup, Simulation, for_seeds};
use super::speech::Heard;
use crate::command::Command;

const CORES: usize = 3;

fn with(options: Options, seed: u64) -> Simulation {
    Simulation::with(&Setup { cores: CORES, options, ..Setup::default() }, seed)
}

fn pings(simulation: &mut Simulation, client: Client) -> usize {
    simulation.heard(client).iter().filter(|&heard| *heard == Heard::Ping).count()
}

#[test]
fn a_second_connect_ends_the_subscriptions_made_before_on_every_core() {
    for_seeds(60, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let subscriber = simulation.client(seed as usize % CORES);
        simulation.say(subscriber, "SUB a 1\r\nSUB b group 2\r\nCONNECT {\"verbose\":true}\r\n");
        simulation.say(subscriber, "SUB c 3\r\n");
        simulation.ping(subscriber);
        simulation.run_until("the PONG", |simulation| simulation.is_answered(subscriber));
        for core in 0..CORES {
            let publisher = simulation.client(core);
            simulation.say(publisher, "PUB a 0\r\n\r\nPUB b 0\r\n\r\nPUB c 0\r\n\r\n");
        }
        simulation.run_until_quiet();
        let heard = simulation.heard(subscriber);
        assert_eq!(heard.iter().filter(|&heard| *heard == Heard::Ok).count(), 2);
        let messages = heard.iter().filter_map(|heard| match heard {
            Heard::Message(message) => Some(message.subject.as_str()),
            _ => None,
        });
        assert_eq!(messages.collect::<Vec<_>>(), ["c"; CORES]);
    });
}

#[test]
fn silence_is_pinged_and_then_ends_the_connection() {
    for_seeds(10, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let silent = simulation.client(0);
        let answers = simulation.client(1);
        simulation.run_until_quiet();
        simulation.live(Duration::from_millis(1_900));
        assert_eq!(pings(&mut simulation, silent), 0, "pinged too early");
        simulation.live(Duration::from_millis(600));
        assert_eq!(pings(&mut simulation, silent), 1, "the first PING");
        simulation.say(answers, "PONG\r\n");
        simulation.live(Duration::from_secs(121));
        assert_eq!(pings(&mut simulation, silent), 1, "the second PING");
        simulation.say(answers, "PONG\r\n");
        assert!(simulation.is_open(silent));
        simulation.live(Duration::from_secs(121));
        assert!(!simulation.is_open(silent), "two PINGs are unanswered");
        assert!(simulation.heard(silent).contains(&Heard::Error("Stale Connection".into())));
        assert!(simulation.is_open(answers));
        assert_eq!(simulation.total(Counter::StaleConnections), 1);
        let closed = simulation.closed.try_recv().expect("a closed connection");
        assert_eq!(closed.reason, "Stale Connection");
    });
}

#[test]
fn who_does_not_log_in_in_time_is_told_and_closed() {
    let auth = Auth::Token(Secret::new("t0k"));
    for_seeds(10, |seed| {
        let mut simulation = with(Options { auth: auth.clone(), ..Options::default() }, seed);
        let silent = simulation.stranger(1);
        let known = simulation.client_saying(2, r#"{"verbose":false,"auth_token":"t0k"}"#);
        let wrong = simulation.client_saying(0, r#"{"auth_token":"t0"}"#);
        let eager = simulation.stranger(0);
        simulation.say(eager, "SUB a 1\r\n");
        simulation.run_until_quiet();
        for refused in [wrong, eager] {
            let text = Heard::Error("Authorization Violation".into());
            assert!(simulation.heard(refused).contains(&text));
            assert!(!simulation.is_open(refused));
        }
        simulation.live(Duration::from_millis(1_900));
        assert!(simulation.is_open(silent));
        simulation.live(Duration::from_millis(200));
        assert!(!simulation.is_open(silent));
        let text = Heard::Error("Authentication Timeout".into());
        assert!(simulation.heard(silent).contains(&text));
        assert!(simulation.is_open(known));
    });
}

#[test]
fn lame_duck_is_announced_to_clients_that_understand_it() {
    for_seeds(20, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let modern: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        let old = simulation.client_saying(0, r#"{"verbose":false,"protocol":0}"#);
        for &client in modern.iter().chain([&old]) {
            simulation.ping(client);
        }
        simulation.run_until_quiet();
        for &client in modern.iter().chain([&old]) {
            simulation.heard(client);
        }
        for core in 0..CORES {
            simulation.command(core, Command::AnnounceLameDuck);
        }
        simulation.run_until_quiet();
        for &client in &modern {
            let heard = simulation.heard(client);
            let [Heard::Info(info)] = &heard[..] else { panic!("{heard:?}") };
            assert!(info.contains(r#""ldm":true"#), "{info}");
        }
        assert_eq!(simulation.heard(old), []);
    });
}

#[test]
fn a_shutdown_closes_everyone_and_every_core_ends() {
    for_seeds(20, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let clients: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        for &client in &clients {
            simulation.say(client, "SUB a 1\r\n");
        }
        simulation.run_until_quiet();
        for core in 0..CORES {
            simulation.command(core, Command::Shutdown);
        }
        simulation.run_until_quiet();
        assert!(clients.iter().all(|&client| !simulation.is_open(client)));
        assert!(simulation.have_ended(), "a core still waits for connections that are gone");
    });
}

#[test]
fn over_max_connections_one_is_told_and_refused_until_another_leaves() {
    for_seeds(40, |seed| {
        let mut simulation = with(Options { max_connections: 4, ..Options::default() }, seed);
        let clients: Vec<Client> = (0..4).map(|_| simulation.arrival()).collect();
        simulation.run_until_quiet();
        let refused = simulation.arrival();
        simulation.run_until_quiet();
        let heard = simulation.heard(refused);
        let [Heard::Info(_), Heard::Error(text)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(text, "maximum connections exceeded");
        assert!(!simulation.is_open(refused));
        let leaves = simulation.any_socket(&clients);
        simulation.host.end(leaves);
        simulation.run_until_quiet();
        let welcome = simulation.arrival();
        simulation.run_until_quiet();
        assert!(simulation.is_open(welcome), "a place was free");
    });
}

#[test]
fn connections_that_vanish_before_they_live_take_no_place_for_ever() {
    for_seeds(20, |seed| {
        let mut simulation = with(Options { max_connections: 4, ..Options::default() }, seed);
        simulation.arrival();
        for _ in 0..12 {
            let vanished = simulation.arrival();
            simulation.host.vanish(simulation.socket(vanished));
            simulation.run_until_quiet();
        }
        let clients: Vec<Client> = (0..3).map(|_| simulation.arrival()).collect();
        simulation.run_until_quiet();
        assert!(clients.iter().all(|&client| simulation.is_open(client)), "ghosts take places");
    });
}

#[test]
fn connections_are_spread_over_the_cores_and_free_places_filled() {
    for_seeds(40, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let clients: Vec<Client> = (0..9).map(|_| simulation.arrival()).collect();
        simulation.run_until_quiet();
        let connections = |simulation: &Simulation| {
            [0, 1, 2].map(|core| simulation.count(core, Counter::Connections))
        };
        assert_eq!(connections(&simulation), [3, 3, 3]);
        for _ in 0..3 {
            let leaves = simulation.any_socket(&clients);
            simulation.host.end(leaves);
        }
        simulation.run_until_quiet();
        while simulation.total(Counter::Connections) < 9 {
            simulation.arrival();
            simulation.run_until_quiet();
        }
        assert_eq!(connections(&simulation), [3, 3, 3]);
    });
}
