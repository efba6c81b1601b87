//! Which account a connection is in, and the directory that says which there are.

use std::sync::Arc;

use base::ConnSlot;
use security::{AccountFull, Directory, Session};

use crate::guard::Guard;
use crate::shard::Shard;

impl Shard {
    /// Which accounts and users there are.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.settings.directory
    }

    /// Puts a connection into its account, with its permissions. Its subscriptions in another
    /// one must have ended before.
    ///
    /// # Errors
    /// [`AccountFull`] if the account has all the connections it may have; the connection is in
    /// no account then.
    pub fn enter(&mut self, slot: ConnSlot, session: &Session) -> Result<(), AccountFull> {
        let directory = Arc::clone(self.directory());
        let Some(outbox) = self.outbox(slot) else { return Ok(()) };
        if let Some(before) = outbox.account.take() {
            directory.accounts().get(before).leave();
        }
        directory.accounts().get(session.account).enter()?;
        outbox.account = Some(session.account);
        let permissions = session.permissions.clone();
        outbox.guard = permissions.map(|permissions| Box::new(Guard::new(permissions)));
        self.client_entered(session.account);
        Ok(())
    }
}
