//! T06: OCSP staples, against openssl's responder (spec/security.md §8).

use std::path::Path;
use std::process::Command;

use harness::{Folder, Server};
use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose};

use crate::papers::Papers;
use crate::responder::Responder;

/// A responder that says `status` of `server.pem`: `V` for valid, `R` for revoked.
fn about_server(papers: &Papers, status: &str) -> Responder {
    let shown = Command::new("openssl")
        .args(["x509", "-noout", "-serial", "-in"])
        .arg(papers.path("server.pem"))
        .output()
        .expect("openssl");
    let shown = String::from_utf8_lossy(&shown.stdout);
    Responder::start(papers, &[(status, shown.trim().trim_start_matches("serial="))])
}

fn option(responder: &Responder, mode: &str) -> String {
    format!("ocsp {{ mode: {mode}, url: \"{}\" }}\n", responder.url())
}

fn config(papers: &Papers, store: &Path, ocsp: &str) -> String {
    let store = format!("store_dir: \"{}\"\n", store.display());
    papers.block("handshake_first: true") + &store + ocsp
}

/// What openssl says of the staple that it is shown.
fn shown(papers: &Papers, server: &Server) -> String {
    let script = "openssl s_client -connect localhost:$0 -status -CAfile \"$1\" </dev/null 2>&1";
    let output = Command::new("sh")
        .args(["-c", script, &server.client().port().to_string()])
        .arg(papers.path("ca.pem"))
        .output()
        .expect("sh");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refusal(papers: &Papers, config: &str) -> String {
    let file = papers.folder.write("refused.conf", config);
    let end = Server::run_to_end(&["-c", &file.to_string_lossy(), "-a", "127.0.0.1", "-p", "-1"]);
    assert_ne!(end.code, Some(0));
    end.stderr
}

#[test]
fn t06_a_certificate_is_shown_with_what_its_issuer_says_of_it() {
    let (papers, store) = (Papers::new(), Folder::new());
    let responder = about_server(&papers, "V");
    let options = config(&papers, store.path(), &option(&responder, "always"));
    for responder in [Some(responder), None] {
        // The second time it is known from the cache.
        let server = Server::builder().config(&options).start();
        let said = shown(&papers, &server);
        assert!(said.contains("OCSP Response Status: successful"), "{said}");
        assert!(said.contains("Cert Status: good"), "{said}");
        let kept = std::fs::read_dir(store.path().join("ocsp")).expect("a folder").count();
        assert_eq!(kept, 1);
        drop(responder);
    }
    let none = config(&papers, store.path(), "");
    let server = Server::builder().config(&none).start();
    assert!(shown(&papers, &server).contains("OCSP response: no response sent"), "not asked for");
}

#[test]
fn t06_a_certificate_that_must_be_stapled_is_not_shown_without() {
    let (papers, store) = (Papers::new(), Folder::new());
    let names = vec!["localhost".to_owned()];
    let mut params = CertificateParams::new(names).expect("a name");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    let must_staple = vec![0x30, 3, 2, 1, 5];
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 24];
    params.custom_extensions.push(CustomExtension::from_oid_content(&oid, must_staple));
    papers.sign("server", params);
    let told = refusal(&papers, &config(&papers, store.path(), ""));
    assert!(told.contains("bad OCSP status update for certificate at"), "{told}");
    // Nor where nobody can be asked about it, as its issuer stands nowhere.
    let authority = format!(", ca_file: \"{}\"", papers.path("ca.pem").display());
    let alone = config(&papers, store.path(), "").replace(&authority, "");
    let told = refusal(&papers, &alone);
    assert!(told.contains("issuer"), "{told}");
    let never = config(&papers, store.path(), "ocsp: false\n");
    let server = Server::builder().config(&never).start();
    server.wait_for_log("has MustStaple but OCSP is disabled");
    drop(server);
    let responder = about_server(&papers, "V");
    let auto = config(&papers, store.path(), &option(&responder, "auto"));
    let server = Server::builder().config(&auto).start();
    assert!(shown(&papers, &server).contains("Cert Status: good"));
    drop((server, responder));
    // What is revoked is not shown where `must` says so.
    let elsewhere = Folder::new();
    let responder = about_server(&papers, "R");
    let told = refusal(&papers, &config(&papers, elsewhere.path(), &option(&responder, "must")));
    assert!(told.contains("is revoked"), "{told}");
}

#[test]
fn t06_a_response_of_somebody_else_is_none() {
    let (papers, store) = (Papers::new(), Folder::new());
    let stranger = Papers::new();
    // The right number, the wrong signature.
    std::fs::copy(papers.path("server.pem"), stranger.path("server.pem")).expect("copied");
    let responder = about_server(&stranger, "V");
    let told = refusal(&papers, &config(&papers, store.path(), &option(&responder, "always")));
    assert!(told.contains("bad OCSP status update"), "{told}");
    let nobody = "ocsp { mode: always, urls: [\"http://127.0.0.1:1\"] }\n";
    let told = refusal(&papers, &config(&papers, store.path(), nobody));
    assert!(told.contains("http://127.0.0.1:1"), "{told}");
}
