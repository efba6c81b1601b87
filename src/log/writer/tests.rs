//! The thread end to end: order, flush at stop, re-open, drops, a target that fails.

use std::fs;
use std::path::PathBuf;

use base::Verbosity;

use super::*;
use crate::options::{FileOptions, Stamp, Target};

/// A folder of this test's own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("corewire-log-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file_options(&self) -> Options {
        let path = self.0.join("server.log");
        let target = Target::File(FileOptions { path, size_limit: 0, files_max: 0 });
        Options { target, stamp: Stamp::Bare, ..Options::default() }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The lines as the file shows them without time.
fn bare(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let pid = std::process::id();
    lines.into_iter().map(|line| format!("[{pid}] {}\n", line.as_ref())).collect()
}

#[test]
fn everything_queued_is_written_in_order_before_the_stop_returns() {
    let folder = Folder::new("order");
    let (log, lines) = Log::bounded(10_000, Verbosity::default());
    for n in 0..5_000 {
        log.say(Level::Info, format!("before {n}"));
    }
    let writer = spawn(folder.file_options(), log.clone(), lines).unwrap();
    for n in 0..5_000 {
        log.say(Level::Warn, format!("after {n}"));
    }
    writer.flush_and_stop();

    let expected = (0..5_000)
        .map(|n| format!("[INF] before {n}"))
        .chain((0..5_000).map(|n| format!("[WRN] after {n}")));
    assert_eq!(folder.read("server.log"), bare(expected));
}

#[test]
fn drops_are_said_in_one_line() {
    let folder = Folder::new("drops");
    let (log, lines) = Log::bounded(2, Verbosity::default());
    for n in 0..5 {
        log.say(Level::Info, format!("{n}"));
    }
    spawn(folder.file_options(), log, lines).unwrap().flush_and_stop();

    let expected = ["[INF] 0", "[INF] 1", "[WRN] Log queue was full, 3 lines were dropped"];
    let mut found: Vec<String> = folder.read("server.log").lines().map(String::from).collect();
    let mut expected: Vec<String> = bare(expected).lines().map(String::from).collect();
    // The report stands where the writer noticed, which may be before the queued lines.
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_burst_of_drops_is_reported_at_most_once_an_interval_and_never_lost() {
    let folder = Folder::new("rate");
    let (log, lines) = Log::bounded(1, Verbosity::default());
    let sink = Sink::open(folder.file_options()).unwrap();
    let mut writer = Writer { sink, log, lines, reported: 0, reported_at: None };
    for _ in 0..4 {
        writer.log.say(Level::Info, "one more");
        writer.report_drops();
    }
    assert_eq!(writer.reported, 1, "the first drop is reported at once, the others wait");
    let (commands, inbox) = crossbeam_channel::bounded(1);
    drop(commands);
    writer.run(inbox);

    let expected = [
        "[WRN] Log queue was full, 1 lines were dropped",
        "[INF] one more",
        "[WRN] Log queue was full, 2 lines were dropped",
    ];
    assert_eq!(folder.read("server.log"), bare(expected));
}

#[test]
fn a_moved_file_is_left_alone_after_a_reopen() {
    let folder = Folder::new("reopen");
    let (log, lines) = Log::bounded(100, Verbosity::default());
    let writer = spawn(folder.file_options(), log.clone(), lines).unwrap();
    log.say(Level::Info, "old");
    fs::rename(folder.0.join("server.log"), folder.0.join("moved.log")).unwrap();
    writer.reopen();
    // The stop is behind the re-open in the same queue.
    writer.flush_and_stop();

    assert_eq!(folder.read("moved.log"), bare(["[INF] old"]));
    assert_eq!(folder.read("server.log"), bare(["[INF] File log re-opened"]));
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_start_and_survived_later() {
    let folder = Folder::new("gone");
    let (log, lines) = Log::bounded(10, Verbosity::default());
    let options = folder.file_options();
    let nowhere = Target::File(FileOptions {
        path: folder.0.join("missing/server.log"),
        size_limit: 0,
        files_max: 0,
    });
    let refused = spawn(Options { target: nowhere, ..options.clone() }, log.clone(), lines.clone());
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::NotFound);

    // A folder in the file's place: the re-open fails, the writer goes on.
    let writer = spawn(options, log.clone(), lines).unwrap();
    fs::rename(folder.0.join("server.log"), folder.0.join("moved.log")).unwrap();
    fs::create_dir(folder.0.join("server.log")).unwrap();
    writer.reopen();
    log.say(Level::Info, "kept in the old file");
    writer.flush_and_stop();
    assert_eq!(folder.read("moved.log"), bare(["[INF] kept in the old file"]));
}

#[test]
fn a_new_target_gets_what_is_said_after_the_change_and_a_bad_one_changes_nothing() {
    let folder = Folder::new("replace");
    let (log, lines) = Log::bounded(100, Verbosity::default());
    let writer = spawn(folder.file_options(), log.clone(), lines).unwrap();
    log.say(Level::Info, "old");
    let missing = FileOptions { path: "/no/such/folder/log".into(), size_limit: 0, files_max: 0 };
    let bad = Options { target: Target::File(missing), ..Options::default() };
    assert!(writer.replace(bad).is_err());
    log.say(Level::Info, "still old");
    let path = folder.0.join("new.log");
    let target = Target::File(FileOptions { path, size_limit: 0, files_max: 0 });
    writer.replace(Options { target, stamp: Stamp::Bare, ..Options::default() }).unwrap();
    log.say(Level::Info, "new");
    writer.flush_and_stop();

    // The change and the last line race to the thread, which writes what waits first.
    let (old, new) = (folder.read("server.log"), folder.read("new.log"));
    assert_eq!(old + &new, bare(["[INF] old", "[INF] still old", "[INF] new"]));
}
