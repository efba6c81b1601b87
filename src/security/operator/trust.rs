//! Whose word is taken for accounts: the operators' tokens, their keys, and where the tokens of
//! accounts are to be had.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use config::Options;
use config::resolver::Resolver as Wanted;
use config::version::NATS_VERSION;
use nkeys::KeyPairType;

use super::seen::{AccountError, SeenAccount};
use crate::account_key::AccountKey;
use crate::folder_resolver::FolderResolver;
use crate::jwt::{self, Claims, TokenError, is_key};
use crate::resolver::{self, OpenError, Resolver};

/// Whose word is taken for accounts.
#[derive(Debug)]
pub(crate) struct Trust {
    /// Public keys whose holders may sign accounts.
    keys: HashSet<String>,
    /// Those of operators who want nothing to be signed by identity keys.
    strict: HashSet<String>,
    /// The system account's public key.
    pub(crate) system: Option<String>,
    /// The token of those who bring none.
    pub(crate) sentinel: Option<String>,
    /// Only these accounts, unless there are none.
    pinned: BTreeSet<String>,
    resolver: Arc<dyn Resolver>,
}

/// An operator's configuration that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file that cannot be read.
    #[error("operator: cannot read {path}: {error}")]
    Unreadable {
        /// Its path.
        path: String,
        /// The system's words.
        error: std::io::Error,
    },
    /// An operator's token that is none.
    #[error("operator: {0}")]
    Operator(TokenError),
    /// It wants newer servers, or says nothing that can be understood.
    #[error("operator: assert_server_version {0:?}: this server speaks {NATS_VERSION}")]
    ServerVersion(String),
    /// Two system accounts.
    #[error("system_account in config and operator JWT must be identical")]
    SystemAccount,
    /// Not an account.
    #[error("system_account: {0:?} is not a public account nkey")]
    SystemAccountKey(String),
    /// A sentinel that is no token of a user.
    #[error("default sentinel JWT not valid")]
    Sentinel,
    /// A sentinel that would have to sign.
    #[error("default sentinel must be a bearer token")]
    SentinelSigns,
    /// A name that is no key, in `resolver_preload`.
    #[error("resolver_preload: {0:?} is not a public account nkey")]
    PreloadKey(String),
    /// A token that is none, in `resolver_preload`.
    #[error("resolver_preload: {account}: {error}")]
    Preload {
        /// Whose.
        account: String,
        /// Why not.
        error: TokenError,
    },
    /// No way to the accounts.
    #[error(transparent)]
    Resolver(#[from] OpenError),
    /// The system account is not to be had.
    #[error("error resolving system account: {0}")]
    Bootstrap(String),
}

impl Trust {
    /// As the options say it. Files are read, and what must hold between tokens is checked.
    ///
    /// # Errors
    /// [`TrustError`]
    pub(crate) fn new(options: &Options) -> Result<Trust, TrustError> {
        let config = &options.operator;
        let operators: Vec<Claims<jwt::Operator>> =
            config.tokens.iter().map(|text| read_operator(text)).collect::<Result<_, _>>()?;
        let mut keys: HashSet<String> = config.trusted_keys.iter().cloned().collect();
        let mut strict = HashSet::new();
        for operator in &operators {
            check_version(&operator.content.assert_server_version)?;
            let signing = operator.content.signing_keys.iter().cloned();
            keys.extend(signing.clone());
            if operator.content.strict_signing_key_usage {
                strict.extend(signing.chain([operator.subject.clone()]));
            } else {
                keys.insert(operator.subject.clone());
            }
        }
        if let Some(sentinel) = &config.sentinel {
            check_sentinel(sentinel)?;
        }
        for (account, token) in &config.preload {
            check_preloaded(account, token)?;
        }
        let wanted = options.resolver.clone().or_else(|| implied_resolver(&operators));
        let resolver = resolver::open(wanted.as_ref(), options)?;
        Ok(Trust {
            keys,
            strict,
            system: system_account(options, &operators)?,
            sentinel: config.sentinel.clone(),
            pinned: options.resolver_pinned.clone(),
            resolver,
        })
    }

    /// The folder of tokens, where they are in one.
    pub(crate) fn folder(&self) -> Option<&FolderResolver> {
        self.resolver.folder()
    }

    /// Whether [`Trust::fetch`] would ask others for the account.
    pub(crate) fn must_ask(&self, account: &AccountKey) -> bool {
        self.resolver.must_ask(account)
    }

    /// Whether the holder of `key` may sign accounts.
    pub(crate) fn is_trusted(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Whether accounts signed by `issuer` may sign with their identity keys.
    pub(crate) fn takes_identity_keys(&self, issuer: &str) -> bool {
        !self.strict.contains(issuer)
    }

    /// Whether users of the account may come in here at all.
    pub(crate) fn is_welcome(&self, account: &str) -> bool {
        self.pinned.is_empty()
            || self.pinned.contains(account)
            || self.system.as_deref() == Some(account)
    }

    /// The account, from the resolver.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn fetch(&self, account: &str, now_s: i64) -> Result<SeenAccount, AccountError> {
        if !is_key(account, KeyPairType::Account) {
            return Err(AccountError::Key);
        }
        let token = self.resolver.fetch(account)?;
        SeenAccount::read(token.trim(), account, self, now_s)
    }
}

/// A token as it stands in the configuration, or the file in which it is, plain or between lines
/// of dashes.
fn read_operator(text: &str) -> Result<Claims<jwt::Operator>, TrustError> {
    let is_token = text.starts_with("eyJ") && text.split('.').count() == 3;
    let read = match is_token {
        true => text.to_owned(),
        false => std::fs::read_to_string(text).map_err(|error| {
            let path = text.to_owned();
            TrustError::Unreadable { path, error }
        })?,
    };
    let plain = |line: &&str| !line.is_empty() && !line.starts_with("---");
    let token = read.lines().map(str::trim).find(plain).unwrap_or_default();
    Claims::decode(token).map_err(TrustError::Operator)
}

/// spec/security.md §3: one operator with an account server, and no resolver named.
fn implied_resolver(operators: &[Claims<jwt::Operator>]) -> Option<Wanted> {
    let [only] = operators else { return None };
    let url = only.content.account_server_url.trim_end_matches('/');
    (!url.is_empty()).then(|| Wanted::Url(format!("{url}/accounts/")))
}

fn system_account(
    options: &Options,
    operators: &[Claims<jwt::Operator>],
) -> Result<Option<String>, TrustError> {
    let said: Vec<&String> = operators
        .iter()
        .map(|operator| &operator.content.system_account)
        .filter(|account| !account.is_empty())
        .collect();
    let configured = options.accounts.system.as_ref();
    let system = match configured {
        // spec/security.md §3: must equal the operator's when both are set.
        Some(own) if !said.is_empty() && !said.contains(&own) => {
            return Err(TrustError::SystemAccount);
        }
        Some(own) => Some(own),
        None => said.first().copied(),
    };
    match system.filter(|_| !options.accounts.no_system) {
        Some(key) if !is_key(key, KeyPairType::Account) => {
            Err(TrustError::SystemAccountKey(key.clone()))
        }
        system => Ok(system.cloned()),
    }
}

/// `major.minor.update`
fn parse_version(text: &str) -> Option<[u64; 3]> {
    let parts: Vec<u64> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn check_version(wanted: &str) -> Result<(), TrustError> {
    let ours = parse_version(NATS_VERSION);
    match parse_version(wanted) {
        _ if wanted.is_empty() => Ok(()),
        Some(version) if ours.is_some_and(|ours| version <= ours) => Ok(()),
        _ => Err(TrustError::ServerVersion(wanted.to_owned())),
    }
}

fn check_sentinel(token: &str) -> Result<(), TrustError> {
    let claims = Claims::<jwt::User>::decode(token).map_err(|_| TrustError::Sentinel)?;
    match claims.content.grant.bearer_token {
        true => Ok(()),
        false => Err(TrustError::SentinelSigns),
    }
}

fn check_preloaded(account: &str, token: &str) -> Result<(), TrustError> {
    if !is_key(account, KeyPairType::Account) {
        return Err(TrustError::PreloadKey(account.to_owned()));
    }
    let refused = |error| TrustError::Preload { account: account.to_owned(), error };
    Claims::<jwt::Account>::decode(token.trim()).map(drop).map_err(refused)
}
