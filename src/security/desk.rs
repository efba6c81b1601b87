//! Where logins are checked that take long: a bounded queue to threads that deliver no messages,
//! so that a storm of logins stalls no core.

use std::sync::Arc;

use base::{ClientId, ConnSlot, ShardId};
use crossbeam_channel::{Receiver, Sender};

use crate::account_key::AccountKey;
use crate::callout::{Answer, Applicant, Callout, Judged};
use crate::credentials::{Denied, KeptCredentials, Session};
use crate::directory::Directory;
use crate::operator::{Delegation, Refusal, SeenAccount};

/// Logins that may wait, and answers about them. One more is refused; its client tries again.
const WAITING_MAX: usize = 8192;
/// A login whose account is gone as often as it was fetched is refused.
pub(crate) const ATTEMPTS_MAX: u8 = 2;

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
    /// What a service must know of it, where one may be asked.
    pub applicant: Option<Box<Applicant>>,
    /// Until when the client waits, nanoseconds since the Unix epoch.
    pub until_ns: u64,
    /// How often its account was fetched.
    pub attempts: u8,
}

/// A login, as far as it came.
pub enum Step {
    /// What the client said is to be checked.
    Said(Box<LoginRequest>),
    /// What a service answered about it is to be judged.
    Answered(Box<Answer>),
}

/// What came of a step.
pub enum Checked {
    /// An answer.
    Verdict(Verdict),
    /// A service has to be asked.
    Delegated(Arc<Callout>, Box<LoginRequest>),
    /// This account has to be in the directory first.
    Unseen(AccountKey, Step),
}

/// Logins that go on when their account is in the directory.
pub struct Admission {
    /// The account, and those from which it imports.
    pub accounts: Vec<Arc<SeenAccount>>,
    /// The logins.
    pub steps: Vec<Step>,
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
    pub logins: Receiver<Step>,
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
    /// Checks it. Takes up to a tenth of a second.
    pub fn check(self: Box<LoginRequest>) -> Checked {
        let lent = self.credentials.lend();
        if let Some(callout) = self.directory.service_for(&lent) {
            return Checked::Delegated(Arc::clone(callout), self);
        }
        let refused = match self.directory.admit(&lent) {
            Ok(session) => {
                let (ticket, reason) = (self.ticket, String::new());
                return Checked::Verdict(Verdict { ticket, session: Ok(session), reason });
            }
            Err(refused) => refused,
        };
        match refused.why {
            Some(Refusal::AccountUnseen(account)) if self.attempts < ATTEMPTS_MAX => {
                unseen(&account, Step::Said(self))
            }
            Some(Refusal::Delegated(delegation)) => self.delegated(*delegation),
            why => {
                let reason = why.map(|why| why.to_string()).unwrap_or_default();
                Checked::Verdict(self.refused(refused.denied, reason))
            }
        }
    }

    /// The token says more of the client than the client does.
    fn delegated(mut self: Box<LoginRequest>, delegation: Delegation) -> Checked {
        let Delegation { callout, claims } = delegation;
        let applicant = self.applicant.get_or_insert_default();
        if applicant.information.user.is_empty() {
            applicant.information.user.clone_from(&claims.subject);
        }
        if applicant.options.jwt.is_empty() {
            applicant.options.jwt.push_str(self.directory.sentinel().unwrap_or_default());
        }
        applicant.information.name_tag.clone_from(&claims.name);
        applicant.information.tags.clone_from(&claims.content.tags);
        Checked::Delegated(callout, self)
    }

    /// Nobody is let in.
    pub fn refused(self: Box<LoginRequest>, denied: Denied, reason: String) -> Verdict {
        Verdict { ticket: self.ticket, session: Err(denied), reason }
    }
}

impl From<Judged> for Checked {
    fn from(judged: Judged) -> Checked {
        match judged {
            Judged::Verdict(verdict) => Checked::Verdict(verdict),
            Judged::Unseen(account, answer) => unseen(&account, Step::Answered(answer)),
        }
    }
}

/// `step` goes on when `account` is in the directory. A text that is no key stands for none.
fn unseen(account: &str, step: Step) -> Checked {
    match AccountKey::parse(account) {
        Some(account) => Checked::Unseen(account, step),
        None => Checked::Verdict(step.refused(String::from("not a public account nkey"))),
    }
}

impl Step {
    /// By which rules it is judged.
    pub fn directory(&self) -> &Arc<Directory> {
        match self {
            Step::Said(request) => &request.directory,
            Step::Answered(answer) => answer.waiting.directory(),
        }
    }

    /// The same by newer rules, an account later.
    pub fn under(mut self, directory: Arc<Directory>) -> Step {
        match &mut self {
            Step::Said(request) => {
                request.directory = directory;
                request.attempts += 1;
            }
            Step::Answered(answer) => answer.waiting.under(directory),
        }
        self
    }

    /// Whether its client waits no longer.
    pub fn is_late(&self, now_ns: u64) -> bool {
        match self {
            Step::Said(request) => request.until_ns <= now_ns,
            Step::Answered(answer) => answer.waiting.is_late(now_ns),
        }
    }

    /// Nobody is let in.
    pub fn refused(self, reason: String) -> Verdict {
        match self {
            Step::Said(request) => request.refused(Denied::Credentials, reason),
            Step::Answered(answer) => answer.refused(reason),
        }
    }
}

/// The core's end of the queues.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Steps are boxed, as a queue takes the memory of all its places at once.
    logins: Sender<Step>,
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
    /// The login, if too many wait.
    pub fn submit(&self, step: Step) -> Result<(), Step> {
        self.logins.try_send(step).map_err(crossbeam_channel::TrySendError::into_inner)
    }
}

/// A nonce for a client to sign: 11 random bytes in base64 for URLs, 15 characters.
/// spec/client-protocol.md §2.3
pub fn nonce() -> String {
    let mut bytes = [0; 11];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}
