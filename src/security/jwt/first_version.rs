//! Claims of version 1: what they say of themselves stands beside `nats`, not in it. They are
//! still read (spec/security.md §3), and never written.

use serde_json::{Map, Value};

/// Moves what stands elsewhere in version 2; `None` if the claims are no claims at all.
pub(super) fn migrate(claims: &mut Map<String, Value>) -> Option<()> {
    let moved = ["type", "tags", "issuer_account"].map(|key| (key, claims.remove(key)));
    let content = claims.entry("nats").or_insert_with(|| Value::Object(Map::new()));
    let content = content.as_object_mut()?;
    let kind = moved[0].1.as_ref()?.as_str()?;
    match kind {
        // What an activation is for was called its type.
        "activation" => {
            if let Some(kind) = content.remove("type") {
                content.insert("kind".to_owned(), kind);
            }
        }
        // A limit that was not given was none.
        "user" => {
            for limit in ["subs", "data", "payload"] {
                content.entry(limit).or_insert_with(|| (-1).into());
            }
        }
        _ => {}
    }
    for (key, value) in moved {
        if let Some(value) = value {
            content.insert(key.to_owned(), value);
        }
    }
    Some(())
}
