//! Profiles as the process has them: each key that shows from outside, and that a mistake ends
//! the start before anything else happens. Corewire only; nats-server has no profiles.

use std::time::{Duration, Instant};

use harness::{Folder, Server, Subject, get, until};

/// A server with this profile, on one core where the text does not list cores.
fn with_profile(text: &str) -> Server {
    let folder = Folder::new();
    let path = folder.write("my.toml", &format!("cores_max = 1\n{text}\n"));
    Server::builder().args(&["--profile", &path.to_string_lossy()]).monitored().start()
}

/// What `/proc` says of a process or thread under this name.
fn status(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{path}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.expect("Linux has it").trim_start_matches(':').trim().to_owned()
}

/// The threads of this name, as folders in `/proc`. A core's own thread has one beside it, for
/// calls that block, under the same name.
fn threads(server: &Server, name: &str) -> Vec<String> {
    let tasks = format!("{}/task", server.pid());
    let entries = std::fs::read_dir(format!("/proc/{tasks}")).expect("it runs").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let all = ids.map(|id| format!("{tasks}/{id}"));
    all.filter(|task| status(task, "Name").starts_with(name)).collect()
}

/// The cores that the threads of this name may run on.
fn cores_of(server: &Server, thread: &str) -> Vec<String> {
    let named = threads(server, thread);
    let mut cores: Vec<String> =
        named.iter().map(|task| status(task, "Cpus_allowed_list")).collect();
    cores.sort_unstable();
    cores.dedup();
    cores
}

/// How the threads of this name are scheduled: Linux's numbers of the policies.
fn policies_of(server: &Server, thread: &str) -> Vec<String> {
    let policy = |task: &String| {
        let text = std::fs::read_to_string(format!("/proc/{task}/stat")).expect("it runs");
        // The fields are counted from behind the name, which may hold anything.
        let behind = text.rsplit_once(") ").expect("a name").1;
        behind.split(' ').nth(38).expect("a policy").to_owned()
    };
    threads(server, thread).iter().map(policy).collect()
}

/// The cores of this test, in the order of their numbers.
fn own_cores() -> Vec<usize> {
    let list = status("self", "Cpus_allowed_list");
    let ranges = list.split(',').map(|part| part.split_once('-').unwrap_or((part, part)));
    let number = |text: &str| text.parse::<usize>().expect("a core");
    ranges.flat_map(|(first, last)| number(first)..=number(last)).collect()
}

fn parks(server: &Server) -> u64 {
    let metrics = get(server.monitor(), "/metrics").body;
    let lines = metrics.lines().filter(|line| line.starts_with("corewire_parks_total"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn the_three_of_the_program_start_and_are_named() {
    if Subject::from_env().skips_ours() {
        return;
    }
    for name in ["latency", "throughput", "shared-host"] {
        let server = Server::start(&["--profile", name]);
        server.wait_for_log(&format!("Using profile: {name}"));
        server.quiet().ping();
    }
}

#[test]
fn streams_are_flushed_as_the_profile_says_unless_the_file_does() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let profile = folder.write("my.toml", "cores_max = 1\nstorage_flush_ms = 250\n");
    let profile = profile.to_string_lossy().into_owned();
    for (more, wanted) in [("", "every 250ms"), ("sync_interval: always", "always (an ack means")] {
        let store = folder.path().join("store");
        let config = format!("jetstream {{ store_dir: \"{}\"\n{more} }}\n", store.display());
        let server = Server::builder().args(&["--profile", &profile]).config(&config).start();
        server.wait_for_log(&format!("  Sync:            {wanted}"));
    }
}

#[test]
fn a_mistake_ends_the_start_before_anything_else() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let bad = folder.write("bad.toml", "cores_max = 1\nidel = \"spin\"\n");
    let pid_file = folder.path().join("pid");
    let (bad, pid) = (bad.to_string_lossy(), pid_file.to_string_lossy());
    let ended = Server::run_to_end(&["-p", "-1", "-P", &pid, "--profile", &bad]);
    assert_eq!(ended.code, Some(1));
    let wanted =
        format!("nats-server: {bad}:2:1: unknown field \"idel\", did you mean \"idle\"?\n");
    assert!(ended.stderr.starts_with(&wanted), "{}", ended.stderr);
    assert!(!ended.stderr.contains("Starting"), "{}", ended.stderr);
    assert!(!pid_file.exists());
    for (args, wanted) in [
        (["-p", "-1", "--profile", "/no/such.toml"], "open /no/such.toml: no such file"),
        (["-p", "-1", "--profile", "latncy"], "did you mean \"latency\"?"),
        (["-p", "-1", "--profile", "6060"], "profiling port"),
    ] {
        let ended = Server::run_to_end(&args);
        assert_eq!(ended.code, Some(1), "{args:?}");
        assert!(ended.stderr.contains(wanted), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn the_configuration_file_may_name_a_profile_too() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let path = folder.write("my.toml", "cores_max = 1\n");
    let server = Server::with_config(&format!("corewire {{ profile: \"{}\" }}\n", path.display()));
    server.wait_for_log(&format!("Using profile: {}", path.display()));
    assert_eq!(cores_of(&server, "core-").len(), 1, "cores_max holds");
}

#[test]
fn shards_and_control_thread_run_where_the_profile_says() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let own = own_cores();
    let (first, last) = (own[0], own[own.len() - 1]);
    let server = with_profile(&format!("cores = [{first}]\ncontrol_cores = {last}"));
    assert_eq!(cores_of(&server, "core-"), [first.to_string()]);
    assert_eq!(status(&server.pid().to_string(), "Cpus_allowed_list"), last.to_string());
    let server = Server::builder();
    let folder = Folder::new();
    let path = folder.write("my.toml", &format!("cores = [{first}]\n"));
    let last = last.to_string();
    let server = server.args(&["--profile", &path.to_string_lossy(), "--cores", &last]).start();
    assert_eq!(cores_of(&server, "core-"), [last], "--cores wins");
}

#[test]
fn a_core_that_spins_never_sleeps() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let server = with_profile("idle = \"spin\"");
    server.quiet().ping();
    assert_eq!(parks(&server), 0);
    let server = with_profile("idle = \"park\"");
    server.quiet().ping();
    until("a core parks", || (parks(&server) > 0).then_some(()));
}

#[test]
fn a_core_looks_on_for_a_while_before_it_sleeps() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let server = with_profile("spin_before_park_us = 1000000");
    let mut raw = server.quiet();
    // On a loaded machine a second may pass between two lines; a core that parked at once would
    // never get this far.
    until("ten pings without a sleep", || {
        let before = parks(&server);
        (0..10).for_each(|_| raw.ping());
        (parks(&server) == before).then_some(())
    });
    until("it sleeps in the end", || {
        std::thread::park_timeout(Duration::from_millis(1200));
        (parks(&server) > 0).then_some(())
    });
}

#[test]
fn a_sleeping_core_lets_events_gather() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let server = with_profile("gather_us = 100000\ngather_events = 4096");
    let mut raw = server.quiet();
    if server.log_text().contains("gather_us has no effect") {
        return;
    }
    let start = Instant::now();
    (0..3).for_each(|_| raw.ping());
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

#[test]
fn a_cores_thread_is_scheduled_as_the_profile_says() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let (other, fifo, batch) = ("0".to_owned(), "1".to_owned(), "3".to_owned());
    let server = with_profile("scheduling = 'batch'");
    let policies = policies_of(&server, "core-0");
    assert_eq!(policies.iter().filter(|policy| **policy == batch).count(), 1, "{policies:?}");
    assert!(!policies_of(&server, "log").contains(&batch), "only the cores' own threads");
    let server = with_profile("scheduling = 'realtime'");
    let policies = policies_of(&server, "core-0");
    match server.log_text().contains("scheduling has no effect") {
        true => assert!(policies.iter().all(|policy| *policy == other), "{policies:?}"),
        false => assert_eq!(policies.iter().filter(|policy| **policy == fifo).count(), 1),
    }
    server.quiet().ping();
}

#[test]
fn memory_is_locked_or_the_right_to_it_asked_for() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let folder = Folder::new();
    let path = folder.write("my.toml", "cores_max = 1\nlock_memory = true\n");
    let args = ["--profile", &path.to_string_lossy()];
    let capabilities = u64::from_str_radix(&status("self", "CapEff"), 16).expect("a mask");
    if capabilities >> 14 & 1 == 1 {
        let server = Server::start(&args);
        let locked = status(&server.pid().to_string(), "VmLck");
        let kib: u64 = locked.trim_end_matches(" kB").trim().parse().expect("KiB");
        assert!(kib > 1024, "{locked}");
    } else {
        let ended = Server::run_to_end(&["-p", "-1", args[0], args[1]]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains("LimitMEMLOCK=infinity"), "{}", ended.stderr);
    }
}

#[test]
fn what_the_host_does_not_grant_is_a_warning() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let server = with_profile("send_buffer_bytes = 1073741824");
    server.wait_for_log("sysctl -w net.core.wmem_max=1073741824");
    server.quiet().ping();
}
