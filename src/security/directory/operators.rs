//! The directory in operator mode: nobody is known at first but the system account, and accounts
//! come as somebody wants to use them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use config::accounts::SYSTEM;
use config::{Options, limits};

use super::{Directory, DirectoryError, Nobody, Rules};
use crate::account::Accounts;
use crate::account_key::AccountKey;
use crate::credentials::Session;
use crate::exchange::ImportError;
use crate::jwt::{Claims, User};
use crate::operator::{
    AccountError, Circumstances, OperatorMode, Refusal, SeenAccount, Trust, TrustError,
};
use crate::proxies::TrustedProxies;
use crate::resolver::{FetchError, Patience};

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
        let found = match before.map(|before| &before.rules) {
            Some(Rules::Operator(then)) => directory.fetch_again(then, now_ns),
            _ => Vec::new(),
        };
        directory = directory.with_accounts(&found, now_ns).0;
        if let Some(system) = &system {
            directory = directory.with_system(system, options, now_ns)?;
        }
        Ok(directory)
    }

    /// The accounts that were seen before, as they are now. Who is to be had no more is gone; of
    /// whom nobody can be asked in time, the token that is there still counts.
    fn fetch_again(&self, before: &OperatorMode, now_ns: u64) -> Vec<Arc<SeenAccount>> {
        let Rules::Operator(mode) = &self.rules else { return Vec::new() };
        let (patience, now_s) = (Patience::of(limits::ACCOUNTS_FETCH_TIMEOUT), seconds(now_ns));
        let mut found: HashMap<String, Arc<SeenAccount>> = HashMap::new();
        for (name, seen) in before.all() {
            if found.contains_key(name) {
                continue;
            }
            let unreachable = || FetchError::Unreachable(String::from("no time is left"));
            let fetched = match patience.is_over() && self.must_ask(name) {
                true => Err(unreachable().into()),
                false => mode.fetch(name, now_s, patience),
            };
            let accounts = match fetched {
                Err(AccountError::Fetch(FetchError::Unreachable(_))) => {
                    let kept = SeenAccount::read(&seen.token, name, &mode.trust, now_s);
                    kept.into_iter().map(Arc::new).collect()
                }
                fetched => fetched.unwrap_or_default(),
            };
            found.extend(accounts.into_iter().map(|seen| (seen.claims.subject.clone(), seen)));
        }
        found.into_values().collect()
    }

    /// With the system account, which servers that have all accounts in memory must know.
    fn with_system(
        self,
        system: &str,
        options: &Options,
        now_ns: u64,
    ) -> Result<Directory, TrustError> {
        match self.fetch(system, now_ns) {
            Ok(found) => Ok(self.with_accounts(&found, now_ns).0),
            Err(error) if options.resolver == Some(config::resolver::Resolver::Memory) => {
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

    /// Fetches an account and those from which it imports. Takes as long as the resolver does.
    ///
    /// # Errors
    /// Why there is no such account.
    pub fn fetch(&self, account: &str, now_ns: u64) -> Result<Vec<Arc<SeenAccount>>, AccountError> {
        let patience = Patience::of(limits::ACCOUNTS_FETCH_TIMEOUT);
        match &self.rules {
            Rules::Operator(mode) => mode.fetch(account, seconds(now_ns), patience),
            _ => Err(AccountError::NotTrusted),
        }
    }

    /// Whether [`Directory::fetch`] would ask others for the account.
    pub fn must_ask(&self, account: &str) -> bool {
        match (&self.rules, AccountKey::parse(account)) {
            (Rules::Operator(mode), Some(account)) => mode.trust.must_ask(&account),
            _ => false,
        }
    }

    /// What the claims of a user are worth under these circumstances, whoever brings them.
    ///
    /// # Errors
    /// [`Refusal`]
    pub(crate) fn judge(
        &self,
        claims: Arc<Claims<User>>,
        circumstances: Circumstances,
    ) -> Result<Session, Refusal> {
        match &self.rules {
            Rules::Operator(mode) => Ok(mode.judge(claims, circumstances)?.0),
            _ => Err(Refusal::Issuer),
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
