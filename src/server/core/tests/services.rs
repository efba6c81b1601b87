//! Services: subscribers inside the server answer clients on any core, and are found from any.

use base::{AccountId, ServiceId, ShardId};
use protocol::{MessageParts, canonical};
use shard::{Message, Service, ServiceTurn, Shard};

use super::simulation::{Setup, Simulation, for_seeds};

const CORES: usize = 3;
/// The core whose service answers.
const HOME: u16 = 1;
const TOKEN: u64 = 7;

/// Hands every message back to whoever asked, under the subject it came on.
struct Echo {
    id: ServiceId,
}

impl Echo {
    fn on(shard: &mut Shard) -> Vec<Box<dyn Service>> {
        let id = shard.add_service();
        if shard.id() == ShardId(HOME) {
            let subject = b"echo.>";
            shard.subscribe_service(id, AccountId::GLOBAL, subject, None, TOKEN).expect("valid");
        }
        vec![Box::new(Echo { id })]
    }
}

impl Service for Echo {
    fn turn(&mut self, turn: &mut ServiceTurn<'_>) {
        let mailbox = turn.shard.take_mailbox(self.id);
        for letter in mailbox.letters() {
            assert_eq!((letter.token, letter.account), (TOKEN, AccountId::GLOBAL));
            let Some(reply) = letter.publish.reply() else { continue };
            let parts = MessageParts { reply: None, ..letter.publish.parts() };
            let mut wire = Vec::new();
            let answer = canonical(parts, &mut wire);
            let mut answer = Message::borrowed(&answer).addressed_to(reply);
            turn.shard.publish_for(self.id, letter.account, &mut answer);
        }
        turn.shard.give_back(self.id, mailbox);
    }

    fn has_work(&self) -> bool {
        false
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        None
    }
}

#[test]
fn a_service_answers_from_its_core_in_order_and_under_the_subject_it_was_asked_on() {
    for_seeds(60, |seed| {
        let setup = Setup { cores: CORES, services: Echo::on, ..Setup::default() };
        let mut simulation = Simulation::with(&setup, seed);
        let askers: Vec<_> = (0..CORES).map(|core| simulation.client(core)).collect();
        simulation.run_until_quiet();
        for (number, &asker) in askers.iter().enumerate() {
            simulation.say(asker, &format!("SUB inbox.{number} 1\r\n"));
        }
        let large = "x".repeat(2 * config::limits::INLINE_PAYLOAD_MAX);
        for round in 0..20 {
            for (number, &asker) in askers.iter().enumerate() {
                let subject = format!("echo.{round}");
                let payload = if round % 5 == 0 { &large } else { "small" };
                simulation.request(asker, &subject, &format!("inbox.{number}"), payload);
                simulation.some_steps();
            }
        }
        askers.iter().for_each(|&asker| simulation.ping(asker));
        simulation.run_until_quiet();
        for &asker in &askers {
            let answers = simulation.messages(asker);
            let subjects: Vec<&str> = answers.iter().map(|answer| &answer.subject[..]).collect();
            let asked: Vec<String> = (0..20).map(|round| format!("echo.{round}")).collect();
            assert_eq!(subjects, asked);
            assert_eq!(answers[5].payload, large.as_bytes());
        }
    });
}
