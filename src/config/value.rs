//! A configuration as it was written: maps, arrays and scalars, each with its place.

use std::collections::BTreeMap;

use crate::place::Place;

/// A value and where it stands. A value that a variable stood for has the variable's place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
}

/// What can stand behind a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` and its kin.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a point; finite.
    Float(f64),
    /// A date in full Zulu form, as written.
    Date(String),
    /// Text, quoted or not.
    Text(String),
    /// Values in order.
    Array(Vec<Node>),
    /// Values by key.
    Map(Map),
}

/// Values by key. A key that comes again replaces the one before (spec/cli-and-config.md §6).
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: BTreeMap<String, Entry>,
    written: u64,
}

/// One key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub node: Node,
    /// Whether a variable took this entry's value, which excuses a key that is no option.
    pub used: bool,
    order: u64,
}

/// Values are equal wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.value == other.value
    }
}

/// Entries are equal wherever they stand.
impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.node == other.node
    }
}

/// Maps are equal however often a key was written.
impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.entries == other.entries
    }
}

impl Map {
    /// Puts `node` behind `key`, in the place of what was there.
    pub fn insert(&mut self, key: String, place: Place, node: Node) {
        self.written += 1;
        self.entries.insert(key, Entry { place, node, used: false, order: self.written });
    }

    /// The entry behind exactly this key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The entry behind exactly this key.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    /// Keys and entries sorted by key, as the digest wants them.
    pub fn sorted(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// Keys and entries in the order they were written, as options are applied.
    pub fn written(&self) -> Vec<(&str, &Entry)> {
        let mut entries: Vec<_> = self.sorted().collect();
        entries.sort_by_key(|(_, entry)| entry.order);
        entries
    }

    /// Puts all of `other` into this map, as `include` does.
    pub fn merge(&mut self, other: Map) {
        let mut entries: Vec<_> = other.entries.into_iter().collect();
        entries.sort_by_key(|(_, entry)| entry.order);
        for (key, entry) in entries {
            self.written += 1;
            self.entries.insert(key, Entry { order: self.written, ..entry });
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many keys are in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// How much a value takes and how deep it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of memory, roughly.
    pub bytes: usize,
    /// Maps and arrays inside each other; 0 for a scalar.
    pub depth: usize,
}

/// Bytes that a value takes besides its text: the node, and its entry in a map.
pub const NODE_BYTES: usize = 160;

impl Node {
    /// How much memory a copy of this value takes, and how deep it is.
    pub fn extent(&self) -> Extent {
        let inner = |parts: &mut dyn Iterator<Item = (usize, &Node)>| {
            parts.fold(Extent { bytes: NODE_BYTES, depth: 1 }, |sum, (key_bytes, node)| {
                let part = node.extent();
                Extent {
                    bytes: sum.bytes + key_bytes + part.bytes,
                    depth: sum.depth.max(part.depth + 1),
                }
            })
        };
        match &self.value {
            Value::Text(text) | Value::Date(text) => {
                Extent { bytes: NODE_BYTES + text.len(), depth: 0 }
            }
            Value::Array(nodes) => inner(&mut nodes.iter().map(|node| (0, node))),
            Value::Map(map) => {
                inner(&mut map.sorted().map(|(key, entry)| (key.len(), &entry.node)))
            }
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                Extent { bytes: NODE_BYTES, depth: 0 }
            }
        }
    }
}

impl Value {
    /// The kind of value in words, for errors.
    pub const fn kind(&self) -> &'static str {
        match self {
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number with a point",
            Value::Date(_) => "a date",
            Value::Text(_) => "text",
            Value::Array(_) => "a list",
            Value::Map(_) => "a block",
        }
    }
}
