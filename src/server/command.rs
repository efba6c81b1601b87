//! What the control thread asks of a core. A core handles a few each turn, every one bounded.

use std::sync::Arc;

use base::snapshot::{ConnectionSnapshot, StreamQuery, StreamSnapshot, UserSnapshot};
use base::{AccountId, ClientId, ConnSlot};
use monitor::{Announcement, IndexFigures, SubscriptionPage, SubscriptionQuery};
use security::{HandshakeStep, Verdict};
use tokio::sync::oneshot;

use crate::callouts::AskService;
use crate::core::reconfigure::CoreSettings;

/// Commands that may wait for one core.
pub const COMMANDS_MAX: usize = 1024;
/// Connections in one page: some 25 µs of a core.
pub const CONNECTIONS_PER_PAGE: usize = 64;
/// Places in the subscription table that one page looks at: some 5 µs where few are shown, 100 µs
/// where all are.
pub const SUBSCRIPTIONS_PER_PAGE: usize = 512;

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
    /// Say what the index of one account, or all of them, counts.
    Index(Option<AccountId>, oneshot::Sender<IndexFigures>),
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

/// The slots from `from` on that make one page, and where the next begins.
pub fn page_of(
    slots: impl Iterator<Item = ConnSlot>,
    from: usize,
) -> (Vec<ConnSlot>, Option<usize>) {
    let mut slots = slots.skip_while(|slot| slot.index() < from);
    let page: Vec<ConnSlot> = slots.by_ref().take(CONNECTIONS_PER_PAGE).collect();
    (page, slots.next().map(ConnSlot::index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_all_slots_once() {
        let all: Vec<ConnSlot> = (0..700).step_by(2).map(ConnSlot).collect();
        let (mut seen, mut from) = (Vec::new(), Some(0));
        while let Some(start) = from {
            let (page, next) = page_of(all.iter().copied(), start);
            seen.extend(page);
            from = next;
        }
        assert_eq!(seen, all);
    }
}
