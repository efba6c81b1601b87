//! A resolver on the web that answers, one that does not, and one that says too much.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use nkeys::KeyPair;
use rcgen::{CertificateParams, KeyPair as CertKey};
use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// Answers one request after another on a thread of its own; gives the address, and in the end
/// what was asked for.
fn serve(
    answers: Vec<String>,
    tls: Option<Arc<ServerConfig>>,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let asked_for = match &tls {
                None => answer_one(stream, &answer),
                Some(config) => {
                    let tls = ServerConnection::new(Arc::clone(config)).unwrap();
                    answer_one(StreamOwned::new(tls, stream), &answer)
                }
            };
            asked.extend(asked_for);
        }
        asked
    });
    (format!("{scheme}://localhost:{port}/jwt/"), thread)
}

/// The request's first line, if there was one.
fn answer_one(stream: impl Read + Write, answer: &str) -> Option<String> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).ok()?;
    let mut line = String::new();
    while stream.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    // A client that has read enough hangs up.
    let _ = stream.get_mut().write_all(answer.as_bytes());
    Some(first.trim().to_owned())
}

fn answer(status: &str, body: &str) -> String {
    let len = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}")
}

#[test]
fn a_token_is_fetched_by_the_account_behind_the_address() {
    let key = KeyPair::new_account().public_key();
    let answers = vec![
        answer("200 OK", ""),
        answer("200 OK", "a.b.c\n"),
        answer("200 OK", ""),
        answer("404 Not Found", "no"),
        answer("500 Oh", "no"),
    ];
    let (url, asked) = serve(answers, None);
    let resolver = WebResolver::new(&url, None).unwrap();
    assert_eq!(resolver.check(), Ok(()));
    assert_eq!(resolver.fetch(&key), Ok("a.b.c".to_owned()));
    assert_eq!(resolver.fetch(&key), Err(FetchError::Unknown));
    assert_eq!(resolver.fetch(&key), Err(FetchError::Unknown));
    assert!(matches!(resolver.fetch(&key), Err(FetchError::Unreachable(_))));
    let get = format!("GET /jwt/{key} HTTP/1.1");
    let asked = asked.join().unwrap();
    assert_eq!(asked, ["GET /jwt/ HTTP/1.1", &get, &get, &get, &get]);
    assert!(matches!(resolver.check(), Err(FetchError::Unreachable(_))), "nobody listens now");
}

#[test]
fn what_is_no_account_is_not_asked_for_and_too_much_is_not_read() {
    let key = KeyPair::new_account().public_key();
    let huge = "x".repeat(limits::JWT_BYTES_MAX + 1);
    let (url, asked) = serve(vec![answer("200 OK", &huge)], None);
    let resolver = WebResolver::new(&url, None).unwrap();
    for name in ["../secret", "", "A?x=1", &KeyPair::new_user().public_key()] {
        assert_eq!(resolver.fetch(name), Err(FetchError::Unknown), "{name}");
    }
    assert!(matches!(resolver.fetch(&key), Err(FetchError::Unreachable(_))));
    assert_eq!(asked.join().unwrap().len(), 1);
}

/// TLS of a server for localhost, whose certificate is written to a file.
fn server_tls(
    cert_file: &Path,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let key = CertKey::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    std::fs::write(cert_file, cert.pem()).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key);
    Arc::new(config.unwrap())
}

#[test]
fn the_resolver_is_believed_and_spoken_to_as_the_operator_says() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let config = server_tls(&ca_file, &[&rustls::version::TLS12]);
    let (url, asked) = serve(vec![answer("200 OK", "a.b.c"); 3], Some(config));
    let account = KeyPair::new_account().public_key();
    let fetch = |tls: &ResolverTls| WebResolver::new(&url, Some(tls)).unwrap().fetch(&account);
    let anybody = ResolverTls { trust: ResolverTrust::Anybody, ..ResolverTls::default() };
    assert_eq!(fetch(&anybody), Ok("a.b.c".to_owned()), "nobody vouches for it");
    let narrow = ResolverTls {
        ca_file: Some(ca_file),
        cipher_suites: vec!["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".into()],
        curve_preferences: vec!["CurveP256".into()],
        timeout: Some(std::time::Duration::from_secs(1)),
        ..ResolverTls::default()
    };
    assert_eq!(fetch(&narrow), Ok("a.b.c".to_owned()));
    let newer = ResolverTls { min_version: Version::V13, ..anybody };
    assert!(matches!(fetch(&newer), Err(FetchError::Unreachable(_))), "it speaks 1.2 only");
    asked.join().unwrap();
    let unknown = ResolverTls { curve_preferences: vec!["P256".into()], ..narrow };
    let error = WebResolver::new(&url, Some(&unknown)).unwrap_err().to_string();
    assert!(error.starts_with("resolver_tls.curve_preferences: P256 is not one of "), "{error}");
}

#[test]
fn over_tls_the_resolver_is_who_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let config = server_tls(&ca_file, rustls::ALL_VERSIONS);
    let answers = vec![answer("200 OK", "a.b.c"), answer("200 OK", "a.b.c")];
    let (url, asked) = serve(answers, Some(config));
    let trusted = ResolverTls { ca_file: Some(ca_file.clone()), ..ResolverTls::default() };
    let account = KeyPair::new_account().public_key();
    let resolver = WebResolver::new(&url, Some(&trusted)).unwrap();
    assert_eq!(resolver.fetch(&account), Ok("a.b.c".to_owned()));
    let stranger = WebResolver::new(&url, None).unwrap();
    assert!(matches!(stranger.fetch(&account), Err(FetchError::Unreachable(_))));
    asked.join().unwrap();

    let missing = ResolverTls { ca_file: Some("/nowhere".into()), ..ResolverTls::default() };
    assert!(matches!(WebResolver::new(&url, Some(&missing)), Err(ResolverTlsError::File { .. })));
    let half = ResolverTls { cert_file: Some(ca_file.clone()), ..ResolverTls::default() };
    assert!(matches!(WebResolver::new(&url, Some(&half)), Err(ResolverTlsError::Incomplete)));
    let no_key = ResolverTls { cert_file: Some(ca_file.clone()), key_file: Some(ca_file), ..half };
    assert!(matches!(WebResolver::new(&url, Some(&no_key)), Err(ResolverTlsError::Pem { .. })));
}
