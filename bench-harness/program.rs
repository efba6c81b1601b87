//! A program that we start and always stop: its folder, its log, where it listens.
//!
//! Its port comes from its log line or from its ports file, whichever is there first. Dropping
//! [`Program`] ends the process, also on a panic or after Ctrl-C, and removes the folder.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise, fdatasync, statfs};
use rustix::process::{Pid, Signal, kill_process};

use crate::cores::Placement;
use crate::error::BenchError;
use crate::interrupt;

/// How long a program may take to say where it listens, and to end after SIGTERM, while it has
/// streams to read or to write.
pub const STORE_WAIT: Duration = Duration::from_secs(120);
/// How long a program without streams may take to say where it listens.
const START_WAIT: Duration = Duration::from_secs(10);
/// How long a program that is not needed any more may take to end before SIGKILL follows.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// Between two looks at a program that starts or ends.
pub const POLL: Duration = Duration::from_millis(1);
/// How long a process may need to be gone, once its connections are.
const DYING_WAIT: Duration = Duration::from_millis(500);
/// Lines of its log that are kept for error messages.
const LOG_LINES_MAX: usize = 20;
/// nats-server's start-up line; Corewire prints the same.
const LISTEN_MARK: &str = "Listening for client connections on ";
/// `statfs` type of a file system in memory.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

/// A folder of our own on a disk. Dropping it removes it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// In `TMPDIR`, or in `/var/tmp` where that is in memory: what a disk costs shall be measured.
    ///
    /// # Errors
    /// No folder can be made, or both are in memory.
    pub fn new() -> io::Result<Scratch> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("corewire-bench-{}-{number}", std::process::id());
        let places = [std::env::temp_dir(), PathBuf::from("/var/tmp")];
        let Some(place) = places.iter().find(|place| is_on_disk(place)) else {
            return Err(io::Error::other("every temporary folder is in memory: set TMPDIR"));
        };
        let dir = place.join(name);
        for part in ["", "ports"] {
            fs::create_dir(dir.join(part))?;
        }
        Ok(Scratch(dir))
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Drops every file below it from the kernel's cache.
    ///
    /// # Errors
    /// A file that cannot be read.
    fn evict(&self) -> io::Result<()> {
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    let file = File::open(path)?;
                    // Only pages that are on disk can be dropped.
                    fdatasync(&file)?;
                    fadvise(&file, 0, None, Advice::DontNeed)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left: there is nobody to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_on_disk(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| stat.f_type != TMPFS_MAGIC)
}

/// What is started, and how.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Name of the server.
    pub label: String,
    /// Path, or a name to look up in PATH.
    pub path: PathBuf,
    /// All its flags but those of its port and its ports file.
    pub flags: Vec<String>,
    /// Its cores.
    pub placement: Placement,
}

/// How a program is ended before it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM, and as much time as it needs.
    Stopped,
    /// SIGKILL.
    Killed,
}

/// A running program.
#[derive(Debug)]
pub struct Program {
    launch: Launch,
    scratch: Scratch,
    child: Child,
    log: Arc<Mutex<Log>>,
    reader: Option<JoinHandle<()>>,
    start_wait: Duration,
}

/// What the log has said so far.
#[derive(Debug, Default)]
struct Log {
    tail: VecDeque<String>,
    address: Option<String>,
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// [`BenchError::Spawn`].
    pub fn start(launch: Launch, scratch: Scratch) -> Result<Program, BenchError> {
        let (child, log, reader) = spawn(&launch, &scratch)?;
        let reader = Some(reader);
        Ok(Program { launch, scratch, child, log, reader, start_wait: START_WAIT })
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its folder.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Ends the process and starts another on the same folder; returns the moment of the start.
    /// With [`Ending::Stopped`] the kernel forgets the files in between.
    ///
    /// # Errors
    /// As [`Program::start`], and a program that does not end.
    pub fn restart(&mut self, ending: Ending) -> Result<Instant, BenchError> {
        match ending {
            Ending::Stopped => {
                self.end(Signal::TERM, STORE_WAIT);
                self.scratch.evict()?;
            }
            Ending::Killed => self.end(Signal::KILL, STOP_WAIT),
        }
        for entry in fs::read_dir(self.scratch.path("ports"))? {
            fs::remove_file(entry?.path())?;
        }
        let started = Instant::now();
        let (child, log, reader) = spawn(&self.launch, &self.scratch)?;
        (self.child, self.log, self.reader) = (child, log, Some(reader));
        self.start_wait = STORE_WAIT;
        Ok(started)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until it says where it listens.
    ///
    /// # Errors
    /// Ended, or silent; the message carries its log.
    pub fn wait_for_address(&mut self) -> Result<String, BenchError> {
        let begun = Instant::now();
        loop {
            interrupt::check()?;
            let logged = self.log.lock().unwrap_or_else(PoisonError::into_inner).address.clone();
            if let Some(address) = logged.or_else(|| ports_file(&self.scratch.path("ports"))) {
                return Ok(address);
            }
            self.check_alive()?;
            if begun.elapsed() > self.start_wait {
                let (label, log) = (self.launch.label.clone(), self.log_tail());
                return Err(BenchError::NoPort { label, waited: self.start_wait, log });
            }
            thread::sleep(POLL);
        }
    }

    /// Fails when it has ended by itself.
    pub fn check_alive(&mut self) -> Result<(), BenchError> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        if let Some(reader) = self.reader.take() {
            // The pipe is closed: the reader ends after the last line.
            let _ = reader.join();
        }
        let (label, log) = (self.launch.label.clone(), self.log_tail());
        Err(BenchError::ServerEnded { label, status: status.to_string(), log })
    }

    /// Fails when it has ended by itself, or ends now: a process that dies closes its connections
    /// before it is gone.
    pub fn check_dying(&mut self) -> Result<(), BenchError> {
        let begun = Instant::now();
        while begun.elapsed() < DYING_WAIT {
            self.check_alive()?;
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<String> = log.tail.iter().map(|line| format!("  {line}")).collect();
        lines.join("\n")
    }

    fn end(&mut self, signal: Signal, wait: Duration) {
        // It may have ended already.
        let _ = self.signal(signal);
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > wait {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            thread::sleep(POLL);
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end(Signal::TERM, STOP_WAIT);
    }
}

type Spawned = (Child, Arc<Mutex<Log>>, JoinHandle<()>);

fn spawn(launch: &Launch, scratch: &Scratch) -> Result<Spawned, BenchError> {
    let failed = |source| BenchError::Spawn { path: launch.path.clone(), source };
    let mut command = Command::new(&launch.path);
    if !names_port(&launch.flags) {
        command.args(["-a", "127.0.0.1", "-p", "-1"]);
    }
    command.arg("--ports_file_dir").arg(scratch.path("ports")).args(&launch.flags);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let spawned = launch.placement.as_server(|| command.spawn());
    let mut child = spawned.and_then(|got| got.map_err(failed))?;
    let log = Arc::new(Mutex::new(Log::default()));
    let stderr = child.stderr.take().expect("the pipe was asked for above");
    let reader = thread::spawn({
        let log = Arc::clone(&log);
        move || follow(BufReader::new(stderr), &log)
    });
    Ok((child, log, reader))
}

fn names_port(flags: &[String]) -> bool {
    flags.iter().any(|flag| {
        let name = flag.split('=').next().unwrap_or(flag);
        matches!(name, "-p" | "--p" | "-port" | "--port")
    })
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
    // `nats://`, and `tls://` where clients must use it.
    let (_, address) = url.split_once("://")?;
    Some(reachable(address))
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
    fn the_start_up_line_names_the_address() {
        let line = "[1] 2026/11/21 [INF] Listening for client connections on 0.0.0.0:43017";
        assert_eq!(listen_address(line), Some("127.0.0.1:43017".to_string()));
        assert_eq!(listen_address("[INF] Server is ready"), None);
    }

    #[test]
    fn a_scratch_folder_is_on_a_disk_and_goes_away_with_all_it_holds() {
        let scratch = Scratch::new().expect("a disk");
        let file = scratch.path("store").join("deep");
        fs::create_dir_all(&file).expect("own folder");
        fs::write(file.join("x"), "x").expect("own folder");
        scratch.evict().expect("readable");
        assert!(is_on_disk(&file));
        let dir = scratch.path("");
        drop(scratch);
        assert!(!dir.exists());
    }
}
