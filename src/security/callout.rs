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
//! | `question.rs` | what the service is asked about a client |
//! | `answer.rs` | what its answer is worth |

mod answer;
mod keys;
mod question;

use std::collections::HashSet;

use base::AccountId;
use config::Options;
use config::accounts::{GLOBAL, SYSTEM};

use crate::account::Accounts;

pub use answer::{Answer, Mistrust};
pub use keys::ServerKeys;
pub use question::{Applicant, Question, Waiting, ask};

/// Where the service listens.
pub const SUBJECT: &str = "$SYS.REQ.USER.AUTH";

/// Who is asked, about whom, and where it may put them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// The public key that signs its answers.
    issuer: String,
    /// Where it listens.
    account: AccountId,
    /// Its public curve key.
    xkey: Option<String>,
    /// Users by name or key that come in without it.
    own: HashSet<String>,
    /// Only users of these accounts are asked about, when there are some.
    asked: HashSet<AccountId>,
    /// Accounts that there are.
    accounts: HashSet<AccountId>,
}

impl Callout {
    /// As the options say it; their accounts have numbers already.
    pub(crate) fn new(options: &Options, accounts: &mut Accounts) -> Option<Callout> {
        let config = options.accounts.callout.as_ref()?;
        let system = options.accounts.system.as_deref().unwrap_or(SYSTEM);
        let declared = options.accounts.declared.iter().map(|account| account.name.as_str());
        let account = accounts.number(config.account.as_deref().unwrap_or(GLOBAL));
        Some(Callout {
            issuer: config.issuer.clone(),
            account,
            xkey: config.xkey.clone(),
            own: config.auth_users.iter().cloned().collect(),
            asked: config.allowed_accounts.iter().map(|name| accounts.number(name)).collect(),
            accounts: declared.chain([GLOBAL, system]).map(|name| accounts.number(name)).collect(),
        })
    }

    /// The account in which it is asked.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Whether it is asked about who says that it is `name`, a user of `account` if there is one.
    pub(crate) fn is_asked_about(&self, name: &str, account: Option<AccountId>) -> bool {
        let asked = |account: AccountId| self.asked.is_empty() || self.asked.contains(&account);
        !self.own.contains(name) && account.is_none_or(asked)
    }

    /// Whether what `before` said of a client in `account` holds still.
    pub(crate) fn still_vouches(&self, before: &Callout, account: AccountId) -> bool {
        self.issuer == before.issuer
            && self.account == before.account
            && self.accounts.contains(&account)
    }
}

#[cfg(test)]
mod tests;
