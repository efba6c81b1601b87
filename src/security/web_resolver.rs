//! Account JWTs from a web server: `GET <url><account>`. spec/security.md §3, resolver URL
//!
//! It blocks, and so is asked on the threads that check logins and on the control thread, each
//! question for a bounded time. What comes is bounded too, and verified by whoever asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::limits;
use config::resolver::{ResolverTls, ResolverTrust};
use config::tls::Version;
use ureq::tls::{
    Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem,
};
use ureq::{Agent, Error};

use crate::account_key::AccountKey;
use crate::resolver::{FetchError, Resolver};
use crate::tls::{self, TlsError};

/// The resolver.
#[derive(Debug)]
pub struct WebResolver {
    url: String,
    agent: Agent,
}

/// Files of `resolver_tls` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResolverTlsError {
    /// A file cannot be read.
    #[error("resolver_tls: {}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A file holds something else.
    #[error("resolver_tls: {} holds no {what}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// A certificate without key, or a key without certificate.
    #[error("resolver_tls: cert_file and key_file belong together")]
    Incomplete,
    /// A name that no algorithm has.
    #[error(transparent)]
    Algorithm(#[from] TlsError),
}

impl WebResolver {
    /// A resolver at `url`, which ends in a slash.
    ///
    /// # Errors
    /// [`ResolverTlsError`]
    pub fn new(url: &str, tls: Option<&ResolverTls>) -> Result<WebResolver, ResolverTlsError> {
        let is_secret = url.starts_with("https:");
        let config = Agent::config_builder()
            .timeout_global(Some(limits::RESOLVER_TIMEOUT))
            .timeout_connect(tls.and_then(|tls| tls.timeout))
            // As nats-server: it asks the resolver itself.
            .proxy(None)
            .http_status_as_error(true)
            .tls_config(if is_secret { tls_config(tls)? } else { TlsConfig::default() })
            .build();
        Ok(WebResolver { url: url.to_owned(), agent: config.into() })
    }

    /// Whether the resolver answers.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(&self) -> Result<(), FetchError> {
        self.get(&self.url).map(|_| ())
    }

    fn get(&self, url: &str) -> Result<String, FetchError> {
        let unreachable = |error: Error| FetchError::Unreachable(error.to_string());
        let mut answer = match self.agent.get(url).call() {
            Err(Error::StatusCode(404)) => return Err(FetchError::Unknown),
            answer => answer.map_err(unreachable)?,
        };
        let body = answer.body_mut().with_config().limit(limits::JWT_BYTES_MAX as u64);
        body.read_to_string().map_err(unreachable)
    }
}

impl Resolver for WebResolver {
    fn fetch(&self, account: &str) -> Result<String, FetchError> {
        let account = AccountKey::parse(account).ok_or(FetchError::Unknown)?;
        match self.get(&format!("{}{account}", self.url))?.trim() {
            "" => Err(FetchError::Unknown),
            token => Ok(token.to_owned()),
        }
    }

    fn must_ask(&self, _: &AccountKey) -> bool {
        true
    }
}

fn tls_config(tls: Option<&ResolverTls>) -> Result<TlsConfig, ResolverTlsError> {
    let none = ResolverTls::default();
    let tls = tls.unwrap_or(&none);
    let roots = match &tls.ca_file {
        Some(path) => certificates(path)?,
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            found.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect()
        }
    };
    let own = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            Some(ClientCert::new_with_certs(&certificates(cert)?, private_key(key)?))
        }
        (None, None) => None,
        _ => return Err(ResolverTlsError::Incomplete),
    };
    let mut provider = tls::provider("resolver_tls", &tls.cipher_suites, &tls.curve_preferences)?;
    if tls.min_version == Version::V13 {
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    }
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .root_certs(RootCerts::new_with_certs(&roots))
        .disable_verification(tls.trust == ResolverTrust::Anybody)
        .client_cert(own)
        .build())
}

/// TLS towards web servers for whom the host's authorities vouch.
///
/// # Errors
/// None that could happen without files of one's own.
pub(crate) fn trusted_by_host() -> Result<TlsConfig, ResolverTlsError> {
    tls_config(None)
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ResolverTlsError> {
    let pem = read(path)?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(found)) => Some(found),
        _ => None,
    });
    let found: Vec<_> = items.collect();
    match found.is_empty() {
        true => Err(ResolverTlsError::Pem { path: path.to_owned(), what: "certificate" }),
        false => Ok(found),
    }
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, ResolverTlsError> {
    let missing = |_| ResolverTlsError::Pem { path: path.to_owned(), what: "private key" };
    PrivateKey::from_pem(&read(path)?).map_err(missing)
}

fn read(path: &Path) -> Result<Vec<u8>, ResolverTlsError> {
    std::fs::read(path).map_err(|error| ResolverTlsError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests;
