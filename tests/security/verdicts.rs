//! The same configuration on Corewire and on an installed nats-server: the same verdict for each
//! of some hundred cases of (user, action, subject), drawn from a seed.

use std::fmt::Write;

use harness::{Server, Subject};

use crate::visitor::Visitor;

const USERS: usize = 20;
const CASES: usize = 400;
const TOKENS: [&str; 4] = ["a", "b", "c", "*"];

/// What a user tries.
#[derive(Debug)]
enum Action {
    Publish(String),
    Subscribe(String, Option<&'static str>),
    /// Subscribes to a pattern while somebody publishes to a subject.
    Hear(String, String),
}

struct Draw(fastrand::Rng);

impl Draw {
    fn subject(&mut self) -> String {
        let tokens = (0..self.0.usize(1..4)).map(|_| TOKENS[self.0.usize(0..3)]);
        tokens.collect::<Vec<_>>().join(".")
    }

    /// A pattern for permissions: `>` may end it.
    fn pattern(&mut self) -> String {
        let mut tokens: Vec<&str> =
            (0..self.0.usize(1..4)).map(|_| TOKENS[self.0.usize(0..4)]).collect();
        if self.0.u8(0..3) == 0 {
            tokens.pop();
            tokens.push(">");
        }
        tokens.join(".")
    }

    fn list(&mut self, max: usize) -> String {
        let count = self.0.usize(1..=max);
        let list: Vec<String> = (0..count).map(|_| format!("\"{}\"", self.pattern())).collect();
        format!("[{}]", list.join(", "))
    }

    fn rules(&mut self) -> String {
        let mut rules = String::from("{ ");
        if self.0.bool() {
            write!(rules, "allow: {}, ", self.list(4)).expect("text");
        }
        if self.0.bool() {
            write!(rules, "deny: {} ", self.list(3)).expect("text");
        }
        rules + "}"
    }

    fn action(&mut self) -> Action {
        match self.0.u8(0..3) {
            0 => Action::Publish(self.subject()),
            1 => {
                let queue = [None, Some("q"), Some("workers")][self.0.usize(0..3)];
                Action::Subscribe(self.listening(), queue)
            }
            _ => Action::Hear(self.listening(), self.subject()),
        }
    }

    /// A pattern to subscribe to.
    fn listening(&mut self) -> String {
        self.pattern()
    }
}

fn config(draw: &mut Draw) -> String {
    let mut users = String::from("{ user: all, password: p }\n");
    for number in 0..USERS {
        let (publish, subscribe) = (draw.rules(), draw.rules());
        let permissions = format!("{{ publish: {publish}, subscribe: {subscribe} }}");
        writeln!(users, "{{ user: u{number}, password: p, permissions: {permissions} }}")
            .expect("text");
    }
    format!("authorization {{ users: [\n{users}] }}\n")
}

/// What the server says, its errors in full; of what is heard, only whether.
fn verdict(server: &Server, visitor: &mut Visitor, number: usize, action: &Action) -> String {
    match action {
        Action::Publish(subject) => visitor.publishes(subject).join("; "),
        Action::Subscribe(pattern, queue) => {
            let queue = queue.map(|queue| format!("{queue} ")).unwrap_or_default();
            visitor.tells(&format!("SUB {pattern} {queue}s{number}\r\nUNSUB s{number}")).join("; ")
        }
        Action::Hear(pattern, subject) => {
            let refused = visitor.tells(&format!("SUB {pattern} s{number}"));
            let mut publisher = Visitor::named(server, "all", "p");
            publisher.publishes(subject);
            let heard = visitor.tells(&format!("UNSUB s{number}"));
            format!("{}; heard: {}", refused.join("; "), !heard.is_empty())
        }
    }
}

fn verdicts(subject: Subject, config: &str, cases: &[(usize, Action)]) -> Vec<String> {
    let server = Server::builder_for(subject).cores(1).config(config).start();
    let mut visitors: Vec<Visitor> =
        (0..USERS).map(|number| Visitor::named(&server, &format!("u{number}"), "p")).collect();
    let numbered = cases.iter().enumerate();
    numbered
        .map(|(number, (user, action))| verdict(&server, &mut visitors[*user], number, action))
        .collect()
}

/// nats-server up to 2.9 at least takes the `>` of a subscription for a word that `*` covers. Here
/// `a.>` is never within `a.*`: it is not allowed by it, and denied by it only in part, message by
/// message. Nothing more is heard by that.
fn reads_differently(action: &Action) -> bool {
    match action {
        Action::Publish(_) => false,
        Action::Subscribe(pattern, _) | Action::Hear(pattern, _) => pattern.ends_with('>'),
    }
}

#[test]
fn the_same_configuration_gives_the_same_verdicts() {
    let Some(reference) = Subject::installed() else { return };
    let mut draw = Draw(fastrand::Rng::with_seed(20_261_121));
    let config = config(&mut draw);
    let cases: Vec<(usize, Action)> =
        (0..CASES).map(|_| (draw.0.usize(0..USERS), draw.action())).collect();
    let ours = verdicts(Subject::from_env(), &config, &cases);
    let theirs = verdicts(reference, &config, &cases);
    let mut compared = 0;
    let mut different = Vec::new();
    for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&theirs) {
        if ours == theirs {
            compared += 1;
        } else if !reads_differently(&case.1) || ours.ends_with("heard: true") {
            different.push(format!("{case:?}\n  ours:   {ours}\n  theirs: {theirs}"));
        }
    }
    assert!(different.is_empty(), "{config}\n{}", different.join("\n"));
    assert!(compared >= 300, "only {compared} cases are alike");
}
