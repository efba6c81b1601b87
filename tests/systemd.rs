//! The server under systemd: what it says on the notification socket, and that the unit is one
//! that systemd accepts.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::{Folder, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};

/// A server that believes it is a unit.
struct Unit {
    child: Child,
    socket: UnixDatagram,
    _folder: Folder,
}

impl Unit {
    fn start() -> Unit {
        let folder = Folder::new();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let child = Command::new(env!("CARGO_BIN_EXE_corewire"))
            .args(["-a", "127.0.0.1", "-p", "-1", "--cores", "0"])
            .env("NOTIFY_SOCKET", &path)
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        Unit { child, socket, _folder: folder }
    }

    /// The next message, its lines sorted out.
    fn told(&self) -> Vec<String> {
        let mut bytes = [0; 512];
        let length = self.socket.recv(&mut bytes).expect("a message in time");
        let text = std::str::from_utf8(&bytes[..length]).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    fn send(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the server runs");
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // A server that has ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn readiness_reload_and_shutdown_are_told() {
    let mut unit = Unit::start();
    assert_eq!(unit.told(), ["READY=1"]);
    unit.send(Signal::HUP);
    let told = unit.told();
    assert_eq!(told[0], "RELOADING=1");
    assert!(told[1].starts_with("MONOTONIC_USEC="), "{told:?}");
    assert_eq!(unit.told(), ["READY=1"]);
    unit.send(Signal::TERM);
    assert_eq!(unit.told(), ["STOPPING=1"]);
    assert!(unit.child.wait().expect("it ends").success());
}

#[test]
fn lame_duck_is_told_as_stopping() {
    let mut unit = Unit::start();
    assert_eq!(unit.told(), ["READY=1"]);
    unit.send(Signal::USR2);
    assert_eq!(unit.told(), ["STOPPING=1"]);
    assert!(unit.child.wait().expect("it ends").success());
}

#[test]
fn the_unit_is_one_that_systemd_accepts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unit = std::fs::read_to_string(root.join("scripts/corewire.service")).expect("the unit");
    for line in ["Type=notify", "LimitMEMLOCK=infinity", "LimitNOFILE=1048576", "Restart="] {
        assert!(unit.lines().any(|found| found.starts_with(line)), "{line}");
    }
    let folder = Folder::new();
    // The program is not installed where the unit will find it.
    let program = env!("CARGO_BIN_EXE_corewire");
    let unit = unit.replace("/usr/bin/corewire", program).replace("Documentation=", "#");
    let file = folder.write("corewire.service", &unit);
    let verify = Command::new("systemd-analyze").arg("verify").arg(file).output();
    // Where there is no systemd, there is nobody to ask.
    let Ok(verify) = verify else { return };
    let text = String::from_utf8_lossy(&verify.stderr);
    let about_it: Vec<&str> = text.lines().filter(|line| line.contains("corewire")).collect();
    assert_eq!(about_it, [""; 0]);
    assert!(verify.status.success(), "{text}");
}
