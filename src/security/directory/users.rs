//! Users that the configuration names: by what they say, by their keys, by their certificates.
//! spec/security.md §1, steps 4 to 7

use std::collections::HashMap;
use std::sync::Arc;

use base::AccountId;
use config::Options;
use config::options::{Auth, ConnectionKinds, Login, Secret, User};
use config::tls::Verify;

use crate::credentials::{Credentials, Denied, Session};
use crate::distinguished_name::{AnyOrder, DistinguishedName};
use crate::permissions::Permissions;
use crate::proxies::ProxyUse;
use crate::tls::ClientCertificate;
use crate::{nkey, password};

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    pub(super) by_name: HashMap<Arc<str>, Arc<Known>>,
    pub(super) by_key: HashMap<Arc<str>, Arc<Known>>,
    /// Those whose names are such as certificates have for their owners.
    by_subject: HashMap<AnyOrder, Vec<(DistinguishedName, Arc<Known>)>>,
    /// Whether certificates say who clients are.
    certificates: Certificates,
}

/// Whether certificates say who clients are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Certificates {
    /// They do not.
    #[default]
    Ignored,
    /// They do, on some listener: `verify_and_map`.
    Name,
}

/// A user that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) login: Login,
    pub(super) account: AccountId,
    pub(super) permissions: Option<Arc<Permissions>>,
    pub(super) connections: ConnectionKinds,
    pub(super) proxy: ProxyUse,
}

/// spec/security.md §1, step 5: certificates stand for users of a list, not for a single one.
fn certificates(options: &Options) -> Certificates {
    let map = options.tls.as_ref().is_some_and(|tls| tls.verify == Verify::User);
    match (map, &options.auth) {
        (true, Auth::None | Auth::Users(_)) => Certificates::Name,
        (false, _) | (true, Auth::Token(_) | Auth::User(_)) => Certificates::Ignored,
    }
}

impl Known {
    pub(super) fn in_global() -> Known {
        Known {
            login: Login::Password { name: "".into(), password: Secret::default() },
            account: AccountId::GLOBAL,
            permissions: None,
            connections: ConnectionKinds::ANY,
            proxy: ProxyUse::Optional,
        }
    }

    /// The user's name or public key.
    pub(super) fn name(&self) -> &str {
        match &self.login {
            Login::Password { name, .. } => name,
            Login::Nkey(key) => key,
        }
    }

    /// Whether it has `proven` who it is, and may come this way.
    fn enters(&self, proven: bool, kind: ConnectionKinds) -> Result<Session, Denied> {
        match proven && self.connections.contains(kind) {
            true => Ok(self.session()),
            false => Err(Denied::Credentials),
        }
    }

    pub(super) fn session(&self) -> Session {
        let (user, nkey) = match &self.login {
            Login::Password { name, .. } => (name.to_string(), None),
            Login::Nkey(key) => (key.to_string(), Some(key.to_string())),
        };
        Session {
            user,
            nkey,
            account: self.account,
            permissions: self.permissions.clone(),
            proxy_use: self.proxy,
            ..Session::default()
        }
    }
}

impl Users {
    /// None yet, where certificates count as the options say.
    pub(super) fn new(options: &Options) -> Users {
        Users { certificates: certificates(options), ..Users::default() }
    }

    pub(super) fn add(
        &mut self,
        user: &User,
        account: AccountId,
        default: Option<&config::permissions::Permissions>,
    ) {
        let permissions = user.permissions.as_deref().or(default);
        let known = Arc::new(Known {
            login: user.login.clone(),
            account,
            permissions: permissions.map(|config| Arc::new(Permissions::new(config))),
            connections: user.connections,
            proxy: ProxyUse::of(user.proxy_required),
        });
        match &user.login {
            Login::Password { name, .. } => {
                if self.certificates == Certificates::Name
                    && let Some(subject) = DistinguishedName::parse(name)
                {
                    let same = self.by_subject.entry(subject.any_order()).or_default();
                    same.push((subject, Arc::clone(&known)));
                }
                self.by_name.insert(Arc::clone(name), known)
            }
            Login::Nkey(key) => self.by_key.insert(Arc::clone(key), known),
        };
    }

    /// Whether the certificate says who it is, and nothing else does.
    pub(super) fn are_told_by(&self, credentials: &Credentials<'_>) -> bool {
        self.certificates == Certificates::Name
            && credentials.certificate.is_some()
            && self.key_of(credentials).is_empty()
    }

    /// Whether it says nothing that counts here. A token of an operator counts for nothing.
    pub(super) fn hear_nothing_from(&self, credentials: &Credentials<'_>) -> bool {
        credentials.name_nobody()
            && self.key_of(credentials).is_empty()
            && !self.are_told_by(credentials)
    }

    /// Its public key, which nobody asks for where no user has one.
    pub(super) fn key_of<'a>(&self, credentials: &Credentials<'a>) -> &'a str {
        if self.by_key.is_empty() { "" } else { credentials.nkey }
    }

    /// spec/security.md §8, `verify_and_map`
    pub(super) fn named_by(&self, certificate: &ClientCertificate) -> Option<&Arc<Known>> {
        let by_subject = |subject: &DistinguishedName, any_order: &AnyOrder| {
            let same = self.by_subject.get(any_order)?;
            let exact = same.iter().find(|(known, _)| known == subject);
            exact.or(same.first()).map(|(_, known)| known)
        };
        certificate.first(|name| self.by_name.get(name), by_subject)
    }

    pub(super) fn find(&self, session: &Session) -> Option<&Arc<Known>> {
        match &session.nkey {
            Some(key) => self.by_key.get(key.as_str()),
            None => self.by_name.get(session.user.as_str()),
        }
    }

    // spec/security.md §1, steps 4 to 7
    pub(super) fn login(
        &self,
        credentials: &Credentials<'_>,
        hashes: bool,
    ) -> Result<Session, Denied> {
        if let Some(certificate) = credentials.certificate
            && self.are_told_by(credentials)
        {
            let known = self.named_by(certificate).ok_or(Denied::Credentials)?;
            // Who has a password beside the certificate needs both.
            let proven = match &known.login {
                Login::Password { password, .. } => password::matches(password, credentials.pass),
                Login::Nkey(_) => false,
            };
            return known.enters(proven, credentials.kind);
        }
        let found = match self.key_of(credentials) {
            "" => self.by_name.get(credentials.user),
            key => Some(self.by_key.get(key).ok_or(Denied::Credentials)?),
        };
        let Some(known) = found else {
            // Whether there is such a user is nobody's business.
            return if hashes && password::matches_nobody(credentials.pass) {
                Ok(Session::default())
            } else {
                Err(Denied::Credentials)
            };
        };
        let proven = match &known.login {
            // spec/security.md §8: who has no password has a certificate, and needs it.
            Login::Password { password, .. }
                if self.certificates == Certificates::Name && password.expose().is_empty() =>
            {
                false
            }
            Login::Password { password, .. } => password::matches(password, credentials.pass),
            Login::Nkey(key) => nkey::is_signed(key, credentials.nonce, credentials.sig),
        };
        known.enters(proven, credentials.kind)
    }
}
