//! TLS with a client that nobody here wrote, and what happens to those who do not speak it as they
//! should. Corewire's own certificates are made anew for each test. The same options are tried on
//! nats-server where `COREWIRE_BIN` names one.

use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use harness::{Server, Signal, get, until};
use rcgen::ExtendedKeyUsagePurpose;

mod certificates;
mod papers;
mod peers;
mod responder;
mod staples;
mod users;

use papers::Papers;

fn url(server: &Server) -> String {
    format!("tls://localhost:{}", server.client().port())
}

/// Sends messages of several sizes around, in order.
async fn messages_come_back(client: &async_nats::Client) {
    let mut got = client.subscribe("tls.>").await.expect("subscribed");
    client.flush().await.expect("flushed");
    let sizes = [0, 1, 100, 5_000, 70_000, 900_000];
    for size in sizes {
        client.publish("tls.a", vec![b'x'; size].into()).await.expect("published");
    }
    for size in sizes {
        let message = got.next().await.expect("a message");
        assert_eq!(message.payload.len(), size);
    }
}

#[tokio::test]
async fn a_client_speaks_tls_after_info_and_monitoring_shows_it() {
    let papers = Papers::new();
    let server = Server::builder().config(&papers.block("")).monitored().start();
    server.wait_for_log("TLS required for client connections");
    let client = papers.options().connect(url(&server)).await.expect("connected");
    messages_come_back(&client).await;
    let varz = get(server.monitor(), "/varz").json();
    assert_eq!((&varz["tls_required"], &varz["tls_verify"]), (&true.into(), &().into()));
    let until = varz["tls_cert_not_after"].as_str().expect("a time");
    assert!(until.ends_with('Z') && until.len() == "2030-01-01T00:00:00Z".len(), "{until}");
    let connz = get(server.monitor(), "/connz").json();
    let one = &connz["connections"][0];
    assert_eq!(one["tls_version"], "1.3");
    // Of what the client offers, the server's first choice counts.
    assert_eq!(one["tls_cipher_suite"], "TLS_AES_128_GCM_SHA256");
}

#[tokio::test]
async fn the_flags_do_what_the_block_does() {
    let papers = Papers::new();
    let path = |name| papers.path(name).display().to_string();
    let (cert, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let flags = ["--tlsverify", "--tlscert", &cert, "--tlskey", &key, "--tlscacert", &ca];
    let server = Server::start(&flags);
    let client = papers.options_with_certificate().connect(url(&server)).await.expect("connected");
    messages_come_back(&client).await;
    assert!(papers.options().connect(url(&server)).await.is_err(), "no certificate");
}

#[tokio::test]
async fn the_handshake_comes_first_where_it_is_to_and_may_where_it_can() {
    let papers = Papers::new();
    for (first, also_after_info) in [("true", false), ("auto", true)] {
        let config = papers.block(&format!("handshake_first: {first}"));
        let server = Server::builder().config(&config).start();
        let client = papers.options().tls_first().connect(url(&server)).await.expect("first");
        messages_come_back(&client).await;
        if also_after_info {
            let client = papers.options().connect(url(&server)).await.expect("after INFO");
            messages_come_back(&client).await;
        }
    }
}

#[tokio::test]
async fn with_allow_non_tls_each_client_does_as_it_likes() {
    let papers = Papers::new();
    let config = papers.block("") + "allow_non_tls: true\n";
    let server = Server::builder().config(&config).start();
    let mut plain = server.connect();
    assert_eq!(plain.info()["tls_available"], true);
    assert_eq!(plain.info().get("tls_required"), None);
    plain.send(r#"CONNECT {"verbose":false}"#);
    plain.ping();
    let client = papers.options().connect(url(&server)).await.expect("connected");
    messages_come_back(&client).await;
}

#[tokio::test]
async fn verify_lets_in_only_whom_the_authority_vouches_for() {
    let papers = Papers::new();
    let server = Server::builder().config(&papers.block("verify: true")).monitored().start();
    let client = papers.options_with_certificate().connect(url(&server)).await.expect("vouched");
    messages_come_back(&client).await;
    assert!(papers.options().connect(url(&server)).await.is_err(), "no certificate");
    let stranger = Papers::new();
    let forged = papers
        .options()
        .add_client_certificate(stranger.path("client.pem"), stranger.path("client.key"));
    assert!(forged.connect(url(&server)).await.is_err(), "another authority's");
    server.wait_for_log("TLS handshake error");
    assert_eq!(get(server.monitor(), "/varz").json()["tls_verify"], true);
}

/// SHA-256 of a certificate's public key, by openssl.
fn key_hash(certificate: &std::path::Path) -> String {
    let script = "openssl x509 -in \"$0\" -pubkey -noout | openssl pkey -pubin -outform der \
                  | sha256sum";
    let output = Command::new("sh").args(["-c", script]).arg(certificate).output().expect("sh");
    String::from_utf8_lossy(&output.stdout)[..64].to_owned()
}

#[tokio::test]
async fn a_certificate_that_is_not_pinned_is_refused() {
    let papers = Papers::new();
    let pinned = format!("verify: true, pinned_certs: [{}]", key_hash(&papers.path("client.pem")));
    let server = Server::builder().config(&papers.block(&pinned)).start();
    papers.options_with_certificate().connect(url(&server)).await.expect("pinned");
    papers.issue("client", ExtendedKeyUsagePurpose::ClientAuth);
    assert!(papers.options_with_certificate().connect(url(&server)).await.is_err());
    server.wait_for_log("TLS handshake error: certificate not pinned");
}

#[test]
fn one_who_says_nothing_or_speaks_in_clear_is_closed() {
    let papers = Papers::new();
    let server = Server::builder().config(&papers.block("timeout: 0.3")).start();
    let began = Instant::now();
    let mut silent = server.connect();
    silent.expect_error("Secure Connection - TLS Required");
    silent.expect_eof();
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    let mut clear = server.connect();
    assert_eq!(clear.info()["tls_required"], true);
    clear.send(r#"CONNECT {"verbose":false}"#);
    clear.expect_eof();
    server.wait_for_log("first record does not look like a TLS handshake");
    // Bytes of every kind, and half a handshake.
    for garbage in [&b"\x16\x03\x01\x00\x05abcde"[..], b"\x16", b"\x16\x03\x01\xff\xff\x01"] {
        let mut stranger = server.connect();
        stranger.stream().write_all(garbage).expect("sent");
        let mut rest = Vec::new();
        // Reset or closed: either way it is over.
        let _ = stranger.stream().read_to_end(&mut rest);
    }
    server.wait_for_log("TLS handshake error");
}

#[test]
fn more_connections_in_a_second_than_allowed_are_turned_away() {
    let papers = Papers::new();
    let server = Server::builder().config(&papers.block("connection_rate_limit: 2")).start();
    let mut refused = until("one is turned away", || {
        let client = server.connect();
        server.log_text().contains("connection rate limit of TLS exceeded").then_some(client)
    });
    refused.expect_error("Connection throttling is active. Please try again later.");
    refused.expect_eof();
}

/// What curl gets from monitoring over TLS, with that certificate or without.
fn curl(papers: &Papers, port: u16, path: &str, shown: Option<&str>) -> std::process::Output {
    let url = format!("https://localhost:{port}{path}");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--cacert"]).arg(papers.path("ca.pem"));
    if let Some(name) = shown {
        let path = |kind| papers.path(&format!("{name}.{kind}"));
        curl.arg("--cert").arg(path("pem")).arg("--key").arg(path("key"));
    }
    curl.arg(url).output().expect("curl")
}

#[tokio::test]
async fn monitoring_over_tls_and_new_papers_on_reload() {
    let papers = Papers::new();
    let config = papers.block("verify: true") + "https: \"127.0.0.1:-1\"\n";
    let server = Server::builder().config(&config).start();
    let line = server.wait_for_log("Starting https monitor on ");
    let port: u16 = line.rsplit(':').next().and_then(|port| port.trim().parse().ok()).expect(&line);
    // Nobody is asked for a certificate here.
    let varz = curl(&papers, port, "/varz", None);
    assert!(varz.status.success(), "{}", String::from_utf8_lossy(&varz.stderr));
    let varz: serde_json::Value = serde_json::from_slice(&varz.stdout).expect("JSON");
    assert_eq!((&varz["https_port"], &varz["http_port"]), (&port.into(), &0.into()));

    let stays = papers.options_with_certificate().connect(url(&server)).await.expect("connected");
    let old = std::fs::read_to_string(papers.path("server.pem")).expect("a certificate");
    papers.issue("server", ExtendedKeyUsagePurpose::ServerAuth);
    server.signal(Signal::HUP);
    server.wait_for_log("Reloaded: tls");
    let shown = Command::new("sh")
        .args(["-c", "echo | openssl s_client -connect localhost:$0 2>/dev/null | openssl x509"])
        .arg(port.to_string())
        .output()
        .expect("sh");
    let shown = String::from_utf8_lossy(&shown.stdout).replace('\n', "");
    let new = std::fs::read_to_string(papers.path("server.pem")).expect("a certificate");
    let flat = |text: &str| text.replace(['\r', '\n'], "");
    assert_eq!(shown, flat(&new));
    assert_ne!(shown, flat(&old));
    messages_come_back(&stays).await;
    papers.options_with_certificate().connect(url(&server)).await.expect("the new one is good");

    // A broken file changes nothing.
    std::fs::write(papers.path("server.key"), "no key").expect("written");
    server.signal(Signal::HUP);
    server.wait_for_log("Failed to reload server configuration: tls: key ");
    papers.options_with_certificate().connect(url(&server)).await.expect("still the same");
}
