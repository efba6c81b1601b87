//! Lists of users, in `authorization` and in accounts. spec/cli-and-config.md §7.2

use crate::declaration::{Inside, Known};
use crate::options::{ConnectionKinds, Login, Secret, User};
use crate::permissions::{self, Permissions};
use crate::place::Place;
use crate::problem::ValueError;
use crate::tree::Tree;
use crate::value::Node;

/// The keys of a user.
pub(crate) const KEYS: &[Known] = &[
    Known::read(&["user", "username"], "text", "Name"),
    Known::read(&["password", "pass"], "text", "Password, plain or as a bcrypt hash"),
    Known::read(&["nkey"], "text", "Public nkey, in place of name and password"),
    Known::read(
        &["permissions", "permission", "authorization"],
        "a block",
        "What the user may publish and subscribe to",
    )
    .with(Inside::Block(permissions::KEYS)),
    Known::read(
        &["allowed_connection_types", "connection_types", "clients"],
        "text or a list of text",
        "How the user may connect, such as STANDARD or WEBSOCKET; in any way when unset",
    ),
    Known::read(&["proxy_required"], "a boolean", "Only by a trusted proxy"),
];

/// How a connection may come; the words of the configuration and of JWTs.
/// spec/security.md §7
pub const CONNECTION_KINDS: [(&str, ConnectionKinds); 7] = [
    ("STANDARD", ConnectionKinds::STANDARD),
    ("WEBSOCKET", ConnectionKinds::WEBSOCKET),
    ("LEAFNODE", ConnectionKinds::LEAFNODE),
    ("LEAFNODE_WS", ConnectionKinds::LEAFNODE_WS),
    ("MQTT", ConnectionKinds::MQTT),
    ("MQTT_WS", ConnectionKinds::MQTT_WS),
    ("IN_PROCESS", ConnectionKinds::IN_PROCESS),
];

/// Reads the list; each user with its place.
pub(crate) fn read(node: &Node, tree: &mut Tree<'_>) -> Vec<(Place, User)> {
    let nodes = tree.list("users", node);
    nodes.iter().filter_map(|node| Some((node.place, read_user(node, tree)?))).collect()
}

fn read_user(node: &Node, tree: &mut Tree<'_>) -> Option<User> {
    let map = tree.map("users", node)?;
    let (mut name, mut password, mut nkey) = (String::new(), String::new(), None);
    let (mut permissions, mut connections) = (None, ConnectionKinds::ANY);
    let mut proxy_required = false;
    tree.block(map, KEYS, |tree, key, entry| match key {
        "user" => name = tree.text(key, &entry.node).unwrap_or_default().to_owned(),
        "password" => password = tree.text(key, &entry.node).unwrap_or_default().to_owned(),
        "nkey" => nkey = tree.text(key, &entry.node).map(str::to_owned),
        "permissions" => permissions = Permissions::read(entry, tree).map(Box::new),
        "allowed_connection_types" => connections = read_kinds(&entry.node, tree),
        _ => proxy_required = tree.switch(key, &entry.node) == Some(true),
    });
    let login = match nkey {
        Some(_) if !name.is_empty() || !password.is_empty() => {
            tree.note(node.place, "users", ValueError::NkeyWithUser);
            return None;
        }
        Some(key) if !is_public_user_key(&key) => {
            tree.note(node.place, "users", ValueError::UserKey);
            return None;
        }
        Some(key) => Login::Nkey(key.into()),
        None if name.is_empty() => {
            tree.note(node.place, "users", ValueError::UserMissing);
            return None;
        }
        None => Login::Password { name: name.into(), password: Secret::new(password) },
    };
    Some(User { login, permissions, connections, proxy_required })
}

fn read_kinds(node: &Node, tree: &mut Tree<'_>) -> ConnectionKinds {
    let mut kinds = ConnectionKinds::NONE;
    for word in tree.texts("allowed_connection_types", node) {
        let known = CONNECTION_KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word));
        match known {
            Some((_, kind)) => kinds = kinds.with(*kind),
            None => {
                let allowed = CONNECTION_KINDS.map(|(name, _)| name).join(", ");
                let error = ValueError::Choice { value: word, allowed };
                tree.note(node.place, "allowed_connection_types", error);
            }
        }
    }
    // An empty list is any kind.
    if kinds == ConnectionKinds::NONE { ConnectionKinds::ANY } else { kinds }
}

/// Whether `key` is the public nkey of a user. spec/security.md §2
pub fn is_public_user_key(key: &str) -> bool {
    is_public_key(key, nkeys::KeyPairType::User)
}

/// Whether `key` is a public nkey of this kind.
pub fn is_public_key(key: &str, kind: nkeys::KeyPairType) -> bool {
    nkeys::KeyPair::from_public_key(key).is_ok_and(|pair| pair.key_pair_type() == kind)
}
