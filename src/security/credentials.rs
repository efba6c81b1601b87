//! What a client says about itself, and what it turns out to be.

use std::net::IpAddr;
use std::sync::Arc;

use base::AccountId;
use config::options::ConnectionKinds;

use crate::callout::Callout;
use crate::jwt::{Claims, User};
use crate::permissions::Permissions;
use crate::proxies::ProxyUse;
use crate::tls::ClientCertificate;

/// What the user is called who came in by the one token for all: not that token, which is a secret.
pub const TOKEN_USER: &str = "[REDACTED]";

/// What a client says about itself in CONNECT, and what is known of its connection.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// `user`
    pub user: &'a str,
    /// `pass`
    pub pass: &'a str,
    /// `auth_token`
    pub token: &'a str,
    /// `nkey`
    pub nkey: &'a str,
    /// `jwt`
    pub jwt: &'a str,
    /// `sig`
    pub sig: &'a str,
    /// `proxy_sig`: by which a proxy says that it passes the client on.
    pub proxy_sig: &'a str,
    /// What it was to sign; empty when it was sent none.
    pub nonce: &'a str,
    /// The certificate that it showed, where users are told by it.
    pub certificate: Option<&'a ClientCertificate>,
    /// How it came.
    pub kind: ConnectionKinds,
    /// From where it came, where that is known.
    pub address: Option<IpAddr>,
    /// When it came, nanoseconds since the Unix epoch.
    pub now_ns: u64,
}

impl Default for Credentials<'_> {
    fn default() -> Self {
        Credentials {
            user: "",
            pass: "",
            token: "",
            nkey: "",
            jwt: "",
            sig: "",
            proxy_sig: "",
            nonce: "",
            certificate: None,
            kind: ConnectionKinds::STANDARD,
            address: None,
            now_ns: 0,
        }
    }
}

impl Credentials<'_> {
    /// Whether it names nobody: no user, no password and no token.
    pub fn name_nobody(&self) -> bool {
        self.user.is_empty() && self.pass.is_empty() && self.token.is_empty()
    }

    /// A copy that outlives the connection's buffers.
    pub fn keep(&self) -> KeptCredentials {
        KeptCredentials {
            user: self.user.to_owned(),
            pass: self.pass.to_owned(),
            token: self.token.to_owned(),
            nkey: self.nkey.to_owned(),
            jwt: self.jwt.to_owned(),
            sig: self.sig.to_owned(),
            proxy_sig: self.proxy_sig.to_owned(),
            nonce: self.nonce.to_owned(),
            certificate: self.certificate.cloned(),
            kind: self.kind,
            address: self.address,
            now_ns: self.now_ns,
        }
    }
}

/// [`Credentials`] on their way to another thread.
pub struct KeptCredentials {
    user: String,
    pass: String,
    token: String,
    nkey: String,
    jwt: String,
    sig: String,
    proxy_sig: String,
    nonce: String,
    certificate: Option<ClientCertificate>,
    kind: ConnectionKinds,
    address: Option<IpAddr>,
    now_ns: u64,
}

impl KeptCredentials {
    /// The credentials.
    pub fn lend(&self) -> Credentials<'_> {
        Credentials {
            user: &self.user,
            pass: &self.pass,
            token: &self.token,
            nkey: &self.nkey,
            jwt: &self.jwt,
            sig: &self.sig,
            proxy_sig: &self.proxy_sig,
            nonce: &self.nonce,
            certificate: self.certificate.as_ref(),
            kind: self.kind,
            address: self.address,
            now_ns: self.now_ns,
        }
    }
}

/// Who a client turned out to be, and what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// What monitoring shows as `authorized_user`; empty when nobody had to log in.
    pub user: String,
    /// The public key it logged in with, if it did.
    pub nkey: Option<String>,
    /// Its account.
    pub account: AccountId,
    /// What it may publish and subscribe to; everything without it.
    pub permissions: Option<Arc<Permissions>>,
    /// Bytes in a message, where that is less than the server's limit.
    pub payload_max: Option<u32>,
    /// Subscriptions, where that is less than the server's limit.
    pub subscriptions_max: Option<u32>,
    /// When it must leave, nanoseconds since the Unix epoch.
    pub expires_ns: Option<u64>,
    /// The public key of the trusted proxy that passed it on.
    pub proxy: Option<Arc<str>>,
    /// Whether one must have.
    pub proxy_use: ProxyUse,
    /// The service that said who it is.
    pub callout: Option<Arc<Callout>>,
    /// What ends then.
    pub expiry: Expiry,
    /// What its token claims, in operator mode.
    pub claims: Option<Arc<Claims<User>>>,
}

impl Session {
    /// The same with other permissions.
    pub(crate) fn with_permissions(&self, permissions: Option<Arc<Permissions>>) -> Box<Session> {
        Box::new(Session { permissions, ..self.clone() })
    }
}

/// What ends when a client must leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// The user's own time.
    #[default]
    User,
    /// The account's.
    Account,
}

/// A client is not let in. What it is told is the same for all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Its credentials are not good; never says why.
    Credentials,
    /// Its account is not one of those that are pinned here.
    NotPinned,
    /// It says that a proxy passed it on, and no trusted one signed that.
    ProxyNotTrusted,
    /// It came without a proxy.
    ProxyRequired,
    /// Its token was revoked while it was connected.
    Revoked,
    /// Its account's time was over while it was connected.
    AccountExpired,
    /// The service of this account does not let it in, or said nothing that could be believed.
    ByService(AccountId),
}
