//! The directory in operator mode: nobody is known at first but the system account, and accounts
//! come as somebody wants to use them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use config::Options;
use config::accounts::SYSTEM;

use super::{Directory, DirectoryError, Nobody, Rules};
use crate::account::Accounts;
use crate::exchange::ImportError;
use crate::operator::{AccountError, OperatorMode, SeenAccount, Trust, TrustError};
use crate::proxies::TrustedProxies;

impl Directory {
    /// Of those whose operators are trusted. Nobody is known at first but the system account, and
    /// at a reload those that `before` knew, which are fetched anew.
    pub(super) fn of_operators(
        options: &Options,
        before: Option<&Directory>,
    ) -> Result<Directory, DirectoryError> {
        let trust = Arc::new(Trust::new(options)?);
        let system = trust.system.clone();
        let mut accounts = match before {
            Some(before) => before.accounts.clone(),
            None => Accounts::new(system.as_deref().unwrap_or(SYSTEM)),
        };
        accounts.clear();
        accounts.set_system(!options.accounts.no_system);
        let mode = Box::new(OperatorMode::new(trust));
        let rules = Rules::Operator(mode);
        let mut directory = Directory {
            accounts,
            rules,
            nobody: Nobody::Refused,
            hashes: false,
            proxies: TrustedProxies::new(&options.proxies),
            callout: None,
        };
        let now_ns = wall_ns();
        let known = match before.map(|before| &before.rules) {
            Some(Rules::Operator(mode)) => mode.names(),
            _ => Vec::new(),
        };
        let mut found: HashMap<String, Arc<SeenAccount>> = HashMap::new();
        for name in known {
            // Who is to be had no more is gone.
            if !found.contains_key(&name)
                && let Some(Ok(accounts)) = directory.fetch(&name, now_ns)
            {
                let named = accounts.into_iter().map(|seen| (seen.claims.subject.clone(), seen));
                found.extend(named);
            }
        }
        let found: Vec<Arc<SeenAccount>> = found.into_values().collect();
        directory = directory.with_accounts(&found, now_ns).0;
        if let Some(system) = &system {
            directory = directory.with_system(system, options, now_ns)?;
        }
        Ok(directory)
    }

    /// With the system account, which servers that have all accounts in memory must know.
    fn with_system(
        self,
        system: &str,
        options: &Options,
        now_ns: u64,
    ) -> Result<Directory, TrustError> {
        match self.fetch(system, now_ns) {
            Some(Ok(found)) => Ok(self.with_accounts(&found, now_ns).0),
            Some(Err(error)) if options.resolver == Some(config::resolver::Resolver::Memory) => {
                Err(TrustError::Bootstrap(error.to_string()))
            }
            // Others may learn of it while they run.
            _ => Ok(self),
        }
    }

    /// With these accounts besides, or in place of those that had their names; and what they
    /// import that cannot be. Other accounts stay as they are.
    pub fn with_accounts(
        &self,
        new: &[Arc<SeenAccount>],
        now_ns: u64,
    ) -> (Directory, Vec<ImportError>) {
        let mut next = self.clone();
        let Rules::Operator(mode) = &mut next.rules else { return (next, Vec::new()) };
        // An account that exchanges nothing changes no ways, and of those there may be very many.
        let exchanged = new.is_empty() || mode.exchange_anything(new);
        mode.take(&mut next.accounts, new);
        let mut faults = match exchanged {
            true => mode.open_ways(&mut next.accounts, seconds(now_ns)),
            false => Vec::new(),
        };
        // What others cannot import was told when they came.
        let names: HashSet<&str> = new.iter().map(|seen| seen.claims.subject.as_str()).collect();
        faults.retain(|fault| names.contains(fault.account()));
        (next, faults)
    }

    /// Whether some import is over, and [`Directory::with_accounts`] would say so.
    pub fn is_stale(&self, now_ns: u64) -> bool {
        match &self.rules {
            Rules::Operator(mode) => mode.import_ends_s.is_some_and(|end| end < seconds(now_ns)),
            _ => false,
        }
    }

    /// The account with this public key, as it was fetched, in operator mode.
    pub fn seen(&self, account: &str) -> Option<&Arc<SeenAccount>> {
        match &self.rules {
            Rules::Operator(mode) => mode.account(account).map(|(_, seen)| seen),
            _ => None,
        }
    }

    /// Fetches an account and those from which it imports; `None` where nobody can be fetched.
    /// Takes as long as the resolver does.
    pub(crate) fn fetch(
        &self,
        account: &str,
        now_ns: u64,
    ) -> Option<Result<Vec<Arc<SeenAccount>>, AccountError>> {
        match &self.rules {
            Rules::Operator(mode) => Some(mode.fetch(account, seconds(now_ns))),
            _ => None,
        }
    }
}

pub(super) fn seconds(now_ns: u64) -> i64 {
    (now_ns / 1_000_000_000) as i64
}

/// The time when a directory is made: at the start and at a reload, never on a core.
fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
