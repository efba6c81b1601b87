//! Trusted proxies: whose word about a client counts, and which clients need one
//! (spec/security.md §9). A proxy signs the nonce that its client was sent.

use std::sync::Arc;

use config::proxies::Proxies;

use crate::credentials::{Credentials, Denied, Session};
use crate::nkey;

/// Whether a client must come by a trusted proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyUse {
    /// It may, or not.
    #[default]
    Optional,
    /// It must: `proxy_required`.
    Required,
}

impl ProxyUse {
    /// As `proxy_required` says.
    pub fn of(required: bool) -> ProxyUse {
        if required { ProxyUse::Required } else { ProxyUse::Optional }
    }
}

/// Those that are trusted, and what is asked of all clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    keys: Vec<Arc<str>>,
    for_all: ProxyUse,
}

impl TrustedProxies {
    pub fn new(config: &Proxies) -> TrustedProxies {
        let keys = config.trusted.iter().map(|key| key.as_str().into()).collect();
        TrustedProxies { keys, for_all: ProxyUse::of(config.required) }
    }

    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        self.keys.is_empty()
    }

    /// What every client must do, whoever it is.
    pub fn for_all(&self) -> ProxyUse {
        self.for_all
    }

    /// Whether there is a signature to be verified.
    pub fn must_verify(&self, credentials: &Credentials<'_>) -> bool {
        !self.keys.is_empty() && !credentials.proxy_sig.is_empty()
    }

    /// The proxy that passed a client on; `None` when it came by itself. Where no proxy is trusted
    /// none is listened to.
    pub fn verify(&self, credentials: &Credentials<'_>) -> Result<Option<Arc<str>>, Denied> {
        if !self.must_verify(credentials) {
            return Ok(None);
        }
        let Credentials { nonce, proxy_sig, .. } = *credentials;
        let signed = self.keys.iter().find(|key| nkey::is_signed(key, nonce, proxy_sig));
        signed.map(|key| Some(Arc::clone(key))).ok_or(Denied::ProxyNotTrusted)
    }

    /// Whether a client came as it must, by a proxy that is trusted still.
    pub fn check(&self, session: &Session) -> Result<(), Denied> {
        match &session.proxy {
            Some(key) if self.keys.contains(key) => Ok(()),
            Some(_) => Err(Denied::ProxyNotTrusted),
            None if [session.proxy_use, self.for_all].contains(&ProxyUse::Required) => {
                Err(Denied::ProxyRequired)
            }
            None => Ok(()),
        }
    }
}
