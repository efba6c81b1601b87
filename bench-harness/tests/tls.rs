//! `--tls-ca` against a real nats-server with a certificate made here; where there is none, a test
//! says nothing.

use std::path::PathBuf;
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A folder with `ca.pem`, `other.pem`, `cert.pem` and `key.pem`, gone with its value.
struct Papers(PathBuf);

impl Papers {
    fn new(test: &str) -> Papers {
        let folder = format!("corewire-bench-tls-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).expect("temporary directory");
        let papers = Papers(folder);
        papers.authority("other");
        let issuer = papers.authority("ca");
        let names = vec!["127.0.0.1".to_string()];
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("an address");
        let signed = params.signed_by(&key, &issuer).expect("signed");
        papers.write("cert.pem", &signed.pem());
        papers.write("key.pem", &key.serialize_pem());
        papers
    }

    fn authority(&self, name: &str) -> Issuer<'static, KeyPair> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        self.write(&format!("{name}.pem"), &params.self_signed(&key).expect("signed").pem());
        Issuer::new(params, key)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("own folder");
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn has_nats_server() -> bool {
    Command::new("nats-server").arg("--version").output().is_ok()
}

/// Runs a mode against a nats-server that speaks TLS, and trusts `ca`.
fn run(papers: &Papers, mode: &str, ca: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_corewire-bench"))
        .args(mode.split(' '))
        .args(["--spawn", "nats-server", "--tls-ca", &papers.path(ca), "--"])
        .args(["--tls", "--tlscert", &papers.path("cert.pem"), "--tlskey", &papers.path("key.pem")])
        .output()
        .expect("the built program")
}

#[test]
fn messages_pass_whole_and_in_order_through_tls() {
    if !has_nats_server() {
        return;
    }
    let papers = Papers::new("whole");
    for mode in [
        // Frames of many records, and records of many frames.
        "pubsub --msgs 20k --subs 2 --readers 1 --warmup 10ms --verify",
        "pubsub --msgs 200 --size 100KiB --warmup 10ms --verify",
        "latency --rate 2k --subs 3 --duration 200ms --warmup 10ms",
        "request --msgs 500 --in-flight 8 --warmup 10ms",
        "js-pub --msgs 1k --warmup 10ms",
        "handshakes --handshakes 50 --rate 500 --duration 100ms --warmup 10ms",
    ] {
        let output = run(&papers, mode, "ca.pem");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{mode}: {error}");
    }
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_measured() {
    if !has_nats_server() {
        return;
    }
    let papers = Papers::new("stranger");
    let output = run(&papers, "pub --msgs 1", "other.pem");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("TLS handshake with"), "{error}");
}
