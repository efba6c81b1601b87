//! Starts the server under test on free ports, follows its log, signals it, ends it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::{Folder, PATIENCE, Pings, Raw, Subject, until};

/// A running server. Dropping it kills the process and removes its folder.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
    client: SocketAddr,
    monitor: Option<SocketAddr>,
    folder: Folder,
    subject: Subject,
}

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// The exit status, when it was not killed.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error: the log.
    pub stderr: String,
}

/// What a server is started with.
#[derive(Debug)]
pub struct Builder {
    subject: Subject,
    args: Vec<String>,
    folder: Folder,
}

#[derive(Debug, Default)]
struct Log {
    state: Mutex<LogState>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct LogState {
    lines: Vec<String>,
    ended: bool,
}

impl Server {
    /// A server with these extra flags.
    pub fn start(args: &[&str]) -> Server {
        Server::builder().args(args).start()
    }

    /// A server with this configuration file.
    pub fn with_config(config: &str) -> Server {
        Server::builder().config(config).start()
    }

    /// What will be started: `-a 127.0.0.1 -p -1` and what is added.
    pub fn builder() -> Builder {
        Server::builder_for(Subject::from_env())
    }

    /// The same for a program that is not the one under test.
    pub fn builder_for(subject: Subject) -> Builder {
        let args = ["-a", "127.0.0.1", "-p", "-1"].map(String::from).to_vec();
        Builder { subject, args, folder: Folder::new() }
    }

    /// Runs the program with exactly these arguments until it ends by itself.
    pub fn run_to_end(args: &[&str]) -> Finished {
        run_to_end(&Subject::from_env(), args)
    }

    /// Which program this is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The client port.
    pub fn client(&self) -> SocketAddr {
        self.client
    }

    /// The monitoring port; panics when started without `-m`.
    pub fn monitor(&self) -> SocketAddr {
        self.monitor.expect("this server was started without a monitoring port")
    }

    /// `nats://…`
    pub fn url(&self) -> String {
        format!("nats://{}", self.client)
    }

    /// A new connection whose INFO was read.
    pub fn connect(&self) -> Raw {
        Raw::connect(self.client)
    }

    /// A new connection that sent CONNECT with `verbose` and `pedantic` off, and answers PINGs.
    pub fn quiet(&self) -> Raw {
        let mut raw = self.connect();
        raw.set_pings(Pings::Answered);
        raw.send(r#"CONNECT {"verbose":false,"pedantic":false}"#);
        raw.ping();
        raw
    }

    /// Waits for a log line that contains `part`, and gives it.
    pub fn wait_for_log(&self, part: &str) -> String {
        let found = self.log.wait_for(|line| line.contains(part).then(|| line.to_owned()));
        found.unwrap_or_else(|| panic!("no log line with {part:?} in:\n{}", self.log_text()))
    }

    /// The log until now.
    pub fn log_text(&self) -> String {
        self.log.state.lock().expect("no reader panics").lines.join("\n")
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A folder of the server's own; gone with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a child's pid is not zero");
        kill_process(pid, signal).expect("the server can be signalled");
    }

    /// Waits for the process to end, and gives its status and log.
    pub fn finish(mut self) -> Finished {
        let status = until("the server ends", || self.child.try_wait().expect("our own child"));
        self.join_reader();
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: String::new(),
            stderr: self.log_text(),
        }
    }

    fn join_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            // The reader only ends early by a bug of its own, which its panic already told.
            let _ = reader.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_reader();
        if std::thread::panicking() {
            eprintln!("--- log of the server under test\n{}", self.log_text());
        }
    }
}

impl Builder {
    /// Adds flags.
    pub fn args(mut self, args: &[&str]) -> Builder {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Adds `-m -1`: a monitoring port.
    pub fn monitored(self) -> Builder {
        self.args(&["-m", "-1"])
    }

    /// Adds `--cores`, which only Corewire knows. Without so many cores it runs on what there is.
    pub fn cores(self, count: usize) -> Builder {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        match self.subject {
            Subject::Corewire(_) => {
                let last = count.min(cores) - 1;
                self.args(&["--cores", &format!("0-{last}")])
            }
            Subject::Reference(..) => self,
        }
    }

    /// Writes a configuration file and adds `-c`.
    pub fn config(self, text: &str) -> Builder {
        let file = self.folder.write("server.conf", text);
        let file = file.to_string_lossy().into_owned();
        self.args(&["-c", &file])
    }

    /// Where the server's own files may go.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it and waits for `Server is ready`.
    pub fn start(self) -> Server {
        let mut child = spawn(&self.subject, &self.args);
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("stderr is piped");
        let follower = Arc::clone(&log);
        let reader = std::thread::spawn(move || follower.follow(stderr));
        if log.wait_for(|line| line.contains("Server is ready").then_some(())).is_none() {
            let _ = child.kill();
            let _ = child.wait();
            let said = log.state.lock().expect("no reader panics").lines.join("\n");
            panic!("{} {:?} did not start:\n{said}", self.subject.path().display(), self.args);
        }
        let port = |what| log.wait_for(|line| address_after(line, what));
        let client = port("Listening for client connections on ").expect("a client port");
        let monitored = self.args.iter().any(|arg| arg == "-m");
        let monitor = monitored.then(|| port("Starting http monitor on ")).flatten();
        Server {
            child,
            log,
            reader: Some(reader),
            client,
            monitor,
            folder: self.folder,
            subject: self.subject,
        }
    }
}

impl Log {
    fn follow(&self, stderr: impl Read) {
        let mut lines = BufReader::new(stderr);
        let mut line = Vec::new();
        // A log line may quote bytes that are not UTF-8.
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.state.lock().expect("no waiter panics").lines.push(text);
            self.grown.notify_all();
            line.clear();
        }
        self.state.lock().expect("no waiter panics").ended = true;
        self.grown.notify_all();
    }

    fn wait_for<T>(&self, mut pick: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.lock().expect("the reader does not panic");
        let mut seen = 0;
        loop {
            if let Some(found) = state.lines[seen..].iter().find_map(|line| pick(line)) {
                return Some(found);
            }
            seen = state.lines.len();
            let left = deadline.checked_duration_since(Instant::now())?;
            if state.ended {
                return None;
            }
            state = self.grown.wait_timeout(state, left).expect("the reader does not panic").0;
        }
    }
}

fn spawn(subject: &Subject, args: &[String]) -> Child {
    let child = Command::new(subject.path())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    child.unwrap_or_else(|error| panic!("{}: {error}", subject.path().display()))
}

fn run_to_end(subject: &Subject, args: &[&str]) -> Finished {
    let mut child = Command::new(subject.path())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", subject.path().display()));
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("our own child").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{} {args:?} did not end", subject.path().display());
        }
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("our own child");
    Finished {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn address_after(line: &str, what: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once(what)?;
    let port = address.rsplit(':').next()?.trim().parse().ok()?;
    Some(SocketAddr::from(([127, 0, 0, 1], port)))
}
