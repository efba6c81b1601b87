//! The options inside `tls`, declared once. spec/cli-and-config.md §7.9, spec/security.md §8
//!
//! Here stands what was asked for; room `security` reads the files and knows the algorithms.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::declaration::{
    BareNumber, Declaration, Inside, Kind, Known, Off, not_built, reloadable,
};
use crate::draft::Draft;
use crate::limits;
use crate::ocsp_peer::{self, OcspPeer};
use crate::options::Options;
use crate::problem::{Conflict, Diagnostics, ValueError};
use crate::tree::Tree;
use crate::value::Entry;

/// TLS of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate and what vouches for it, PEM; empty where [`Tls::pairs`] has it.
    pub cert_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    /// `certs`: certificates of which each client gets the first that suits it.
    pub certs: Vec<CertificateFiles>,
    /// Who may vouch for clients, PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub verify: Verify,
    /// Time for a handshake.
    pub timeout: Duration,
    /// The lowest version spoken.
    pub min_version: Version,
    /// Names of cipher suites, as Go has them; all that are safe when empty.
    pub cipher_suites: Vec<String>,
    /// Names of curves, as Go has them; the usual ones when empty.
    pub curve_preferences: Vec<String>,
    /// SHA-256 of the public keys that clients may have, lower-case hex; any when empty.
    pub pinned_certs: BTreeSet<String>,
    /// What responders are asked about the certificates of clients.
    pub ocsp_peer: OcspPeer,
    /// Which comes first, INFO or the handshake.
    pub first: First,
    /// Connections accepted in a second; `None` without limit.
    pub connections_per_second: Option<u32>,
}

impl Tls {
    /// All certificates, by whichever keys they are written.
    pub fn pairs(&self) -> Vec<CertificateFiles> {
        if !self.certs.is_empty() {
            return self.certs.clone();
        }
        let (cert_file, key_file) = (self.cert_file.clone(), self.key_file.clone());
        vec![CertificateFiles { cert_file, key_file }]
    }
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and what vouches for it.
    pub cert_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// No.
    #[default]
    No,
    /// One that `ca_file` vouches for.
    Certificate,
    /// The same, and it says which user they are: `verify_and_map`.
    User,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.2
    #[default]
    V12,
    /// 1.3
    V13,
}

impl Version {
    /// What `min_version` may say.
    pub(crate) const WORDS: &[&str] = &["1.2", "1.3"];

    /// What one of [`Version::WORDS`] means.
    pub(crate) fn of(word: &str) -> Version {
        if word == "1.3" { Version::V13 } else { Version::V12 }
    }
}

/// Which comes first, INFO or the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum First {
    /// INFO, in clear.
    #[default]
    Info,
    /// The handshake.
    Handshake,
    /// The handshake, if it begins within this time; else INFO.
    HandshakeWithin(Duration),
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            certs: Vec::new(),
            ca_file: None,
            verify: Verify::No,
            timeout: limits::TLS_TIMEOUT,
            min_version: Version::V12,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            pinned_certs: BTreeSet::new(),
            ocsp_peer: OcspPeer::default(),
            first: First::Info,
            connections_per_second: None,
        }
    }
}

/// The block of the draft.
fn of(draft: &mut Draft) -> &mut Tls {
    draft.options.tls.get_or_insert_default()
}

/// What the flag `--tls` does. Without certificate and key it is an error; see [`check`].
pub(crate) fn switch(draft: &mut Draft, on: bool) {
    draft.options.tls = match on {
        true => Some(draft.options.tls.take().unwrap_or_default()),
        false => None,
    };
}

fn pinned(draft: &mut Draft, hashes: Vec<String>) -> Result<(), ValueError> {
    for hash in &hashes {
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ValueError::PinnedCertificate(hash.clone()));
        }
    }
    of(draft).pinned_certs = hashes.iter().map(|hash| hash.to_ascii_lowercase()).collect();
    Ok(())
}

fn first(draft: &mut Draft, text: &str) -> Result<(), ValueError> {
    of(draft).first = match text {
        "auto" | "auto_fallback" => First::HandshakeWithin(limits::TLS_FIRST_FALLBACK),
        other => First::HandshakeWithin(crate::apply::parse_span(other)?),
    };
    Ok(())
}

/// The block.
pub static TLS: &[Declaration] = &[
    reloadable(
        "cert_file",
        "",
        "Server certificate file",
        Kind::Text(|d, text| {
            of(d).cert_file = text.into();
            Ok(())
        }),
    ),
    reloadable(
        "key_file",
        "",
        "Private key for server certificate",
        Kind::Text(|d, text| {
            of(d).key_file = text.into();
            Ok(())
        }),
    ),
    reloadable(
        "ca_file",
        "",
        "Client certificate CA for verification",
        Kind::Text(|d, text| {
            of(d).ca_file = (!text.is_empty()).then(|| text.into());
            Ok(())
        }),
    ),
    reloadable(
        "certs",
        "",
        "Several certificates; each client gets the first that suits it",
        Kind::Tree("a list of blocks", Inside::List(CERTIFICATE_KEYS), |d, tree, entry| {
            of(d).certs = read_certificates(entry, tree);
        }),
    )
    .or(&["certificates"]),
    reloadable(
        "verify",
        "false",
        "Enable TLS, verify client certificates",
        // A block's keys come in any order; `verify_and_map` asks for more.
        Kind::Switch(|d, on| match (on, of(d).verify) {
            (true, Verify::No) => of(d).verify = Verify::Certificate,
            (false, Verify::Certificate) => of(d).verify = Verify::No,
            (_, Verify::No | Verify::Certificate | Verify::User) => {}
        }),
    ),
    reloadable(
        "verify_and_map",
        "false",
        "Verify client certificates, and take users by the names in them",
        Kind::Switch(|d, on| {
            if on {
                of(d).verify = Verify::User;
            }
        }),
    ),
    // spec/cli-and-config.md §7.9: clients have no URLs that would be known.
    not_built(
        "verify_cert_and_check_known_urls",
        Off::False,
        "Routes and gateways by their certificates; not for clients",
    ),
    not_built("insecure", Off::False, "Connect to servers with any certificate"),
    reloadable(
        "timeout",
        "2s",
        "Time for a handshake",
        Kind::Span {
            min: Duration::from_millis(1),
            bare: BareNumber::Seconds,
            set: |d, span| of(d).timeout = span,
        },
    ),
    reloadable(
        "min_version",
        "1.2",
        "The lowest version of TLS that is spoken",
        Kind::Choice(Version::WORDS, |d, word| of(d).min_version = Version::of(word)),
    ),
    reloadable(
        "cipher_suites",
        "",
        "Names of cipher suites, as Go has them",
        Kind::TextList(|d, names| {
            of(d).cipher_suites = names;
            Ok(())
        }),
    ),
    not_built("allow_insecure_cipher_suites", Off::False, "Cipher suites that are broken"),
    reloadable(
        "curve_preferences",
        "",
        "Names of curves, the best first",
        Kind::TextList(|d, names| {
            of(d).curve_preferences = names;
            Ok(())
        }),
    ),
    reloadable(
        "pinned_certs",
        "",
        "SHA-256 of the public keys that clients may have, in hex",
        Kind::TextList(pinned),
    ),
    reloadable(
        "connection_rate_limit",
        "0",
        "Connections accepted in a second; 0 is no limit",
        Kind::Count {
            min: 0,
            max: u32::MAX as i64,
            set: |d, n| {
                of(d).connections_per_second = u32::try_from(n).ok().filter(|n| *n > 0);
            },
        },
    ),
    reloadable(
        "handshake_first",
        "false",
        "The handshake before INFO: true, auto, or how long to wait for it",
        Kind::SwitchOrText(
            |d, on| of(d).first = if on { First::Handshake } else { First::Info },
            first,
        ),
    )
    .or(&["first", "immediate"]),
    reloadable(
        "ocsp_peer",
        "false",
        "Ask whether clients' certificates are revoked: a boolean, or a block",
        Kind::Toggled(ocsp_peer::switch_peer, ocsp_peer::OCSP_PEER),
    ),
    not_built("cert_store", Off::Never, "Windows' certificate store"),
    not_built("cert_match_by", Off::Never, "Windows' certificate store"),
    not_built("cert_match", Off::Never, "Windows' certificate store"),
    not_built("cert_match_skip_invalid", Off::False, "Windows' certificate store"),
    not_built("ca_certs_match", Off::Empty, "Windows' certificate store"),
];

pub(crate) const CERTIFICATE_KEYS: &[Known] = &[
    Known::read(&["cert_file"], "text", "Server certificate file"),
    Known::read(&["key_file"], "text", "Private key for server certificate"),
];

pub(crate) fn read_certificates(entry: &Entry, tree: &mut Tree<'_>) -> Vec<CertificateFiles> {
    let mut pairs = Vec::new();
    for node in tree.list("certs", &entry.node) {
        let Some(map) = tree.map("certs", node) else { continue };
        let mut pair = CertificateFiles::default();
        tree.block(map, CERTIFICATE_KEYS, |tree, key, entry| {
            let path = tree.text(key, &entry.node).unwrap_or_default().into();
            match key {
                "cert_file" => pair.cert_file = path,
                _ => pair.key_file = path,
            }
        });
        pairs.push(pair);
    }
    pairs
}

/// What the block must have. spec/cli-and-config.md §9
pub(crate) fn check(options: &Options, found: &mut Diagnostics) {
    if let (Some(http), Some(https)) = (options.http_port, options.https_port) {
        let (http, https) = (http.to_string(), https.to_string());
        found.note(None, Conflict::HttpAndHttps { http, https });
    }
    let Some(tls) = &options.tls else {
        if options.https_port.is_some() {
            found.note(None, Conflict::HttpsWithoutTls);
        }
        return;
    };
    let single = !(tls.cert_file.as_os_str().is_empty() && tls.key_file.as_os_str().is_empty());
    if single && !tls.certs.is_empty() {
        found.note(None, Conflict::CertificatesTwice);
    }
    for pair in tls.pairs() {
        let missing = [(&pair.cert_file, "cert_file"), (&pair.key_file, "key_file")];
        for (_, key) in missing.iter().filter(|(path, _)| path.as_os_str().is_empty()) {
            found.note(None, Conflict::TlsIncomplete(key));
        }
    }
    if tls.verify != Verify::No && tls.ca_file.is_none() {
        found.note(None, Conflict::TlsVerifyWithoutCa);
    }
    if !tls.pinned_certs.is_empty() && tls.verify == Verify::No {
        found.note(None, Conflict::PinnedWithoutVerify);
    }
    if tls.ocsp_peer.verify && tls.verify == Verify::No {
        found.note(None, Conflict::OcspPeerWithoutVerify);
    }
}
