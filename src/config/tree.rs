//! Reading blocks that are too deep for a table: users, permissions, accounts. Every unknown key
//! and every wrong value is noted, none stops the reading.

use crate::declaration::Known;
use crate::place::Place;
use crate::problem::{Diagnostics, Problem, SHOWN_IN_FULL_MAX, ValueError};
use crate::suggest;
use crate::value::{Entry, Map, Node, Value};

/// A reader of nested blocks.
pub struct Tree<'a> {
    found: &'a mut Diagnostics,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(found: &'a mut Diagnostics) -> Tree<'a> {
        Tree { found }
    }

    /// Notes that a value cannot be.
    pub fn note(&mut self, place: Place, key: &str, error: ValueError) {
        self.found.note(Some(place), Problem::Value { key: key.to_owned(), error });
    }

    /// Notes anything else.
    pub fn note_problem(&mut self, place: Place, problem: impl Into<Problem>) {
        self.found.note(Some(place), problem);
    }

    /// Calls `each` with every known key, under its first name, in the order written.
    pub fn block<'m>(
        &mut self,
        map: &'m Map,
        known: &'static [Known],
        mut each: impl FnMut(&mut Self, &'static str, &'m Entry),
    ) {
        for (key, entry) in map.written() {
            let lower = key.to_lowercase();
            match known.iter().find(|known| known.names.contains(&lower.as_str())) {
                Some(found) => each(self, found.names[0], entry),
                None => self.unknown(key, entry, known.iter().flat_map(|known| known.names)),
            }
        }
    }

    /// spec/cli-and-config.md §6: an error, unless the entry is used as a variable.
    fn unknown<'n>(
        &mut self,
        key: &str,
        entry: &Entry,
        names: impl Iterator<Item = &'n &'static str>,
    ) {
        if entry.used {
            return;
        }
        let few = self.found.errors.len() < SHOWN_IN_FULL_MAX;
        let near = if few { suggest::nearest(key, names.copied()) } else { None };
        self.found.note(Some(entry.place), Problem::UnknownField { key: key.to_owned(), near });
    }

    pub fn map<'m>(&mut self, key: &str, node: &'m Node) -> Option<&'m Map> {
        match &node.value {
            Value::Map(map) => Some(map),
            other => self.wrong(key, node, "a block", other),
        }
    }

    pub fn list<'m>(&mut self, key: &str, node: &'m Node) -> &'m [Node] {
        match &node.value {
            Value::Array(nodes) => nodes,
            other => self.wrong(key, node, "a list", other).unwrap_or_default(),
        }
    }

    pub fn text<'m>(&mut self, key: &str, node: &'m Node) -> Option<&'m str> {
        match &node.value {
            Value::Text(text) => Some(text),
            other => self.wrong(key, node, "text", other),
        }
    }

    pub fn switch(&mut self, key: &str, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(on) => Some(*on),
            other => self.wrong(key, node, "a boolean", other),
        }
    }

    pub fn int(&mut self, key: &str, node: &Node) -> Option<i64> {
        match &node.value {
            Value::Int(number) => Some(*number),
            other => self.wrong(key, node, "an integer", other),
        }
    }

    /// Text, or a list of text.
    pub fn texts(&mut self, key: &str, node: &Node) -> Vec<String> {
        match &node.value {
            Value::Array(nodes) => {
                nodes.iter().filter_map(|node| self.text(key, node)).map(str::to_owned).collect()
            }
            _ => self.text(key, node).map(str::to_owned).into_iter().collect(),
        }
    }

    fn wrong<T>(
        &mut self,
        key: &str,
        node: &Node,
        expected: &'static str,
        found: &Value,
    ) -> Option<T> {
        self.note(node.place, key, ValueError::Kind { expected, found: found.kind() });
        None
    }
}
