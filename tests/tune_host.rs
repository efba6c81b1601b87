//! `scripts/tune-host` on a folder that stands for a host: what it changes, that it says so, and
//! that it puts everything back to the byte.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Folder;

/// A host before it is tuned.
const FILES: &[(&str, &str)] = &[
    ("sys/devices/system/cpu/online", "0-3\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
    ("proc/sys/net/core/somaxconn", "128\n"),
    ("proc/irq/9/smp_affinity_list", "0-3\n"),
    ("proc/irq/10/smp_affinity_list", "2\n"),
    ("proc/irq/11/smp_affinity_list", "1\n"),
    ("sys/class/net/eth0/device/vendor", "0x1af4\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,0000000f\n"),
    ("sys/class/net/eth0/queues/tx-0/xps_cpus", "00000000,00000000\n"),
    ("sys/class/net/eth0/queues/tx-1/xps_cpus", "00000000,00000000\n"),
    ("sys/class/net/eth1/device/vendor", "0x1af4\n"),
    ("sys/class/net/eth1/queues/tx-0/xps_cpus", "0\n"),
];

/// What becomes of it with `--cores 2-3`; the files not named stay.
const TUNED: &[(&str, &str)] = &[
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/irq/9/smp_affinity_list", "0,1\n"),
    ("proc/irq/10/smp_affinity_list", "0,1\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000\n"),
    ("sys/class/net/eth0/queues/tx-0/xps_cpus", "00000005\n"),
    ("sys/class/net/eth0/queues/tx-1/xps_cpus", "0000000a\n"),
];

struct Host {
    folder: Folder,
}

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Host {
    fn new() -> Host {
        let host = Host { folder: Folder::new() };
        FILES.iter().for_each(|(path, text)| host.write(path, text));
        host
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("lib/tune-host.state")
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.root().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder above")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    }

    fn command(&self, args: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/tune-host");
        let mut command = Command::new("bash");
        command.arg(script).args(args).env_remove("COREWIRE_SYSTEMCTL");
        command.env("COREWIRE_SYSROOT", self.root()).env("COREWIRE_TUNE_STATE", self.state());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// Every file below the root.
    fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), std::fs::read(&path).expect("a file"));
                }
            }
        }
        files
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("bash runs");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_dry_run_says_what_it_would_do_and_touches_nothing() {
    let host = Host::new();
    let before = host.snapshot();
    let end = host.run(&["--dry-run", "--cores", "2-3"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    for (path, _) in TUNED {
        assert!(end.stdout.contains(&format!("would    /{path}: ")), "{path}\n{}", end.stdout);
    }
    assert_eq!(end.stdout.matches("would ").count(), TUNED.len(), "{}", end.stdout);
    assert_eq!(host.snapshot(), before);
    assert!(!host.state().exists());
}

#[test]
fn what_is_applied_is_put_back_to_the_byte() {
    let host = Host::new();
    let before = host.snapshot();
    let end = host.run(&["--apply", "--cores", "2-3"]);
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
    let mut tuned = before.clone();
    for (path, text) in TUNED {
        tuned.insert(host.root().join(path), text.as_bytes().to_vec());
    }
    assert_eq!(host.snapshot(), tuned);

    // Once more: nothing to change, and the notes stand.
    let notes = std::fs::read(host.state()).expect("notes");
    let again = host.run(&["--apply", "--cores", "2-3"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(!again.stdout.contains("changed"), "{}", again.stdout);
    assert_eq!(std::fs::read(host.state()).expect("notes"), notes);

    let end = host.run(&["--undo"]);
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
    assert_eq!(host.snapshot(), before);
    assert!(!host.state().exists());
    let end = host.run(&["--undo"]);
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), "nothing to undo\n"));
}

#[test]
fn the_first_state_comes_back_after_two_different_applies() {
    let host = Host::new();
    let before = host.snapshot();
    assert_eq!(host.run(&["--apply", "--cores", "2-3"]).code, Some(0));
    assert_eq!(host.run(&["--apply", "--cores", "1"]).code, Some(0));
    let moved = std::fs::read(host.root().join("proc/irq/11/smp_affinity_list")).expect("a file");
    assert_eq!(moved, b"0,2,3\n");
    assert_eq!(host.run(&["--undo"]).code, Some(0));
    assert_eq!(host.snapshot(), before);
}

#[test]
fn without_cores_interrupts_and_queues_stay() {
    let host = Host::new();
    let end = host.run(&["--apply"]);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stdout.contains("skipped  interrupts, RPS, XPS"), "{}", end.stdout);
    let irq = std::fs::read(host.root().join("proc/irq/9/smp_affinity_list")).expect("a file");
    assert_eq!(irq, b"0-3\n");
}

#[test]
fn an_item_that_cannot_be_changed_is_named_and_the_rest_goes_on() {
    let host = Host::new();
    let stubborn = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    let file = host.root().join(stubborn);
    std::fs::remove_file(&file).expect("removed");
    // It can be read, but nobody can write it, not even root.
    symlink("/proc/version", &file).expect("a link");
    let before = host.snapshot();
    let end = host.run(&["--apply", "--cores", "2-3"]);
    assert_eq!(end.code, Some(1), "{}", end.stdout);
    let line = format!("FAILED   /{stubborn} cannot be set to performance (it stays Linux");
    assert!(end.stderr.starts_with(&line), "{}", end.stderr);
    for (path, text) in TUNED.iter().filter(|(path, _)| *path != stubborn) {
        let found = std::fs::read(host.root().join(path)).expect("a file");
        assert_eq!(found, text.as_bytes(), "{path}");
    }
    let notes = std::fs::read_to_string(host.state()).expect("notes");
    assert!(!notes.contains(stubborn), "what was not changed is not noted: {notes}");
    assert_eq!(host.run(&["--undo"]).code, Some(0));
    assert_eq!(host.snapshot(), before);
}

#[test]
fn what_cannot_be_put_back_keeps_its_note_for_the_next_undo() {
    let host = Host::new();
    let before = host.snapshot();
    assert_eq!(host.run(&["--apply"]).code, Some(0));
    let file = host.root().join("proc/sys/net/core/somaxconn");
    std::fs::remove_file(&file).expect("removed");
    symlink("/proc/version", &file).expect("a link");
    let end = host.run(&["--undo"]);
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains("somaxconn cannot be restored; its note stays"), "{}", end.stderr);
    std::fs::remove_file(&file).expect("removed");
    std::fs::write(&file, "4096\n").expect("a file");
    assert_eq!(host.run(&["--undo"]).code, Some(0));
    assert_eq!(host.snapshot(), before);
    assert!(!host.state().exists());
}

#[test]
fn a_service_is_stopped_and_started_again() {
    let host = Host::new();
    // A systemctl that knows irqbalance only, and writes down what it is told.
    let said = host.folder.path().join("said");
    let text = format!("#!/bin/sh\necho \"$*\" >> {}\n", said.display());
    let program = host.folder.write("systemctl", &text);
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("permissions");
    for mode in ["--apply", "--undo"] {
        let end = ran(host.command(&[mode]).env("COREWIRE_SYSTEMCTL", &program));
        assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{mode}");
    }
    let said = std::fs::read_to_string(said).expect("what it was told");
    assert_eq!(said, "is-active --quiet irqbalance\nstop irqbalance\nstart irqbalance\n");
}

#[test]
fn arguments_that_make_no_sense_are_refused_and_change_nothing() {
    let host = Host::new();
    let before = host.snapshot();
    let lines: [&[&str]; 8] = [
        &[],
        &["--frobnicate"],
        &["--apply", "extra"],
        &["--apply", "--undo"],
        &["--apply", "--cores"],
        &["--apply", "--cores", "two"],
        &["--apply", "--cores", "9-2"],
        &["--undo", "--cores", "1"],
    ];
    for args in lines {
        let end = host.run(args);
        assert_eq!(end.code, Some(2), "{args:?}: {}", end.stderr);
        assert!(end.stderr.starts_with("tune-host: "), "{args:?}: {}", end.stderr);
    }
    let end = host.run(&["--apply", "--cores", "0-3"]);
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains("leaves no online CPU"), "{}", end.stderr);
    assert_eq!(host.run(&["--undo"]).code, Some(0));
    assert_eq!(host.snapshot(), before);
}
