//! What a user may publish and subscribe to, ready to be asked. spec/security.md §4

use std::time::Duration;

use config::permissions::{SubjectRules, split_queue};
use subject::name;

/// What a user may publish and subscribe to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    publish: PublishRules,
    subscribe: SubscribeRules,
    responses: Option<Responses>,
    config: config::permissions::Permissions,
}

/// What `allow_responses` grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responses {
    /// Answers to one request; `None` without limit.
    pub max: Option<u32>,
    /// For how long.
    pub ttl: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PublishRules {
    allow: Option<Vec<Box<[u8]>>>,
    deny: Vec<Box<[u8]>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SubscribeRules {
    allow: Vec<Entry>,
    deny: Vec<Entry>,
}

/// `"subject queue"`
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    subject: Box<[u8]>,
    queue: Option<Box<[u8]>>,
}

/// Whether a subscription may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaySubscribe {
    /// It may.
    Yes,
    /// It may, but some of what matches it is denied: ask [`Permissions::may_deliver`] for each
    /// message.
    Filtered,
    /// It may not.
    No,
}

impl Permissions {
    /// From what the configuration says.
    pub fn new(config: &config::permissions::Permissions) -> Permissions {
        let SubjectRules { allow, deny } = &config.publish;
        let subjects = |list: &Vec<String>| -> Vec<Box<[u8]>> {
            list.iter().map(|text| split_queue(text).0.as_bytes().into()).collect()
        };
        Permissions {
            publish: PublishRules { allow: allow.as_ref().map(subjects), deny: subjects(deny) },
            // An empty list of what may be subscribed to is no restriction.
            subscribe: SubscribeRules {
                allow: config.subscribe.allow.iter().flatten().map(|text| entry(text)).collect(),
                deny: config.subscribe.deny.iter().map(|text| entry(text)).collect(),
            },
            responses: config
                .responses
                .map(|config::permissions::Responses { max, ttl }| Responses { max, ttl }),
            config: config.clone(),
        }
    }

    /// As it was configured, for monitoring.
    pub fn config(&self) -> &config::permissions::Permissions {
        &self.config
    }

    /// Whether it may publish to a subject, answers to requests aside.
    pub fn may_publish(&self, subject: &[u8]) -> bool {
        let hit = |list: &[Box<[u8]>]| list.iter().any(|pattern| name::matches(pattern, subject));
        let PublishRules { allow, deny } = &self.publish;
        allow.as_ref().is_none_or(|allow| hit(allow)) && !hit(deny)
    }

    /// Whether everything may be published.
    pub fn limits_publish(&self) -> bool {
        self.publish.allow.is_some() || !self.publish.deny.is_empty()
    }

    /// What it may answer to requests that it gets.
    pub fn responses(&self) -> Option<Responses> {
        self.responses
    }

    /// Whether it may subscribe.
    pub fn may_subscribe(&self, subject: &[u8], queue: Option<&[u8]>) -> MaySubscribe {
        let SubscribeRules { allow, deny } = &self.subscribe;
        if !allow.is_empty() && !is_allowed(allow, subject, queue) {
            return MaySubscribe::No;
        }
        let concerning = || deny.iter().filter(|entry| entry.concerns(queue));
        if concerning().any(|entry| name::is_subset(subject, &entry.subject)) {
            return MaySubscribe::No;
        }
        match concerning().any(|entry| name::overlap(subject, &entry.subject)) {
            true => MaySubscribe::Filtered,
            false => MaySubscribe::Yes,
        }
    }

    /// Whether a message on `subject` may reach a subscription that is
    /// [`MaySubscribe::Filtered`].
    pub fn may_deliver(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let mut deny = self.subscribe.deny.iter().filter(|entry| entry.concerns(queue));
        !deny.any(|entry| name::matches(&entry.subject, subject))
    }
}

fn entry(text: &str) -> Entry {
    let (subject, queue) = split_queue(text);
    Entry { subject: subject.as_bytes().into(), queue: queue.map(|queue| queue.as_bytes().into()) }
}

/// `["foo v1"]` permits only the queue v1; `["foo"]` plain and any queue; both together plain and
/// only the queue v1.
fn is_allowed(allow: &[Entry], subject: &[u8], queue: Option<&[u8]>) -> bool {
    let covering = || allow.iter().filter(|entry| name::is_subset(subject, &entry.subject));
    let mut queues = covering().filter_map(|entry| entry.queue.as_deref()).peekable();
    match queue {
        Some(queue) if queues.peek().is_some() => {
            queues.any(|pattern| name::matches(pattern, queue))
        }
        _ => covering().any(|entry| entry.queue.is_none()),
    }
}

impl Entry {
    /// A denial without a queue is for everyone, one with a queue for the groups that match it.
    fn concerns(&self, queue: Option<&[u8]>) -> bool {
        match (&self.queue, queue) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(pattern), Some(queue)) => name::matches(pattern, queue),
        }
    }
}

#[cfg(test)]
mod tests;
