//! Where the tokens of accounts come from (spec/security.md §3, resolvers). Asked on the threads
//! that check logins and on the control thread, never on a core: an answer may take a while.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Options;
use config::resolver::Resolver as Wanted;

use crate::account_key::AccountKey;
use crate::folder_resolver::FolderResolver;
use crate::jwt::{self, Claims};
use crate::jwt_folder::{JwtStore, StoreError};
use crate::web_resolver::{ResolverTlsError, WebResolver};

/// Knows the tokens of accounts.
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The token of the account with this public key. It is not verified yet.
    ///
    /// # Errors
    /// [`FetchError`]
    fn fetch(&self, account: &str) -> Result<String, FetchError>;

    /// Whether [`Resolver::fetch`] would ask others, which may take a while and costs them work.
    fn must_ask(&self, account: &AccountKey) -> bool;

    /// The folder behind it, where there is one.
    fn folder(&self) -> Option<&FolderResolver> {
        None
    }
}

/// How long somebody waits for what others have. It is not for the simulator: who fetches, waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    until: Instant,
}

impl Patience {
    /// From now on.
    pub(crate) fn of(time: Duration) -> Patience {
        Patience { until: Instant::now() + time }
    }

    /// Whether it is over.
    pub(crate) fn is_over(self) -> bool {
        Instant::now() >= self.until
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody has heard of the account.
    #[error("account not found")]
    Unknown,
    /// Whoever knows could not be asked, or did not answer in time.
    #[error("account resolver: {0}")]
    Unreachable(String),
}

/// A resolver that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("operators require an account resolver to be configured")]
    None,
    /// One on the web has accounts of its own.
    #[error("resolver_preload needs a resolver of type MEMORY, full or cache")]
    Preload,
    /// One on the web that does not answer.
    #[error("resolver: {0}")]
    Web(#[from] FetchError),
    /// Its certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] ResolverTlsError),
    /// Its folder cannot be used.
    #[error("resolver: {}: {error}", dir.display())]
    Folder {
        /// Which.
        dir: PathBuf,
        /// Why not.
        error: StoreError,
    },
}

/// What `resolver` asks for, or what an operator's token implies. One on the web is asked whether
/// it is there; a folder gets what is preloaded. The tokens in `resolver_preload` are good.
///
/// # Errors
/// [`OpenError`]
pub(crate) fn open(
    wanted: Option<&Wanted>,
    options: &Options,
) -> Result<Arc<dyn Resolver>, OpenError> {
    let preload = &options.operator.preload;
    match wanted.ok_or(OpenError::None)? {
        Wanted::Memory => Ok(Arc::new(Memory::new(preload.clone()))),
        Wanted::Url(_) if !preload.is_empty() => Err(OpenError::Preload),
        Wanted::Url(url) => {
            let resolver = WebResolver::new(url, options.resolver_tls.as_ref())?;
            resolver.check()?;
            Ok(Arc::new(resolver))
        }
        Wanted::Folder(folder) => {
            let failed = |error| OpenError::Folder { dir: folder.dir.clone(), error };
            let store = JwtStore::open(folder).map_err(|error| failed(error.into()))?;
            for (account, token) in preload {
                let claims = Claims::<jwt::Account>::decode(token.trim());
                if let (Some(account), Ok(claims)) = (AccountKey::parse(account), claims) {
                    store.save_if_newer(&account, &claims, token.trim()).map_err(failed)?;
                }
            }
            Ok(Arc::new(FolderResolver::new(store)))
        }
    }
}

/// `resolver: MEMORY`: the tokens of `resolver_preload`, and no others.
#[derive(Debug, Default)]
pub struct Memory {
    tokens: HashMap<String, String>,
}

impl Memory {
    /// These tokens, by account.
    pub fn new(tokens: impl IntoIterator<Item = (String, String)>) -> Memory {
        Memory { tokens: tokens.into_iter().collect() }
    }
}

impl Resolver for Memory {
    fn must_ask(&self, _: &AccountKey) -> bool {
        false
    }

    fn fetch(&self, account: &str) -> Result<String, FetchError> {
        self.tokens.get(account).cloned().ok_or(FetchError::Unknown)
    }
}
