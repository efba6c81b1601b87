//! A temporary folder that goes away with its owner.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Numbers the folders of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder of its own under the system's temporary folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Default for Folder {
    fn default() -> Self {
        Folder::new()
    }
}

impl Folder {
    /// Makes an empty folder.
    pub fn new() -> Folder {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("corewire-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Folder { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it and says where.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.path.join(name);
        std::fs::write(&file, content).expect("a temporary file can be written");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that is already gone is what we want.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
