//! The fuzz entry of the index: bytes become operations, and each answer is compared with the
//! naive twin's.
//!
//! Two bytes choose an operation and its number; subjects and names come from a tiny alphabet,
//! so that patterns overlap, groups meet and cached plans go stale. Every plan is asked for
//! twice, and the plan held from before must not be called current unless it still is.

use std::rc::Rc;

use base::{QueueId, ShardId, SubKey};

use crate::interest::{CachePolicy, Change, Interest, LocalHandle};
use crate::name;
use crate::oracle::{Local, Oracle, Outcome};
use crate::plan::Plan;

/// Tokens that subjects are made of; the empty one and the look-alikes are the interesting part.
const TOKENS: [&[u8]; 12] =
    [b"a", b"b", b"*", b">", b"", b"a*", b">b", b"c", b"longer-than-inline", b"*", b">", b"a"];
const NAMES: [&[u8]; 4] = [b"q", b"r", b"", b"a queue name of some length"];
const TOKENS_MAX: usize = 4;
const SHARDS: u16 = 3;

/// Runs the operations that `bytes` spell.
///
/// # Panics
/// If the index and its twin disagree.
pub fn fuzz_index(bytes: &[u8]) {
    let cache = match bytes.first().map_or(0, |byte| byte % 3) {
        0 => CachePolicy::Off,
        1 => CachePolicy::Entries(4),
        _ => CachePolicy::Entries(256),
    };
    let mut run = Run::new(cache);
    let mut bytes = Bytes(bytes.get(1..).unwrap_or_default());
    while let Some(op) = bytes.next() {
        run.step(op, &mut bytes);
    }
    run.empty();
}

/// The bytes not read yet; zeros after the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> usize {
        usize::from(self.next().unwrap_or(0))
    }

    fn subject(&mut self) -> Vec<u8> {
        let count = self.number() % TOKENS_MAX + 1;
        let tokens: Vec<&[u8]> = (0..count).map(|_| TOKENS[self.number() % TOKENS.len()]).collect();
        tokens.join(&b'.')
    }

    fn queue(&mut self) -> Option<&'static [u8]> {
        NAMES.get(self.number() % (NAMES.len() * 2)).copied()
    }
}

struct Run {
    index: Interest,
    oracle: Oracle,
    /// In the order of the oracle's subscriptions.
    handles: Vec<LocalHandle>,
    held: Option<Rc<Plan>>,
    sub_next: u32,
}

impl Run {
    fn new(cache: CachePolicy) -> Self {
        Run {
            index: Interest::new(cache),
            oracle: Oracle::default(),
            handles: Vec::new(),
            held: None,
            sub_next: 0,
        }
    }

    fn step(&mut self, op: u8, bytes: &mut Bytes<'_>) {
        match op % 8 {
            0 | 1 => self.insert(&bytes.subject(), bytes.queue()),
            2 => self.remove(bytes.number()),
            3 => {
                let (subject, queue) = (bytes.subject(), bytes.queue());
                let shard = ShardId(bytes.number() as u16 % SHARDS);
                self.set_remote(shard, &subject, queue, bytes.number() as u32 % 4);
            }
            _ => self.publish(&bytes.subject()),
        }
        if let Some(plan) = self.held.clone()
            && self.index.is_current(plan.subject(), &plan)
        {
            self.compare(&plan);
        }
    }

    fn insert(&mut self, subject: &[u8], queue: Option<&[u8]>) {
        let sub = SubKey(self.sub_next);
        let inserted = self.index.insert_local(subject, queue, sub);
        assert_eq!(inserted.is_ok(), name::is_valid_subscription(subject));
        let Ok((handle, change)) = inserted else { return };
        self.sub_next += 1;
        let (pattern, queue) = (subject.to_vec(), queue.map(<[u8]>::to_vec));
        self.oracle.locals.push(Local { pattern, queue: queue.clone(), sub });
        self.handles.push(handle);
        assert_eq!(self.index.sub(handle), sub);
        let count = self.oracle.count(subject, queue.as_deref());
        let queue = queue.map(|name| self.index.queue_id(&name).expect("the group has a member"));
        assert_eq!(change, expected(queue, count, 1));
    }

    fn remove(&mut self, number: usize) {
        if self.handles.is_empty() {
            return;
        }
        let at = number % self.handles.len();
        let Local { pattern, queue, .. } = self.oracle.locals.swap_remove(at);
        let id = queue.as_ref().map(|name| self.index.queue_id(name).expect("a name in use"));
        let change = self.index.remove_local(self.handles.swap_remove(at));
        let count = self.oracle.count(&pattern, queue.as_deref());
        assert_eq!(change, expected(id, count, 0));
        assert_eq!(self.index.last_removed(), (&*pattern, queue.as_deref()));
        if let Some(name) = queue {
            assert_eq!(self.index.queue_id(&name).is_some(), self.oracle.has_queue(&name));
        }
    }

    fn set_remote(&mut self, shard: ShardId, subject: &[u8], queue: Option<&[u8]>, count: u32) {
        if !name::is_valid_subscription(subject) {
            return;
        }
        // A shard has one id for one name; any function of both will do.
        let queue = queue.map(|name| (name, QueueId(u32::from(shard.0) * 100 + name.len() as u32)));
        self.oracle.set_remote(shard, subject, queue, count);
        self.index.set_remote(shard, subject, queue, count);
    }

    fn publish(&mut self, subject: &[u8]) {
        let plan = self.index.plan(subject);
        assert!(self.index.is_current(subject, &plan), "a plan is current when it is made");
        self.compare(&plan);
        let again = self.index.plan(subject);
        self.compare(&again);
        self.held = Some(plan);
        for queue in NAMES.map(Some).into_iter().chain([None]) {
            let expected = self.oracle.is_subscribed(subject, queue);
            assert_eq!(self.index.is_subscribed(subject, queue), expected);
        }
    }

    fn compare(&self, plan: &Plan) {
        let expected = self.oracle.outcome(plan.subject());
        let subject = String::from_utf8_lossy(plan.subject());
        assert_eq!(Outcome::of(plan, &self.index), expected, "published on {subject}");
        assert_eq!(plan.is_empty(), expected == Outcome::default());
    }

    /// Removes everything; nothing may stay behind.
    fn empty(&mut self) {
        while !self.handles.is_empty() {
            self.remove(self.handles.len() / 2);
        }
        for (shard, pattern, queue) in self.oracle.remote_keys() {
            self.set_remote(shard, &pattern, queue.as_deref(), 0);
        }
        let stats = self.index.stats();
        assert_eq!(
            (stats.subscriptions, stats.patterns, stats.nodes, stats.groups),
            (0, 0, 0, 0),
            "an emptied index holds nothing"
        );
    }
}

/// What the other shards must be told when a count has become `count`; for plain interest only
/// if that is `edge`.
fn expected(queue: Option<QueueId>, count: u32, edge: u32) -> Change {
    match queue {
        Some(queue) => Change::Queue { queue, count },
        None if count == edge => Change::Plain { count },
        None => Change::None,
    }
}
