//! design §4 rule 3: messages of one publisher to one subscriber keep their order, whatever
//! cores they cross, small ones inline and large ones by reference.

use std::cell::Cell;
use std::collections::BTreeMap;

use base::Counter;
use config::limits::INLINE_PAYLOAD_MAX;

use super::simulation::{Client, Simulation, for_seeds};

const CORES: usize = 3;
const MESSAGES: usize = 40;

/// `publisher.number`, a blank, and a filling that tells of both.
fn payload(publisher: usize, number: usize, len: usize) -> String {
    let filling = char::from(b'a' + ((publisher * 7 + number) % 26) as u8);
    format!("{publisher}.{number} {}", filling.to_string().repeat(len))
}

fn len(simulation: &mut Simulation) -> usize {
    match simulation.random.u8(0..4) {
        0 => simulation.random.usize(INLINE_PAYLOAD_MAX..2 * INLINE_PAYLOAD_MAX),
        // One size, so that runs come about.
        1 => 100,
        _ => simulation.random.usize(0..400),
    }
}

#[test]
fn one_publishers_messages_reach_every_subscriber_whole_and_in_order() {
    let spilled = Cell::new(0);
    for_seeds(300, |seed| {
        let mut simulation = Simulation::new(CORES, seed);
        let subscribers: Vec<Client> = (0..CORES).map(|core| simulation.client(core)).collect();
        for &subscriber in &subscribers {
            simulation.say(subscriber, "SUB flow.> 1\r\n");
        }
        let publishers: Vec<Client> = (0..4)
            .map(|_| {
                let core = simulation.random.usize(0..CORES);
                simulation.client(core)
            })
            .collect();
        simulation.run_until_quiet();
        let mut sent: Vec<Vec<String>> = vec![Vec::new(); publishers.len()];
        while sent.iter().any(|sent| sent.len() < MESSAGES) {
            let number = simulation.random.usize(0..publishers.len());
            let mut text = String::new();
            for _ in 0..simulation.random.usize(1..8) {
                let len = len(&mut simulation);
                let payload = payload(number, sent[number].len(), len);
                text.push_str(&format!("PUB flow.{number} {}\r\n{payload}\r\n", payload.len()));
                sent[number].push(payload);
            }
            simulation.say(publishers[number], &text);
            simulation.some_steps();
        }
        for &publisher in &publishers {
            simulation.ping(publisher);
        }
        simulation.run_until_quiet();
        for &subscriber in &subscribers {
            let mut got: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for message in simulation.messages(subscriber) {
                let payload = String::from_utf8(message.payload).expect("text");
                got.entry(message.subject).or_default().push(payload);
            }
            for (number, sent) in sent.iter().enumerate() {
                let got = got.remove(&format!("flow.{number}")).unwrap_or_default();
                let same = got.iter().zip(sent).take_while(|(got, sent)| got == sent).count();
                let begin = |all: &[String]| {
                    all.get(same).map(|text| text[..20.min(text.len())].to_owned())
                };
                assert_eq!(begin(&got), begin(sent), "publisher {number}, message {same}");
                assert_eq!(got.len(), sent.len(), "publisher {number}");
            }
        }
        spilled.set(spilled.get() + simulation.total(Counter::RingSpilled));
    });
    assert!(spilled.get() > 0, "no ring was ever full: the test shows nothing");
}
