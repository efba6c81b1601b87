//! Auth callout: a service that listens in some account says who may come in, and as whom
//! (spec/security.md §5).
//!
//! ```text
//! core ─▶ login thread: Question ─▶ core: published on SUBJECT ─▶ the service
//! core ◀─ login thread: Answer judged ◀─ core: came on the reply ◀──┘
//! ```
//! The client waits meanwhile, its core does not. What is secret of it goes to the service only,
//! sealed where that has a curve key.
//!
//! | file | what |
//! |---|---|
//! | `keys.rs` | the server's own keys: one signs questions, to the other answers are sealed |
//! | `mandate.rs` | whose word a service gives, about whom, and where it may put them |
//! | `question.rs` | what the service is asked about a client |
//! | `answer.rs` | what its answer is worth |

mod answer;
mod keys;
mod mandate;
mod question;

use std::sync::Arc;

use base::AccountId;
use config::Options;
use config::accounts::GLOBAL;

use crate::account::Accounts;
use crate::credentials::Session;
use crate::operator::SeenAccount;
use crate::permissions::Permissions;
use mandate::{Configured, Mandate, OfAccount};

pub(crate) use mandate::ANY_ACCOUNT;

pub use answer::{Answer, Judged};
pub use keys::ServerKeys;
pub use question::{Applicant, Question, Waiting, ask};

/// Where the service listens.
pub const SUBJECT: &str = "$SYS.REQ.USER.AUTH";

/// A service that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// Where it listens.
    account: AccountId,
    /// Its public curve key.
    xkey: Option<String>,
    mandate: Mandate,
}

impl Callout {
    /// As the options say it; their accounts have numbers already.
    pub(crate) fn new(options: &Options, accounts: &mut Accounts) -> Option<Callout> {
        let config = options.accounts.callout.as_ref()?;
        let account = accounts.number(config.account.as_deref().unwrap_or(GLOBAL));
        let mandate = Mandate::Configured(Configured::new(config, options, accounts));
        Some(Callout { account, xkey: config.xkey.clone(), mandate })
    }

    /// That of an account of an operator, if its users are authorized by one.
    pub(crate) fn of_account(id: AccountId, account: &SeenAccount) -> Option<Callout> {
        let config = &account.claims.content.authorization;
        let mandate = Mandate::Account(OfAccount::new(&account.claims.subject, config)?);
        let xkey = Some(config.xkey.clone()).filter(|key| !key.is_empty());
        Some(Callout { account: id, xkey, mandate })
    }

    /// The account in which it is asked.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Whether it is asked about who says that it is `name`, a user of `account` if there is one.
    pub(crate) fn is_asked_about(&self, name: &str, account: Option<AccountId>) -> bool {
        match &self.mandate {
            Mandate::Configured(mandate) => mandate.is_asked_about(name, account),
            // It is known by the token alone.
            Mandate::Account(_) => false,
        }
    }

    /// Whether what `before` said of a client in `account` holds still.
    pub(crate) fn still_vouches(&self, before: &Callout, account: AccountId) -> bool {
        match (&self.mandate, &before.mandate) {
            (Mandate::Configured(now), Mandate::Configured(then)) => {
                self.account == before.account && now.still_vouches(then, account)
            }
            _ => false,
        }
    }

    /// The account of an operator whose word it gives, if it is one of those.
    pub(crate) fn of_operator(&self) -> Option<&str> {
        match &self.mandate {
            Mandate::Configured(_) => None,
            Mandate::Account(mandate) => Some(&mandate.key),
        }
    }

    /// Whether it may put users into the account with this key.
    pub(crate) fn may_put_into(&self, key: &str) -> bool {
        matches!(&self.mandate, Mandate::Account(mandate) if mandate.may_put_into(key))
    }

    /// What a session becomes that it vouches for. `name` is who the user is, if it says so.
    pub(crate) fn vouched(self: &Arc<Callout>, name: String, session: Session) -> Session {
        let beside = session.account == self.account;
        let permissions = match beside {
            true => Some(Arc::new(without_questions(session.permissions.as_deref()))),
            false => session.permissions.clone(),
        };
        Session { user: name, permissions, callout: Some(Arc::clone(self)), ..session }
    }
}

/// Who lives beside the service may not ask it.
fn without_questions(permissions: Option<&Permissions>) -> Permissions {
    let mut config = permissions.map(|known| known.config().clone()).unwrap_or_default();
    config.publish.deny.push(SUBJECT.to_owned());
    Permissions::new(&config)
}

#[cfg(test)]
mod tests;
