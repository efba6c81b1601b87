//! `scripts/build-deb`: what the package holds, and that its program runs with its configuration.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Folder;

/// What is in the package, beside its folders.
const FILES: [&str; 13] = [
    "./etc/corewire/corewire.conf",
    "./usr/bin/corewire",
    "./usr/lib/systemd/system/corewire.service",
    "./usr/lib/sysusers.d/corewire.conf",
    "./usr/sbin/corewire-tune-host",
    "./usr/share/bash-completion/completions/corewire",
    "./usr/share/doc/corewire/LICENSE-APACHE",
    "./usr/share/doc/corewire/LICENSE-MIT",
    "./usr/share/doc/corewire/copyright",
    "./usr/share/doc/corewire/host.md",
    "./usr/share/fish/vendor_completions.d/corewire.fish",
    "./usr/share/man/man8/corewire.8.gz",
    "./usr/share/zsh/vendor-completions/_corewire",
];

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_package_holds_what_a_host_needs_and_its_program_runs() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        // No Debian, no package.
        return;
    }
    let folder = Folder::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/build-deb");
    let built = output(
        Command::new("bash")
            .arg(script)
            .args(["--binary", env!("CARGO_BIN_EXE_corewire"), "--out"])
            .arg(folder.path()),
    );
    let package = PathBuf::from(built.trim());
    let listed = output(Command::new("dpkg-deb").arg("-c").arg(&package));
    for file in FILES {
        assert!(listed.lines().any(|line| line.ends_with(&format!(" {file}"))), "{file}\n{listed}");
    }
    for line in listed.lines() {
        assert!(line.contains(" root/root "), "{line}");
    }
    let version = output(Command::new("dpkg-deb").arg("-f").arg(&package).arg("Version"));
    assert_eq!(version.trim(), env!("CARGO_PKG_VERSION"));
    let conffiles = output(Command::new("dpkg-deb").arg("-I").arg(&package).arg("conffiles"));
    assert_eq!(conffiles.trim(), "/etc/corewire/corewire.conf");

    let root = folder.path().join("root");
    output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root));
    let program = root.join("usr/bin/corewire");
    assert!(output(Command::new(&program).arg("-v")).contains("corewire v"));
    let config = root.join("etc/corewire/corewire.conf");
    output(Command::new(&program).arg("-t").arg("-c").arg(config));
}
