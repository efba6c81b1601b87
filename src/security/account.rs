//! Accounts: names to numbers that stay, and what each may use.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base::AccountId;
use config::accounts::{AccountLimits, GLOBAL, JetStreamLimits, TraceDestination};
use subject::name;

use crate::exchange::{Way, WayKind};
use crate::mapping::Mappings;

/// One account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its number, for as long as the server runs.
    pub id: AccountId,
    /// Its name; in operator mode its public key.
    pub name: Arc<str>,
    /// What its operator calls it; its name where nobody says otherwise.
    pub tag: Arc<str>,
    /// How much it may use.
    pub limits: AccountLimits,
    /// Where its messages go besides.
    pub ways: Arc<[Way]>,
    /// What its subjects become when they are published.
    pub mappings: Option<Arc<Mappings>>,
    /// Where its messages are traced that carry a sampled `traceparent`.
    pub trace: Option<Arc<TraceDestination>>,
    /// What it may use of JetStream; nothing where it may not use it.
    pub jetstream: Option<JetStreamLimits>,
    /// The same by tier; none where there are no tiers.
    pub tiers: Arc<[(String, JetStreamLimits)]>,
    /// How much it uses, on all cores together.
    used: Arc<Used>,
}

/// What an account uses on all cores together. Touched when clients come and go only.
#[derive(Debug, Default)]
struct Used {
    connections: AtomicU32,
}

/// An account has all the connections that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountFull;

impl Account {
    /// Whether somebody may want to know who asks: requests leave it for another account, or for
    /// JetStream.
    pub fn asks_services(&self) -> bool {
        let leaves = |way: &Way| matches!(way.kind, WayKind::Service(_));
        self.jetstream.is_some() || self.ways.iter().any(leaves)
    }

    /// Whether one of its imports takes requests on `subject` to another account.
    pub fn asks_elsewhere(&self, subject: &[u8]) -> bool {
        let takes = |way: &Way| {
            matches!(way.kind, WayKind::Service(_)) && name::matches(&way.source, subject)
        };
        self.ways.iter().any(takes)
    }

    /// Counts one more connection.
    ///
    /// # Errors
    /// [`AccountFull`] if it may have no more; none is counted then.
    pub fn enter(&self) -> Result<(), AccountFull> {
        let before = self.used.connections.fetch_add(1, Ordering::Relaxed);
        if self.limits.connections.is_some_and(|max| before >= max) {
            self.leave();
            return Err(AccountFull);
        }
        Ok(())
    }

    /// Counts one connection less.
    pub fn leave(&self) {
        self.used.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Its connections on all cores.
    pub fn connections(&self) -> u32 {
        self.used.connections.load(Ordering::Relaxed)
    }
}

/// All accounts that there are, or were: a number is never given to another name.
#[derive(Clone, Debug)]
pub struct Accounts {
    by_id: Vec<Arc<Account>>,
    by_name: HashMap<Arc<str>, AccountId>,
    has_system: bool,
}

impl Accounts {
    /// The two that are always there. `system` is what the second is called.
    pub fn new(system: &str) -> Accounts {
        let mut accounts =
            Accounts { by_id: Vec::new(), by_name: HashMap::new(), has_system: true };
        assert_eq!(accounts.number(GLOBAL), AccountId::GLOBAL);
        assert_eq!(accounts.number(system), AccountId::SYSTEM);
        accounts
    }

    /// The account of that number.
    ///
    /// # Panics
    /// If no account has it: numbers come from here only.
    pub fn get(&self, id: AccountId) -> &Account {
        &self.by_id[id.index()]
    }

    /// The account's name.
    pub fn name(&self, id: AccountId) -> &Arc<str> {
        &self.get(id).name
    }

    /// The number of an account that is known.
    pub fn find(&self, name: &str) -> Option<AccountId> {
        self.by_name.get(name).copied()
    }

    /// How many numbers were given.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Never: two accounts are always there.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.by_id.iter().map(|account| &**account)
    }

    /// Whether the operator wants a system account.
    pub fn has_system(&self) -> bool {
        self.has_system
    }

    pub(crate) fn set_system(&mut self, has_system: bool) {
        self.has_system = has_system;
    }

    /// The number of a name, new or not.
    pub(crate) fn number(&mut self, name: &str) -> AccountId {
        if let Some(id) = self.find(name) {
            return id;
        }
        let id = AccountId(self.by_id.len() as u32);
        let name: Arc<str> = name.into();
        self.by_name.insert(Arc::clone(&name), id);
        let account = Account {
            id,
            tag: Arc::clone(&name),
            name,
            limits: AccountLimits::default(),
            ways: Arc::default(),
            mappings: None,
            trace: None,
            jetstream: None,
            tiers: Arc::default(),
            used: Arc::default(),
        };
        self.by_id.push(Arc::new(account));
        id
    }

    /// Forgets what the accounts were configured to be.
    pub(crate) fn clear(&mut self) {
        for account in self.by_id.iter_mut().map(Arc::make_mut) {
            account.tag = Arc::clone(&account.name);
            account.limits = AccountLimits::default();
            account.ways = Arc::default();
            account.mappings = None;
            account.trace = None;
            account.jetstream = None;
            account.tiers = Arc::default();
        }
    }

    pub(crate) fn change(&mut self, id: AccountId, change: impl FnOnce(&mut Account)) {
        change(Arc::make_mut(&mut self.by_id[id.index()]));
    }
}
