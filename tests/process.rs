//! The process as an operator sees it: flags, exit codes, signals, files
//! (`spec/cli-and-config.md` §1 to §5).

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use harness::{Folder, Server, Signal, until};

const LOCAL: [&str; 4] = ["-a", "127.0.0.1", "-p", "-1"];

fn with_local<'a>(args: &[&'a str]) -> Vec<&'a str> {
    LOCAL.iter().copied().chain(args.iter().copied()).collect()
}

fn test_config(text: &str) -> harness::Finished {
    let folder = Folder::new();
    let file = folder.write("test.conf", text);
    Server::run_to_end(&["-t", "-c", &file.to_string_lossy()])
}

#[test]
fn l01_long_and_short_flags_one_or_two_dashes_and_equals() {
    let forms: [&[&str]; 4] = [
        &["-n", "north"],
        &["--name", "north"],
        &["-server_name=north", "-D=false"],
        &["--server_name=north", "-T=false"],
    ];
    for form in forms {
        let server = Server::start(form);
        assert_eq!(server.connect().info()["server_name"], "north", "{form:?}");
    }
}

#[test]
fn l01_a_port_that_is_named_is_used() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let server = Server::start(&["--port", &port.to_string()]);
    assert_eq!(server.client().port(), port, "the last one wins");
}

#[test]
fn l02_version_and_help_exit_0() {
    for flag in ["-v", "--version", "version"] {
        let end = Server::run_to_end(&[flag]);
        assert_eq!(end.code, Some(0), "{flag}");
        assert!(end.stdout.starts_with("nats-server: v"), "{flag}: {}", end.stdout);
    }
    for flag in ["-h", "--help", "help"] {
        let end = Server::run_to_end(&[flag]);
        assert_eq!(end.code, Some(0), "{flag}");
        assert!(end.stdout.contains("--ports_file_dir"), "{flag}: {}", end.stdout);
    }
}

#[test]
fn l02_an_unknown_flag_is_named_and_exits_0() {
    let end = Server::run_to_end(&["--no_such_flag"]);
    assert_eq!(end.code, Some(0));
    assert!(end.stderr.contains("no_such_flag"), "{}", end.stderr);
    assert!(end.stdout.contains("Usage:"), "{}", end.stdout);
}

#[test]
fn l02_an_unknown_word_exits_1() {
    let end = Server::run_to_end(&["frobnicate"]);
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains(r#"unrecognized command: "frobnicate""#), "{}", end.stderr);
}

#[test]
fn l02_what_cannot_be_opened_is_named() {
    for (flag, path, text) in [("-l", "/proc/none/log", "error opening"), ("-sd", "/proc/none", "")]
    {
        let ended = Server::run_to_end(&["-a", "127.0.0.1", "-p", "-1", "-js", flag, path]);
        assert_eq!(ended.code, Some(1), "{path}");
        let told = ended.stderr.lines().find(|line| !line.contains("[INF]")).expect("a line");
        assert!(told.contains(path) && told.contains(text), "{}", ended.stderr);
    }
}

#[test]
fn l03_test_accepts_a_good_file() {
    let end = test_config("port: 4333\nmax_payload: 2MB\n");
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.contains("test.conf is valid"), "{}", end.stderr);
}

#[test]
fn l03_test_names_file_line_and_column_of_an_unknown_key() {
    let end = test_config("port: 4333\nfrob: 1\n");
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains(r#"test.conf:2:"#), "{}", end.stderr);
    assert!(end.stderr.contains(r#"unknown field "frob""#), "{}", end.stderr);
}

#[test]
fn l03_in_a_test_warnings_are_fatal() {
    let end = test_config("ping_interval: 5\n");
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    assert!(end.stderr.contains("ping_interval"), "{}", end.stderr);
}

#[test]
fn l03_test_finds_what_would_stop_a_start_behind_the_file() {
    if harness::Subject::from_env().skips_ours() {
        return;
    }
    let import = |subject: &str| {
        format!(
            "accounts {{\n\
             A {{ users: [{{ user: a, password: a }}], exports: [{{ service: \"orders.>\" }}] }}\n\
             B {{ users: [{{ user: b, password: b }}],\n\
                 imports: [{{ service: {{ account: A, subject: \"{subject}\" }} }}] }}\n}}\n"
        )
    };
    let end = test_config(&import("orders.new"));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let bad = import("bills.new");
    let end = test_config(&bad);
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    assert!(end.stderr.contains("bills.new"), "{}", end.stderr);
    // A start says the same.
    let folder = Folder::new();
    let file = folder.write("c.conf", &bad);
    let start = Server::run_to_end(&with_local(&["-c", &file.to_string_lossy()]));
    let said = end.stderr.trim_start_matches("nats-server: ").trim_end().to_owned();
    assert!(start.stderr.contains(&said), "{said}\n{}", start.stderr);

    let end = test_config("tls { cert_file: \"/nowhere/c.pem\", key_file: \"/nowhere/c.key\" }\n");
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    assert!(end.stderr.contains("/nowhere/c.pem"), "{}", end.stderr);
}

#[test]
fn l03_test_needs_a_file() {
    let end = Server::run_to_end(&["-t"]);
    assert_eq!(end.code, Some(1));
    let said = "must specify [-c, --config] option to check configuration file syntax";
    assert!(end.stderr.contains(said), "{}", end.stderr);
}

#[test]
fn l03_a_bad_file_stops_the_start() {
    let folder = Folder::new();
    let file = folder.write("c.conf", "frob: 1\n");
    let end = Server::run_to_end(&with_local(&["-c", &file.to_string_lossy()]));
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains(r#"unknown field "frob""#), "{}", end.stderr);
    let end = Server::run_to_end(&with_local(&["-c", "/no/such/file.conf"]));
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains("/no/such/file.conf"), "{}", end.stderr);
}

#[test]
fn l04_flags_win_over_the_file() {
    let server = Server::builder().args(&["-n", "flag"]).config("server_name: file").start();
    assert_eq!(server.connect().info()["server_name"], "flag");
}

#[test]
fn f08_feature_flags_are_listed_and_those_that_are_missing_are_named() {
    if harness::Subject::from_env().skips("2.14.0") {
        return;
    }
    let config = "feature_flags { js_ack_fc_v2: true, no_such_flag: true }";
    let server = Server::builder().monitored().config(config).start();
    let line = server.wait_for_log("no_such_flag");
    assert!(line.ends_with("[INF]     Unsupported:   no_such_flag"), "{line}");
    let line = server.wait_for_log("Configured:");
    assert!(line.ends_with("[INF]     Configured:    js_ack_fc_v2 (opt-in)"), "{line}");
    let flags = harness::get(server.monitor(), "/varz").json()["feature_flags"].clone();
    assert_eq!((&flags["js_ack_fc_v2"], flags.get("no_such_flag")), (&true.into(), None));
}

#[test]
fn l08_interrupt_and_terminate_exit_0() {
    for (signal, name) in [(Signal::INT, "interrupt"), (Signal::TERM, "terminated")] {
        let server = Server::start(&["-D"]);
        if signal == Signal::TERM && server.subject().skips("2.11.0") {
            continue;
        }
        let mut raw = server.quiet();
        server.signal(signal);
        raw.expect_eof();
        let end = server.finish();
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        for line in
            [&format!(r#"Trapped "{name}" signal"#), "Initiating Shutdown...", "Server Exiting.."]
        {
            assert!(end.stderr.contains(line), "{line} in {}", end.stderr);
        }
    }
}

#[test]
fn l07_a_signal_is_sent_by_pid_or_pid_file() {
    let folder = Folder::new();
    let file = folder.path().join("server.pid");
    let server = Server::start(&["-P", &file.to_string_lossy()]);
    let sent = Server::run_to_end(&["--signal", &format!("ldm={}", file.display())]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    server.wait_for_log("Entering lame duck mode, stop accepting new clients");
    let server = Server::start(&[]);
    let sent = Server::run_to_end(&["-sl", &format!("quit={}", server.pid())]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn l07_a_signal_is_sent_by_the_beginning_of_a_pid() {
    if harness::Subject::from_env().skips("2.10.0") {
        return;
    }
    let server = Server::start(&[]);
    // Others whose id begins so re-open their logs too, which harms none.
    let sent = Server::run_to_end(&["--signal", &format!("reopen={}*", server.pid())]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    server.wait_for_log("File log re-open ignored, not a file logger");
}

#[test]
fn l07_a_pid_file_with_a_line_end_is_refused() {
    let folder = Folder::new();
    let file = folder.write("server.pid", "1234\n");
    let sent = Server::run_to_end(&["--signal", &format!("quit={}", file.display())]);
    assert_eq!(sent.code, Some(1), "{}", sent.stderr);
    assert!(sent.stderr.contains("invalid pid: 1234"), "{}", sent.stderr);
}

#[test]
fn l07_signals_to_nobody_are_refused() {
    let wrong = Server::run_to_end(&["--signal", "bark=1"]);
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("unknown signal \"bark\""), "{}", wrong.stderr);
    let nobody = Server::run_to_end(&["--signal", "quit=no/such/file"]);
    assert_eq!(nobody.code, Some(1), "{}", nobody.stderr);
    assert!(nobody.stderr.contains("invalid pid"), "{}", nobody.stderr);
}

#[test]
fn l09_lame_duck_without_clients_ends_after_the_grace_period() {
    let config = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"500ms\"";
    let server = Server::with_config(config);
    server.signal(Signal::USR2);
    server.wait_for_log("Entering lame duck mode, stop accepting new clients");
    let end = server.finish();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

#[test]
fn l09_closes_are_spread_over_the_duration() {
    let config = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"100ms\"";
    let server = Server::with_config(config);
    let clients: Vec<_> = (0..3).map(|_| server.quiet()).collect();
    server.signal(Signal::USR2);
    server.wait_for_log("Closing existing clients");
    // Three clients: a second between two closes at most, half of it at least.
    let waiting = clients.into_iter().map(|client| {
        std::thread::spawn(move || {
            client.rest();
            Instant::now()
        })
    });
    let waiting: Vec<_> = waiting.collect();
    let ends = waiting.into_iter().map(|client| client.join().expect("a client sees its end"));
    let mut ends: Vec<Instant> = ends.collect();
    ends.sort();
    let span = ends[2] - ends[0];
    assert!((Duration::from_millis(950)..Duration::from_secs(5)).contains(&span), "{span:?}");
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn l09_the_log_is_reopened_in_lame_duck_mode_too() {
    let config = "lame_duck_duration: \"2m\"\nlame_duck_grace_period: \"1m\"";
    let server = Server::with_config(config);
    let _client = server.quiet();
    server.signal(Signal::USR2);
    server.wait_for_log("Entering lame duck mode, stop accepting new clients");
    server.signal(Signal::USR1);
    server.wait_for_log("File log re-open ignored, not a file logger");
}

#[test]
fn l10_a_pid_file_that_cannot_be_written_is_fatal_and_named() {
    if harness::Subject::from_env().skips_ours() {
        return;
    }
    let end = Server::run_to_end(&with_local(&["-P", "/no/such/folder/server.pid"]));
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    let said = "[FTL] Could not write pidfile /no/such/folder/server.pid: ";
    assert!(end.stderr.contains(said), "{}", end.stderr);
}

#[test]
fn l10_pid_file_holds_the_pid_and_no_newline() {
    let folder = Folder::new();
    let file = folder.path().join("server.pid");
    let server = Server::start(&["-P", &file.to_string_lossy()]);
    let content = std::fs::read_to_string(&file).expect("a pid file");
    assert_eq!(content, server.pid().to_string());
    let mode = std::fs::metadata(&file).expect("a pid file").permissions().mode() & 0o777;
    // 0600 since 2.10.
    if !server.subject().skips("2.10.0") {
        assert_eq!(mode, 0o600);
    }
}

#[test]
fn l10_ports_file_comes_and_goes() {
    let folder = Folder::new();
    let at = folder.path().to_string_lossy().into_owned();
    let server = Server::builder().args(&["--ports_file_dir", &at]).monitored().start();
    let name = server.subject().path().file_name().expect("a program").to_string_lossy();
    let file = folder.path().join(format!("{name}_{}.ports", server.pid()));
    let ports: serde_json::Value = until("a whole ports file", || {
        serde_json::from_str(&std::fs::read_to_string(&file).ok()?).ok()
    });
    assert_eq!(ports["nats"][0], server.url());
    assert_eq!(ports["monitoring"][0], format!("http://{}", server.monitor()));
    assert_eq!(ports.as_object().map(serde_json::Map::len), Some(2), "{ports}");
    server.signal(Signal::INT);
    server.finish();
    assert!(!file.exists(), "removed at the end");
}

#[test]
fn l11_start_up_lines_in_their_order() {
    let server = Server::builder().args(&["-n", "north"]).monitored().start();
    let log = server.log_text();
    let mut rest = log.as_str();
    let lines = [
        "[INF] Starting nats-server",
        "[INF]   Version:  ",
        "[INF]   Git:      [",
        "[INF]   Name:     north",
        "[INF]   ID:       N",
        "[INF] Starting http monitor on 127.0.0.1:",
        "[INF] Listening for client connections on 127.0.0.1:",
        "[INF] Server is ready",
    ];
    for line in lines {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} in its place in\n{log}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn l11_a_killed_servers_ports_are_free_for_the_next_at_once() {
    let mut server = Server::builder().monitored().start();
    let ports = [server.client().port().to_string(), server.monitor().port().to_string()];
    for _ in 0..10 {
        let mut client = server.quiet();
        server.signal(Signal::KILL);
        server.finish();
        server = Server::start(&["-p", &ports[0], "-m", &ports[1]]);
        client.expect_eof();
        server.quiet().ping();
    }
}

#[test]
fn l11_a_port_in_use_is_fatal_and_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let end = Server::run_to_end(&["-a", "127.0.0.1", "-p", &port]);
    assert_eq!(end.code, Some(1));
    let said = format!("[FTL] Error listening on port: 127.0.0.1:{port}, \"");
    assert!(end.stderr.contains(&said), "{}", end.stderr);
}

#[test]
fn o01_line_format_with_and_without_time() {
    let server = Server::start(&[]);
    let line = server.wait_for_log("Server is ready");
    // `[<pid>] YYYY/MM/DD HH:MM:SS.micros [LVL] message`
    let rest = line.strip_prefix(&format!("[{}] ", server.pid())).expect("the pid first");
    let shape: String =
        rest.chars().map(|char| if char.is_ascii_digit() { '9' } else { char }).collect();
    assert_eq!(shape, "9999/99/99 99:99:99.999999 [INF] Server is ready");
    let server = Server::start(&["-T=false"]);
    let line = server.wait_for_log("Server is ready");
    assert_eq!(line, format!("[{}] [INF] Server is ready", server.pid()));
}

#[test]
fn o02_the_log_goes_into_a_file_and_is_reopened() {
    let folder = Folder::new();
    let file = folder.path().join("server.log");
    // The harness reads standard error: start this one as a plain process.
    let program = harness::Subject::from_env();
    let mut child = std::process::Command::new(program.path())
        .args(with_local(&["-l", &file.to_string_lossy()]))
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the server starts");
    let holds = |text: &'static str| {
        let file = file.clone();
        until(text, move || {
            std::fs::read_to_string(&file).is_ok_and(|log| log.contains(text)).then_some(())
        });
    };
    holds("Server is ready");
    let mode = std::fs::metadata(&file).expect("a log file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o640);
    std::fs::rename(&file, folder.path().join("old.log")).expect("moved away");
    let pid = child.id().to_string();
    let told = |signal: &str| {
        let args = ["-s", signal, &pid];
        let done = std::process::Command::new("kill").args(args).status().expect("kill runs");
        assert!(done.success());
    };
    told("USR1");
    holds("File log re-opened");
    told("INT");
    holds("Server Exiting..");
    assert!(child.wait().expect("our own child").success());
}

#[test]
fn what_is_known_to_nats_but_not_built_is_refused_by_name() {
    if harness::Subject::from_env().skips_ours() {
        return;
    }
    let flags: [&[&str]; 3] = [
        &["--routes", "nats://127.0.0.1:1"],
        &["--cluster", "nats://127.0.0.1:-1"],
        &["--profile", "6060"],
    ];
    for flag in flags {
        let end = Server::run_to_end(&with_local(flag));
        assert_eq!(end.code, Some(1), "{flag:?}: {}", end.stderr);
        let name = flag[0].trim_start_matches('-');
        assert!(end.stderr.contains(name), "{flag:?} is named: {}", end.stderr);
    }
    let blocks = [
        ("jetstream", "tpm: { keys_file: k }"),
        ("cluster", "port: -1"),
        ("gateway", "name: a"),
        ("leafnodes", "port: -1"),
        ("websocket", "port: -1, no_tls: true"),
        ("mqtt", "port: -1"),
        ("tls", "cert_file: c, key_file: k, verify_cert_and_check_known_urls: true"),
    ];
    for (key, inside) in blocks {
        let end = test_config(&format!("{key} {{ {inside} }}\n"));
        assert_eq!(end.code, Some(1), "{key}: {}", end.stderr);
        assert!(end.stderr.contains("known to NATS"), "{key} is refused: {}", end.stderr);
    }
}

#[test]
fn more_cores_than_there_are_is_refused_with_a_remedy() {
    if harness::Subject::from_env().skips_ours() {
        return;
    }
    let end = Server::run_to_end(&with_local(&["--cores", "4000"]));
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    assert!(end.stderr.contains("4000"), "the core is named: {}", end.stderr);
    let end = Server::run_to_end(&with_local(&["--cores", "zero"]));
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    assert!(end.stderr.contains("zero"), "{}", end.stderr);
}
