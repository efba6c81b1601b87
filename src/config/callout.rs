//! `authorization.auth_callout`: a service that says who may come in. spec/security.md §5

use std::collections::HashSet;

use nkeys::KeyPairType;

use crate::accounts::{GLOBAL, SYSTEM};
use crate::declaration::Known;
use crate::options::{Auth, Options};
use crate::problem::{Conflict, Diagnostics, ValueError};
use crate::tree::Tree;
use crate::users::is_public_key;
use crate::value::Entry;

/// Who is asked, and about whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callout {
    /// The public account key that signs the answers.
    pub issuer: String,
    /// The account in which the service listens; [`GLOBAL`] when not given.
    pub account: Option<String>,
    /// Users, by name or key, that log in without the service: its own.
    pub auth_users: Vec<String>,
    /// The service's public curve key, to which questions are sealed.
    pub xkey: Option<String>,
    /// Users of these accounts are asked about; of all when there are none.
    pub allowed_accounts: Vec<String>,
}

/// The keys of the block.
pub(crate) const KEYS: &[Known] = &[
    Known::read(&["issuer"], "text", "Public account nkey that signs the answers"),
    Known::read(&["account", "acc"], "text", "Account in which the service listens; $G when unset"),
    Known::read(&["auth_users", "users"], "a list of text", "Users that are not asked about"),
    Known::read(&["xkey", "key"], "text", "Public curve nkey to which questions are sealed"),
    Known::read(
        &["allowed_accounts"],
        "a list of text",
        "Accounts whose users are asked about; all when unset",
    ),
];

/// Reads the block.
pub(crate) fn read(entry: &Entry, tree: &mut Tree<'_>) -> Option<Callout> {
    let map = tree.map("auth_callout", &entry.node)?;
    let mut callout = Callout::default();
    tree.block(map, KEYS, |tree, key, entry| {
        let place = entry.node.place;
        match key {
            "auth_users" => callout.auth_users = tree.texts(key, &entry.node),
            "allowed_accounts" => callout.allowed_accounts = tree.texts(key, &entry.node),
            _ => {
                let Some(text) = tree.text(key, &entry.node).map(str::to_owned) else { return };
                match key {
                    "issuer" if !is_public_key(&text, KeyPairType::Account) => {
                        tree.note(place, key, ValueError::AccountKey);
                    }
                    "issuer" => callout.issuer = text,
                    "xkey" if nkeys::XKey::from_public_key(&text).is_err() => {
                        tree.note(place, key, ValueError::CurveKey);
                    }
                    "xkey" => callout.xkey = Some(text),
                    _ => callout.account = Some(text),
                }
            }
        }
    });
    if callout.issuer.is_empty() {
        tree.note_problem(entry.place, Conflict::CalloutIssuer);
    }
    if callout.auth_users.is_empty() {
        tree.note_problem(entry.place, Conflict::CalloutUsers);
    }
    Some(callout)
}

/// Names that must stand for something: a service that nobody can be lets nobody in.
pub(crate) fn check(options: &Options, found: &mut Diagnostics) {
    let Some(callout) = &options.accounts.callout else { return };
    if options.operator.is_on() {
        found.note(None, Conflict::CalloutAndOperator);
        return;
    }
    // With a token there are no users, and so no service.
    if let Auth::Token(_) = options.auth {
        found.note(None, Conflict::CalloutAndToken);
    }
    let declared = &options.accounts.declared;
    let users = declared.iter().flat_map(|account| &account.users);
    let users: HashSet<&str> = options.auth.users().iter().chain(users).map(|u| u.name()).collect();
    for name in callout.auth_users.iter().filter(|name| !users.contains(name.as_str())) {
        found.note(None, Conflict::CalloutUserUnknown(name.clone()));
    }
    let system = options.accounts.system.as_deref().unwrap_or(SYSTEM);
    let is_known = |name: &str| {
        [GLOBAL, system].contains(&name) || declared.iter().any(|account| account.name == name)
    };
    let named = callout.account.iter().chain(&callout.allowed_accounts);
    for name in named.filter(|name| !is_known(name)) {
        found.note(None, Conflict::CalloutAccountUnknown(name.clone()));
    }
}
