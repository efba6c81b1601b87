//! An account that was fetched: its claims, checked, and what they mean in the words of the
//! configuration.

use std::sync::Arc;

use nkeys::{KeyPairType, XKey};
use subject::name;

use super::trust::Trust;
use super::{template, translate};
use crate::callout::ANY_ACCOUNT;
use crate::jwt::{
    self, Claims, ExchangeKind, ExternalAuthorization, TimeError, TokenError, Weighted, is_key,
};
use crate::mapping::Mappings;
use crate::permissions::Permissions;
use crate::resolver::FetchError;

/// An account that was fetched and found good.
#[derive(Debug)]
pub struct SeenAccount {
    /// What it claims.
    pub claims: Claims<jwt::Account>,
    /// The token that says so.
    pub token: String,
    /// The same in the words of the configuration.
    pub(crate) config: config::accounts::Account,
    pub(crate) mappings: Option<Arc<Mappings>>,
    /// Permissions of users without their own.
    pub(crate) default_permissions: Option<Arc<Permissions>>,
}

/// Why there is no such account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No public key of an account.
    #[error("not a public account nkey")]
    Key,
    /// The resolver has none.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// What it has is none.
    #[error("account JWT: {0}")]
    Token(#[from] TokenError),
    /// It has that of another.
    #[error("account JWT of another account")]
    OtherAccount,
    /// Nobody whose word is taken signed it.
    #[error("account JWT not signed by trusted operator")]
    NotTrusted,
    /// It holds at another time.
    #[error("account JWT {0}")]
    Time(#[from] TimeError),
    /// It claims what cannot be.
    #[error("account JWT not valid: {0}")]
    Invalid(&'static str),
}

impl SeenAccount {
    /// Checks a token that is said to be that of `account`.
    ///
    /// # Errors
    /// [`AccountError`]
    pub(crate) fn read(
        token: &str,
        account: &str,
        trust: &Trust,
        now_s: i64,
    ) -> Result<SeenAccount, AccountError> {
        let claims = Claims::<jwt::Account>::decode(token)?;
        if claims.subject != account {
            return Err(AccountError::OtherAccount);
        }
        if !trust.is_trusted(&claims.issuer) {
            return Err(AccountError::NotTrusted);
        }
        claims.hold_at(now_s)?;
        check(&claims.content).map_err(AccountError::Invalid)?;
        let config = translate::account(&claims);
        let mappings = Mappings::new(&config.mappings)
            .map_err(|_| AccountError::Invalid("a mapping cannot be"))?;
        let default_permissions = config.default_permissions.as_ref().map(Permissions::new);
        Ok(SeenAccount {
            token: token.to_owned(),
            mappings: mappings.map(Arc::new),
            default_permissions: default_permissions.map(Arc::new),
            config,
            claims,
        })
    }

    /// Whether the holder of `key` signs for the account: it is the account's own, or a signing
    /// key.
    pub(crate) fn is_signed_for_by(&self, key: &str) -> bool {
        self.claims.subject == key || self.claims.content.signing_key(key).is_some()
    }
}

/// What makes a whole account void. Templates are filled in for each user, and so are not
/// checked here.
fn check(account: &jwt::Account) -> Result<(), &'static str> {
    let limits = &account.limits;
    let over = |count: usize, max: i64| max >= 0 && count as i64 > max;
    let is_subject = |text: &str| name::is_sound_subscription(text.as_bytes());
    let is_literal = |text: &str| name::is_sound_literal(text.as_bytes());
    let wild = |text: &str| name::has_wildcard(text.as_bytes());
    let exports = &account.exports;
    let rules = [
        (over(account.imports.len(), limits.imports), "more imports than allowed by the operator"),
        (over(exports.len(), limits.exports), "more exports than allowed by the operator"),
        (
            !limits.wildcard_exports
                && limits.exports >= 0
                && exports.iter().any(|export| wild(&export.subject)),
            "wildcard exports are not allowed by the operator",
        ),
        (
            !account.signing_keys.iter().all(|key| is_key(key.key(), KeyPairType::Account)),
            "a signing key is no public account nkey",
        ),
        (
            !exports.iter().all(|export| is_subject(&export.subject)),
            "an exported subject is no subject",
        ),
        (
            exports.iter().any(|export| {
                let at = export.account_token_position as usize;
                at > 0 && export.subject.split('.').nth(at - 1) != Some("*")
            }),
            "account_token_position is not at a *",
        ),
        (
            exports.iter().any(|export| {
                let latency = export.service_latency.as_ref();
                latency.is_some_and(|latency| {
                    export.kind == ExchangeKind::Stream || !is_literal(&latency.results)
                })
            }),
            "latency without a service, or a subject of its own",
        ),
        (
            !account.imports.iter().all(|import| {
                is_subject(&import.subject) && is_key(&import.account, KeyPairType::Account)
            }),
            "an import is of no subject or of no account",
        ),
        (
            account.trace.as_ref().is_some_and(|trace| !is_literal(&trace.destination)),
            "traces go to no subject",
        ),
        (
            account.mappings.values().any(|list| is_overweight(list)),
            "weights of a mapping come to more than 100 percent",
        ),
        (
            template::check_permissions(&translate::said(&account.default_permissions)).is_err(),
            "a default permission is no subject",
        ),
        (
            !account.authorization.auth_users.iter().all(|key| is_key(key, KeyPairType::User)),
            "auth_users are no public user nkeys",
        ),
        (is_faulty(&account.authorization), "allowed_accounts or xkey of authorization are none"),
        (account.limits.tiers.contains_key(""), "limits of a tier without a name"),
        (
            !["", "system", "owner"].contains(&account.cluster_traffic.as_str()),
            "cluster_traffic is neither system nor owner",
        ),
    ];
    rules.into_iter().find(|(broken, _)| *broken).map_or(Ok(()), |(_, text)| Err(text))
}

/// Accounts without a service, both all accounts and some, or keys that are none.
fn is_faulty(said: &ExternalAuthorization) -> bool {
    let allowed = &said.allowed_accounts;
    let any = allowed.iter().any(|account| account == ANY_ACCOUNT);
    let are_keys = || allowed.iter().all(|account| is_key(account, KeyPairType::Account));
    let is_curve = || XKey::from_public_key(&said.xkey).is_ok();
    (!said.is_on() && !allowed.is_empty())
        || if any { allowed.len() > 1 } else { !are_keys() }
        || (!said.xkey.is_empty() && !is_curve())
}

fn is_overweight(list: &[Weighted]) -> bool {
    let clusters = list.iter().map(|weighted| &weighted.cluster);
    clusters.into_iter().any(|cluster| {
        let same = list.iter().filter(|other| other.cluster == *cluster);
        same.map(|weighted| u32::from(translate::weight(weighted))).sum::<u32>() > 100
    })
}
