//! What the control thread asks of a core. A core handles a few each turn, every one bounded.

use std::sync::Arc;

use base::snapshot::{ConnectionSnapshot, StreamQuery, StreamSnapshot, UserSnapshot};
use base::{AccountId, ClientId, ConnSlot};
use monitor::{Announcement, IndexFigures, SubscriptionPage, SubscriptionQuery};
use security::{HandshakeStep, Ticket, Verdict};
use tokio::sync::oneshot;

use crate::callouts::AskService;
use crate::core::reconfigure::CoreSettings;

/// Commands that may wait for one core.
pub const COMMANDS_MAX: usize = 1024;
/// Connections in one page: some 20 µs of a core.
pub const CONNECTIONS_PER_PAGE: usize = 64;
/// Subscriptions that one page shows: some 15 µs.
pub const SUBSCRIPTIONS_PER_PAGE: usize = 64;
/// Places in the tables of connections and subscriptions that one page looks at: some 5 µs.
pub const PLACES_PER_PAGE: usize = 512;

/// A command to one core.
pub enum Command {
    /// Show open connections.
    Connections(Page<(), Vec<ConnectionSnapshot>>),
    /// Show the connections at these places, at most a page of them.
    ConnectionsAt(Vec<ConnSlot>, oneshot::Sender<Vec<Option<ConnectionSnapshot>>>),
    /// Show subscriptions.
    Subscriptions(Page<SubscriptionQuery, SubscriptionPage>),
    /// Show streams.
    Streams(Page<StreamQuery, Vec<StreamSnapshot>>),
    /// Say what the index of one account, or all of them, counts. Pages add up.
    Index(Page<Option<AccountId>, IndexFigures>),
    /// Copy what the index counts into the shared counters.
    RefreshCounters(oneshot::Sender<()>),
    /// Show who the user of a connection is, if that is still there.
    User(ConnSlot, oneshot::Sender<Option<UserSnapshot>>),
    /// Publish for the system services. When it is done, every core finds it in its ring.
    Publish(Box<Announcement>, oneshot::Sender<()>),
    /// Say which of these subjects somebody listens to.
    HasInterest(AccountId, Vec<String>, oneshot::Sender<Vec<bool>>),
    /// End a client's connection; whether it lives here.
    Kick(ClientId, oneshot::Sender<bool>),
    /// Tell one client that the server will soon be gone; whether it lives here.
    WarnOfEnd(ClientId, oneshot::Sender<bool>),
    /// Obey these settings; the answer comes when the last open connection does.
    Reconfigure(Arc<CoreSettings>, oneshot::Sender<()>),
    /// Close those of these clients that live here: there are too many.
    Close(Arc<[ClientId]>, oneshot::Sender<()>),
    /// A login was checked.
    Login(Verdict),
    /// A service was asked about a login, in this account.
    LoginAsked(Ticket, AccountId),
    /// A TLS handshake was taken further.
    Handshake(Box<HandshakeStep>),
    /// Ask a service who may come in.
    AskService(Box<AskService>),
    /// Accept no more connections.
    StopListening,
    /// Tell every client that the server will soon be gone.
    AnnounceLameDuck,
    /// Close one client.
    CloseOne,
    /// Close everything and end.
    Shutdown,
}

/// A question that is answered page by page.
pub struct Page<Q, A> {
    /// What is asked.
    pub query: Q,
    /// Where this page begins; 0 at first.
    pub from: usize,
    /// The page, and where the next begins; `None` when there is none.
    pub answer: oneshot::Sender<(A, Option<usize>)>,
}

impl<Q, A> Page<Q, A> {
    /// Answers; an asker that is gone needs no answer.
    pub fn reply(self, page: A, next: Option<usize>) {
        let _ = self.answer.send((page, next));
    }
}

/// Where the next page begins, of `places` in all, after one that begins at `from`: behind its
/// last place where that is `full`, and otherwise behind all that it looked at.
pub fn next_page(from: usize, places: usize, full: Option<usize>) -> Option<usize> {
    let next = full.map_or(from + PLACES_PER_PAGE, |last| last + 1);
    (next < places).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_all_places_once_however_many_are_taken() {
        for step in [1, 2, 100, 700, 2500] {
            let taken: Vec<usize> = (0..2000).step_by(step).collect();
            let (mut seen, mut from) = (Vec::new(), Some(0));
            while let Some(start) = from {
                let looked_at = taken.iter().filter(|at| (start..start + 512).contains(*at));
                let page: Vec<usize> = looked_at.take(CONNECTIONS_PER_PAGE).copied().collect();
                let full = page.last().copied().filter(|_| page.len() == CONNECTIONS_PER_PAGE);
                seen.extend(page);
                from = next_page(start, 2000, full);
            }
            assert_eq!(seen, taken);
        }
        assert_eq!(next_page(0, 0, None), None);
    }
}
