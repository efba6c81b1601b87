//! That no field is forgotten, and what is taken over or refused in which words.

use std::ffi::OsString;

use super::*;
use crate::command::{self, Command};
use crate::declaration::{Declaration, Kind, Status};
use crate::parser::Files;

struct One(&'static str);

impl Files for One {
    fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Ok(self.0.as_bytes().to_vec())
    }
}

fn options(file: &'static str) -> Options {
    let args = ["corewire", "-c", "a.conf"].into_iter().map(OsString::from);
    match command::from_args_with(args, &|_| None, &One(file)) {
        Ok(Command::Run { options, .. }) => *options,
        other => panic!("{file}: {other:?}"),
    }
}

fn changed(old: &'static str, new: &'static str) -> Result<Vec<String>, String> {
    match diff(&options(old), &options(new)) {
        Ok(changes) => Ok(changes.into_iter().map(|change| change.text).collect()),
        Err(refused) => Err(refused.to_string()),
    }
}

#[test]
fn every_field_of_the_options_is_compared() {
    // Its own lines stand four columns in.
    let shown = format!("{:#?}", Options::default());
    let fields = shown.lines().filter_map(|line| {
        let line = line.strip_prefix("    ").filter(|line| !line.starts_with(' '))?;
        line.split_once(':').map(|(name, _)| name)
    });
    for field in fields.filter(|field| !["config_file", "config_digest"].contains(field)) {
        let of_it =
            |path: &str| path.split(" . ").flat_map(|part| part.split('.')).next() == Some(field);
        assert!(FIELDS.iter().any(|known| of_it(known.path)), "reload.rs forgets {field}");
    }
}

#[test]
fn every_option_that_is_built_is_compared_under_its_key() {
    // Three set what others set too; blocks stand for what is inside them.
    let elsewhere = |found: &Declaration| {
        ["listen", "store_dir", "https"].contains(&found.key)
            || matches!(found.status, Status::Built(Kind::Block(_)))
    };
    for found in table::TOP_LEVEL.iter().filter(|found| matches!(found.status, Status::Built(_))) {
        let compared = FIELDS.iter().any(|field| field.key == found.key);
        assert!(compared || elsewhere(found), "reload.rs forgets {}", found.key);
    }
    for field in FIELDS {
        assert!(table::find(field.key).is_some(), "{} is declared nowhere", field.key);
    }
}

#[test]
fn what_applies_is_said_as_nats_server_says_it() {
    let new = "max_connections: 5, ping_interval: \"3s\", debug: true, log_file: \"/l\"\n\
               server_tags: [a, b], client_advertise: \"h:5\", write_deadline: \"3s\"\n\
               authorization { user: a, password: hunter2, timeout: 3 }";
    let expected = [
        "client_advertise = h:5",
        "debug = true",
        "log_file = /l",
        "authorization users",
        "authorization timeout = 3s",
        "max_connections = 5",
        "ping_interval = 3s",
        "write_deadline = 3s",
        "tags",
    ];
    assert_eq!(changed("", new).unwrap(), expected);
    assert!(changed(new, new).unwrap().is_empty());
}

#[test]
fn what_needs_a_restart_is_refused_and_named_with_all_the_rest() {
    let refused = changed("port: 14999", "port: 14998").unwrap_err();
    assert_eq!(refused, "config reload not supported for Port: old=14999, new=14998");
    let refused = changed("max_pending: 1MB", "max_pending: 2MB, host: a, http: 5").unwrap_err();
    let all = "config reload not supported for Host: old=0.0.0.0, new=a; \
               config reload not supported for HTTPPort: old=, new=5";
    assert_eq!(refused, all);
}

#[test]
fn the_sizes_of_jetstream_only_rise_and_the_rest_stays() {
    let with = |inside| Box::leak(format!("jetstream {{ {inside} }}").into_boxed_str());
    let changed = |old, new| changed(with(old), with(new));
    let raised = changed("max_mem: 1000, max_file: 7GB", "max_mem: 2000, max_file: 7GB");
    assert_eq!(raised.unwrap(), ["jetstream.max_memory_store = 2000"]);
    for (old, new, named) in [
        ("max_mem: 2000", "max_mem: 1000", "JetStreamMaxMemory: old=2000, new=1000"),
        ("", "max_file: 1000", "JetStreamMaxStore: old=, new=1000"),
        ("max_file: 1000", "", "JetStreamMaxStore: old=1000, new="),
        ("domain: a", "domain: b", "for JetStream: "),
    ] {
        let refused = changed(old, new).unwrap_err();
        assert!(refused.contains(named), "{refused}");
        assert!(!refused.contains(';'), "{refused}");
    }
}

#[test]
fn an_account_gets_jetstream_and_keeps_it() {
    let with = |a, b| {
        let text = format!("accounts {{ A {{ jetstream: {a} }}, B {{ jetstream: {b} }} }}");
        &*Box::leak(text.into_boxed_str())
    };
    let changes = changed(with("enabled", "disabled"), with("{ max_mem: 1 }", "enabled"));
    assert_eq!(changes.unwrap(), ["accounts", "accounts jetstream"]);
    let refused = changed(with("enabled", "enabled"), with("enabled", "disabled")).unwrap_err();
    assert_eq!(refused, "config reload not supported for AccountsJetStream: old=A B, new=A");
}

#[test]
fn the_same_said_otherwise_is_no_change() {
    assert!(
        changed("listen: \"0.0.0.0:4333\"", "port: 4333, max_payload: 1MB").unwrap().is_empty()
    );
}

#[test]
fn of_a_profile_only_what_an_idle_core_does_applies() {
    let mut new = Options::default();
    new.corewire.tuning.spin_before_park_us = 7;
    let changes = diff(&Options::default(), &new).unwrap();
    assert_eq!(changes[0].key, "corewire.profile");
    new.corewire.tuning.read_chunks = 128;
    let refused = diff(&Options::default(), &new).unwrap_err().to_string();
    assert!(refused.contains("for Profile"), "{refused}");
}
