//! Where logins are checked that take long: a bounded queue to threads that deliver no messages,
//! so that a storm of logins stalls no core.

use std::sync::Arc;

use base::{ClientId, ConnSlot, ShardId};
use crossbeam_channel::{Receiver, Sender};

use crate::callout::Applicant;
use crate::credentials::{Denied, KeptCredentials, Session};
use crate::directory::Directory;
use crate::operator::{Refusal, SeenAccount};

/// Logins that may wait, and answers about them. One more is refused; its client tries again.
const WAITING_MAX: usize = 8192;
/// A login whose account is gone as often as it was fetched is refused.
const ATTEMPTS_MAX: u8 = 2;

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
    /// What a service must know of it, where one is asked.
    pub applicant: Option<Box<Applicant>>,
    /// How often its account was fetched.
    pub attempts: u8,
}

/// What came of a request.
pub enum Checked {
    /// An answer.
    Verdict(Verdict),
    /// Its account has to be taken into the directory first.
    Unseen(Admission),
}

/// A login that goes on when its account is in the directory.
pub struct Admission {
    /// The account, and those from which it imports.
    pub accounts: Vec<Arc<SeenAccount>>,
    /// The login.
    pub request: LoginRequest,
}

/// An answer of a service that was asked about a login.
pub struct ServiceAnswer {
    /// The subject on which it came.
    pub subject: Vec<u8>,
    /// What it says.
    pub payload: Vec<u8>,
}

/// What the threads have to do: the other end of a [`Desk`].
#[derive(Clone)]
pub struct Work {
    /// Logins to be checked.
    pub logins: Receiver<Box<LoginRequest>>,
    /// Answers to be judged.
    pub answers: Receiver<ServiceAnswer>,
}

/// What came of it.
pub struct Verdict {
    /// Whose login it was.
    pub ticket: Ticket,
    /// Who it is.
    pub session: Result<Session, Denied>,
    /// Why it is not let in, for the log alone; empty where that goes without saying.
    pub reason: String,
}

impl LoginRequest {
    /// Whether a service has to be asked, see [`crate::callout::ask`].
    pub fn needs_service(&self) -> bool {
        self.directory.service_for(&self.credentials.lend()).is_some()
    }

    /// Checks it. Takes up to a tenth of a second, and longer where an account must be fetched.
    pub fn check(self) -> Checked {
        let LoginRequest { ticket, credentials, directory, attempts, .. } = &self;
        let refused = match directory.admit(&credentials.lend()) {
            Ok(session) => {
                let (ticket, reason) = (*ticket, String::new());
                return Checked::Verdict(Verdict { ticket, session: Ok(session), reason });
            }
            Err(refused) => refused,
        };
        let fetched = match &refused.why {
            Some(Refusal::AccountUnseen(account)) if *attempts < ATTEMPTS_MAX => {
                directory.fetch(account, credentials.lend().now_ns)
            }
            _ => None,
        };
        match fetched {
            Some(Ok(accounts)) => {
                let request = LoginRequest { attempts: self.attempts + 1, ..self };
                Checked::Unseen(Admission { accounts, request })
            }
            Some(Err(error)) => Checked::Verdict(self.refused(refused.denied, error.to_string())),
            None => {
                let reason = refused.why.map(|why| why.to_string()).unwrap_or_default();
                Checked::Verdict(self.refused(refused.denied, reason))
            }
        }
    }

    /// Nobody is let in.
    pub fn refused(self, denied: Denied, reason: String) -> Verdict {
        Verdict { ticket: self.ticket, session: Err(denied), reason }
    }
}

/// The core's end of the queues.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Boxed, as a queue takes the memory of all its places at once.
    logins: Sender<Box<LoginRequest>>,
    answers: Sender<ServiceAnswer>,
}

impl Desk {
    /// Queues: the cores' end, and the end of those who check.
    pub fn open() -> (Desk, Work) {
        let (logins, logins_waiting) = crossbeam_channel::bounded(WAITING_MAX);
        let (answers, answers_waiting) = crossbeam_channel::bounded(WAITING_MAX);
        let work = Work { logins: logins_waiting, answers: answers_waiting };
        (Desk { logins, answers }, work)
    }

    /// Has an answer judged; `false` if too many wait.
    #[must_use]
    pub fn hand_in(&self, answer: ServiceAnswer) -> bool {
        self.answers.try_send(answer).is_ok()
    }

    /// Has a login checked.
    ///
    /// # Errors
    /// The request, if too many wait.
    pub fn submit(&self, request: LoginRequest) -> Result<(), Box<LoginRequest>> {
        self.logins.try_send(Box::new(request)).map_err(crossbeam_channel::TrySendError::into_inner)
    }
}

/// A nonce for a client to sign: 11 random bytes in base64 for URLs, 15 characters.
/// spec/client-protocol.md §2.3
pub fn nonce() -> String {
    let mut bytes = [0; 11];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}
