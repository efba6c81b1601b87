//! Mode, rotation by size, and which backups are kept.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::format::Colour;
use crate::options::Stamp;

struct Scene {
    folder: PathBuf,
    format: Format,
}

impl Scene {
    fn new(name: &str) -> Scene {
        let folder = format!("corewire-logfile-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let format =
            Format { pid: 7, stamp: Stamp::Bare, zone: TimeZone::UTC, colour: Colour::Plain };
        Scene { folder, format }
    }

    fn open(&self, size_limit: u64, files_max: u64) -> LogFile {
        let path = self.folder.join("n.log");
        LogFile::open(FileOptions { path, size_limit, files_max }, TimeZone::UTC).unwrap()
    }

    /// Rotated files, oldest first.
    fn backups(&self) -> Vec<PathBuf> {
        let mut backups = backups_of(&self.folder.join("n.log")).unwrap();
        backups.sort_unstable();
        backups
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

#[test]
fn the_file_is_appended_to_with_mode_0640() {
    let scene = Scene::new("mode");
    scene.open(0, 0).append("one\n", &scene.format).unwrap();
    scene.open(0, 0).append("two\n", &scene.format).unwrap();
    let path = scene.folder.join("n.log");
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    // The process's umask may take rights away, never add any.
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !MODE, 0);
    assert_eq!(mode & 0o600, 0o600);
}

#[test]
fn a_line_over_the_limit_rotates_and_the_new_file_names_the_backup() {
    let scene = Scene::new("rotate");
    let mut log = scene.open(10, 0);
    log.append("12345\n", &scene.format).unwrap();
    assert_eq!(scene.backups(), Vec::<PathBuf>::new());
    log.append("67890\n", &scene.format).unwrap();

    let backups = scene.backups();
    let [backup] = &backups[..] else { panic!("one backup, not {backups:?}") };
    assert_eq!(fs::read_to_string(backup).unwrap(), "12345\n67890\n");
    let current = fs::read_to_string(scene.folder.join("n.log")).unwrap();
    let said = format!("[7] [INF] Rotated log, backup saved as \"{}\"\r\n", backup.display());
    assert_eq!(current, said);
}

#[test]
fn the_backup_is_named_after_the_time_to_the_nanosecond() {
    let scene = Scene::new("name");
    let path = scene.open(1, 0).backup_path(1_795_252_965_015_800_180);
    assert_eq!(path, scene.folder.join("n.log.2026.11.21.09.22.45.015800180"));
    let padded = scene.open(1, 0).backup_path(1_795_252_965_000_000_007);
    assert_eq!(padded, scene.folder.join("n.log.2026.11.21.09.22.45.000000007"));
}

#[test]
fn the_newest_backups_are_kept_and_strangers_left_alone() {
    let scene = Scene::new("keep");
    let strangers = ["n.log.old", "n.log.2026.11.21", "x.log.2026.11.21.09.22.45.015800180"];
    for name in strangers {
        fs::write(scene.folder.join(name), "").unwrap();
    }
    let mut log = scene.open(1, 3);
    for line in ["a\n", "b\n", "c\n", "d\n"] {
        log.append(line, &scene.format).unwrap();
    }
    let kept: Vec<String> =
        scene.backups().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(kept.len(), 2, "log_max_num counts the current file");
    assert!(kept[0].ends_with("c\n") && kept[1].ends_with("d\n"), "{kept:?}");
    assert!(strangers.iter().all(|name| scene.folder.join(name).exists()));
}

#[test]
fn a_failed_rotation_loses_no_line() {
    let scene = Scene::new("stuck");
    let mut log = scene.open(10, 0);
    // Somebody removed the file: there is nothing to rename.
    fs::remove_file(scene.folder.join("n.log")).unwrap();
    log.append("a long enough line\n", &scene.format).unwrap();
    log.append("more\n", &scene.format).unwrap();
    assert_eq!(log.file.metadata().unwrap().len(), 24);
    assert_eq!(scene.backups(), Vec::<PathBuf>::new());
}
