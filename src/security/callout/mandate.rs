//! Whose word a service gives, about whom, and where it may put them: as the configuration says it,
//! or the token of an account of an operator. spec/security.md §5

use std::collections::HashSet;

use base::AccountId;
use config::Options;
use config::accounts::{GLOBAL, SYSTEM};
use config::callout::Callout as Config;

use crate::account::Accounts;
use crate::jwt::ExternalAuthorization;

/// In `allowed_accounts`: all of them.
pub(crate) const ANY_ACCOUNT: &str = "*";

/// Where a service is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mandate {
    /// In the configuration.
    Configured(Configured),
    /// In the token of an account.
    Account(OfAccount),
}

/// A service for the users of a configuration, those that it does not know included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configured {
    /// The public key that signs its answers.
    pub(super) issuer: String,
    /// Users by name or key that come in without it.
    own: HashSet<String>,
    /// Only users of these accounts are asked about, when there are some.
    asked: HashSet<AccountId>,
    /// Accounts that there are.
    accounts: HashSet<AccountId>,
}

/// A service for those who come with tokens of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OfAccount {
    /// The account's public key: it, or one that signs for it, signs the answers.
    pub(super) key: String,
    /// Other accounts into which it may put users, or [`ANY_ACCOUNT`].
    allowed: Vec<String>,
}

impl Mandate {
    /// Whom questions are about, in the words of their claims: the subject. spec/security.md §5
    pub(super) fn subject(&self) -> &str {
        match self {
            Mandate::Configured(mandate) => &mandate.issuer,
            Mandate::Account(mandate) => &mandate.key,
        }
    }
}

impl Configured {
    pub(super) fn new(config: &Config, options: &Options, accounts: &mut Accounts) -> Configured {
        let system = options.accounts.system.as_deref().unwrap_or(SYSTEM);
        let declared = options.accounts.declared.iter().map(|account| account.name.as_str());
        Configured {
            issuer: config.issuer.clone(),
            own: config.auth_users.iter().cloned().collect(),
            asked: config.allowed_accounts.iter().map(|name| accounts.number(name)).collect(),
            accounts: declared.chain([GLOBAL, system]).map(|name| accounts.number(name)).collect(),
        }
    }

    pub(super) fn is_asked_about(&self, name: &str, account: Option<AccountId>) -> bool {
        let asked = |account: AccountId| self.asked.is_empty() || self.asked.contains(&account);
        !self.own.contains(name) && account.is_none_or(asked)
    }

    pub(super) fn still_vouches(&self, before: &Configured, account: AccountId) -> bool {
        self.issuer == before.issuer && self.has(account)
    }

    /// Whether there is such an account.
    pub(super) fn has(&self, account: AccountId) -> bool {
        self.accounts.contains(&account)
    }
}

impl OfAccount {
    /// Nothing where the account's own keys say who comes in.
    pub(super) fn new(key: &str, config: &ExternalAuthorization) -> Option<OfAccount> {
        let allowed = config.allowed_accounts.clone();
        config.is_on().then(|| OfAccount { key: key.to_owned(), allowed })
    }

    /// spec/security.md §5: the callout account, or one in allowed_accounts, `*` any.
    pub(super) fn may_put_into(&self, key: &str) -> bool {
        key == self.key || self.allowed.iter().any(|one| one == key || one == ANY_ACCOUNT)
    }
}
