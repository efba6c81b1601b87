//! Where the tokens of accounts come from (spec/security.md §3, resolvers). Asked on the threads
//! that check logins and on the control thread, never on a core: an answer may take a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use config::Options;
use config::resolver::Resolver as Wanted;

/// Knows the tokens of accounts.
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The token of the account with this public key. It is not verified yet.
    ///
    /// # Errors
    /// [`FetchError`]
    fn fetch(&self, account: &str) -> Result<String, FetchError>;
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("operators require an account resolver to be configured")]
    None,
    /// A kind that Corewire does not have yet.
    #[error("a resolver of type {0} is not built yet")]
    NotBuilt(&'static str),
}

/// What `resolver` asks for, or what an operator's token implies.
///
/// # Errors
/// [`OpenError`]
pub(crate) fn open(
    wanted: Option<&Wanted>,
    options: &Options,
) -> Result<Arc<dyn Resolver>, OpenError> {
    match wanted.ok_or(OpenError::None)? {
        Wanted::Memory => Ok(Arc::new(Memory::new(options.operator.preload.clone()))),
        other => Err(OpenError::NotBuilt(other.kind())),
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
    fn fetch(&self, account: &str) -> Result<String, FetchError> {
        self.tokens.get(account).cloned().ok_or(FetchError::Unknown)
    }
}
