//! `--signal`: which signal goes to which process. Sending it is the caller's.
//! spec/cli-and-config.md §3

use std::io;
use std::path::Path;
use std::str::FromStr;

/// What can be sent, and the number of the Unix signal that it is on Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGKILL
    Stop = 9,
    /// SIGINT
    Quit = 2,
    /// SIGTERM
    Term = 15,
    /// SIGUSR1
    Reopen = 10,
    /// SIGHUP
    Reload = 1,
    /// SIGUSR2
    LameDuck = 12,
}

impl Signal {
    /// The number for `kill`.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Signal, SignalError> {
        match text {
            "stop" => Ok(Signal::Stop),
            "quit" => Ok(Signal::Quit),
            "term" => Ok(Signal::Term),
            "reopen" => Ok(Signal::Reopen),
            "reload" => Ok(Signal::Reload),
            "ldm" => Ok(Signal::LameDuck),
            other => Err(SignalError::UnknownSignal(other.to_owned())),
        }
    }
}

/// A process id, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pid(pub i32);

/// Why a signal cannot be sent. Texts are nats-server's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// No such name.
    #[error("unknown signal \"{0}\"")]
    UnknownSignal(String),
    /// Nobody to send it to.
    #[error("no nats-server processes running")]
    NoneRunning,
    /// More than one, and none was named.
    #[error("multiple nats-server processes running:{}", lines(.0))]
    SeveralRunning(Vec<Pid>),
    /// Neither a process id nor a file that holds one.
    #[error("invalid pid: {0}")]
    InvalidPid(String),
    /// The system does not say which processes there are.
    #[error("unable to list processes: {0}")]
    Listing(String),
}

fn lines(pids: &[Pid]) -> String {
    pids.iter().map(|pid| format!("\n{}", pid.0)).collect()
}

/// What `--signal` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRequest {
    /// What to send.
    pub signal: Signal,
    /// To whom: empty for the only one that runs, a process id, `id*`, or a PID file's path.
    pub target: String,
}

impl FromStr for SignalRequest {
    type Err = SignalError;

    /// `signal` or `signal=target`.
    fn from_str(text: &str) -> Result<SignalRequest, SignalError> {
        let (signal, target) = text.split_once('=').unwrap_or((text, ""));
        Ok(SignalRequest { signal: signal.parse()?, target: target.to_owned() })
    }
}

/// What is known about the machine's processes.
pub trait Processes {
    /// Servers of ours or nats-server's that run, without this process.
    fn servers(&self) -> io::Result<Vec<Pid>>;
    /// What the file at `path` holds, if there is one.
    fn file(&self, path: &Path) -> Option<String>;
}

impl SignalRequest {
    /// The processes that the signal goes to, at least one.
    pub fn resolve(&self, processes: &dyn Processes) -> Result<Vec<Pid>, SignalError> {
        let servers =
            || processes.servers().map_err(|error| SignalError::Listing(error.to_string()));
        let target = self.target.as_str();
        if target.is_empty() {
            let pids = servers()?;
            return match pids.len() {
                0 => Err(SignalError::NoneRunning),
                1 => Ok(pids),
                _ => Err(SignalError::SeveralRunning(pids)),
            };
        }
        if let Some(prefix) = target.strip_suffix('*') {
            let mut pids = servers()?;
            pids.retain(|pid| pid.0.to_string().starts_with(prefix));
            return if pids.is_empty() { Err(SignalError::NoneRunning) } else { Ok(pids) };
        }
        // A file's content is taken as it is: a line end makes it invalid.
        let text = processes.file(Path::new(target)).unwrap_or_else(|| target.to_owned());
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(pid) if digits && pid > 0 => Ok(vec![Pid(pid)]),
            _ => Err(SignalError::InvalidPid(text)),
        }
    }
}

/// The processes of this machine, from `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcFs;

/// Names under which a server runs.
const SERVER_NAMES: [&str; 2] = ["corewire", "nats-server"];

impl Processes for ProcFs {
    fn servers(&self) -> io::Result<Vec<Pid>> {
        let own = std::process::id().cast_signed();
        let mut pids = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A process may have ended since the directory was read.
            let Ok(name) = std::fs::read_to_string(entry.path().join("comm")) else { continue };
            if pid != own && SERVER_NAMES.contains(&name.trim_end()) {
                pids.push(Pid(pid));
            }
        }
        pids.sort_unstable();
        Ok(pids)
    }

    fn file(&self, path: &Path) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine(Vec<i32>);

    impl Processes for Machine {
        fn servers(&self) -> io::Result<Vec<Pid>> {
            Ok(self.0.iter().copied().map(Pid).collect())
        }

        fn file(&self, path: &Path) -> Option<String> {
            match path.to_str()? {
                "/run/good.pid" => Some("123".to_owned()),
                "/run/bad.pid" => Some("123\n".to_owned()),
                _ => None,
            }
        }
    }

    fn resolve(text: &str, running: &[i32]) -> Result<Vec<i32>, String> {
        let request: SignalRequest =
            text.parse().map_err(|error: SignalError| error.to_string())?;
        match request.resolve(&Machine(running.to_vec())) {
            Ok(pids) => Ok(pids.into_iter().map(|pid| pid.0).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn targets_by_name_number_pattern_and_file() {
        assert_eq!(resolve("ldm", &[5]), Ok(vec![5]));
        assert_eq!(resolve("stop=77", &[]), Ok(vec![77]));
        assert_eq!(resolve("stop=12*", &[12, 123, 312]), Ok(vec![12, 123]));
        assert_eq!(resolve("stop=*", &[12, 5]), Ok(vec![12, 5]));
        assert_eq!(resolve("reload=/run/good.pid", &[]), Ok(vec![123]));
    }

    #[test]
    fn failures_read_as_nats_writes_them() {
        let error = |text, running: &[i32]| resolve(text, running).unwrap_err();
        assert_eq!(error("quit", &[]), "no nats-server processes running");
        assert_eq!(error("quit", &[1, 2]), "multiple nats-server processes running:\n1\n2");
        assert_eq!(error("quit=9*", &[1, 2]), "no nats-server processes running");
        assert_eq!(error("quit=abc", &[]), "invalid pid: abc");
        assert_eq!(error("quit=0", &[]), "invalid pid: 0");
        assert_eq!(error("quit=-5", &[]), "invalid pid: -5");
        assert_eq!(error("quit=/run/bad.pid", &[]), "invalid pid: 123\n");
        assert_eq!(error("foo", &[]), "unknown signal \"foo\"");
    }

    #[test]
    fn numbers_are_those_of_linux() {
        let number = |name: &str| name.parse::<Signal>().map(Signal::number);
        assert_eq!(number("stop"), Ok(9));
        assert_eq!(number("term"), Ok(15));
        assert_eq!(number("ldm"), Ok(12));
        assert_eq!(number("reopen"), Ok(10));
        assert_eq!(number("reload"), Ok(1));
        assert_eq!(number("quit"), Ok(2));
    }
}
