//! What a service listens to wherever there are clients. Its subscriptions in an account begin with
//! the account's first client on this core, before that client can publish; an account that nobody
//! uses costs nothing.
//!
//! All cores' subscriptions are one queue group, so that one core answers.

use base::{AccountId, ServiceId};

use crate::shard::Shard;

/// Who listens, to what, and where already.
#[derive(Default)]
pub(crate) struct WithClients {
    listener: Option<Listener>,
    /// By account.
    listening: Vec<bool>,
}

struct Listener {
    service: ServiceId,
    subjects: Vec<&'static str>,
    queue: &'static [u8],
}

impl Shard {
    /// Lets `service` listen to `subjects` in every account that has clients on this core from now
    /// on, as part of the queue group `queue`. One service only. An account in which it listens by
    /// itself is left out.
    ///
    /// # Panics
    /// If another service does so.
    pub fn listen_with_clients(
        &mut self,
        service: ServiceId,
        subjects: Vec<&'static str>,
        queue: &'static [u8],
        except: AccountId,
    ) {
        assert!(self.with_clients.listener.is_none(), "one service listens with clients");
        self.with_clients.listener = Some(Listener { service, subjects, queue });
        self.with_clients.mark(except);
    }

    /// A client is in this account.
    #[inline]
    pub(crate) fn client_entered(&mut self, account: AccountId) {
        if self.with_clients.listening.get(account.index()) != Some(&true) {
            self.first_client_entered(account);
        }
    }

    #[cold]
    fn first_client_entered(&mut self, account: AccountId) {
        let Some(Listener { service, subjects, queue }) = self.with_clients.listener.take() else {
            return;
        };
        for subject in &subjects {
            let key = self.subscribe_service(service, account, subject.as_bytes(), Some(queue), 0);
            key.expect("our own subjects are valid");
        }
        self.with_clients.mark(account);
        self.with_clients.listener = Some(Listener { service, subjects, queue });
    }
}

impl WithClients {
    fn mark(&mut self, account: AccountId) {
        if self.listening.len() <= account.index() {
            self.listening.resize(account.index() + 1, false);
        }
        self.listening[account.index()] = true;
    }
}
