//! `corewire check` as a process, on whatever host the tests run: the form of what it prints, and
//! that its exit status says what the report says. What it makes of hosts good and bad is tested
//! in the room `check`.

use std::process::{Command, Output};

use serde_json::Value;

fn check(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_corewire")).args(args).output().expect("the program runs")
}

#[test]
fn the_exit_status_says_whether_the_needs_are_met() {
    for profile in ["default", "latency", "throughput", "shared-host"] {
        let end = check(&["check", "--json", "--profile", profile]);
        let report: Value = serde_json::from_slice(&end.stdout).expect("JSON");
        assert_eq!(report["profile"], profile);
        let items = report["items"].as_array().expect("items");
        let failed = items.iter().filter(|item| item["verdict"] == "fail").count();
        assert_eq!(report["met"], failed == 0, "{report}");
        assert_eq!(end.status.code(), Some(i32::from(failed > 0)), "{report}");
        // The tests themselves run on io_uring.
        let ring = items.iter().find(|item| item["item"] == "io_uring").expect("io_uring");
        assert_eq!(ring["verdict"], "ok", "{ring}");
    }
}

#[test]
fn the_table_ends_in_a_verdict() {
    let end = check(&["--profile", "latency", "check"]);
    let text = String::from_utf8(end.stdout).expect("text");
    let last = text.lines().last().expect("lines");
    assert!(last.starts_with("The needs of profile latency are "), "{text}");
}

#[test]
fn a_profile_that_is_none_is_refused() {
    let end = check(&["check", "--profile", "fast"]);
    assert_eq!(end.status.code(), Some(1));
    let text = String::from_utf8(end.stderr).expect("text");
    assert!(text.contains("unknown profile \"fast\""), "{text}");
    assert!(end.stdout.is_empty());
}

#[test]
fn a_profile_of_ones_own_is_weighed_as_the_one_that_it_is_like() {
    let folder = harness::Folder::new();
    let file = folder.write("my.toml", "idle = \"spin\"\n");
    let path = file.to_string_lossy();
    let end = check(&["check", "--json", "--profile", &path]);
    let report: Value = serde_json::from_slice(&end.stdout).expect("JSON");
    assert_eq!(
        (&report["profile"], &report["weighed_as"]),
        (&path.as_ref().into(), &"latency".into())
    );
    let wrong = folder.write("wrong.toml", "idle = \"never\"\n");
    let end = check(&["check", "--profile", &wrong.to_string_lossy()]);
    assert_eq!(end.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&end.stderr).contains("wrong.toml:1:8"));
}
