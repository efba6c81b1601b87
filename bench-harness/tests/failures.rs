//! Bad input and bad luck: each ends with a clear message, a non-zero exit and whatever had been
//! measured by then. Most run against a small stand-in for a server, so that they run everywhere;
//! those that need a real nats-server say so when it is missing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const INFO: &str = "INFO {\"version\":\"0.0.0\",\"max_payload\":1048576}\r\n";

fn bench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_corewire-bench"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the stand-in does on each connection after INFO.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers every PING, ignores the rest.
    Sink,
    /// Refuses every login.
    Refuse,
    /// As `Sink`, and closes after this many bytes.
    CloseAfter(usize),
}

/// Listens until the process ends; returns its address.
fn stand_in(greeting: &'static str, manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, greeting, manner));
        }
    });
    address
}

fn serve(mut stream: TcpStream, greeting: &str, manner: Manner) -> std::io::Result<()> {
    stream.write_all(greeting.as_bytes())?;
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0; 65536];
    let mut total = 0;
    loop {
        let read = stream.read(&mut buffer)?;
        total += read;
        match manner {
            Manner::Refuse if read > 0 => {
                return stream.write_all(b"-ERR 'Authorization Violation'\r\n");
            }
            Manner::CloseAfter(bytes) if total > bytes => return Ok(()),
            _ if read == 0 => return Ok(()),
            _ => {}
        }
        // Bodies hold no "PING": searching is enough here.
        kept.extend_from_slice(&buffer[..read]);
        let pings = kept.windows(6).filter(|window| window == b"PING\r\n").count();
        for _ in 0..pings {
            stream.write_all(b"PONG\r\n")?;
        }
        if pings > 0 {
            kept.clear();
        }
        kept.drain(..kept.len().saturating_sub(5));
    }
}

fn run(arguments: &[&str]) -> Output {
    bench().args(arguments).output().expect("the built program")
}

#[test]
fn a_server_that_is_away_is_named() {
    // Bound and dropped: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let output = run(&["pub", "--server", &address, "--msgs", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains(&format!("no server at {address}")), "{error}");
}

#[test]
fn a_refused_login_is_explained() {
    let address = stand_in(INFO, Manner::Refuse);
    let url = format!("nats://me:wrong@{address}");
    let output = run(&["pub", "--server", &url, "--msgs", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("refused the login: 'Authorization Violation'"), "{error}");
    assert!(!error.contains("wrong"), "the password is not shown: {error}");
}

#[test]
fn something_that_is_no_nats_server_is_named() {
    let address = stand_in("220 mail ready\r\n", Manner::Sink);
    let output = run(&["pub", "--server", &address, "--msgs", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("does not speak NATS: \"220 mail ready\""), "{error}");
}

#[test]
fn a_connection_that_breaks_keeps_the_partial_result() {
    let address = stand_in(INFO, Manner::CloseAfter(50_000_000));
    let arguments = ["pub", "--server", &address, "--msgs", "50M", "--warmup", "1ms", "--json"];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(result["sample"]["partial"].is_string(), "{result}");
    assert!(result["sample"]["sent"].as_u64() > Some(100_000), "{result}");
    assert!(text(&output.stderr).contains("PARTIAL RESULT"), "{}", text(&output.stderr));
}

#[test]
fn a_full_disk_under_the_report_is_named_after_the_result_is_printed() {
    let address = stand_in(INFO, Manner::Sink);
    let arguments =
        ["pub", "--server", &address, "--msgs", "10k", "--warmup", "1ms", "--report", "/dev/full"];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write /dev/full"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("messages sent"), "{}", text(&output.stdout));
}

#[test]
fn a_full_disk_under_standard_output_is_named() {
    let full = std::fs::File::create("/dev/full").expect("Linux has it");
    let address = stand_in(INFO, Manner::Sink);
    let output = bench()
        .args(["pub", "--server", &address, "--msgs", "10k", "--warmup", "1ms"])
        .stdout(full)
        .output()
        .expect("the built program");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write standard output"));
}

#[test]
fn wrong_flags_end_with_status_2() {
    for arguments in [
        ["pub"].as_slice(),
        &["pub", "--server", "http://x"],
        &["compare", "a", "b"],
        &["compare", "a", "b", "--", "fly"],
        &["pub", "--spawn", "x", "--cores", "many"],
        &["suite", "a", "b", "--only", "nothing"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
    }
}

/// The real server, if this machine has one.
fn nats_server() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join("nats-server"));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no nats-server in PATH");
    }
    found
}

#[test]
fn smoke_passes_against_a_real_server() {
    let Some(server) = nats_server() else {
        return;
    };
    let output = bench().arg("smoke").arg("--spawn").arg(server).output().expect("ran");
    let steps = text(&output.stdout);
    assert!(output.status.success(), "{steps}{}", text(&output.stderr));
    assert_eq!(steps.lines().filter(|line| line.starts_with("ok ")).count(), 30, "{steps}");
}

#[test]
fn a_running_server_without_jetstream_is_told_so() {
    let Some(path) = nats_server() else {
        return;
    };
    let mut server = Command::new(path)
        .args(["-a", "127.0.0.1", "-p", "-1"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("nats-server starts");
    // Held until the end: a server whose log nobody reads is ended by its next line.
    let log = BufReader::new(server.stderr.take().expect("piped"));
    let mut lines = log.lines().map_while(Result::ok);
    let mark = "Listening for client connections on ";
    let address = lines
        .find_map(|line| Some(line.split_once(mark)?.1.to_string()))
        .expect("it says where it listens");
    let output = run(&["js-pub", "--server", &address, "--msgs", "1"]);
    server.kill().expect("ours");
    server.wait().expect("ours");
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains(&format!("{address} has no JetStream")), "{error}");
}

#[test]
fn modes_that_start_their_own_server_refuse_one_that_runs() {
    let address = stand_in(INFO, Manner::Sink);
    for mode in ["reload", "guarded import", "accounts", "start"] {
        let mut words: Vec<&str> = mode.split(' ').collect();
        words.extend(["--server", &address]);
        let output = run(&words);
        assert_eq!(output.status.code(), Some(2), "{mode}");
        assert!(text(&output.stderr).contains("--spawn"), "{mode}: {}", text(&output.stderr));
    }
}

#[test]
fn tls_that_cannot_be_is_named() {
    let address = stand_in(INFO, Manner::Sink);
    let output = run(&["pub", "--server", &address, "--tls-ca", "/nonexistent.pem"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/nonexistent.pem"), "{}", text(&output.stderr));
    let output = run(&["handshakes", "--server", &address, "--duration", "10ms"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--tls-ca"), "{}", text(&output.stderr));
}

#[test]
fn compare_writes_the_page_and_the_percentile_files() {
    let Some(server) = nats_server() else {
        return;
    };
    let dir = std::env::temp_dir().join(format!("corewire-bench-test-{}", std::process::id()));
    let page = dir.join("out.html");
    std::fs::create_dir_all(&dir).expect("temporary directory");
    let server = server.to_str().expect("a plain path");
    let output = bench()
        .args(["compare", &format!("a={server}"), &format!("b={server}"), "--rounds", "2"])
        .args(["--report", page.to_str().expect("plain"), "--hgrm"])
        .arg(&dir)
        .args(["--", "latency", "--rate", "5k", "--duration", "200ms", "--warmup", "20ms"])
        .output()
        .expect("ran");
    let html = std::fs::read_to_string(&page);
    let files: Vec<String> = std::fs::read_dir(&dir)
        .expect("still there")
        .map(|entry| std::fs::read_to_string(entry.expect("readable").path()).expect("text"))
        .collect();
    std::fs::remove_dir_all(&dir).expect("ours");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let html = html.expect("the page was written");
    assert_eq!(html.matches("<polyline").count(), 2, "one curve a server");
    assert_eq!(files.len(), 3, "the page and one .hgrm a server");
    // Two rounds of 200 ms at 5,000/s: no message of the window is missing.
    let whole = files.iter().filter(|text| text.contains("Total count    =         2000]"));
    assert_eq!(whole.count(), 2, "one .hgrm a server, each with every message");
}

/// Starts a long run against a spawned server and hands over both process ids.
fn long_run(path: &PathBuf) -> (std::process::Child, Pid) {
    let child = bench()
        .args(["pub", "--duration", "60s", "--warmup", "1ms", "--json", "--spawn"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the built program");
    let server = working_child(child.id());
    (child, server)
}

/// Waits until the only child of process `parent` has worked so much that there is something to
/// keep. Fails after a while; the run ends by itself then.
fn working_child(parent: u32) -> Pid {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        let children = format!("/proc/{parent}/task/{parent}/children");
        let listed = std::fs::read_to_string(children).unwrap_or_default();
        let server = listed.split_whitespace().next().and_then(|word| word.parse().ok());
        if let Some(pid) = server.filter(|&pid| cpu_ticks(pid) > 20) {
            return Pid::from_raw(pid).expect("a process id");
        }
        thread::yield_now();
    }
    panic!("the server never worked");
}

fn cpu_ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let words: Vec<&str> = after_name.split_whitespace().collect();
    [11, 12].iter().filter_map(|&at| words.get(at)?.parse::<u64>().ok()).sum()
}

#[test]
fn ctrl_c_keeps_what_there_is_and_stops_the_server() {
    let Some(path) = nats_server() else {
        return;
    };
    let (child, server) = long_run(&path);
    let own = Pid::from_raw(child.id().cast_signed()).expect("a process id");
    kill_process(own, Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(result["sample"]["partial"], "interrupted");
    assert!(test_kill_process(server).is_err(), "the server still runs");
}

#[test]
fn a_server_that_dies_leaves_a_partial_result_and_its_status() {
    let Some(path) = nats_server() else {
        return;
    };
    let (child, server) = long_run(&path);
    kill_process(server, Signal::KILL).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let reason = result["sample"]["partial"].as_str().expect("marked partial");
    assert!(reason.contains("ended (signal: 9"), "{reason}");
    assert!(result["sample"]["sent"].as_u64() > Some(0), "{result}");
}
