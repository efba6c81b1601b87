//! design §4 rule 1, flush means visible: what was said before PING is in force on every core
//! when the PONG is here.

use super::simulation::{Client, Simulation, for_seeds};

const CORES: usize = 3;

/// Fills the interest rings from a random core, so that what follows has to spill.
fn make_noise(simulation: &mut Simulation, crowd: &[Client], sid: &mut u32) {
    let client = crowd[simulation.random.usize(0..crowd.len())];
    let mut text = String::new();
    for _ in 0..simulation.random.usize(0..24) {
        *sid += 1;
        let (sid, old) = (*sid, sid.saturating_sub(5));
        text.push_str(&format!("SUB noise.{sid}.of.the.crowd {sid}\r\nUNSUB {old}\r\n"));
    }
    if !text.is_empty() {
        simulation.say(client, &text);
    }
    simulation.some_steps();
}

fn wait_for_pong(simulation: &mut Simulation, client: Client) {
    simulation.ping(client);
    simulation.run_until("the PONG", |simulation| simulation.is_answered(client));
}

#[test]
fn after_the_pong_every_core_delivers_and_after_unsub_none_does() {
    for_seeds(1000, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let home = simulation.random.usize(0..CORES);
        let subscriber = simulation.client(home);
        let publishers: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        let crowd: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        for (number, &publisher) in publishers.iter().enumerate() {
            simulation.say(publisher, &format!("SUB inbox.{number} 9\r\n"));
        }
        simulation.run_until_quiet();
        let mut sid = 1000;
        for round in 0..3 {
            let ways = ["news.one 7", "news.* 7", "> 7", "news.one workers 7"];
            let way = ways[simulation.random.usize(0..ways.len())];
            // A plan without the subscriber is cached everywhere.
            for &publisher in &publishers {
                simulation.publish(publisher, "news.one", "too early");
            }
            make_noise(&mut simulation, &crowd, &mut sid);
            simulation.say(subscriber, &format!("SUB {way}\r\n"));
            wait_for_pong(&mut simulation, subscriber);
            simulation.messages(subscriber);
            for (number, &publisher) in publishers.iter().enumerate() {
                simulation.publish(publisher, "news.one", &format!("{round}.{number}"));
            }
            simulation.run_until_quiet();
            let mut labels: Vec<String> =
                simulation.messages(subscriber).iter().map(|m| m.label().to_owned()).collect();
            labels.retain(|label| label != "too");
            labels.sort_unstable();
            let all: Vec<String> = (0..CORES).map(|number| format!("{round}.{number}")).collect();
            assert_eq!(labels, all, "a subscription was not in force after its PONG ({way})");

            make_noise(&mut simulation, &crowd, &mut sid);
            let mut text = String::new();
            // Deltas in front of the one that matters, from the connection itself.
            for _ in 0..simulation.random.usize(0..12) {
                sid += 1;
                text.push_str(&format!("SUB more.{sid} {sid}\r\nUNSUB {sid}\r\n"));
            }
            simulation.say(subscriber, &format!("{text}UNSUB 7\r\n"));
            wait_for_pong(&mut simulation, subscriber);
            simulation.messages(subscriber);
            for (number, &publisher) in publishers.iter().enumerate() {
                simulation.messages(publisher);
                simulation.request(publisher, "news.one", &format!("inbox.{number}"), "late");
            }
            simulation.run_until_quiet();
            assert_eq!(simulation.messages(subscriber), [], "delivered after UNSUB and PONG");
            for &publisher in &publishers {
                let answers = simulation.messages(publisher);
                let told = answers.len() == 1 && answers[0].is_no_responders();
                assert!(told, "no 503 after UNSUB and PONG: {answers:?}");
            }
        }
    });
}
