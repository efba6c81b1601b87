//! Reading `mappings`: a subject to one destination or to several with weights.
//! spec/cli-and-config.md §7.3, spec/security.md §6

use std::collections::BTreeMap;

use crate::account_block::percent;
use crate::accounts::{Destination, Mapping};
use crate::declaration::Known;
use crate::permissions::is_subject;
use crate::problem::ValueError;
use crate::tree::Tree;
use crate::value::{Entry, Node, Value};

/// The keys of one destination.
pub(crate) const KEYS: &[Known] = &[
    Known::read(&["dest", "destination"], "text", "The subject that takes the place"),
    Known::read(&["weight"], "an integer, or text with %", "Share of the messages, in percent"),
    Known::read(&["cluster"], "text", "Only for servers of this cluster"),
];

/// Reads the block.
pub(crate) fn read(entry: &Entry, tree: &mut Tree<'_>) -> Vec<Mapping> {
    let Some(map) = tree.map("mappings", &entry.node) else { return Vec::new() };
    let mut mappings = Vec::new();
    for (source, entry) in map.written() {
        if !is_subject(source) {
            tree.note(entry.place, "mappings", ValueError::Subject(source.to_owned()));
            continue;
        }
        let destinations = match &entry.node.value {
            Value::Text(subject) => {
                vec![Destination { subject: subject.clone(), weight: 100, cluster: None }]
            }
            Value::Array(nodes) => {
                nodes.iter().filter_map(|node| destination(source, node, tree)).collect()
            }
            _ => destination(source, &entry.node, tree).into_iter().collect(),
        };
        if weights(&destinations).values().any(|sum| *sum > 100) {
            tree.note(entry.place, source, ValueError::Weights);
        }
        mappings.push(Mapping { source: source.to_owned(), destinations });
    }
    mappings
}

fn destination(source: &str, node: &Node, tree: &mut Tree<'_>) -> Option<Destination> {
    let map = tree.map(source, node)?;
    let (mut subject, mut share, mut cluster) = (String::new(), None, None);
    tree.block(map, KEYS, |tree, key, entry| match key {
        "dest" => subject = tree.text(key, &entry.node).unwrap_or_default().to_owned(),
        "weight" => {
            share = weight(&entry.node.value);
            if share.is_none() {
                tree.note(entry.node.place, key, ValueError::Percent);
                share = Some(0);
            }
        }
        _ => cluster = tree.text(key, &entry.node).map(str::to_owned),
    });
    if subject.is_empty() {
        tree.note(node.place, source, ValueError::DestinationMissing);
    } else if share.is_none() {
        tree.note(node.place, source, ValueError::WeightMissing(subject.clone()));
    }
    Some(Destination { subject, weight: share.unwrap_or_default(), cluster })
}

fn weight(value: &Value) -> Option<u8> {
    match value {
        Value::Int(0) => Some(0),
        value => percent(value),
    }
}

/// The sum of the weights in each cluster.
fn weights(destinations: &[Destination]) -> BTreeMap<&Option<String>, u32> {
    let mut sums = BTreeMap::new();
    for Destination { weight, cluster, .. } in destinations {
        *sums.entry(cluster).or_insert(0) += u32::from(*weight);
    }
    sums
}
