//! What all streams of a core stand on: the storage, what may still be stored, who the accounts
//! are, and what the operator decided. A call on one stream borrows it as [`Means`].

use std::collections::HashMap;
use std::rc::Rc;

use base::{AccountId, Now};
use storage::Storage;

use super::figures::Quotas;
use crate::AccountLimits;
use crate::outlet::Outlet;
use crate::service::held::Means;
use crate::settings::Settings;
use crate::stream_config;

/// What all streams of a core share.
pub(super) struct Ground {
    pub(super) settings: Rc<Settings>,
    pub(super) storage: Storage,
    pub(super) quotas: Quotas,
    pub(super) accounts: Accounts,
}

impl Ground {
    /// What a stream that is kept in `kind` works with in one call.
    #[inline]
    pub(super) fn means<'a>(
        &'a mut self,
        kind: stream_config::Storage,
        now: Now,
        outlet: &'a mut dyn Outlet,
    ) -> Means<'a> {
        Means {
            storage: &mut self.storage,
            outlet,
            quota: self.quotas.of(kind),
            now,
            settings: &self.settings,
            accounts: &self.accounts,
        }
    }
}

/// The accounts that may use JetStream: their names, and what they may use.
#[derive(Default)]
pub(crate) struct Accounts {
    known: HashMap<AccountId, (String, AccountLimits)>,
}

impl Accounts {
    /// One more, or other limits for one that is known.
    pub(super) fn admit(&mut self, account: AccountId, name: &str, limits: AccountLimits) {
        self.known.insert(account, (name.to_owned(), limits));
    }

    /// All of them, in no order.
    pub(super) fn ids(&self) -> impl Iterator<Item = AccountId> {
        self.known.keys().copied()
    }

    /// The account of this name.
    pub(super) fn find(&self, name: &str) -> Option<AccountId> {
        self.known.iter().find(|(_, (known, _))| known == name).map(|(&account, _)| account)
    }

    /// How it is called; empty for one that is not known.
    pub(crate) fn name(&self, account: AccountId) -> &str {
        self.known.get(&account).map_or("", |(name, _)| name)
    }

    /// What it may use.
    pub(crate) fn limits(&self, account: AccountId) -> AccountLimits {
        self.known.get(&account).map_or_else(AccountLimits::default, |(_, limits)| *limits)
    }
}
