//! Where items look: the files of a host, under a root that a test may choose, and one try of
//! io_uring, whose answer a test may choose too.

use std::path::PathBuf;

use runtime::probe;

/// What an item may ask of a host. Paths have no leading slash.
pub trait Host {
    /// A file's text without white space around it; `None` when there is none to read.
    fn read(&self, path: &str) -> Option<String>;

    /// The names in a folder, sorted; empty when there is no such folder.
    fn list(&self, folder: &str) -> Vec<String>;

    /// Whether a file or folder is there.
    fn exists(&self, path: &str) -> bool;

    /// Whether a core's ring works here; else why not, with the remedy.
    fn ring(&self) -> Result<(), String>;
}

/// A host whose files lie under a folder.
#[derive(Clone, Debug)]
pub struct Rooted {
    root: PathBuf,
    ring: Ring,
}

/// How a [`Rooted`] host answers for its ring.
#[derive(Clone, Debug)]
enum Ring {
    Tried,
    Said(Result<(), String>),
}

impl Rooted {
    /// The host that this process runs on.
    pub fn this() -> Rooted {
        Rooted { root: PathBuf::from("/"), ring: Ring::Tried }
    }

    /// A host in a folder, with an answer for its ring.
    pub fn in_folder(root: impl Into<PathBuf>, ring: Result<(), String>) -> Rooted {
        Rooted { root: root.into(), ring: Ring::Said(ring) }
    }
}

impl Host for Rooted {
    fn read(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.root.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.join(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn ring(&self) -> Result<(), String> {
        match &self.ring {
            Ring::Tried => probe::try_ring().map_err(|error| error.to_string()),
            Ring::Said(answer) => answer.clone(),
        }
    }
}

/// The CPUs that this process may run on, and so the server started from here.
pub fn allowed_cpus(host: &dyn Host) -> Vec<usize> {
    status(host, "Cpus_allowed_list").map(|list| crate::cpu_list::parse(&list)).unwrap_or_default()
}

/// A line of this process's status, such as `Seccomp`.
pub fn status(host: &dyn Host, name: &str) -> Option<String> {
    let text = host.read("proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}
