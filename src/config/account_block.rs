//! Reading `accounts`. spec/cli-and-config.md §7.3

use std::collections::HashSet;

use crate::account_jetstream;
use crate::accounts::{Account, AccountLimits, GLOBAL, TraceDestination};
use crate::declaration::{Inside, Known};
use crate::exchange;
use crate::mapping;
use crate::options::User;
use crate::permissions::{self, Permissions};
use crate::place::Place;
use crate::problem::{Conflict, ValueError};
use crate::tree::Tree;
use crate::users;
use crate::value::{Entry, Map, Node, Value};

/// The keys of an account.
pub(crate) const KEYS: &[Known] = &[
    Known::read(&["nkey"], "text", "Public nkey of the account"),
    Known::read(&["users"], "a list of users", "Who logs into it").with(Inside::List(users::KEYS)),
    Known::read(
        &["default_permissions", "default_permission", "permissions"],
        "a block",
        "Permissions of users without their own",
    )
    .with(Inside::Block(permissions::KEYS)),
    Known::read(&["imports"], "a list of blocks", "What it uses of other accounts")
        .with(Inside::List(exchange::IMPORT_KEYS)),
    Known::read(&["exports"], "a list of blocks", "What other accounts may use")
        .with(Inside::List(exchange::EXPORT_KEYS)),
    Known::read(
        &["jetstream"],
        "a boolean, enabled, disabled or a block",
        "Whether it may use JetStream, and how much of it",
    )
    .with(Inside::Block(account_jetstream::KEYS)),
    Known::read(&["mappings", "maps"], "a block", "Subjects published on, and what they become")
        .with(Inside::Named(mapping::KEYS)),
    Known::read(&["limits"], "a block", "Bounds of the account").with(Inside::Block(LIMITS)),
    Known::read(
        &["msg_trace", "trace_dest"],
        "text or a block",
        "Where messages are traced that carry a sampled traceparent",
    )
    .with(Inside::Block(TRACE_KEYS)),
];

const LIMITS: &[Known] = &[
    Known::read(&["max_connections", "max_conn"], "an integer", "Connections; -1 for no limit"),
    Known::read(&["max_subscriptions", "max_subs"], "an integer", "Subscriptions likewise"),
    Known::read(&["max_payload", "max_pay"], "an integer", "Bytes of a message likewise"),
    Known::read(&["max_leafnodes", "max_leafs"], "an integer", "Leafnodes likewise"),
];

const TRACE_KEYS: &[Known] = &[
    Known::read(&["dest"], "text", "The subject on which traces are published"),
    Known::read(&["sampling"], "an integer", "Percent of those messages"),
];

/// An account on its way: its users still have their places.
#[derive(Debug)]
pub struct Declared {
    pub(crate) account: Account,
    pub(crate) users: Vec<(Place, User)>,
}

impl Declared {
    pub(crate) fn finish(self) -> Account {
        let mut users: Vec<User> = self.users.into_iter().map(|(_, user)| user).collect();
        // The list would keep the memory that the places took.
        users.shrink_to_fit();
        Account { users, ..self.account }
    }
}

/// Reads the block, or a list of names.
pub(crate) fn read(entry: &Entry, tree: &mut Tree<'_>) -> Vec<Declared> {
    let (mut declared, mut names) = (Vec::new(), HashSet::new());
    match &entry.node.value {
        Value::Array(nodes) => {
            for node in nodes {
                if let Some(name) = tree.text("accounts", node) {
                    add(&mut declared, &mut names, name, node.place, tree);
                }
            }
        }
        Value::Map(map) => {
            for (name, entry) in map.written().into_iter().filter(|(_, entry)| !entry.used) {
                if let Some(inside) = tree.map(name, &entry.node)
                    && let Some(place) = add(&mut declared, &mut names, name, entry.place, tree)
                {
                    read_account(inside, place, tree);
                }
            }
        }
        other => {
            let expected = "a block or a list of names";
            tree.note(
                entry.node.place,
                "accounts",
                ValueError::Kind { expected, found: other.kind() },
            );
        }
    }
    declared
}

fn add<'d>(
    declared: &'d mut Vec<Declared>,
    names: &mut HashSet<String>,
    name: &str,
    place: Place,
    tree: &mut Tree<'_>,
) -> Option<&'d mut Declared> {
    // `$G` is there for everyone.
    if name == GLOBAL {
        tree.note_problem(place, Conflict::ReservedAccount);
        return None;
    }
    if !names.insert(name.to_owned()) {
        tree.note_problem(place, Conflict::DuplicateAccount(name.to_owned()));
        return None;
    }
    declared.push(Declared { account: Account::new(name), users: Vec::new() });
    declared.last_mut()
}

fn read_account(map: &Map, into: &mut Declared, tree: &mut Tree<'_>) {
    let Declared { account, users } = into;
    tree.block(map, KEYS, |tree, key, entry| match key {
        "nkey" => {
            if let Some(text) = tree.text(key, &entry.node) {
                if users::is_public_key(text, nkeys::KeyPairType::Account) {
                    account.nkey = Some(text.to_owned());
                } else {
                    tree.note(entry.node.place, key, ValueError::AccountKey);
                }
            }
        }
        "users" => *users = users::read(&entry.node, tree),
        "default_permissions" => account.default_permissions = Permissions::read(entry, tree),
        "imports" => account.imports = exchange::read_imports(&entry.node, tree),
        "exports" => account.exports = exchange::read_exports(&entry.node, tree),
        "mappings" => account.mappings = mapping::read(entry, tree),
        "limits" => account.limits = read_limits(&entry.node, tree),
        "msg_trace" => account.trace = read_trace(entry, tree),
        _ => account.jetstream = account_jetstream::read(entry, tree),
    });
}

fn read_limits(node: &Node, tree: &mut Tree<'_>) -> AccountLimits {
    let mut limits = AccountLimits::default();
    let Some(map) = tree.map("limits", node) else { return limits };
    tree.block(map, LIMITS, |tree, key, entry| {
        // Below zero is without limit.
        let Some(number) = tree.int(key, &entry.node) else { return };
        let limit = (number >= 0).then(|| u32::try_from(number).unwrap_or(u32::MAX));
        match key {
            "max_connections" => limits.connections = limit,
            "max_subscriptions" => limits.subscriptions = limit,
            "max_payload" => limits.payload = limit,
            _ => limits.leafnodes = limit,
        }
    });
    limits
}

fn read_trace(entry: &Entry, tree: &mut Tree<'_>) -> Option<TraceDestination> {
    let place = entry.node.place;
    let mut trace = TraceDestination { subject: String::new(), sampling: 100 };
    match &entry.node.value {
        Value::Text(subject) => trace.subject.clone_from(subject),
        Value::Map(map) => {
            tree.block(map, TRACE_KEYS, |tree, key, entry| match (key, &entry.node.value) {
                ("dest", _) => {
                    trace.subject = tree.text(key, &entry.node).unwrap_or_default().to_owned();
                }
                (_, value) => match percent(value) {
                    Some(sampling) => trace.sampling = sampling,
                    None => tree.note(entry.node.place, key, ValueError::Percent),
                },
            })
        }
        other => {
            let expected = "text or a block";
            tree.note(place, "msg_trace", ValueError::Kind { expected, found: other.kind() });
            return None;
        }
    }
    let is_literal = crate::permissions::is_subject(&trace.subject)
        && !trace.subject.split('.').any(|token| token == "*" || token == ">");
    if !is_literal {
        tree.note(place, "msg_trace", ValueError::Subject(trace.subject));
        return None;
    }
    Some(trace)
}

/// 1 to 100, as a number or as `"20%"`.
pub(crate) fn percent(value: &Value) -> Option<u8> {
    let number = match value {
        Value::Int(number) => *number,
        Value::Text(text) => text.trim().trim_end_matches('%').trim().parse().ok()?,
        _ => return None,
    };
    u8::try_from(number).ok().filter(|percent| (1..=100).contains(percent))
}
