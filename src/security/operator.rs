//! Operator mode: accounts and users are those that tokens tell of, and the word of the operators
//! is taken for them (spec/security.md §3).
//!
//! An account is fetched when somebody first wants to use it, checked, and from then on it is one
//! of the directory's. Users are never stored: each brings its own token.

mod activation;
mod admission;
mod exchange;
mod networks;
mod seen;
mod template;
mod times;
mod translate;
mod trust;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::AccountId;
use config::accounts::AccountLimits;
use config::limits;
use config::options::ConnectionKinds;

use crate::account::Accounts;
use crate::callout::Callout;
use crate::credentials::{Denied, Session};
use crate::directory::Standing;
use crate::resolver::Patience;

pub(crate) use admission::{Circumstances, Delegation, Refusal, granted};
pub use seen::{AccountError, SeenAccount};
pub(crate) use trust::Trust;
pub use trust::TrustError;

/// Whose word is taken, and the accounts that were seen so far.
#[derive(Clone, Debug)]
pub(crate) struct OperatorMode {
    pub(crate) trust: Arc<Trust>,
    seen: HashMap<Arc<str>, (AccountId, Arc<SeenAccount>)>,
    /// When some import is over, seconds since the Unix epoch.
    pub(crate) import_ends_s: Option<i64>,
}

impl OperatorMode {
    /// Nobody was seen yet.
    pub(crate) fn new(trust: Arc<Trust>) -> OperatorMode {
        OperatorMode { trust, seen: HashMap::new(), import_ends_s: None }
    }

    /// The account with this key, if it was seen.
    pub(crate) fn account(&self, key: &str) -> Option<&(AccountId, Arc<SeenAccount>)> {
        self.seen.get(key)
    }

    /// Those that were seen, by their keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &SeenAccount)> {
        self.seen.iter().map(|(key, (_, seen))| (key.as_ref(), seen.as_ref()))
    }

    /// Whether a client that is logged in may stay: only what its account says can have changed,
    /// or that of the service that let it in.
    pub(crate) fn still_allows(
        &self,
        before: &OperatorMode,
        session: &Session,
        now_ns: u64,
    ) -> Standing {
        let unknown = Standing::Gone(Denied::Credentials);
        let Some(claims) = &session.claims else { return unknown };
        let account =
            |mode: &OperatorMode| mode.account(claims.account()).map(|(_, seen)| Arc::clone(seen));
        let same = match (account(self), account(before)) {
            (Some(now), Some(then)) => Arc::ptr_eq(&now, &then),
            _ => false,
        };
        let may_say_so = match &session.callout {
            Some(said_by) => self.still_vouches(said_by, claims.account()),
            None => same || self.delegation(session).is_none(),
        };
        if !may_say_so {
            return unknown;
        }
        if same && Arc::ptr_eq(&self.trust, &before.trust) {
            return Standing::Same;
        }
        let circumstances = Circumstances { now_ns, address: None, kind: ConnectionKinds::NONE };
        match self.judge(Arc::clone(claims), circumstances) {
            Ok((now, _)) => {
                let now = match &session.callout {
                    Some(said_by) => said_by.vouched(session.user.clone(), now),
                    None => now,
                };
                let now = Session { proxy: session.proxy.clone(), ..now };
                if now == *session { Standing::Same } else { Standing::Changed(Box::new(now)) }
            }
            Err(Refusal::Revoked) => Standing::Gone(Denied::Revoked),
            Err(Refusal::AccountExpired) => Standing::Gone(Denied::AccountExpired),
            Err(_) => unknown,
        }
    }

    /// Whether a service may still put users into the account `target`.
    fn still_vouches(&self, said_by: &Callout, target: &str) -> bool {
        let now = said_by.of_operator().and_then(|key| self.account(key));
        let now = now.and_then(|(id, seen)| Callout::of_account(*id, seen));
        now.is_some_and(|now| now.may_put_into(target))
    }

    /// The account and, where they are not known yet, those from which it imports. Asks the
    /// resolver, so it may take a while.
    ///
    /// # Errors
    /// Why the account itself is none; others that are none, or for which no patience is left, are
    /// left out.
    pub(crate) fn fetch(
        &self,
        key: &str,
        now_s: i64,
        patience: Patience,
    ) -> Result<Vec<Arc<SeenAccount>>, AccountError> {
        let mut found: BTreeMap<String, Option<Arc<SeenAccount>>> = BTreeMap::new();
        let mut wanted = vec![key.to_owned()];
        while let Some(next) = wanted.pop() {
            let is_known = self.seen.contains_key(next.as_str()) || found.contains_key(&next);
            let is_enough = found.len() >= limits::ACCOUNTS_FETCHED_MAX || patience.is_over();
            if is_known || (is_enough && next != key) {
                continue;
            }
            let fetched = self.trust.fetch(&next, now_s);
            let fetched = match fetched {
                Err(error) if next == key => return Err(error),
                fetched => fetched.ok().map(Arc::new),
            };
            if let Some(seen) = &fetched {
                wanted.extend(seen.claims.content.imports.iter().map(|i| i.account.clone()));
            }
            found.insert(next, fetched);
        }
        Ok(found.into_values().flatten().collect())
    }

    /// A token of the account, read, and the accounts from which it imports and that are not known
    /// yet. Asks the resolver for those.
    ///
    /// # Errors
    /// Why the token is none.
    pub(crate) fn read(
        &self,
        key: &str,
        token: &str,
        now_s: i64,
    ) -> Result<Vec<Arc<SeenAccount>>, AccountError> {
        let seen = SeenAccount::read(token, key, &self.trust, now_s)?;
        let patience = Patience::of(limits::ACCOUNTS_FETCH_TIMEOUT);
        let mut all: Vec<Arc<SeenAccount>> = Vec::new();
        for import in &seen.claims.content.imports {
            let is_here = import.account == key
                || all.iter().any(|other| other.claims.subject == import.account);
            let is_enough = all.len() >= limits::ACCOUNTS_FETCHED_MAX || patience.is_over();
            if !is_here && !is_enough {
                // An exporter that is none is a fault of the import, which is told of later.
                all.extend(self.fetch(&import.account, now_s, patience).unwrap_or_default());
            }
        }
        all.retain(|other| other.claims.subject != key);
        all.push(Arc::new(seen));
        Ok(all)
    }

    /// Whether the account was seen, or one that was seen imports from it.
    pub(crate) fn concerns(&self, key: &str) -> bool {
        let imports = |seen: &SeenAccount| seen.config.imports.iter().any(|i| i.account == key);
        self.seen.contains_key(key) || self.seen.values().any(|(_, seen)| imports(seen))
    }

    /// Whether one of these accounts, as they are here now or as they are to be, exports or imports
    /// anything.
    pub(crate) fn exchange_anything(&self, accounts: &[Arc<SeenAccount>]) -> bool {
        let exchanges =
            |seen: &SeenAccount| !seen.config.imports.is_empty() || !seen.config.exports.is_empty();
        accounts.iter().any(|new| {
            let now = self.account(&new.config.name).map(|(_, seen)| seen);
            exchanges(new) || now.is_some_and(|now| exchanges(now))
        })
    }

    /// Forgets an account. Its number stays its own.
    pub(crate) fn forget(&mut self, accounts: &mut Accounts, key: &str) {
        if let Some((id, _)) = self.seen.remove(key) {
            accounts.change(id, |account| {
                account.tag = Arc::clone(&account.name);
                account.limits = AccountLimits::default();
                account.mappings = None;
                account.ways = Arc::default();
            });
        }
    }

    /// Takes accounts in, or over those of the same names, and gives each what is its own.
    pub(crate) fn take(&mut self, accounts: &mut Accounts, new: &[Arc<SeenAccount>]) {
        for seen in new {
            let id = accounts.number(&seen.config.name);
            accounts.change(id, |account| {
                account.tag = match seen.claims.name.as_str() {
                    "" => Arc::clone(&account.name),
                    tag => tag.into(),
                };
                account.limits = seen.config.limits;
                account.jetstream = seen.config.jetstream;
                account.tiers = seen.config.tiers.as_slice().into();
                account.mappings.clone_from(&seen.mappings);
            });
            let name = Arc::clone(accounts.name(id));
            self.seen.insert(name, (id, Arc::clone(seen)));
        }
    }
}

#[cfg(test)]
mod tests;
