//! A certificate authority and what it signed, made anew for each test.

use std::path::PathBuf;

use async_nats::ConnectOptions;
use harness::Folder;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// A certificate authority, a server's certificate, and one for clients, as files.
pub struct Papers {
    pub folder: Folder,
    issuer: Issuer<'static, KeyPair>,
}

impl Papers {
    pub fn new() -> Papers {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Its name must not be that of the certificates, or those would look self-signed.
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
        let folder = Folder::new();
        folder.write("ca.pem", &params.self_signed(&key).expect("signed").pem());
        folder.write("ca.key", &key.serialize_pem());
        let papers = Papers { folder, issuer: Issuer::new(params, key) };
        papers.issue("server", ExtendedKeyUsagePurpose::ServerAuth);
        papers.issue("client", ExtendedKeyUsagePurpose::ClientAuth);
        papers
    }

    /// Writes `<name>.pem` and `<name>.key`, for localhost.
    pub fn issue(&self, name: &str, purpose: ExtendedKeyUsagePurpose) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages.push(purpose);
        self.sign(name, params);
    }

    /// Writes `<name>.pem` and `<name>.key`.
    pub fn sign(&self, name: &str, params: CertificateParams) {
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        self.folder.write(&format!("{name}.pem"), &signed.pem());
        self.folder.write(&format!("{name}.key"), &key.serialize_pem());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The block `tls` with the server's papers and whatever else.
    pub fn block(&self, more: &str) -> String {
        let path = |name| self.path(name).display().to_string();
        let (cert, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
        format!("tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{ca}\"\n{more} }}\n")
    }

    pub fn options(&self) -> ConnectOptions {
        ConnectOptions::new().require_tls(true).add_root_certificates(self.path("ca.pem"))
    }

    pub fn options_with_certificate(&self) -> ConnectOptions {
        self.options().add_client_certificate(self.path("client.pem"), self.path("client.key"))
    }
}
