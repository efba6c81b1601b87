//! Account JWTs from a folder of this server's own, and, where it holds only what was used, from
//! other servers. spec/security.md §3, resolvers full and cache

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::account_key::AccountKey;
use crate::jwt::{self, Claims};
use crate::jwt_folder::JwtStore;
use crate::resolver::{FetchError, Resolver};

/// Asks other servers for an account's token; it may block, for a bounded time. The token is not
/// verified yet.
pub type AskOthers = Box<dyn Fn(&AccountKey) -> Result<String, FetchError> + Send + Sync>;

/// The resolver.
pub struct FolderResolver {
    store: Arc<JwtStore>,
    /// Nobody for a folder of all accounts, and until there is somebody.
    others: OnceLock<AskOthers>,
}

impl FolderResolver {
    /// What is in the folder is all there is.
    pub fn new(store: JwtStore) -> FolderResolver {
        FolderResolver { store: Arc::new(store), others: OnceLock::new() }
    }

    /// The folder.
    pub fn store(&self) -> &Arc<JwtStore> {
        &self.store
    }

    /// From now on others are asked for what is not in the folder, and it is kept there. Nothing
    /// changes for a folder of all accounts.
    pub fn ask_others_by(&self, others: AskOthers) {
        if !self.store.holds_all() {
            // Whoever was to be asked before still is.
            let _ = self.others.set(others);
        }
    }
}

impl Resolver for FolderResolver {
    fn fetch(&self, account: &str) -> Result<String, FetchError> {
        let account = AccountKey::parse(account).ok_or(FetchError::Unknown)?;
        if let Some(token) = self.store.get(&account) {
            return Ok(token);
        }
        if self.store.holds_all() {
            return Err(FetchError::Unknown);
        }
        let nobody = || FetchError::Unreachable(String::from("nobody to ask yet"));
        let token = self.others.get().ok_or_else(nobody)?(&account)?;
        let claims = Claims::<jwt::Account>::decode(&token)
            .ok()
            .filter(|claims| claims.subject == account.as_str());
        claims.ok_or(FetchError::Unknown)?;
        // A disk that is full is no reason to refuse the login.
        let _ = self.store.save(&account, &token);
        Ok(token)
    }

    fn must_ask(&self, account: &AccountKey) -> bool {
        !self.store.holds_all() && self.store.get(account).is_none()
    }

    fn folder(&self) -> Option<&FolderResolver> {
        Some(self)
    }
}

impl fmt::Debug for FolderResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderResolver").field("store", &self.store).finish_non_exhaustive()
    }
}
