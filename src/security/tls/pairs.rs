//! A listener's certificates with their keys, and which of them a client gets: the first that has
//! the name it asks for and a key that it understands, else the first (spec/cli-and-config.md
//! §7.9, `certs`).

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use config::tls::CertificateFiles;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{TlsError, certificates, unreadable};

/// All of them; never none.
pub(super) struct Pairs(Vec<Pair>);

struct Pair {
    /// With its staple, which changes a few times a day. Read by the threads that make
    /// handshakes, and by no core.
    key: RwLock<Arc<CertifiedKey>>,
    /// The names it is for, lower case.
    names: Vec<String>,
    /// Until when it is good, as RFC 3339; empty where its form is not understood.
    not_after: String,
}

impl Pairs {
    /// Reads the files.
    ///
    /// # Errors
    /// The file, or the pair, at fault.
    pub fn read(files: &[CertificateFiles], provider: &CryptoProvider) -> Result<Pairs, TlsError> {
        assert!(!files.is_empty(), "the options have a certificate");
        files.iter().map(|files| Pair::read(files, provider)).collect::<Result<_, _>>().map(Pairs)
    }

    /// Shows one of them with another OCSP response, or with none.
    pub fn set_staple(&self, place: usize, response: Option<Vec<u8>>) {
        let Some(pair) = self.0.get(place) else { return };
        let stapled = CertifiedKey { ocsp: response, ..(*pair.key()).clone() };
        *pair.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(stapled);
    }

    /// Until when the first is good, as RFC 3339; empty where that is not known.
    pub fn not_after(&self) -> &str {
        &self.0[0].not_after
    }

    /// The pair for a client that asks for `name`, of those for which `suits` is true.
    fn choose(&self, name: Option<&str>, suits: impl Fn(&CertifiedKey) -> bool) -> &Pair {
        let is_for = |pair: &&Pair| name.is_none_or(|name| pair.is_for(name)) && suits(&pair.key());
        let same_key = || self.0.iter().find(|pair| suits(&pair.key()));
        self.0.iter().find(is_for).or_else(same_key).unwrap_or(&self.0[0])
    }
}

impl fmt::Debug for Pairs {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|pair| &pair.names)).finish()
    }
}

impl ResolvesServerCert for Pairs {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let suits = |key: &CertifiedKey| key.key.choose_scheme(schemes).is_some();
        Some(self.choose(hello.server_name(), suits).key())
    }
}

impl Pair {
    fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Pair, TlsError> {
        let CertificateFiles { cert_file, key_file } = files;
        let chain = certificates(cert_file, "certificate")?;
        let key = PrivateKeyDer::from_pem_file(key_file)
            .map_err(|error| unreadable("key", key_file, &error))?;
        let (names, not_after) = (names(&chain[0]), not_after(&chain[0]));
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|reason| {
            TlsError::Pair { certificate: cert_file.clone(), key: key_file.clone(), reason }
        })?;
        Ok(Pair { key: RwLock::new(Arc::new(key)), names, not_after })
    }

    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the certificate has this name; `*` stands for the leftmost label.
    fn is_for(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let rest = name.split_once('.').map(|(_, rest)| rest);
        self.names.iter().any(|known| match known.strip_prefix("*.") {
            Some(known) => rest == Some(known),
            None => *known == name,
        })
    }
}

fn not_after(certificate: &CertificateDer<'_>) -> String {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else {
        return String::new();
    };
    let at = Timestamp::from_second(parsed.validity().not_after.timestamp());
    at.map_or_else(|_| String::new(), |at| at.to_string())
}

/// The DNS names of a certificate, lower case.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else {
        return Vec::new();
    };
    let extension = parsed.subject_alternative_name().ok().flatten();
    let names = extension.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.iter().filter_map(dns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(names: &[&str]) -> Pair {
        let folder = tempfile::tempdir().expect("a folder");
        let list: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(list).expect("a certificate");
        let files = CertificateFiles {
            cert_file: folder.path().join("cert.pem"),
            key_file: folder.path().join("key.pem"),
        };
        std::fs::write(&files.cert_file, made.cert.pem()).expect("written");
        std::fs::write(&files.key_file, made.signing_key.serialize_pem()).expect("written");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Pair::read(&files, &provider).expect("a pair")
    }

    #[test]
    fn a_client_gets_the_first_that_has_its_name_and_a_key_it_understands() {
        let pairs = Pairs(vec![pair(&["a.x"]), pair(&["B.x", "*.y"]), pair(&["b.x"])]);
        let chosen = |name: Option<&str>| {
            let chosen = pairs.choose(name, |_| true);
            pairs.0.iter().position(|pair| std::ptr::eq(pair, chosen))
        };
        for (name, expected) in [
            (None, 0),
            (Some("a.x"), 0),
            (Some("b.x"), 1),
            (Some("B.X."), 1),
            (Some("any.y"), 1),
            (Some("y"), 0),
            (Some("one.two.y"), 0),
            (Some("unknown"), 0),
        ] {
            assert_eq!(chosen(name), Some(expected), "{name:?}");
        }
        let last = pairs.0[2].key().cert[0].clone();
        let other = pairs.choose(Some("b.x"), |key| key.cert[0] == last);
        assert_eq!(other.key().cert[0], last, "the second has the name, the third the key");
        let none = pairs.choose(Some("b.x"), |_| false);
        assert!(std::ptr::eq(none, &raw const pairs.0[0]), "it is told with the first");
    }
}
