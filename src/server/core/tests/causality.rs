//! design §4 rule 2, interest is never behind data: whoever can answer a message already knows
//! the inbox it answers to, though nobody waited for a PONG.

use super::simulation::{Client, Simulation, for_seeds};
use super::speech::Heard;

const CORES: usize = 3;
const REQUESTS: usize = 6;

struct Service {
    listens: Client,
    answers: Client,
}

impl Service {
    fn new(simulation: &mut Simulation) -> Service {
        let cores = [(); 2].map(|()| simulation.random.usize(0..CORES));
        let [listens, second] = cores.map(|core| simulation.client(core));
        let answers = if simulation.random.bool() { listens } else { second };
        simulation.say(listens, "SUB service 1\r\n");
        simulation.run_until_quiet();
        Service { listens, answers }
    }

    /// Answers the next request the moment it is heard.
    fn serve(&self, simulation: &mut Simulation) {
        let mut inbox = None;
        simulation.run_until("the request", |simulation| {
            inbox = simulation.messages(self.listens).pop().and_then(|request| request.reply);
            inbox.is_some()
        });
        simulation.publish(self.answers, &inbox.expect("found"), "answer");
    }
}

/// Deltas that fill the interest rings of the requester's core.
fn deltas(simulation: &mut Simulation, sid: &mut usize) -> String {
    let count = simulation.random.usize(0..16);
    (0..count)
        .map(|_| {
            *sid += 1;
            format!("SUB other.{sid}.inbox {sid}\r\n")
        })
        .collect()
}

#[test]
fn an_answer_finds_the_inbox_that_was_subscribed_just_before_the_request() {
    for_seeds(1500, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let service = Service::new(&mut simulation);
        let home = simulation.random.usize(0..CORES);
        let requester = simulation.client(home);
        let mut sid = 1000;
        for number in 0..REQUESTS {
            let mut text = deltas(&mut simulation, &mut sid);
            let inbox = format!("_INBOX.{number}");
            text.push_str(&format!("SUB {inbox} {number}\r\nPUB service {inbox} 0\r\n\r\n"));
            simulation.say(requester, &text);
            service.serve(&mut simulation);
            simulation.run_until_quiet();
            let got = simulation.messages(requester).len();
            assert_eq!(got, 1, "the answer to request {number} found no inbox");
        }
    });
}

#[test]
fn an_answer_finds_the_inbox_of_another_connection_of_the_requesters_core() {
    for_seeds(1500, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let service = Service::new(&mut simulation);
        let home = simulation.random.usize(0..CORES);
        let listener = simulation.client_saying(home, r#"{"verbose":true}"#);
        let requester = simulation.client(home);
        let crowd = simulation.client(home);
        simulation.run_until_quiet();
        let mut sid = 1000;
        for number in 0..REQUESTS {
            let text = deltas(&mut simulation, &mut sid);
            if !text.is_empty() {
                simulation.say(crowd, &text);
            }
            let inbox = format!("_INBOX.{number}");
            simulation.heard(listener);
            simulation.say(listener, &format!("SUB {inbox} {number}\r\n"));
            simulation
                .run_until("+OK", |simulation| simulation.heard(listener).contains(&Heard::Ok));
            simulation.request(requester, "service", &inbox, "");
            service.serve(&mut simulation);
            simulation.run_until_quiet();
            let got = simulation.messages(listener).len();
            assert_eq!(got, 1, "the answer to request {number} found no inbox");
        }
    });
}
