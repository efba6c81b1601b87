//! The streams of all accounts: their names, configurations and cores. Names and configurations
//! are judged here and nowhere else.
//!
//! Invariants: no two streams of an account have one name or share a subject; a stream that is
//! being made, changed or deleted is *busy*, and whoever asks the same of it waits.

use std::collections::{BTreeMap, VecDeque};

use base::{AccountId, ShardId};

use crate::api::account_info::{AccountLimits, ApiStats, ONE_REPLICA};
use crate::note::Question;
use crate::stream_config::{Storage, fit_among};
use crate::{ApiError, ErrorCode, StreamConfig};

/// Whether an order for a stream is under way.
#[derive(Debug, Default)]
pub enum State {
    /// None is.
    #[default]
    Settled,
    /// One is; these wait for its end.
    Busy(VecDeque<Question>),
    /// A backup is on its way. Until it has come there is no stream for anybody, but its name and
    /// its space are taken.
    Restoring,
}

/// One stream, as the registry knows it.
#[derive(Debug)]
pub struct Entry {
    /// Complete and checked.
    pub config: StreamConfig,
    /// Nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// Where it lives.
    pub home: ShardId,
    /// Whether something is under way.
    pub state: State,
}

/// The names of tiers and what is allowed in each; none of an account without tiers.
pub type Tiers = Vec<(String, AccountLimits)>;

/// One account that may use JetStream.
#[derive(Debug, Default)]
pub struct Account {
    /// What it may use: its streams, each of one replica.
    pub limits: AccountLimits,
    /// The limits of all tiers, where it has tiers.
    pub tiers: Tiers,
    /// Its streams by name.
    pub streams: BTreeMap<String, Entry>,
    /// How often it asked.
    pub api: ApiStats,
}

/// Bytes of all streams of the server at most; `None` without a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerBounds {
    /// Of memory streams.
    pub memory: Option<u64>,
    /// Of file streams.
    pub storage: Option<u64>,
}

impl ServerBounds {
    /// These, where `others` names none.
    #[must_use]
    pub fn widened(self, others: ServerBounds) -> ServerBounds {
        ServerBounds {
            memory: others.memory.or(self.memory),
            storage: others.storage.or(self.storage),
        }
    }
}

/// All accounts in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accounts.
    pub accounts: u64,
    /// Requests of the API.
    pub requests: u64,
    /// Those that the registry answered with an error.
    pub refused: u64,
}

/// What a request to make a stream comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// There is none of that name, and it may be made.
    New,
    /// It is there already, exactly so.
    Same,
}

/// All accounts.
#[derive(Debug, Default)]
pub struct Registry {
    accounts: BTreeMap<AccountId, Account>,
    bounds: ServerBounds,
}

impl Registry {
    /// One without accounts.
    #[must_use]
    pub fn new(bounds: ServerBounds) -> Registry {
        Registry { accounts: BTreeMap::new(), bounds }
    }

    /// New bounds of the whole server; one that is not given stays.
    pub fn widen(&mut self, bounds: ServerBounds) {
        self.bounds = self.bounds.widened(bounds);
    }

    /// Lets an account use JetStream, within these limits.
    pub fn admit(&mut self, account: AccountId, limits: AccountLimits, tiers: Tiers) {
        let account = self.accounts.entry(account).or_default();
        (account.limits, account.tiers) = (limits, tiers);
    }

    /// An account that may use JetStream.
    #[must_use]
    pub fn account(&self, account: AccountId) -> Option<&Account> {
        self.accounts.get(&account)
    }

    /// An account that may use JetStream.
    pub fn account_mut(&mut self, account: AccountId) -> Option<&mut Account> {
        self.accounts.get_mut(&account)
    }

    /// A stream that is there.
    #[must_use]
    pub fn stream(&self, account: AccountId, stream: &str) -> Option<&Entry> {
        let entry = self.accounts.get(&account)?.streams.get(stream);
        entry.filter(|entry| entry.is_there())
    }

    /// A stream that is there.
    pub fn stream_mut(&mut self, account: AccountId, stream: &str) -> Option<&mut Entry> {
        let entry = self.accounts.get_mut(&account)?.streams.get_mut(stream);
        entry.filter(|entry| entry.is_there())
    }

    /// Judges the creation of a stream with this complete configuration, and lets it take over
    /// what it must from the account's other streams.
    pub fn judge_create(
        &self,
        account: AccountId,
        config: &mut StreamConfig,
    ) -> Result<Creation, ApiError> {
        let held = self.account(account).ok_or(ErrorCode::NotEnabledForAccount)?;
        let fits = fit_among(config, &held.others(&config.name));
        if let Some(entry) = held.streams.get(&config.name) {
            return match entry.is_there() && entry.config == *config {
                true => Ok(Creation::Same),
                false => Err(ErrorCode::StreamNameExist.into()),
            };
        }
        if is_reached(held.limits.max_streams, held.streams.len()) {
            return Err(ErrorCode::MaximumStreamsLimit.into());
        }
        self.judge_limits(held, config)?;
        fits?;
        Ok(Creation::New)
    }

    /// Judges a change of a stream to this complete configuration, apart from what may be changed
    /// at all.
    pub fn judge_update(
        &self,
        account: AccountId,
        config: &mut StreamConfig,
    ) -> Result<(), ApiError> {
        let held = self.account(account).ok_or(ErrorCode::NotEnabledForAccount)?;
        self.judge_limits(held, config)?;
        fit_among(config, &held.others(&config.name))
    }

    // spec/jetstream.md §3, account limit errors
    fn judge_limits(&self, held: &Account, config: &StreamConfig) -> Result<(), ApiError> {
        let limits = &held.limits;
        if !held.tiers.is_empty() && !held.tiers.iter().any(|(name, _)| name == ONE_REPLICA) {
            return Err(ErrorCode::NoLimits.into());
        }
        if limits.max_bytes_required && config.max_bytes <= 0 {
            return Err(ErrorCode::StreamMaxBytesRequired.into());
        }
        let (stream_max, account_max, bound, exceeded) = match config.storage {
            Storage::Memory => (
                limits.memory_max_stream_bytes,
                limits.max_memory,
                self.bounds.memory,
                ErrorCode::MemoryResourcesExceeded,
            ),
            Storage::File => (
                limits.storage_max_stream_bytes,
                limits.max_storage,
                self.bounds.storage,
                ErrorCode::StorageResourcesExceeded,
            ),
        };
        if stream_max > 0 && config.max_bytes > stream_max {
            return Err(ErrorCode::StreamMaxStreamBytesExceeded.into());
        }
        let Ok(wanted) = u64::try_from(config.max_bytes) else { return Ok(()) };
        let own = held.streams.get(&config.name).map_or(0, |entry| entry.reserved(config.storage));
        let over = |bound: u64, reserved: u64| (reserved - own).saturating_add(wanted) > bound;
        let in_account = held.reserved(config.storage);
        if u64::try_from(account_max).is_ok_and(|max| over(max, in_account)) {
            return Err(exceeded.into());
        }
        if bound.is_some_and(|bound| over(bound, self.reserved(config.storage))) {
            return Err(exceeded.into());
        }
        Ok(())
    }

    /// Bytes that all streams of this storage may take.
    #[must_use]
    pub fn reserved(&self, storage: Storage) -> u64 {
        self.accounts.values().map(|account| account.reserved(storage)).sum()
    }

    /// All accounts in numbers.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { accounts: self.accounts.len() as u64, ..Totals::default() };
        for account in self.accounts.values() {
            totals.requests += account.api.total;
            totals.refused += account.api.errors;
        }
        totals
    }

    /// The core with the fewest streams among `cores`; `near` if it is one of those.
    #[must_use]
    pub fn place(&self, cores: usize, near: ShardId) -> ShardId {
        let mut loads = vec![0_usize; cores];
        for entry in self.accounts.values().flat_map(|account| account.streams.values()) {
            loads[entry.home.index()] += 1;
        }
        let fewest = loads.iter().min().copied().unwrap_or_default();
        match loads.get(near.index()) {
            Some(&load) if load == fewest => near,
            _ => ShardId(loads.iter().position(|&load| load == fewest).unwrap_or(0) as u16),
        }
    }
}

impl Account {
    /// Bytes that its streams of this storage may take.
    #[must_use]
    pub fn reserved(&self, storage: Storage) -> u64 {
        self.streams.values().map(|entry| entry.reserved(storage)).sum()
    }

    /// All its streams but this one.
    #[must_use]
    pub fn others(&self, stream: &str) -> Vec<&StreamConfig> {
        let configs = self.streams.values().map(|entry| &entry.config);
        configs.filter(|config| config.name != stream).collect()
    }
}

impl Entry {
    /// Whether anybody may see it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !matches!(self.state, State::Restoring)
    }

    /// The bytes that it may take in this storage; 0 without a bound.
    fn reserved(&self, storage: Storage) -> u64 {
        let own = self.config.storage == storage;
        if own { u64::try_from(self.config.max_bytes).unwrap_or(0) } else { 0 }
    }
}

/// Whether one more would be too many; -1 and 0 are no limit.
fn is_reached(limit: i64, have: usize) -> bool {
    usize::try_from(limit).is_ok_and(|limit| limit > 0 && have >= limit)
}

#[cfg(test)]
mod tests;
