//! T07: OCSP of clients, against openssl's responder (spec/security.md §8, `ocsp_peer`).

use std::process::Command;

use async_nats::ConnectOptions;
use futures_util::StreamExt;
use harness::{Folder, Server, Signal, get, until};
use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose};
use serde_json::Value;

use crate::papers::Papers;
use crate::responder::Responder;
use crate::{curl, messages_come_back, url};

/// An authority that calls `good` valid and `revoked` revoked, and knows nothing of `unknown`.
struct Scene {
    papers: Papers,
    responder: Responder,
    store: Folder,
}

impl Scene {
    fn new() -> Scene {
        let papers = Papers::new();
        let responder = Responder::start(&papers, &[("V", "11"), ("R", "12")]);
        for (name, serial) in [("good", 0x11), ("revoked", 0x12), ("unknown", 0x13)] {
            let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
            params.serial_number = Some(vec![serial].into());
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
            params.custom_extensions.push(named(&responder.url()));
            papers.sign(name, params);
        }
        Scene { papers, responder, store: Folder::new() }
    }

    /// The configuration with this in the block `tls`.
    fn config(&self, tls: &str) -> String {
        let store = self.store.path().join("rc");
        self.papers.block(&format!("verify: true, {tls}"))
            + &format!("ocsp_cache {{ local_store: \"{}\" }}\n", store.display())
            + "accounts { SYS { users: [{ user: admin, password: x }] }\n\
               A { users: [{ user: a, password: a }] } }\nsystem_account: SYS\n"
    }

    fn start(&self, tls: &str) -> Server {
        Server::builder().config(&self.config(tls)).monitored().start()
    }

    fn options(&self, name: &str) -> ConnectOptions {
        let path = |kind| self.papers.path(&format!("{name}.{kind}"));
        let options = self.papers.options().add_client_certificate(path("pem"), path("key"));
        options.user_and_password("a".into(), "a".into())
    }

    /// Whether the server lets this client in.
    async fn lets_in(&self, server: &Server, name: &str) -> bool {
        match self.options(name).connect(url(server)).await {
            Ok(client) => client.flush().await.is_ok(),
            Err(_) => false,
        }
    }
}

/// The extension by which a certificate names its responder.
fn named(url: &str) -> CustomExtension {
    let oid = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];
    let uri = [&[0x86, url.len() as u8][..], url.as_bytes()].concat();
    let one = [&[0x30, (oid.len() + uri.len()) as u8][..], &oid, &uri].concat();
    let all = [&[0x30, one.len() as u8][..], &one].concat();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], all)
}

fn varz(server: &Server) -> Value {
    get(server.monitor(), "/varz").json()
}

#[tokio::test]
async fn t07_clients_come_in_by_the_word_of_who_issued_their_certificates() {
    let scene = Scene::new();
    let server = scene.start("ocsp_peer: true");
    let admin = scene.options("good").user_and_password("admin".into(), "x".into());
    let admin = admin.connect(url(&server)).await.expect("it is good");
    let mut told = admin.subscribe("$SYS.SERVER.*.OCSP.PEER.>").await.expect("subscribed");
    admin.flush().await.expect("flushed");
    let good = scene.options("good").connect(url(&server)).await.expect("it is good");
    messages_come_back(&good).await;
    for (name, status) in [("revoked", "revoked"), ("unknown", "unknown")] {
        assert!(!scene.lets_in(&server, name).await, "{name}");
        server.wait_for_log("TLS handshake error: client not OCSP valid");
        let link = told.next().await.expect("an event");
        assert!(link.subject.ends_with(".OCSP.PEER.LINK.INVALID"), "{}", link.subject);
        let link: Value = serde_json::from_slice(&link.payload).expect("JSON");
        assert_eq!(link["type"], "io.nats.server.advisory.v1.ocsp_peer_link_invalid");
        assert_eq!(link["reason"], format!("Invalid OCSP response status: {status}"));
        assert_eq!(link["link"], link["peer"]);
        let reject = told.next().await.expect("an event");
        assert!(reject.subject.ends_with(".OCSP.PEER.CONN.REJECT"), "{}", reject.subject);
        let reject: Value = serde_json::from_slice(&reject.payload).expect("JSON");
        assert_eq!(reject["type"], "io.nats.server.advisory.v1.ocsp_peer_reject");
        assert_eq!((&reject["kind"], &reject["peer"]), (&"Client".into(), &link["peer"]));
        assert_eq!(reject["peer"]["issuer"], "CN=authority of a test");
        assert_eq!(reject["peer"]["fingerprint"].as_str().map(str::len), Some(44));
        assert!(reject["peer"]["raw"].is_string() && reject["server"]["id"].is_string());
    }
    let shown = varz(&server);
    assert_eq!(shown["tls_ocsp_peer_verify"], true);
    let cache = &shown["ocsp_peer_cache"];
    assert_eq!(cache["cache_type"], "local");
    for (field, expected) in [
        ("cache_hits", 1),
        ("cache_misses", 3),
        ("cached_responses", 3),
        ("cached_good_responses", 1),
        ("cached_revoked_responses", 1),
        ("cached_unknown_responses", 1),
    ] {
        assert!(cache[field].as_u64() >= Some(expected), "{field}: {cache}");
    }
}

#[tokio::test]
async fn t07_what_was_said_outlives_the_server_and_the_responder() {
    let mut scene = Scene::new();
    let server = scene.start("ocsp_peer: true");
    assert!(scene.lets_in(&server, "good").await);
    assert!(!scene.lets_in(&server, "revoked").await);
    server.signal(Signal::TERM);
    server.finish();
    let file = scene.store.path().join("rc").join("cache.json");
    let kept = std::fs::read_to_string(&file).expect("it was written");
    assert!(kept.contains("\"good\"") && kept.contains("\"revoked\""), "{kept}");
    // The old one is gone, and nobody knows the way to the new one.
    scene.responder = Responder::start(&scene.papers, &[]);
    let server = scene.start("ocsp_peer { verify: true, allow_when_ca_unreachable: true }");
    assert!(scene.lets_in(&server, "good").await);
    assert!(!scene.lets_in(&server, "revoked").await);
    assert_eq!(varz(&server)["ocsp_peer_cache"]["cache_misses"], Value::Null);
    // Of this one nothing was known before.
    assert!(scene.lets_in(&server, "unknown").await);
    server.wait_for_log("no cached revocation so allowing");
}

#[tokio::test]
async fn t07_what_the_operator_allows_passes_and_a_reload_changes_it() {
    let scene = Scene::new();
    let server = scene.start("ocsp_peer { verify: true, unknown_is_good: true }");
    assert!(scene.lets_in(&server, "unknown").await);
    assert!(!scene.lets_in(&server, "revoked").await);
    let config = server.folder().join("server.conf");
    let reload = |tls: &str, count: usize| {
        std::fs::write(&config, scene.config(tls)).expect("written");
        server.signal(Signal::HUP);
        until("it is reloaded", || {
            (server.log_text().matches("Reloaded server configuration").count() == count)
                .then_some(())
        });
    };
    reload("ocsp_peer { verify: true, warn_only: true }", 1);
    assert!(scene.lets_in(&server, "revoked").await);
    server.wait_for_log("OCSP verify fail for [");
    reload("ocsp_peer: true", 2);
    assert!(!scene.lets_in(&server, "unknown").await);
    reload("ocsp_peer: false", 3);
    assert!(scene.lets_in(&server, "revoked").await);
    assert_eq!(varz(&server)["ocsp_peer_cache"], Value::Null);
}

#[tokio::test]
async fn t07_a_slow_responder_holds_up_nobody_else() {
    // It takes connections and says nothing.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let scene = Scene::new();
    let mut params = CertificateParams::new(vec!["waits".to_owned()]).expect("a name");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    let port = deaf.local_addr().expect("bound").port();
    params.custom_extensions.push(named(&format!("http://127.0.0.1:{port}")));
    scene.papers.sign("waits", params);
    let rules = "timeout: 15, ocsp_peer { verify: true, ca_timeout: 10, warn_only: true }";
    let server = scene.start(rules);
    let waiting: Vec<_> =
        (0..8).map(|_| tokio::spawn(scene.options("waits").connect(url(&server)))).collect();
    // Their handshakes are over, and the responder is asked.
    let asked = tokio::task::spawn_blocking(move || (deaf.accept(), deaf));
    let deaf = asked.await.expect("no panic");
    assert!(scene.lets_in(&server, "good").await);
    assert!(waiting.iter().all(|one| !one.is_finished()));
    drop(deaf);
    for one in waiting {
        one.await.expect("no panic").expect("a warning is all");
    }
}

/// What openssl hears from the server as a client that logs in and asks for a PONG. It keeps its
/// session (`-sess_out`) or goes on with it (`-sess_in`).
fn heard(scene: &Scene, server: &Server, session: &str) -> String {
    let script = "printf 'CONNECT {\"user\":\"a\",\"pass\":\"a\"}\\r\\nPING\\r\\nEND\\r\\n' \
                  | openssl s_client -connect localhost:$0 -CAfile \"$1\" -cert \"$2\" -key \"$3\" \
                    -ign_eof $4 \"$5\" 2>&1";
    let path = |name| scene.papers.path(name);
    let output = Command::new("sh")
        .args(["-c", script, &server.client().port().to_string()])
        .args([path("ca.pem"), path("good.pem"), path("good.key")])
        .arg(session)
        .arg(scene.store.path().join("session.pem"))
        .output()
        .expect("sh");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn t07_a_session_that_goes_on_is_asked_about_too() {
    let scene = Scene::new();
    let config = scene.config("handshake_first: true, ocsp_peer: true") + "ocsp_cache: false\n";
    let server = Server::builder().config(&config).start();
    let first = heard(&scene, &server, "-sess_out");
    assert!(first.contains("New, TLS") && first.contains("PONG"), "{first}");
    drop(scene.responder);
    let scene = Scene { responder: Responder::start(&scene.papers, &[]), ..scene };
    let again = heard(&scene, &server, "-sess_in");
    assert!(again.contains("Reused, TLS") && !again.contains("PONG"), "{again}");
    server.wait_for_log("TLS handshake error: client not OCSP valid");
}

#[tokio::test]
async fn t07_monitoring_asks_for_certificates_too() {
    let scene = Scene::new();
    let config = scene.config("ocsp_peer: true") + "https: \"127.0.0.1:-1\"\n";
    let server = Server::builder().config(&config).start();
    let line = server.wait_for_log("Starting https monitor on ");
    let port: u16 = line.rsplit(':').next().and_then(|port| port.trim().parse().ok()).expect(&line);
    assert!(!curl(&scene.papers, port, "/varz", None).status.success(), "no certificate");
    assert!(!curl(&scene.papers, port, "/varz", Some("revoked")).status.success());
    let shown = curl(&scene.papers, port, "/varz", Some("good"));
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["tls_ocsp_peer_verify"], true);
}

#[test]
fn t07_without_certificates_of_clients_there_is_nothing_to_ask() {
    let papers = Papers::new();
    let file = papers.folder.write("refused.conf", &papers.block("ocsp_peer: true"));
    let end = Server::run_to_end(&["-c", &file.to_string_lossy(), "-a", "127.0.0.1", "-p", "-1"]);
    assert_ne!(end.code, Some(0));
    assert!(end.stderr.contains("requires TLS verify (mTLS)"), "{}", end.stderr);
}
