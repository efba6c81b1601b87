//! `proxies`, and who needs one. spec/cli-and-config.md §7.1, spec/security.md §9

use crate::declaration::{Inside, Known};
use crate::problem::ValueError;
use crate::tree::Tree;
use crate::value::Entry;

/// Which proxies are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Their public nkeys.
    pub trusted: Vec<String>,
    /// Every client must come by one of them: `authorization.proxy_required`.
    pub required: bool,
}

/// The keys of the block.
pub(crate) const KEYS: &[Known] = &[Known::read(
    &["trusted"],
    "a list of blocks",
    "Proxies whose word counts that they pass a client on",
)
.with(Inside::List(TRUSTED))];

const TRUSTED: &[Known] = &[Known::read(&["key", "public_key"], "text", "Public nkey")];

/// Reads the public keys.
pub(crate) fn read(entry: &Entry, tree: &mut Tree<'_>) -> Vec<String> {
    let mut keys = Vec::new();
    let Some(map) = tree.map("proxies", &entry.node) else { return keys };
    tree.block(map, KEYS, |tree, key, entry| {
        for node in tree.list(key, &entry.node) {
            let Some(one) = tree.map(key, node) else { continue };
            tree.block(one, TRUSTED, |tree, key, entry| {
                let Some(text) = tree.text(key, &entry.node) else { return };
                if nkeys::KeyPair::from_public_key(text).is_ok() {
                    keys.push(text.to_owned());
                } else {
                    tree.note(entry.node.place, key, ValueError::PublicKey);
                }
            });
        }
    });
    keys
}
