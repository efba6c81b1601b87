//! Where logins are checked that take long: a bounded queue to threads that deliver no messages,
//! so that a storm of logins stalls no core.

use std::sync::Arc;

use base::{ClientId, ConnSlot, ShardId};
use crossbeam_channel::{Receiver, Sender};

use crate::credentials::{Denied, KeptCredentials, Session};
use crate::directory::Directory;

/// Logins that may wait. One more is refused; its client tries again.
const WAITING_MAX: usize = 8192;

/// Whose login it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The connection's core.
    pub shard: ShardId,
    /// Its place there.
    pub slot: ConnSlot,
    /// Its id, since the place may have gone to another meanwhile.
    pub cid: ClientId,
}

/// A login to be checked.
pub struct LoginRequest {
    /// Whose.
    pub ticket: Ticket,
    /// What the client said.
    pub credentials: KeptCredentials,
    /// By which rules.
    pub directory: Arc<Directory>,
}

/// What came of it.
pub struct Verdict {
    /// Whose login it was.
    pub ticket: Ticket,
    /// Who it is.
    pub session: Result<Session, Denied>,
}

impl LoginRequest {
    /// Checks it. Takes up to a tenth of a second.
    pub fn check(self) -> Verdict {
        let session = self.directory.login(&self.credentials.lend());
        Verdict { ticket: self.ticket, session }
    }
}

/// The core's end of the queue.
#[derive(Clone, Debug)]
pub struct Desk {
    requests: Sender<LoginRequest>,
}

impl Desk {
    /// A queue: the cores' end, and the end of those who check.
    pub fn open() -> (Desk, Receiver<LoginRequest>) {
        let (requests, waiting) = crossbeam_channel::bounded(WAITING_MAX);
        (Desk { requests }, waiting)
    }

    /// Has a login checked; `false` if too many wait.
    #[must_use]
    pub fn submit(&self, request: LoginRequest) -> bool {
        self.requests.try_send(request).is_ok()
    }
}

/// A nonce for a client to sign: 11 random bytes in base64 for URLs, 15 characters.
/// spec/client-protocol.md §2.3
pub fn nonce() -> String {
    let mut bytes = [0; 11];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}
