//! T04: several certificates on one listener (spec/cli-and-config.md §7.9, `certs`).

use std::process::Command;

use harness::Server;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};

use crate::papers::Papers;

/// The names in the certificate that `server` shows to one who asks for `name`, by openssl.
fn shown(server: &Server, name: Option<&str>) -> String {
    let port = server.client().port();
    let asks = name.map_or("-noservername".to_owned(), |name| format!("-servername {name}"));
    let script = format!(
        "openssl s_client -connect localhost:{port} {asks} </dev/null 2>/dev/null \
         | openssl x509 -noout -ext subjectAltName"
    );
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh");
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().trim().to_owned()
}

fn config(papers: &Papers, names: &[&str]) -> String {
    let pairs: Vec<String> = names
        .iter()
        .map(|name| {
            let path = |end| papers.path(&format!("{name}.{end}")).display().to_string();
            format!("{{ cert_file: \"{}\", key_file: \"{}\" }}", path("pem"), path("key"))
        })
        .collect();
    format!("tls {{ handshake_first: true, certs: [{}] }}\n", pairs.join(", "))
}

#[test]
fn t04_a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let papers = Papers::new();
    for (name, dns) in [("one", "one.example"), ("two", "*.two.example")] {
        let mut params = CertificateParams::new(vec![dns.to_owned()]).expect("a name");
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        papers.sign(name, params);
    }
    let server = Server::builder().config(&config(&papers, &["one", "two"])).start();
    assert_eq!(shown(&server, Some("one.example")), "DNS:one.example");
    assert_eq!(shown(&server, Some("a.two.example")), "DNS:*.two.example");
    assert_eq!(shown(&server, Some("three.example")), "DNS:one.example");
    assert_eq!(shown(&server, None), "DNS:one.example");
}

#[test]
fn t04_a_pair_at_fault_stops_the_start_and_is_named() {
    let papers = Papers::new();
    let client = std::fs::read(papers.path("client.key")).expect("a key");
    std::fs::write(papers.path("swapped.key"), client).expect("written");
    std::fs::copy(papers.path("server.pem"), papers.path("swapped.pem")).expect("copied");
    let failed = |config: String| {
        let file = papers.folder.write("bad.conf", &config);
        let end =
            Server::run_to_end(&["-c", &file.to_string_lossy(), "-a", "127.0.0.1", "-p", "-1"]);
        assert_ne!(end.code, Some(0));
        let tested = Server::run_to_end(&["-t", "-c", &file.to_string_lossy()]);
        assert_eq!(tested.code, Some(1), "-t finds it too: {}", tested.stderr);
        let told = tested.stderr.trim_start_matches("nats-server: ").trim_end();
        assert!(end.stderr.contains(told), "{told}\n{}", end.stderr);
        end.stderr
    };
    let told = failed(config(&papers, &["server", "swapped"]));
    assert!(told.contains("swapped.pem") && told.contains("swapped.key"), "{told}");
    let told = failed(config(&papers, &["server", "nowhere"]));
    assert!(told.contains("nowhere.pem: No such file"), "{told}");
    let told = failed(config(&papers, &["server"]).replace("tls {", "tls { cert_file: x,"));
    assert!(told.contains("exclude each other"), "{told}");
}
