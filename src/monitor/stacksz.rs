//! `/stacksz`: what each thread of the process is doing. nats-server shows the stacks of its
//! goroutines here; a text for people, under JSON's content type.

use std::fs;

use hyper::StatusCode;

use crate::reply::{Content, Reply};

pub(crate) fn answer() -> Reply {
    let mut lines: Vec<String> = threads().collect();
    lines.sort();
    let body = lines.concat().into_bytes();
    // spec/monitoring.md §2: text body, still JSON content type.
    Reply { status: StatusCode::OK, content: Content::Json, body }
}

/// One line a thread. Threads that end meanwhile are left out.
fn threads() -> impl Iterator<Item = String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter_map(|task| {
        let read = |file: &str| fs::read_to_string(task.path().join(file));
        let name = read("comm").ok()?;
        let stat = read("stat").ok()?;
        let (_, after_name) = stat.rsplit_once(')')?;
        let state = after_name.split_ascii_whitespace().next()?;
        let waits_in = read("wchan").unwrap_or_default();
        let id = task.file_name().to_string_lossy().into_owned();
        let waits_in = match waits_in.trim() {
            "" | "0" => String::new(),
            place => format!(" in {place}"),
        };
        Some(format!("thread {id} {} [{}{waits_in}]\n", name.trim(), state_name(state)))
    })
}

/// The kernel's letters (proc(5)) in words.
fn state_name(letter: &str) -> &str {
    match letter {
        "R" => "running",
        "S" => "sleeping",
        "D" => "waiting for a disk",
        "T" | "t" => "stopped",
        "Z" => "ended",
        "I" => "idle",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_a_line_and_the_one_that_asks_runs() {
        let text = String::from_utf8(answer().body).unwrap();
        let count = fs::read_dir("/proc/self/task").unwrap().count();
        assert!(text.lines().count() >= 1 && text.lines().count() <= count + 64, "{text}");
        assert!(text.lines().all(|line| line.starts_with("thread ") && line.ends_with(']')));
        assert!(text.contains("[running"), "{text}");
    }
}
