//! Reading `jetstream` of one account: a switch, or how much of it the account may use.
//! spec/cli-and-config.md §7.3

use crate::accounts::JetStreamLimits;
use crate::declaration::Known;
use crate::problem::ValueError;
use crate::tree::Tree;
use crate::value::{Entry, Map, Value};

/// The keys inside.
pub(crate) const KEYS: &[Known] = &[
    Known::read(
        &["max_memory", "max_mem", "mem", "memory"],
        "an integer",
        "Bytes of its memory streams; -1 for no limit",
    ),
    Known::read(
        &["max_store", "max_file", "max_disk", "store", "disk"],
        "an integer",
        "Bytes of its file streams likewise",
    ),
    Known::read(&["max_streams", "streams"], "an integer", "Its streams; -1 for no limit"),
    Known::read(&["max_consumers", "consumers"], "an integer", "Consumers of a stream likewise"),
    Known::read(
        &["max_bytes_required", "max_stream_bytes", "max_bytes"],
        "a boolean",
        "Whether a stream must name its max_bytes",
    ),
    Known::read(
        &["mem_max_stream_bytes", "memory_max_stream_bytes"],
        "an integer",
        "The most max_bytes of a memory stream; -1 for no limit",
    ),
    Known::read(
        &["disk_max_stream_bytes", "store_max_stream_bytes"],
        "an integer",
        "The most max_bytes of a file stream; -1 for no limit",
    ),
    Known::read(
        &["max_ack_pending"],
        "an integer",
        "The most max_ack_pending of a consumer; -1 for no limit",
    ),
    Known::read(
        &["cluster_traffic"],
        "text",
        "Which account carries what replicas exchange: system, owner; one server has none",
    ),
];

/// What an account may use of JetStream; `None` where it may not use it.
pub(crate) fn read(entry: &Entry, tree: &mut Tree<'_>) -> Option<JetStreamLimits> {
    match &entry.node.value {
        Value::Bool(on) => on.then(JetStreamLimits::default),
        Value::Text(word) => match word.to_ascii_lowercase().as_str() {
            "enabled" | "enable" => Some(JetStreamLimits::default()),
            "disabled" | "disable" => None,
            _ => wrong(entry, tree),
        },
        Value::Map(map) => Some(limits(map, tree)),
        _ => wrong(entry, tree),
    }
}

fn wrong(entry: &Entry, tree: &mut Tree<'_>) -> Option<JetStreamLimits> {
    let expected = "a boolean, enabled, disabled or a block";
    let found = entry.node.value.kind();
    tree.note(entry.node.place, "jetstream", ValueError::Kind { expected, found });
    None
}

fn limits(map: &Map, tree: &mut Tree<'_>) -> JetStreamLimits {
    let mut limits = JetStreamLimits::default();
    tree.block(map, KEYS, |tree, key, entry| match key {
        "max_bytes_required" => {
            limits.max_bytes_required = tree.switch(key, &entry.node).unwrap_or_default();
        }
        "cluster_traffic" => {
            // Both hold on a server without replicas, which exchanges nothing.
            let word = tree.text(key, &entry.node).unwrap_or("system");
            if !matches!(word.to_ascii_lowercase().as_str(), "system" | "owner") {
                let (value, allowed) = (word.to_owned(), "system, owner".to_owned());
                tree.note(entry.node.place, key, ValueError::Choice { value, allowed });
            }
        }
        _ => {
            // Below zero is without limit.
            let limit = tree.int(key, &entry.node).and_then(|number| u64::try_from(number).ok());
            *match key {
                "max_memory" => &mut limits.memory,
                "max_store" => &mut limits.storage,
                "max_streams" => &mut limits.streams,
                "max_consumers" => &mut limits.consumers,
                "mem_max_stream_bytes" => &mut limits.memory_stream,
                "disk_max_stream_bytes" => &mut limits.storage_stream,
                _ => &mut limits.ack_pending,
            } = limit;
        }
    });
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::Draft;
    use crate::parser;
    use crate::place::Sources;
    use crate::problem::Diagnostics;

    struct One(String);

    impl parser::Files for One {
        fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
            Ok(self.0.clone().into_bytes())
        }
    }

    /// What `jetstream: <value>` comes to, and how many things are wrong with it.
    fn said(value: &str) -> (Option<JetStreamLimits>, usize) {
        let files = One(format!("accounts {{ A {{ jetstream: {value} }} }}"));
        let mut sources = Sources::default();
        let path = std::path::Path::new("t");
        let Ok(root) = parser::load(path, &files, &|_| None, &mut sources) else {
            panic!("{value} cannot be read");
        };
        let (mut draft, mut found) = (Draft::default(), Diagnostics::default());
        crate::apply::apply(&root, &mut draft, &mut found);
        let options = draft.finish(&mut found);
        (options.accounts.declared[0].jetstream, found.errors.len())
    }

    #[test]
    fn it_is_a_switch_a_word_or_a_block() {
        let unlimited = Some(JetStreamLimits::default());
        for on in ["true", "enabled", "Enabled", "{}"] {
            assert_eq!(said(on), (unlimited, 0), "{on}");
        }
        for off in ["false", "disabled"] {
            assert_eq!(said(off), (None, 0), "{off}");
        }
        for wrong in ["maybe", "7", "[]"] {
            assert_eq!(said(wrong), (None, 1), "{wrong}");
        }
        let block = "{ max_mem: 1K, disk: 2, streams: 3, consumers: -1, max_bytes: true, \
                     mem_max_stream_bytes: 4, store_max_stream_bytes: 5, max_ack_pending: 6, \
                     cluster_traffic: system }";
        let limits = JetStreamLimits {
            memory: Some(1000),
            storage: Some(2),
            streams: Some(3),
            consumers: None,
            ack_pending: Some(6),
            memory_stream: Some(4),
            storage_stream: Some(5),
            max_bytes_required: true,
        };
        assert_eq!(said(block), (Some(limits), 0));
        for both in ["system", "owner", "Owner"] {
            let block = format!("{{ cluster_traffic: {both} }}");
            assert_eq!(said(&block), (unlimited, 0), "{both}");
        }
        for wrong in ["{ max_mem: many }", "{ maxmem: 1 }", "{ cluster_traffic: mine }"] {
            assert_eq!(said(wrong), (unlimited, 1), "{wrong}");
        }
    }
}
