//! Files that are written whole: after a crash there is what was there before, or what is new.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Puts a file with these bytes at `path`, written as `unfinished` in the same folder first. It is
/// safe on disk when this comes back.
///
/// # Errors
/// What the system says; what was at `path` is there still, or it is new and may be lost.
pub(crate) fn replace(path: &Path, unfinished: &Path, bytes: &[u8]) -> io::Result<()> {
    debug_assert_eq!(path.parent(), unfinished.parent());
    let mut file = File::create(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    flush_names(path)
}

/// What the folder of `path` calls its files is safe on disk when this comes back.
///
/// # Errors
/// What the system says.
pub(crate) fn flush_names(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_under_its_own_name_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, unfinished) = (folder.path().join("a.json"), folder.path().join("a.new"));
        fs::write(&unfinished, "a longer rest of a crash").expect("written");
        for text in ["first", "next"] {
            replace(&path, &unfinished, text.as_bytes()).expect("replaced");
            assert_eq!(fs::read_to_string(&path).expect("a file"), text);
            assert!(!unfinished.exists());
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, unfinished) = (folder.path().join("a.json"), folder.path().join("a.new"));
        replace(&path, &unfinished, b"first").expect("replaced");
        fs::create_dir(&unfinished).expect("in the way");
        replace(&path, &unfinished, b"next").expect_err("a folder stands there");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "first");
    }
}
