//! Accounts on several cores: nobody hears of another account but by import, and what is imported
//! arrives just where a naive oracle says.

use std::collections::BTreeMap;
use std::time::Duration;

use config::accounts::{
    Account, Accounts, Export, ExportKind, Import, ImportKind, ResponseKind, Service,
};
use config::options::{Options, User};

use super::simulation::{Client, Setup, Simulation, for_seeds};

const CORES: usize = 3;
const NAMES: [&str; 3] = ["A", "B", "C"];
const SUBJECTS: [&str; 7] = ["s.x", "s.y.z", "q.1", "ask.1", "fromA.s.x", "s.x.y", "other"];
const PATTERNS: [&str; 9] = ["s.x", "s.>", ">", "*.*", "q.*", "ask.*", "fromA.>", "other", "*.x"];

fn export(subject: &str, kind: ExportKind) -> Export {
    let subject = subject.to_owned();
    Export { subject, kind, accounts: None, account_token: None, allow_trace: false }
}

fn import(subject: &str, kind: ImportKind) -> Import {
    Import { account: "A".to_owned(), subject: subject.to_owned(), kind }
}

fn service() -> ExportKind {
    let (response, threshold) = (ResponseKind::Singleton, Duration::from_secs(5));
    ExportKind::Service(Service { response, threshold, latency: None })
}

fn account(name: &str, exports: Vec<Export>, imports: Vec<Import>) -> Account {
    let users = vec![User::with_password(name, "p")];
    Account { users, exports, imports, ..Account::new(name) }
}

fn options_with(declared: Vec<Account>) -> Options {
    Options { accounts: Accounts { declared, ..Accounts::default() }, ..Options::default() }
}

/// A exports a stream and a service; B imports both under other names, C one subject as it is.
fn options() -> Options {
    let stream =
        |to: Option<&str>| ImportKind::Stream { to: to.map(str::to_owned), allow_trace: false };
    let ask = ImportKind::Service { to: Some("ask.$1".to_owned()), share: false };
    let exports = vec![export("s.>", ExportKind::Stream), export("q.*", service())];
    options_with(vec![
        account("A", exports, vec![]),
        account("B", vec![], vec![import("s.>", stream(Some("fromA.s.>"))), import("q.*", ask)]),
        account("C", vec![], vec![import("s.x", stream(None))]),
    ])
}

/// Where a message published in an account goes: account and subject.
fn reaches(account: usize, subject: &str) -> Vec<(usize, String)> {
    let mut all = vec![(account, subject.to_owned())];
    match NAMES[account] {
        "A" if subject.starts_with("s.") => {
            all.push((1, format!("fromA.{subject}")));
            if subject == "s.x" {
                all.push((2, subject.to_owned()));
            }
        }
        "B" => {
            if let Some(number) = subject.strip_prefix("ask.").filter(|rest| !rest.contains('.')) {
                all.push((0, format!("q.{number}")));
            }
        }
        _ => {}
    }
    all
}

fn matches(pattern: &str, subject: &str) -> bool {
    subject::name::matches(pattern.as_bytes(), subject.as_bytes())
}

fn client(simulation: &mut Simulation, account: usize, core: usize) -> Client {
    let name = NAMES[account];
    let connect = format!(
        r#"{{"user":"{name}","pass":"p","verbose":false,"pedantic":false,"protocol":1,{}}}"#,
        r#""headers":true,"no_responders":true"#
    );
    simulation.client_saying(core, &connect)
}

fn with(seed: u64) -> Simulation {
    Simulation::with(&Setup { cores: CORES, options: options(), ..Setup::default() }, seed)
}

/// Label to who got it and under which subject.
type Deliveries = BTreeMap<String, Vec<(Client, String, String)>>;

#[test]
fn what_crosses_accounts_is_what_was_imported() {
    for_seeds(60, |seed| {
        let mut simulation = with(seed);
        let clients: Vec<(Client, usize)> = (0..7)
            .map(|number| (client(&mut simulation, number % 3, number % CORES), number % 3))
            .collect();
        let mut live: Vec<(Client, usize, String, &str)> = Vec::new();
        let mut expected = Deliveries::new();
        let mut found = Deliveries::new();
        for round in 0..40 {
            let (who, account) = clients[simulation.random.usize(0..clients.len())];
            let pattern = PATTERNS[simulation.random.usize(0..PATTERNS.len())];
            let sid = format!("s{round}");
            simulation.say(who, &format!("SUB {pattern} {sid}\r\n"));
            live.push((who, account, sid, pattern));
            if live.len() > 8 {
                let gone = live.remove(simulation.random.usize(0..live.len()));
                simulation.say(gone.0, &format!("UNSUB {}\r\n", gone.2));
            }
            simulation.run_until_quiet();
            for number in 0..6 {
                let (who, account) = clients[simulation.random.usize(0..clients.len())];
                let subject = SUBJECTS[simulation.random.usize(0..SUBJECTS.len())];
                let label = format!("{round}.{number}");
                simulation.publish(who, subject, &label);
                let list = expected.entry(label).or_default();
                for (reached, shown) in reaches(account, subject) {
                    let hit = live
                        .iter()
                        .filter(|(_, at, _, pattern)| *at == reached && matches(pattern, &shown));
                    list.extend(hit.map(|(who, _, sid, _)| (*who, sid.clone(), shown.clone())));
                }
            }
            simulation.run_until_quiet();
            for (who, _) in &clients {
                for message in simulation.messages(*who) {
                    let list = found.entry(message.label().to_owned()).or_default();
                    list.push((*who, message.sid, message.subject));
                }
            }
        }
        expected.retain(|_, list| !list.is_empty());
        expected.values_mut().chain(found.values_mut()).for_each(|list| list.sort());
        assert_eq!(found, expected);
    });
}

#[test]
fn an_answer_comes_home_once_and_from_the_exporter_only() {
    for_seeds(60, |seed| {
        let mut simulation = with(seed);
        let mut core = || simulation.random.usize(0..CORES);
        let cores = [core(), core(), core(), core()];
        let responder = client(&mut simulation, 0, cores[0]);
        let asker = client(&mut simulation, 1, cores[1]);
        let thief = client(&mut simulation, 2, cores[2]);
        let listener = client(&mut simulation, 2, cores[3]);
        simulation.say(responder, "SUB q.* 1\r\n");
        simulation.say(asker, "SUB inbox.* 1\r\n");
        simulation.say(listener, "SUB > 1\r\n");
        simulation.run_until_quiet();
        simulation.request(asker, "ask.7", "inbox.9", "question");
        simulation.run_until_quiet();
        let asked = simulation.messages(responder);
        let [request] = &asked[..] else { panic!("one request: {asked:?}") };
        assert_eq!((request.subject.as_str(), request.label()), ("q.7", "question"));
        let info = String::from_utf8_lossy(&request.headers).into_owned();
        assert!(info.contains("Nats-Request-Info: {\"acc\":\"B\""), "{info}");
        let reply = request.reply.clone().expect("a reply");
        assert!(reply.starts_with("_R_."), "{reply}");
        simulation.publish(thief, &reply, "stolen");
        simulation.run_until_quiet();
        simulation.publish(responder, &reply, "answer");
        simulation.publish(responder, &reply, "again");
        simulation.run_until_quiet();
        let answers = simulation.messages(asker);
        let shown: Vec<(&str, &str)> =
            answers.iter().map(|answer| (answer.subject.as_str(), answer.label())).collect();
        assert_eq!(shown, [("inbox.9", "answer")]);
        let overheard = simulation.messages(listener);
        let labels: Vec<&str> = overheard.iter().map(|message| message.label()).collect();
        assert_eq!(labels, ["stolen"], "C hears only what C says");
    });
}

#[test]
fn who_listens_to_one_answer_hears_that_one_and_who_listens_to_all_hears_all() {
    for_seeds(60, |seed| {
        let mut simulation = with(seed);
        let mut core = || simulation.random.usize(0..CORES);
        let cores = [core(), core(), core(), core()];
        let responder = client(&mut simulation, 0, cores[0]);
        let asker = client(&mut simulation, 1, cores[1]);
        let [all, one] = [cores[2], cores[3]].map(|core| client(&mut simulation, 0, core));
        simulation.say(responder, "SUB q.* 1\r\n");
        simulation.say(asker, "SUB inbox.* 1\r\n");
        simulation.say(all, "SUB _R_.> 1\r\n");
        simulation.run_until_quiet();
        for number in 0..4 {
            simulation.request(asker, "ask.7", &format!("inbox.{number}"), "question");
        }
        simulation.run_until_quiet();
        let asked = simulation.messages(responder);
        let replies: Vec<String> =
            asked.iter().map(|request| request.reply.clone().expect("a reply")).collect();
        simulation.publish(responder, &replies[0], "0");
        simulation.publish(responder, &replies[1], "1");
        simulation.run_until_quiet();
        simulation.say(one, &format!("SUB {} 1\r\n", replies[3]));
        simulation.run_until_quiet();
        simulation.publish(responder, &replies[2], "2");
        simulation.publish(responder, &replies[3], "3");
        simulation.run_until_quiet();
        let mut heard = |client| -> Vec<(String, String)> {
            let messages = simulation.messages(client);
            let shown = messages.iter().map(|one| (one.subject.clone(), one.label().to_owned()));
            shown.collect()
        };
        let told = |number: usize, subject: &str| (subject.to_owned(), number.to_string());
        let expected: Vec<_> = (0..4).map(|n| told(n, &format!("inbox.{n}"))).collect();
        assert_eq!(heard(asker), expected);
        let expected: Vec<_> = (0..4).map(|n| told(n, &replies[n])).collect();
        assert_eq!(heard(all), expected);
        assert_eq!(heard(one), [told(3, &replies[3])]);
    });
}

#[test]
fn a_request_that_nobody_serves_is_told_so_across_accounts() {
    for_seeds(20, |seed| {
        let mut simulation = with(seed);
        let core = simulation.random.usize(0..CORES);
        let asker = client(&mut simulation, 1, core);
        simulation.say(asker, "SUB inbox.* 1\r\n");
        simulation.request(asker, "ask.7", "inbox.9", "question");
        simulation.run_until_quiet();
        let answers = simulation.messages(asker);
        assert!(matches!(&answers[..], [answer] if answer.is_no_responders()), "{answers:?}");
    });
}

#[test]
fn an_answer_that_is_too_late_reaches_nobody() {
    let mut simulation = with(1);
    let responder = client(&mut simulation, 0, 0);
    let asker = client(&mut simulation, 1, 1);
    simulation.say(responder, "SUB q.* 1\r\n");
    simulation.say(asker, "SUB inbox.* 1\r\n");
    simulation.run_until_quiet();
    simulation.request(asker, "ask.7", "inbox.9", "question");
    simulation.run_until_quiet();
    let asked = simulation.messages(responder);
    let reply = asked[0].reply.clone().expect("a reply");
    simulation.live(Duration::from_secs(6));
    simulation.publish(responder, &reply, "late");
    simulation.run_until_quiet();
    assert_eq!(simulation.messages(asker), []);
}

#[test]
fn an_answer_is_no_request_to_whom_gave_it() {
    for_seeds(20, |seed| {
        let everything = ImportKind::Service { to: None, share: false };
        let options = options_with(vec![
            account("A", vec![export(">", service())], vec![]),
            account("B", vec![], vec![import(">", everything)]),
        ]);
        let setup = Setup { cores: CORES, options, ..Setup::default() };
        let mut simulation = Simulation::with(&setup, seed);
        let cores = [(); 2].map(|()| simulation.random.usize(0..CORES));
        let responder = client(&mut simulation, 0, cores[0]);
        let asker = client(&mut simulation, 1, cores[1]);
        simulation.say(responder, "SUB > 1\r\n");
        simulation.say(asker, "SUB inbox.* 1\r\n");
        simulation.run_until_quiet();
        simulation.request(asker, "q", "inbox.1", "question");
        simulation.run_until_quiet();
        let asked = simulation.messages(responder);
        simulation.publish(responder, asked[0].reply.as_deref().expect("a reply"), "answer");
        simulation.run_until_quiet();
        assert_eq!(simulation.messages(asker).len(), 1);
        let heard = simulation.messages(responder);
        assert_eq!(heard.len(), 1, "its own answer, under the subject it gave it: {heard:?}");
    });
}
