//! Whether a user is let in by its token, and what it may do then (spec/security.md §3, user
//! validation steps).

use std::net::IpAddr;
use std::sync::Arc;

use base::AccountId;
use config::options::ConnectionKinds;
use config::users::CONNECTION_KINDS;
use nkeys::KeyPairType;

use super::seen::{AccountError, SeenAccount};
use super::template::{self, PermissionError};
use super::times::{self, Window};
use super::{OperatorMode, networks, translate};
use crate::callout::Callout;
use crate::credentials::{Credentials, Expiry, Session};
use crate::jwt::{Claims, Grant, SigningKey, TimeError, TokenError, User, is_key};
use crate::nkey;
use crate::permissions::Permissions;
use crate::proxies::ProxyUse;

const SECOND_NS: u64 = 1_000_000_000;

/// When, from where and how a user comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// When, nanoseconds since the Unix epoch.
    pub(crate) now_ns: u64,
    /// From where; `None` is not asked.
    pub(crate) address: Option<IpAddr>,
    /// How.
    pub(crate) kind: ConnectionKinds,
}

/// Why a user is not let in. For the log only: the user never hears it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Authentication requires a user JWT")]
    NoToken,
    #[error("User JWT: {0}")]
    Token(#[from] TokenError),
    #[error("User JWT {0}")]
    Time(#[from] TimeError),
    #[error("User JWT not valid: {0}")]
    Invalid(&'static str),
    /// It must be fetched first.
    #[error("Account {0} was not seen yet")]
    AccountUnseen(String),
    #[error("Account {0}: {1}")]
    Account(String, AccountError),
    #[error("Account {0} not listed as operator pinned account")]
    NotPinned(String),
    #[error("User JWT issuer is not known")]
    Issuer,
    #[error("User JWT is not valid: scoped users require no permissions or limits set")]
    ScopedUserClaims,
    #[error("User JWT generated invalid permissions: {0}")]
    Permissions(#[from] PermissionError),
    #[error("Account JWT has expired")]
    AccountExpired,
    #[error("Account does not allow bearer tokens")]
    Bearer,
    #[error("Connection type not allowed")]
    ConnectionKind,
    #[error("Signature not verified")]
    Signature,
    #[error("User authentication revoked")]
    Revoked,
    #[error("Bad src Ip")]
    Network,
    #[error("Outside connect times")]
    Times,
    /// A service must be asked first.
    #[error("Account wants its users to be authorized by a service")]
    Delegated(Box<Delegation>),
}

/// A user about whom a service must be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delegation {
    /// The service.
    pub(crate) callout: Arc<Callout>,
    /// The token with which the user comes.
    pub(crate) claims: Arc<Claims<User>>,
}

impl OperatorMode {
    /// The token of those who bring none.
    pub(crate) fn sentinel(&self) -> Option<&str> {
        self.trust.sentinel.as_deref()
    }

    /// Lets a user in or not.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::AccountUnseen`] means that its account must be fetched first.
    pub(crate) fn admit(&self, credentials: &Credentials<'_>) -> Result<Session, Refusal> {
        let token = match credentials.jwt {
            // spec/security.md §1, step 3
            "" => self.sentinel().ok_or(Refusal::NoToken)?,
            token => token,
        };
        let claims = Claims::<User>::decode(token)?;
        let circumstances = Circumstances {
            now_ns: credentials.now_ns,
            address: credentials.address,
            kind: credentials.kind,
        };
        let (session, grant) = self.judge(Arc::new(claims), circumstances)?;
        if !grant.bearer_token {
            let user = &session.user;
            if !nkey::is_signed(user, credentials.nonce, credentials.sig) {
                return Err(Refusal::Signature);
            }
        }
        match self.delegation(&session) {
            Some(delegation) => Err(Refusal::Delegated(Box::new(delegation))),
            None => Ok(session),
        }
    }

    /// The service that says whether a user with a good token comes in, if one does: who has no
    /// good one is not worth a question. spec/security.md §5
    pub(super) fn delegation(&self, session: &Session) -> Option<Delegation> {
        let claims = session.claims.as_ref()?;
        let (id, account) = self.account(claims.account())?;
        let service = &account.claims.content.authorization.auth_users;
        if service.contains(&claims.subject) {
            return None;
        }
        let callout = Arc::new(Callout::of_account(*id, account)?);
        Some(Delegation { callout, claims: Arc::clone(claims) })
    }

    /// What the claims of a user are worth under these circumstances, whoever brings them, and
    /// whether or not a service has more to say of it.
    ///
    /// # Errors
    /// [`Refusal`]
    pub(crate) fn judge(
        &self,
        claims: Arc<Claims<User>>,
        circumstances: Circumstances,
    ) -> Result<(Session, Grant), Refusal> {
        let now_s = (circumstances.now_ns / SECOND_NS) as i64;
        claims.hold_at(now_s)?;
        if !is_key(&claims.subject, KeyPairType::User) {
            return Err(Refusal::Invalid("its subject is no public user nkey"));
        }
        let key = claims.account();
        if !self.trust.is_welcome(key) {
            return Err(Refusal::NotPinned(key.to_owned()));
        }
        let (id, account) =
            self.account(key).ok_or_else(|| Refusal::AccountUnseen(key.to_owned()))?;
        if !self.trust.is_trusted(&account.claims.issuer) {
            return Err(Refusal::Account(key.to_owned(), AccountError::NotTrusted));
        }
        let grant = self.grant(&claims, account)?;
        account.claims.hold_at(now_s).map_err(|_| Refusal::AccountExpired)?;
        if grant.bearer_token && account.claims.content.limits.disallow_bearer {
            return Err(Refusal::Bearer);
        }
        if !kinds(&grant.allowed_connection_types)?.contains(circumstances.kind) {
            return Err(Refusal::ConnectionKind);
        }
        if is_revoked(account, &claims) {
            return Err(Refusal::Revoked);
        }
        check_network(&grant, circumstances.address)?;
        let session = session(*id, account, claims, &grant, circumstances.now_ns)?;
        Ok((session, grant))
    }

    /// What the user may do: as it claims itself, or as the scoped key grants that signed it.
    fn grant(&self, claims: &Claims<User>, account: &SeenAccount) -> Result<Grant, Refusal> {
        let own = || Ok(claims.content.grant.clone());
        let grant = if claims.issuer == account.claims.subject {
            // spec/security.md §3: strict operators want signing keys.
            match self.trust.takes_identity_keys(&account.claims.issuer) {
                true => own(),
                false => Err(Refusal::Issuer),
            }
        } else {
            match account.claims.content.signing_key(&claims.issuer) {
                None => Err(Refusal::Issuer),
                Some(SigningKey::Plain(_)) => own(),
                Some(SigningKey::Scoped(_)) if !claims.content.grant.says_nothing() => {
                    Err(Refusal::ScopedUserClaims)
                }
                Some(SigningKey::Scoped(scope)) => {
                    Ok(template::fill_in(&scope.template, claims, &account.claims)?)
                }
            }
        }?;
        template::check_permissions(&grant)?;
        Ok(grant)
    }
}

/// What the claims of a user are worth by themselves, under these circumstances, in no account yet.
///
/// # Errors
/// [`Refusal`]
pub(crate) fn granted(
    claims: &Claims<User>,
    grant: &Grant,
    circumstances: Circumstances,
) -> Result<Session, Refusal> {
    claims.hold_at((circumstances.now_ns / SECOND_NS) as i64)?;
    template::check_permissions(grant)?;
    if !kinds(&grant.allowed_connection_types)?.contains(circumstances.kind) {
        return Err(Refusal::ConnectionKind);
    }
    check_network(grant, circumstances.address)?;
    own(claims, grant, circumstances.now_ns)
}

/// The part of a session that the user's own claims decide.
fn own(claims: &Claims<User>, grant: &Grant, now_ns: u64) -> Result<Session, Refusal> {
    let window = times::window(&grant.times, &grant.times_location, now_ns);
    let window_ends = match window.ok_or(Refusal::Invalid("its times are none"))? {
        Window::Closed => return Err(Refusal::Times),
        Window::Always => None,
        Window::Until(end_ns) => Some(end_ns),
    };
    let permissions = translate::permissions(grant);
    let limit = |limit: i64| u32::try_from(limit.min(i64::from(u32::MAX))).ok();
    Ok(Session {
        user: claims.subject.clone(),
        permissions: permissions.map(|config| Arc::new(Permissions::new(&config))),
        payload_max: limit(grant.payload),
        subscriptions_max: limit(grant.subscriptions),
        expires_ns: window_ends.into_iter().chain(end(claims.expires_s)).min(),
        proxy_use: ProxyUse::of(grant.proxy_required),
        ..Session::default()
    })
}

/// When claims end, nanoseconds since the Unix epoch.
fn end(seconds: i64) -> Option<u64> {
    u64::try_from(seconds).ok().filter(|s| *s > 0).map(|s| s.saturating_mul(SECOND_NS))
}

fn session(
    id: AccountId,
    account: &SeenAccount,
    claims: Arc<Claims<User>>,
    grant: &Grant,
    now_ns: u64,
) -> Result<Session, Refusal> {
    let own = own(&claims, grant, now_ns)?;
    let (expires_ns, expiry) = match (own.expires_ns, end(account.claims.expires_s)) {
        (Some(own), Some(of_account)) if of_account < own => (of_account.into(), Expiry::Account),
        (None, Some(of_account)) => (Some(of_account), Expiry::Account),
        (own, _) => (own, Expiry::User),
    };
    Ok(Session {
        account: id,
        permissions: own.permissions.clone().or_else(|| account.default_permissions.clone()),
        expires_ns,
        expiry,
        claims: Some(claims),
        ..own
    })
}

/// spec/security.md §7: unknown words are passed over, unless no other is left.
fn kinds(words: &[String]) -> Result<ConnectionKinds, Refusal> {
    if words.is_empty() {
        return Ok(ConnectionKinds::ANY);
    }
    let known = |word: &String| {
        let found = CONNECTION_KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, kind)| *kind)
    };
    let kinds = words.iter().filter_map(known);
    let all = kinds.fold(ConnectionKinds::NONE, ConnectionKinds::with);
    if all == ConnectionKinds::NONE { Err(Refusal::ConnectionKind) } else { Ok(all) }
}

fn is_revoked(account: &SeenAccount, claims: &Claims<User>) -> bool {
    let revocations = &account.claims.content.revocations;
    let upto = |key: &str| revocations.get(key).is_some_and(|at| *at >= claims.issued_s);
    upto(&claims.subject) || upto("*")
}

fn check_network(grant: &Grant, address: Option<IpAddr>) -> Result<(), Refusal> {
    if grant.networks.is_empty() {
        return Ok(());
    }
    let Some(address) = address else {
        let are_some = networks::are_networks(&grant.networks);
        return if are_some { Ok(()) } else { Err(Refusal::Network) };
    };
    match networks::contain(&grant.networks, address) {
        Some(true) => Ok(()),
        Some(false) => Err(Refusal::Network),
        None => Err(Refusal::Invalid("its networks are none")),
    }
}
