//! Account JWTs from a folder of this server's own, and, where it holds only what was used, from
//! other servers. spec/security.md §3, resolvers full and cache

use std::fmt;
use std::sync::Arc;

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
    /// Nobody for a folder of all accounts.
    others: Option<AskOthers>,
}

impl FolderResolver {
    /// What is in the folder is all there is.
    pub fn alone(store: Arc<JwtStore>) -> FolderResolver {
        FolderResolver { store, others: None }
    }

    /// What is missing in the folder is asked for, and kept.
    pub fn asking(store: Arc<JwtStore>, others: AskOthers) -> FolderResolver {
        FolderResolver { store, others: Some(others) }
    }
}

impl Resolver for FolderResolver {
    fn fetch(&self, account: &str) -> Result<String, FetchError> {
        let account = AccountKey::parse(account).ok_or(FetchError::Unknown)?;
        if let Some(token) = self.store.get(&account) {
            return Ok(token);
        }
        let others = self.others.as_ref().ok_or(FetchError::Unknown)?;
        let token = others(&account)?;
        let claims = Claims::<jwt::Account>::decode(&token)
            .ok()
            .filter(|claims| claims.subject == account.as_str());
        let claims = claims.ok_or(FetchError::Unknown)?;
        // A disk that is full is no reason to refuse the login.
        let _ = self.store.save(&account, &claims, &token);
        Ok(token)
    }
}

impl fmt::Debug for FolderResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderResolver").field("store", &self.store).finish_non_exhaustive()
    }
}
