//! Claims of any kind, as they are: requests about claims, such as which accounts to delete.

use nkeys::KeyPairType;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Content;

/// Whatever stands in `nats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generic(pub Map<String, Value>);

impl Content for Generic {
    const KIND: Option<&'static str> = None;

    fn may_issue(_: &KeyPairType) -> bool {
        true
    }
}

impl Generic {
    /// The texts in the list `key`; what is no text is left out.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.0.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}
