//! The configuration read again by a server that runs: what changes, what is refused, who may
//! stay (`spec/cli-and-config.md` §8). Rows F10, F11 and L04.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Folder, Raw, Server, Signal, until};

/// How often the log says how a reload ended.
fn reloads(server: &Server) -> usize {
    let ends = |line: &&str| {
        line.contains("Reloaded server configuration")
            || line.contains("Failed to reload server configuration")
    };
    server.log_text().lines().filter(ends).count()
}

/// Gives the server a new file and waits until it has said what it makes of it: its last line.
fn reload(server: &Server, config: &str) -> String {
    let before = reloads(server);
    std::fs::write(server.folder().join("server.conf"), config).expect("its folder");
    server.signal(Signal::HUP);
    until("an end of the reload", || (reloads(server) > before).then_some(()));
    let log = server.log_text();
    let last = log.lines().rfind(|line| line.contains("server configuration"));
    last.expect("it was counted").to_owned()
}

#[track_caller]
fn reloaded(server: &Server, config: &str) {
    let line = reload(server, config);
    assert!(line.contains("[INF] Reloaded server configuration"), "{line}");
}

/// A connection that says who it is, and hears whether it is let in.
fn login(server: &Server, user: &str, pass: &str) -> Raw {
    let mut raw = server.connect();
    raw.set_pings(harness::Pings::Answered);
    raw.send(&format!(r#"CONNECT {{"verbose":false,"user":"{user}","pass":"{pass}"}}"#));
    raw.ping();
    raw
}

fn varz(server: &Server) -> serde_json::Value {
    harness::get(server.monitor(), "/varz").json()
}

#[test]
fn f10_what_can_change_changes_and_is_said() {
    let server = Server::builder().monitored().config("max_payload: 1000").start();
    let mut raw = server.quiet();
    let before = varz(&server);
    reloaded(&server, "max_payload: 10, ping_max: 7, server_tags: [a]");
    for said in ["max_payload = 10", "ping_max = 7", "tags"] {
        server.wait_for_log(&format!("[INF] Reloaded: {said}"));
    }
    assert_eq!(server.connect().info()["max_payload"], 10);
    let after = varz(&server);
    assert_eq!((&after["max_payload"], &after["ping_max"]), (&10.into(), &7.into()));
    assert_ne!(before["config_load_time"], after["config_load_time"]);
    if !server.subject().skips("2.11.0") {
        assert_ne!(before["config_digest"], after["config_digest"]);
    }
    // A connection that was there obeys too.
    raw.publish("foo", "0123456789");
    raw.ping();
    raw.publish("foo", "0123456789a");
    raw.expect_error("Maximum Payload Violation");
    raw.expect_eof();
}

#[test]
fn f10_one_change_that_needs_a_restart_refuses_them_all() {
    let server = Server::builder().monitored().config("port: -1").start();
    let mut raw = server.quiet();
    let before = varz(&server);
    let line = reload(&server, "port: -1, server_name: other, ping_max: 7");
    let said = "[ERR] Failed to reload server configuration: config reload not supported for \
                ServerName: old=";
    assert!(line.contains(said), "{line}");
    let after = varz(&server);
    assert_eq!(before["ping_max"], after["ping_max"]);
    assert_eq!(before["config_load_time"], after["config_load_time"]);
    raw.ping();
}

#[test]
fn f10_a_broken_file_changes_nothing_and_says_where_it_is_wrong() {
    let server = Server::with_config("max_payload: 1000");
    let mut raw = server.quiet();
    for (broken, said) in [
        ("max_payload: 10\nfrob: 1\n", r#"server.conf:2:1: unknown field "frob""#),
        ("max_payload: 65MB", "max_payload (68157440) cannot be higher than max_pending"),
        ("max_payload: [", "1"),
        ("max_payload: $NOWHERE", "variable reference for 'NOWHERE' on line 1 can not be found"),
    ] {
        let line = reload(&server, broken);
        assert!(line.contains("[ERR] Failed to reload server configuration: "), "{line}");
        assert!(line.contains(said), "{line}");
    }
    std::fs::remove_file(server.folder().join("server.conf")).expect("it is there");
    server.signal(Signal::HUP);
    let gone = "Failed to reload server configuration";
    until("a refusal", || (server.log_text().matches(gone).count() == 5).then_some(()));
    assert_eq!(server.connect().info()["max_payload"], 1000);
    raw.ping();
}

#[test]
fn f10_a_server_without_a_file_cannot_reload() {
    let server = Server::start(&[]);
    server.signal(Signal::HUP);
    let line = server.wait_for_log("Failed to reload server configuration");
    assert!(
        line.contains("can only reload config when a file is provided using -c or --config"),
        "{line}"
    );
    server.quiet().ping();
}

#[test]
fn f10_reload_by_signal_flag() {
    let server = Server::with_config("max_payload: 1000");
    std::fs::write(server.folder().join("server.conf"), "max_payload: 10").expect("its folder");
    let sent = Server::run_to_end(&["--signal", &format!("reload={}", server.pid())]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    server.wait_for_log("Reloaded server configuration");
    assert_eq!(server.connect().info()["max_payload"], 10);
}

#[test]
fn l04_flags_win_over_the_new_file_too() {
    let server = Server::builder()
        .args(&["--user", "ivy", "--pass", "x", "-D=false"])
        .config("max_payload: 1000")
        .start();
    let mut ivy = login(&server, "ivy", "x");
    reloaded(
        &server,
        "host: 127.0.0.2, port: 1, debug: true, max_payload: 10\n\
         authorization { user: other, password: y }",
    );
    assert_eq!(server.connect().info()["max_payload"], 10);
    // nats-server closes a single user at each change of the authorization.
    if !server.subject().skips_ours() {
        ivy.ping();
    }
    drop(login(&server, "ivy", "x"));
    assert!(!server.log_text().contains("[DBG]"));
}

#[test]
fn f11_users_that_are_gone_or_changed_are_closed_and_others_not_touched() {
    let users = |list: &str| format!("authorization {{ users: [{list}] }}");
    let ivy = "{user: ivy, password: a}";
    let server = Server::with_config(&users(&format!(
        "{ivy}, {{user: bob, password: b}}, {{user: cat, password: c}}"
    )));
    let mut stays = login(&server, "ivy", "a");
    stays.send("SUB foo 1");
    stays.ping();
    let mut gone = login(&server, "bob", "b");
    let mut changed = login(&server, "cat", "c");
    let mut stranger = server.connect();
    reloaded(&server, &users(&format!("{ivy}, {{user: cat, password: d}}")));
    server.wait_for_log("Reloaded: authorization users");
    for closed in [&mut gone, &mut changed] {
        // nats-server has no word for a user that is gone.
        if !server.subject().skips_ours() {
            closed.expect_error("Authorization Violation");
            closed.expect_eof();
        }
    }
    // Who stays keeps its connection and its subscriptions.
    let mut cat = login(&server, "cat", "d");
    cat.publish("foo", "x");
    stays.expect("MSG foo 1 1\r\nx\r\n");
    if server.subject().skips_ours() {
        return;
    }
    // Who has not said anything yet may still say it; nats-server closes.
    stranger.send(r#"CONNECT {"verbose":false,"user":"ivy","pass":"a"}"#);
    stranger.ping();
}

#[test]
fn f11_who_came_in_without_a_name_must_go_when_one_is_asked_for() {
    let server = Server::with_config("max_payload: 1000");
    let mut open = server.quiet();
    reloaded(&server, "authorization { token: t }");
    open.expect_error("Authorization Violation");
    open.expect_eof();
    assert_eq!(server.connect().info()["auth_required"], true);
    reloaded(&server, "");
    server.quiet().ping();
}

#[test]
fn f11_subscriptions_that_are_not_permitted_any_more_end_and_the_others_go_on() {
    let users = |subscribe: &str| {
        format!(
            "authorization {{ users: [\n\
             {{user: ivy, password: a, permissions: {{subscribe: {subscribe}}}}}\n\
             {{user: bob, password: b}}] }}"
        )
    };
    let server = Server::with_config(&users(r#"["foo", "bar"]"#));
    let mut ivy = login(&server, "ivy", "a");
    ivy.send("SUB foo 1\r\nSUB bar 2");
    ivy.ping();
    reloaded(&server, &users(r#"["bar"]"#));
    let line = ivy.line();
    assert!(line.starts_with(r#"-ERR 'Permissions Violation for Subscription to "foo""#), "{line}");
    let mut bob = login(&server, "bob", "b");
    bob.publish("foo", "x");
    bob.publish("bar", "y");
    ivy.expect("MSG bar 2 1\r\ny\r\n");
    ivy.ping();
}

#[test]
fn f11_of_ten_thousand_users_only_those_that_changed_must_go() {
    let users = |password: &str| {
        let user = |number: usize| {
            let password = if number < 5_000 { "same" } else { password };
            format!("{{user: u{number}, password: {password}}}\n")
        };
        let all: String = (0..10_000).map(user).collect();
        format!("authorization {{ users: [\n{all}] }}")
    };
    let server = Server::with_config(&users("old"));
    let mut stay: Vec<Raw> = (0..30).map(|n| login(&server, &format!("u{n}"), "same")).collect();
    let mut go: Vec<Raw> =
        (5_000..5_030).map(|n| login(&server, &format!("u{n}"), "old")).collect();
    let began = Instant::now();
    reloaded(&server, &users("new"));
    println!("10,000 users and 60 connections: {:?}", began.elapsed());
    for closed in &mut go {
        closed.expect_error("Authorization Violation");
        closed.expect_eof();
    }
    stay.iter_mut().for_each(Raw::ping);
    drop(login(&server, "u9999", "new"));
}

#[test]
fn f10_fewer_connections_close_the_newest() {
    let server = Server::with_config("max_connections: 10");
    if server.subject().skips("2.12.0") {
        // Older ones close any.
        return;
    }
    let mut clients: Vec<Raw> = (0..5).map(|_| server.quiet()).collect();
    reloaded(&server, "max_connections: 3");
    for closed in &mut clients[3..] {
        closed.expect_error("maximum connections exceeded");
        closed.expect_eof();
    }
    clients[..3].iter_mut().for_each(Raw::ping);
    let mut another = server.connect();
    another.expect_error("maximum connections exceeded");
}

#[test]
fn f10_no_message_is_lost_while_reloading() {
    let server = Server::with_config("max_payload: 1000");
    let mut subscriber = server.quiet();
    subscriber.send("SUB foo 1");
    subscriber.ping();
    let mut publisher = server.quiet();
    for round in 0..20 {
        for number in 0..50 {
            publisher.publish("foo", &format!("{round}.{number}"));
        }
        std::fs::write(
            server.folder().join("server.conf"),
            format!("max_payload: 1000, ping_max: {}", round + 2),
        )
        .expect("its folder");
        server.signal(Signal::HUP);
    }
    publisher.ping();
    for round in 0..20 {
        for number in 0..50 {
            assert_eq!(subscriber.message().1, format!("{round}.{number}").into_bytes());
        }
    }
}

#[test]
fn f10_tracing_and_debugging_begin_and_end_for_connections_that_are_there() {
    let server = Server::with_config("debug: false");
    let mut raw = server.quiet();
    reloaded(&server, "debug: true, trace: true");
    raw.send("SUB here 1");
    raw.ping();
    raw.publish("here", "1");
    assert_eq!(raw.message().1, b"1");
    server.wait_for_log("<<- [SUB here 1]");
    server.wait_for_log("->> [MSG here 1 1]");
    reloaded(&server, "debug: false");
    let lines = |text: &str| server.log_text().matches(text).count();
    let before = (lines("[TRC]"), lines("[DBG]"));
    raw.send("SUB there 2");
    raw.ping();
    drop(server.quiet());
    assert_eq!((lines("[TRC]"), lines("[DBG]")), before);
}

#[test]
fn f10_the_log_moves_to_another_file() {
    let folder = Folder::new();
    let [first, second] = ["first.log", "second.log"].map(|name| folder.path().join(name));
    let server = Server::with_config("debug: false");
    let log_to = |file: &Path| format!("logfile: {:?}", file.to_string_lossy());
    let holds = |file: &Path, text: &str| {
        until(text, || std::fs::read_to_string(file).ok()?.contains(text).then_some(()));
    };
    let config = server.folder().join("server.conf");
    std::fs::write(&config, log_to(&first)).expect("its folder");
    server.signal(Signal::HUP);
    holds(&first, "Reloaded server configuration");
    std::fs::write(&config, log_to(&second) + ", logtime: false").expect("its folder");
    server.signal(Signal::HUP);
    holds(&second, &format!("[{}] [INF] Reloaded server configuration", server.pid()));
    if server.subject().skips_ours() {
        return;
    }
    // One that cannot be written changes nothing.
    std::fs::write(&config, log_to(Path::new("/no/such/folder/log"))).expect("its folder");
    server.signal(Signal::HUP);
    holds(&second, "[ERR] Failed to reload server configuration: ");
}

#[test]
fn f10_pid_and_ports_files_move() {
    let folder = Folder::new();
    let pid_file = folder.path().join("new.pid");
    let server = Server::with_config("debug: false");
    let shown = folder.path().to_string_lossy().into_owned();
    reloaded(&server, &format!("pid_file: \"{shown}/new.pid\", ports_file_dir: {shown:?}"));
    let written = std::fs::read_to_string(&pid_file).expect("a pid file");
    assert_eq!(written, server.pid().to_string());
    if server.subject().skips_ours() {
        return;
    }
    let name = server.subject().path().file_name().expect("a program").to_string_lossy();
    let ports = folder.path().join(format!("{name}_{}.ports", server.pid()));
    assert!(ports.exists());
    reloaded(&server, "");
    assert!(!ports.exists());
    let line = reload(&server, "ports_file_dir: /no/such/folder, ping_max: 9");
    assert!(line.contains("Could not write ports file in /no/such/folder"), "{line}");
    assert!(!server.log_text().contains("ping_max = 9"));
}

#[test]
fn f10_a_shorter_ping_interval_reaches_connections_that_are_there() {
    let server = Server::with_config("ping_interval: \"1h\"");
    if server.subject().skips_ours() {
        return;
    }
    let mut raw = server.quiet();
    raw.set_pings(harness::Pings::Shown);
    // The first one comes by itself.
    raw.expect_line("PING");
    raw.send("PONG");
    reloaded(&server, "ping_interval: \"200ms\"");
    raw.expect_line("PING");
    raw.send("PONG");
    assert!(raw.is_silent_for(Duration::from_millis(50)));
}

#[test]
fn f10_corewire_reloads_limits_that_nats_server_does_not() {
    let server = Server::builder().monitored().config("max_subscriptions: 1").start();
    if server.subject().skips_ours() {
        return;
    }
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    reloaded(
        &server,
        "max_subscriptions: 2, max_pending: 2MB, max_payload: 1MB, max_closed_clients: 1\n\
         lame_duck_duration: \"31s\", lame_duck_grace_period: \"1ms\", write_timeout: retry\n\
         max_sub_tokens: 3, logfile_size_limit: 1000000, logfile_max_num: 2",
    );
    raw.send("SUB b 2");
    raw.ping();
    raw.send("SUB c 3");
    raw.expect_error("maximum subscriptions exceeded");
    raw.send("UNSUB 2\r\nSUB a.b.c.d 3");
    raw.expect_error("Permissions Violation for Subscription to \"a.b.c.d\", too many tokens");
    assert_eq!(varz(&server)["max_pending"], 2 << 20);
}

#[test]
fn f10_the_sizes_of_jetstream_rise_and_nothing_else_of_it_changes() {
    if harness::Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let with = |memory: &str| {
        format!("jetstream {{ store_dir: {:?}, max_mem: {memory}, max_file: 1GB }}", folder.path())
    };
    let server = Server::with_config(&with("1000"));
    let mut raw = server.quiet();
    raw.send("SUB answer 1");
    let mut create = |name: &str| {
        let stream = format!(
            r#"{{"name":"{name}","subjects":["{name}"],"storage":"memory","max_bytes":5000}}"#
        );
        raw.send(&format!("PUB $JS.API.STREAM.CREATE.{name} answer {}\r\n{stream}", stream.len()));
        String::from_utf8(raw.message().1).expect("JSON")
    };
    let refused = create("A");
    assert!(refused.contains("insufficient memory resources available"), "{refused}");
    reloaded(&server, &with("6000"));
    let made = create("A");
    assert!(!made.contains("error"), "{made}");
    for wrong in [with("5000"), with("7000").replace("1GB", "1GB, domain: x")] {
        let line = reload(&server, &wrong);
        assert!(line.contains("config reload not supported for JetStream"), "{line}");
    }
    let refused = create("B");
    assert!(refused.contains("insufficient memory resources available"), "{refused}");
}
