//! What all streams of a core stand on: the storage, the accounts with what they may still store,
//! and what the operator decided. A call on one stream borrows it as [`Means`].

use std::rc::Rc;

use base::Now;
use storage::Storage;

use crate::consumer::Budget;
use crate::members::{Allowance, Members};
use crate::outlet::Outlet;
use crate::service::held::{Held, Means};
use crate::settings::Settings;

/// What all streams of a core share.
pub(super) struct Ground {
    pub(super) settings: Rc<Settings>,
    pub(super) storage: Storage,
    pub(super) members: Members,
    /// What their consumers may still deliver in this turn.
    pub(super) budget: Budget,
}

impl Ground {
    /// What a stream works with in one call.
    #[inline]
    pub(super) fn means<'a>(
        &'a mut self,
        held: &Held,
        now: Now,
        outlet: &'a mut dyn Outlet,
    ) -> Means<'a> {
        let kind = held.stream.config().storage;
        let Allowance { quota, limits, account } = self.members.allow(held.member, kind);
        let (storage, settings) = (&mut self.storage, &self.settings);
        let budget = &mut self.budget;
        Means { storage, outlet, quota, budget, now, settings, limits, account }
    }
}
