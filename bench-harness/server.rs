//! The server under load: one that runs already, or a program that we start and always stop.
//!
//! A spawned server listens on a free port of 127.0.0.1. Its port comes from its log line or from
//! its ports file, whichever is there first. Dropping [`Server`] ends the process, also on a panic
//! or after Ctrl-C.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cores::Placement;
use crate::error::{BenchError, Role};
use crate::interrupt;
use crate::process::ProcessProbe;
use crate::session::{Endpoint, Login, Session};

/// How long a program may take to say where it listens.
const START_WAIT: Duration = Duration::from_secs(10);
/// How long it may take to end after SIGTERM before SIGKILL follows.
const STOP_WAIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(1);
/// Lines of its log that are kept for error messages.
const LOG_LINES_MAX: usize = 20;
/// nats-server's start-up line; Corewire prints the same.
const LISTEN_MARK: &str = "Listening for client connections on ";

/// A server as named on the command line.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// Column title.
    pub label: String,
    /// Where it is or how to start it.
    pub origin: Origin,
}

/// Where a server comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Runs already.
    Running {
        /// Its address.
        endpoint: Endpoint,
        /// Its process, if it is on this machine and its CPU should be measured.
        pid: Option<u32>,
    },
    /// A program to start.
    Program {
        /// Path, or a name to look up in PATH.
        path: PathBuf,
        /// Its flags.
        flags: Vec<String>,
    },
}

impl ServerSpec {
    /// Reads `[label=]nats://host:port` or `[label=]program [flags…]`.
    ///
    /// # Errors
    /// [`BenchError::Usage`] when nothing is named.
    pub fn parse(text: &str) -> Result<ServerSpec, BenchError> {
        let (label, rest) = match text.split_once('=') {
            Some((label, rest)) if !label.contains([' ', '/', ':']) => (Some(label), rest),
            _ => (None, text),
        };
        let named = |found: &str| label.unwrap_or(found).to_string();
        if rest.contains("://") {
            let endpoint = Endpoint::parse(rest)?;
            let label = named(&endpoint.address);
            return Ok(ServerSpec { label, origin: Origin::Running { endpoint, pid: None } });
        }
        let mut words = rest.split_whitespace().map(str::to_string);
        let Some(program) = words.next() else {
            return Err(BenchError::Usage(format!("`{text}` names no server")));
        };
        let path = PathBuf::from(program);
        let label = named(path.file_name().and_then(|name| name.to_str()).unwrap_or("server"));
        Ok(ServerSpec { label, origin: Origin::Program { path, flags: words.collect() } })
    }
}

/// A server that accepts connections.
#[derive(Debug)]
pub struct Server {
    /// Column title.
    pub label: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its version, as INFO said; unknown after [`Server::launch`].
    pub version: Option<String>,
    probe: Option<ProcessProbe>,
    process: Option<Process>,
}

impl Server {
    /// Starts the program and waits until it says where it listens, or takes the running server as
    /// it is; then logs in once.
    ///
    /// # Errors
    /// Program missing, ended at once, or silent about its port; the message carries its log.
    pub fn start(spec: &ServerSpec, placement: &Placement) -> Result<Server, BenchError> {
        let mut server = Server::launch(spec, placement)?;
        if let Some(process) = &mut server.process {
            server.endpoint.address = process.wait_for_address(&server.label)?;
        }
        server.version = Some(Session::open(&server.endpoint, Role::Idler)?.greeting.version);
        Ok(server)
    }

    /// Starts the program and waits for nothing: its address is not known yet.
    ///
    /// # Errors
    /// Program missing.
    pub fn launch(spec: &ServerSpec, placement: &Placement) -> Result<Server, BenchError> {
        let label = spec.label.clone();
        match &spec.origin {
            Origin::Running { endpoint, pid } => {
                let (endpoint, probe) = (endpoint.clone(), pid.map(ProcessProbe::new));
                Ok(Server { label, endpoint, version: None, probe, process: None })
            }
            Origin::Program { path, flags } => {
                let process = Process::spawn(path, flags, placement)?;
                let endpoint = Endpoint { address: String::new(), login: login_of(flags) };
                let probe = Some(ProcessProbe::new(process.child.id()));
                let process = Some(process);
                Ok(Server { label, endpoint, version: None, probe, process })
            }
        }
    }

    /// Reads the server's CPU time and memory; `None` for a server we did not start.
    pub fn probe(&self) -> Option<ProcessProbe> {
        self.probe
    }

    /// Fails when a spawned server has ended by itself.
    pub fn check_alive(&mut self) -> Result<(), BenchError> {
        match &mut self.process {
            Some(process) => process.check_alive(&self.label),
            None => Ok(()),
        }
    }
}

/// Credentials among a program's flags: the load logs in with the same.
fn login_of(flags: &[String]) -> Option<Login> {
    let value = |name: &str| {
        let at = flags.iter().position(|flag| flag.trim_start_matches('-') == name)?;
        flags.get(at + 1).cloned()
    };
    if let Some(token) = value("auth") {
        return Some(Login::Token(token));
    }
    Some(Login::Password { user: value("user")?, password: value("pass")? })
}

#[derive(Debug)]
struct Process {
    child: Child,
    log: Arc<Mutex<Log>>,
    reader: Option<JoinHandle<()>>,
    ports_dir: PathBuf,
}

/// What the log has said so far.
#[derive(Debug, Default)]
struct Log {
    tail: VecDeque<String>,
    address: Option<String>,
}

impl Process {
    fn spawn(path: &Path, flags: &[String], placement: &Placement) -> Result<Process, BenchError> {
        let failed = |source| BenchError::Spawn { path: path.to_path_buf(), source };
        let ports_dir = fresh_dir().map_err(failed)?;
        let mut command = Command::new(path);
        if !names_port(flags) {
            command.args(["-a", "127.0.0.1", "-p", "-1"]);
        }
        command.arg("--ports_file_dir").arg(&ports_dir).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let spawned = placement.as_server(|| command.spawn()).and_then(|got| got.map_err(failed));
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                // The directory is empty: nothing is lost if it stays.
                let _ = fs::remove_dir(&ports_dir);
                return Err(error);
            }
        };
        let log = Arc::new(Mutex::new(Log::default()));
        let reader = child.stderr.take().map(|stderr| {
            let log = Arc::clone(&log);
            thread::spawn(move || follow(BufReader::new(stderr), &log))
        });
        Ok(Process { child, log, reader, ports_dir })
    }

    fn wait_for_address(&mut self, label: &str) -> Result<String, BenchError> {
        let begun = Instant::now();
        loop {
            interrupt::check()?;
            let logged = self.log.lock().unwrap_or_else(PoisonError::into_inner).address.clone();
            if let Some(address) = logged.or_else(|| ports_file(&self.ports_dir)) {
                return Ok(address);
            }
            self.check_alive(label)?;
            if begun.elapsed() > START_WAIT {
                let log = self.log_tail();
                return Err(BenchError::NoPort {
                    label: label.to_string(),
                    waited: START_WAIT,
                    log,
                });
            }
            thread::sleep(POLL);
        }
    }

    fn check_alive(&mut self, label: &str) -> Result<(), BenchError> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        if let Some(reader) = self.reader.take() {
            // The pipe is closed: the reader ends after the last line.
            let _ = reader.join();
        }
        let (label, log) = (label.to_string(), self.log_tail());
        Err(BenchError::ServerEnded { label, status: status.to_string(), log })
    }

    fn log_tail(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<String> = log.tail.iter().map(|line| format!("  {line}")).collect();
        lines.join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > STOP_WAIT {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(POLL);
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let _ = fs::remove_dir_all(&self.ports_dir);
    }
}

fn names_port(flags: &[String]) -> bool {
    flags.iter().any(|flag| {
        let name = flag.split('=').next().unwrap_or(flag);
        matches!(name, "-p" | "--p" | "-port" | "--port")
    })
}

fn fresh_dir() -> std::io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("corewire-bench-{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir(&dir)?;
    Ok(dir)
}

/// Reads the log to its end, so that the server never blocks on a full pipe.
fn follow(mut lines: impl BufRead, log: &Mutex<Log>) {
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_string();
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.address.is_none() {
            log.address = listen_address(&text);
        }
        if log.tail.len() == LOG_LINES_MAX {
            log.tail.pop_front();
        }
        log.tail.push_back(text);
        line.clear();
    }
}

fn listen_address(line: &str) -> Option<String> {
    let (_, address) = line.split_once(LISTEN_MARK)?;
    Some(reachable(address.trim()))
}

/// `*.ports`: JSON with the client URLs under `nats`.
fn ports_file(dir: &Path) -> Option<String> {
    let entries = fs::read_dir(dir).ok()?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let file = files.find(|path| path.extension().is_some_and(|name| name == "ports"))?;
    let ports: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let url = ports["nats"].get(0)?.as_str()?;
    Some(reachable(url.trim_start_matches("nats://")))
}

/// A server that listens everywhere is reached on the loopback.
fn reachable(address: &str) -> String {
    match address.strip_prefix("0.0.0.0:").or_else(|| address.strip_prefix("[::]:")) {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_an_address_or_a_program() {
        let spec = ServerSpec::parse("old=nats-server -D").expect("valid");
        assert_eq!(spec.label, "old");
        let Origin::Program { path, flags } = spec.origin else {
            panic!("a program was named");
        };
        assert_eq!((path.to_str(), flags), (Some("nats-server"), vec!["-D".to_string()]));
        let spec = ServerSpec::parse("nats://u:p=x@h:1").expect("valid");
        assert_eq!(spec.label, "h:1");
        assert!(matches!(spec.origin, Origin::Running { .. }));
        assert!(ServerSpec::parse("  ").is_err());
        assert_eq!(ServerSpec::parse("./target/corewire --x=1").expect("valid").label, "corewire");
    }

    #[test]
    fn the_start_up_line_names_the_address() {
        let line = "[1] 2026/11/21 [INF] Listening for client connections on 0.0.0.0:43017";
        assert_eq!(listen_address(line), Some("127.0.0.1:43017".to_string()));
        assert_eq!(listen_address("[INF] Server is ready"), None);
    }

    #[test]
    fn a_program_that_ends_at_once_shows_its_last_words() {
        let origin = Origin::Program { path: "sh".into(), flags: vec!["--port".to_string()] };
        let spec = ServerSpec { label: "sh".to_string(), origin };
        let error = Server::start(&spec, &Placement::default()).unwrap_err();
        assert!(
            matches!(&error, BenchError::ServerEnded { log, .. } if !log.is_empty()),
            "{error}"
        );
    }

    #[test]
    fn a_missing_program_is_named_and_leaves_nothing_behind() {
        let spec = ServerSpec::parse("/nonexistent/nats").expect("valid");
        let error = Server::start(&spec, &Placement::default()).unwrap_err();
        assert!(matches!(error, BenchError::Spawn { .. }), "{error}");
    }
}
