//! design §4 rule 6, a stale plan is never used: whatever was subscribed, unsubscribed and
//! published in between, at rest each message goes just where a naive oracle says.

use std::collections::{BTreeMap, BTreeSet};

use config::options::Options;

use super::simulation::{Client, Setup, Simulation, for_seeds};

const CORES: usize = 3;
const CLIENTS: usize = 6;
const ROUNDS: usize = 5;
const SUBJECTS: [&str; 6] = ["a", "a.b", "a.c", "a.b.c", "b.b", "b.b.c.d"];
const PATTERNS: [&str; 10] = ["a", "a.b", "a.*", "*.b", ">", "a.>", "*.*.c", "b.b.>", "*", "a.b.c"];
const QUEUES: [&str; 4] = ["", "", "workers", "others"];

/// What a client subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subscription {
    client: Client,
    sid: String,
    pattern: &'static str,
    queue: &'static str,
}

fn matches(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
}

/// Who got each message: label to (client, sid), as often as it came.
type Deliveries = BTreeMap<String, Vec<(Client, String)>>;

struct Game {
    simulation: Simulation,
    clients: Vec<Client>,
    live: BTreeSet<Subscription>,
    next: usize,
}

impl Game {
    fn new(seed: u64) -> Game {
        // The oracle knows of no cache: one game in four has none either.
        let options =
            Options { disable_sublist_cache: seed.is_multiple_of(4), ..Options::default() };
        let setup = Setup { cores: CORES, options, ..Setup::default() };
        let mut simulation = Simulation::with(&setup, seed);
        let clients: Vec<Client> =
            (0..CLIENTS).map(|number| simulation.client(number % CORES)).collect();
        for &client in &clients {
            simulation.say(client, &format!("SUB inbox.{client:?} inbox\r\n"));
        }
        simulation.run_until_quiet();
        Game { simulation, clients, live: BTreeSet::new(), next: 0 }
    }

    fn any<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.simulation.random.usize(0..of.len())]
    }

    fn label(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    /// One move, and a few turns.
    fn play(&mut self) {
        let clients = self.clients.clone();
        let client = self.any(&clients);
        match self.simulation.random.u8(0..4) {
            0 | 1 => {
                let sid = self.label().to_string();
                let (pattern, queue) = (self.any(&PATTERNS), self.any(&QUEUES));
                self.simulation.say(client, &format!("SUB {pattern} {queue} {sid}\r\n"));
                self.live.insert(Subscription { client, sid, pattern, queue });
            }
            2 => {
                let own = self.live.iter().filter(|sub| sub.client == client);
                let own: Vec<Subscription> = own.cloned().collect();
                if !own.is_empty() {
                    let ended = &own[self.simulation.random.usize(0..own.len())];
                    self.simulation.say(client, &format!("UNSUB {}\r\n", ended.sid));
                    self.live.remove(ended);
                }
            }
            // Nobody knows who gets this one; it leaves plans in the caches.
            _ => {
                let subject = self.any(&SUBJECTS);
                self.simulation.publish(client, subject, "whoever");
            }
        }
        self.simulation.some_steps();
    }

    /// Publishes every subject from every client at rest and compares with the oracle.
    fn check(&mut self) {
        self.rest();
        self.check_runs();
        self.check_requests();
    }

    /// Some messages that differ in their payload only, at once.
    fn check_runs(&mut self) {
        let mut published = BTreeMap::new();
        for subject in SUBJECTS {
            for client in self.clients.clone() {
                let count = self.simulation.random.usize(1..5);
                let labels: Vec<String> =
                    (0..count).map(|_| format!("{:08}", self.label())).collect();
                let wire = |label: &String| format!("PUB {subject} 8\r\n{label}\r\n");
                self.simulation.say(client, &labels.iter().map(wire).collect::<String>());
                published.extend(labels.into_iter().map(|label| (label, subject)));
                self.simulation.some_steps();
            }
        }
        let (mut got, refused) = self.rest();
        for (label, subject) in published {
            self.compare(subject, got.remove(&label).unwrap_or_default());
        }
        assert_eq!(got, Deliveries::new(), "messages that nobody published");
        assert_eq!(refused, BTreeMap::new(), "503s to those who asked nothing");
    }

    fn check_requests(&mut self) {
        let mut published = BTreeMap::new();
        for subject in SUBJECTS {
            for client in self.clients.clone() {
                let label = self.label().to_string();
                let inbox = format!("inbox.{client:?}");
                self.simulation.request(client, subject, &inbox, &label);
                published.insert(label, (client, subject));
                self.simulation.some_steps();
            }
        }
        let (mut got, refused) = self.rest();
        let mut nobody = BTreeMap::new();
        for (label, (client, subject)) in published {
            let got = got.remove(&label).unwrap_or_default();
            if !self.compare(subject, got) {
                *nobody.entry(client).or_insert(0) += 1;
            }
        }
        assert_eq!(got, Deliveries::new(), "messages that nobody published");
        assert_eq!(refused, nobody, "503s by client");
    }

    /// Compares one message's deliveries with the oracle's. Whether anybody was to get it.
    fn compare(&self, subject: &str, mut got: Vec<(Client, String)>) -> bool {
        let matching = self.live.iter().filter(|sub| matches(sub.pattern, subject));
        let (plain, grouped): (Vec<_>, Vec<_>) = matching.partition(|sub| sub.queue.is_empty());
        let mut groups: BTreeMap<&str, Vec<&Subscription>> = BTreeMap::new();
        for sub in &grouped {
            groups.entry(sub.queue).or_default().push(sub);
        }
        for sub in &plain {
            let one = got.iter().position(|(client, sid)| (*client, sid) == (sub.client, &sub.sid));
            got.remove(one.unwrap_or_else(|| panic!("{subject}: missed by {sub:?}")));
        }
        for (queue, members) in &groups {
            let is_member = |(client, sid): &(Client, String)| {
                members.iter().any(|sub| (sub.client, &sub.sid) == (*client, sid))
            };
            let count = got.iter().filter(|one| is_member(one)).count();
            assert_eq!(count, 1, "{subject}: group {queue} of {members:?}");
            got.retain(|one| !is_member(one));
        }
        assert_eq!(got, [], "{subject}: delivered to others than {plain:?}");
        !plain.is_empty() || !groups.is_empty()
    }

    /// Lets all come to rest, and collects what came: messages, and 503s by client.
    fn rest(&mut self) -> (Deliveries, BTreeMap<Client, usize>) {
        for client in self.clients.clone() {
            self.simulation.ping(client);
        }
        self.simulation.run_until_quiet();
        let (mut got, mut refused) = (Deliveries::new(), BTreeMap::new());
        for client in self.clients.clone() {
            for message in self.simulation.messages(client) {
                if message.is_no_responders() {
                    *refused.entry(client).or_insert(0) += 1;
                } else {
                    let label = message.label().to_owned();
                    got.entry(label).or_default().push((client, message.sid));
                }
            }
        }
        (got, refused)
    }
}

#[test]
fn at_rest_every_message_goes_where_the_oracle_says() {
    for_seeds(600, |seed| {
        let mut game = Game::new(seed);
        for _ in 0..ROUNDS {
            for _ in 0..game.simulation.random.usize(1..30) {
                game.play();
            }
            game.check();
        }
    });
}
