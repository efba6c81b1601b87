//! What a user may publish and subscribe to, as the configuration says it.
//! spec/cli-and-config.md §7.2, spec/security.md §4

use std::time::Duration;

use crate::declaration::{Inside, Known};
use crate::duration;
use crate::limits;
use crate::problem::ValueError;
use crate::tree::Tree;
use crate::value::{Entry, Map, Node, Value};

/// What a user may publish and subscribe to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// To what it may publish.
    pub publish: SubjectRules,
    /// To what it may subscribe; an entry may name a queue group behind a blank.
    pub subscribe: SubjectRules,
    /// Whether it may answer requests that it got.
    pub responses: Option<Responses>,
}

/// What is allowed and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectRules {
    /// Only this, when given.
    pub allow: Option<Vec<String>>,
    /// Not this, whatever is allowed.
    pub deny: Vec<String>,
}

/// `allow_responses`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responses {
    /// Answers to one request; `None` without limit.
    pub max: Option<u32>,
    /// For how long.
    pub ttl: Duration,
}

impl Default for Responses {
    fn default() -> Responses {
        Responses { max: Some(limits::RESPONSES_MAX), ttl: limits::RESPONSES_TTL }
    }
}

/// Whether entries may name a queue group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queues {
    Allowed,
    Refused,
}

const RULES: &str = "a subject, a list of them, or allow and deny";

/// The keys of a block of permissions.
pub(crate) const KEYS: &[Known] = &[
    Known::read(&["publish", "pub", "import"], RULES, "Subjects to publish on")
        .with(Inside::Block(RULE_KEYS)),
    Known::read(&["subscribe", "sub", "export"], RULES, "Subjects to subscribe to")
        .with(Inside::Block(RULE_KEYS)),
    Known::read(
        &["allow_responses", "publish_allow_responses"],
        "a boolean or a block",
        "Whether requests may be answered, wherever they want the answer",
    )
    .with(Inside::Block(RESPONSE_KEYS)),
];

const RULE_KEYS: &[Known] = &[
    Known::read(&["allow"], "text or a list of text", "Only these"),
    Known::read(&["deny"], "text or a list of text", "None of these"),
];

const RESPONSE_KEYS: &[Known] = &[
    Known::read(
        &["max", "max_msgs", "max_messages", "max_responses"],
        "an integer",
        "Answers to one request, below zero for no limit; 1 when unset",
    ),
    Known::read(
        &["expires", "expiration", "ttl"],
        "a duration such as 10s",
        "Time in which to answer; 2m when unset",
    ),
];

impl Permissions {
    /// Reads the block; what is wrong is noted.
    pub(crate) fn read(entry: &Entry, tree: &mut Tree<'_>) -> Option<Permissions> {
        let map = tree.map("permissions", &entry.node)?;
        Some(Permissions::read_map(map, tree))
    }

    fn read_map(map: &Map, tree: &mut Tree<'_>) -> Permissions {
        let mut permissions = Permissions::default();
        tree.block(map, KEYS, |tree, key, entry| match key {
            "publish" => permissions.publish = rules(key, entry, Queues::Refused, tree),
            "subscribe" => permissions.subscribe = rules(key, entry, Queues::Allowed, tree),
            _ => permissions.responses = responses(entry, tree),
        });
        // Answers are all that it may publish, unless more is allowed.
        if permissions.responses.is_some() && permissions.publish.allow.is_none() {
            permissions.publish.allow = Some(Vec::new());
        }
        permissions
    }
}

/// A subject, a list, or a block of `allow` and `deny`.
fn rules(key: &str, entry: &Entry, queues: Queues, tree: &mut Tree<'_>) -> SubjectRules {
    let Value::Map(map) = &entry.node.value else {
        return SubjectRules { allow: allowed(key, &entry.node, queues, tree), deny: vec![] };
    };
    let mut rules = SubjectRules::default();
    tree.block(map, RULE_KEYS, |tree, key, entry| match key {
        "allow" => rules.allow = allowed(key, &entry.node, queues, tree),
        _ => rules.deny = subjects(key, &entry.node, queues, tree),
    });
    rules
}

/// What alone is allowed. An empty list is no restriction, as on nats-server.
fn allowed(key: &str, node: &Node, queues: Queues, tree: &mut Tree<'_>) -> Option<Vec<String>> {
    Some(subjects(key, node, queues, tree)).filter(|subjects| !subjects.is_empty())
}

fn subjects(key: &str, node: &Node, queues: Queues, tree: &mut Tree<'_>) -> Vec<String> {
    let mut subjects = tree.texts(key, node);
    subjects.retain(|text| {
        let (subject, queue) = split_queue(text);
        let error = if queue.is_some() && queues == Queues::Refused {
            Some(ValueError::QueueInPublish(text.clone()))
        } else if !is_subject(subject) {
            Some(ValueError::Subject(text.clone()))
        } else {
            None
        };
        match error {
            None => true,
            Some(error) => {
                tree.note(node.place, key, error);
                false
            }
        }
    });
    subjects
}

/// An entry's subject, and the queue group behind it.
pub fn split_queue(entry: &str) -> (&str, Option<&str>) {
    match entry.trim().split_once(char::is_whitespace) {
        Some((subject, queue)) => (subject, Some(queue.trim())),
        None => (entry.trim(), None),
    }
}

/// Whether a subscription to it would be valid.
pub(crate) fn is_subject(text: &str) -> bool {
    let mut tokens = text.split('.').peekable();
    let blank = text.contains(|c: char| c.is_ascii_whitespace());
    let mut valid = !blank;
    while let Some(token) = tokens.next() {
        valid &= !token.is_empty() && (token != ">" || tokens.peek().is_none());
    }
    valid
}

fn responses(entry: &Entry, tree: &mut Tree<'_>) -> Option<Responses> {
    let map = match &entry.node.value {
        Value::Bool(on) => return on.then(Responses::default),
        Value::Map(map) => map,
        other => {
            let error = ValueError::Kind { expected: "a boolean or a block", found: other.kind() };
            tree.note(entry.node.place, "allow_responses", error);
            return None;
        }
    };
    let mut responses = Responses::default();
    tree.block(map, RESPONSE_KEYS, |tree, key, entry| match key {
        "max" => {
            if let Some(max) = tree.int(key, &entry.node) {
                responses.max = match max {
                    // Below zero is without limit, 0 the default, as in nats-server.
                    ..0 => None,
                    0 => Some(limits::RESPONSES_MAX),
                    max => Some(u32::try_from(max).unwrap_or(u32::MAX)),
                };
            }
        }
        _ => {
            if let Some(text) = tree.text(key, &entry.node) {
                match duration::parse(text) {
                    Ok(ttl) if ttl.is_zero() => {}
                    Ok(ttl) => responses.ttl = ttl,
                    Err(reason) => {
                        let text = text.to_owned();
                        tree.note(entry.node.place, key, ValueError::Duration { text, reason });
                    }
                }
            }
        }
    });
    Some(responses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_what_can_be_subscribed_to() {
        for good in ["a", "a.b", "*", ">", "a.>", "foo*"] {
            assert!(is_subject(good), "{good}");
        }
        for bad in ["", ".", "a.", "a..b", "a.>.b", "a b"] {
            assert!(!is_subject(bad), "{bad}");
        }
        assert_eq!(split_queue("foo.* v1.>"), ("foo.*", Some("v1.>")));
        assert_eq!(split_queue("foo"), ("foo", None));
    }
}
