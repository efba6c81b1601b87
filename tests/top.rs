//! `corewire top` as an operator sees it: one sample of a server that works, and a clear word when
//! there is none. And what `/metrics` says of durations, which it reads.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use harness::{Server, Signal, Subject, get, until};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

/// `top` is Corewire's own.
fn corewire() -> bool {
    Subject::from_env().is_corewire()
}

fn once(server: &str) -> harness::Finished {
    Server::run_to_end(&["top", "--once", "--interval", "50ms", "--server", server])
}

/// The sum over all cores of the series with this name.
fn sum_of(metrics: &str, name: &str) -> f64 {
    let series = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[test]
fn one_sample_shows_every_core() {
    if !corewire() {
        return;
    }
    let server = Server::builder().monitored().cores(2).start();
    let _clients = [server.quiet(), server.quiet(), server.quiet()];
    let cores = get(server.monitor(), "/varz").json()["cores"].as_u64().expect("a number");
    let shown = once(&format!("http://{}", server.monitor()));
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    let rows: Vec<Vec<&str>> =
        shown.stdout.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
    let named = |name: &str| rows.iter().filter(|row| row.first() == Some(&name)).count();
    for name in (0..cores).map(|core| core.to_string()).chain([String::from("all")]) {
        assert_eq!(named(&name), 2, "{name} in\n{}", shown.stdout);
    }
    assert!(!shown.stdout.contains('\x1b'), "plain text");
    let conns = shown.stdout.split("conns").next().expect("a heading");
    let column = conns.split("  ").filter(|heading| !heading.trim().is_empty()).count();
    let all = rows.iter().find(|row| row.first() == Some(&"all")).expect("a row");
    assert_eq!(all[column], "3", "connections in\n{}", shown.stdout);
}

#[test]
fn explain_finds_a_client_and_the_subscribers_of_a_subject() {
    if !corewire() {
        return;
    }
    let server = Server::builder().monitored().cores(2).start();
    let mut clients = [server.quiet(), server.quiet()];
    for client in &mut clients {
        client.send("SUB found.* 1");
        client.ping();
    }
    let address = format!("http://{}", server.monitor());
    let explain =
        |what: &str, of: &str| Server::run_to_end(&["explain", what, of, "--server", &address]);
    let shown = explain("client", &clients[1].cid().to_string());
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert!(shown.stdout.contains("lives on core "), "{}", shown.stdout);
    assert!(shown.stdout.contains("1 subscriptions"), "{}", shown.stdout);
    let shown = explain("subject", "found.x").stdout;
    assert!(shown.contains("subject found.x in account $G: 2 subscriptions"), "{shown}");
    assert!(shown.contains("none of its subscribers is slow now"), "{shown}");
    assert_eq!(Server::run_to_end(&["explain", "client"]).code, Some(2));
}

/// While messages flow, what is shown of their dwell time is a time.
#[test]
fn a_sample_under_load_shows_dwell_times() {
    if !corewire() {
        return;
    }
    let server = Server::builder().monitored().start();
    let mut raw = server.quiet();
    raw.send("SUB a 1");
    let address = format!("http://{}", server.monitor());
    let mut top: Child = Command::new(server.subject().path())
        .args(["top", "--once", "--interval", "300ms", "--server", &address])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    while top.try_wait().expect("our own child").is_none() {
        raw.publish("a", "x");
        raw.message();
    }
    let output = top.wait_with_output().expect("our own child");
    let text = String::from_utf8_lossy(&output.stdout);
    let all = text.lines().filter(|line| line.trim_start().starts_with("all")).nth(1);
    let cells: Vec<&str> = all.expect("a row").split_ascii_whitespace().collect();
    assert!(["ns", "us", "ms"].iter().any(|unit| cells[1].ends_with(unit)), "{text}");
    assert!(cells[4].starts_with('<'), "{text}");
}

#[test]
fn every_delivery_is_in_the_metrics_and_bounds_ascend() {
    if !corewire() {
        return;
    }
    let server = Server::builder().monitored().cores(2).start();
    let mut clients: Vec<_> = (0..4).map(|_| server.quiet()).collect();
    for client in &mut clients {
        client.send("SUB a 1");
        client.ping();
    }
    for _ in 0..25 {
        clients[0].publish("a", "hello");
        clients.iter_mut().for_each(|client| drop(client.message()));
    }
    let metrics = until("the last delivery's time", || {
        let metrics = get(server.monitor(), "/metrics").body;
        (sum_of(&metrics, "corewire_dwell_seconds_count") == 100.0).then_some(metrics)
    });
    assert_eq!(sum_of(&metrics, "corewire_out_msgs_total"), 100.0);
    let sum = sum_of(&metrics, "corewire_dwell_seconds_sum");
    assert!(sum > 0.0 && sum < 100.0, "{sum} s for a hundred deliveries");
    for family in ["dwell", "loop", "ring_wait"] {
        let start = format!("corewire_{family}_seconds_bucket{{le=\"");
        let buckets: Vec<(f64, f64)> = metrics
            .lines()
            .filter_map(|line| line.strip_prefix(&start)?.split_once("\",core=\"0\"} "))
            .map(|(le, count)| (le.parse().expect("a bound"), count.parse().expect("a count")))
            .collect();
        assert!(buckets.len() > 50, "{family}");
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
        let (last, count) = buckets[buckets.len() - 1];
        let name = format!("corewire_{family}_seconds_count{{core=\"0\"}}");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("a count");
        assert_eq!((last, Ok(count)), (f64::INFINITY, line.trim().parse()), "{family}");
    }
}

#[test]
fn without_a_server_it_says_so_and_fails() {
    if !corewire() {
        return;
    }
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it has one");
    drop(free);
    let shown = once(&format!("http://{address}"));
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(1), ""));
    assert!(shown.stderr.contains("cannot reach"), "{}", shown.stderr);
    assert!(shown.stderr.contains(&address.to_string()), "{}", shown.stderr);
}

#[test]
fn a_port_that_is_not_monitoring_is_named() {
    if !corewire() {
        return;
    }
    let server = Server::builder().monitored().start();
    let shown = once(&format!("http://{}", server.client()));
    assert_eq!(shown.code, Some(1));
    assert!(shown.stderr.contains("does not speak HTTP"), "{}", shown.stderr);
    let shown = once(&format!("http://{}/elsewhere", server.monitor()));
    assert_eq!(shown.code, Some(1));
    assert!(shown.stderr.contains("has no /metrics"), "{}", shown.stderr);
}

#[test]
fn wrong_arguments_are_refused() {
    if !corewire() {
        return;
    }
    let shown = Server::run_to_end(&["top", "--interval", "soon"]);
    assert_eq!(shown.code, Some(2));
    assert!(shown.stderr.contains("--interval"), "{}", shown.stderr);
    let live = Server::run_to_end(&["top", "--help"]);
    assert_eq!(live.code, Some(0));
    assert!(live.stdout.contains("--once"), "{}", live.stdout);
}

#[test]
fn a_signal_gives_the_terminal_back_as_it_was() {
    if !corewire() {
        return;
    }
    let server = Server::builder().monitored().start();
    for signal in [Signal::TERM, Signal::INT] {
        let mut terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("it can be used");
        let name = ptsname(&terminal, Vec::new()).expect("it has a name");
        let screen = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
        let screen = screen.expect("its other side");
        let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&screen, size).expect("it has a size");
        let before = tcgetattr(&screen).expect("it has modes");
        let side = || Stdio::from(screen.try_clone().expect("a descriptor"));
        let mut top = Command::new(server.subject().path())
            .args(["top", "--interval", "1h"])
            .args(["--server", &format!("http://{}", server.monitor())])
            .stdin(side())
            .stdout(side())
            .spawn()
            .expect("the program starts");
        let shown = read_until(&mut terminal, "q quits");
        assert!(shown.contains("\x1b[?1049h"), "{shown:?}");
        let during = tcgetattr(&screen).expect("it has modes");
        assert_ne!(during.local_modes, before.local_modes);
        kill_process(Pid::from_child(&top), signal).expect("it runs");
        read_until(&mut terminal, "\x1b[?1049l");
        assert_eq!(top.wait().expect("our own child").code(), Some(0));
        let after = tcgetattr(&screen).expect("it has modes");
        assert_eq!(after.local_modes, before.local_modes);
    }
}

/// What the terminal shows until `end` is part of it.
fn read_until(terminal: &mut (impl std::os::fd::AsFd + ?Sized), end: &str) -> String {
    let mut terminal = File::from(terminal.as_fd().try_clone_to_owned().expect("a descriptor"));
    let (mut shown, mut piece) = (String::new(), [0; 4096]);
    while !shown.contains(end) {
        let len = terminal.read(&mut piece).expect("it shows something");
        shown.push_str(&String::from_utf8_lossy(&piece[..len]));
    }
    shown
}
