//! Each key and each mistake, and that the profiles of the program and their reference agree
//! with the declarations.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::parser::Files;
use crate::place::Sources;
use crate::problem::Diagnostics;

/// Files held in memory.
struct Shelf(HashMap<PathBuf, Vec<u8>>);

impl Files for Shelf {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.get(path).ok_or(io::ErrorKind::NotFound)?.clone())
    }
}

fn load_bytes(bytes: &[u8]) -> (Tuning, Vec<String>) {
    let shelf = Shelf(HashMap::from([("my.toml".into(), bytes.to_vec())]));
    load_named("my.toml", &shelf)
}

fn load_named(name: &str, shelf: &Shelf) -> (Tuning, Vec<String>) {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let name = ProfileName::parse(name).unwrap();
    let tuning = load(&name, shelf, &mut sources, &mut found);
    (tuning, found.show(&sources))
}

fn tuning(text: &str) -> Tuning {
    let (tuning, wrong) = load_bytes(text.as_bytes());
    assert!(wrong.is_empty(), "{text}: {wrong:?}");
    tuning
}

#[test]
fn each_key_sets_what_it_names() {
    let base = Tuning::default;
    for (text, wanted) in [
        ("", base()),
        ("cores = 'physical'", Tuning { cores: CoreChoice::Physical, ..base() }),
        ("cores = 'numa-of:eth0'", Tuning { cores: CoreChoice::NumaOf("eth0".into()), ..base() }),
        ("cores = [3, 0]", Tuning { cores: CoreChoice::Listed("0,3".parse().unwrap()), ..base() }),
        ("cores = '0,3'", Tuning { cores: CoreChoice::Listed("0,3".parse().unwrap()), ..base() }),
        ("cores_max = 2", Tuning { cores_max: 2, ..base() }),
        ("control_cores = 'apart'", Tuning { control_cores: ControlCores::Apart, ..base() }),
        (
            "control_cores = 1",
            Tuning { control_cores: ControlCores::Listed("1".parse().unwrap()), ..base() },
        ),
        ("idle = 'spin'", Tuning { idle: Idle::Spin, ..base() }),
        ("scheduling = 'normal'", base()),
        ("scheduling = 'batch'", Tuning { scheduling: Scheduling::Batch, ..base() }),
        ("scheduling = 'realtime'", Tuning { scheduling: Scheduling::Realtime, ..base() }),
        ("spin_before_park_us = 50", Tuning { spin_before_park_us: 50, ..base() }),
        ("busy_poll_us = 0x32", Tuning { busy_poll_us: 50, ..base() }),
        ("gather_us = 20", Tuning { gather_us: 20, ..base() }),
        ("gather_events = 32", Tuning { gather_events: 32, ..base() }),
        ("send_buffer_bytes = 8192", Tuning { send_buffer_bytes: Some(8192), ..base() }),
        ("receive_buffer_bytes = 8_192", Tuning { receive_buffer_bytes: Some(8192), ..base() }),
        ("receive_buffer_bytes = 0", base()),
        ("read_chunk_bytes = 65536", Tuning { read_chunk_bytes: 65_536, ..base() }),
        ("read_chunks = 128", Tuning { read_chunks: 128, ..base() }),
        ("ring_data_bytes = 4194304", Tuning { ring_data_bytes: 4 << 20, ..base() }),
        ("ring_interest_bytes = 131072", Tuning { ring_interest_bytes: 1 << 17, ..base() }),
        ("lock_memory = true", Tuning { lock_memory: MemoryLock::On, ..base() }),
        ("huge_pages = true", Tuning { huge_pages: Pages::Huge, ..base() }),
        ("storage_flush_ms = 0", base()),
        (
            "storage_flush_ms = 250",
            Tuning { storage_flush: Flush::Every(Duration::from_millis(250)), ..base() },
        ),
    ] {
        assert_eq!(tuning(text), wanted, "{text}");
    }
}

#[test]
fn each_mistake_is_named_with_its_place_and_a_remedy() {
    for (text, wanted) in [
        ("idel = 'spin'", "my.toml:1:1: unknown field \"idel\", did you mean \"idle\"?"),
        ("\n  banana = 1", "my.toml:2:3: unknown field \"banana\""),
        ("[idle]\nx = 1", "my.toml:1:1: idle: expected text, found a table"),
        ("idle = 'sleep'", "my.toml:1:8: idle: unknown value \"sleep\"; use one of park, spin"),
        ("gather_us = 1.5", "my.toml:1:13: gather_us: expected an integer, found a number with"),
        ("cores_max = 0", "my.toml:1:13: cores_max: 0 is out of bounds: 1 to 128"),
        (
            "storage_flush_ms = 3600001",
            "my.toml:1:20: storage_flush_ms: 3600001 is out of bounds: 0 to 3600000",
        ),
        ("busy_poll_us = -1", "my.toml:1:16: busy_poll_us: -1 is out of bounds: 0 to 10000"),
        (
            "busy_poll_us = 99999999999999999999",
            "my.toml:1:16: busy_poll_us: 9223372036854775807 is out of bounds: 0 to 10000",
        ),
        (
            "read_chunks = 100",
            "my.toml:1:15: read_chunks: 100 is no power of two; the nearest are 64 and 128",
        ),
        ("lock_memory = 'yes'", "my.toml:1:15: lock_memory: expected true or false, found text"),
        ("cores = 'al'", "my.toml:1:9: cores: \"al\" is not a core number; write a list such as"),
        ("cores = [0, 'a']", "my.toml:1:9: cores: expected text or a list of integers, found text"),
        ("cores = []", "my.toml:1:9: cores: a core is missing"),
        ("cores = 'numa-of:'", "my.toml:1:9: cores: must not be empty"),
        ("control_cores = 5000", "my.toml:1:17: control_cores: core 5000 is above the highest"),
        (
            "gather_us = 5\nidle = 'spin'",
            "my.toml:1:13: gather_us means nothing where idle = \"spin\"",
        ),
        (
            "idle = 'spin'\nscheduling = 'realtime'",
            "my.toml:2:14: scheduling = \"realtime\" with idle = \"spin\" leaves the core",
        ),
        ("idle = 'park'\nidle = 'spin'", "my.toml:2:1: not TOML: duplicate key"),
        ("idle =", "my.toml:1:7: not TOML: "),
    ] {
        let (_, wrong) = load_bytes(text.as_bytes());
        assert_eq!(wrong.len(), 1, "{text}: {wrong:?}");
        assert!(wrong[0].starts_with(wanted), "{text}: {}", wrong[0]);
    }
    let (_, wrong) = load_bytes(b"a = 1\nidle = 1\nlock_memory = 2");
    assert_eq!(wrong.len(), 3, "all mistakes are told: {wrong:?}");
    assert!(wrong[1].contains("\n  2 | idle = 1\n    |        ^"), "{wrong:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let nothing = Shelf(HashMap::new());
    assert_eq!(load_named("a/b", &nothing).1, ["open a/b: entity not found"]);
    assert_eq!(load_bytes(b"\xff").1, ["open my.toml: not UTF-8 text"]);
    let (_, wrong) = load_bytes(&vec![b'\n'; limits::PROFILE_BYTES_MAX + 1]);
    assert_eq!(wrong, ["open my.toml: it has more than 65536 bytes"]);
}

#[test]
fn names_and_paths_are_told_apart() {
    assert_eq!(ProfileName::parse("default"), Ok(ProfileName::Default));
    assert_eq!(ProfileName::parse("latency").unwrap().to_string(), "latency");
    assert_eq!(ProfileName::parse("./latency"), Ok(ProfileName::File("./latency".into())));
    let error = ProfileName::parse("troughput").unwrap_err().to_string();
    assert!(error.starts_with("unknown profile \"troughput\", did you mean \"throughput\"?; name"));
}

#[test]
fn the_profiles_of_the_program_are_right_and_name_every_key() {
    let nothing = Shelf(HashMap::new());
    for embedded in &EMBEDDED {
        let (tuning, wrong) = load_named(embedded.name, &nothing);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_ne!(tuning, Tuning::default(), "{} changes something", embedded.name);
        for key in KEYS {
            let line = format!("\n{} = ", key.name);
            assert!(embedded.text.contains(&line), "{} lacks {}", embedded.name, key.name);
        }
    }
    let idle = |name| load_named(name, &nothing).0.idle;
    assert_eq!((idle("latency"), idle("throughput")), (Idle::Spin, Idle::Park));
}

#[test]
fn declared_defaults_are_the_defaults_and_the_reference_lists_every_key() {
    let reference = include_str!("../../../tuning/README.md");
    for key in KEYS {
        assert_eq!(tuning(&format!("{} = {}", key.name, key.default)), Tuning::default());
        let Key { name, default, doc, kind } = key;
        let row = format!("| `{name}` | {} | `{default}` | {doc} |", kind.values());
        assert!(reference.contains(&row), "tuning/README.md lacks\n{row}");
    }
}
