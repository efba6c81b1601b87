//! TLS of a listener: certificates and keys read from their files, algorithms by the names that
//! the configuration has for them, and what a client showed (spec/security.md §8).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::tls::{First, Tls, Verify, Version};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedCipherSuite};
use sha2::{Digest, Sha256};

pub use self::certificate::ClientCertificate;
pub use self::handshake::{
    Advanced, HandshakeDesk, HandshakeFault, HandshakeRequest, HandshakeStep, PeerQuestion, take_in,
};
pub use self::ocsp::{OcspError, Status};
use self::pairs::Pairs;
pub use self::peer::{Asking, Judgement, PeerCheck, PeerOutside};
pub use self::responder::ask_responder;
pub use self::response_cache::{CacheFigures, ResponseCache};
pub use self::response_file::ResponseFileError;
pub use self::staple::{Presented, Staple, StapleError, StapleQuestion};

mod certificate;
pub mod fuzz;
mod handshake;
mod ocsp;
mod pairs;
mod peer;
mod responder;
mod response_cache;
mod response_file;
mod staple;

/// How one listener speaks TLS. Immutable; a reload makes another.
#[derive(Clone)]
pub struct ListenerTls {
    config: Arc<ServerConfig>,
    pairs: Arc<Pairs>,
    /// Time for a handshake.
    pub timeout: Duration,
    /// Which comes first, INFO or the handshake.
    pub first: First,
    /// Whether clients may do without TLS.
    pub plain: Plain,
    /// Who makes its handshakes; the core itself without.
    pub desk: Option<HandshakeDesk>,
    /// Who judges the certificates that clients show, if more is asked than who vouches for them.
    pub peers: Option<Arc<PeerCheck>>,
    pinned: std::collections::BTreeSet<String>,
    verify: Verify,
}

/// Whether clients may do without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// They may.
    Allowed,
    /// They may not.
    Refused,
}

/// What was agreed on with one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Whether the handshake came before INFO.
    pub first: bool,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite, by the name that Go has for it.
    pub cipher_suite: String,
    /// The certificate that it showed, where users are told by it.
    pub certificate: Option<ClientCertificate>,
}

/// Why a listener cannot speak TLS, or not to this client.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or holds something else.
    #[error("tls: {what} {}: {reason}", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A cipher suite that nobody knows, or that is not safe.
    #[error("{block}.cipher_suites: {name} is not one of {known}")]
    CipherSuite {
        /// The block of the configuration.
        block: &'static str,
        /// As written.
        name: String,
        /// Those that can be had.
        known: String,
    },
    /// A curve that nobody knows.
    #[error("{block}.curve_preferences: {name} is not one of {known}")]
    Curve {
        /// The block of the configuration.
        block: &'static str,
        /// As written.
        name: String,
        /// Those that can be had.
        known: String,
    },
    /// A certificate and a key that do not go together.
    #[error("tls: certificate {} and key {}: {reason}", certificate.display(), key.display())]
    Pair {
        /// Where the certificate is.
        certificate: PathBuf,
        /// Where the key is.
        key: PathBuf,
        /// Why not.
        reason: rustls::Error,
    },
    /// The parts do not go together.
    #[error("tls: {0}")]
    Unfit(#[from] rustls::Error),
    /// Nobody can be vouched for.
    #[error("tls.ca_file: {0}")]
    Authority(#[from] rustls::server::VerifierBuilderError),
    /// The client's key is not one of the pinned ones.
    #[error("certificate not pinned")]
    NotPinned,
}

impl fmt::Debug for ListenerTls {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerTls").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl ListenerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`], with the file or the name at fault.
    pub fn new(tls: &Tls, plain: Plain) -> Result<ListenerTls, TlsError> {
        let provider = Arc::new(provider("tls", &tls.cipher_suites, &tls.curve_preferences)?);
        let versions: &[_] = match tls.min_version {
            Version::V12 => &[&rustls::version::TLS12, &rustls::version::TLS13],
            Version::V13 => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions)?;
        let builder = match (tls.verify, &tls.ca_file) {
            (Verify::Certificate | Verify::User, Some(path)) => {
                let roots = Arc::new(authorities(path)?);
                let provider = Arc::clone(&provider);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build()?)
            }
            _ => builder.with_no_client_auth(),
        };
        let pairs = Arc::new(Pairs::read(&tls.pairs(), &provider)?);
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&pairs) as _;
        let mut config = builder.with_cert_resolver(resolver);
        config.ignore_client_order = true;
        Ok(ListenerTls {
            config: Arc::new(config),
            pairs,
            timeout: tls.timeout,
            first: tls.first,
            plain,
            pinned: tls.pinned_certs.clone(),
            verify: tls.verify,
            desk: None,
            peers: None,
        })
    }

    /// The same for monitoring, which asks nobody for a certificate unless `ocsp_peer` is on
    /// (spec/security.md §8).
    ///
    /// # Errors
    /// As [`ListenerTls::new`].
    pub fn for_monitoring(tls: &Tls) -> Result<ListenerTls, TlsError> {
        let verify = if tls.ocsp_peer.verify { tls.verify } else { Verify::No };
        let own = Tls { verify, pinned_certs: Default::default(), ..tls.clone() };
        ListenerTls::new(&own, Plain::Refused)
    }

    /// What all its sessions have in common.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Until when its first certificate is good, as RFC 3339; empty where that is not known.
    pub fn not_after(&self) -> &str {
        self.pairs.not_after()
    }

    /// Shows the certificate of that place among [`Tls::pairs`] with this OCSP response from now
    /// on, or with none.
    pub fn set_staple(&self, place: usize, response: Option<Vec<u8>>) {
        self.pairs.set_staple(place, response);
    }

    /// The server's side of one connection.
    ///
    /// # Errors
    /// [`TlsError::Unfit`] when the parts do not go together.
    pub fn session(&self) -> Result<ServerConnection, TlsError> {
        Ok(ServerConnection::new(Arc::clone(&self.config))?)
    }

    /// Whether a client whose handshake is over may stay, and what was agreed on with it.
    ///
    /// # Errors
    /// [`TlsError::NotPinned`] when its key is not one of those that were pinned.
    pub fn admit(&self, session: &ServerConnection, first: bool) -> Result<Agreed, TlsError> {
        let shown = session.peer_certificates().and_then(|chain| chain.first());
        if !self.pinned.is_empty() {
            let shown = shown.and_then(key_hash);
            if !shown.is_some_and(|hash| self.pinned.contains(&hash)) {
                return Err(TlsError::NotPinned);
            }
        }
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        let cipher_suite = session.negotiated_cipher_suite().map(name_of).unwrap_or_default();
        let certificate = match self.verify {
            Verify::User => shown.and_then(|shown| ClientCertificate::new(shown)),
            Verify::No | Verify::Certificate => None,
        };
        Ok(Agreed { first, version, cipher_suite, certificate })
    }
}

/// SHA-256 of a certificate's public key (its SubjectPublicKeyInfo), in hex.
fn key_hash(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let hash = Sha256::digest(parsed.public_key().raw);
    Some(data_encoding::HEXLOWER.encode(&hash))
}

fn unreadable(what: &'static str, path: &Path, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("holds no {what} in PEM"),
        other => other.to_string(),
    };
    TlsError::File { what, path: path.to_owned(), reason }
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(unreadable(what, path, &pem::Error::NoItemsFound)),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(what, path, &error)),
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, "certificate authority")? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// The algorithms, as far as a block of the configuration narrows them; all that are safe without
/// names.
///
/// # Errors
/// A name that none has.
pub(crate) fn provider(
    block: &'static str,
    cipher_suites: &[String],
    curves: &[String],
) -> Result<CryptoProvider, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    // As in Go: what many clients put first costs more, above all in handshakes (SHA-384).
    provider.cipher_suites.sort_by_key(|suite| !name_of(*suite).contains("_AES_128_"));
    if !cipher_suites.is_empty() {
        let all = std::mem::take(&mut provider.cipher_suites);
        provider.cipher_suites = chosen(cipher_suites, &all, |suite| name_of(*suite))
            .map_err(|(name, known)| TlsError::CipherSuite { block, name, known })?;
        // As in Go, those of TLS 1.3 are not chosen one by one.
        if provider.cipher_suites.iter().all(|suite| suite.tls13().is_none()) {
            provider.cipher_suites.extend(all.iter().filter(|suite| suite.tls13().is_some()));
        }
    }
    if !curves.is_empty() {
        provider.kx_groups = chosen(curves, aws_lc_rs::ALL_KX_GROUPS, |group| curve(*group))
            .map_err(|(name, known)| TlsError::Curve { block, name, known })?;
    }
    Ok(provider)
}

/// Those of `all` that are named, in that order, or the name that nobody has and those to be had.
fn chosen<T: Copy>(
    names: &[String],
    all: &[T],
    name_of: impl Fn(&T) -> String,
) -> Result<Vec<T>, (String, String)> {
    let find = |name: &String| all.iter().copied().find(|one| name_of(one) == *name);
    let known = || all.iter().map(&name_of).collect::<Vec<_>>().join(", ");
    names.iter().map(|name| find(name).ok_or_else(|| (name.clone(), known()))).collect()
}

/// The name that Go has for a cipher suite.
fn name_of(suite: SupportedCipherSuite) -> String {
    let name = format!("{:?}", suite.suite());
    name.strip_prefix("TLS13_").map(|rest| format!("TLS_{rest}")).unwrap_or(name)
}

/// The name that Go has for a curve.
fn curve(group: &dyn SupportedKxGroup) -> String {
    let name = format!("{:?}", group.name());
    match name.as_str() {
        "secp256r1" => "CurveP256".to_owned(),
        "secp384r1" => "CurveP384".to_owned(),
        "secp521r1" => "CurveP521".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests;
