//! Checks the house: what `style.md` asks for and no compiler sees. Each check is a function from
//! a path and a text to complaints, so that a bad sample shows that it can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Hard limits; style.md asks for less.
const FILE_LINES_MAX: usize = 700;
const LINE_CHARS_MAX: usize = 100;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];

/// Only these rooms may hold `unsafe`; and the load generator, which is no part of the server.
const UNSAFE_ROOMS: [&str; 4] = ["src/buffer/", "src/ring/", "src/runtime/", "bench-harness/"];

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Complaint(String);

/// A source file: its path from the repository's root, and its text.
#[derive(Clone, Copy)]
struct Source<'a> {
    path: &'a str,
    text: &'a str,
}

type Check = fn(Source) -> Vec<Complaint>;

/// Those that look at one Rust file.
const CHECKS: [Check; 7] = [
    opens_with_docs,
    is_short,
    has_short_lines,
    is_well_named,
    keeps_unsafe_in,
    is_finished,
    waits,
];

#[test]
fn every_rust_file_is_tidy() {
    let files = rust_files();
    assert!(files.len() > 40, "the house has more files than {}", files.len());
    let mut complaints = Vec::new();
    for (path, text) in &files {
        CHECKS.iter().for_each(|check| complaints.extend(check(Source { path, text })));
    }
    assert_none(&complaints);
}

#[test]
fn every_room_has_a_door_plate() {
    let files = rust_files();
    let mut complaints = Vec::new();
    let mut rooms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in files.keys() {
        if let Some((room, file)) = path.rsplit_once('/').filter(|(room, _)| is_room(room)) {
            rooms.entry(room).or_default().push(file);
        }
    }
    assert!(rooms.len() >= 14, "the rooms of design §2: {rooms:?}");
    for (room, neighbours) in rooms {
        let path = format!("{room}/lib.rs");
        match files.get(&path) {
            Some(text) => {
                complaints.extend(names_its_files(Source { path: &path, text }, &neighbours))
            }
            None => complaints.push(Complaint(format!("{room}: no lib.rs"))),
        }
    }
    assert_none(&complaints);
}

#[test]
fn every_parity_row_is_accounted_for() {
    let root = root();
    let parity = std::fs::read_to_string(root.join("src/PARITY.md")).expect("src/PARITY.md");
    let exists = |file: &str| root.join(file).exists();
    assert_none(&parity_complaints(&parity, exists));
}

#[test]
fn every_class_of_advisories_has_a_test() {
    let root = root();
    let table = std::fs::read_to_string(root.join("src/security/README.md")).expect("the table");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_default();
    assert_none(&advisory_complaints(&table, read));
}

/// `src/<room>`, and nothing deeper.
fn is_room(folder: &str) -> bool {
    folder.strip_prefix("src/").is_some_and(|room| !room.contains('/'))
}

// style.md §2
fn opens_with_docs(source: Source) -> Vec<Complaint> {
    let opens = source.text.starts_with("//! ");
    complain_unless(opens, source, "does not open with `//!`")
}

// style.md §6
fn is_short(source: Source) -> Vec<Complaint> {
    let lines = source.text.lines().count();
    complain_unless(lines <= FILE_LINES_MAX, source, &format!("has {lines} lines"))
}

fn has_short_lines(source: Source) -> Vec<Complaint> {
    at_lines(source, "is too long", |line| line.chars().count() > LINE_CHARS_MAX)
}

// style.md §8
fn is_well_named(source: Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for part in source.path.trim_end_matches(".rs").split('/') {
        let says_nothing = part.split('_').any(|word| EMPTY_NAMES.contains(&word));
        let what = format!("`{part}` says nothing");
        complaints.extend(complain_unless(!says_nothing, source, &what));
    }
    let empty_module = |line: &str| {
        let module = line.trim().trim_start_matches("pub ").strip_prefix("mod ");
        let name = module.map(|rest| rest.trim_end_matches([';', '{', ' ']));
        name.is_some_and(|name| EMPTY_NAMES.contains(&name))
    };
    complaints.extend(at_lines(source, "is a module whose name says nothing", empty_module));
    complaints
}

// style.md §17
fn keeps_unsafe_in(source: Source) -> Vec<Complaint> {
    let allowed = UNSAFE_ROOMS.iter().any(|room| source.path.starts_with(room));
    let mut complaints = Vec::new();
    let mut explained = false;
    for (number, line) in source.text.lines().enumerate() {
        let trimmed = line.trim();
        let comment = trimmed.starts_with("//");
        if uses_unsafe(line) {
            let at = format!("{}:{}", source.path, number + 1);
            if !allowed {
                complaints.push(Complaint(format!("{at}: `unsafe` does not belong here")));
            } else if !explained {
                complaints.push(Complaint(format!("{at}: `unsafe` without `// SAFETY:`")));
            }
        }
        // An explanation holds until a statement or an item ends.
        if trimmed.contains("SAFETY:") || trimmed.starts_with("/// # Safety") {
            explained = true;
        } else if !comment && trimmed.ends_with([';', '{', '}']) {
            explained = false;
        }
    }
    complaints
}

/// Whether the keyword stands in the code of this line.
fn uses_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let quoted = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    quoted.split(|char: char| !char.is_alphanumeric() && char != '_').any(|word| word == "unsafe")
}

// style.md §24. The bracket is added here, so that this file does not complain about itself.
fn is_finished(source: Source) -> Vec<Complaint> {
    let unfinished =
        ["todo!", "unimplemented!", "dbg!", "#[allow", "#![allow"].map(|word| format!("{word}("));
    let marks = |line: &str| unfinished.iter().any(|mark| line.contains(mark.as_str()));
    at_lines(source, "is unfinished, or hides a warning", marks)
}

/// Tests never sleep to wait for something.
fn waits(source: Source) -> Vec<Complaint> {
    let is_test = source.path.starts_with("tests/")
        || source.path.ends_with("tests.rs")
        || source.path.contains("/tests/");
    // The call by its path, or its import.
    let sleeps = |line: &str| {
        ["thread", "time"].iter().any(|module| line.contains(&format!("{module}::sleep")))
    };
    if is_test { at_lines(source, "sleeps", sleeps) } else { Vec::new() }
}

// style.md §1: the door plate names each file of its room.
fn names_its_files(plate: Source, neighbours: &[&str]) -> Vec<Complaint> {
    let docs: String = plate.text.lines().filter(|line| line.starts_with("//!")).collect();
    let unnamed = |file: &&&str| **file != "lib.rs" && !docs.contains(&format!("`{file}`"));
    let what = |file| format!("the door plate does not name `{file}`");
    neighbours
        .iter()
        .filter(unnamed)
        .map(|file| Complaint(format!("{}: {}", plate.path, what(file))))
        .collect()
}

/// `| id | feature | status | test | note |` for each row of the specification, once.
fn parity_complaints(parity: &str, exists: impl Fn(&str) -> bool) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for line in parity.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let id = cells[0];
        if !is_row_id(id) {
            continue;
        }
        let mut complain = |what: String| complaints.push(Complaint(format!("{id}: {what}")));
        if !seen.insert(id) {
            complain("stands twice".to_owned());
        }
        let (status, test) = (cells.get(2).copied(), cells.get(3).copied().unwrap_or_default());
        match status {
            Some("not yet") => {}
            Some("works" | "differs") => {
                let named = test.split('`').skip(1).step_by(2).map(file_of).collect::<Vec<_>>();
                if named.is_empty() {
                    complain("names no test".to_owned());
                }
                for file in named.into_iter().filter(|file| !exists(file)) {
                    complain(format!("names {file}, which is not there"));
                }
            }
            other => complain(format!("has the status {other:?}")),
        }
    }
    for (group, count) in ROWS {
        for number in 1..=count {
            let id = format!("{group}{number:02}");
            if !seen.remove(id.as_str()) {
                complaints.push(Complaint(format!("{id}: is missing")));
            }
        }
    }
    complaints
        .extend(seen.iter().map(|id| Complaint(format!("{id}: is no row of spec/parity.md"))));
    complaints
}

/// `| class | test, test |`: each test is a function of the file that is named with it.
fn advisory_complaints(table: &str, read: impl Fn(&str) -> String) -> Vec<Complaint> {
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut complaints = Vec::new();
    for row in rows {
        let (class, tests) = row.trim_matches('|').split_once(" | ").unwrap_or((row, ""));
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            complaints.push(Complaint(format!("{class}: names no test")));
        }
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or((test, ""));
            if name.is_empty() || !read(file).contains(&format!("fn {name}(")) {
                complaints.push(Complaint(format!("{class}: {test} is not there")));
            }
        }
    }
    complaints
}

/// `tests/a.rs::name` is about the file `tests/a.rs`.
fn file_of(test: &str) -> &str {
    test.split("::").next().unwrap_or(test)
}

fn is_row_id(cell: &str) -> bool {
    cell.len() == 3
        && cell.starts_with(|char: char| char.is_ascii_uppercase())
        && cell[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The groups of spec/parity.md and how many rows each has.
const ROWS: [(&str, usize); 25] = [
    ("C", 20),
    ("R", 14),
    ("L", 12),
    ("F", 12),
    ("O", 6),
    ("M", 6),
    ("A", 14),
    ("P", 6),
    ("N", 12),
    ("T", 9),
    ("H", 11),
    ("E", 9),
    ("X", 8),
    ("Y", 13),
    ("W", 5),
    ("J", 12),
    ("S", 23),
    ("B", 8),
    ("K", 22),
    ("D", 7),
    ("Z", 11),
    ("V", 4),
    ("Q", 8),
    ("I", 13),
    ("U", 4),
];

fn complain_unless(holds: bool, source: Source, what: &str) -> Vec<Complaint> {
    if holds { Vec::new() } else { vec![Complaint(format!("{}: {what}", source.path))] }
}

fn at_lines(source: Source, what: &str, is_bad: impl Fn(&str) -> bool) -> Vec<Complaint> {
    let bad = source.text.lines().enumerate().filter(|(_, line)| is_bad(line));
    bad.map(|(at, _)| Complaint(format!("{}:{} {what}", source.path, at + 1))).collect()
}

#[track_caller]
fn assert_none(complaints: &[Complaint]) {
    let list: Vec<_> = complaints.iter().map(|complaint| complaint.0.as_str()).collect();
    assert!(list.is_empty(), "{} complaints:\n{}", list.len(), list.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files of the repository by their path.
fn rust_files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for folder in ["src", "tests", "bench-harness", "fuzz"] {
        collect(&root(), Path::new(folder), &mut files);
    }
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
    for entry in entries {
        let path = folder.join(entry.expect("an entry").file_name());
        if root.join(&path).is_dir() {
            if !path.ends_with("target") {
                collect(root, &path, files);
            }
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(root.join(&path)).expect("readable source");
            files.insert(path.to_string_lossy().into_owned(), text);
        }
    }
}

mod bad_samples {
    //! Each check finds what it is there for, and lets good code pass.

    use super::*;

    fn complaints(check: Check, path: &str, text: &str) -> usize {
        check(Source { path, text }).len()
    }

    #[test]
    fn good_code_passes_every_check() {
        let text = "//! What it does.\n\n// SAFETY: why.\nunsafe { go() }\n";
        for check in CHECKS {
            assert_eq!(check(Source { path: "src/ring/lane.rs", text }), []);
        }
    }

    #[test]
    fn missing_docs_long_files_and_long_lines_are_seen() {
        assert_eq!(complaints(opens_with_docs, "src/a.rs", "use x;\n//! late\n"), 1);
        assert_eq!(complaints(is_short, "src/a.rs", &"x\n".repeat(701)), 1);
        assert_eq!(complaints(is_short, "src/a.rs", &"x\n".repeat(700)), 0);
        assert_eq!(complaints(has_short_lines, "src/a.rs", &"ü".repeat(101)), 1);
        assert_eq!(complaints(has_short_lines, "src/a.rs", &"ü".repeat(100)), 0);
    }

    #[test]
    fn empty_names_are_seen() {
        assert_eq!(complaints(is_well_named, "src/room/utils.rs", ""), 1);
        assert_eq!(complaints(is_well_named, "src/helper/a.rs", ""), 1);
        assert_eq!(complaints(is_well_named, "src/room/conn_manager.rs", ""), 1);
        assert_eq!(complaints(is_well_named, "src/room/a.rs", "pub mod common;\n"), 1);
        assert_eq!(complaints(is_well_named, "src/room/commonality.rs", "mod misconduct;\n"), 0);
    }

    #[test]
    fn unsafe_out_of_place_or_unexplained_is_seen() {
        let explained = "// SAFETY: why.\nlet x =\n    unsafe { y() };\n";
        assert_eq!(complaints(keeps_unsafe_in, "src/shard/a.rs", explained), 1);
        assert_eq!(complaints(keeps_unsafe_in, "src/buffer/a.rs", explained), 0);
        assert_eq!(complaints(keeps_unsafe_in, "src/buffer/a.rs", "unsafe { y() };\n"), 1);
        let stale = "// SAFETY: why.\nunsafe { y() };\nunsafe { z() };\n";
        assert_eq!(complaints(keeps_unsafe_in, "src/buffer/a.rs", stale), 1);
        let quoted = "// unsafe\nlet a = \"unsafe\"; unsafe_op();\n";
        assert_eq!(complaints(keeps_unsafe_in, "src/shard/a.rs", quoted), 0);
    }

    #[test]
    fn unfinished_code_hidden_warnings_and_sleeps_are_seen() {
        for mark in ["todo!", "unimplemented!", "dbg!"] {
            assert_eq!(complaints(is_finished, "src/a.rs", &format!("{mark}(x)\n")), 1);
        }
        let hidden = format!("#[{}(dead_code)]\n#![{}(x)]\n", "allow", "allow");
        assert_eq!(complaints(is_finished, "src/a.rs", &hidden), 2);
        let sleeping = format!("std::thread::{}(x);\nring.sleep();\n", "sleep");
        assert_eq!(complaints(waits, "tests/a.rs", &sleeping), 1);
        assert_eq!(complaints(waits, "src/room/a/tests.rs", &sleeping), 1);
        assert_eq!(complaints(waits, "src/room/a.rs", &sleeping), 0);
    }

    #[test]
    fn a_door_plate_that_misses_a_file_is_seen() {
        let plate = Source { path: "src/room/lib.rs", text: "//! | `a.rs` | a |\n// `b.rs`\n" };
        let missing = names_its_files(plate, &["lib.rs", "a.rs", "b.rs"]);
        assert_eq!(missing.len(), 1, "{missing:?}");
    }

    #[test]
    fn an_advisory_without_a_test_is_seen() {
        let read = |file: &str| match file {
            "tests/a.rs" => String::from("fn holds() {}"),
            _ => String::new(),
        };
        let complaints = |row: &str| {
            advisory_complaints(&format!("| class | test |\n|---|---|\n{row}\n"), read).len()
        };
        assert_eq!(complaints("| loops | `tests/a.rs::holds` |"), 0);
        assert_eq!(complaints("| loops | `tests/a.rs::holds`, `tests/a.rs::hold` |"), 1);
        assert_eq!(complaints("| loops | `tests/a.rs` |"), 1);
        assert_eq!(complaints("| loops | `tests/b.rs::holds` |"), 1);
        assert_eq!(complaints("| loops | somewhere |"), 1);
    }

    #[test]
    fn a_parity_table_with_gaps_is_seen() {
        let all: String = ROWS
            .iter()
            .flat_map(|(group, count)| (1..=*count).map(move |n| format!("{group}{n:02}")))
            .map(|id| format!("| {id} | what | not yet | | |\n"))
            .collect();
        let complaints = |table: &str| parity_complaints(table, |file| file == "tests/a.rs");
        assert_eq!(complaints(&all), []);
        let row = "| C01 | what | not yet | | |\n";
        assert_eq!(complaints(&all.replace(row, "")).len(), 1, "missing");
        assert_eq!(complaints(&format!("{all}{row}")).len(), 1, "twice");
        assert_eq!(complaints(&format!("{all}| C99 | what | not yet | | |\n")).len(), 1, "unknown");
        let with = |row_now: &str| complaints(&all.replace(row, row_now)).len();
        assert_eq!(with("| C01 | what | works | `tests/a.rs::c01` | |\n"), 0);
        assert_eq!(with("| C01 | what | works | | |\n"), 1, "no test");
        assert_eq!(with("| C01 | what | differs | `tests/b.rs` | |\n"), 1, "no such test");
        assert_eq!(with("| C01 | what | nearly | `tests/a.rs` | |\n"), 1, "no such status");
    }
}
