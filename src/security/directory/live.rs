//! Accounts of operators that change or go while the server runs (spec/security.md §3, account JWT
//! update). Each makes another directory; what does not concern the account is shared.

use std::sync::Arc;

use super::operators::seconds;
use super::{Directory, Rules};
use crate::account_key::AccountKey;
use crate::exchange::ImportError;
use crate::folder_resolver::FolderResolver;
use crate::operator::{AccountError, OperatorMode, SeenAccount};

impl Directory {
    fn operators(&self) -> Option<&OperatorMode> {
        match &self.rules {
            Rules::Operator(mode) => Some(mode),
            _ => None,
        }
    }

    /// The folder of tokens, where they are in one.
    pub fn folder(&self) -> Option<&FolderResolver> {
        self.operators()?.trust.folder()
    }

    /// Whether the holder of this key may sign accounts.
    pub fn trusts(&self, issuer: &str) -> bool {
        self.operators().is_some_and(|mode| mode.trust.is_trusted(issuer))
    }

    /// Whether somebody here uses the account, or imports from it.
    pub fn concerns(&self, account: &AccountKey) -> bool {
        self.operators().is_some_and(|mode| mode.concerns(account.as_str()))
    }

    /// Reads a token of the account, and fetches those from which it imports and that nobody used
    /// yet. Takes as long as the resolver does.
    ///
    /// # Errors
    /// Why the token is none.
    pub fn read_account(
        &self,
        account: &AccountKey,
        token: &str,
        now_ns: u64,
    ) -> Result<Vec<Arc<SeenAccount>>, AccountError> {
        match self.operators() {
            Some(mode) => mode.read(account.as_str(), token, seconds(now_ns)),
            None => Err(AccountError::NotTrusted),
        }
    }

    /// Without this account; and the imports that cannot be any more.
    pub fn without_account(
        &self,
        account: &AccountKey,
        now_ns: u64,
    ) -> (Directory, Vec<ImportError>) {
        let mut next = self.clone();
        let Rules::Operator(mode) = &mut next.rules else { return (next, Vec::new()) };
        mode.forget(&mut next.accounts, account.as_str());
        let faults = mode.open_ways(&mut next.accounts, seconds(now_ns));
        (next, faults)
    }
}
