//! How much each account stores on this core, counted as its streams count.

use ahash::RandomState;
use base::AccountId;
use hashbrown::HashMap;

use crate::Kind;

/// Bytes stored, by where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// In memory streams.
    pub memory: u64,
    /// In file streams.
    pub file: u64,
}

/// An account's place in [`Accounts`], kept by its streams so that nothing is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpaceId(u32);

/// The space of every account that ever had a stream here.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    spaces: Vec<Space>,
    places: HashMap<AccountId, SpaceId, RandomState>,
}

impl Accounts {
    /// The place of an account.
    pub(crate) fn place(&mut self, account: AccountId) -> SpaceId {
        *self.places.entry(account).or_insert_with(|| {
            self.spaces.push(Space::default());
            SpaceId(self.spaces.len() as u32 - 1)
        })
    }

    /// What an account stores.
    pub(crate) fn of(&self, account: AccountId) -> Space {
        self.places.get(&account).map(|id| self.spaces[id.0 as usize]).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn add(&mut self, id: SpaceId, kind: Kind, bytes: u64) {
        *self.spaces[id.0 as usize].of(kind) += bytes;
    }

    #[inline]
    pub(crate) fn subtract(&mut self, id: SpaceId, kind: Kind, bytes: u64) {
        *self.spaces[id.0 as usize].of(kind) -= bytes;
    }
}

impl Space {
    #[inline]
    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Memory => &mut self.memory,
            Kind::File => &mut self.file,
        }
    }
}
