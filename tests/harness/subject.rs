//! Which program is under test, and how old its protocol is.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Ours: every fact of the specification must hold.
    Corewire(PathBuf),
    /// A real nats-server of this version, on which the tests prove themselves.
    Reference(PathBuf, Version),
}

/// Major, minor, patch.
pub type Version = (u32, u32, u32);

impl Subject {
    /// `COREWIRE_BIN`, or the `corewire` that cargo built beside this test.
    pub fn from_env() -> Subject {
        match std::env::var_os("COREWIRE_BIN") {
            Some(path) => Subject::of(absolute(Path::new(&path))),
            None => Subject::of(built_beside_this_test()),
        }
    }

    /// The real nats-server to compare with: the one that `scripts/reference` keeps beside the
    /// clients of other languages, else the one on the PATH. Says so where there is none.
    pub fn installed() -> Option<Subject> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let kept = cache().map(|cache| cache.join("corewire-clients/server"));
        let folders = kept.into_iter().chain(std::env::split_paths(&path));
        let found = folders.map(|folder| folder.join("nats-server")).find(|file| file.is_file());
        if found.is_none() {
            eprintln!("SKIPPED: no nats-server is installed");
        }
        found.map(Subject::of)
    }

    /// Tells a real nats-server by its file name.
    pub fn of(path: PathBuf) -> Subject {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if !name.is_some_and(|name| name.starts_with("nats-server")) {
            return Subject::Corewire(path);
        }
        let said = Command::new(&path).arg("-v").output().expect("nats-server -v runs");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = said.rsplit('v').next().and_then(parse_version);
        Subject::Reference(path, version.expect("nats-server -v ends in a version"))
    }

    /// Where the program is.
    pub fn path(&self) -> &Path {
        match self {
            Subject::Corewire(path) | Subject::Reference(path, _) => path,
        }
    }

    /// Whether this is ours.
    pub fn is_corewire(&self) -> bool {
        matches!(self, Subject::Corewire(_))
    }

    /// Whether a fact that holds since `version` cannot be asked of this program. Says so, since
    /// a test that ends early would look like one that passed.
    pub fn skips(&self, version: &str) -> bool {
        let since = parse_version(version).expect("a version such as 2.12.0");
        match self {
            Subject::Reference(_, own) if *own < since => {
                eprintln!("SKIPPED: {version} says this, and the server is {own:?}");
                true
            }
            _ => false,
        }
    }

    /// Whether a fact that is Corewire's alone cannot be asked of this program.
    pub fn skips_ours(&self) -> bool {
        if !self.is_corewire() {
            eprintln!("SKIPPED: Corewire only");
        }
        !self.is_corewire()
    }
}

/// Cargo puts a test into `<target>/<profile>/deps`, and the program one folder above.
fn built_beside_this_test() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.parent().and_then(Path::parent).expect("tests stand in <profile>/deps");
    profile.join("corewire")
}

/// Where programs keep what they can fetch again.
fn cache() -> Option<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".cache"));
    std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)
}

/// Cargo runs a test in the package's folder: a relative path is meant from there.
fn absolute(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).expect("the current folder exists");
    assert!(absolute.exists(), "COREWIRE_BIN names no file: {}", absolute.display());
    absolute
}

fn parse_version(text: &str) -> Option<Version> {
    let mut parts = text.trim().split(['.', '-']).map(str::parse);
    let mut next = || parts.next()?.ok();
    Some((next()?, next()?, next()?))
}
