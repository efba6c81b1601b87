//! Certificates and names of algorithms, good ones and those at fault.

use super::*;

/// A folder with a self-signed certificate and its key.
fn files() -> (tempfile::TempDir, Tls) {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert_file, made.cert.pem()).expect("written");
    std::fs::write(&key_file, made.signing_key.serialize_pem()).expect("written");
    (folder, Tls { cert_file, key_file, ..Tls::default() })
}

fn error(tls: &Tls) -> String {
    ListenerTls::new(tls, Plain::Refused).expect_err("refused").to_string()
}

#[test]
fn names_of_algorithms_are_those_of_go() {
    let (_folder, tls) = files();
    let narrow = Tls {
        cipher_suites: vec!["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".into()],
        curve_preferences: vec!["X25519".into(), "CurveP256".into()],
        ..tls.clone()
    };
    let provider =
        provider("tls", &narrow.cipher_suites, &narrow.curve_preferences).expect("known");
    let suites: Vec<String> = provider.cipher_suites.iter().copied().map(name_of).collect();
    assert_eq!(suites[0], "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    assert!(suites[1..].contains(&"TLS_AES_128_GCM_SHA256".to_owned()), "{suites:?}");
    assert!(suites[1..].iter().all(|name| !name.contains("WITH")), "{suites:?}");
    assert_eq!(provider.kx_groups.len(), 2);
    assert!(ListenerTls::new(&narrow, Plain::Refused).is_ok());

    let weak = Tls { cipher_suites: vec!["TLS_RSA_WITH_RC4_128_SHA".into()], ..tls.clone() };
    assert!(error(&weak).starts_with("tls.cipher_suites: TLS_RSA_WITH_RC4_128_SHA is not one of "));
    let odd = Tls { curve_preferences: vec!["P256".into()], ..tls };
    assert!(error(&odd).contains("P256 is not one of ") && error(&odd).contains("CurveP256"));
}

#[test]
fn a_file_at_fault_is_named() {
    let (folder, tls) = files();
    let nowhere = folder.path().join("nowhere.pem");
    let missing = Tls { cert_file: nowhere.clone(), ..tls.clone() };
    let expected = format!("tls: certificate {}: No such file", nowhere.display());
    assert!(error(&missing).starts_with(&expected), "{}", error(&missing));
    let swapped = Tls { key_file: tls.cert_file.clone(), ..tls.clone() };
    assert!(error(&swapped).contains("holds no key in PEM"), "{}", error(&swapped));
    let (_other, foreign) = files();
    let unfit = Tls { key_file: foreign.key_file, ..tls.clone() };
    assert!(error(&unfit).starts_with("tls: "), "{}", error(&unfit));
    let nobody = Tls { verify: Verify::Certificate, ca_file: Some(tls.key_file.clone()), ..tls };
    assert!(error(&nobody).contains("holds no certificate authority"), "{}", error(&nobody));
}

#[test]
fn the_hash_of_a_key_is_that_of_its_public_key_info() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let info = rcgen::PublicKeyData::subject_public_key_info(&made.signing_key);
    let expected = data_encoding::HEXLOWER.encode(&Sha256::digest(info));
    assert_eq!(key_hash(made.cert.der()), Some(expected));
    assert_eq!(key_hash(&CertificateDer::from(b"no certificate".to_vec())), None);
}
