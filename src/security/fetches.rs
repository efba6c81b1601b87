//! Which accounts are to be fetched from others: each once at a time, however many logins wait for
//! it, and only so many together. A stranger can make up names without end; this bounds what that
//! costs. Time comes as an argument.
//!
//! ```text
//! ask ──▶ queue ──next──▶ under way ──done──▶ those that waited
//!   └──▶ refused: too many, or nobody had it a moment ago
//! ```

use std::collections::{HashMap, VecDeque};

use config::limits;

use crate::account_key::AccountKey;
use crate::operator::AccountError;
use crate::resolver::FetchError;

/// Accounts that are wanted, with the logins `T` that wait for them.
#[derive(Debug)]
pub struct Fetches<T> {
    waiting: HashMap<AccountKey, Vec<T>>,
    /// Logins in `waiting`.
    logins: usize,
    /// Accounts whose turn has not come.
    queue: VecDeque<AccountKey>,
    /// How many fetch; each asks for the next account when it is done with one.
    fetchers: usize,
    missed: Missed,
}

/// What becomes of a login whose account is wanted.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted<T> {
    /// It waits, and one more must begin to fetch.
    Begin,
    /// It waits.
    Waits,
    /// It is refused.
    Refused(T, NotFetched),
}

/// Why an account is not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFetched {
    /// Nobody had it a moment ago.
    #[error("account not found a moment ago")]
    Missed,
    /// Too many accounts or logins wait.
    #[error("too many accounts are looked up")]
    Busy,
}

/// An account to be fetched: itself, and what its first login says of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Next<R> {
    /// Its key.
    pub account: AccountKey,
    /// What was said.
    pub said: R,
}

impl<T> Default for Fetches<T> {
    fn default() -> Fetches<T> {
        Fetches {
            waiting: HashMap::new(),
            logins: 0,
            queue: VecDeque::new(),
            fetchers: 0,
            missed: Missed::default(),
        }
    }
}

impl<T> Fetches<T> {
    /// A login whose account others must be asked for.
    pub fn ask(&mut self, account: AccountKey, login: T, now_ns: u64) -> Wanted<T> {
        if self.logins >= limits::LOGINS_FETCHING_MAX {
            return Wanted::Refused(login, NotFetched::Busy);
        }
        if let Some(waiting) = self.waiting.get_mut(&account) {
            waiting.push(login);
            self.logins += 1;
            return Wanted::Waits;
        }
        if self.missed.is_recent(&account, now_ns) {
            return Wanted::Refused(login, NotFetched::Missed);
        }
        if self.queue.len() >= limits::ACCOUNTS_WANTED_MAX {
            return Wanted::Refused(login, NotFetched::Busy);
        }
        self.waiting.insert(account.clone(), vec![login]);
        self.logins += 1;
        self.queue.push_back(account);
        if self.fetchers >= limits::ACCOUNT_FETCHERS_MAX {
            return Wanted::Waits;
        }
        self.fetchers += 1;
        Wanted::Begin
    }

    /// The next account for one who fetches, with what `look` finds at its first login. Accounts
    /// for which `is_late` says that nobody waits any more are passed over. At `None` the one who
    /// asks is at its end.
    pub fn next<R>(
        &mut self,
        is_late: impl Fn(&T) -> bool,
        look: impl Fn(&T) -> R,
    ) -> Option<Next<R>> {
        while let Some(account) = self.queue.pop_front() {
            let logins = self.waiting.get(&account).map_or(&[][..], Vec::as_slice);
            match logins.first() {
                Some(first) if !logins.iter().all(&is_late) => {
                    let said = look(first);
                    return Some(Next { account, said });
                }
                _ => drop(self.take(&account)),
            }
        }
        self.fetchers -= 1;
        None
    }

    /// What came of a fetch; the logins that waited for it.
    pub fn done(
        &mut self,
        account: &AccountKey,
        error: Option<&AccountError>,
        now_ns: u64,
    ) -> Vec<T> {
        // Who could not be reached may be back at any time.
        if error == Some(&AccountError::Fetch(FetchError::Unknown)) {
            self.missed.note(account.clone(), now_ns);
        }
        self.take(account)
    }

    /// Nobody can fetch: the logins that wait for what has no turn, where that is all of them.
    pub fn give_up(&mut self) -> Vec<T> {
        self.fetchers -= 1;
        if self.fetchers > 0 {
            return Vec::new();
        }
        let accounts = std::mem::take(&mut self.queue);
        accounts.iter().flat_map(|account| self.take(account)).collect()
    }

    fn take(&mut self, account: &AccountKey) -> Vec<T> {
        let logins = self.waiting.remove(account).unwrap_or_default();
        self.logins -= logins.len();
        logins
    }
}

/// Accounts that nobody had, for a while each.
#[derive(Debug, Default)]
struct Missed {
    until_ns: HashMap<AccountKey, u64>,
    /// In the order in which they end.
    ends: VecDeque<(u64, AccountKey)>,
}

impl Missed {
    fn is_recent(&mut self, account: &AccountKey, now_ns: u64) -> bool {
        while self.ends.front().is_some_and(|(until_ns, _)| *until_ns <= now_ns) {
            self.forget_first();
        }
        self.until_ns.contains_key(account)
    }

    fn note(&mut self, account: AccountKey, now_ns: u64) {
        if self.ends.len() >= limits::ACCOUNTS_MISSED_MAX {
            self.forget_first();
        }
        let until_ns = now_ns.saturating_add(limits::ACCOUNT_MISSED_LIFETIME.as_nanos() as u64);
        self.until_ns.insert(account.clone(), until_ns);
        self.ends.push_back((until_ns, account));
    }

    fn forget_first(&mut self) {
        let Some((until_ns, account)) = self.ends.pop_front() else { return };
        // It may have been missed again since.
        if self.until_ns.get(&account) == Some(&until_ns) {
            self.until_ns.remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    use nkeys::KeyPair;

    use super::*;

    const START_NS: u64 = 1_800_000_000_000_000_000;
    const LIFETIME_NS: u64 = limits::ACCOUNT_MISSED_LIFETIME.as_nanos() as u64;

    fn account() -> AccountKey {
        AccountKey::parse(&KeyPair::new_account().public_key()).expect("a key")
    }

    fn next(fetches: &mut Fetches<u32>) -> Option<Next<u32>> {
        fetches.next(|_| false, |login| *login)
    }

    #[test]
    fn an_account_is_fetched_once_for_all_who_wait_for_it() {
        let mut fetches = Fetches::default();
        let key = account();
        assert_eq!(fetches.ask(key.clone(), 1, START_NS), Wanted::Begin);
        assert_eq!(fetches.ask(key.clone(), 2, START_NS), Wanted::Waits);
        assert_eq!(next(&mut fetches), Some(Next { account: key.clone(), said: 1 }));
        // Also while it is under way.
        assert_eq!(fetches.ask(key.clone(), 3, START_NS), Wanted::Waits);
        assert_eq!(fetches.done(&key, None, START_NS), [1, 2, 3]);
        assert_eq!(next(&mut fetches), None, "and the fetcher ends");
        assert_eq!(fetches.ask(key, 4, START_NS), Wanted::Begin, "the next begins anew");
    }

    #[test]
    fn what_nobody_has_is_not_asked_for_again_at_once() {
        let mut fetches = Fetches::default();
        let (key, other) = (account(), account());
        for (wanted, error) in [
            (&key, FetchError::Unknown),
            (&other, FetchError::Unreachable("nobody answered".to_owned())),
        ] {
            assert_eq!(fetches.ask(wanted.clone(), 1, START_NS), Wanted::Begin);
            next(&mut fetches).expect("the account");
            let error = AccountError::Fetch(error);
            assert_eq!(fetches.done(wanted, Some(&error), START_NS), [1]);
            assert_eq!(next(&mut fetches), None);
        }
        let late_ns = START_NS + LIFETIME_NS - 1;
        assert_eq!(fetches.ask(key.clone(), 2, late_ns), Wanted::Refused(2, NotFetched::Missed));
        assert_eq!(fetches.ask(other, 2, late_ns), Wanted::Begin, "it may be back");
        assert_eq!(fetches.ask(key, 3, late_ns + 1), Wanted::Begin, "and so may what was missing");
    }

    #[test]
    fn made_up_names_cost_no_more_than_so_many_questions() {
        let mut fetches = Fetches::default();
        let (mut begun, mut refused) = (0, 0);
        let all = limits::ACCOUNT_FETCHERS_MAX + limits::ACCOUNTS_WANTED_MAX;
        for login in 0..2 * all as u32 {
            match fetches.ask(account(), login, START_NS) {
                Wanted::Begin => {
                    begun += 1;
                    next(&mut fetches).expect("its account is under way");
                }
                Wanted::Waits => {}
                Wanted::Refused(_, why) => {
                    assert_eq!(why, NotFetched::Busy);
                    refused += 1;
                }
            }
        }
        assert_eq!((begun, refused), (limits::ACCOUNT_FETCHERS_MAX, all));
        // A resolver so slow that nobody waits any more is not asked for the rest.
        assert_eq!(fetches.next(|_| true, |login| *login), None);
        assert_eq!(fetches.logins, limits::ACCOUNT_FETCHERS_MAX);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut missed = Missed::default();
        let first = account();
        missed.note(first.clone(), START_NS);
        for _ in 0..limits::ACCOUNTS_MISSED_MAX {
            missed.note(account(), START_NS + 1);
        }
        assert!(!missed.is_recent(&first, START_NS + 2), "the oldest made room");
        assert_eq!(missed.ends.len(), limits::ACCOUNTS_MISSED_MAX);
        assert_eq!(missed.until_ns.len(), limits::ACCOUNTS_MISSED_MAX);
        assert!(!missed.is_recent(&first, START_NS + 1 + LIFETIME_NS));
        assert!(missed.ends.is_empty() && missed.until_ns.is_empty());
    }

    #[test]
    fn where_nobody_can_fetch_nobody_waits_for_ever() {
        let mut fetches = Fetches::default();
        assert_eq!(fetches.ask(account(), 1, START_NS), Wanted::Begin);
        assert_eq!(fetches.give_up(), [1]);
        assert_eq!(fetches.logins, 0);
        assert_eq!(fetches.ask(account(), 2, START_NS), Wanted::Begin);
    }
}
